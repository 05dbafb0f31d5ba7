//! A response on its way here, over one stream of a connection.

use super::connection::Busy;
use crate::proxy::deadline::Deadline;
use crate::proxy::link::Unfinished;
use crate::proxy::pool::Used;
use crate::proxy::reply::Cut;
use crate::proxy::trailers;
use crate::proxy::upload::Upload;
use bytes::Bytes;
use h2::RecvStream;
use http::HeaderMap;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// The receiving half of a stream. Dropped before its end, the stream is reset.
pub(in crate::proxy) struct Stream {
    pub(super) body: RecvStream,
    /// What is left of the length that the head has said, where it has said one.
    pub(super) left: Option<u64>,
    /// Whether trailers pass.
    pub(super) trailing: bool,
    /// Those that have come.
    pub(super) trailers: Option<HeaderMap>,
    pub(super) over: bool,
    pub(super) busy: Busy,
    pub(super) _used: Used,
    pub(super) deadline: Rc<Deadline>,
    pub(super) pause: Duration,
    /// The tick by which the response has to be over.
    pub(super) end: u64,
    pub(super) upload: Option<Rc<Upload>>,
    /// What of the request was left when the answer came.
    pub(super) _unfinished: Option<Unfinished>,
}

impl Stream {
    /// Whether nothing more will come, not even trailers.
    pub(in crate::proxy) fn is_over(&self) -> bool {
        self.over && self.trailers.is_none()
    }

    /// The length that is left, where it is known.
    pub(in crate::proxy) fn length(&self) -> Option<u64> {
        if self.over { Some(0) } else { self.left }
    }

    /// Both sides may be silent for so long, and it goes on for as long as they like.
    pub(in crate::proxy) fn may_pause(&mut self, pause: Duration) {
        self.pause = pause;
        self.end = u64::MAX;
        if let Some(upload) = &self.upload {
            upload.leave();
        }
        self.deadline.clear();
    }

    /// What came behind the body, once.
    pub(in crate::proxy) fn trailers(&mut self) -> Option<HeaderMap> {
        self.trailers.take()
    }

    /// The next bytes; `None` at the end.
    pub(in crate::proxy) fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Cut>>> {
        while !self.over {
            if self.deadline.now() >= self.end {
                return Poll::Ready(Some(Err(Cut::Upstream)));
            }
            let Poll::Ready(came) = self.body.poll_data(cx) else { return self.poll_wait(cx) };
            match came {
                Some(Ok(data)) if data.is_empty() => self.came(&data)?,
                Some(Ok(data)) => {
                    self.came(&data)?;
                    return Poll::Ready(Some(Ok(data)));
                }
                Some(Err(_)) => return Poll::Ready(Some(Err(Cut::Upstream))),
                None => ready!(self.poll_trailers(cx))?,
            }
        }
        Poll::Ready(None)
    }

    fn came(&mut self, data: &Bytes) -> Result<(), Cut> {
        self.deadline.clear();
        self.busy.heard();
        // The window opens as what it brought goes on.
        let released = self.body.flow_control().release_capacity(data.len());
        released.map_err(|_| Cut::Upstream)?;
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(data.len() as u64).ok_or(Cut::Upstream)?;
        }
        // A client of HTTP/1 that has all of what was announced asks for nothing more.
        let all = !self.trailing && self.left == Some(0);
        self.over = all || self.body.is_end_stream();
        Ok(())
    }

    fn poll_trailers(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Cut>> {
        let Poll::Ready(came) = self.body.poll_trailers(cx) else {
            return self.poll_wait::<()>(cx).map(|_| Err(Cut::Upstream));
        };
        self.deadline.clear();
        self.over = true;
        let came = came.map_err(|_| Cut::Upstream)?;
        self.trailers = came.filter(|_| self.trailing).and_then(|mut fields| {
            trailers::clean_response(&mut fields);
            (!fields.is_empty()).then_some(fields)
        });
        Poll::Ready(Ok(()))
    }

    /// The upstream is waited for, from now on unless it has been already.
    fn poll_wait<T>(&self, cx: &Context<'_>) -> Poll<Option<Result<T, Cut>>> {
        if !self.deadline.is_set() {
            self.deadline.set_until(self.pause, self.end);
        }
        self.deadline.poll(cx).map(|()| {
            self.busy.is_late(self.pause);
            Some(Err(Cut::Upstream))
        })
    }
}
