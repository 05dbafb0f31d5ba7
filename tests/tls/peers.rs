//! Client certificates that say who is calling, by the policy that is live.

use super::{Secure, get, is_served};
use crate::support::tls::{Authority, Issued};
use crate::support::{Client, TempPolicy, eventually, tokens};
use rcgen::{ExtendedKeyUsagePurpose, SanType};

/// Who may read: one workload by its ID, and whoever has a key, through a gateway alone.
const RULES: &str = r#"
membership: directory
members:
  - {user: "spiffe://acme.test/ns/prod/sa/api", roles: [reads]}
  - {user: ana, roles: [through]}
roles:
  - {id: reads, grants: [{path: "/things/**", access: r}]}
  - id: through
    grants: [{path: "/things/**", access: r, when: {peer.id: "spiffe://acme.test/gateway"}}]
"#;

fn policy(mtls: &str) -> String {
    let key = tokens::key_digest("anas-key");
    format!(
        "policy: 1\nidentity:\n  mtls: {mtls}\n  api_keys: {{keys: [{{user: ana, sha256: \"{key}\"}}]}}\n{RULES}"
    )
}

const ACME: &str = "{trust_domains: [{name: acme.test, bundle: acme.pem}]}";

const API: &str = "spiffe://acme.test/ns/prod/sa/api";

/// A proxy whose policy trusts this authority as `acme.test`.
fn start(acme: &Authority, tls: &str) -> Secure {
    let policy = TempPolicy::file(&policy(ACME));
    policy.write("acme.pem", &acme.pem);
    Secure::over(policy, tls, "")
}

/// The status that a request without a credential gets, or nothing where there is no connection.
fn status(secure: &Secure, shown: &Issued) -> Option<u16> {
    asks(secure, shown, &get("a.test"))
}

fn asks(secure: &Secure, shown: &Issued, request: &str) -> Option<u16> {
    let shaken = secure.client_showing(shown).ask(secure.proxy.address, request).ok()?;
    shaken.answer.get(9..12)?.parse().ok()
}

#[test]
fn p06_a_workload_is_the_subject_by_its_whole_spiffe_id() {
    let acme = Authority::new("acme");
    let secure = start(&acme, "");
    assert_eq!(status(&secure, &acme.client(API)), Some(200));
    let request = secure.upstream.request();
    let user = request.fields.get("x-portcullis-user").unwrap_or_default();
    assert_eq!(user.replace("%3A", ":").replace("%2F", "/"), API);
    // Nobody's, and no certificate at all.
    assert_eq!(status(&secure, &acme.client("spiffe://acme.test/other")), Some(404));
    let answer = secure.client().ask(secure.proxy.address, &get("a.test")).unwrap().answer;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert_eq!(secure.upstream.requests().len(), 1);
}

#[test]
fn p06_who_is_not_trusted_gets_no_connection() {
    let (acme, stranger) = (Authority::new("acme"), Authority::new("stranger"));
    let secure = start(&acme, "");
    let uri = |text: &str| SanType::URI(text.try_into().unwrap());
    let dns = SanType::DnsName("admin".try_into().unwrap());
    let server = |params: &mut rcgen::CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    };
    for shown in [
        stranger.client(API),
        acme.client("spiffe://other.test/ns/prod/sa/api"),
        acme.client("https://acme.test/ns/prod/sa/api"),
        acme.client_with(&[uri(API), uri("spiffe://acme.test/gateway")], |_| {}),
        acme.client_with(&[uri(API)], server),
        // Its common name is `admin`, too.
        acme.client_with(&[dns], |_| {}),
        acme.client_with(&[], |_| {}),
    ] {
        assert_eq!(status(&secure, &shown), None);
    }
    secure.upstream.assert_untouched();
    secure.wait_for_handshakes("bad_certificate", 7);
}

