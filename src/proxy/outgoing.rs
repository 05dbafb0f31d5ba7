//! What goes to an upstream: the canonical request, cleaned, with what we say added.

use super::asking;
use super::canonical::Canonical;
use super::headers;
use super::sending::Sending;
use super::told::{Told, write_told};
use super::trailers::Trailers;
use super::upload::{RequestBody, Upload};
use crate::decide::Reason;
use crate::identity::Identity;
use crate::policy::snapshot::Route;
use crate::policy::upstream::{Protocol, Upstream};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use std::rc::Rc;

/// A request that may be sent. It is made of a [`Canonical`] in one way, and nothing else can be
/// handed to the pool.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// Boxed, because it moves through every step from here to the socket.
    sending: Box<Sending>,
}

impl Outgoing {
    /// Builds the upstream request: its head as it will be written.
    pub(super) fn build(
        canonical: Canonical,
        body: RequestBody,
        told: &Told<'_>,
        identity: &Identity,
        (route, upstream): (&Route, &Upstream),
        filtered: bool,
    ) -> Result<Outgoing, Reason> {
        let stripped = stripped(&canonical, route)?;
        let trailing = upstream.protocol == Protocol::Http2
            && canonical.is_http2()
            && (!filtered || told.permit.is_monitored());
        let wants = trailing && headers::says_trailers(canonical.headers());
        let (method, whole, client_host, mut headers) = canonical.into_parts();
        let target = stripped.unwrap_or(whole);
        headers::clean_request(&mut headers, identity, route.credential_pass)?;
        headers::change(&mut headers, &route.carriage)?;
        if !identity.tell().authenticate(&upstream.id, &mut headers) {
            return Err(Reason::HeadersTooLarge);
        }
        if filtered && told.permit.is_monitored() {
            asking::ask_for_plain(&mut headers)?;
        } else if filtered {
            asking::ask_for_readable(&mut headers, route.response, method.is_safe())?;
        }
        let host = match &upstream.host {
            Some(host) => HeaderValue::from_str(host).map_err(|_| Reason::Internal)?,
            None => client_host,
        };
        let mut head = Vec::with_capacity(COMMON_HEAD);
        for part in [method.as_str(), " ", target.as_str(), " HTTP/1.1\r\n"] {
            head.extend_from_slice(part.as_bytes());
        }
        let secrets = match upstream.protocol {
            Protocol::Http1 => Vec::new(),
            Protocol::Http2 => secrets(&headers, identity, route),
        };
        headers::write_field(&mut head, "host", &host);
        let keeps_trace = headers::write_passing(&mut head, &headers);
        write_told(&mut head, told, keeps_trace)?;
        if told.permit.upgrades() {
            headers::write_switch(&mut head);
        }
        let trailers = trailing.then(|| Trailers::beside(&headers, identity, route, wants));
        let mut sending = Sending::new(method, head, body, headers).with_secrets(secrets);
        if told.permit.upgrades() {
            sending = sending.switching();
        }
        if let Some(trailers) = trailers {
            sending = sending.with_trailers(trailers);
        }
        Ok(Outgoing { sending: Box::new(sending) })
    }

    /// The progress of a streamed body.
    pub(super) fn upload(&self) -> Option<Rc<Upload>> {
        self.sending.upload()
    }

    /// The request, to be sent.
    pub(super) fn into_sending(self) -> Box<Sending> {
        self.sending
    }
}

/// The fields that carry secrets of this policy: of callers, of ours, of those whom we speak for.
fn secrets(headers: &HeaderMap, identity: &Identity, route: &Route) -> Vec<HeaderName> {
    let stay = |name: &HeaderName| route.credential_pass && identity.is_credential(name);
    let secret = headers.iter().filter(|(name, value)| value.is_sensitive() || stay(name));
    let assertion = identity.tell().assertion().and_then(|one| one.header().parse().ok());
    secret.map(|(name, _)| name.clone()).chain(assertion).collect()
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

/// Room that most heads fit into; longer ones grow.
const COMMON_HEAD: usize = 1024;
