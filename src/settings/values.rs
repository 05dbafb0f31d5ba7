//! The values that settings have: addresses, sizes, durations, sinks.

use super::{ListenAddress, LogSink};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a text is no address to listen on; shown to the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListenError {
    #[error("a Unix socket needs a path: `unix:/run/portcullis.sock`")]
    NoPath,
    #[error("say on which address: `127.0.0.1{0}`, or `0.0.0.0{0}` and `[::]{0}` for all")]
    NoAddress(String),
    #[error("names are not looked up here; write an address: `127.0.0.1:8080` or `[::1]:8080`")]
    NotAnAddress,
}

impl std::str::FromStr for ListenAddress {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<ListenAddress, ListenError> {
        match text.strip_prefix("unix:") {
            Some("") => return Err(ListenError::NoPath),
            Some(path) => return Ok(ListenAddress::Unix(path.into())),
            None => {}
        }
        let port = text.strip_prefix(':').unwrap_or(text);
        if port.parse::<u16>().is_ok() {
            return Err(ListenError::NoAddress(format!(":{port}")));
        }
        text.parse().map(ListenAddress::Tcp).map_err(|_| ListenError::NotAnAddress)
    }
}

impl std::fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ListenAddress::Tcp(address) => write!(f, "{address}"),
            ListenAddress::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl std::fmt::Display for LogSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LogSink::Stdout => f.write_str("stdout"),
            LogSink::Stderr => f.write_str("stderr"),
            LogSink::Off => f.write_str("off"),
            LogSink::File(path) => path.display().fmt(f),
        }
    }
}

impl ListenAddress {
    /// Whether only this machine can connect: loopback or a Unix socket.
    pub fn is_local(&self) -> bool {
        match self {
            ListenAddress::Tcp(address) => address.ip().to_canonical().is_loopback(),
            ListenAddress::Unix(_) => true,
        }
    }

    /// Whether two listeners would stand in each other's way. Port 0 takes a free one.
    pub fn collides(&self, other: &ListenAddress) -> bool {
        match (self, other) {
            (ListenAddress::Tcp(a), ListenAddress::Tcp(b)) => {
                let overlap =
                    a.ip() == b.ip() || a.is_ipv4() == b.is_ipv4() && (is_any(a) || is_any(b));
                a.port() != 0 && a.port() == b.port() && overlap
            }
            (a, b) => a == b,
        }
    }
}

fn is_any(address: &SocketAddr) -> bool {
    address.ip().is_unspecified()
}

/// `stdout`, `stderr`, `off`, or a file.
pub(super) fn sink(text: &str) -> LogSink {
    match text {
        "stdout" => LogSink::Stdout,
        "stderr" => LogSink::Stderr,
        "off" => LogSink::Off,
        path => LogSink::File(PathBuf::from(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(text: &str) -> Result<ListenAddress, ListenError> {
        text.parse()
    }

    #[test]
    fn addresses_to_listen_on() {
        for text in ["127.0.0.1:8080", "[::1]:8080", "0.0.0.0:0", "unix:/run/p.sock"] {
            assert_eq!(listen(text).expect(text).to_string(), text);
        }
        assert_eq!(listen("unix:"), Err(ListenError::NoPath));
        for port in [":8080", "8080"] {
            assert_eq!(listen(port), Err(ListenError::NoAddress(":8080".into())));
        }
        for text in ["localhost:8080", "127.0.0.1", "80800", "", "127.0.0.1:99999", "::1:80:x"] {
            assert_eq!(listen(text), Err(ListenError::NotAnAddress), "{text}");
        }
    }

    #[test]
    fn p16_what_is_local() {
        for text in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "unix:/x"] {
            assert!(listen(text).unwrap().is_local(), "{text}");
        }
        for text in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[::ffff:10.0.0.1]:1"] {
            assert!(!listen(text).unwrap().is_local(), "{text}");
        }
    }

    #[test]
    fn listeners_that_stand_in_each_others_way() {
        let collide = |a: &str, b: &str| listen(a).unwrap().collides(&listen(b).unwrap());
        assert!(collide("127.0.0.1:80", "127.0.0.1:80"));
        assert!(collide("127.0.0.1:80", "0.0.0.0:80"));
        assert!(collide("unix:/a", "unix:/a"));
        assert!(!collide("127.0.0.1:80", "127.0.0.1:81"));
        assert!(!collide("127.0.0.1:80", "127.0.0.2:80"));
        assert!(!collide("127.0.0.1:0", "127.0.0.1:0"));
        assert!(!collide("unix:/a", "127.0.0.1:80"));
    }
}
