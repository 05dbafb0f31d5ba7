//! Tokens and keys as somebody sends them who tries what a verifier may get wrong. Nothing of any of
//! them reaches the upstream, and all are told the same.

use crate::main_job::Api;
use crate::support::{Client, TempPolicy, Upstream, client, eventually, tokens};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

const POLICY: &str = r#"policy: 1
identity:
  same_users: true
  jwt: [{issuer: "https://id.example", audience: [api], algorithms: [HS256], secrets: [{file: jwt.secret}], cookie: __Host-s}]
  api_keys: {in: [header, bearer], keys: [{user: eng, sha256: "DIGEST", roles: [reads]EXPIRES}]}
  forwarded: {peers: [192.0.2.7], user: X-Forwarded-User, roles: X-Auth-Roles}
roles: [{id: reads, grants: [{path: "/**", access: crud}]}]
"#;

fn policy(expires: &str) -> String {
    POLICY.replace("DIGEST", &tokens::key_digest("Key-One")).replace("EXPIRES", expires)
}

fn api() -> Api {
    let folder = TempPolicy::file(&policy(""));
    folder.write("jwt.secret", tokens::SECRET);
    Api::with(Upstream::json("{}"), folder)
}

fn claims() -> Value {
    tokens::claims("ana", &["reads"])
}

/// A token over this header and this payload whose signature is good.
fn over(header: &Value, payload: &str) -> String {
    format!("Bearer {}", tokens::signed(tokens::SECRET, &header.to_string(), payload))
}

fn refused(api: &Api, status: u16, fields: &[(&str, &str)]) {
    let answer = api.refused("GET", status, || api.call_with("", "GET", "/x", fields));
    assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{fields:?}");
}

fn passes(api: &Api, fields: &[(&str, &str)]) {
    assert_eq!(api.call_with("", "GET", "/x", fields).status, 200, "{fields:?}");
}

#[test]
fn p07_what_a_header_says_besides_does_not_help() {
    let api = api();
    let good = claims().to_string();
    for header in [
        json!({"alg": "none"}),
        json!({"alg": ""}),
        json!({"alg": null}),
        json!({"alg": ["HS256"]}),
        json!({"alg": "HS256 "}),
        json!({"alg": "HS512"}),
        json!({"alg": "RS256"}),
        json!({"alg": "HS256", "crit": []}),
        json!({"alg": "HS256", "b64": false, "crit": ["b64"]}),
        json!({"alg": "HS256", "kid": ["a"]}),
        json!({"alg": "HS256", "kid": "k".repeat(6_000)}),
        json!({"alg": "HS256", "typ": "dpop+jwt"}),
        json!({"alg": "HS256", "typ": "JOSE"}),
        json!({"alg": "dir", "enc": "A256GCM"}),
    ] {
        refused(&api, 401, &[("Authorization", &over(&header, &good))]);
    }
    for kid in ["../../../dev/null", "", "' OR '1'='1", "a\u{0}b", "https://evil.example/jwks"] {
        // A secret has no name, so none is looked for.
        let header =
            json!({"alg": "HS256", "kid": kid, "jku": kid, "jwk": {"kty": "oct", "k": "AA"}});
        passes(&api, &[("Authorization", &over(&header, &good))]);
    }
    let nested =
        over(&json!({"alg": "HS256", "cty": "JWT"}), &over(&json!({"alg": "HS256"}), &good));
    refused(&api, 401, &[("Authorization", &nested)]);
}

