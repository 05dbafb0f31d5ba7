//! From an upstream's response to the client's: what passes unread, what is filtered, and what
//! cannot be shown at all.

use super::coding::{self, Accepts, Bounds, Coding};
use super::headers;
use super::reply::{Download, Filtered, Source};
use super::respond;
use super::sieve::{Reading, Sieve, Unfit};
use super::story::Story;
use super::totals;
use super::watched::{self, Watched};
use crate::decide::{Permit, Reason, body, media};
use crate::filter::mask::Mask;
use crate::filter::{Fault, Filter, Limits};
use crate::policy::snapshot::{BodyKind, Route, Snapshot};
use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode, Version, response};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bodies up to this size are filtered whole before the head goes out, so that one that cannot be
/// filtered becomes a clean 502. Larger ones stream, and break off where they go wrong.
pub(super) const WHOLE: usize = 64 * 1024;

/// How the responses of one request are to be shown.
pub(super) struct View<'a> {
    /// What the caller may see.
    pub(super) body: &'a body::View,
    /// The policy that decided.
    pub(super) snapshot: &'a Arc<Snapshot>,
    /// The request's route.
    pub(super) route: &'a Route,
    /// The request's method.
    pub(super) method: &'a Method,
    /// Monitor mode: the fields are counted, and nothing is changed.
    pub(super) monitored: bool,
    /// What bounds the filter.
    pub(super) limits: Limits,
    /// How long a stream of records may be silent.
    pub(super) stream_idle: Duration,
    /// What bounds decoded bodies.
    pub(super) inflate: Bounds,
    /// The codings that the client likes.
    pub(super) accepts: Accepts,
    /// Whether the caller is told how much was filtered.
    pub(super) tells: Tells,
    /// The headers that say who is calling; `None` where nobody was asked.
    pub(super) vary: Option<&'a HeaderValue>,
}

/// Whether the caller is told how much was filtered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tells {
    /// It may not know.
    No,
    /// In the head, where that goes out last.
    InHeads,
    /// Elsewhere too: the client takes trailers.
    Everywhere,
}

/// Makes the client's response of the upstream's.
pub(super) async fn show(
    response: Response<Download>,
    view: &View<'_>,
    story: &mut Story,
) -> Result<Response<Source>, Reason> {
    let (mut head, mut download) = response.into_parts();
    if view.route.response == BodyKind::Events {
        download.may_pause(view.stream_idle);
    }
    // Before anything is said of our own: a Connection field could name it.
    headers::clean_response(&mut head.headers);
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
    headers::mark_filtered(&mut head.headers, view.body.fields().map(|fields| &**fields));
    if matches!(view.body, body::View::Rows(_)) {
        totals::forget(&mut head.headers);
    }
    // An unusual reason phrase is kept here, and that may say anything.
    head.extensions.clear();
    match head.status {
        // As for a row that is not the caller's: nobody can tell the two apart.
        StatusCode::NOT_FOUND if view.body.is_of_rows_alone() => Err(Reason::NotOwner),
        status if is_of_another(status) => Err(Reason::Shape),
        status if status.is_success() => show_success(head, download, filter, view, story).await,
        _ => show_error(head, download, view.body.error(), view, story).await,
    }
}

impl Tells {
    /// For a request that this permit allows.
    pub(super) fn of(permit: &Permit, headers: &HeaderMap, version: Version) -> Tells {
        match permit.tells_filtered() {
            false => Tells::No,
            true if headers::takes_trailers(headers, version) => Tells::Everywhere,
            true => Tells::InHeads,
        }
    }

    /// Says it in the head.
    fn count(self, head: &mut response::Parts, removed: u64) {
        if self != Tells::No {
            head.headers.insert(headers::FILTERED, removed.into());
        }
    }

