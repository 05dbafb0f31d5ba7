//! What is sent: the raw inputs of groups 1 to 5, each with the text by which it is known again when it
//! has come through.

use crate::support::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, fields, frame, get, post, settings, streams,
};

/// One connection's worth of bytes.
pub struct Input {
    /// `p01` to `p05`.
    pub group: &'static str,
    pub name: String,
    pub bytes: Vec<u8>,
    /// In lower case. Where it reaches the upstream, the input has passed as it was; where a request
    /// comes without it, the harm has been taken out.
    pub mark: String,
    /// Whether what counts is that the connection ends, not what arrives.
    pub is_flood: bool,
}

/// All of them.
pub fn all() -> Vec<Input> {
    [paths(), methods(), headers(), framing(), http2(), floods()].into_iter().flatten().collect()
}

fn paths() -> Vec<Input> {
    let targets = [
        "/a/../b",
        "/a/./b",
        "/..",
        "/a/%2e%2e/b",
        "/a/.%2e/b",
        "/a%2fb",
        "/a%5cb",
        "/a%00b",
        "/a%0d%0ab",
        "/a%09b",
        "/a%252fb",
        "//a",
        "/a//b",
        "/a\\b",
        "/a;b=c",
        "/a;/../b",
        "/a#b",
        "/a%zz",
        "/a%",
        "/%ff",
        "/%c0%af",
        "/%61",
        "*",
        "a",
        "/a\u{7f}b",
        "/caf\u{e9}",
        "/a|b",
        "/a\"b",
    ];
    let one = |target: &str| Input {
        group: "p01",
        name: format!("GET {target}"),
        bytes: format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes(),
        mark: format!("get {} ", target.to_lowercase()),
        is_flood: false,
    };
    let long = format!("/{}", "a".repeat(8192));
    let mut all: Vec<_> = targets.into_iter().map(one).collect();
    all.push(Input { name: "GET of 8,193 bytes".to_owned(), ..one(&long) });
    all.push(Input { name: "GET with two spaces".to_owned(), ..one(" /a") });
    all
}

/// A request whose first line and fields are these.
fn head(group: &'static str, line: &str, more: &str, mark: &str) -> Input {
    let shown = if more.is_empty() { line.to_owned() } else { more.to_owned() };
    Input {
        group,
        name: shown.replace("\r\n", " ⏎ "),
        bytes: format!("{line} HTTP/1.1\r\n{more}\r\n\r\n")
            .replace("\r\n\r\n\r\n", "\r\n\r\n")
            .into(),
        mark: mark.to_lowercase(),
        is_flood: false,
    }
}

fn methods() -> Vec<Input> {
    let host = "Host: a";
    let line = |line: &str| {
        let method = line.split(' ').next().unwrap_or_default().to_owned();
        Input { name: line.to_owned(), ..head("p02", line, host, &format!("{method} ")) }
    };
    let post = |more: &str, mark: &str| {
        let all = format!("Host: a\r\nContent-Length: 0\r\n{more}");
        Input { name: more.to_owned(), ..head("p02", "POST /a", &all, mark) }
    };
    let mut all: Vec<_> =
        ["TRACE /a", "CONNECT a:443", "PROPFIND /a", "get /a", "G\u{e9}T /a", "PRI /a"]
            .into_iter()
            .map(line)
            .collect();
    all.extend([
        post("X-HTTP-Method-Override: DELETE", "delete"),
        post("X-Method-Override: DELETE", "delete"),
        post("X_HTTP_Method: DELETE", "delete"),
        Input {
            name: "POST /a?_method=DELETE".to_owned(),
            ..head(
                "p02",
                "POST /a?_method=DELETE",
                "Host: a\r\nContent-Length: 0",
                "_method=delete",
            )
        },
    ]);
    all
}

