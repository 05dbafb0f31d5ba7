//! Responses that last are held to what is allowed for as long as they do: whoever is no longer
//! allowed, or is to see less, is cut off within `limits.stream_revocation`, and never told that
//! this was the end.

use super::support::{Answer, Client, Proxy, Upstream, eventually};
use crate::support::h2;
use crate::support::tokens::key_digest;
use portcullis::decide::Reason;
use portcullis::settings::Limits;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant, SystemTime};

/// Callers by key. What `ana` may do is what the tests change.
fn policy(more: &str) -> String {
    let key = |user: &str, role: &str| {
        let digest = key_digest(user);
        format!("    - {{user: {user}, sha256: \"{digest}\", roles: [{role}]}}\n")
    };
    format!(
        "policy: 1\nidentity:\n  api_keys:\n    keys:\n{}{}{}{}{RULES}{more}",
        key("ana", "reads"),
        key("bob", "limited"),
        key("cem", "mine"),
        key("dan", "writes"),
    )
}

const RULES: &str = r#"
routes:
  - {match: "/**"}
  - {match: "/feed/**", response: events}
  - {match: "/open/**", response: events, public: r}
roles:
  - {id: reads, grants: [{path: "/**", access: r}], schemas: [no-ssn]}
  - {id: limited, grants: [{path: "/**", access: r}], schemas: [no-ssn]}
  - {id: mine, grants: [{path: "/feed/{id}", access: r, keep: {field: /owner, in: subject.id}}]}
  - {id: writes, grants: [{path: "/feed/{id}", access: c, require: {field: /kind, in: [a]}}]}
  - {id: all, grants: [{path: "/**", access: r}]}
schemas:
  - {id: no-ssn, type: t, body: {type: object, additionalProperties: true, properties: {ssn: false}}}
resource_types:
  - {id: t, at: [{path: "/feed/{id}", pointer: ""}], elsewhere: pass}
"#;

/// The shortest time that there is from a change to the cut.
fn brisk() -> Limits {
    Limits { stream_revocation: Duration::from_secs(1), ..Limits::default() }
}

/// An upstream that begins a stream for each request, and what its streams say.
fn streaming(kind: &'static str) -> (Upstream, Receiver<Sender<Vec<u8>>>) {
    let (begun, streams) = channel();
    let begun = Mutex::new(begun);
    let upstream = Upstream::scripted(move |_, _| {
        let (sender, pieces) = channel();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        sender.send(head.into_bytes()).unwrap();
        begun.lock().unwrap().send(sender).unwrap();
        Answer::Pieces(pieces)
    });
    (upstream, streams)
}

/// A stream that is open, with both of its ends.
struct Open {
    client: Client,
    stream: Sender<Vec<u8>>,
}

impl Open {
    #[track_caller]
    fn begin(proxy: &Proxy, streams: &Receiver<Sender<Vec<u8>>>, who: &str, head: &str) -> Open {
        let mut client = proxy.connect();
        let who = if who.is_empty() { String::new() } else { format!("X-Api-Key: {who}\r\n") };
        client.send(head.replacen("\r\n", &format!("\r\nHost: a\r\n{who}"), 1));
        let stream = streams.recv_timeout(super::support::PATIENCE).expect("a request");
        let mut open = Open { client, stream };
        let head = open.read_head();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        open
    }

    fn read_head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(self.client.take(1));
        }
        String::from_utf8(head).unwrap()
    }

    /// What the upstream sends comes out as this.
    #[track_caller]
    fn passes(&mut self, sent: &str, shown: &str) {
        self.stream.send(chunk(sent)).expect("the proxy still listens");
        let wanted = chunk(shown);
        assert_eq!(String::from_utf8(self.client.take(wanted.len())).unwrap().into_bytes(), wanted);
    }

    /// Nothing more comes, and not the end of a whole response either.
    #[track_caller]
    fn is_cut(&mut self) {
        assert_eq!(self.client.rest().1, b"");
    }
}

fn chunk(text: &str) -> Vec<u8> {
    format!("{:X}\r\n{text}\r\n", text.len()).into_bytes()
}

