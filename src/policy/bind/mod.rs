//! From the node tree to [`RawPolicy`]: structure and kinds, no meaning yet.
//!
//! Every problem is reported, none stops the reading. An entity whose name or place is missing is
//! left out and noted, so that what refers to it is not reported as well. What names mean (paths,
//! letters, pointers, references, schemas, URLs) is judged later.

mod access;
mod administration;
mod condition;
mod fields;
mod identity;
mod keys;
mod kinds;
pub mod language;
mod meanings;
mod mtls;
mod people;
mod quantity;
mod remote;
mod route;
mod tell;

pub use fields::{Fields, Harmless, Shape, bad_word, not_enforced, text, wrong_type};
pub use quantity::{WAIT, duration, rate, size};

use crate::diag::{Code, Diagnostic, Report};
use crate::policy::node::{Node, NodeKind};
use crate::policy::raw::{Cardinality, Kind, LeftOut, MODES, RawLimits, RawMembership, RawPolicy};
use crate::source::Spanned;

/// The keys of a policy whose values are lists, which the files of a folder share.
pub const LISTS: &[&str] = &[
    "upstreams",
    "routes",
    "organizations",
    "applications",
    "users",
    "groups",
    "members",
    "roles",
    "restrictions",
    "resource_types",
    "schemas",
    "presets",
    "invitations",
];

const POLICY: Shape = Shape {
    what: "policy",
    keys: &[
        "policy",
        "name",
        "mode",
        "membership",
        "limits",
        "upstreams",
        "routes",
        "identity",
        "organizations",
        "applications",
        "users",
        "groups",
        "members",
        "roles",
        "role_defaults",
        "restrictions",
        "schemas",
        "resource_types",
        "presets",
        "invitations",
        "features",
    ],
    unenforced: &[],
};

const LIMITS: Shape = Shape {
    what: "`limits`",
    keys: &["org_roles_per_member", "app_roles_per_access"],
    unenforced: &[],
};

/// Reads a policy from its merged tree.
pub fn policy(root: &Node, report: &mut Report) -> RawPolicy {
    let Some(mut fields) = Fields::open(root, &POLICY, report) else {
        return RawPolicy::default();
    };
    let name = fields.text("name");
    let mode = fields.word("mode", &MODES);
    let membership = membership(&mut fields);
    let limits = fields.node("limits").map(|node| limits(node, fields.report()));
    let identity = fields.node("identity").map(|node| identity::identity(node, fields.report()));
    let defaults = fields.node("role_defaults");
    let role_defaults = defaults.and_then(|node| access::role_defaults(node, fields.report()));
    let features = fields.node("features");
    let features = features.map(|node| administration::features(node, fields.report()));
    let roles_listed = fields.node("roles").is_some();
    let mut lists = Lists { fields, left_out: Vec::new() };
    RawPolicy {
        name,
        mode,
        membership,
        limits: limits.unwrap_or_default(),
        identity,
        upstreams: lists.all("upstreams", Kind::Upstream, route::upstream).unwrap_or_default(),
        routes: lists.all("routes", Kind::Route, route::route),
        organizations: lists.all("organizations", Kind::Organization, people::organization),
        applications: lists
            .all("applications", Kind::Application, people::application)
            .unwrap_or_default(),
        users: lists.all("users", Kind::User, people::user).unwrap_or_default(),
        groups: lists.all("groups", Kind::Group, people::group),
        members: lists.all("members", Kind::Member, people::member),
        roles: lists.all("roles", Kind::Role, access::role).unwrap_or_default(),
        roles_listed,
        role_defaults: role_defaults.unwrap_or_default(),
        restrictions: lists
            .all("restrictions", Kind::Restriction, access::restriction)
            .unwrap_or_default(),
        schemas: lists.all("schemas", Kind::Schema, access::schema).unwrap_or_default(),
        resource_types: lists
            .all("resource_types", Kind::ResourceType, access::resource_type)
            .unwrap_or_default(),
        presets: lists.all("presets", Kind::Preset, administration::preset).unwrap_or_default(),
        invitations: lists
            .all("invitations", Kind::Invitation, administration::invitation)
            .unwrap_or_default(),
        features: features.unwrap_or_default(),
        left_out: lists.left_out,
    }
}

/// Entities of one kind that are noted as left out by name. Where more are, anything that refers to
/// one of this kind may mean one of them: each reference is compared with each that is noted.
pub const MAX_LEFT_OUT: usize = 1_000;

/// The lists of entities, and what could not be read of them.
struct Lists<'n, 'r> {
    fields: Fields<'n, 'r>,
    left_out: Vec<LeftOut>,
}

impl Lists<'_, '_> {
    /// A list of entities. `None` where the key is absent.
    fn all<T>(
        &mut self,
        key: &str,
        kind: Kind,
        read: fn(&Node, &mut Report) -> Option<T>,
    ) -> Option<Vec<T>> {
        let is_list = |node: &Node| matches!(node.kind, NodeKind::List(_));
        if self.fields.node(key).is_some_and(|node| !is_list(node)) {
            self.left_out.push(LeftOut { kind: Some(kind), id: None });
        }
        let mut out = 0;
        self.fields.list(key, |node, report| {
            let entity = read(node, report);
            if entity.is_none() {
                out += 1;
                if out <= MAX_LEFT_OUT {
                    self.left_out.push(LeftOut { kind: Some(kind), id: id_of(node) });
                } else if out == MAX_LEFT_OUT + 1 {
                    self.left_out.push(LeftOut { kind: Some(kind), id: None });
                }
            }
            entity
        })
    }
}

fn id_of(node: &Node) -> Option<String> {
    match &node.get("id")?.kind {
        NodeKind::Text(id) => Some(id.to_string()),
        _ => None,
    }
}

fn membership(fields: &mut Fields<'_, '_>) -> Option<Spanned<RawMembership>> {
    fields.word(
        "membership",
        &[
            ("directory", Some(RawMembership::Directory)),
            ("token", Some(RawMembership::Token)),
            ("both", Some(RawMembership::Both)),
        ],
    )
}

fn limits(node: &Node, report: &mut Report) -> RawLimits {
    let Some(mut fields) = Fields::open(node, &LIMITS, report) else {
        return RawLimits::default();
    };
    RawLimits {
        org_roles_per_member: cardinality(&mut fields, "org_roles_per_member"),
        app_roles_per_access: cardinality(&mut fields, "app_roles_per_access"),
    }
}

/// A number from 1, or `many`.
fn cardinality(fields: &mut Fields<'_, '_>, key: &str) -> Option<Spanned<Cardinality>> {
    let node = fields.node(key)?;
    let value = match &node.kind {
        NodeKind::Text(word) if word == "many" => Cardinality::Many,
        NodeKind::Int(number) if (1..=i64::from(u32::MAX)).contains(number) => {
            Cardinality::AtMost(u32::try_from(*number).ok()?)
        }
        _ => {
            let message = format!("`{key}` is not a number of roles");
            let problem = Diagnostic::error(Code::BadValue, node.span, message)
                .help("write a number from 1, or `many`");
            fields.report().push(problem);
            return None;
        }
    };
    Some(Spanned::new(value, node.span))
}
