//! One of the examples as a user runs it: its policy folder, its sample data behind a recording
//! upstream, the real binary between them, callers that bring the example's API keys.

use super::store::Store;
use crate::support::client::{self, Client};
use crate::support::proxy::Start;
use crate::support::upstream::Recorded;
use crate::support::{Proxy, Response, TempPolicy, Upstream, eventually, tokens};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An example that runs.
pub struct System {
    /// What the upstream holds.
    pub store: Arc<Store>,
    pub upstream: Upstream,
    pub policy: TempPolicy,
    pub proxy: Proxy,
    /// The file that [`System::edit`] edits.
    file: String,
    asked: AtomicUsize,
}

/// What came of one request: the client's answer, and what reached the upstream meanwhile.
#[derive(Debug)]
pub struct Seen {
    asked: (String, String),
    /// What the access log calls it.
    id: String,
    answer: Response,
    reached: Vec<Recorded>,
    /// Whether the upstream got a byte, in a request or not.
    touched: bool,
}

/// An example's folder.
pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples").join(name)
}

impl System {
    /// An example as it stands in `config/examples/`.
    #[track_caller]
    pub fn start(name: &str) -> System {
        System::with_keys(name, &[])
    }

    /// With API keys for users that the example does not have, for tests that add them: `zoe`, or
    /// `zoe, claims: {…}`.
    #[track_caller]
    pub fn with_keys(name: &str, more: &[&str]) -> System {
        System::over(name, more, |store, request| store.answer(request))
    }

    /// With an upstream that does something before it answers.
    #[track_caller]
    pub fn over(
        name: &str,
        more: &[&str],
        answer: impl Fn(&Store, &Recorded) -> Vec<u8> + Send + Sync + 'static,
    ) -> System {
        let data = fs::read_to_string(folder(name).join("data.json")).expect("the sample data");
        let store = Arc::new(Store::from_json(&data));
        let held = store.clone();
        let upstream = Upstream::with(move |request| answer(&held, request));
        let policy = TempPolicy::copy_of(&folder(name).join("policy"));
        add_keys(&policy, more);
        let proxy = Start::new()
            .upstream(&upstream)
            .policy(policy.path())
            .environment("PORTCULLIS_WORKERS", "1")
            .ready();
        System {
            store,
            upstream,
            policy,
            proxy,
            file: format!("{name}.yaml"),
            asked: AtomicUsize::new(0),
        }
    }

    #[track_caller]
    pub fn get(&self, who: &str, target: &str) -> Seen {
        self.ask(who, "GET", target, None)
    }

    #[track_caller]
    pub fn post(&self, who: &str, target: &str, body: &Value) -> Seen {
        self.ask(who, "POST", target, Some(body))
    }

    #[track_caller]
    pub fn put(&self, who: &str, target: &str, body: &Value) -> Seen {
        self.ask(who, "PUT", target, Some(body))
    }

    #[track_caller]
    pub fn patch(&self, who: &str, target: &str, body: &Value) -> Seen {
        self.ask(who, "PATCH", target, Some(body))
    }

    #[track_caller]
    pub fn delete(&self, who: &str, target: &str) -> Seen {
        self.ask(who, "DELETE", target, None)
    }

    /// A request with the key `WHO-example-key`; without a credential where `who` is empty.
    #[track_caller]
    pub fn ask(&self, who: &str, method: &str, target: &str, body: Option<&Value>) -> Seen {
        let requests = self.upstream.requests().len();
        let bytes = self.upstream.settled_bytes();
        let id = format!("r-{}", self.asked.fetch_add(1, Ordering::Relaxed));
        let answer = self.send(who, method, target, &id, body);
        let touched = self.upstream.settled_bytes() != bytes;
        let reached = self.upstream.requests().split_off(requests);
        Seen { asked: (method.into(), target.into()), id, answer, reached, touched }
    }

    /// Sends a GET whose answer is still to be read.
    #[track_caller]
    pub fn begin(&self, who: &str, target: &str) -> Client {
        let key = format!("{who}-example-key");
        let mut client = Client::connect(self.proxy.address);
        client.send(client::head("GET", target, &[("X-Api-Key", &key)], None));
        client
    }

