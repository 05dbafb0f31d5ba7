//! Lists of personnel records, and masks over them.

use portcullis::filter::mask::{HIDE, Mask, MaskBuilder, Node, NodeId, SHOW, Types};
use portcullis::filter::place::place;
use std::fmt::Write;

/// Shows about this share of each record's bytes, in percent.
pub fn kept(share: &str) -> Mask {
    let mut builder = MaskBuilder::new();
    let named = |names: &[&str], node| names.iter().map(|name| ((*name).into(), node)).collect();
    let (fields, others) = match share {
        "10" => (named(&["id", "name", "email"], SHOW), HIDE),
        "50" => (named(&["history"], HIDE), SHOW),
        _ => (named(&["password"], HIDE), SHOW),
    };
    let root = builder.add(Node { types: Types::OBJECT, fields, others, ..Node::open() });
    records(&builder.finish(root))
}

/// A mask for each record of the list.
pub fn records(record: &Mask) -> Mask {
    place("/data/*", 0, record).unwrap()
}

/// Hides what the harness's W3 hides.
pub fn personnel() -> Mask {
    record([("ssn", HIDE), ("salary", HIDE)], SHOW, HIDE)
}

/// Shows a third of each record by name.
pub fn allowed() -> Mask {
    record([("id", SHOW), ("name", SHOW), ("email", SHOW), ("active", SHOW)], HIDE, HIDE)
}

/// Looks everywhere, hides nothing that is there.
pub fn named() -> Mask {
    record([("password", HIDE), ("token", HIDE)], SHOW, SHOW)
}

fn record<const N: usize>(fields: [(&str, NodeId); N], others: NodeId, internal: NodeId) -> Mask {
    let mut builder = MaskBuilder::new();
    let secret = ("internal".into(), internal);
    let entry = builder.add(Node { fields: vec![secret], types: Types::OBJECT, ..Node::open() });
    let history = builder.add(Node { types: Types::ARRAY, items: entry, ..Node::open() });
    let mut fields: Vec<_> = fields.into_iter().map(|(name, id)| (name.into(), id)).collect();
    fields.push(("history".into(), history));
    let root = builder.add(Node { types: Types::OBJECT, fields, others, ..Node::open() });
    builder.finish(root)
}

/// `{"data":[record…]}` of about this size.
pub fn list(size: usize) -> Vec<u8> {
    let mut text = String::from(r#"{"data":["#);
    let mut number = 0;
    while text.len() < size {
        if number > 0 {
            text.push(',');
        }
        write_record(&mut text, number);
        number += 1;
    }
    write!(text, r#"],"page":{{"number":1,"size":{number}}}}}"#).unwrap();
    text.into_bytes()
}

fn write_record(text: &mut String, n: usize) {
    let name = ["Ana Petrović", "Björn Larsen", "Dana O\\\"Neil", "Eun-ji Kim"][n % 4];
    write!(
        text,
        r#"{{"id":{n},"name":"{name}","email":"user{n}@example.com","ssn":"{:03}-12-{:04}","salary":{{"amount":{},"currency":"EUR","bonus":[{},{}]}},"active":{},"created_at":"2024-05-{:02}T09:24:05Z","address":{{"street":"{} Harbour Road","city":"Split","zip":"{:05}","country":"HR","geo":{{"lat":{}.0457,"lng":{}.1233}}}},"tags":["staff","team-{}","eu"],"history":["#,
        n % 900, n * 7 % 10_000, 30_000 + n * 13 % 90_000, n % 900, n % 9000, n.is_multiple_of(2),
        n % 28 + 1, n % 200, n * 31 % 99_999, n % 90, n % 180, n % 40
    )
    .unwrap();
    for entry in 0..2 {
        let comma = if entry > 0 { "," } else { "" };
        write!(
            text,
            r#"{comma}{{"at":"2024-05-{:02}T10:00:00Z","action":"update","note":"Changed by request, see ticket\n#{}","internal":{{"actor":"svc-{}","ip":"10.0.{}.{}","risk":0.{:03}1}}}}"#,
            n % 28 + 1, n * 17 % 99_999, n % 40, n % 255, entry, n % 999
        )
        .unwrap();
    }
    text.push_str("]}");
}
