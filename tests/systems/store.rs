//! A sample upstream: JSON by path, seeded from an example's `data.json`. It knows nothing of who is
//! calling and shows everything to everybody, so whatever is refused or hidden is Portcullis' doing.
//! `config/examples/upstream.py` is the same for people who try the examples by hand.

use crate::support::upstream::{Recorded, response};
use crate::support::wire;
use portcullis::demo::merge;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard};

/// What stands at each path. An array is a collection, whose elements are found by their `id`.
#[derive(Debug)]
pub struct Store(Mutex<BTreeMap<String, Value>>);

/// A status and what is shown under it.
pub type Outcome = (u16, Option<Value>);

impl Store {
    /// An object of paths and what stands there.
    pub fn from_json(text: &str) -> Store {
        Store(Mutex::new(serde_json::from_str(text).expect("an object of paths")))
    }

    /// What stands at a path now: a value, or an element of a collection.
    pub fn at(&self, path: &str) -> Option<Value> {
        let mut values = self.lock();
        place(&mut values, path).map(|value| value.clone())
    }

    /// What a request without header fields is answered: a status and what is shown.
    pub fn ask(&self, method: &str, target: &str, body: &str) -> Outcome {
        let path = target.split('?').next().unwrap_or_default();
        perform(&mut self.lock(), method, path, body.as_bytes())
    }

    /// Does what a request asks and answers it.
    pub fn answer(&self, request: &Recorded) -> Vec<u8> {
        let path = request.target.split('?').next().unwrap_or_default();
        let mut values = self.lock();
        let stale = place(&mut values, path).is_some_and(|now| !matches(request, now));
        let (status, shown) = match stale {
            true => (412, None),
            false => perform(&mut values, &request.method, path, &request.body),
        };
        match shown.filter(|_| request.method != "HEAD") {
            // RFC 9110 section 8.6: no length where there can be no content.
            None if status == 204 => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
            None => response(status, &[], ""),
            Some(value) => {
                let fields = [("Content-Type", "application/json"), ("ETag", &etag(&value))];
                response(status, &fields, &value.to_string())
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Value>> {
        self.0.lock().unwrap()
    }
}

fn perform(values: &mut BTreeMap<String, Value>, method: &str, path: &str, body: &[u8]) -> Outcome {
    if method == "DELETE" {
        return (if remove(values, path) { 204 } else { 404 }, None);
    }
    let Some(now) = place(values, path) else {
        return (404, Some(json!({"error": "not found"})));
    };
    match method {
        "GET" | "HEAD" => return (200, Some(now.clone())),
        // What takes no collection is a call: a query, a log-out. Its answer is what stands there.
        "POST" if !now.is_array() => return (200, Some(now.clone())),
        _ => {}
    }
    let Ok(sent) = serde_json::from_slice(body) else {
        return (400, Some(json!({"error": "not JSON"})));
    };
    match (method, now) {
        ("POST", Value::Array(list)) => return (201, Some(append(list, sent))),
        ("PUT", now) => *now = with_id(sent, now.get("id").cloned()),
        ("PATCH", now) => merge(now, sent),
        _ => return (405, None),
    }
    (200, place(values, path).map(|now| now.clone()))
}

/// A value at exactly this path, or an element of the collection above it.
fn place<'v>(values: &'v mut BTreeMap<String, Value>, path: &str) -> Option<&'v mut Value> {
    if values.contains_key(path) {
        return values.get_mut(path);
    }
    let (above, id) = path.rsplit_once('/')?;
    values.get_mut(above)?.as_array_mut()?.iter_mut().find(|one| one["id"] == id)
}

fn remove(values: &mut BTreeMap<String, Value>, path: &str) -> bool {
    if values.remove(path).is_some() {
        return true;
    }
    let Some((above, id)) = path.rsplit_once('/') else { return false };
    let Some(Value::Array(list)) = values.get_mut(above) else { return false };
    let before = list.len();
    list.retain(|one| one["id"] != id);
    list.len() < before
}

fn append(list: &mut Vec<Value>, sent: Value) -> Value {
    let id = sent.get("id").cloned().unwrap_or_else(|| format!("new-{}", list.len() + 1).into());
    let made = with_id(sent, Some(id));
    list.push(made.clone());
    made
}

/// An element keeps its id, whatever was sent.
fn with_id(mut value: Value, id: Option<Value>) -> Value {
    if let (Value::Object(members), Some(id)) = (&mut value, id) {
        members.insert("id".into(), id);
    }
    value
}

fn matches(request: &Recorded, now: &Value) -> bool {
    request.fields.get("if-match").is_none_or(|wanted| wanted == etag(now))
}

fn etag(value: &Value) -> String {
    let mut hasher = DefaultHasher::new();
    value.to_string().hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

#[test]
fn it_keeps_what_is_sent() {
    let store = Store::from_json(r#"{"/a": [{"id": "1", "x": 1}], "/plan": {"y": 1, "z": 2}}"#);
    assert_eq!(store.ask("GET", "/a/1?q=1", ""), (200, Some(json!({"id": "1", "x": 1}))));
    assert_eq!(store.ask("GET", "/a/2", "").0, 404);
    let made = json!({"id": "new-2", "x": 2});
    assert_eq!(store.ask("POST", "/a", r#"{"x": 2}"#), (201, Some(made)));
    assert_eq!(store.ask("PUT", "/a/1", r#"{"id": "9", "w": 0}"#).0, 200);
    assert_eq!(store.at("/a/1"), Some(json!({"id": "1", "w": 0})));
    let merged = Some(json!({"w": 3, "z": 2}));
    assert_eq!(store.ask("PATCH", "/plan", r#"{"y": null, "w": 3}"#).1, merged);
    assert_eq!(store.ask("POST", "/plan", "").1, merged);
    assert_eq!(store.ask("DELETE", "/a/1", ""), (204, None));
    assert_eq!(store.ask("DELETE", "/a/1", "").0, 404);
    assert_eq!(store.ask("PUT", "/plan", "{").0, 400);
}

#[test]
fn a_stale_tag_changes_nothing() {
    let store = Store::from_json(r#"{"/a": {"x": 1}}"#);
    let put = |tag: &str| {
        let fields = wire::Fields(vec![("If-Match".into(), tag.into())]);
        let (method, target) = ("PUT".into(), "/a".into());
        let body = b"{}".to_vec();
        store.answer(&Recorded { method, target, body, fields, ..Recorded::default() })
    };
    assert!(put("\"other\"").starts_with(b"HTTP/1.1 412 "));
    assert_eq!(store.at("/a"), Some(json!({"x": 1})));
    assert!(put(&etag(&json!({"x": 1}))).starts_with(b"HTTP/1.1 200 "));
    assert_eq!(store.at("/a"), Some(json!({})));
}
