//! Organizations, applications, groups and members.

use super::{Fields, Shape, text, wrong_type};
use crate::diag::Report;
use crate::policy::node::{Node, NodeKind};
use crate::policy::raw::{
    RawApplication, RawAssignedApp, RawGroup, RawGroupEntry, RawMember, RawOrganization, RawUser,
    RawWindow, Text,
};

pub(super) const ORGANIZATION: Shape = Shape {
    what: "organization",
    keys: &["id", "name", "apps", "status", "operator"],
    unenforced: &[],
};

pub(super) const ASSIGNED_APP: Shape =
    Shape { what: "assigned application", keys: &["id", "auto_assign"], unenforced: &[] };

pub(super) const APPLICATION: Shape = Shape {
    what: "application",
    keys: &["id", "name", "active", "auto_assign", "default", "default_role", "upstream"],
    unenforced: &[],
};

pub(super) const USER: Shape =
    Shape { what: "user", keys: &["id", "email", "status"], unenforced: &[] };

pub(super) const MEMBER: Shape = Shape {
    what: "member",
    keys: &[
        "user",
        "org",
        "roles",
        "groups",
        "restrictions",
        "primary",
        "apps",
        "status",
        "not_before",
        "expires",
    ],
    unenforced: &[],
};

pub(super) const GROUP: Shape =
    Shape { what: "group", keys: &["id", "org", "roles", "restrictions", "apps"], unenforced: &[] };

pub(super) const GROUP_ENTRY: Shape =
    Shape { what: "entry of `groups`", keys: &["id", "not_before", "expires"], unenforced: &[] };

pub(super) fn organization(node: &Node, report: &mut Report) -> Option<RawOrganization> {
    let mut fields = Fields::open(node, &ORGANIZATION, report)?;
    let id = fields.required_text("id");
    let organization = RawOrganization {
        span: node.span,
        name: fields.text("name"),
        apps: fields.list("apps", assigned_app).unwrap_or_default(),
        suspended: suspended(&mut fields),
        operator: fields.flag("operator").is_some_and(|operator| operator.value),
        id: id?,
    };
    Some(organization)
}

/// An id, or `{id, auto_assign}`.
fn assigned_app(node: &Node, report: &mut Report) -> Option<RawAssignedApp> {
    let NodeKind::Map(_) = node.kind else {
        let id = text(node, "an entry of `apps`", node.span, report)?;
        return Some(RawAssignedApp { id, auto_assign: false });
    };
    let mut fields = Fields::open(node, &ASSIGNED_APP, report)?;
    let id = fields.required_text("id");
    let auto_assign = fields.flag("auto_assign").is_some_and(|auto| auto.value);
    Some(RawAssignedApp { id: id?, auto_assign })
}

pub(super) fn application(node: &Node, report: &mut Report) -> Option<RawApplication> {
    let mut fields = Fields::open(node, &APPLICATION, report)?;
    let id = fields.required_text("id");
    let application = RawApplication {
        span: node.span,
        name: fields.text("name"),
        active: fields.flag("active").is_none_or(|active| active.value),
        auto_assign: fields.flag("auto_assign").is_some_and(|auto| auto.value),
        default: fields.flag("default").filter(|default| default.value).map(|flag| flag.span),
        default_role: fields.text("default_role"),
        upstream: fields.text("upstream"),
        id: id?,
    };
    Some(application)
}

pub(super) fn user(node: &Node, report: &mut Report) -> Option<RawUser> {
    let mut fields = Fields::open(node, &USER, report)?;
    let id = fields.required_text("id");
    fields.text("email");
    let suspended = suspended(&mut fields);
    Some(RawUser { id: id?, suspended })
}

pub(super) fn member(node: &Node, report: &mut Report) -> Option<RawMember> {
    let mut fields = Fields::open(node, &MEMBER, report)?;
    let user = fields.required_text("user");
    let member = RawMember {
        span: node.span,
        org: fields.text("org"),
        roles: fields.texts("roles"),
        groups: fields.list("groups", group_entry).unwrap_or_default(),
        // An empty list lifts the restrictions that are default: it is not the same as no list.
        restrictions: fields.node("restrictions").map(|_| fields.texts("restrictions")),
        primary: fields.flag("primary").filter(|primary| primary.value).map(|flag| flag.span),
        window: window(&mut fields),
        apps: fields.pairs("apps", app_roles),
        suspended: suspended(&mut fields),
        user: user?,
    };
    Some(member)
}

pub(super) fn group(node: &Node, report: &mut Report) -> Option<RawGroup> {
    let mut fields = Fields::open(node, &GROUP, report)?;
    let id = fields.required_text("id");
    let group = RawGroup {
        span: node.span,
        org: fields.text("org"),
        roles: fields.texts("roles"),
        restrictions: fields.texts("restrictions"),
        apps: fields.pairs("apps", app_roles),
        id: id?,
    };
    Some(group)
}

/// An id, or `{id, not_before, expires}`.
fn group_entry(node: &Node, report: &mut Report) -> Option<RawGroupEntry> {
    let NodeKind::Map(_) = node.kind else {
        let id = text(node, "an entry of `groups`", node.span, report)?;
        return Some(RawGroupEntry { id, window: RawWindow::default() });
    };
    let mut fields = Fields::open(node, &GROUP_ENTRY, report)?;
    let id = fields.required_text("id");
    let window = window(&mut fields);
    Some(RawGroupEntry { id: id?, window })
}

fn window(fields: &mut Fields<'_, '_>) -> RawWindow {
    RawWindow { not_before: fields.time("not_before"), expires: fields.time("expires") }
}

/// The roles that a member or a group has in one application.
fn app_roles(app: &Text, node: &Node, report: &mut Report) -> Option<Vec<Text>> {
    let subject = format!("the roles in `{}`", app.value);
    let NodeKind::List(roles) = &node.kind else {
        let at = if node.span.start == node.span.end { app.span } else { node.span };
        report.push(wrong_type(&subject, "a list", node, at));
        return None;
    };
    let role = |node| text(node, format_args!("an entry of {subject}"), app.span, report);
    Some(roles.iter().filter_map(role).collect())
}

fn suspended(fields: &mut Fields<'_, '_>) -> bool {
    fields
        .word("status", &[("active", Some(false)), ("suspended", Some(true))])
        .is_some_and(|suspended| suspended.value)
}
