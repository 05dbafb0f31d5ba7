//! A decision that waits for facts which only bodies know: whose an object is, what a body asks
//! for. Nothing has reached the upstream yet but the look at those objects.

mod letter;
mod near;
mod object;

use super::body;
use super::caller::Caller;
use super::facts::{Bearing, Body, Facts, Judge};
use super::named::Named;
use super::permit::{Monitor, Permit};
use super::rows::RowPlan;
use super::standing::{Addressed, Standing};
use super::{Reason, Refusal, Request, Routed, Trace, handshake, query};
use crate::filter;
use crate::policy::access::Access;
use crate::policy::condition::MAX_PREREADS;
use crate::policy::fields::FieldMasks;
use crate::policy::held::{Candidate, Held};
use crate::policy::host::Hosts;
use crate::policy::index::Matches;
use crate::policy::resolve::Address;
use crate::policy::roleset::RoleSet;
use crate::policy::snapshot::{
    BodyKind, GrantGroup, GrantId, RequestKind, RouteId, Snapshot, Update,
};
use crate::policy::target::{MAX_TARGET, Target};
use crate::principal::Principal;
use letter::{Letter, UNMAPPED};
use object::object_path;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::sync::Arc;

/// What is known of a request once its head has been judged.
#[derive(Debug)]
pub struct Inquiry {
    principal: Arc<Principal>,
    route: RouteId,
    access: Access,
    upgrade: bool,
    org: Option<Arc<str>>,
    app: Option<Arc<str>>,
    roles: RoleSet,
    matches: Matches,
    hosts: Hosts,
    /// The route is in monitor mode: what is found out refuses nothing.
    monitor: bool,
    letters: SmallVec<[Letter; 2]>,
    /// The paths of the objects to look at.
    objects: Vec<String>,
}

/// An object that must be looked at before the request goes on.
#[derive(Debug)]
pub struct Preread {
    /// Where it is.
    pub target: Target,
    /// Lets the proxy, and nobody else, read it in the caller's name.
    pub permit: Permit,
    /// It is what the request addresses: the object's ETag can guard a write.
    pub is_itself: bool,
}

