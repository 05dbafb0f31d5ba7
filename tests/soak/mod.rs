//! A long mixed load through the real binary, over an upstream to which harm is done, while the policy
//! flips: no wrong decision, nothing hidden that arrives, nothing lost that no fault explains, and
//! nothing left behind. Ignored; `PORTCULLIS_SOAK` says for how many seconds it runs:
//!
//! ```sh
//! PORTCULLIS_SOAK=60 cargo test --test transcripts p14_soak -- --ignored --nocapture
//! ```

mod clients;
mod framed;
mod open;
mod tally;
mod upstream;

use crate::support::eventually::within;
use crate::support::fault::{Fault, FaultProxy, Plan};
use crate::support::proxy::Start;
use crate::support::tls::{Authority, TlsClient};
use crate::support::tokens::key_digest;
use crate::support::{Proxy, TempPolicy};
use clients::{KINDS, Target};
use open::{Open, descriptors};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tally::Tally;
use upstream::SoakUpstream;

/// Seconds, unless the environment says others.
const SECONDS: u64 = 1800;

/// How long what is left may take to end: what stalls does so until its limit.
const SETTLE: Duration = Duration::from_secs(60);

/// How long everything runs before anything is counted, and how long it then has to be at rest.
const WARM: Duration = Duration::from_secs(5);
const REST: Duration = Duration::from_secs(4);

/// Between two policies.
const FLIP: Duration = Duration::from_millis(250);

/// Of a hundred connections to the upstream, how many have a fault, and within how many bytes.
const FAULTY: u32 = 25;
const WITHIN: usize = 40_000;

/// What the process may have grown by at the end, in KiB, over what it had after a fifth of the time.
const GROWTH: u64 = 24 * 1024;

