//! Roles with their grants, restrictions, schemas, and the places of resource types.

use super::{Fields, Harmless, Shape, condition};
use crate::diag::Report;
use crate::policy::node::{Node, NodeKind};
use crate::policy::raw::{
    RawAt, RawEntries, RawGrant, RawIs, RawResourceType, RawRestriction, RawRights, RawRole,
    RawRoleDefaults, RawSchema,
};
use crate::policy::schema::Options;
use crate::source::Spanned;

pub(super) const ROLE: Shape = Shape {
    what: "role",
    keys: &[
        "id",
        "name",
        "description",
        "scope",
        "includes",
        "grants",
        "schemas",
        "app_access",
        "reach",
        "from_token",
        "filtered_count",
        "default",
        // These direct administration.
        "visible_to",
        "assignable_by",
        "editable_by",
        "builtin",
        "first_member",
        "fallback",
        "protect_last",
    ],
    unenforced: &[],
};

pub(super) const GRANT: Shape = Shape {
    what: "grant",
    keys: &["path", "host", "access", "when", "query", "owner", "keep", "require"],
    unenforced: &[],
};

pub(super) const ROLE_DEFAULTS: Shape =
    Shape { what: "`role_defaults`", keys: &["app", "org", "any", "ceiling"], unenforced: &[] };

pub(super) const RESTRICTION: Shape = Shape {
    what: "restriction",
    // `confirm` directs administration: its kind is checked.
    keys: &["id", "name", "deny", "requires", "default", "confirm"],
    unenforced: &[],
};

pub(super) const DENY: Shape = Shape {
    what: "denial",
    keys: &["path", "host", "access"],
    // What holds under a condition is not denied where the condition fails.
    unenforced: &[
        ("when", Harmless::Empty),
        ("query", Harmless::Never),
        ("owner", Harmless::Never),
        ("keep", Harmless::Never),
        ("require", Harmless::Never),
    ],
};

pub(super) const SCHEMA: Shape = Shape {
    what: "schema",
    keys: &["id", "name", "type", "body", "formats", "redact", "case"],
    unenforced: &[],
};

pub(super) const RESOURCE_TYPE: Shape =
    Shape { what: "resource type", keys: &["id", "at", "elsewhere", "count"], unenforced: &[] };

pub(super) const AT: Shape = Shape {
    what: "place of a resource type",
    keys: &["path", "pointer", "entries", "is"],
    unenforced: &[],
};

pub(super) const IS: Shape = Shape { what: "`is`", keys: &["field", "value"], unenforced: &[] };

pub(super) const ENTRIES: Shape =
    Shape { what: "`entries`", keys: &["key", "value"], unenforced: &[] };

pub(super) fn role(node: &Node, report: &mut Report) -> Option<RawRole> {
    let mut fields = Fields::open(node, &ROLE, report)?;
    let id = fields.required_text("id");
    let role = RawRole {
        span: node.span,
        name: fields.text("name"),
        description: fields.text("description"),
        app_scope: fields
            .word("scope", &[("org", Some(false)), ("app", Some(true))])
            .is_some_and(|app| app.value),
        default: fields.flag("default").is_some_and(|default| default.value),
        builtin: fields.flag("builtin").is_some_and(|builtin| builtin.value),
        app_access_all: fields
            .word("app_access", &[("assigned", Some(false)), ("all", Some(true))])
            .filter(|all| all.value)
            .map(|all| all.span),
        reach: fields
            .word("reach", &[("own", Some(false)), ("all-orgs", Some(true))])
            .filter(|all| all.value)
            .map(|all| all.span),
        from_token: fields.flag("from_token").is_some_and(|token| token.value),
        filtered_count: fields.flag("filtered_count").is_some_and(|count| count.value),
        includes: fields.texts("includes"),
        grants: fields.list("grants", grant).unwrap_or_default(),
        grants_listed: fields.node("grants").is_some(),
        schemas: fields.texts("schemas"),
        rights: rights(&mut fields),
        id: id?,
    };
    Some(role)
}

fn rights(fields: &mut Fields<'_, '_>) -> RawRights {
    RawRights {
        visible_to: fields.texts("visible_to"),
        assignable_by: fields.texts("assignable_by"),
        editable_by: fields.texts("editable_by"),
        first_member: fields.on("first_member"),
        fallback: fields.on("fallback"),
        protect_last: fields.on("protect_last"),
    }
}

