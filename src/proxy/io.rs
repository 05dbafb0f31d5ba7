//! The client's byte stream under HTTP, with its clocks.

use super::connection::CLOSING;
use super::deadline::{Clock, Deadline};
use super::frames::Frames;
use super::framing::Framing;
use super::socket::Socket;
use super::turn::{Outbox, Turn};
use crate::settings::Limits;
use bytes::{Buf, Bytes};
use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a connection's stream and the requests on it know of each other.
#[derive(Debug)]
pub(super) struct Pulse {
    /// Passes when a head, or the next request, has been waited for too long.
    pub(super) reading: Rc<Deadline>,
    /// Passes when the client has taken no bytes for too long.
    pub(super) writing: Rc<Deadline>,
    turn: Rc<Turn>,
    /// What is written waits for the end of the turn.
    late: Cell<bool>,
    requests: Cell<usize>,
    framing: RefCell<Framing>,
    /// Of HTTP/2, which is framed otherwise.
    frames: RefCell<Option<Box<Frames>>>,
    flooded: Cell<bool>,
    unread: Cell<bool>,
    reset: Cell<bool>,
    header_timeout: Duration,
    idle: Duration,
    write_idle: Duration,
}

/// The client's stream: hands on what was read while the protocol was found out, tells the pulse
/// what passes.
#[derive(Debug)]
pub(super) struct ClientIo {
    out: Rc<RefCell<Outbox>>,
    first: Bytes,
    pulse: Rc<Pulse>,
    /// Bytes that may still be thrown away after our last word.
    linger: Option<usize>,
}

impl Pulse {
    /// The clocks of a connection that has just been accepted.
    pub(super) fn new(clock: &Clock, turn: Rc<Turn>, limits: &Limits) -> Rc<Pulse> {
        let (reading, writing) = (clock.deadline(), clock.deadline());
        reading.set(limits.header_timeout);
        Rc::new(Pulse {
            reading,
            writing,
            turn,
            late: Cell::new(false),
            requests: Cell::new(0),
            framing: RefCell::default(),
            frames: RefCell::default(),
            flooded: Cell::new(false),
            unread: Cell::new(false),
            reset: Cell::new(false),
            header_timeout: limits.header_timeout,
            idle: limits.idle,
            write_idle: limits.write_idle,
        })
    }

    /// The connection speaks HTTP/2: its client may send so many frames of each kind.
    pub(super) fn speaks_http2(&self, limits: &Limits) {
        let frames = Frames::new(limits.resets, limits.control_frames, self.reading.now());
        *self.frames.borrow_mut() = Some(Box::new(frames));
    }

    /// A request's head is complete.
    pub(super) fn begin(&self) {
        self.requests.set(self.requests.get() + 1);
        self.late.set(false);
        self.reading.clear();
        if let Some(frames) = &mut *self.frames.borrow_mut() {
            frames.served();
        }
    }

    /// A response has been handed over, or given up.
    pub(super) fn end(&self) {
        self.requests.set(self.requests.get().saturating_sub(1));
        if self.requests.get() == 0 {
            let in_head = match &*self.frames.borrow() {
                None => self.framing.borrow().in_head(),
                Some(frames) => frames.in_head(),
            };
            let idle = if self.frames.borrow().is_none() { self.idle.min(NAP) } else { self.idle };
            self.reading.set(if in_head { self.header_timeout } else { idle });
        }
    }

    /// What passes from here on is no HTTP.
    pub(super) fn becomes_tunnel(&self) {
        self.framing.borrow_mut().stop();
    }

    /// Whether the client has not taken yet what was written last.
    pub(super) fn is_behind(&self) -> bool {
        self.writing.is_set()
    }

