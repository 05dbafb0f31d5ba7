//! Generated cases through the real proxy: whatever carries a request, and however the policy came to
//! be in force, the answer is the one that the document says.

use super::dice::Dice;
use super::model::{Policy, Request, to_json};
use super::shrink::tell;
use super::{Verdict, evaluate, generate};
use crate::support::upstream::{chunked_response, json_response};
use crate::support::{Client, Proxy, TempPolicy, Upstream, client, h2};
use portcullis::decide::Reason;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

/// Policies that follow one another in a running proxy, and requests to each.
const POLICIES: usize = 10;
const REQUESTS: usize = 15;

/// What the upstream has, and how it says it.
#[derive(Clone, Debug, Default)]
struct Store {
    stored: BTreeMap<String, Value>,
    answer: Value,
    chunked: bool,
}

/// What a client saw: the status, and the body if it is JSON that the upstream could have sent.
type Seen = (u16, Option<Value>);

#[test]
fn p09_carriage_and_reload_change_nothing() {
    let store = Arc::new(Mutex::new(Store::default()));
    let upstream = upstream(store.clone());
    let mut first: Option<(TempPolicy, Proxy)> = None;
    let mut statuses = BTreeMap::<u16, u32>::new();
    let policies = (9_000_000..).map(|seed| {
        let mut dice = Dice::new(seed);
        (generate::policy(&mut dice), dice)
    });
    // A reload that lists no organizations any more is refused.
    let with_orgs = policies.filter(|(policy, _)| policy.organizations.is_some());
    for (generation, (policy, mut dice)) in with_orgs.take(POLICIES).enumerate() {
        let policy = callable(policy);
        let text = text(&policy);
        let cold = TempPolicy::file(&text);
        let cold = (Proxy::start(&upstream, &cold), cold);
        let (_, reloaded) = first.get_or_insert_with(|| {
            let file = TempPolicy::file(&text);
            let proxy = Proxy::start(&upstream, &file);
            (file, proxy)
        });
        let reloaded = reloaded.address;
        if generation > 0 {
            let (file, proxy) = first.as_ref().unwrap();
            file.write("policy.yaml", &text);
            proxy.wait_for_generation(generation as u64 + 1);
        }
        for _ in 0..REQUESTS {
            let request = sendable(generate::request(&mut dice, &policy));
            let expected = expected(&evaluate(&policy, &request), &request);
            *statuses.entry(expected.0).or_default() += 1;
            let carriers: [(&str, SocketAddr, Carrier); 5] = [
                ("reloaded, sized", reloaded, sized),
                ("reloaded, chunked", reloaded, chunked),
                ("reloaded, HTTP/2", reloaded, streamed),
                ("cold, sized", cold.0.address, sized),
                ("cold, HTTP/2", cold.0.address, streamed),
            ];
            for (name, to, carrier) in carriers {
                *store.lock().unwrap() = Store {
                    stored: request.stored.clone(),
                    answer: request.answer.clone(),
                    chunked: name.contains("chunked"),
                };
                let seen = carrier(to, &request);
                assert_eq!(
                    seen,
                    expected,
                    "{name}: {}",
                    tell(&to_json(&policy), &to_json(&request))
                );
            }
        }
    }
    assert!(statuses.len() >= 4, "{statuses:?}");
    assert!(statuses[&200] > 10, "{statuses:?}");
}

/// Sends a request one way and says what came back.
type Carrier = fn(SocketAddr, &Request) -> Seen;

fn upstream(store: Arc<Mutex<Store>>) -> Upstream {
    Upstream::with(move |request| {
        let store = store.lock().unwrap().clone();
        let path = request.target.split('?').next().unwrap_or_default();
        let body = match request.method.as_str() {
            "GET" => store.stored.get(path).cloned(),
            _ => Some(store.answer),
        };
        let Some(body) = body else { return json_response(404, "{}") };
        let body = body.to_string();
        if !store.chunked {
            return json_response(200, &body);
        }
        let pieces: Vec<&str> = body.split_inclusive([':', ',']).collect();
        chunked_response(200, &[("Content-Type", "application/json")], &pieces)
    })
}

/// A policy whose callers a trusted peer names.
fn text(policy: &Policy) -> String {
    let mut policy = to_json(policy);
    policy["identity"] = json!({"forwarded": {
        "peers": ["127.0.0.1/32"], "user": "X-Auth-User", "org": "X-Auth-Org", "app": "X-Auth-App",
        "roles": "X-Auth-Roles", "email": "X-Auth-Email",
    }});
    policy.to_string()
}

