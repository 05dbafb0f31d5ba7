//! Stand-ins for parts that others are writing, behind the signatures that were agreed.
//!
//! All of them refuse. To be deleted when the real ones are merged: inherent methods of `Identity`
//! take precedence over those of the trait here, and `filter::Filter` and `filter::write` replace
//! their namesakes.

use crate::decide::Reason;
use crate::filter::mask::{Mask, SHOW};
use crate::identity::Identity;
use crate::principal::Principal;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::net::IpAddr;
use std::sync::Arc;

/// What an authenticator may look at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Credentials<'a> {
    /// All fields of the request.
    pub(super) headers: &'a HeaderMap,
    /// Who holds the connection.
    pub(super) peer: Peer,
}

/// Who holds the connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Peer {
    /// By TCP.
    Ip(IpAddr),
    /// By a Unix socket.
    Unix,
}

/// Nobody was identified.
#[derive(Debug)]
pub(super) struct Unidentified {
    /// Why.
    pub(super) reason: Reason,
}

/// The agreed methods of `Identity`.
pub(super) trait IdentityShim {
    /// The caller, or a refusal.
    fn identify(
        &self,
        credentials: &Credentials<'_>,
        now: u64,
    ) -> Result<Arc<Principal>, Unidentified>;
    /// Whether a header carries the subject's credential.
    fn is_credential(&self, name: &HeaderName) -> bool;
    /// Whether a header is one that names the caller.
    fn is_identity_header(&self, name: &HeaderName) -> bool;
    /// The headers on which a response depends.
    fn vary(&self) -> &HeaderValue;
}

static VARY: HeaderValue = HeaderValue::from_static("authorization");

impl IdentityShim for Identity {
    fn identify(
        &self,
        credentials: &Credentials<'_>,
        _now: u64,
    ) -> Result<Arc<Principal>, Unidentified> {
        let Credentials { headers: _, peer: Peer::Ip(_) | Peer::Unix } = credentials;
        Err(Unidentified { reason: Reason::Unauthenticated })
    }

    fn is_credential(&self, name: &HeaderName) -> bool {
        *name == http::header::AUTHORIZATION || name.as_str() == "x-api-key"
    }

    fn is_identity_header(&self, name: &HeaderName) -> bool {
        name.as_str() == "x-auth-user"
    }

    fn vary(&self) -> &HeaderValue {
        &VARY
    }
}

/// Why a body cannot pass.
#[derive(Debug, thiserror::Error)]
#[error("the filter is not here yet")]
pub(super) struct Fault;

/// Limits of the filter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How deep JSON may nest.
    pub(super) depth: usize,
}

/// Passes a body only where the mask shows everything.
#[derive(Debug)]
pub(super) struct Filter {
    shows: bool,
}

impl Filter {
    pub(super) fn new(mask: Arc<Mask>, limits: Limits) -> Filter {
        Filter { shows: mask.root() == SHOW && limits.depth > 0 }
    }

    pub(super) fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        if !self.shows {
            return Err(Fault);
        }
        out.extend_from_slice(chunk);
        Ok(())
    }

    pub(super) fn finish(&mut self, _out: &mut Vec<u8>) -> Result<(), Fault> {
        self.shows.then_some(()).ok_or(Fault)
    }

    pub(super) fn removed(&self) -> u64 {
        0
    }
}

pub(super) mod write {
    use super::{Fault, Limits, Mask, SHOW};

    /// How a body is applied.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(in crate::proxy) enum Patch {
        /// As it is.
        No,
        /// As a JSON merge patch (RFC 7396).
        Merge,
    }

    /// Why a body may not be sent.
    #[derive(Debug)]
    pub(in crate::proxy) enum WriteFault {
        /// It is no JSON that can be relied on.
        Invalid(Fault),
        /// Pointers of fields that may not be written.
        Fields(Vec<String>),
        /// Pointers of values of a wrong type.
        Types(Vec<String>),
    }

    pub(in crate::proxy) fn check(
        mask: &Mask,
        body: &[u8],
        _limits: &Limits,
        patch: Patch,
    ) -> Result<(), WriteFault> {
        match mask.root() {
            SHOW => Ok(()),
            _ if body.is_empty() => Err(WriteFault::Invalid(Fault)),
            _ if patch == Patch::Merge => Err(WriteFault::Types(vec![String::new()])),
            _ => Err(WriteFault::Fields(vec![String::new()])),
        }
    }
}
