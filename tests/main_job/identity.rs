//! Who is calling: tokens, keys, listed peers; what the upstream is told; live key changes.

use super::keys::{Signer, jwks};
use super::{Api, bearer};
use crate::support::proxy::run_in;
use crate::support::{Client, TempPolicy, Upstream, client, eventually, h2, tokens};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const RULES: &str = r#"
routes:
  - {match: "/**"}
  - {match: "/passed/**", credential: pass}
roles:
  - {id: reads, grants: [{path: "/**", access: r}]}
  - {id: "odd, name", grants: [{path: "/**", access: r}]}
"#;

#[test]
fn p07_tokens_that_do_not_hold_are_401_with_a_challenge() {
    let api = Api::start(RULES);
    let good = tokens::claims("ana", &["reads"]);
    let with = |name: &str, value: serde_json::Value| {
        let mut claims = good.clone();
        claims[name] = value;
        tokens::bearer(&claims)
    };
    let none = tokens::base64url(br#"{"alg":"none"}"#);
    let payload = tokens::base64url(good.to_string().as_bytes());
    let other = "another secret that is also long enough";
    for bad in [
        with("iss", "https://other.example".into()),
        with("aud", "other".into()),
        with("exp", 1_700_000_000.into()),
        with("nbf", tokens::LATER.into()),
        format!("Bearer {none}.{payload}."),
        format!("Bearer {}", tokens::hs256(other, &good)),
        format!(
            "Bearer {}",
            tokens::signed(tokens::SECRET, r#"{"alg":"HS512"}"#, &good.to_string())
        ),
        "Bearer".into(),
        "Bearer x".into(),
        "Basic YTpi".into(),
    ] {
        let call = || api.call_with("", "GET", "/x", &[("Authorization", &bad)]);
        let answer = api.refused("GET", 401, call);
        let challenge = answer.header("www-authenticate").expect("a challenge");
        assert!(challenge.starts_with("Bearer"), "{challenge}");
        assert_eq!(answer.json()["detail"], serde_json::Value::Null, "no word on the token");
    }
    api.refuses("", "GET", "/x?access_token=abc", 401);
    assert_eq!(
        api.call_with("", "GET", "/x", &[("Authorization", &tokens::bearer(&good))]).status,
        200
    );
}

#[test]
fn p03_p08_two_credentials_are_400_even_when_they_agree() {
    let digest = tokens::key_digest("a-key");
    let rules = RULES.trim_start();
    let text = super::TOKENS.replace(
        "identity: {jwt",
        &format!("identity: {{same_users: true, api_keys: {{in: [header, bearer], keys: [{{user: ana, sha256: \"{digest}\"}}]}}, jwt"),
    );
    let policy = TempPolicy::file(&format!("{text}{rules}"));
    policy.write("jwt.secret", tokens::SECRET);
    let api = Api::with(Upstream::json("{}"), policy);
    let token = bearer("ana:reads");
    for fields in [
        &[("Authorization", token.as_str()), ("X-Api-Key", "a-key")][..],
        &[("Authorization", "Bearer a-key"), ("X-Api-Key", "a-key")],
        &[("Authorization", &token), ("Authorization", &token)],
        &[("X-Api-Key", "a-key"), ("X-Api-Key", "a-key")],
        &[("Authorization", "Bearer nothing"), ("X-Api-Key", "a-key")],
    ] {
        let answer = api.refused("GET", 400, || api.call_with("", "GET", "/x", fields));
        assert_eq!(answer.json()["detail"], "send one credential, once");
        let over_two = h2::call(api.proxy.address, "GET", "/x", fields);
        assert_eq!(over_two.status, 400);
    }
    api.upstream.assert_untouched();
    for one in [("Authorization", token.as_str()), ("X-Api-Key", "a-key")] {
        let status = api.call_with("", "GET", "/x", &[one]).status;
        let wanted = if one.0 == "X-Api-Key" { 403 } else { 200 };
        assert_eq!(status, wanted, "this key claims no role");
    }
}

/// The statements about the caller, each exactly once, whatever a client claims about itself.
#[test]
fn p03_the_upstream_is_told_who_is_calling_and_no_client_can_say_it() {
    let api = Api::start(RULES);
    let lies: Vec<(&str, &str)> = vec![
        ("X-Portcullis-User", "root"),
        ("x-portcullis-roles", "admin"),
        ("X_Portcullis_User", "root"),
        ("X-Portcullis_Org", "other"),
        ("x-portcullis-anything", "x"),
        ("X-Forwarded-For", "10.9.9.9"),
        ("X-Forwarded-User", "root"),
        ("X_Forwarded_Host", "evil.example"),
        ("Forwarded", "for=10.9.9.9"),
        ("X-Real-IP", "10.9.9.9"),
        ("X-Original-URL", "/admin"),
        ("X-Rewrite-Url", "/admin"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-Mine", "kept"),
    ];
    let answer = api.call_with("zoë ü:reads,odd, name", "GET", "/x", &lies);
    assert_eq!(answer.status, 200);
    let seen = api.upstream.request().fields;
    assert_eq!(seen.get("x-portcullis-user"), Some("zo%C3%AB%20%C3%BC"));
    assert_eq!(seen.get("x-portcullis-roles"), Some("reads"));
    assert_eq!(seen.get("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.get("x-mine"), Some("kept"));
    let digest = api.proxy.policy()["digest"].as_str().expect("a digest").to_owned();
    let short = &digest["sha256:".len()..][..16];
    assert_eq!(seen.get("x-portcullis-policy"), Some(short));
    let text = String::from_utf8(api.upstream.bytes().concat()).unwrap().to_lowercase();
    for lie in ["root", "admin", "10.9.9.9", "evil.example", "delete", "authorization", "_"] {
        assert!(!text.contains(lie), "`{lie}` arrived: {text}");
    }
}

#[test]
fn several_roles_are_told_with_their_commas_encoded() {
    let api = Api::start(RULES);
    let claims = tokens::claims("ana", &["odd, name", "reads", "unknown"]);
    let token = tokens::bearer(&claims);
    assert_eq!(api.call_with("", "GET", "/x", &[("Authorization", &token)]).status, 200);
    let told = api.upstream.request().fields;
    let mut roles: Vec<_> = told.get("x-portcullis-roles").unwrap().split(',').collect();
    roles.sort_unstable();
    assert_eq!(roles, ["odd%2C%20name", "reads"]);
}

#[test]
fn a_credential_passes_only_where_the_route_says_so() {
    let api = Api::start(RULES);
    let token = bearer("ana:reads");
    assert_eq!(api.call("ana:reads", "GET", "/x").status, 200);
    assert_eq!(api.call("ana:reads", "GET", "/passed/x").status, 200);
    let seen = api.upstream.requests();
    assert_eq!(seen[0].fields.get("authorization"), None);
    assert_eq!(seen[1].fields.get("authorization"), Some(token.as_str()));
}

fn forwarded(peers: &str) -> Api {
    let policy = TempPolicy::file(&format!(
        "policy: 1\nidentity: {{forwarded: {{peers: [{peers}], user: X-Auth-User, roles: \
         X-Auth-Roles}}}}\nroles: [{{id: reads, grants: [{{path: \"/**\", access: r}}]}}]\n"
    ));
    Api::with(Upstream::json("{}"), policy)
}

#[test]
fn p03_identity_headers_count_from_listed_peers_alone() {
    let claim = [("X-Auth-User", "ana"), ("X-Auth-Roles", "reads, other")];
    let api = forwarded("192.0.2.0/24");
    api.refused("GET", 401, || api.call_with("", "GET", "/x", &claim));
    let api = forwarded("127.0.0.1/32");
    let twice = [("X-Auth-User", "ana"), ("X-Auth-User", "ben"), ("X-Auth-Roles", "reads")];
    api.refused("GET", 400, || api.call_with("", "GET", "/x", &twice));
    api.refused("GET", 401, || api.call_with("", "GET", "/x", &[("X_Auth_User", "ana")]));
    api.refused("GET", 403, || api.call_with("", "GET", "/x", &claim[..1]));
    let disguised = [&claim[..], &[("X_Auth_User", "root"), ("x-auth_roles", "admin")]].concat();
    assert_eq!(api.call_with("", "GET", "/x", &disguised).status, 200);
    let told = api.upstream.request().fields;
    assert_eq!(told.get("x-portcullis-user"), Some("ana"));
    assert_eq!(told.get("x-portcullis-roles"), Some("reads"));
    assert!(told.names().iter().all(|name| !name.contains("auth")), "{told:?}");
}

const JWKS: &str = "policy: 1\nidentity: {jwt: [{issuer: \"https://id.example\", audience: [api], \
                    algorithms: [ES256, RS256], jwks: {file: jwks.json}}]}\n\
                    roles: [{id: reads, grants: [{path: \"/**\", access: r}]}]\n";

/// ES256 and RS256 keys that are made here; the set is replaced while a connection stays open.
#[test]
fn p07_a_key_set_verifies_and_rotates_live() {
    let (old, new, rsa) = (Signer::p256("old"), Signer::p256("new"), Signer::rsa("rsa"));
    let policy = TempPolicy::file(JWKS);
    policy.write("jwks.json", jwks(&[&old, &rsa]));
    let api = Api::with(Upstream::json("{}"), policy);
    let mut client = Client::connect(api.proxy.address);
    let claims = tokens::claims("ana", &["reads"]);
    let mut status = |signer: &Signer| {
        client.call("GET", "/x", &[("Authorization", &signer.bearer(&claims))]).status
    };
    assert_eq!([&old, &rsa, &new].map(&mut status), [200, 200, 401]);
    api.policy.write("jwks.json", jwks(&[&new, &rsa]));
    api.proxy.wait_for_generation(2);
    assert_eq!([&old, &rsa, &new].map(&mut status), [401, 200, 200]);
    api.policy.overwrite("jwks.json", "{\"keys\": [");
    eventually(|| match api.proxy.policy()["last_error"].is_null() {
        false => Ok(()),
        true => Err("no error yet"),
    });
    assert_eq!([&old, &rsa, &new].map(&mut status), [401, 200, 200], "the good set stays");
    let algorithm = tokens::bearer(&claims);
    assert_eq!(client.call("GET", "/x", &[("Authorization", &algorithm)]).status, 401);
}

#[test]
fn p07_a_secret_rotates_live() {
    let api = Api::start(RULES);
    let claims = tokens::claims("ana", &["reads"]);
    let (old, next) = (tokens::SECRET, "the next secret of the tests, long enough, too");
    let token = |secret: &str| format!("Bearer {}", tokens::hs256(secret, &claims));
    let mut client = Client::connect(api.proxy.address);
    let mut status =
        |secret: &str| client.call("GET", "/x", &[("Authorization", &token(secret))]).status;
    assert_eq!([old, next].map(&mut status), [200, 401]);
    api.policy.write("jwt.secret", next);
    api.proxy.wait_for_generation(2);
    assert_eq!([old, next].map(&mut status), [401, 200]);
}

fn keyed(keys: &str) -> String {
    format!(
        "policy: 1\nidentity: {{api_keys: {{in: [header, bearer], keys: [{keys}]}}}}\n\
         members: [{{user: eng, roles: [reads]}}]\n\
         roles: [{{id: reads, grants: [{{path: \"/**\", access: r}}]}}]\n"
    )
}

#[test]
fn p08_a_key_is_revoked_on_a_live_connection() {
    let (one, two) = (tokens::key_digest("key-one"), tokens::key_digest("key-two"));
    let entry = |digest: &str| format!("{{user: eng, sha256: \"{digest}\"}}");
    let policy = TempPolicy::file(&keyed(&format!("{}, {}", entry(&one), entry(&two))));
    let api = Api::with(Upstream::json("{}"), policy);
    let mut client = Client::connect(api.proxy.address);
    let mut status = |fields: &[(&str, &str)]| client.call("GET", "/x", fields).status;
    assert_eq!(status(&[("X-Api-Key", "key-one")]), 200);
    assert_eq!(status(&[("Authorization", "Bearer key-one")]), 200);
    assert_eq!(status(&[("X-Api-Key", "key-three")]), 401);
    assert_eq!(status(&[("X-Api-Key", &one)]), 401, "the digest is no key");
    assert_eq!(api.upstream.requests()[0].fields.get("x-api-key"), None);
    api.policy.write("policy.yaml", keyed(&entry(&two)));
    eventually(|| match status(&[("X-Api-Key", "key-one")]) {
        401 => Ok(()),
        other => Err(other),
    });
    assert_eq!(status(&[("X-Api-Key", "key-two")]), 200);
    assert_eq!(client::call(api.proxy.address, "GET", "/x", &[]).status, 401);
}

#[test]
fn p08_an_expired_key_is_none() {
    let digest = tokens::key_digest("key-one");
    let entry = format!("{{user: eng, sha256: \"{digest}\", expires: \"2020-01-01T00:00:00Z\"}}");
    let api = Api::with(Upstream::json("{}"), TempPolicy::file(&keyed(&entry)));
    api.refused("GET", 401, || api.call_with("", "GET", "/x", &[("X-Api-Key", "key-one")]));
}

/// Stripe's way: the key is the user name, and the password is empty.
#[test]
fn p08_a_basic_key_is_checked_stripped_and_named_in_the_challenge() {
    let digest = tokens::key_digest("key-one");
    let text = keyed(&format!("{{user: eng, sha256: \"{digest}\"}}"));
    let text = text.replace("[header, bearer]", "[header, basic]");
    let api = Api::with(Upstream::json("{}"), TempPolicy::file(&text));
    let with = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    let good = with("key-one:");
    assert_eq!(api.call_with("", "GET", "/x", &[("Authorization", &good)]).status, 200);
    assert_eq!(api.upstream.request().fields.get("authorization"), None);
    for bad in [with("key-one:x"), with(":key-one"), with("key-two:"), "Bearer key-one".into()] {
        let call = || api.call_with("", "GET", "/x", &[("Authorization", &bad)]);
        let answer = api.refused("GET", 401, call);
        let challenge = answer.head.fields.all("www-authenticate");
        assert_eq!(challenge, ["Basic realm=\"api\", charset=\"UTF-8\""]);
    }
    let both = [("Authorization", good.as_str()), ("X-Api-Key", "key-one")];
    api.refused("GET", 400, || api.call_with("", "GET", "/x", &both));
}

/// What the command prints is what the policy takes, and the key that it prints is the key.
#[test]
fn p08_a_key_that_was_made_is_accepted_and_stands_in_no_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = run_in(
        folder.path(),
        ["key", "new", "--user", "eng", "--role", "reads", "--expires", "2100-01-01T00:00:00Z"],
    );
    assert!(made.status.success());
    let printed = String::from_utf8(made.stdout).expect("text");
    let key = printed.lines().next().unwrap().trim_start_matches("key").trim();
    let entry = printed.lines().last().unwrap().trim_start_matches("- ");
    assert!(key.starts_with("pcl_") && !entry.contains(key), "{printed}");
    let api = Api::with(Upstream::json("{}"), TempPolicy::file(&keyed(entry)));
    assert_eq!(api.call_with("", "GET", "/x", &[("X-Api-Key", key)]).status, 200);
    let json = run_in(folder.path(), ["key", "new", "--user", "eng", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_ne!(json["key"], key);
    assert_eq!(json["sha256"], tokens::key_digest(json["key"].as_str().unwrap()));
    assert_eq!(json["entry"]["sha256"], json["sha256"]);
    let wrong = run_in(folder.path(), ["key", "new", "--user", "eng", "--expires", "soon"]);
    assert_eq!(wrong.status.code(), Some(2));
}

/// A token that was made for a policy is one that the policy takes.
#[test]
fn a_token_for_development_is_accepted() {
    let api = Api::start(RULES);
    let folder = tempfile::tempdir().expect("a folder");
    let policy = api.policy.path().display().to_string();
    let new = |more: &[&str]| {
        let arguments = [&["token", "new", &policy, "--user", "sam"][..], more].concat();
        let made = run_in(folder.path(), arguments);
        let [said, warned] =
            [made.stdout, made.stderr].map(|text| String::from_utf8(text).unwrap());
        assert_eq!(warned.contains("warning"), more.contains(&"roles=reads,redas"), "{warned}");
        (made.status.code(), said)
    };
    let call = |token: &str| {
        let bearer = format!("Bearer {}", token.trim_end());
        api.call_with("", "GET", "/x", &[("Authorization", &bearer)]).status
    };
    let (status, token) = new(&["--claim", "roles=reads,redas"]);
    assert_eq!((status, call(&token)), (Some(0), 200));
    assert_eq!(api.upstream.request().fields.get("x-portcullis-user"), Some("sam"));
    assert_eq!(call(&new(&[]).1), 403, "no roles");
    assert_eq!(
        call(&new(&["--claim", "roles=reads", "--for", "0s", "--issuer", "https://id.example"]).1),
        200,
        "leeway"
    );
    assert_eq!(new(&["--issuer", "https://other.example"]), (Some(2), String::new()));
    let warned = run_in(
        folder.path(),
        ["token", "new", &policy, "--user", "sam", "--claim", "roles=redas,reads"],
    );
    assert_eq!(
        String::from_utf8(warned.stderr).unwrap(),
        "portcullis: warning: the policy has no role `redas`; did you mean `reads`?\n"
    );
}
