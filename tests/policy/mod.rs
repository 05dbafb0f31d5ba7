//! Policies that break an invariant, and what is said of each: the code, and the very text that is
//! underlined.

mod administered;
mod allocations;
mod conditions;
mod hosts;
mod invariants;
mod isolation;
mod lints;
mod offered;
mod reload;
mod schemas;
