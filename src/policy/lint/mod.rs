//! What a policy says that probably was not meant: grants and routes that change nothing, things
//! that nothing uses, roles that reach nothing. Warnings only; a policy loads all the same.
//!
//! A lint that cries wolf is switched off, so each speaks only where the policy as it stands leaves
//! no other reading: an empty list that is written out is meant, and so is a role that nobody has
//! yet but that others may assign.

mod apps;
mod assign;
mod cover;
mod queries;
mod reach;
mod unused;

use crate::diag::Report;
use crate::policy::raw::RawPolicy;
use crate::policy::resolve::Resolved;

/// Warns of what is probably not meant. Both are the same policy, and it has no errors: then every
/// entity stands at the same position in both.
pub fn lint(raw: &RawPolicy, resolved: &Resolved, report: &mut Report) {
    cover::shadowed_grants(resolved, report);
    cover::hidden_routes(raw, resolved, report);
    reach::grants_that_never_hold(resolved, report);
    apps::grants_beyond_apps(resolved, report);
    reach::schemas_without_grants(raw, resolved, report);
    reach::roles_without_grants(raw, resolved, report);
    reach::roles_without_operator(raw, resolved, report);
    reach::access_to_inactive_apps(raw, resolved, report);
    queries::unlisted(resolved, report);
    unused::roles(raw, resolved, report);
    assign::roles_that_nobody_may_give(raw, resolved, report);
    unused::schemas_and_types(raw, resolved, report);
    unused::upstreams(raw, resolved, report);
    unused::applications(raw, resolved, report);
}
