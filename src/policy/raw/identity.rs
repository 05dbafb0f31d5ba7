//! Who is calling.

use super::Text;
use crate::source::{Span, Spanned};

#[derive(Clone, Debug, Default)]
pub struct RawIdentity {
    pub span: Span,
    pub jwt: Vec<RawJwt>,
    pub api_keys: Option<RawApiKeys>,
    pub forwarded: Option<RawForwarded>,
    pub same_users: bool,
}

#[derive(Clone, Debug)]
pub struct RawJwt {
    pub span: Span,
    pub issuer: Text,
    pub audience: Vec<Text>,
    pub algorithms: Vec<Text>,
    pub keys: RawKeys,
    pub claims: RawClaims,
    /// Seconds; 60 where absent.
    pub leeway: Option<Spanned<u64>>,
    pub prefix: Option<Text>,
    /// `at+jwt` demanded.
    pub typ: Option<Text>,
    /// The cookie that carries its tokens, too.
    pub cookie: Option<Text>,
    /// Whose pages may change something by that cookie.
    pub origins: Vec<Text>,
}

/// Where verification keys come from. (`jwks: {url}` is not enforced yet.)
#[derive(Clone, Debug)]
pub enum RawKeys {
    /// `jwks: {file}`
    JwksFile(Text),
    /// `secrets: [{file} | {env}]`, oldest last.
    Secrets(Vec<RawSecret>),
}

#[derive(Clone, Debug)]
pub enum RawSecret {
    File(Text),
    Env(Text),
}

/// Claim names or JSON pointers; a list is tried in order. Empty means the default name.
#[derive(Clone, Debug, Default)]
pub struct RawClaims {
    pub user: Vec<Text>,
    pub org: Vec<Text>,
    pub app: Vec<Text>,
    pub roles: Vec<Text>,
    pub email: Vec<Text>,
}

#[derive(Clone, Debug)]
pub struct RawApiKeys {
    pub span: Span,
    pub in_header: bool,
    pub in_bearer: bool,
    pub in_basic: bool,
    /// The header's name; `X-Api-Key` where absent.
    pub header: Option<Text>,
    pub prefix: Option<Text>,
    pub keys: Vec<RawApiKey>,
}

#[derive(Clone, Debug)]
pub struct RawApiKey {
    pub span: Span,
    pub user: Text,
    pub org: Option<Text>,
    pub app: Option<Text>,
    pub sha256: Text,
    pub roles: Option<Vec<Text>>,
    pub claims: Vec<(Text, Text)>,
    /// Seconds since 1970.
    pub expires: Option<Spanned<u64>>,
}

#[derive(Clone, Debug)]
pub struct RawForwarded {
    pub span: Span,
    /// Addresses, CIDR, or `unix`.
    pub peers: Vec<Text>,
    pub user: Text,
    pub org: Option<Text>,
    pub app: Option<Text>,
    pub roles: Option<Text>,
    pub email: Option<Text>,
    pub prefix: Option<Text>,
}
