//! The compiled evaluator against the slow one.

use super::generate;
use super::*;
use portcullis::decide::{self, Trace};
use portcullis::filter::write::{Patch, WriteFault, check};
use portcullis::filter::{Filter, Limits};
use portcullis::policy::compile::Stamp;
use portcullis::policy::resolve::Surroundings;
use portcullis::policy::snapshot::{DenialId, GrantId, Snapshot};
use portcullis::policy::{Host, Target};
use portcullis::principal::{AuthMethod, Principal};
use portcullis::source::Sources;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde_json::json;
use std::sync::Arc;

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4_000, failure_persistence: None, max_global_rejects: 0,
        rng_seed: proptest::test_runner::RngSeed::Fixed(20_261_121),
        ..ProptestConfig::default()
    })]

    /// Same decision, same grants, same mask.
    #[test]
    fn p09_the_compiled_evaluator_agrees_with_the_reference(
        policy in generate::policy(),
        requests in prop::collection::vec(generate::request(), 12),
    ) {
        let snapshot = snapshot(&policy);
        for request in &requests {
            let expected = evaluate(&policy, request);
            let actual = compiled(&snapshot, request);
            prop_assert_eq!(actual, expected, "{}", explain(&policy, request));
        }
    }
}

/// The comparison above is worth what its cases reach: all of the decision.
#[test]
fn the_generated_cases_reach_every_outcome() {
    let config = ProptestConfig {
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        ..ProptestConfig::default()
    };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let cases = (generate::policy(), generate::request());
    let mut seen = std::collections::BTreeMap::<String, u32>::new();
    for _ in 0..12_000 {
        let (policy, request) = cases.new_tree(&mut runner).unwrap().current();
        let mut count = |what: &str| *seen.entry(what.into()).or_default() += 1;
        if request.caller.iter().any(|caller| policy.suspended.contains(&caller.user)) {
            count("a suspended user");
        }
        match evaluate(&policy, &request) {
            Verdict::Refused(reason) => count(reason.as_str()),
            Verdict::Public => count("public"),
            Verdict::Allowed(allowed) => {
                count("granted");
                if allowed.seen.as_ref() != Some(&sample()) {
                    count("fields hidden");
                }
                if !allowed.unwritable.is_empty() {
                    count("fields not writable");
                }
                if allowed.erases_hidden {
                    count("hidden fields at risk");
                }
                if included(&policy, &allowed) {
                    count("a grant of an included role");
                }
                if allowed.grants.iter().all(|(role, _)| role == "any") {
                    count("what every caller may do");
                }
                if by_default(&policy, &allowed) {
                    count("what every role may do");
                }
                if by_group(&policy, &request, &allowed) {
                    count("a grant through a group alone");
                }
                if derived_entry(&policy, &request, &allowed) {
                    count("entry that was derived");
                }
                if allowed.grants.len() > 1 {
                    count("several grants");
                }
            }
        }
    }
    for outcome in [
        "granted",
        "public",
        "bad_method",
        "unauthenticated",
        "no_route",
        "not_a_member",
        "app_not_assigned",
        "no_app_access",
        "app_inactive",
        "a suspended user",
        "restricted",
        "no_grant",
        "unmapped",
        "fields hidden",
        "fields not writable",
        "hidden fields at risk",
        "several grants",
        "entry that was derived",
        "what every caller may do",
        "what every role may do",
        "a grant through a group alone",
        "a grant of an included role",
    ] {
        assert!(seen.get(outcome).is_some_and(|count| *count >= 3), "{outcome}: {seen:?}");
    }
}

/// Whether all grants are defaults of the scope of their roles.
fn by_default(policy: &Policy, allowed: &Allowed) -> bool {
    allowed.grants.iter().all(|(id, path)| {
        let role = policy.roles.iter().find(|role| role.id == *id);
        role.is_some_and(|role| role.grants.iter().all(|(own, _)| own != path))
    })
}

