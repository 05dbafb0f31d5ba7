//! What passes over an open connection.

use super::far::{After, Far, agreement};
use super::{handshake, open, over};
use crate::proxy::support::eventually;
use portcullis::decide::Reason;
use portcullis::settings::Limits;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::Duration;

#[test]
fn bytes_pass_both_ways_and_one_line_tells_of_them() {
    let far = Far::echo();
    let proxy = over(&far, Limits::default());
    let mut client = open(&proxy, "/chat/1", "ana");
    for _ in 0..3 {
        // What looks like HTTP is none any more.
        client.send("GET /x#y HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert!(client.take(68).starts_with(b"GET /x#y"));
    }
    assert!(proxy.try_record().is_none(), "it is told at the end");
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.rest(), (true, Vec::new()));
    let record = proxy.record();
    assert_eq!((record.status, record.reason, record.aborted), (101, Reason::Granted, false));
    assert_eq!((record.bytes_in, record.bytes_out), (204, 204));
    assert_eq!(record.user.as_deref(), Some("ana"));
    assert_eq!(record.route.as_deref(), Some("/chat/**"));
    assert!(record.total >= record.upstream && !record.upstream.is_zero());
    eventually("the connection is closed", || far.closed() == 1);
}

#[test]
fn p04_what_either_side_said_early_comes_first() {
    let far = Far::answering(&agreement("HELLO "), After::Echo);
    let proxy = over(&far, Limits::default());
    let mut client = proxy.connect();
    client.send(handshake("/chat/1", "ana", "") + "early");
    assert_eq!(client.head_response().status, 101);
    client.send(" late");
    assert_eq!(client.take(16), b"HELLO early late");
}

#[test]
fn either_side_may_close_its_direction_first() {
    let far = Far::agreeing(After::Last("the last word"));
    let proxy = over(&far, Limits::default());
    let mut client = open(&proxy, "/chat/1", "ana");
    client.send("all of it");
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.rest(), (true, b"the last word".to_vec()));
    assert_eq!(far.bytes(), b"all of it");
    assert!(!proxy.record().aborted);

    let far = Far::agreeing(After::Close);
    let proxy = over(&far, Limits::default());
    let mut client = open(&proxy, "/chat/1", "ana");
    assert_eq!(client.rest(), (true, Vec::new()));
    client.send("still heard");
    eventually("it is heard", || far.bytes() == b"still heard");
    assert!(proxy.try_record().is_none());
    drop(client);
    assert_eq!(proxy.record().bytes_in, 11);
}

/// Far more than any buffer on the way, in both directions at once, and byte for byte.
#[test]
fn p13_large_messages_pass_whole() {
    const ALL: usize = 32 * 1024 * 1024;
    let far = Far::echo();
    let proxy = over(&far, Limits::default());
    let client = open(&proxy, "/chat/1", "ana");
    let mut sending = client.stream.try_clone().unwrap();
    let sent = std::thread::spawn(move || {
        let mut at = 0_usize;
        while at < ALL {
            let piece: Vec<u8> = (at..at + 64 * 1024).map(|n| (n % 251) as u8).collect();
            sending.write_all(&piece).unwrap();
            at += piece.len();
        }
        sending.shutdown(Shutdown::Write).unwrap();
    });
    let (mut at, mut room) = (0_usize, vec![0; 64 * 1024]);
    let mut reading = &client.stream;
    loop {
        let n = reading.read(&mut room).unwrap();
        if n == 0 {
            break;
        }
        assert!(room[..n].iter().enumerate().all(|(k, byte)| *byte == ((at + k) % 251) as u8));
        at += n;
    }
    sent.join().unwrap();
    assert_eq!(at, ALL);
    let record = proxy.record();
    assert_eq!((record.bytes_in, record.bytes_out), (ALL as u64, ALL as u64));
}

/// An upstream that takes nothing holds the client back, and only a little is in between.
#[test]
fn p13_who_does_not_read_is_not_read_for() {
    let far = Far::agreeing(After::Deaf);
    let proxy = over(&far, Limits::default());
    let mut client = open(&proxy, "/chat/1", "ana");
    client.stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut sent = 0_usize;
    while let Ok(n) = client.stream.write(&[b'x'; 64 * 1024]) {
        sent += n;
        assert!(sent < 64 * 1024 * 1024, "somebody holds it all");
    }
}

#[test]
fn p13_a_client_that_takes_nothing_is_cut() {
    let far = Far::echo();
    let limits = Limits { write_idle: Duration::from_millis(300), ..Limits::default() };
    let proxy = over(&far, limits);
    let client = open(&proxy, "/chat/1", "ana");
    let mut sending = client.stream.try_clone().unwrap();
    let sent = std::thread::spawn(move || while sending.write_all(&[b'x'; 64 * 1024]).is_ok() {});
    let record = proxy.record();
    assert_eq!((record.reason, record.aborted), (Reason::ClientTimeout, true));
    sent.join().unwrap();
    drop(client);
}
