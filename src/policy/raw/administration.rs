//! What was typed of administration.

use super::{RawRole, Text};
use crate::policy::administration::InvitationStatus;
use crate::source::{Span, Spanned};

/// Who may see, assign and change a role, and what becomes of it in administration.
#[derive(Clone, Debug, Default)]
pub struct RawRights {
    pub visible_to: Vec<Text>,
    pub assignable_by: Vec<Text>,
    pub editable_by: Vec<Text>,
    /// Where it says `first_member: true`, and so on.
    pub first_member: Option<Span>,
    pub fallback: Option<Span>,
    pub protect_last: Option<Span>,
}

impl RawRights {
    /// Every role that is named.
    pub fn names(&self) -> impl Iterator<Item = &Text> {
        self.visible_to.iter().chain(&self.assignable_by).chain(&self.editable_by)
    }
}

/// Which parts of administration are on. Without a word, all are.
#[derive(Clone, Debug, Default)]
pub struct RawFeatures {
    pub schemas: Option<Spanned<bool>>,
}

/// Templates of roles.
#[derive(Clone, Debug)]
pub struct RawPreset {
    pub span: Span,
    pub id: Text,
    pub builtin: bool,
    pub roles: Vec<RawRole>,
}

/// Somebody who may become a member.
#[derive(Clone, Debug)]
pub struct RawInvitation {
    pub span: Span,
    pub id: Text,
    pub org: Option<Text>,
    pub email: Option<Text>,
    pub roles: Vec<Text>,
    pub apps: Vec<Text>,
    /// `pending` where absent.
    pub status: Option<Spanned<InvitationStatus>>,
    /// Seconds since 1970.
    pub expires: Option<Spanned<u64>>,
    /// SHA-256 of the token, in hexadecimal digits.
    pub token_hash: Option<Text>,
    pub invited_by: Option<Text>,
}