    /// Says that it will be said behind the body.
    fn announce(self, head: &mut response::Parts) -> Option<u64> {
        (self == Tells::Everywhere).then(|| {
            head.headers.insert(header::TRAILER, headers::FILTERED.into());
            0
        })
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
    let reading = match download.is_over() {
        true => None,
        false => {
            let asked = (view.route.response, view.method.is_safe());
            watched::reading(head.status, &head.headers, asked, story)
        }
    };
    let sieve = reading
        .and_then(|reading| reading.beside((filter, view.limits, view.route), view.inflate).ok());
    let passed = pass(head, download, view.method);
    passed.map(|source| match (source, sieve) {
        (Source::Stream(download), Some(sieve)) => {
            Source::Watched(Box::new(Watched::new(download, sieve)))
        }
        (other, _) => other,
    })
}

/// Unread, as it comes.
fn pass(mut head: response::Parts, download: Download, method: &Method) -> Response<Source> {
    // Where no body follows, its length says what a GET would have got.
    let bodiless = *method == Method::HEAD || head.status == StatusCode::NOT_MODIFIED;
    let length = download.announced().filter(|_| bodiless);
    if let Some(length) = length {
        head.headers.insert(header::CONTENT_LENGTH, length.into());
    }
    let source = if download.is_over() { Source::Empty } else { Source::Stream(download) };
    Response::from_parts(head, source)
}

async fn show_success(
    mut head: response::Parts,
    mut download: Download,
    mut filter: Filter,
    view: &View<'_>,
    story: &mut Story,
) -> Result<Response<Source>, Reason> {
    let kind = view.route.response;
    let reading = Reading::of(&head.headers, kind);
    if !download.is_over() && reading.is_some_and(|reading| reading.streams(download.length())) {
        return stream(head, download, filter, view);
    }
    let begun = gather(&mut download).await.map_err(|_| Reason::UpstreamFailed)?;
    story.holds(begun.len());
    if begun.is_empty() && download.is_over() {
        return match reading.is_none() && speaks_of_a_body(&head, &download, view) {
            true => unshowable(head, view),
            false => show_nothing(head, view),
        };
    }
    if download.is_over() {
        // One that came with a coding is not read here: its totals go.
        view.body.count_rows(&mut filter, view.snapshot, view.limits, &begun);
    }
    let sieve = sieve(&mut head, filter, view, kind);
    let Some(mut sieve) = sieve else { return unshowable(head, view) };
    let (mut passed, mut left) = (Vec::new(), Some(begun));
    // Whether there is anything to be seen of rows is known when something is.
    if download.is_over() || matches!(view.body, body::View::Rows(_)) {
        let begun = left.take().unwrap_or_default();
        match read_ahead(&mut sieve, begun, &mut download, &mut passed, story).await? {
            Err(fault) => return unfit(fault, head, view),
            Ok(true) => {
                view.tells.count(&mut head, sieve.removed());
                return Ok(Response::from_parts(head, Source::Whole(passed.into())));
            }
            Ok(false) => {}
        }
    }
    let count = view.tells.announce(&mut head);
    let filtered = Filtered { passed, begun: left, rest: download, sieve: Some(sieve), count };
    Ok(Response::from_parts(head, Source::Filtered(Box::new(filtered))))
}

/// Whether a response speaks of another one: of a part of it, of what the client has of it, of how it
/// differs from an earlier one (RFC 3229 section 10.4.1). Nothing of the kind is asked for.
pub(super) fn is_of_another(status: StatusCode) -> bool {
    matches!(status, StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED | StatusCode::IM_USED)
}

/// Whether this answers a HEAD, and a GET would have had a body of the type that is told.
fn speaks_of_a_body(head: &response::Parts, download: &Download, view: &View<'_>) -> bool {
    *view.method == Method::HEAD
        && download.announced() != Some(0)
        && head.headers.contains_key(header::CONTENT_TYPE)
}

/// No body, or that of a HEAD, of which the head is that of a GET.
fn show_nothing(mut head: response::Parts, view: &View<'_>) -> Result<Response<Source>, Reason> {
    match Coding::of(&head.headers) {
        Err(_) if *view.method == Method::HEAD => return unshowable(head, view),
        Ok(None) => {}
        Ok(Some(was)) if *view.method == Method::HEAD => {
            coding::tell(&mut head.headers, view.accepts.best(was));
        }
        // Nothing has no coding.
        Ok(Some(_)) | Err(_) => drop(head.headers.remove(header::CONTENT_ENCODING)),
    }
    Ok(Response::from_parts(head, Source::Empty))
}

/// Records, each of which goes out when it has come. Nothing is waited for: a stream may be silent
/// for long.
fn stream(
    mut head: response::Parts,
    download: Download,
    filter: Filter,
    view: &View<'_>,
) -> Result<Response<Source>, Reason> {
    let Some(sieve) = sieve(&mut head, filter, view, view.route.response) else {
        return unshowable(head, view);
    };
    let count = view.tells.announce(&mut head);
    let filtered =
        Filtered { passed: Vec::new(), begun: None, rest: download, sieve: Some(sieve), count };
    Ok(Response::from_parts(head, Source::Filtered(Box::new(filtered))))
}

/// What the body passes through, where it can be read.
fn sieve(
    head: &mut response::Parts,
    filter: Filter,
    view: &View<'_>,
    kind: BodyKind,
) -> Option<Sieve> {
    let reading = Reading::of(&head.headers, kind)?;
    let through = (filter, view.limits, view.route);
    reading.sieve(through, view.accepts, view.inflate, &mut head.headers).ok()
}

/// Reads on until something passes that will not all be held, or to the end, which is `true`. The
/// filter's limits bound how long.
async fn read_ahead(
    sieve: &mut Sieve,
    begun: Bytes,
    download: &mut Download,
    passed: &mut Vec<u8>,
    story: &mut Story,
) -> Result<Result<bool, Unfit>, Reason> {
    let mut chunk = begun;
    passed.reserve(chunk.len());
    loop {
        let started = Instant::now();
        let last = download.is_over();
        let read = pass_chunk(sieve, chunk, passed);
        let read = read.and_then(|all| finish_if(all && last, sieve, passed, story));
        story.record().filter += started.elapsed();
        match read {
            Ok(false) if !sieve.has_shown(passed) => {}
            read => return Ok(read),
        }
        chunk = match std::future::poll_fn(|cx| download.poll_chunk(cx)).await {
            None => Bytes::new(),
            Some(next) => next.map_err(|_| Reason::UpstreamFailed)?,
        };
    }
}

/// Whether all of a chunk has been read; what is large when decoded is left where something of it
/// has passed.
fn pass_chunk(sieve: &mut Sieve, chunk: Bytes, passed: &mut Vec<u8>) -> Result<bool, Unfit> {
    sieve.push(chunk, passed)?;
    while sieve.has_more() {
        if sieve.has_shown(passed) && sieve.decoded() > WHOLE as u64 {
            return Ok(false);
        }
        sieve.more(passed)?;
    }
    Ok(true)
}

/// Ends the body where that is said; the answer is whether it was.
fn finish_if(
    last: bool,
    sieve: &mut Sieve,
    passed: &mut Vec<u8>,
    story: &mut Story,
) -> Result<bool, Unfit> {
    if last {
        let finished = sieve.finish(passed);
        story.record().removed = sieve.removed();
        finished?;
    }
    Ok(last)
}

/// A row that was all there is, and is not the caller's, is as good as missing.
fn unfit(fault: Unfit, head: response::Parts, view: &View<'_>) -> Result<Response<Source>, Reason> {
    match fault {
        Unfit::Filter(Fault::Gone) => Err(Reason::NotOwner),
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
    mut head: response::Parts,
    mut download: Download,
    mask: Option<&Arc<Mask>>,
    view: &View<'_>,
    story: &mut Story,
) -> Result<Response<Source>, Reason> {
    let begun = gather(&mut download).await.map_err(|_| Reason::UpstreamFailed)?;
    story.holds(begun.len());
    if begun.is_empty() && download.is_over() {
        let shown = mask.is_some() && Reading::of(&head.headers, BodyKind::Json).is_some();
        return match !shown && speaks_of_a_body(&head, &download, view) {
            true => Ok(generic(head)),
            false => show_nothing(head, view),
        };
    }
    let filter = mask.filter(|_| download.is_over());
    let filter = filter.map(|mask| Filter::new(mask.clone(), view.limits));
    let sieve = filter.and_then(|filter| sieve(&mut head, filter, view, BodyKind::Json));
    let shown = sieve.and_then(|sieve| pass_whole(sieve, begun, story));
    Ok(match shown {
        Some((bytes, removed)) => {
            view.tells.count(&mut head, removed);
            Response::from_parts(head, Source::Whole(bytes))
        }
        None => generic(head),
    })
}

/// What passes of a body that is held whole, and how much did not; `None` where it cannot be shown,
/// or is too large.
fn pass_whole(mut sieve: Sieve, body: Bytes, story: &mut Story) -> Option<(Bytes, u64)> {
    let started = Instant::now();
    let mut passed = Vec::with_capacity(body.len());
    let read = pass_chunk(&mut sieve, body, &mut passed)
        .and_then(|all| finish_if(all, &mut sieve, &mut passed, story));
    story.record().filter += started.elapsed();
    matches!(read, Ok(true)).then(|| (passed.into(), sieve.removed()))
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

/// JSON in UTF-8, not encoded.
pub(super) fn is_readable(headers: &HeaderMap) -> bool {
    media::is_json(headers) && media::is_identity(headers)
}
