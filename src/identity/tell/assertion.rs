//! A short-lived signed statement of who is calling, for upstreams that do not believe whoever
//! reaches them.
//!
//! To sign costs 20 µs and more, so a statement is used again for half of its life, for whoever is
//! the same caller with the same roles in the same place, towards the same upstream. The key of the
//! memory is everything that is said; the policy that says it owns the memory.

use super::signer::Signer;
#[cfg(test)]
use super::signer::SignerFault;
use http::HeaderValue;
use quick_cache::sync::Cache;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Statements that one policy remembers.
pub const MAX_ASSERTIONS: usize = 10_000;

/// How statements are made.
pub struct Assertion {
    pub(in crate::identity) header: Box<str>,
    /// `Authorization` says `Bearer` before the statement.
    pub(in crate::identity) bearer: bool,
    /// The first signs, all of them verify.
    pub(in crate::identity) signers: Vec<Signer>,
    pub(in crate::identity) issuer: Box<str>,
    /// The upstream's id where the policy says nothing.
    pub(in crate::identity) audience: Option<Arc<str>>,
    /// Seconds.
    pub(in crate::identity) ttl: u64,
    made: Cache<Caller, Made>,
}

/// Everything that is said of a caller.
#[derive(Clone, Debug)]
pub struct Stated<'a> {
    /// The user's id.
    pub user: &'a Arc<str>,
    /// The addressed organization.
    pub org: Option<&'a Arc<str>>,
    /// The addressed application.
    pub app: Option<&'a Arc<str>>,
    /// The ids of its roles, each percent-encoded, joined by commas.
    pub roles: Arc<str>,
    /// The id of the upstream that is told.
    pub upstream: &'a Arc<str>,
    /// When its credential ends, in seconds since 1970.
    pub expires: Option<u64>,
}

/// What a statement is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Caller {
    user: Arc<str>,
    org: Option<Arc<str>>,
    app: Option<Arc<str>>,
    roles: Arc<str>,
    audience: Arc<str>,
    /// When the credential ends, where the statement must end with it.
    ends: Option<u64>,
}

#[derive(Clone, Debug)]
struct Made {
    value: HeaderValue,
    /// From this second on it is made anew.
    stale: u64,
}

impl Assertion {
    pub(in crate::identity) fn new(
        header: &str,
        signers: Vec<Signer>,
        issuer: &str,
        audience: Option<&str>,
        ttl: u64,
    ) -> Assertion {
        Assertion {
            header: header.into(),
            bearer: header == "authorization",
            signers,
            issuer: issuer.into(),
            audience: audience.map(Arc::from),
            ttl,
            made: Cache::new(MAX_ASSERTIONS),
        }
    }

    /// The field that carries the statement, in lower case.
    pub fn header(&self) -> &str {
        &self.header
    }

    /// A statement that is good at this second and for half of its life at least, or for as long
    /// as the caller's credential. `None` where it cannot be signed.
    pub fn value(&self, said: &Stated<'_>, now: u64) -> Option<HeaderValue> {
        let caller = self.caller(said, now);
        if let Some(made) = self.made.get(&caller).filter(|made| now < made.stale) {
            return Some(made.value);
        }
        let value = self.make(&caller, now)?;
        let stale = caller.ends.unwrap_or(now + self.ttl.div_ceil(2));
        self.made.insert(caller, Made { value: value.clone(), stale });
        Some(value)
    }

    /// The public keys, as a JSON Web Key Set.
    pub fn jwks(&self) -> String {
        let keys: Vec<_> = self.signers.iter().map(Signer::jwk).collect();
        format!("{}\n", json!({ "keys": keys }))
    }

    fn caller(&self, said: &Stated<'_>, now: u64) -> Caller {
        Caller {
            ends: said.expires.filter(|end| *end < now + self.ttl),
            user: said.user.clone(),
            org: said.org.cloned(),
            app: said.app.cloned(),
            roles: said.roles.clone(),
            audience: self.audience.as_ref().unwrap_or(said.upstream).clone(),
        }
    }

