//! Response bodies on their way to a client, and the end of every story.

use super::again::Lasting;
use super::headers;
use super::http2::Stream;
use super::pool::Lease;
use super::rest::{Rest, Taken};
use super::sieve::Sieve;
use super::story::Story;
use super::watched::Watched;
use bytes::Bytes;
use http::HeaderMap;
use hyper::body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// A response's body, and the story that ends with it.
pub(super) struct Reply {
    source: Source,
    /// None where it goes on after the response, and while [`Reply::lasting`] is asked.
    story: Option<Box<Story>>,
    /// What it has to be allowed by, where it lasts.
    lasting: Option<Box<Lasting>>,
}

/// Where the bytes come from.
pub(super) enum Source {
    /// Nowhere.
    Empty,
    /// From memory.
    Whole(Bytes),
    /// From the upstream, unread.
    Stream(Download),
    /// From the upstream, through the filter.
    Filtered(Box<Filtered>),
    /// From the upstream, read and not touched.
    Watched(Box<Watched>),
    /// From nowhere any more: it broke off, and the client is about to be told.
    Broken(Cut),
}

/// An upstream's body and the connection that it comes over, until the end has come.
pub(super) struct Download {
    rest: Rest,
    announced: Option<u64>,
    from: Carrier,
}

/// What a body comes over.
enum Carrier {
    /// A connection that carries nothing else meanwhile.
    Link(Lease),
    /// One stream of an HTTP/2 connection. Boxed, because it is rare and large.
    Stream(Box<Stream>),
    /// Nothing: it is over.
    Nothing,
}

/// An upstream's body on its way through the filter.
pub(super) struct Filtered {
    /// What has passed already.
    pub(super) passed: Vec<u8>,
    /// What was read before it was known that the body is large.
    pub(super) begun: Option<Bytes>,
    /// The rest.
    pub(super) rest: Download,
    /// What it passes through; `None` when it has finished.
    pub(super) sieve: Option<Sieve>,
    /// How much was filtered, where that is said behind the body.
    pub(super) count: Option<u64>,
}

/// The response cannot go on. The connection (or the HTTP/2 stream) is cut, so that nobody takes
/// what was sent for a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Cut {
    /// The upstream broke off.
    #[error("the upstream broke off")]
    Upstream,
    /// The body is not what it should be.
    #[error("the body cannot be filtered")]
    Filter,
    /// It is no longer allowed.
    #[error("the response is no longer allowed")]
    Revoked,
}

type Chunk = Option<Result<Bytes, Cut>>;

impl Reply {
    /// A body whose end is the end of the story.
    pub(super) fn new(source: Source, mut story: Box<Story>) -> Reply {
        if matches!(source, Source::Empty) {
            story.complete();
        }
        Reply { source, story: Some(story), lasting: None }
    }

    /// No body, and a story that goes on elsewhere.
    pub(super) fn nothing() -> Reply {
        Reply { source: Source::Empty, story: None, lasting: None }
    }

    /// It goes on for as long as this says that it may.
    pub(super) fn lasts(&mut self, lasting: Option<Box<Lasting>>) {
        self.lasting = lasting;
    }
}

impl Download {
    /// A body that has just begun.
    pub(super) fn new(rest: Rest, announced: Option<u64>, lease: Lease) -> Download {
        let mut download = Download { rest, announced, from: Carrier::Link(lease) };
        download.check_end();
        download
    }

    /// The same, over a stream.
    pub(super) fn over(stream: Stream, announced: Option<u64>) -> Download {
        let from =
            if stream.is_over() { Carrier::Nothing } else { Carrier::Stream(Box::new(stream)) };
        Download { rest: Rest::sized(0), announced, from }
    }

    /// Whether nothing more will come.
    pub(super) fn is_over(&self) -> bool {
        match &self.from {
            Carrier::Link(_) => false,
            Carrier::Stream(stream) => stream.is_over(),
            Carrier::Nothing => true,
        }
    }

    /// The length that is left, where it is known.
    pub(super) fn length(&self) -> Option<u64> {
        match &self.from {
            Carrier::Stream(stream) => stream.length(),
            _ => self.rest.length(),
        }
    }

