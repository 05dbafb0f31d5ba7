//! Upstreams and routes.

use super::{RawCredential, RawTest, Text};
use crate::policy::upstream::{Protocol, Timeouts};
use crate::source::{Span, Spanned};
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct RawUpstream {
    pub span: Span,
    pub id: Text,
    pub url: Text,
    /// Where it is as well.
    pub others: Vec<Text>,
    pub host: Option<Text>,
    pub protocol: Option<Spanned<Protocol>>,
    pub credential: Option<RawCredential>,
    pub tls: Option<RawUpstreamTls>,
    pub timeouts: Option<Timeouts>,
    pub health: Option<RawHealth>,
}

/// How endpoints are asked whether they are well.
#[derive(Clone, Debug)]
pub struct RawHealth {
    pub path: Text,
    pub interval: Option<Duration>,
    pub timeout: Option<Duration>,
    pub healthy: Option<Spanned<u64>>,
    pub unhealthy: Option<Spanned<u64>>,
    pub status: Option<Spanned<u64>>,
}

/// How to speak to an `https` upstream; paths of files, in PEM.
#[derive(Clone, Debug)]
pub struct RawUpstreamTls {
    pub span: Span,
    /// The system's authorities where absent.
    pub ca: Option<Text>,
    /// With `key`, or neither.
    pub cert: Option<Text>,
    pub key: Option<Text>,
    /// The URL's host where absent.
    pub server_name: Option<Text>,
}

#[derive(Clone, Debug)]
pub struct RawRoute {
    pub span: Span,
    pub pattern: Text,
    /// Every host where absent.
    pub host: Option<Text>,
    pub upstream: Option<Text>,
    /// As typed: `claims.account`, `header.X-Org`, `host.tenant`.
    pub org: Option<Text>,
    pub app: Option<Text>,
    /// Method and letter, in the order typed.
    pub verbs: Vec<(Text, Text)>,
    pub upsert: Option<Spanned<bool>>,
    pub update: Option<Spanned<Update>>,
    /// Access letters.
    pub public: Option<Text>,
    pub request: Option<Spanned<RequestKind>>,
    pub response: Option<Spanned<BodyKind>>,
    /// Data of events that is no JSON and passes.
    pub sentinels: Vec<Text>,
    pub params_keep: bool,
    pub credential_pass: bool,
    /// The policy's where absent.
    pub mode: Option<Spanned<Mode>>,
    pub strip_prefix: Option<Text>,
    pub headers: RawHeaders,
    pub when: Vec<RawTest>,
    pub upgrade: bool,
    pub cors: Option<RawCors>,
}

/// What pages of other origins may do.
#[derive(Clone, Debug)]
pub struct RawCors {
    pub span: Span,
    pub origins: Vec<Text>,
    pub headers: Vec<Text>,
    pub expose: Vec<Text>,
    pub credentials: Option<Spanned<bool>>,
    /// A duration, as typed.
    pub max_age: Option<Text>,
}

/// Header fields of the request that an upstream gets.
#[derive(Clone, Debug, Default)]
pub struct RawHeaders {
    pub remove: Vec<Text>,
    /// Name and value, in the order typed.
    pub set: Vec<(Text, Text)>,
}

/// Whether what is decided is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is.
    Enforce,
    /// It is told, and let through.
    Monitor,
}

/// The words for modes.
pub const MODES: [(&str, Option<Mode>); 2] =
    [("enforce", Some(Mode::Enforce)), ("monitor", Some(Mode::Monitor))];

/// What PUT does with what it does not mention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// It stays as it is.
    Merge,
    /// It is lost.
    Replace,
    /// It is lost, but for what the caller cannot see: that is put into the body before it goes.
    MergeHidden,
}

/// How a request's body is read, where something limits it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// JSON, merge patches and JSON Patches.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `multipart/form-data`.
    Multipart,
    /// Not at all.
    Opaque,
}

/// How a response's body is read. (Other kinds are not enforced yet.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    Json,
    Opaque,
    /// A stream of records; of responses alone.
    Events,
}
