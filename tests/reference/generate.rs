//! Policies and requests whose names and paths collide on purpose.

use super::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

pub fn policy() -> impl Strategy<Value = Policy> {
    (any::<bool>(), any::<bool>(), any::<bool>()).prop_flat_map(
        |(with_orgs, with_members, simple)| {
            (
                routes(simple),
                orgs(),
                apps(),
                vec(role(), 1..6),
                vec(resource_type(), 0..3),
                vec(schema(), 0..4),
                (
                    defaults(),
                    vec(restriction(), 0..4),
                    vec(group(), 0..3),
                    vec(member(), 1..7),
                    option::weighted(0.1, name()),
                ),
            )
                .prop_map(move |parts| assemble(parts, with_orgs, with_members))
        },
    )
}

pub fn request() -> impl Strategy<Value = Request> {
    let method = prop_oneof![
        30 => select(vec!["GET", "GET", "HEAD", "POST", "PUT", "PUT", "PATCH", "DELETE"]),
        1 => Just("OPTIONS"),
    ];
    (method, path(), option::weighted(0.95, caller()), 0..9_u64).prop_map(
        |(method, path, caller, now)| Request { method: method.into(), path, caller, now },
    )
}

type Rule = (String, String);
type Parts = (
    Vec<Route>,
    Vec<Org>,
    Vec<App>,
    Vec<Role>,
    Vec<Type>,
    Vec<Schema>,
    (Vec<Vec<Rule>>, Vec<Restriction>, Vec<Group>, Vec<Member>, Option<String>),
);

/// Puts the parts together so that every reference resolves and every invariant holds.
fn assemble(parts: Parts, with_orgs: bool, with_members: bool) -> Policy {
    let (routes, mut orgs, mut apps, mut roles, mut types, mut schemas, people) = parts;
    let (mut defaults, mut restrictions, mut groups, mut members, suspended) = people;
    for rules in &mut defaults {
        rules.retain(|(path, _)| routes.iter().any(|route| unify(path, &route.pattern)));
    }
    for (at, of) in types.iter_mut().enumerate() {
        of.id = format!("t{at}");
    }
    if types.is_empty() {
        schemas.clear();
    }
    for (at, schema) in schemas.iter_mut().enumerate() {
        schema.id = format!("s{at}");
        schema.of = types[schema.of.len() % types.len()].id.clone();
    }
    for (at, role) in roles.iter_mut().enumerate() {
        role.id = format!("r{at}");
        role.schemas.retain(|id| schemas.iter().any(|schema| schema.id == *id));
        role.grants.retain(|(path, _)| routes.iter().any(|route| unify(path, &route.pattern)));
    }
    // A role includes later ones of its scope, so that there is no cycle.
    let scopes: Vec<bool> = roles.iter().map(|role| role.app_scope).collect();
    for (at, role) in roles.iter_mut().enumerate() {
        role.app_access_all &= !role.app_scope;
        let later = |id: &String| {
            (at + 1..scopes.len()).any(|n| *id == format!("r{n}") && scopes[n] == scopes[at])
        };
        role.includes.retain(later);
    }
    let of_scope = |names: &mut Vec<String>, app_scope: bool| {
        names.retain(|name| {
            roles.iter().any(|role| role.id == *name && role.app_scope == app_scope)
        });
    };
    for app in &mut apps {
        let mut role: Vec<String> = app.default_role.take().into_iter().collect();
        of_scope(&mut role, true);
        app.default_role = role.pop();
    }
    let derived = |id: &String| apps.iter().any(|app| app.id == *id && app.auto_assign);
    for org in &mut orgs {
        org.apps.retain(|app| !derived(app));
        org.auto.retain(|app| org.apps.contains(app));
    }
    let everywhere =
        |id: &String| apps.iter().any(|app| app.id == *id && (app.auto_assign || app.default));
    let names_org = |route: &Route| route.org_claim || captures(&route.pattern, "org");
    let implicit = !with_orgs && !routes.iter().any(names_org);
    repair_restrictions(&mut restrictions, &routes);
    for (at, group) in groups.iter_mut().enumerate() {
        complete(&mut group.restrictions, &restrictions);
        group.id = format!("g{at}");
        of_scope(&mut group.roles, false);
        group.apps.iter_mut().for_each(|(_, roles)| of_scope(roles, true));
        if implicit {
            group.org = None;
        } else if let Some(org) = orgs.iter().find(|org| Some(&org.id) == group.org.as_ref()) {
            group.apps.retain(|(app, _)| org.apps.contains(app) || everywhere(app));
        }
    }
    groups.retain(|_| implicit || with_orgs);
    for member in &mut members {
        of_scope(&mut member.roles, false);
        member.apps.iter_mut().for_each(|(_, roles)| of_scope(roles, true));
        if implicit {
            member.org = None;
        } else if let Some(org) = orgs.iter().find(|org| Some(&org.id) == member.org.as_ref()) {
            member.apps.retain(|(app, _)| org.apps.contains(app) || everywhere(app));
        }
    }
    for member in &mut members {
        let org = &member.org;
        let known = |id: &String| groups.iter().any(|group| group.id == *id && group.org == *org);
        member.groups.retain(|(id, _)| known(id));
    }
    let mut seen = Vec::new();
    members.retain(|member| {
        let key = (member.user.clone(), member.org.clone());
        let known = implicit || (with_orgs && member.org.is_some());
        let new = known && !seen.contains(&key);
        seen.push(key);
        new
    });
    let orgs = with_orgs.then_some(orgs);
    let mut primaries = Vec::new();
    for member in &mut members {
        member.primary &= !primaries.contains(&member.org);
        if member.primary {
            primaries.push(member.org.clone());
            member.restrictions = member.restrictions.take().map(|_| Vec::new());
            let free = |id: &String| {
                groups.iter().all(|group| group.id != *id || group.restrictions.is_empty())
            };
            member.groups.retain(|(id, _)| free(id));
        }
        if let Some(listed) = &mut member.restrictions {
            complete(listed, &restrictions);
        }
    }
    let members = with_members.then_some(members);
    let [app_defaults, org_defaults, any_defaults] = defaults.try_into().unwrap();
    Policy {
        routes,
        orgs,
        apps,
        roles,
        types,
        schemas,
        app_defaults,
        org_defaults,
        any_defaults,
        restrictions,
        suspended: suspended.into_iter().collect(),
        groups,
        members,
    }
}

