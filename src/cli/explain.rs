//! `portcullis explain`: what the proxy would do with a request, and why.

mod input;

use super::who::{Found, Who, now};
use super::{FINDING, complain, complain_of, print};
use crate::control::load;
use crate::control::store::Live;
use crate::decide::body::{self, BodyCheck};
use crate::decide::{self, Permit, Reason, Refusal, Trace};
use crate::filter::{Filter, Limits};
use crate::policy::resolve::Surroundings;
use crate::policy::snapshot::{DenialId, GrantId, Snapshot};
use crate::policy::target::MAX_TARGET;
use crate::policy::{Target, TargetFault};
use crate::principal::Principal;
use clap::ValueEnum;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde::Serialize;
use serde_json::value::RawValue;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Say what would happen to a request, and why: the decision, the grants behind it, the fields
/// that would be refused or removed.
///
/// Exits 0 where the request is allowed, 1 where it (or its response) is refused, 2 where the
/// policy does not load or the request cannot be understood.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  portcullis explain policy.yaml --user sam --claim roles=support GET /customers/7\n  portcullis explain policy/ --token \"$TOKEN\" PATCH /customers/7 --body patch.json --format json"
)]
pub struct Args {
    /// A policy file, or a folder of them.
    policy: PathBuf,
    #[command(flatten)]
    who: Who,
    /// The method, in capitals.
    method: String,
    /// Path and query, as in the request line.
    target: String,
    /// A header of the request. May be given several times.
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE", value_parser = input::field)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The request's body; JSON where no Content-Type is given.
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// The upstream's response, JSON: what would the caller see of it?
    #[arg(long, value_name = "FILE")]
    response: Option<PathBuf>,
    /// How to print the answer.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// One JSON object.
    Json,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let loaded = match load::load(&args.policy, &Surroundings::default(), 1) {
        Ok(loaded) => loaded,
        Err(failed) => return complain_of(&failed.report, &failed.sources),
    };
    let story = match Asked::read(args).map(|asked| asked.tell(&args.who, &loaded.live)) {
        Ok(story) => story,
        Err(message) => return complain(&message),
    };
    let text = match args.format {
        Format::Human => story.human(args),
        Format::Json => story.json(),
    };
    print(&text, if story.allowed() { ExitCode::SUCCESS } else { ExitCode::from(FINDING) })
}

/// The request that is talked about.
struct Asked {
    method: Method,
    target: Result<Target, TargetFault>,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
    response: Option<Vec<u8>>,
}

impl Asked {
    fn read(args: &Args) -> Result<Asked, String> {
        let method = args.method.parse();
        let mut headers: HeaderMap = args.headers.iter().cloned().collect();
        if args.body.is_some() {
            let json = HeaderValue::from_static("application/json");
            headers.entry(header::CONTENT_TYPE).or_insert(json);
        }
        Ok(Asked {
            method: method.map_err(|_| format!("`{}` is no method", args.method))?,
            target: Target::parse(&args.target, MAX_TARGET),
            headers,
            body: args.body.as_deref().map(input::read).transpose()?,
            response: args.response.as_deref().map(input::read).transpose()?,
        })
    }

    fn tell(&self, who: &Who, live: &Live) -> Story {
        let mut story = Story {
            generation: live.snapshot.generation(),
            digest: live.snapshot.digest().clone(),
            ..Story::default()
        };
        let judged = self.judge(&live.snapshot, who.find(&live.identity), &mut story);
        match judged {
            Ok(permit) => self.carry(&permit, live, &mut story),
            Err(refusal) => story.refuse(refusal),
        }
        story
    }

    fn judge(&self, snapshot: &Snapshot, who: Found, story: &mut Story) -> Result<Permit, Refusal> {
        let target = self.target.as_ref().map_err(|fault| {
            story.notes.push(fault.to_string());
            Refusal::because(match fault {
                TargetFault::TooLong => Reason::TargetTooLong,
                _ => Reason::BadPath,
            })
        })?;
        let question = decide::Request {
            method: &self.method,
            target,
            host: input::host(&self.headers, snapshot.reads_host(), &mut story.notes)?,
            headers: &self.headers,
            now: now(),
        };
        let routed = decide::route(snapshot, &question)?;
        story.route = routed.route().map(|route| snapshot.route(route).pattern.clone());
        story.access = Some(routed.access().as_str());
        story.identified = true;
        let principal = match who {
            Ok(principal) => principal,
            // On a public route no credential is evaluated.
            Err(_) if routed.is_public() => None,
            Err(fault) => {
                story.notes.push(fault);
                return Err(Refusal::because(Reason::Unauthenticated));
            }
        };
        story.principal = principal.as_deref().map(Caller::of);
        story
            .notes
            .extend(principal.iter().flat_map(|caller| input::unknown_roles(snapshot, caller)));
        let mut heard = Heard { snapshot, story };
        decide::decide(snapshot, &question, routed, principal, &mut heard)
    }