fn headers() -> Vec<Input> {
    let field = |field: &str, mark: &str| {
        let all = format!("Host: a\r\n{field}");
        Input { name: field.replace("\r\n", " ⏎ "), ..head("p03", "GET /a", &all, mark) }
    };
    let whole = |more: &str, mark: &str| head("p03", "GET /a", more, mark);
    let absolute = |line: &str, mark: &str| Input {
        name: format!("{line}, Host: a"),
        ..head("p03", line, "Host: a", mark)
    };
    let mut all: Vec<_> = [
        "X-Forwarded-For",
        "X_Forwarded_For",
        "X.Forwarded.For",
        "Forwarded",
        "X-Real-IP",
        "X-Forwarded-Host",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Host",
        "Proxy",
        "Remote-User",
        "True-Client-IP",
        "Content_Length",
        "Transfer_Encoding",
    ]
    .into_iter()
    .map(|name| field(&format!("{name}: spoofed"), "spoofed"))
    .collect();
    all.extend([
        field("Connection: host", "get /a"),
        field("Authorization: x\r\nConnection: authorization", "get /a"),
        field("Connection: X-Forwarded-For\r\nX-Forwarded-For: 192.0.2.7", "get /a"),
        field("Cookie: a=1\r\nConnection: cookie", "get /a"),
        field("Connection: X-Private\r\nX-Private: secret", "secret"),
        field("Keep-Alive: 5", "keep-alive: 5"),
        field("Proxy-Authorization: Basic eA==", "ea=="),
        field("Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk", "aamaaabk"),
        field("Connection: Upgrade\r\nUpgrade: other", "upgrade: other"),
        field("TE: gzip, chunked", "te: gzip"),
        field("Expect: nonsense", "nonsense"),
        field("X : y", "x : y"),
        field("X: y\r\n folded", "folded"),
        field("X: y\u{0}z", "get /a"),
        field("bad header: x", "bad header"),
        field(": x", "get /a"),
        field("X: y\nY: z", "y\ny: z"),
        field("X: a\rb", "get /a"),
        Input { name: "no Host".to_owned(), ..whole("X: y", "get /a") },
        whole("Host:", "get /a"),
        whole("Host: a\r\nHost: b", "get /a"),
        whole("Host: a\r\nHost: a", "get /a"),
        whole("Host: a, b", "get /a"),
        whole("Host: a b", "get /a"),
        whole("Host: a/b", "get /a"),
        whole("Host: a@b", "get /a"),
        whole("Host: a:99999", "get /a"),
        whole("Host: a\\b", "get /a"),
        whole("Host: [::1", "get /a"),
        absolute("GET http://b/a", "get /a"),
        absolute("GET ftp://a/a", "ftp:"),
        absolute("GET http://user@a/a", "get /a"),
    ]);
    all
}

fn framing() -> Vec<Input> {
    let post = |fields: &str, body: &str, mark: &str| Input {
        group: "p04",
        name: format!("{fields} ⏎ ⏎ {body}").replace("\r\n", " ⏎ "),
        bytes: format!("POST /a HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n{body}").into(),
        mark: mark.to_lowercase(),
        is_flood: false,
    };
    let chunked = |body: &str| Input {
        name: body.replace('\r', "␍").replace('\n', "␊").replace(' ', "␠"),
        ..post("Transfer-Encoding: chunked", body, body)
    };
    let end = "0\r\n\r\n";
    let smuggled = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut all = vec![
        post("Content-Length: 5\r\nTransfer-Encoding: chunked", end, "content-length"),
        post("Transfer-Encoding: chunked\r\nContent-Length: 46", smuggled, "/smuggled"),
        post("Content-Length: 5\r\nContent-Length: 6", "hello", "post /a"),
        post(
            "Content-Length: 5\r\nContent-Length: 5",
            "hello",
            "content-length: 5\r\ncontent-length: 5",
        ),
    ];
    for length in ["5, 5", "+5", "-5", "0x5", "", "5 5", "5;", "99999999999999999999", "005"] {
        all.push(post(
            &format!("Content-Length: {length}"),
            "hello",
            &format!("content-length: {length}"),
        ));
    }
    for coding in [
        "gzip, chunked",
        "chunked, chunked",
        "identity",
        "xchunked",
        "chunked, identity",
        "\u{b}chunked",
    ] {
        all.push(post(
            &format!("Transfer-Encoding: {coding}"),
            end,
            &format!("transfer-encoding: {coding}"),
        ));
    }
    all.extend([
        post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", end, "post /a"),
        post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", end, "post /a"),
        post("Transfer-Encoding : chunked", end, "post /a"),
        post("Transfer-Encoding\u{b}: chunked", end, "post /a"),
        post("Content-Length : 5", "hello", "post /a"),
        post("Transfer-Encoding: chunked\r\nTrailer: X-User", "0\r\nX-User: root\r\n\r\n", "root"),
    ]);
    for body in [
        "zz\r\n",
        "2\nhi\r\n0\r\n\r\n",
        "2\r\nhi\n0\r\n\r\n",
        "2;a\nb\r\nhi\r\n0\r\n\r\n",
        "2 \r\nhi\r\n0\r\n\r\n",
        " 2\r\nhi\r\n0\r\n\r\n",
        "0x2\r\nhi\r\n0\r\n\r\n",
        "-2\r\nhi\r\n0\r\n\r\n",
        "2\r\nhiXX0\r\n\r\n",
        "fffffffffffffffff\r\nhi\r\n0\r\n\r\n",
        "\r\n0\r\n\r\n",
        "2\r\rhi\r\n0\r\n\r\n",
    ] {
        all.push(chunked(body));
    }
    let old = |text: &str, name: &str| Input {
        group: "p04",
        name: name.to_owned(),
        bytes: text.as_bytes().to_vec(),
        mark: "/a".to_owned(),
        is_flood: false,
    };
    all.extend([
        old("GET /a HTTP/1.0\r\n\r\n", "HTTP/1.0 without Host"),
        old(
            "POST /a HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.0 with chunks",
        ),
        old("GET /a HTTP/3.0\r\nHost: a\r\n\r\n", "HTTP/3.0"),
        old("GET /a HTTP/1.1 x\r\nHost: a\r\n\r\n", "GET /a HTTP/1.1 x"),
        old("GET /a\r\nHost: a\r\n\r\n", "HTTP/0.9"),
        old("GET /a HTTP/1.1\nHost: a\n\n", "lines that end with LF alone"),
        old("GET /a HTTP/1.1\rHost: a\r\r", "lines that end with CR alone"),
        old("\r\n\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n", "two empty lines first"),
        old(" GET /a HTTP/1.1\r\nHost: a\r\n\r\n", "a space first"),
        old("GET\t/a\tHTTP/1.1\r\nHost: a\r\n\r\n", "tabs between the words"),
    ]);
    all
}

