//! One request and its answer, over one stream.

use super::connection::Busy;
use super::head;
use super::pump::Pump;
use super::stream::Stream;
use crate::proxy::deadline::Deadline;
use crate::proxy::link::{MAX_INTERIM, Unanswered, Unfinished};
use crate::proxy::pool::Used;
use crate::proxy::reply::Download;
use crate::proxy::sending::{Broken, Sending};
use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::Response;
use hyper::body::Body;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// What one exchange may take.
pub(in crate::proxy) struct Within {
    pub(in crate::proxy) deadline: Rc<Deadline>,
    /// From the last byte of the request to the head; and between two pieces of the body.
    pub(in crate::proxy) head: Duration,
    /// The tick by which all of it has to be over.
    pub(in crate::proxy) end: u64,
    /// Whether the connection is under TLS.
    pub(in crate::proxy) secure: bool,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) struct Failure {
    pub(in crate::proxy) why: Unanswered,
    /// The upstream has said, or cannot but be of the opinion, that it has done nothing about the
    /// request (RFC 9113 section 8.7).
    pub(in crate::proxy) unprocessed: bool,
}

/// What is waited for.
struct Waiting {
    response: ResponseFuture,
    pump: Pump,
    /// Interim responses so far.
    interim: usize,
}

/// Sends a request and waits for the head of the response. Given up, the stream is reset.
pub(in crate::proxy) async fn ask(
    busy: Busy,
    sending: &mut Box<Sending>,
    within: Within,
) -> Result<(Response<RecvStream>, Answered), Failure> {
    within.deadline.set_until(within.head, within.end);
    find_place(&busy, &within.deadline).await?;
    let (response, stream) = begin(&busy, sending, within.secure)?;
    if let Some(upload) = sending.upload() {
        upload.follow(&within.deadline, within.head, within.end);
    }
    let pump = Pump::new(stream, sending.body());
    let mut waiting = Waiting { response, pump, interim: 0 };
    let answer = poll_fn(|cx| match within.deadline.poll(cx) {
        Poll::Ready(()) => Poll::Ready(Err(Unanswered::Late.into())),
        Poll::Pending => waiting.poll(cx, sending),
    });
    let response = answer.await.inspect_err(|failure| {
        // A client that waits for an answer before it goes on is given up for the upstream's silence.
        if matches!(failure.why, Unanswered::Late | Unanswered::Client) {
            busy.is_late(within.head);
        }
    })?;
    busy.heard();
    Ok((response, Answered { busy, pump: waiting.pump, within }))
}

/// Waits, as long as an answer may take, until the upstream takes one stream more.
async fn find_place(busy: &Busy, deadline: &Deadline) -> Result<(), Failure> {
    let mut place = pin!(busy.takes_place());
    poll_fn(|cx| match deadline.poll(cx) {
        Poll::Ready(()) => Poll::Ready(Err(Unanswered::Late.into())),
        Poll::Pending => place.as_mut().poll(cx).map(|found| match found {
            true => Ok(()),
            false => Err(Failure { why: Unanswered::Died, unprocessed: true }),
        }),
    })
    .await
}

fn begin(
    busy: &Busy,
    sending: &mut Sending,
    secure: bool,
) -> Result<(ResponseFuture, SendStream<Bytes>), Failure> {
    let wants_trailers = sending.trailers().is_some_and(|trailers| trailers.wanted);
    let request = head::request(sending.head(), secure, wants_trailers, sending.secrets());
    let request = request.map_err(|_| Failure::from(Unanswered::Failed))?;
    let ends = sending.body().is_end_stream();
    busy.sender().send_request(request, ends).map_err(|_| {
        // Nothing has been sent: the connection is at its end, or out of numbers for streams.
        busy.retire();
        Failure { why: Unanswered::Died, unprocessed: true }
    })
}

impl Waiting {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        sending: &mut Sending,
    ) -> Poll<Result<Response<RecvStream>, Failure>> {
        if self.pump.poll(cx, sending) == Poll::Ready(Err(Broken::Client)) {
            return Poll::Ready(Err(Unanswered::Client.into()));
        }
        // One that takes no more may have answered before: what it said is read.
        while let Poll::Ready(Some(interim)) = self.response.poll_informational(cx) {
            self.interim += 1;
            let status = interim?.status();
            // 101 has no place in HTTP/2 (RFC 9113 section 8.6).
            if status == 101 || self.interim > MAX_INTERIM {
                return Poll::Ready(Err(Unanswered::Failed.into()));
            }
        }
        Poll::Ready(ready!(Pin::new(&mut self.response).poll(cx)).map_err(Failure::from))
    }
}

/// An exchange whose answer has begun.
pub(in crate::proxy) struct Answered {
    busy: Busy,
    pump: Pump,
    within: Within,
}

impl Answered {
    /// The response. Where the answer came before all was sent, the rest goes on beside it.
    pub(in crate::proxy) fn response(
        self,
        response: Response<RecvStream>,
        mut sending: Box<Sending>,
        used: Used,
    ) -> Result<Response<Download>, Unanswered> {
        let Answered { busy, mut pump, within } = self;
        let (mut head, body) = response.into_parts();
        let announced = head::announced(&mut head).map_err(|_| Unanswered::Failed)?;
        let bodiless = head::is_bodiless(sending.method(), head.status);
        within.deadline.clear();
        let mut stream = Stream {
            over: bodiless || body.is_end_stream(),
            body,
            left: announced,
            trailing: sending.trailers().is_some(),
            trailers: None,
            busy,
            _used: used,
            deadline: within.deadline,
            pause: within.head,
            end: within.end,
            upload: sending.upload(),
            _unfinished: None,
        };
        if !stream.over && !pump.is_done() {
            // Who failed shows in the response, or does not matter any more.
            let rest = async move {
                let _ = poll_fn(|cx| pump.poll(cx, &mut sending)).await;
            };
            stream._unfinished = Some(Unfinished::run(rest));
        }
        Ok(Response::from_parts(head, Download::over(stream, announced)))
    }
}

impl From<Unanswered> for Failure {
    fn from(why: Unanswered) -> Failure {
        Failure { why, unprocessed: false }
    }
}

/// A stream above the last one that GOAWAY names has not been looked at, nor has one that was
/// refused. h2 gives the error of a GOAWAY to no others.
impl From<h2::Error> for Failure {
    fn from(error: h2::Error) -> Failure {
        let refused = error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
        let unprocessed = error.is_remote() && (refused || error.is_go_away());
        let why = if error.is_io() || unprocessed { Unanswered::Died } else { Unanswered::Failed };
        Failure { why, unprocessed }
    }
}
