//! That no credential is ever told: not in an answer, to an upstream, in a metric, by the admin
//! listener, nor in a log, however much that is asked to say.

use super::{Api, TOKENS, bearer};
use crate::support::issuer::Issuer;
use crate::support::proxy::Start;
use crate::support::{TempPolicy, Upstream, client, eventually, h2, tokens};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// An API whose callers may bring every kind of credential that stands in a header.
fn api(issuer: &Issuer) -> Api {
    let digest = tokens::key_digest("CANARY-good-key");
    let identity = format!(
        "identity: {{same_users: true, api_keys: {{in: [header, bearer, basic], keys: [{{user: eng, sha256: \
         \"{digest}\", roles: [reads]}}]}}, forwarded: {{peers: [127.0.0.1/32], user: X-Auth-User}}, \
         introspection: [{{url: \"{}\", client: {{id: api, secret: {{file: client.secret}}}}, audience: [api]}}], \
         jwt: [{{cookie: session, ",
        issuer.url()
    );
    let text = TOKENS.replace("identity: {jwt: [{", &identity);
    let text = format!("{text}roles: [{{id: reads, grants: [{{path: \"/**\", access: r}}]}}]\n");
    let policy = TempPolicy::file(&text);
    policy.write("jwt.secret", tokens::SECRET);
    policy.write("client.secret", "CANARY-client-secret");
    let upstream = Upstream::json("{}");
    let proxy = Start::new()
        .upstream(&upstream)
        .policy(policy.path())
        .environment("PORTCULLIS_WORKERS", "1")
        .environment("RUST_LOG", "trace")
        .ready();
    Api { upstream, policy, proxy }
}

/// Every way to bring a credential, good and bad, alone and beside another, in both versions of HTTP.
#[test]
fn p16_no_credential_of_any_kind_is_ever_told() {
    let active = r#"{"active": true, "sub": "ana", "aud": "api", "roles": ["reads"]}"#;
    let issuer = Issuer::publishing(active);
    let api = api(&issuer);
    let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    let good = bearer("ana:reads");
    let token = good.trim_start_matches("Bearer ");
    let mut secrets = vec!["CANARY", tokens::SECRET, token, token.rsplit('.').next().unwrap()];
    let (stolen, own) = (basic("CANARY-bad-key:"), basic("CANARY-good-key:"));
    let client = basic("api:CANARY%2Dclient%2Dsecret");
    secrets.extend([&stolen, &own, &client].map(|value| &value["Basic ".len()..]));
    let cookies = [
        format!("session={token}"),
        "session=CANARY".into(),
        format!("session={token}; session=CANARY"),
    ];
    let mut fields = vec![
        ("Authorization", good.as_str()),
        ("Authorization", "Bearer CANARY-bad.token.x"),
        ("Authorization", "Bearer CANARY-good-key"),
        ("Authorization", "Bearer CANARY-opaque"),
        ("Authorization", "CANARY scheme"),
        ("Authorization", "DPoP CANARY"),
        ("Authorization", &stolen),
        ("Authorization", &own),
        ("X-Api-Key", "CANARY-good-key"),
        ("X-Api-Key", "CANARY-bad-key"),
        ("X_Api_Key", "CANARY-good-key"),
        ("X-Auth-User", "CANARY \u{e9}"),
    ];
    fields.extend(cookies.iter().map(|cookie| ("Cookie", cookie.as_str())));
    let hides = |shown: &str| secrets.iter().find(|secret| shown.contains(**secret)).copied();
    let mut sent = 0;
    for one in &fields {
        for other in [None, Some(("X-Api-Key", "CANARY-other-key"))] {
            let fields: Vec<_> = [*one].into_iter().chain(other).collect();
            for method in ["GET", "POST"] {
                let answer = client::call(api.proxy.address, method, "/x", &fields);
                assert_eq!(hides(&format!("{answer:?}")), None, "{one:?}");
                let answer = h2::call(api.proxy.address, method, "/x", &fields);
                assert_eq!(hides(&format!("{answer:?}")), None, "{one:?} over HTTP/2");
                sent += 2;
            }
        }
    }
    assert!(issuer.asked() > 0, "an opaque token was asked about");
    eventually(|| match api.proxy.log().iter().filter(|line| line["method"].is_string()).count() {
        lines if lines == sent => Ok(()),
        lines => Err(lines),
    });
    let printed = api.proxy.printed().join("\n");
    assert!(printed.contains(" TRACE "), "the log says all that it can");
    let upstream = String::from_utf8(api.upstream.bytes().concat()).unwrap();
    let mut places = vec![("log".to_owned(), printed), ("upstream".to_owned(), upstream)];
    for page in ["/livez", "/readyz", "/metrics", "/policy", "/jwks.json"] {
        places.push((page.into(), api.proxy.admin(page).text().to_owned()));
    }
    for (place, text) in places {
        assert_eq!(hides(&text), None, "in {place}");
    }
}
