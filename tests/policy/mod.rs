//! Policies that break an invariant, and what is said of each: the code, and the very text that is
//! underlined.

mod administered;
mod allocations;
mod bad;
mod conditions;
mod hosts;
mod input;
pub(crate) mod invariants;
mod isolation;
mod limits_of_grants;
mod lints;
mod lints_of_roles;
mod offered;
mod reload;
mod schemas;
