//! Bodies that are many requests, or a language of their own: what they ask for nobody here can
//! tell, so a caller from whom anything is hidden sends them nowhere, unless the policy says aloud
//! that such a body passes unread.

use super::{Api, pointers};

/// `limited` is limited everywhere; `free` nowhere. What is at `/batch` and `/graphql` is said by
/// nobody, and what is at `/unread/batch` by the routes.
const RULES: &str = r#"
routes:
  - {match: "/**"}
  - {match: "/unread/request", request: opaque}
  - {match: "/unread/both", request: opaque, response: opaque}
roles:
  - {id: limited, grants: [{path: "/**", access: crud}], schemas: [s]}
  - {id: free, grants: [{path: "/**", access: crud}]}
resource_types:
  - id: customer
    at:
      - {path: "/customers/{id}", pointer: ""}
      - {path: "/unread/request", pointer: ""}
      - {path: "/unread/both", pointer: ""}
schemas:
  - id: s
    type: customer
    body: {type: object, additionalProperties: true, properties: {ssn: false, name: {type: string}}}
"#;

const BATCHES: [(&str, &str); 9] = [
    (
        "multipart/mixed; boundary=b",
        "--b\r\nContent-Type: application/http\r\n\r\nPATCH /customers/1 HTTP/1.1\r\n\r\n{\"ssn\":1}\r\n--b--\r\n",
    ),
    ("multipart/batch; boundary=b", "--b\r\n\r\n{\"ssn\":1}\r\n--b--\r\n"),
    ("application/http", "PATCH /customers/1 HTTP/1.1\r\n\r\n{\"ssn\":1}"),
    ("message/http+json", "{\"ssn\":1}"),
    ("multipart/mixed+json; boundary=b", "{\"ssn\":1}"),
    ("application/graphql", "{ customer(id: 1) { ssn } }"),
    ("application/x-ndjson", "{\"path\":\"/customers/1\"}\n{\"ssn\":1}\n"),
    ("application/json-seq", "\u{1e}{\"ssn\":1}\n"),
    ("", "{\"ssn\":1}"),
];

const AS_JSON: [&str; 4] = [
    r#"[{"method": "PATCH", "path": "/customers/1", "body": {"ssn": 1}}]"#,
    r#"[{"query": "{ customer(id: 1) { ssn } }"}]"#,
    r#"[{"jsonrpc": "2.0", "method": "customer.get", "id": 1}]"#,
    "[]",
];

/// Where objects are of which something is hidden, a batch is none of them.
#[test]
fn p02_batch_endpoints_are_said_aloud() {
    let api = Api::start(RULES);
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        for (kind, body) in BATCHES {
            let send = || api.send_as("ana:limited", method, "/customers/1", kind, body);
            api.refused(method, 415, send);
        }
        // What replaces an object replaces what is hidden in it.
        let status = if method == "PATCH" { 403 } else { 422 };
        for body in AS_JSON {
            let send = || api.send("ana:limited", method, "/customers/1", body);
            let answer = api.refused(method, status, send);
            assert_eq!(pointers(&answer)[0], "", "{method} {body}");
        }
    }
}

/// An endpoint of which nobody has said what its bodies are: whatever comes there.
#[test]
fn p02_a_batch_endpoint_that_nobody_has_described_is_refused() {
    let api = Api::start(RULES);
    let one = r#"{"query": "mutation { update(id: 1, ssn: 1) { ssn } }"}"#;
    for target in ["/batch", "/graphql", "/$batch", "/rpc"] {
        for (kind, body) in BATCHES.into_iter().chain([("application/json", one), ("", "")]) {
            let send = || api.send_as("ana:limited", "POST", target, kind, body);
            api.refused("POST", 403, send);
        }
        for body in AS_JSON {
            api.refused("POST", 403, || api.send("ana:limited", "POST", target, body));
        }
        api.refuses("ana:limited", "GET", &format!("{target}?query=%7Bcustomer%7Bssn%7D%7D"), 403);
    }
    let sent = api.send("ana:free", "POST", "/graphql", one);
    assert_eq!(sent.status, 200, "from whom nothing is hidden");
}

/// `request: opaque` is about what is sent, and about nothing that comes back.
#[test]
fn p02_a_batch_passes_unread_where_the_route_says_so() {
    let api = Api::start(RULES);
    for (kind, body) in BATCHES.into_iter().chain(AS_JSON.map(|body| ("application/json", body))) {
        for target in ["/unread/request", "/unread/both"] {
            let answer = api.send_as("ana:limited", "POST", target, kind, body);
            assert_eq!(answer.status, 200, "{target} {kind}");
            let seen = api.upstream.requests().pop().unwrap();
            assert_eq!((&*seen.target, &seen.body[..]), (target, body.as_bytes()));
        }
    }
}
