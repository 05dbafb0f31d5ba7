//! An open WebSocket connection: bytes both ways, and nobody reads them.
//!
//! It lasts as long as both ends want it, something passes, and it is allowed. A close frame cannot
//! be put between two bytes of somebody else's frame, so that what is no longer allowed is cut.

use super::again::Question;
use super::connection::Client;
use super::deadline::{Deadline, TICK};
use super::io::ClientIo;
use super::link::Far;
use super::request::Way;
use super::respond::Refused;
use super::story::Story;
use super::upgrade::Opened;
use super::worker::Worker;
use crate::decide::Reason;
use bytes::{Buf, Bytes};
use std::cell::{Cell, OnceCell};
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection that is open towards the upstream and about to be towards the client. Dropped
/// before it has run, it is given up.
pub(super) struct Tunnel {
    far: Far,
    question: Question,
    story: Box<Story>,
}

/// The client's end.
pub(super) struct Near {
    pub(super) io: ClientIo,
    /// What came behind the handshake.
    pub(super) early: Bytes,
}

/// One direction.
#[derive(Debug, Default)]
struct Flow {
    /// What was read and is not taken yet: at most one read.
    held: Bytes,
    /// The sender has said that nothing more comes.
    ended: bool,
    /// The receiver has been told so.
    over: bool,
    /// Bytes that were taken.
    bytes: Rc<Cell<u64>>,
}

/// The story of a tunnel, with what has passed, however it ends.
struct Told {
    story: Box<Story>,
    up: Rc<Cell<u64>>,
    down: Rc<Cell<u64>>,
}

/// Both directions, and when something has passed last.
struct Pump {
    near: ClientIo,
    far: Far,
    up: Flow,
    down: Flow,
    idle: Rc<Deadline>,
    most_idle: Duration,
}

/// How a tunnel ends.
#[derive(Debug)]
enum End {
    /// Both ends have closed.
    Closed,
    /// One of them broke off.
    Broken,
    /// It is cut.
    Cut(Refused),
}

impl Tunnel {
    /// The story of its request goes on until it ends.
    pub(super) fn new(opened: Box<Opened>, story: Box<Story>) -> Box<Tunnel> {
        let Opened { far, question } = *opened;
        Box::new(Tunnel { far, question, story })
    }

    /// Carries bytes until the end.
    pub(super) async fn run(self: Box<Self>, worker: &Rc<Worker>, client: &Rc<Client>, near: Near) {
        let Tunnel { far, question, story } = *self;
        client.pulse.becomes_tunnel();
        let mut pump = Pump::new(near, far, worker);
        let (up, down) = (pump.up.bytes.clone(), pump.down.bytes.clone());
        let mut told = Told { story, up, down };
        let end = {
            let verdict = worker.clock.deadline();
            let request_id = &question.request_id.clone();
            let way = Way { worker, client, request_id, again: true, holder: OnceCell::new() };
            let mut watch = pin!(stays_allowed(&way, question, &verdict, &mut told.story));
            poll_fn(|cx| {
                if let Poll::Ready(refused) = watch.as_mut().poll(cx) {
                    return Poll::Ready(End::Cut(refused));
                }
                if verdict.poll(cx).is_ready() {
                    return Poll::Ready(End::Cut(Reason::UpstreamTimeout.into()));
                }
                if client.pulse.writing.poll(cx).is_ready() || pump.idle.poll(cx).is_ready() {
                    return Poll::Ready(End::Cut(Reason::ClientTimeout.into()));
                }
                pump.poll(cx)
            })
            .await
        };
        match end {
            End::Closed => told.story.complete(),
            End::Broken => {}
            End::Cut(refused) => told.story.refused(&refused.refusal),
        }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        let record = self.story.record();
        (record.bytes_in, record.bytes_out) = (self.up.get(), self.down.get());
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel").finish_non_exhaustive()
    }
}

/// Asks again when what is live has changed, and otherwise from time to time. Ends with the refusal.
/// `verdict` passes where the last good answer is older than the limit.
async fn stays_allowed(
    way: &Way<'_>,
    mut question: Question,
    verdict: &Deadline,
    story: &mut Story,
) -> Refused {
    let within = way.worker.limits.stream_revocation;
    let next = way.worker.clock.deadline();
    let mut waited = Duration::ZERO;
    loop {
        // An answer is as old as its question, and a deadline passes up to two ticks late.
        verdict.set(within.saturating_sub(TICK * 2 + waited));
        next.set(within / 2);
        poll_fn(|cx| match way.worker.live().snapshot.generation() == question.generation {
            true => next.poll(cx),
            false => Poll::Ready(()),
        })
        .await;
        let asked = Instant::now();
        if let Err(refused) = way.ask_again(&mut question, story).await {
            return refused;
        }
        waited = asked.elapsed();
    }
}

impl Pump {
    fn new(near: Near, mut far: Far, worker: &Worker) -> Pump {
        let (idle, most_idle) = (worker.clock.deadline(), worker.limits.tunnel_idle);
        idle.set(most_idle);
        let up = Flow { held: near.early, ..Flow::default() };
        let down = Flow { held: std::mem::take(&mut far.early), ..Flow::default() };
        Pump { near: near.io, far, up, down, idle, most_idle }
    }

