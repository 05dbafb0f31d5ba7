//! Where requests go.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// An upstream, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// The id in the policy; `default` for the one that the settings name.
    pub id: Arc<str>,
    /// Where it listens.
    pub address: UpstreamAddress,
    /// Its other endpoints, if it has several. All of them speak TLS, or none.
    pub others: Box<[UpstreamAddress]>,
    /// The Host to send instead of the client's.
    pub host: Option<Arc<str>>,
    /// What is spoken there, by all of its endpoints.
    pub protocol: Protocol,
    /// How long it is waited for, where that is not what the settings say.
    pub timeouts: Option<Box<Timeouts>>,
    /// How its endpoints are asked whether they are well, if they are.
    pub health: Option<Arc<HealthCheck>>,
}

/// How an endpoint is asked whether it is well, beside what requests meet there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is asked for, with GET; begins with `/`.
    pub path: Arc<str>,
    /// From the end of one question to the next, up to a tenth less.
    pub interval: Duration,
    /// From opening the connection to the head of the answer.
    pub timeout: Duration,
    /// Good answers in a row after which it is well.
    pub healthy: u32,
    /// Others in a row, or none, after which it is not.
    pub unhealthy: u32,
    /// The status of a good answer; every 2xx where none is given.
    pub status: Option<u16>,
}

/// What an upstream speaks. A policy calls them by their names in ALPN (RFC 7301 section 6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// `http/1.1`
    #[default]
    Http1,
    /// `h2`: in clear with prior knowledge (RFC 9113 section 3.3), under TLS by ALPN and nothing else.
    Http2,
}

/// What an upstream's own times are; those that are not given are the settings' limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// Opening a connection: `limits.connect`.
    pub connect: Option<Duration>,
    /// From the request's last byte to the head of the response, and between two pieces of either
    /// body: `limits.upstream_head`.
    pub response: Option<Duration>,
    /// How long a connection may lie unused: `limits.upstream_idle`.
    pub idle: Option<Duration>,
    /// From the request's first byte to the response's last: `limits.upstream_total`.
    pub total: Option<Duration>,
}

/// Where an upstream listens: at one endpoint, or at several that are as good. All of them speak
/// TLS, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    pub first: UpstreamAddress,
    pub others: Box<[UpstreamAddress]>,
}

/// Endpoints of one upstream.
pub const MAX_ENDPOINTS: usize = 64;

/// The address in an upstream's URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UpstreamAddress {
    /// `http://host:port`; port 80 where none is given. IPv6 addresses stand without brackets.
    Tcp { host: Arc<str>, port: u16 },
    /// `https://host:port`; port 443 where none is given.
    Tls { host: Arc<str>, port: u16 },
    /// `unix:/path/to/socket`
    Unix(PathBuf),
}

/// Why a text is no upstream URL; shown to the user, beginning in lower case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamUrlError {
    #[error("the URL must start with `http://`, `https://` or `unix:/`")]
    Scheme,
    #[error("the URL must be a host and a port alone: no user, path, query or fragment")]
    Extra,
    #[error("the URL names no valid host")]
    Host,
    #[error("the port is not a number from 1 to 65535")]
    Port,
}

impl std::str::FromStr for UpstreamAddress {
    type Err = UpstreamUrlError;

    fn from_str(url: &str) -> Result<UpstreamAddress, UpstreamUrlError> {
        if let Some(path) = url.strip_prefix("unix:") {
            return match path.starts_with('/') {
                true => Ok(UpstreamAddress::Unix(path.into())),
                false => Err(UpstreamUrlError::Scheme),
            };
        }
        let (rest, secure) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
            (Some(rest), _) => (rest, false),
            (None, Some(rest)) => (rest, true),
            (None, None) => return Err(UpstreamUrlError::Scheme),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#', '@']) {
            return Err(UpstreamUrlError::Extra);
        }
        let authority: http::uri::Authority = rest.parse().map_err(|_| UpstreamUrlError::Host)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(UpstreamUrlError::Host);
        }
        let port = match rest.len() > authority.host().len() {
            true => authority.port_u16().filter(|port| *port > 0).ok_or(UpstreamUrlError::Port)?,
            false if secure => 443,
            false => 80,
        };
        let host = host.into();
        Ok(match secure {
            true => UpstreamAddress::Tls { host, port },
            false => UpstreamAddress::Tcp { host, port },
        })
    }
}

