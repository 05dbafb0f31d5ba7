//! Who is not listened to for a while, because too many of its credentials were bad.

use super::failures::Source;
use super::request::Way;
use super::respond::Refused;
use super::story::Story;
use super::worker::Held;
use crate::decide::{Reason, Refusal};
use crate::identity::Unidentified;
use std::time::Instant;

/// Seconds after which a client may try again whose token's issuer could not be asked.
const ASK_AGAIN: u32 = 5;

impl Way<'_> {
    /// Refuses without a look at any credential, where too many of this address were bad.
    pub(super) fn listens(&self, live: &Held, now: Instant) -> Result<(), Refused> {
        let failures = &self.worker.failures;
        if failures.is_empty() {
            return Ok(());
        }
        let left = self.source(live).and_then(|source| failures.blocks(source, now));
        let Some(left) = left else { return Ok(()) };
        // Rounded up, so that who waits as long is heard.
        let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        Err(Refused {
            retry_after: Some(u32::try_from(seconds).unwrap_or(u32::MAX)),
            ..Reason::TooManyFailures.into()
        })
    }

    /// What becomes of a caller who has just not been identified.
    pub(super) fn unidentified(
        &self,
        unidentified: Unidentified,
        live: &Held,
        story: &mut Story,
    ) -> Refused {
        let Unidentified { reason, fault, challenge } = unidentified;
        self.worker.recorder.unidentified(fault);
        story.record().fault = Some(fault.as_str());
        if let (true, Some(source)) = (fault.is_guess(), self.source(live)) {
            self.worker.failures.count(source, story.moment());
        }
        let retry_after = (reason == Reason::IntrospectionFailed).then_some(ASK_AGAIN);
        Refused { challenge: Some(challenge), retry_after, ..Refusal::because(reason).into() }
    }

    /// Where guesses of this client come from. `None` where one address stands for many callers (a
    /// Unix socket, a peer that speaks for others), or the connection has been let in before.
    fn source(&self, live: &Held) -> Option<Source> {
        let alone = !self.again && !live.identity.speaks_for_others(self.client.peer);
        self.client.address().filter(|_| alone).map(Source::of)
    }
}