/// Whether all grants are of roles that the caller has through a group only.
fn by_group(policy: &Policy, request: &Request, allowed: &Allowed) -> bool {
    let user = &request.caller.as_ref().unwrap().user;
    let own = policy.members.iter().flatten().filter(|member| member.user == *user);
    let listed = |member: &Member| {
        [member.roles.clone(), member.apps.iter().flat_map(|(_, r)| r.clone()).collect()].concat()
    };
    let own = with_included(policy, &own.flat_map(listed).collect::<Vec<_>>());
    policy.members.is_some()
        && policy
            .groups
            .iter()
            .any(|group| allowed.roles.iter().any(|role| group.roles.contains(role)))
        && allowed.grants.iter().all(|(role, _)| !own.contains(role))
}

/// Whether a member is in an application that it was not given.
fn derived_entry(policy: &Policy, request: &Request, allowed: &Allowed) -> bool {
    let route = policy.routes.iter().find(|route| route.pattern == allowed.route);
    let captured =
        |name| position(&route.unwrap().pattern, name).map(|at| split(&request.path)[at]);
    let (app, org) = (captured("app"), captured("org"));
    let caller = request.caller.as_ref().unwrap();
    let given = |member: &Member| {
        let groups = groups(policy, member, request.now).into_iter();
        let mut apps = groups.flat_map(|group| &group.apps).chain(&member.apps);
        apps.any(|(id, _)| Some(id.as_str()) == app)
    };
    let here = |member: &Member| org.is_none() || member.org.as_deref() == org;
    let members = policy.members.iter().flatten();
    let mut own = members.filter(|member| member.user == caller.user && here(member));
    app.is_some() && policy.members.is_some() && !own.any(given)
}

/// Whether a grant holds whose role another one that counts includes.
fn included(policy: &Policy, allowed: &Allowed) -> bool {
    let includes = |id: &String, other: &String| {
        policy.roles.iter().any(|role| role.id == *id && role.includes.contains(other))
    };
    allowed.grants.iter().any(|(role, _)| allowed.roles.iter().any(|id| includes(id, role)))
}

fn explain(policy: &Policy, request: &Request) -> String {
    format!("{}\n{request:?}", document(policy))
}

/// The policy through the front door, as the text that a user would write.
fn snapshot(policy: &Policy) -> Snapshot {
    let mut sources = Sources::default();
    sources.add("generated.json", document(policy).to_string());
    let stamp = Stamp { generation: 1, digest: "sha256:0".into() };
    portcullis::policy::snapshot(&sources, &Surroundings::default(), stamp).unwrap_or_else(
        |report| panic!("{}", portcullis::diag::human::render(&report, &sources, false)),
    )
}

fn document(policy: &Policy) -> Value {
    let mut document = json!({
        "policy": 1,
        "routes": policy.routes.iter().map(route).collect::<Vec<_>>(),
        "applications": policy.apps.iter().map(app).collect::<Vec<_>>(),
        "roles": policy.roles.iter().map(role).collect::<Vec<_>>(),
        "resource_types": policy.types.iter().map(resource_type).collect::<Vec<_>>(),
        "schemas": policy.schemas.iter().map(schema_of).collect::<Vec<_>>(),
    });
    let rules = |rules: &[(String, String)]| -> Value {
        rules.iter().map(|(path, access)| json!({"path": path, "access": access})).collect()
    };
    document["role_defaults"] = json!({
        "app": rules(&policy.app_defaults), "org": rules(&policy.org_defaults),
        "any": rules(&policy.any_defaults),
    });
    let user = |id: &String| json!({"id": id, "status": "suspended"});
    document["users"] = policy.suspended.iter().map(user).collect();
    let restriction = |one: &Restriction| {
        let deny = |(path, access): &(String, String)| json!({"path": path, "access": access});
        json!({
            "id": one.id, "deny": one.deny.iter().map(deny).collect::<Vec<_>>(),
            "requires": one.requires, "default": one.default,
        })
    };
    document["restrictions"] = policy.restrictions.iter().map(restriction).collect();
    if let Some(orgs) = &policy.orgs {
        let assigned = |org: &Org, app: &String| match org.auto.contains(app) {
            true => json!({"id": app, "auto_assign": true}),
            false => json!(app),
        };
        let org = |org: &Org| {
            let apps: Vec<_> = org.apps.iter().map(|app| assigned(org, app)).collect();
            json!({"id": org.id, "apps": apps, "status": status(org.suspended)})
        };
        document["organizations"] = orgs.iter().map(org).collect();
    }
    if let Some(members) = &policy.members {
        document["members"] = members.iter().map(member_of).collect();
        document["groups"] = policy.groups.iter().map(group_of).collect();
    }
    document
}

