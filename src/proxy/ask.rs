//! What a decision waits for: the request's body, and objects of the upstream that are looked at
//! in the caller's name before anything is sent.

use super::canonical::Canonical;
use super::request::Way;
use super::respond::Refused;
use super::shape::{gather_within, is_readable};
use super::story::Story;
use super::upload::RequestBody;
use super::worker::Held;
use crate::decide::body;
use crate::decide::{self, Body, Decision, Facts, Inquiry, Object, Permit, Preread, Reason};
use crate::identity::Ask;
use crate::policy::Target;
use crate::policy::target::MAX_TARGET;
use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};
use hyper::body::{Body as _, Incoming};
use std::time::Duration;

/// The longest that a request waits for others to say who is calling.
pub const MAX_ASKING: Duration = Duration::from_secs(5);

impl Way<'_> {
    /// Steps 2 to 8 once more, for a request whose caller was not known: what may still say who it
    /// is, is waited for within [`MAX_ASKING`].
    pub(super) async fn judge_later(
        &self,
        ask: Ask,
        canonical: &Canonical,
        live: &Held,
        now: u64,
        story: &mut Story,
    ) -> Result<Decision, Refused> {
        let question = self.question(canonical, now);
        let routed = decide::route(&live.snapshot, &question)?;
        let credentials = self.credentials(canonical, &routed);
        let in_vain = ask.in_vain();
        let answer = live.identity.answer(ask, &credentials, now);
        let found = match tokio::time::timeout(MAX_ASKING, answer).await {
            Ok(found) => found,
            Err(_) => live.identity.unanswered(&credentials, in_vain, now),
        };
        story.mark();
        let principal =
            found.map_err(|unidentified| self.unidentified(unidentified, live, story))?;
        story.record().user = Some(principal.user.clone());
        Ok(decide::decide(&live.snapshot, &question, routed, Some(principal), &mut ())?)
    }

    /// Finds out what the decision waits for, and hears it. Nothing of the request has gone to the
    /// upstream by then.
    pub(super) async fn ask(
        &self,
        inquiry: Inquiry,
        canonical: &mut Canonical,
        live: &Held,
        body: &mut Option<Incoming>,
        now: u64,
        story: &mut Story,
    ) -> Result<Heard, Refused> {
        let whole = self.body_for(&inquiry, canonical, live, body, now, story).await?;
        let mut objects = Vec::new();
        let mut guard = None;
        for look in inquiry.prereads(&live.snapshot, &self.question(canonical, now)) {
            let is_itself = look.is_itself;
            let (object, own) = match self.look(look, canonical, live, story).await {
                Err(refused) if inquiry.is_monitored() => {
                    let permit = inquiry.let_through(&live.snapshot, refused.refusal);
                    return Ok(Heard { permit, whole, missing: false });
                }
                Err(refused) if is_upstreams(refused.refusal.reason) => {
                    (Found::Unknown(refused.refusal.reason), None)
                }
                found => found?,
            };
            if is_itself {
                guard = Guard::of(&object, own);
            }
            objects.push(object);
        }
        let seen: Vec<Object<'_>> = objects.iter().map(Found::object).collect();
        let text = match &whole {
            Some(bytes) if bytes.is_empty() => Body::Empty,
            Some(bytes) => Body::Json(bytes),
            None if body.as_ref().is_none_or(|body| body.is_end_stream()) => Body::Empty,
            None => Body::Unread,
        };
        let facts = Facts { body: text, objects: &seen };
        let question = self.question(canonical, now);
        let settled = inquiry.settle(&live.snapshot, &question, &facts, &self.json(), &mut ());
        let permit = settled?;
        if !permit.is_monitored() && !canonical.method().is_safe() {
            match guard {
                Some(Guard::Same(tag)) => canonical.only_if(tag)?,
                Some(Guard::Absent) => canonical.only_new(),
                None => {}
            }
        }
        let is_missing = objects.iter().any(|found| matches!(found, Found::Missing));
        let missing = is_missing && !permit.is_monitored();
        Ok(Heard { permit, whole, missing })
    }

    /// Where what the caller cannot see of the stored object would be lost, puts it into the body.
    /// The write holds to the object as it was looked at.
    pub(super) async fn restore(
        &self,
        body: RequestBody,
        permit: &Permit,
        canonical: &mut Canonical,
        live: &Held,
        story: &mut Story,
    ) -> Result<RequestBody, Refused> {
        if permit.is_monitored() {
            return Ok(body);
        }
        let RequestBody::Whole(sent) = body else { return Err(Reason::HiddenFieldsAtRisk.into()) };
        if sent.len() > self.worker.limits.object {
            return Err(Reason::BodyTooLarge.into());
        }
        let path = canonical.target().raw().path();
        let target = Target::parse(path, MAX_TARGET).map_err(|_| Reason::BadPath)?;
        let look = Preread { target, permit: permit.to_look(), is_itself: true };
        match self.look(look, canonical, live, story).await? {
            (Found::Missing, _) => {
                canonical.only_new();
                Ok(RequestBody::Whole(sent))
            }
            (Found::Object(stored), Some(tag)) => {
                let whole = body::restore(permit, &stored, &sent, &self.json())?;
                canonical.only_if(tag)?;
                canonical.with_other_bytes();
                Ok(RequestBody::Whole(whole.into()))
            }
            // Nothing would hold the write to what was looked at.
            _ => Err(Reason::HiddenFieldsAtRisk.into()),
        }
    }

    async fn body_for(
        &self,
        inquiry: &Inquiry,
        canonical: &Canonical,
        live: &Held,
        body: &mut Option<Incoming>,
        now: u64,
        story: &mut Story,
    ) -> Result<Option<Bytes>, Refused> {
        let ended = body.as_ref().is_none_or(|body| body.is_end_stream());
        let reads = || inquiry.reads_body(&live.snapshot, &self.question(canonical, now));
        let unread = match inquiry.is_monitored() {
            // What cannot be read goes on, and the rules that ask for it do not hold.
            true => !reads().unwrap_or(false) || !self.can_be_watched(body.as_ref(), story),
            false => ended || !reads()?,
        };
        if ended || unread {
            return Ok(None);
        }
        self.read_body(body, story).await.map(Some)
    }

    /// Reads an object that the policy wants to know. It is held whole, within the limit.
    async fn look(
        &self,
        look: Preread,
        canonical: &Canonical,
        live: &Held,
        story: &mut Story,
    ) -> Result<(Found, Option<HeaderValue>), Refused> {
        let Preread { target, permit, .. } = look;
        let asked = canonical.look(target);
        let outgoing = self.outgoing(asked, RequestBody::Empty, &permit, live, true)?;
        let response = self.forward(permit, outgoing, live, story).await?;
        let (head, body) = response.into_parts();
        let most = self.worker.limits.object;
        let text = gather_within(body, most).await.map_err(|()| Reason::UpstreamFailed)?;
        story.hold(text.as_ref().map_or(0, Bytes::len))?;
        match head.status {
            StatusCode::NOT_FOUND => Ok((Found::Missing, None)),
            StatusCode::OK if is_readable(&head.headers) => {
                let tag = strong_tag(&head.headers);
                Ok((Found::Object(text.ok_or(Reason::UpstreamFailed)?), tag))
            }
            _ => Err(Reason::UpstreamFailed.into()),
        }
    }

    pub(super) fn question<'r>(
        &'r self,
        canonical: &'r Canonical,
        now: u64,
    ) -> decide::Request<'r> {
        decide::Request {
            method: canonical.method(),
            target: canonical.target(),
            host: canonical.named_host(),
            headers: canonical.headers(),
            client: self.client.address(),
            peer: self.holder().map(|holder| &*holder.id),
            now,
        }
    }
}

