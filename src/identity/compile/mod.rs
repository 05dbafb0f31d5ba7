//! From what was typed under `identity` to authenticators; every problem in one report.

mod browser;
mod direct;
mod introspection;
mod issuer;
mod keys;
mod mtls;
mod roles;
mod tell;

use super::Identity;
use super::api_key::ApiKeys;
use super::cookie::Cookie;
use super::forwarded::Forwarded;
use super::introspect::Introspector;
use super::jwt::Issuer;
use super::mtls::Mtls;
use super::strangers::Strangers;
use super::tell::{Assertion, Names, Tell};
use super::verdicts::{MAX_VERDICT_BYTES, Verdicts};
use crate::diag::{Code, Diagnostic, Report};
use crate::policy::raw::{RawIdentity, RawJwt, RawUpstream, Text};
use crate::source::Span;
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderName, HeaderValue};
use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::sync::Arc;

/// What authenticators are made of besides the policy's text.
pub struct Inputs<'a> {
    /// Reads a file by its path as typed; the caller knows the folder that it is relative to.
    pub file: &'a dyn Fn(&str) -> io::Result<Vec<u8>>,
    /// Reads a variable of the environment.
    pub env: &'a dyn Fn(&str) -> Option<OsString>,
}

/// Everything that says who is calling.
#[derive(Default)]
pub(super) struct Authenticators {
    issuers: Vec<Issuer>,
    introspectors: Vec<Arc<Introspector>>,
    verdicts: Option<Arc<Verdicts>>,
    api_keys: Option<ApiKeys>,
    forwarded: Option<Forwarded>,
    cookies: Vec<Cookie>,
    mtls: Option<Mtls>,
    tell: Tell,
}

/// The user ids that an authenticator can yield.
enum Users {
    /// Any id that begins so.
    Any(Box<str>),
    /// These alone.
    These(Vec<String>),
}

impl Identity {
    /// Builds the authenticators. Where the report has errors afterwards, what is returned is
    /// incomplete and must not become live.
    pub fn compile(
        raw: Option<&RawIdentity>,
        inputs: &Inputs<'_>,
        report: &mut Report,
    ) -> Identity {
        let typed = raw.map(|raw| raw.span);
        let nothing = RawIdentity::default();
        let raw = raw.unwrap_or(&nothing);
        let tokens = !raw.jwt.is_empty() || !raw.introspection.is_empty();
        let direct = raw.api_keys.is_some() || raw.forwarded.is_some() || raw.mtls.is_some();
        if !tokens && !direct {
            // An authenticator that could not be read is not as if there were none.
            if typed.is_none_or(|span| !report.has_error_in(span)) {
                report.push(no_identity(typed));
            }
            // On public routes nobody is told of, and what we say elsewhere is still ours to say.
            let tell = Compiler { inputs, report }.tell(raw.tell.as_ref(), None);
            return Identity::of(Authenticators { tell, ..Authenticators::default() });
        }
        let mut compiler = Compiler { inputs, report };
        let key_header = raw.api_keys.as_ref().and_then(|keys| keys.header.as_ref());
        let tell = compiler.tell(raw.tell.as_ref(), key_header);
        compiler.unique_issuers(&raw.jwt);
        if !raw.same_users {
            compiler.separate_users(raw);
        }
        let issuers = raw.jwt.iter().filter_map(|raw| compiler.issuer(raw)).collect();
        let cookies = compiler.cookies(&raw.jwt);
        let api_keys = raw.api_keys.as_ref().map(|raw| compiler.api_keys(raw));
        let forwarded = raw.forwarded.as_ref().and_then(|raw| compiler.forwarded(raw));
        if let (Some(raw), Some(keys), Some(peers)) = (&raw.forwarded, &api_keys, &forwarded) {
            compiler.separate_headers(raw, keys, peers);
        }
        let verdicts = tokens.then(|| Arc::new(Verdicts::new(MAX_VERDICT_BYTES)));
        let asks = verdicts.as_ref().map(|all| compiler.introspection(&raw.introspection, all));
        let mtls = raw.mtls.as_ref().map(|raw| compiler.mtls(raw));
        Identity::of(Authenticators {
            issuers,
            introspectors: asks.unwrap_or_default(),
            verdicts,
            api_keys,
            forwarded,
            cookies,
            mtls,
            tell,
        })
    }

    /// Says which roles the policy has, so that others are told of.
    pub fn knows_roles<'r>(&mut self, roles: impl Iterator<Item = &'r str>) {
        self.strangers = Strangers::to(roles.map(Arc::from));
    }

    /// Reads the secrets that upstreams ask of whoever speaks to them.
    pub fn authenticate_to(
        &mut self,
        upstreams: &[RawUpstream],
        inputs: &Inputs<'_>,
        report: &mut Report,
    ) {
        let mut compiler = Compiler { inputs, report };
        for upstream in upstreams {
            let Some(raw) = &upstream.credential else { continue };
            if let Some(credential) = compiler.upstream_credential(raw, &self.told_headers) {
                self.tell.credentials.insert(upstream.id.value.as_str().into(), credential);
            }
        }
    }

    pub(super) fn of(authenticators: Authenticators) -> Identity {
        let Authenticators { issuers, introspectors, verdicts, api_keys, .. } = authenticators;
        let Authenticators { forwarded, cookies, mtls, tell, .. } = authenticators;
        let key_header = api_keys.as_ref().and_then(|keys| keys.header.clone());
        let credential_headers: Vec<_> = std::iter::once(AUTHORIZATION).chain(key_header).collect();
        let identity_headers: Vec<_> =
            forwarded.iter().flat_map(Forwarded::names).cloned().collect();
        let cookie = (!cookies.is_empty()).then_some(&COOKIE);
        let vary = list_headers(credential_headers.iter().chain(&identity_headers).chain(cookie));
        Identity {
            issuers,
            introspectors,
            verdicts,
            api_keys,
            forwarded,
            cookies,
            mtls,
            credential_headers,
            identity_headers,
            vary,
            told_headers: told_headers(&tell),
            strangers: Strangers::default(),
            tell,
        }
    }
}

