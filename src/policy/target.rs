//! The canonical request target: what is decided is, byte for byte, what is forwarded.
//!
//! A path that could mean two things to two programs is refused, never repaired
//! (`//`, dot segments, encoded slashes, encodings of characters that need none…), because a
//! repair is a guess about what the upstream will do. What is left has one reading: percent
//! escapes are decoded exactly once for matching, and the original bytes go on.

use http::uri::PathAndQuery;
use smallvec::SmallVec;
use std::ops::Range;

/// More segments than this in a path are refused (`bad_path`).
pub const MAX_SEGMENTS: usize = 64;

/// The longest path and query, in bytes, that the settings' default lets in (414 beyond).
pub const MAX_TARGET: usize = 8 * 1024;

/// A path and query that has one reading.
#[derive(Clone, Debug)]
pub struct Target {
    raw: PathAndQuery,
    /// The decoded path, where it differs from the raw one.
    decoded: Option<Box<str>>,
    segments: SmallVec<[(u16, u16); 12]>,
    params: bool,
}

/// Why a target was refused. The words are for the log and for `explain`; clients get the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetFault {
    /// Not origin-form: empty, `*`, or not starting with a slash.
    #[error("the target does not start with `/`")]
    NotOrigin,
    /// Over the limit (RFC 9110 section 15.5.15, 414).
    #[error("the target is too long")]
    TooLong,
    /// More than [`MAX_SEGMENTS`].
    #[error("the path has too many segments")]
    TooManySegments,
    /// A byte that RFC 3986 does not allow unescaped here.
    #[error("the target has a character that must be percent-encoded")]
    BadCharacter,
    /// `%` without two hexadecimal digits.
    #[error("the target has a broken percent escape")]
    BadEscape,
    /// An escape of a character that needs none (`%61`, `%2e`): two spellings of one path.
    #[error("the path escapes a character that needs no escape")]
    NeedlessEscape,
    /// An encoded slash, backslash or control character.
    #[error("the path escapes a slash, a backslash or a control character")]
    ForbiddenEscape,
    /// `%25` followed by two hexadecimal digits: it would mean something else if decoded twice.
    #[error("the path is escaped twice")]
    DoubleEscape,
    /// The decoded path is not UTF-8.
    #[error("the path is not UTF-8")]
    NotUtf8,
    /// `.` or `..` as a segment.
    #[error("the path has a dot segment")]
    DotSegment,
    /// `//`.
    #[error("the path has an empty segment")]
    EmptySegment,
}

impl Target {
    /// Reads a target as text, as the command line has it.
    pub fn parse(text: &str, max: usize) -> Result<Target, TargetFault> {
        // Checked before the http crate sees it: its parser cuts a fragment off without a word.
        check_bytes(text.as_bytes(), max)?;
        let raw = text.parse().map_err(|_| TargetFault::BadCharacter)?;
        Target::new(raw, max)
    }

    /// Reads the target of a request that an HTTP parser has taken apart.
    pub fn new(raw: PathAndQuery, max: usize) -> Result<Target, TargetFault> {
        check_bytes(raw.as_str().as_bytes(), max)?;
        let path = raw.path();
        let decoded = match path.contains('%') {
            true => Some(decode(path)?),
            false => None,
        };
        let evaluated = decoded.as_deref().unwrap_or(path);
        let segments = segments(evaluated)?;
        let params = evaluated.contains(';');
        Ok(Target { raw, decoded, segments, params })
    }

    /// Path and query, as they came and as they are forwarded.
    pub fn raw(&self) -> &PathAndQuery {
        &self.raw
    }

    /// The path as policies see it: decoded once.
    pub fn path(&self) -> &str {
        self.decoded.as_deref().unwrap_or_else(|| self.raw.path())
    }

    /// The query as it came, without `?`.
    pub fn query(&self) -> Option<&str> {
        self.raw.query()
    }

    /// How many segments the path has; `/` has one, which is empty.
    pub fn len(&self) -> usize {
        self.segments.len()
    }

    /// Never: a path has at least one segment.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// The segment at this position, decoded. Only the last one may be empty.
    pub fn segment(&self, at: usize) -> &str {
        &self.path()[self.range(at)]
    }

    /// The path up to and with this many segments, without a trailing slash: `/a/b` of `/a/b/c`.
    /// None is the empty text.
    pub fn prefix(&self, segments: usize) -> &str {
        match segments.checked_sub(1) {
            Some(last) => &self.path()[..self.range(last).end],
            None => "",
        }
    }

    /// Whether a segment holds `;` (matrix parameters), which a route must allow.
    pub fn has_params(&self) -> bool {
        self.params
    }

