//! Security group 15, against the real binary: signals and ends.

use crate::support::{Proxy, TempPolicy, Upstream};
use rustix::process::{Pid, Signal, kill_process};

const POLICY: &str = "policy: 1\nroles: [{id: a, grants: [{path: /a, access: r}]}]\n";

/// Whoever starts it may signal it as soon as it says that it is ready.
#[test]
fn p15_signals_are_heard_from_the_ready_line_on() {
    let upstream = Upstream::json("{}");
    let policy = TempPolicy::file(POLICY);
    for _ in 0..3 {
        let mut proxy = Proxy::start(&upstream, &policy);
        let pid = Pid::from_raw(i32::try_from(proxy.pid()).unwrap()).unwrap();
        kill_process(pid, Signal::HUP).unwrap();
        let status = proxy.stop();
        assert!(status.success(), "{status}");
    }
}