#[test]
fn p06_the_peer_and_the_subject_are_kept_apart() {
    let acme = Authority::new("acme");
    let secure = start(&acme, "");
    let with_key = "GET /things HTTP/1.1\r\nHost: a.test\r\nX-Api-Key: anas-key\r\n\
                    Connection: close\r\n\r\n";
    let gateway = acme.client("spiffe://acme.test/gateway");
    assert_eq!(asks(&secure, &gateway, with_key), Some(200));
    assert_eq!(secure.upstream.request().fields.get("x-portcullis-user"), Some("ana"));
    // Another peer does not bring ana through, and the gateway alone is nobody's member.
    assert_eq!(asks(&secure, &acme.client(API), with_key), Some(403));
    assert_eq!(status(&secure, &gateway), Some(404));
    // Without a certificate there is no peer.
    let answer = secure.client().ask(secure.proxy.address, with_key).unwrap().answer;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    // A bad credential is not made good by the certificate.
    let bad = with_key.replace("anas-key", "eves-key");
    assert_eq!(asks(&secure, &acme.client(API), &bad), Some(401));
    assert_eq!(secure.upstream.requests().len(), 1);
}

#[test]
fn p06_trust_that_is_taken_back_ends_on_open_connections_too() {
    let (acme, next) = (Authority::new("acme"), Authority::new("next"));
    let secure = start(&acme, "");
    let shown = acme.client(API);
    let bridge = secure.client_showing(&shown).bridge(secure.proxy.address);
    let mut open = Client::connect(bridge.address);
    let host = [("Host", "a.test")];
    assert_eq!(open.call("GET", "/things", &host).status, 200);
    // Both for a while, as a rotation goes.
    secure.policy.write("acme.pem", format!("{}{}", acme.pem, next.pem));
    secure.proxy.wait_for_generation(2);
    assert_eq!(open.call("GET", "/things", &host).status, 200);
    assert_eq!(status(&secure, &next.client(API)), Some(200));
    secure.policy.write("acme.pem", &next.pem);
    secure.proxy.wait_for_generation(3);
    eventually(|| match open.call("GET", "/things", &host).status {
        401 => Ok(()),
        other => Err(other),
    });
    assert!(!is_served(secure.client_showing(&shown).ask(secure.proxy.address, &get("a.test"))));
    assert_eq!(status(&secure, &next.client(API)), Some(200));
}

#[test]
fn p06_the_gate_and_the_policy_each_have_their_say() {
    let (acme, gate) = (Authority::new("acme"), Authority::new("gate"));
    let policy = TempPolicy::file(&policy(ACME));
    policy.write("acme.pem", &acme.pem);
    policy.write("gate.pem", &gate.pem);
    let secure = Secure::over(policy, ", client_ca: gate.pem", "");
    // The gate does not know it, though the policy would.
    assert_eq!(status(&secure, &acme.client(API)), None);
    // The gate knows it, and to the policy it is nobody.
    assert_eq!(status(&secure, &gate.client(API)), Some(401));
    assert!(!is_served(secure.client().ask(secure.proxy.address, &get("a.test"))));
    secure.upstream.assert_untouched();
}

#[test]
fn p06_several_trust_domains_and_names_by_path() {
    let (acme, other) = (Authority::new("acme"), Authority::new("other"));
    let key = tokens::key_digest("a-key");
    let policy = TempPolicy::file(&format!(
        r#"policy: 1
identity:
  mtls:
    trust_domains:
      - {{name: acme.test, bundle: acme.pem, paths: "/org/{{org}}/sa/{{user}}", prefix: "w:"}}
      - {{name: other.test, bundle: other.pem}}
  api_keys: {{keys: [{{user: ana, sha256: "{key}"}}]}}
membership: directory
organizations: [{{id: one}}, {{id: two}}]
members:
  - {{user: "w:clerk", org: one, roles: [reads]}}
  - {{user: "w:clerk", org: two, roles: [reads]}}
roles: [{{id: reads, grants: [{{path: "/orgs/{{org}}/**", access: r}}]}}]
routes: [{{match: "/orgs/{{org}}/**"}}]
"#
    ));
    policy.write("acme.pem", &acme.pem);
    policy.write("other.pem", &other.pem);
    let secure = Secure::over(policy, "", "");
    let clerk = acme.client("spiffe://acme.test/org/one/sa/clerk");
    let get = |org: &str| {
        format!("GET /orgs/{org}/x HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
    };
    assert_eq!(asks(&secure, &clerk, &get("one")), Some(200));
    assert_eq!(asks(&secure, &clerk, &get("two")), Some(404), "it acts in its own alone");
    assert_eq!(asks(&secure, &other.client("spiffe://other.test/x"), &get("one")), Some(404));
    assert_eq!(asks(&secure, &acme.client("spiffe://acme.test/else/where"), &get("one")), None);
    assert_eq!(secure.upstream.request().fields.get("x-portcullis-user"), Some("w:clerk"));
}