#[test]
fn p07_claims_of_other_shapes_are_no_claims() {
    let api = api();
    let header = json!({"alg": "HS256"});
    for (name, value) in [
        ("exp", "1e10"),
        ("exp", "4102444800.5"),
        ("exp", "\"4102444800\""),
        ("exp", "-1"),
        ("exp", "253402300800"),
        ("exp", "99999999999999999999999"),
        ("nbf", "true"),
        ("iat", "[]"),
        ("aud", "[]"),
        ("aud", "[\"api\", 1]"),
        ("aud", "[[\"api\"]]"),
        ("aud", "\"API\""),
        ("iss", "[\"https://id.example\"]"),
        ("iss", "\"https://id.example/\""),
        ("sub", "\"\""),
        ("sub", "1"),
        ("sub", "\"\\ud800\""),
        ("org", "null"),
        ("roles", "{\"reads\": true}"),
    ] {
        let mut changed = claims();
        changed.as_object_mut().unwrap().remove(name);
        let text = changed.to_string().replacen('{', &format!("{{\"{name}\": {value},"), 1);
        refused(&api, 401, &[("Authorization", &over(&header, &text))]);
    }
    let twice = claims().to_string().replacen('{', r#"{"s\u0075b": "root","#, 1);
    for odd in [
        twice,
        format!("{}x", claims()),
        format!("[{}]", claims()),
        format!("\u{feff}{}", claims()),
    ] {
        refused(&api, 401, &[("Authorization", &over(&header, &odd))]);
    }
}

#[test]
fn p07_p08_a_credential_has_one_place_and_one_spelling() {
    let api = api();
    let good = tokens::bearer(&claims());
    let token = good.trim_start_matches("Bearer ");
    let twice = format!("{good}, {good}");
    for odd in [
        &format!("{good}.x.y"),
        &format!("{good}="),
        &format!("{good} {token}"),
        &format!("Bearer \"{token}\""),
        &format!("Bearer {}", token.replace('.', "%2E")),
        &format!("Bearer\t{token}"),
        &format!("Bearer{token}"),
        &format!("Bearer: {token}"),
        &format!("DPoP {token}"),
        token,
        &twice,
        "",
        "Bearer",
    ] {
        refused(&api, 401, &[("Authorization", odd)]);
    }
    for place in ["Proxy-Authorization", "X-Authorization", "X_Api_Key", "Authorization_"] {
        refused(&api, 401, &[(place, &good)]);
    }
    api.refuses("", "GET", &format!("/x?access_token={token}"), 401);
    for key in ["key-one", "KEY-ONE", "Key-On", "Key-One1", "Key-One,Key-One", "\"Key-One\"", "*"] {
        refused(&api, 401, &[("X-Api-Key", key)]);
    }
    refused(&api, 401, &[("X-Api-Key", &tokens::key_digest("Key-One"))]);
    let cookie = format!("__Host-s={token}");
    for cookie in
        [format!("__host-s={token}"), format!("__Host-s=\"{token}\""), format!("x__Host-s={token}")]
    {
        refused(&api, 401, &[("Cookie", &cookie)]);
    }
    for two in [
        [("Authorization", good.as_str()), ("authorization", &good)],
        [("Authorization", &good), ("Cookie", &cookie)],
        [("Cookie", &cookie), ("Cookie", &cookie)],
        [("X-Api-Key", "Key-One"), ("Authorization", "Bearer x")],
    ] {
        refused(&api, 400, &two);
    }
    for fine in [&good, &good.replace("Bearer", "bEARER"), &good.replace(' ', "   ")] {
        passes(&api, &[("Authorization", fine)]);
    }
    passes(&api, &[("Cookie", &cookie)]);
    passes(&api, &[("X-Api-Key", "Key-One")]);
}

/// `Key-One` with a NUL, a folded line, white space before the colon: no request at all.
#[test]
fn p03_p08_a_credential_that_the_grammar_forbids_is_400() {
    let api = api();
    let token = tokens::bearer(&claims());
    for line in [
        "X-Api-Key: Key-One\0".to_owned(),
        "X-Api-Key : Key-One".into(),
        format!("Authorization : {token}"),
        token.replacen("Bearer ", "Authorization: Bearer\r\n ", 1),
    ] {
        let call = || {
            let mut client = Client::connect(api.proxy.address);
            client.send(format!("GET /x HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n").as_bytes());
            client.read()
        };
        assert_eq!(call().status, 400, "{line:?}");
    }
    api.upstream.assert_untouched();
}

#[test]
fn p03_what_a_listed_peer_would_say_is_nobodys_word_from_elsewhere() {
    let api = api();
    let good = tokens::bearer(&claims());
    for name in
        ["X-Forwarded-User", "x_forwarded_user", "X_Forwarded-USER", "X-Auth-Roles", "X_AUTH_ROLES"]
    {
        refused(&api, 401, &[(name, "canary")]);
        refused(&api, 401, &[(name, "canary"), ("X-Forwarded-For", "192.0.2.7")]);
        passes(&api, &[("Authorization", &good), (name, "canary")]);
    }
    let seen = String::from_utf8(api.upstream.bytes().concat()).unwrap();
    assert!(!seen.contains("canary"), "{seen}");
}

/// It was good when the connection was opened, and the policy that names its end has been live since.
#[test]
fn p08_a_key_that_expires_is_none_on_an_open_connection() {
    let api = api();
    let mut client = Client::connect(api.proxy.address);
    assert_eq!(client.call("GET", "/x", &[("X-Api-Key", "Key-One")]).status, 200);
    let end = SystemTime::now() + std::time::Duration::from_secs(2);
    let shown = humantime::format_rfc3339_seconds(end);
    api.policy.write("policy.yaml", policy(&format!(", expires: {shown}")));
    api.proxy.wait_for_generation(2);
    eventually(|| match client.call("GET", "/x", &[("X-Api-Key", "Key-One")]).status {
        401 => Ok(()),
        other => Err(other),
    });
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert!(seconds(SystemTime::now()) >= seconds(end), "not before its end");
    eventually(|| {
        let log = api.proxy.log();
        let last = log.last().map(|line| line["fault"].clone());
        if last == Some("expired_key".into()) { Ok(()) } else { Err(last) }
    });
    let fresh = client::call(api.proxy.address, "GET", "/x", &[("X-Api-Key", "Key-One")]);
    assert_eq!(fresh.status, 401);
}
