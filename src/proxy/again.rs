//! What was allowed once and lasts: it is asked again, of what is live then, for as long as it
//! lasts. A credential expires, a membership is over, an object changes hands, a policy is reloaded.
//!
//! An open WebSocket connection is one such thing ([`super::tunnel`]), a response that streams another
//! ([`Lasting`]); so is the wait for such a response ([`Way::while_allowed`]).

use super::canonical::Canonical;
use super::connection::Client;
use super::deadline::{Deadline, TICK};
use super::reply::Cut;
use super::request::Way;
use super::respond::Refused;
use super::story::Story;
use super::worker::{Held, Worker};
use crate::decide::body::{self, View};
use crate::decide::{Decision, Permit, Reason, media};
use crate::policy::snapshot::{BodyKind, Route};
use http::HeaderValue;
use std::cell::OnceCell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Instant, UNIX_EPOCH};

/// What something that lasts has to be allowed by.
pub(super) struct Question {
    pub(super) canonical: Canonical,
    pub(super) request_id: HeaderValue,
    /// The generation that decided last.
    pub(super) generation: u64,
    subject: Subject,
    what: What,
}

/// For whom the upstream was told that it is.
#[derive(Debug, PartialEq, Eq)]
struct Subject {
    user: Option<Arc<str>>,
    org: Option<Arc<str>>,
    app: Option<Arc<str>>,
}

/// What lasts.
enum What {
    /// A connection, both ways.
    Connection,
    /// A response, of which this is shown; in monitor mode all of it is.
    Response { shown: View, monitored: bool },
}

/// A response that lasts, held to what is allowed.
pub(super) struct Lasting {
    worker: Rc<Worker>,
    client: Rc<Client>,
    next: Rc<Deadline>,
    state: State,
}

enum State {
    /// It is allowed, until it is time to ask again.
    Allowed(Box<Question>),
    /// It is being asked. The story is told meanwhile.
    Asks(Pin<Box<dyn Future<Output = Asked>>>),
    /// It is allowed no more.
    Over,
}

type Asked = (Box<Question>, Box<Story>, Result<(), Refused>);

impl Question {
    /// Of a connection that this permit opens.
    pub(super) fn of_connection(canonical: Canonical, permit: &Permit, id: &HeaderValue) -> Self {
        Question::new(canonical, permit, id, What::Connection)
    }

    /// Of the response to a request that this permit allows, where that may last: the route says
    /// that it is a stream of records, the client asks for events, or it is a call of gRPC, of which
    /// nothing says how long it is.
    pub(super) fn of_response(
        canonical: &Canonical,
        permit: &Permit,
        shown: &View,
        (route, id): (&Route, &HeaderValue),
    ) -> Option<Box<Self>> {
        let headers = canonical.headers();
        let lasts = route.response == BodyKind::Events
            || media::asks_for_events(headers)
            || canonical.is_http2() && media::is_grpc(headers);
        lasts.then(|| {
            let (shown, monitored) = (shown.clone(), permit.is_monitored());
            let what = What::Response { shown, monitored };
            Box::new(Question::new(canonical.again(), permit, id, what))
        })
    }

    fn new(canonical: Canonical, permit: &Permit, id: &HeaderValue, what: What) -> Question {
        let (generation, request_id) = (permit.generation(), id.clone());
        Question { canonical, request_id, generation, subject: Subject::of(permit), what }
    }

    /// Refuses what this permit does not say of what lasts. `before` is the generation that was
    /// asked last.
    fn is_met_by(&self, permit: &Permit, live: &Held, before: u64) -> Result<(), Refused> {
        let same = Subject::of(permit) == self.subject;
        let met = same
            && match &self.what {
                What::Connection => permit.upgrades(),
                What::Response { .. } if permit.is_monitored() => true,
                What::Response { shown, monitored } => {
                    let now = body::view(permit, &live.snapshot);
                    let shown = if *monitored { &View::Whole } else { shown };
                    shown.still_hides(&now, before == self.generation)
                }
            };
        if met { Ok(()) } else { Err(Reason::NoGrant.into()) }
    }

    /// Whether it is time to ask: another policy is live, or the last answer is getting old.
    fn is_due(&self, next: &Deadline, worker: &Worker, cx: &Context<'_>) -> bool {
        next.poll(cx).is_ready() || worker.live().snapshot.generation() != self.generation
    }

    /// Whether what the decision waits for cannot be found out any more: the request's body is
    /// gone, and what it has done to the object that was looked at is done.
    fn cannot_be_settled(&self) -> bool {
        matches!(self.what, What::Response { .. }) && !self.canonical.method().is_safe()
    }
}

impl Subject {
    fn of(permit: &Permit) -> Subject {
        let user = permit.principal().map(|principal| principal.user.clone());
        Subject { user, org: permit.org().cloned(), app: permit.app().cloned() }
    }
}

