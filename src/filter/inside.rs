//! A part of a document, filtered alone as it would be in its place.

use super::engine::Engine;
use super::fault::Fault;
use super::mask::{HIDE, Mask, NodeId, Types};
use super::pick::Path;
use super::place::Token;
use super::{Filter, Limits, ahead};
use std::sync::Arc;

impl Filter {
    /// A filter for the value that stands at `place` (or, if `element`, for one of its elements) of a
    /// document whose mask this is; `None` if it is hidden there.
    ///
    /// The containers on the way are taken for what the place says: objects, and for `element` an
    /// array. Pointers of the mask that do not fit on the way are known not to fit; where none is
    /// left, the filter says [`Fault::Shape`] from the start. What has several meanings is hidden:
    /// a `*` in the place, a number in it where the mask treats element and member differently, and
    /// an element where the mask singles out some by their index.
    ///
    /// A value that the mask hides whole for its type is no fault, but leaves no output: see
    /// [`Filter::shows`].
    pub fn inside(mask: Arc<Mask>, place: &Path, element: bool, limits: Limits) -> Option<Filter> {
        match At::root(&mask).walk(place, element) {
            Ok(None) => None,
            Ok(Some(At { node, unfit, .. })) => {
                let ahead = ahead(&mask, &limits, Some((place, element)));
                Some(Filter { ahead, ..Filter::with(Engine::part(mask, &limits, node, unfit)) })
            }
            Err(fault) => {
                let nothing = Engine::part(mask, &limits, HIDE, 0);
                Some(Filter { fault: Some(fault), ..Filter::with(nothing) })
            }
        }
    }

    /// Filters a whole value and appends what passes to `out`; says whether anything does. Who wants
    /// to know what was removed calls [`Filter::push`] and [`Filter::finish`] instead.
    pub fn shows(mut self, value: &[u8], out: &mut Vec<u8>) -> Result<bool, Fault> {
        let before = out.len();
        self.push(value, out)?;
        self.finish(out)?;
        Ok(out.len() > before)
    }
}

/// Where the way has come to in a mask.
#[derive(Clone, Copy)]
struct At<'a> {
    mask: &'a Mask,
    node: NodeId,
    /// Pointers that do not fit.
    unfit: u32,
}

impl<'a> At<'a> {
    fn root(mask: &'a Mask) -> At<'a> {
        At { mask, node: mask.root(), unfit: 0 }
    }

    /// Down to the place or its elements; `None` where what is there is hidden, or cannot be told.
    fn walk(self, place: &Path, element: bool) -> Result<Option<At<'a>>, Fault> {
        let mut at = self;
        for token in place.tokens() {
            let Some(next) = at.step(token)? else { return Ok(None) };
            at = next;
        }
        if !element {
            return Ok(at.unless_hidden());
        }
        Ok(at.element()?.and_then(At::unless_hidden))
    }

