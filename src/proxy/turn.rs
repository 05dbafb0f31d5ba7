//! Filtered responses are written at the end of a worker's turn: when everything that could run has
//! run once.
//!
//! A client that sleeps is woken by what is written to it, and to wake somebody on another processor
//! is the dearest part of a write (a tenth of a filtered request of 10 KB). While we filter, those who
//! wait fall asleep; written one after the other, responses find those awake whom the first of them
//! has woken. Where nothing else can run a turn ends at once. What costs little to make comes so
//! quickly that its readers are awake, and is written when it is made.

use super::socket::Socket;
use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::AsyncWrite;

/// Bytes that are worth to wait for the end of a turn: what is less was made in less time than it
/// takes to fall asleep.
pub const LEAST: usize = 2 * 1024;

/// Bytes that wait for the end of a turn on one connection. What is more is written at once.
pub const MOST: usize = 16 * 1024;

/// Buffers that are kept for the next turn.
pub const SPARE: usize = 64;

/// One turn after the other.
#[derive(Default)]
pub(super) struct Turn {
    late: RefCell<Vec<Rc<RefCell<Outbox>>>>,
    /// Ends it: a task of its own. The runtime runs tasks in the order in which they were woken, so it
    /// comes behind all that could run when it was.
    ender: RefCell<Option<Waker>>,
    spare: RefCell<Vec<Vec<u8>>>,
}

/// A client's socket, and what waits to be written to it.
pub(super) struct Outbox {
    pub(super) socket: Socket,
    held: Vec<u8>,
    /// How many of those are written.
    at: usize,
    /// The turn will write them.
    due: bool,
    failed: Option<io::Error>,
    /// Told where the turn's end leaves something.
    owner: Option<Waker>,
}

