//! One connection to an upstream: its socket, what came and was not used yet, and its clock.
//!
//! There is no task behind it. Whoever waits for a response is woken by the socket itself; who is
//! done puts the link into the pool, where nobody waits.

use super::AtEnd;
use super::answer::{self, Answer};
use super::deadline::Deadline;
use super::sending::{Broken, Sending};
use super::socket::Socket;
use bytes::{Bytes, BytesMut};
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::task::JoinHandle;

/// One connection.
pub(super) struct Link {
    /// Shared with an [`Unfinished`] request while there is one.
    socket: Rc<RefCell<Socket>>,
    /// What came and belongs to nobody yet.
    pub(super) buffer: BytesMut,
    reads: ReadSize,
    /// Interim responses to the present request.
    interim: usize,
    /// Since the last call of [`Link::shrink`].
    was_used: bool,
    /// Whoever waits for this connection waits no longer than this. Unused, it is its age.
    pub(super) deadline: Rc<Deadline>,
    _closed: AtEnd,
}

/// The upstream's end of a connection that speaks HTTP no more.
pub(super) struct Far {
    pub(super) socket: Socket,
    /// What it has said already.
    pub(super) early: Bytes,
    _closed: AtEnd,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// The connection ended before a byte of a response came.
    Died,
    /// It broke later, or what came is no HTTP.
    Failed,
    /// The client's body is none.
    Client,
    /// The deadline passed.
    Late,
}

/// The rest of a request that was answered early, while the response is read. Dropped, it stops.
#[derive(Debug)]
pub(super) struct Unfinished(JoinHandle<()>);

/// How much to read at a time: more while reads fill what they are given, less after two in a row
/// that come nowhere near.
#[derive(Debug)]
struct ReadSize {
    next: usize,
    was_small: bool,
}

impl Link {
    /// A connection that has just come about.
    pub(super) fn new(socket: Socket, deadline: Rc<Deadline>, closed: AtEnd) -> Link {
        let (socket, buffer) = (Rc::new(RefCell::new(socket)), BytesMut::new());
        let reads = ReadSize::new();
        Link { socket, buffer, reads, interim: 0, was_used: true, deadline, _closed: closed }
    }

    /// Sends what can be sent and reads until the head of the final response is there.
    pub(super) fn poll_answer(
        &mut self,
        cx: &mut Context<'_>,
        sending: &mut Sending,
        max_bytes: usize,
    ) -> Poll<Result<Answer, Unanswered>> {
        if self.deadline.poll(cx).is_ready() {
            return Poll::Ready(Err(Unanswered::Late));
        }
        let sent = sending.poll(cx, &mut self.socket.borrow_mut());
        if sent == Poll::Ready(Err(Broken::Client)) {
            return Poll::Ready(Err(Unanswered::Client));
        }
        // One that takes no more may have answered before: what it said is read.
        loop {
            match ready!(self.poll_read(cx)) {
                Ok(0) | Err(_) if self.buffer.is_empty() && self.interim == 0 => {
                    return Poll::Ready(Err(Unanswered::Died));
                }
                Ok(0) | Err(_) => return Poll::Ready(Err(Unanswered::Failed)),
                Ok(_) => {}
            }
            if let Some(answer) = self.take_final(sending, max_bytes)? {
                return Poll::Ready(Ok(answer));
            }
        }
    }

    /// The final response's head. Those before it are passed over (RFC 9110 section 15.2); 101
    /// is not one of them: it is final where it was asked for, and an error elsewhere.
    fn take_final(
        &mut self,
        sending: &mut Sending,
        max_bytes: usize,
    ) -> Result<Option<Answer>, Unanswered> {
        let method = sending.method().clone();
        while self.interim <= MAX_INTERIM {
            let taken = answer::take(&mut self.buffer, sending.headers(), &method, max_bytes);
            match taken.map_err(|_| Unanswered::Failed)? {
                Some(answer) if answer.status == 101 && sending.switches() => {
                    return Ok(Some(answer));
                }
                Some(answer) if answer.status == 101 => return Err(Unanswered::Failed),
                Some(answer) if answer.status.is_informational() => self.interim += 1,
                taken => return Ok(taken),
            }
        }
        Err(Unanswered::Failed)
    }

