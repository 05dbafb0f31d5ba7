//! Presets, invitations, features: what administration works with.

use super::access::role;
use super::keys::digest;
use super::{Fields, Shape};
use crate::diag::Report;
use crate::policy::administration::InvitationStatus;
use crate::policy::node::Node;
use crate::policy::raw::{RawFeatures, RawInvitation, RawPreset};

pub(super) const PRESET: Shape =
    Shape { what: "preset", keys: &["id", "roles", "builtin"], unenforced: &[] };

pub(super) const INVITATION: Shape = Shape {
    what: "invitation",
    keys: &["id", "org", "email", "roles", "apps", "status", "expires", "token_hash", "invited_by"],
    unenforced: &[],
};

pub(super) const FEATURES: Shape =
    Shape { what: "`features`", keys: &["schemas"], unenforced: &[] };

pub(super) fn preset(node: &Node, report: &mut Report) -> Option<RawPreset> {
    let mut fields = Fields::open(node, &PRESET, report)?;
    let id = fields.required_text("id");
    let roles = fields.required_node("roles").and_then(|_| fields.list("roles", role));
    let builtin = fields.flag("builtin").is_some_and(|builtin| builtin.value);
    Some(RawPreset { span: node.span, id: id?, builtin, roles: roles? })
}

pub(super) fn invitation(node: &Node, report: &mut Report) -> Option<RawInvitation> {
    let mut fields = Fields::open(node, &INVITATION, report)?;
    let id = fields.required_text("id");
    let invitation = RawInvitation {
        span: node.span,
        org: fields.text("org"),
        email: fields.text("email"),
        roles: fields.texts("roles"),
        apps: fields.texts("apps"),
        status: fields.word(
            "status",
            &[
                ("pending", Some(InvitationStatus::Pending)),
                ("accepted", Some(InvitationStatus::Accepted)),
                ("revoked", Some(InvitationStatus::Revoked)),
                ("expired", Some(InvitationStatus::Expired)),
            ],
        ),
        expires: fields.time("expires"),
        token_hash: fields.text("token_hash").and_then(|hash| digest(hash, fields.report())),
        invited_by: fields.text("invited_by"),
        id: id?,
    };
    Some(invitation)
}

pub(super) fn features(node: &Node, report: &mut Report) -> RawFeatures {
    let Some(mut fields) = Fields::open(node, &FEATURES, report) else {
        return RawFeatures::default();
    };
    RawFeatures { schemas: fields.flag("schemas") }
}
