//! Who belongs where, compiled.

use crate::policy::people::{
    Accesses, App, AppId, BindingId, Bindings, Group, Listing, Member, Membership, More, Org,
    People, Window,
};
use crate::policy::resolve::{
    Resolved, ResolvedGroup, ResolvedMember, ResolvedMembers, ResolvedRole, defaults,
};
use crate::policy::roleset::{RoleId, RoleSet};
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::sync::Arc;

pub(super) fn people(resolved: &Resolved) -> People {
    let mut bindings = Lists::default();
    let (membership, explicit, groups, members) = match &resolved.members {
        ResolvedMembers::Token { explicit } => (Membership::Token, *explicit, &[][..], &[][..]),
        ResolvedMembers::Directory { explicit, tokens, groups, members } => {
            let mode = if *tokens { Membership::Both } else { Membership::Directory };
            (mode, *explicit, &groups[..], &members[..])
        }
    };
    let group = |typed: &ResolvedGroup| {
        let roles = bindings.roles(&typed.roles, resolved);
        let restrictions = bindings.restrictions(&typed.restrictions);
        Group { roles, restrictions, apps: accesses(&typed.apps, resolved, &mut bindings) }
    };
    let groups = groups.iter().map(group).collect();
    let mut implicit = resolved.implicit_org.then(|| Org { active: true, ..Org::default() });
    let mut orgs: Option<Vec<Org>> = resolved.orgs.as_ref().map(|orgs| {
        let org = |org: &crate::policy::resolve::ResolvedOrg| {
            let sorted = |apps: &[usize]| {
                let mut apps: Vec<AppId> = apps.iter().map(|app| AppId(*app as u32)).collect();
                apps.sort_unstable();
                apps
            };
            Org {
                active: org.active,
                operator: org.operator,
                apps: Some(sorted(&org.apps)),
                auto_apps: sorted(&org.auto_apps),
                ..Org::default()
            }
        };
        orgs.iter().map(org).collect()
    });
    reserve(members, &mut implicit, orgs.as_deref_mut().unwrap_or_default());
    for typed in members {
        let org = match typed.org {
            None => implicit.as_mut(),
            Some(at) => orgs.as_mut().and_then(|orgs| orgs.get_mut(at)),
        };
        if let Some(org) = org {
            org.members.insert(typed.user.clone(), member(typed, resolved, &mut bindings));
        }
    }
    let apps: Vec<App> = resolved
        .apps
        .iter()
        .map(|app| App {
            id: app.id.clone(),
            active: app.active,
            auto_assign: app.auto_assign,
            everywhere: app.everywhere,
            upstream: app.upstream,
            default_roles: with_included(resolved, &app.default_roles).collect(),
        })
        .collect();
    let app_ids = apps.iter().enumerate().map(|(at, app)| (app.id.clone(), AppId(at as u32)));
    let people = People {
        membership,
        explicit,
        implicit,
        orgs: orgs.map(|list| {
            let ids = resolved.orgs.iter().flatten().map(|org| org.id.clone());
            ids.zip(list).collect()
        }),
        operators: operators(resolved),
        reaching: role_set(resolved, |role| role.reach),
        from_token: role_set(resolved, |role| role.from_token),
        app_ids: app_ids.collect::<HashMap<_, _, _>>(),
        apps,
        suspended: resolved.suspended.iter().cloned().collect(),
        groups,
        default_restrictions: defaults(&resolved.restrictions)
            .map(|at| RoleId(at as u32))
            .collect(),
        bindings: bindings.bindings.finish(),
        members: members.len(),
        listing: Listing::default(),
    };
    if resolved.asks_orgs {
        people.index_orgs();
    }
    people
}

fn operators(resolved: &Resolved) -> Box<[Arc<str>]> {
    let orgs = resolved.orgs.iter().flatten();
    orgs.filter(|org| org.operator).map(|org| org.id.clone()).collect()
}

fn role_set(resolved: &Resolved, is: impl Fn(&ResolvedRole) -> bool) -> RoleSet {
    let roles = resolved.roles.iter().enumerate().filter(|(_, role)| is(role));
    roles.map(|(at, _)| RoleId(at as u32)).collect()
}

fn member(typed: &ResolvedMember, resolved: &Resolved, bindings: &mut Lists) -> Member {
    let more = || {
        let groups = typed.groups.iter().map(|(group, window)| (*group as u32, *window));
        Box::new(More { window: typed.window, groups: groups.collect() })
    };
    let plain = typed.groups.is_empty() && typed.window == Window::default();
    Member {
        roles: bindings.roles(&typed.roles, resolved),
        restrictions: bindings.restrictions(&typed.restrictions),
        apps: accesses(&typed.apps, resolved, bindings),
        active: typed.active,
        more: (!plain).then(more),
    }
}

fn accesses(typed: &[(usize, Vec<usize>)], resolved: &Resolved, bindings: &mut Lists) -> Accesses {
    let bind =
        |(app, roles): &(usize, Vec<usize>)| (AppId(*app as u32), bindings.roles(roles, resolved));
    let mut apps: Vec<_> = typed.iter().map(bind).collect();
    apps.sort_unstable_by_key(|(app, _)| *app);
    apps.into()
}

/// Makes room for the members of each organization: tables that grow step by step cost twice.
fn reserve(members: &[ResolvedMember], implicit: &mut Option<Org>, orgs: &mut [Org]) {
    let mut counts = vec![0; orgs.len()];
    let mut of_none = 0;
    for member in members {
        match member.org.and_then(|at| counts.get_mut(at)) {
            Some(count) => *count += 1,
            None => of_none += 1,
        }
    }
    orgs.iter_mut().zip(counts).for_each(|(org, count)| org.members.reserve(count));
    implicit.iter_mut().for_each(|org| org.members.reserve(of_none));
}

/// Sets that are bound, each stored once. Most members have the roles of many others, so that a
/// list which has come before is not made a set again.
#[derive(Default)]
struct Lists {
    bindings: Bindings,
    roles: HashMap<Box<[usize]>, BindingId, RandomState>,
    restrictions: HashMap<Box<[usize]>, BindingId, RandomState>,
}

impl Lists {
    fn roles(&mut self, list: &[usize], resolved: &Resolved) -> BindingId {
        if let Some(id) = self.roles.get(list) {
            return *id;
        }
        let id = self.bindings.intern(with_included(resolved, list));
        self.roles.insert(list.into(), id);
        id
    }

    fn restrictions(&mut self, list: &[usize]) -> BindingId {
        if let Some(id) = self.restrictions.get(list) {
            return *id;
        }
        let id = self.bindings.intern(indices(list));
        self.restrictions.insert(list.into(), id);
        id
    }
}

fn indices(list: &[usize]) -> impl Iterator<Item = RoleId> {
    list.iter().map(|at| RoleId(*at as u32))
}

/// The roles and all that they include: an included role contributes as itself.
fn with_included(resolved: &Resolved, roles: &[usize]) -> impl Iterator<Item = RoleId> {
    let own = roles.iter();
    own.flat_map(|role| [*role].into_iter().chain(resolved.roles[*role].includes.iter().copied()))
        .map(|role| RoleId(role as u32))
}
