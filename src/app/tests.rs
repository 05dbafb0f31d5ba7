use super::*;
use crate::settings::{LogSink, Origins};

fn settings(policy: &std::path::Path) -> Settings {
    Settings {
        listen: vec![Listen::plain(ListenAddress::Tcp(([127, 0, 0, 1], 0).into()))],
        admin: None,
        upstream: "http://127.0.0.1:9".parse().ok(),
        policy: policy.to_owned(),
        workers: 1,
        limits: Limits::default(),
        access_log: LogSink::Off,
        allow_monitor: false,
        origins: Origins::default(),
    }
}

#[test]
fn p12_a_dead_watcher_shows_in_readiness_and_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.yaml");
    std::fs::write(&path, "policy: 1\nrole_defaults: {any: []}\n").unwrap();
    let app = App::start(settings(&path), Handover::default(), |_, _| ()).unwrap();
    assert_eq!(app.parts.ready(), Ok(()));
    let gauge = |value: u8| format!("\nportcullis_files_watched {value}\n");
    assert!(app.parts.metrics().contains(&gauge(1)));
    // Its thread ends, and the process goes on.
    app.watchers[0].nudge.stop();
    let end = Instant::now() + Duration::from_secs(10);
    while app.parts.ready().is_ok() {
        assert!(Instant::now() < end, "it is still ready");
        std::thread::sleep(WATCHER_LOOK);
    }
    let why = app.parts.ready().unwrap_err();
    assert_eq!(why, "nobody watches the files of the policy any more");
    assert!(app.parts.metrics().contains(&gauge(0)));
    assert!(app.parts.metrics().contains("\nportcullis_file_events_ok 0\n"));
    let mut watched = true;
    app.parts.look_after_watchers(&mut watched);
    assert!(!watched, "told once");
    assert_eq!(app.stop(Ended::Asked).unwrap(), Ended::Asked);
}