    /// Whether no request is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.requests.get() == 0
    }

    /// A response goes out while the request's body is still coming in.
    pub(super) fn leave_unread(&self) {
        self.unread.set(true);
    }

    /// Whether closing now could destroy a response that the client has not read yet.
    pub(super) fn has_unread(&self) -> bool {
        self.unread.get()
    }

    /// A response whose end is the connection's end was broken off.
    pub(super) fn reset(&self) {
        self.reset.set(true);
    }

    /// Whether a clean close would be a lie.
    pub(super) fn must_reset(&self) -> bool {
        self.reset.get()
    }

    /// Whether a head said two things about its body.
    pub(super) fn is_ambiguous(&self) -> bool {
        self.framing.borrow().is_ambiguous()
    }

    /// Whether a target had a fragment.
    pub(super) fn has_fragment(&self) -> bool {
        self.framing.borrow().has_fragment()
    }

    /// Whether the head of a request has begun to come and is not whole (HTTP/1).
    pub(super) fn is_in_head(&self) -> bool {
        self.framing.borrow().in_head()
    }

    /// Whether the wait that is over was for the next request alone, and the client may have more time
    /// for it.
    pub(super) fn may_sleep(&self) -> bool {
        let awaits = self.frames.borrow().is_none() && !self.framing.borrow().in_head();
        self.idle > NAP && awaits && self.is_idle() && !self.is_behind() && !self.has_unread()
    }

    /// Nothing has been asked for [`NAP`]; the rest of the time begins.
    pub(super) fn sleep(&self) {
        self.reading.set(self.idle.saturating_sub(NAP));
    }

    /// Whether the connection ends because of the frames that its client has sent.
    pub(super) fn is_flooded(&self) -> bool {
        self.flooded.get()
    }

    /// The connection's task runs.
    pub(super) fn begin_turn(&self) {
        if let Some(frames) = &mut *self.frames.borrow_mut() {
            frames.begin_turn();
        }
    }

    /// The response has taken work, and may be written together with others ([`super::turn`]). HTTP/2
    /// has an order of its own of what it writes, and counts what its client has taken.
    pub(super) fn may_be_late(&self) {
        self.late.set(self.frames.borrow().is_none());
    }

    fn gives_way(&self) -> bool {
        self.frames.borrow().as_ref().is_some_and(|frames| frames.gives_way())
    }

    fn read(&self, bytes: &[u8]) -> io::Result<()> {
        if let Some(frames) = &mut *self.frames.borrow_mut() {
            return self.read_frames(bytes, frames);
        }
        let mut framing = self.framing.borrow_mut();
        let before = framing.in_head();
        framing.see(bytes);
        // From the first byte of a head to its last: later bytes do not buy more time.
        if !before && framing.in_head() && self.is_idle() {
            self.reading.set(self.header_timeout);
        }
        Ok(())
    }

    /// Only a request is a sign of life: a client that answers our PING, or sends its own, could
    /// stay for ever.
    fn read_frames(&self, bytes: &[u8], frames: &mut Frames) -> io::Result<()> {
        let before = frames.in_head();
        frames.see(bytes, self.reading.now()).map_err(|flood| {
            self.flooded.set(true);
            io::Error::new(io::ErrorKind::InvalidData, flood)
        })?;
        if before != frames.in_head() && self.is_idle() {
            self.reading.set(if before { self.idle } else { self.header_timeout });
        }
        Ok(())
    }

    fn flushed(&self, result: &Poll<io::Result<()>>) {
        match result {
            Poll::Pending => self.writing.set_once(self.write_idle),
            Poll::Ready(_) => self.writing.clear(),
        }
    }

    fn wrote(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &result {
            Poll::Pending => self.writing.set_once(self.write_idle),
            Poll::Ready(written) => {
                self.writing.clear();
                if let (Ok(n), Some(frames)) = (written, &mut *self.frames.borrow_mut()) {
                    frames.wrote(*n);
                }
            }
        }
        result
    }
}

impl ClientIo {
    /// A stream that begins with bytes which have been read already.
    pub(super) fn new(socket: Socket, first: Bytes, pulse: Rc<Pulse>) -> ClientIo {
        ClientIo { out: Outbox::new(socket), first, pulse, linger: None }
    }

    /// The same, where this much had been read ahead.
    pub(super) fn after(mut self, read: &[u8]) -> ClientIo {
        // A view, even an empty one, would keep the whole buffer alive.
        self.first = Bytes::copy_from_slice(read);
        self
    }

