//! The words for why a request was allowed or refused, each with its status.
//!
//! The same words stand in `explain`, the access log, the metrics' labels and the audit log.

use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:literal;)+) => {
        /// Why a request was allowed or refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason { $($(#[$doc])* $variant,)+ }

        impl Reason {
            /// Every reason there is.
            pub const ALL: &[Reason] = &[$(Reason::$variant,)+];

            /// The word as logged.
            pub fn as_str(self) -> &'static str {
                match self { $(Reason::$variant => $name,)+ }
            }

            /// The status that a client gets; for the three that allow, 200 stands for the upstream's.
            pub fn status(self) -> u16 {
                match self { $(Reason::$variant => $status,)+ }
            }
        }
    };
}

reasons! {
    /// A grant holds.
    Granted = "granted", 200;
    /// The route is public for this access.
    Public = "public", 200;
    /// What a browser asks for a page of another origin has been answered.
    Preflight = "preflight", 204;
    /// Monitor mode: it would have been refused.
    Monitored = "monitored", 200;
    /// The path (or the framing around it) can be read in two ways.
    BadPath = "bad_path", 400;
    /// The target is longer than the limit.
    TargetTooLong = "target_too_long", 414;
    /// Too many header fields, or too long ones.
    HeadersTooLarge = "headers_too_large", 431;
    /// The head of the request is malformed or contradicts itself (Host, framing, Connection).
    BadRequest = "bad_request", 400;
    /// The host is another one than the connection was opened for (TLS, SNI).
    Misdirected = "misdirected", 421;
    /// No letter stands for this method on this route.
    BadMethod = "bad_method", 405;
    /// Two credentials for the subject.
    AmbiguousCredentials = "ambiguous_credentials", 400;
    /// No credential, or a bad one.
    Unauthenticated = "unauthenticated", 401;
    /// Too many credentials of this address were bad a short while ago; none is looked at.
    TooManyFailures = "too_many_failures", 429;
    /// Whoever issued the credential could not be asked about it.
    IntrospectionFailed = "introspection_failed", 503;
    /// The request comes from a page whose origin may not, or does not say from which it comes.
    OriginNotAllowed = "origin_not_allowed", 403;
    /// No route has this path.
    NoRoute = "no_route", 404;
    /// The caller has no active membership in the addressed organization.
    NotAMember = "not_a_member", 404;
    /// The addressed application is not the organization's.
    AppNotAssigned = "app_not_assigned", 404;
    /// The caller has no access to the addressed application.
    NoAppAccess = "no_app_access", 404;
    /// Only an owner may, and the caller is not.
    NotOwner = "not_owner", 404;
    /// The addressed application is inactive.
    AppInactive = "app_inactive", 403;
    /// A restriction denies it.
    Restricted = "restricted", 403;
    /// No grant of the caller's roles matches.
    NoGrant = "no_grant", 403;
    /// Grants match, but their conditions do not hold.
    ConditionFailed = "condition_failed", 403;
    /// A value of the body is not among those allowed.
    ValueNotAllowed = "value_not_allowed", 403;
    /// The body carries fields that the caller may not write.
    FieldNotWritable = "field_not_writable", 403;
    /// The path lies where limited objects may be, but the policy does not say where.
    Unmapped = "unmapped", 403;
    /// The query names a hidden field or a parameter that is not allowed.
    QueryNotAllowed = "query_not_allowed", 403;
    /// A replacing write would erase what the caller cannot see.
    HiddenFieldsAtRisk = "hidden_fields_at_risk", 409;
    /// The client's `If-Match` names another version of the object than the one that was looked at.
    Stale = "stale", 412;
    /// A value of the body is not valid.
    ValueInvalid = "value_invalid", 422;
    /// The body is not what it claims to be.
    BodyInvalid = "body_invalid", 400;
    /// The body's type or coding cannot be read where fields must be checked.
    BodyUnsupported = "body_invalid", 415;
    /// The body is larger than the limit where it must be read.
    BodyTooLarge = "body_too_large", 413;
    /// The client was too slow, or went away.
    ClientTimeout = "client_timeout", 408;
    /// The response is not what the policy says, or cannot be read.
    Shape = "shape", 502;
    /// The upstream cannot be reached, or broke the protocol.
    UpstreamFailed = "upstream_failed", 502;
    /// The upstream did not answer in time.
    UpstreamTimeout = "upstream_timeout", 504;
    /// No endpoint of the upstream is well, by what each says of itself.
    UpstreamUnwell = "upstream_unwell", 503;
    /// Too much is under way.
    Overloaded = "overloaded", 503;
    /// A defect of Portcullis itself; nothing is forwarded.
    Internal = "internal", 500;
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
