//! Published vectors of JOSE: signatures that hold, and many that do not.

use crate::identity::algorithm::{Algorithm, PublicKey, Secret};
use crate::identity::jwks::{KeyFile, KeySet, MIN_SECRET};
use crate::identity::{TokenFault, jwt};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Of RFC 7515 (appendix A), RFC 7520 (section 4) and RFC 8037 (appendix A): a name, whether it
/// holds here, the public key, the text. What does not hold is `none`, the JSON serialization and a
/// detached payload.
const RFC: &str = include_str!("rfc.tsv");

/// A folder with Wycheproof's `testvectors_v1`, for the test that reads it.
const WYCHEPROOF: &str = "PORTCULLIS_WYCHEPROOF";

#[test]
fn p07_the_vectors_of_the_rfcs_come_out_as_they_should() {
    let rows: Vec<Vec<&str>> = RFC.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows.len(), 21);
    for row in rows {
        let [name, wanted, jwk, text] = row[..] else { panic!("{row:?}") };
        let jwk = serde_json::from_str(jwk).expect(name);
        assert_eq!(judge(&[jwk], text).is_ok(), wanted == "holds", "{name}");
    }
}

/// Run it with `PORTCULLIS_WYCHEPROOF=/path/to/testvectors_v1 cargo test --lib wycheproof --
/// --ignored`. The counts are those of commit dac1dd4.
#[test]
#[ignore = "set PORTCULLIS_WYCHEPROOF to the testvectors_v1 of github.com/C2SP/wycheproof"]
fn p07_no_invalid_signature_of_wycheproof_is_accepted() {
    let folder = std::env::var_os(WYCHEPROOF).expect("PORTCULLIS_WYCHEPROOF names a folder");
    let files =
        ["json_web_signature_test.json", "json_web_key_test.json", "json_web_crypto_test.json"];
    let counts = files.map(|file| {
        let text = std::fs::read(std::path::Path::new(&folder).join(file)).expect(file);
        let all: Value = serde_json::from_slice(&text).expect(file);
        let mut counts = BTreeMap::<String, usize>::new();
        for group in all["testGroups"].as_array().expect("groups") {
            count(group, &mut counts);
        }
        format!("{counts:?}")
    });
    let quoted = WYCHEPROOF_COUNTS.map(str::to_owned);
    assert_eq!(counts, quoted);
}

/// What is accepted although it is called invalid is not a signature that does not verify: secrets
/// shorter than their hash (a policy that names one is warned), symmetric keys for encryption (the
/// file of a secret says nothing of that), and an RSA key that is weak by the way it was made
/// (ROCA), which nobody looks for here. What is refused although it is valid is encrypted, of a
/// curve that nobody uses, or names `ES521` as the algorithm of its key.
const WYCHEPROOF_COUNTS: [&str; 3] = [
    r#"{"invalid, refused": 353, "mislabelled": 2, "valid, holds": 34, "valid, no text in base64url": 8, "valid, refused: algorithm": 2, "valid, refused: no_key": 2}"#,
    r#"{"ACCEPTED \"key_too_short\"": 2, "ACCEPTED \"rejectsAesKey\"": 2, "ACCEPTED \"rejectsKeyWithRocaVulnerability\"": 1, "invalid, refused": 16, "valid, holds": 4, "valid, refused: no_key": 1}"#,
    r#"{"ACCEPTED \"rejectsKeyWithRocaVulnerability\"": 1, "invalid, refused": 43, "valid, holds": 3, "valid, refused: no_key": 1}"#,
];

/// As above, of signatures alone: what each algorithm makes of the vectors of its primitive.
#[test]
#[ignore = "set PORTCULLIS_WYCHEPROOF to the testvectors_v1 of github.com/C2SP/wycheproof"]
fn p07_no_invalid_signature_of_wycheproof_is_taken_by_any_algorithm() {
    let folder = std::env::var_os(WYCHEPROOF).expect("PORTCULLIS_WYCHEPROOF names a folder");
    for (file, alg, holds, refused) in PRIMITIVES {
        let path = std::path::Path::new(&folder).join(format!("{file}_test.json"));
        let all: Value = serde_json::from_slice(&std::fs::read(path).expect(file)).expect(file);
        let mut counts = (0, 0);
        for group in all["testGroups"].as_array().expect("groups") {
            for test in group["tests"].as_array().expect("tests") {
                let (valid, took) = (test["result"] == "valid", takes(group, test, alg));
                // `acceptable`: the verifier may choose. None of these is taken.
                assert!(valid || !took, "{file}: {test}");
                *(if took { &mut counts.0 } else { &mut counts.1 }) += 1;
            }
        }
        assert_eq!(counts, (holds, refused), "{file}");
    }
}

