//! Tests of the whole: policies as typed, requests as they come, keys made on the spot.

mod browsers;
mod certificates;
mod compile;
mod credentials;
mod explain;
mod introspect;
mod keys;
mod pem;
mod remote;
mod tokens;
mod told;
mod vectors;

use super::*;
use crate::diag::{Report, Severity};
use crate::policy::raw::*;
use crate::source::{FileId, Span, Spanned};
use std::collections::HashMap;
use std::ffi::OsString;
use std::io;

pub(super) use keys::Signer;

pub(super) const NOW: u64 = 1_800_000_000;
pub(super) const ISSUER: &str = "https://id.example";

/// A typed text whose span is found again by the text's length and a number that rises.
pub(super) fn text(value: &str) -> Text {
    Spanned::new(value.into(), Span::new(FileId(0), 0, value.len()))
}

pub(super) fn texts(values: &[&str]) -> Vec<Text> {
    values.iter().map(|value| text(value)).collect()
}

/// An issuer with a JWKS file `jwks.json`.
pub(super) fn issuer(algorithms: &[&str]) -> RawJwt {
    RawJwt {
        span: Span::default(),
        issuer: text(ISSUER),
        audience: Some(texts(&["api"])),
        algorithms: Some(texts(algorithms)),
        keys: Some(RawKeys::JwksFile(text("jwks.json"))),
        claims: RawClaims::default(),
        leeway: None,
        prefix: None,
        typ: None,
        cookie: None,
        origins: Vec::new(),
    }
}

pub(super) fn jwt(issuer: RawJwt) -> RawIdentity {
    RawIdentity { jwt: vec![issuer], ..RawIdentity::default() }
}

pub(super) fn forwarded(peers: &[&str]) -> RawForwarded {
    RawForwarded {
        span: Span::default(),
        peers: Some(texts(peers)),
        user: text("X-Auth-User"),
        org: Some(text("X-Auth-Org")),
        app: Some(text("X-Auth-App")),
        roles: Some(text("X-Auth-Roles")),
        email: None,
        prefix: None,
    }
}

pub(super) fn api_keys(in_header: bool, in_bearer: bool, keys: Vec<RawApiKey>) -> RawApiKeys {
    RawApiKeys {
        span: Span::default(),
        in_header,
        in_bearer,
        in_basic: false,
        header: None,
        prefix: None,
        keys,
    }
}

/// The entry for a key, by its digest.
pub(super) fn api_key(user: &str, key: &str) -> RawApiKey {
    let digest: String = sha256(key).iter().map(|byte| format!("{byte:02x}")).collect();
    RawApiKey {
        span: Span::default(),
        user: text(user),
        org: None,
        app: None,
        sha256: text(&digest),
        roles: None,
        claims: Vec::new(),
        expires: None,
    }
}

/// Files and variables that exist, for one compilation.
#[derive(Default)]
pub(super) struct World {
    pub(super) files: HashMap<String, Vec<u8>>,
    pub(super) env: HashMap<String, OsString>,
}

impl World {
    pub(super) fn with_jwks(keys: &[serde_json::Value]) -> World {
        World::default().file("jwks.json", serde_json::json!({ "keys": keys }).to_string())
    }

    pub(super) fn file(mut self, name: &str, bytes: impl Into<Vec<u8>>) -> World {
        self.files.insert(name.into(), bytes.into());
        self
    }

    pub(super) fn compile(&self, raw: &RawIdentity) -> (Identity, Report) {
        let file = |path: &str| {
            self.files.get(path).cloned().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
        };
        let env = |name: &str| self.env.get(name).cloned();
        let mut report = Report::default();
        let inputs = Inputs { file: &file, env: &env };
        let identity = Identity::compile(Some(raw), &inputs, &mut report);
        (identity, report)
    }

    /// Compiles what must have no errors.
    pub(super) fn identity(&self, raw: &RawIdentity) -> Identity {
        let (identity, report) = self.compile(raw);
        assert!(!report.has_errors(), "{:?}", report.problems());
        identity
    }
}

/// `CODE severity: message` of each problem.
pub(super) fn said(report: &Report) -> Vec<String> {
    let word = |severity| match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    report
        .problems()
        .iter()
        .map(|p| format!("{} {}: {}", p.code, word(p.severity), p.message))
        .collect()
}

pub(super) fn header_map(headers: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name: HeaderName = name.parse().expect("a header name");
        map.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a header value"));
    }
    map
}

/// Identifies a request from `10.0.0.7`.
pub(super) fn identify(
    identity: &Identity,
    headers: &[(&str, &str)],
) -> Result<Arc<Principal>, Fault> {
    from(identity, Peer::Ip([10, 0, 0, 7].into()), headers)
}

/// A request that changes nothing.
pub(super) fn asked(headers: &HeaderMap, peer: Peer) -> Credentials<'_> {
    let host = Box::leak(Box::new(HeaderValue::from_static("api.example")));
    Credentials { headers, peer, host, changes: false }
}

pub(super) fn from(
    identity: &Identity,
    peer: Peer,
    headers: &[(&str, &str)],
) -> Result<Arc<Principal>, Fault> {
    let headers = header_map(headers);
    let request = asked(&headers, peer);
    identity.identify(&request, NOW).map_err(|unidentified| {
        assert_eq!(unidentified.reason, unidentified.fault.reason());
        unidentified.fault
    })
}