impl Turn {
    /// Ends turns for ever.
    pub(super) async fn run(&self) {
        poll_fn(|cx| {
            for outbox in self.late.borrow_mut().drain(..) {
                self.put_back(outbox.borrow_mut().end_turn());
            }
            *self.ender.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    fn end_with(&self, outbox: &Rc<RefCell<Outbox>>) {
        self.late.borrow_mut().push(outbox.clone());
        if let Some(ender) = self.ender.take() {
            ender.wake();
        }
    }

    fn put_back(&self, mut buffer: Vec<u8>) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE && buffer.capacity() > 0 {
            buffer.clear();
            spare.push(buffer);
        }
    }
}

impl Outbox {
    pub(super) fn new(socket: Socket) -> Rc<RefCell<Outbox>> {
        let (held, at, due) = (Vec::new(), 0, false);
        Rc::new(RefCell::new(Outbox { socket, held, at, due, failed: None, owner: None }))
    }

    /// Takes these bytes, to be written at the end of the turn. `false` where they cannot wait: they
    /// are too many, others have not been taken by the client, or a layer below has its own order.
    pub(super) fn takes(
        this: &Rc<RefCell<Outbox>>,
        turn: &Turn,
        cx: &Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> bool {
        let mut outbox = this.borrow_mut();
        let length: usize = bytes.iter().map(|piece| piece.len()).sum();
        let in_order = outbox.due || outbox.is_empty();
        let held = outbox.held.len() + length;
        if !in_order || !(LEAST..=MOST).contains(&held) || outbox.socket.holds_back() {
            return false;
        }
        if !outbox.due {
            outbox.due = true;
            outbox.held = turn.spare.borrow_mut().pop().unwrap_or_default();
            outbox.owner = Some(cx.waker().clone());
            turn.end_with(this);
        }
        bytes.iter().for_each(|piece| outbox.held.extend_from_slice(piece));
        true
    }

    /// Whether the turn's end takes care of all that there is.
    pub(super) fn is_due(&self) -> bool {
        self.due && self.failed.is_none()
    }

    /// Whether nothing waits, and nothing has failed.
    pub(super) fn is_empty(&self) -> bool {
        self.at == self.held.len() && self.failed.is_none()
    }

    /// Writes what waits, for somebody who cannot wait for the turn's end, or comes after it.
    pub(super) fn poll_empty(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Err(error));
        }
        while self.at < self.held.len() {
            match ready!(Pin::new(&mut self.socket).poll_write(cx, &self.held[self.at..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => self.at += n,
            }
        }
        (self.held, self.at) = (Vec::new(), 0);
        Poll::Ready(Ok(()))
    }

    /// Writes what can be written. The buffer, if all was.
    fn end_turn(&mut self) -> Vec<u8> {
        self.due = false;
        let owner = self.owner.take();
        while self.at < self.held.len() {
            match self.socket.try_write(&self.held[self.at..]) {
                Ok(0) => self.failed = Some(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.at += n;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => self.failed = Some(error),
            }
            // It finds out for itself, or waits until the client takes more.
            owner.into_iter().for_each(Waker::wake);
            return Vec::new();
        }
        self.at = 0;
        std::mem::take(&mut self.held)
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("late", &self.late.borrow().len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.held.len() - self.at;
        f.debug_struct("Outbox").field("socket", &self.socket).field("held", &held).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;
    use tokio::net::UnixStream;

    /// An outbox, its turn, and the other end of its socket.
    fn outbox() -> (Rc<RefCell<Outbox>>, Turn, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        (Outbox::new(Socket::Unix(near)), Turn::default(), far)
    }

    fn takes(outbox: &Rc<RefCell<Outbox>>, turn: &Turn, length: usize) -> bool {
        let bytes = vec![b'x'; length];
        let (first, second) = bytes.split_at(length / 2);
        let cx = Context::from_waker(Waker::noop());
        Outbox::takes(outbox, turn, &cx, &[IoSlice::new(first), IoSlice::new(second)])
    }

    /// Lets the turn end once.
    async fn end(turn: &Turn) {
        tokio::select! {
            biased;
            () = turn.run() => {}
            () = tokio::task::yield_now() => {}
        }
    }

    async fn read(far: &mut UnixStream, length: usize) {
        far.read_exact(&mut vec![0; length]).await.unwrap();
    }

    fn is_sent(far: &UnixStream) -> bool {
        far.try_read(&mut [0; 1]).is_ok()
    }

    #[tokio::test]
    async fn p13_what_waits_for_the_end_of_a_turn_has_bounds() {
        for (length, waits) in [(LEAST - 1, false), (LEAST, true), (MOST, true), (MOST + 1, false)]
        {
            let (outbox, turn, _far) = outbox();
            assert_eq!(takes(&outbox, &turn, length), waits, "{length}");
        }
        // One after the other, they count together.
        let (outbox, turn, _far) = outbox();
        assert!(takes(&outbox, &turn, LEAST) && takes(&outbox, &turn, 1));
        assert!(!takes(&outbox, &turn, MOST - LEAST));
        assert!(takes(&outbox, &turn, MOST - LEAST - 1));
        for _ in 0..SPARE + 2 {
            turn.put_back(Vec::with_capacity(1));
        }
        assert_eq!(turn.spare.borrow().len(), SPARE);
    }

    #[tokio::test]
    async fn what_waits_is_written_at_the_end_and_its_buffer_used_again() {
        let (outbox, turn, mut far) = outbox();
        for _ in 0..3 {
            assert!(takes(&outbox, &turn, LEAST));
            assert!(outbox.borrow().is_due() && !is_sent(&far), "not before the end");
            writable(&outbox).await;
            end(&turn).await;
            read(&mut far, LEAST).await;
            assert!(outbox.borrow().is_empty() && !outbox.borrow().due);
            assert_eq!(turn.spare.borrow().len(), 1);
        }
    }

    /// Who closes, or has more than can wait, writes it first.
    #[tokio::test]
    async fn what_cannot_wait_comes_behind_what_does() {
        let (outbox, turn, mut far) = outbox();
        assert!(takes(&outbox, &turn, LEAST));
        poll_fn(|cx| outbox.borrow_mut().poll_empty(cx)).await.unwrap();
        read(&mut far, LEAST).await;
        end(&turn).await;
        assert!(!is_sent(&far), "once");
    }

    #[tokio::test]
    async fn p13_who_takes_nothing_is_waited_for_and_nothing_is_lost_or_mixed_up() {
        let (outbox, turn, mut far) = outbox();
        let mut written = 0;
        while outbox.borrow().is_empty() {
            assert!(takes(&outbox, &turn, MOST));
            written += MOST;
            writable(&outbox).await;
            end(&turn).await;
        }
        assert!(!outbox.borrow().is_due() && !takes(&outbox, &turn, LEAST), "not before that");
        let emptied = poll_fn(|cx| outbox.borrow_mut().poll_empty(cx));
        let (emptied, ()) = tokio::join!(emptied, read(&mut far, written));
        emptied.unwrap();
        assert!(outbox.borrow().is_empty() && takes(&outbox, &turn, LEAST));
    }

    #[tokio::test]
    async fn p14_a_failure_at_the_end_of_a_turn_is_told_to_the_connection() {
        let (outbox, turn, far) = outbox();
        assert!(takes(&outbox, &turn, LEAST));
        drop(far);
        writable(&outbox).await;
        end(&turn).await;
        assert!(!outbox.borrow().is_due() && !outbox.borrow().is_empty());
        assert!(!takes(&outbox, &turn, LEAST));
        poll_fn(|cx| outbox.borrow_mut().poll_empty(cx)).await.unwrap_err();
    }

    /// The runtime learns of it from the kernel, and nothing is tried before.
    async fn writable(outbox: &Rc<RefCell<Outbox>>) {
        let ready = poll_fn(|cx| match &outbox.borrow().socket {
            Socket::Unix(stream) => stream.poll_write_ready(cx),
            _ => unreachable!("a pair of Unix sockets"),
        });
        let _full = tokio::time::timeout(std::time::Duration::from_millis(20), ready).await;
    }
}