/// A file, what its signatures are verified by, how many hold and how many do not. Among the latter
/// are tags that are cut, which JOSE does not have (RFC 7518 section 3.2).
const PRIMITIVES: [(&str, Algorithm, usize, usize); 13] = [
    ("hmac_sha256", Algorithm::Hs256, 33, 141),
    ("hmac_sha384", Algorithm::Hs384, 33, 141),
    ("hmac_sha512", Algorithm::Hs512, 33, 141),
    ("rsa_signature_2048_sha256", Algorithm::Rs256, 9, 250),
    ("rsa_signature_3072_sha384", Algorithm::Rs384, 7, 252),
    ("rsa_signature_4096_sha512", Algorithm::Rs512, 7, 252),
    ("rsa_pss_2048_sha256_mgf1_32", Algorithm::Ps256, 63, 45),
    ("rsa_pss_2048_sha384_mgf1_48", Algorithm::Ps384, 95, 46),
    ("rsa_pss_4096_sha512_mgf1_64", Algorithm::Ps512, 132, 47),
    ("ecdsa_secp256r1_sha256_p1363", Algorithm::Es256, 173, 89),
    ("ecdsa_secp384r1_sha384_p1363", Algorithm::Es384, 193, 87),
    ("ecdsa_secp521r1_sha512_p1363", Algorithm::Es512, 231, 87),
    ("ed25519", Algorithm::EdDsa, 88, 63),
];

fn takes(group: &Value, test: &Value, alg: Algorithm) -> bool {
    let bytes = |value: &Value| hex(value.as_str().expect("hexadecimal digits"));
    let message = bytes(&test["msg"]);
    match test["key"].is_string() {
        true => Secret::new(bytes(&test["key"])).verifies(alg, &message, &bytes(&test["tag"])),
        false => {
            let key = PublicKey::from_info(&bytes(&group["publicKeyDer"])).expect("a key");
            key.verifies(alg, &message, &bytes(&test["sig"]))
        }
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits = |at| u8::from_str_radix(&text[at..at + 2], 16).expect(text);
    (0..text.len()).step_by(2).map(digits).collect()
}

/// Every vector that is not valid must be refused, and every one that is must hold, unless its key
/// or algorithm is none that can be used here, or what is signed is no text.
fn count(group: &Value, counts: &mut BTreeMap<String, usize>) {
    let key = if group["public"].is_object() { &group["public"] } else { &group["private"] };
    let keys = key["keys"].as_array().cloned().unwrap_or_else(|| vec![key.clone()]);
    for test in group["tests"].as_array().expect("tests") {
        // Texts that are no JWS are of encryption.
        let Some(text) = test["jws"].as_str() else { continue };
        let comment = &test["comment"];
        let outcome = match (test["result"] == "valid", judge(&keys, text)) {
            (true, Ok(())) => "valid, holds".to_owned(),
            (false, Err(_)) => "invalid, refused".to_owned(),
            (true, Err(fault @ (TokenFault::NoKey | TokenFault::Algorithm))) => {
                format!("valid, refused: {}", fault.as_str())
            }
            (true, Err(TokenFault::Encoding)) if !signs_text(text) => {
                "valid, no text in base64url".to_owned()
            }
            (true, Err(fault)) => format!("REFUSED {comment}: {fault}"),
            (false, Ok(())) if is_mislabelled(test) => "mislabelled".to_owned(),
            (false, Ok(())) => format!("ACCEPTED {comment}"),
        };
        *counts.entry(outcome).or_default() += 1;
    }
}

/// Two vectors are about padding that they do not have: their text is that of the valid one.
fn is_mislabelled(test: &Value) -> bool {
    let about_padding = ["invalidBase64Padding", "invalidBase64PaddingInPayload"].map(Value::from);
    about_padding.contains(&test["comment"])
        && test["jws"].as_str().is_some_and(|jws| !jws.contains('='))
}

/// Whether all parts are base64url, and what is signed is text, as claims are. Two vectors that are
/// called valid have a `?` in between.
fn signs_text(text: &str) -> bool {
    let parts: Option<Vec<_>> =
        text.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).ok()).collect();
    parts.is_some_and(|parts| String::from_utf8(parts[1].clone()).is_ok())
}

/// As for an issuer with these keys, which lists the algorithms that the keys name.
fn judge(keys: &[Value], text: &str) -> Result<(), TokenFault> {
    // A policy names secrets apart: one in a key set is skipped.
    let alone = if keys.len() == 1 { keys } else { &[] };
    let secrets: Vec<_> = alone.iter().filter_map(secret).collect();
    let named: Vec<_> =
        keys.iter().filter_map(|key| Algorithm::named(key["alg"].as_str()?)).collect();
    let algorithms = if named.is_empty() { Algorithm::ALL.to_vec() } else { named };
    let set = match secrets.is_empty() {
        false => KeySet::Secrets(secrets),
        true => {
            let mut file = KeyFile::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap();
            file.skip_shared_kids();
            KeySet::Public(file.keys)
        }
    };
    jwt::verify_alone(&set, &algorithms, text)
}

/// The secret of a symmetric key that a policy could name.
fn secret(key: &Value) -> Option<Secret> {
    let bytes = URL_SAFE_NO_PAD.decode(key["k"].as_str()?).ok()?;
    let usable = key["kty"] == "oct" && key["use"] != "enc" && bytes.len() >= MIN_SECRET;
    usable.then(|| Secret::new(bytes))
}