fn status(suspended: bool) -> &'static str {
    if suspended { "suspended" } else { "active" }
}

fn route(route: &Route) -> Value {
    let mut value = json!({"match": route.pattern, "upsert": route.upsert});
    let mut set = |key: &str, to: Option<Value>| {
        if let Some(to) = to {
            value[key] = to;
        }
    };
    set("org", route.org_claim.then(|| "claims.org".into()));
    set("app", route.app_claim.then(|| "claims.app".into()));
    set("public", (!route.public.is_empty()).then(|| route.public.clone().into()));
    set("update", route.merge.then(|| "merge".into()));
    set("verbs", route.post.map(|letter| json!({"POST": letter.to_string()})));
    value
}

fn app(app: &App) -> Value {
    let mut value = json!({
        "id": app.id, "active": app.active, "auto_assign": app.auto_assign, "default": app.default,
    });
    if let Some(role) = &app.default_role {
        value["default_role"] = role.clone().into();
    }
    value
}

fn role(role: &Role) -> Value {
    let grant = |(path, access): &(String, String)| json!({"path": path, "access": access});
    json!({
        "id": role.id, "scope": if role.app_scope { "app" } else { "org" }, "default": role.default,
        "app_access": if role.app_access_all { "all" } else { "assigned" },
        "includes": role.includes,
        "grants": role.grants.iter().map(grant).collect::<Vec<_>>(), "schemas": role.schemas,
    })
}

fn resource_type(of: &Type) -> Value {
    let at = |(path, pointer): &(String, String)| json!({"path": path, "pointer": pointer});
    json!({
        "id": of.id, "at": of.at.iter().map(at).collect::<Vec<_>>(),
        "elsewhere": if of.elsewhere_pass { "pass" } else { "refuse" },
    })
}

fn schema_of(schema: &Schema) -> Value {
    let says = |field: Field| match field {
        Field::Shown => json!(true),
        Field::Hidden => json!(false),
        Field::ReadOnly => json!({"readOnly": true}),
        Field::WriteOnly => json!({"writeOnly": true}),
    };
    let fields: serde_json::Map<_, _> =
        schema.fields.iter().map(|(name, field)| (name.clone(), says(*field))).collect();
    json!({
        "id": schema.id, "type": schema.of,
        "body": {"type": "object", "properties": fields, "additionalProperties": schema.open},
    })
}

fn member_of(member: &Member) -> Value {
    let apps: serde_json::Map<_, _> =
        member.apps.iter().map(|(app, roles)| (app.clone(), json!(roles))).collect();
    let groups: Vec<_> = member
        .groups
        .iter()
        .map(|(id, window)| match window {
            (None, None) => json!(id),
            window => timed(json!({"id": id}), *window),
        })
        .collect();
    let mut value = json!({
        "groups": groups,
        "primary": member.primary,
        "user": member.user, "roles": member.roles, "apps": apps,
        "status": status(member.suspended),
    });
    if let Some(org) = &member.org {
        value["org"] = org.clone().into();
    }
    if let Some(restrictions) = &member.restrictions {
        value["restrictions"] = json!(restrictions);
    }
    timed(value, member.window)
}

fn group_of(group: &Group) -> Value {
    let apps: serde_json::Map<_, _> =
        group.apps.iter().map(|(app, roles)| (app.clone(), json!(roles))).collect();
    let mut value = json!({
        "id": group.id, "roles": group.roles, "restrictions": group.restrictions, "apps": apps,
    });
    if let Some(org) = &group.org {
        value["org"] = org.clone().into();
    }
    value
}

fn timed(mut value: Value, (from, to): Window) -> Value {
    for (key, time) in [("not_before", from), ("expires", to)] {
        if let Some(seconds) = time {
            value[key] = format!("1970-01-01T00:00:0{seconds}Z").into();
        }
    }
    value
}

