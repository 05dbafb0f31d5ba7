//! Client certificates: whom they make of their holder, and which of them nobody.

use super::*;
use crate::tls::ChainFault;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};

/// An authority, and its certificate in PEM.
struct Authority(Issuer<'static, KeyPair>, String);

fn authority(change: impl FnOnce(&mut CertificateParams)) -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    Authority(Issuer::new(params, key), pem)
}

type Chain = Vec<CertificateDer<'static>>;

/// A leaf that is as it should be, changed by `change`.
fn leaf(by: &Authority, names: &[SanType], change: impl FnOnce(&mut CertificateParams)) -> Chain {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "admin");
    params.subject_alt_names = names.to_vec();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    vec![params.signed_by(&key, &by.0).unwrap().der().clone()]
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

fn dns(text: &str) -> SanType {
    SanType::DnsName(text.try_into().unwrap())
}

fn email(text: &str) -> SanType {
    SanType::Rfc822Name(text.try_into().unwrap())
}

fn domain(name: &str, bundle: &str, paths: &[&str]) -> RawTrustDomain {
    let (span, prefix) = (Span::default(), None);
    RawTrustDomain { span, name: text(name), bundle: text(bundle), paths: texts(paths), prefix }
}

fn named(ca: &str, from: RawNameKind) -> RawNamed {
    RawNamed { span: Span::default(), ca: text(ca), from, prefix: Some(text("partner:")) }
}

fn mtls(trust_domains: Vec<RawTrustDomain>, certificates: Vec<RawNamed>) -> RawIdentity {
    let mtls = RawMtls { span: Span::default(), trust_domains, certificates };
    RawIdentity { mtls: Some(mtls), ..RawIdentity::default() }
}

/// `acme.test` and `other.test`, each with its own authority.
fn two() -> (Authority, Authority, Identity) {
    let (acme, other) = (authority(|_| {}), authority(|_| {}));
    let world = World::default().file("acme.pem", &*acme.1).file("other.pem", &*other.1);
    let domains =
        vec![domain("acme.test", "acme.pem", &[]), domain("other.test", "other.pem", &[])];
    let identity = world.identity(&mtls(domains, Vec::new()));
    (acme, other, identity)
}

fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_secs()
}

#[test]
fn p06_the_holder_is_the_whole_spiffe_id() {
    let (acme, _, identity) = two();
    let id = "spiffe://acme.test/ns/prod/sa/api";
    let holder = identity.holder(&leaf(&acme, &[uri(id), dns("api.test")], |_| {}), now());
    let holder = holder.unwrap();
    assert_eq!((&*holder.id, &*holder.principal.user), (id, id));
    assert_eq!(holder.principal.method.as_str(), "mtls");
    assert!(holder.principal.expires.is_some() && holder.principal.roles.is_none());
}

#[test]
fn p06_exactly_one_uri_and_it_is_a_spiffe_id() {
    let (acme, _, identity) = two();
    let good = uri("spiffe://acme.test/a");
    let fault =
        |names: &[SanType]| identity.holder(&leaf(&acme, names, |_| {}), now()).unwrap_err();
    assert_eq!(fault(&[good.clone(), uri("spiffe://acme.test/b")]), ChainFault::Name);
    assert_eq!(fault(&[good.clone(), good.clone()]), ChainFault::Name);
    assert_eq!(fault(&[good, uri("https://acme.test/b")]), ChainFault::Name);
    assert_eq!(fault(&[uri("spiffe://acme.test")]), ChainFault::Name);
    assert_eq!(fault(&[uri("SPIFFE://acme.test/a")]), ChainFault::Name);
    assert_eq!(fault(&[uri("spiffe://acme.test/a%2Fb")]), ChainFault::Name);
    assert_eq!(fault(&[uri("https://acme.test/a")]), ChainFault::Untrusted);
    assert_eq!(fault(&[dns("admin")]), ChainFault::Untrusted, "nor is the common name anything");
    assert_eq!(fault(&[]), ChainFault::Untrusted);
}

#[test]
fn p06_a_trust_domain_is_bound_to_its_own_bundle() {
    let (acme, other, identity) = two();
    let of = |by: &Authority, id: &str| identity.holder(&leaf(by, &[uri(id)], |_| {}), now());
    assert!(of(&acme, "spiffe://acme.test/a").is_ok());
    assert!(of(&other, "spiffe://other.test/a").is_ok());
    assert_eq!(of(&other, "spiffe://acme.test/a"), Err(ChainFault::Untrusted));
    assert_eq!(of(&acme, "spiffe://other.test/a"), Err(ChainFault::Untrusted));
    assert_eq!(of(&acme, "spiffe://third.test/a"), Err(ChainFault::Untrusted));
}

