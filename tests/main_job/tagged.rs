//! Objects that say by a tag what they are, as FHIR's resources do.

use super::Api;
use crate::support::upstream::response;
use crate::support::{Response, Upstream};
use serde_json::Value;

/// Everything under `/fhir` has resources anywhere; `/search` has them in the entries of a bundle.
const RULES: &str = r#"
roles:
  - {id: nurse, grants: [{path: "/fhir/**", access: crud}, {path: /search, access: r}, {path: "/patients/{id}", access: ru}], schemas: [patient-of-nurse, observation-of-nurse]}
  - {id: doctor, grants: [{path: "/fhir/**", access: crud}, {path: /search, access: r}, {path: "/patients/{id}", access: ru}], schemas: [patient-of-doctor, observation-of-nurse]}
resource_types:
  - id: patient
    at: [{path: "/fhir/**", pointer: "/**", is: {field: /resourceType, value: Patient}}, {path: /search, pointer: "/entry/*/resource", is: {field: /resourceType, value: Patient}}, {path: "/patients/{id}", pointer: "", is: {field: /resourceType, value: Patient}}]
  - id: observation
    at: [{path: "/fhir/**", pointer: "/**", is: {field: /resourceType, value: Observation}}, {path: /search, pointer: "/entry/*/resource", is: {field: /resourceType, value: Observation}}, {path: "/patients/{id}", pointer: "/contained/*", is: {field: /resourceType, value: Observation}}]
  - id: bundle
    at: [{path: "/fhir/**", pointer: "/**", is: {field: /resourceType, value: Bundle}}]
schemas:
  - id: patient-of-nurse
    type: patient
    body: {type: object, additionalProperties: false, properties: {resourceType: true, id: {readOnly: true}, name: {type: array, maxItems: 2}, contained: true}, required: [name]}
  - id: patient-of-doctor
    type: patient
    body: {type: object, additionalProperties: true, properties: {ssn: false}}
  - id: observation-of-nurse
    type: observation
    body: {type: object, additionalProperties: true, properties: {note: false}}
"#;

const BUNDLE: &str = r#"{"resourceType":"Bundle","total":3,"entry":[{"fullUrl":"u1","resource":{"id":"1","ssn":"CANARY","name":[{"family":"A"}],"contained":[{"note":"CANARY","value":7,"resourceType":"Observation"}],"resourceType":"Patient"}},{"resource":{"resourceType":"Observation","note":"CANARY","value":8}},{"resource":{"resourceType":"Organization","note":"public"}}]}"#;

