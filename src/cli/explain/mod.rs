//! `portcullis explain`: what the proxy would do with a request, and why.

mod input;
mod response;
mod story;

use super::who::{Found, Who, now};
use super::{FINDING, complain, complain_of, print};
use crate::control::load;
use crate::control::store::Live;
use crate::decide::body::{self, BodyCheck};
use crate::decide::{
    self, Body, Decision, Facts, Inquiry, Object, Permit, Preflight, Reason, Refusal,
};
use crate::filter::{Fault, Limits};
use crate::policy::resolve::Surroundings;
use crate::policy::snapshot::Snapshot;
use crate::policy::target::MAX_TARGET;
use crate::policy::{Target, TargetFault};
use clap::ValueEnum;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use input::Stored;
use response::Shown;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use story::{Caller, Heard, Story};

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
    /// The upstream's response, JSON, or records on a route of `events`: what would the caller see?
    #[arg(long, value_name = "FILE")]
    response: Option<PathBuf>,
    /// An object that the policy looks at before the request is sent (`owner`), JSON; `none` where
    /// there is no such object, `error` where it cannot be read. Several in the order in which they
    /// are asked for.
    #[arg(long, value_name = "FILE")]
    object: Vec<PathBuf>,
    /// The address that the request comes from.
    #[arg(long, value_name = "ADDRESS")]
    from: Option<IpAddr>,
    /// When it comes, in UTC: `2027-01-01T00:00:00Z`; now, where nothing is said.
    #[arg(long, value_name = "TIME", value_parser = input::seconds)]
    at: Option<u64>,
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
    let story = match Asked::read(args).and_then(|asked| asked.tell(&args.who, &loaded.live)) {
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
    objects: Vec<Stored>,
    from: Option<IpAddr>,
    at: u64,
}

/// Why there is no permit.
enum Failed {
    Refused(Refusal),
    /// The proxy answers by itself.
    Answered(Preflight),
    /// The answer depends on something that was not given.
    Unknown(String),
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
            objects: args
                .object
                .iter()
                .map(|path| input::object(path))
                .collect::<Result<_, _>>()?,
            from: args.from,
            at: args.at.unwrap_or_else(now),
        })
    }

    /// An error where the answer depends on something that was not given.
    fn tell(&self, who: &Who, live: &Live) -> Result<Story, String> {
        let mut story = Story {
            generation: live.snapshot.generation(),
            digest: live.snapshot.digest().clone(),
            ..Story::default()
        };
        match self.judge(&live.snapshot, who.find(&live.identity), &mut story) {
            Ok(permit) => self.carry(&permit, live, &mut story),
            Err(Failed::Refused(refusal)) => story.refuse(refusal),
            Err(Failed::Answered(found)) => story.answer(&found, &live.snapshot),
            Err(Failed::Unknown(what)) => return Err(what),
        }
        Ok(story)
    }

    fn judge(&self, snapshot: &Snapshot, who: Found, story: &mut Story) -> Result<Permit, Failed> {
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
            client: self.from,
            peer: None,
            now: self.at,
        };
        let route = snapshot.best_route(&snapshot.matches(target), snapshot.hosts(question.host));
        story.on(route, snapshot);
        if let Some(found) = decide::preflight(snapshot, &question, &mut Heard { snapshot, story })?
        {
            return Err(Failed::Answered(found));
        }
        let routed = decide::route(snapshot, &question)?;
        story.access = Some(routed.access().as_str());
        story.identified = true;
        let principal = match who {
            Ok(principal) => principal,
            // On a public route no credential is evaluated.
            Err(_) if routed.is_public() => None,
            Err(fault) => {
                story.notes.push(fault);
                return Err(Refusal::because(Reason::Unauthenticated).into());
            }
        };
        story.principal = principal.as_deref().map(Caller::of);
        story
            .notes
            .extend(principal.iter().flat_map(|caller| input::unknown_roles(snapshot, caller)));
        let mut heard = Heard { snapshot, story };
        match decide::decide(snapshot, &question, routed, principal, &mut heard)? {
            Decision::Allowed(permit) => Ok(permit),
            Decision::Asks(inquiry) => self.answer(*inquiry, snapshot, &question, &mut heard),
        }
    }

    /// What the proxy would find out before it sends the request.
    fn answer(
        &self,
        inquiry: Inquiry,
        snapshot: &Snapshot,
        question: &decide::Request<'_>,
        heard: &mut Heard<'_>,
    ) -> Result<Permit, Failed> {
        let text = self.body.as_deref().filter(|body| !body.is_empty());
        let body = match text {
            None => Body::Empty,
            Some(text) if inquiry.reads_body(snapshot, question)? => Body::Json(text),
            Some(_) => Body::Unread,
        };
        let looks = inquiry.prereads(snapshot, question);
        if let Some(missing) = looks.get(self.objects.len()) {
            let path = missing.target.path();
            return Err(Failed::Unknown(format!(
                "the policy looks at `{path}` before it decides: say what is there with \
                 `--object FILE`, `--object none` or `--object error`"
            )));
        }
        for look in &looks {
            let path = look.target.path();
            heard.story.notes.push(format!("`{path}` is read first"));
            if look.is_itself && self.headers.contains_key(header::IF_MATCH) {
                heard.story.notes.push(format!(
                    "if the ETag of `{path}` is not what `If-Match` names, it is refused: stale (412)"
                ));
            }
        }
        let objects: Vec<Object<'_>> = self.objects.iter().map(Stored::object).collect();
        let facts = Facts { body, objects: &objects };
        Ok(inquiry.settle(snapshot, question, &facts, &Limits::default(), heard)?)
    }

    /// What happens to the bodies of a request that is allowed.
    fn carry(&self, permit: &Permit, live: &Live, story: &mut Story) {
        story.allow(permit);
        let body = self.check_body(permit, &live.snapshot).err();
        let at_risk = || Refusal::because(Reason::HiddenFieldsAtRisk);
        if let Some(refusal) = body.or_else(|| permit.erases_hidden().then(at_risk)) {
            story.refuse(refusal);
            if !story.allowed() {
                return;
            }
        }
        if permit.restores_hidden() {
            story.notes.push(
                "before it is sent, the stored object is looked at, and what the caller cannot see \
                 of it is put into the body: 409 where it has no place there"
                    .into(),
            );
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

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Failed {
        Failed::Refused(refusal)
    }
}

/// What the caller sees of a response.
fn show(response: &[u8], permit: &Permit, snapshot: &Arc<Snapshot>, story: &mut Story) {
    let view = body::view(permit, snapshot);
    let Some(mut filter) = view.filter(snapshot, Limits::default(), true) else {
        story.body = Some(String::from_utf8_lossy(response).into_owned());
        return;
    };
    view.count_rows(&mut filter, snapshot, Limits::default(), response);
    let route = snapshot.route(permit.route());
    let Shown { text, end, removed, dropped } = response::filter(filter, response, route);
    if story.monitored {
        story.body = Some(String::from_utf8_lossy(response).into_owned());
    }
    match end {
        Ok(()) => {
            story.removed = removed;
            if dropped > 0 {
                story.notes.push(format!("{dropped} rows are not the caller's and go"));
            }
            if !story.monitored {
                story.body = Some(String::from_utf8_lossy(&text).into_owned());
            }
        }
        Err(Fault::Gone) => {
            story.notes.push("the object of the response is not the caller's".into());
            story.refuse(Refusal::because(Reason::NotOwner));
        }
        Err(fault) => {
            story.notes.push(format!("the response cannot be filtered: {fault}"));
            story.refuse(Refusal::because(Reason::Shape));
        }
    }
}