impl UpstreamAddress {
    /// The name that has to be looked up, if it is one.
    pub fn name(&self) -> Option<&Arc<str>> {
        match self {
            UpstreamAddress::Tcp { host, .. } | UpstreamAddress::Tls { host, .. } => {
                host.parse::<IpAddr>().is_err().then_some(host)
            }
            UpstreamAddress::Unix(_) => None,
        }
    }

    /// The same port at one of the name's addresses.
    pub fn at(&self, ip: IpAddr) -> UpstreamAddress {
        let host = Arc::from(ip.to_string());
        match self {
            UpstreamAddress::Tcp { port, .. } => UpstreamAddress::Tcp { host, port: *port },
            UpstreamAddress::Tls { port, .. } => UpstreamAddress::Tls { host, port: *port },
            UpstreamAddress::Unix(_) => self.clone(),
        }
    }

    /// What a `Host` of its own says, `localhost` at a socket.
    pub fn authority(&self) -> String {
        match self {
            UpstreamAddress::Tcp { host, port } | UpstreamAddress::Tls { host, port } => {
                match host.contains(':') {
                    true => format!("[{host}]:{port}"),
                    false => format!("{host}:{port}"),
                }
            }
            UpstreamAddress::Unix(_) => "localhost".to_owned(),
        }
    }
}

impl From<UpstreamAddress> for Endpoints {
    fn from(first: UpstreamAddress) -> Endpoints {
        Endpoints { first, others: Box::default() }
    }
}

/// One endpoint.
impl std::str::FromStr for Endpoints {
    type Err = UpstreamUrlError;

    fn from_str(url: &str) -> Result<Endpoints, UpstreamUrlError> {
        url.parse::<UpstreamAddress>().map(Endpoints::from)
    }
}

/// `http://a:80, http://b:80`
impl fmt::Display for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        self.others.iter().try_for_each(|other| write!(f, ", {other}"))
    }
}

impl fmt::Display for UpstreamAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UpstreamAddress::Tcp { .. } => write!(f, "http://{}", self.authority()),
            UpstreamAddress::Tls { .. } => write!(f, "https://{}", self.authority()),
            UpstreamAddress::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_work() {
        for (typed, shown) in [
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
            ("http://127.0.0.1:9000/", "http://127.0.0.1:9000"),
            ("http://api", "http://api:80"),
            ("http://[::1]:9000", "http://[::1]:9000"),
            ("https://api", "https://api:443"),
            ("https://[::1]:8443/", "https://[::1]:8443"),
            ("unix:/run/api.sock", "unix:/run/api.sock"),
        ] {
            assert_eq!(typed.parse::<UpstreamAddress>().expect(typed).to_string(), shown);
        }
    }

    #[test]
    fn a_name_is_not_an_address_and_has_some() {
        for (url, name) in
            [("http://127.0.0.1:1", false), ("http://[::1]:1", false), ("https://api", true)]
        {
            assert_eq!(url.parse::<UpstreamAddress>().unwrap().name().is_some(), name, "{url}");
        }
        assert_eq!("unix:/a".parse::<UpstreamAddress>().unwrap().name(), None);
        let at = |url: &str, ip: &str| {
            url.parse::<UpstreamAddress>().unwrap().at(ip.parse().unwrap()).to_string()
        };
        assert_eq!(at("http://api:81", "10.0.0.1"), "http://10.0.0.1:81");
        assert_eq!(at("https://api", "::1"), "https://[::1]:443");
    }

    #[test]
    fn urls_that_do_not() {
        for (typed, error) in [
            ("ftp://api", UpstreamUrlError::Scheme),
            ("https://a/b", UpstreamUrlError::Extra),
            ("api:80", UpstreamUrlError::Scheme),
            ("unix:api.sock", UpstreamUrlError::Scheme),
            ("http://", UpstreamUrlError::Host),
            ("http://a/b", UpstreamUrlError::Extra),
            ("http://u@a", UpstreamUrlError::Extra),
            ("http://a:0", UpstreamUrlError::Port),
            ("http://a:x", UpstreamUrlError::Port),
            ("http://a:", UpstreamUrlError::Port),
        ] {
            assert_eq!(typed.parse::<UpstreamAddress>().expect_err(typed), error, "{typed}");
        }
    }
}
