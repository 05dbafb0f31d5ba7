//! Metrics as Prometheus reads them. prometheus-client writes the text; its own metric types are
//! shared between threads, so a collector hands it the sums of ours instead.

use super::cells::{Durations, Sum};
use super::log::Lost;
use super::{Certificates, Reloads, Tally, unix_seconds};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// The live policy, as the metrics tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyState {
    /// The snapshot's generation.
    pub generation: u64,
    /// When it became live.
    pub loaded_at: SystemTime,
    /// Whether an issuer has no keys by which its tokens could hold.
    pub keyless: bool,
    /// When the first certificate of a listener expires, in seconds since 1970; `None` where no
    /// listener has one.
    pub certificates_expire: Option<u64>,
    /// Whether changes of files on disk are still found.
    pub watched: bool,
    /// Whether they are heard of at once.
    pub events: bool,
    /// What is known of upstreams' endpoints.
    pub endpoints: Endpoints,
}

/// What is known of upstreams' endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// Those that are asked, and are well.
    pub healthy: u64,
    /// Those that are asked, and are not.
    pub unhealthy: u64,
    /// Whether a name could not be looked up the last time.
    pub names_lost: bool,
}

/// One moment's numbers.
#[derive(Debug)]
struct Scrape {
    sum: Sum,
    lost: Lost,
    succeeded: u64,
    failed: u64,
    last_success: u64,
    last_failure: u64,
    /// Good ones and others: fetches of keys, look-ups of names, questions to endpoints.
    tallies: [(u64, u64); 3],
    /// By what was said, as [`super::Introspected`] numbers it.
    asked: [u64; 3],
    stale: bool,
    /// Reloads of certificates: good ones, others, and whether the last was one of these.
    certificates: (u64, u64, bool),
    started: u64,
    policy: PolicyState,
}

/// What is counted beside the workers: reloads; fetches of keys, look-ups of names and questions to
/// endpoints; questions about tokens; reloads of certificates.
type Counts<'a> = (&'a Reloads, [&'a Tally; 3], &'a [AtomicU64; 3], &'a Certificates);

/// The OpenMetrics text of one scrape.
pub(super) fn encode(
    sum: Sum,
    lost: Lost,
    (reloads, tallies, asked, certificates): Counts<'_>,
    started: SystemTime,
    policy: &PolicyState,
) -> String {
    let scrape = Scrape {
        sum,
        lost,
        succeeded: reloads.succeeded.load(Ordering::Relaxed),
        failed: reloads.failed.load(Ordering::Relaxed),
        last_success: reloads.last_success.load(Ordering::Relaxed),
        last_failure: reloads.last_failure.load(Ordering::Relaxed),
        tallies: tallies.map(|tally| {
            (tally.succeeded.load(Ordering::Relaxed), tally.failed.load(Ordering::Relaxed))
        }),
        asked: [0, 1, 2].map(|said: usize| asked[said].load(Ordering::Relaxed)),
        stale: reloads.stale.load(Ordering::Relaxed),
        certificates: (
            certificates.succeeded.load(Ordering::Relaxed),
            certificates.failed.load(Ordering::Relaxed),
            certificates.stale.load(Ordering::Relaxed),
        ),
        started: unix_seconds(started),
        policy: *policy,
    };
    let mut registry = Registry::with_prefix("portcullis");
    registry.register_collector(Box::new(scrape));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)
        .expect("writing into a String cannot fail");
    text
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Out(encoder);
        self.requests(&mut out)?;
        self.connections(&mut out)?;
        self.endpoints(&mut out)?;
        self.logs(&mut out)?;
        self.policy(&mut out)?;
        self.certificates(&mut out)?;
        let built = [("version", env!("CARGO_PKG_VERSION"))];
        out.0
            .encode_descriptor("build", "The running program", None, MetricType::Info)?
            .encode_info(&built)?;
        out.gauge("start_timestamp_seconds", "When the process started, since 1970", self.started)
    }
}

impl Scrape {
    fn requests(&self, out: &mut Out<'_>) -> fmt::Result {
        let kinds = self.sum.requests();
        let labelled = kinds.iter().map(|kind| {
            let decision = if kind.refused { "refuse" } else { "allow" };
            ([("reason", kind.reason), ("decision", decision), ("status", kind.class)], kind.count)
        });
        out.counters("requests", "Requests that are over", labelled)?;
        let monitored = self.sum.monitored();
        let labelled = monitored.iter().map(|(reason, count)| ([("reason", *reason)], *count));
        out.counters("requests_monitored", "What enforcing would have come to", labelled)?;
        let labelled =
            self.sum.unidentified.iter().map(|(fault, count)| ([("fault", *fault)], *count));
        out.counters("unidentified", "Callers that were not identified, by why", labelled)?;
        let removed = self.sum.monitored_removed;
        out.counter("fields_monitored", "Fields that would have been removed", removed)?;
        out.counter("requests_aborted", "Responses cut off after their head", self.sum.aborted)?;
        out.counter("fields_removed", "Fields removed from responses", self.sum.removed)?;
        out.counter("request_bytes", "Bytes of request bodies read", self.sum.bytes_in)?;
        out.counter("response_bytes", "Bytes of response bodies sent", self.sum.bytes_out)?;
        for (name, help, durations) in [
            ("request_duration_seconds", "From head to last byte", &self.sum.total),
            ("upstream_duration_seconds", "Waiting for the upstream's head", &self.sum.upstream),
            ("decide_duration_seconds", "Identifying and deciding", &self.sum.decide),
            ("filter_duration_seconds", "Reading JSON bodies", &self.sum.filter),
        ] {
            out.histogram(name, help, durations)?;
        }
        Ok(())
    }

