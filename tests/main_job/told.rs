//! What upstreams are told: under other names, in a signed statement, and that it is us.

use super::{Api, TOKENS, bearer};
use crate::support::proxy::Start;
use crate::support::{Client, TempPolicy, Upstream, client, eventually, tokens};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

const RULES: &str = r#"
routes:
  - {match: "/**"}
  - {match: "/passed/**", credential: pass}
  - {match: "/open/**", public: r}
roles:
  - {id: reads, grants: [{path: "/**", access: r}]}
"#;

/// A policy that tells so, and files beside it.
fn api(tell: &str, rules: &str, files: &[(&str, &str)]) -> Api {
    let text = TOKENS.replace("identity: {jwt", &format!("identity: {{tell: {tell}, jwt"));
    let policy = TempPolicy::file(&format!("{text}{rules}"));
    policy.write("jwt.secret", tokens::SECRET);
    for (name, text) in files {
        policy.write(name, text);
    }
    Api::with(Upstream::json("{}"), policy)
}

fn key() -> String {
    let random = SystemRandom::new();
    let der =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
    let text = STANDARD.encode(der.as_ref());
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
}

#[test]
fn p03_names_can_be_changed_and_no_client_can_say_them() {
    let api = api("{headers: {user: Remote-User, roles: X-Roles}}", RULES, &[]);
    let lies = [
        ("Remote-User", "root"),
        ("Remote_User", "root"),
        ("X-Roles", "root"),
        ("x_roles", "root"),
        ("X-Portcullis-User", "root"),
        ("X-Mine", "kept"),
    ];
    for target in ["/x", "/passed/x", "/open/x"] {
        assert_eq!(api.call_with("ana:reads", "GET", target, &lies).status, 200);
    }
    let seen = api.upstream.requests();
    for request in &seen[..2] {
        let told = |name| request.fields.get(name);
        assert_eq!((told("remote-user"), told("x-roles")), (Some("ana"), Some("reads")));
        assert_eq!((told("x-portcullis-user"), told("x-mine")), (None, Some("kept")));
    }
    assert!(seen[2].fields.get("remote-user").is_none(), "nobody is told of on a public route");
    assert!(!String::from_utf8(api.upstream.bytes().concat()).unwrap().contains("root"));
    let listed = [("Connection", "remote-user")];
    api.refused("GET", 400, || api.call_with("ana:reads", "GET", "/x", &listed));
}

#[test]
fn p03_a_signed_statement_stands_in_place_of_headers() {
    let old = key();
    let api = api(
        "{assertion: {header: Authorization, keys: [{file: a.pem}], audience: api}}",
        RULES,
        &[("a.pem", &old)],
    );
    let lies = [("X-Portcullis-User", "root"), ("X-Portcullis-Roles", "root")];
    let mut client = Client::connect(api.proxy.address);
    let call = |client: &mut Client, target: &str| {
        let token = bearer("ana:reads");
        let fields = [&lies[..], &[("Authorization", token.as_str())]].concat();
        client.call("GET", target, &fields).status
    };
    assert_eq!(call(&mut client, "/x"), 200);
    assert_eq!(call(&mut client, "/passed/x"), 200);
    let seen = api.upstream.requests();
    for request in &seen {
        assert_eq!(request.fields.all("authorization").len(), 1);
        assert!(request.fields.names().iter().all(|name| !name.starts_with("x-portcullis")));
    }
    let first = token(&seen[0]);
    assert_eq!(first, token(&seen[1]), "one statement serves both, in place of the caller's token");
    assert_eq!(client.call("GET", "/open/x", &lies).status, 200);
    assert_eq!(api.upstream.requests()[2].fields.get("authorization"), None);
    let claims = verified(&api, &first);
    assert_eq!((&claims["sub"], &claims["iss"]), (&"ana".into(), &"portcullis".into()));
    assert_eq!(claims["roles"], serde_json::json!(["reads"]));
    let life = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
    assert_eq!(life, 60);
    // The next key is announced before it signs, and the old one stays until nobody needs it.
    let next = key();
    api.policy.write("b.pem", &next);
    let text = std::fs::read_to_string(api.policy.path()).unwrap();
    api.policy
        .write("policy.yaml", text.replace("[{file: a.pem}]", "[{file: b.pem}, {file: a.pem}]"));
    api.proxy.wait_for_generation(2);
    assert_eq!(call(&mut client, "/x"), 200);
    let second = token(&api.upstream.requests()[3]);
    let kid = |token: &str| decode_header(token).unwrap().kid;
    assert_ne!(kid(&first), kid(&second), "the newest signs");
    verified(&api, &first);
    verified(&api, &second);
}