/// Says where memberships are from, so that a reload may change it.
fn callable(policy: Policy) -> Policy {
    Policy { membership: Some(policy.membership().to_owned()), ..policy }
}

/// A request as such a peer can send it, to an upstream that answers a GET with what it has.
fn sendable(mut request: Request) -> Request {
    if request.method == "HEAD" {
        request.method = "GET".into();
    }
    if request.method == "GET" {
        request.stored.insert(request.path.clone(), request.answer.clone());
    }
    request.ip = "127.0.0.1".into();
    request.now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    if let Some(caller) = &mut request.caller {
        caller.api_key = false;
        caller.claims.clear();
        caller.roles_by_org.clear();
        caller.roles = caller.roles.take().filter(|roles| !roles.is_empty());
    }
    request
}

/// What a client sees of a verdict.
fn expected(verdict: &Verdict, request: &Request) -> Seen {
    let allowed = match verdict {
        Verdict::Refused(reason) => return (reason.status(), None),
        Verdict::Public => return (200, Some(request.answer.clone())),
        Verdict::Allowed(allowed) => allowed,
    };
    match (&allowed.sent, &allowed.seen) {
        (Err((reason, _)), _) => (reason.status(), None),
        _ if allowed.erases_hidden => (Reason::HiddenFieldsAtRisk.status(), None),
        (_, Ok(seen)) => (200, Some(seen.clone())),
        // A write has happened: its status stands.
        (_, Err(_)) if request.method != "GET" => (200, None),
        (_, Err(reason)) => (reason.status(), None),
    }
}

fn fields(request: &Request) -> Vec<(String, String)> {
    let mut fields = request.headers.clone();
    let mut add = |name: &str, value: String| fields.push((name.to_owned(), value));
    if let Some(caller) = &request.caller {
        add("x-auth-user", caller.user.clone());
        caller.org.iter().for_each(|org| add("x-auth-org", org.clone()));
        caller.app.iter().for_each(|app| add("x-auth-app", app.clone()));
        caller.roles.iter().for_each(|roles| add("x-auth-roles", roles.join(",")));
        caller.email.iter().for_each(|email| add("x-auth-email", email.clone()));
    }
    if request.body.is_some() {
        add("content-type", "application/json".into());
    }
    fields
}

fn sized(to: SocketAddr, request: &Request) -> Seen {
    let mut fields = fields(request);
    fields.push(("Host".into(), request.host.clone()));
    let fields: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let mut client = Client::connect(to);
    let response = match &request.body {
        None => client.call(&request.method, &request.target(), &fields),
        Some(body) => {
            let body = body.to_string();
            client.call_with(&request.method, &request.target(), &fields, body.as_bytes())
        }
    };
    seen(response.status, &response.body)
}

fn chunked(to: SocketAddr, request: &Request) -> Seen {
    let Some(body) = &request.body else { return sized(to, request) };
    let mut fields = fields(request);
    fields.push(("Host".into(), request.host.clone()));
    fields.push(("Transfer-Encoding".into(), "chunked".into()));
    let fields: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let mut text = client::head(&request.method, &request.target(), &fields, None);
    for piece in body.to_string().split_inclusive([':', ',']) {
        text += &format!("{:x}\r\n{piece}\r\n", piece.len());
    }
    let mut client = Client::connect(to);
    // A refusal may come before all of it has been sent.
    let _ = client.try_send(text + "0\r\n\r\n");
    let response = client.read_to(&request.method);
    seen(response.status, &response.body)
}

fn streamed(to: SocketAddr, request: &Request) -> Seen {
    let uri = format!("http://{}{}", request.host, request.target());
    let mut built = http::Request::builder().method(request.method.as_str()).uri(uri);
    for (name, value) in fields(request) {
        built = built.header(name, value);
    }
    let body = request.body.as_ref().map(Value::to_string).unwrap_or_default();
    let built = built.body(body.into()).unwrap();
    let whole = h2::call_all(to, vec![built]).remove(0).unwrap();
    seen(whole.status, &whole.body)
}

/// Problem documents are the proxy's own words.
fn seen(status: u16, body: &[u8]) -> Seen {
    let body: Option<Value> = serde_json::from_slice(body).ok();
    let is_problem = |body: &Value| body.get("title").is_some() && body.get("status").is_some();
    (status, body.filter(|body| !is_problem(body)))
}
