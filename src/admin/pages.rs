//! What each path of the admin listener answers.

use super::AdminState;
use super::host::{Named, named};
use crate::problem;
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use http_body_util::Full;
use humantime::format_rfc3339_seconds;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use std::time::SystemTime;

/// The live policy, as `/policy` shows it.
#[derive(Clone, Debug)]
pub struct PolicyView {
    /// The snapshot's generation.
    pub generation: u64,
    /// `sha256:…`
    pub digest: Arc<str>,
    /// When it became live.
    pub loaded_at: SystemTime,
    /// `enforce` or `monitor`.
    pub mode: &'static str,
    /// How many roles it has.
    pub roles: usize,
    /// How many members it lists.
    pub members: usize,
    /// The load that failed last, if none has succeeded since.
    pub last_error: Option<LastError>,
}

/// An upstream, as `/upstreams` shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UpstreamView {
    /// Its id in the policy.
    pub id: Arc<str>,
    /// Where requests may go, names in their addresses.
    pub endpoints: Vec<EndpointView>,
    /// Why a name could not be looked up the last time, if one could not.
    pub lookup_error: Option<String>,
}

/// A place where requests may go.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EndpointView {
    /// Its URL.
    pub url: String,
    /// Whether it is well, by its own answers; `None` where it has not been asked.
    pub healthy: Option<bool>,
    /// Why its last answer was no good one.
    pub last_error: Option<String>,
}

/// A load that failed.
#[derive(Clone, Debug, PartialEq)]
pub struct LastError {
    /// When.
    pub at: SystemTime,
    /// The problems, each as `check --format json` prints it.
    pub problems: Vec<Value>,
}

/// `/policy`, its keys in the order in which they are promised.
#[derive(Serialize)]
struct PolicyBody<'a> {
    generation: u64,
    digest: &'a str,
    loaded_at: String,
    age_s: u64,
    mode: &'a str,
    roles: usize,
    members: usize,
    last_error: Option<ErrorBody<'a>>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    at: String,
    problems: &'a [Value],
}

/// The answer to one request. `rebindable` says that the listener can be reached through a name
/// (TCP), so that `Host` must be ours.
pub(super) fn answer(
    state: &dyn AdminState,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    rebindable: bool,
) -> Response<Full<Bytes>> {
    if rebindable {
        match named(uri, headers) {
            Named::Ours => {}
            Named::Other => return problem(StatusCode::MISDIRECTED_REQUEST),
            Named::Unreadable => return problem(StatusCode::BAD_REQUEST),
        }
    }
    let page: fn(&dyn AdminState) -> Response<Full<Bytes>> = match uri.path() {
        "/livez" => |_| plain(StatusCode::OK, "ok\n".into()),
        "/readyz" => readyz,
        "/metrics" => metrics,
        "/policy" => policy,
        "/upstreams" => upstreams,
        "/jwks.json" => jwks,
        _ => return problem(StatusCode::NOT_FOUND),
    };
    match *method {
        Method::GET | Method::HEAD => page(state),
        _ => not_allowed(),
    }
}

fn readyz(state: &dyn AdminState) -> Response<Full<Bytes>> {
    match state.ready() {
        Ok(()) => plain(StatusCode::OK, "ready\n".into()),
        Err(why) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
    }
}

fn metrics(state: &dyn AdminState) -> Response<Full<Bytes>> {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    page(StatusCode::OK, kind, state.metrics())
}

fn policy(state: &dyn AdminState) -> Response<Full<Bytes>> {
    let view = state.policy();
    let age = SystemTime::now().duration_since(view.loaded_at).map_or(0, |age| age.as_secs());
    let last_error = view.last_error.as_ref().map(|error| ErrorBody {
        at: format_rfc3339_seconds(error.at).to_string(),
        problems: &error.problems,
    });
    let body = PolicyBody {
        generation: view.generation,
        digest: &view.digest,
        loaded_at: format_rfc3339_seconds(view.loaded_at).to_string(),
        age_s: age,
        mode: view.mode,
        roles: view.roles,
        members: view.members,
        last_error,
    };
    page(StatusCode::OK, "application/json", json(&body))
}

fn upstreams(state: &dyn AdminState) -> Response<Full<Bytes>> {
    page(StatusCode::OK, "application/json", json(&state.upstreams()))
}

fn jwks(state: &dyn AdminState) -> Response<Full<Bytes>> {
    match state.jwks() {
        Some(keys) => page(StatusCode::OK, "application/jwk-set+json", keys),
        None => problem(StatusCode::NOT_FOUND),
    }
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    page(status, "text/plain; charset=utf-8", text)
}

fn problem(status: StatusCode) -> Response<Full<Bytes>> {
    page(status, problem::MEDIA_TYPE, problem::document(status, None, &[]))
}

fn json(body: &impl Serialize) -> String {
    let mut text = serde_json::to_string(body).expect("texts and numbers are always JSON");
    text.push('\n');
    text
}

fn not_allowed() -> Response<Full<Bytes>> {
    let mut response = problem(StatusCode::METHOD_NOT_ALLOWED);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

fn page(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