const GET: &str = "GET /feed/1 HTTP/1.1\r\n\r\n";
const SENT: &str = "{\"ssn\":\"CANARY\",\"owner\":\"cem\"}\n";
const SEEN: &str = "{\"owner\":\"cem\"}\n";

/// From a change to the cut, where the clock of the machine is shared.
const BOUND: Duration = Duration::from_secs(3);

#[test]
fn p12_a_reload_that_takes_something_away_cuts_a_stream() {
    let reads = "{id: reads, grants: [{path: \"/**\", access: r}], schemas: [no-ssn]}";
    let key = format!("    - {{user: ana, sha256: \"{}\"", key_digest("ana"));
    for (from, to, reason) in [
        (reads, "{id: reads, grants: [{path: \"/other\", access: r}]}", Reason::NoGrant),
        // What was limited to fields is now limited to rows.
        (
            reads,
            "{id: reads, grants: [{path: \"/feed/{id}\", access: r, keep: {field: /owner, in: subject.id}}]}",
            Reason::NoGrant,
        ),
        // Another field is hidden as well, from `bob` too.
        ("properties: {ssn: false}", "properties: {ssn: false, owner: false}", Reason::NoGrant),
        // It is somebody else's key.
        (&key, &key.replace("user: ana", "user: ann"), Reason::NoGrant),
        (&key, &key.replace(&key_digest("ana"), &key_digest("x")), Reason::Unauthenticated),
    ] {
        let (upstream, streams) = streaming("application/x-ndjson");
        let proxy =
            Proxy::with(&policy(""), &format!("http://{}", upstream.address), Limits::default());
        let mut stream = Open::begin(&proxy, &streams, "ana", GET);
        let mut other = Open::begin(&proxy, &streams, "", "GET /open/1 HTTP/1.1\r\n\r\n");
        stream.passes(SENT, SEEN);
        let text = policy("").replacen(from, to, 1);
        assert_ne!(text, policy(""), "{from}");
        let start = Instant::now();
        proxy.reload(&text, 2);
        stream.is_cut();
        assert!(start.elapsed() < BOUND, "{from}: {:?}", start.elapsed());
        let record = proxy.record();
        assert_eq!((record.reason, record.status, record.aborted), (reason, 200, true), "{from}");
        assert_eq!((record.generation, record.refused), (2, true));
        // Who is not concerned goes on, and it is the upstream of the other that hears of it.
        other.passes(SENT, SENT);
        eventually("the upstream's end is closed", || {
            stream.stream.send(chunk(SENT)).is_err() || upstream.closed() == 1
        });
    }
}

#[test]
fn p12_a_reload_that_changes_nothing_for_it_leaves_a_stream_open() {
    let (upstream, streams) = streaming("application/x-ndjson");
    let proxy = Proxy::with(&policy(""), &format!("http://{}", upstream.address), brisk());
    let mut ana = Open::begin(&proxy, &streams, "ana", GET);
    let mut bob = Open::begin(&proxy, &streams, "bob", GET);
    for generation in 2..5 {
        // From the third on, `ana` would see more: what it has goes on as it began.
        let text = policy(&format!("name: again {generation}\n"));
        let wider = "{id: reads, grants: [{path: \"/**\", access: r}]}";
        let text = match generation {
            2 => text,
            _ => text.replace(
                "{id: reads, grants: [{path: \"/**\", access: r}], schemas: [no-ssn]}",
                wider,
            ),
        };
        proxy.reload(&text, generation);
        std::thread::sleep(Duration::from_millis(600));
        ana.passes(SENT, SEEN);
        bob.passes(SENT, SEEN);
    }
    assert!(proxy.try_record().is_none());
    for mut open in [ana, bob] {
        open.stream.send(b"0\r\n\r\n".to_vec()).unwrap();
        assert_eq!(open.client.take(5), b"0\r\n\r\n");
        assert!(!proxy.record().aborted);
    }
}

