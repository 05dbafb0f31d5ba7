//! Who guesses credentials is not listened to for a while.

use super::keys::Signer;
use super::{Api, bearer};
use crate::support::proxy::Start;
use crate::support::{Client, TempPolicy, Upstream, client, h2, tokens};

const MOST: usize = 5;

/// One worker, which takes five bad credentials of an address in an hour.
fn api(text: &str, window: &str) -> Api {
    let policy = TempPolicy::file(text);
    policy.write("jwt.secret", tokens::SECRET);
    let upstream = Upstream::json("{}");
    let proxy = Start::new()
        .upstream(&upstream)
        .policy(policy.path())
        .environment("PORTCULLIS_WORKERS", "1")
        .environment("PORTCULLIS_LIMITS_AUTH_FAILURES", &MOST.to_string())
        .environment("PORTCULLIS_LIMITS_AUTH_WINDOW", window)
        .ready();
    Api { upstream, policy, proxy }
}

fn policy(more: &str) -> String {
    let digest = tokens::key_digest("a-key");
    format!(
        "policy: 1\nidentity: {{same_users: true, api_keys: {{in: [header, basic], keys: [{{user: eng, \
         sha256: \"{digest}\", roles: [reads]}}]}}, jwt: [{{issuer: \"https://id.example\", audience: \
         [api], algorithms: [HS256], secrets: [{{file: jwt.secret}}]}}]{more}}}\n\
         routes: [{{match: \"/**\"}}, {{match: \"/open/**\", public: r}}]\n\
         roles: [{{id: reads, grants: [{{path: \"/**\", access: r}}]}}]\n"
    )
}

#[test]
fn p08_after_so_many_bad_credentials_none_is_looked_at() {
    let api = api(&policy(""), "1h");
    let good = bearer("ana:reads");
    let bad = format!(
        "Bearer {}",
        tokens::hs256(
            "another secret that is long enough, too",
            &tokens::claims("ana", &["reads"])
        )
    );
    let basic = "Basic bm8ta2V5Og==";
    let call = |fields: &[(&str, &str)]| client::call(api.proxy.address, "GET", "/x", fields);
    // Neither a success in between nor the kind of credential makes a new start.
    let guesses =
        [("Authorization", bad.as_str()), ("X-Api-Key", "no-key"), ("Authorization", basic)];
    for guess in guesses.iter().cycle().take(MOST) {
        assert_eq!(call(&[*guess]).status, 401);
        if *guess != guesses[0] {
            continue;
        }
        assert_eq!(call(&[("X-Forwarded-For", "192.0.2.7"), ("Authorization", &good)]).status, 200);
    }
    let before = api.upstream.bytes();
    for fields in [
        &[("Authorization", good.as_str())][..],
        &[("Authorization", &bad)],
        &[("X-Api-Key", "a-key")],
        &[("X-Forwarded-For", "192.0.2.7"), ("Forwarded", "for=192.0.2.7"), ("X-Api-Key", "a-key")],
        &[],
    ] {
        let answer = call(fields);
        assert_eq!(answer.status, 429, "{fields:?}");
        let wait: u64 = answer.header("retry-after").expect("when to ask again").parse().unwrap();
        assert!((1..=3600).contains(&wait), "{wait}");
        assert_eq!(answer.header("www-authenticate"), None);
    }
    assert_eq!(h2::call(api.proxy.address, "GET", "/x", &[("authorization", &good)]).status, 429);
    assert_eq!(api.upstream.bytes(), before, "nothing reached the upstream");
    assert_eq!(client::call(api.proxy.address, "GET", "/open/x", &[]).status, 200);
    api.proxy.wait_for_line("too_many_failures");
    let metrics = api.proxy.admin("/metrics").text().to_owned();
    for line in [
        "portcullis_unidentified_total{fault=\"signature\"} 2",
        "portcullis_unidentified_total{fault=\"unknown_key\"} 3",
        "portcullis_requests_total{reason=\"too_many_failures\",decision=\"refuse\",status=\"4xx\"} 6",
    ] {
        assert!(metrics.contains(line), "`{line}` is not in {metrics}");
    }
}

#[test]
fn p08_what_is_no_guess_does_not_count() {
    let api = api(&policy(""), "1h");
    let mut old = tokens::claims("ana", &["reads"]);
    old["exp"] = 1_700_000_000.into();
    let (old, good) = (tokens::bearer(&old), bearer("ana:reads"));
    let mut client = Client::connect(api.proxy.address);
    for _ in 0..2 * MOST {
        for (fields, status) in [
            (&[("Authorization", old.as_str())][..], 401),
            (&[], 401),
            (&[("Authorization", "Digest x")], 401),
            (&[("Authorization", &good), ("X-Api-Key", "a-key")], 400),
        ] {
            assert_eq!(client.call("GET", "/x", fields).status, status, "{fields:?}");
        }
    }
    assert_eq!(client.call("GET", "/x", &[("Authorization", &good)]).status, 200);
}

#[test]
fn p08_a_peer_that_speaks_for_others_is_not_counted() {
    let more = ", forwarded: {peers: [127.0.0.1/32], user: X-Auth-User, roles: X-Auth-Roles}";
    let api = api(&policy(more), "1h");
    for _ in 0..2 * MOST {
        let bad = [("X-Api-Key", "no-key")];
        assert_eq!(client::call(api.proxy.address, "GET", "/x", &bad).status, 401);
    }
    let said = [("X-Auth-User", "ben"), ("X-Auth-Roles", "reads")];
    assert_eq!(client::call(api.proxy.address, "GET", "/x", &said).status, 200);
}

/// The window is a second here, and each look at whether it is over waits for it.
#[test]
fn p08_a_window_ends() {
    let api = api(&policy(""), "1s");
    let call =
        |key: &str| client::call(api.proxy.address, "GET", "/x", &[("X-Api-Key", key)]).status;
    crate::support::eventually(|| {
        for _ in 0..MOST {
            call("no-key");
        }
        match call("a-key") {
            429 => Ok(()),
            other => Err(other),
        }
    });
    crate::support::eventually(|| match call("a-key") {
        200 => Ok(()),
        other => Err(other),
    });
}

/// A key that nobody has announced is a guess as well: it costs a look at the keys.
#[test]
fn p08_a_token_of_an_unknown_key_is_a_guess() {
    let api = api(&policy(""), "1h");
    let stranger = Signer::p256("stranger").bearer(&tokens::claims("ana", &["reads"]));
    let call =
        || client::call(api.proxy.address, "GET", "/x", &[("Authorization", &stranger)]).status;
    let statuses: Vec<_> = (0..=MOST).map(|_| call()).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429]);
}
