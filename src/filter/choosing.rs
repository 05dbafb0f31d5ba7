//! How a document is filtered can hang on what it has at some places; then it is held back until
//! that is known.

use super::Filter;
use super::Limits;
use super::engine::Engine;
use super::fault::Fault;
use super::follow::{Follow, Spelling, Step};
use super::mask::Mask;
use super::pick::Path;
use super::scan::Input;
use super::total::Counted;
use std::sync::Arc;

/// Chooses how a document is filtered.
pub trait Choose: Send {
    /// What stands at the place of this number.
    fn found(&mut self, place: usize, what: Standing<'_>) -> Result<(), Fault>;

    /// Whether what else there is does not matter.
    fn is_made(&self) -> bool;

    /// Nothing has been found: another document begins.
    fn forget(&mut self);

    /// Whether what may be chosen puts totals right, see [`Filter::counts`].
    fn has_totals(&self) -> bool {
        false
    }

    /// How the document is filtered, by what has been found.
    fn choose(&self) -> Result<Filter, Fault>;
}

/// A value at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing<'a> {
    /// An array.
    List,
    /// An object of at most [`Limits::object`] bytes, whole.
    Object(&'a [u8]),
    /// `null`
    Null,
    /// Anything else.
    Other,
}

impl Filter {
    /// A filter that holds a document back until `choice` is made: because of what stands at the
    /// places, or because the document has ended, or is longer than twice [`Limits::object`]. What
    /// stands inside of a place is not looked at.
    pub fn choosing(places: Vec<Path>, choice: Box<dyn Choose>, limits: Limits) -> Filter {
        let choosing = Choosing {
            follow: Follow::new(places, Spelling::Exact, &limits),
            choice,
            most: limits.object,
            held: Vec::new(),
            at: None,
            foretold: None,
        };
        let nothing = Engine::new(Arc::new(Mask::hide()), &limits, false);
        Filter { choosing: Some(Box::new(choosing)), ..Filter::with(nothing) }
    }

    /// Goes on as another filter, that has read nothing, and has it read what was held back.
    pub(super) fn become_chosen(
        &mut self,
        (chosen, held): (Filter, Vec<u8>),
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        self.before = (self.removed(), self.dropped());
        let made = std::mem::replace(&mut self.choosing, chosen.choosing);
        // The first choice is the one that the next document begins with.
        self.made = self.made.take().or(made);
        (self.engine, self.rows, self.ahead) = (chosen.engine, chosen.rows, chosen.ahead);
        let foretold = self.made.as_ref().and_then(|made| made.foretold);
        if foretold.is_some() {
            self.know_rows(foretold);
        }
        self.text(&held, 0, out)
    }
}

/// Holds a document until its filter has been chosen.
pub(super) struct Choosing {
    follow: Follow,
    choice: Box<dyn Choose>,
    /// Bytes of an object that is looked at.
    most: usize,
    /// The document up to here.
    held: Vec<u8>,
    /// The place of the value that is being read, and where in the document it begins.
    at: Option<(usize, usize)>,
    /// The rows of the document, where they have been counted before it comes.
    pub foretold: Option<Counted>,
}

impl Choosing {
    /// Reads a piece of the input; the filter for the document once there is one, which has read
    /// nothing yet, and what it is to read.
    pub fn read(&mut self, input: Input<'_>) -> Result<Option<(Filter, Vec<u8>)>, Fault> {
        let before = self.held.len();
        self.held.extend_from_slice(input.bytes);
        // No further than the limit, however the document is cut.
        let most = self.most.saturating_mul(2);
        let input = input.part(0, input.bytes.len().min(most.saturating_sub(before)));
        let mut pos = 0;
        loop {
            pos = match self.follow.step(input, pos)? {
                Step::More => break,
                Step::On(next) => next,
                Step::Value(at) => self.value(input, at, before + at)?,
                Step::Ended(end) => {
                    self.ended(before + end)?;
                    end
                }
            };
            if self.choice.is_made() {
                return self.choose().map(Some);
            }
        }
        match self.held.len() > most {
            true => self.choose().map(Some),
            false => Ok(None),
        }
    }