/// A restriction requires earlier ones, and those of a default one are default.
fn repair_restrictions(restrictions: &mut [Restriction], routes: &[Route]) {
    let defaults: Vec<bool> = restrictions.iter().map(|restriction| restriction.default).collect();
    for (at, restriction) in restrictions.iter_mut().enumerate() {
        restriction.id = format!("n{at}");
        restriction.deny.retain(|(path, _)| routes.iter().any(|route| unify(path, &route.pattern)));
        let fits = |other: usize| defaults[other] || !defaults[at];
        restriction
            .requires
            .retain(|id| (0..at).any(|other| *id == format!("n{other}") && fits(other)));
    }
}

/// Adds what is required; requirements name earlier ones, so one way back is enough.
fn complete(listed: &mut Vec<String>, restrictions: &[Restriction]) {
    listed.retain(|id| restrictions.iter().any(|restriction| restriction.id == *id));
    for restriction in restrictions.iter().rev() {
        if listed.contains(&restriction.id) {
            listed.extend(restriction.requires.iter().cloned());
        }
    }
}

/// Broad patterns are frequent, so that most requests get as far as the question of who may.
fn broad() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just("/**".to_owned()),
        1 => Just("/x/**".to_owned()),
        1 => Just("/{org}/**".to_owned()),
        2 => Just("/{org}/{app}/**".to_owned()),
        3 => pattern(),
    ]
}

fn pattern() -> impl Strategy<Value = String> {
    let segment = select(vec!["x", "x", "y", "z", "{id}", "{org}", "{app}"]);
    (vec(segment, 0..4), any::<bool>()).prop_map(|(segments, subtree)| {
        let mut path = String::new();
        for (at, segment) in segments.iter().enumerate() {
            path.push('/');
            // A name stands once in a pattern.
            match segments[..at].contains(segment) && segment.starts_with('{') {
                true => path.push_str(&format!("{{p{at}}}")),
                false => path.push_str(segment),
            }
        }
        match (path.is_empty(), subtree) {
            (_, true) => path + "/**",
            (true, false) => "/".into(),
            (false, false) => path,
        }
    })
}

