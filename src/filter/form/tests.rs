//! Forms, rule by rule.

use super::*;
use crate::filter::mask::{HIDE, MaskBuilder, Node, SHOW, Types};
use crate::filter::values::{RoleRules, Rule};
use serde_json::{Value, json};
use std::sync::Arc;

fn spelled(body: &str) -> Option<Value> {
    let text = text(&Encoding::Urlencoded, body.as_bytes(), &Limits::default()).ok()?;
    Some(serde_json::from_slice(&text).unwrap())
}

fn parts(body: &str) -> Option<Value> {
    let encoding = Encoding::Multipart("b".into());
    let text = text(&encoding, body.as_bytes(), &Limits::default()).ok()?;
    Some(serde_json::from_slice(&text).unwrap())
}

fn part(head: &str, content: &str) -> String {
    format!("--b\r\n{head}\r\n\r\n{content}\r\n")
}

fn named(name: &str, content: &str) -> String {
    part(&format!("Content-Disposition: form-data; name=\"{name}\""), content)
}

/// `ssn` is hidden, `age` an integer, `tags` a list of texts, `home` hides its `zip`, `any` is not
/// limited, `flag` takes booleans and texts.
fn mask() -> Mask {
    let mut builder = MaskBuilder::new();
    let mut of = |types, items| builder.add(Node { types, items, ..Node::open() });
    let (text, age) = (of(Types::STRING, SHOW), of(Types::INTEGER, SHOW));
    let (flag, yes) = (of(Types::BOOLEAN.or(Types::STRING), SHOW), of(Types::BOOLEAN, SHOW));
    let tags = of(Types::ARRAY, text);
    let home = builder.add(Node {
        types: Types::OBJECT,
        fields: vec![("zip".into(), HIDE)],
        ..Node::open()
    });
    let fields = [
        ("ssn", HIDE),
        ("age", age),
        ("name", text),
        ("tags", tags),
        ("home", home),
        ("flag", flag),
        ("yes", yes),
    ];
    let fields = fields.map(|(name, id)| (Arc::from(name), id)).to_vec();
    let root = builder.add(Node { types: Types::OBJECT, fields, ..Node::open() });
    builder.finish(root)
}

fn judge(body: &str, schema: Value) -> Result<(), WriteFault> {
    judge_as(&Encoding::Urlencoded, body, schema, Patch::No)
}

fn judge_as(
    encoding: &Encoding,
    body: &str,
    schema: Value,
    patch: Patch,
) -> Result<(), WriteFault> {
    let mask = mask();
    let rule = Arc::new(Rule::new(&schema, false).unwrap());
    let mut values = Values::new();
    let roles = vec![RoleRules { mask: mask.clone(), rules: vec![rule] }];
    values.add("", None, roles).unwrap();
    check(encoding, body.as_bytes(), (&mask, &values), &Limits::default(), patch)
}

fn fields(pointers: &[&str]) -> Result<(), WriteFault> {
    Err(WriteFault::Fields(pointers.iter().map(|text| (*text).to_owned()).collect()))
}

fn types(pointers: &[&str]) -> Result<(), WriteFault> {
    Err(WriteFault::Types(pointers.iter().map(|text| (*text).to_owned()).collect()))
}

#[test]
fn p10_names_spell_an_object() {
    for (body, wanted) in [
        ("a=1&b=x+y%26", json!({"a": "1", "b": "x y&"})),
        ("metadata[k]=v&metadata[l]=w", json!({"metadata": {"k": "v", "l": "w"}})),
        ("metadata%5Bk%5D=v", json!({"metadata": {"k": "v"}})),
        ("a[]=1&a[]=2", json!({"a": ["1", "2"]})),
        ("a[b][]=1&a[c][d]=2", json!({"a": {"b": ["1"], "c": {"d": "2"}}})),
        ("a=b=c", json!({"a": "b=c"})),
        ("a=%C3%A9&%C3%A9=", json!({"a": "é", "é": ""})),
        ("m[first name]=x", json!(null)),
        ("m[first+name]=x&m[a.b]=y", json!({"m": {"first name": "x", "a.b": "y"}})),
    ] {
        assert_eq!(spelled(body).unwrap_or_default(), wanted, "{body}");
    }
}

