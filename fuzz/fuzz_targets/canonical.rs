//! A head is refused, or goes on with one reading: its target byte for byte, one host, and no field
//! that is ours to say or belongs to a connection, in any spelling. Read a second time, it is the same.
#![no_main]

use http::header::{HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Uri};
use libfuzzer_sys::fuzz_target;
use portcullis::identity::Identity;
use portcullis::policy::target::MAX_TARGET;
use portcullis::proxy::probe::{Passing, passing};
use std::sync::LazyLock;

/// Without anybody who authenticates: then all that could say who calls is taken out.
static IDENTITY: LazyLock<Identity> = LazyLock::new(Identity::default);

const MAX_HEADERS: usize = 100;

fuzz_target!(|bytes: &[u8]| {
    let Some(parts) = head(bytes) else { return };
    if parts.method == Method::CONNECT {
        // It has no target, and is refused as a method.
        return;
    }
    let typed = parts.uri.path_and_query().map(|target| target.as_str().to_owned());
    let Ok(first) = passing(parts, (MAX_TARGET, MAX_HEADERS), &IDENTITY) else { return };
    let target = first.target.as_str();
    assert_eq!(Some(target), typed.as_deref(), "the same bytes go on");
    check_target(target);
    check_fields(&first);
    // The host may have stood in the target, and is a field now.
    let again = passing(written(&first), (MAX_TARGET, MAX_HEADERS + 1), &IDENTITY);
    let again = again.expect("what goes on is accepted again");
    assert_eq!(
        (again.target.as_str(), &again.host, &again.fields),
        (target, &first.host, &first.fields)
    );
});

/// A method, a target, and fields, a line each; what no HTTP parser would let through is none.
fn head(bytes: &[u8]) -> Option<Parts> {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(lines.next()?).ok()?;
    *request.uri_mut() = Uri::try_from(lines.next()?).ok()?;
    for line in lines.take(MAX_HEADERS + 1) {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
        request.headers_mut().append(name, value);
    }
    Some(request.into_parts().0)
}

/// What the parser promises to refuse is not there.
fn check_target(target: &str) {
    let path = target.split('?').next().expect("a first part");
    assert!(path.starts_with('/') && !path.contains("//") && !path.contains('\\'), "{path}");
    let lower = path.to_ascii_lowercase();
    for bad in ["%2f", "%5c", "%00", "%0a", "%0d", "%2e"] {
        assert!(!lower.contains(bad), "{path}");
    }
    for segment in path.split('/') {
        assert!(segment != "." && segment != "..", "{path}");
    }
    assert!(!target.contains('#'));
}

/// In the spelling of a server that makes one sign of all but letters and digits.
fn check_fields(passing: &Passing) {
    for (name, value) in &passing.fields {
        let plain = name.as_str().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        for ours in ["x-portcullis-", "x-forwarded-", "x-original-", "x-rewrite-", "x-envoy-"] {
            assert!(!plain.starts_with(ours), "{name}");
        }
        for ours in [
            "connection",
            "keep-alive",
            "te",
            "trailer",
            "transfer-encoding",
            "content-length",
            "upgrade",
            "expect",
            "forwarded",
            "x-forwarded",
            "x-real-ip",
            "http2-settings",
            "host",
            "proxy",
            "x-http-method-override",
            "x-method-override",
            "remote-user",
        ] {
            assert_ne!(plain, ours, "{value:?}");
        }
    }
    assert!(passing.fields.get_all("cookie").iter().count() <= 1);
}

/// What goes on, as a second proxy of ours would read it.
fn written(passing: &Passing) -> Parts {
    let mut request = Request::new(());
    *request.method_mut() = passing.method.clone();
    *request.uri_mut() = Uri::from(passing.target.clone());
    *request.headers_mut() = passing.fields.clone();
    request.headers_mut().append("host", passing.host.clone());
    request.into_parts().0
}
