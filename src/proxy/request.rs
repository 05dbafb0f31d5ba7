//! A request's way through the proxy, in one straight line of named steps.

use super::again::{Lasting, Question};
use super::ask::Heard;
use super::canonical::{Canonical, Wire};
use super::coding::{Accepts, Bounds};
use super::connection::Client;
use super::cors;
use super::deadline::Deadline;
use super::grpc;
use super::guarded::guarded;
use super::headers;
use super::inflated;
use super::outgoing::Outgoing;
use super::pool::To;
use super::received::finish_reading;
use super::reply::{Download, Reply, Source};
use super::respond::{self, Asked, Refused};
use super::shape::{self, Tells, View};
use super::story::Story;
use super::told::Told;
use super::tunnel::Tunnel;
use super::upgrade::{Opened, Switch};
use super::upload::{RequestBody, Upload};
use super::worker::{Held, Worker};
use crate::decide::body::{self, BodyCheck};
use crate::decide::{self, Decision, Permit, Reason, Routed};
use crate::filter::Limits;
use crate::identity::{Credentials, Holder};
use crate::principal::Principal;
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use hyper::body::{Body, Incoming};
use std::cell::OnceCell;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, UNIX_EPOCH};

/// Answers a request. Whatever goes wrong on the way is a refusal; nothing is forwarded before the
/// policy has allowed it, and nothing comes back but through [`shape::show`]. `taking` is set while
/// the client is to take what it was given, where the connection cannot tell.
pub(super) async fn handle(
    worker: Rc<Worker>,
    client: Rc<Client>,
    request: Request<Incoming>,
    taking: Option<Rc<Deadline>>,
) -> Response<Reply> {
    let (parts, body) = request.into_parts();
    let request_id = headers::request_id(&parts.headers).unwrap_or_else(|| worker.random.id());
    let method = &parts.method;
    let mut story = Story::begin(&worker, &client.pulse, client.address(), method, &request_id);
    story.is_taken_within(taking);
    let grpc = grpc::is_call(method, parts.version, &parts.headers);
    let mut asked = Asked { method: method.clone(), version: parts.version, grpc, unread: false };
    let expects = parts.headers.contains_key(header::EXPECT);
    let mut body = Some(body);
    let way = Way {
        worker: &worker,
        client: &client,
        request_id: &request_id,
        again: false,
        holder: OnceCell::new(),
    };
    // Boxed where they begin: a future of some kilobytes inside this one would be copied each time
    // that this one moves, for every request.
    match guarded(Box::pin(way.walk(parts, &mut body, &mut story))).await {
        Ok(Outcome::Answered(response, lasting)) => {
            relay(response, &asked, story).map(|mut reply| {
                reply.lasts(lasting);
                reply
            })
        }
        Ok(Outcome::Opened(head, opened)) => {
            story.answered(head.status());
            client.opens(Tunnel::new(opened, story));
            head.map(|()| Reply::nothing())
        }
        Err(refused) => {
            asked.unread = Box::pin(finish_reading(&worker, body, expects)).await;
            respond::refuse(refused, &asked, story)
        }
    }
}

/// What comes of a request that is not refused.
#[expect(clippy::large_enum_variant, reason = "the common one costs no allocation")]
enum Outcome {
    /// A response, and what it has to be allowed by where it lasts.
    Answered(Response<Source>, Option<Box<Lasting>>),
    /// 101, and the connection that follows it.
    Opened(Response<()>, Box<Opened>),
}

/// What a step may need besides the request itself.
pub(super) struct Way<'a> {
    pub(super) worker: &'a Rc<Worker>,
    pub(super) client: &'a Rc<Client>,
    pub(super) request_id: &'a HeaderValue,
    /// Asked once more for a connection that is open: whoever else is at its address has nothing to
    /// do with it.
    pub(super) again: bool,
    /// Who holds the connection by its certificate, as the policy sees it that decides.
    pub(super) holder: OnceCell<Option<Rc<Holder>>>,
}

