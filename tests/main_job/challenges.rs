//! What whoever was not identified is told, and what is counted and logged of it.

use super::{Api, TOKENS, bearer};
use crate::readme::page::Page;
use crate::support::issuer::Issuer;
use crate::support::{TempPolicy, Upstream, client, eventually, h2, tokens};

const READS: &str = "roles: [{id: reads, grants: [{path: \"/**\", access: r}]}]\n";

/// What a row of the manual's table stands for.
fn identity(row: &str, issuer: &Issuer) -> String {
    let keys = |places: &str| {
        let digest = tokens::key_digest("a-key");
        format!(
            "{{same_users: true, api_keys: {{in: [{places}], keys: [{{user: eng, sha256: \"{digest}\"}}]}}"
        )
    };
    let jwt = TOKENS.split_once("identity: {").expect("an identity").1.trim_end();
    let jwt = jwt.strip_suffix('}').expect("its end");
    match row {
        "`jwt`" => format!("{{{jwt}}}"),
        "`introspection`" => format!(
            "{{introspection: [{{url: \"{}\", client: {{id: api, secret: {{file: jwt.secret}}}}, audience: [api]}}]}}",
            issuer.url()
        ),
        "`api_keys`, `in: [header]`" => format!("{}}}", keys("header")),
        "`api_keys`, `in: [bearer]`" => format!("{}}}", keys("bearer")),
        "`api_keys`, `in: [basic]`" => format!("{}}}", keys("basic")),
        "`api_keys`, `in: [header, bearer, basic]`" => {
            format!("{}}}", keys("header, bearer, basic"))
        }
        "`jwt` and `api_keys`, `in: [header]`" => format!("{}, {jwt}}}", keys("header")),
        "`jwt` and `api_keys`, `in: [basic]`" => format!("{}, {jwt}}}", keys("basic")),
        "`forwarded` or `mtls` alone" => {
            "{forwarded: {peers: [10.9.9.9], user: X-User}}".to_owned()
        }
        "nothing" => "{}".to_owned(),
        other => panic!("no test knows what {other} stands for"),
    }
}

