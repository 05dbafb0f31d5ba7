//! Who is calling.

use super::Text;
use super::tell::RawTell;
use crate::source::{Span, Spanned};
use std::time::Duration;

#[derive(Clone, Debug, Default)]
pub struct RawIdentity {
    pub span: Span,
    pub jwt: Vec<RawJwt>,
    pub api_keys: Option<RawApiKeys>,
    pub forwarded: Option<RawForwarded>,
    pub introspection: Vec<RawIntrospection>,
    pub mtls: Option<RawMtls>,
    pub same_users: bool,
    /// What upstreams are told of callers.
    pub tell: Option<RawTell>,
}

/// Opaque tokens, and who is asked about them. What is `None` has its default.
#[derive(Clone, Debug)]
pub struct RawIntrospection {
    pub span: Span,
    /// `None` where there is none that may be asked, which is reported.
    pub url: Option<Text>,
    pub ca: Option<Text>,
    pub client_id: Text,
    pub secret: RawSecret,
    /// How its tokens begin; any where absent.
    pub tokens: Option<Text>,
    pub issuer: Option<Text>,
    pub audience: Vec<Text>,
    pub claims: RawClaims,
    pub prefix: Option<Text>,
    pub cache: Option<Duration>,
    pub negative: Option<Duration>,
    pub timeout: Option<Duration>,
    pub concurrency: Option<Spanned<u64>>,
}

#[derive(Clone, Debug)]
pub struct RawJwt {
    pub span: Span,
    pub issuer: Text,
    /// `None` where there is none that can be read, which is reported; likewise the two below.
    pub audience: Option<Vec<Text>>,
    pub algorithms: Option<Vec<Text>>,
    pub keys: Option<RawKeys>,
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

/// Where verification keys come from.
#[derive(Clone, Debug)]
pub enum RawKeys {
    /// `jwks: {file}`
    JwksFile(Text),
    /// `jwks: {url}`
    JwksUrl(Box<RawKeyUrl>),
    /// `pem: {file}`
    Pem(Text),
    /// `secrets: [{file} | {env}]`, oldest last.
    Secrets(Vec<RawSecret>),
}

/// A key set that is fetched. What is `None` has its default.
#[derive(Clone, Debug)]
pub struct RawKeyUrl {
    pub url: Text,
    /// A file with the certificates that vouch for the server, instead of the system's.
    pub ca: Option<Text>,
    pub refresh: Option<Duration>,
    pub cool_down: Option<Duration>,
    pub max_stale: Option<Duration>,
    pub max_bytes: Option<usize>,
    pub timeout: Option<Duration>,
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
    pub roles: Vec<RawRolePlace>,
    pub email: Vec<Text>,
    /// Names of roles in tokens, and what the policy calls them.
    pub map: Vec<(Text, Text)>,
}

/// A place of roles in a token.
#[derive(Clone, Debug)]
pub enum RawRolePlace {
    /// A name or a pointer, perhaps with `{org}` in it.
    At(Text),
    /// `{items, key, value}`: a list of objects, where each names its organization, and its roles.
    Items { items: Text, key: Text, value: Text },
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
    /// Addresses, CIDR, or `unix`; `None` where none can be read, which is reported.
    pub peers: Option<Vec<Text>>,
    pub user: Text,
    pub org: Option<Text>,
    pub app: Option<Text>,
    pub roles: Option<Text>,
    pub email: Option<Text>,
    pub prefix: Option<Text>,
}

/// Client certificates.
#[derive(Clone, Debug)]
pub struct RawMtls {
    pub span: Span,
    pub trust_domains: Vec<RawTrustDomain>,
    pub certificates: Vec<RawNamed>,
}

/// A SPIFFE trust domain.
#[derive(Clone, Debug)]
pub struct RawTrustDomain {
    pub span: Span,
    pub name: Text,
    /// A file of authorities.
    pub bundle: Text,
    /// Patterns of paths; the whole ID is the user where there are none.
    pub paths: Vec<Text>,
    pub prefix: Option<Text>,
}

/// Authorities of certificates that name their holder otherwise.
#[derive(Clone, Debug)]
pub struct RawNamed {
    pub span: Span,
    pub ca: Text,
    pub from: RawNameKind,
    pub prefix: Option<Text>,
}

/// Which name says who somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawNameKind {
    Dns,
    Email,
}
