//! What administration works with opens nothing and closes nothing on the data path.

use super::Api;
use crate::support::Upstream;

const RULES: &str = r#"
features: {schemas: false}
membership: token
roles: [{id: reads, schemas: [s], grants: [{path: "/t/{id}", access: r}]}]
schemas: [{id: s, type: t, body: {type: object, additionalProperties: true, properties: {ssn: false}}}]
resource_types: [{id: t, at: [{path: "/t/{id}", pointer: ""}]}]
presets: [{id: p, roles: [{id: writes, default: true, grants: [{path: "/**", access: crud}]}]}]
"#;

/// E18: with the feature off, what is bound stays enforced. E15: a preset changes no role, and its
/// templates are none.
#[test]
fn e15_e18_presets_grant_nothing_and_features_lift_nothing() {
    let api = Api::over(Upstream::json(r#"{"id":1,"ssn":2}"#), RULES);
    for who in ["ana:writes", "ana:p", "ana:reads,writes"] {
        api.refuses(who, "DELETE", "/t/1", 403);
    }
    assert_eq!(api.call("ana:reads", "GET", "/t/1").text(), r#"{"id":1}"#);
}

/// A14: before an invitation has been accepted there is no member; its token is no credential.
#[test]
fn a14_an_invitation_is_no_membership() {
    let api = Api::start(
        r#"
routes: [{match: "/orgs/{org}/**"}]
organizations: [{id: acme}]
roles: [{id: member, grants: [{path: "/orgs/{org}/**", access: r}]}]
members: []
invitations: [{id: i, org: acme, email: neo@acme.test, roles: [member], expires: 2100-01-01T00:00:00Z}]
"#,
    );
    for who in ["neo", "neo@acme.test", "i"] {
        api.refuses(who, "GET", "/orgs/acme/x", 404);
    }
}