    /// Which letters of `crud` a caller has on a path: what has one reaches the upstream, what has
    /// none is 403. Meant for a place where nothing stands, so that nothing is changed there.
    #[track_caller]
    pub fn letters(&self, who: &str, target: &str) -> String {
        let body = Value::Object(serde_json::Map::new());
        let has = |method: &str| {
            let body = Some(&body).filter(|_| !matches!(method, "GET" | "DELETE"));
            let seen = self.ask(who, method, target, body);
            let reached = seen.touched;
            if reached {
                seen.reached()
            } else {
                seen.refused(403)
            };
            reached
        };
        let update = has("PUT");
        assert_eq!(has("PATCH"), update, "both update");
        let letters = [('c', has("POST")), ('r', has("GET")), ('u', update), ('d', has("DELETE"))];
        letters.iter().filter(|(_, has)| *has).map(|(letter, _)| letter).collect()
    }

    /// Replaces a text that stands in the example's policy once, and waits until that is live.
    #[track_caller]
    pub fn edit(&self, from: &str, to: &str) {
        self.edit_all(&[(from, to)]);
    }

    /// The same of several texts at once.
    #[track_caller]
    pub fn edit_all(&self, edits: &[(&str, &str)]) {
        self.write(&self.file, &self.edited(edits));
    }

    /// Adds or replaces a file of the policy's folder, and waits until that is live.
    #[track_caller]
    pub fn write(&self, file: &str, text: &str) {
        let generation = self.proxy.policy()["generation"].as_u64().expect("a generation");
        self.policy.write(file, text);
        self.proxy.wait_for_generation(generation + 1);
    }

    /// An edit that must not become live: the codes that the proxy names instead. The file is as it
    /// was afterwards, so that the next refusal is known from this one.
    #[track_caller]
    pub fn edit_refused(&self, from: &str, to: &str) -> Vec<String> {
        let (before, text) = (self.proxy.policy(), self.text());
        self.policy.write(&self.file, self.edited(&[(from, to)]));
        let found = eventually(|| match self.proxy.policy()["last_error"]["problems"].as_array() {
            Some(problems) => Ok(problems.clone()),
            None => Err(self.proxy.policy()),
        });
        let after = self.proxy.policy();
        assert_eq!(after["digest"], before["digest"], "the policy before it stays");
        self.policy.write(&self.file, text);
        eventually(|| match &self.proxy.policy()["last_error"] {
            Value::Null => Ok(()),
            error => Err(error.clone()),
        });
        let errors = found.iter().filter(|problem| problem["severity"] == "error");
        errors.map(|problem| problem["code"].as_str().expect("a code").to_owned()).collect()
    }

    /// Why the request of this id was allowed or refused: a word that no client is told.
    #[track_caller]
    pub fn reason(&self, seen: &Seen) -> String {
        let line = eventually(|| {
            let log = self.proxy.log();
            log.iter().find(|line| line["request_id"] == *seen.id).cloned().ok_or(log)
        });
        line["reason"].as_str().expect("a reason").to_owned()
    }

    #[track_caller]
    fn edited(&self, edits: &[(&str, &str)]) -> String {
        edits.iter().fold(self.text(), |text, (from, to)| {
            assert_eq!(text.matches(from).count(), 1, "`{from}` in {}", self.file);
            text.replace(from, to)
        })
    }

    fn text(&self) -> String {
        fs::read_to_string(self.policy.join(&self.file)).expect("the policy")
    }

    #[track_caller]
    fn send(
        &self,
        who: &str,
        method: &str,
        target: &str,
        id: &str,
        body: Option<&Value>,
    ) -> Response {
        let key = format!("{who}-example-key");
        let mut fields = vec![("X-Request-Id", id)];
        if !who.is_empty() {
            fields.push(("X-Api-Key", key.as_str()));
        }
        let mut client = Client::connect(self.proxy.address);
        match body {
            None => client.call(method, target, &fields),
            Some(body) => {
                fields.push(("Content-Type", "application/json"));
                client.call_with(method, target, &fields, body.to_string().as_bytes())
            }
        }
    }
}

