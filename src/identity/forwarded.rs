//! Identity headers from a peer that the policy lists: another proxy that has authenticated the
//! caller. From anyone else they are worth nothing, and the proxy strips them.

use super::{Fault, Peer, claims, single};
use crate::policy::peers::Peers;
use crate::principal::{AuthMethod, ClaimValue, Claims, Principal};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::sync::Arc;

/// Which peers are believed, and the headers that they speak in.
#[derive(Debug)]
pub(super) struct Forwarded {
    pub(super) peers: Peers,
    pub(super) user: HeaderName,
    pub(super) org: Option<HeaderName>,
    pub(super) app: Option<HeaderName>,
    pub(super) roles: Option<HeaderName>,
    pub(super) email: Option<HeaderName>,
    pub(super) prefix: Box<str>,
}

impl Forwarded {
    /// Whether this peer is listed.
    pub(super) fn trusts(&self, peer: Peer) -> bool {
        self.peers.lists(peer.address())
    }

    /// The names of all headers that say something about the caller.
    pub(super) fn names(&self) -> impl Iterator<Item = &HeaderName> {
        let more = [&self.org, &self.app, &self.roles, &self.email];
        std::iter::once(&self.user).chain(more.into_iter().flatten())
    }

    /// The caller of whom a listed peer speaks.
    pub(super) fn principal(&self, headers: &HeaderMap) -> Result<Principal, Fault> {
        let one = |name: &Option<HeaderName>| match name {
            Some(name) => single(headers, name)?.map(word).transpose(),
            None => Ok(None),
        };
        let user = word(single(headers, &self.user)?.ok_or(Fault::Missing)?)?;
        let (org, app, email) = (one(&self.org)?, one(&self.app)?, one(&self.email)?);
        let roles = match &self.roles {
            Some(name) => single(headers, name)?.map(names).transpose()?,
            None => None,
        };
        let user = format!("{}{user}", self.prefix);
        let claims = mapped(&org, &app, &roles);
        let method = AuthMethod::Forwarded;
        Ok(Principal { org, app, roles, email, claims, ..Principal::of(user, method) })
    }
}

/// `claims.org`, `.app` and `.roles` of a caller whose credential has no claims by these names.
pub(super) fn mapped(
    org: &Option<Arc<str>>,
    app: &Option<Arc<str>>,
    roles: &Option<Vec<Arc<str>>>,
) -> Claims {
    let text = |name: &str, value: &Option<Arc<str>>| {
        value.as_ref().map(|value| (Arc::from(name), ClaimValue::Text(value.clone())))
    };
    let roles = roles.as_ref().map(|roles| (Arc::from("roles"), ClaimValue::List(roles.clone())));
    Claims([text("org", org), text("app", app), roles].into_iter().flatten().collect())
}

/// One value: visible ASCII, not empty. A comma would be two headers that a proxy on the way has
/// joined into one, so it is refused as they would be.
fn word(value: &HeaderValue) -> Result<Arc<str>, Fault> {
    let text = visible(value)?;
    match text {
        "" => Err(Fault::Malformed),
        text if text.contains(',') => Err(Fault::Repeated),
        text => Ok(text.into()),
    }
}

/// Several values, separated by commas or spaces.
fn names(value: &HeaderValue) -> Result<Vec<Arc<str>>, Fault> {
    Ok(visible(value)?.split(',').flat_map(claims::split).collect())
}

fn visible(value: &HeaderValue) -> Result<&str, Fault> {
    let text = value.to_str().map_err(|_| Fault::Malformed)?;
    match text.contains('\t') {
        true => Err(Fault::Malformed),
        false => Ok(text),
    }
}
