//! Why a body was not understood.

/// Why a body cannot pass. Offsets count bytes of the input from 0; nothing here repeats what the
/// body said, so a fault may be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not the grammar of RFC 8259.
    #[error("not JSON at byte {offset}")]
    Grammar {
        /// The first byte that does not fit.
        offset: u64,
    },
    /// Not UTF-8 (RFC 8259 section 8.1).
    #[error("not UTF-8 at byte {offset}")]
    Utf8 {
        /// The first byte of the sequence that is no character.
        offset: u64,
    },
    /// A byte order mark, which RFC 8259 section 8.1 forbids senders to add.
    #[error("a byte order mark before the JSON text")]
    Bom,
    /// The body ends inside the value, or before it.
    #[error("the body ends before its JSON value does")]
    Truncated,
    /// Something other than white space follows the value.
    #[error("bytes after the JSON value, at byte {offset}")]
    Trailing {
        /// The first of them.
        offset: u64,
    },
    /// More arrays and objects inside one another than [`super::Limits::depth`].
    #[error("nested too deep at byte {offset}")]
    Depth {
        /// The bracket that is one too many.
        offset: u64,
    },
    /// A key that the mask names (in a request: any key) stands twice in one object.
    #[error("a key stands twice in one object, the second time before byte {offset}")]
    DuplicateKey {
        /// One past the second key.
        offset: u64,
    },
    /// A key longer than [`super::Limits::key`], where keys are compared.
    #[error("a key is too long, at byte {offset}")]
    KeyTooLong {
        /// Where in the key the limit is passed, or its end.
        offset: u64,
    },
    /// A number longer than [`super::Limits::number`], where only integers pass.
    #[error("a number is too long, before byte {offset}")]
    NumberTooLong {
        /// Where the limit was noticed.
        offset: u64,
    },
    /// An object longer than [`super::Limits::object`], where it must be whole to be judged.
    #[error("an object is too long to be judged, before byte {offset}")]
    ObjectTooLong {
        /// Where the limit was noticed.
        offset: u64,
    },
    /// Two pairs of one list name the same property, and the mask names it (in a request: any).
    #[error("two pairs of one list name the same property")]
    DuplicatePair,
    /// The body has another shape than the mask expects, so nothing says what may pass.
    #[error("the body has another shape than the policy says")]
    Shape,
    /// In a request: half of a surrogate pair (RFC 8259 section 8.2).
    #[error("an escape that is half of a surrogate pair, before byte {offset}")]
    Surrogate {
        /// One past the escape.
        offset: u64,
    },
    /// In a request: U+0000 in a key.
    #[error("a key holds U+0000, before byte {offset}")]
    NulInKey {
        /// One past the key.
        offset: u64,
    },
    /// In a request: two keys of one object differ in case only, and the mask names one of them; or
    /// a key differs in case only from a name that a rule reads.
    #[error("a key differs only in case from another one or from a rule's, before byte {offset}")]
    CaseVariant {
        /// One past the key.
        offset: u64,
    },
    /// In a request, or where a path means every member: more keys in open objects than
    /// [`super::Limits::names`].
    #[error("too many keys, at byte {offset}")]
    TooManyKeys {
        /// One past the key that is one too many.
        offset: u64,
    },
    /// In a request: not a JSON Patch (RFC 6902), or one that can be read in two ways.
    #[error("not a JSON Patch that reads in one way, at byte {offset}")]
    NotAPatch {
        /// The change that does not fit.
        offset: u64,
    },
    /// In a request: more changes than [`super::changes::MOST_OPERATIONS`].
    #[error("too many changes, at byte {offset}")]
    TooManyChanges {
        /// The first that is too many.
        offset: u64,
    },
    /// In a request: not a form, or one that can be read in two ways.
    #[error("not a form that reads in one way, at byte {offset}")]
    NotAForm {
        /// Where the field begins that does not fit.
        offset: u64,
    },
    /// In a request: more fields than [`super::form::MAX_FIELDS`].
    #[error("too many fields, at byte {offset}")]
    TooManyFields {
        /// The first that is too many.
        offset: u64,
    },
    /// A row longer than what may be held of one.
    #[error("a row is too long, at byte {offset}")]
    RowTooLong {
        /// The first byte that is too many.
        offset: u64,
    },
    /// In a stream of records, one that is longer than [`super::Limits::object`].
    #[error("a record is too long, at byte {offset}")]
    RecordTooLong {
        /// The first byte that is too many.
        offset: u64,
    },
    /// The only row of the body was dropped: to the caller, what was asked for is not there.
    #[error("the only row of the body was dropped")]
    Gone,
    /// More values at the paths of one call than [`super::pick::MOST`]; in a request, more than
    /// [`super::Limits::values`], where schemas judge values.
    #[error("too many values, at byte {offset}")]
    TooManyValues {
        /// The first byte of the value that is one too many.
        offset: u64,
    },
}

impl Fault {
    /// The same fault of a part, told of the whole in which that part begins at `start`.
    pub(super) fn behind(self, start: u64) -> Fault {
        let mut moved = self;
        match &mut moved {
            Fault::Grammar { offset }
            | Fault::Utf8 { offset }
            | Fault::Trailing { offset }
            | Fault::Depth { offset }
            | Fault::DuplicateKey { offset }
            | Fault::KeyTooLong { offset }
            | Fault::NumberTooLong { offset }
            | Fault::Surrogate { offset }
            | Fault::NulInKey { offset }
            | Fault::CaseVariant { offset }
            | Fault::TooManyKeys { offset }
            | Fault::ObjectTooLong { offset }
            | Fault::RowTooLong { offset }
            | Fault::RecordTooLong { offset }
            | Fault::NotAPatch { offset }
            | Fault::NotAForm { offset }
            | Fault::TooManyFields { offset }
            | Fault::TooManyChanges { offset }
            | Fault::TooManyValues { offset } => *offset += start,
            Fault::Bom | Fault::Truncated | Fault::Shape | Fault::Gone | Fault::DuplicatePair => {}
        }
        moved
    }
}
