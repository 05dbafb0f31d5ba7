//! What a policy says of upstreams, and what is found out.

use super::names::{Known, Looked, Looking};
use super::*;
use crate::control::load::load;
use crate::control::store::Live;
use crate::policy::resolve::Surroundings;
use std::io;
use std::net::Ipv4Addr;

fn live(upstreams: &str) -> Live {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.yaml");
    std::fs::write(&path, format!("policy: 1\nupstreams: [{upstreams}]\n")).unwrap();
    load(&path, &Surroundings::default(), 1).unwrap_or_else(|failed| panic!("{failed:#?}")).live
}

fn shown(source: &Source) -> Vec<String> {
    source.spots().iter().map(|spot| spot.address.to_string()).collect()
}

fn source(upstreams: &Upstreams, id: &str) -> Arc<Source> {
    upstreams.all().find(|source| **source.id() == *id).unwrap().clone()
}

fn ips(count: u32) -> Vec<IpAddr> {
    (0..count).map(|at| Ipv4Addr::from(0x0A00_0000 + at).into()).collect()
}

/// One look at everything, with these answers by name.
fn look(
    known: &mut Known,
    source: &Source,
    answer: fn(&str) -> io::Result<Vec<IpAddr>>,
) -> Vec<Looked> {
    let lookup = move |name: Arc<str>| -> Looking { Box::pin(async move { answer(&name) }) };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(known.look(source, &lookup))
}

#[test]
fn p14_a_name_becomes_its_addresses_and_what_is_none_stays() {
    let live = live("{id: a, url: ['http://api:81', 'http://10.9.9.9', 'unix:/s']}");
    let source = source(&live.upstreams, "a");
    assert_eq!(shown(&source), ["http://api:81", "http://10.9.9.9:80", "unix:/s"]);
    let mut known = Known::new(&source);
    assert!(!live.upstreams.have_been_looked_up());
    look(&mut known, &source, |_| Ok(ips(2)));
    let all = ["http://10.0.0.0:81", "http://10.0.0.1:81", "http://10.9.9.9:80", "unix:/s"];
    assert_eq!(shown(&source), all);
    assert_eq!(live.upstreams.version(), 1);
    look(&mut known, &source, |_| Ok(ips(2).into_iter().rev().collect()));
    assert_eq!((shown(&source).len(), live.upstreams.version()), (4, 1), "in another order");
    look(&mut known, &source, |_| Err(io::Error::other("no")));
    assert_eq!((shown(&source), live.upstreams.version()), (all.map(str::to_owned).to_vec(), 1));
    assert_eq!(source.lost(), Some("api: no".to_owned()));
    look(&mut known, &source, |_| Ok(ips(1)));
    assert_eq!((live.upstreams.version(), source.lost()), (2, None));
}

#[test]
fn p14_a_name_that_was_never_known_has_no_addresses_that_stay() {
    let live = live("{id: a, url: http://api}");
    let source = source(&live.upstreams, "a");
    let mut known = Known::new(&source);
    let mut has_some = |answer| look(&mut known, &source, answer)[0].has_some;
    assert!(!has_some(|_| Err(io::Error::other("no"))));
    assert!(!has_some(|_| Ok(Vec::new())), "it has no address");
    assert!(has_some(|_| Ok(ips(1))));
    assert!(has_some(|_| Err(io::Error::other("no"))));
}

#[test]
fn a_place_that_two_names_lead_to_is_one() {
    let live = live("{id: a, url: ['http://one', 'http://two', 'http://two:81']}");
    let source = source(&live.upstreams, "a");
    look(&mut Known::new(&source), &source, |_| Ok(ips(1)));
    assert_eq!(shown(&source), ["http://10.0.0.0:80", "http://10.0.0.0:81"]);
}