    /// Whether what may be chosen puts totals right.
    pub fn counts(&self) -> bool {
        self.choice.has_totals()
    }

    /// Ready for another document.
    pub fn restart(&mut self) {
        self.foretold = None;
        self.follow.restart();
        self.choice.forget();
        self.held.clear();
        self.at = None;
    }

    /// The input has ended.
    pub fn finish(&mut self) -> Result<(Filter, Vec<u8>), Fault> {
        self.follow.finish()?;
        self.choose()
    }

    fn choose(&mut self) -> Result<(Filter, Vec<u8>), Fault> {
        Ok((self.choice.choose()?, std::mem::take(&mut self.held)))
    }

    /// A value begins that is a place, or on the way to one.
    fn value(&mut self, input: Input<'_>, at: usize, began: usize) -> Result<usize, Fault> {
        let place = self.follow.ends().next();
        match (place, input.bytes[at]) {
            (None, b'{' | b'[') => return self.follow.enter(input, at),
            (None, _) => {}
            (Some(place), b'{') => self.at = Some((place, began)),
            (Some(place), b'[') => self.choice.found(place, Standing::List)?,
            (Some(place), b'n') => self.choice.found(place, Standing::Null)?,
            (Some(place), _) => self.choice.found(place, Standing::Other)?,
        }
        self.follow.skip();
        Ok(at)
    }

    fn ended(&mut self, end: usize) -> Result<(), Fault> {
        let Some((place, began)) = self.at.take() else { return Ok(()) };
        let object = &self.held[began..end];
        let what = match object.len() > self.most {
            true => Standing::Other,
            false => Standing::Object(object),
        };
        self.choice.found(place, what)
    }
}

/// What is held is not shown.
impl std::fmt::Debug for Choosing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Choosing").field("held", &self.held.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::mask::{HIDE, MaskBuilder, Node, Types};

    /// Shows everything where a list has been found, without `x` where none has; made by the first
    /// place of as many as are awaited.
    #[derive(Default)]
    struct Lists {
        awaited: usize,
        found: Vec<String>,
    }

    impl Choose for Lists {
        fn found(&mut self, place: usize, what: Standing<'_>) -> Result<(), Fault> {
            self.found.push(format!("{place}{what:?}"));
            Ok(())
        }

        fn forget(&mut self) {
            self.found.clear();
        }

        fn is_made(&self) -> bool {
            self.found.len() >= self.awaited
        }

        fn choose(&self) -> Result<Filter, Fault> {
            if self.found.iter().any(|found| found.ends_with("Other")) {
                return Err(Fault::Gone);
            }
            let mut builder = MaskBuilder::new();
            let fields = vec![("x".into(), HIDE)];
            let root = builder.add(Node { types: Types::OBJECT, fields, ..Node::open() });
            let mask = match self.found.iter().any(|found| found.ends_with("List")) {
                true => Mask::show(),
                false => builder.finish(root),
            };
            Ok(Filter::new(Arc::new(mask), Limits::default()))
        }
    }

    fn filter(places: &[&str], object: usize) -> Filter {
        let choice = Lists { awaited: places.len(), found: Vec::new() };
        let places = places.iter().map(|place| Path::parse(place).unwrap()).collect();
        Filter::choosing(places, Box::new(choice), Limits { object, ..Limits::default() })
    }

    /// What goes out, the same for every cut.
    fn shown(places: &[&str], object: usize, text: &str) -> Result<String, Fault> {
        let run = |chunks: &[&[u8]]| {
            let (mut filter, mut out) = (filter(places, object), Vec::new());
            chunks.iter().try_for_each(|chunk| filter.push(chunk, &mut out))?;
            filter.finish(&mut out).map(|()| String::from_utf8(out).unwrap())
        };
        let whole = run(&[text.as_bytes()]);
        for at in 0..text.len() {
            let (left, right) = text.as_bytes().split_at(at);
            assert_eq!(run(&[left, right]), whole, "{text} cut at {at}");
        }
        whole
    }

