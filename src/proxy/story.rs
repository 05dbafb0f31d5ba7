//! What is told of a request when it is over, however it ends.

use super::cors;
use super::deadline::Deadline;
use super::io::Pulse;
use super::worker::Worker;
use crate::decide::{Permit, Reason, Refusal, Routed};
use crate::policy::snapshot::{Route, Snapshot};
use crate::telemetry::record::Record;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

/// The record of one request while it is being written. Dropping it, at the end of the response or
/// wherever the request was given up, hands the record over.
pub(super) struct Story {
    record: Option<Record>,
    started: Instant,
    moment: Instant,
    worker: Rc<Worker>,
    pulse: Rc<Pulse>,
    ends_with_connection: bool,
    taking: Option<Rc<Deadline>>,
    cors: Option<cors::Fields>,
    /// Bytes of the worker's budget that this request has.
    held: usize,
}

impl Story {
    /// Begins when a head has been read. Until more is known, the client has gone away.
    pub(super) fn begin(
        worker: &Rc<Worker>,
        pulse: &Rc<Pulse>,
        client: Option<IpAddr>,
        method: &Method,
        request_id: &HeaderValue,
    ) -> Box<Story> {
        pulse.begin();
        let started = Instant::now();
        let record = Record {
            time: worker.time_at(started),
            request_id: Arc::from(request_id.to_str().unwrap_or_default()),
            client,
            user: None,
            org: None,
            app: None,
            method: method.clone(),
            route: None,
            access: None,
            grant: None,
            reason: Reason::ClientTimeout,
            fault: None,
            monitored: None,
            refused: true,
            status: 0,
            aborted: true,
            removed: 0,
            bytes_in: 0,
            bytes_out: 0,
            total: Duration::ZERO,
            upstream: Duration::ZERO,
            decide: Duration::ZERO,
            filter: Duration::ZERO,
            generation: 0,
        };
        Box::new(Story {
            record: Some(record),
            started,
            moment: started,
            worker: worker.clone(),
            pulse: pulse.clone(),
            ends_with_connection: false,
            taking: None,
            cors: None,
            held: 0,
        })
    }

    /// The time of the request's head, in seconds since 1970.
    pub(super) fn unix_seconds(&mut self) -> u64 {
        let time = self.record().time;
        time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    /// What the request addresses, whether or not it may.
    pub(super) fn routed(&mut self, routed: &Routed, snapshot: &Snapshot) {
        let record = self.record();
        record.route = routed.route().map(|route| snapshot.route(route).pattern.clone());
        record.access = routed.route().map(|_| routed.access());
    }

    /// Where the request goes and who sent it.
    pub(super) fn decided(&mut self, permit: &Permit, snapshot: &Snapshot) {
        let decide = self.mark() - self.started;
        let record = self.record();
        record.decide = decide;
        record.user = permit.principal().map(|principal| principal.user.clone());
        record.org = permit.org().cloned();
        record.app = permit.app().cloned();
        record.grant = permit.grant().map(|grant| snapshot.grant(grant).label.clone());
        record.reason = match permit.principal() {
            Some(_) => Reason::Granted,
            None => Reason::Public,
        };
        record.refused = false;
        if permit.is_monitored() {
            record.monitored = Some(record.reason);
            if let Some(refusal) = permit.would_refuse() {
                self.would_refuse(refusal.reason);
            }
        }
    }

    /// Monitor mode lets through what would have been refused. The first reason stands, as it would.
    pub(super) fn would_refuse(&mut self, reason: Reason) {
        let record = self.record();
        if record.reason != Reason::Monitored {
            record.reason = Reason::Monitored;
            record.monitored = Some(reason);
        }
    }

    /// The last moment at which something was over. What follows at once begins then: a clock is
    /// read once for both.
    pub(super) fn moment(&self) -> Instant {
        self.moment
    }

    /// Something is over now.
    pub(super) fn mark(&mut self) -> Instant {
        self.moment = Instant::now();
        self.moment
    }

    /// The request was refused, by the policy or because something failed.
    pub(super) fn refused(&mut self, refusal: &Refusal) {
        let elapsed = self.started.elapsed();
        let record = self.record();
        record.reason = refusal.reason;
        record.refused = true;
        if record.decide.is_zero() {
            record.decide = elapsed;
        }
    }

    /// What is to be said of origins in the answer, whatever it is.
    pub(super) fn crosses(&mut self, fields: cors::Fields) {
        self.cors = Some(fields);
    }

    /// Says it.
    pub(super) fn mark_crossing(&mut self, headers: &mut HeaderMap) {
        if let Some(fields) = self.cors.take() {
            cors::mark(headers, fields);
        }
    }

    /// What a browser asked has been answered.
    pub(super) fn preflight(&mut self, route: &Route) {
        let record = self.record();
        record.route = Some(route.pattern.clone());
        record.reason = Reason::Preflight;
        record.refused = false;
    }

    /// The head goes out.
    pub(super) fn answered(&mut self, status: StatusCode) {
        self.record().status = status.as_u16();
    }

    /// So many bytes more of the request's body are held, if they may be.
    pub(super) fn hold(&mut self, bytes: usize) -> Result<(), Reason> {
        let may = self.worker.budget.take(bytes);
        self.held += if may { bytes } else { 0 };
        if may { Ok(()) } else { Err(Reason::Overloaded) }
    }

    /// So many bytes are held of what an upstream has answered.
    pub(super) fn holds(&mut self, bytes: usize) {
        self.worker.budget.count(bytes);
        self.held += bytes;
    }

    /// What was held has gone on.
    pub(super) fn let_go(&mut self) {
        self.worker.budget.give(std::mem::take(&mut self.held));
    }

    /// The response is complete; what follows is no abort.
    pub(super) fn complete(&mut self) {
        self.record().aborted = false;
    }

    /// The client knows the end of the body by the end of the connection (HTTP/1.0).
    pub(super) fn ends_with_connection(&mut self) {
        self.ends_with_connection = true;
    }

    /// The deadline of a client that must take what it is given, on a stream of many.
    pub(super) fn is_taken_within(&mut self, taking: Option<Rc<Deadline>>) {
        self.taking = taking;
    }

    /// Bytes were handed over; the client has to take them before it is given more.
    pub(super) fn gave(&self) {
        if let Some(taking) = &self.taking {
            taking.set(self.worker.limits.write_idle);
        }
    }

    /// The client has taken what it was given.
    pub(super) fn taken(&self) {
        if let Some(taking) = &self.taking {
            taking.clear();
        }
    }

    /// The body was broken off.
    pub(super) fn cut(&mut self) {
        if self.ends_with_connection {
            self.pulse.reset();
        }
    }

    /// The record, to add to.
    pub(super) fn record(&mut self) -> &mut Record {
        self.record.as_mut().expect("a story has its record until it is dropped")
    }

    /// The client's connection will have bytes that nobody reads.
    pub(super) fn leaves_unread(&self) {
        self.pulse.leave_unread();
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        self.pulse.end();
        self.let_go();
        if let Some(mut record) = self.record.take() {
            record.total = self.started.elapsed();
            record.aborted |= self.taking.as_ref().is_some_and(|taking| taking.passed());
            self.worker.recorder.record(record);
        }
    }
}
