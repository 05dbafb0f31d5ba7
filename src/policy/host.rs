//! Hosts: what a client named, and the patterns that routes and rules have for it.
//!
//! One host has many spellings, so it is compared in one form: lower case, no dot at the end, an
//! IPv6 address as RFC 5952 writes it. The port is no part of a pattern. It is the client's word
//! and says nothing of what an upstream serves, and a denial for `admin.example` that
//! `admin.example:81` slipped past would be none (Kubernetes' Gateway API and nginx's
//! `server_name` read hosts so, too).

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::net::Ipv6Addr;
use std::sync::Arc;

/// Longest host with its port: 253 bytes of a DNS name, a dot, a colon and five digits.
pub const MAX_HOST: usize = 260;

/// The port of a host that names none.
const DEFAULT_PORT: u16 = 80;

/// A host that a client named, as it came. Copying and carrying it costs nothing; its canonical
/// form is made where a policy reads it.
#[derive(Clone, Copy, Debug)]
pub struct Host<'a> {
    text: &'a [u8],
}

impl<'a> Host<'a> {
    /// RFC 3986 section 3.2.2, without percent-encoding and sub-delimiters: a DNS name, an IPv4
    /// address, or an IPv6 address in brackets; then perhaps a port.
    pub fn parse(text: &'a [u8]) -> Option<Host<'a>> {
        if text.len() > MAX_HOST {
            return None;
        }
        let (name, port) = split(text);
        if !port.is_empty() {
            parse_port(port.strip_prefix(b":")?)?;
        }
        let valid = match name.strip_prefix(b"[") {
            Some(address) => ipv6(address.strip_suffix(b"]")?).is_some(),
            None => is_name(name),
        };
        valid.then_some(Host { text })
    }

    /// A text that [`Host::parse`] has accepted before.
    pub fn known(text: &'a [u8]) -> Host<'a> {
        Host { text }
    }

    /// The port; 80 where none is named.
    pub fn port(self) -> u16 {
        split(self.text).1.strip_prefix(b":").and_then(parse_port).unwrap_or(DEFAULT_PORT)
    }

    /// The name without the port, in the form in which names are compared.
    pub fn name(self) -> Cow<'a, str> {
        let name = split(self.text).0;
        let address = name.strip_prefix(b"[").and_then(|name| name.strip_suffix(b"]"));
        if let Some(address) = address.and_then(ipv6) {
            return format!("[{address}]").into();
        }
        let name = String::from_utf8_lossy(name.strip_suffix(b".").unwrap_or(name));
        match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => name.to_ascii_lowercase().into(),
            false => name,
        }
    }

    /// Whether both are one host: case, a trailing dot and the default port make no difference.
    pub fn is_same(self, other: Host<'_>) -> bool {
        self.port() == other.port() && self.name() == other.name()
    }
}

/// A checked host of a route, a grant or a denial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// This name.
    Exact(Arc<str>),
    /// Names with exactly one label before this one.
    Label {
        /// What follows the label and its dot.
        parent: Arc<str>,
        /// What the label is called, where it is written `{name}` and not `*`.
        name: Option<Arc<str>>,
    },
}

/// Why a text is no host pattern; shown to the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostPatternError {
    /// It has a port.
    #[error("a host is written without its port: every port of it is meant")]
    Port,
    /// A wildcard or a name that is not the whole first label.
    #[error("`*` and `{{name}}` stand for the whole first label alone: `*.example.com`")]
    Label,
    /// Nothing that a client could name.
    #[error("it is no DNS name (in ASCII, `xn--` where it is not) and no address")]
    Name,
}

impl HostPattern {
    /// Reads a pattern as typed.
    pub fn parse(text: &str) -> Result<HostPattern, HostPatternError> {
        let Some((name, parent)) = first_label(text)? else { return Ok(Self::Exact(name(text)?)) };
        let parent = self::name(parent)?;
        // `*.0.0.1` would be read as the addresses that end so.
        let last = parent.rsplit('.').next().unwrap_or_default();
        if parent.starts_with('[') || last.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(HostPatternError::Name);
        }
        Ok(HostPattern::Label { parent, name: name.map(Arc::from) })
    }

    /// Whether every host that `other` matches is matched by this pattern too.
    pub fn covers(&self, other: &HostPattern) -> bool {
        match (self, other) {
            (HostPattern::Exact(a), HostPattern::Exact(b)) => a == b,
            (HostPattern::Exact(_), HostPattern::Label { .. }) => false,
            (HostPattern::Label { parent, .. }, HostPattern::Exact(name)) => {
                name.split_once('.').is_some_and(|(_, rest)| *rest == **parent)
            }
            (HostPattern::Label { parent: a, .. }, HostPattern::Label { parent: b, .. }) => a == b,
        }
    }

    /// Whether some host matches both patterns.
    pub fn unifies(&self, other: &HostPattern) -> bool {
        self.covers(other) || other.covers(self)
    }

    /// What the first label is called.
    pub fn label(&self) -> Option<&Arc<str>> {
        match self {
            HostPattern::Exact(_) => None,
            HostPattern::Label { name, .. } => name.as_ref(),
        }
    }

    /// A text that two patterns share exactly if they match the same hosts.
    pub fn key(&self) -> Cow<'_, str> {
        match self {
            HostPattern::Exact(name) => Cow::Borrowed(name),
            HostPattern::Label { parent, .. } => format!("*.{parent}").into(),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostPattern::Exact(name) => f.write_str(name),
            HostPattern::Label { parent, name: None } => write!(f, "*.{parent}"),
            HostPattern::Label { parent, name: Some(name) } => write!(f, "{{{name}}}.{parent}"),
        }
    }
}

