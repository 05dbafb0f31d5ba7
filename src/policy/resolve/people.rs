//! Applications, organizations and who is a member of what.

use super::Names;
use super::roles::ResolvedRole;
use crate::diag::{Code, Diagnostic, Report};
use crate::policy::raw::{
    Cardinality, Kind, RawAssignedApp, RawMember, RawMembership, RawOrganization, RawPolicy, Text,
};
use crate::source::{Span, Spanned};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// An application.
#[derive(Clone, Debug)]
pub struct ResolvedApp {
    pub id: Arc<str>,
    pub active: bool,
    /// Every user of an organization may enter it.
    pub auto_assign: bool,
    /// Every organization has it: it is `default` or `auto_assign`.
    pub everywhere: bool,
    /// The roles that act where an access lists none.
    pub default_roles: Vec<usize>,
}

/// An organization.
#[derive(Clone, Debug)]
pub struct ResolvedOrg {
    pub id: Arc<str>,
    pub active: bool,
    /// Indices of the applications that are assigned to it by name.
    pub apps: Vec<usize>,
    /// Those of them that every user of it may enter.
    pub auto_apps: Vec<usize>,
}

/// Where memberships come from.
#[derive(Clone, Debug)]
pub enum ResolvedMembers {
    /// From credentials.
    Token {
        /// The policy says so itself.
        explicit: bool,
    },
    /// From this list.
    Directory {
        /// The policy says so itself.
        explicit: bool,
        members: Vec<ResolvedMember>,
    },
}

/// A membership.
#[derive(Clone, Debug)]
pub struct ResolvedMember {
    pub user: Arc<str>,
    /// Index of the organization; `None` is the implicit one.
    pub org: Option<usize>,
    pub roles: Vec<usize>,
    /// Applications and the roles in each.
    pub apps: Vec<(usize, Vec<usize>)>,
    pub active: bool,
}

impl Default for ResolvedMembers {
    fn default() -> ResolvedMembers {
        ResolvedMembers::Token { explicit: false }
    }
}

pub(super) fn apps(raw: &RawPolicy, report: &mut Report) -> Vec<ResolvedApp> {
    Names::collect(raw, Kind::Application, raw.applications.iter().map(|app| &app.id), report);
    one_default(raw, report);
    raw.applications
        .iter()
        .map(|app| ResolvedApp {
            id: app.id.value.as_str().into(),
            active: app.active,
            auto_assign: app.auto_assign,
            everywhere: app.auto_assign || app.default.is_some(),
            default_roles: Vec::new(),
        })
        .collect()
}

/// DEFAULT_APP_SINGLE
fn one_default(raw: &RawPolicy, report: &mut Report) {
    let mut defaults = raw.applications.iter().filter_map(|app| app.default);
    let Some(first) = defaults.next() else { return };
    for other in defaults {
        let message = "a policy has one default application, and this is another";
        report.push(
            Diagnostic::error(Code::DefaultAppSingle, other, message)
                .also(first, "the first one")
                .help("write `auto_assign: true`, or assign it to each organization"),
        );
    }
}

/// An application's `default_role`, or else the application roles that are `default`.
pub(super) fn default_roles(
    raw: &RawPolicy,
    mut apps: Vec<ResolvedApp>,
    roles: &[ResolvedRole],
    report: &mut Report,
) -> Vec<ResolvedApp> {
    let binder = Binder::new(raw, roles);
    let general: Vec<usize> =
        (0..roles.len()).filter(|at| roles[*at].app_scope && roles[*at].default).collect();
    for (app, typed) in apps.iter_mut().zip(&raw.applications) {
        app.default_roles = match &typed.default_role {
            Some(name) => binder.bind(name, true, report).into_iter().collect(),
            None => general.clone(),
        };
    }
    apps
}

