use crate::decide::named::Named;
use crate::decide::standing::{Addressed, Standing, Subject};
use crate::decide::{Reason, Request, route};
use crate::policy::Host;
use crate::policy::compile::Stamp;
use crate::policy::snapshot::Snapshot;
use crate::policy::target::{MAX_TARGET, Target};
use crate::principal::{AuthMethod, Principal};
use crate::source::Sources;

const RULES: &str = r#"policy: 1
routes: [{match: "/{org}/{app}/**"}, {match: "/{org}"}]
organizations:
  - {id: vendor, operator: true}
  - {id: acme, apps: [chat, labs, shop, {id: wiki, auto_assign: true}]}
  - {id: beta, apps: [chat]}
  - {id: gone, status: suspended}
applications:
  - {id: chat}
  - {id: help, auto_assign: true}
  - {id: labs, active: false}
  - {id: portal, default: true}
  - {id: shop}
  - {id: wiki}
roles:
  - {id: admin, app_access: all, includes: [member], assignable_by: [admin]}
  - {id: boss, reach: all-orgs, assignable_by: [admin, boss]}
  - {id: deputy, includes: [boss], assignable_by: [admin]}
  - {id: member, visible_to: [member], assignable_by: [admin]}
  - {id: secret}
  - {id: dev, scope: app, visible_to: [member], editable_by: [member]}
groups: [{id: g, org: acme, apps: {shop: []}}]
members:
  - {user: ann, org: acme, roles: [admin]}
  - {user: bob, org: acme, roles: [member], apps: {chat: [], labs: []}, groups: [{id: g, expires: 1970-01-01T00:01:40Z}]}
  - {user: bob, org: beta, roles: [member], expires: 1970-01-01T00:01:40Z}
  - {user: bob, org: gone, roles: [member]}
  - {user: vic, org: vendor, roles: [boss]}
"#;

fn snapshot(text: &str) -> Snapshot {
    let mut sources = Sources::default();
    sources.add("policy.yaml", text);
    let stamp = Stamp { generation: 1, digest: "sha256:0".into() };
    crate::policy::snapshot(&sources, &Default::default(), stamp).expect("a policy")
}

/// What one answers of a caller that stands at `target`, at this second.
fn asked<T>(
    snapshot: &Snapshot,
    principal: &Principal,
    (target, now): (&str, u64),
    ask: impl FnOnce(Subject<'_>) -> T,
) -> Result<T, Reason> {
    let target = Target::parse(target, MAX_TARGET).expect("a target");
    let headers = &http::HeaderMap::new();
    let (method, host) = (&http::Method::GET, Host::known(b"api.test"));
    let request = Request { method, target: &target, host, headers, client: None, peer: None, now };
    let routed = route(snapshot, &request).expect("a route");
    let route = snapshot.route(routed.route().expect("a route"));
    let named = Named::read(route, &request).expect("one reading");
    let addressed = Addressed::of(route, &named, principal);
    let mut standing = Standing::new(snapshot, principal, now);
    standing.find(&addressed, &mut ()).map(|()| ask(standing.subject()))
}

fn user(name: &str) -> Principal {
    Principal::of(name, AuthMethod::Jwt)
}

fn owned<'a>(ids: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    ids.into_iter().map(str::to_owned).collect()
}

#[test]
fn l10_the_applications_are_those_that_the_caller_may_enter() {
    let snapshot = snapshot(RULES);
    let apps = |who: &Principal, target: &str, now: u64| {
        asked(&snapshot, who, (target, now), |subject| owned(subject.apps())).unwrap()
    };
    assert_eq!(apps(&user("ann"), "/acme", 0), ["chat", "help", "portal", "shop", "wiki"]);
    assert_eq!(apps(&user("bob"), "/acme", 99), ["chat", "help", "shop", "wiki"]);
    assert_eq!(apps(&user("bob"), "/acme", 100), ["chat", "help", "wiki"], "left the group");
    assert_eq!(apps(&user("bob"), "/beta", 99), ["help"], "given elsewhere");
    assert_eq!(apps(&user("vic"), "/acme", 0), ["help", "wiki"], "the gate is acme's");
    assert_eq!(apps(&user("bob"), "/acme/chat/x", 100), ["chat", "help", "wiki"]);
    let key = Principal { app: Some("chat".into()), ..user("ann") };
    assert_eq!(apps(&key, "/acme/chat/x", 0), ["chat"], "the credential acts there alone");
}

