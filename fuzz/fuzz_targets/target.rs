//! A target is refused, or has one reading: parsing never panics, what is accepted is accepted
//! again with the same outcome, and the views of it agree with each other.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::policy::Target;
use portcullis::policy::target::{MAX_SEGMENTS, MAX_TARGET};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(target) = Target::parse(text, MAX_TARGET) else { return };
    // The same bytes go on, and mean the same a second time.
    assert_eq!(target.raw().as_str(), text);
    let again = Target::parse(target.raw().as_str(), MAX_TARGET).expect("accepted before");
    assert_eq!((again.path(), again.query()), (target.path(), target.query()));
    assert_eq!(again.has_params(), target.has_params());
    check_segments(&target);
    check_nothing_ambiguous(text, &target);
});

/// The segments are the path, and a prefix is the segments before it.
fn check_segments(target: &Target) {
    assert!(!target.is_empty() && target.len() <= MAX_SEGMENTS);
    let segments: Vec<_> = (0..target.len()).map(|at| target.segment(at)).collect();
    assert_eq!(format!("/{}", segments.join("/")), target.path());
    for count in 1..=target.len() {
        assert_eq!(target.prefix(count), format!("/{}", segments[..count].join("/")));
    }
}

/// What the parser promises to refuse is not there.
fn check_nothing_ambiguous(text: &str, target: &Target) {
    let path = text.split('?').next().expect("a first part");
    assert!(!path.contains("//") && !path.contains('\\'));
    for segment in target.path().split('/') {
        assert!(segment != "." && segment != "..");
    }
    assert!(!target.path().chars().any(char::is_control));
    assert_eq!(target.path().matches('/').count(), path.matches('/').count());
}
