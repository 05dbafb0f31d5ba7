//! What an object is called, where only a part of it is sent or some of it stays.
//!
//! What applies to a stored object hangs on its tag. Whoever could give it another one would see and
//! send what is hidden under the one that it has: so a part that is sent keeps the tag as it is.

use super::engine::type_of;
use super::fault::Fault;
use super::fold::fold;
use super::mask::{Mask, NodeId, Types};
use super::pair::{self, Found};
use super::plan::Tags;
use std::sync::Arc;

/// The tags that are asked for at a node and that make a difference to what passes; none for most.
pub(super) fn tags(mask: &Mask, node: NodeId) -> Vec<&Tags> {
    let mut found: Vec<&Tags> = Vec::new();
    if mask.search().is_none() {
        return found;
    }
    let (mut seen, mut todo) = (vec![node], vec![node]);
    while let Some(id) = todo.pop() {
        let Some(tags) = mask.extra(id).and_then(|extra| extra.tags.as_ref()) else { continue };
        let new: Vec<_> = tags.nodes().filter(|id| !seen.contains(id)).collect();
        seen.extend(&new);
        todo.extend(new);
        if tags.nodes().any(|id| mask.hides(id)) {
            found.push(tags);
        }
    }
    found
}

impl Tags {
    /// Whether an object that gets this value for a tag shows no more than it did: a text that is
    /// the only one to make a difference.
    pub(super) fn keeps(&self, value: &[u8], limit: usize) -> Result<bool, Fault> {
        let [(only, _)] = &self.cases[..] else { return Ok(false) };
        Ok(pair::text(value, limit)?.is_some_and(|text| *text == *only.as_bytes()))
    }

    /// The way, from an object that is merged into a stored one, to what gives that another tag; to
    /// the object around it where only a variant of a name stands there.
    pub(super) fn changed_by(
        &self,
        object: &[u8],
        limit: usize,
    ) -> Result<Option<&[Arc<str>]>, Fault> {
        for end in 1..=self.field.len() {
            let way = &self.field[..end];
            let keeps = match pair::find_only(object, way, limit)? {
                Found::Nothing => return Ok(None),
                Found::Variant => return Ok(Some(&way[..end - 1])),
                Found::At(range) if end < self.field.len() => {
                    type_of(&object[range]) == Types::OBJECT
                }
                Found::At(range) => self.keeps(&object[range], limit)?,
            };
            if !keeps {
                return Ok(Some(way));
            }
        }
        Ok(None)
    }

    /// Whether a pointer from an object leads to its tag, to what that is in, or into it.
    pub(super) fn meets(&self, tokens: &[String]) -> bool {
        self.field.iter().zip(tokens).all(|(name, token)| fold(name) == fold(token))
    }
}

#[cfg(test)]
mod tests {
    use crate::filter::Limits;
    use crate::filter::algebra::intersect;
    use crate::filter::anywhere::{Case, place_tagged};
    use crate::filter::changes::{Sides, check as check_patch};
    use crate::filter::mask::{HIDE, Mask, MaskBuilder, Node, Types};
    use crate::filter::values::Values;
    use crate::filter::write::{Patch, WriteFault, check};
    use serde_json::json;

    /// Objects that are called so hide `ssn`.
    fn tagged(field: &str, values: &[&str]) -> Mask {
        let mut builder = MaskBuilder::new();
        let fields = vec![("ssn".into(), HIDE)];
        let root = builder.add(Node { types: Types::OBJECT, fields, ..Node::open() });
        let mask = builder.finish(root);
        let case = |value: &&str| Case { value: (*value).into(), mask: mask.clone() };
        let cases: Vec<Case> = values.iter().map(case).collect();
        place_tagged("", field, 0, &cases).unwrap()
    }

    fn told(result: Result<(), WriteFault>) -> Vec<String> {
        match result {
            Ok(()) => Vec::new(),
            Err(WriteFault::Fields(pointers)) => pointers,
            Err(other) => panic!("{other:?}"),
        }
    }

    fn merged(mask: &Mask, body: &str) -> Vec<String> {
        told(check(mask, body.as_bytes(), &Limits::default(), Patch::Merge))
    }

    fn patched(mask: &Mask, operation: &serde_json::Value) -> bool {
        let sides = Sides { read: mask, write: mask, values: &Values::new() };
        let patch = json!([operation]).to_string();
        told(check_patch(&sides, patch.as_bytes(), &Limits::default())).is_empty()
    }