/// Plans of rows are compared within one policy alone: another one is another plan.
#[test]
fn p12_rows_last_as_long_as_the_policy() {
    let (upstream, streams) = streaming("application/x-ndjson");
    let proxy = Proxy::with(&policy(""), &format!("http://{}", upstream.address), brisk());
    let mut stream = Open::begin(&proxy, &streams, "cem", GET);
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(600));
        stream.passes("{\"owner\":\"eve\"}\n{\"owner\":\"cem\"}\n", SEEN);
    }
    proxy.reload(&policy("name: again\n"), 2);
    stream.is_cut();
    assert_eq!(proxy.record().reason, Reason::NoGrant);
}

#[test]
fn p12_a_credential_that_expires_cuts_a_stream() {
    let (upstream, streams) = streaming("text/event-stream");
    let time = humantime::format_rfc3339_seconds(SystemTime::now() + Duration::from_secs(2));
    let text = policy("").replace("roles: [reads]", &format!("roles: [reads], expires: {time}"));
    let proxy = Proxy::with(&text, &format!("http://{}", upstream.address), brisk());
    let mut stream = Open::begin(&proxy, &streams, "ana", GET);
    stream.passes("data: {\"ssn\":1}\n\n", "data: {}\n\n");
    stream.is_cut();
    assert_eq!(proxy.record().reason, Reason::Unauthenticated);
}

/// The wait for a stream is a part of it: an upstream that says nothing yet is asked no longer.
#[test]
fn p12_whoever_waits_for_a_stream_is_refused_when_it_is_no_longer_allowed() {
    let time = humantime::format_rfc3339_seconds(SystemTime::now() + Duration::from_secs(3));
    let expires = policy("").replace("roles: [reads]", &format!("roles: [reads], expires: {time}"));
    let less = policy("").replacen("access: r}], schemas", "access: c}], schemas", 1);
    for (first, then, status, reason) in [
        (&expires, None, 401, Reason::Unauthenticated),
        (&policy(""), Some(&less), 403, Reason::NoGrant),
    ] {
        let (never, pieces) = channel();
        let pieces = Mutex::new(Some(pieces));
        let upstream = Upstream::scripted(move |_, _| {
            Answer::Pieces(pieces.lock().unwrap().take().expect("one request"))
        });
        let proxy = Proxy::with(first, &format!("http://{}", upstream.address), brisk());
        let mut client = proxy.connect();
        client.send(GET.replacen("\r\n", "\r\nHost: a\r\nX-Api-Key: ana\r\n", 1));
        eventually("it is on its way", || upstream.requests().len() == 1);
        if let Some(then) = then {
            proxy.reload(then, 2);
        }
        assert_eq!(client.response().status, status);
        assert_eq!(proxy.record().reason, reason);
        drop(never);
    }
}

/// Where nothing is hidden nobody reads the body; it is held to what is allowed all the same, where
/// the route or the client says that it lasts. A document goes to its end.
#[test]
fn p12_a_stream_that_passes_unread_is_cut_too() {
    let all = policy("").replace("roles: [reads]", "roles: [all]");
    let none =
        all.replace("{id: all, grants: [{path: \"/**\", access: r}]}", "{id: all, grants: []}");
    for (head, kind, cut) in [
        (GET, "text/plain", true),
        (
            "GET /x HTTP/1.1\r\nAccept: */*;q=0.1, Text/Event-Stream\r\n\r\n",
            "text/event-stream",
            true,
        ),
        ("GET /x HTTP/1.1\r\nAccept: */*\r\n\r\n", "application/octet-stream", false),
    ] {
        let (upstream, streams) = streaming(kind);
        let proxy = Proxy::with(&all, &format!("http://{}", upstream.address), brisk());
        let mut stream = Open::begin(&proxy, &streams, "ana", head);
        stream.passes("any", "any");
        proxy.reload(&none, 2);
        if cut {
            stream.is_cut();
            assert_eq!(proxy.record().reason, Reason::NoGrant);
        } else {
            std::thread::sleep(Duration::from_millis(1_200));
            stream.passes("more", "more");
        }
    }
}

