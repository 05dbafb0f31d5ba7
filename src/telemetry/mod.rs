//! The access log and the metrics.
//!
//! A worker records into cells and a buffer of its own and waits for nobody: cells are summed when
//! they are scraped, and one thread writes the lines of all workers. What cannot be written is
//! counted, never waited for.

mod cells;
mod exposition;
mod line;
mod log;
pub mod record;
mod words;

pub use exposition::{Endpoints, PolicyState};
pub use log::MAX_QUEUE;

use crate::settings::LogSink;
use crate::tls::Handshake;
use cells::Cells;
use log::{Lane, Log};
use record::Record;
use std::cell::RefCell;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What is recorded of a whole process.
#[derive(Debug)]
pub struct Telemetry {
    log: Option<Log>,
    workers: Mutex<Vec<Arc<Cells>>>,
    reloads: Reloads,
    key_fetches: Tally,
    lookups: Tally,
    probes: Tally,
    certificates: Certificates,
    introspections: [AtomicU64; 3],
    started: SystemTime,
}

/// One worker's handle. It is the only writer of its cells, so it may move to the worker's thread
/// but never be shared between two.
#[derive(Debug)]
pub struct WorkerTelemetry {
    cells: Arc<Cells>,
    lane: Option<Lane>,
    line: RefCell<line::Formatter>,
}

/// How the policy's reloads went. Written rarely, by whoever reloads.
#[derive(Debug, Default)]
struct Reloads {
    succeeded: AtomicU64,
    failed: AtomicU64,
    /// Seconds since 1970; 0 before the first.
    last_success: AtomicU64,
    last_failure: AtomicU64,
    /// The last reload failed, and an older policy is still live.
    stale: AtomicBool,
}

/// What an issuer said of an opaque token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Introspected {
    /// That it is good.
    Active,
    /// That it is not.
    Inactive,
    /// Nothing that helps.
    Failure,
}

/// How something went that is tried from time to time. Written rarely.
#[derive(Debug, Default)]
struct Tally {
    succeeded: AtomicU64,
    failed: AtomicU64,
}

/// How the reloads of listeners' certificates went.
#[derive(Debug, Default)]
struct Certificates {
    succeeded: AtomicU64,
    failed: AtomicU64,
    /// What is on disk was refused, and older ones are shown.
    stale: AtomicBool,
}

impl Telemetry {
    /// Opens the access log and starts the thread that writes it. Without a sink there is neither,
    /// and no line is ever formatted.
    pub fn start(sink: &LogSink) -> io::Result<Telemetry> {
        Ok(Telemetry::with(Log::start(sink)?))
    }

    fn with(log: Option<Log>) -> Telemetry {
        Telemetry {
            log,
            workers: Mutex::default(),
            reloads: Reloads::default(),
            key_fetches: Tally::default(),
            lookups: Tally::default(),
            probes: Tally::default(),
            certificates: Certificates::default(),
            introspections: Default::default(),
            started: SystemTime::now(),
        }
    }

