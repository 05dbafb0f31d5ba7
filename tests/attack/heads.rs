//! Heads that are read in one way here and in another behind us.

use crate::main_job::Api;

const RULES: &str = r#"
routes:
  - {match: "/open", public: r, when: {header.x-probe: "yes"}}
  - {match: "/**"}
roles:
  - id: dev
    grants:
      - {path: "/deploy", access: c, when: {header.x-env: canary}}
      - {path: "/run", access: c, when: {query.dry_run: "true"}}
      - {path: "/find", access: r, when: {"query.filter[name]": ann}}
"#;

/// What a condition reads goes on as it was read, or nothing goes on.
#[test]
fn p03_a_header_that_a_condition_reads_has_one_spelling_and_stays() {
    let api = Api::start(RULES);
    let env = ("X-Env", "canary");
    for more in [
        &[env, ("X_Env", "prod")][..],
        &[("X_Env", "prod"), env],
        &[env, ("x.env", "prod")],
        &[("X_Env", "canary")],
        &[env, ("Connection", "X-Env")],
        &[env, ("Connection", "close, x-env")],
    ] {
        api.refused("POST", 400, || api.call_with("ann:dev", "POST", "/deploy", more));
    }
    let probe = [("X-Probe", "yes"), ("Connection", "x-probe")];
    api.refused("GET", 400, || api.call_with("", "GET", "/open", &probe));
    assert_eq!(api.call_with("ann:dev", "POST", "/deploy", &[env]).status, 200);
    assert_eq!(api.upstream.request().fields.get("x-env"), Some("canary"));
}

/// A cache that knows nothing of conditions must not hand on what one let through.
#[test]
fn p11_caches_are_told_of_headers_that_conditions_read() {
    let api = Api::start(RULES);
    let varies = |answer: crate::support::Response| answer.head.fields.all("vary").join(", ");
    let open = varies(api.call_with("", "GET", "/open", &[("X-Probe", "yes")]));
    assert!(open.contains("x-probe") && !open.contains("x-env"), "{open}");
    let run = varies(api.call("ann:dev", "POST", "/run?dry_run=true"));
    assert!(run.contains("x-env") && !run.contains("x-probe"), "{run}");
}

/// PHP reads `dry.run` and `dry run` as `dry_run`, the last one counts; others fold case, or take
/// `dry_run[]` for more of the same.
#[test]
fn p10_a_parameter_that_a_condition_reads_has_no_variant_beside_it() {
    let api = Api::start(RULES);
    for beside in ["dry.run", "dry%20run", "dry+run", "DRY_RUN", "dry_run[]", "dry_run%5B0%5D"] {
        for query in [format!("dry_run=true&{beside}=false"), format!("{beside}=0&dry_run=true")] {
            let target = format!("/run?{query}");
            api.refused("POST", 400, || api.call("ann:dev", "POST", &target));
        }
        // Alone, it is another parameter, and what is absent does not hold.
        let alone = api.call("ann:dev", "POST", &format!("/run?{beside}=true"));
        assert!([400, 403].contains(&alone.status), "{beside}: {alone:?}");
    }
    api.upstream.assert_untouched();
    assert_eq!(api.call("ann:dev", "POST", "/run?dry_run=true&dry_runs=false").status, 200);
    // A name with brackets of its own is not the same as its neighbours.
    let found = api.call("ann:dev", "GET", "/find?filter[name]=ann&filter[age]=3");
    assert_eq!(found.status, 200);
    api.refused("GET", 400, || {
        api.call("ann:dev", "GET", "/find?filter[name]=ann&Filter[Name]=bob")
    });
}