    fn step(self, token: &Token) -> Result<Option<At<'a>>, Fault> {
        let Token::Name(name, index) = token else { return Ok(None) };
        let member = self
            .through(Types::OBJECT)
            .map(|passes| passes.map(|at| at.down(at.mask.member(at.node, name))));
        let Some(index) = index else { return member };
        let element = self
            .through(Types::ARRAY)
            .map(|passes| passes.map(|at| at.down(at.mask.element(at.node, *index))));
        let told = |at: &Option<At<'_>>| at.map(|at| (at.node, at.unfit));
        let same = member.as_ref().map(told) == element.as_ref().map(told);
        if same { member } else { Ok(None) }
    }

    fn element(self) -> Result<Option<At<'a>>, Fault> {
        let Some(at) = self.through(Types::ARRAY)? else { return Ok(None) };
        let items = at.mask.node(at.node).items;
        let alike = at.mask.plan(at.node).elements.iter().all(|(_, id)| *id == items);
        Ok(alike.then_some(at.down(items)))
    }

    /// A container of this type stands here: judged as the engine judges it.
    fn through(mut self, is: Types) -> Result<Option<At<'a>>, Fault> {
        for (pointers, types) in &self.mask.plan(self.node).ways {
            if !types.accept(is) {
                self.unfit |= pointers;
            }
        }
        let all = self.mask.alternatives();
        if all != 0 && self.unfit & all == all {
            return Err(Fault::Shape);
        }
        Ok(self.mask.node(self.node).types.accept(is).then_some(self))
    }

    fn down(self, node: NodeId) -> At<'a> {
        At { node, ..self }
    }

    fn unless_hidden(self) -> Option<At<'a>> {
        (self.node != HIDE).then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::algebra::intersect;
    use crate::filter::mask::{MaskBuilder, Node, SHOW};
    use crate::filter::place::place;

    fn customer() -> Mask {
        let mut builder = MaskBuilder::new();
        let fields = vec![("ssn".into(), HIDE)];
        let root = builder.add(Node { types: Types::OBJECT, fields, ..Node::open() });
        builder.finish(root)
    }

    /// What stands at the place, filtered alone; `None` where it is hidden.
    fn shown(mask: &Mask, at: &str, element: bool, text: &str) -> Result<Option<String>, Fault> {
        let place = Path::parse(at).unwrap();
        let Some(filter) =
            Filter::inside(Arc::new(mask.clone()), &place, element, Limits::default())
        else {
            return Ok(None);
        };
        let mut out = b"before".to_vec();
        let shows = filter.shows(text.as_bytes(), &mut out)?;
        assert_eq!(shows, out.len() > 6);
        Ok(shows.then(|| String::from_utf8(out[6..].to_vec()).unwrap()))
    }

    #[test]
    fn a_part_is_filtered_as_in_its_place() {
        let mask = place("/data/*", 0, &customer()).unwrap();
        let row = r#"{"ssn":1,"a":{"ssn":2}}"#;
        let is = |at, element, text: &str| {
            assert_eq!(shown(&mask, at, element, row).unwrap().as_deref(), Some(text), "{at}");
        };
        is("/data", true, r#"{"a":{"ssn":2}}"#);
        is("/data/x", false, r#"{"a":{"ssn":2}}"#);
        is("/data/0", false, r#"{"a":{"ssn":2}}"#);
        let whole = r#"{"x":{"ssn":1,"a":[]}}"#;
        let inner = shown(&mask, "/data", false, whole).unwrap();
        assert_eq!(inner.as_deref(), Some(r#"{"x":{"a":[]}}"#));
        assert_eq!(shown(&mask, "/data", false, row), Err(Fault::Shape));
        is("/other", true, row);
        is("", false, row);
    }

    #[test]
    fn what_is_hidden_on_the_way_is_hidden() {
        let mut builder = MaskBuilder::new();
        let list = builder.add(Node { types: Types::ARRAY, items: HIDE, ..Node::open() });
        let fields = vec![("gone".into(), HIDE), ("list".into(), list)];
        let root = builder.add(Node { types: Types::OBJECT, fields, ..Node::open() });
        let mask = builder.finish(root);
        for (at, element) in
            [("/gone", false), ("/gone/x", true), ("/list", true), ("/list/x", false), ("", true)]
        {
            assert_eq!(shown(&mask, at, element, "1"), Ok(None), "{at}");
        }
        assert_eq!(shown(&mask, "/list", false, "[1]").unwrap().as_deref(), Some("[]"));
        assert_eq!(shown(&mask, "/*", false, "1"), Ok(None));
    }

    #[test]
    fn a_value_of_another_type_is_hidden_and_no_fault_where_no_pointer_asks() {
        let mut builder = MaskBuilder::new();
        let item = builder.add(Node { types: Types::INTEGER, ..Node::open() });
        let root = builder.add(Node { types: Types::ARRAY, items: item, ..Node::open() });
        let mask = builder.finish(root);
        assert_eq!(shown(&mask, "", true, "1.0").unwrap().as_deref(), Some("1.0"));
        for text in ["1.5", "\"a\"", "{}", "[1]", "null "] {
            assert_eq!(shown(&mask, "", true, text), Ok(None), "{text}");
        }
        assert!(matches!(shown(&mask, "", true, "[1,]"), Err(Fault::Grammar { .. })));
    }

    #[test]
    fn p11_pointers_that_do_not_fit_on_the_way_are_carried_along() {
        // An object at the root, or a list of them.
        let one = place("", 0, &customer()).unwrap();
        let list = place("/*", 1, &customer()).unwrap();
        let mask = intersect(&one, &list);
        let row = r#"{"ssn":1,"a":2}"#;
        assert_eq!(shown(&mask, "", true, row).unwrap().as_deref(), Some(r#"{"a":2}"#));
        // The root was an array, so the first does not fit; now the second does not either.
        assert_eq!(shown(&mask, "", true, "7"), Err(Fault::Shape));
        assert_eq!(shown(&one, "", true, row), Err(Fault::Shape));
        assert_eq!(shown(&one, "/x", true, row).unwrap().as_deref(), Some(row));
    }

    #[test]
    fn a_number_in_the_place_is_an_element_and_a_member_alike_or_hidden() {
        let both = place("/0", 0, &customer()).unwrap();
        assert_eq!(shown(&both, "/0", false, r#"{"ssn":1}"#).unwrap().as_deref(), Some("{}"));
        let mut builder = MaskBuilder::new();
        let root =
            builder.add(Node { fields: vec![("0".into(), SHOW)], items: HIDE, ..Node::open() });
        let differ = builder.finish(root);
        assert_eq!(shown(&differ, "/0", false, "1"), Ok(None));
        // One element is singled out by its index: which one a row is, nobody says here.
        assert_eq!(shown(&both, "", true, r#"{"ssn":1}"#), Ok(None));
    }
}
