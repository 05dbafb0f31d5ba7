//! What goes to an upstream: the canonical request, cleaned, with what we say added.

use super::canonical::Canonical;
use super::headers::{self, Told};
use super::upload::{RequestBody, Upload};
use crate::decide::Reason;
use crate::identity::Identity;
use crate::policy::snapshot::Route;
use crate::policy::upstream::Upstream;
use http::header::{self, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Uri};
use std::rc::Rc;

/// A request that may be sent. It is made of a [`Canonical`] in one way, and nothing else can be
/// handed to the pool.
#[derive(Debug)]
pub(super) struct Outgoing {
    request: Request<RequestBody>,
}

impl Outgoing {
    /// Builds the upstream request.
    pub(super) fn build(
        canonical: Canonical,
        body: RequestBody,
        told: &Told<'_>,
        identity: &Identity,
        (route, upstream): (&Route, &Upstream),
        filtered: bool,
    ) -> Result<Outgoing, Reason> {
        let stripped = stripped(&canonical, route)?;
        let (method, whole, client_host, mut headers) = canonical.into_parts();
        let target = stripped.unwrap_or(whole);
        headers::clean_request(&mut headers, identity, route.credential_pass)?;
        headers::change(&mut headers, &route.carriage)?;
        // Room for what is added: one growth in place of several.
        headers.try_reserve(ADDED).map_err(|_| Reason::HeadersTooLarge)?;
        headers::inject(&mut headers, told)?;
        if filtered && told.permit.is_monitored() {
            headers::ask_for_plain(&mut headers)?;
        } else if filtered {
            headers::ask_for_json(&mut headers, method.is_safe())?;
        }
        let host = match &upstream.host {
            Some(host) => HeaderValue::from_str(host).map_err(|_| Reason::Internal)?,
            None => client_host,
        };
        headers.insert(header::HOST, host);
        if body.is_chunked() {
            // Said aloud: hyper would drop such a body of a GET.
            headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = Uri::from(target);
        *request.headers_mut() = headers;
        Ok(Outgoing { request })
    }

    /// The progress of a streamed body.
    pub(super) fn upload(&self) -> Option<Rc<Upload>> {
        self.request.body().upload()
    }

    /// The request, and whether it may be sent twice (RFC 9110 section 9.2.2).
    pub(super) fn into_request(self) -> (bool, Request<RequestBody>) {
        let empty = matches!(self.request.body(), RequestBody::Empty);
        (empty && is_idempotent(self.request.method()), self.request)
    }
}

/// What is left of the target where the route strips a prefix; it is judged again as it goes.
fn stripped(canonical: &Canonical, route: &Route) -> Result<Option<PathAndQuery>, Reason> {
    match route.carriage.strip {
        0 => Ok(None),
        segments => match canonical.target().without_prefix(segments) {
            Ok(target) => Ok(Some(target.raw().clone())),
            Err(_) => Err(Reason::BadPath),
        },
    }
}

fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::PUT | Method::DELETE | Method::OPTIONS)
}

/// Fields that are added at most.
const ADDED: usize = 16;
