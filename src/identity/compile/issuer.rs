//! Issuers of tokens, their algorithms and keys.

use super::{Compiler, prefix};
use crate::diag::{Code, Diagnostic};
use crate::identity::algorithm::{Algorithm, Secret};
use crate::identity::claims::ClaimMap;
use crate::identity::jwks::{KeyFile, KeySet, MAX_KEY_FILE, MAX_KEYS, MIN_SECRET};
use crate::identity::jwt::{DEFAULT_LEEWAY, Issuer, MAX_LEEWAY};
use crate::policy::raw::{RawClaims, RawJwt, RawKeys, RawSecret, Text};
use crate::source::Span;
use std::ffi::OsString;
use std::io::ErrorKind;

impl Compiler<'_> {
    pub(super) fn issuer(&mut self, raw: &RawJwt) -> Option<Issuer> {
        let algorithms = self.algorithms(raw);
        let audience = raw.audience.as_ref();
        let audience = audience.map(|texts| self.not_empty(texts, raw.span, "audience"));
        self.filled(&raw.issuer, "issuer");
        let leeway = self.leeway(raw);
        let access_tokens_only = self.access_tokens_only(raw);
        let claims = self.claim_map(&raw.claims);
        let keys = self.keys(raw)?;
        self.fitting(raw, &algorithms, &keys);
        Some(Issuer {
            iss: raw.issuer.value.as_str().into(),
            audience: audience?,
            algorithms: algorithms.into_iter().map(|(_, alg)| alg).collect(),
            keys,
            claims,
            leeway,
            prefix: prefix(&raw.prefix),
            access_tokens_only,
        })
    }

    pub(super) fn claim_map(&mut self, raw: &RawClaims) -> ClaimMap {
        let mut claims = ClaimMap::compile(raw, |text| {
            let message = format!("`{}` is neither a claim's name nor a JSON pointer", text.value);
            let help = "write a name, or a pointer as RFC 6901 has it: `/realm_access/roles`";
            self.error(text.span, message, help);
        });
        claims.roles = self.role_map(raw);
        claims
    }

    fn algorithms(&mut self, raw: &RawJwt) -> Vec<(Span, Algorithm)> {
        let Some(typed) = &raw.algorithms else { return Vec::new() };
        if typed.is_empty() {
            let help = "list the algorithms that the issuer signs with: `algorithms: [ES256]`";
            self.error(raw.span, "no algorithm is listed".into(), help);
        }
        let mut known = Vec::new();
        for text in typed {
            match Algorithm::named(&text.value) {
                Some(alg) => known.push((text.span, alg)),
                None => self.unknown_algorithm(text),
            }
        }
        known
    }

    fn unknown_algorithm(&mut self, text: &Text) {
        let known = Algorithm::ALL.map(Algorithm::as_str).join(", ");
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
        match raw.keys.as_ref()? {
            RawKeys::JwksFile(path) => self.jwks(path),
            RawKeys::JwksUrl(raw) => self.key_url(raw),
            RawKeys::Pem(path) => self.pem(path),
            RawKeys::Secrets(secrets) => {
                if secrets.is_empty() {
                    let help = "name one: `secrets: [{file: jwt.secret}]`";
                    self.error(raw.span, "no secret is listed".into(), help);
                }
                if secrets.len() > MAX_KEYS {
                    let message = format!("more than {MAX_KEYS} secrets");
                    self.error(raw.span, message, "remove those that are no longer in use");
                }
                let algorithms = raw.algorithms.as_deref().unwrap_or_default();
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
            self.report.push(
                Diagnostic::warning(Code::IdentityValid, path.span, message)
                    .help("replace it, or take it out of the key set"),
            );
        }
        if file.keys.is_empty() {
            let message = format!("no key of `{}` can be used", path.value);
            let help =
                "it needs a public key: RSA of 2048 bits or more, P-256, P-384, P-521 or Ed25519";
            self.error(path.span, message, help);
        }
    }

    fn secret(&mut self, raw: &RawSecret, algorithms: &[Text]) -> Option<Secret> {
        let (name, bytes) = match raw {
            RawSecret::File(path) => (path, self.secret_file(path)?),
            RawSecret::Env(name) => (name, self.secret_env(name)?),
        };
        if bytes.len() < MIN_SECRET {
            let message = format!("the secret in `{}` is shorter than 32 bytes", name.value);
            let help = "make a new one: `openssl rand -base64 48 | tr -d '\\n' > jwt.secret`";
            self.error(name.span, message, help);
        }
        let sizes = algorithms.iter().filter_map(|alg| Algorithm::named(&alg.value)?.secret_size());
        let longest = sizes.max().unwrap_or(0);
        if (MIN_SECRET..longest).contains(&bytes.len()) {
            let message = format!(
                "the secret in `{}` is shorter than the algorithm's hash, {longest} bytes \
                 (RFC 7518 section 3.2)",
                name.value
            );
            self.report.push(
                Diagnostic::warning(Code::IdentityValid, name.span, message)
                    .help("make a longer one: `openssl rand -base64 96 | tr -d '\\n'`"),
            );
        }
        Some(Secret::new(bytes))
    }

    pub(super) fn secret_file(&mut self, path: &Text) -> Option<Vec<u8>> {
        let bytes = self.file(path)?;
        if bytes.ends_with(b"\n") {
            let message = format!("the secret in `{}` ends with a newline", path.value);
            let help = "a secret file is used byte for byte: write it with `printf %s`, not `echo`";
            self.error(path.span, message, help);
        }
        Some(bytes)
    }

    pub(super) fn secret_env(&mut self, name: &Text) -> Option<Vec<u8>> {
        let value = (self.inputs.env)(&name.value).map(OsString::into_encoded_bytes);
        if value.is_none() {
            let message = format!("the environment has no variable `{}`", name.value);
            self.error(name.span, message, "set it before Portcullis starts");
        }
        value
    }

    pub(super) fn file(&mut self, path: &Text) -> Option<Vec<u8>> {
        match (self.inputs.file)(&path.value) {
            Ok(bytes) if bytes.len() <= MAX_KEY_FILE => Some(bytes),
            Ok(_) => {
                let message = format!("`{}` is larger than 1 MiB", path.value);
                self.error(path.span, message, "it should hold keys and nothing else");
                None
            }
            Err(error) => {
                let message = format!("`{}` cannot be read: {error}", path.value);
                let help = match error.kind() {
                    ErrorKind::PermissionDenied => {
                        "let the user that runs this read it, and nobody else"
                    }
                    _ => "paths are relative to the policy",
                };
                self.error(path.span, message, help);
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
                let message = format!("`{alg}` fits no key of this issuer");
                let help = "HS algorithms need `secrets`, all others `jwks` or `pem`";
                self.error(*span, message, help);
            } else if !keys.fits(*alg) && !keys_are_empty(keys) {
                let message = format!("`{alg}` fits no key of `{}`", raw.issuer.value);
                let code = Code::IdentityValid;
                let problem = match usable {
                    true => Diagnostic::warning(code, *span, message),
                    false => Diagnostic::error(code, *span, message),
                };
                self.report.push(problem.help("list the algorithms that the keys are for"));
            }
        }
    }
}

fn keys_are_empty(keys: &KeySet) -> bool {
    match keys {
        KeySet::Public(keys) | KeySet::Unnamed(keys) => keys.is_empty(),
        KeySet::Remote(_) => false,
        KeySet::Secrets(secrets) => secrets.is_empty(),
    }
}
