//! From an upstream's response to the client's: what passes unread, what is filtered, and what
//! cannot be shown at all.

use super::headers;
use super::reply::{Download, Filtered, Source};
use super::respond;
use super::story::Story;
use crate::decide::{FieldMasks, Reason, media};
use crate::filter::mask::Mask;
use crate::filter::{Filter, Limits};
use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode, response};
use std::sync::Arc;
use std::time::Instant;

/// Bodies up to this size are filtered whole before the head goes out, so that one that cannot be
/// filtered becomes a clean 502. Larger ones stream, and break off where they go wrong.
pub(super) const WHOLE: usize = 64 * 1024;

/// How the responses of one request are to be shown.
pub(super) struct View<'a> {
    /// What the caller may see; `None` passes bodies unread.
    pub(super) fields: Option<&'a FieldMasks>,
    /// The request's method.
    pub(super) method: &'a Method,
    /// What bounds the filter.
    pub(super) limits: Limits,
    /// The headers that say who is calling; `None` where nobody was asked.
    pub(super) vary: Option<&'a HeaderValue>,
}

/// Makes the client's response of the upstream's.
pub(super) async fn show(
    response: Response<Download>,
    view: &View<'_>,
    story: &mut Story,
) -> Result<Response<Source>, Reason> {
    let (mut head, download) = response.into_parts();
    if let Some(vary) = view.vary {
        // Another caller may be refused, or see less.
        head.headers.append(header::VARY, vary.clone());
    }
    let fields = view.fields.and_then(|fields| Some((fields, fields.read.as_ref()?)));
    let Some((fields, read)) = fields else {
        return Ok(pass(head, download, view.method));
    };
    headers::clean_response(&mut head.headers);
    headers::mark_filtered(&mut head.headers, fields);
    // hyper keeps the upstream's reason phrase here, and that may say anything.
    head.extensions.clear();
    match head.status {
        StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED => Err(Reason::Shape),
        status if status.is_success() => show_success(head, download, read, view, story).await,
        _ => show_error(head, download, fields.error.as_ref(), view, story).await,
    }
}

/// Unread, as it comes.
fn pass(mut head: response::Parts, download: Download, method: &Method) -> Response<Source> {
    // Where no body follows, its length says what a GET would have got.
    let bodiless = *method == Method::HEAD || head.status == StatusCode::NOT_MODIFIED;
    let length = download.announced().filter(|_| bodiless);
    headers::clean_response(&mut head.headers);
    if let Some(length) = length {
        head.headers.insert(header::CONTENT_LENGTH, length.into());
    }
    let source = if download.is_over() { Source::Empty } else { Source::Stream(download) };
    Response::from_parts(head, source)
}

async fn show_success(
    head: response::Parts,
    mut download: Download,
    mask: &Arc<Mask>,
    view: &View<'_>,
    story: &mut Story,
) -> Result<Response<Source>, Reason> {
    let begun = gather(&mut download).await.map_err(|_| Reason::UpstreamFailed)?;
    if begun.is_empty() && download.is_over() {
        return Ok(Response::from_parts(head, Source::Empty));
    }
    if !is_readable(&head.headers) {
        return unshowable(head, view);
    }
    if !download.is_over() {
        let filter = Some(Filter::new(mask.clone(), view.limits));
        let filtered = Filtered { begun: Some(begun), rest: download, filter };
        return Ok(Response::from_parts(head, Source::Filtered(Box::new(filtered))));
    }
    match filter_whole(mask, &begun, view.limits, story) {
        Some(bytes) => Ok(Response::from_parts(head, Source::Whole(bytes))),
        None => unshowable(head, view),
    }
}

/// A response that cannot be filtered: to a read it is an error of the upstream's. A write has
/// happened, so its status stands and only the body is replaced.
fn unshowable(head: response::Parts, view: &View<'_>) -> Result<Response<Source>, Reason> {
    match view.method.is_safe() {
        true => Err(Reason::Shape),
        false => Ok(generic(head)),
    }
}

/// Redirects and errors keep their status. A JSON body passes a filter that needs no shape; any
/// other is replaced.
async fn show_error(
    head: response::Parts,
    mut download: Download,
    mask: Option<&Arc<Mask>>,
    view: &View<'_>,
    story: &mut Story,
) -> Result<Response<Source>, Reason> {
    let begun = gather(&mut download).await.map_err(|_| Reason::UpstreamFailed)?;
    if begun.is_empty() && download.is_over() {
        return Ok(Response::from_parts(head, Source::Empty));
    }
    let whole = download.is_over() && is_readable(&head.headers);
    let shown =
        mask.filter(|_| whole).and_then(|mask| filter_whole(mask, &begun, view.limits, story));
    Ok(match shown {
        Some(bytes) => Response::from_parts(head, Source::Whole(bytes)),
        None => generic(head),
    })
}

fn generic(mut head: response::Parts) -> Response<Source> {
    for name in [header::CONTENT_ENCODING, header::CONTENT_LANGUAGE, header::CONTENT_DISPOSITION] {
        head.headers.remove(name);
    }
    head.headers.insert(header::CONTENT_TYPE, respond::PROBLEM_JSON);
    let problem = respond::generic_problem(head.status);
    Response::from_parts(head, Source::Whole(problem))
}

/// Reads a body to its end, or until it is too large to be held.
async fn gather(download: &mut Download) -> Result<Bytes, super::reply::Cut> {
    if download.length().is_some_and(|length| length > WHOLE as u64) {
        return Ok(Bytes::new());
    }
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while first.len() + all.len() <= WHOLE && !download.is_over() {
        let Some(chunk) = std::future::poll_fn(|cx| download.poll_chunk(cx)).await else { break };
        let chunk = chunk?;
        match () {
            // One frame is the common case: no copy.
            () if first.is_empty() && all.is_empty() => first = chunk,
            () => {
                all.extend_from_slice(&std::mem::take(&mut first));
                all.extend_from_slice(&chunk);
            }
        }
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

fn filter_whole(mask: &Arc<Mask>, body: &[u8], limits: Limits, story: &mut Story) -> Option<Bytes> {
    let started = Instant::now();
    let mut filter = Filter::new(mask.clone(), limits);
    let mut out = Vec::with_capacity(body.len());
    let done = filter.push(body, &mut out).and_then(|()| filter.finish(&mut out));
    let record = story.record();
    record.filter += started.elapsed();
    record.removed = filter.removed();
    done.ok().map(|()| out.into())
}

/// JSON in UTF-8, not encoded.
fn is_readable(headers: &HeaderMap) -> bool {
    media::is_json(headers) && media::is_identity(headers)
}
