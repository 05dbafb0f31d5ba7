//! One connection to an upstream, which carries many requests.
//!
//! h2 wants a task of its own for each: it reads and writes, and asks whether the upstream is still
//! there ([`super::beat`]). It ends when the connection does, or when nobody has it any more.

use super::beat::{Beat, PONG_WITHIN, Silence, Step};
use super::{
    CONNECTION_WINDOW, FIRST_STREAMS, FORGET_RESETS, HEADER_TABLE, MAX_ERRORS, MAX_FRAME,
    MAX_RESETS, SEND_BUFFER, STREAM_WINDOW,
};
use crate::proxy::AtEnd;
use crate::proxy::connection::CLOSING;
use crate::proxy::deadline::Deadline;
use crate::proxy::socket::Socket;
use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use h2::{Ping, PingPong};
use std::cell::Cell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::Notify;

/// A connection. Dropped by whoever has it last, it closes when its streams are over.
pub(in crate::proxy) struct Connection {
    sender: SendRequest<Bytes>,
    life: Rc<Life>,
    /// Its age while it is unused.
    unused: Rc<Deadline>,
}

/// What the task and the requests know of each other.
struct Life {
    /// It has ended, or must not be used any more.
    over: Cell<bool>,
    /// Nobody has it.
    left: Cell<bool>,
    requests: Cell<usize>,
    silence: Silence,
    /// Streams that are open, and how many the upstream takes. h2 would keep those beyond and send
    /// them when nobody waits for them any more; so none is given to it before there is a place.
    open: Cell<usize>,
    most: Cell<usize>,
    /// Told when there may be a place, or never again.
    place: Notify,
    /// When to look whether it lives.
    beat: Rc<Deadline>,
}

/// One request that is under way on a connection, for as long as this lives.
pub(in crate::proxy) struct Busy {
    connection: Rc<Connection>,
    idle: Duration,
    /// Whether one of the open streams is its own.
    placed: Cell<bool>,
}

impl Connection {
    /// Says the preface (RFC 9113 section 3.4). What the upstream says to it is not waited for: one
    /// that speaks something else breaks the first request.
    pub(in crate::proxy) async fn open(
        socket: Socket,
        (beat, unused): (Rc<Deadline>, Rc<Deadline>),
        max_header_bytes: usize,
        closed: AtEnd,
    ) -> Result<Rc<Connection>, h2::Error> {
        let (sender, connection) = builder(max_header_bytes).handshake(socket).await?;
        let life = Rc::new(Life {
            over: Cell::new(false),
            left: Cell::new(false),
            requests: Cell::new(0),
            silence: Silence::new(beat.now()),
            open: Cell::new(0),
            most: Cell::new(FIRST_STREAMS),
            place: Notify::new(),
            beat,
        });
        tokio::task::spawn_local(drive(connection, life.clone(), closed));
        Ok(Rc::new(Connection { sender, life, unused }))
    }

    /// Whether a request may still begin here: it has not ended, and the upstream has not said that
    /// it takes no more (GOAWAY, RFC 9113 section 6.8).
    pub(in crate::proxy) fn is_open(&self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        !self.life.over.get()
            && matches!(self.sender.clone().poll_ready(&mut cx), Poll::Ready(Ok(())))
    }

    /// Whether it has lain unused for too long.
    pub(in crate::proxy) fn is_old(&self) -> bool {
        self.life.requests.get() == 0 && self.unused.passed()
    }

    /// Begins a request. Unused afterwards, the connection is kept for so long.
    pub(in crate::proxy) fn begin(self: &Rc<Connection>, idle: Duration) -> Busy {
        let life = &self.life;
        life.requests.set(life.requests.get() + 1);
        life.silence.is_asked(life.beat.now());
        self.unused.clear();
        Busy { connection: self.clone(), idle, placed: Cell::new(false) }
    }
}

