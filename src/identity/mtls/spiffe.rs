//! SPIFFE IDs (the SPIFFE-ID standard, section 2), and which part of one says what.

/// The longest SPIFFE ID, in bytes (section 2.3).
pub const MAX_SPIFFE_ID: usize = 2048;

/// The longest name of a trust domain, in bytes (section 2.3).
const MAX_TRUST_DOMAIN: usize = 255;

/// `spiffe://TRUST_DOMAIN/PATH` of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpiffeId<'a> {
    trust_domain: &'a str,
    path: &'a str,
}

/// Why a text is no SPIFFE ID of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpiffeFault {
    /// Longer than [`MAX_SPIFFE_ID`].
    TooLong,
    /// Another scheme, or none.
    Scheme,
    /// No name of a trust domain.
    TrustDomain,
    /// No path, or one that could be read in two ways.
    Path,
}

/// A pattern of paths: literal segments and `{user}`, `{org}`, `{app}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::identity) struct PathPattern(Vec<Segment>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(Box<str>),
    User,
    Org,
    App,
}

/// What a path says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::identity) struct Found<'a> {
    pub(in crate::identity) user: Option<&'a str>,
    pub(in crate::identity) org: Option<&'a str>,
    pub(in crate::identity) app: Option<&'a str>,
}

/// Why a text is no pattern of paths; shown to the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::identity) enum PathFault {
    #[error("a pattern begins with `/`, and no segment of it is empty")]
    Shape,
    #[error(
        "a segment is letters, digits, `.`, `-`, `_`, or one of `{{user}}`, `{{org}}`, `{{app}}`"
    )]
    Segment,
    #[error("`{{user}}`, `{{org}}` and `{{app}}` stand once each")]
    Twice,
}

impl<'a> SpiffeId<'a> {
    /// Reads the ID of a workload: there must be a path. Case matters, and nothing is decoded.
    pub fn parse(text: &'a str) -> Result<SpiffeId<'a>, SpiffeFault> {
        if text.len() > MAX_SPIFFE_ID {
            return Err(SpiffeFault::TooLong);
        }
        let rest = text.strip_prefix("spiffe://").ok_or(SpiffeFault::Scheme)?;
        let (trust_domain, path) = rest.split_at(rest.find('/').ok_or(SpiffeFault::Path)?);
        if !is_trust_domain(trust_domain) {
            return Err(SpiffeFault::TrustDomain);
        }
        match path[1..].split('/').all(is_segment) {
            true => Ok(SpiffeId { trust_domain, path }),
            false => Err(SpiffeFault::Path),
        }
    }

    /// The trust domain's name.
    pub fn trust_domain(&self) -> &'a str {
        self.trust_domain
    }

    /// The path, with its leading `/`.
    pub fn path(&self) -> &'a str {
        self.path
    }
}

/// Section 2.1: lower-case letters, digits, `.`, `-`, `_`.
pub(in crate::identity) fn is_trust_domain(name: &str) -> bool {
    let sign = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
    (1..=MAX_TRUST_DOMAIN).contains(&name.len()) && name.bytes().all(sign)
}

/// Section 2.2: letters, digits, `.`, `-`, `_`; no way up or in place.
fn is_segment(segment: &str) -> bool {
    let sign = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !matches!(segment, "" | "." | "..") && segment.bytes().all(sign)
}

impl PathPattern {
    pub(in crate::identity) fn parse(text: &str) -> Result<PathPattern, PathFault> {
        let segments = text.strip_prefix('/').ok_or(PathFault::Shape)?.split('/');
        let segments: Vec<_> = segments.map(Segment::parse).collect::<Result<_, _>>()?;
        let is_twice = |(at, one): (usize, &Segment)| {
            !matches!(one, Segment::Literal(_)) && segments[..at].contains(one)
        };
        match segments.iter().enumerate().any(is_twice) {
            true => Err(PathFault::Twice),
            false => Ok(PathPattern(segments)),
        }
    }

