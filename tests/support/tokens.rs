//! Credentials for tests, made by hand so that they can be wrong in any way.

use aws_lc_rs::{digest, hmac};
use serde_json::{Value, json};

/// A secret that is long enough for HS256.
pub const SECRET: &str = "a secret of the tests, 32 bytes or more";

/// The `iss` that tests use.
pub const ISSUER: &str = "https://id.example";

/// Far enough: 2100-01-01T00:00:00Z.
pub const LATER: u64 = 4_102_444_800;

/// The claims of a token that is good for [`ISSUER`] and the audience `api`.
pub fn claims(user: &str, roles: &[&str]) -> Value {
    json!({"iss": ISSUER, "aud": "api", "exp": LATER, "sub": user, "roles": roles})
}

/// `Bearer …` for these claims, signed with [`SECRET`].
pub fn bearer(claims: &Value) -> String {
    format!("Bearer {}", hs256(SECRET, claims))
}

/// A compact JWS, HS256, with the usual header.
pub fn hs256(secret: &str, claims: &Value) -> String {
    signed(secret, r#"{"alg":"HS256","typ":"JWT"}"#, &claims.to_string())
}

/// A compact JWS over this header text and this payload text, whatever they say.
pub fn signed(secret: &str, header: &str, payload: &str) -> String {
    let signing = format!("{}.{}", base64url(header.as_bytes()), base64url(payload.as_bytes()));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, signing.as_bytes());
    format!("{signing}.{}", base64url(tag.as_ref()))
}

/// What a policy stores of an API key: 64 lower-case hex digits.
pub fn key_digest(key: &str) -> String {
    let digest = digest::digest(&digest::SHA256, key.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// RFC 4648 section 5, without padding.
pub fn base64url(bytes: &[u8]) -> String {
    let digit = |bits: u32| char::from(ALPHABET[(bits & 63) as usize]);
    bytes
        .chunks(3)
        .flat_map(|chunk| {
            let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
            let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
            [18, 12, 6, 0].into_iter().take(chunk.len() + 1).map(move |shift| digit(bits >> shift))
        })
        .collect()
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

#[test]
fn base64url_as_rfc_4648_section_10_has_it() {
    let made = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|t| base64url(t.as_bytes()));
    assert_eq!(made, ["", "Zg", "Zm8", "Zm9v", "Zm9vYg", "Zm9vYmE", "Zm9vYmFy"]);
    assert_eq!(base64url(&[0xfb, 0xff, 0xbf]), "-_-_");
}

#[test]
fn a_token_is_one_that_another_library_accepts() {
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
    let mut rules = Validation::new(Algorithm::HS256);
    rules.set_issuer(&[ISSUER]);
    rules.set_audience(&["api"]);
    let token = hs256(SECRET, &claims("ana", &["support"]));
    let key = DecodingKey::from_secret(SECRET.as_bytes());
    let read = decode::<Value>(&token, &key, &rules).expect("a good token");
    assert_eq!(read.claims["sub"], "ana");
    let other = DecodingKey::from_secret(b"another secret of 32 bytes, or more than that");
    assert!(decode::<Value>(&token, &other, &rules).is_err());
}

#[test]
fn a_key_digest_is_what_sha256sum_prints() {
    let of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(key_digest("abc"), of_abc);
}
