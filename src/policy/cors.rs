//! Pages of other origins: which may call a route from a browser (Fetch Standard, section 3.2).
//!
//! What a browser enforces for its user is no authorization: every request is decided as if it came
//! from anywhere. So nothing here allows a request, and a page that is not listed learns nothing.

use http::HeaderValue;

/// What a route lets pages of other origins do.
#[derive(Clone, Debug, Default)]
pub struct Cors {
    /// Whose pages.
    pub origins: Origins,
    /// Request fields that a page may set, as one value.
    pub headers: Option<HeaderValue>,
    /// Response fields that a page may read besides the harmless ones, as one value.
    pub expose: Option<HeaderValue>,
    /// Cookies and client certificates go with requests.
    pub credentials: bool,
    /// Seconds for which a browser may remember, as a value.
    pub max_age: Option<HeaderValue>,
}

/// Whose pages.
#[derive(Clone, Debug)]
pub enum Origins {
    /// Everybody's.
    Any,
    /// Those that are listed.
    Listed(Box<[Origin]>),
}

/// A scheme, a host, a port that is not the scheme's own; as a browser writes it (RFC 6454
/// section 6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Scheme and `://`; all before the label that is free, if one is.
    before: String,
    /// What follows the free label, with its dot; `None` where no label is free.
    after: Option<String>,
}

/// Why a text is no origin; shown to the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginFault {
    #[error("it does not begin with `https://` or `http://`")]
    Scheme,
    #[error("it goes on after the host and the port")]
    Longer,
    #[error("`{0}` is not written so by a browser")]
    Sign(char),
    #[error("its host or port is not one")]
    Host,
    #[error("browsers leave out the scheme's own port")]
    DefaultPort,
}

impl Default for Origins {
    fn default() -> Origins {
        Origins::Listed(Box::default())
    }
}

impl Cors {
    /// What to say in `Access-Control-Allow-Origin` to a page of this origin, if it may know.
    pub fn allows(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        match &self.origins {
            Origins::Any => Some(HeaderValue::from_static("*")),
            Origins::Listed(list) => {
                let text = origin.to_str().ok()?;
                list.iter().any(|listed| listed.is(text)).then(|| origin.clone())
            }
        }
    }

    /// Whether answers to pages of different origins differ.
    pub fn varies(&self) -> bool {
        matches!(self.origins, Origins::Listed(_))
    }
}

impl Origin {
    /// Reads `https://app.example`, `http://localhost:3000`, or `https://*.example.com` for
    /// exactly one label in the place of `*`.
    pub fn parse(text: &str) -> Result<Origin, OriginFault> {
        let (scheme, rest) = text.split_once("://").ok_or(OriginFault::Scheme)?;
        let own_port = match scheme {
            "https" => "443",
            "http" => "80",
            _ => return Err(OriginFault::Scheme),
        };
        if rest.contains(['/', '?', '#']) {
            return Err(OriginFault::Longer);
        }
        let (free, host) = match rest.strip_prefix("*.") {
            Some(host) => (true, host),
            None => (false, rest),
        };
        check_host(host, own_port)?;
        Ok(match free {
            true => Origin { before: format!("{scheme}://"), after: Some(format!(".{host}")) },
            false => Origin { before: text.to_owned(), after: None },
        })
    }

    pub fn is(&self, origin: &str) -> bool {
        let Some(after) = &self.after else { return origin == self.before };
        let label = origin.strip_prefix(&self.before).and_then(|rest| rest.strip_suffix(&**after));
        label.is_some_and(|label| !label.is_empty() && label.bytes().all(is_of_a_label))
    }
}

fn check_host(host: &str, own_port: &str) -> Result<(), OriginFault> {
    let odd = |c: &char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || "-._:[]".contains(*c));
    if let Some(sign) = host.chars().find(odd) {
        return Err(OriginFault::Sign(sign));
    }
    let authority: http::uri::Authority = host.parse().map_err(|_| OriginFault::Host)?;
    let name = authority.host();
    if name.trim_matches(['[', ']']).is_empty() || name.split('.').any(str::is_empty) {
        return Err(OriginFault::Host);
    }
    match authority.port() {
        None if name.len() < host.len() => Err(OriginFault::Host),
        Some(port) if port.as_str() == own_port => Err(OriginFault::DefaultPort),
        Some(port) if port.as_str().starts_with('0') => Err(OriginFault::Host),
        _ => Ok(()),
    }
}

fn is_of_a_label(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> OriginFault {
        Origin::parse(text).unwrap_err()
    }

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        for text in ["https://app.example", "http://localhost:3000", "http://[::1]:8080"] {
            assert!(Origin::parse(text).unwrap().is(text), "{text}");
        }
        assert_eq!(fault("app.example"), OriginFault::Scheme);
        assert_eq!(fault("null"), OriginFault::Scheme);
        assert_eq!(fault("ftp://app.example"), OriginFault::Scheme);
        assert_eq!(fault("https://app.example/"), OriginFault::Longer);
        assert_eq!(fault("https://App.example"), OriginFault::Sign('A'));
        assert_eq!(fault("https://a.*.example"), OriginFault::Sign('*'));
        assert_eq!(fault("https://user@app.example"), OriginFault::Sign('@'));
        assert_eq!(fault("https://app.example:443"), OriginFault::DefaultPort);
        assert_eq!(fault("http://app.example:80"), OriginFault::DefaultPort);
        for text in
            ["https://", "https://a..b", "https://a.", "https://:1", "https://a:", "https://a:01"]
        {
            assert_eq!(fault(text), OriginFault::Host, "{text}");
        }
    }

    #[test]
    fn a_star_is_one_label_and_never_none() {
        let origin = Origin::parse("https://*.example.com").unwrap();
        for text in ["https://a.example.com", "https://x-1.example.com"] {
            assert!(origin.is(text), "{text}");
        }
        for text in [
            "https://example.com",
            "https://.example.com",
            "https://a.b.example.com",
            "http://a.example.com",
            "https://a.example.com:8443",
            "https://a.example.com.evil.test",
            "https://evil.test/.example.com",
            "https://evil.test#.example.com",
            "https://aexample.com",
            "https://A.example.com",
            "null",
        ] {
            assert!(!origin.is(text), "{text}");
        }
    }
}
