//! From an upstream's response to the client's: what passes unread, what is filtered, and what
//! cannot be shown at all.

use super::headers;
use super::reply::{Download, Filtered, Source};
use super::respond;
use super::story::Story;
use super::watched::{self, Watched};
use crate::decide::{Reason, body, media};
use crate::filter::mask::Mask;
use crate::filter::{Fault, Filter, Limits};
use crate::policy::snapshot::Snapshot;
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
    /// What the caller may see.
    pub(super) body: &'a body::View,
    /// The policy that decided.
    pub(super) snapshot: &'a Arc<Snapshot>,
    /// The request's method.
    pub(super) method: &'a Method,
    /// Monitor mode: the fields are counted, and nothing is changed.
    pub(super) monitored: bool,
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
    let Some(filter) = view.body.filter(view.snapshot, view.limits, false) else {
        return Ok(pass(head, download, view.method));
    };
    if view.monitored {
        return Ok(watch(head, download, filter, view, story));
    }
    headers::clean_response(&mut head.headers);
    headers::mark_filtered(&mut head.headers, view.body.fields().map(|fields| &**fields));
    // An unusual reason phrase is kept here, and that may say anything.
    head.extensions.clear();
    match head.status {
        StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED => Err(Reason::Shape),
        status if status.is_success() => show_success(head, download, filter, view, story).await,
        _ => show_error(head, download, view.body.error(), view, story).await,
    }
}

/// As it comes, with an eye on what would have been removed.
fn watch(
    head: response::Parts,
    download: Download,
    filter: Filter,
    view: &View<'_>,
    story: &mut Story,
) -> Response<Source> {
    let empty = download.is_over();
    let watched =
        !empty && watched::can_be(head.status, &head.headers, view.method.is_safe(), story);
    let passed = pass(head, download, view.method);
    passed.map(|source| match source {
        Source::Stream(download) if watched => {
            Source::Watched(Box::new(Watched::new(download, filter)))
        }
        other => other,
    })
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
    mut filter: Filter,
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
    if download.is_over() {
        return match filter_whole(filter, &begun, story) {
            Ok(bytes) => Ok(Response::from_parts(head, Source::Whole(bytes))),
            Err(fault) => unfit(fault, head, view),
        };
    }
    let mut passed = Vec::new();
    if matches!(view.body, body::View::Rows(_)) {
        // Whether there is anything to be seen is known when something is.
        let pushed = push_until_seen(&mut filter, begun, &mut download, &mut passed, story).await;
        if let Err(fault) = pushed? {
            return unfit(fault, head, view);
        }
        let filtered = Filtered { passed, begun: None, rest: download, filter: Some(filter) };
        return Ok(Response::from_parts(head, Source::Filtered(Box::new(filtered))));
    }
    let filtered = Filtered { passed, begun: Some(begun), rest: download, filter: Some(filter) };
    Ok(Response::from_parts(head, Source::Filtered(Box::new(filtered))))
}

/// Filters on until something passes or the end has come; the filter's limits bound how long.
async fn push_until_seen(
    filter: &mut Filter,
    begun: Bytes,
    download: &mut Download,
    passed: &mut Vec<u8>,
    story: &mut Story,
) -> Result<Result<(), Fault>, Reason> {
    let mut chunk = begun;
    loop {
        let started = Instant::now();
        let pushed = filter.push(&chunk, passed);
        story.record().filter += started.elapsed();
        if pushed.is_err() || !passed.is_empty() || download.is_over() {
            return Ok(pushed);
        }
        match std::future::poll_fn(|cx| download.poll_chunk(cx)).await {
            None => return Ok(Ok(())),
            Some(next) => chunk = next.map_err(|_| Reason::UpstreamFailed)?,
        }
    }
}

/// A row that was all there is, and is not the caller's, is as good as missing.
fn unfit(fault: Fault, head: response::Parts, view: &View<'_>) -> Result<Response<Source>, Reason> {
    match fault {
        Fault::Gone => Err(Reason::NotOwner),
        _ => unshowable(head, view),
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
    let filter = mask.filter(|_| whole).map(|mask| Filter::new(mask.clone(), view.limits));
    let shown = filter.and_then(|filter| filter_whole(filter, &begun, story).ok());
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

/// Reads an object that nobody will see: its text, or none where it has no bytes. An error where
/// it is larger than `most`, or breaks off.
pub(super) async fn gather_within(
    mut download: Download,
    most: usize,
) -> Result<Option<Bytes>, ()> {
    let mut all = BytesMut::new();
    while let Some(chunk) = std::future::poll_fn(|cx| download.poll_chunk(cx)).await {
        let chunk = chunk.map_err(|_| ())?;
        if chunk.len() > most - all.len() {
            return Err(());
        }
        all.extend_from_slice(&chunk);
        if download.is_over() {
            break;
        }
    }
    Ok((!all.is_empty()).then(|| all.freeze()))
}

fn filter_whole(mut filter: Filter, body: &[u8], story: &mut Story) -> Result<Bytes, Fault> {
    let started = Instant::now();
    let mut out = Vec::with_capacity(body.len());
    let done = filter.push(body, &mut out).and_then(|()| filter.finish(&mut out));
    let record = story.record();
    record.filter += started.elapsed();
    record.removed = filter.removed() + filter.dropped();
    done.map(|()| out.into())
}

/// JSON in UTF-8, not encoded.
pub(super) fn is_readable(headers: &HeaderMap) -> bool {
    media::is_json(headers) && media::is_identity(headers)
}
