//! The request that a command talks about, and what the proxy would decide.

use super::input::{self, Stored};
use super::story::{Caller, Heard, Story};
use crate::cli::who::{Found, now};
use crate::decide::body::BodyCheck;
use crate::decide::{
    self, Body, Decision, Facts, Inquiry, Object, Permit, Preflight, Reason, Refusal, media,
};
use crate::filter::Limits;
use crate::filter::write::well_formed;
use crate::policy::snapshot::Snapshot;
use crate::policy::target::MAX_TARGET;
use crate::policy::{Target, TargetFault};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use std::net::IpAddr;
use std::path::PathBuf;

/// What the command line says of a request.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(in crate::cli) struct About {
    /// The method, in capitals.
    pub(super) method: String,
    /// Path and query, as in the request line.
    pub(super) target: String,
    /// A header of the request. May be given several times.
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE", value_parser = input::field)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The request's body; JSON where no Content-Type is given.
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
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
}

/// The request that is talked about.
pub(in crate::cli) struct Asked {
    method: Method,
    target: Result<Target, TargetFault>,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
    objects: Vec<Stored>,
    from: Option<IpAddr>,
    at: u64,
}

/// Why there is no permit.
pub(in crate::cli) enum Failed {
    Refused(Refusal),
    /// The proxy answers by itself.
    Answered(Preflight),
    /// The answer depends on something that was not given.
    Unknown(String),
}

impl Asked {
    /// Reads what the command line names; `body` is one that was given otherwise.
    pub(in crate::cli) fn read(about: &About, body: Option<Vec<u8>>) -> Result<Asked, String> {
        let method = about.method.parse();
        let named = about.body.as_deref().map(input::read).transpose()?;
        let body = body.or(named);
        let mut headers: HeaderMap = about.headers.iter().cloned().collect();
        if body.is_some() {
            let json = HeaderValue::from_static("application/json");
            headers.entry(header::CONTENT_TYPE).or_insert(json);
        }
        let objects = about.object.iter().map(|path| input::object(path));
        Ok(Asked {
            method: method.map_err(|_| format!("`{}` is no method", about.method))?,
            target: Target::parse(&about.target, MAX_TARGET),
            headers,
            body,
            objects: objects.collect::<Result<_, _>>()?,
            from: about.from,
            at: about.at.unwrap_or_else(now),
        })
    }

    /// What the policy says of the request's head, and of what the head makes it look at.
    pub(in crate::cli) fn judge(
        &self,
        snapshot: &Snapshot,
        who: Found,
        story: &mut Story,
    ) -> Result<Permit, Failed> {
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

    /// What the policy says of the request's body.
    pub(in crate::cli) fn carry(
        &self,
        permit: &Permit,
        snapshot: &Snapshot,
    ) -> Result<(), Refusal> {
        self.check_body(permit, snapshot)?;
        match permit.erases_hidden() {
            true => Err(Refusal::because(Reason::HiddenFieldsAtRisk)),
            false => Ok(()),
        }
    }

    /// Where the body is no JSON, as far as that can be told. Clients are told only that it is not.
    pub(in crate::cli) fn body_fault(&self) -> Option<String> {
        let body = self.body.as_deref().filter(|body| !body.is_empty())?;
        let claims = media::is_json(&self.headers);
        let fault = claims.then(|| well_formed(body, &Limits::default()))?.err()?;
        Some(format!("the body: {fault}"))
    }

    /// The request's body, if it has one.
    pub(in crate::cli) fn body(&self) -> &[u8] {
        self.body.as_deref().unwrap_or_default()
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
