//! What upstreams are told, and what they ask of us.

use super::Text;
use crate::source::{Span, Spanned};

#[derive(Clone, Debug, Default)]
pub struct RawTell {
    pub span: Span,
    /// `None` where the key is absent.
    pub headers: Option<RawToldHeaders>,
    pub assertion: Option<RawAssertion>,
}

/// Other names than `X-Portcullis-…`.
#[derive(Clone, Debug, Default)]
pub struct RawToldHeaders {
    pub user: Option<Text>,
    pub org: Option<Text>,
    pub app: Option<Text>,
    pub roles: Option<Text>,
    pub policy: Option<Text>,
}

impl RawToldHeaders {
    /// All that were typed.
    pub fn iter(&self) -> impl Iterator<Item = &Text> {
        let all = [&self.user, &self.org, &self.app, &self.roles, &self.policy];
        all.into_iter().flatten()
    }
}

/// A signed statement of who is calling.
#[derive(Clone, Debug)]
pub struct RawAssertion {
    pub span: Span,
    pub header: Text,
    /// Files, newest first.
    pub keys: Vec<Text>,
    /// ES256 where absent.
    pub algorithm: Option<Text>,
    pub issuer: Option<Text>,
    /// The upstream's id where absent.
    pub audience: Option<Text>,
    /// Seconds; 60 where absent.
    pub ttl: Option<Spanned<u64>>,
}

/// An upstream's own secret, put on what goes there.
#[derive(Clone, Debug)]
pub struct RawCredential {
    pub header: Text,
    pub file: Text,
}