impl Seen {
    /// This status as a problem document that names nothing, and nothing at the upstream.
    #[track_caller]
    pub fn refused(self, status: u16) -> Response {
        assert!(!self.touched, "it reached the upstream: {self:#?}");
        self.problem(status)
    }

    /// The same, where the stored object had to be read first: a GET, and nothing after it.
    #[track_caller]
    pub fn refused_after_reading(mut self, of: &str, status: u16) -> Response {
        self.take_preread(of);
        assert!(self.reached.is_empty(), "{self:#?}");
        self.problem(status)
    }

    /// It reached the upstream as it was asked, once, and nothing else did.
    #[track_caller]
    pub fn passed(self, status: u16) -> Response {
        assert_eq!(self.answer.status, status, "{self:#?}");
        self.reached()
    }

    /// The same, after a GET of the stored object.
    #[track_caller]
    pub fn passed_after_reading(mut self, of: &str, status: u16) -> Response {
        self.take_preread(of);
        self.passed(status)
    }

    /// The first request: a GET in the caller's name, without a body or a condition.
    #[track_caller]
    fn take_preread(&mut self, of: &str) {
        assert!(!self.reached.is_empty(), "nothing reached the upstream: {self:#?}");
        let read = self.reached.remove(0);
        assert_eq!((read.method.as_str(), read.target.as_str()), ("GET", of), "{read:#?}");
        assert!(read.body.is_empty(), "{read:#?}");
        assert!(read.fields.get("x-portcullis-user").is_some(), "{read:#?}");
        let plain = ["if-match", "if-none-match", "range"].map(|name| read.fields.get(name));
        assert_eq!(plain, [None; 3], "{read:#?}");
    }

    /// The answer, whatever reached the upstream.
    #[track_caller]
    pub fn answer_of(self, status: u16) -> Response {
        assert_eq!(self.answer.status, status, "{self:#?}");
        self.answer
    }

    /// What the upstream was told of the caller: `user`, `org`, `app` or `roles`.
    #[track_caller]
    pub fn told(&self, name: &str) -> Option<&str> {
        let last = self.reached.last().expect("a request at the upstream");
        last.fields.get(&format!("x-portcullis-{name}"))
    }

    #[track_caller]
    fn reached(self) -> Response {
        let [one] = &self.reached[..] else { panic!("one request at the upstream: {self:#?}") };
        assert_eq!((one.method.clone(), one.target.clone()), self.asked, "{self:#?}");
        self.answer
    }

    #[track_caller]
    fn problem(self, status: u16) -> Response {
        assert_eq!(self.answer.status, status, "{self:#?}");
        let kind = self.answer.header("content-type");
        assert_eq!(kind, Some("application/problem+json"), "{self:#?}");
        if self.asked.0 == "HEAD" {
            assert!(self.answer.body.is_empty(), "{self:#?}");
            return self.answer;
        }
        let problem = self.answer.json();
        let known = ["type", "title", "status", "detail", "errors"];
        let members = problem.as_object().expect("an object").keys();
        assert!(members.into_iter().all(|name| known.contains(&name.as_str())), "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        self.answer
    }
}

/// The pointers that a refused body is told.
pub fn pointers(answer: &Response) -> Vec<String> {
    let problem = answer.json();
    let errors = problem["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().map(|error| error["pointer"].as_str().expect("a pointer").to_owned()).collect()
}

/// Every example's `identity.yaml` lists its keys below a line `keys:`.
fn add_keys(policy: &TempPolicy, more: &[&str]) {
    let text = fs::read_to_string(policy.join("identity.yaml")).expect("identity.yaml");
    let (head, tail) = text.split_once("    keys:\n").expect("a list of keys");
    let keys: String = more
        .iter()
        .map(|key| {
            let user = key.split(',').next().unwrap_or_default();
            let digest = tokens::key_digest(&format!("{user}-example-key"));
            format!("      - {{sha256: \"{digest}\", user: {key}}}\n")
        })
        .collect();
    policy.write("identity.yaml", format!("{head}    keys:\n{keys}{tail}"));
}