/// The table of `docs/identity.md`, each row tried in both versions of HTTP.
#[test]
fn p07_p08_a_401_names_the_schemes_that_are_accepted_as_the_manual_says() {
    let issuer = Issuer::publishing(r#"{"active": false}"#);
    let rows = Page::read("docs/identity.md").rows("What a 401 says");
    assert!(rows.len() > 8, "{rows:?}");
    for row in &rows[1..] {
        let [accepted, without, with] = &row[..] else { panic!("{row:?}") };
        let text = format!("policy: 1\nidentity: {}\n{READS}", identity(accepted, &issuer));
        let policy = TempPolicy::file(&text);
        policy.write("jwt.secret", tokens::SECRET);
        let api = Api::with(Upstream::json("{}"), policy);
        for (fields, wanted) in
            [(&[][..], without), (&[("Authorization", "Bearer made.up.token")][..], with)]
        {
            let answer = api.refused("GET", 401, || api.call_with("", "GET", "/x", fields));
            let told = answer.head.fields.all("www-authenticate").join("`, `");
            assert_eq!(format!("`{told}`"), *wanted, "{accepted}");
            let over_two = h2::call(api.proxy.address, "GET", "/x", fields);
            let told: Vec<_> = over_two.headers.get_all("www-authenticate").iter().collect();
            let told = told.iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>();
            assert_eq!(format!("`{}`", told.join("`, `")), *wanted, "{accepted}, HTTP/2");
        }
    }
}

/// Strangers do not learn which paths, organizations or applications there are, nor do callers of
/// those that are none of theirs.
#[test]
fn p07_p09_each_of_401_403_and_404_has_its_place() {
    let api = Api::start(
        "routes: [{match: \"/orgs/{org}/apps/{app}/**\"}, {match: \"/orgs/{org}/**\"}, \
         {match: /open, public: r}]\n\
         organizations: [{id: acme, apps: [crm]}, {id: beta, apps: [crm]}, {id: gone, status: suspended}]\n\
         applications: [{id: crm}, {id: off, active: false}]\n\
         roles: [{id: reads, grants: [{path: \"/orgs/{org}/**\", access: r}]}]\n\
         members: [{user: ana, org: acme, roles: [reads]}, {user: ana, org: gone, roles: [reads]}]\n",
    );
    let bad = ("Authorization", "Bearer made.up.token");
    for path in ["/orgs/acme/x", "/orgs/beta/x", "/orgs/none/x", "/none", "/orgs/acme/apps/crm/x"] {
        api.refuses("", "GET", path, 401);
        api.refused("GET", 401, || api.call_with("", "GET", path, &[bad]));
    }
    let mut told: Vec<_> = [
        "/none",
        "/orgs/beta/x",
        "/orgs/none/x",
        "/orgs/gone/x",
        "/orgs/acme/apps/crm/x",
        "/orgs/acme/apps/off/x",
        "/orgs/acme/apps/none/x",
    ]
    .map(|path| api.refuses("ana", "GET", path, 404).text().to_owned())
    .to_vec();
    told.dedup();
    assert_eq!(told.len(), 1, "nothing tells them apart: {told:?}");
    let answer = api.refuses("ana", "DELETE", "/orgs/acme/x", 403);
    assert_eq!(answer.header("www-authenticate"), None);
    assert_eq!(api.call("ana", "GET", "/orgs/acme/x").status, 200);
    // What is public asks nobody, and a bad credential does not close it.
    assert_eq!(api.call_with("", "GET", "/open", &[bad]).status, 200);
    api.refuses("", "DELETE", "/open", 401);
}

/// One word, in the log and in the metrics alike. Nothing else speaks of why: all answers are the same.
#[test]
fn p07_p08_each_failure_is_counted_and_logged_by_its_reason() {
    let digest = tokens::key_digest("a-key");
    let old = tokens::key_digest("an-old-key");
    let keys = format!(
        "identity: {{same_users: true, api_keys: {{in: [header, bearer], keys: [{{user: eng, sha256: \"{digest}\"}}, \
         {{user: eng, sha256: \"{old}\", expires: 2020-01-01T00:00:00Z}}]}}, jwt: [{{cookie: session, "
    );
    let policy =
        TempPolicy::file(&format!("{}{READS}", TOKENS.replace("identity: {jwt: [{", &keys)));
    policy.write("jwt.secret", tokens::SECRET);
    let api = Api::with(Upstream::json("{}"), policy);
    let with = |name: &str, value: serde_json::Value| {
        let mut claims = tokens::claims("ana", &["reads"]);
        claims[name] = value;
        ("Authorization", tokens::bearer(&claims))
    };
    let signed = |header: &str, payload: &str| {
        ("Authorization", format!("Bearer {}", tokens::signed(tokens::SECRET, header, payload)))
    };
    let good = bearer("ana:reads");
    let token = good.trim_start_matches("Bearer ");
    let claims = tokens::claims("ana", &["reads"]).to_string();
    let auth = |value: &str| ("Authorization", value.to_owned());
    let other = "another secret that is also long enough";
    let forged = format!("Bearer {}", tokens::signed(other, r#"{"alg":"HS256"}"#, &claims));
    let long = format!("Bearer {}", "x".repeat(8 * 1024 + 1));
    let cases = [
        ("no_credential", 401, ("Accept", "*/*".to_owned())),
        ("scheme", 401, auth("Digest x")),
        ("malformed", 401, auth("Bearer a b")),
        ("too_long", 401, auth(&long)),
        ("unknown_key", 401, ("X-Api-Key", "another".into())),
        ("expired_key", 401, ("X-Api-Key", "an-old-key".into())),
        ("token_encoding", 401, auth(&format!("{good}="))),
        ("token_header", 401, signed(r#"{"typ":"JWT"}"#, &claims)),
        ("token_crit", 401, signed(r#"{"alg":"HS256","crit":["b64"]}"#, &claims)),
        ("token_typ", 401, signed(r#"{"alg":"HS256","typ":"JOSE"}"#, &claims)),
        ("token_kid", 401, signed(r#"{"alg":"HS256","kid":7}"#, &claims)),
        ("token_payload", 401, signed(r#"{"alg":"HS256"}"#, "[]")),
        ("unknown_issuer", 401, with("iss", "https://other.example".into())),
        ("algorithm", 401, signed(r#"{"alg":"none"}"#, &claims)),
        ("signature", 401, ("Authorization", forged)),
        ("missing_claim", 401, signed(r#"{"alg":"HS256"}"#, &claims.replace("\"exp\"", "\"exq\""))),
        ("claim_type", 401, with("exp", 1e10.into())),
        ("audience", 401, with("aud", "other".into())),
        ("expired", 401, with("exp", 1_700_000_000.into())),
        ("not_yet", 401, with("nbf", tokens::LATER.into())),
        ("issued_ahead", 401, with("iat", tokens::LATER.into())),
        ("origin", 403, ("Cookie", format!("session={token}"))),
        ("repeated_header", 400, ("Cookie", format!("session={token}; session={token}"))),
    ];
    for (fault, status, field) in &cases {
        let method = if *fault == "origin" { "DELETE" } else { "GET" };
        let call = || client::call(api.proxy.address, method, "/x", &[(field.0, &field.1)]);
        let answer = api.refused(method, *status, call);
        assert!(!answer.text().contains(fault), "{fault}: {}", answer.text());
    }
    let two = [("Authorization", good.as_str()), ("X-Api-Key", "a-key")];
    api.refused("GET", 400, || api.call_with("", "GET", "/x", &two));
    assert_eq!(api.call("ana:reads", "GET", "/x").status, 200);

    let words = cases.iter().map(|(fault, ..)| *fault).chain(["two_credentials"]);
    let wanted: Vec<_> = words.clone().map(serde_json::Value::from).chain([().into()]).collect();
    eventually(|| {
        let faults: Vec<_> = api.proxy.log().iter().map(|line| line["fault"].clone()).collect();
        if faults == wanted { Ok(()) } else { Err(faults) }
    });
    let metrics = api.proxy.admin("/metrics").text().to_owned();
    for word in words {
        let line = format!("portcullis_unidentified_total{{fault=\"{word}\"}} 1\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
}
