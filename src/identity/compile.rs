//! From what was typed under `identity` to authenticators; every problem in one report.

use super::api_key::ApiKeys;
use super::claims::ClaimMap;
use super::forwarded::{Forwarded, mapped};
use super::jwks::{KeyFile, KeySet, MAX_KEY_FILE, MAX_KEYS, MIN_SECRET};
use super::jwt::{DEFAULT_LEEWAY, Issuer, MAX_LEEWAY};
use super::verdicts::{Digest, MAX_VERDICT_BYTES, Verdicts};
use super::{DEFAULT_HEADER, Identity, same_header};
use crate::diag::{Code, Diagnostic, Report};
use crate::policy::raw::{
    RawApiKey, RawApiKeys, RawForwarded, RawIdentity, RawJwt, RawKeys, RawSecret, Text,
};
use crate::principal::{AuthMethod, ClaimValue, Claims, Principal};
use crate::source::Span;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use ipnet::IpNet;
use jsonwebtoken::{Algorithm, DecodingKey};
use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

/// What authenticators are made of besides the policy's text.
pub struct Inputs<'a> {
    /// Reads a file by its path as typed; the caller knows the folder that it is relative to.
    pub file: &'a dyn Fn(&str) -> io::Result<Vec<u8>>,
    /// Reads a variable of the environment.
    pub env: &'a dyn Fn(&str) -> Option<OsString>,
}

/// Algorithms that a policy can list (RFC 7518 section 3.1, RFC 8037).
const ALGORITHMS: [&str; 12] = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256",
    "ES384", "EdDSA",
];

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
        let nothing = RawIdentity::default();
        let raw = raw.unwrap_or(&nothing);
        if raw.jwt.is_empty() && raw.api_keys.is_none() && raw.forwarded.is_none() {
            report.push(no_identity(raw.span));
            return Identity::default();
        }
        let mut compiler = Compiler { inputs, report };
        compiler.unique_issuers(&raw.jwt);
        if !raw.same_users {
            compiler.separate_users(raw);
        }
        let issuers = raw.jwt.iter().filter_map(|raw| compiler.issuer(raw)).collect();
        let api_keys = raw.api_keys.as_ref().map(|raw| compiler.api_keys(raw));
        let forwarded = raw.forwarded.as_ref().and_then(|raw| compiler.forwarded(raw));
        if let (Some(raw), Some(keys), Some(peers)) = (&raw.forwarded, &api_keys, &forwarded) {
            compiler.separate_headers(raw, keys, peers);
        }
        Identity::of(issuers, api_keys, forwarded)
    }

    pub(super) fn of(
        issuers: Vec<Issuer>,
        api_keys: Option<ApiKeys>,
        forwarded: Option<Forwarded>,
    ) -> Identity {
        let key_header = api_keys.as_ref().and_then(|keys| keys.header.clone());
        let credential_headers: Vec<_> = std::iter::once(AUTHORIZATION).chain(key_header).collect();
        let identity_headers: Vec<_> =
            forwarded.iter().flat_map(Forwarded::names).cloned().collect();
        let vary = list_headers(credential_headers.iter().chain(&identity_headers));
        let verdicts = (!issuers.is_empty()).then(|| Verdicts::new(MAX_VERDICT_BYTES));
        Identity {
            issuers,
            verdicts,
            api_keys,
            forwarded,
            credential_headers,
            identity_headers,
            vary,
        }
    }
}

struct Compiler<'a> {
    inputs: &'a Inputs<'a>,
    report: &'a mut Report,
}

