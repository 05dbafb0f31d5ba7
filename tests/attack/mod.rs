//! What somebody would try who wants more than the policy gives: each test is one attempt.

mod heads;
mod owners;
mod policies;
mod roles;
mod tokens;
mod upstreams;