    /// Ready when both directions are over, or one has broken.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let before = self.bytes();
        let up = self.up.poll(cx, &mut self.near, &mut self.far.socket);
        let down = self.down.poll(cx, &mut self.far.socket, &mut self.near);
        if self.bytes() != before {
            self.idle.set(self.most_idle);
        }
        match (up, down) {
            (Poll::Ready(Err(_)), _) | (_, Poll::Ready(Err(_))) => Poll::Ready(End::Broken),
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => Poll::Ready(End::Closed),
            _ => Poll::Pending,
        }
    }

    fn bytes(&self) -> u64 {
        self.up.bytes.get() + self.down.bytes.get()
    }
}

impl Flow {
    /// Hands on what comes, and its end. Reads only when all that was read before has been taken.
    fn poll<R, W>(&mut self, cx: &mut Context<'_>, from: &mut R, to: &mut W) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        while !self.over {
            while !self.held.is_empty() {
                let taken = ready!(Pin::new(&mut *to).poll_write(cx, &self.held))?;
                self.took(taken)?;
                self.held.advance(taken);
            }
            // An empty view would keep the memory alive.
            self.held = Bytes::new();
            // TLS may hold back what it has taken.
            ready!(Pin::new(&mut *to).poll_flush(cx))?;
            if self.ended {
                ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                self.over = true;
                break;
            }
            ready!(self.poll_some(cx, from, to))?;
        }
        Poll::Ready(Ok(()))
    }

    /// One read, into memory that an idle connection does not have.
    fn poll_some<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let mut room = [MaybeUninit::uninit(); MAX_HELD];
        let mut room = ReadBuf::uninit(&mut room);
        ready!(Pin::new(from).poll_read(cx, &mut room))?;
        let read = room.filled();
        if read.is_empty() {
            self.ended = true;
            return Poll::Ready(Ok(()));
        }
        let taken = match Pin::new(to).poll_write(cx, read) {
            Poll::Ready(taken) => taken?,
            Poll::Pending => 0,
        };
        self.count(taken);
        self.held = Bytes::copy_from_slice(&read[taken..]);
        Poll::Ready(Ok(()))
    }

    fn count(&self, taken: usize) {
        self.bytes.set(self.bytes.get() + taken as u64);
    }

    fn took(&mut self, taken: usize) -> io::Result<()> {
        self.count(taken);
        if taken == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(()) }
    }
}

/// Bytes that one direction holds at most while the receiver does not take them.
const MAX_HELD: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    /// A flow between two pipes, of which the second holds this much.
    struct Pipes {
        flow: Flow,
        writer: DuplexStream,
        from: DuplexStream,
        to: DuplexStream,
        reader: DuplexStream,
    }

    impl Pipes {
        fn new(room: usize) -> Pipes {
            let (writer, from) = duplex(4 * MAX_HELD);
            let (to, reader) = duplex(room);
            Pipes { flow: Flow::default(), writer, from, to, reader }
        }

        fn poll(&mut self) -> Poll<io::Result<()>> {
            let mut cx = Context::from_waker(Waker::noop());
            self.flow.poll(&mut cx, &mut self.from, &mut self.to)
        }
    }

    fn block_on(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        // Nobody polls again a flow that was only asked to let others go first.
        runtime.block_on(tokio::task::unconstrained(test));
    }

    #[test]
    fn p13_one_direction_holds_no_more_than_one_read() {
        for (sent, held) in
            [(MAX_HELD - 1, MAX_HELD - 2), (MAX_HELD, MAX_HELD - 1), (MAX_HELD + 1, MAX_HELD - 1)]
        {
            block_on(async {
                let mut pipes = Pipes::new(1);
                pipes.writer.write_all(&vec![b'x'; sent]).await.unwrap();
                assert!(pipes.poll().is_pending());
                assert_eq!((pipes.flow.held.len(), pipes.flow.bytes.get()), (held, 1));
                drop(pipes.writer.shutdown().await);
                let mut got = Vec::new();
                let mut room = [0; 64];
                while pipes.poll_after(&mut got, &mut room).await {}
                assert_eq!((got.len(), pipes.flow.bytes.get()), (sent, sent as u64));
            });
        }
    }

    impl Pipes {
        /// Reads what is there and goes on; whether there is more to come.
        async fn poll_after(&mut self, got: &mut Vec<u8>, room: &mut [u8]) -> bool {
            let n = self.reader.read(room).await.unwrap();
            got.extend_from_slice(&room[..n]);
            n > 0 && (self.poll().is_pending() || self.flow.over)
        }
    }

    #[test]
    fn an_idle_direction_holds_no_memory_and_an_end_is_handed_on_once() {
        block_on(async {
            let mut pipes = Pipes::new(MAX_HELD);
            pipes.writer.write_all(b"hello").await.unwrap();
            assert!(pipes.poll().is_pending());
            assert!(pipes.flow.held.is_empty() && !pipes.flow.ended);
            let mut got = [0; 5];
            pipes.reader.read_exact(&mut got).await.unwrap();
            assert_eq!(&got, b"hello");
            pipes.writer.shutdown().await.unwrap();
            assert!(matches!(pipes.poll(), Poll::Ready(Ok(()))));
            assert!(matches!(pipes.poll(), Poll::Ready(Ok(()))));
            assert_eq!(pipes.reader.read(&mut got).await.unwrap(), 0);
        });
    }

    #[test]
    fn who_takes_nothing_any_more_breaks_it() {
        block_on(async {
            let mut pipes = Pipes::new(1);
            pipes.writer.write_all(b"hello").await.unwrap();
            let (_, other) = duplex(1);
            pipes.reader = other;
            assert!(matches!(pipes.poll(), Poll::Ready(Err(_))));
        });
    }
}
