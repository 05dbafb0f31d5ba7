//! Which object a grant looks at before a request is sent.

use crate::policy::access::Access;
use crate::policy::condition::{Object, Piece};
use crate::policy::held::Candidate;
use crate::policy::snapshot::Snapshot;
use crate::policy::target::Target;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The path of the object that a grant looks at before a request is sent; `None` where it looks at
/// none.
pub(super) fn object_path(
    snapshot: &Snapshot,
    found: &Candidate,
    letter: usize,
    target: &Target,
) -> Option<String> {
    let raw = target.raw().path();
    match snapshot.conditions(found.grant)?.looks_at(Access::LETTERS[letter])? {
        // A POST to what is there already changes it; where it is missing, it is made.
        Object::Itself => Some(raw.to_owned()),
        Object::At(pieces) => {
            let segments: Vec<&str> = raw.split('/').skip(1).collect();
            let mut path = String::new();
            for piece in pieces {
                path.push('/');
                match piece {
                    Piece::Literal(text) => path.extend(utf8_percent_encode(text, SEGMENT)),
                    Piece::Segment(at) => path.push_str(segments.get(*at).copied()?),
                }
            }
            Some(path)
        }
    }
}

/// What a segment of a path must escape (RFC 3986 section 3.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');
