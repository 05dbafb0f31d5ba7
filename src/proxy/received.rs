//! Request bodies that are read here: because the policy wants to know them, or to be rid of them.

use super::request::Way;
use super::respond::Refused;
use super::story::Story;
use super::upload;
use super::worker::Worker;
use crate::decide::Reason;
use bytes::Bytes;
use hyper::body::{Body, Incoming};

impl Way<'_> {
    /// In monitor mode a body is read only where its length is known to be within the limit:
    /// elsewhere, what had been read of it could not be sent on.
    pub(super) fn can_be_watched(&self, body: Option<&Incoming>, story: &mut Story) -> bool {
        let length = body.and_then(|body| body.size_hint().exact());
        let fits = length.is_some_and(|length| length <= self.worker.limits.max_body as u64);
        if length.is_some() && !fits {
            story.would_refuse(Reason::BodyTooLarge);
        }
        fits
    }

    /// Reads the request's body to its end, within the limit.
    pub(super) async fn read_body(
        &self,
        body: &mut Option<Incoming>,
        story: &mut Story,
    ) -> Result<Bytes, Refused> {
        let Some(mut full) = body.take() else { return Ok(Bytes::new()) };
        let limits = &self.worker.limits;
        let deadline = self.worker.clock.deadline();
        let read =
            upload::read_whole(&mut full, limits, &deadline, |bytes| story.hold(bytes)).await;
        let whole = read.inspect_err(|_| *body = Some(full))?;
        story.record().bytes_in = whole.len() as u64;
        story.mark();
        Ok(whole)
    }
}

/// After a refusal: a short body is read to its end, so that the connection can go on; a long one
/// is left, and the connection closes. Says whether something is left.
pub(super) async fn finish_reading(worker: &Worker, body: Option<Incoming>, expects: bool) -> bool {
    let Some(body) = body.filter(|body| !body.is_end_stream()) else { return false };
    if expects {
        // To read would be to ask for it (RFC 9110 section 10.1.1).
        return true;
    }
    let deadline = worker.clock.deadline();
    !upload::drain(body, MAX_DRAIN, worker.limits.body_idle, &deadline).await
}

/// Bytes of a refused request's body that are read, so that its connection can be used again.
pub(super) const MAX_DRAIN: u64 = 64 * 1024;