    /// The path without its first segments, and the query. What is left is read anew: it is what an
    /// upstream will read.
    pub fn without_prefix(&self, segments: usize) -> Result<Target, TargetFault> {
        // Escaped slashes are refused, so the raw path has the slashes of the decoded one.
        let raw = self.raw.path();
        let cut = memchr::memchr_iter(b'/', raw.as_bytes()).nth(segments).unwrap_or(raw.len());
        let rest = if cut == raw.len() { "/" } else { &raw[cut..] };
        match self.raw.query() {
            Some(query) => Target::parse(&format!("{rest}?{query}"), usize::MAX),
            None => Target::parse(rest, usize::MAX),
        }
    }

    fn range(&self, at: usize) -> Range<usize> {
        let (start, end) = self.segments[at];
        usize::from(start)..usize::from(end)
    }
}

/// Length, form, and the bytes that may stand unescaped; escapes have two digits.
fn check_bytes(bytes: &[u8], max: usize) -> Result<(), TargetFault> {
    if bytes.len() > max.min(usize::from(u16::MAX)) {
        return Err(TargetFault::TooLong);
    }
    if bytes.first() != Some(&b'/') {
        return Err(TargetFault::NotOrigin);
    }
    let path_end = memchr::memchr(b'?', bytes).unwrap_or(bytes.len());
    let (path, query) = bytes.split_at(path_end);
    let allowed = path.iter().all(|byte| PATH[usize::from(*byte)])
        && query.iter().all(|byte| QUERY[usize::from(*byte)]);
    if !allowed {
        return Err(TargetFault::BadCharacter);
    }
    for at in memchr::memchr_iter(b'%', bytes) {
        let digits = bytes.get(at + 1..at + 3).ok_or(TargetFault::BadEscape)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(TargetFault::BadEscape);
        }
    }
    Ok(())
}

/// Decodes a path whose escapes are well formed, once.
fn decode(path: &str) -> Result<Box<str>, TargetFault> {
    let bytes = path.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'%' {
            out.push(bytes[at]);
            at += 1;
            continue;
        }
        let byte = hex(bytes[at + 1]) << 4 | hex(bytes[at + 2]);
        at += 3;
        match byte {
            b'/' | b'\\' | 0..0x20 | 0x7f => return Err(TargetFault::ForbiddenEscape),
            b'%' if bytes.len() >= at + 2
                && bytes[at..at + 2].iter().all(u8::is_ascii_hexdigit) =>
            {
                return Err(TargetFault::DoubleEscape);
            }
            _ if is_unreserved(byte) => return Err(TargetFault::NeedlessEscape),
            _ => out.push(byte),
        }
    }
    let text = String::from_utf8(out).map_err(|_| TargetFault::NotUtf8)?;
    // U+0080 to U+009F are control characters too.
    match text.chars().any(char::is_control) {
        true => Err(TargetFault::ForbiddenEscape),
        false => Ok(text.into()),
    }
}

fn segments(path: &str) -> Result<SmallVec<[(u16, u16); 12]>, TargetFault> {
    let bytes = path.as_bytes();
    let mut found = SmallVec::new();
    let mut start = 1;
    for end in memchr::memchr_iter(b'/', &bytes[1..]).map(|at| at + 1).chain([bytes.len()]) {
        let last = end == bytes.len();
        match &bytes[start..end] {
            b"" if !last => return Err(TargetFault::EmptySegment),
            b"." | b".." => return Err(TargetFault::DotSegment),
            _ => {}
        }
        if found.len() == MAX_SEGMENTS {
            return Err(TargetFault::TooManySegments);
        }
        let small = |n: usize| u16::try_from(n).map_err(|_| TargetFault::TooLong);
        found.push((small(start)?, small(end)?));
        start = end + 1;
    }
    Ok(found)
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A').wrapping_add(10),
    }
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// RFC 3986 section 3.3: pchar, `/`, and `%` for escapes.
const PATH: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        table[byte] = is_unreserved(b)
            || matches!(b, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',')
            || matches!(b, b';' | b'=' | b':' | b'@' | b'/' | b'%');
        byte += 1;
    }
    table
};

