//! `explain` shows the place in the file of what decided, whatever was decided; and where nothing
//! allows a request, what would have.

use crate::support::proxy::run_in;

const POLICY: &str = r#"policy: 1
identity: {forwarded: {peers: [127.0.0.1/32], user: X-User}}
routes:
  - {match: "/news/**", public: r, cors: {origins: ["https://app.test"]}}
  - {match: "/watched/**", mode: monitor}
  - {match: "/orgs/{org}/apps/{app}/**"}
  - {match: "/orgs/{org}/**"}
  - {match: "/night/**", when: {time: "Mon-Sun 22:00-06:00"}}
organizations: [{id: acme, apps: [chat, labs]}, {id: beta}, {id: old, status: suspended}]
applications: [{id: chat}, {id: labs, active: false}, {id: shop}]
users: [{id: sue, status: suspended}]
members:
  - {user: ann, org: acme, roles: [editor], apps: {labs: []}}
  - {user: bob, org: acme, roles: [editor], restrictions: [no-bills]}
  - {user: cy, org: acme, roles: [editor], expires: 2020-01-01T00:00:00Z}
roles:
  - id: editor
    grants:
      - {path: "/orgs/{org}/notes/{id}", access: ru}
      - {path: "/orgs/{org}/bills", access: r}
  - id: chief
    assignable_by: [chief]
    grants:
      - {path: "/orgs/{org}/notes/**", access: crud}
      - {path: "/news/**", access: cu}
role_defaults:
  any:
    - {path: "/watched/{id}", access: r}
    - {path: "/night/**", access: r}
restrictions:
  - {id: no-bills, deny: [{path: "/orgs/{org}/bills", access: r}]}
"#;

/// What is said of a request, without the line of the verdict.
#[track_caller]
fn explained(request: &str, verdict: &str) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("policy.yaml"), POLICY).expect("the policy");
    let arguments = ["explain", "policy.yaml"].into_iter().chain(request.split(' '));
    let output = run_in(folder.path(), arguments.map(|one| one.replace('~', " ")));
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    let mut lines = said.lines().map(|line| line.trim().to_owned());
    let first = lines.next().unwrap_or_else(|| panic!("{}", output.stderr.escape_ascii()));
    assert!(first.ends_with(verdict), "{request}: {said}");
    lines.collect()
}

/// Whether `request` comes to `verdict`, and these lines are all that is said of it.
#[track_caller]
fn says(request: &str, verdict: &str, lines: &[&str]) {
    let said = explained(request, verdict);
    let said: Vec<String> =
        said.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(said, lines, "{request}");
}

#[test]
fn what_allows_has_its_place() {
    says(
        "--user ann GET /orgs/acme/notes/1",
        "granted",
        &[
            "caller ann in acme, roles editor",
            "route /orgs/{org}/**, read",
            "because editor has /orgs/{org}/notes/{id} (policy.yaml:19:9)",
        ],
    );
    says(
        "--anonymous GET /news/1",
        "public",
        &[
            "caller nobody",
            "route /news/**, read",
            "because the route is public for this (policy.yaml:4:5)",
        ],
    );
    says(
        "--user ann GET /watched/a/b",
        "monitored",
        &[
            "caller ann, no roles",
            "route /watched/**, read",
            "because the route is in monitor mode (policy.yaml:5:5)",
            "note no grant of the policy matches this path",
            "note monitor mode lets it through; enforced, it would be refused: no_grant (403)",
        ],
    );
}