    /// A handle for one more worker.
    pub fn worker(&self) -> WorkerTelemetry {
        let cells = Arc::new(Cells::default());
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).push(cells.clone());
        let lane = self.log.as_ref().map(Log::lane);
        WorkerTelemetry { cells, lane, line: RefCell::default() }
    }

    /// Counts a reload of the policy, good or not.
    pub fn reloaded(&self, succeeded: bool, at: SystemTime) {
        let (count, last) = match succeeded {
            true => (&self.reloads.succeeded, &self.reloads.last_success),
            false => (&self.reloads.failed, &self.reloads.last_failure),
        };
        count.fetch_add(1, Ordering::Relaxed);
        last.store(unix_seconds(at), Ordering::Relaxed);
        self.reloads.stale.store(!succeeded, Ordering::Relaxed);
    }

    /// Counts a fetch of an issuer's keys, good or not.
    pub fn fetched_keys(&self, succeeded: bool) {
        self.key_fetches.count(succeeded);
    }

    /// Counts a look-up of an upstream's name, good or not.
    pub fn looked_up(&self, succeeded: bool) {
        self.lookups.count(succeeded);
    }

    /// Counts a question to an endpoint whether it is well, by its answer.
    pub fn probed(&self, well: bool) {
        self.probes.count(well);
    }

    /// Counts a reload of listeners' certificates, good or not.
    pub fn certificates_reloaded(&self, succeeded: bool) {
        let own = &self.certificates;
        let count = if succeeded { &own.succeeded } else { &own.failed };
        count.fetch_add(1, Ordering::Relaxed);
        own.stale.store(!succeeded, Ordering::Relaxed);
    }

    /// Counts a question about an opaque token.
    pub fn introspected(&self, said: Introspected) {
        self.introspections[said as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// All metrics, in the OpenMetrics text format.
    pub fn metrics(&self, policy: &PolicyState) -> String {
        let sum = cells::Sum::of(&self.workers.lock().unwrap_or_else(PoisonError::into_inner));
        let lost = self.log.as_ref().map(Log::lost).unwrap_or_default();
        let tallies = [&self.key_fetches, &self.lookups, &self.probes];
        let counts = (&self.reloads, tallies, &self.introspections, &self.certificates);
        exposition::encode(sum, lost, counts, self.started, policy)
    }

    /// Writes out what the log holds and ends its thread. `false` if that took longer than `wait`:
    /// a sink that takes nothing must not keep the process alive.
    pub fn close(&self, wait: Duration) -> bool {
        self.log.as_ref().is_none_or(|log| log.close(wait))
    }
}

impl Tally {
    fn count(&self, succeeded: bool) {
        let count = if succeeded { &self.succeeded } else { &self.failed };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

impl WorkerTelemetry {
    /// Counts a request that is over, and logs its line.
    pub fn record(&self, record: Record) {
        self.cells.count(&record);
        if let Some(lane) = &self.lane {
            let mut formatter = self.line.borrow_mut();
            lane.push(|out| formatter.write(out, &record));
        }
    }

    /// Counts a caller that was not identified, by a word of a bounded set.
    pub fn unidentified(&self, fault: &'static str) {
        self.cells.unidentified.count(fault);
    }

    /// A client's connection was accepted.
    pub fn connection_opened(&self) {
        self.cells.connections_opened.add(1);
    }

    /// A client's connection is gone.
    pub fn connection_closed(&self) {
        self.cells.connections_closed.add(1);
    }

    /// A TLS handshake with a client has ended.
    pub fn handshake(&self, handshake: Handshake) {
        self.cells.count_handshake(handshake);
    }

    /// An HTTP/2 connection was ended because of the frames that its client sent.
    pub fn flooded(&self) {
        self.cells.floods.add(1);
    }

    /// Who is to say for whom it connects did not, and its connection was closed.
    pub fn not_announced(&self) {
        self.cells.not_announced.add(1);
    }

    /// A connection to an upstream was opened.
    pub fn upstream_opened(&self) {
        self.cells.upstream_opened.add(1);
    }

    /// A request went over an upstream connection that had been used before.
    pub fn upstream_reused(&self) {
        self.cells.upstream_reused.add(1);
    }

    /// A connection to an upstream is gone.
    pub fn upstream_closed(&self) {
        self.cells.upstream_closed.add(1);
    }
}

/// Seconds since 1970; 0 before.
pub fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::Reason;
    use crate::telemetry::record::tests::record;
    use crate::tls::HandshakeFault;

    fn policy() -> PolicyState {
        PolicyState {
            generation: 7,
            loaded_at: UNIX_EPOCH + Duration::from_secs(1_800_000_000),
            keyless: false,
            certificates_expire: None,
            watched: true,
            events: true,
            endpoints: Endpoints::default(),
        }
    }

    fn line<'a>(metrics: &'a str, start: &str) -> &'a str {
        metrics.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{metrics}"))
    }

    #[test]
    fn workers_are_summed_when_scraped() {
        let telemetry = Telemetry::start(&LogSink::Off).unwrap();
        let workers = [telemetry.worker(), telemetry.worker()];
        for worker in &workers {
            worker.connection_opened();
            worker.upstream_opened();
            worker.upstream_reused();
            worker.record(record());
        }
        workers[0].connection_closed();
        let refused = Record { reason: Reason::NoGrant, refused: true, status: 403, ..record() };
        workers[1].record(refused);
        let text = telemetry.metrics(&policy());
        for wanted in [
            "portcullis_requests_total{reason=\"granted\",decision=\"allow\",status=\"2xx\"} 2",
            "portcullis_requests_total{reason=\"no_grant\",decision=\"refuse\",status=\"4xx\"} 1",
            "portcullis_connections_opened_total 2",
            "portcullis_connections_open 1",
            "portcullis_upstream_connections_open 2",
            "portcullis_upstream_reused_total 2",
            "portcullis_fields_removed_total 9",
            "portcullis_request_bytes_total 36",
            "portcullis_response_bytes_total 1026",
            "portcullis_policy_generation 7",
            "portcullis_policy_loaded_timestamp_seconds 1800000000",
            "portcullis_request_duration_seconds_count 3",
        ] {
            assert_eq!(line(&text, wanted), wanted);
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn p16_labels_are_bounded() {
        let telemetry = Telemetry::start(&LogSink::Off).unwrap();
        let worker = telemetry.worker();
        for (at, reason) in Reason::ALL.iter().cycle().take(1_000).enumerate() {
            let status = u16::try_from(at).unwrap();
            let route = Some(format!("/canary/{at}").into());
            worker.record(Record { reason: *reason, status, route, ..record() });
        }
        let text = telemetry.metrics(&policy());
        let series = text.lines().filter(|line| line.starts_with("portcullis_requests_total"));
        assert!(series.count() <= Reason::ALL.len() * 7);
        assert!(!text.contains("canary"));
    }

    #[test]
    fn fetches_of_keys_are_counted() {
        let telemetry = Telemetry::start(&LogSink::Off).unwrap();
        telemetry.fetched_keys(true);
        telemetry.fetched_keys(true);
        telemetry.fetched_keys(false);
        let text = telemetry.metrics(&policy());
        for wanted in [
            "portcullis_key_fetches_total{result=\"success\"} 2",
            "portcullis_key_fetches_total{result=\"failure\"} 1",
            "portcullis_keys_ok 1",
        ] {
            assert_eq!(line(&text, wanted), wanted);
        }
        let text = telemetry.metrics(&PolicyState { keyless: true, ..policy() });
        assert_eq!(line(&text, "portcullis_keys_ok"), "portcullis_keys_ok 0");
    }

    #[test]
    fn p14_what_is_known_of_endpoints_is_told() {
        let telemetry = Telemetry::start(&LogSink::Off).unwrap();
        telemetry.looked_up(true);
        telemetry.looked_up(false);
        telemetry.probed(true);
        telemetry.probed(true);
        telemetry.probed(false);
        let endpoints = Endpoints { healthy: 3, unhealthy: 2, names_lost: true };
        let text = telemetry.metrics(&PolicyState { endpoints, ..policy() });
        for wanted in [
            "portcullis_upstream_lookups_total{result=\"success\"} 1",
            "portcullis_upstream_lookups_total{result=\"failure\"} 1",
            "portcullis_upstream_probes_total{result=\"success\"} 2",
            "portcullis_upstream_probes_total{result=\"failure\"} 1",
            "portcullis_upstream_endpoints{state=\"healthy\"} 3",
            "portcullis_upstream_endpoints{state=\"unhealthy\"} 2",
            "portcullis_upstream_names_ok 0",
        ] {
            assert!(text.contains(&format!("{wanted}\n")), "{wanted}: {text}");
        }
        assert!(telemetry.metrics(&policy()).contains("portcullis_upstream_names_ok 1\n"));
    }

    #[test]
    fn p06_certificates_and_handshakes_are_counted() {
        let telemetry = Telemetry::start(&LogSink::Off).unwrap();
        let worker = telemetry.worker();
        worker.handshake(Handshake::Full);
        worker.handshake(Handshake::Failed(HandshakeFault::Certificate));
        telemetry.certificates_reloaded(true);
        telemetry.certificates_reloaded(false);
        let without = telemetry.metrics(&policy());
        assert!(without.contains("portcullis_certificate_expiry_timestamp_seconds 0\n"));
        let shown = PolicyState { certificates_expire: Some(1_900_000_000), ..policy() };
        let text = telemetry.metrics(&shown);
        for wanted in [
            "portcullis_tls_handshakes_total{result=\"full\"} 1",
            "portcullis_tls_handshakes_total{result=\"resumed\"} 0",
            "portcullis_tls_handshakes_total{result=\"bad_certificate\"} 1",
            "portcullis_certificate_reloads_total{result=\"success\"} 1",
            "portcullis_certificate_reloads_total{result=\"failure\"} 1",
            "portcullis_certificate_last_reload_ok 0",
            "portcullis_certificate_expiry_timestamp_seconds 1900000000",
        ] {
            assert_eq!(line(&text, wanted), wanted);
        }
    }

    #[test]
    fn reloads_are_counted() {
        let telemetry = Telemetry::start(&LogSink::Off).unwrap();
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let text = telemetry.metrics(&policy());
        assert_eq!(
            line(&text, "portcullis_policy_last_reload_ok"),
            "portcullis_policy_last_reload_ok 1"
        );
        telemetry.reloaded(true, at(100));
        telemetry.reloaded(false, at(200));
        let text = telemetry.metrics(&policy());
        for wanted in [
            "portcullis_policy_reloads_total{result=\"success\"} 1",
            "portcullis_policy_reloads_total{result=\"failure\"} 1",
            "portcullis_policy_last_reload_ok 0",
            "portcullis_policy_last_reload_success_timestamp_seconds 100",
            "portcullis_policy_last_reload_failure_timestamp_seconds 200",
        ] {
            assert_eq!(line(&text, wanted), wanted);
        }
        telemetry.reloaded(true, at(200));
        assert!(telemetry.metrics(&policy()).contains("portcullis_policy_last_reload_ok 1\n"));
    }
}