/// Whether a request on any host that `host` stands for can be on one that `other` stands for;
/// where none is written, every host is meant.
pub fn unify(host: Option<&HostPattern>, other: Option<&HostPattern>) -> bool {
    host.zip(other).is_none_or(|(a, b)| a.unifies(b))
}

/// Whether `wider` stands for every host that `other` stands for.
pub fn covers(wider: Option<&HostPattern>, other: Option<&HostPattern>) -> bool {
    wider.is_none_or(|wider| other.is_some_and(|other| wider.covers(other)))
}

/// Index of the hosts that one pattern stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostId(u32);

/// All host patterns of a policy, for looking up hosts: two look-ups, however many there are.
#[derive(Debug, Default)]
pub struct HostTable {
    exact: HashMap<Arc<str>, HostId, foldhash::fast::RandomState>,
    parents: HashMap<Arc<str>, HostId, foldhash::fast::RandomState>,
}

/// The patterns that match one host: there cannot be more, because a name has one first label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    /// Its own.
    pub exact: Option<HostId>,
    /// That of the name after its first label.
    pub label: Option<HostId>,
}

impl HostTable {
    /// Adds a pattern; those that match the same hosts share an id.
    pub fn add(&mut self, pattern: &HostPattern) -> HostId {
        let next = HostId(u32::try_from(self.len()).expect("fewer than 2^32 hosts"));
        match pattern {
            HostPattern::Exact(name) => *self.exact.entry(name.clone()).or_insert(next),
            HostPattern::Label { parent, .. } => {
                *self.parents.entry(parent.clone()).or_insert(next)
            }
        }
    }

    /// How many different ones there are.
    pub fn len(&self) -> usize {
        self.exact.len() + self.parents.len()
    }

    /// Whether the policy reads no host.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What matches a host. Where the policy reads none, the host is not looked at.
    pub fn find(&self, host: Host<'_>) -> Hosts {
        if self.is_empty() {
            return Hosts::default();
        }
        let name = host.name();
        let parent = name.split_once('.').map(|(_, parent)| parent);
        Hosts {
            exact: self.exact.get(&*name).copied(),
            label: parent.and_then(|parent| self.parents.get(parent).copied()),
        }
    }
}

/// The name and, with its colon, the port.
fn split(text: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b']', text) {
        Some(end) => text.split_at(end + 1),
        None => text.split_at(memchr::memchr(b':', text).unwrap_or(text.len())),
    }
}

fn ipv6(text: &[u8]) -> Option<Ipv6Addr> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn is_name(name: &[u8]) -> bool {
    let name = name.strip_suffix(b".").unwrap_or(name);
    let good = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !name.is_empty()
        && name.iter().all(good)
        && name[0] != b'.'
        && !name.ends_with(b".")
        && !name.windows(2).any(|pair| pair == b"..")
}

fn parse_port(digits: &[u8]) -> Option<u16> {
    let plain = (1..=5).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let port = std::str::from_utf8(digits).ok().filter(|_| plain)?.parse().ok()?;
    (port > 0).then_some(port)
}

/// The wildcard of a pattern (its name, if it has one) and what follows it; `None` where the
/// pattern has no wildcard.
#[allow(clippy::type_complexity)]
fn first_label(text: &str) -> Result<Option<(Option<&str>, &str)>, HostPatternError> {
    if !text.contains(['*', '{', '}']) {
        return Ok(None);
    }
    let (label, parent) = text.split_once('.').ok_or(HostPatternError::Label)?;
    if parent.contains(['*', '{', '}']) {
        return Err(HostPatternError::Label);
    }
    if label == "*" {
        return Ok(Some((None, parent)));
    }
    let name = label.strip_prefix('{').and_then(|label| label.strip_suffix('}'));
    match name.filter(|name| super::pattern::is_name(name)) {
        Some(name) => Ok(Some((Some(name), parent))),
        None => Err(HostPatternError::Label),
    }
}

/// A name in the form in which names are compared.
fn name(text: &str) -> Result<Arc<str>, HostPatternError> {
    let host = Host::parse(text.as_bytes()).ok_or(HostPatternError::Name)?;
    match split(text.as_bytes()).1.is_empty() {
        true => Ok(host.name().as_ref().into()),
        false => Err(HostPatternError::Port),
    }
}

