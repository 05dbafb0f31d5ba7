//! Schemas that are none, and the very text that is underlined.

use portcullis::diag::{Code, Report};
use portcullis::policy::front;
use portcullis::policy::resolve::{Surroundings, resolve};
use portcullis::source::Sources;

/// Code, underlined text, message and help of every problem.
fn problems(policy: &str) -> Vec<(Code, String, String, String)> {
    let mut sources = Sources::default();
    sources.add("policy.yaml", format!("policy: 1\n{policy}"));
    let (raw, mut report): (_, Report) = front::read(&sources);
    resolve(&raw, &Surroundings::default(), &mut report);
    report.sort();
    let text = |p: &portcullis::diag::Diagnostic| {
        p.primary.as_ref().map(|label| sources.text(label.span).to_owned()).unwrap_or_default()
    };
    let all = report.problems().iter();
    all.map(|p| (p.code, text(p), p.message.clone(), p.help.clone().unwrap_or_default())).collect()
}

fn body(body: &str) -> String {
    format!(
        "resource_types: [{{id: t, at: [{{path: /t, pointer: ''}}]}}]\n\
         schemas:\n  - id: s\n    type: t\n    body: {body}\n"
    )
}

/// One problem: its code, what is underlined, a part of what is said, a part of the help.
#[track_caller]
fn refused(text: &str, code: Code, underlined: &str, message: &str, help: &str) {
    let found = problems(&body(text));
    let [(is, under, said, helped)] = &found[..] else { panic!("{text}: {found:?}") };
    assert_eq!((*is, under.as_str()), (code, underlined), "{text}: {found:?}");
    assert!(said.contains(message) && helped.contains(help), "{text}: {found:?}");
}

#[test]
fn schema_valid_underlines_the_value_of_the_wrong_keyword() {
    let invalid = |text: &str, underlined: &str, message: &str| {
        refused(text, Code::SchemaValid, underlined, message, "");
    };
    invalid("{minimum: x}", "x", "`minimum` cannot be so");
    invalid("{items: {maxLength: -1}}", "-1", "`maxLength` cannot be so");
    invalid("{multipleOf: 0}", "0", "`multipleOf` cannot be so");
    invalid("{items: {pattern: 'a('}}", "'a('", "`pattern` cannot be so");
    invalid("{pattern: '(?=a)'}", "'(?=a)'", "`pattern` cannot be so");
    invalid("{required: a, additionalProperties: true}", "a", "`required` cannot be so");
    invalid("{required: [a, a], additionalProperties: true}", "[a, a]", "`required` cannot be so");
    invalid("{not: 3}", "3", "a schema is a mapping");
    invalid("{minContains: 1}", "minContains", "says nothing without `contains`");
    invalid("{items: {$ref: '#/$defs/x'}}", "'#/$defs/x'", "there is no definition `x`");
    invalid("{$defs: {x y: true}}", "x y", "`x y` is no name");
    invalid("{not: {readOnly: true}}", "readOnly", "says nothing where values alone are judged");
}

/// Every expression that is none, and whatever else is wrong, in one run.
#[test]
fn expressions_that_are_none_are_told_together_and_beside_other_faults() {
    let of = |text: &str| -> Vec<String> {
        problems(&body(text)).into_iter().map(|(_, underlined, ..)| underlined).collect()
    };
    assert_eq!(of("{items: {pattern: '(?=a)'}, pattern: '(?=b)'}"), ["'(?=a)'", "'(?=b)'"]);
    assert_eq!(of("{minimum: x, pattern: '(?=b)'}"), ["x", "'(?=b)'"]);
    assert_eq!(of("{required: [a], pattern: '(?=b)'}").last().unwrap(), "'(?=b)'");
    assert_eq!(of("{enum: [{pattern: '(?=a)'}]}"), [""; 0]);
}

#[test]
fn keywords_that_are_not_enforced_are_refused_by_name() {
    for keyword in ["unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "contentEncoding"] {
        let text = format!("{{items: {{{keyword}: x}}}}");
        refused(&text, Code::NotEnforced, keyword, "is not enforced", "take it out");
    }
    refused("{maximun: 3}", Code::SchemaValid, "maximun", "has no keyword", "`maximum`");
    refused("{formats: assert}", Code::SchemaValid, "formats", "has no keyword", "beside `body`");
}

#[test]
fn branches_that_show_different_fields_are_told_how_to_split() {
    let shows = |name: &str| {
        format!("{{type: object, additionalProperties: false, properties: {{{name}: true}}}}")
    };
    let text = format!("{{oneOf: [{}, {}]}}", shows("a"), shows("b"));
    let message = "one of them hides `/b`, and another does not";
    refused(
        &text,
        Code::SchemaValid,
        "oneOf",
        message,
        "one schema, with a resource type of its own",
    );
    let text = format!("{{if: {{const: 1}}, then: {}}}", shows("a"));
    refused(&text, Code::SchemaValid, "if", "show different fields", "beside it");
}

#[test]
fn schema_additional_explicit_names_the_schema() {
    let inner = "{required: [a]}";
    let text = format!("{{items: {inner}}}");
    refused(
        &text,
        Code::SchemaAdditionalExplicit,
        inner,
        "does not say",
        "additionalProperties: true",
    );
}

#[test]
fn a_format_that_is_asserted_must_be_known() {
    let policy =
        body("{items: {format: emial}}").replace("    body", "    formats: assert\n    body");
    let found = problems(&policy);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].0, found[0].1.as_str()), (Code::SchemaValid, "emial"), "{found:?}");
    assert_eq!(problems(&body("{items: {format: emial}}")), []);
}
