//! The rules of `bodies.md` for requests, one by one.

use super::*;
use crate::filter::mask::{MaskBuilder, Node};
use crate::filter::place::place;

/// `ssn` is hidden, `name` a text, `age` an integer, `tags` whole; `home.zip` is hidden, and so
/// is `secret` in the elements of `cards`.
fn mask() -> Mask {
    let mut builder = MaskBuilder::new();
    let mut object = |fields: Vec<(&str, NodeId)>, types: Types| {
        let fields = fields.into_iter().map(|(name, id)| (name.into(), id)).collect();
        builder.add(Node { types, fields, ..Node::open() })
    };
    let name = object(vec![], Types::STRING);
    let age = object(vec![], Types::INTEGER);
    let home = object(vec![("zip", HIDE)], Types::OBJECT);
    let card = object(vec![("secret", HIDE)], Types::OBJECT);
    let cards = builder.add(Node { types: Types::ARRAY, items: card, ..Node::open() });
    let fields = [("ssn", HIDE), ("name", name), ("age", age), ("home", home), ("cards", cards)];
    let fields = fields.into_iter().map(|(name, id)| (name.into(), id)).collect();
    let root = builder.add(Node { types: Types::OBJECT, fields, ..Node::open() });
    builder.finish(root)
}

fn put(body: impl AsRef<[u8]>) -> Result<(), WriteFault> {
    check(&mask(), body.as_ref(), &Limits::default(), Patch::No)
}

fn merge(body: &str) -> Result<(), WriteFault> {
    check(&mask(), body.as_bytes(), &Limits::default(), Patch::Merge)
}

fn fields(pointers: &[&str]) -> Result<(), WriteFault> {
    Err(WriteFault::Fields(pointers.iter().map(|pointer| (*pointer).to_owned()).collect()))
}

fn types(pointers: &[&str]) -> Result<(), WriteFault> {
    Err(WriteFault::Types(pointers.iter().map(|pointer| (*pointer).to_owned()).collect()))
}