fn path() -> impl Strategy<Value = String> {
    (vec(name(), 0..4), prop::bool::weighted(0.1)).prop_map(|(segments, slash)| {
        let path: String = segments.iter().map(|segment| format!("/{segment}")).collect();
        if path.is_empty() || slash { path + "/" } else { path }
    })
}

fn routes(simple: bool) -> impl Strategy<Value = Vec<Route>> {
    let route = (
        broad(),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.3),
        option::weighted(0.2, select(vec!['r', 'u', 'd'])),
    )
        .prop_map(|(pattern, org_claim, app_claim, public, upsert, merge, post)| Route {
            pattern,
            org_claim,
            app_claim,
            public: if public { "r".into() } else { String::new() },
            upsert,
            merge,
            post,
        });
    let first = prop_oneof![
        5 => Just(Some("/**")),
        2 => Just(Some("/{org}/{app}/**")),
        1 => Just(None),
    ];
    (vec(route, 1..4), first).prop_map(move |(mut routes, first)| {
        if let Some(pattern) = first {
            // First, so that it stays where there is only one.
            routes[0].pattern = pattern.into();
            routes[0].app_claim &= pattern == "/**";
        }
        let mut shapes = Vec::new();
        routes.retain(|route| {
            let shape = kinds_and_literals(&route.pattern);
            let new = !shapes.contains(&shape);
            shapes.push(shape);
            new
        });
        if simple {
            routes.iter_mut().for_each(|route| route.pattern = without_params(&route.pattern));
            routes.truncate(1);
        }
        routes
    })
}

fn kinds_and_literals(pattern: &str) -> Vec<String> {
    let part = |segment: &str| if segment.starts_with('{') { "{}".into() } else { segment.into() };
    split(pattern).into_iter().map(part).collect()
}

fn without_params(pattern: &str) -> String {
    pattern.replace("{org}", "x").replace("{app}", "y")
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![4 => Just("x"), 2 => Just("y"), 1 => Just("z")].prop_map(String::from)
}

fn orgs() -> impl Strategy<Value = Vec<Org>> {
    let apps = || subsequence(vec!["x", "y"], 1..=2);
    let org = |id: &'static str| {
        let auto = subsequence(vec!["x", "y"], 0..=1);
        (apps(), auto, prop::bool::weighted(0.1)).prop_map(move |(apps, auto, suspended)| Org {
            id: id.into(),
            apps: apps.into_iter().map(String::from).collect(),
            auto: auto.into_iter().map(String::from).collect(),
            suspended,
        })
    };
    (org("x"), org("y")).prop_map(|(x, y)| vec![x, y])
}

fn apps() -> impl Strategy<Value = Vec<App>> {
    let app = |id: &'static str| {
        (prop::bool::weighted(0.6), prop::bool::weighted(0.3), option::weighted(0.3, role_name()))
            .prop_map(move |(active, auto_assign, default_role)| App {
                id: id.into(),
                active,
                auto_assign,
                default: false,
                default_role,
            })
    };
    (app("x"), app("y"), 0..4_u8).prop_map(|(mut x, mut y, default)| {
        (x.default, y.default) = (default == 0, default == 1);
        vec![x, y]
    })
}

fn role_name() -> impl Strategy<Value = String> {
    (0..5_u8).prop_map(|at| format!("r{at}"))
}

fn letters_of_a_grant() -> impl Strategy<Value = String> {
    let some = subsequence(vec!["c", "r", "u", "d"], 1..=4).prop_map(|letters| letters.concat());
    prop_oneof![Just("crud".to_owned()), some]
}

fn role() -> impl Strategy<Value = Role> {
    (
        prop::bool::weighted(0.25),
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.4),
        vec(role_name(), 0..3),
        vec((broad(), letters_of_a_grant()), 1..6),
        subsequence(vec!["s0", "s1", "s2", "s3"], 1..=3),
    )
        .prop_map(|(app_scope, default, app_access_all, includes, grants, schemas)| Role {
            id: String::new(),
            app_scope,
            default,
            app_access_all,
            includes,
            grants,
            schemas: schemas.into_iter().map(String::from).collect(),
        })
}

