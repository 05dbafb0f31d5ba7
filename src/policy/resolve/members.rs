//! Who is a member of what: members, their groups, and the roles that both bind.

use super::Names;
use super::people::{ResolvedApp, ResolvedOrg, app_names};
use super::reach;
use super::restrictions::{ResolvedRestriction, Restrictor};
use super::roles::ResolvedRole;
use super::seen::Seen;
use crate::diag::{Code, Diagnostic, Report};
use crate::policy::people::Window;
use crate::policy::raw::{
    Cardinality, Kind, RawGroup, RawMember, RawMembership, RawPolicy, RawWindow, Text,
};
use crate::source::{Span, Spanned};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

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
        /// Roles that say `from_token` also come from credentials.
        tokens: bool,
        groups: Vec<ResolvedGroup>,
        members: Vec<ResolvedMember>,
    },
}

/// A group of members of one organization: what they have besides their own.
#[derive(Clone, Debug)]
pub struct ResolvedGroup {
    /// Index of the organization; `None` is the implicit one.
    pub org: Option<usize>,
    pub roles: Vec<usize>,
    /// Indices of restrictions.
    pub restrictions: Vec<usize>,
    /// Applications and the roles in each.
    pub apps: Vec<(usize, Vec<usize>)>,
}

/// A membership.
#[derive(Clone, Debug)]
pub struct ResolvedMember {
    pub user: Arc<str>,
    /// Index of the organization; `None` is the implicit one.
    pub org: Option<usize>,
    pub roles: Vec<usize>,
    /// Indices of its own restrictions.
    pub restrictions: Vec<usize>,
    /// Groups, and when the member is in each.
    pub groups: Vec<(usize, Window)>,
    /// Applications and the roles in each.
    pub apps: Vec<(usize, Vec<usize>)>,
    pub active: bool,
    /// When the membership holds.
    pub window: Window,
}

impl Default for ResolvedMembers {
    fn default() -> ResolvedMembers {
        ResolvedMembers::Token { explicit: false }
    }
}

/// What members refer to.
pub(super) struct About<'a> {
    pub roles: &'a [ResolvedRole],
    pub restrictions: &'a [ResolvedRestriction],
    pub apps: &'a [ResolvedApp],
    pub orgs: Option<&'a [ResolvedOrg]>,
    pub implicit_org: bool,
}

pub(super) fn members(raw: &RawPolicy, about: &About<'_>, report: &mut Report) -> ResolvedMembers {
    let explicit = raw.membership.is_some();
    let mode = raw.membership.map(|mode| mode.value).unwrap_or(match (&raw.members, &raw.groups) {
        (None, None) => RawMembership::Token,
        _ => RawMembership::Directory,
    });
    if mode == RawMembership::Token {
        let members = raw.members.iter().flatten().map(|member| ("members", member.span));
        let groups = raw.groups.iter().flatten().map(|group| ("groups", group.span));
        let invitations = raw.invitations.iter().map(|one| ("invitations", one.span));
        let listed = members.chain(groups).chain(invitations).next();
        if let (Some((key, first)), Some(mode)) = (listed, &raw.membership) {
            report.push(
                Diagnostic::error(
                    Code::BadValue,
                    mode.span,
                    format!("{key} are listed, but `membership: token` takes none of them"),
                )
                .also(first, "the first of them")
                .help(format!("write `membership: directory`, or remove `{key}`")),
            );
        }
        return ResolvedMembers::Token { explicit };
    }
    let typed = raw.members.as_deref().unwrap_or_default();
    let mut reader = MemberReader {
        raw,
        binder: Binder::new(raw, about.roles),
        restrictor: Restrictor::new(raw, about.restrictions),
        app_names: app_names(raw),
        org_names: Names::again(
            raw,
            Kind::Organization,
            raw.organizations.iter().flatten().map(|org| &org.id),
        ),
        about,
        primaries: HashMap::new(),
        group_names: Names::again(
            raw,
            Kind::Group,
            raw.groups.iter().flatten().map(|group| &group.id),
        ),
        seen: Seen::new(typed),
        report,
    };
    let groups = reader.groups();
    let members = typed.iter().enumerate();
    let members = members.filter_map(|(at, member)| reader.member(at, member, &groups)).collect();
    // One that could not be read is no part of a policy that loads.
    let groups = groups.into_iter().flatten().collect();
    ResolvedMembers::Directory { explicit, tokens: mode == RawMembership::Both, groups, members }
}

struct MemberReader<'a> {
    raw: &'a RawPolicy,
    binder: Binder<'a>,
    app_names: Names<'a>,
    org_names: Names<'a>,
    restrictor: Restrictor<'a>,
    about: &'a About<'a>,
    /// The primary member of each organization.
    primaries: HashMap<Option<usize>, Span>,
    group_names: Names<'a>,
    seen: Seen<'a>,
    report: &'a mut Report,
}

impl<'a> MemberReader<'a> {
    /// The groups in their order; `None` where the organization of one is not known.
    fn groups(&mut self) -> Vec<Option<ResolvedGroup>> {
        let typed = self.raw.groups.as_deref().unwrap_or_default();
        Names::collect(self.raw, Kind::Group, typed.iter().map(|group| &group.id), self.report);
        typed.iter().map(|group| self.group(group)).collect()
    }