/// What browsers send unescaped in a query (the WHATWG URL standard's query set): visible ASCII
/// without `"`, `#`, `<` and `>`.
const QUERY: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0x21;
    while byte < 0x7f {
        table[byte] = !matches!(byte as u8, b'"' | b'#' | b'<' | b'>');
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Target, TargetFault> {
        Target::parse(text, MAX_TARGET)
    }

    #[track_caller]
    fn refused(text: &str, fault: TargetFault) {
        assert_eq!(parse(text).expect_err(text), fault, "{text}");
    }

    #[test]
    fn a_plain_path_is_itself() {
        let target = parse("/orgs/acme/apps?x=1").unwrap();
        assert_eq!(target.path(), "/orgs/acme/apps");
        assert_eq!(target.query(), Some("x=1"));
        assert_eq!(target.len(), 3);
        assert_eq!(target.segment(1), "acme");
        assert_eq!(target.prefix(2), "/orgs/acme");
        assert_eq!(target.prefix(0), "");
    }

    #[test]
    fn the_root_is_one_empty_segment_and_a_trailing_slash_another() {
        assert_eq!(parse("/").unwrap().segment(0), "");
        let target = parse("/a/").unwrap();
        assert_eq!((target.len(), target.segment(1)), (2, ""));
    }

    #[test]
    fn what_needs_an_escape_is_decoded_once_and_forwarded_as_it_came() {
        let target = parse("/caf%C3%A9/a%20b/user%40acme.test/100%25").unwrap();
        assert_eq!(target.path(), "/café/a b/user@acme.test/100%");
        assert_eq!(target.raw().as_str(), "/caf%C3%A9/a%20b/user%40acme.test/100%25");
    }

    #[test]
    fn p01_dot_segments() {
        for text in ["/a/../b", "/a/..", "/./a", "/.", "/.."] {
            refused(text, TargetFault::DotSegment);
        }
        for text in ["/a/%2e%2e/b", "/a/.%2E/b", "/%2e"] {
            refused(text, TargetFault::NeedlessEscape);
        }
        assert!(parse("/a/...").is_ok());
        assert!(parse("/a/.hidden").is_ok());
    }

    #[test]
    fn p01_encoded_separators_and_controls() {
        for text in
            ["/a%2fb", "/a%2Fb", "/a%5cb", "/a%00", "/a%0d%0a", "/a%09", "/a%7f", "/a%C2%85"]
        {
            refused(text, TargetFault::ForbiddenEscape);
        }
    }

    #[test]
    fn p01_double_encoding() {
        for text in ["/%252e%252e/a", "/a%252Fb", "/a%2525"] {
            refused(text, TargetFault::DoubleEscape);
        }
    }

    #[test]
    fn p01_other_spellings_of_one_path() {
        refused("//a", TargetFault::EmptySegment);
        refused("/a//b", TargetFault::EmptySegment);
        refused("/a//", TargetFault::EmptySegment);
        refused("/%61dmin", TargetFault::NeedlessEscape);
        refused("/a\\b", TargetFault::BadCharacter);
        refused("/a#b", TargetFault::BadCharacter);
        refused("/a?b#c", TargetFault::BadCharacter);
        refused("/a b", TargetFault::BadCharacter);
        refused("/é", TargetFault::BadCharacter);
        refused("/a%zz", TargetFault::BadEscape);
        refused("/a%2", TargetFault::BadEscape);
        refused("/a%", TargetFault::BadEscape);
        refused("/a?x=%g1", TargetFault::BadEscape);
        refused("/%C0%AE", TargetFault::NotUtf8);
        refused("/%ff", TargetFault::NotUtf8);
        refused("*", TargetFault::NotOrigin);
        refused("", TargetFault::NotOrigin);
        refused("http://x/a", TargetFault::NotOrigin);
    }

    #[test]
    fn p01_a_prefix_goes_by_segments_and_the_rest_is_read_anew() {
        for (text, segments, left) in [
            ("/api/v1/x?a=/b", 2, "/x?a=/b"),
            ("/api/v1", 2, "/"),
            ("/api/v1?a", 2, "/?a"),
            ("/api/v1/", 2, "/"),
            ("/caf%C3%A9/a%20b", 1, "/a%20b"),
            ("/a/b", 0, "/a/b"),
        ] {
            let rest = parse(text).unwrap().without_prefix(segments).unwrap();
            assert_eq!(rest.raw().as_str(), left, "{text}");
        }
    }

    #[test]
    fn an_encoded_question_mark_is_not_a_query() {
        let target = parse("/a%3Fb=1").unwrap();
        assert_eq!((target.path(), target.query()), ("/a?b=1", None));
    }

    #[test]
    fn parameters_are_seen_in_both_spellings() {
        assert!(parse("/a;b").unwrap().has_params());
        assert!(parse("/a%3Bb").unwrap().has_params());
        assert!(!parse("/a?b;c").unwrap().has_params());
    }

    #[test]
    fn limits_hold_at_one_below_at_and_one_above() {
        let long = |n: usize| format!("/{}", "a".repeat(n - 1));
        assert!(parse(&long(MAX_TARGET - 1)).is_ok());
        assert!(parse(&long(MAX_TARGET)).is_ok());
        refused(&long(MAX_TARGET + 1), TargetFault::TooLong);
        let deep = |n: usize| "/a".repeat(n);
        assert!(parse(&deep(MAX_SEGMENTS - 1)).is_ok());
        assert!(parse(&deep(MAX_SEGMENTS)).is_ok());
        refused(&deep(MAX_SEGMENTS + 1), TargetFault::TooManySegments);
    }
}