#[test]
fn p10_every_hidden_field_is_named() {
    assert_eq!(put(r#"{"name":"a","tags":[1,{"ssn":2}],"home":{"city":"x"}}"#), Ok(()));
    let body = r#"{"ssn":1,"home":{"zip":{"a":1}},"cards":[{},{"secret":2}]}"#;
    assert_eq!(put(body), fields(&["/ssn", "/home/zip", "/cards/1/secret"]));
    assert_eq!(put(r#"{"s\u0073n":1}"#), fields(&["/ssn"]));
}

#[test]
fn p10_fields_go_before_types() {
    assert_eq!(put(r#"{"name":1,"age":1.5,"home":null}"#), types(&["/name", "/age", "/home"]));
    assert_eq!(put(r#"{"name":1,"ssn":null}"#), fields(&["/ssn"]));
    assert_eq!(put("[]"), types(&[""]));
    assert_eq!(put(r#"{"age":1.0}"#), Ok(()));
}

#[test]
fn p10_a_mask_that_hides_all_takes_nothing() {
    let nothing = MaskBuilder::new().finish(HIDE);
    let result = check(&nothing, b"{}", &Limits::default(), Patch::No);
    assert_eq!(result, fields(&[""]));
}

#[test]
fn p10_a_merge_patch_may_not_erase_what_is_hidden() {
    assert_eq!(merge(r#"{"ssn":null}"#), fields(&["/ssn"]));
    assert_eq!(merge(r#"{"home":null}"#), fields(&["/home"]));
    assert_eq!(merge(r#"{"home":[1]}"#), fields(&["/home"]));
    assert_eq!(merge(r#"{"home":"x"}"#), fields(&["/home"]));
    assert_eq!(merge(r#"{"cards":[]}"#), fields(&["/cards"]));
    assert_eq!(merge(r#"{"cards":[{"secret":1}]}"#), fields(&["/cards", "/cards/0/secret"]));
    // An object over a stored array replaces it.
    assert_eq!(merge(r#"{"cards":{}}"#), fields(&["/cards"]));
    assert_eq!(merge("null"), fields(&[""]));
}

#[test]
fn p10_a_merge_patch_may_remove_what_is_the_callers() {
    assert_eq!(merge(r#"{"name":null,"age":null,"tags":null,"home":{"city":null}}"#), Ok(()));
    assert_eq!(merge(r#"{"name":7}"#), types(&["/name"]));
    assert_eq!(put(r#"{"name":null}"#), types(&["/name"]));
}

#[test]
fn p10_what_reads_in_two_ways_is_invalid() {
    for body in [
        &br#"{"tags":{"a":1,"a":2}}"#[..],
        br#"{"a":1,"\u0061":2}"#,
        br#"{"ssn":1,"ssn":2}"#,
        br#"["\ud800"]"#,
        br#"{"\udc00a":1}"#,
        br#"{"a\u0000":1}"#,
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\0}\0",
        b"{\0}\0",
        b"{\"a\":\"\xff\"}",
        b"NaN",
        b"{}//",
        b"/**/{}",
        b"{} {}",
        b"",
        b"{\"a\":01}",
        b"{\"a\":1,}",
        b"{'a':1}",
    ] {
        let text = String::from_utf8_lossy(body);
        assert!(matches!(put(body), Err(WriteFault::Invalid(_))), "{text}");
    }
    assert_eq!(put(r#"{"a":"\ud83d\ude00","b":"\u0000"}"#), Ok(()));
}

#[test]
fn p10_siblings_that_fold_alike_are_invalid_where_one_is_named() {
    for body in [
        r#"{"name":"a","NAME":"b"}"#,
        r#"{"ſſn":1,"ssn":2}"#,
        r#"{"Age":1,"age":1}"#,
        r#"{"age":1,"age(1i)":1}"#,
    ] {
        let result = put(body);
        assert!(matches!(result, Err(WriteFault::Invalid(Fault::CaseVariant { .. }))), "{body}");
    }
    assert_eq!(put(r#"{"Tags":1,"tags":2,"NAME":1,"Name":2}"#), Ok(()));
}

#[test]
fn p10_a_hidden_name_in_another_case_is_that_name() {
    for (body, pointer) in [
        (r#"{"SSN":1}"#, "/SSN"),
        (r#"{"ſſn":1}"#, "/ſſn"),
        (r#"{"ssn(1i)":1}"#, "/ssn(1i)"),
        (r#"{"SSN(2)":1}"#, "/SSN(2)"),
        (r#"{"Cards":[{"secret":1}]}"#, "/Cards/0/secret"),
    ] {
        assert_eq!(put(body), fields(&[pointer]), "{body}");
    }
    for body in [r#"{"NAME":1}"#, r#"{"name(1i)":1,"name(2i)":2}"#, r#"{"ssn(a b)":1}"#] {
        assert_eq!(put(body), Ok(()), "{body}");
    }
}

/// A variant of a name is judged as the field; where other rules apply to it as well, nothing passes.
#[test]
fn p10_a_variant_to_which_other_rules_apply_is_refused() {
    let mut builder = MaskBuilder::new();
    let mut of =
        |types, fields, others| builder.add(Node { types, fields, others, ..Node::open() });
    let home = of(Types::OBJECT, vec![("zip".into(), HIDE)], SHOW);
    let name = of(Types::STRING, vec![], SHOW);
    let others = of(Types::STRING.or(Types::OBJECT), vec![], SHOW);
    let fields = vec![("home".into(), home), ("name".into(), name)];
    let root = of(Types::OBJECT, fields, others);
    let mask = builder.finish(root);
    let put = |body: &str| check(&mask, body.as_bytes(), &Limits::default(), Patch::No);
    assert_eq!(put(r#"{"home":{"a":1},"NAME":"x","other":{}}"#), Ok(()));
    assert_eq!(put(r#"{"HOME":{"zip":1}}"#), self::fields(&["/HOME"]));
    assert_eq!(put(r#"{"HOME":"x"}"#), self::fields(&["/HOME"]));
    assert_eq!(put(r#"{"NAME":1}"#), types(&["/NAME"]));
}

#[test]
fn p02_a_body_does_not_override_the_method() {
    assert_eq!(put(r#"{"_method":"DELETE"}"#), fields(&["/_method"]));
    assert_eq!(put(r#"{"tags":{"_method":1}}"#), Ok(()));
}

#[test]
fn p10_limits_hold() {
    let limits = Limits { depth: 3, key: 4, names: 20, pointers: 2, ..Limits::default() };
    let run = |body: &str| check(&mask(), body.as_bytes(), &limits, Patch::No);
    for (depth, fits) in [(2, true), (3, true), (4, false)] {
        let body = format!(r#"{{"t":{}{}}}"#, "[".repeat(depth - 1), "]".repeat(depth - 1));
        assert_eq!(run(&body).is_ok(), fits, "{body}");
    }
    for (length, fits) in [(3, true), (4, true), (5, false)] {
        assert_eq!(run(&format!(r#"{{"{}":1}}"#, "k".repeat(length))).is_ok(), fits);
    }
    for (count, fits) in [(19, true), (20, true), (21, false)] {
        let members: Vec<_> = (0..count).map(|n| format!(r#""k{n}":1"#)).collect();
        assert_eq!(run(&format!("{{{}}}", members.join(","))).is_ok(), fits);
    }
    let many = r#"{"c":[{"a":1},{"a":1}],"ssn":1}"#;
    assert_eq!(run(many), fields(&["/ssn"]));
}

#[test]
fn p10_the_deepest_setting_is_walked_without_harm() {
    let limits = Limits { depth: usize::MAX, ..Limits::default() };
    let show = MaskBuilder::new().finish(SHOW);
    for (depth, fits) in [(511, true), (512, true), (513, false), (100_000, false)] {
        let body = r#"[{"k":"#.repeat(depth / 2) + &"[".repeat(depth % 2);
        let body = body + "1" + &"]".repeat(depth % 2) + &"}]".repeat(depth / 2);
        assert_eq!(check(&show, body.as_bytes(), &limits, Patch::No).is_ok(), fits);
    }
}

#[test]
fn p10_pointers_stop_at_their_limit() {
    let limits = Limits { pointers: 2, ..Limits::default() };
    for (count, told) in [(1, 1), (2, 2), (3, 2)] {
        let cards = vec![r#"{"secret":1}"#; count].join(",");
        let body = format!(r#"{{"cards":[{cards}]}}"#);
        let result = check(&mask(), body.as_bytes(), &limits, Patch::No);
        assert!(matches!(result, Err(WriteFault::Fields(list)) if list.len() == told));
    }
}

#[test]
fn p10_a_body_of_another_shape_is_a_wrong_type() {
    let placed = place("/data/*", 0, &mask()).unwrap();
    let run = |body: &str| check(&placed, body.as_bytes(), &Limits::default(), Patch::No);
    assert_eq!(run(r#"{"data":[{"name":"a"}]}"#), Ok(()));
    assert_eq!(run(r#"{"data":7}"#), types(&["/data"]));
    assert_eq!(run("[]"), types(&[""]));
}

#[test]
fn p10_many_keys_are_compared_fast() {
    // Comparing each with each would take 5,000,000,000 steps here.
    let members: Vec<_> = (0..100_000).map(|n| format!(r#""k{n}":1"#)).collect();
    assert_eq!(put(format!("{{{}}}", members.join(","))), Ok(()));
}

/// Pairs of the properties of [`mask`], whose names stand in `k.key`.
fn pairs(body: &str, patch: Patch) -> Result<(), WriteFault> {
    let entries = crate::filter::place::Entries::new("/k/key", "/value").unwrap();
    let mask = crate::filter::place::place_pairs("/list", &entries, 0, &mask()).unwrap();
    check(&mask, body.as_bytes(), &Limits::default(), patch)
}

#[test]
fn p10_pairs_are_judged_as_the_properties_that_they_name() {
    let list = |pairs: &[&str]| format!(r#"{{"list":[{}]}}"#, pairs.join(","));
    let run = |body: &[&str]| pairs(&list(body), Patch::No);
    assert_eq!(run(&[r#"{"k":{"key":"name"},"value":"x","_method":1}"#]), Ok(()));
    let hidden = r#"{"value":1,"k":{"key":"s\u0073n"}}"#;
    assert_eq!(run(&[r#"{"k":{"key":"age"},"value":1}"#, hidden]), fields(&["/list/1/k/key"]));
    assert_eq!(run(&[r#"{"k":{"key":"SSN"},"value":1}"#]), fields(&["/list/0/k/key"]));
    assert_eq!(run(&[r#"{"k":{"key":"home"},"value":{"zip":1}}"#]), fields(&["/list/0/k/key"]));
    assert_eq!(run(&[r#"{"k":{"key":"age"},"value":"x"}"#]), types(&["/list/0/k/key"]));
    assert_eq!(run(&[r#"{"k":{"key":"age"},"VALUE":"x"}"#]), fields(&["/list/0/k/key"]));
}

#[test]
fn p10_what_is_no_pair_may_not_be_sent() {
    let list = |pair: &str| format!(r#"{{"list":[{pair}]}}"#);
    let run = |pair: &str| pairs(&list(pair), Patch::No);
    for pair in ["7", "{}", r#"{"value":1}"#, r#"{"k":1}"#, r#"{"K":{"key":"age"},"value":1}"#] {
        assert_eq!(run(pair), types(&["/list/0"]), "{pair}");
    }
    assert_eq!(run(r#"{"k":{"key":7},"value":1}"#), types(&["/list/0/k/key"]));
    let twice = r#"{"k":{"key":"age"}},{"value":2,"k":{"key":"age"}}"#;
    assert_eq!(run(twice), Err(WriteFault::Invalid(Fault::DuplicatePair)));
    for pair in [
        r#"{"k":{"key":"age"}},{"k":{"key":"AGE"}}"#,
        r#"{"k":{"key":"age"},"K":{"key":"ssn"},"value":1}"#,
        r#"{"k":{"key":"age","KEY":"ssn"},"value":1}"#,
        r#"{"k":{"key":"age"},"value":1,"Value":2}"#,
    ] {
        let result = run(pair);
        assert!(
            matches!(result, Err(WriteFault::Invalid(Fault::CaseVariant { .. }))),
            "{pair} {result:?}"
        );
    }
}

#[test]
fn p10_a_merged_list_names_the_pairs_that_it_changes() {
    let one = r#"{"list":[{"k":{"key":"name"},"value":"x"}]}"#;
    assert_eq!(pairs(one, Patch::Merge), Ok(()));
    assert_eq!(pairs(r#"{"list":[]}"#, Patch::Merge), Ok(()));
    assert_eq!(pairs(r#"{"list":null}"#, Patch::Merge), fields(&["/list"]));
    assert_eq!(pairs(r#"{"list":{}}"#, Patch::Merge), fields(&["/list"]));
    let hidden = r#"{"list":[{"k":{"key":"ssn"},"value":null}]}"#;
    assert_eq!(pairs(hidden, Patch::Merge), fields(&["/list/0/k/key"]));
}

#[test]
fn p10_keys_are_counted_while_their_object_is_open() {
    let limits = Limits { names: 3, ..Limits::default() };
    let fits = |body: &str| well_formed(body.as_bytes(), &limits).is_ok();
    assert!(fits(r#"[{"a":1,"b":2,"c":3},{"a":1,"b":2,"c":3},{"a":1,"b":{"c":3}}]"#));
    assert!(!fits(r#"[{"a":1,"b":2,"c":3,"d":4}]"#));
    assert!(!fits(r#"{"a":1,"b":{"c":1,"d":2}}"#));
}

#[test]
fn p10_what_is_wrong_is_told_where_it_stands() {
    for (body, fault) in [
        ("[1}", Fault::Grammar { offset: 2 }),
        (r#"{"a":1]"#, Fault::Grammar { offset: 6 }),
        (r#"{"a"x"#, Fault::Grammar { offset: 4 }),
        (r#"{"a":falsy}"#, Fault::Grammar { offset: 9 }),
        (r#"{"a":nul"#, Fault::Truncated),
        (r#"{"a""#, Fault::Truncated),
        ("[1", Fault::Truncated),
        ("[1,", Fault::Truncated),
    ] {
        assert_eq!(well_formed(body.as_bytes(), &Limits::default()), Err(fault), "{body}");
    }
    assert_eq!(well_formed(b"[true,false,null]", &Limits::default()), Ok(()));
}

#[test]
fn p10_a_place_that_shows_nothing_takes_nothing() {
    let place = crate::filter::place::place("/a", 0, &Mask::hide()).unwrap();
    let put = |body: &str| check(&place, body.as_bytes(), &Limits::default(), Patch::No);
    assert_eq!(put(r#"{"a":{"b":1}}"#), fields(&["/a"]));
    assert_eq!(put(r#"{"b":1}"#), Ok(()));
    let mut builder = MaskBuilder::new();
    let any = Node { fields: vec![("ssn".into(), HIDE)], ..Node::open() };
    let any = builder.add(any);
    let root = vec![("o".into(), any), ("ssn".into(), HIDE)];
    let root = builder.add(Node { types: Types::OBJECT, fields: root, ..Node::open() });
    let mask = builder.finish(root);
    let merge = |body: &str| check(&mask, body.as_bytes(), &Limits::default(), Patch::Merge);
    assert_eq!(merge(r#"{"ssn":[1,[2]]}"#), fields(&["/ssn"]));
    assert_eq!(merge(r#"{"o":{"a":1}}"#), Ok(()));
    assert_eq!(merge(r#"{"o":[]}"#), fields(&["/o"]));
}
