//! Certificates that change under a running listener.

use super::{OPEN, Secure, get, is_served, write_pair};
use crate::support::tls::{Authority, Issued, TlsClient};
use crate::support::{TempPolicy, eventually};

/// The certificate that a new connection is shown.
fn shown(secure: &Secure) -> Vec<u8> {
    secure.client().ask(secure.proxy.address, &get("a.test")).unwrap().leaf
}

#[track_caller]
fn until_shown(secure: &Secure, pair: &Issued) {
    eventually(|| if shown(secure) == pair.der() { Ok(()) } else { Err("another one") });
}

#[test]
fn p06_a_new_pair_is_shown_without_a_restart_and_sessions_go_on() {
    let secure = Secure::start(OPEN, "", "");
    let returning = secure.client();
    returning.ask(secure.proxy.address, &get("a.test")).unwrap();
    let next = secure.authority.server(&["a.test"]);
    write_pair(&secure.policy, "server", &next);
    until_shown(&secure, &next);
    assert!(returning.ask(secure.proxy.address, &get("a.test")).unwrap().resumed);
    secure.wait_for_handshakes("resumed", 1);
    assert!(secure.metric("portcullis_certificate_reloads_total{result=\"success\"}") >= 1);
    assert_eq!(secure.metric("portcullis_certificate_last_reload_ok"), 1);
}

#[test]
fn p06_a_mixed_pair_is_never_shown_and_raises_the_alarm() {
    let secure = Secure::start(OPEN, "", "");
    let first = shown(&secure);
    let next = secure.authority.server(&["a.test"]);
    secure.policy.write("server.crt", &next.cert);
    let line = secure.proxy.wait_for_line("the certificates on disk are refused");
    assert!(line.contains("server.key` cannot be used: the private key is not"), "{line}");
    assert_eq!(shown(&secure), first);
    assert_eq!(secure.metric("portcullis_certificate_last_reload_ok"), 0);
    secure.policy.write("server.key", &next.key);
    until_shown(&secure, &next);
    eventually(|| match secure.metric("portcullis_certificate_last_reload_ok") {
        1 => Ok(()),
        other => Err(other),
    });
}

#[test]
fn p06_rotation_by_a_symlink_swap() {
    let policy = TempPolicy::file(OPEN);
    let authority = Authority::new("servers");
    let (one, two) = (authority.server(&["a.test"]), authority.server(&["a.test"]));
    let files = |pair: &Issued| [("tls.crt", pair.cert.clone()), ("tls.key", pair.key.clone())];
    let swap = |revision: &str, pair: &Issued| {
        let files = files(pair);
        let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        policy.swap_data(revision, &files);
    };
    swap("1", &one);
    let text = "listen: {address: '127.0.0.1:0', tls: {cert: tls.crt, key: tls.key}}\n";
    policy.write("portcullis.settings", text);
    let start = crate::support::proxy::Start::new().config(&policy.join("portcullis.settings"));
    let proxy = start.policy(policy.path()).ready();
    let shown = || {
        let client = TlsClient::new(&authority, "a.test");
        client.ask(proxy.address, &get("a.test")).unwrap().leaf
    };
    assert_eq!(shown(), one.der());
    swap("2", &two);
    eventually(|| if shown() == two.der() { Ok(()) } else { Err("the old one") });
    assert!(
        !proxy.printed().iter().any(|line| line.contains("on disk are refused")),
        "never a mixed pair"
    );
}

#[test]
fn p06_other_authorities_for_clients_count_at_once_and_for_sessions_too() {
    let policy = TempPolicy::file(OPEN);
    let (old, new) = (Authority::new("old clients"), Authority::new("new clients"));
    policy.write("clients.pem", &old.pem);
    let secure = Secure::over(policy, ", client_ca: clients.pem", "");
    let to = secure.proxy.address;
    let (before, after) = (old.client("spiffe://a.test/x"), new.client("spiffe://a.test/x"));
    let returning = secure.client_showing(&before);
    assert!(!returning.ask(to, &get("a.test")).unwrap().resumed);
    assert!(returning.ask(to, &get("a.test")).unwrap().resumed);
    assert!(!is_served(secure.client_showing(&after).ask(to, &get("a.test"))));
    secure.policy.write("clients.pem", &new.pem);
    eventually(|| match is_served(secure.client_showing(&after).ask(to, &get("a.test"))) {
        true => Ok(()),
        false => Err("the old authorities"),
    });
    // The ticket is good; what it stands for is not.
    assert!(!is_served(returning.ask(to, &get("a.test"))));
    assert!(!is_served(secure.client_showing(&before).ask(to, &get("a.test"))));
    assert!(!is_served(secure.client().ask(to, &get("a.test"))));
    secure.wait_for_handshakes("no_certificate", 1);
}

#[test]
fn p06_certificates_that_clients_may_show_or_not() {
    let policy = TempPolicy::file(OPEN);
    let clients = Authority::new("clients");
    policy.write("clients.pem", &clients.pem);
    let tls = ", client_ca: clients.pem, client_auth: optional";
    let secure = Secure::over(policy, tls, "");
    let to = secure.proxy.address;
    secure.client().ask(to, &get("a.test")).unwrap();
    let shown = clients.client("spiffe://a.test/x");
    secure.client_showing(&shown).ask(to, &get("a.test")).unwrap();
    let stranger = Authority::new("strangers").client("spiffe://a.test/x");
    assert!(!is_served(secure.client_showing(&stranger).ask(to, &get("a.test"))));
    secure.wait_for_handshakes("bad_certificate", 1);
    assert_eq!(secure.upstream.requests().len(), 2);
}
