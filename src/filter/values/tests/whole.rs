//! What is said of an object or a list as a whole, and what of its parts.

use super::*;

#[test]
fn what_is_said_of_the_object_holds_for_one_role_and_no_field_passes_by_a_failed_branch() {
    let strict = json!({
        "oneOf": [{"properties": {"n": {"maximum": 1}}}, {"properties": {"n": {"minimum": 9}}}],
    });
    let loose = json!({"properties": {"n": {"multipleOf": 2}}});
    let both = values("", vec![role(open(), &[strict]), role(open(), &[loose])]);
    assert_eq!(judge(&both, r#"{"n":1}"#, Patch::No), [""; 0]);
    assert_eq!(judge(&both, r#"{"n":4}"#, Patch::No), [""; 0]);
    assert_eq!(judge(&both, r#"{"n":5}"#, Patch::No), ["/n"]);
}

/// How many parts there are, and how they are called, is said of what they are in: a role that it does
/// not hold for still vouches for each of them.
#[test]
fn what_is_said_of_numbers_and_names_is_not_about_the_parts() {
    let others = json!({"properties": {"l": {"items": {"minimum": 5}}}});
    for (of_list, lists) in [
        (json!({"minItems": 2}), "[1]"),
        (json!({"maxItems": 1}), "[1, 1]"),
        (json!({"uniqueItems": true}), "[1, 1]"),
        (json!({"contains": {"const": 2}}), "[1]"),
    ] {
        let mut small = of_list;
        small["items"] = json!({"maximum": 1});
        let small = json!({"properties": {"l": small}});
        let both =
            values("", vec![role(open(), &[small]), role(open(), std::slice::from_ref(&others))]);
        assert_eq!(judge(&both, &format!(r#"{{"l": {lists}}}"#), Patch::No), [""; 0], "{lists}");
        assert_eq!(judge(&both, r#"{"l": [3, 3]}"#, Patch::No), ["/l/0", "/l/1"]);
    }
    let others = json!({"properties": {"n": {"minimum": 5}}});
    for of_object in [
        json!({"minProperties": 2}),
        json!({"maxProperties": 0}),
        json!({"propertyNames": {"const": "m"}}),
        json!({"required": ["m"]}),
    ] {
        let mut small = of_object;
        small["properties"] = json!({"n": {"maximum": 1}});
        let both =
            values("", vec![role(open(), &[small]), role(open(), std::slice::from_ref(&others))]);
        assert_eq!(judge(&both, r#"{"n": 1}"#, Patch::No), [""; 0]);
        assert_eq!(judge(&both, r#"{"n": 3}"#, Patch::No), ["/n"]);
    }
}

/// What one role forbids by leaving it out, another may write: no verdict about the object itself.
#[test]
fn p09_a_role_that_names_no_property_keeps_no_other_from_writing_one() {
    let asks = json!({"additionalProperties": true, "type": "object", "required": ["owner"]});
    for closed in [
        json!({"type": "object", "additionalProperties": false}),
        json!({"type": "object", "properties": {}, "additionalProperties": false}),
        json!({"type": "object", "properties": {}, "required": ["owner"], "additionalProperties": false}),
    ] {
        let closed = role(object(&[], HIDE), &[closed]);
        let both = values("", vec![closed, role(open(), std::slice::from_ref(&asks))]);
        assert_eq!(judge(&both, r#"{"a": "x", "owner": {}}"#, Patch::No), [""; 0]);
    }
}

/// The same where it asks for the very property that it leaves out.
#[test]
fn p09_what_a_closed_role_asks_for_another_may_write() {
    let asks = json!({"additionalProperties": true, "type": "object", "required": ["owner"]});
    let closed = json!({"properties": {}, "required": ["a"], "additionalProperties": false});
    let closed = role(object(&[], HIDE), &[closed]);
    let both = values("", vec![closed, role(open(), &[asks])]);
    assert_eq!(judge(&both, r#"{"a": "x"}"#, Patch::No), [""; 0]);
}

/// A role that names the whole value speaks of all that is in it: what it does not allow there, it does
/// not vouch for in parts.
#[test]
fn p09_a_role_that_names_whole_values_vouches_for_no_part_of_another() {
    let others = json!({"properties": {"l": {"items": {"minimum": 5}}}});
    for named in [json!({"const": [1]}), json!({"enum": [[1], [2]]})] {
        let named = json!({"properties": {"l": named}});
        let both =
            values("", vec![role(open(), &[named]), role(open(), std::slice::from_ref(&others))]);
        assert_eq!(judge(&both, r#"{"l": [1]}"#, Patch::No), [""; 0]);
        assert_eq!(judge(&both, r#"{"l": [7]}"#, Patch::No), [""; 0]);
        assert_eq!(judge(&both, r#"{"l": [3]}"#, Patch::No), ["/l/0"]);
    }
}