fn resource_type() -> impl Strategy<Value = Type> {
    let pointer = select(vec!["", "/data/*"]).prop_map(String::from);
    (vec((broad(), pointer), 1..3), prop::bool::weighted(0.3))
        .prop_map(|(at, elsewhere_pass)| Type { id: String::new(), at, elsewhere_pass })
}

fn schema() -> impl Strategy<Value = Schema> {
    let says = select(vec![Field::Shown, Field::Hidden, Field::ReadOnly, Field::WriteOnly]);
    let fields = vec((select(vec!["a", "b", "c"]), says), 0..3);
    // `data` stays visible, so that both pointers always have their objects.
    (fields, any::<bool>(), 0..3_usize).prop_map(|(fields, open, of)| {
        let mut named: Vec<(String, Field)> = vec![("data".into(), Field::Shown)];
        for (name, field) in fields {
            if !named.iter().any(|(known, _)| known == name) {
                named.push((name.into(), field));
            }
        }
        Schema { id: String::new(), of: "t".repeat(of), fields: named, open }
    })
}

/// Roles in the applications, where there is access.
fn accesses() -> impl Strategy<Value = Vec<(String, Vec<String>)>> {
    let access = || option::weighted(0.35, vec(role_name(), 0..3));
    (access(), access()).prop_map(|(x, y)| {
        let apps = [("x", x), ("y", y)];
        apps.into_iter().filter_map(|(id, roles)| Some((id.into(), roles?))).collect()
    })
}

/// Windows begin before they end.
fn window() -> impl Strategy<Value = Window> {
    prop_oneof![
        6 => Just((None, None)),
        1 => (option::of(1..5_u64), option::of(5..9_u64)),
    ]
}

/// Of applications, organizations, everybody: mostly none, so that other grants decide.
fn defaults() -> impl Strategy<Value = Vec<Vec<Rule>>> {
    let rule = || (prop_oneof![broad(), pattern()], letters_of_a_grant());
    let rules = prop_oneof![4 => Just(Vec::new()), 1 => vec(rule(), 1..3)];
    vec(rules, 3)
}

fn restriction_names() -> impl Strategy<Value = Vec<String>> {
    vec(select(vec!["n0", "n1", "n2"]).prop_map(String::from), 0..2)
}

fn restriction() -> impl Strategy<Value = Restriction> {
    let deny = vec((prop_oneof![broad(), pattern()], letters_of_a_grant()), 0..3);
    (deny, restriction_names(), prop::bool::weighted(0.3)).prop_map(|(deny, requires, default)| {
        Restriction { id: String::new(), deny, requires, default }
    })
}

fn group() -> impl Strategy<Value = Group> {
    let org = prop_oneof![3 => Just("x"), 1 => Just("y")];
    (org, vec(role_name(), 0..4), restriction_names(), accesses()).prop_map(
        |(org, roles, restrictions, apps)| Group {
            id: String::new(),
            org: Some(org.into()),
            roles,
            restrictions,
            apps,
        },
    )
}

fn member() -> impl Strategy<Value = Member> {
    let entry = (select(vec!["g0", "g1", "g2"]).prop_map(String::from), window());
    (
        name(),
        prop_oneof![3 => Just("x"), 1 => Just("y")],
        prop_oneof![vec(role_name(), 0..4), Just((0..5).map(|at| format!("r{at}")).collect()),],
        accesses(),
        vec(entry, 0..3),
        (option::weighted(0.6, restriction_names()), prop::bool::weighted(0.2)),
        window(),
        prop::bool::weighted(0.1),
    )
        .prop_map(|(user, org, roles, apps, groups, restricted, window, suspended)| Member {
            user,
            org: Some(org.into()),
            roles,
            apps,
            groups,
            restrictions: restricted.0,
            primary: restricted.1,
            window,
            suspended,
        })
}

fn caller() -> impl Strategy<Value = Caller> {
    (
        name(),
        option::weighted(0.3, name()),
        option::weighted(0.15, name()),
        option::weighted(
            0.8,
            prop_oneof![vec(role_name(), 0..5), Just((0..5).map(|at| format!("r{at}")).collect()),],
        ),
        any::<bool>(),
    )
        .prop_map(|(user, org, app, roles, api_key)| Caller { user, org, app, roles, api_key })
}