#[test]
fn p06_a_leaf_is_for_clients_that_sign_and_no_authority() {
    let (acme, _, identity) = two();
    let name = [uri("spiffe://acme.test/a")];
    let fault = |change: fn(&mut CertificateParams)| {
        identity.holder(&leaf(&acme, &name, change), now()).unwrap_err()
    };
    let server = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    };
    assert_eq!(fault(server), ChainFault::Usage);
    assert_eq!(fault(|params| params.extended_key_usages.clear()), ChainFault::Usage);
    assert_eq!(fault(|params| params.key_usages.clear()), ChainFault::Usage);
    let enciphers = |params: &mut CertificateParams| {
        params.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
    };
    assert_eq!(fault(enciphers), ChainFault::Usage);
    let certifies = |params: &mut CertificateParams| {
        params.key_usages.push(KeyUsagePurpose::KeyCertSign);
    };
    assert_eq!(fault(certifies), ChainFault::Usage);
    let is_authority = |params: &mut CertificateParams| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    };
    assert_eq!(fault(is_authority), ChainFault::Authority);
    assert_eq!(identity.holder(&[], now()), Err(ChainFault::Malformed));
}

#[test]
fn p06_what_is_out_of_its_time_is_trusted_no_more() {
    let (acme, _, identity) = two();
    let name = [uri("spiffe://acme.test/a")];
    let old = leaf(&acme, &name, |params| params.not_after = date_time_ymd(2020, 1, 1));
    assert_eq!(identity.holder(&old, now()), Err(ChainFault::Expired));
    let early = leaf(&acme, &name, |params| params.not_before = date_time_ymd(2999, 1, 1));
    assert_eq!(identity.holder(&early, now()), Err(ChainFault::NotYet));
    // RFC 5280 would trust this authority for ever.
    let ends = authority(|params| params.not_after = date_time_ymd(2030, 1, 1));
    let world = World::default().file("ca.pem", &*ends.1);
    let identity = world.identity(&mtls(vec![domain("acme.test", "ca.pem", &[])], Vec::new()));
    let chain = leaf(&ends, &name, |params| params.not_after = date_time_ymd(2999, 1, 1));
    let end = 1_893_456_000;
    assert!(identity.holder(&chain, end - 1).is_ok() && identity.holder(&chain, end).is_ok());
    assert_eq!(identity.holder(&chain, end + 1), Err(ChainFault::Untrusted));
}

#[test]
fn a_path_says_user_org_and_app() {
    let acme = authority(|_| {});
    let world = World::default().file("ca.pem", &*acme.1);
    let paths = ["/org/{org}/app/{app}/sa/{user}", "/node/{org}"];
    let identity = world.identity(&mtls(vec![domain("acme.test", "ca.pem", &paths)], Vec::new()));
    let of = |id: &str| identity.holder(&leaf(&acme, &[uri(id)], |_| {}), now());
    let id = "spiffe://acme.test/org/o/app/a/sa/u";
    let holder = of(id).unwrap();
    assert_eq!(&*holder.id, id, "the peer is the whole ID all the same");
    let caller = &holder.principal;
    assert_eq!(&*caller.user, "u");
    assert_eq!((caller.org.as_deref(), caller.app.as_deref()), (Some("o"), Some("a")));
    assert_eq!(caller.claims.text("org").map(|org| &**org), Some("o"));
    let node = of("spiffe://acme.test/node/o").unwrap();
    assert_eq!(&*node.principal.user, "spiffe://acme.test/node/o");
    assert_eq!(of("spiffe://acme.test/elsewhere"), Err(ChainFault::Name));
}