impl Compiler<'_> {
    fn issuer(&mut self, raw: &RawJwt) -> Option<Issuer> {
        let algorithms = self.algorithms(raw);
        let audience = self.not_empty(&raw.audience, raw.span, "audience");
        self.filled(&raw.issuer, "issuer");
        let leeway = self.leeway(raw);
        let access_tokens_only = self.access_tokens_only(raw);
        let claims = ClaimMap::compile(&raw.claims, |text| {
            let message = format!("`{}` is neither a claim's name nor a JSON pointer", text.value);
            let help = "write a name, or a pointer as RFC 6901 has it: `/realm_access/roles`";
            self.error(text.span, message, help);
        });
        let keys = self.keys(raw)?;
        self.fitting(raw, &algorithms, &keys);
        Some(Issuer {
            iss: raw.issuer.value.as_str().into(),
            audience,
            algorithms: algorithms.into_iter().map(|(_, alg)| alg).collect(),
            keys,
            claims,
            leeway,
            prefix: prefix(&raw.prefix),
            access_tokens_only,
        })
    }

    fn algorithms(&mut self, raw: &RawJwt) -> Vec<(Span, Algorithm)> {
        if raw.algorithms.is_empty() {
            let help = "list the algorithms that the issuer signs with: `algorithms: [ES256]`";
            self.error(raw.span, "no algorithm is listed".into(), help);
        }
        let mut known = Vec::new();
        for text in &raw.algorithms {
            match text.value.parse() {
                Ok(alg) => known.push((text.span, alg)),
                Err(_) => self.unknown_algorithm(text),
            }
        }
        known
    }

    fn unknown_algorithm(&mut self, text: &Text) {
        let known = ALGORITHMS.join(", ");
        let (message, help) = match text.value.eq_ignore_ascii_case("none") {
            true => ("`none` would accept tokens that nobody signed".into(), "remove it".into()),
            false => {
                (format!("`{}` is not a known algorithm", text.value), format!("one of {known}"))
            }
        };
        self.error(text.span, message, help);
    }

    fn leeway(&mut self, raw: &RawJwt) -> u64 {
        let Some(leeway) = raw.leeway else { return DEFAULT_LEEWAY };
        if leeway.value > MAX_LEEWAY {
            let message = format!("a leeway of {} s is too long", leeway.value);
            self.error(leeway.span, message, format!("0 to {MAX_LEEWAY} seconds"));
        }
        leeway.value.min(MAX_LEEWAY)
    }

    fn access_tokens_only(&mut self, raw: &RawJwt) -> bool {
        let Some(typ) = &raw.typ else { return false };
        if typ.value != "at+jwt" {
            let message = format!("`{}` is not a type that can be asked for", typ.value);
            self.error(typ.span, message, "`at+jwt` (RFC 9068), or leave it out");
        }
        true
    }

    fn keys(&mut self, raw: &RawJwt) -> Option<KeySet> {
        match &raw.keys {
            RawKeys::JwksFile(path) => self.jwks(path),
            RawKeys::Secrets(secrets) => {
                if secrets.is_empty() {
                    let help = "name one: `secrets: [{file: jwt.secret}]`";
                    self.error(raw.span, "no secret is listed".into(), help);
                }
                if secrets.len() > MAX_KEYS {
                    let message = format!("more than {MAX_KEYS} secrets");
                    self.error(raw.span, message, "remove those that are no longer in use");
                }
                let algorithms = &raw.algorithms;
                let mut read = |raw| self.secret(raw, algorithms);
                Some(KeySet::Secrets(secrets.iter().filter_map(&mut read).collect()))
            }
        }
    }

    fn jwks(&mut self, path: &Text) -> Option<KeySet> {
        let bytes = self.file(path)?;
        let Some(file) = KeyFile::parse(&bytes) else {
            let message = format!("`{}` is not a JSON Web Key Set", path.value);
            self.error(path.span, message, "an object with a list `keys` (RFC 7517 section 5)");
            return None;
        };
        if file.keys.len() + file.skipped.len() > MAX_KEYS {
            let message = format!("`{}` has more than {MAX_KEYS} keys", path.value);
            self.error(path.span, message, "remove those that are no longer in use");
        }
        if let Some(kid) = file.shared_kid() {
            let message = format!("two keys of `{}` have the `kid` `{kid}`", path.value);
            self.error(path.span, message, "give each key a `kid` of its own");
        }
        self.skipped(path, &file);
        Some(KeySet::Public(file.keys))
    }

    /// A key that cannot be used is no reason to trust none; but it is said aloud.
    fn skipped(&mut self, path: &Text, file: &KeyFile) {
        for (name, fault) in &file.skipped {
            let message = format!("key {name} of `{}` {fault}; it is skipped", path.value);
            self.report.push(Diagnostic::warning(Code::IdentityValid, path.span, message));
        }
        if file.keys.is_empty() {
            let message = format!("no key of `{}` can be used", path.value);
            let help = "it needs a public key: RSA of 2048 bits or more, P-256, P-384 or Ed25519";
            self.error(path.span, message, help);
        }
    }

    fn secret(&mut self, raw: &RawSecret, algorithms: &[Text]) -> Option<DecodingKey> {
        let (name, bytes) = match raw {
            RawSecret::File(path) => (path, self.secret_file(path)?),
            RawSecret::Env(name) => (name, self.secret_env(name)?),
        };
        if bytes.len() < MIN_SECRET {
            let message = format!("the secret in `{}` is shorter than 32 bytes", name.value);
            let help = "make a new one: `openssl rand -base64 48 | tr -d '\\n' > jwt.secret`";
            self.error(name.span, message, help);
        }
        let longest = algorithms.iter().map(|alg| hash_size(&alg.value)).max().unwrap_or(0);
        if (MIN_SECRET..longest).contains(&bytes.len()) {
            let message = format!(
                "the secret in `{}` is shorter than the algorithm's hash, {longest} bytes \
                 (RFC 7518 section 3.2)",
                name.value
            );
            self.report.push(Diagnostic::warning(Code::IdentityValid, name.span, message));
        }
        Some(DecodingKey::from_secret(&bytes))
    }

    fn secret_file(&mut self, path: &Text) -> Option<Vec<u8>> {
        let bytes = self.file(path)?;
        if bytes.ends_with(b"\n") {
            let message = format!("the secret in `{}` ends with a newline", path.value);
            let help = "a secret file is used byte for byte: write it with `printf %s`, not `echo`";
            self.error(path.span, message, help);
        }
        Some(bytes)
    }

    fn secret_env(&mut self, name: &Text) -> Option<Vec<u8>> {
        let value = (self.inputs.env)(&name.value).map(OsString::into_encoded_bytes);
        if value.is_none() {
            let message = format!("the environment has no variable `{}`", name.value);
            self.error(name.span, message, "set it before Portcullis starts");
        }
        value
    }

    fn file(&mut self, path: &Text) -> Option<Vec<u8>> {
        match (self.inputs.file)(&path.value) {
            Ok(bytes) if bytes.len() <= MAX_KEY_FILE => Some(bytes),
            Ok(_) => {
                let message = format!("`{}` is larger than 1 MiB", path.value);
                self.error(path.span, message, "it should hold keys and nothing else");
                None
            }
            Err(error) => {
                let message = format!("`{}` cannot be read: {error}", path.value);
                self.error(path.span, message, "paths are relative to the policy");
                None
            }
        }
    }

    /// Each algorithm must be one that the source's keys can have, and one at least must fit a
    /// key that is there: between two rotations a listed algorithm may have no key.
    fn fitting(&mut self, raw: &RawJwt, algorithms: &[(Span, Algorithm)], keys: &KeySet) {
        let usable = algorithms.iter().any(|(_, alg)| keys.fits(*alg));
        for (span, alg) in algorithms {
            if !keys.could_fit(*alg) {
                let message = format!("`{alg:?}` fits no key of this issuer");
                let help = "HS algorithms need `secrets`, all others a `jwks`";
                self.error(*span, message, help);
            } else if !keys.fits(*alg) && !keys_are_empty(keys) {
                let message = format!("`{alg:?}` fits no key of `{}`", raw.issuer.value);
                let code = Code::IdentityValid;
                self.report.push(match usable {
                    true => Diagnostic::warning(code, *span, message),
                    false => Diagnostic::error(code, *span, message)
                        .help("list the algorithms that the keys are for"),
                });
            }
        }
    }

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

    fn api_keys(&mut self, raw: &RawApiKeys) -> ApiKeys {
        if !raw.in_header && !raw.in_bearer {
            let help = "`in: [header]`, `in: [bearer]` or both";
            self.error(raw.span, "`in` names no place for a key".into(), help);
        }
        let header = raw.in_header.then(|| match &raw.header {
            Some(name) => self.header(name),
            None => Some(HeaderName::from_static(DEFAULT_HEADER)),
        });
        let mut keys = ApiKeys::new(header.flatten(), raw.in_bearer);
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
            let help = "`printf %s \"$KEY\" | sha256sum` prints it; the key itself stays out";
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

    fn forwarded(&mut self, raw: &RawForwarded) -> Option<Forwarded> {
        let (mut nets, mut unix) = (Vec::new(), false);
        if raw.peers.is_empty() {
            let help = "list the proxies that authenticate: `peers: [10.0.0.7/32]`, or `unix`";
            self.error(raw.span, "`peers` lists nobody".into(), help);
        }
        for peer in &raw.peers {
            match peer.value.as_str() {
                "unix" => unix = true,
                text => nets.extend(self.net(peer, text)),
            }
        }
        let mut optional = |name: &Option<Text>| name.as_ref().and_then(|name| self.header(name));
        let (org, app) = (optional(&raw.org), optional(&raw.app));
        let (roles, email) = (optional(&raw.roles), optional(&raw.email));
        let prefix = prefix(&raw.prefix);
        let user = self.header(&raw.user)?;
        let peers = Forwarded { nets, unix, user, org, app, roles, email, prefix };
        self.distinct_headers(raw, &peers);
        Some(peers)
    }

    fn net(&mut self, at: &Text, text: &str) -> Option<IpNet> {
        let net = text.parse::<IpNet>().ok().or_else(|| text.parse().ok().map(whole_address));
        let Some(net) = net else {
            let message = format!("`{text}` is no address, no CIDR block and not `unix`");
            self.error(at.span, message, "`10.0.0.7`, `10.0.0.0/24`, `fd00::/8` or `unix`");
            return None;
        };
        if net.trunc() != net {
            let message = format!("`{text}` has bits beyond its prefix");
            self.error(at.span, message, format!("write `{}`", net.trunc()));
        }
        if net.prefix_len() == 0 {
            let message = format!("`{text}` lets everybody say who is calling");
            self.error(at.span, message, "list the proxies that authenticate, and no others");
        }
        Some(net)
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

    fn separate_headers(&mut self, raw: &RawForwarded, keys: &ApiKeys, peers: &Forwarded) {
        let Some(key) = &keys.header else { return };
        if peers.names().any(|name| same_header(name, key)) {
            let message = format!("the header `{key}` carries API keys already");
            self.error(raw.span, message, "give identities a header of their own");
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
    jwt.chain(keys).chain(peers).collect()
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
        user: format!("{prefix}{}", raw.user.value).into(),
        org,
        app,
        roles,
        email: None,
        claims,
        method: AuthMethod::ApiKey,
        expires: raw.expires.map(|expires| expires.value),
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

fn keys_are_empty(keys: &KeySet) -> bool {
    match keys {
        KeySet::Public(keys) => keys.is_empty(),
        KeySet::Secrets(secrets) => secrets.is_empty(),
    }
}

/// The hash of an HMAC algorithm, in bytes; 0 for others.
fn hash_size(algorithm: &str) -> usize {
    match algorithm {
        "HS256" => 32,
        "HS384" => 48,
        "HS512" => 64,
        _ => 0,
    }
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

fn prefix(typed: &Option<Text>) -> Box<str> {
    typed.as_ref().map_or("", |text| text.value.as_str()).into()
}

fn whole_address(address: IpAddr) -> IpNet {
    IpNet::from(address)
}

fn list_headers<'a>(names: impl Iterator<Item = &'a HeaderName>) -> HeaderValue {
    let names: Vec<_> = names.map(HeaderName::as_str).collect();
    HeaderValue::from_str(&names.join(", ")).expect("header names are valid in a value")
}

fn no_identity(span: Span) -> Diagnostic {
    let message = "nothing says who is calling, so everything that is not public is refused";
    Diagnostic::warning(Code::NoIdentity, span, message)
        .help("add `identity` with `jwt`, `api_keys` or `forwarded`")
}