/// A thing shows `name` under one policy and `price` under the other, never `secret`; `/flip` is
/// granted by the first alone, `/denied` by none.
fn policy(first: bool, framed: &str) -> String {
    let (shown, more) = match first {
        true => ("name", ", {path: /flip, access: r}"),
        false => ("price", ""),
    };
    let (eng, all) = (key_digest("eng"), key_digest("all"));
    format!(
        "policy: 1
identity: {{api_keys: {{keys: [{{user: eng, roles: [seer], sha256: {eng}}}, {{user: all, roles: [all], sha256: {all}}}]}}}}
upstreams: [{{id: framed, url: \"{framed}\", protocol: h2}}]
routes:
  - {{match: \"/**\"}}
  - {{match: \"/ws/**\", upgrade: websocket}}
  - {{match: \"/rpc.Echo/{{method}}\", upstream: framed}}
roles:
  - {{id: seer, schemas: [s], grants: [{{path: \"/things/{{id}}\", access: ru}}, {{path: /list, access: r}}]}}
  - {{id: all, grants: [{{path: \"/files/**\", access: cr}}, {{path: \"/ws/**\", access: cr}}, {{path: /rpc.Echo/Say, access: c}}{more}]}}
schemas:
  - {{id: s, type: t, body: {{type: object, additionalProperties: false, properties: {{id: true, note: true, {shown}: true}}}}}}
resource_types:
  - {{id: t, at: [{{path: \"/things/{{id}}\", pointer: \"\"}}, {{path: /list, pointer: \"/items/*\"}}]}}
"
    )
}

#[test]
#[ignore = "runs for half an hour unless PORTCULLIS_SOAK says otherwise"]
#[allow(clippy::print_stdout, reason = "its figures are what it is run for")]
fn p14_soak() {
    let seconds = std::env::var("PORTCULLIS_SOAK").ok().map(|text| text.parse().expect("seconds"));
    let span = Duration::from_secs(seconds.unwrap_or(SECONDS));
    let soak = Soak::start();
    // What is made once, for the first who needs it, is there before it is counted.
    soak.run(WARM);
    let (before, begin) = (soak.at_rest(), Instant::now());
    let fds = before.len();
    let (warm, flips) = soak.run(span);
    let settled = begin.elapsed();
    let left = within(SETTLE, || match soak.descriptors() {
        now if now.len() <= fds + 2 => Ok(now),
        now => Err(now),
    });
    let (Ok(open) | Err(open)) = &left;
    let open = open.len();
    let end = soak.memory();
    let faults = [soak.between.done(), soak.framed.done()].concat();
    println!(
        "soak: {:.0} s, {flips} reloads, generation {}",
        settled.as_secs_f64(),
        soak.generation()
    );
    println!("{}", soak.tally);
    println!("faults: {}", tally::faults(&faults));
    println!(
        "file descriptors: {fds} before, {open} after; memory: {warm} KiB warm, {end} KiB after"
    );
    let harmful = |fault: &Fault| !matches!(fault, Fault::Delay(_) | Fault::Split(_));
    let corrupt = |fault: &Fault| matches!(fault, Fault::Corrupt(_));
    let count = |of: fn(&Fault) -> bool| faults.iter().filter(|done| of(&done.fault)).count();
    soak.tally.assert_right(&soak.upstream.violations());
    soak.tally.assert_lost_at_most(count(harmful), count(corrupt));
    assert!(left.is_ok(), "more are open than before: {left:#?} and not {before:#?}");
    assert!(end <= warm + GROWTH, "it has grown from {warm} KiB to {end} KiB");
    assert!(flips >= 2 && count(harmful) > 0, "a soak without reloads or faults proves nothing");
}

/// Everything that takes part.
struct Soak {
    proxy: Proxy,
    policy: TempPolicy,
    upstream: SoakUpstream,
    between: FaultProxy,
    /// In front of the upstream that speaks HTTP/2.
    framed: FaultProxy,
    target: Arc<Target>,
    tally: Arc<Tally>,
}

impl Soak {
    fn start() -> Soak {
        let upstream = SoakUpstream::start();
        let seed = 0x0050_a100;
        let plan = move |number| Plan::random(seed, number, FAULTY, WITHIN);
        let between = FaultProxy::start(upstream.address, plan);
        let framed = FaultProxy::start(framed::start(upstream.kept()), plan);
        let authority = Authority::new("servers");
        let issued = authority.server(&["a.test"]);
        let policy = TempPolicy::file(&policy(true, &framed.url()));
        policy.write("server.crt", &issued.cert);
        policy.write("server.key", &issued.key);
        policy.write(
            "portcullis.settings",
            "listen: ['127.0.0.1:0', {address: '127.0.0.1:0', tls: {cert: server.crt, key: server.key}}]\n\
             workers: 2\nlog: {access: 'off'}\n\
             limits: {upstream_head: 2s, upstream_idle: 1s, drain: 2s, tunnel_idle: 3s}\n",
        );
        let start = Start::new().config(&policy.join("portcullis.settings"));
        let start = start.arguments(["--upstream", &between.url()]).policy(policy.path());
        let proxy = start.ready();
        let ready = proxy.wait_for_line("https://127.0.0.1:");
        let (_, rest) = ready.split_once("https://").expect("a second address");
        let secure = rest.split([',', ' ']).next().expect("an address");
        let target = Arc::new(Target {
            plain: proxy.address,
            secure: secure.parse().expect("an address"),
            tls: TlsClient::new(&authority, "a.test"),
        });
        Soak { proxy, policy, upstream, between, framed, target, tally: Arc::default() }
    }

    /// The load, for so long. Returns the memory after a fifth of the time, and how often the policy
    /// has flipped.
    fn run(&self, span: Duration) -> (u64, u64) {
        let stop = Arc::new(AtomicBool::new(false));
        let threads: Vec<_> = (0..KINDS.len())
            .map(|kind| {
                let (stop, target, tally) = (stop.clone(), self.target.clone(), self.tally.clone());
                std::thread::spawn(move || {
                    let mut turn = 0;
                    while !stop.load(Ordering::SeqCst) {
                        turn += 1;
                        (KINDS[kind].1)(&target, turn, &tally.of(kind));
                    }
                })
            })
            .collect();
        let (begin, mut warm, mut flips) = (Instant::now(), None, 0);
        while begin.elapsed() < span {
            std::thread::sleep(FLIP);
            flips += 1;
            self.policy.write("policy.yaml", policy(flips % 2 == 0, &self.framed.url()));
            if begin.elapsed() >= span / 5 {
                warm.get_or_insert_with(|| self.memory());
            }
        }
        stop.store(true, Ordering::SeqCst);
        for thread in threads {
            thread.join().expect("a client");
        }
        (warm.unwrap_or_else(|| self.memory()), flips)
    }

    fn generation(&self) -> u64 {
        self.proxy.policy()["generation"].as_u64().expect("a number")
    }

    /// What is open once that has not changed for a while.
    fn at_rest(&self) -> Vec<Open> {
        let (mut open, mut since) = (self.descriptors(), Instant::now());
        within(SETTLE, || {
            let now = self.descriptors();
            if now.len() != open.len() {
                (open, since) = (now, Instant::now());
            }
            if since.elapsed() >= REST { Ok(()) } else { Err(open.len()) }
        })
        .expect("descriptors come and go though nobody asks for anything");
        open
    }

    fn descriptors(&self) -> Vec<Open> {
        descriptors(self.proxy.pid())
    }

    /// Memory that it has, in KiB.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.proxy.pid()));
        let status = status.expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("memory");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}