pub(super) fn orgs(
    raw: &RawPolicy,
    apps: &[ResolvedApp],
    report: &mut Report,
) -> Option<Vec<ResolvedOrg>> {
    let typed = raw.organizations.as_ref()?;
    Names::collect(raw, Kind::Organization, typed.iter().map(|org| &org.id), report);
    let app_names = app_names(raw);
    let org = |org: &RawOrganization| {
        let assigned: Vec<(usize, bool)> = org
            .apps
            .iter()
            .filter_map(|app| Some((assigned_app(app, &app_names, apps, report)?, app.auto_assign)))
            .collect();
        let auto = assigned.iter().filter(|(_, auto)| *auto);
        ResolvedOrg {
            id: org.id.value.as_str().into(),
            active: !org.suspended,
            auto_apps: auto.map(|(app, _)| *app).collect(),
            apps: assigned.iter().map(|(app, _)| *app).collect(),
        }
    };
    Some(typed.iter().map(org).collect())
}

/// The index of an application that an organization lists. One that every organization has anyhow
/// is derived at each decision and never stored: APP_AUTO_DERIVED.
fn assigned_app(
    typed: &RawAssignedApp,
    names: &Names<'_>,
    apps: &[ResolvedApp],
    report: &mut Report,
) -> Option<usize> {
    let at = names.find(&typed.id, report)?;
    if apps.get(at)?.auto_assign {
        let message = format!("every organization has `{}`: it is `auto_assign`", typed.id.value);
        report.push(
            Diagnostic::error(Code::AppAutoDerived, typed.id.span, message)
                .help("leave it out here; nobody needs to store it"),
        );
    }
    Some(at)
}

pub(super) fn members(
    raw: &RawPolicy,
    roles: &[ResolvedRole],
    apps: &[ResolvedApp],
    orgs: Option<&[ResolvedOrg]>,
    implicit_org: bool,
    report: &mut Report,
) -> ResolvedMembers {
    let explicit = raw.membership.is_some();
    let mode = raw.membership.map(|mode| mode.value).unwrap_or(match raw.members {
        Some(_) => RawMembership::Directory,
        None => RawMembership::Token,
    });
    if mode == RawMembership::Token {
        if let (Some([first, ..]), Some(mode)) = (raw.members.as_deref(), &raw.membership) {
            report.push(
                Diagnostic::error(
                    Code::BadValue,
                    mode.span,
                    "members are listed, but `membership: token` takes none of them",
                )
                .also(first.span, "the first of them")
                .help("write `membership: directory`, or remove `members`"),
            );
        }
        return ResolvedMembers::Token { explicit };
    }
    let mut reader = MemberReader {
        raw,
        binder: Binder::new(raw, roles),
        app_names: app_names(raw),
        org_names: Names::again(
            raw,
            Kind::Organization,
            raw.organizations.iter().flatten().map(|org| &org.id),
        ),
        apps,
        orgs,
        implicit_org,
        seen: HashMap::new(),
        report,
    };
    let typed = raw.members.as_deref().unwrap_or_default();
    let members = typed.iter().filter_map(|member| reader.member(member)).collect();
    ResolvedMembers::Directory { explicit, members }
}

struct MemberReader<'a> {
    raw: &'a RawPolicy,
    binder: Binder<'a>,
    app_names: Names<'a>,
    org_names: Names<'a>,
    apps: &'a [ResolvedApp],
    orgs: Option<&'a [ResolvedOrg]>,
    implicit_org: bool,
    seen: HashMap<(&'a str, Option<usize>), Span>,
    report: &'a mut Report,
}

impl<'a> MemberReader<'a> {
    fn member(&mut self, typed: &'a RawMember) -> Option<ResolvedMember> {
        if typed.user.value.is_empty() {
            let message = "the user of this member is empty";
            self.report.push(Diagnostic::error(Code::BadValue, typed.user.span, message));
        }
        let org = self.org(typed)?;
        let first = *self.seen.entry((&typed.user.value, org)).or_insert(typed.user.span);
        if first != typed.user.span {
            let message = format!("`{}` is a member of this organization twice", typed.user.value);
            self.report.push(
                Diagnostic::error(Code::IdUnique, typed.user.span, message)
                    .also(first, "first listed here"),
            );
        }
        let roles = self.binder.bind_all(&typed.roles, false, self.report);
        self.cardinality(&typed.roles, self.raw.limits.org_roles_per_member, "a member");
        let apps = typed.apps.iter().filter_map(|(app, roles)| self.access(org, app, roles));
        let apps = apps.collect();
        let user = typed.user.value.as_str().into();
        Some(ResolvedMember { user, org, roles, apps, active: !typed.suspended })
    }

