//! Responses in monitor mode: they pass as they come, and beside them runs the filter that would
//! have changed them, for what it would have removed.

use super::reply::{Cut, Download};
use super::shape::is_of_another;
use super::sieve::{Reading, Sieve, Unfit};
use super::story::Story;
use crate::decide::Reason;
use crate::filter::Fault;
use crate::policy::snapshot::BodyKind;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use std::task::{Context, Poll, ready};
use std::time::Instant;

/// An upstream's body that is read and not touched.
pub(super) struct Watched {
    download: Download,
    /// `None` when it has finished, or met what it cannot read.
    sieve: Option<Sieve>,
    /// What the filter gives out, which nobody gets.
    scratch: Vec<u8>,
}

impl Watched {
    /// A body beside which this filter runs.
    pub(super) fn new(download: Download, sieve: Sieve) -> Watched {
        Watched { download, sieve: Some(sieve), scratch: Vec::new() }
    }

    /// Whether nothing more will come.
    pub(super) fn is_over(&self) -> bool {
        self.download.is_over()
    }

    /// The length that is left, where it is known.
    pub(super) fn length(&self) -> Option<u64> {
        self.download.length()
    }

    /// What came behind the body and may pass, once.
    pub(super) fn trailers(&mut self) -> Option<HeaderMap> {
        self.download.trailers()
    }

    /// The next bytes, as they came.
    pub(super) fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
        story: &mut Story,
    ) -> Poll<Option<Result<Bytes, Cut>>> {
        let chunk = ready!(self.download.poll_chunk(cx));
        let started = Instant::now();
        match &chunk {
            Some(Ok(bytes)) => self.watch(bytes, story),
            Some(Err(_)) => self.sieve = None,
            None => {}
        }
        if self.download.is_over() {
            self.finish(story);
        }
        story.record().filter += started.elapsed();
        Poll::Ready(chunk)
    }

    fn watch(&mut self, bytes: &Bytes, story: &mut Story) {
        let Some(sieve) = &mut self.sieve else { return };
        self.scratch.clear();
        let mut read = sieve.push(bytes.clone(), &mut self.scratch);
        while read.is_ok() && sieve.has_more() {
            self.scratch.clear();
            read = sieve.more(&mut self.scratch);
        }
        story.record().removed = sieve.removed();
        if let Err(fault) = read {
            self.sieve = None;
            story.would_refuse(reason(fault));
        }
    }

    fn finish(&mut self, story: &mut Story) {
        let Some(mut sieve) = self.sieve.take() else { return };
        self.scratch.clear();
        let read = sieve.finish(&mut self.scratch);
        story.record().removed = sieve.removed();
        if let Err(fault) = read {
            story.would_refuse(reason(fault));
        }
    }
}

/// What enforcing would have said of a body that the filter stopped at.
fn reason(fault: Unfit) -> Reason {
    match fault {
        Unfit::Filter(Fault::Gone) => Reason::NotOwner,
        _ => Reason::Shape,
    }
}

/// How a response is to be watched, where it can be. One to a read that enforcing would turn into
/// an error is told here; other errors of an upstream are passed and not looked into.
pub(super) fn reading(
    status: StatusCode,
    headers: &HeaderMap,
    (kind, safe): (BodyKind, bool),
    story: &mut Story,
) -> Option<Reading> {
    let partial = is_of_another(status);
    let reading = Reading::of(headers, kind);
    if partial || status.is_success() && safe && reading.is_none() {
        story.would_refuse(Reason::Shape);
    }
    reading.filter(|_| status.is_success() && !partial)
}