#[test]
fn p10_forms_that_read_in_two_ways_are_invalid() {
    for body in [
        "a=1&a=2",
        "a=1&A=2",
        "m[k]=1&m[K]=2",
        "a=1&a[b]=2",
        "a[b]=1&a=2",
        "a[b]=1&a[]=2",
        "a[]=1&a[b]=2",
        "a[]=1&a=2",
        "!a=1",
        "m['k']=1",
        "m[\"k\"]=1",
        "a[][b]=1",
        "a[b=1",
        "a]=1",
        "a[b]c=1",
        "a[[b]]=1",
        "[a]=1",
        "=1",
        "a",
        "a&b=1",
        "a=1&",
        "&a=1",
        "a=1&&b=2",
        "a=1;b=2",
        "a.b=1",
        "+a=1",
        "a+b=1",
        "m[+k]=1",
        "a=%",
        "a=%1",
        "a=%zz",
        "a=%00",
        "a%00=1",
        "a%0A=1",
        "a=%ff",
        "a=%c0%af",
        "a= b",
        "a=é",
        "_charset_=utf-7",
        "_CHARSET_=utf-8",
    ] {
        assert_eq!(spelled(body), None, "{body}");
    }
}

#[test]
fn p10_the_write_mask_applies_to_form_fields() {
    let any = || json!({});
    assert_eq!(judge("ssn=1&name=x", any()), fields(&["/ssn"]));
    assert_eq!(judge("SSN=1", any()), fields(&["/SSN"]));
    assert_eq!(judge("ssn(1i)=1&name(1i)=x", any()), fields(&["/ssn(1i)"]));
    assert_eq!(judge("_ssn=on&_HOME[x]=1&_name=on", any()), fields(&["/_ssn", "/_HOME"]));
    assert_eq!(judge("home[zip]=1&home[street]=x", any()), fields(&["/home/zip"]));
    assert_eq!(judge("home=x", any()), types(&["/home"]));
    assert_eq!(judge("_method=DELETE", any()), fields(&["/_method"]));
    assert_eq!(judge("name=x&home[street]=y&tags[]=z&other[ssn]=1", any()), Ok(()));
    let merged = |body| judge_as(&Encoding::Urlencoded, body, json!({}), Patch::Merge);
    assert_eq!(merged("home[zip]=1"), fields(&["/home/zip"]));
    assert_eq!(merged("home=x"), fields(&["/home"]), "it would replace what is hidden");
}

#[test]
fn p10_texts_count_as_what_their_place_takes() {
    let schema = || json!({"properties": {"age": {"maximum": 150}, "flag": {"const": true}}});
    for (body, wanted) in [
        ("age=7", Ok(())),
        ("age=7.0", Ok(())),
        ("age=151", types(&["/age"])),
        ("age=x", types(&["/age"])),
        ("age=", types(&["/age"])),
        ("age=07", types(&["/age"])),
        ("age=%2B7", types(&["/age"])),
        ("age=1e1", Ok(())),
        ("age=7.5", types(&["/age"])),
        ("name=7", Ok(())),
        ("tags[]=7", Ok(())),
        ("tags[0]=a&tags[1]=b", Ok(())),
        ("tags=7", types(&["/tags"])),
        // It must pass as a text and as a boolean.
        ("flag=true", types(&["/flag"])),
    ] {
        assert_eq!(judge(body, schema()), wanted, "{body}");
    }
    let limited = |body| judge(body, json!({"properties": {"free": {"maximum": 9}}}));
    assert_eq!(limited("free=9"), Ok(()));
    assert_eq!(limited("free=10"), types(&["/free"]));
    assert_eq!(judge("name=ab", json!({"required": ["age"]})), types(&[""]));
}

#[test]
fn p10_a_list_by_numbers_has_no_holes() {
    for body in ["tags[1]=a", "tags[0]=a&tags[2]=b", "tags[1]=a&tags[0]=b"] {
        assert!(matches!(judge(body, json!({})), Err(WriteFault::Invalid(_))), "{body}");
    }
    assert_eq!(judge("home[0]=x&home[7]=y", json!({})), Ok(()), "an object's members");
}

