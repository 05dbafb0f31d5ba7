//! The same raw inputs to us, nginx and HAProxy, in front of the same kind of upstream: where we are
//! stricter, and where we are laxer, each of which is argued here or fails the test. Ignored, and
//! skipped aloud where the other two are not installed:
//!
//! ```sh
//! PORTCULLIS_DIFFERENTIAL=write cargo test --test transcripts differential -- --ignored --nocapture
//! ```
//!
//! writes `docs/differential.md` anew.

mod inputs;
mod peers;

use crate::support::frames::GOAWAY;
use crate::support::proxy::Start;
use crate::support::{TempPolicy, Upstream};
use inputs::Input;
use peers::Peer;
use std::fmt::{self, Write as _};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

/// All that is well-formed passes: what is refused is refused for its form.
const OPEN: &str =
    "policy: 1\nroutes: [{match: \"/**\", public: crud}]\nrole_defaults: {any: []}\n";

/// Where somebody else is stricter, and why that is no fault of ours.
const ARGUED: &[(&str, &str)] = &[(
    ":path /a#b",
    "the fragment is taken off before anything is decided, and goes nowhere; in HTTP/1 it is refused",
)];

/// Between the last byte that comes and the end of what is waited for.
const SILENCE: Duration = Duration::from_millis(250);

/// What became of an input; what is stricter comes later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    /// It reached the upstream as it was, or its connection goes on.
    Passed,
    /// A request reached the upstream, without what was wrong with it.
    Cleaned,
    /// The beginning of a request reached the upstream, and then its connection ended.
    Cut,
    /// Nothing reached the upstream, or the connection has been ended.
    Refused(u16),
}

/// One of three, and where to send.
struct Contestant {
    upstream: Upstream,
    plain: SocketAddr,
    http2: SocketAddr,
}

#[test]
#[ignore = "needs nginx and HAProxy, and a minute"]
#[allow(clippy::print_stdout, clippy::print_stderr, reason = "its table is what it is run for")]
fn p01_p02_p03_p04_p05_differential() {
    let upstreams = [(); 3].map(|()| Upstream::json("{}"));
    let (Some(nginx), Some(haproxy)) = (Peer::nginx(&upstreams[1]), Peer::haproxy(&upstreams[2]))
    else {
        eprintln!("SKIPPED: nginx and HAProxy are not both installed");
        return;
    };
    let policy = TempPolicy::file(OPEN);
    let ours = Start::new().upstream(&upstreams[0]).policy(policy.path()).ready();
    let ports =
        [(ours.address, ours.address), (nginx.plain, nginx.http2), (haproxy.plain, haproxy.http2)];
    let contestants: Vec<_> = upstreams
        .into_iter()
        .zip(ports)
        .map(|(upstream, (plain, http2))| Contestant { upstream, plain, http2 })
        .collect();
    let rows: Vec<_> =
        inputs::all().into_iter().map(|input| Row::of(input, &contestants)).collect();
    let page = page(&rows, [&nginx.version, &haproxy.version]);
    println!("{page}");
    if std::env::var_os("PORTCULLIS_DIFFERENTIAL").is_some_and(|how| how == "write") {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/differential.md");
        std::fs::write(path, &page).expect("write the page");
    }
    let laxer = |row: &&Row| row.is_laxer() && argued(&row.input.name).is_none();
    let unargued: Vec<_> = rows.iter().filter(laxer).map(|row| &row.input.name).collect();
    assert!(unargued.is_empty(), "we are laxer, and nobody says why: {unargued:#?}");
    let refused = |row: &&Row| matches!(row.verdicts[0], Verdict::Refused(_));
    assert!(rows.iter().filter(refused).count() > rows.len() / 2, "hardly anything is refused");
}

struct Row {
    input: Input,
    /// Ours first.
    verdicts: Vec<Verdict>,
}

impl Row {
    fn of(input: Input, contestants: &[Contestant]) -> Row {
        let verdicts = contestants.iter().map(|one| one.judge(&input)).collect();
        Row { input, verdicts }
    }

    /// Whether somebody else is stricter. With which status something is refused makes no difference.
    fn is_laxer(&self) -> bool {
        self.verdicts[1..].iter().any(|other| other.rank() > self.verdicts[0].rank())
    }

    fn is_stricter(&self) -> bool {
        self.verdicts[1..].iter().any(|other| other.rank() < self.verdicts[0].rank())
    }
}

impl Verdict {
    fn rank(self) -> u8 {
        match self {
            Verdict::Passed => 0,
            Verdict::Cleaned => 1,
            Verdict::Cut | Verdict::Refused(_) => 2,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Passed => write!(f, "passed"),
            Verdict::Cleaned => write!(f, "cleaned"),
            Verdict::Cut => write!(f, "cut"),
            Verdict::Refused(0) => write!(f, "refused"),
            Verdict::Refused(status) => write!(f, "{status}"),
        }
    }
}

