//! Organizations, applications and members.

use super::{Fields, Harmless, Shape, text, wrong_type};
use crate::diag::Report;
use crate::policy::node::{Node, NodeKind};
use crate::policy::raw::{RawApplication, RawMember, RawOrganization, Text};

pub(super) const ORGANIZATION: Shape = Shape {
    what: "organization",
    keys: &["id", "name", "apps", "status"],
    unenforced: &[("operator", Harmless::False)],
};

pub(super) const ASSIGNED_APP: Shape = Shape {
    what: "assigned application",
    keys: &["id"],
    unenforced: &[("auto_assign", Harmless::False)],
};

pub(super) const APPLICATION: Shape = Shape {
    what: "application",
    keys: &["id", "name", "active", "default_role"],
    unenforced: &[
        ("auto_assign", Harmless::False),
        ("default", Harmless::False),
        ("upstream", Harmless::Never),
    ],
};

pub(super) const MEMBER: Shape = Shape {
    what: "member",
    keys: &["user", "org", "roles", "apps", "status"],
    unenforced: &[
        ("groups", Harmless::Empty),
        // An empty list lifts the restrictions that are default: it is not the same as no list.
        ("restrictions", Harmless::Never),
        ("primary", Harmless::False),
        ("not_before", Harmless::Never),
        ("expires", Harmless::Never),
    ],
};

pub(super) fn organization(node: &Node, report: &mut Report) -> Option<RawOrganization> {
    let mut fields = Fields::open(node, &ORGANIZATION, report)?;
    let id = fields.required_text("id");
    let organization = RawOrganization {
        span: node.span,
        name: fields.text("name"),
        apps: fields.list("apps", assigned_app).unwrap_or_default(),
        suspended: suspended(&mut fields),
        id: id?,
    };
    Some(organization)
}

/// An id, or `{id, auto_assign}`.
fn assigned_app(node: &Node, report: &mut Report) -> Option<Text> {
    match node.kind {
        NodeKind::Map(_) => Fields::open(node, &ASSIGNED_APP, report)?.required_text("id"),
        _ => text(node, "an entry of `apps`", node.span, report),
    }
}

pub(super) fn application(node: &Node, report: &mut Report) -> Option<RawApplication> {
    let mut fields = Fields::open(node, &APPLICATION, report)?;
    let id = fields.required_text("id");
    let application = RawApplication {
        span: node.span,
        name: fields.text("name"),
        active: fields.flag("active").is_none_or(|active| active.value),
        default_role: fields.text("default_role"),
        id: id?,
    };
    Some(application)
}

pub(super) fn member(node: &Node, report: &mut Report) -> Option<RawMember> {
    let mut fields = Fields::open(node, &MEMBER, report)?;
    let user = fields.required_text("user");
    let member = RawMember {
        span: node.span,
        org: fields.text("org"),
        roles: fields.texts("roles"),
        apps: fields.pairs("apps", app_roles),
        suspended: suspended(&mut fields),
        user: user?,
    };
    Some(member)
}

/// The roles that a member has in one application.
fn app_roles(app: &Text, node: &Node, report: &mut Report) -> Option<Vec<Text>> {
    let subject = format!("the roles in `{}`", app.value);
    let NodeKind::List(roles) = &node.kind else {
        let at = if node.span.start == node.span.end { app.span } else { node.span };
        report.push(wrong_type(&subject, "a list", node, at));
        return None;
    };
    let role = |node| text(node, &format!("an entry of {subject}"), app.span, report);
    Some(roles.iter().filter_map(role).collect())
}

fn suspended(fields: &mut Fields<'_, '_>) -> bool {
    fields
        .word("status", &[("active", Some(false)), ("suspended", Some(true))])
        .is_some_and(|suspended| suspended.value)
}
