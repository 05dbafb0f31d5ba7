//! Canaries: random documents of which it is known, part by part, what the caller may see. What it
//! may not see says `CANARY`, and that word leaves nowhere: not through the filter alone, not
//! through the proxy, in no kind, coding, chunks or error.
//!
//! The documents are made together with what is to be left of them, so that this needs no second
//! reading of the policy. Every feature of masks has its path in [`POLICY`].

mod documents;
mod pure;
mod sent;
mod texts;
mod wire;

/// `ana` has the role `seer` for all paths but `/rows`, where `mine` shows what is its own.
const POLICY: &str = r##"
routes:
  - {match: "/**"}
  - {match: "/ev/**", response: events}
roles:
  - id: seer
    grants:
      - {path: "/plain", access: r}
      - {path: "/nulls", access: r}
      - {path: "/cased", access: r}
      - {path: "/listed", access: r}
      - {path: "/pairs", access: r}
      - {path: "/tagged", access: r}
      - {path: "/ev/plain", access: r}
      - {path: "/ev/nulls", access: r}
      - {path: "/ev/cased", access: r}
      - {path: "/ev/listed", access: r}
      - {path: "/ev/pairs", access: r}
      - {path: "/ev/tagged", access: r}
    schemas: [plain, nulls, cased, listed, pairs, tagged]
  - id: mine
    grants: [{path: "/rows", access: r, keep: {items: /items, field: /owner, in: subject.id}}]
    schemas: [rows]
resource_types:
  - {id: plain, at: [{path: "/plain", pointer: ""}, {path: "/ev/plain", pointer: ""}]}
  - {id: nulls, at: [{path: "/nulls", pointer: ""}, {path: "/ev/nulls", pointer: ""}]}
  - {id: cased, at: [{path: "/cased", pointer: ""}, {path: "/ev/cased", pointer: ""}]}
  - {id: listed, at: [{path: "/listed", pointer: "/data/*"}, {path: "/ev/listed", pointer: "/data/*"}]}
  - id: pairs
    at:
      - {path: "/pairs", pointer: /props, entries: {key: /key, value: /value}}
      - {path: "/ev/pairs", pointer: /props, entries: {key: /key, value: /value}}
  - id: tagged
    at:
      - {path: "/tagged", pointer: "/**", is: {field: /kind, value: Person}}
      - {path: "/ev/tagged", pointer: "/**", is: {field: /kind, value: Person}}
  - {id: rows, count: [/total], at: [{path: "/rows", pointer: "/items/*"}]}
schemas:
  - id: plain
    type: plain
    body:
      $defs:
        node:
          type: object
          additionalProperties: true
          properties:
            key: false
            next: {$ref: "#/$defs/node"}
            all: {type: array, items: {$ref: "#/$defs/node"}}
      type: object
      additionalProperties: true
      patternProperties: {"^x_": false}
      properties:
        ssn: false
        secret: {type: string, writeOnly: true}
        age: {type: integer}
        card: {type: object, additionalProperties: true, properties: {number: false}}
        devices: {type: array, items: {type: object, additionalProperties: true, properties: {key: false}}}
        grid: {type: array, items: {type: array, items: {type: object, additionalProperties: true, properties: {key: false}}}}
        tags: {type: object, additionalProperties: {type: object, additionalProperties: true, properties: {note: false}}}
        allowed: {type: object, additionalProperties: false, properties: {id: {type: integer}}}
        tree: {$ref: "#/$defs/node"}
  - id: nulls
    type: nulls
    redact: "null"
    body: {type: object, additionalProperties: true, properties: {ssn: false, age: {type: integer}, card: {type: object, additionalProperties: true, properties: {number: false}}}}
  - id: cased
    type: cased
    case: insensitive
    body: {type: object, additionalProperties: true, properties: {ssn: false, card: {type: object, additionalProperties: true, properties: {number: false}}}}
  - {id: listed, type: listed, body: {type: object, additionalProperties: false, properties: {id: true, card: {type: object, additionalProperties: true, properties: {number: false}}}}}
  - {id: pairs, type: pairs, body: {type: object, additionalProperties: true, properties: {ssn: false, age: {type: integer}}}}
  - {id: tagged, type: tagged, body: {type: object, additionalProperties: true, properties: {ssn: false}}}
  - {id: rows, type: rows, body: {type: object, additionalProperties: true, properties: {ssn: false}}}
"##;

/// Whether the word is in there, also where its letters are written as escapes.
fn leaks(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let mut plain = String::new();
    let mut rest = &*text;
    while let Some(at) = rest.find("\\u") {
        plain += &rest[..at];
        let digits = rest.get(at + 2..at + 6).and_then(|four| u32::from_str_radix(four, 16).ok());
        plain.extend(digits.and_then(char::from_u32));
        rest = &rest[at + 2..];
        rest = digits.map_or(rest, |_| &rest[4..]);
    }
    plain += rest;
    plain.contains("CANARY")
}

#[test]
fn a_leak_is_seen_however_it_is_written() {
    for text in
        ["CANARY", "xCANARY-7x", r"\u0043ANAR\u0059", r"\u0043\u0041\u004e\u0041\u0052\u0059"]
    {
        assert!(leaks(text.as_bytes()), "{text}");
    }
    for text in ["", "CANAR", r"\u0043anary", r"C\u0041", "\\u00"] {
        assert!(!leaks(text.as_bytes()), "{text}");
    }
}
