//! What is known of one request when it is over. Field values and credentials are never here.

use crate::decide::{Access, Reason};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// One request, as the access log and the metrics tell it.
#[derive(Clone, Debug)]
pub struct Record {
    /// When its head had been read.
    pub time: SystemTime,
    /// `X-Request-Id`, the client's if it was one that can be logged, or ours.
    pub request_id: Arc<str>,
    /// The address of the client (or of the peer, behind a Unix socket none).
    pub client: Option<IpAddr>,
    /// The verified user.
    pub user: Option<Arc<str>>,
    /// The addressed organization.
    pub org: Option<Arc<str>>,
    /// The addressed application.
    pub app: Option<Arc<str>>,
    /// The method, as it came.
    pub method: http::Method,
    /// The route's pattern, never the path itself; `None` where no route matched.
    pub route: Option<Arc<str>>,
    /// The letters that were needed, where the route was known.
    pub access: Option<Access>,
    /// One of the grants that allowed it, as `role path`.
    pub grant: Option<Arc<str>>,
    /// Why it was allowed or refused.
    pub reason: Reason,
    /// Why nobody was identified, in one word of a bounded set.
    pub fault: Option<&'static str>,
    /// In monitor mode, what enforcing would have come to; `None` where the route is enforced.
    pub monitored: Option<Reason>,
    /// Whether `reason` is the policy's or the proxy's refusal, not an allowance.
    pub refused: bool,
    /// The status that the client got; 0 where the connection was lost before the head.
    pub status: u16,
    /// The body was cut off after its head had been sent.
    pub aborted: bool,
    /// Fields removed from the response; in monitor mode, those that would have been.
    pub removed: u64,
    /// Bytes of the request's body that were read.
    pub bytes_in: u64,
    /// Bytes of the response's body that were sent.
    pub bytes_out: u64,
    /// From the head of the request to the last byte of the response.
    pub total: Duration,
    /// Waiting for the upstream's head.
    pub upstream: Duration,
    /// Identifying and deciding.
    pub decide: Duration,
    /// Reading JSON: checking the request, filtering the response.
    pub filter: Duration,
    /// The snapshot that decided.
    pub generation: u64,
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A request that was allowed, with every field filled.
    pub(in crate::telemetry) fn record() -> Record {
        Record {
            time: SystemTime::UNIX_EPOCH + Duration::from_millis(1_800_000_000_123),
            request_id: "r-1".into(),
            client: Some([192, 0, 2, 1].into()),
            user: Some("ann".into()),
            org: Some("acme".into()),
            app: None,
            method: http::Method::GET,
            route: Some("/customers/{id}".into()),
            access: Some(Access::READ),
            grant: Some("support /customers/**".into()),
            reason: Reason::Granted,
            fault: None,
            monitored: None,
            refused: false,
            status: 200,
            aborted: false,
            removed: 3,
            bytes_in: 12,
            bytes_out: 342,
            total: Duration::from_micros(1_234),
            upstream: Duration::from_micros(900),
            decide: Duration::from_nanos(1_900),
            filter: Duration::from_micros(15),
            generation: 7,
        }
    }
}
