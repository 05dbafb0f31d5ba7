//! What each key of a policy holds, and what it means, in a line.

mod access;
mod administration;
mod identity;
mod people;
mod route;

use super::access::{RESOURCE_TYPE, RESTRICTION, ROLE, ROLE_DEFAULTS, SCHEMA};
use super::administration::{FEATURES, INVITATION, PRESET};
use super::identity::IDENTITY;
use super::kinds::Kind::*;
use super::kinds::{Key, Kind};
use super::people::{APPLICATION, GROUP, MEMBER, ORGANIZATION, USER};
use super::route::{ROUTE, UPSTREAM};
use super::{LIMITS, POLICY, Shape};

/// A mapping of the language: what it is, and its keys.
pub(super) type Row = (&'static Shape, &'static str, &'static [Key]);

/// Every mapping of the language.
pub(super) fn rows() -> impl Iterator<Item = &'static Row> {
    [ROWS, route::ROWS, identity::ROWS, people::ROWS, access::ROWS, administration::ROWS]
        .into_iter()
        .flatten()
}

/// The methods that a letter can stand for.
pub(super) const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

const PATH: Kind = Matching(r"^(?=/)(/([^/{}*?#\\]+|\{[A-Za-z_][A-Za-z0-9_]*\}))*(/|/\*\*)?$");
const LETTERS: Kind = Matching(r"^(?!.*(.).*\1)[crud]{1,4}$");
const POINTER: Kind = Matching("^(/.*)?$");
const SELECTOR: Kind = Matching(r"^(claims|header|host)\..+$");
const HOST: Kind = Matching(r"^(\*\.)?([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])$");
const STATUS: Kind = Word(&["active", "suspended"]);

/// The policy as a whole.
const ROWS: &[Row] = &[
    (
        &POLICY,
        "Who may do what, and who may see which field",
        &[
            must("policy", Version, "The version of the language: 1"),
            may("name", Text, "What to call the policy"),
            may(
                "membership",
                Word(&["directory", "token", "both"]),
                "Where roles come from: `members`, or credentials, or both. `directory` if there is `members` or `groups`, else `token`",
            ),
            may("limits", One(&LIMITS), "How many roles a binding may have"),
            may("upstreams", Many(&UPSTREAM), "Where bytes go; without it, where the settings say"),
            may(
                "routes",
                Many(&ROUTE),
                "What requests address and where they go; without it one route, `/**`",
            ),
            may(
                "identity",
                One(&IDENTITY),
                "Who issues credentials; without it everything that is not public is 401",
            ),
            may("organizations", Many(&ORGANIZATION), "The tenants"),
            may("applications", Many(&APPLICATION), "What an organization may be given"),
            may("users", Many(&USER), "Which users are suspended"),
            may(
                "groups",
                Many(&GROUP),
                "Roles, restrictions and applications that several members have",
            ),
            may("members", Many(&MEMBER), "Who has which roles where"),
            may("roles", Many(&ROLE), "What may be done, and which schemas limit it"),
            may(
                "role_defaults",
                One(&ROLE_DEFAULTS),
                "Grants that roles have without listing them",
            ),
            may(
                "restrictions",
                Many(&RESTRICTION),
                "Named sets of denials, attached to members and groups",
            ),
            may("schemas", Many(&SCHEMA), "Which fields of a type pass"),
            may("resource_types", Many(&RESOURCE_TYPE), "Where objects of a type are in bodies"),
            may("presets", Many(&PRESET), "Administration: templates of roles"),
            may("invitations", Many(&INVITATION), "Administration: who may become a member"),
            may("features", One(&FEATURES), "Administration: which parts of it are on"),
            may(
                "mode",
                Word(&["enforce", "monitor"]),
                "`monitor` tells what would be refused and lets it pass; `enforce`",
            ),
        ],
    ),
    (
        &LIMITS,
        "How many roles a binding may have",
        &[
            may(
                "org_roles_per_member",
                Count,
                "Roles of a member in its organization: a number, or `many`",
            ),
            may(
                "app_roles_per_access",
                Count,
                "Roles of a member in one application: a number, or `many`",
            ),
        ],
    ),
];

const fn must(name: &'static str, kind: Kind, about: &'static str) -> Key {
    Key { name, required: true, kind, about }
}

const fn may(name: &'static str, kind: Kind, about: &'static str) -> Key {
    Key { name, required: false, kind, about }
}