    /// The index of the member's organization, `None` for the implicit one.
    fn org(&mut self, typed: &RawMember) -> Option<Option<usize>> {
        match &typed.org {
            None if self.implicit_org => Some(None),
            None => {
                let message = format!("`{}` is a member of no organization", typed.user.value);
                self.report.push(
                    Diagnostic::error(Code::MissingKey, typed.span, message)
                        .help("add `org: ID`; only a policy without organizations omits it"),
                );
                None
            }
            Some(org) => self.org_names.find(org, self.report).map(Some),
        }
    }

    fn access(
        &mut self,
        org: Option<usize>,
        app: &Text,
        roles: &[Text],
    ) -> Option<(usize, Vec<usize>)> {
        let at = self.app_names.find(app, self.report).filter(|at| *at < self.apps.len())?;
        if let (Some(org), Some(orgs)) = (org, self.orgs)
            && !orgs[org].apps.contains(&at)
            && !self.apps[at].everywhere
        {
            let message =
                format!("`{}` is not assigned to the organization `{}`", app.value, orgs[org].id);
            self.report.push(
                Diagnostic::error(Code::AppAssigned, app.span, message)
                    .help("add it to the organization's `apps`, or take this access away"),
            );
        }
        let bound = self.binder.bind_all(roles, true, self.report);
        self.cardinality(
            roles,
            self.raw.limits.app_roles_per_access,
            "an access to an application",
        );
        Some((at, bound))
    }

    fn cardinality(&mut self, roles: &[Text], limit: Option<Spanned<Cardinality>>, what: &str) {
        let Some(Spanned { value: Cardinality::AtMost(most), span }) = limit else { return };
        if let Some(one_more) = roles.get(most as usize) {
            let message = format!("{what} has at most {most} of these roles");
            self.report.push(
                Diagnostic::error(Code::RoleCardinality, one_more.span, message)
                    .also(span, "the limit"),
            );
        }
    }
}

/// Binds roles by name and scope.
struct Binder<'a> {
    names: Names<'a>,
    roles: &'a [ResolvedRole],
}

impl<'a> Binder<'a> {
    fn new(raw: &'a RawPolicy, roles: &'a [ResolvedRole]) -> Binder<'a> {
        let ids = raw.roles.iter().map(|role| &role.id);
        Binder { names: Names::again(raw, Kind::Role, ids), roles }
    }

    fn bind_all(&self, names: &[Text], app_scope: bool, report: &mut Report) -> Vec<usize> {
        let mut seen = HashSet::new();
        names
            .iter()
            .filter_map(|name| self.bind(name, app_scope, report))
            .filter(|role| seen.insert(*role))
            .collect()
    }

    fn bind(&self, name: &Text, app_scope: bool, report: &mut Report) -> Option<usize> {
        let at = self.names.find(name, report)?;
        if self.roles.get(at)?.app_scope != app_scope {
            let (is, place) = match app_scope {
                true => ("an organization role", "an application"),
                false => ("an application role", "an organization"),
            };
            let message = format!("`{}` is {is} and cannot be bound to {place}", name.value);
            report.push(
                Diagnostic::error(Code::RoleScope, name.span, message)
                    .help("bind a role of the other scope, or change the role's `scope`"),
            );
            return None;
        }
        Some(at)
    }
}

fn app_names(raw: &RawPolicy) -> Names<'_> {
    Names::again(raw, Kind::Application, raw.applications.iter().map(|app| &app.id))
}