impl Contestant {
    fn judge(&self, input: &Input) -> Verdict {
        let (before, whole) = (self.upstream.settled_bytes(), self.upstream.requests().len());
        let to = if input.group == "p05" { self.http2 } else { self.plain };
        let (seen, ended) = converse(to, &input.bytes, input.is_flood);
        let status = if input.group == "p05" { 0 } else { status(&seen) };
        if input.is_flood {
            return if ended { Verdict::Refused(0) } else { Verdict::Passed };
        }
        let after = self.upstream.settled_bytes();
        let came: Vec<u8> = after
            .iter()
            .enumerate()
            .flat_map(|(at, bytes)| bytes[before.get(at).map_or(0, Vec::len)..].to_vec())
            .collect();
        let came = String::from_utf8_lossy(&came).to_lowercase();
        match (came.is_empty(), came.contains(&input.mark)) {
            (true, _) => Verdict::Refused(status),
            (false, true) => Verdict::Passed,
            (false, false) if self.upstream.requests().len() == whole => Verdict::Cut,
            (false, false) => Verdict::Cleaned,
        }
    }
}

/// Sends all of it, and reads until the other end closes or says nothing more. A flood that goes on is
/// read while it is sent, or nobody could send it.
fn converse(to: SocketAddr, bytes: &[u8], is_flood: bool) -> (Vec<u8>, bool) {
    let mut stream = TcpStream::connect(to).expect("a proxy that listens");
    stream.set_read_timeout(Some(SILENCE)).expect("a socket");
    stream.set_write_timeout(Some(Duration::from_secs(5))).expect("a socket");
    let mut reading = stream.try_clone().expect("a second handle");
    let reader = std::thread::spawn(move || {
        let (mut seen, mut chunk) = (Vec::new(), [0; 16 * 1024]);
        // A flood is sent for a while, and the answers to it may begin late.
        let patience = if is_flood { Duration::from_secs(3) } else { SILENCE };
        let mut last = Instant::now();
        loop {
            match reading.read(&mut chunk) {
                Ok(0) => return (seen, true),
                Ok(n) => {
                    seen.extend_from_slice(&chunk[..n]);
                    last = Instant::now();
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    if last.elapsed() >= patience {
                        return (seen, false);
                    }
                }
                Err(_) => return (seen, true),
            }
        }
    });
    let _refused_before_its_end = stream.write_all(bytes);
    let (seen, ended) = reader.join().expect("a reader");
    let ended = ended || is_flood && says_goaway(&seen);
    (seen, ended)
}

/// Whoever says so ends the connection, also where the socket stays open for a moment.
fn says_goaway(mut seen: &[u8]) -> bool {
    while let [a, b, c, kind, _, _, _, _, _, payload @ ..] = seen {
        if *kind == GOAWAY {
            return true;
        }
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        seen = payload.get(length..).unwrap_or_default();
    }
    false
}

/// Of the first answer; 0 where there is none.
fn status(seen: &[u8]) -> u16 {
    let text = String::from_utf8_lossy(seen);
    text.strip_prefix("HTTP/").and_then(|rest| rest.get(4..7)?.parse().ok()).unwrap_or(0)
}

fn argued(name: &str) -> Option<&'static str> {
    ARGUED.iter().find(|(argued, _)| *argued == name).map(|(_, why)| *why)
}

fn page(rows: &[Row], others: [&str; 2]) -> String {
    let stricter = rows.iter().filter(|row| row.is_stricter()).count();
    let laxer = rows.iter().filter(|row| row.is_laxer()).count();
    let count = rows.len();
    let mut page = format!(
        "# What others let through\n\n\
         The same raw inputs, sent to Portcullis, {} and {} with nothing but an upstream configured, and \
         what reached that upstream. Of {count} inputs we are stricter than at least one of the two with \
         {stricter}, and laxer with {laxer}.\n\n\
         `passed`: it reached the upstream as it was, or the flood went on. `cleaned`: a request reached \
         the upstream without what was wrong with it. `cut`: the beginning of one did, which no server may take for a \
         whole one (RFC 9112 section 8). A number, or `refused`: it was refused, and nothing reached \
         the upstream. The other two can be configured to refuse more; this is what they do by themselves.\n\n\
         Made by `PORTCULLIS_DIFFERENTIAL=write cargo test --test transcripts differential -- --ignored`.\n",
        others[0], others[1]
    );
    let titles = [
        ("p01", "Paths"),
        ("p02", "Methods"),
        ("p03", "Headers"),
        ("p04", "Framing"),
        ("p05", "HTTP/2"),
    ];
    for (group, title) in titles {
        write!(page, "\n## {title}\n\n| input | Portcullis | {} | {} | |\n", others[0], others[1])
            .expect("a text");
        page += "|---|---|---|---|---|\n";
        for row in rows.iter().filter(|row| row.input.group == group) {
            page += &line(row);
        }
    }
    page
}

fn line(row: &Row) -> String {
    let note = match (row.is_laxer(), row.is_stricter()) {
        (true, _) => format!("laxer: {}", argued(&row.input.name).unwrap_or("not argued")),
        (false, true) => "stricter".to_owned(),
        (false, false) => String::new(),
    };
    let verdicts: Vec<_> = row.verdicts.iter().map(ToString::to_string).collect();
    format!("| {} | {} | {note} |\n", cell(&row.input.name), verdicts.join(" | "))
}

/// As code in a table: no sign that ends either.
fn cell(text: &str) -> String {
    let shown: String = text
        .chars()
        .flat_map(|sign| match sign {
            '|' => vec!['\\', '|'],
            sign if sign.is_control() => sign.escape_default().collect(),
            sign => vec![sign],
        })
        .collect();
    match shown.trim().is_empty() {
        true => "(nothing)".to_owned(),
        false => format!("`{}`", shown.trim()),
    }
}
