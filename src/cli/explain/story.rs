//! What is said about one request.

use super::About;
use crate::decide::{Permit, Preflight, Reason, Refusal, Trace};
use crate::policy::roleset::RoleSet;
use crate::policy::snapshot::{DenialId, GrantId, RouteId, Snapshot};
use crate::principal::Principal;
use http::{HeaderName, HeaderValue};
use serde::Serialize;
use serde_json::value::RawValue;
use std::fmt::Write as _;
use std::sync::Arc;

/// Everything that is said about one request. The keys of its JSON are a promise.
#[derive(Debug, Default)]
pub(in crate::cli) struct Story {
    pub(super) refusal: Option<Refusal>,
    /// In monitor mode nothing is refused from here on.
    pub(super) monitored: bool,
    /// Something would have been refused.
    pub(super) would_refuse: bool,
    pub(super) generation: u64,
    pub(super) digest: Arc<str>,
    pub(super) principal: Option<Caller>,
    pub(super) route: Option<Arc<str>>,
    /// Where the route stands in the files.
    pub(super) route_at: Option<String>,
    pub(super) access: Option<&'static str>,
    pub(super) public: bool,
    /// It is what a browser asks for a page of another origin.
    pub(super) preflight: bool,
    /// Whether it came to the question who is calling.
    pub(super) identified: bool,
    pub(super) filtered: bool,
    pub(super) grants: Vec<Granted>,
    pub(super) restrictions: Vec<Denied>,
    pub(super) schemas: Vec<Arc<str>>,
    pub(super) removed: Vec<String>,
    pub(super) body: Option<String>,
    pub(in crate::cli) notes: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Caller {
    user: Arc<str>,
    org: Option<Arc<str>>,
    app: Option<Arc<str>>,
    roles: Vec<Arc<str>>,
    /// It has been found where the caller stands: these are its roles there, and no claims of it.
    #[serde(skip)]
    stands: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Granted {
    role: Arc<str>,
    path: Arc<str>,
    at: String,
    /// It stands in `role_defaults`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    default: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Denied {
    restriction: Arc<str>,
    path: Arc<str>,
    at: String,
}

impl Caller {
    pub(super) fn of(principal: &Principal) -> Caller {
        Caller {
            user: principal.user.clone(),
            org: principal.org.clone(),
            app: principal.app.clone(),
            roles: principal.roles.clone().unwrap_or_default(),
            stands: false,
        }
    }
}

/// Writes what the decision says into the story.
pub(super) struct Heard<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) story: &'a mut Story,
}

impl Trace for Heard<'_> {
    const LISTENS: bool = true;

    fn stands(&mut self, org: Option<&str>, app: Option<&str>, roles: &RoleSet) {
        let Some(caller) = &mut self.story.principal else { return };
        (caller.org, caller.app, caller.stands) = (org.map(Arc::from), app.map(Arc::from), true);
        caller.roles = roles.iter().map(|role| self.snapshot.role(role).id().clone()).collect();
    }

    fn grant(&mut self, grant: GrantId) {
        let grant = self.snapshot.grant(grant);
        let role = self.snapshot.role(grant.role);
        let granted = Granted {
            role: role.id().clone(),
            path: grant.path.clone(),
            at: grant.place.to_string(),
            default: grant.default,
        };
        if self.story.grants.contains(&granted) {
            return;
        }
        for schema in role.schemas() {
            if !self.story.schemas.contains(schema) {
                self.story.schemas.push(schema.clone());
            }
        }
        self.story.grants.push(granted);
    }

    fn failed(&mut self, grant: GrantId, why: &'static str) {
        let grant = self.snapshot.grant(grant);
        let role = self.snapshot.role(grant.role).id();
        let note = format!("{role} has {} ({}), but {why}", grant.path, grant.place);
        if !self.story.notes.contains(&note) {
            self.story.notes.push(note);
        }
    }

    fn denial(&mut self, denial: DenialId) {
        let denial = self.snapshot.denial(denial);
        let denied = Denied {
            restriction: self.snapshot.restriction_of(denial).clone(),
            path: denial.path.clone(),
            at: denial.place.to_string(),
        };
        if !self.story.restrictions.contains(&denied) {
            self.story.restrictions.push(denied);
        }
    }

    fn note(&mut self, say: impl FnOnce() -> String) {
        self.story.notes.push(say());
    }
}

impl Story {
    pub(super) fn allowed(&self) -> bool {
        self.refusal.is_none()
    }

    pub(super) fn allow(&mut self, permit: &Permit) {
        self.public = permit.principal().is_none();
        self.filtered = permit.fields().is_some();
        self.monitored = permit.is_monitored();
        if let Some(refusal) = permit.would_refuse() {
            self.refuse(refusal.clone());
        }
        if !self.filtered {
            // The schemas of these roles limit nothing here.
            self.schemas.clear();
        }
        if self.public {
            self.principal = None;
        }
    }

    /// The route that a request is on, if it is on one.
    pub(super) fn on(&mut self, route: Option<RouteId>, snapshot: &Snapshot) {
        let route = route.map(|route| snapshot.route(route));
        self.route = route.map(|route| route.pattern.clone());
        self.route_at = route.and_then(|route| Some(route.place.as_ref()?.to_string()));
    }

    /// The proxy answers by itself.
    pub(super) fn answer(&mut self, found: &Preflight, snapshot: &Snapshot) {
        self.preflight = true;
        self.on(Some(found.route), snapshot);
        let said = |(name, value): &(HeaderName, HeaderValue)| {
            format!("`{name}: {}` is answered", value.to_str().unwrap_or_default())
        };
        self.notes.extend(found.fields.iter().map(said));
    }