    /// What happens to the bodies of a request that is allowed.
    fn carry(&self, permit: &Permit, live: &Live, story: &mut Story) {
        story.allow(permit, &live.snapshot);
        let body = self.check_body(permit, &live.snapshot).err();
        let at_risk = || Refusal::because(Reason::HiddenFieldsAtRisk);
        if let Some(refusal) = body.or_else(|| permit.erases_hidden().then(at_risk)) {
            story.refuse(refusal);
            if !story.allowed() {
                return;
            }
        }
        if let Some(response) = &self.response {
            show(response, permit, &live.snapshot, story);
        }
    }

    fn check_body(&self, permit: &Permit, snapshot: &Snapshot) -> Result<(), Refusal> {
        let Some(body) = self.body.as_deref().filter(|body| !body.is_empty()) else {
            return Ok(());
        };
        match BodyCheck::of(permit, snapshot, &self.method, &self.headers)? {
            Some(check) => check.check(body, &Limits::default()),
            None => Ok(()),
        }
    }
}

/// What the caller sees of a response.
fn show(response: &[u8], permit: &Permit, snapshot: &Snapshot, story: &mut Story) {
    let Some(mask) = body::view(permit, snapshot).and_then(|fields| fields.read.clone()) else {
        story.body = Some(String::from_utf8_lossy(response).into_owned());
        return;
    };
    let mut filter = Filter::recording(mask, Limits::default());
    let mut out = Vec::with_capacity(response.len());
    let filtered = filter.push(response, &mut out).and_then(|()| filter.finish(&mut out));
    story.removed = filter.pointers().to_vec();
    if story.monitored {
        story.body = Some(String::from_utf8_lossy(response).into_owned());
    }
    match filtered {
        Ok(()) if story.monitored => {}
        Ok(()) => {
            story.body = Some(String::from_utf8_lossy(&out).into_owned());
        }
        Err(fault) => {
            story.notes.push(format!("the response cannot be filtered: {fault}"));
            story.refuse(Refusal::because(Reason::Shape));
        }
    }
}

/// Everything that is said about one request. The keys of its JSON are a promise.
#[derive(Debug, Default)]
struct Story {
    refusal: Option<Refusal>,
    /// In monitor mode nothing is refused from here on.
    monitored: bool,
    /// What would have been refused.
    would_refuse: bool,
    generation: u64,
    digest: Arc<str>,
    principal: Option<Caller>,
    route: Option<Arc<str>>,
    access: Option<&'static str>,
    public: bool,
    /// Whether it came to the question who is calling.
    identified: bool,
    filtered: bool,
    grants: Vec<Granted>,
    restrictions: Vec<Denied>,
    schemas: Vec<Arc<str>>,
    removed: Vec<String>,
    body: Option<String>,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Caller {
    user: Arc<str>,
    org: Option<Arc<str>>,
    app: Option<Arc<str>>,
    roles: Vec<Arc<str>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Granted {
    role: Arc<str>,
    path: Arc<str>,
    at: String,
    /// It stands in `role_defaults`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    default: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Denied {
    restriction: Arc<str>,
    path: Arc<str>,
    at: String,
}

impl Caller {
    fn of(principal: &Principal) -> Caller {
        Caller {
            user: principal.user.clone(),
            org: principal.org.clone(),
            app: principal.app.clone(),
            roles: principal.roles.clone().unwrap_or_default(),
        }
    }
}

/// Writes what the decision says into the story.
struct Heard<'a> {
    snapshot: &'a Snapshot,
    story: &'a mut Story,
}

impl Trace for Heard<'_> {
    const LISTENS: bool = true;

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
    fn allowed(&self) -> bool {
        self.refusal.is_none()
    }

    fn allow(&mut self, permit: &Permit, snapshot: &Snapshot) {
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
        if let Some(caller) = &mut self.principal {
            caller.org = permit.org().cloned();
            caller.app = permit.app().cloned();
            let roles = permit.roles().iter();
            caller.roles = roles.map(|role| snapshot.role(role).id().clone()).collect();
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        if !self.monitored {
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
            None if self.would_refuse => Reason::Monitored,
            None if self.public => Reason::Public,
            None => Reason::Granted,
        }
    }

    fn json(&self) -> String {
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

    fn human(&self, args: &Args) -> String {
        let mut text = String::new();
        let verdict = if self.allowed() { "ALLOW" } else { "REFUSE" };
        let (reason, status) = (self.reason(), self.reason().status());
        let _ = writeln!(
            text,
            "{verdict} {} {}: {reason}{}",
            args.method,
            args.target,
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
        for (at, grant) in self.grants.iter().enumerate() {
            let label = if at == 0 { "because" } else { "" };
            line(label, format!("{} has {} ({})", grant.role, grant.path, grant.at));
        }
        for denied in &self.restrictions {
            let text = format!("{} denies {} ({})", denied.restriction, denied.path, denied.at);
            line("because", text);
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
            [] => text + ", no roles",
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