    /// What Content-Length said, also where no body follows it.
    pub(super) fn announced(&self) -> Option<u64> {
        self.announced
    }

    /// The upstream may be silent for so long between two pieces.
    pub(super) fn may_pause(&mut self, pause: Duration) {
        match &mut self.from {
            Carrier::Link(lease) => lease.may_pause(pause),
            Carrier::Stream(stream) => stream.may_pause(pause),
            Carrier::Nothing => {}
        }
    }

    /// The next bytes.
    pub(super) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Chunk> {
        loop {
            let lease = match &mut self.from {
                Carrier::Link(lease) => lease,
                Carrier::Stream(stream) => return stream.poll_chunk(cx),
                Carrier::Nothing => return Poll::Ready(None),
            };
            match self.rest.take(&mut lease.link.buffer) {
                Ok(Taken::Data(data)) => {
                    lease.waited();
                    self.check_end();
                    return Poll::Ready(Some(Ok(data)));
                }
                Ok(Taken::End) => self.finish(),
                Ok(Taken::More) => {
                    if ready!(poll_more(lease, &mut self.rest, cx)).is_err() {
                        return Poll::Ready(Some(Err(Cut::Upstream)));
                    }
                }
                Err(_) => return Poll::Ready(Some(Err(Cut::Upstream))),
            }
        }
    }

    /// What came behind the body and may pass, once.
    pub(super) fn trailers(&mut self) -> Option<HeaderMap> {
        match &mut self.from {
            Carrier::Stream(stream) => stream.trailers(),
            _ => None,
        }
    }

    fn check_end(&mut self) {
        if self.rest.is_over() {
            self.finish();
        }
    }

    fn finish(&mut self) {
        if let Carrier::Link(lease) = std::mem::replace(&mut self.from, Carrier::Nothing) {
            lease.give_back();
        }
    }
}

/// Waits for more of a body, or for its end where that is the connection's.
fn poll_more(lease: &mut Lease, rest: &mut Rest, cx: &mut Context<'_>) -> Poll<Result<(), Cut>> {
    if lease.is_late() {
        return Poll::Ready(Err(Cut::Upstream));
    }
    let Poll::Ready(read) = lease.link.poll_read(cx) else {
        lease.wait();
        return lease.link.deadline.poll(cx).map(|()| Err(Cut::Upstream));
    };
    lease.waited();
    Poll::Ready(match read {
        Ok(0) => rest.close().map_err(|_| Cut::Upstream),
        Ok(_) => Ok(()),
        Err(_) => Err(Cut::Upstream),
    })
}