    /// Ready when there is something to read, which stays there to be read, or at the end, which is
    /// `false`. Holds no buffer until then.
    pub(super) fn poll_wake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if !self.first.is_empty() {
            return Poll::Ready(Ok(true));
        }
        let mut space = [0; WAKING];
        let mut buf = ReadBuf::new(&mut space);
        ready!(self.poll_socket(cx, &mut buf))?;
        self.first = Bytes::copy_from_slice(buf.filled());
        Poll::Ready(Ok(!self.first.is_empty()))
    }

    fn poll_socket(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.out.borrow_mut().socket).poll_read(cx, buf)
    }

    /// Where the client is still sending, reads on for a moment: bytes that arrive at a closed
    /// socket make the kernel answer with a reset, and the client may lose the response that it
    /// has not read yet (RFC 9112 section 9.6).
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let left = self.linger.get_or_insert_with(|| {
            self.pulse.reading.set(CLOSING);
            MAX_LINGER
        });
        let mut waste = [0; 4096];
        while *left > 0 {
            let mut buf = ReadBuf::new(&mut waste);
            ready!(Pin::new(&mut self.out.borrow_mut().socket).poll_read(cx, &mut buf))?;
            match buf.filled().len() {
                0 => break,
                n => *left = left.saturating_sub(n),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.pulse.gives_way() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.first.is_empty() {
            ready!(self.poll_socket(cx, buf))?;
        } else {
            let n = self.first.len().min(buf.remaining());
            buf.put_slice(&self.first[..n]);
            self.first.advance(n);
            if self.first.is_empty() {
                // An empty view would keep the whole buffer alive.
                self.first = Bytes::new();
            }
        }
        Poll::Ready(self.pulse.read(&buf.filled()[before..]))
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.pulse.late.get() && Outbox::takes(&self.out, &self.pulse.turn, cx, bufs) {
            let length = bufs.iter().map(|buf| buf.len()).sum();
            return self.pulse.wrote(Poll::Ready(Ok(length)));
        }
        let out = &mut *self.out.borrow_mut();
        let result = match out.poll_empty(cx) {
            Poll::Ready(Ok(())) => match bufs {
                // Cheaper than a list of one.
                [one] => Pin::new(&mut out.socket).poll_write(cx, one),
                _ => Pin::new(&mut out.socket).poll_write_vectored(cx, bufs),
            },
            earlier => earlier.map(|failed| failed.map(|()| 0)),
        };
        self.pulse.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let out = &mut *self.out.borrow_mut();
        if out.is_due() {
            return Poll::Ready(Ok(()));
        }
        // What a turn has left, and what TLS holds, counts as written: whether the client takes it
        // shows here.
        let behind = out.socket.holds_back() || !out.is_empty();
        let result = match out.poll_empty(cx) {
            Poll::Ready(Ok(())) => Pin::new(&mut out.socket).poll_flush(cx),
            earlier => earlier,
        };
        if behind {
            self.pulse.flushed(&result);
        }
        result
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            let out = &mut *self.out.borrow_mut();
            if !out.is_empty() {
                let written = out.poll_empty(cx);
                self.pulse.flushed(&written);
                ready!(written)?;
            }
            ready!(Pin::new(&mut out.socket).poll_shutdown(cx))?;
        }
        match self.pulse.has_unread() {
            true => self.poll_linger(cx),
            false => Poll::Ready(Ok(())),
        }
    }
}

impl Drop for ClientIo {
    fn drop(&mut self) {
        if self.pulse.must_reset() {
            self.out.borrow().socket.reset();
        }
    }
}

/// A connection over which nothing has been asked for so long gives its buffers up.
const NAP: Duration = Duration::from_secs(1);

/// Bytes that are read at first of a request that ends a sleep; a head of common size fits.
const WAKING: usize = 2048;

/// Bytes that are read and thrown away from a client that still sends to a refused request.
const MAX_LINGER: usize = 1024 * 1024;
