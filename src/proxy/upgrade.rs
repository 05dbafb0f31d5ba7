//! The opening of a WebSocket connection: the handshake goes to the upstream on a connection of its
//! own, and what comes back is held against it.
//!
//! Nothing that the client sends behind its handshake is read before the upstream has answered 101
//! and the client has been told so: until then it lies where HTTP reads from.

use super::again::Question;
use super::canonical::Canonical;
use super::headers;
use super::link::Far;
use super::outgoing::Outgoing;
use super::pool::Switched;
use super::reply::Download;
use super::request::Way;
use super::respond::Refused;
use super::story::Story;
use super::worker::Held;
use crate::decide::{Permit, Reason, handshake};
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Response;

/// What an upstream makes of a handshake.
pub(super) enum Switch {
    /// 101 for the client, and what follows it.
    Opened(Response<()>, Box<Opened>),
    /// An ordinary response.
    Answered(Response<Download>),
}

/// A connection that has been opened, and what was asked for it.
pub(super) struct Opened {
    /// The upstream's end.
    pub(super) far: Far,
    /// What was decided, to be decided again.
    pub(super) question: Question,
}

impl Way<'_> {
    /// Step 10 for a request that asks for a WebSocket connection. The permit ends here, as in
    /// [`Way::forward`].
    pub(super) async fn switch(
        &self,
        (permit, outgoing, canonical): (Permit, Outgoing, Canonical),
        live: &Held,
        story: &mut Story,
    ) -> Result<Switch, Refused> {
        let accept = accept(&canonical)?;
        let question = Question::of_connection(canonical, &permit, self.request_id);
        let to = live.to(permit.upstream());
        drop(permit);
        let started = story.moment();
        let switched = self.worker.pool.switch(to, outgoing).await;
        story.record().upstream = story.mark() - started;
        let (mut head, far) = match switched? {
            Switched::No(response) => return Ok(Switch::Answered(response)),
            Switched::Yes(head, far) => (head, far),
        };
        if !handshake::is_answered(head.status(), head.headers(), &accept) {
            return Err(Reason::UpstreamFailed.into());
        }
        if self.worker.is_draining() {
            // It would be cut as soon as it is open.
            return Err(Reason::Overloaded.into());
        }
        headers::switch_response(head.headers_mut())?;
        Ok(Switch::Opened(head, Box::new(Opened { far, question })))
    }
}

/// The only Sec-WebSocket-Accept that answers this request (RFC 6455 section 4.2.2).
fn accept(canonical: &Canonical) -> Result<String, Reason> {
    let key = handshake::key(canonical.headers()).ok_or(Reason::Internal)?;
    Ok(accept_for(key.as_bytes()))
}

/// SHA-1 guards nothing here: it shows that the upstream has read the key.
fn accept_for(key: &[u8]) -> String {
    let text = [key, GUID].concat();
    STANDARD.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &text))
}

/// RFC 6455 section 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_the_key_of_rfc_6455() {
        assert_eq!(accept_for(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