/// A field without a reference to anything (RFC 7541 section 6.2.2), on one stream.
fn literal(name: &str, value: &str) -> Vec<u8> {
    let length = |text: &str| u8::try_from(text.len()).expect("a short text");
    [&[0, length(name)], name.as_bytes(), &[length(value)], value.as_bytes()].concat()
}

fn over_http2(name: &str, mark: &str, frames: &[u8]) -> Input {
    Input {
        group: "p05",
        name: name.to_owned(),
        bytes: [PREFACE, &settings(&[]), frames].concat(),
        mark: mark.to_lowercase(),
        is_flood: false,
    }
}

fn http2() -> Vec<Input> {
    let with = |shown: &str, mark: &str, name: &str, value: &str| {
        let block = [fields("GET", "/a"), literal(name, value)].concat();
        over_http2(shown, mark, &frame(HEADERS, END_HEADERS | END_STREAM, 1, &block))
    };
    let path =
        |path: &str| over_http2(&format!(":path {path}"), &format!("get {path} "), &get(1, path));
    let sized = |shown: &str, told: &str, sent: &[u8]| {
        let block = [fields("POST", "/a"), literal("content-length", told)].concat();
        let head = frame(HEADERS, END_HEADERS, 1, &block);
        over_http2(shown, "hello", &[head, frame(DATA, END_STREAM, 1, sent)].concat())
    };
    let mut all: Vec<_> =
        ["/a/../b", "//a", "/a%2fb", "/a;b", "a", "/a b", "/a#b", ""].map(path).into();
    all.extend([
        with("connection: close", "/a", "connection", "close"),
        with("te: gzip", "te: gzip", "te", "gzip"),
        with("transfer-encoding: chunked", "/a", "transfer-encoding", "chunked"),
        with("upgrade: h2c", "/a", "upgrade", "h2c"),
        with("a name in upper case", "/a", "X-Upper", "1"),
        with("host is another one than :authority", "/a", "host", "b"),
        with("a line end in a value", "injected", "x", "y\r\ninjected: 1"),
        with("a NUL in a value", "/a", "x", "y\0z"),
        with("a colon in a name", "/a", "x: y\r\ninjected", "1"),
        with("a pseudo-field behind fields", "/b", ":path", "/b"),
        with("an unknown pseudo-field", "/a", ":other", "x"),
        with("x_forwarded_for", "spoofed", "x_forwarded_for", "spoofed"),
        sized("a longer body than content-length", "2", b"hello"),
        sized("a shorter body than content-length", "9", b"hello"),
    ]);
    all
}

fn floods() -> Vec<Input> {
    let flood =
        |name: &str, frames: Vec<u8>| Input { is_flood: true, ..over_http2(name, "", &frames) };
    let many = |count: usize, one: &[u8]| one.repeat(count);
    let resets = |count: usize| -> Vec<u8> {
        let one =
            |stream| [get(stream, "/a"), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat();
        streams().take(count).flat_map(one).collect()
    };
    let made_to_reset: Vec<u8> = streams()
        .take(1_000)
        .flat_map(|stream| [post(stream, "/a"), frame(WINDOW_UPDATE, 0, stream, &[0; 4])].concat())
        .collect();
    let open = frame(HEADERS, 0, 1, &fields("GET", "/a"));
    vec![
        flood("1,000 streams that are reset", resets(1_000)),
        flood("1,000 streams that the other end is made to reset", made_to_reset),
        flood("20,000 PING", many(20_000, &frame(PING, 0, 0, &[0; 8]))),
        flood("20,000 SETTINGS", many(20_000, &frame(SETTINGS, 0, 0, &[]))),
        flood("20,000 empty DATA", [post(1, "/a"), many(20_000, &frame(DATA, 0, 1, &[]))].concat()),
        flood("5,000 CONTINUATION", [open, many(5_000, &frame(CONTINUATION, 0, 1, &[]))].concat()),
        flood("20,000 WINDOW_UPDATE", many(20_000, &frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]))),
    ]
}