#[test]
fn f16_the_organizations_are_those_of_active_membership() {
    let snapshot = snapshot(RULES);
    snapshot.people().index_orgs();
    let orgs = |who: &Principal, now: u64| {
        asked(&snapshot, who, ("/acme", now), |subject| owned(subject.orgs())).unwrap()
    };
    assert_eq!(orgs(&user("bob"), 99), ["acme", "beta"]);
    assert_eq!(orgs(&user("bob"), 100), ["acme"]);
    assert_eq!(orgs(&user("vic"), 0), ["vendor"], "what is reached is no membership");
    let of = |org: &str, name| Principal { org: Some(org.into()), ..user(name) };
    assert_eq!(orgs(&of("acme", "bob"), 99), ["acme"], "the credential acts there alone");
    assert_eq!(orgs(&of("vendor", "vic"), 0), ["vendor"]);
}

/// Nobody waits for the index of organizations: it is made when a policy is loaded that asks.
#[test]
fn organizations_are_listed_beforehand_where_a_condition_asks() {
    let asks = |rules: &str| snapshot(&format!("policy: 1\n{rules}")).people().has_org_index();
    let grant = |condition: &str| {
        format!("roles: [{{id: a, grants: [{{path: '/{{o}}', access: r, {condition}}}]}}]")
    };
    assert!(asks(&grant("when: {param.o: subject.orgs}")));
    assert!(asks(&grant("keep: {items: '', field: /o, in: subject.orgs}")));
    assert!(asks("routes: [{match: '/{o}', when: {param.o: [x, subject.orgs]}}]"));
    assert!(asks(
        "role_defaults: {any: [{path: '/{o}', access: r, when: {param.o: subject.orgs}}]}"
    ));
    assert!(!asks(&grant("when: {param.o: subject.id}")));
}

#[test]
fn the_organization_of_a_token_is_the_one_that_it_names() {
    let (rules, _) = RULES.split_once("groups:").expect("the directory");
    let named =
        Principal { org: Some("acme".into()), roles: Some(vec!["admin".into()]), ..user("eve") };
    let listed = snapshot(rules);
    let of = |snapshot: &Snapshot| {
        asked(snapshot, &named, ("/acme", 0), |subject| {
            (owned(subject.orgs()), owned(subject.apps()))
        })
    };
    let entered = ["chat", "help", "portal", "shop", "wiki"].map(str::to_owned).to_vec();
    assert_eq!(of(&listed), Ok((vec!["acme".to_owned()], entered)));
    let any = snapshot("policy: 1\nroutes: [{match: \"/{org}\"}]\nroles: [{id: admin}]\n");
    assert_eq!(of(&any), Ok((vec!["acme".to_owned()], Vec::new())));
}

#[test]
fn e11_e12_roles_are_seen_and_given_by_those_who_may() {
    let snapshot = snapshot(RULES);
    let roles = |who: &str, target: &str| {
        asked(&snapshot, &user(who), (target, 0), |subject| {
            let visible = owned(subject.visible_roles().map(|id| &**id));
            (visible, owned(subject.assignable_roles().map(|id| &**id)))
        })
        .unwrap()
    };
    let (visible, assignable) = roles("ann", "/acme");
    assert_eq!(visible, ["admin", "boss", "deputy", "member", "dev"], "`member` is included");
    assert_eq!(assignable, ["admin", "member"], "what reaches cannot be bound in acme");
    assert_eq!(roles("bob", "/acme"), (owned(["member", "dev"]), vec![]));
    assert_eq!(roles("vic", "/acme"), (owned(["boss"]), vec![]));
    assert_eq!(roles("vic", "/vendor"), (owned(["boss"]), owned(["boss"])));
    let editable = asked(&snapshot, &user("bob"), ("/acme", 0), |subject| {
        let roles = subject.roles().map(|id| snapshot.role_id(id).expect("a role")).collect();
        let editable = snapshot.administration().editable(&roles);
        editable.map(|role| snapshot.role(role).id().to_string()).collect::<Vec<_>>()
    });
    assert_eq!(editable.unwrap(), ["dev"]);
}

#[test]
fn a_subject_says_who_it_is_and_where_it_stands() {
    let snapshot = snapshot(RULES);
    let ann = Principal { email: Some("ann@acme.test".into()), ..user("ann") };
    let told = asked(&snapshot, &ann, ("/acme/chat/x", 0), |subject| {
        let roles = owned(subject.roles().map(|id| &**id));
        let email = subject.email().map(|email| email.to_string());
        (
            subject.id().to_string(),
            email,
            subject.org() == Some("acme"),
            subject.app() == Some("chat"),
            roles,
        )
    });
    let expected = (
        "ann".to_owned(),
        Some("ann@acme.test".to_owned()),
        true,
        true,
        owned(["admin", "member"]),
    );
    assert_eq!(told.unwrap(), expected);
    assert_eq!(asked(&snapshot, &user("eve"), ("/acme", 0), |_| ()), Err(Reason::NotAMember));
}