    #[test]
    fn what_stands_at_places_decides_about_what_is_before_them() {
        let is = |text: &str, out: &str| {
            assert_eq!(shown(&["/a", "/b/c"], 100, text).as_deref(), Ok(out), "{text}");
        };
        is(r#"{"x":1,"a":[{"x":2}],"y":2}"#, r#"{"x":1,"a":[{"x":2}],"y":2}"#);
        is(r#"{"x":1,"a":{"x":2},"b":{"c":[]}}"#, r#"{"x":1,"a":{"x":2},"b":{"c":[]}}"#);
        is(r#"{"x":1,"a":null,"b":{"d":[]}}"#, r#"{"a":null,"b":{"d":[]}}"#);
        is(r#"{"x":1,"b":[]}"#, r#"{"b":[]}"#);
        is(r#" {"x":"é"} "#, " {} ");
        assert_eq!(shown(&["/a"], 100, r#"{"x":1,"a":7}"#), Err(Fault::Gone));
        assert_eq!(shown(&["/a"], 100, r#"{"x":1,"a":[}"#), Err(Fault::Grammar { offset: 12 }));
        assert_eq!(shown(&["/a"], 100, r#"{"x":1,"#), Err(Fault::Truncated));
    }

    #[test]
    fn nothing_goes_out_before_and_everything_at_once_after() {
        let (mut filter, mut out) = (filter(&["/a"], 100), Vec::new());
        filter.push(br#"{"y":1,"a":"#, &mut out).unwrap();
        assert!(out.is_empty());
        filter.push(b"[", &mut out).unwrap();
        assert_eq!(out, br#"{"y":1,"a":["#);
        filter.push(b"1", &mut out).unwrap();
        assert_eq!(out, br#"{"y":1,"a":[1"#);
    }

    #[test]
    fn a_document_that_does_not_come_is_no_document() {
        let mut filter = filter(&["/a"], 100);
        filter.push(b"7", &mut Vec::new()).unwrap();
        assert_eq!(filter.finish(&mut Vec::new()), Err(Fault::Shape));
        filter.restart();
        assert_eq!(filter.finish(&mut Vec::new()), Err(Fault::Truncated));
    }

    #[test]
    fn p16_what_is_held_is_not_told() {
        let mut filter = filter(&["/a"], 100);
        filter.push(br#"{"x":"canary""#, &mut Vec::new()).unwrap();
        let told = format!("{:?}", filter.choosing);
        assert!(told.contains("held: 13") && !told.contains("canary"), "{told}");
        assert!(!filter.counts(), "nothing says that there are totals");
    }

    #[test]
    fn p11_each_document_is_decided_by_itself() {
        let mut filter = filter(&["/a"], 100);
        let mut next = |text: &str| {
            let mut out = Vec::new();
            filter.restart();
            filter.push(text.as_bytes(), &mut out).and_then(|()| filter.finish(&mut out)).unwrap();
            (String::from_utf8(out).unwrap(), filter.removed())
        };
        assert_eq!(next(r#"{"x":1,"a":[]}"#), (r#"{"x":1,"a":[]}"#.into(), 0));
        assert_eq!(next(r#"{"x":1,"y":2}"#), (r#"{"y":2}"#.into(), 1));
        assert_eq!(next(r#"{"x":1,"a":null}"#), (r#"{"a":null}"#.into(), 2));
        assert_eq!(next(r#"{"x":1,"a":[]}"#), (r#"{"x":1,"a":[]}"#.into(), 2));
    }

    #[test]
    fn a_longer_document_is_decided_by_what_has_been_found() {
        let before = r#"{"x":"","a":"#.len();
        for (at, is_seen) in [(198, true), (199, true), (200, false)] {
            let text = format!(r#"{{"x":"{}","a":[]}}"#, "-".repeat(at - before));
            let shown = shown(&["/a"], 100, &text).unwrap();
            assert_eq!(shown.contains('x'), is_seen, "{at}");
        }
    }

    #[test]
    fn an_object_over_its_limit_is_not_looked_at() {
        for (length, result) in [(49, Ok(())), (50, Ok(())), (51, Err(Fault::Gone))] {
            let text = format!(r#"{{"a":{{"b":"{}"}}}}"#, "-".repeat(length - 8));
            assert_eq!(shown(&["/a"], 50, &text).map(|_| ()), result, "{length}");
        }
    }
}