    fn connections(&self, out: &mut Out<'_>) -> fmt::Result {
        let sum = &self.sum;
        // Workers are read one after the other, so a close may be seen before its open.
        let open = sum.connections_opened.saturating_sub(sum.connections_closed);
        out.counter("connections_opened", "Client connections", sum.connections_opened)?;
        out.gauge("connections_open", "Client connections now", open)?;
        let ends = sum.handshakes().map(|(end, count)| ([("result", end)], count));
        out.counters("tls_handshakes", "TLS handshakes with clients", ends)?;
        out.counter("http2_floods", "HTTP/2 connections ended for their frames", sum.floods)?;
        let help = "Connections of load balancers closed for their PROXY header";
        out.counter("proxy_headers_refused", help, sum.not_announced)?;
        let open = sum.upstream_opened.saturating_sub(sum.upstream_closed);
        out.counter("upstream_opened", "Upstream connections", sum.upstream_opened)?;
        out.counter("upstream_reused", "Requests over a used one", sum.upstream_reused)?;
        out.gauge("upstream_connections_open", "Upstream connections now", open)
    }

    fn logs(&self, out: &mut Out<'_>) -> fmt::Result {
        let causes = [("queue", self.lost.queue), ("write", self.lost.write)];
        let labelled = causes.map(|(cause, count)| ([("cause", cause)], count));
        out.counters("access_log_dropped", "Lines of the access log that were lost", labelled)
    }

    fn certificates(&self, out: &mut Out<'_>) -> fmt::Result {
        let expire = self.policy.certificates_expire.unwrap_or(0);
        let (succeeded, failed, stale) = self.certificates;
        let results = [("success", succeeded), ("failure", failed)];
        let labelled = results.map(|(result, count)| ([("result", result)], count));
        out.counters("certificate_reloads", "Reloads of listeners' certificates", labelled)?;
        let help = "0 where the files on disk are refused and older ones are shown";
        out.gauge("certificate_last_reload_ok", help, u64::from(!stale))?;
        let help = "When the first certificate expires, since 1970; 0 without TLS";
        out.gauge("certificate_expiry_timestamp_seconds", help, expire)
    }

    fn endpoints(&self, out: &mut Out<'_>) -> fmt::Result {
        let Endpoints { healthy, unhealthy, names_lost } = self.policy.endpoints;
        let states = [("healthy", healthy), ("unhealthy", unhealthy)];
        let labelled = states.map(|(state, count)| ([("state", state)], count));
        let help = "Endpoints that are asked whether they are well";
        out.gauges("upstream_endpoints", help, labelled)?;
        let help = "Questions to endpoints whether they are well";
        out.tally("upstream_probes", help, self.tallies[2])?;
        out.tally("upstream_lookups", "Look-ups of the names of upstreams", self.tallies[1])?;
        let help = "1 unless an upstream's name could not be looked up the last time";
        out.gauge("upstream_names_ok", help, u64::from(!names_lost))
    }

    fn policy(&self, out: &mut Out<'_>) -> fmt::Result {
        let results = [("success", self.succeeded), ("failure", self.failed)];
        let labelled = results.map(|(result, count)| ([("result", result)], count));
        let loaded = unix_seconds(self.policy.loaded_at);
        out.counters("policy_reloads", "Reloads of the policy", labelled)?;
        out.gauge(
            "policy_last_reload_ok",
            "1 unless the last reload failed",
            u64::from(!self.stale),
        )?;
        for (name, help, value) in [
            ("policy_generation", "The live policy's generation", self.policy.generation),
            ("policy_loaded_timestamp_seconds", "When it became live, since 1970", loaded),
            ("policy_last_reload_success_timestamp_seconds", "0 before one", self.last_success),
            ("policy_last_reload_failure_timestamp_seconds", "0 before one", self.last_failure),
        ] {
            out.gauge(name, help, value)?;
        }
        let help = "1 unless changes of files on disk are no longer found";
        out.gauge("files_watched", help, u64::from(self.policy.watched))?;
        let help = "1 unless they are found by comparing contents alone";
        out.gauge("file_events_ok", help, u64::from(self.policy.events))?;
        out.tally("key_fetches", "Fetches of the keys of issuers", self.tallies[0])?;
        let ok = u64::from(!self.policy.keyless);
        out.gauge("keys_ok", "1 unless an issuer has no keys that may be used", ok)?;
        let words = ["active", "inactive", "failure"].into_iter().zip(self.asked);
        let labelled = words.map(|(word, count)| ([("result", word)], count));
        out.counters("introspections", "Questions about opaque tokens", labelled)
    }
}

struct Out<'a>(DescriptorEncoder<'a>);

impl Out<'_> {
    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.0
            .encode_descriptor(name, help, None, MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    fn counters<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = ([(&'static str, &'static str); N], u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in values {
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        Ok(())
    }

    fn tally(&mut self, name: &str, help: &str, (good, bad): (u64, u64)) -> fmt::Result {
        let results = [("success", good), ("failure", bad)];
        self.counters(name, help, results.map(|(result, count)| ([("result", result)], count)))
    }

    fn gauges<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = ([(&'static str, &'static str); N], u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in values {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }

    fn histogram(&mut self, name: &str, help: &str, durations: &Durations) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        let (sum, count) = (durations.seconds(), durations.count());
        metric.encode_histogram::<NoLabelSet>(sum, count, &durations.buckets(), None)
    }
}
