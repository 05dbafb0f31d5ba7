//! What is ours to say in a request: who is calling, where it comes from, under which id.

use super::headers::{Forwarded, encoded, plain, write_field};
use crate::decide::{Permit, Reason};
use crate::identity::{Names, Stated, Tell};
use crate::policy::snapshot::Snapshot;
use http::HeaderValue;
use std::sync::Arc;

/// Everything that an upstream is told besides what the client said.
#[derive(Clone, Copy)]
pub(super) struct Told<'a> {
    /// Who the caller is and what it may do.
    pub(super) permit: &'a Permit,
    /// The policy that decided.
    pub(super) snapshot: &'a Snapshot,
    /// Where the request came from.
    pub(super) forwarded: &'a Forwarded,
    /// By which names, or in which statement.
    pub(super) tell: &'a Tell,
    /// The upstream that is told.
    pub(super) upstream: &'a Arc<str>,
    /// Seconds since 1970.
    pub(super) now: u64,
    /// The first digits of the policy's digest, see [`super::headers::policy_value`].
    pub(super) policy: &'a HeaderValue,
    /// The id under which this request is logged.
    pub(super) request_id: &'a HeaderValue,
    /// A new trace, for requests that bring none.
    pub(super) traceparent: &'a dyn Fn() -> HeaderValue,
}

/// Says what is ours to say. Nothing of a client is left under these names by now.
pub(super) fn write_told(
    head: &mut Vec<u8>,
    told: &Told<'_>,
    keeps_trace: bool,
) -> Result<(), Reason> {
    head.extend_from_slice(&told.forwarded.fields);
    write_field(head, "x-request-id", told.request_id);
    if let Some(names) = told.tell.names() {
        write_names(head, told, names)?;
    }
    if told.tell.assertion().is_some() {
        write_assertion(head, told)?;
    }
    if !keeps_trace {
        write_field(head, "traceparent", &(told.traceparent)());
    }
    Ok(())
}

fn write_names(head: &mut Vec<u8>, told: &Told<'_>, names: &Names) -> Result<(), Reason> {
    let permit = told.permit;
    if let Some(principal) = permit.principal() {
        write_field(head, &names.user, &encoded(&principal.user)?);
        write_field(head, &names.roles, &plain(&permit.roles_header(told.snapshot))?);
    }
    if let Some(org) = permit.org() {
        write_field(head, &names.org, &encoded(org)?);
    }
    if let Some(app) = permit.app() {
        write_field(head, &names.app, &encoded(app)?);
    }
    write_field(head, &names.policy, told.policy);
    Ok(())
}

/// Says it in one signed statement. Of nobody there is none.
fn write_assertion(head: &mut Vec<u8>, told: &Told<'_>) -> Result<(), Reason> {
    let permit = told.permit;
    let (Some(assertion), Some(principal)) = (told.tell.assertion(), permit.principal()) else {
        return Ok(());
    };
    let said = Stated {
        user: &principal.user,
        org: permit.org(),
        app: permit.app(),
        roles: permit.roles_header(told.snapshot),
        upstream: told.upstream,
        expires: principal.expires,
    };
    let value = assertion.value(&said, told.now).ok_or(Reason::Internal)?;
    write_field(head, assertion.header(), &value);
    Ok(())
}