/// What a decision that had to ask came to.
pub(super) struct Heard {
    pub(super) permit: Permit,
    /// The request's body, where it had to be read.
    pub(super) whole: Option<Bytes>,
    /// Whether an object that was looked at is not there. If the upstream says the same of the
    /// request, it is answered as for an object of somebody else: nobody learns which it was.
    pub(super) missing: bool,
}

/// An object that was looked at.
enum Found {
    Missing,
    Object(Bytes),
    Unknown(Reason),
}

/// Whether a look came to nothing because of the upstream: what asked for it does not hold.
fn is_upstreams(reason: Reason) -> bool {
    matches!(reason, Reason::UpstreamFailed | Reason::UpstreamTimeout)
}

/// What holds a write to the object as it was looked at: it may change hands in between.
enum Guard {
    Same(HeaderValue),
    Absent,
}

impl Guard {
    fn of(found: &Found, tag: Option<HeaderValue>) -> Option<Guard> {
        match found {
            Found::Missing => Some(Guard::Absent),
            Found::Object(_) => tag.map(Guard::Same),
            Found::Unknown(_) => None,
        }
    }
}

impl Found {
    fn object(&self) -> Object<'_> {
        match self {
            Found::Missing => Object::Missing,
            Found::Object(text) => Object::Found(text),
            Found::Unknown(reason) => Object::Unknown(*reason),
        }
    }
}

/// RFC 9110 section 8.8.3: a weak tag guards no write.
fn strong_tag(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut tags = headers.get_all(header::ETAG).iter();
    let tag = tags.next()?;
    let strong = tag.as_bytes().starts_with(b"\"") && tags.next().is_none();
    strong.then(|| tag.clone())
}