#[test]
fn p06_other_names_count_where_authorities_are_named_for_them() {
    let (partners, people) = (authority(|_| {}), authority(|_| {}));
    let world = World::default().file("dns.pem", &*partners.1).file("mail.pem", &*people.1);
    let both = vec![named("dns.pem", RawNameKind::Dns), named("mail.pem", RawNameKind::Email)];
    let mut raw = mtls(Vec::new(), both);
    raw.same_users = true;
    let identity = world.identity(&raw);
    let of = |by, names: &[SanType]| identity.holder(&leaf(by, names, |_| {}), now());
    let holder = of(&partners, &[dns("API.partner.test"), email("x@y.test")]).unwrap();
    assert_eq!(
        (&*holder.id, &*holder.principal.user),
        ("api.partner.test", "partner:api.partner.test")
    );
    let holder = of(&people, &[email("ana@acme.test")]).unwrap();
    assert_eq!(holder.principal.email.as_deref(), Some("ana@acme.test"));
    assert_eq!(of(&partners, &[dns("a.test"), dns("b.test")]), Err(ChainFault::Name));
    assert_eq!(of(&partners, &[dns("*.a.test")]), Err(ChainFault::Name));
    assert_eq!(of(&partners, &[email("ana@acme.test")]), Err(ChainFault::Name));
    assert_eq!(of(&people, &[dns("a.test")]), Err(ChainFault::Name));
    let spiffe = uri("spiffe://acme.test/a");
    assert_eq!(of(&partners, &[dns("a.test"), spiffe]), Err(ChainFault::Untrusted));
}

#[test]
fn p06_the_holder_speaks_where_no_credential_does() {
    let (acme, _, _) = two();
    let mut raw = mtls(vec![domain("acme.test", "ca.pem", &[])], Vec::new());
    raw.api_keys = Some(api_keys(true, false, vec![api_key("eve", "a-key")]));
    let identity = World::default().file("ca.pem", &*acme.1).identity(&raw);
    let chain = leaf(&acme, &[uri("spiffe://acme.test/a")], |_| {});
    let holder = identity.holder(&chain, now()).unwrap();
    let caller = |fields: &[(&str, &str)], changes: bool| {
        let (headers, host) = (header_map(fields), HeaderValue::from_static("api.example"));
        let peer = Peer::Ip([10, 0, 0, 7].into());
        let request = Credentials { headers: &headers, peer, host: &host, changes };
        let found = identity.identify_held(&request, Some(&holder), NOW);
        found.map(|caller| caller.user.to_string()).map_err(|unidentified| unidentified.fault)
    };
    assert_eq!(caller(&[], false).as_deref(), Ok("spiffe://acme.test/a"));
    assert_eq!(caller(&[("x-api-key", "a-key")], false).as_deref(), Ok("eve"));
    assert_eq!(caller(&[("x-api-key", "bad")], false), Err(Fault::UnknownKey), "no way around it");
    // A browser shows a certificate for any page.
    let page = [("origin", "https://elsewhere.example")];
    assert_eq!(caller(&page, true), Err(Fault::Origin));
    assert!(caller(&page, false).is_ok());
    assert!(caller(&[("origin", "https://api.example")], true).is_ok());
    assert!(caller(&[], true).is_ok());
}

#[test]
fn mistakes_are_told() {
    let acme = authority(|_| {});
    let said = |raw: RawIdentity| {
        let world = World::default().file("ca.pem", &*acme.1).file("none.pem", "x");
        super::said(&world.compile(&raw).1)
    };
    let domains = |list: Vec<RawTrustDomain>| said(mtls(list, Vec::new()));
    assert_eq!(domains(Vec::new()), ["IDENTITY_VALID error: `mtls` trusts nobody"]);
    let twice = vec![domain("a.test", "ca.pem", &[]), domain("a.test", "ca.pem", &[])];
    assert_eq!(
        domains(twice),
        [
            "IDENTITY_AMBIGUOUS error: two authenticators can yield the same user id",
            "IDENTITY_VALID error: the trust domain `a.test` is defined twice",
        ]
    );
    assert_eq!(
        domains(vec![domain("spiffe://a", "ca.pem", &["/{x}"])]),
        [
            "IDENTITY_VALID error: `spiffe://a` is no trust domain",
            "IDENTITY_VALID error: `/{x}` is no pattern of paths: a segment is letters, digits, \
             `.`, `-`, `_`, or one of `{user}`, `{org}`, `{app}`",
        ]
    );
    assert!(domains(vec![domain("a.test", "lost.pem", &[])])[0].contains("cannot be read"));
    assert!(domains(vec![domain("a.test", "none.pem", &[])])[0].contains("no certificate in PEM"));
    let mut both = mtls(vec![domain("a.test", "ca.pem", &["/{user}"])], Vec::new());
    both.api_keys = Some(api_keys(true, false, vec![api_key("eve", "a-key")]));
    assert_eq!(said(both.clone()).len(), 1, "a path and a key can name the same user");
    both.mtls.as_mut().unwrap().trust_domains[0].prefix = Some(text("workload:"));
    assert!(said(both).is_empty());
}