#[test]
fn p14_so_many_addresses_of_a_name_are_used_and_no_more() {
    let live = live("{id: a, url: http://api}");
    let source = source(&live.upstreams, "a");
    let mut known = Known::new(&source);
    let limit = u32::try_from(MAX_ADDRESSES).unwrap();
    assert_eq!(limit, 64);
    look(&mut known, &source, |_| Ok(ips(63)));
    assert_eq!(shown(&source).len(), 63);
    look(&mut known, &source, |_| Ok(ips(64)));
    assert_eq!(shown(&source).len(), 64);
    look(&mut known, &source, |_| Ok(ips(65).into_iter().rev().collect()));
    assert_eq!(shown(&source).len(), 64);
    assert_eq!(live.upstreams.version(), 2, "of more, always the same");
}

#[test]
fn p14_what_is_known_of_an_address_stays_when_others_come_and_go() {
    let live = live("{id: a, url: http://api, health: {path: /, unhealthy: 1}}");
    let source = source(&live.upstreams, "a");
    let mut known = Known::new(&source);
    look(&mut known, &source, |_| Ok(ips(2)));
    let spots = source.spots();
    let (verdict, check) = (spots[1].verdict.clone().unwrap(), source.check.as_ref().unwrap());
    assert!(verdict.hear(&Err("down".to_owned()), &check.about));
    look(&mut known, &source, |_| Ok(ips(3)[1..].to_vec()));
    let well: Vec<_> = source.spots().iter().map(Spot::is_well).collect();
    assert_eq!((shown(&source)[0].as_str(), well), ("http://10.0.0.1:80", vec![false, true]));
}

#[test]
fn p14_a_reload_goes_on_with_upstreams_that_are_as_they_were_and_no_others() {
    let before = live(
        "{id: a, url: http://api}, {id: b, url: http://api}, \
         {id: c, url: http://10.0.0.1, health: {path: /a}}, {id: d, url: http://10.0.0.1}",
    );
    for id in ["a", "b"] {
        let source = source(&before.upstreams, id);
        look(&mut Known::new(&source), &source, |_| Ok(ips(1)));
    }
    let mut after = live(
        "{id: b, url: 'http://api:81'}, {id: a, url: http://api}, \
         {id: c, url: http://10.0.0.1, health: {path: /b}}, {id: d, url: http://10.0.0.1}",
    );
    after.upstreams.keep_of(&before.upstreams);
    let same = |id| Arc::ptr_eq(&source(&before.upstreams, id), &source(&after.upstreams, id));
    assert_eq!(["a", "b", "c"].map(same), [true, false, false]);
    assert_eq!(shown(&source(&after.upstreams, "a")), ["http://10.0.0.0:80"]);
    assert_eq!(shown(&source(&after.upstreams, "b")), ["http://api:81"]);
}

#[test]
fn what_cannot_change_is_not_followed() {
    let live = live(
        "{id: a, url: [http://10.0.0.1, 'http://[::1]']}, {id: b, url: 'unix:/s'}, \
         {id: c, url: 'unix:/s', health: {path: /}}, {id: d, url: http://api}",
    );
    let followed: Vec<_> = live.upstreams.followed().map(|source| &**source.id()).collect();
    // The default one of no settings is a name, too.
    assert_eq!(followed, ["default", "c", "d"]);
}

/// Under TLS each address has its own connections, all of them under the trust of the name.
#[test]
fn p06_the_addresses_of_a_name_are_trusted_by_that_name() {
    let live = live("{id: a, url: https://api.test}");
    let source = source(&live.upstreams, "a");
    look(&mut Known::new(&source), &source, |_| Ok(ips(2)));
    let spots = source.spots();
    let tls: Vec<_> = spots.iter().map(|spot| spot.tls.clone().unwrap()).collect();
    assert!(tls.iter().all(|tls| tls.name.to_str() == "api.test"));
    assert_ne!(tls[0].digest, tls[1].digest);
    assert!(Arc::ptr_eq(&tls[0].config, &tls[1].config), "sessions are taken up at either");
}

#[test]
fn p16_an_upstreams_secret_is_in_no_debug_text() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "canary").unwrap();
    let live = live(&format!(
        "{{id: a, url: http://api, credential: {{header: X-Own, file: {}}}, health: {{path: /}}}}",
        secret.display()
    ));
    assert!(!format!("{:?}", live.upstreams).contains("canary"));
}