impl Busy {
    /// Waits until the upstream takes one stream more; `false` where it never will. Given up, nothing
    /// of the request is left anywhere.
    pub(super) async fn takes_place(&self) -> bool {
        let life = &self.connection.life;
        loop {
            if life.over.get() {
                return false;
            }
            if life.open.get() < life.most.get() {
                life.open.set(life.open.get() + 1);
                self.placed.set(true);
                return true;
            }
            life.place.notified().await;
        }
    }

    /// Whatever opens a stream.
    pub(super) fn sender(&self) -> SendRequest<Bytes> {
        self.connection.sender.clone()
    }

    /// Something of the response has come.
    pub(super) fn heard(&self) {
        let life = &self.connection.life;
        life.silence.is_broken(life.beat.now());
    }

    /// What was waited for has not come within this time. Where nothing else has come either, no
    /// other request is to wait here in vain; those that do already may still be answered. (A
    /// connection of HTTP/1 ends with its late request.)
    pub(super) fn is_late(&self, within: Duration) {
        let life = &self.connection.life;
        if life.silence.lasts(life.beat.now(), within) {
            self.retire();
        }
    }

    /// No other request may begin on this connection.
    pub(super) fn retire(&self) {
        self.connection.life.over.set(true);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let life = &self.connection.life;
        life.requests.set(life.requests.get() - 1);
        if self.placed.get() {
            life.open.set(life.open.get() - 1);
            life.place.notify_one();
        }
        if life.requests.get() == 0 {
            self.connection.unused.set(self.idle);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.life.left.set(true);
        self.life.beat.set(CLOSING);
    }
}

/// Every limit is said: h2's own are of no concern to an operator.
fn builder(max_header_bytes: usize) -> Builder {
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_max_send_streams(FIRST_STREAMS)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(MAX_FRAME)
        // h2 refuses what comes to exactly this.
        .max_header_list_size(u32::try_from(max_header_bytes + 1).unwrap_or(u32::MAX))
        .max_send_buffer_size(SEND_BUFFER)
        .header_table_size(HEADER_TABLE)
        .max_concurrent_reset_streams(MAX_RESETS)
        .reset_stream_duration(FORGET_RESETS)
        .max_local_error_reset_streams(Some(MAX_ERRORS));
    builder
}

/// Reads and writes until the connection ends, nobody answers, or nobody has it and it does not end
/// by itself.
async fn drive(
    mut connection: h2::client::Connection<Socket, Bytes>,
    life: Rc<Life>,
    closed: AtEnd,
) {
    let mut pings = connection.ping_pong();
    let mut connection = pin!(connection);
    let mut beat = Beat::default();
    life.beat.set(super::beat::PING_AFTER);
    poll_fn(|cx| {
        if connection.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let most = connection.max_concurrent_send_streams();
        if life.most.replace(most) < most {
            life.place.notify_waiters();
        }
        life.poll_beat(cx, &mut beat, pings.as_mut())
    })
    .await;
    life.over.set(true);
    life.place.notify_waiters();
    drop(closed);
}

impl Life {
    /// Ready when the connection is to be given up.
    fn poll_beat(
        &self,
        cx: &mut Context<'_>,
        beat: &mut Beat,
        pings: Option<&mut PingPong>,
    ) -> Poll<()> {
        let Some(pings) = pings else { return Poll::Pending };
        if let Poll::Ready(answer) = pings.poll_pong(cx)
            && answer.is_ok()
        {
            beat.answered();
        }
        while self.beat.poll(cx).is_ready() {
            if self.left.get() {
                return Poll::Ready(());
            }
            match beat.step(self.beat.now(), self.silence.since(), self.requests.get() > 0) {
                Step::GiveUp => return Poll::Ready(()),
                Step::Rest(time) => self.beat.set(time),
                Step::Ask => {
                    if pings.send_ping(Ping::opaque()).is_err() {
                        return Poll::Ready(());
                    }
                    self.beat.set(PONG_WITHIN);
                    // It is h2's task to write it, which is this one.
                    cx.waker().wake_by_ref();
                }
            }
        }
        Poll::Pending
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("requests", &self.life.requests).finish_non_exhaustive()
    }
}