#[test]
fn a_preflight_has_the_places_of_what_it_lists() {
    let asks = |origin: &str| {
        format!(
            "--anonymous OPTIONS /news/1 -H Origin:~{origin} -H Access-Control-Request-Method:~PUT"
        )
    };
    let said = explained(&asks("https://app.test"), "preflight").join("\n");
    let route = "because    the route says what pages of other origins may do (policy.yaml:4:5)";
    assert!(said.contains(route), "{said}");
    // Reading is public; what else is listed, a grant allows to somebody.
    assert!(said.contains("\nchief has /news/** (policy.yaml:25:9)"), "{said}");
    assert!(said.contains("methods: GET, HEAD, POST, PUT, PATCH` is answered"), "{said}");
    says(
        &asks("https://other.test"),
        "origin_not_allowed (403)",
        &["route /news/**", "because the route does not list this origin (policy.yaml:4:5)"],
    );
}

#[test]
fn what_refuses_has_its_place() {
    says(
        "--user bob GET /orgs/acme/bills",
        "restricted (403)",
        &[
            "caller bob in acme, roles editor",
            "route /orgs/{org}/**, read",
            "because no-bills denies /orgs/{org}/bills (policy.yaml:31:27)",
        ],
    );
    says(
        "--user ann --at 2027-01-01T12:00:00Z GET /night/1",
        "condition_failed (403)",
        &[
            "caller ann, no roles",
            "route /night/**, read",
            "note the `when` of the route `/night/**` (policy.yaml:8:5) does not hold",
        ],
    );
}

/// Nothing granted it: what comes near is named, of the caller's own roles and of others.
#[test]
fn what_nearly_allows_has_its_place() {
    says(
        "--user ann DELETE /orgs/acme/notes/1",
        "no_grant (403)",
        &[
            "caller ann in acme, roles editor",
            "route /orgs/{org}/**, delete",
            "note editor has /orgs/{org}/notes/{id} (policy.yaml:19:9), but not with `d`",
            "note chief has /orgs/{org}/notes/** (policy.yaml:24:9), but the caller does not have that role here",
        ],
    );
    says(
        "--user ann GET /orgs/acme/nowhere",
        "no_grant (403)",
        &[
            "caller ann in acme, roles editor",
            "route /orgs/{org}/**, read",
            "note no grant of the policy matches this path",
        ],
    );
}

/// Who does not get as far as grants is told how far.
#[test]
fn who_does_not_stand_there_is_told_why() {
    for (request, verdict, note) in [
        (
            "--user ann GET /orgs/beta/x",
            "not_a_member (404)",
            "`ann` is not listed as a member there",
        ),
        ("--user ann GET /orgs/no/x", "not_a_member (404)", "the policy has no organization `no`"),
        ("--user ann GET /orgs/old/x", "not_a_member (404)", "the organization is suspended"),
        ("--user sue GET /orgs/acme/x", "not_a_member (404)", "the user is suspended"),
        (
            "--user cy GET /orgs/acme/x",
            "not_a_member (404)",
            "`cy` is a member there, but suspended, or outside of the time that it is bound to",
        ),
        (
            "--user ann --org beta GET /orgs/acme/x",
            "not_a_member (404)",
            "the credential acts in the organization `beta` alone",
        ),
        (
            "--user ann GET /orgs/acme/apps/chat/x",
            "no_app_access (404)",
            "nobody gave `chat` to `ann`",
        ),
        (
            "--user ann GET /orgs/acme/apps/labs/x",
            "app_inactive (403)",
            "`labs` says `active: false`",
        ),
        (
            "--user ann GET /orgs/acme/apps/shop/x",
            "app_not_assigned (404)",
            "the organization does not have `shop`",
        ),
        (
            "--user ann GET /orgs/acme/apps/no/x",
            "app_not_assigned (404)",
            "the policy has no application `no`",
        ),
        (
            "--user ann TRACE /orgs/acme/x",
            "bad_method (405)",
            "methods that have a letter: GET, HEAD, POST, PUT, PATCH, DELETE",
        ),
    ] {
        let said = explained(request, verdict);
        assert_eq!(said.last(), Some(&format!("note       {note}")), "{request}: {said:?}");
        assert!(said.iter().any(|line| line.starts_with("route      /orgs/{org}/")), "{said:?}");
    }
}