impl Way<'_> {
    /// Waits for what an exchange comes to, as long as the request may go on. It is asked about when
    /// the policy has changed and otherwise from time to time; nothing goes on meanwhile. Refused, the
    /// exchange is given up.
    pub(super) async fn while_allowed<T>(
        &self,
        question: &mut Question,
        story: &mut Story,
        exchange: impl Future<Output = T>,
    ) -> Result<T, Refused> {
        let mut exchange = pin!(exchange);
        let next = self.worker.clock.deadline();
        loop {
            next.set(self.worker.limits.stream_revocation / 2);
            let come = poll_fn(|cx| match exchange.as_mut().poll(cx) {
                Poll::Ready(come) => Poll::Ready(Some(come)),
                Poll::Pending if question.is_due(&next, self.worker, cx) => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            });
            match come.await {
                Some(come) => return Ok(come),
                None => self.ask_in_time(question, story).await?,
            }
        }
    }

    /// Asks again; an answer that does not come in time is none, because the last one is too old by
    /// then.
    async fn ask_in_time(&self, question: &mut Question, story: &mut Story) -> Result<(), Refused> {
        // The deadline before this passes up to two ticks late.
        let within = (self.worker.limits.stream_revocation / 2).saturating_sub(TICK * 2);
        match tokio::time::timeout(within, self.ask_again(question, story)).await {
            Ok(answer) => answer,
            Err(_) => Err(Reason::UpstreamTimeout.into()),
        }
    }

    /// Asks again. Of a request that has changed something, what had to be looked up for it stands
    /// as long as the policy does: the look would find what the request has made of it.
    pub(super) async fn ask_again(
        &self,
        question: &mut Question,
        story: &mut Story,
    ) -> Result<(), Refused> {
        // What is trusted may have changed.
        let way = &Way { again: true, holder: OnceCell::new(), ..*self };
        let live = way.worker.live();
        let time = way.worker.time_at(Instant::now());
        let now = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let before = std::mem::replace(&mut question.generation, live.snapshot.generation());
        story.record().generation = question.generation;
        let waited = story.record().upstream;
        let judged = match way.judge(&question.canonical, &live, now, story) {
            Err(Refused { ask: Some(ask), .. }) => {
                way.judge_later(*ask, &question.canonical, &live, now, story).await?
            }
            judged => judged?,
        };
        let permit = match judged {
            Decision::Allowed(permit) => permit,
            Decision::Asks(_) if question.cannot_be_settled() => {
                let stands = before == question.generation;
                return if stands { Ok(()) } else { Err(Reason::NoGrant.into()) };
            }
            Decision::Asks(inquiry) => {
                let canonical = &mut question.canonical;
                way.ask(*inquiry, canonical, &live, &mut None, now, story).await?.permit
            }
        };
        story.record().upstream = waited;
        question.is_met_by(&permit, &live, before)
    }
}

impl Lasting {
    /// Of a response that has just been allowed.
    pub(super) fn new(
        worker: &Rc<Worker>,
        client: &Rc<Client>,
        question: Box<Question>,
    ) -> Box<Lasting> {
        let (worker, client, next) = (worker.clone(), client.clone(), worker.clock.deadline());
        next.set(worker.limits.stream_revocation / 2);
        Box::new(Lasting { worker, client, next, state: State::Allowed(question) })
    }

    /// Ready as long as the response may go on, asked when the policy has changed and otherwise
    /// from time to time. Nothing goes on while it is being asked, and the story is away.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        story: &mut Option<Box<Story>>,
    ) -> Poll<Result<(), Cut>> {
        loop {
            let due = self.is_due(cx);
            match &mut self.state {
                State::Over => return Poll::Ready(Err(Cut::Revoked)),
                State::Allowed(_) if !due => return Poll::Ready(Ok(())),
                State::Allowed(_) => self.begin(story),
                State::Asks(asking) => {
                    let answer = ready!(asking.as_mut().poll(cx));
                    self.hear(answer, story);
                }
            }
        }
    }

    fn is_due(&self, cx: &Context<'_>) -> bool {
        match &self.state {
            State::Allowed(question) => question.is_due(&self.next, &self.worker, cx),
            _ => false,
        }
    }

    /// Without a story, which is always there, nobody could be asked.
    fn begin(&mut self, story: &mut Option<Box<Story>>) {
        let state = std::mem::replace(&mut self.state, State::Over);
        if let (State::Allowed(question), Some(story)) = (state, story.take()) {
            self.state = State::Asks(self.ask(question, story));
        }
    }

    fn hear(&mut self, (question, told, answer): Asked, story: &mut Option<Box<Story>>) {
        let told = story.insert(told);
        self.state = match answer {
            Ok(()) => {
                self.next.set(self.worker.limits.stream_revocation / 2);
                State::Allowed(question)
            }
            Err(refused) => {
                told.refused(&refused.refusal);
                State::Over
            }
        };
    }

    fn ask(
        &self,
        mut question: Box<Question>,
        mut story: Box<Story>,
    ) -> Pin<Box<dyn Future<Output = Asked>>> {
        let (worker, client) = (self.worker.clone(), self.client.clone());
        Box::pin(async move {
            let request_id = &question.request_id.clone();
            let (worker, client) = (&worker, &client);
            let way = Way { worker, client, request_id, again: true, holder: OnceCell::new() };
            let answer = way.ask_in_time(&mut question, &mut story).await;
            (question, story, answer)
        })
    }
}
