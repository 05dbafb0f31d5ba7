//! What a changed policy on disk leads to, without a proxy around it.

use crate::support::TempPolicy;
use portcullis::control::reload::{Outcome, Reloader};
use portcullis::diag::{Code, Severity};
use portcullis::policy::resolve::Surroundings;

const ONE: &str = "policy: 1\nroles: [{id: a, grants: [{path: /a, access: r}]}]\n";
const OTHER: &str = "policy: 1\nroles: [{id: a, grants: [{path: /b, access: r}]}]\n";

fn start(policy: &TempPolicy) -> Reloader {
    Reloader::start(policy.path(), Surroundings::default()).unwrap().0
}

#[track_caller]
fn refused(reloader: &mut Reloader) -> Vec<Code> {
    match reloader.reload() {
        Outcome::Refused(error) => {
            let errors = error.report.problems().iter().filter(|p| p.severity == Severity::Error);
            errors.map(|p| p.code).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn p12_a_good_policy_replaces_and_generations_grow() {
    let policy = TempPolicy::file(ONE);
    let mut reloader = start(&policy);
    assert!(matches!(reloader.reload(), Outcome::Unchanged));
    policy.write("policy.yaml", OTHER);
    let Outcome::Published(live) = reloader.reload() else { panic!("not published") };
    assert_eq!(live.snapshot.generation(), 2);
    policy.write("policy.yaml", ONE);
    let Outcome::Published(live) = reloader.reload() else { panic!("not published") };
    assert_eq!(live.snapshot.generation(), 3);
}

#[test]
fn p12_what_does_not_load_replaces_nothing_and_is_told_once() {
    let policy = TempPolicy::file(ONE);
    let mut reloader = start(&policy);
    let digest = reloader.store().load().snapshot.digest().clone();
    for (text, code) in [
        ("policy: 1\nroles: [", Code::Syntax),
        ("", Code::PolicyVersion),
        ("policy: 1\nrols: []\n", Code::UnknownKey),
        ("policy: 1\n", Code::PolicyEmpty),
    ] {
        policy.write("policy.yaml", text);
        assert_eq!(refused(&mut reloader), [code], "{text}");
        assert!(matches!(reloader.reload(), Outcome::StillRefused));
        assert!(reloader.status().last_error().is_some());
        assert_eq!(*reloader.store().load().snapshot.digest(), digest);
    }
    policy.remove("policy.yaml");
    assert_eq!(refused(&mut reloader), [Code::Unreadable]);
    policy.write("policy.yaml", ONE);
    assert!(matches!(reloader.reload(), Outcome::Restored));
    assert!(matches!(reloader.reload(), Outcome::Unchanged), "said once");
    assert!(reloader.status().last_error().is_none(), "what is on disk is what is live");
    assert_eq!(reloader.store().load().snapshot.generation(), 1);
}

#[test]
fn p12_a_lost_list_of_members_does_not_open_the_door_to_tokens() {
    let policy = TempPolicy::file(&format!("{ONE}members: [{{user: ann, roles: [a]}}]\n"));
    let mut reloader = start(&policy);
    policy.write("policy.yaml", ONE);
    assert_eq!(refused(&mut reloader), [Code::MembershipChanged]);
    policy.write("policy.yaml", format!("{ONE}membership: token\n"));
    assert!(matches!(reloader.reload(), Outcome::Published(_)));
}

#[test]
fn p12_where_memberships_come_from_changes_only_where_it_is_written() {
    let members = format!("{ONE}members: [{{user: ann, roles: [a]}}]\n");
    let both = format!("{members}membership: both\n");
    let policy = TempPolicy::file(&members);
    let mut reloader = start(&policy);
    policy.write("policy.yaml", &both);
    assert!(matches!(reloader.reload(), Outcome::Published(_)), "written");
    policy.write("policy.yaml", &members);
    assert_eq!(refused(&mut reloader), [Code::MembershipChanged], "the key is lost");
    policy.write("policy.yaml", format!("{members}membership: directory\n"));
    assert!(matches!(reloader.reload(), Outcome::Published(_)));
    policy.write("policy.yaml", &members);
    assert!(matches!(reloader.reload(), Outcome::Published(_)), "the same is derived");
}

#[test]
fn p12_a_lost_list_of_organizations_makes_none_of_every_claim() {
    let routed = format!("{ONE}routes: [{{match: \"/**\", org: claims.org}}]\n");
    let listed = format!("{routed}organizations: [{{id: acme}}, {{id: old, status: suspended}}]\n");
    let policy = TempPolicy::file(&listed);
    let mut reloader = start(&policy);
    for lost in [routed.clone(), format!("{routed}membership: token\n")] {
        policy.write("policy.yaml", lost);
        assert_eq!(refused(&mut reloader), [Code::MembershipChanged]);
        policy.write("policy.yaml", &listed);
        assert!(matches!(reloader.reload(), Outcome::Restored));
    }
    policy.write("policy.yaml", format!("{routed}membership: directory\n"));
    assert!(matches!(reloader.reload(), Outcome::Published(_)), "nobody is a member");
    policy.write("policy.yaml", format!("{listed}membership: token\n"));
    assert!(matches!(reloader.reload(), Outcome::Published(_)), "a list bounds");
}

#[test]
fn p12_no_role_is_left_only_where_it_is_written() {
    let policy = TempPolicy::file(ONE);
    let mut reloader = start(&policy);
    policy.write("policy.yaml", "policy: 1\nname: lost\n");
    assert_eq!(refused(&mut reloader), [Code::PolicyEmpty]);
    policy.write("policy.yaml", "policy: 1\nroles: []\n");
    let Outcome::Published(live) = reloader.reload() else { panic!("not published") };
    assert!(live.snapshot.roles().is_empty());
    policy.write("policy.yaml", "policy: 1\nname: still none\n");
    assert!(matches!(reloader.reload(), Outcome::Published(_)), "there was none to lose");
}

#[test]
fn p12_a_named_file_is_part_of_the_policy() {
    let policy = TempPolicy::file(&format!(
        "{ONE}identity: {{jwt: [{{issuer: i, audience: [a], algorithms: [HS256], \
         secrets: [{{file: jwt.secret}}]}}]}}\n"
    ));
    policy.write("jwt.secret", "0123456789abcdef0123456789abcdef");
    let mut reloader = start(&policy);
    policy.write("jwt.secret", "0123456789abcdef0123456789abcdeF");
    assert!(matches!(reloader.reload(), Outcome::Published(_)), "a key was rotated");
    policy.write("jwt.secret", "short");
    assert_eq!(refused(&mut reloader), [Code::IdentityValid]);
    policy.remove("jwt.secret");
    assert_eq!(refused(&mut reloader), [Code::IdentityValid]);
}

#[test]
fn p12_somebody_who_asks_is_told_again_what_is_refused() {
    let policy = TempPolicy::file(ONE);
    let mut reloader = start(&policy);
    policy.write("policy.yaml", "policy: 1\nrols: []\n");
    assert_eq!(refused(&mut reloader), [Code::UnknownKey]);
    assert!(matches!(reloader.reload(), Outcome::StillRefused));
    assert!(matches!(reloader.reload_aloud(), Outcome::Refused(_)));
    assert!(matches!(reloader.reload(), Outcome::StillRefused));
}