fn pointers(answer: &Response) -> Vec<String> {
    let errors = answer.json()["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().map(|error: &Value| error["pointer"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn p11_each_object_gets_the_mask_of_its_tag_wherever_it_stands() {
    let api = Api::over(Upstream::json(BUNDLE), RULES);
    let inner = r#""name":[{"family":"A"}],"contained":[{"value":7,"resourceType":"Observation"}],"resourceType":"Patient"}"#;
    let rest = r#"},{"resource":{"resourceType":"Observation","value":8}},{"resource":{"resourceType":"Organization","note":"public"}}]}"#;
    let head =
        r#"{"resourceType":"Bundle","total":3,"entry":[{"fullUrl":"u1","resource":{"id":"1","#;
    for who in ["ana:nurse", "ana:doctor", "ana:nurse,doctor"] {
        let seen = api.call(who, "GET", "/fhir/Patient");
        assert_eq!(seen.text(), [head, inner, rest].concat(), "{who}");
    }
}

#[test]
fn p11_objects_of_one_pointer_are_told_apart_by_their_tags() {
    let api = Api::over(Upstream::json(BUNDLE), RULES);
    let answer = api.call("ana:nurse", "GET", "/search");
    let seen = answer.text();
    // Inside of a patient nothing is asked here: its schema shows what it contains.
    assert!(seen.contains(r#""contained":[{"note":"CANARY","#), "{seen}");
    assert!(!seen.contains("ssn") && !seen.contains(r#""note":"CANARY","value":8"#), "{seen}");
    let none = r#"{"entry":[{"resource":{"ssn":"CANARY","note":"CANARY","name":[1]}}]}"#;
    let seen = Api::over(Upstream::json(none), RULES).call("ana:nurse", "GET", "/search");
    assert_eq!(seen.text(), r#"{"entry":[{"resource":{"name":[1]}}]}"#);
}

#[test]
fn p11_tags_that_are_missing_doubled_or_late_open_nothing() {
    let late = format!(
        r#"{{"ssn":"CANARY","name":["{}"],"resourceType":"Organization"}}"#,
        "x".repeat(1 << 20)
    );
    for (stored, status) in [
        (r#"{"ssn":"CANARY","name":[]}"#, 200),
        (r#"{"resourceType":["Patient"],"ssn":"CANARY"}"#, 200),
        (r#"{"resourceType":"Patient","ssn":"CANARY","resourceType":"Organization"}"#, 502),
        (r#"{"re\u0073ourceType":"P\u0061tient","ssn":"CANARY"}"#, 200),
        (r#"[[{"ssn":"CANARY","resourceType":"Patient"}]]"#, 200),
        (r#"{"data":{"ssn":"CANARY","resourceType":"Patient"}}"#, 200),
        (&late, 200),
    ] {
        let answer = Api::over(Upstream::json(stored), RULES).call("ana:nurse", "GET", "/fhir/x");
        assert_eq!(answer.status, status, "{stored:.80}");
        assert!(!answer.text().contains("CANARY"), "{stored:.80}: {:.200}", answer.text());
    }
}

#[test]
fn p11_an_error_speaks_of_no_type_by_name() {
    let body = r#"{"resourceType":"OperationOutcome","issue":[{"ssn":"CANARY"}]}"#;
    let upstream = || Upstream::fixed(crate::support::upstream::json_response(409, body));
    // A schema that lists what it shows says nothing of other bodies.
    let answer = Api::over(upstream(), RULES).call("ana:nurse", "GET", "/fhir/Patient");
    assert_eq!(answer.status, 409);
    super::assert_problem("GET", &answer);
    let answer = Api::over(upstream(), RULES).call("ana:doctor", "GET", "/fhir/Patient");
    assert_eq!((answer.status, answer.text().contains("CANARY")), (409, false));
}

#[test]
fn p10_what_is_sent_is_judged_by_its_tag() {
    let api = Api::start(RULES);
    for (body, status, at_fault) in [
        (r#"{"resourceType":"Patient","name":[],"ssn":1}"#, 403, "/ssn"),
        (r#"{"name":[],"ssn":1,"resourceType":"Patient"}"#, 403, "/ssn"),
        (r#"{"resourceType":"Patient","name":[],"id":"1"}"#, 403, "/id"),
        (r#"{"resourceType":"Patient"}"#, 422, ""),
        (r#"{"resourceType":"Patient","name":[1,2,3]}"#, 422, "/name"),
        (r#"{"resourceType":"Observation","note":1}"#, 403, "/note"),
        (
            r#"{"resourceType":"Bundle","entry":[{"resource":{"note":1,"resourceType":"Observation"}}]}"#,
            403,
            "/entry/0/resource/note",
        ),
        (
            r#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient"}}]}"#,
            422,
            "/entry/0/resource",
        ),
        // What does not say what it is must be what all are.
        (r#"{"name":[],"value":1}"#, 403, "/value"),
        (r#"{"resourceType":7,"name":[],"value":1}"#, 403, "/value"),
        (r#"{"name":[],"ssn":1,"ResourceType":"Organization"}"#, 403, "/ssn"),
    ] {
        let answer = api.refused("POST", status, || api.send("ana:nurse", "POST", "/fhir/x", body));
        let found = pointers(&answer);
        assert!(found.iter().any(|found| found == at_fault), "{body}: {found:?}");
    }
    for body in [
        r#"{"resourceType":"Patient","resourceType":"Organization","name":[]}"#,
        r#"{"resourceType":"Organization","ResourceType":"Patient","ssn":1}"#,
        r#"{"ResourceType":"Patient","ssn":1,"resourceType":"Organization"}"#,
    ] {
        api.refused("POST", 400, || api.send("ana:nurse", "POST", "/fhir/x", body));
    }
    for body in [
        r#"{"resourceType":"Patient","name":[{"family":"A"}]}"#,
        r#"{"resourceType":"Organization","ssn":1}"#,
        r#"{"resourceType":"Bundle","entry":[{"request":{"method":"POST"},"resource":{"resourceType":"Observation","value":1}}]}"#,
    ] {
        assert_eq!(api.send("ana:nurse", "POST", "/fhir/x", body).status, 200, "{body}");
    }
}

/// Were its tag believed, the hidden field of a patient could be written; and where anything may hold
/// a patient, whatever replaces something may erase one.
#[test]
fn p10_a_merge_patch_does_not_say_what_is_stored() {
    let api = Api::start(RULES);
    for body in [
        r#"{"resourceType":"Organization","ssn":1}"#,
        r#"{"resourceType":"Bundle","ssn":1}"#,
        r#"{"name":["A"]}"#,
    ] {
        let send = || api.send("ana:nurse", "PATCH", "/fhir/Patient/1", body);
        let found = pointers(&api.refused("PATCH", 403, send));
        assert!(found.iter().any(|found| found == "/ssn" || found.is_empty()), "{body} {found:?}");
    }
    // Pointers say what is stored on a path.
    let patch = |body| api.send("ana:nurse", "PATCH", "/patients/1", body);
    let other = r#"{"resourceType":"Organization","ssn":1}"#;
    let found = pointers(&api.refused("PATCH", 403, || patch(other)));
    assert_eq!(found, ["/ssn", "/resourceType"]);
    assert_eq!(patch(r#"{"name":["A"]}"#).status, 200);
    assert_eq!(pointers(&patch(r#"{"contained":[]}"#)), ["/contained"]);
}

/// Under another tag, what is hidden would be seen: whoever sends a part of an object, or keeps some of
/// it, leaves the tag as it is.
#[test]
fn p10_a_change_gives_no_object_another_tag() {
    const RULES: &str = r#"
routes:
  - {match: "/**", update: merge}
  - {match: "/kept/**", update: merge_hidden}
roles:
  - {id: nurse, grants: [{path: "/{in}/{id}", access: crud}], schemas: [patient]}
schemas:
  - {id: patient, type: patient, body: {type: object, additionalProperties: true, properties: {ssn: false}}}
resource_types:
  - {id: patient, at: [{path: "/{in}/{id}", pointer: "", is: {field: /meta/kind, value: patient}}]}
"#;
    const PATCH: &str = "application/json-patch+json";
    let stored = r#"{"meta": {"kind": "patient"}, "ssn": "CANARY"}"#;
    let upstream = Upstream::with(move |_| {
        response(200, &[("Content-Type", "application/json"), ("ETag", "\"v1\"")], stored)
    });
    let api = Api::over(upstream, RULES);
    for (body, at_fault) in [
        (r#"{"meta":{"kind":"note"}}"#, Some("/meta/kind")),
        (r#"{"meta":{"kind":null}}"#, Some("/meta/kind")),
        (r#"{"meta":null}"#, Some("/meta")),
        (r#"{"META":{"kind":"note"}}"#, Some("")),
        (r#"{"meta":{"Kind":"note"}}"#, Some("/meta")),
        (r#"{"meta":{"kind":"patient","x":1},"name":"x"}"#, None),
        (r#"{"part":{"meta":{"kind":"note"}}}"#, None),
    ] {
        for method in ["PATCH", "PUT"] {
            let send = || api.send("ana:nurse", method, "/a/1", body);
            match at_fault {
                Some(at) => assert_eq!(pointers(&api.refused(method, 403, send)), [at], "{body}"),
                None => assert_eq!(send().status, 200, "{body}"),
            }
        }
    }
    for (change, at_fault) in [
        (r#"{"op":"add","path":"/meta/kind","value":"note"}"#, Some("/0/path")),
        (r#"{"op":"replace","path":"/META/Kind","value":"note"}"#, Some("/0/path")),
        (r#"{"op":"add","path":"/meta","value":{"kind":"patient"}}"#, Some("/0/path")),
        (r#"{"op":"remove","path":"/meta"}"#, Some("/0/path")),
        (r#"{"op":"move","from":"/meta/kind","path":"/x"}"#, Some("/0/from")),
        (r#"{"op":"copy","from":"/name","path":"/meta/kind"}"#, Some("/0/path")),
        (r#"{"op":"replace","path":"/meta/kind","value":"patient"}"#, None),
        (r#"{"op":"test","path":"/meta/kind","value":"note"}"#, None),
        (r#"{"op":"add","path":"/meta/x","value":1}"#, None),
    ] {
        let send = || api.send_as("ana:nurse", "PATCH", "/a/1", PATCH, &format!("[{change}]"));
        match at_fault {
            Some(at) => assert_eq!(pointers(&api.refused("PATCH", 403, send)), [at], "{change}"),
            None => assert_eq!(send().status, 200, "{change}"),
        }
    }
    let puts = || api.upstream.requests().iter().filter(|seen| seen.method == "PUT").count();
    let before = puts();
    for (body, status) in [
        (r#"{"meta":{"kind":"note"}}"#, 409),
        (r#"{"meta":{"Kind":"note"}}"#, 409),
        (r#"{"meta":{"kind":"patient"},"name":"x"}"#, 200),
        (r#"{"name":"x"}"#, 200),
    ] {
        assert_eq!(api.send("ana:nurse", "PUT", "/kept/1", body).status, status, "{body}");
    }
    assert_eq!(puts() - before, 2);
}

/// An object on the way of a change may be one that a tag means, wherever it is.
#[test]
fn p10_a_json_patch_is_judged_by_what_an_object_anywhere_may_be() {
    const RULES: &str = r#"
roles:
  - {id: nurse, grants: [{path: "/{in}/{id}", access: crud}], schemas: [patient]}
schemas:
  - {id: patient, type: patient, body: {additionalProperties: true, properties: {age: {maximum: 150}}}}
resource_types:
  - {id: patient, at: [{path: "/{in}/{id}", pointer: "/**", is: {field: /kind, value: patient}}]}
"#;
    let api = Api::start(RULES);
    let send = |change: &str| {
        let patch = format!("[{change}]");
        api.send_as("ana:nurse", "PATCH", "/a/1", "application/json-patch+json", &patch)
    };
    for (change, at_fault) in [
        (r#"{"op":"add","path":"/x","value":{"kind":"patient","age":151}}"#, "/0/value/age"),
        (r#"{"op":"add","path":"/x/y","value":[{"age":151}]}"#, "/0/value/0/age"),
        (r#"{"op":"replace","path":"/x/0/age","value":151}"#, "/0/value"),
        (r#"{"op":"add","path":"/age","value":151}"#, "/0/value"),
        (r#"{"op":"copy","from":"/note","path":"/x/age"}"#, "/0/path"),
    ] {
        let answer = api.refused("PATCH", 422, || send(change));
        assert_eq!(pointers(&answer), [at_fault], "{change}");
    }
    for change in [
        r#"{"op":"add","path":"/x","value":{"kind":"patient","age":150}}"#,
        r#"{"op":"add","path":"/x","value":{"kind":"note","age":151}}"#,
        r#"{"op":"replace","path":"/x/0/age","value":1}"#,
        r#"{"op":"remove","path":"/x"}"#,
    ] {
        assert_eq!(send(change).status, 200, "{change}");
    }
}

#[test]
fn p11_rows_of_a_bundle_are_masked_by_their_tags() {
    const ROWS: &str = r#"
roles:
  - {id: own, grants: [{path: "/fhir/**", access: r, keep: {items: /entry, field: /resource/id, in: [subject.id]}}], schemas: [patient]}
resource_types:
  - {id: patient, at: [{path: "/fhir/**", pointer: "/**", is: {field: /resourceType, value: Patient}}]}
schemas:
  - {id: patient, type: patient, body: {type: object, additionalProperties: true, properties: {ssn: false}}}
"#;
    let stored = r#"{"resourceType":"Bundle","entry":[{"resource":{"id":"ana","ssn":"CANARY","resourceType":"Patient"}},{"resource":{"id":"bob","a":"CANARY","resourceType":"Patient"}}]}"#;
    let seen = Api::over(Upstream::json(stored), ROWS).call("ana:own", "GET", "/fhir/Patient");
    let wanted =
        r#"{"resourceType":"Bundle","entry":[{"resource":{"id":"ana","resourceType":"Patient"}}]}"#;
    assert_eq!(seen.text(), wanted);
}
