//! Group 6 of the security cases: TLS on both sides, against the real binary.

mod announced;
mod listener;
mod peers;
mod reloads;
mod upstream;

use crate::support::proxy::Start;
use crate::support::tls::{Authority, Issued, Shaken, TlsClient};
use crate::support::{Proxy, TempPolicy, Upstream, eventually};

/// A policy under which everything passes.
const OPEN: &str =
    "policy: 1\nroutes: [{match: \"/**\", public: crud}]\nrole_defaults: {any: []}\n";

/// A proxy that speaks TLS, with all that its clients need.
struct Secure {
    authority: Authority,
    upstream: Upstream,
    policy: TempPolicy,
    proxy: Proxy,
}

impl Secure {
    /// Shows a certificate for `a.test`, with more under `tls` and at the end of the settings.
    #[track_caller]
    fn start(policy: &str, tls: &str, settings: &str) -> Secure {
        Secure::over(TempPolicy::file(policy), tls, settings)
    }

    /// The same, with files that are there already.
    #[track_caller]
    fn over(policy: TempPolicy, tls: &str, settings: &str) -> Secure {
        let authority = Authority::new("servers");
        let upstream = Upstream::json("{}");
        write_pair(&policy, "server", &authority.server(&["a.test", "127.0.0.1"]));
        let text = format!(
            "listen: {{address: '127.0.0.1:0', tls: {{cert: server.crt, key: server.key{tls}}}}}\n\
             {settings}"
        );
        policy.write("portcullis.settings", text);
        let start = Start::new().config(&policy.join("portcullis.settings"));
        let proxy = start.upstream(&upstream).policy(policy.path()).ready();
        Secure { authority, upstream, policy, proxy }
    }

    /// A client that shows nothing.
    fn client(&self) -> TlsClient {
        TlsClient::new(&self.authority, "a.test")
    }

    /// A client that shows this certificate.
    fn client_showing(&self, shown: &Issued) -> TlsClient {
        TlsClient::showing(&self.authority, "a.test", shown)
    }

    /// The value of a metric.
    #[track_caller]
    fn metric(&self, name: &str) -> u64 {
        self.proxy.metric(name)
    }

    /// Waits until so many handshakes have ended so.
    #[track_caller]
    fn wait_for_handshakes(&self, result: &str, count: u64) {
        let metric = format!("portcullis_tls_handshakes_total{{result=\"{result}\"}}");
        eventually(|| match self.metric(&metric) {
            counted if counted == count => Ok(()),
            other => Err(other),
        });
    }
}

/// Writes `NAME.crt` and `NAME.key`.
fn write_pair(folder: &TempPolicy, name: &str, pair: &Issued) {
    folder.write(&format!("{name}.crt"), &pair.cert);
    folder.write(&format!("{name}.key"), &pair.key);
}

/// Whether there was an answer. In TLS 1.3 a client may learn of a refusal after its handshake.
fn is_served(shaken: std::io::Result<Shaken>) -> bool {
    shaken.is_ok_and(|shaken| !shaken.answer.is_empty())
}

/// A GET after which the server closes.
fn get(host: &str) -> String {
    format!("GET /things HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
}