fn token(request: &crate::support::upstream::Recorded) -> String {
    let value = request.fields.get("authorization").expect("a statement");
    value.strip_prefix("Bearer ").expect("a scheme").to_owned()
}

/// The claims, after the check that an upstream would make with the keys of `/jwks.json`.
fn verified(api: &Api, token: &str) -> Value {
    let answer = api.proxy.admin("/jwks.json");
    assert_eq!(answer.header("content-type"), Some("application/jwk-set+json"));
    assert!(!answer.text().contains("\"d\""), "no private part");
    let set: JwkSet = serde_json::from_str(answer.text()).expect("a key set");
    let kid = decode_header(token).unwrap().kid.expect("a kid");
    let key = DecodingKey::from_jwk(set.find(&kid).expect("its key")).unwrap();
    let mut rules = Validation::new(Algorithm::ES256);
    rules.set_audience(&["api"]);
    rules.set_issuer(&["portcullis"]);
    decode::<Value>(token, &key, &rules).expect("a good statement").claims
}

#[test]
fn there_is_no_key_set_where_nothing_is_signed() {
    let api = Api::start(RULES);
    assert_eq!(api.proxy.admin("/jwks.json").status, 404);
}

const TWO: &str = r#"
upstreams:
  - {id: open, url: "UPSTREAM"}
  - {id: guarded, url: "UPSTREAM", credential: {header: Authorization, file: upstream.secret}}
routes:
  - {match: "/**", upstream: open}
  - {match: "/guarded/**", upstream: guarded}
  - {match: "/guarded/passed/**", upstream: guarded, credential: pass}
  - {match: "/guarded/open/**", upstream: guarded, public: r}
roles:
  - {id: reads, grants: [{path: "/**", access: r}]}
"#;

/// Its own secret goes to the upstream that asks for it and nowhere else, and changes live.
#[test]
fn p16_an_upstreams_secret_goes_there_alone_and_is_never_told() {
    let upstream = Upstream::json("{}");
    let policy = TempPolicy::file(
        &format!("{TOKENS}{}", TWO.trim_start()).replace("UPSTREAM", &upstream.url()),
    );
    policy.write("jwt.secret", tokens::SECRET);
    policy.write("upstream.secret", "Bearer CANARY-one");
    let proxy = Start::new().upstream(&upstream).policy(policy.path()).ready();
    let api = Api { upstream, policy, proxy };
    let last = |target: &str| {
        let fields = [("authorization_", "x"), ("Authorization", &*bearer("ana:reads"))]
            .map(|(n, v)| (n, v.to_owned()));
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(client::call(api.proxy.address, "GET", target, &fields[1..]).status, 200);
        let request = api.upstream.requests().pop().expect("a request");
        request.fields.all("authorization").into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(last("/x"), Vec::<String>::new());
    assert_eq!(last("/guarded/x"), ["Bearer CANARY-one"]);
    assert_eq!(last("/guarded/passed/x"), ["Bearer CANARY-one"], "ours, in place of the caller's");
    assert_eq!(last("/guarded/open/x"), ["Bearer CANARY-one"]);
    api.policy.write("upstream.secret", "Bearer CANARY-two");
    eventually(|| match &last("/guarded/x")[..] {
        [two] if two == "Bearer CANARY-two" => Ok(()),
        other => Err(other.to_vec()),
    });
    api.policy.write("upstream.secret", "CANARY-three\n");
    eventually(|| match api.proxy.policy()["last_error"].is_null() {
        false => Ok(()),
        true => Err("no error yet"),
    });
    assert_eq!(last("/guarded/x"), ["Bearer CANARY-two"], "the good one stays");
    let printed = api.proxy.printed().join("\n");
    let told =
        [printed, api.proxy.admin("/metrics").text().to_owned(), api.proxy.policy().to_string()];
    assert!(told.iter().all(|text| !text.contains("CANARY")), "{told:?}");
}
