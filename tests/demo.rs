//! The sample API by itself, over its socket.

use crate::support::Client;
use crate::support::client::{call, call_json, head};
use portcullis::demo::SampleUpstream;
use portcullis::demo::sample::{MAX_BODY, MAX_CONNECTIONS};

#[test]
fn the_sample_answers_with_every_field() {
    let sample = SampleUpstream::start().unwrap();
    let one = call(sample.address(), "GET", "/customers/1", &[]);
    assert_eq!((one.status, one.header("content-type")), (200, Some("application/json")));
    assert_eq!(
        (&one.json()["ssn"], &one.json()["card"]["last4"]),
        (&"123-45-6789".into(), &"1111".into())
    );
    let all = call(sample.address(), "GET", "/devices", &[]).json();
    assert_eq!((&all["count"], &all["data"][1]["name"]), (&2.into(), &"gate-south".into()));
}

#[test]
fn the_sample_keeps_what_is_written() {
    let sample = SampleUpstream::start().unwrap();
    let send = |method, path, body| call_json(sample.address(), method, path, &[], body);
    let made = send("POST", "/customers", r#"{"name": "Dana"}"#);
    assert_eq!((made.status, made.text()), (201, "{\"id\":4,\"name\":\"Dana\"}\n"));
    let patched = send("PATCH", "/customers/4", r#"{"phone": "1"}"#);
    assert_eq!(patched.text(), "{\"id\":4,\"name\":\"Dana\",\"phone\":\"1\"}\n");
    let replaced = send("PUT", "/customers/4", r#"{"name": "D"}"#);
    assert_eq!(replaced.text(), "{\"id\":4,\"name\":\"D\"}\n");
    assert_eq!(call(sample.address(), "DELETE", "/customers/4", &[]).status, 204);
    let gone = call(sample.address(), "GET", "/customers/4", &[]);
    assert_eq!((gone.status, gone.text()), (404, "{\"error\":\"there is no such record\"}\n"));
}

#[test]
fn the_sample_refuses_what_it_does_not_know() {
    let sample = SampleUpstream::start().unwrap();
    let status = |method, path| call(sample.address(), method, path, &[]).status;
    assert_eq!(status("GET", "/"), 404);
    assert_eq!(status("GET", "/customers/x"), 404);
    assert_eq!(status("GET", "/customers/1/orders"), 404);
    assert_eq!(status("DELETE", "/customers"), 405);
    assert_eq!(call_json(sample.address(), "POST", "/customers", &[], "[]").status, 400);
}

#[test]
fn the_sample_takes_bodies_up_to_its_limit() {
    let sample = SampleUpstream::start().unwrap();
    let body_of = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
    let status =
        |bytes| call_json(sample.address(), "POST", "/customers", &[], &body_of(bytes)).status;
    assert_eq!([MAX_BODY - 1, MAX_BODY, MAX_BODY + 1].map(status), [201, 201, 413]);
}

#[test]
fn the_sample_serves_connections_up_to_its_limit_and_then_as_others_leave() {
    let sample = SampleUpstream::start().unwrap();
    let mut clients: Vec<_> = (0..MAX_CONNECTIONS)
        .map(|_| {
            let mut client = Client::connect(sample.address());
            assert_eq!(client.call("GET", "/devices/1", &[]).status, 200);
            client
        })
        .collect();
    let mut late = Client::connect(sample.address());
    late.send(head("GET", "/devices/1", &[], None));
    for client in &mut clients {
        assert_eq!(client.call("GET", "/devices/1", &[]).status, 200);
    }
    assert!(late.is_quiet(), "one connection too many is served");
    clients.pop();
    assert_eq!(late.read().status, 200);
}