#[test]
fn p10_parts_are_read_strictly() {
    let end = "--b--\r\n";
    let one = named("a", "x");
    let wanted = Some(json!({"a": "x"}));
    assert_eq!(parts(&format!("{one}{end}")), wanted);
    assert_eq!(parts(&format!("{one}--b--")), wanted, "the last line need not end");
    assert_eq!(
        parts(&format!("{}{}{end}", named("m[k]", "1"), named("l[]", "2"))),
        Some(json!({"m": {"k": "1"}, "l": ["2"]}))
    );
    assert_eq!(
        parts(&format!("{}{end}", named("a", "x\r\n--c\r\n - -b"))),
        Some(json!({"a": "x\r\n--c\r\n - -b"}))
    );
    assert_eq!(
        parts(&format!("{}{end}", part("content-disposition:form-data;NAME=a", "x"))),
        wanted
    );
    for body in [
        String::new(),
        one.clone(),
        format!("preamble\r\n{one}{end}"),
        format!("\r\n{one}{end}"),
        format!("{one}{end}epilogue"),
        format!("{one}{end}\r\n"),
        format!("{one}--b-- \r\n"),
        format!("{one}--b- \r\n"),
        format!("--b \r\n{}", &one[5..]),
        format!("{one}{end}").replace("\r\n", "\n"),
        format!("{}{end}", named("a", "x\n--b\r\ny")),
        format!("{}{end}", named("a", "x\r--b--")),
        format!("{}{end}", named("a", "x\r\n--bc")),
        "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n--b--\r\n".to_owned(),
        format!("{one}{one}{end}"),
        format!("{one}{}{end}", named("A", "y")),
        format!("{}{end}", named("_charset_", "utf-7")),
        format!("{}{end}", named("a", "\0")),
        format!("{}{end}", named("a.b", "x")),
        format!("{}{end}", named("a%22b", "x")),
        format!("{}{end}", named("a\\", "x")),
        format!("{}{end}", named("", "x")),
    ] {
        assert_eq!(parts(&body), None, "{body:?}");
    }
}

#[test]
fn p10_heads_of_parts_say_one_thing() {
    let disposition = "Content-Disposition: form-data; name=\"a\"";
    let whole = |head: &str| parts(&format!("{}--b--", part(head, "x")));
    for more in [
        "",
        "; filename=\"x.png\"",
        "; filename=x.png",
        "\r\nContent-Type: text/plain",
        "\r\nContent-Type: text/plain; charset=UTF-8",
        "\r\ncontent-type: image/png",
    ] {
        assert!(whole(&format!("{disposition}{more}")).is_some(), "{more}");
    }
    for more in [
        "; name=\"b\"",
        "; Name=\"a\"",
        "; filename=\"a\"; filename=\"b\"",
        "; filename*=UTF-8''ssn",
        "; name*=UTF-8''ssn",
        "; size=7",
        "; filename=\"a\\\"\"",
        "; filename=\"a",
        "; filename=\"x name=ssn\"",
        "; filename=\"x; Name*= utf-8''ssn\"",
        "; filename",
        ";",
        "\r\nContent-Transfer-Encoding: base64",
        "\r\nContent-Type: text/plain\r\nContent-Type: text/plain",
        "\r\nContent-Disposition: form-data; name=\"b\"",
        "\r\nContent-Type: multipart/mixed; boundary=c",
        "\r\nContent-Type: text/plain; charset=utf-16",
        "\r\nContent-Type: application/json",
        "\r\nX-More: 1",
        "\r\n folded",
        "\r\nnothing",
        "\r\nContent-Type: a\u{1}",
    ] {
        assert_eq!(whole(&format!("{disposition}{more}")), None, "{more:?}");
    }
    for head in [
        "",
        "Content-Type: text/plain",
        "Content-Disposition: attachment; name=\"a\"",
        "Content-Disposition: form-data",
        "Content-Disposition: form-data; name=\"a;name =ssn\"",
    ] {
        assert_eq!(whole(head), None, "{head}");
    }
}