    /// What a path says, if it is of this pattern.
    pub(in crate::identity) fn matches<'p>(&self, path: &'p str) -> Option<Found<'p>> {
        let mut segments = path.strip_prefix('/')?.split('/');
        let mut found = Found::default();
        for own in &self.0 {
            let segment = segments.next()?;
            match own {
                Segment::Literal(literal) if **literal == *segment => {}
                Segment::Literal(_) => return None,
                Segment::User => found.user = Some(segment),
                Segment::Org => found.org = Some(segment),
                Segment::App => found.app = Some(segment),
            }
        }
        segments.next().is_none().then_some(found)
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Segment, PathFault> {
        match text {
            "" => Err(PathFault::Shape),
            "{user}" => Ok(Segment::User),
            "{org}" => Ok(Segment::Org),
            "{app}" => Ok(Segment::App),
            literal if is_segment(literal) => Ok(Segment::Literal(literal.into())),
            _ => Err(PathFault::Segment),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p06_ids_are_taken_apart_or_refused() {
        let id = SpiffeId::parse("spiffe://acme.test/ns/prod/sa/Api_1").unwrap();
        assert_eq!((id.trust_domain(), id.path()), ("acme.test", "/ns/prod/sa/Api_1"));
        for (text, fault) in [
            ("https://acme.test/a", SpiffeFault::Scheme),
            ("SPIFFE://acme.test/a", SpiffeFault::Scheme),
            ("spiffe:/acme.test/a", SpiffeFault::Scheme),
            ("spiffe://acme.test", SpiffeFault::Path),
            ("spiffe://acme.test/", SpiffeFault::Path),
            ("spiffe://acme.test/a/", SpiffeFault::Path),
            ("spiffe://acme.test//a", SpiffeFault::Path),
            ("spiffe://acme.test/a/../b", SpiffeFault::Path),
            ("spiffe://acme.test/./b", SpiffeFault::Path),
            ("spiffe://acme.test/a%2fb", SpiffeFault::Path),
            ("spiffe://acme.test/a?b", SpiffeFault::Path),
            ("spiffe://acme.test/a#b", SpiffeFault::Path),
            ("spiffe://acme.test/ä", SpiffeFault::Path),
            ("spiffe://Acme.test/a", SpiffeFault::TrustDomain),
            ("spiffe://acme.test:1/a", SpiffeFault::TrustDomain),
            ("spiffe://u@acme.test/a", SpiffeFault::TrustDomain),
            ("spiffe:///a", SpiffeFault::TrustDomain),
        ] {
            assert_eq!(SpiffeId::parse(text), Err(fault), "{text}");
        }
    }

    #[test]
    fn ids_and_trust_domains_have_their_lengths() {
        for (length, fine) in
            [(MAX_SPIFFE_ID - 1, true), (MAX_SPIFFE_ID, true), (MAX_SPIFFE_ID + 1, false)]
        {
            let id = format!("spiffe://a/{}", "x".repeat(length - 11));
            assert_eq!((id.len(), SpiffeId::parse(&id).is_ok()), (length, fine));
        }
        for (length, fine) in
            [(MAX_TRUST_DOMAIN - 1, true), (MAX_TRUST_DOMAIN, true), (MAX_TRUST_DOMAIN + 1, false)]
        {
            assert_eq!(is_trust_domain(&"a".repeat(length)), fine, "{length}");
        }
    }

    #[test]
    fn a_pattern_finds_what_a_path_says() {
        let pattern = PathPattern::parse("/org/{org}/app/{app}/sa/{user}").unwrap();
        let found = pattern.matches("/org/acme/app/shop/sa/clerk");
        let all = Found { user: Some("clerk"), org: Some("acme"), app: Some("shop") };
        assert_eq!(found, Some(all));
        for path in [
            "/org/acme/app/shop/sa",
            "/org/acme/app/shop/sa/clerk/x",
            "/Org/acme/app/shop/sa/clerk",
            "org/acme/app/shop/sa/clerk",
        ] {
            assert_eq!(pattern.matches(path), None, "{path}");
        }
    }

    #[test]
    fn patterns_that_are_none() {
        for (text, fault) in [
            ("", PathFault::Shape),
            ("org/{org}", PathFault::Shape),
            ("/org//{org}", PathFault::Shape),
            ("/org/{org}/", PathFault::Shape),
            ("/org/{name}", PathFault::Segment),
            ("/org/x{org}", PathFault::Segment),
            ("/**", PathFault::Segment),
            ("/..", PathFault::Segment),
            ("/{org}/{org}", PathFault::Twice),
        ] {
            assert_eq!(PathPattern::parse(text), Err(fault), "{text}");
        }
    }
}