    /// Reads what is there behind what was read before. 0 bytes are the end.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.buffer.reserve(self.reads.next);
        let mut socket = self.socket.borrow_mut();
        let n = ready!(pin!(socket.read_buf(&mut self.buffer)).poll(cx))?;
        self.reads.record(n);
        Poll::Ready(Ok(n))
    }

    /// Whether the other end is there and has said nothing that nobody asked for. Costs no system
    /// call where nothing has happened, and from here on wakes nobody.
    pub(super) fn is_quiet(&self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        let mut waste = [0; 1];
        let mut waste = ReadBuf::new(&mut waste);
        let mut socket = self.socket.borrow_mut();
        self.buffer.is_empty() && Pin::new(&mut *socket).poll_read(&mut cx, &mut waste).is_pending()
    }

    /// Sends the rest of a request beside its response.
    pub(super) fn finish(&self, mut sending: Box<Sending>) -> Unfinished {
        let socket = self.socket.clone();
        Unfinished::run(async move {
            // Who failed shows in the response, or does not matter any more.
            let _ = std::future::poll_fn(|cx| sending.poll(cx, &mut socket.borrow_mut())).await;
        })
    }

    /// The socket, and what came behind the last head, when it speaks HTTP no more. `None` where
    /// something of a request is still being sent.
    pub(super) fn into_tunnel(self) -> Option<Far> {
        let socket = Rc::try_unwrap(self.socket).ok()?.into_inner();
        Some(Far { socket, early: self.buffer.freeze(), _closed: self._closed })
    }

    /// Between two requests.
    pub(super) fn put_down(&mut self) {
        self.interim = 0;
        self.was_used = true;
    }

    /// Gives up memory that only a long body needs, if nobody has used the connection since the
    /// last call. One that is in use would ask for it again at once.
    pub(super) fn shrink(&mut self) {
        if !std::mem::take(&mut self.was_used) && self.buffer.capacity() > FIRST_READ {
            self.buffer = BytesMut::new();
            self.reads = ReadSize::new();
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl Unfinished {
    /// Goes on with this.
    pub(super) fn run(rest: impl Future<Output = ()> + 'static) -> Unfinished {
        Unfinished(tokio::task::spawn_local(rest))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl ReadSize {
    fn new() -> ReadSize {
        ReadSize { next: FIRST_READ, was_small: false }
    }

    fn record(&mut self, n: usize) {
        let small = n < self.next / 2 && self.next > FIRST_READ;
        if n >= self.next {
            self.next = (self.next * 2).min(MAX_BUFFER);
        } else if small && self.was_small {
            self.next = (self.next / 2).max(FIRST_READ);
        }
        self.was_small = small;
    }
}

/// What the first read of a connection may bring.
const FIRST_READ: usize = 8 * 1024;

/// What one read of a connection may bring at most. Reads grow up to it while they are filled, so
/// that only long bodies have so much.
pub(super) const MAX_BUFFER: usize = 400 * 1024;

/// Interim responses (RFC 9110 section 15.2) that may come before the final one.
pub(super) const MAX_INTERIM: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::Recorder;
    use crate::proxy::deadline::Clock;
    use crate::telemetry::record::Record;
    use tokio::io::AsyncWriteExt;
    use tokio::net::UnixStream;

    struct Nobody;

    impl Recorder for Nobody {
        fn record(&self, _: Record) {}
    }

    /// A link and the other end of its socket, on a runtime of their own.
    fn with_link(test: impl AsyncFnOnce(Link, UnixStream)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let (ours, theirs) = UnixStream::pair().unwrap();
            let closed = AtEnd(Rc::new(Nobody), |_| {});
            let link = Link::new(Socket::Unix(ours), Clock::default().deadline(), closed);
            test(link, theirs).await;
        });
    }

    async fn read(link: &mut Link) -> usize {
        std::future::poll_fn(|cx| link.poll_read(cx)).await.unwrap()
    }

    #[test]
    fn p04_a_link_is_quiet_until_something_comes_or_the_other_end_goes() {
        with_link(async |link, mut theirs| {
            assert!(link.is_quiet());
            theirs.write_all(b"x").await.unwrap();
            tokio::task::yield_now().await;
            assert!(!link.is_quiet());
        });
        with_link(async |link, theirs| {
            drop(theirs);
            tokio::task::yield_now().await;
            assert!(!link.is_quiet());
        });
        with_link(async |mut link, mut theirs| {
            theirs.write_all(b"xy").await.unwrap();
            assert_eq!(read(&mut link).await, 2);
            assert!(!link.is_quiet(), "what was read and not used is not quiet");
            link.buffer.clear();
            assert!(link.is_quiet());
        });
    }

    #[test]
    fn p13_a_link_that_nobody_uses_gives_up_its_memory() {
        with_link(async |mut link, mut theirs| {
            theirs.write_all(&[b'x'; 4 * FIRST_READ]).await.unwrap();
            let mut left = 4 * FIRST_READ;
            while left > 0 {
                left -= read(&mut link).await;
                link.buffer.clear();
            }
            assert!(link.buffer.capacity() > FIRST_READ);
            link.put_down();
            link.shrink();
            assert!(link.buffer.capacity() > FIRST_READ, "it was used a moment ago");
            link.shrink();
            assert!(link.buffer.capacity() <= FIRST_READ);
            assert_eq!(link.reads.next, FIRST_READ);
        });
    }

    #[test]
    fn reads_grow_while_they_are_filled_up_to_the_limit() {
        let mut reads = ReadSize::new();
        for _ in 0..5 {
            reads.record(reads.next);
        }
        assert_eq!(reads.next, 256 * 1024);
        reads.record(reads.next - 1);
        assert_eq!(reads.next, 256 * 1024);
        for _ in 0..3 {
            reads.record(reads.next);
            assert_eq!(reads.next, MAX_BUFFER);
        }
    }

    #[test]
    fn reads_shrink_after_two_small_ones_and_not_below_the_first() {
        let mut reads = ReadSize::new();
        reads.record(FIRST_READ);
        reads.record(1);
        reads.record(FIRST_READ);
        reads.record(1);
        assert_eq!(reads.next, FIRST_READ * 2);
        for _ in 0..5 {
            reads.record(1);
        }
        assert_eq!(reads.next, FIRST_READ);
    }
}
