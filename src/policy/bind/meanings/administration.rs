//! Presets, invitations, features.

use super::{Row, may, must};
use crate::policy::bind::access::ROLE;
use crate::policy::bind::administration::{FEATURES, INVITATION, PRESET};
use crate::policy::bind::kinds::Kind::*;

pub(super) const ROWS: &[Row] = &[
    (
        &PRESET,
        "Templates of roles: none counts before administration has copied it",
        &[
            must("id", Id, "What administration calls it"),
            must("roles", Many(&ROLE), "The templates, in the form of roles"),
            may("builtin", Flag, "It is neither changed nor deleted"),
        ],
    ),
    (
        &INVITATION,
        "Somebody who may become a member; accepted by administration alone",
        &[
            must("id", Id, "What administration calls it"),
            may("org", Id, "The organization; left out where the policy has none"),
            must("email", Text, "Whom it is for"),
            may("roles", Texts, "Organization roles that the member will have"),
            may("apps", Texts, "Applications of the organization that the member will have"),
            may(
                "status",
                Word(&["pending", "accepted", "revoked", "expired"]),
                "What became of it; `pending`",
            ),
            may(
                "expires",
                Time,
                "Until when it can be accepted, in UTC; one that is pending says so",
            ),
            may(
                "token_hash",
                Matching("^[0-9a-f]{64}$"),
                "SHA-256 of its token, 64 lower-case hexadecimal digits",
            ),
            may("invited_by", Text, "The user who invited"),
        ],
    ),
    (
        &FEATURES,
        "Which parts of administration are on; what is bound is enforced all the same",
        &[may("schemas", Flag, "Schemas, and binding them to roles; true")],
    ),
];
