//! The main job, end to end: the real binary between a raw client and a raw recording upstream.

mod addresses;
mod batches;
mod browsers;
mod callers;
mod carriage;
mod cased;
mod challenges;
mod changes;
mod claims;
mod conditions;
mod counted;
mod defaults;
mod destinations;
mod exhaustion;
mod explain;
mod fetched;
mod fetched_tls;
mod filter;
mod forms;
mod gate;
mod groups;
mod guesses;
mod hosts;
mod identity;
mod inclusion;
mod introspected;
mod kept;
mod keys;
pub(crate) mod kinds;
mod letters;
mod life;
mod monitor;
mod offered;
mod pairs;
mod places;
mod reach;
mod reads;
mod reload;
mod restrictions;
mod secrets;
mod sources;
mod streams;
mod tagged;
mod tenants;
mod told;
mod totals;
mod values;
mod watching;
mod writes;

use crate::support::{Proxy, Response, TempPolicy, Upstream, client, proxy::Start, tokens};

/// The beginning of a policy whose callers bring HS256 tokens.
const TOKENS: &str = "policy: 1\nidentity: {jwt: [{issuer: \"https://id.example\", \
                      audience: [api], algorithms: [HS256], secrets: [{file: jwt.secret}]}]}\n";

/// An API and the proxy in front of it.
pub(crate) struct Api {
    pub(crate) upstream: Upstream,
    pub(crate) policy: TempPolicy,
    pub(crate) proxy: Proxy,
}

impl Api {
    /// A policy for callers with tokens, before an upstream that answers `{}`.
    #[track_caller]
    pub(crate) fn start(rules: &str) -> Api {
        Api::over(Upstream::json("{}"), rules)
    }

    /// The same, before this upstream.
    #[track_caller]
    pub(crate) fn over(upstream: Upstream, rules: &str) -> Api {
        let policy = TempPolicy::file(&with_tokens(rules));
        policy.write("jwt.secret", tokens::SECRET);
        Api::with(upstream, policy)
    }

    /// Any policy, before any upstream.
    #[track_caller]
    pub(crate) fn with(upstream: Upstream, policy: TempPolicy) -> Api {
        let proxy = Start::new()
            .upstream(&upstream)
            .policy(policy.path())
            .environment("PORTCULLIS_WORKERS", "1")
            .ready();
        Api { upstream, policy, proxy }
    }

    /// A request of a caller: `user`, or `user:role,role`; nobody where it is empty.
    #[track_caller]
    pub(crate) fn call(&self, who: &str, method: &str, target: &str) -> Response {
        self.call_with(who, method, target, &[])
    }

    /// With more header fields.
    #[track_caller]
    pub(crate) fn call_with(
        &self,
        who: &str,
        method: &str,
        target: &str,
        more: &[(&str, &str)],
    ) -> Response {
        let bearer = bearer(who);
        let own = [("Authorization", bearer.as_str())];
        let fields = [if who.is_empty() { &[][..] } else { &own[..] }, more].concat();
        client::call(self.proxy.address, method, target, &fields)
    }

    /// A request with a JSON body.
    #[track_caller]
    pub(crate) fn send(&self, who: &str, method: &str, target: &str, body: &str) -> Response {
        self.send_as(who, method, target, "application/json", body)
    }

    /// A request with a body of this type.
    #[track_caller]
    pub(crate) fn send_as(
        &self,
        who: &str,
        method: &str,
        target: &str,
        kind: &str,
        body: &str,
    ) -> Response {
        let bearer = bearer(who);
        let all = [("Authorization", bearer.as_str()), ("Content-Type", kind)];
        let kept = &all[usize::from(who.is_empty())..if kind.is_empty() { 1 } else { 2 }];
        let mut client = client::Client::connect(self.proxy.address);
        client.call_with(method, target, kept, body.as_bytes())
    }

    /// A refusal: this status, a problem document that names nothing, and nothing upstream.
    #[track_caller]
    pub(crate) fn refuses(&self, who: &str, method: &str, target: &str, status: u16) -> Response {
        self.refused(method, status, || self.call(who, method, target))
    }

    /// The same of any call.
    #[track_caller]
    pub(crate) fn refused(
        &self,
        method: &str,
        status: u16,
        call: impl FnOnce() -> Response,
    ) -> Response {
        let before = self.upstream.bytes();
        let answer = call();
        assert_eq!(answer.status, status, "{method}: {answer:?}");
        assert_problem(method, &answer);
        match before.is_empty() {
            true => self.upstream.assert_untouched(),
            false => assert_eq!(self.upstream.bytes(), before, "something reached the upstream"),
        }
        answer
    }
}

/// Rules after the identity of [`TOKENS`].
fn with_tokens(rules: &str) -> String {
    format!("{TOKENS}{rules}")
}

/// `user:role,role` as a token.
fn bearer(who: &str) -> String {
    let (user, roles) = who.split_once(':').unwrap_or((who, ""));
    let roles: Vec<_> = roles.split(',').filter(|role| !role.is_empty()).collect();
    tokens::bearer(&tokens::claims(user, &roles))
}

/// What an answer says is at fault, by pointers.
fn pointers(answer: &Response) -> Vec<String> {
    let errors = answer.json()["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().filter_map(|error| error["pointer"].as_str().map(str::to_owned)).collect()
}

/// RFC 9457, with the members that it may have and no others.
#[track_caller]
fn assert_problem(method: &str, answer: &Response) {
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    if method == "HEAD" {
        return assert!(answer.body.is_empty());
    }
    let problem = answer.json();
    assert_eq!(problem["status"], answer.status);
    let known = ["type", "title", "status", "detail", "errors"];
    let members = problem.as_object().expect("an object").keys();
    assert!(members.into_iter().all(|name| known.contains(&name.as_str())), "{problem}");
}