#[test]
fn p10_json_in_a_part_is_checked_as_json() {
    let head = |name: &str| {
        format!("Content-Disposition: form-data; name=\"{name}\"\r\nContent-Type: application/json")
    };
    let judge = |name: &str, text: &str| {
        let body = format!("{}--b--", part(&head(name), text));
        judge_as(&Encoding::Multipart("b".into()), &body, json!({}), Patch::No)
    };
    assert_eq!(judge("home", r#"{"street": "x"}"#), Ok(()));
    assert_eq!(judge("home", r#"{"zip": 1}"#), fields(&["/home/zip"]));
    assert_eq!(judge("age", "7"), Ok(()));
    assert_eq!(judge("age", "\"7\""), types(&["/age"]));
    for text in ["", "1,\"ssn\":2", "{\"a\":1,\"a\":2}", "{} x", "NaN"] {
        assert!(matches!(judge("any", text), Err(WriteFault::Invalid(_))), "{text}");
    }
}

/// A file may be anything, so it goes only where anything may.
#[test]
fn p10_files_go_where_nothing_is_asked() {
    let judge = |name: &str, schema: Value| {
        let head = format!("Content-Disposition: form-data; name=\"{name}\"; filename=\"x\"");
        let body = format!("{}--b--", part(&head, "\u{1}\u{0}"));
        judge_as(&Encoding::Multipart("b".into()), &body, schema, Patch::No)
    };
    let none = || json!({});
    assert_eq!(judge("photo", none()), Ok(()));
    assert_eq!(judge("name", none()), Ok(()), "a text");
    assert_eq!(judge("ssn", none()), fields(&["/ssn"]));
    assert_eq!(judge("home[zip]", none()), fields(&["/home/zip"]));
    assert_eq!(judge("home", none()), fields(&["/home"]));
    assert_eq!(judge("age", none()), types(&["/age"]));
    assert_eq!(
        judge("photo", json!({"properties": {"photo": {"maxLength": 9}}})),
        types(&["/photo"])
    );
    assert_eq!(
        judge("photo", json!({"properties": {"photo": {"type": "string", "title": "x"}}})),
        Ok(())
    );
}

#[test]
fn p10_fields_names_and_heads_have_limits() {
    for (count, fits) in [(999, true), (1_000, true), (1_001, false)] {
        let body: Vec<String> = (0..count).map(|at| format!("f{at}=1")).collect();
        assert_eq!(spelled(&body.join("&")).is_some(), fits, "{count}");
        let body: String = (0..count).map(|at| named(&format!("f{at}"), "1")).collect();
        assert_eq!(parts(&format!("{body}--b--")).is_some(), fits, "{count}");
    }
    for (length, fits) in [(8191, true), (8192, true), (8193, false)] {
        assert_eq!(spelled(&format!("{}=1", "n".repeat(length))).is_some(), fits, "{length}");
    }
    for (depth, fits) in [(63, true), (64, true), (65, false)] {
        let name = format!("n{}", "[n]".repeat(depth - 1));
        assert_eq!(spelled(&format!("{name}=1")).is_some(), fits, "{depth}");
    }
    let bare = "Content-Disposition: form-data; name=\"a\"; filename=\"\"".len();
    for (length, fits) in
        [(MAX_PART_HEAD - 1, true), (MAX_PART_HEAD, true), (MAX_PART_HEAD + 1, false)]
    {
        let name = "x".repeat(length - bare);
        let head = format!("Content-Disposition: form-data; name=\"a\"; filename=\"{name}\"");
        assert_eq!(parts(&format!("{}--b--", part(&head, "x"))).is_some(), fits, "{length}");
    }
}

#[test]
fn p10_what_is_no_list_or_boolean_is_a_wrong_type_there() {
    assert_eq!(judge("yes=true&age=7", json!({})), Ok(()));
    for (body, pointer) in
        [("yes=maybe", "/yes"), ("yes=", "/yes"), ("tags[x]=a", "/tags"), ("tags[01]=a", "/tags")]
    {
        assert_eq!(judge(body, json!({})), types(&[pointer]), "{body}");
    }
}

#[test]
fn p10_a_fault_is_told_where_its_field_begins() {
    for (body, offset) in [("a", 0), ("a=1&b", 4), ("a=1&b=2&%zz=3", 8)] {
        let fault = text(&Encoding::Urlencoded, body.as_bytes(), &Limits::default());
        assert_eq!(fault.unwrap_err(), Fault::NotAForm { offset }, "{body}");
    }
}

#[test]
fn p10_a_boundary_is_one_at_the_beginning_of_a_line() {
    let end = "--b--\r\n";
    let inside = named("a", "x --b y--b") + end;
    assert_eq!(parts(&inside), Some(json!({"a": "x --b y--b"})));
    let file = r#"Content-Disposition: form-data; name="f"; filename="x"#;
    let file = part(&format!("{file}.txt\"\r\nContent-Type: text/plain"), "secret");
    assert_eq!(parts(&(named("a", "1") + &file + end)), Some(json!({"a": "1", "f": ""})));
    let encoding = Encoding::Multipart("b".into());
    let body = named("tags[]", "1") + &file.replace("\"f\"", "\"age\"") + end;
    assert_eq!(judge_as(&encoding, &body, json!({}), Patch::No), types(&["/age"]));
    let body =
        named("home[street]", "a") + &named("tags[]", "b") + &file.replace("\"f\"", "\"x\"") + end;
    let asks = json!({"properties": {"x": {"maxLength": 9}}});
    assert_eq!(judge_as(&encoding, &body, asks, Patch::No), types(&["/x"]));
}