/// Lists the grants that hold.
#[derive(Default)]
struct Grants(Vec<GrantId>, Vec<DenialId>);

impl Trace for Grants {
    const LISTENS: bool = true;
    fn grant(&mut self, grant: GrantId) {
        self.0.push(grant);
    }
    fn failed(&mut self, _: GrantId, _: &'static str) {}
    fn denial(&mut self, denial: DenialId) {
        self.1.push(denial);
    }
    fn note(&mut self, _: impl FnOnce() -> String) {}
}

fn compiled(snapshot: &Snapshot, request: &Request) -> Verdict {
    let target = Target::parse(&request.path, 8192).unwrap();
    let method: http::Method = request.method.parse().unwrap();
    let asked = decide::Request {
        method: &method,
        target: &target,
        host: Host::known(b"localhost"),
        headers: &http::HeaderMap::new(),
        client: None,
        now: request.now,
    };
    let mut grants = Grants::default();
    let judged = decide::route(snapshot, &asked).and_then(|routed| {
        let public = routed.is_public();
        let caller = request.caller.as_ref().map(principal);
        match decide::decide(snapshot, &asked, routed, caller, &mut grants)? {
            decide::Decision::Allowed(permit) => Ok((public, permit)),
            decide::Decision::Asks(_) => panic!("no generated grant has conditions"),
        }
    });
    let (public, permit) = match judged {
        Ok(judged) => judged,
        Err(refusal) => {
            // What is refused so, an explanation can name; what is not, no denial speaks of.
            assert_eq!(refusal.reason == Reason::Restricted, !grants.1.is_empty());
            return Verdict::Refused(refusal.reason);
        }
    };
    if public {
        return Verdict::Public;
    }
    let grant = |id: GrantId| {
        let grant = snapshot.grant(id);
        (snapshot.role(grant.role).id().to_string(), grant.path.to_string())
    };
    let mut held: Vec<_> = grants.0.iter().map(|id| grant(*id)).collect();
    assert!(held.contains(&grant(permit.grant().expect("a grant is named"))));
    held.sort();
    held.dedup();
    let mut roles: Vec<_> =
        permit.roles().iter().map(|role| snapshot.role(role).id().to_string()).collect();
    roles.sort();
    let fields = permit.fields().cloned();
    let read = fields.as_ref().and_then(|fields| fields.read.clone());
    let write = fields.as_ref().and_then(|fields| fields.write.clone());
    Verdict::Allowed(Allowed {
        route: snapshot.route(permit.route()).pattern.to_string(),
        roles,
        grants: held,
        seen: match read {
            None => Some(sample()),
            Some(mask) => filtered(mask),
        },
        unwritable: write.map(|mask| refused_fields(&mask)).unwrap_or_default(),
        erases_hidden: permit.erases_hidden(),
    })
}

fn principal(caller: &Caller) -> Arc<Principal> {
    let method = if caller.api_key { AuthMethod::ApiKey } else { AuthMethod::Jwt };
    let text = |text: &String| Arc::from(text.as_str());
    Arc::new(Principal {
        org: caller.org.as_ref().map(text),
        app: caller.app.as_ref().map(text),
        roles: caller.roles.as_ref().map(|roles| roles.iter().map(text).collect()),
        ..Principal::of(caller.user.as_str(), method)
    })
}

fn filtered(mask: Arc<portcullis::filter::mask::Mask>) -> Option<Value> {
    let mut filter = Filter::new(mask, Limits::default());
    let mut out = Vec::new();
    filter.push(sample().to_string().as_bytes(), &mut out).ok()?;
    filter.finish(&mut out).ok()?;
    serde_json::from_slice(&out).ok()
}

fn refused_fields(mask: &portcullis::filter::mask::Mask) -> Vec<String> {
    match check(mask, sample().to_string().as_bytes(), &Limits::default(), Patch::No) {
        Ok(()) => Vec::new(),
        Err(WriteFault::Fields(mut pointers)) => {
            pointers.sort();
            pointers
        }
        Err(other) => panic!("{other:?}"),
    }
}
