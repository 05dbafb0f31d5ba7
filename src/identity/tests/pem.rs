//! Public keys in PEM: which are taken, and what is said of the others.

use super::keys::block;
use super::*;
use serde_json::json;

fn by_pem(algorithms: &[&str]) -> RawIdentity {
    jwt(RawJwt { keys: Some(RawKeys::Pem(text("issuer.pem"))), ..issuer(algorithms) })
}

fn problems(pem: &str, algorithms: &[&str]) -> Vec<String> {
    said(&World::default().file("issuer.pem", pem).compile(&by_pem(algorithms)).1)
}

fn check(
    identity: &Identity,
    signer: &Signer,
    header: &serde_json::Value,
) -> Result<(), TokenFault> {
    let payload = json!({"iss": ISSUER, "aud": "api", "sub": "ann", "exp": NOW + 600});
    let token = signer.token(&header.to_string(), &payload.to_string());
    identity.explain_token(&token, NOW).map(|_| ())
}

#[test]
fn p07_every_algorithm_verifies_under_its_own_pem_key_alone() {
    let signers = [
        (Signer::rsa(), &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"][..]),
        (Signer::p256(), &["ES256"]),
        (Signer::p384(), &["ES384"]),
        (Signer::p521(), &["ES512"]),
        (Signer::ed25519(), &["EdDSA"]),
    ];
    // A file holds four of them at most.
    for some in [&signers[..MAX_PEM_KEYS], &signers[1..]] {
        let all: Vec<&str> = some.iter().flat_map(|(_, algs)| algs.iter().copied()).collect();
        let pem: String = some.iter().map(|(signer, _)| signer.pem()).collect();
        let identity = World::default().file("issuer.pem", pem).identity(&by_pem(&all));
        for ((signer, own), alg) in
            some.iter().flat_map(|one| all.iter().map(move |alg| (one, alg)))
        {
            let wanted = if own.contains(alg) { Ok(()) } else { Err(TokenFault::Signature) };
            assert_eq!(check(&identity, signer, &json!({ "alg": alg })), wanted, "{alg}");
            let named = json!({"alg": alg, "kid": "whatever"});
            assert_eq!(check(&identity, signer, &named), wanted, "`kid` says nothing: {alg}");
        }
    }
    for (signer, own) in &signers {
        let alone = World::default().file("issuer.pem", signer.pem()).identity(&by_pem(own));
        for (other, algs) in &signers {
            let own = std::ptr::eq(signer, other);
            let wanted = if own { Ok(()) } else { Err(TokenFault::Algorithm) };
            assert_eq!(check(&alone, other, &json!({ "alg": algs[0] })), wanted, "{}", algs[0]);
        }
    }
}

#[test]
fn p07_each_key_of_a_pem_file_is_tried() {
    let (new, old, other) = (Signer::p256(), Signer::p256(), Signer::p256());
    let pem = format!("{}{}", new.pem(), old.pem());
    let identity = World::default().file("issuer.pem", pem).identity(&by_pem(&["ES256"]));
    let header = json!({"alg": "ES256"});
    assert_eq!(check(&identity, &new, &header), Ok(()));
    assert_eq!(check(&identity, &old, &header), Ok(()));
    assert_eq!(check(&identity, &other, &header), Err(TokenFault::Signature));
}

#[test]
fn p07_a_pem_file_holds_public_keys_alone() {
    let good = Signer::p256().pem();
    let with = |more: &str| problems(&format!("{good}{more}"), &["ES256"]);
    assert_eq!(with(""), [""; 0]);
    for (label, said) in [
        ("PRIVATE KEY", "holds a private key, which has no business here"),
        ("RSA PRIVATE KEY", "holds a private key, which has no business here"),
        ("EC PRIVATE KEY", "holds a private key, which has no business here"),
        ("CERTIFICATE", "holds a certificate, whose time nobody checks here"),
        ("X509 CRL", "holds something else than public keys"),
        (
            "PUBLIC KEY",
            "has a key that is neither RSA of 2048 to 8192 bits, P-256, P-384, P-521 nor Ed25519",
        ),
    ] {
        let wanted = format!("IDENTITY_VALID error: `issuer.pem` {said}");
        assert_eq!(with(&block(label, &[1, 2, 3])), [wanted], "{label}");
    }
    let cut = format!("IDENTITY_VALID error: `issuer.pem` {}", "is not PEM, or is cut off");
    assert_eq!(with("-----BEGIN PUBLIC KEY-----\nMFkw"), std::slice::from_ref(&cut));
    assert_eq!(with("-----BEGIN PUBLIC KEY-----\n?\n-----END PUBLIC KEY-----\n"), [cut]);
    for none in ["", "hello\n", &block("RSA PUBLIC KEY", &[1])] {
        let said = problems(none, &["ES256"]);
        assert_eq!(said, ["IDENTITY_VALID error: `issuer.pem` has no public key"], "{none}");
    }
}

#[test]
fn p07_keys_of_a_pem_file_are_limited() {
    for (count, wanted) in [(MAX_PEM_KEYS - 1, 0), (MAX_PEM_KEYS, 0), (MAX_PEM_KEYS + 1, 1)] {
        let pem: String = (0..count).map(|_| Signer::p256().pem()).collect();
        assert_eq!(problems(&pem, &["ES256"]).len(), wanted, "{count}");
    }
}

#[test]
fn p07_a_small_rsa_key_in_pem_is_none() {
    // RFC 8017 and RFC 5280: a modulus of 1024 bits in a SubjectPublicKeyInfo.
    let modulus = [&[0x02, 0x81, 0x81, 0x00][..], &[0xff; 128]].concat();
    let key = [&modulus[..], &[0x02, 0x03, 0x01, 0x00, 0x01]].concat();
    let key = [&[0x30, 0x81, 0x89][..], &key].concat();
    let bits = [&[0x03, 0x81, 0x8d, 0x00][..], &key].concat();
    let rsa =
        [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0];
    let info = [&[0x30, 0x81, 0x9f][..], &rsa, &bits].concat();
    let said = problems(&block("PUBLIC KEY", &info), &["RS256"]);
    assert!(said[0].contains("neither RSA of 2048"), "{said:?}");
}

#[test]
fn p07_a_pem_key_fits_what_is_listed() {
    let said = problems(&Signer::p384().pem(), &["ES256"]);
    assert_eq!(said, ["IDENTITY_VALID error: `ES256` fits no key of `https://id.example`"]);
    let said = problems(&Signer::p384().pem(), &["ES384", "HS384"]);
    assert_eq!(said, ["IDENTITY_VALID error: `HS384` fits no key of this issuer"]);
}
