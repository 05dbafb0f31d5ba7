//! Request bodies on their way to an upstream, and request bodies that are read whole.

use super::deadline::Deadline;
use super::patience::Patience;
use crate::decide::Reason;
use crate::settings::Limits;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::cell::{Cell, RefCell};
use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// What is sent after a request's head.
#[derive(Debug)]
pub(super) enum RequestBody {
    /// Nothing.
    Empty,
    /// Bytes that were read and checked.
    Whole(Bytes),
    /// What the client sends, as it comes.
    Stream(Incoming, Rc<Upload>),
}

/// A piece of a body.
pub(super) type Part = Option<Result<Frame<Bytes>, ClientFailed>>;

/// How a streamed body fares. The upstream connection's deadline follows it: who is waited for
/// determines how long.
#[derive(Debug)]
pub(super) struct Upload {
    deadline: RefCell<Option<Rc<Deadline>>>,
    /// The tick by which all of the exchange has to be over.
    end: Cell<u64>,
    patience: Patience,
    /// How long the upstream is waited for.
    pause: Cell<Duration>,
    waiting_for_client: Cell<bool>,
    client_fault: Cell<Option<Reason>>,
    bytes: Cell<u64>,
}

/// The client's side of a body failed; says nothing more, because nobody is told.
#[derive(Debug, thiserror::Error)]
#[error("the client's body ended early")]
pub(super) struct ClientFailed;

impl RequestBody {
    /// A body that is handed on as it comes.
    pub(super) fn stream(body: Incoming, patience: Patience) -> RequestBody {
        if body.is_end_stream() {
            return RequestBody::Empty;
        }
        let upload = Upload {
            deadline: RefCell::new(None),
            end: Cell::new(u64::MAX),
            patience,
            pause: Cell::default(),
            waiting_for_client: Cell::new(false),
            client_fault: Cell::new(None),
            bytes: Cell::new(0),
        };
        RequestBody::Stream(body, Rc::new(upload))
    }

    /// The next piece, trailers among them.
    pub(super) fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Part> {
        let (body, upload) = match self {
            RequestBody::Empty => return Poll::Ready(None),
            RequestBody::Whole(_) => {
                let RequestBody::Whole(bytes) = std::mem::replace(self, RequestBody::Empty) else {
                    return Poll::Ready(None);
                };
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            RequestBody::Stream(body, upload) => (body, upload),
        };
        let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) else {
            upload.wait(true);
            return Poll::Pending;
        };
        upload.wait(false);
        let Some(frame) = frame else { return Poll::Ready(None) };
        let came = frame.map_err(|error| fault(&error)).and_then(|frame| {
            frame.data_ref().map_or(Ok(()), |data| upload.came(data.len()))?;
            Ok(frame)
        });
        Poll::Ready(Some(came.map_err(|reason| {
            upload.client_fault.set(Some(reason));
            ClientFailed
        })))
    }

    /// The progress of a streamed body.
    pub(super) fn upload(&self) -> Option<Rc<Upload>> {
        match self {
            RequestBody::Stream(_, upload) => Some(upload.clone()),
            _ => None,
        }
    }
}

impl Upload {
    /// Every wait is held against this deadline from now on, and over by this tick; one for the
    /// upstream takes no longer than `pause`.
    pub(super) fn follow(&self, deadline: &Rc<Deadline>, pause: Duration, end: u64) {
        self.pause.set(pause);
        self.end.set(end);
        *self.deadline.borrow_mut() = Some(deadline.clone());
    }

    /// No wait counts any more: who is silent may be so, for as long as what it belongs to lasts.
    pub(super) fn leave(&self) {
        *self.deadline.borrow_mut() = None;
    }

    /// What the client did, if it is the client for whom everybody waited, who went away, or who
    /// sent what is no body.
    pub(super) fn clients_fault(&self) -> Option<Reason> {
        let waited = self.waiting_for_client.get().then_some(Reason::ClientTimeout);
        self.client_fault.get().or(waited)
    }

    /// Bytes that were handed over.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    fn wait(&self, for_client: bool) {
        // A task may be polled for other reasons; that buys the client no time.
        if self.waiting_for_client.replace(for_client) && for_client {
            return;
        }
        if let Some(deadline) = &*self.deadline.borrow() {
            let limit = match for_client {
                true => self.patience.begin(deadline.now()),
                false => self.pause.get(),
            };
            deadline.set_until(limit, self.end.get());
        }
    }

    fn came(&self, bytes: usize) -> Result<(), Reason> {
        self.bytes.set(self.bytes.get() + bytes as u64);
        match &*self.deadline.borrow() {
            Some(deadline) => self.patience.came(bytes, deadline.now()),
            None => Ok(()),
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = ClientFailed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ClientFailed>>> {
        loop {
            match ready!(self.poll_part(cx)) {
                // They end here: they may carry what headers may not.
                Some(Ok(frame)) if frame.is_trailers() => {}
                part => return Poll::Ready(part),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            RequestBody::Empty => true,
            RequestBody::Whole(_) => false,
            RequestBody::Stream(body, _) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            RequestBody::Empty => SizeHint::with_exact(0),
            RequestBody::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            RequestBody::Stream(body, _) => body.size_hint(),
        }
    }
}

/// Whether a body ended because of what came, or because nothing more came.
fn fault(error: &hyper::Error) -> Reason {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    match cause.map(io::Error::kind) {
        Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => Reason::BadRequest,
        _ => Reason::ClientTimeout,
    }
}

/// Reads a body to its end, within the limits. `hold` is asked before each piece is held.
pub(super) async fn read_whole(
    body: &mut Incoming,
    limits: &Limits,
    deadline: &Deadline,
    mut hold: impl FnMut(usize) -> Result<(), Reason>,
) -> Result<Bytes, Reason> {
    let (max, patience) = (limits.max_body, limits.patience());
    let announced = body.size_hint().lower();
    if announced > max as u64 {
        return Err(Reason::BodyTooLarge);
    }
    let mut whole = BytesMut::new();
    loop {
        deadline.set(patience.begin(deadline.now()));
        let frame = std::future::poll_fn(|cx| match Pin::new(&mut *body).poll_frame(cx) {
            Poll::Pending => deadline.poll(cx).map(|()| Err(Reason::ClientTimeout)),
            Poll::Ready(frame) => Poll::Ready(Ok(frame)),
        });
        let Some(frame) = frame.await? else { break };
        let Ok(data) = frame.map_err(|error| fault(&error))?.into_data() else { continue };
        if data.len() > max - whole.len() {
            return Err(Reason::BodyTooLarge);
        }
        patience.came(data.len(), deadline.now())?;
        hold(data.len())?;
        if whole.is_empty() && body.is_end_stream() {
            return Ok(data);
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

/// Reads on within a bound, so that a short body does not cost the connection. Says whether the
/// end was reached.
pub(super) async fn drain(
    mut body: Incoming,
    max: u64,
    idle: Duration,
    deadline: &Deadline,
) -> bool {
    if body.size_hint().upper().is_none_or(|length| length > max) {
        return false;
    }
    deadline.set(idle);
    let mut rest = std::pin::pin!(async { while let Some(Ok(_)) = body.frame().await {} });
    std::future::poll_fn(|cx| match rest.as_mut().poll(cx) {
        Poll::Pending => deadline.poll(cx).map(|()| false),
        Poll::Ready(()) => Poll::Ready(true),
    })
    .await
}
