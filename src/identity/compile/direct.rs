//! API keys and forwarded headers: credentials that name their caller directly.

use super::{Compiler, prefix};
use crate::diag::{Code, Diagnostic};
use crate::identity::api_key::ApiKeys;
use crate::identity::forwarded::{Forwarded, mapped};
use crate::identity::verdicts::Digest;
use crate::identity::{DEFAULT_HEADER, same_header};
use crate::policy::peers::{PeerFault, Peers};
use crate::policy::raw::{RawApiKey, RawApiKeys, RawForwarded, Text};
use crate::principal::{AuthMethod, ClaimValue, Claims, Principal};
use crate::source::Span;
use http::HeaderName;
use std::collections::HashMap;
use std::sync::Arc;

impl Compiler<'_> {
    pub(super) fn api_keys(&mut self, raw: &RawApiKeys) -> ApiKeys {
        if !raw.in_header && !raw.in_bearer && !raw.in_basic {
            let help = "`in: [header]`, `bearer`, `basic`, or several of them";
            self.error(raw.span, "`in` names no place for a key".into(), help);
        }
        let header = raw.in_header.then(|| match &raw.header {
            Some(name) => self.header(name),
            None => Some(HeaderName::from_static(DEFAULT_HEADER)),
        });
        let mut keys = ApiKeys::new(header.flatten(), raw.in_bearer, raw.in_basic);
        let mut seen = HashMap::new();
        for raw_key in &raw.keys {
            if let Some(sha256) = self.key_digest(raw_key, &mut seen) {
                keys.add(sha256, key_principal(raw_key, &prefix(&raw.prefix)));
            }
        }
        keys
    }

    fn key_digest(&mut self, raw: &RawApiKey, seen: &mut HashMap<Digest, Span>) -> Option<Digest> {
        self.filled(&raw.user, "user");
        let span = raw.sha256.span;
        let Some(sha256) = hex(&raw.sha256.value) else {
            let help = "`portcullis key new` makes a key and prints it; the key itself stays out";
            self.error(span, "not 64 lower-case hexadecimal digits".into(), help);
            return None;
        };
        if let Some(first) = seen.insert(sha256, span) {
            let problem = Diagnostic::error(Code::IdentityValid, span, "one key for two entries")
                .also(first, "first used here")
                .help("make a key of its own for each");
            self.report.push(problem);
        }
        Some(sha256)
    }

    pub(super) fn forwarded(&mut self, raw: &RawForwarded) -> Option<Forwarded> {
        let mut listed = Peers::default();
        if raw.peers.as_ref().is_some_and(Vec::is_empty) {
            let help = "list the proxies that authenticate: `peers: [10.0.0.7/32]`, or `unix`";
            self.error(raw.span, "`peers` lists nobody".into(), help);
        }
        for peer in raw.peers.iter().flatten() {
            if let Err(fault) = listed.add(&peer.value) {
                let message = match fault {
                    PeerFault::Everybody => {
                        format!("`{}` lets everybody say who is calling", peer.value)
                    }
                    fault => format!("`{}` {fault}", peer.value),
                };
                self.error(peer.span, message, fault.help());
            }
        }
        let mut optional = |name: &Option<Text>| name.as_ref().and_then(|name| self.header(name));
        let (org, app) = (optional(&raw.org), optional(&raw.app));
        let (roles, email) = (optional(&raw.roles), optional(&raw.email));
        let prefix = prefix(&raw.prefix);
        let user = self.header(&raw.user)?;
        let peers = Forwarded { peers: listed, user, org, app, roles, email, prefix };
        self.distinct_headers(raw, &peers);
        Some(peers)
    }

    fn header(&mut self, typed: &Text) -> Option<HeaderName> {
        let name = typed.value.parse::<HeaderName>().ok();
        let Some(name) = name else {
            let message = format!("`{}` is not a header's name", typed.value);
            self.error(typed.span, message, "letters, digits and `-`: `X-Auth-User`");
            return None;
        };
        if RESERVED.contains(&name.as_str()) {
            let message = format!("the header `{}` has another meaning", typed.value);
            self.error(typed.span, message, "use a name of its own, such as `X-Auth-User`");
        }
        Some(name)
    }

    fn distinct_headers(&mut self, raw: &RawForwarded, peers: &Forwarded) {
        let names: Vec<_> = peers.names().collect();
        let twice = (1..names.len())
            .find(|at| names[..*at].iter().any(|other| same_header(other, names[*at])));
        if let Some(at) = twice {
            let message = format!("the header `{}` stands for two things", names[at]);
            self.error(raw.span, message, "give each a header of its own");
        }
    }

    pub(super) fn separate_headers(
        &mut self,
        raw: &RawForwarded,
        keys: &ApiKeys,
        peers: &Forwarded,
    ) {
        let Some(key) = &keys.header else { return };
        if peers.names().any(|name| same_header(name, key)) {
            let message = format!("the header `{key}` carries API keys already");
            self.error(raw.span, message, "give identities a header of their own");
        }
    }
}

fn key_principal(raw: &RawApiKey, prefix: &str) -> Principal {
    let text = |text: &Option<Text>| text.as_ref().map(|text| Arc::from(text.value.as_str()));
    let (org, app) = (text(&raw.org), text(&raw.app));
    let roles: Option<Vec<Arc<str>>> = raw
        .roles
        .as_ref()
        .map(|roles| roles.iter().map(|role| role.value.as_str().into()).collect());
    let claims = key_claims(raw, mapped(&org, &app, &roles));
    Principal {
        org,
        app,
        roles,
        claims,
        expires: raw.expires.map(|expires| expires.value),
        ..Principal::of(format!("{prefix}{}", raw.user.value), AuthMethod::ApiKey)
    }
}

/// What the key says under `claims`, then `org`, `app` and `roles` where it does not say them.
fn key_claims(raw: &RawApiKey, mapped: Claims) -> Claims {
    let typed = raw.claims.iter().map(|(name, value)| {
        (Arc::from(name.value.as_str()), ClaimValue::Text(value.value.as_str().into()))
    });
    let mut claims = Claims(typed.collect());
    let missing: Vec<_> =
        mapped.0.into_iter().filter(|(name, _)| claims.get(name).is_none()).collect();
    claims.0.extend(missing);
    claims
}

fn hex(text: &str) -> Option<Digest> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut digest = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (pair, out) in text.as_bytes().chunks_exact(2).zip(&mut digest) {
        *out = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(digest)
}

/// Headers that mean something else already, and so cannot carry an identity or a key.
const RESERVED: [&str; 17] = [
    "accept",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-forwarded-for",
    "x-request-id",
];