    pub(super) fn refuse(&mut self, refusal: Refusal) {
        if !self.monitored {
            let allow = refusal.allow.map(|allow| format!("methods that have a letter: {allow}"));
            self.notes.extend(allow);
            self.refusal = Some(refusal);
        } else if !self.would_refuse {
            self.would_refuse = true;
            let (reason, status) = (refusal.reason, refusal.status());
            self.notes.push(format!(
                "monitor mode lets it through; enforced, it would be refused: {reason} ({status})"
            ));
        }
    }

    fn reason(&self) -> Reason {
        match &self.refusal {
            Some(refusal) => refusal.reason,
            None if self.preflight => Reason::Preflight,
            None if self.would_refuse => Reason::Monitored,
            None if self.public => Reason::Public,
            None => Reason::Granted,
        }
    }

    pub(super) fn json(&self) -> String {
        // A body that is not JSON (on an opaque route) is shown as a text.
        let body = self.body.as_ref().map(|body| {
            RawValue::from_string(body.trim().to_owned())
                .or_else(|_| serde_json::value::to_raw_value(body))
        });
        let refused = self.refusal.iter().flat_map(|refusal| &refusal.pointers).collect();
        let told = Told {
            decision: if self.allowed() { "allow" } else { "refuse" },
            status: self.reason().status(),
            generation: self.generation,
            digest: &self.digest,
            principal: self.principal.as_ref(),
            route: self.route.as_deref(),
            route_at: self.route_at.as_deref(),
            access: self.access,
            reason: self.reason().as_str(),
            filtered: self.filtered,
            grants: &self.grants,
            restrictions: &self.restrictions,
            schemas: &self.schemas,
            request: Refused { refused },
            response: Removed { removed: &self.removed },
            body: body.and_then(Result::ok),
            notes: &self.notes,
        };
        serde_json::to_string(&told).map(|text| text + "\n").unwrap_or_default()
    }

    /// What of the policy decided, each with its place in the files.
    fn because(&self) -> Vec<String> {
        let route = match self.reason() {
            Reason::Public => "is public for this",
            Reason::OriginNotAllowed => "does not list this origin",
            Reason::Preflight => "says what pages of other origins may do",
            Reason::Monitored => "is in monitor mode",
            _ => "",
        };
        let at = self.route_at.as_ref().filter(|_| !route.is_empty());
        let route = at.map(|at| format!("the route {route} ({at})"));
        let denial = |one: &Denied| format!("{} denies {} ({})", one.restriction, one.path, one.at);
        let grant = |one: &Granted| format!("{} has {} ({})", one.role, one.path, one.at);
        let denials = self.restrictions.iter().map(denial);
        route.into_iter().chain(self.grants.iter().map(grant)).chain(denials).collect()
    }

    pub(super) fn human(&self, about: &About) -> String {
        let mut text = String::new();
        let verdict = if self.allowed() { "ALLOW" } else { "REFUSE" };
        let (reason, status) = (self.reason(), self.reason().status());
        let _ = writeln!(
            text,
            "{verdict} {} {}: {reason}{}",
            about.method,
            about.target,
            match self.allowed() {
                true => String::new(),
                false => format!(" ({status})"),
            }
        );
        let mut line = |label: &str, value: String| {
            let _ = writeln!(text, "  {label:<10} {value}");
        };
        match &self.principal {
            Some(caller) => line("caller", caller.describe()),
            None if self.identified => line("caller", "nobody".into()),
            None => {}
        }
        match (&self.route, self.access) {
            (Some(route), Some(access)) => line("route", format!("{route}, {access}")),
            (None, _) => line("route", "none".into()),
            (Some(route), None) => line("route", route.to_string()),
        }
        for (at, because) in self.because().into_iter().enumerate() {
            line(if at == 0 { "because" } else { "" }, because);
        }
        if !self.schemas.is_empty() {
            line("schemas", self.schemas.join(", "));
        }
        for note in &self.notes {
            line("note", note.clone());
        }
        let pointers = self.refusal.iter().flat_map(|refusal| &refusal.pointers);
        for pointer in pointers {
            line("at fault", pointer.clone());
        }
        for pointer in &self.removed {
            line("removed", pointer.clone());
        }
        if let Some(body) = &self.body {
            let _ = writeln!(text, "{}", body.trim_end());
        }
        text
    }
}

impl Caller {
    fn describe(&self) -> String {
        let mut text = self.user.to_string();
        for (word, id) in [("in", &self.org), ("app", &self.app)] {
            if let Some(id) = id {
                let _ = write!(text, " {word} {id}");
            }
        }
        match self.roles.as_slice() {
            [] if self.stands => text + ", no roles",
            [] => text,
            roles => format!("{text}, roles {}", roles.join(", ")),
        }
    }
}

/// The JSON of a story (`interface.md`, `explain --format json`).
#[derive(Serialize)]
struct Told<'a> {
    decision: &'static str,
    status: u16,
    generation: u64,
    digest: &'a str,
    principal: Option<&'a Caller>,
    route: Option<&'a str>,
    route_at: Option<&'a str>,
    access: Option<&'static str>,
    reason: &'static str,
    filtered: bool,
    grants: &'a [Granted],
    restrictions: &'a [Denied],
    schemas: &'a [Arc<str>],
    request: Refused<'a>,
    response: Removed<'a>,
    body: Option<Box<RawValue>>,
    notes: &'a [String],
}

#[derive(Serialize)]
struct Refused<'a> {
    refused: Vec<&'a String>,
}

#[derive(Serialize)]
struct Removed<'a> {
    removed: &'a [String],
}
