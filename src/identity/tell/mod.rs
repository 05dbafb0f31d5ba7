//! What upstreams are told besides what the client said: who is calling, and that it is us.
//!
//! Names and files come from the policy, so they change live with it. No client can say any of it:
//! what is told here is taken out of every request first, in any spelling.

mod assertion;
mod pem;
mod signer;

pub use assertion::{Assertion, MAX_ASSERTIONS, Said};
pub(super) use signer::Signer;

use http::{HeaderMap, HeaderName, HeaderValue};
use std::collections::HashMap;
use std::fmt;

/// What the upstreams of one policy are told.
#[derive(Default)]
pub struct Tell {
    /// `None` where an assertion stands in place of them.
    pub(super) names: Option<Names>,
    pub(super) assertion: Option<Assertion>,
    /// By the upstream's id: its own secret, which is put on each request that goes there.
    pub(super) credentials: HashMap<Box<str>, (HeaderName, HeaderValue)>,
}

/// The names of the fields that say who is calling, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The user's id.
    pub user: Box<str>,
    /// The addressed organization.
    pub org: Box<str>,
    /// The addressed application.
    pub app: Box<str>,
    /// The roles that the caller has there.
    pub roles: Box<str>,
    /// The first digits of the policy's digest.
    pub policy: Box<str>,
}

impl Default for Names {
    fn default() -> Names {
        let name = |end: &str| format!("x-portcullis-{end}").into();
        let [user, org, app] = ["user", "org", "app"].map(name);
        Names { user, org, app, roles: name("roles"), policy: name("policy") }
    }
}

impl Names {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        [&self.user, &self.org, &self.app, &self.roles, &self.policy]
            .into_iter()
            .map(|name| &**name)
    }
}

impl Tell {
    /// The names of the fields that say who is calling, unless an assertion alone does.
    pub fn names(&self) -> Option<&Names> {
        self.names.as_ref()
    }

    /// The signed statement, if upstreams get one.
    pub fn assertion(&self) -> Option<&Assertion> {
        self.assertion.as_ref()
    }

    /// Puts the upstream's own secret on a request, in place of whatever the client said there.
    /// Whether there is room for it.
    pub fn authenticate(&self, upstream: &str, headers: &mut HeaderMap) -> bool {
        if self.credentials.is_empty() {
            return true;
        }
        let Some((name, value)) = self.credentials.get(upstream) else { return true };
        let same = |other: &&HeaderName| crate::policy::header::is_same(other, name);
        let spelled: Vec<HeaderName> = headers.keys().filter(same).cloned().collect();
        spelled.iter().for_each(|other| drop(headers.remove(other)));
        headers.try_insert(name.clone(), value.clone()).is_ok()
    }
}

/// Names, never values.
impl fmt::Debug for Tell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tell")
            .field("names", &self.names)
            .field("assertion", &self.assertion.is_some())
            .field("credentials", &self.credentials.len())
            .finish()
    }
}