    /// What a group names is looked up also where its organization is not known.
    fn group(&mut self, typed: &'a RawGroup) -> Option<ResolvedGroup> {
        let org = self.org(typed.org.as_ref(), &typed.id, typed.span, "a group");
        self.stays_home(org, &typed.roles);
        let roles = self.binder.bind_all(&typed.roles, false, self.report);
        self.cardinality(&typed.roles, self.raw.limits.org_roles_per_member, "a member");
        let apps = typed.apps.iter().filter_map(|(app, roles)| self.access(org, app, roles));
        let apps = apps.collect();
        let restrictions = self.restrictor.attach(&typed.restrictions, self.report);
        Some(ResolvedGroup { org: org?, roles, restrictions, apps })
    }

    /// The groups that a member is in: those of its organization alone.
    fn groups_of(
        &mut self,
        typed: &'a RawMember,
        org: Option<Option<usize>>,
        groups: &[Option<ResolvedGroup>],
    ) -> Vec<(usize, Window)> {
        let mut found = Vec::new();
        for entry in &typed.groups {
            let Some(at) = self.group_names.find(&entry.id, self.report) else { continue };
            let window = window(&entry.window, self.report);
            if groups[at].as_ref().zip(org).is_some_and(|(group, org)| group.org != org) {
                let message = format!("`{}` is a group of another organization", entry.id.value);
                self.report.push(
                    Diagnostic::error(Code::OrgIsolation, entry.id.span, message)
                        .help("put the member into a group of its own organization"),
                );
            }
            found.push((at, window));
        }
        found
    }

    /// PRIMARY_SINGLE: an organization has one primary member at most.
    fn primary_single(&mut self, typed: &RawMember, org: Option<usize>) {
        let Some(span) = typed.primary else { return };
        let first = *self.primaries.entry(org).or_insert(span);
        if first != span {
            let message = "this organization has another primary member";
            self.report.push(
                Diagnostic::error(Code::PrimarySingle, span, message)
                    .also(first, "the other one")
                    .help("leave `primary: true` at one of them"),
            );
        }
    }

    /// PRIMARY_UNRESTRICTED: nothing restricts a primary member, not through a group either.
    fn primary_unrestricted(
        &mut self,
        typed: &RawMember,
        member: &ResolvedMember,
        groups: &[Option<ResolvedGroup>],
    ) {
        let Some(span) = typed.primary else { return };
        let restricting = |group: usize| {
            groups[group].as_ref().is_some_and(|group| !group.restrictions.is_empty())
        };
        let entries = typed.groups.iter().zip(&member.groups);
        let by_group =
            entries.filter(|(_, (group, _))| restricting(*group)).map(|(entry, _)| &entry.id);
        for name in typed.restrictions.iter().flatten().chain(by_group) {
            let message = format!("`{}` would restrict the primary member", name.value);
            self.report.push(
                Diagnostic::error(Code::PrimaryUnrestricted, name.span, message)
                    .also(span, "primary")
                    .help("take it out, or make another member the primary one"),
            );
        }
    }

    /// ROLE_CARDINALITY of what a member has through its groups together with its own.
    fn cardinality_with_groups(
        &mut self,
        typed: &RawMember,
        member: &ResolvedMember,
        groups: &[Option<ResolvedGroup>],
    ) {
        let limit = self.raw.limits.org_roles_per_member;
        let Some(Spanned { value: Cardinality::AtMost(most), span }) = limit else { return };
        let mut roles: HashSet<usize> = member.roles.iter().copied().collect();
        if roles.len() > most as usize {
            return;
        }
        for (entry, (group, _)) in typed.groups.iter().zip(&member.groups) {
            roles.extend(groups[*group].iter().flat_map(|group| &group.roles));
            if roles.len() > most as usize {
                let message = format!("a member has at most {most} of these roles");
                let problem = Diagnostic::error(Code::RoleCardinality, entry.id.span, message);
                self.report.push(problem.also(span, "the limit").help(
                    "take the member out of a group, or raise the limit: the roles of groups \
                         count as well",
                ));
                return;
            }
        }
    }

    /// What a member names is looked up also where its organization is not known, and what is said of
    /// the organization is not.
    fn member(
        &mut self,
        at: usize,
        typed: &'a RawMember,
        groups: &[Option<ResolvedGroup>],
    ) -> Option<ResolvedMember> {
        if typed.user.value.is_empty() {
            let message = "the user of this member is empty";
            self.report.push(
                Diagnostic::error(Code::BadValue, typed.user.span, message)
                    .help("write the id that the authenticator gives the user"),
            );
        }
        let org = self.org(typed.org.as_ref(), &typed.user, typed.span, "a member");
        if let Some(org) = org {
            self.once(at, typed);
            self.primary_single(typed, org);
        }
        self.stays_home(org, &typed.roles);
        let roles = self.binder.bind_all(&typed.roles, false, self.report);
        self.cardinality(&typed.roles, self.raw.limits.org_roles_per_member, "a member");
        let apps = typed.apps.iter().filter_map(|(app, roles)| self.access(org, app, roles));
        let member = ResolvedMember {
            user: typed.user.value.as_str().into(),
            org: org.flatten(),
            roles,
            apps: apps.collect(),
            groups: self.groups_of(typed, org, groups),
            restrictions: self.restrictor.of(typed, self.report),
            active: !typed.suspended,
            window: window(&typed.window, self.report),
        };
        self.cardinality_with_groups(typed, &member, groups);
        self.primary_unrestricted(typed, &member, groups);
        org.map(|_| member)
    }