impl Inquiry {
    /// Of a request of which only the caller and what it addresses are known.
    pub(super) fn new(
        snapshot: &Snapshot,
        request: &Request<'_>,
        routed: Routed,
        route: RouteId,
        (principal, standing): (&Arc<Principal>, &Standing<'_>),
    ) -> Inquiry {
        let mut matches = routed.matches;
        let here = (standing.org, standing.app);
        snapshot.add_addressed(&mut matches, request.target, here);
        Inquiry {
            principal: principal.clone(),
            route,
            access: routed.access,
            upgrade: routed.upgrade,
            org: standing.org.map(Arc::from),
            app: standing.app.map(Arc::from),
            roles: standing.roles().clone(),
            matches,
            hosts: routed.hosts,
            monitor: snapshot.route(route).monitor,
            letters: SmallVec::new(),
            objects: Vec::new(),
        }
    }

    /// Finds the grants for each letter that is needed, as far as the head of a request tells.
    pub(super) fn look<T: Trace>(
        &mut self,
        snapshot: &Snapshot,
        request: &Request<'_>,
        (principal, standing): (&Arc<Principal>, &Standing<'_>),
        trace: &mut T,
    ) -> Result<(), Refusal> {
        let caller = Caller { principal: Some(principal), stands: Some(standing.subject()) };
        for letter in self.access.positions() {
            let found = self.letter(snapshot, request, letter, &caller, trace)?;
            if found.held.is_empty() && found.pending.is_empty() {
                let refusal = found.refusal(trace);
                if T::LISTENS && refusal.reason == Reason::NoGrant {
                    self.tell_near(snapshot, request, letter, trace);
                }
                return Err(refusal);
            }
            self.letters.push(found);
        }
        if self.waits() {
            self.plan_prereads(snapshot, request);
        }
        Ok(())
    }

    /// Whether anything must be known besides the head.
    pub(super) fn waits(&self) -> bool {
        self.letters.iter().any(|letter| !letter.pending.is_empty())
    }

    /// The objects to look at before the request is sent. What is found goes to
    /// [`Inquiry::settle`] in this order.
    pub fn prereads(&self, snapshot: &Snapshot, request: &Request<'_>) -> Vec<Preread> {
        let look = |path: &String| {
            // It was a target when it was planned.
            let target = Target::parse(path, MAX_TARGET).ok()?;
            let found = snapshot.best_route(&snapshot.matches(&target), self.hosts);
            let route = found.unwrap_or(self.route);
            Some(Preread {
                permit: self.permit_to_look(snapshot, route),
                is_itself: path == request.target.raw().path(),
                target,
            })
        };
        self.objects.iter().filter_map(look).collect()
    }

    /// Whether the request's body, where it has one, must be read and handed to
    /// [`Inquiry::settle`]. A body of a type or coding that cannot be read is refused before that.
    pub fn reads_body(&self, snapshot: &Snapshot, request: &Request<'_>) -> Result<bool, Refusal> {
        let mut pending = self.letters.iter().flat_map(|letter| &letter.pending);
        let asks = |found: &Candidate| {
            let conditions = snapshot.conditions(found.grant);
            conditions.is_some_and(|c| c.owner.is_some() || c.require.is_some())
        };
        let route = snapshot.route(self.route);
        if !pending.any(asks) || route.request == RequestKind::Opaque {
            return Ok(false);
        }
        let certain = self.letters.iter().all(|letter| !letter.held.is_empty());
        match body::meant(request.method, route, request.headers) {
            // It is not read, and the grants that ask for it do not hold.
            Err(_) if certain => Ok(false),
            meant => meant.map(|_| true),
        }
    }

    /// Whether the route is in monitor mode: then what is asked for need not be found out.
    pub fn is_monitored(&self) -> bool {
        self.monitor
    }

    /// In monitor mode: a permit although this refuses the request.
    pub fn let_through(&self, snapshot: &Snapshot, refusal: Refusal) -> Permit {
        self.permit_through(snapshot).although(refusal)
    }

    /// Judges what was found. `request` is the one that was asked about.
    pub fn settle<T: Trace>(
        self,
        snapshot: &Snapshot,
        request: &Request<'_>,
        facts: &Facts<'_>,
        limits: &filter::Limits,
        trace: &mut T,
    ) -> Result<Permit, Refusal> {
        if !self.monitor {
            return self.judge(snapshot, request, facts, limits, trace);
        }
        let through = self.permit_through(snapshot);
        match self.judge(snapshot, request, facts, limits, trace) {
            Err(refusal) if refusal.reason != Reason::BadRequest => Ok(through.although(refusal)),
            judged => judged,
        }
    }

    fn judge<T: Trace>(
        mut self,
        snapshot: &Snapshot,
        request: &Request<'_>,
        facts: &Facts<'_>,
        limits: &filter::Limits,
        trace: &mut T,
    ) -> Result<Permit, Refusal> {
        let (principal, route) = (self.principal.clone(), snapshot.route(self.route));
        // What a request cannot hold on to while it waits is found again.
        let named = Named::read(route, request)?;
        let addressed = Addressed::of(route, &named, &principal);
        let mut standing = Standing::new(snapshot, &principal, request.now);
        standing.find(&addressed, &mut ()).map_err(Refusal::because)?;
        let caller = Caller { principal: Some(&principal), stands: Some(standing.subject()) };
        let meant = body::meant(request.method, route, request.headers).ok();
        let (form, meant) = facts.body.spelled(meant, limits)?;
        let facts = &Facts { body: form.as_deref().map_or(facts.body, Body::Json), ..*facts };
        let mut rows = Vec::new();
        for letter in &mut self.letters {
            let needed = Access::LETTERS[letter.at];
            let judge =
                Judge { facts, limits, snapshot, caller, letter: needed, meant: meant.as_ref() };
            let mut unread = None;
            for found in std::mem::take(&mut letter.pending) {
                let object = object_path(snapshot, &found, letter.at, request.target)
                    .and_then(|path| self.objects.iter().position(|other| *other == path));
                let bearing = match judge.grant(&found, object) {
                    // Nobody reads the rows of such a route.
                    Ok(Bearing::InRows) if route.response == BodyKind::Opaque => Bearing::NotOwner,
                    Ok(bearing) => bearing,
                    // It does not hold; what others allow, it does not take away.
                    Err(refusal) => {
                        unread = unread.or(Some(refusal));
                        continue;
                    }
                };
                letter.heard(found, bearing, &mut rows, trace);
            }
            if letter.held.is_empty() && rows.is_empty() {
                return Err(unread.unwrap_or_else(|| letter.refusal(trace)));
            }
        }
        let plan = match rows.is_empty() {
            true => None,
            false => {
                let base = self.letters.first().map(|letter| letter.held.clone());
                let grants = (base.unwrap_or_default(), rows.clone());
                Some(RowPlan::new(snapshot, &caller, self.matches.clone(), grants))
            }
        };
        self.permit(snapshot, request, (plan, &rows), trace)
    }

    /// What the head says of the grants for one letter.
    fn letter<T: Trace>(
        &self,
        snapshot: &Snapshot,
        request: &Request<'_>,
        at: usize,
        caller: &Caller<'_>,
        trace: &mut T,
    ) -> Result<Letter, Refusal> {
        let mut roles = Cow::Borrowed(&self.roles);
        if let Some(anybody) = snapshot.anybody() {
            roles.to_mut().insert(anybody);
        }
        let (org, app) = (self.org.as_deref(), self.app.as_deref());
        let addressed = |group: &GrantGroup| group.addresses(request.target, org, app);
        let mut candidates = Vec::new();
        let held =
            snapshot.held((&self.matches, self.hosts), at, &roles, addressed, &mut candidates);
        if T::LISTENS {
            let grants = snapshot.held_grants((&self.matches, self.hosts), at, &roles, addressed);
            for (grant, mapped) in grants {
                if mapped { trace.grant(grant) } else { trace.failed(grant, UNMAPPED) }
            }
        }
        let mut letter = Letter::new(at, held);
        for found in candidates {
            letter.head(snapshot, &self.matches, &found, request, caller, trace)?;
        }
        if !letter.pending.is_empty() && self.shows_all(snapshot, &letter.held) {
            // Whatever the others would add, this has it already.
            letter.pending.clear();
        }
        Ok(letter)
    }

    fn shows_all(&self, snapshot: &Snapshot, held: &Held) -> bool {
        !held.is_empty() && snapshot.limits(&self.matches, held, false).is_none()
    }

    fn plan_prereads(&mut self, snapshot: &Snapshot, request: &Request<'_>) {
        let mut planned: Vec<String> = Vec::new();
        for letter in &self.letters {
            let paths = letter.pending.iter().filter_map(|found| {
                // What cannot be a path names no object, and the grant does not hold.
                object_path(snapshot, found, letter.at, request.target)
                    .filter(|path| Target::parse(path, MAX_TARGET).is_ok())
            });
            for path in paths {
                if !planned.contains(&path) && planned.len() < MAX_PREREADS {
                    planned.push(path);
                }
            }
        }
        self.objects = planned;
    }

    fn permit_to_look(&self, snapshot: &Snapshot, route: RouteId) -> Permit {
        // The object's path may have a route of its own, which may address no application.
        let app = self.app.as_deref().filter(|_| snapshot.route(route).app != Address::None);
        Permit {
            principal: Some(self.principal.clone()),
            org: self.org.clone(),
            app: self.app.clone(),
            roles: self.roles.clone(),
            ..Permit::plain(snapshot, route, Access::READ, app)
        }
    }

    /// In monitor mode, whatever is found out.
    fn permit_through(&self, snapshot: &Snapshot) -> Permit {
        let look = self.permit_to_look(snapshot, self.route);
        Permit { access: self.access, upgrade: self.upgrade, ..look }
    }

    /// Nothing is waited for any more.
    pub(super) fn permit<T: Trace>(
        mut self,
        snapshot: &Snapshot,
        request: &Request<'_>,
        (plan, rows): (Option<RowPlan>, &[Candidate]),
        trace: &mut T,
    ) -> Result<Permit, Refusal> {
        let creates = sends_an_element(request.method, self.access);
        let held = self.letters.first().and_then(|letter| letter.held.first);
        let grant = held.or(rows.first().map(|row| row.grant));
        let listed = self.listed(snapshot, rows);
        let tells_filtered = self.tells_filtered(snapshot, rows);
        let fields = match &plan {
            Some(plan) => plan.fields().cloned(),
            None => self.fields(snapshot, creates),
        };
        let writes = [Access::CREATE, Access::UPDATE].iter().any(|one| self.access.has(*one));
        query::check(request.target.query(), fields.as_deref(), &listed, writes)?;
        let route = snapshot.route(self.route);
        let erases = fields.as_deref().is_some_and(|f| replaces(request.method, route.update, f));
        // Rows and forms are not put together with what is stored.
        let restores = route.update == Update::MergeHidden
            && plan.is_none()
            && route.request == RequestKind::Json;
        handshake::must_pass_whole(self.upgrade, fields.is_none() && plan.is_none(), trace)?;
        Ok(Permit {
            generation: snapshot.generation(),
            route: self.route,
            upstream: snapshot.upstream_for(route, self.app.as_deref()),
            access: self.access,
            upgrade: self.upgrade,
            org: self.org.take(),
            app: self.app.take(),
            roles: std::mem::take(&mut self.roles),
            grant,
            principal: Some(self.principal),
            erases_hidden: erases && !restores,
            restores_hidden: erases && restores,
            tells_filtered,
            fields,
            rows: plan.map(Arc::new),
            monitor: self.monitor.then_some(Monitor { would: None }),
        })
    }

    /// What limits the bodies. Where two letters are needed, a field must pass for both.
    fn fields(&self, snapshot: &Snapshot, creates: bool) -> Option<Arc<FieldMasks>> {
        let letters = self.letters.iter();
        let each =
            letters.filter_map(|letter| snapshot.limits(&self.matches, &letter.held, creates));
        each.reduce(|all, masks| Arc::new(all.and(&masks)))
    }

    /// Whether the caller may know how much is filtered: a role says so whose grant holds, for every
    /// letter. Where grants hold for rows alone, which of them do is not known before; so each must.
    fn tells_filtered(&self, snapshot: &Snapshot, rows: &[Candidate]) -> bool {
        let knowing = snapshot.knows_filtered();
        if knowing.is_empty() {
            return false;
        }
        let whole = self.letters.iter().all(|letter| letter.held.roles.intersects(knowing));
        whole || !rows.is_empty() && rows.iter().all(|row| knowing.contains(row.role))
    }

    /// The query parameters that grants list by name: they may ask about what is hidden. Where
    /// rows are all that is granted, each grant must list one.
    fn listed<'s>(&self, snapshot: &'s Snapshot, rows: &[Candidate]) -> Vec<&'s str> {
        let names = |grant: GrantId| {
            let query = snapshot.conditions(grant).and_then(|found| found.query.as_deref());
            query.unwrap_or_default()
        };
        if rows.is_empty() && self.letters.iter().all(|one| one.held.conditional().is_empty()) {
            return Vec::new();
        }
        let certain = self.letters.iter().any(|letter| !letter.held.is_empty());
        let own = self.letters.iter().flat_map(|letter| letter.held.conditional());
        let all: Vec<&str> = match certain {
            true => own.flat_map(|grant| names(*grant)).map(|name| &**name).collect(),
            false => rows.iter().flat_map(|row| names(row.grant)).map(|name| &**name).collect(),
        };
        let everywhere = |name: &&str| {
            certain || rows.iter().all(|row| names(row.grant).iter().any(|other| **other == **name))
        };
        all.into_iter().filter(everywhere).collect()
    }
}

/// Whether the body is one more element of what the path holds. A POST that only reads sends a
/// question.
fn sends_an_element(method: &http::Method, access: Access) -> bool {
    access != Access::READ && *method == http::Method::POST
}

/// Whether what the body does not mention is lost, and not all of it can be the caller's to lose.
fn replaces(method: &http::Method, update: Update, fields: &FieldMasks) -> bool {
    method == http::Method::PUT
        && match update {
            Update::Merge => false,
            Update::Replace => true,
            Update::MergeHidden => fields.hides(),
        }
}
