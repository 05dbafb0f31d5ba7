//! Responses in monitor mode: they pass as they come, and beside them runs the filter that would
//! have changed them, for what it would have removed.

use super::reply::{Cut, Download};
use super::story::Story;
use crate::decide::{Reason, media};
use crate::filter::{Fault, Filter};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use std::task::{Context, Poll, ready};
use std::time::Instant;

/// An upstream's body that is read and not touched.
pub(super) struct Watched {
    download: Download,
    /// `None` when it has finished, or met what it cannot read.
    filter: Option<Filter>,
    /// What the filter gives out, which nobody gets.
    scratch: Vec<u8>,
}

impl Watched {
    /// A body beside which this filter runs.
    pub(super) fn new(download: Download, filter: Filter) -> Watched {
        Watched { download, filter: Some(filter), scratch: Vec::new() }
    }

    /// Whether nothing more will come.
    pub(super) fn is_over(&self) -> bool {
        self.download.is_over()
    }

    /// The length that is left, where it is known.
    pub(super) fn length(&self) -> Option<u64> {
        self.download.length()
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
            Some(Err(_)) => self.filter = None,
            None => {}
        }
        if self.download.is_over() {
            self.finish(story);
        }
        story.record().filter += started.elapsed();
        Poll::Ready(chunk)
    }

    fn watch(&mut self, bytes: &[u8], story: &mut Story) {
        let Some(filter) = &mut self.filter else { return };
        self.scratch.clear();
        let read = filter.push(bytes, &mut self.scratch);
        story.record().removed = filter.removed();
        if let Err(fault) = read {
            self.filter = None;
            story.would_refuse(reason(fault));
        }
    }

    fn finish(&mut self, story: &mut Story) {
        let Some(mut filter) = self.filter.take() else { return };
        self.scratch.clear();
        let read = filter.finish(&mut self.scratch);
        story.record().removed = filter.removed();
        if let Err(fault) = read {
            story.would_refuse(reason(fault));
        }
    }
}

/// What enforcing would have said of a body that the filter stopped at.
fn reason(fault: Fault) -> Reason {
    match fault {
        Fault::Gone => Reason::NotOwner,
        _ => Reason::Shape,
    }
}

/// Whether a response can be watched. One to a read that enforcing would turn into an error is told
/// here; other errors of an upstream are passed and not looked into.
pub(super) fn can_be(
    status: StatusCode,
    headers: &HeaderMap,
    safe: bool,
    story: &mut Story,
) -> bool {
    let partial = matches!(status, StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED);
    let readable = media::is_json(headers) && media::is_identity(headers);
    if partial || status.is_success() && safe && !readable {
        story.would_refuse(Reason::Shape);
    }
    status.is_success() && !partial && readable
}