    /// A user is a member of an organization once.
    fn once(&mut self, at: usize, typed: &RawMember) {
        if let Some(first) = self.seen.again(at) {
            let message = format!("`{}` is a member of this organization twice", typed.user.value);
            self.report.push(
                Diagnostic::error(Code::IdUnique, typed.user.span, message)
                    .also(first.user.span, "first listed here")
                    .help("join the two, or remove one"),
            );
        }
    }

    /// The index of an organization, `None` within for the implicit one; `None` where it is not
    /// known, which is reported.
    fn org(
        &mut self,
        typed: Option<&Text>,
        who: &Text,
        span: Span,
        what: &str,
    ) -> Option<Option<usize>> {
        match typed {
            None if self.about.implicit_org => Some(None),
            None => {
                let message = format!("`{}` is {what} of no organization", who.value);
                self.report.push(
                    Diagnostic::error(Code::MissingKey, span, message)
                        .help("add `org: ID`; only a policy without organizations omits it"),
                );
                None
            }
            Some(org) => self.org_names.find(org, self.report).map(Some),
        }
    }

    /// What is bound here must not reach other organizations, unless this is an operator.
    fn stays_home(&mut self, org: Option<Option<usize>>, roles: &[Text]) {
        let Some(org) = org else { return };
        let id = org.zip(self.about.orgs).map(|(at, orgs)| &orgs[at]);
        if self.binder.reaches && id.is_none_or(|org| !org.operator) {
            reach::stays_home(roles, &self.binder, id.map(|org| &*org.id), self.report);
        }
    }

    fn access(
        &mut self,
        org: Option<Option<usize>>,
        app: &Text,
        roles: &[Text],
    ) -> Option<(usize, Vec<usize>)> {
        let at = self.app_names.find(app, self.report).filter(|at| *at < self.about.apps.len())?;
        if let (Some(org), Some(orgs)) = (org.flatten(), self.about.orgs)
            && !orgs[org].apps.contains(&at)
            && !self.about.apps[at].everywhere
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
                    .also(span, "the limit")
                    .help("take roles out, or raise the limit"),
            );
        }
    }
}

/// When something holds. One that never does is a mistake.
fn window(typed: &RawWindow, report: &mut Report) -> Window {
    if let (Some(from), Some(to)) = (typed.not_before, typed.expires)
        && from.value >= to.value
    {
        report.push(
            Diagnostic::error(Code::BadValue, to.span, "this is not after `not_before`")
                .also(from.span, "it begins here")
                .help("write a later time, or take one of the two out"),
        );
    }
    Window::new(typed.not_before.map(|time| time.value), typed.expires.map(|time| time.value))
}

/// Roles of one binding up to which they are compared one by one.
const FEW: usize = 16;

/// Binds roles by name and scope.
pub(super) struct Binder<'a> {
    names: Names<'a>,
    roles: &'a [ResolvedRole],
    /// Some role reaches.
    reaches: bool,
}

impl<'a> Binder<'a> {
    pub fn new(raw: &'a RawPolicy, roles: &'a [ResolvedRole]) -> Binder<'a> {
        let ids = raw.roles.iter().map(|role| &role.id);
        let reaches = roles.iter().any(|role| role.reach);
        Binder { names: Names::again(raw, Kind::Role, ids), roles, reaches }
    }

    /// The role with this name, whatever its scope; an unknown one is told where it is bound.
    pub fn known(&self, name: &Text) -> Option<&'a ResolvedRole> {
        self.roles.get(self.names.find(name, &mut Report::default())?)
    }

    /// The roles that a role includes, directly and through others.
    pub fn included(&self, role: &'a ResolvedRole) -> impl Iterator<Item = &'a ResolvedRole> {
        role.includes.iter().map(|at| &self.roles[*at])
    }

    pub fn bind_all(&self, names: &[Text], app_scope: bool, report: &mut Report) -> Vec<usize> {
        let mut bound: Vec<usize> = Vec::with_capacity(names.len());
        // A million members have few roles each; only a long list is worth a table.
        let mut seen: Option<HashSet<usize>> = (names.len() > FEW).then(HashSet::new);
        for role in names.iter().filter_map(|name| self.bind(name, app_scope, report)) {
            let is_new = match &mut seen {
                Some(seen) => seen.insert(role),
                None => !bound.contains(&role),
            };
            if is_new {
                bound.push(role);
            }
        }
        bound
    }

    pub fn bind(&self, name: &Text, app_scope: bool, report: &mut Report) -> Option<usize> {
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
