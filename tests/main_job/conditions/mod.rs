//! Grants that hold only under conditions, through the real binary.

mod head;
mod owners;
mod rows;
mod together;
mod values;

use super::Api;
use crate::support::upstream::{Recorded, json_response};

/// An answer for each path, and 404 elsewhere.
fn objects(known: &'static [(&'static str, &'static str)]) -> impl Fn(&Recorded) -> Vec<u8> {
    move |request| {
        let path = request.target.split('?').next().unwrap_or_default();
        match known.iter().find(|(other, _)| *other == path) {
            Some((_, body)) => json_response(200, body),
            None => json_response(404, "{}"),
        }
    }
}

/// Methods and targets that reached the upstream.
fn reached(api: &Api) -> Vec<String> {
    let line = |request: Recorded| format!("{} {}", request.method, request.target);
    api.upstream.requests().into_iter().map(line).collect()
}
