//! A request's body on its way into the frames of a stream, as the upstream opens its windows.

use crate::proxy::sending::{Broken, Sending};
use crate::proxy::trailers::Trailers;
use crate::proxy::upload::RequestBody;
use bytes::Bytes;
use h2::{Reason, SendStream};
use http::HeaderMap;
use hyper::body::Body;
use std::task::{Context, Poll, ready};

/// The sending half of a stream.
pub(super) struct Pump {
    stream: SendStream<Bytes>,
    /// What of a piece no window is open for yet.
    data: Bytes,
    /// What is left of the length that the head has said, where it has said one.
    left: Option<u64>,
    over: bool,
}

impl Pump {
    /// Sends this body, unless the head was the end.
    pub(super) fn new(stream: SendStream<Bytes>, body: &RequestBody) -> Pump {
        let (left, over) = (body.size_hint().exact(), body.is_end_stream());
        Pump { stream, data: Bytes::new(), left, over }
    }

    /// Whether all of it was handed over.
    pub(super) fn is_done(&self) -> bool {
        self.over
    }

    /// Sends what can be sent. Ready when it was all, or when no more can be.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        sending: &mut Sending,
    ) -> Poll<Result<(), Broken>> {
        while !self.over {
            if !self.data.is_empty() {
                ready!(self.poll_send(cx, sending.body()))?;
                continue;
            }
            match ready!(sending.poll_part(cx)) {
                None => self.end(None)?,
                Some(Err(_)) => return Poll::Ready(Err(self.give_up())),
                Some(Ok(part)) => match part.into_data() {
                    Ok(data) => self.take(data)?,
                    Err(part) => self.end(part.into_trailers().ok().zip(sending.trailers()))?,
                },
            }
        }
        Poll::Ready(Ok(()))
    }

    /// A piece must be what was announced: another length would be another request.
    fn take(&mut self, data: Bytes) -> Result<(), Broken> {
        if let Some(left) = &mut self.left {
            match left.checked_sub(data.len() as u64) {
                Some(less) => *left = less,
                None => return Err(self.give_up()),
            }
        }
        self.data = data;
        Ok(())
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, body: &RequestBody) -> Poll<Result<(), Broken>> {
        self.stream.reserve_capacity(self.data.len());
        while self.stream.capacity() == 0 {
            match ready!(self.stream.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                _ => return Poll::Ready(Err(self.refused())),
            }
        }
        let piece = self.data.split_to(self.stream.capacity().min(self.data.len()));
        let last = self.data.is_empty() && body.is_end_stream();
        if last && self.left.is_some_and(|left| left > 0) {
            return Poll::Ready(Err(self.give_up()));
        }
        self.over = last;
        let sent = self.stream.send_data(piece, last);
        Poll::Ready(sent.map_err(|_| self.refused()))
    }

    fn end(&mut self, trailers: Option<(HeaderMap, &Trailers)>) -> Result<(), Broken> {
        if self.left.is_some_and(|left| left > 0) {
            return Err(self.give_up());
        }
        self.over = true;
        let cleaned = trailers.map(|(mut fields, trailers)| {
            trailers.clean(&mut fields);
            fields
        });
        let sent = match cleaned.filter(|fields| !fields.is_empty()) {
            Some(fields) => self.stream.send_trailers(fields),
            None => self.stream.send_data(Bytes::new(), true),
        };
        sent.map_err(|_| self.refused())
    }

    /// The client's body is none: nobody may take what has gone for a whole.
    fn give_up(&mut self) -> Broken {
        self.over = true;
        self.stream.send_reset(Reason::CANCEL);
        Broken::Client
    }

    /// The upstream takes no more. It may have answered before.
    fn refused(&mut self) -> Broken {
        self.over = true;
        Broken::Upstream
    }
}