/// What a write was allowed by is not there any more when it has happened: it stands until the
/// policy changes.
#[test]
fn p12_the_answer_to_a_write_lasts_as_long_as_the_policy() {
    let (upstream, streams) = streaming("application/x-ndjson");
    let proxy = Proxy::with(&policy(""), &format!("http://{}", upstream.address), brisk());
    let head = "POST /feed/1 HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{\"kind\":\"a\"}";
    let mut stream = Open::begin(&proxy, &streams, "dan", head);
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(600));
        stream.passes(SENT, SENT);
    }
    proxy.reload(&policy("name: again\n"), 2);
    stream.is_cut();
    assert_eq!(proxy.record().reason, Reason::NoGrant);
    assert_eq!(upstream.requests().len(), 1, "it was sent once");
}

/// Whose the object is, is looked at again; where that cannot be found out in time, it is cut.
#[test]
fn p12_a_stream_about_an_object_ends_with_its_owner() {
    for (later, reason) in
        [(Some("{\"by\":\"eve\"}"), Reason::NotOwner), (None, Reason::UpstreamTimeout)]
    {
        let (begun, streams) = channel();
        let (begun, looks) = (Mutex::new(begun), Mutex::new(0));
        let upstream = Upstream::scripted(move |_, request| {
            let (sender, pieces) = channel();
            if request.starts_with("GET /about/1 ") {
                *looks.lock().unwrap() += 1;
                let text = match (*looks.lock().unwrap(), later) {
                    (1..4, _) => "{\"by\":\"ana\"}",
                    (_, Some(later)) => later,
                    (_, None) => {
                        begun.lock().unwrap().send(sender).unwrap();
                        return Answer::Pieces(pieces);
                    }
                };
                return Answer::Bytes(super::support::ok("application/json", text).into_bytes());
            }
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n";
            sender.send(head.into()).unwrap();
            begun.lock().unwrap().send(sender).unwrap();
            Answer::Pieces(pieces)
        });
        let grant = "{path: \"/feed/{id}\", access: r, owner: {field: /by, of: \"/about/{id}\"}}";
        let text = policy("").replace(
            "{id: reads, grants: [{path: \"/**\", access: r}], schemas: [no-ssn]}",
            &format!("{{id: reads, grants: [{grant}]}}"),
        );
        let proxy = Proxy::with(&text, &format!("http://{}", upstream.address), brisk());
        let mut stream = Open::begin(&proxy, &streams, "ana", GET);
        stream.passes(SENT, SENT);
        let start = Instant::now();
        stream.is_cut();
        assert!(start.elapsed() > Duration::from_millis(900), "two looks were good");
        assert_eq!(proxy.record().reason, reason);
    }
}

/// In HTTP/2 the stream is reset, and the connection and its other streams go on.
#[test]
fn p12_a_stream_of_http2_is_reset_when_it_is_cut() {
    let (upstream, streams) = streaming("application/x-ndjson");
    let proxy = Proxy::with(&policy(""), &format!("http://{}", upstream.address), brisk());
    let address = proxy.address;
    let asking = std::thread::spawn(move || {
        let of =
            |who: &str, path: &str| h2::request(address, "GET", path, &[("x-api-key", who)], "");
        h2::call_all(address, vec![of("ana", "/feed/1"), of("bob", "/feed/1")])
    });
    let both: Vec<_> =
        (0..2).map(|_| streams.recv_timeout(super::support::PATIENCE).unwrap()).collect();
    let ana_is_first = upstream.requests()[0].contains("x-portcullis-user: ana");
    both.iter().for_each(|stream| stream.send(chunk(SENT)).unwrap());
    proxy.reload(
        &policy("").replace(
            "{id: reads, grants: [{path: \"/**\", access: r}], ",
            "{id: reads, grants: [], ",
        ),
        2,
    );
    assert_eq!(proxy.record().reason, Reason::NoGrant);
    let bob = &both[usize::from(ana_is_first)];
    bob.send(chunk(SENT)).unwrap();
    bob.send(b"0\r\n\r\n".to_vec()).unwrap();
    let outcomes = asking.join().unwrap();
    assert!(outcomes[0].is_err(), "{outcomes:?}");
    assert_eq!(outcomes[1].as_ref().unwrap().body, format!("{SEEN}{SEEN}"));
}
