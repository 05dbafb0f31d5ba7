//! Steps 5 and 6: what a request addresses, and who the caller is there.

use super::model::{App, Caller, Group, Member, Org, Policy, Request, Route};
use super::paths::{label, position, split};
use portcullis::decide::Reason;

/// What counts for the caller in what is addressed.
#[derive(Debug, Default)]
pub struct Standing {
    pub org: Option<String>,
    pub app: Option<String>,
    /// Roles with what they include, sorted.
    pub roles: Vec<String>,
    /// Those of the organization alone.
    pub org_roles: Vec<String>,
    /// Restrictions, by id.
    pub restrictions: Vec<String>,
}

/// What a route says of one kind of address.
enum Place {
    Nowhere,
    Missing,
    Named(String),
}

/// One question, and all that is needed to answer it.
pub struct Asked<'a> {
    pub policy: &'a Policy,
    pub request: &'a Request,
    pub caller: &'a Caller,
    pub route: &'a Route,
}

impl Asked<'_> {
    /// Whether what the body does not mention stays as it is.
    pub fn merges(&self) -> bool {
        let merges = self.route.update.as_deref() == Some("merge");
        self.request.method == "PATCH" || (self.request.method == "PUT" && merges)
    }

    pub fn standing(&self) -> Result<Standing, Reason> {
        let org = self.address("org", &self.route.org)?;
        let app = self.address("app", &self.route.app)?;
        let org = match org {
            Place::Named(org) => Some(org),
            Place::Nowhere => None,
            Place::Missing => return Err(Reason::NotAMember),
        };
        if self.is_suspended() {
            return Err(Reason::NotAMember);
        }
        let org_roles = self.org_roles(org.as_deref())?;
        let app = match app {
            Place::Named(app) => Some(app),
            Place::Missing if !is_claim(&self.route.app) => return Err(Reason::NoAppAccess),
            // A claim that the credential lacks addresses none.
            Place::Missing | Place::Nowhere => None,
        };
        let app_roles = self.app_roles(org.as_deref(), app.as_deref(), &org_roles)?;
        let mut roles = [org_roles.clone(), app_roles].concat();
        roles.sort();
        roles.dedup();
        let restrictions = self.restrictions(org.as_deref());
        Ok(Standing { org, app, roles, org_roles, restrictions })
    }

    /// Whether the user as such is suspended, and so a member of nothing.
    fn is_suspended(&self) -> bool {
        let suspended = |status: &Option<String>| status.as_deref() == Some("suspended");
        let mut users = self.policy.users.iter();
        users.any(|user| user.id == self.caller.user && suspended(&user.status))
    }

    fn address(&self, kind: &str, written: &Option<String>) -> Result<Place, Reason> {
        let named = |id: Option<String>| id.map_or(Place::Missing, Place::Named);
        Ok(match written.as_deref().map(|source| source.split_once('.').unwrap()) {
            Some(("claims", name)) => named(self.caller.claim(name)),
            Some(("header", name)) => named(self.request.header(name)?),
            Some(("host", name)) => {
                let host = self.route.host.as_deref().unwrap_or_default();
                named(label(host, name, &self.request.host))
            }
            Some(_) => panic!("{kind} of {written:?}"),
            None => match position(&self.route.pattern, kind) {
                Some(at) => Place::Named(split(&self.request.path)[at].into()),
                None => {
                    let host = self.route.host.as_deref().unwrap_or_default();
                    label(host, kind, &self.request.host).map_or(Place::Nowhere, Place::Named)
                }
            },
        })
    }

    // ---- organizations ------------------------------------------------------------------

    /// Roles in the addressed organization: of a membership there, and those that travel to it.
    fn org_roles(&self, org: Option<&str>) -> Result<Vec<String>, Reason> {
        let policy = self.policy;
        if let (Some(id), true) = (org, policy.lists_orgs()) {
            let known = policy.org(id).ok_or(Reason::NotAMember)?;
            if !known.is_active() {
                return Err(Reason::NotAMember);
            }
        }
        if org.is_none() && !policy.is_implicit() {
            return Ok(Vec::new());
        }
        let travelling = self.travelling(org);
        match (self.direct(org), travelling) {
            (None, None) => Err(Reason::NotAMember),
            (direct, travelling) => {
                Ok([direct.unwrap_or_default(), travelling.unwrap_or_default()].concat())
            }
        }
    }

    /// Roles of a membership in the addressed organization itself.
    fn direct(&self, org: Option<&str>) -> Option<Vec<String>> {
        if self.caller.org.is_some() && self.caller.org.as_deref() != org {
            return None;
        }
        self.roles_in(org)
    }

    /// Roles of a membership, wherever it is.
    fn roles_in(&self, org: Option<&str>) -> Option<Vec<String>> {
        // A credential makes a member of the one that it names, and of no other.
        let names_it = self.caller.org.as_deref() == org;
        if self.policy.membership() == "token" {
            return names_it.then(|| self.claimed(org, false, false));
        }
        let claimed = self.claimed_besides(org, false);
        if !self.is_listed(org) {
            // A role in the application that the credential names makes a member as well.
            let by_app = self.caller.app.is_some() && !self.claimed_besides(org, true).is_empty();
            return (names_it && (by_app || !claimed.is_empty())).then_some(claimed);
        }
        // A claim does not open what the list has closed.
        let member = self.member(org)?;
        let groups = self.groups(member).into_iter().flat_map(|group| &group.roles);
        let bound: Vec<_> = groups.chain(&member.roles).cloned().collect();
        Some([self.narrowed(&bound), claimed].concat())
    }

    /// Roles that reach from an operator's organization.
    fn travelling(&self, org: Option<&str>) -> Option<Vec<String>> {
        let addressed = org?;
        let mut all = Vec::new();
        for operator in self.operators(addressed) {
            let roles = self.roles_in(Some(&operator.id)).unwrap_or_default();
            let reaching: Vec<_> = roles.into_iter().filter(|id| self.reaches(id)).collect();
            // A role brings what it includes.
            all.extend(self.with_included(&reaching));
        }
        (!all.is_empty()).then_some(all)
    }

    fn reaches(&self, role: &str) -> bool {
        let role = self.policy.role(role);
        role.is_some_and(|role| role.reach.as_deref() == Some("all-orgs"))
    }

    /// Operators from which the caller could reach this organization.
    fn operators(&self, addressed: &str) -> Vec<&Org> {
        let acts_in =
            |id: &str| self.caller.org.is_none() || self.caller.org.as_deref() == Some(id);
        let all = self.policy.organizations.iter().flatten();
        all.filter(|org| org.operator && org.is_active() && org.id != addressed && acts_in(&org.id))
            .collect()
    }

    // ---- applications -------------------------------------------------------------------

    fn app_roles(
        &self,
        org: Option<&str>,
        app: Option<&str>,
        org_roles: &[String],
    ) -> Result<Vec<String>, Reason> {
        let Some(app) = app else {
            // A credential that names an application acts there alone.
            let elsewhere = self.caller.app.is_some();
            return if elsewhere { Err(Reason::NoAppAccess) } else { Ok(Vec::new()) };
        };
        let mut known = self.policy.applications.iter();
        let known = known.find(|known| known.id == app).ok_or(Reason::AppNotAssigned)?;
        if !self.is_assigned(org, known) {
            return Err(Reason::AppNotAssigned);
        }
        if self.caller.app.is_some() && self.caller.app.as_deref() != Some(app) {
            return Err(Reason::NoAppAccess);
        }
        let given = self.given(org, known);
        if given.is_none() && !self.is_open(org_roles, org, known) {
            return Err(Reason::NoAppAccess);
        }
        if known.active == Some(false) {
            return Err(Reason::AppInactive);
        }
        // Derived entry brings no role of the application.
        Ok(given.unwrap_or_default())
    }

    /// Whether the addressed organization has the application.
    fn is_assigned(&self, org: Option<&str>, app: &App) -> bool {
        match org {
            None => self.policy.is_implicit(),
            Some(_) if !self.policy.lists_orgs() || app.default || app.auto_assign => true,
            Some(org) => self.policy.org(org).is_some_and(|org| org.has(&app.id)),
        }
    }

    /// The roles of an access that the caller was given, if it was.
    pub fn given(&self, org: Option<&str>, app: &App) -> Option<Vec<String>> {
        if self.caller.org.is_some() && self.caller.org.as_deref() != org {
            return None;
        }
        if self.policy.membership() == "token" {
            self.caller.app.as_ref()?;
            // A claimed role is what the credential says: only listed ones are narrowed by a key.
            let claimed = self.claimed(org, true, false);
            let acting = if claimed.is_empty() { self.default_roles(app) } else { claimed };
            return Some(self.with_included(&acting));
        }
        let names_it = self.caller.app.as_deref() == Some(&app.id);
        let claimed = if names_it { self.claimed_besides(org, true) } else { Vec::new() };
        let member = match self.is_listed(org) {
            true => Some(self.member(org)?),
            false => None,
        };
        let groups = member.map(|member| self.groups(member)).unwrap_or_default();
        let groups = groups.into_iter().flat_map(|group| &group.apps);
        let own = member.into_iter().flat_map(|member| &member.apps);
        let accesses = groups.chain(own).filter(|(id, _)| **id == app.id);
        let acting: Vec<_> = accesses
            .map(|(_, roles)| match roles.is_empty() {
                true => self.default_roles(app),
                false => roles.clone(),
            })
            .collect();
        if acting.is_empty() && claimed.is_empty() {
            return None;
        }
        Some([self.narrowed(&acting.concat()), claimed].concat())
    }

    /// Whether a member enters without having been given the application.
    fn is_open(&self, org_roles: &[String], org: Option<&str>, app: &App) -> bool {
        let org = org.and_then(|org| self.policy.org(org));
        let mut assigned = org.into_iter().flat_map(|org| &org.apps);
        let enters_all = |id: &String| {
            let role = self.policy.role(id);
            role.is_some_and(|role| role.app_access.as_deref() == Some("all"))
        };
        app.auto_assign
            || assigned.any(|assigned| assigned.id() == app.id && assigned.is_auto())
            || org_roles.iter().any(enters_all)
    }

    fn default_roles(&self, app: &App) -> Vec<String> {
        let default = self.policy.roles.iter().filter(|role| role.is_app_scope() && role.default);
        match &app.default_role {
            Some(role) => vec![role.clone()],
            None => default.map(|role| role.id.clone()).collect(),
        }
    }

    /// Applications that the caller may enter where it stands, by every way of step 6.
    pub fn apps(&self, standing: &Standing) -> Vec<String> {
        let enters = |app: &&App| {
            self.app_roles(standing.org.as_deref(), Some(&app.id), &standing.org_roles).is_ok()
        };
        self.policy.applications.iter().filter(enters).map(|app| app.id.clone()).collect()
    }

    /// Organizations in which the caller is an active member.
    pub fn orgs(&self) -> Vec<String> {
        if !self.policy.lists_orgs() {
            return self
                .caller
                .org
                .iter()
                .filter(|_| !self.policy.is_implicit())
                .cloned()
                .collect();
        }
        let all = self.policy.organizations.iter().flatten().filter(|org| org.is_active());
        let own = all.filter(|org| self.direct(Some(&org.id)).is_some());
        own.map(|org| org.id.clone()).collect()
    }

    // ---- members ------------------------------------------------------------------------

    /// Whether the policy says anything of the caller's membership there, be it current or not.
    fn is_listed(&self, org: Option<&str>) -> bool {
        let mut members = self.policy.members.iter().flatten();
        members.any(|member| member.user == self.caller.user && member.org.as_deref() == org)
    }

    fn member(&self, org: Option<&str>) -> Option<&Member> {
        let mut members = self.policy.members.iter().flatten();
        members.find(|member| {
            member.user == self.caller.user
                && member.org.as_deref() == org
                && member.is_current(self.request.now)
        })
    }

    /// The groups that a member is in at this time.
    fn groups(&self, member: &Member) -> Vec<&Group> {
        let current = member.groups.iter().filter(|group| group.is_current(self.request.now));
        let all = self.policy.groups.iter().flatten();
        current.flat_map(|entry| all.clone().filter(move |group| group.id == entry.id())).collect()
    }

    /// What restricts the caller here: the membership, and the ones from which roles travelled.
    fn restrictions(&self, org: Option<&str>) -> Vec<String> {
        let Some(addressed) = org else {
            let implicit = self.policy.is_implicit();
            return if implicit { self.restrictions_in(None) } else { Vec::new() };
        };
        let mut all = Vec::new();
        if self.direct(org).is_some() {
            all.extend(self.restrictions_in(org));
        }
        for operator in self.operators(addressed) {
            let roles = self.roles_in(Some(&operator.id)).unwrap_or_default();
            if roles.iter().any(|id| self.reaches(id)) {
                all.extend(self.restrictions_in(Some(&operator.id)));
            }
        }
        all
    }

    /// The restrictions of a membership. Who is no listed member has those that are default.
    fn restrictions_in(&self, org: Option<&str>) -> Vec<String> {
        let defaults = || {
            let defaults = self.policy.restrictions.iter().filter(|one| one.default);
            defaults.map(|one| one.id.clone()).collect()
        };
        let Some(member) = self.member(org) else { return defaults() };
        let mut all = match &member.restrictions {
            Some(listed) => listed.clone(),
            None if member.primary => Vec::new(),
            None => defaults(),
        };
        let groups = self.groups(member).into_iter();
        all.extend(groups.flat_map(|group| &group.restrictions).cloned());
        all
    }

    // ---- roles --------------------------------------------------------------------------

    /// What the credential claims in an organization: in the one that it names; where it names none,
    /// in the one without a name, and in those for which it lists roles, if a list has the caller
    /// there. What it says of an organization goes before what it says of all.
    fn claims_in(&self, org: Option<&str>) -> Vec<String> {
        let of_it = org.and_then(|org| self.caller.roles_by_org.get(org));
        let beside = self.caller.org.is_none() && of_it.is_some() && self.is_listed(org);
        match self.caller.org.as_deref() == org || beside {
            true => of_it.or(self.caller.roles.as_ref()).cloned().unwrap_or_default(),
            false => Vec::new(),
        }
    }

    /// Declared roles of a scope that the credential claims, with what they include.
    fn claimed(&self, org: Option<&str>, app_scope: bool, marked: bool) -> Vec<String> {
        let counts = |name: &&String| {
            let role = self.policy.role(name);
            role.is_some_and(|role| {
                role.is_app_scope() == app_scope && (role.from_token || !marked)
            })
        };
        let claims = self.claims_in(org);
        self.with_included(&claims.iter().filter(counts).cloned().collect::<Vec<_>>())
    }

    /// With `membership: both`: claimed roles that say `from_token`, save those of a key.
    fn claimed_besides(&self, org: Option<&str>, app_scope: bool) -> Vec<String> {
        match self.policy.membership() == "both" && !self.caller.api_key {
            true => self.claimed(org, app_scope, true),
            false => Vec::new(),
        }
    }

    /// What a member has, as far as a key has it too: both with what they include.
    fn narrowed(&self, roles: &[String]) -> Vec<String> {
        let mut roles = self.with_included(roles);
        if let (Some(named), true) = (&self.caller.roles, self.caller.api_key) {
            let named = self.with_included(named);
            roles.retain(|role| named.contains(role));
        }
        roles
    }

    /// These roles, what they include, what that includes, until nothing is new.
    pub fn with_included(&self, roles: &[String]) -> Vec<String> {
        let mut all = roles.to_vec();
        let mut at = 0;
        while at < all.len() {
            let included = self.policy.role(&all[at]).map(|role| role.includes.clone());
            for other in included.unwrap_or_default() {
                if !all.contains(&other) {
                    all.push(other);
                }
            }
            at += 1;
        }
        all
    }
}

impl Caller {
    /// A claim as text. `claims.org` and `claims.app` mean the mapped values where the credential
    /// has no claim of that name.
    pub fn claim(&self, name: &str) -> Option<String> {
        match (self.claims.get(name).map(Vec::as_slice), name) {
            (Some([only]), _) => Some(only.clone()),
            (Some(_), _) => None,
            (None, "org") => self.org.clone(),
            (None, "app") => self.app.clone(),
            (None, _) => None,
        }
    }
}

impl Request {
    /// The one value of a header; a second one makes the request ambiguous.
    pub fn header(&self, name: &str) -> Result<Option<String>, Reason> {
        let same = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        match same.map(|(_, value)| value).collect::<Vec<_>>().as_slice() {
            [] => Ok(None),
            [value] => Ok(Some(value.to_string())),
            _ => Err(Reason::BadRequest),
        }
    }
}

fn is_claim(written: &Option<String>) -> bool {
    written.as_deref().is_some_and(|source| source.starts_with("claims."))
}
