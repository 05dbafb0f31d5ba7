//! What a request pays to be identified and recorded.
//!
//! `identify/cached` is the hot path: the digest of the token finds a verdict. The two-thread rows
//! show whether workers that meet the same token get in each other's way.

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use portcullis::decide::{Access, Reason};
use portcullis::diag::Report;
use portcullis::identity::{Credentials, Identity, Inputs, Peer};
use portcullis::policy::raw::{
    RawApiKey, RawApiKeys, RawClaims, RawIdentity, RawJwt, RawKeys, RawSecret,
};
use portcullis::settings::LogSink;
use portcullis::source::{Span, Spanned};
use portcullis::telemetry::Telemetry;
use portcullis::telemetry::record::Record;
use std::hint::black_box;
use std::io;
use std::time::{Duration, Instant, UNIX_EPOCH};

const NOW: u64 = 1_800_000_000;
const SECRET: &[u8] = &[b's'; 32];

fn text(value: &str) -> Spanned<String> {
    Spanned::new(value.into(), Span::default())
}

fn identity() -> Identity {
    let jwt = RawJwt {
        span: Span::default(),
        issuer: text("https://id.example"),
        audience: Some(vec![text("api")]),
        algorithms: Some(vec![text("HS256")]),
        keys: Some(RawKeys::Secrets(vec![RawSecret::File(text("jwt.secret"))])),
        claims: RawClaims::default(),
        leeway: None,
        prefix: None,
        typ: None,
        cookie: None,
        origins: Vec::new(),
    };
    // The digest of `key`.
    let sha256 = "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683";
    let key = RawApiKey {
        span: Span::default(),
        user: text("eng"),
        org: None,
        app: None,
        sha256: text(sha256),
        roles: None,
        claims: Vec::new(),
        expires: None,
    };
    let api_keys = RawApiKeys {
        span: Span::default(),
        in_header: true,
        in_bearer: false,
        in_basic: false,
        header: None,
        prefix: None,
        keys: vec![key],
    };
    let raw = RawIdentity {
        jwt: vec![jwt],
        api_keys: Some(api_keys),
        same_users: true,
        ..RawIdentity::default()
    };
    let file = |_: &str| -> io::Result<Vec<u8>> { Ok(SECRET.to_vec()) };
    let mut report = Report::default();
    let identity =
        Identity::compile(Some(&raw), &Inputs { file: &file, env: &|_| None }, &mut report);
    assert!(!report.has_errors(), "{report:?}");
    identity
}

/// A token of about 300 bytes.
fn token() -> String {
    let claims = serde_json::json!({"iss": "https://id.example", "aud": "api", "exp": NOW + 600,
        "sub": "b2c9a1f0-7d35-4c0e-9a53-6c1f6a0e8d11", "org": "acme", "roles": ["support"]});
    let key = EncodingKey::from_secret(SECRET);
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).expect("a token")
}

fn headers(name: &'static str, value: &str) -> HeaderMap {
    let value = HeaderValue::from_str(value).expect("a header value");
    let others = [("host", "api"), ("user-agent", "bench"), ("accept", "*/*")];
    let others = others.map(|(name, value)| (name, HeaderValue::from_static(value)));
    let mut map = HeaderMap::new();
    for (name, value) in others.into_iter().chain([(name, value)]) {
        map.append(name, value);
    }
    map
}

fn identify(criterion: &mut Criterion) {
    let (identity, token) = (identity(), token());
    let bearer = headers("authorization", &format!("Bearer {token}"));
    let key = headers("x-api-key", "key");
    let once = |headers: &HeaderMap| {
        let host = &HeaderValue::from_static("api.example");
        let request = Credentials { headers, peer: Peer::Unix, host, changes: false };
        identity.identify(black_box(&request), NOW).expect("a caller")
    };
    let mut group = criterion.benchmark_group("identify");
    group.bench_function(format!("cached/{} bytes", token.len()), |bencher| {
        bencher.iter(|| once(&bearer));
    });
    group.bench_function("api key", |bencher| bencher.iter(|| once(&key)));
    group.bench_function("HS256, past the cache", |bencher| {
        bencher.iter(|| identity.explain_token(black_box(&token), NOW).expect("a caller"));
    });
    group.bench_function("cached, two threads on one token", |bencher| {
        bencher
            .iter_custom(|rounds| on_two_threads(|| (0..rounds).for_each(|_| drop(once(&bearer)))));
    });
    group.finish();
}

/// The time that both take to do the same at the same time.
fn on_two_threads(work: impl Fn() + Sync) -> Duration {
    let begin = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(&work);
        work();
    });
    begin.elapsed()
}

fn record() -> Record {
    Record {
        fault: None,
        monitored: None,
        time: UNIX_EPOCH + Duration::from_millis(NOW * 1000 + 123),
        request_id: "5b1f0c8e9d2a4f37".into(),
        client: Some([192, 0, 2, 1].into()),
        user: Some("b2c9a1f0-7d35-4c0e-9a53-6c1f6a0e8d11".into()),
        org: Some("acme".into()),
        app: None,
        method: http::Method::GET,
        route: Some("/customers/{id}".into()),
        access: Some(Access::READ),
        grant: Some("support /customers/**".into()),
        reason: Reason::Granted,
        refused: false,
        status: 200,
        aborted: false,
        removed: 3,
        bytes_in: 0,
        bytes_out: 1_342,
        total: Duration::from_micros(1_234),
        upstream: Duration::from_micros(900),
        decide: Duration::from_nanos(1_900),
        filter: Duration::from_micros(15),
        generation: 7,
    }
}

fn recording(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("record");
    for (name, sink) in [("metrics alone", LogSink::Off), ("and a line", dev_null())] {
        let telemetry = Telemetry::start(&sink).expect("a sink");
        let worker = telemetry.worker();
        let record = record();
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || record.clone(),
                |record| worker.record(record),
                criterion::BatchSize::SmallInput,
            );
        });
        telemetry.close(Duration::from_secs(1));
    }
    group.finish();
}

fn dev_null() -> LogSink {
    LogSink::File("/dev/null".into())
}

criterion_group!(benches, identify, recording);
criterion_main!(benches);