pub(super) fn role_defaults(node: &Node, report: &mut Report) -> Option<RawRoleDefaults> {
    let mut fields = Fields::open(node, &ROLE_DEFAULTS, report)?;
    Some(RawRoleDefaults {
        app: fields.list("app", grant).unwrap_or_default(),
        org: fields.list("org", grant).unwrap_or_default(),
        any: fields.list("any", grant).unwrap_or_default(),
        ceiling: fields.text("ceiling"),
    })
}

fn grant(node: &Node, report: &mut Report) -> Option<RawGrant> {
    rule(node, &GRANT, report)
}

fn deny(node: &Node, report: &mut Report) -> Option<RawGrant> {
    rule(node, &DENY, report)
}

fn rule(node: &Node, shape: &Shape, report: &mut Report) -> Option<RawGrant> {
    let mut fields = Fields::open(node, shape, report)?;
    let (path, access) = (fields.required_text("path"), fields.required_text("access"));
    let host = fields.text("host");
    let conditions = match std::ptr::eq(shape, &GRANT) {
        true => condition::conditions(&mut fields)?,
        false => Default::default(),
    };
    Some(RawGrant { span: node.span, path: path?, access: access?, host, conditions })
}

pub(super) fn restriction(node: &Node, report: &mut Report) -> Option<RawRestriction> {
    let mut fields = Fields::open(node, &RESTRICTION, report)?;
    let id = fields.required_text("id");
    fields.flag("confirm");
    let restriction = RawRestriction {
        span: node.span,
        name: fields.text("name"),
        deny: fields.required_node("deny").and_then(|_| fields.list("deny", deny))?,
        requires: fields.texts("requires"),
        default: fields.flag("default").is_some_and(|default| default.value),
        id: id?,
    };
    Some(restriction)
}

pub(super) fn schema(node: &Node, report: &mut Report) -> Option<RawSchema> {
    let mut fields = Fields::open(node, &SCHEMA, report)?;
    let (id, kind) = (fields.required_text("id"), fields.required_text("type"));
    let body = fields.required_node("body").map(|body| body.clone().into_owned());
    let name = fields.text("name");
    let formats = fields.word("formats", &[("annotate", Some(false)), ("assert", Some(true))]);
    // YAML reads an unquoted `null` as nothing.
    let nulls = match fields.node("redact").map(|node| &node.kind) {
        Some(NodeKind::Null) => true,
        _ => fields
            .word("redact", &[("remove", Some(false)), ("null", Some(true))])
            .is_some_and(|nulls| nulls.value),
    };
    let case = fields.word("case", &[("sensitive", Some(false)), ("insensitive", Some(true))]);
    let is = |flag: Option<Spanned<bool>>| flag.is_some_and(|flag| flag.value);
    let options = Options { formats: is(formats), nulls, folds: is(case) };
    Some(RawSchema { span: node.span, id: id?, name, kind: kind?, body: body?, options })
}

pub(super) fn resource_type(node: &Node, report: &mut Report) -> Option<RawResourceType> {
    let mut fields = Fields::open(node, &RESOURCE_TYPE, report)?;
    let id = fields.required_text("id");
    let at = fields.required_node("at").and_then(|_| fields.list("at", at));
    let elsewhere = fields.word("elsewhere", &[("refuse", Some(false)), ("pass", Some(true))]);
    let elsewhere = elsewhere.map(|pass| pass.value);
    let count = fields.texts("count");
    Some(RawResourceType { span: node.span, id: id?, at: at?, elsewhere, count })
}

fn at(node: &Node, report: &mut Report) -> Option<RawAt> {
    let mut fields = Fields::open(node, &AT, report)?;
    let (path, pointer) = (fields.required_text("path"), fields.required_text("pointer"));
    let entries = match fields.node("entries") {
        Some(node) => Some(entries(node, fields.report())?),
        None => None,
    };
    let is = match fields.node("is") {
        Some(node) => Some(is(node, fields.report())?),
        None => None,
    };
    Some(RawAt { span: node.span, path: path?, pointer: pointer?, entries, is })
}

fn is(node: &Node, report: &mut Report) -> Option<RawIs> {
    let mut fields = Fields::open(node, &IS, report)?;
    let (field, value) = (fields.required_text("field"), fields.required_text("value"));
    Some(RawIs { span: node.span, field: field?, value: value? })
}

fn entries(node: &Node, report: &mut Report) -> Option<RawEntries> {
    let mut fields = Fields::open(node, &ENTRIES, report)?;
    let (key, value) = (fields.required_text("key"), fields.required_text("value"));
    Some(RawEntries { key: key?, value: value? })
}