struct Compiler<'a> {
    inputs: &'a Inputs<'a>,
    report: &'a mut Report,
}

impl Compiler<'_> {
    fn unique_issuers(&mut self, all: &[RawJwt]) {
        let mut seen: HashMap<&str, Span> = HashMap::new();
        for raw in all {
            if let Some(first) = seen.insert(&raw.issuer.value, raw.issuer.span) {
                let message = format!("the issuer `{}` is defined twice", raw.issuer.value);
                let problem = Diagnostic::error(Code::IdentityValid, raw.issuer.span, message)
                    .also(first, "first defined here")
                    .help("a token's `iss` must choose one; merge the two");
                self.report.push(problem);
            }
        }
    }

    fn separate_users(&mut self, raw: &RawIdentity) {
        let sources: Vec<_> = users(raw);
        for (at, (span, one)) in sources.iter().enumerate() {
            let clash = sources[..at].iter().find(|(_, other)| one.meets(other));
            if let Some((other, _)) = clash {
                let message = "two authenticators can yield the same user id";
                let problem = Diagnostic::error(Code::IdentityAmbiguous, *span, message)
                    .also(*other, "the other one")
                    .help(
                        "give each a `prefix` of its own, or say `same_users: true` under \
                         `identity` if one id is one person in both",
                    );
                self.report.push(problem);
            }
        }
    }

    fn not_empty(&mut self, texts: &[Text], span: Span, what: &str) -> Vec<Box<str>> {
        if texts.is_empty() {
            let help = format!("list one: `{what}: [api]`");
            self.error(span, format!("`{what}` is empty"), help);
        }
        texts.iter().for_each(|text| self.filled(text, what));
        texts.iter().map(|text| text.value.as_str().into()).collect()
    }

    fn filled(&mut self, text: &Text, what: &str) {
        if text.value.is_empty() {
            self.error(text.span, format!("`{what}` is empty"), "write a value");
        }
    }

    fn error(&mut self, span: Span, message: String, help: impl Into<String>) {
        self.report.push(Diagnostic::error(Code::IdentityValid, span, message).help(help));
    }
}

impl Users {
    fn meets(&self, other: &Users) -> bool {
        match (self, other) {
            (Users::Any(a), Users::Any(b)) => a.starts_with(&**b) || b.starts_with(&**a),
            (Users::Any(any), Users::These(ids)) | (Users::These(ids), Users::Any(any)) => {
                ids.iter().any(|id| id.starts_with(&**any))
            }
            (Users::These(a), Users::These(b)) => a.iter().any(|id| b.contains(id)),
        }
    }
}

fn users(raw: &RawIdentity) -> Vec<(Span, Users)> {
    let jwt = raw.jwt.iter().map(|jwt| (jwt.span, Users::Any(prefix(&jwt.prefix))));
    let keys = raw.api_keys.iter().map(|keys| {
        let prefix = prefix(&keys.prefix);
        let ids = keys.keys.iter().map(|key| format!("{prefix}{}", key.user.value)).collect();
        (keys.span, Users::These(ids))
    });
    let peers = raw.forwarded.iter().map(|peers| (peers.span, Users::Any(prefix(&peers.prefix))));
    let asked = raw.introspection.iter();
    let asked = asked.map(|raw| (raw.span, Users::Any(prefix(&raw.prefix))));
    let certificates = raw.mtls.iter().flat_map(mtls::users);
    jwt.chain(keys).chain(peers).chain(asked).chain(certificates).collect()
}

/// The headers in which only we speak. Those by the usual names are known without a list.
fn told_headers(tell: &Tell) -> Vec<HeaderName> {
    let names = tell.names().into_iter().flat_map(Names::iter);
    let all = names.chain(tell.assertion().map(Assertion::header));
    let other = all.filter(|name| !name.starts_with("x-portcullis-"));
    other.filter_map(|name| name.parse().ok()).collect()
}

fn prefix(typed: &Option<Text>) -> Box<str> {
    typed.as_ref().map_or("", |text| text.value.as_str()).into()
}

fn list_headers<'a>(names: impl Iterator<Item = &'a HeaderName>) -> HeaderValue {
    let names: Vec<_> = names.map(HeaderName::as_str).collect();
    HeaderValue::from_str(&names.join(", ")).expect("header names are valid in a value")
}

fn no_identity(empty: Option<Span>) -> Diagnostic {
    let message = "nothing says who is calling, so everything that is not public is refused";
    let problem = match empty {
        Some(span) => Diagnostic::warning(Code::NoIdentity, span, message),
        None => Diagnostic::warning_nowhere(Code::NoIdentity, message),
    };
    problem.help("add `identity` with `jwt`, `introspection`, `api_keys`, `mtls` or `forwarded`")
}