impl Filtered {
    /// The next bytes that may be seen. Where a chunk is all hidden, the next one is read.
    fn poll_chunk(&mut self, cx: &mut Context<'_>, story: &mut Story) -> Poll<Chunk> {
        if !self.passed.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.passed).into())));
        }
        loop {
            let more = self.sieve.as_ref().is_some_and(Sieve::has_more);
            let chunk = match (more, self.begun.take_if(|_| !more)) {
                (true, _) => None,
                (false, Some(begun)) => Some(Ok(begun)),
                (false, None) => ready!(self.rest.poll_chunk(cx)),
            };
            let started = Instant::now();
            let (passed, last) = match chunk {
                Some(Ok(chunk)) => (self.push(chunk), false),
                Some(Err(cut)) => return Poll::Ready(Some(Err(cut))),
                None if more => (self.more(), false),
                None => (self.finish(story), true),
            };
            story.record().filter += started.elapsed();
            match passed {
                Err(cut) => return Poll::Ready(Some(Err(cut))),
                Ok(bytes) if !bytes.is_empty() => return Poll::Ready(Some(Ok(bytes))),
                Ok(_) if last => return Poll::Ready(None),
                Ok(_) => {}
            }
        }
    }

    fn push(&mut self, chunk: Bytes) -> Result<Bytes, Cut> {
        let sieve = self.sieve.as_mut().ok_or(Cut::Filter)?;
        let mut out = Vec::with_capacity(chunk.len());
        sieve.push(chunk, &mut out).map_err(|_| Cut::Filter)?;
        Ok(out.into())
    }

    fn more(&mut self) -> Result<Bytes, Cut> {
        let sieve = self.sieve.as_mut().ok_or(Cut::Filter)?;
        let mut out = Vec::new();
        sieve.more(&mut out).map_err(|_| Cut::Filter)?;
        Ok(out.into())
    }

    fn finish(&mut self, story: &mut Story) -> Result<Bytes, Cut> {
        let Some(mut sieve) = self.sieve.take() else { return Ok(Bytes::new()) };
        let mut out = Vec::new();
        sieve.finish(&mut out).map_err(|_| Cut::Filter)?;
        story.record().removed = sieve.removed();
        self.count = self.count.map(|_| sieve.removed());
        Ok(out.into())
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let Reply { source, story, lasting } = &mut *self;
        if let Some(story) = story {
            story.taken();
        }
        if let Some(lasts) = lasting
            && let Err(cut) = ready!(lasts.poll(cx, story))
        {
            *lasting = None;
            return source.break_off(cut, cx);
        }
        let Some(story) = story else { return Poll::Ready(None) };
        let chunk = ready!(source.poll_chunk(cx, story));
        match &chunk {
            Some(Err(cut)) if !matches!(source, Source::Broken(_)) => {
                return source.break_off(*cut, cx);
            }
            Some(Ok(bytes)) => {
                story.gave();
                story.record().bytes_out += bytes.len() as u64;
                if source.is_over() {
                    story.complete();
                }
            }
            Some(Err(_)) => {
                story.cut();
                *source = Source::Empty;
            }
            None => {
                story.complete();
                return Poll::Ready(source.trailers().map(|fields| Ok(Frame::trailers(fields))));
            }
        }
        Poll::Ready(chunk.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.source.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Empty => SizeHint::with_exact(0),
            Source::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Stream(download) => {
                download.length().map_or_else(SizeHint::default, SizeHint::with_exact)
            }
            Source::Filtered(_) | Source::Broken(_) => SizeHint::default(),
            Source::Watched(watched) => {
                watched.length().map_or_else(SizeHint::default, SizeHint::with_exact)
            }
        }
    }
}

impl Source {
    /// Whether more is to come from elsewhere.
    pub(super) fn goes_on(&self) -> bool {
        matches!(self, Source::Stream(_) | Source::Filtered(_) | Source::Watched(_))
    }

    #[inline]
    fn poll_chunk(&mut self, cx: &mut Context<'_>, story: &mut Story) -> Poll<Chunk> {
        match self {
            Source::Empty => Poll::Ready(None),
            Source::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Source::Empty;
                Poll::Ready(Some(Ok(bytes)))
            }
            Source::Stream(download) => download.poll_chunk(cx),
            Source::Filtered(filtered) => filtered.poll_chunk(cx, story),
            Source::Watched(watched) => watched.poll_chunk(cx, story),
            Source::Broken(cut) => Poll::Ready(Some(Err(*cut))),
        }
    }

    /// What is said behind the body, once.
    fn trailers(&mut self) -> Option<HeaderMap> {
        match self {
            Source::Filtered(filtered) => {
                let count = filtered.count.take()?;
                Some(HeaderMap::from_iter([(headers::FILTERED, count.into())]))
            }
            Source::Stream(download) => download.trailers(),
            Source::Watched(watched) => watched.trailers(),
            _ => None,
        }
    }

    /// hyper drops what it has not written when a body fails. One turn of waiting makes it write
    /// what it was given, so that the client sees where the cut is.
    fn break_off<T>(&mut self, cut: Cut, cx: &Context<'_>) -> Poll<T> {
        *self = Source::Broken(cut);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn is_over(&self) -> bool {
        match self {
            Source::Empty => true,
            Source::Whole(_) | Source::Filtered(_) | Source::Broken(_) => false,
            Source::Stream(download) => download.is_over(),
            Source::Watched(watched) => watched.is_over(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every request carries one: what few of them come over must not make it larger.
    #[test]
    fn a_body_over_a_stream_costs_others_nothing() {
        assert_eq!(size_of::<Carrier>(), size_of::<Option<Lease>>());
    }
}