    fn make(&self, caller: &Caller, now: u64) -> Option<HeaderValue> {
        let mut claims = Map::new();
        for (name, value) in [
            ("iss", Some(json!(self.issuer))),
            ("aud", Some(json!(caller.audience))),
            ("sub", Some(json!(caller.user))),
            ("org", caller.org.as_ref().map(|org| json!(org))),
            ("app", caller.app.as_ref().map(|app| json!(app))),
            ("roles", Some(role_names(&caller.roles)?)),
            ("iat", Some(json!(now))),
            ("exp", Some(json!(caller.ends.unwrap_or(now + self.ttl)))),
        ] {
            claims.extend(value.map(|value| (name.to_owned(), value)));
        }
        let token = self.signers.first()?.sign(&Value::Object(claims))?;
        let text = if self.bearer { format!("Bearer {token}") } else { token };
        let mut value = HeaderValue::try_from(text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// A list of the ids.
fn role_names(encoded: &str) -> Option<Value> {
    let names = encoded.split(',').filter(|name| !name.is_empty());
    let decode = |name| percent_encoding::percent_decode_str(name).decode_utf8().ok();
    names
        .map(|name| decode(name).map(|name| json!(name)))
        .collect::<Option<Vec<_>>>()
        .map(Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use jsonwebtoken::jwk::JwkSet;
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};

    fn pem(der: &[u8]) -> String {
        let text = STANDARD.encode(der);
        format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
    }

    fn p256() -> String {
        let random = aws_lc_rs::rand::SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
        pem(der.expect("a key").as_ref())
    }

    fn ed25519() -> String {
        let random = aws_lc_rs::rand::SystemRandom::new();
        let der = aws_lc_rs::signature::Ed25519KeyPair::generate_pkcs8(&random);
        pem(der.expect("a key").as_ref())
    }

    fn rsa() -> String {
        use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
        let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().expect("encoded");
        pem(der.as_ref())
    }

    fn assertion(ttl: u64) -> Assertion {
        let signer = Signer::read(p256().as_bytes(), "ES256").unwrap();
        Assertion::new("x-assertion", vec![signer], "portcullis", None, ttl)
    }

    fn claims(value: &HeaderValue) -> Value {
        let text = value.to_str().unwrap();
        let payload = text.split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    }

    /// Says it of this user, with these roles, in this organization.
    fn say(
        assertion: &Assertion,
        (user, roles, org): (&str, &str, Option<&str>),
        now: u64,
    ) -> HeaderValue {
        say_until(assertion, (user, roles, org), None, now)
    }

    fn say_until(
        assertion: &Assertion,
        (user, roles, org): (&str, &str, Option<&str>),
        expires: Option<u64>,
        now: u64,
    ) -> HeaderValue {
        let (user, org, upstream) = (Arc::from(user), org.map(Arc::from), Arc::from("api"));
        let said = Stated {
            user: &user,
            org: org.as_ref(),
            app: None,
            roles: roles.into(),
            upstream: &upstream,
            expires,
        };
        assertion.value(&said, now).expect("signed")
    }

    #[test]
    fn a_statement_is_one_that_another_library_accepts() {
        for (text, algorithm) in [(p256(), "ES256"), (ed25519(), "EdDSA"), (rsa(), "RS256")] {
            let signer = Signer::read(text.as_bytes(), algorithm).expect(algorithm);
            let assertion = Assertion::new("authorization", vec![signer], "gate", Some("api"), 60);
            let now = jsonwebtoken::get_current_timestamp();
            let value = say(&assertion, ("zo\u{eb}", "a,b%2C%20c", Some("acme")), now);
            assert!(value.is_sensitive());
            let token =
                value.to_str().unwrap().strip_prefix("Bearer ").expect("a scheme").to_owned();
            let set: JwkSet = serde_json::from_str(&assertion.jwks()).unwrap();
            let header = jsonwebtoken::decode_header(&token).unwrap();
            let jwk = set.find(header.kid.as_deref().unwrap()).expect("the key is in the set");
            let mut rules = Validation::new(algorithm.parse::<Algorithm>().unwrap());
            rules.set_audience(&["api"]);
            rules.set_issuer(&["gate"]);
            let key = DecodingKey::from_jwk(jwk).unwrap();
            let read = decode::<Value>(&token, &key, &rules).expect(algorithm).claims;
            assert_eq!(
                (&read["sub"], &read["org"], &read["app"]),
                (&json!("zo\u{eb}"), &json!("acme"), &Value::Null)
            );
            assert_eq!(read["roles"], json!(["a", "b, c"]));
            assert_eq!((&read["iat"], &read["exp"]), (&json!(now), &json!(now + 60)));
        }
    }

    #[test]
    fn a_key_must_fit_its_algorithm() {
        let fault = |text: &str, algorithm| Signer::read(text.as_bytes(), algorithm).err();
        assert_eq!(fault(&ed25519(), "ES256"), Some(SignerFault::Kind("ES256")));
        assert_eq!(fault(&p256(), "EdDSA"), Some(SignerFault::Kind("EdDSA")));
        assert_eq!(fault(&p256(), "RS256"), Some(SignerFault::Kind("RS256")));
        assert_eq!(fault("x", "ES256"), Some(SignerFault::Pem));
    }

    #[test]
    fn a_statement_is_used_for_half_of_its_life() {
        let assertion = assertion(60);
        let ann = ("ann", "a", Some("acme"));
        let first = say(&assertion, ann, 1_000);
        assert_eq!(say(&assertion, ann, 1_029), first);
        let second = say(&assertion, ann, 1_030);
        assert_ne!(second, first);
        assert_eq!(
            (&claims(&first)["exp"], &claims(&second)["exp"]),
            (&json!(1_060), &json!(1_090))
        );
        assert_eq!(say(&assertion, ann, 1_059), second);
    }

    #[test]
    fn p09_what_is_said_of_one_is_said_of_no_other() {
        let assertion = assertion(60);
        let callers = [
            ("ann", "a", Some("acme")),
            ("ann", "a", Some("beta")),
            ("ann", "a", None),
            ("ann", "a,b", Some("acme")),
            ("ann", "a%2Cb", Some("acme")),
            ("ben", "a", Some("acme")),
            ("anna", "", Some("acme")),
        ];
        for _ in 0..2 {
            for (user, roles, org) in callers {
                let read = claims(&say(&assertion, (user, roles, org), 1_000));
                assert_eq!((&read["sub"], &read["org"]), (&json!(user), &json!(org)));
                assert_eq!(
                    read["roles"].as_array().unwrap().len(),
                    roles.split(',').filter(|r| !r.is_empty()).count()
                );
            }
        }
    }

    #[test]
    fn p07_a_statement_ends_with_the_credential() {
        let assertion = assertion(60);
        let ann = ("ann", "a", None);
        assert_eq!(claims(&say_until(&assertion, ann, Some(1_059), 1_000))["exp"], 1_059);
        assert_eq!(claims(&say_until(&assertion, ann, Some(1_060), 1_000))["exp"], 1_060);
        assert_eq!(claims(&say_until(&assertion, ann, Some(5_000), 1_000))["exp"], 1_060);
        assert_eq!(
            claims(&say_until(&assertion, ann, Some(1_010), 1_000))["exp"],
            1_010,
            "not from the memory"
        );
    }

    #[test]
    fn a_statement_that_ends_with_its_credential_is_remembered_as_long() {
        let assertion = assertion(60);
        let ann = ("ann", "a", None);
        let first = say_until(&assertion, ann, Some(1_050), 1_000);
        assert_eq!(say_until(&assertion, ann, Some(1_050), 1_049), first);
        assert_ne!(say_until(&assertion, ann, Some(1_050), 1_050), first);
        let other = say_until(&assertion, ann, Some(1_051), 1_000);
        assert_eq!(claims(&other)["exp"], 1_051, "another credential of the same caller");
        assert_eq!(claims(&say(&assertion, ann, 1_000))["exp"], 1_060);
    }

    #[test]
    fn p13_so_many_statements_are_remembered() {
        let assertion = assertion(60);
        let made = Made { value: HeaderValue::from_static("x"), stale: 1 };
        for n in 0..=2 * MAX_ASSERTIONS {
            let caller = Caller {
                user: n.to_string().into(),
                org: None,
                app: None,
                roles: "".into(),
                audience: "a".into(),
                ends: None,
            };
            assertion.made.insert(caller, made.clone());
            if [MAX_ASSERTIONS - 1, MAX_ASSERTIONS, MAX_ASSERTIONS + 1].contains(&n)
                || n % 1_000 == 0
            {
                assert!(assertion.made.len() <= MAX_ASSERTIONS.min(n + 1), "{n}");
            }
        }
    }
}