/// What names no host.
#[cfg(test)]
pub(crate) const NO_HOSTS: [&str; 21] = [
    "",
    "a,b",
    "a b",
    "a/b",
    "u@a",
    "a:",
    "a:0",
    "a:65536",
    "a:+1",
    "a:8x",
    "..",
    ".a",
    "a..b",
    "[::1",
    "[::g]",
    "[127.0.0.1]",
    "::1",
    "a]",
    "[::1]x",
    "a%41",
    "é",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Host<'_> {
        Host::parse(text.as_bytes()).expect(text)
    }

    fn pattern(text: &str) -> HostPattern {
        HostPattern::parse(text).expect(text)
    }

    #[test]
    fn p03_spellings_of_one_host_are_one() {
        for spelling in ["api.test", "API.Test", "api.test.", "api.test:80", "Api.tesT.:80"] {
            assert!(host(spelling).is_same(host("api.test")), "{spelling}");
            assert_eq!(host(spelling).name(), "api.test");
        }
        assert!(!host("api.test:81").is_same(host("api.test")));
        assert!(host("[::1]").is_same(host("[0:0::1]:80")));
        assert_eq!((host("[::A]:8").name().as_ref(), host("[::A]:8").port()), ("[::a]", 8));
    }

    #[test]
    fn p03_what_is_no_host() {
        for text in NO_HOSTS {
            assert!(Host::parse(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn a_host_may_be_as_long_as_its_limit() {
        for (length, fine) in [(MAX_HOST - 1, true), (MAX_HOST, true), (MAX_HOST + 1, false)] {
            assert_eq!(Host::parse("a".repeat(length).as_bytes()).is_some(), fine);
        }
    }

    #[test]
    fn patterns_are_read_in_one_form() {
        for (typed, key) in [
            ("API.Example.", "api.example"),
            ("127.0.0.1", "127.0.0.1"),
            ("[0:0::1]", "[::1]"),
            ("*.Example.com", "*.example.com"),
            ("{org}.example.com", "*.example.com"),
            ("*.localhost", "*.localhost"),
        ] {
            assert_eq!(pattern(typed).key(), key, "{typed}");
        }
        assert_eq!(pattern("{org}.Example").to_string(), "{org}.example");
        assert_eq!(pattern("{org}.example").label().map(|name| &**name), Some("org"));
        assert_eq!(pattern("*.example").label(), None);
    }

    #[test]
    fn what_is_no_pattern() {
        for (typed, error) in [
            ("api.example:8080", HostPatternError::Port),
            ("*", HostPatternError::Label),
            ("*.*.example", HostPatternError::Label),
            ("a*.example", HostPatternError::Label),
            ("api.*.example", HostPatternError::Label),
            ("{}.example", HostPatternError::Label),
            ("{a-b}.example", HostPatternError::Label),
            ("x{a}.example", HostPatternError::Label),
            ("", HostPatternError::Name),
            ("*.", HostPatternError::Name),
            ("*.0.0.1", HostPatternError::Name),
            ("*.[::1]", HostPatternError::Name),
            ("bücher.example", HostPatternError::Name),
            ("http://api.example", HostPatternError::Name),
            ("api.example/x", HostPatternError::Name),
        ] {
            assert_eq!(HostPattern::parse(typed).expect_err(typed), error, "{typed}");
        }
    }

    #[test]
    fn p09_a_wildcard_is_one_label_and_never_none() {
        let mut table = HostTable::default();
        let (exact, label) = (table.add(&pattern("api.example")), table.add(&pattern("*.example")));
        assert_eq!(table.add(&pattern("{org}.EXAMPLE.")), label);
        for (name, wanted) in [
            ("api.example", (Some(exact), Some(label))),
            ("API.example.:81", (Some(exact), Some(label))),
            ("other.example", (None, Some(label))),
            ("a.b.example", (None, None)),
            ("example", (None, None)),
            ("notexample", (None, None)),
            ("api.example.evil", (None, None)),
        ] {
            let found = table.find(host(name));
            assert_eq!((found.exact, found.label), wanted, "{name}");
        }
    }

    #[test]
    fn covering_and_unifying() {
        for (a, b, covers, unifies) in [
            ("a.x", "A.x.", true, true),
            ("a.x", "b.x", false, false),
            ("*.x", "a.x", true, true),
            ("a.x", "*.x", false, true),
            ("*.x", "{o}.x", true, true),
            ("*.x", "a.b.x", false, false),
            ("*.x", "*.b.x", false, false),
        ] {
            let (a, b) = (pattern(a), pattern(b));
            assert_eq!((a.covers(&b), a.unifies(&b), b.unifies(&a)), (covers, unifies, unifies));
            assert!(super::covers(None, Some(&a)) && !super::covers(Some(&a), None));
            assert!(unify(None, Some(&a)) && unify(Some(&a), None));
        }
    }
}
