//! Routes and upstreams.

use super::{LETTERS, PATH, Row, SELECTOR, may, must};
use crate::policy::bind::kinds::Kind::*;
use crate::policy::bind::route::{
    CORS, HEADERS, HEALTH, MAX_IN_A_ROW, ROUTE, TIMEOUTS, UPSTREAM, UPSTREAM_TLS,
};
use crate::policy::bind::tell::CREDENTIAL;

pub(super) const ROWS: &[Row] = &[
    (
        &UPSTREAM,
        "Where bytes go",
        &[
            must("id", Id, "What routes call it"),
            must(
                "url",
                TextOrTexts,
                "`http://host:port`, `https://host`, or `unix:/path`; or a list of endpoints, all of them alike",
            ),
            may("host", Text, "The Host to send; without it, the client's"),
            may(
                "protocol",
                Word(&["http/1.1", "h2"]),
                "What it speaks; `http/1.1`. `h2` is HTTP/2: in clear with prior knowledge, under TLS by ALPN. gRPC needs it",
            ),
            may("tls", One(&UPSTREAM_TLS), "How to speak to an `https` upstream"),
            may(
                "credential",
                One(&CREDENTIAL),
                "The upstream's own secret, put on what goes there",
            ),
            may("timeouts", One(&TIMEOUTS), "How long it is waited for"),
            may("health", One(&HEALTH), "Ask its endpoints whether they are well"),
        ],
    ),
    (
        &HEALTH,
        "How each endpoint is asked whether it is well; requests go to those that are",
        &[
            must("path", Text, "What is asked for, with GET: `/healthz`"),
            may("interval", Text, "How often, from `100ms` to `1h`; `10s`"),
            may("timeout", Text, "How long an answer may take, from `100ms` to `1m`; `2s`"),
            may(
                "healthy",
                Whole(1, MAX_IN_A_ROW),
                "Good answers in a row after which it is well; 2",
            ),
            may(
                "unhealthy",
                Whole(1, MAX_IN_A_ROW),
                "Others in a row, or none, after which it is not; 3",
            ),
            may("status", Whole(200, 599), "The status of a good answer; every 2xx"),
        ],
    ),
    (
        &TIMEOUTS,
        "How long an upstream is waited for, from `100ms` to `1h`; what is not said is as the settings' limits say",
        &[
            may("connect", Text, "Opening a connection; `limits.connect`"),
            may(
                "response",
                Text,
                "From the request's last byte to the head of the response, and between two pieces of its body; `limits.upstream_head`",
            ),
            may("idle", Text, "How long a connection may lie unused; `limits.upstream_idle`"),
            may(
                "total",
                Text,
                "From the request's first byte to the response's last; `limits.upstream_total`",
            ),
        ],
    ),
    (
        &CREDENTIAL,
        "An upstream's own secret, put on what goes there",
        &[
            must("header", Text, "The header that carries it"),
            must(
                "file",
                Text,
                "A file with its value, from the policy's folder, used byte for byte",
            ),
        ],
    ),
    (
        &UPSTREAM_TLS,
        "Whom to trust there, and what to show; paths of files in PEM",
        &[
            may("ca", Text, "The authorities to trust; without it, those of the system"),
            may("cert", Text, "The certificate to show, with its chain"),
            may("key", Text, "Its private key"),
            may("server_name", Text, "The name that its certificate must have; the URL's host"),
        ],
    ),
    (
        &ROUTE,
        "What a request addresses and how it is carried; the most specific route counts",
        &[
            must(
                "match",
                PATH,
                "A path: literal segments, `{name}` for one segment, a trailing `/**` for the subtree. `{org}` and `{app}` address an organization and an application",
            ),
            may(
                "host",
                Matching(
                    r"^((\*|\{[A-Za-z_][A-Za-z0-9_]*\})\.)?([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])$",
                ),
                "A name, or `*.` or `{name}.` and a name for exactly one label before it; every host without it. Ports do not count",
            ),
            may("upstream", Id, "An upstream's id"),
            may(
                "org",
                SELECTOR,
                "The addressed organization, where no `{org}` says it: `claims.NAME`, `header.NAME`, or `host.NAME`, the label that `host` calls `{NAME}`",
            ),
            may(
                "app",
                SELECTOR,
                "The addressed application, where no `{app}` says it: `claims.NAME`, `header.NAME` or `host.NAME`",
            ),
            may(
                "verbs",
                Verbs,
                "Another letter for a method: a stronger one, or for POST also `u` or `r`",
            ),
            may("upsert", Flag, "PUT and PATCH need `c` besides"),
            may(
                "update",
                Word(&["merge", "replace", "merge_hidden"]),
                "What PUT does with fields that it does not mention; `replace`. With `merge_hidden` those that the caller cannot see are put into the body",
            ),
            may("public", LETTERS, "Letters for which no credential is evaluated"),
            may(
                "request",
                Word(&["json", "form", "multipart", "opaque"]),
                "How request bodies are read where something limits them; `json`. Opaque ones pass unread",
            ),
            may(
                "response",
                Word(&["json", "opaque", "events"]),
                "How response bodies are read; `json`. Events are streams of records: NDJSON, JSON sequences, server-sent events, concatenated JSON. Opaque ones pass unread, even where fields are hidden",
            ),
            may(
                "sentinels",
                Texts,
                "Data of server-sent events that is no JSON and passes as it is: `[DONE]`",
            ),
            may("params", Word(&["keep"]), "`keep` allows `;` in paths"),
            may(
                "credential",
                Word(&["pass", "strip"]),
                "Whether the upstream gets the caller's credential; `strip`",
            ),
            may(
                "strip_prefix",
                PATH,
                "Segments that `match` begins with: decisions are made on the path as it came, the upstream gets it without them",
            ),
            may("headers", One(&HEADERS), "Header fields of the request that the upstream gets"),
            may("mode", Word(&["enforce", "monitor"]), "The policy's where it is left out"),
            may(
                "when",
                When,
                "What the head of a request must say for it to be carried; where it does not, 403",
            ),
            may(
                "upgrade",
                Word(&["websocket"]),
                "WebSocket connections may be opened, by whoever has `r` and `c` here and from whom nothing is hidden",
            ),
            may(
                "cors",
                One(&CORS),
                "What pages of other origins may do from a browser; without it, nothing",
            ),
        ],
    ),
    (
        &CORS,
        "What pages of other origins may do from a browser. Every request is decided all the same",
        &[
            must(
                "origins",
                Texts,
                "Whose pages: `https://app.example`, `https://*.example.com` for one label, or `*` alone for everybody's",
            ),
            may(
                "headers",
                Texts,
                "Request fields that a page may set; `Authorization` and `Content-Type`",
            ),
            may("expose", Texts, "Response fields that a page may read besides the harmless ones"),
            may("credentials", Flag, "Cookies and client certificates go with requests; `false`"),
            may(
                "max_age",
                Text,
                "How long a browser may remember the answer, up to `24h`; what the browser takes",
            ),
        ],
    ),
    (
        &HEADERS,
        "Header fields of the request that the upstream gets: none that frames it, or says who is calling",
        &[
            may("remove", Texts, "Names that are taken out, in any spelling"),
            may("set", Claims, "Names and values that are put in place of what the client sent"),
        ],
    ),
];