impl Way<'_> {
    async fn walk(
        &self,
        parts: Parts,
        body: &mut Option<Incoming>,
        story: &mut Story,
    ) -> Result<Outcome, Refused> {
        if self.worker.budget.is_full() {
            return Err(Reason::Overloaded.into());
        }
        let version = parts.version;
        let mut canonical = Canonical::read(parts, self.wire())?;
        self.client.is_for(&canonical.named_host())?;
        let live = self.worker.live();
        story.record().generation = live.snapshot.generation();
        let now = story.unix_seconds();
        if let Some(answer) = self.preflight(&canonical, &live, now, story)? {
            return Ok(Outcome::Answered(answer, None));
        }
        let judged = match self.judge(&canonical, &live, now, story) {
            Err(Refused { ask: Some(ask), .. }) => {
                Box::pin(self.judge_later(*ask, &canonical, &live, now, story)).await?
            }
            judged => judged?,
        };
        let Heard { permit, whole: read, missing } = match judged {
            Decision::Allowed(permit) => Heard { permit, whole: None, missing: false },
            Decision::Asks(inquiry) => {
                // Boxed, because it is rare and what it needs is large.
                Box::pin(self.ask(*inquiry, &mut canonical, &live, body, now, story)).await?
            }
        };
        story.decided(&permit, &live.snapshot);
        let body = self.check_body(&mut canonical, &permit, &live, (body, read), story).await?;
        if permit.erases_hidden() {
            if !permit.is_monitored() {
                return Err(Reason::HiddenFieldsAtRisk.into());
            }
            story.would_refuse(Reason::HiddenFieldsAtRisk);
        }
        let body = match permit.restores_hidden() {
            false => body,
            true => Box::pin(self.restore(body, &permit, &mut canonical, &live, story)).await?,
        };
        let method = canonical.method().clone();
        let shown = body::view(&permit, &live.snapshot);
        // Before it is rewritten to what the filter reads.
        let accepts = match shown.is_limited() {
            true => Accepts::read(canonical.headers()),
            false => Accepts::default(),
        };
        if shown.is_limited() {
            self.client.pulse.may_be_late();
        }
        let tells = Tells::of(&permit, canonical.headers(), version);
        if permit.rows().is_some() && !permit.is_monitored() {
            canonical.read_whole();
        }
        let asks_who = permit.principal().is_some();
        let (route, monitored) = (permit.route(), permit.is_monitored());
        let question = permit.upgrades().then(|| canonical.again());
        let asked = (live.snapshot.route(route), self.request_id);
        let mut lasts = Question::of_response(&canonical, &permit, &shown, asked);
        let outgoing = self.outgoing(canonical, body, &permit, &live, shown.is_limited())?;
        let response = match question {
            None => match &mut lasts {
                None => self.forward(permit, outgoing, &live, story).await?,
                // Boxed, because it is rare.
                Some(lasts) => {
                    Box::pin(self.forward_lasting(permit, outgoing, &live, (lasts, story))).await?
                }
            },
            Some(asked) => {
                let parts = (permit, outgoing, asked);
                match Box::pin(self.switch(parts, &live, story)).await? {
                    Switch::Opened(head, opened) => return Ok(Outcome::Opened(head, opened)),
                    Switch::Answered(response) => response,
                }
            }
        };
        story.let_go();
        // 412 as well: somebody has made it in between, and it went with `If-None-Match: *`.
        let gone = [StatusCode::NOT_FOUND, StatusCode::PRECONDITION_FAILED];
        if missing && gone.contains(&response.status()) {
            return Err(Reason::NotOwner.into());
        }
        let view = View {
            body: &shown,
            snapshot: &live.snapshot,
            route: live.snapshot.route(route),
            monitored,
            method: &method,
            limits: self.json(),
            stream_idle: self.worker.limits.tunnel_idle,
            inflate: Bounds {
                bytes: self.worker.limits.inflate,
                ratio: self.worker.limits.inflate_ratio,
            },
            accepts,
            tells,
            vary: asks_who.then(|| live.identity.vary()),
        };
        let mut shown = shape::show(response, &view, story).await?;
        if let Some(vary) = &live.snapshot.route(route).vary {
            shown.headers_mut().append(header::VARY, vary.clone());
        }
        let lasts = lasts.filter(|_| shown.body().goes_on());
        let lasting = lasts.map(|question| Lasting::new(self.worker, self.client, question));
        Ok(Outcome::Answered(shown, lasting))
    }

    fn wire(&self) -> Wire {
        let limits = &self.worker.limits;
        Wire {
            ambiguous: self.client.pulse.is_ambiguous(),
            fragment: self.client.pulse.has_fragment(),
            max_target: limits.max_target,
            max_headers: limits.max_headers,
            known_host: self.client.known_host(),
        }
    }

    pub(super) fn json(&self) -> Limits {
        let limits = &self.worker.limits;
        Limits { depth: limits.json_depth, object: limits.object, ..Limits::default() }
    }

    /// What a browser asks for a page of another origin is answered here.
    fn preflight(
        &self,
        canonical: &Canonical,
        live: &Held,
        now: u64,
        story: &mut Story,
    ) -> Result<Option<Response<Source>>, Refused> {
        if *canonical.method() != Method::OPTIONS {
            return Ok(None);
        }
        let found = decide::preflight(&live.snapshot, &self.question(canonical, now), &mut ())?;
        Ok(found.map(|found| {
            story.preflight(live.snapshot.route(found.route));
            cors::answer(found.fields)
        }))
    }

    /// Steps 2 to 8 of the decision: method, route, who it is, whether it may.
    pub(super) fn judge(
        &self,
        canonical: &Canonical,
        live: &Held,
        now: u64,
        story: &mut Story,
    ) -> Result<Decision, Refused> {
        self.holder.get_or_init(|| self.client.holder(&live.identity, now));
        let question = self.question(canonical, now);
        let routed = decide::route(&live.snapshot, &question)?;
        story.routed(&routed, &live.snapshot);
        let cors = routed.route().and_then(|route| live.snapshot.route(route).cors.as_deref());
        if let Some(cors) = cors {
            story.crosses(decide::readable_by(cors, canonical.headers()).into());
        }
        let principal = self.identify((canonical, now), live, &routed, story)?;
        Ok(decide::decide(&live.snapshot, &question, routed, principal, &mut ())?)
    }

    /// Who holds the connection, once [`Way::judge`] has found out.
    pub(super) fn holder(&self) -> Option<&Holder> {
        self.holder.get()?.as_deref()
    }

    /// What of the request says who is calling.
    pub(super) fn credentials<'r>(
        &self,
        canonical: &'r Canonical,
        routed: &Routed,
    ) -> Credentials<'r> {
        Credentials {
            headers: canonical.headers(),
            peer: self.client.peer,
            host: canonical.host(),
            changes: routed.may_change(canonical.method()),
        }
    }

    fn identify(
        &self,
        (canonical, now): (&Canonical, u64),
        live: &Held,
        routed: &Routed,
        story: &mut Story,
    ) -> Result<Option<Arc<Principal>>, Refused> {
        if routed.is_public() {
            return Ok(None);
        }
        self.listens(live, story.moment())?;
        let credentials = self.credentials(canonical, routed);
        match live.identity.identify_held(&credentials, self.holder(), now) {
            Ok(principal) => {
                story.record().user = Some(principal.user.clone());
                Ok(Some(principal))
            }
            Err(unidentified) => {
                Err(match live.identity.ask(&credentials, unidentified.fault, now) {
                    // It is no failure before that is answered.
                    Some(ask) => Refused { ask: Some(Box::new(ask)), ..unidentified.reason.into() },
                    None => self.unidentified(unidentified, live, story),
                })
            }
        }
    }

    /// Step 9: where the caller's mask limits what may be sent, the body is read whole and
    /// checked, and the checked bytes are what is sent. Elsewhere it streams, unread.
    async fn check_body(
        &self,
        canonical: &mut Canonical,
        permit: &Permit,
        live: &Held,
        (body, read): (&mut Option<Incoming>, Option<Bytes>),
        story: &mut Story,
    ) -> Result<RequestBody, Refused> {
        if read.is_none() && body.as_ref().is_none_or(|body| body.is_end_stream()) {
            return Ok(RequestBody::Empty);
        }
        let coding = inflated::coding(canonical, (permit, live), &self.worker.limits);
        if coding.is_some() {
            canonical.without_coding();
        }
        let (method, headers) = (canonical.method(), canonical.headers());
        let check = match BodyCheck::of(permit, &live.snapshot, method, headers) {
            Err(refusal) if permit.is_monitored() => {
                story.would_refuse(refusal.reason);
                None
            }
            check => check?,
        };
        let unread = permit.is_monitored() && !self.can_be_watched(body.as_ref(), story);
        let whole = match (read, &check) {
            (Some(whole), _) => whole,
            (None, Some(_)) if !unread => self.read_body(body, story).await?,
            (None, _) => {
                let patience = self.worker.limits.patience();
                return Ok(body
                    .take()
                    .map_or(RequestBody::Empty, |body| RequestBody::stream(body, patience)));
            }
        };
        let whole = match coding {
            None => whole,
            Some(coding) => {
                let whole = inflated::whole(&whole, coding, &self.worker.limits)?;
                story.hold(whole.len())?;
                whole
            }
        };
        if whole.is_empty() {
            return Ok(RequestBody::Empty);
        }
        if let Some(check) = check {
            let started = story.moment();
            let checked = check.check(&whole, &self.json());
            let filter = story.mark() - started;
            story.record().filter += filter;
            match checked {
                Err(refusal) if permit.is_monitored() => story.would_refuse(refusal.reason),
                checked => checked?,
            }
        }
        Ok(RequestBody::Whole(whole))
    }

    pub(super) fn outgoing(
        &self,
        canonical: Canonical,
        body: RequestBody,
        permit: &Permit,
        live: &Held,
        filtered: bool,
    ) -> Result<Outgoing, Refused> {
        let snapshot = &live.snapshot;
        let forwarded = self.client.forwarded(canonical.host())?;
        let (route, upstream) =
            (snapshot.route(permit.route()), snapshot.upstream(permit.upstream()));
        let told = Told {
            permit,
            snapshot,
            tell: live.identity.tell(),
            upstream: &upstream.id,
            now: self.now(),
            forwarded: &forwarded,
            policy: live.policy(),
            request_id: self.request_id,
            traceparent: &|| self.worker.random.traceparent(),
        };
        Ok(Outgoing::build(canonical, body, &told, &live.identity, (route, upstream), filtered)?)
    }

    /// The second that it is, as far as the worker's last look at the clock tells.
    fn now(&self) -> u64 {
        self.worker.last_look().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    /// Step 10. The permit ends here: one request was allowed, one is sent.
    pub(super) fn forward(
        &self,
        permit: Permit,
        outgoing: Outgoing,
        live: &Held,
        story: &mut Story,
    ) -> impl Future<Output = Result<Response<Download>, Refused>> {
        let to = live.to(permit.upstream());
        drop(permit);
        self.exchange(to, outgoing, story)
    }

    /// The same for a request that may last: the wait for its answer is a part of that.
    async fn forward_lasting(
        &self,
        permit: Permit,
        outgoing: Outgoing,
        live: &Held,
        (question, story): (&mut Question, &mut Story),
    ) -> Result<Response<Download>, Refused> {
        let to = live.to(permit.upstream());
        drop(permit);
        let (started, upload) = (story.moment(), outgoing.upload());
        let sending = self.worker.pool.send(to, outgoing);
        let sent = self.while_allowed(question, story, sending).await;
        Self::exchanged(started, upload, story);
        sent?.map_err(Refused::from)
    }

    async fn exchange(
        &self,
        to: To<'_>,
        outgoing: Outgoing,
        story: &mut Story,
    ) -> Result<Response<Download>, Refused> {
        let (started, upload) = (story.moment(), outgoing.upload());
        let sent = self.worker.pool.send(to, outgoing).await;
        Self::exchanged(started, upload, story);
        sent.map_err(Refused::from)
    }

    /// Writes down what an exchange took.
    fn exchanged(started: Instant, upload: Option<Rc<Upload>>, story: &mut Story) {
        let upstream = story.mark() - started;
        let record = story.record();
        record.upstream = upstream;
        if let Some(upload) = upload {
            record.bytes_in = upload.bytes();
        }
    }
}

/// Sends the upstream's answer on.
fn relay(response: Response<Source>, asked: &Asked, mut story: Box<Story>) -> Response<Reply> {
    story.answered(response.status());
    let (mut head, source) = response.into_parts();
    story.mark_crossing(&mut head.headers);
    head.version = asked.version;
    if asked.version < http::Version::HTTP_11 {
        // HTTP/1.0 is served one request a connection.
        head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        story.ends_with_connection();
    }
    let source = if asked.method == Method::HEAD { Source::Empty } else { source };
    Response::from_parts(head, Reply::new(source, story))
}