    #[test]
    fn p10_a_merge_patch_gives_no_object_another_tag() {
        let mask = tagged("/kind", &["Patient"]);
        for (body, pointers) in [
            (r#"{"kind":"Patient"}"#, &[][..]),
            (r#"{"name":"x"}"#, &[]),
            (r#"{"kind":"Other"}"#, &["/kind"]),
            (r#"{"kind":null}"#, &["/kind"]),
            (r#"{"KIND":"Patient"}"#, &[""]),
        ] {
            assert_eq!(merged(&mask, body), pointers, "{body}");
        }
        let mask = tagged("/meta/kind", &["Patient"]);
        for (body, pointers) in [
            (r#"{"meta":{"kind":"Patient"}}"#, &[][..]),
            (r#"{"meta":{}}"#, &[]),
            (r#"{"meta":{"kind":"Other"}}"#, &["/meta/kind"]),
            (r#"{"meta":{"Kind":"Patient"}}"#, &["/meta"]),
            (r#"{"meta":"Patient"}"#, &["/meta"]),
            (r#"{"meta":null}"#, &["/meta"]),
            (r#"{"Meta":{}}"#, &[""]),
        ] {
            assert_eq!(merged(&mask, body), pointers, "{body}");
        }
    }

    #[test]
    fn p10_a_whole_body_is_judged_as_what_it_is_called() {
        let mask = tagged("/kind", &["Patient"]);
        let put = |body: &str| told(check(&mask, body.as_bytes(), &Limits::default(), Patch::No));
        assert_eq!(put(r#"{"ssn":1,"kind":"Patient"}"#), ["/ssn"]);
        assert_eq!(put(r#"{"ssn":1}"#), ["/ssn"], "nothing says that it is another");
        assert!(put(r#"{"ssn":1,"kind":"Other"}"#).is_empty());
        assert_eq!(merged(&mask, r#"{"ssn":1,"kind":"Patient"}"#), ["/ssn"]);
        let twice = check(&mask, br#"{"kind":"A","kind":"B"}"#, &Limits::default(), Patch::No);
        assert!(matches!(twice, Err(WriteFault::Invalid(_))), "{twice:?}");
    }

    #[test]
    fn p10_where_two_tags_are_known_neither_becomes_the_other() {
        let two = tagged("/kind", &["Patient", "Doctor"]);
        assert_eq!(merged(&two, r#"{"kind":"Patient"}"#), ["/kind"]);
        assert!(!patched(&two, &json!({"op": "replace", "path": "/kind", "value": "Patient"})));
        let both = intersect(&tagged("/kind", &["Patient"]), &tagged("/type", &["Person"]));
        assert_eq!(merged(&both, r#"{"kind":"Other"}"#), ["/kind"]);
        assert_eq!(merged(&both, r#"{"type":"Other"}"#), ["/type"]);
    }

    #[test]
    fn p10_a_tag_that_makes_no_difference_may_change() {
        let case = Case { value: "Patient".into(), mask: Mask::show() };
        let mask = intersect(
            &place_tagged("", "/kind", 0, &[case]).unwrap(),
            &tagged("/type", &["Person"]),
        );
        assert_eq!(merged(&mask, r#"{"type":"Other"}"#), ["/type"]);
        let open = place_tagged("", "/kind", 0, &[]).unwrap();
        assert!(merged(&open, r#"{"kind":"Other"}"#).is_empty());
    }

    #[test]
    fn p10_a_json_patch_gives_no_object_another_tag() {
        let mask = tagged("/meta/kind", &["Patient"]);
        let put = |path: &str, value: serde_json::Value| {
            patched(&mask, &json!({"op": "replace", "path": path, "value": value}))
        };
        assert!(put("/meta/kind", json!("Patient")));
        assert!(put("/meta/name", json!("x")) && put("/name", json!({"kind": "Other"})));
        for path in ["/meta/kind", "/Meta/KIND", "/meta"] {
            assert!(!put(path, json!("Other")), "{path}");
            assert!(!patched(&mask, &json!({"op": "remove", "path": path})), "{path}");
            assert!(!patched(&mask, &json!({"op": "move", "from": "/x", "path": path})), "{path}");
        }
        // The text is the tag's, and stands elsewhere.
        assert!(!put("/meta", json!("Patient")));
        assert!(!put("/meta/kind/x", json!("Patient")));
    }
}
