//! Forms on routes that say so, end to end.

use super::{Api, pointers};

const RULES: &str = r#"
routes:
  - {match: "/**"}
  - {match: "/charges/**", request: form}
  - {match: "/uploads/**", request: multipart}
roles:
  - {id: clerk, grants: [{path: "/{kind}/{id}", access: crud}], schemas: [clerk]}
  - {id: owner, grants: [{path: "/{kind}/{id}", access: crud}]}
  - {id: cheap, grants: [{path: "/{kind}/{id}", access: c, require: {field: /plan, in: [free]}}]}
schemas:
  - id: clerk
    type: charge
    body:
      type: object
      additionalProperties: true
      properties:
        fee: false
        id: {type: string, readOnly: true}
        amount: {type: integer, minimum: 1}
        metadata: {type: object, additionalProperties: {type: string}, properties: {secret: false}}
resource_types:
  - {id: charge, at: [{path: "/{kind}/{id}", pointer: ""}]}
"#;

const FORM: &str = "application/x-www-form-urlencoded";
const PARTS: &str = "multipart/form-data; boundary=b";

fn parts(fields: &[(&str, &str)]) -> String {
    let part = |(name, content): &(&str, &str)| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n")
    };
    format!("{}--b--\r\n", fields.iter().map(part).collect::<String>())
}

#[test]
fn p10_form_fields_are_pointers_and_the_write_mask_applies() {
    let api = Api::start(RULES);
    for (fields, status, at_fault) in [
        (&[("fee", "1"), ("id", "x")][..], 403, &["/fee", "/id"][..]),
        (&[("Fee", "1")], 403, &["/Fee"]),
        (&[("fee(1i)", "1")], 403, &["/fee(1i)"]),
        (&[("_fee", "on")], 403, &["/_fee"]),
        (&[("!fee", "1")], 400, &[]),
        (&[("metadata[secret]", "1"), ("metadata[k]", "v")], 403, &["/metadata/secret"]),
        (&[("amount", "0")], 422, &["/amount"]),
        (&[("amount", "many")], 422, &["/amount"]),
        (&[("metadata", "x")], 422, &["/metadata"]),
        (&[("_method", "PUT")], 403, &["/_method"]),
        (&[("a", "1"), ("a", "2")], 400, &[]),
        (&[("a", "1"), ("A", "2")], 400, &[]),
        (&[("a.b", "1")], 400, &[]),
        (&[("metadata['secret']", "1")], 400, &[]),
    ] {
        let body: Vec<String> =
            fields.iter().map(|(name, text)| format!("{name}={text}")).collect();
        for (target, kind, body) in
            [("/charges/1", FORM, body.join("&")), ("/uploads/1", PARTS, parts(fields))]
        {
            let send = || api.send_as("ana:clerk", "POST", target, kind, &body);
            assert_eq!(pointers(&api.refused("POST", status, send)), at_fault, "{body}");
        }
    }
    for (target, kind, body) in [
        ("/charges/1", FORM, "amount=7&metadata%5Bk%5D=v+w&tags[]=a".to_owned()),
        ("/uploads/1", PARTS, parts(&[("amount", "7"), ("metadata[k]", "v w")])),
    ] {
        assert_eq!(api.send_as("ana:clerk", "POST", target, kind, &body).status, 200, "{body}");
        let seen = api.upstream.requests().pop().unwrap();
        assert_eq!(String::from_utf8(seen.body.clone()).unwrap(), body);
        assert_eq!(seen.fields.get("content-length"), Some(body.len().to_string().as_str()));
    }
}

#[test]
fn p10_forms_need_a_route_that_says_so() {
    let api = Api::start(RULES);
    for (target, kind) in [
        ("/other/1", FORM),
        ("/other/1", PARTS),
        ("/charges/1", PARTS),
        ("/charges/1", "application/json"),
        ("/charges/1", ""),
        ("/charges/1", "application/x-www-form-urlencoded; charset=latin1"),
        ("/uploads/1", FORM),
        ("/uploads/1", "application/json"),
        ("/uploads/1", "multipart/form-data"),
        ("/uploads/1", "multipart/form-data; boundary="),
        ("/uploads/1", "multipart/form-data; boundary=a b"),
        ("/uploads/1", "multipart/form-data; boundary=b; boundary=c"),
        ("/uploads/1", "multipart/mixed; boundary=b"),
    ] {
        let send = || api.send_as("ana:clerk", "POST", target, kind, "amount=7");
        api.refused("POST", 415, send);
        let unlimited = api.send_as("ana:owner", "POST", target, kind, "fee=7;;%");
        assert_eq!(unlimited.status, 200, "where nothing is limited bodies pass unread");
    }
}

/// A rule that reads the body reads a form as what it spells.
#[test]
fn p10_conditions_read_forms() {
    let api = Api::start(RULES);
    let send = |body: &str| api.send_as("ana:cheap", "POST", "/charges/1", FORM, body).status;
    assert_eq!(send("plan=free&x=1"), 200);
    for (body, status) in
        [("plan=gold", 403), ("x=1", 403), ("Plan=free", 400), ("plan=free&plan=gold", 400)]
    {
        let answer = api
            .refused("POST", status, || api.send_as("ana:cheap", "POST", "/charges/1", FORM, body));
        assert_eq!(answer.status, status, "{body}");
    }
    let json = || api.send("ana:cheap", "POST", "/charges/1", r#"{"plan": "free"}"#);
    api.refused("POST", 415, json);
}
