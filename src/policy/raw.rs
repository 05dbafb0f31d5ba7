//! What the user typed, one to one: structure and spans, no meaning yet.
//!
//! [`crate::policy::bind`] makes these from the node tree and reports everything that the language
//! does not have; resolving gives them meaning.

mod administration;
mod identity;
mod route;
mod tell;

pub use administration::{RawFeatures, RawInvitation, RawPreset, RawRights};
pub use identity::{
    RawApiKey, RawApiKeys, RawClaims, RawForwarded, RawIdentity, RawIntrospection, RawJwt,
    RawKeyUrl, RawKeys, RawMtls, RawNameKind, RawNamed, RawRolePlace, RawSecret, RawTrustDomain,
};
pub use route::{
    BodyKind, MODES, Mode, RawCors, RawHeaders, RawHealth, RawRoute, RawUpstream, RawUpstreamTls,
    RequestKind, Update,
};
pub use tell::{RawAssertion, RawCredential, RawTell, RawToldHeaders};

use crate::policy::node::Node;
use crate::source::{Span, Spanned};

/// A spanned text.
pub type Text = Spanned<String>;

/// A policy, after the files of a folder have been merged.
#[derive(Clone, Debug, Default)]
pub struct RawPolicy {
    pub name: Option<Text>,
    pub mode: Option<Spanned<Mode>>,
    pub membership: Option<Spanned<RawMembership>>,
    pub limits: RawLimits,
    pub upstreams: Vec<RawUpstream>,
    /// `None` where the key is absent: then there is one route, `/**`.
    pub routes: Option<Vec<RawRoute>>,
    pub identity: Option<RawIdentity>,
    /// `None` where the key is absent: with token membership any claimed id is then one.
    pub organizations: Option<Vec<RawOrganization>>,
    pub applications: Vec<RawApplication>,
    pub users: Vec<RawUser>,
    /// `None` where the key is absent: this or `members`, even empty, says that memberships come
    /// from the directory.
    pub groups: Option<Vec<RawGroup>>,
    /// `None` where the key is absent.
    pub members: Option<Vec<RawMember>>,
    pub roles: Vec<RawRole>,
    /// `roles` was written, be it empty.
    pub roles_listed: bool,
    pub role_defaults: RawRoleDefaults,
    pub restrictions: Vec<RawRestriction>,
    pub schemas: Vec<RawSchema>,
    pub resource_types: Vec<RawResourceType>,
    pub presets: Vec<RawPreset>,
    pub invitations: Vec<RawInvitation>,
    pub features: RawFeatures,
    /// What was typed but could not be read, and has been reported.
    pub left_out: Vec<LeftOut>,
}

/// Something that is missing here only because it is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its kind; `None` where a whole file could not be read.
    pub kind: Option<Kind>,
    /// Its id, where that could be read.
    pub id: Option<String>,
}

/// The kinds of entities that a policy lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Upstream,
    Route,
    Organization,
    Application,
    User,
    Group,
    Member,
    Role,
    Restriction,
    Schema,
    ResourceType,
    Preset,
    Invitation,
}

impl RawPolicy {
    /// Whether a whole file could not be read, so that anything may be missing.
    pub fn has_unread_files(&self) -> bool {
        self.left_out.iter().any(|out| out.kind.is_none())
    }

    /// Whether an entity that is not here may have been typed all the same: then what refers to it
    /// is not to be reported, because its own mistake has been.
    pub fn may_exist(&self, kind: Kind, id: &str) -> bool {
        self.left_out.iter().any(|out| {
            out.kind.is_none_or(|left| left == kind)
                && out.id.as_deref().is_none_or(|left| left == id)
        })
    }
}

/// Where memberships come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawMembership {
    Directory,
    Token,
    /// The directory, and claimed roles that say `from_token`.
    Both,
}

/// How many roles a binding may have.
#[derive(Clone, Debug, Default)]
pub struct RawLimits {
    pub org_roles_per_member: Option<Spanned<Cardinality>>,
    pub app_roles_per_access: Option<Spanned<Cardinality>>,
}

/// A number, or `many`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cardinality {
    AtMost(u32),
    Many,
}

#[derive(Clone, Debug)]
pub struct RawOrganization {
    pub span: Span,
    pub id: Text,
    pub name: Option<Text>,
    pub apps: Vec<RawAssignedApp>,
    pub suspended: bool,
    /// Its roles may reach other organizations.
    pub operator: bool,
}

/// An application that an organization has.
#[derive(Clone, Debug)]
pub struct RawAssignedApp {
    pub id: Text,
    /// Every user of this organization may enter it.
    pub auto_assign: bool,
}

#[derive(Clone, Debug)]
pub struct RawApplication {
    pub span: Span,
    pub id: Text,
    pub name: Option<Text>,
    pub active: bool,
    /// Every organization has it, and every user may enter it.
    pub auto_assign: bool,
    /// Where it says `default: true`: every organization has it.
    pub default: Option<Span>,
    pub default_role: Option<Text>,
    pub upstream: Option<Text>,
}

/// What the policy says of a user; who one is says the authenticator.
#[derive(Clone, Debug)]
pub struct RawUser {
    pub id: Text,
    pub suspended: bool,
}

#[derive(Clone, Debug)]
pub struct RawGroup {
    pub span: Span,
    pub id: Text,
    pub org: Option<Text>,
    pub roles: Vec<Text>,
    pub restrictions: Vec<Text>,
    /// Application and its roles, in the order typed.
    pub apps: Vec<(Text, Vec<Text>)>,
}

/// A group that a member is in.
#[derive(Clone, Debug)]
pub struct RawGroupEntry {
    pub id: Text,
    pub window: RawWindow,
}

/// When something holds, in seconds since 1970.
#[derive(Clone, Copy, Debug, Default)]
pub struct RawWindow {
    /// From this second.
    pub not_before: Option<Spanned<u64>>,
    /// Up to, and without, this second.
    pub expires: Option<Spanned<u64>>,
}

#[derive(Clone, Debug)]
pub struct RawMember {
    pub span: Span,
    pub user: Text,
    pub org: Option<Text>,
    pub roles: Vec<Text>,
    pub groups: Vec<RawGroupEntry>,
    /// `None` where the key is absent: then those that are default.
    pub restrictions: Option<Vec<Text>>,
    /// Where it says `primary: true`.
    pub primary: Option<Span>,
    /// When the membership holds.
    pub window: RawWindow,
    /// Application and its roles, in the order typed.
    pub apps: Vec<(Text, Vec<Text>)>,
    pub suspended: bool,
}

#[derive(Clone, Debug)]
pub struct RawRole {
    pub span: Span,
    pub id: Text,
    pub name: Option<Text>,
    pub description: Option<Text>,
    pub app_scope: bool,
    pub default: bool,
    pub builtin: bool,
    /// Where it says `app_access: all`.
    pub app_access_all: Option<Span>,
    /// Where it says `reach: all-orgs`.
    pub reach: Option<Span>,
    /// With `membership: both`, it counts where a credential claims it.
    pub from_token: bool,
    /// Who acts by it is told how much was filtered.
    pub filtered_count: bool,
    pub includes: Vec<Text>,
    pub grants: Vec<RawGrant>,
    /// `grants` was written, be it empty.
    pub grants_listed: bool,
    pub schemas: Vec<Text>,
    pub rights: RawRights,
}

/// Grants that roles have without listing them.
#[derive(Clone, Debug, Default)]
pub struct RawRoleDefaults {
    /// Of every application role.
    pub app: Vec<RawGrant>,
    /// Of every organization role.
    pub org: Vec<RawGrant>,
    /// Of every caller that has been identified.
    pub any: Vec<RawGrant>,
    /// The role that holds all that application roles may grant.
    pub ceiling: Option<Text>,
}

/// A named set of denials.
#[derive(Clone, Debug)]
pub struct RawRestriction {
    pub span: Span,
    pub id: Text,
    pub name: Option<Text>,
    pub deny: Vec<RawGrant>,
    pub requires: Vec<Text>,
    pub default: bool,
}

#[derive(Clone, Debug)]
pub struct RawGrant {
    pub span: Span,
    pub path: Text,
    pub access: Text,
    /// Every host where absent.
    pub host: Option<Text>,
    pub conditions: RawConditions,
}

/// What must hold for a grant to count. Denials have none.
#[derive(Clone, Debug, Default)]
pub struct RawConditions {
    pub when: Vec<RawTest>,
    /// `None` where the key is absent; an empty list lets no parameter through.
    pub query: Option<Vec<Text>>,
    pub owner: Option<RawOwner>,
    pub keep: Option<RawKeep>,
    pub require: Option<RawRequire>,
}

impl RawConditions {
    /// Every value that something is compared with.
    pub fn values(&self) -> impl Iterator<Item = &Text> {
        let tests = self.when.iter().flat_map(|test| &test.values);
        let owner = self.owner.iter().filter_map(|owner| owner.is.as_ref());
        let keep = self.keep.iter().flat_map(|keep| &keep.among);
        tests.chain(owner).chain(keep).chain(self.require.iter().flat_map(|one| &one.among))
    }
}

/// A selector and the values of which it must be one.
#[derive(Clone, Debug)]
pub struct RawTest {
    /// As typed: `header.x-env`.
    pub selector: Text,
    pub values: Vec<Text>,
}

#[derive(Clone, Debug)]
pub struct RawOwner {
    pub span: Span,
    pub field: Text,
    pub of: Option<Text>,
    pub is: Option<Text>,
    pub items: Option<Text>,
}

#[derive(Clone, Debug)]
pub struct RawKeep {
    pub span: Span,
    pub items: Option<Text>,
    pub field: Text,
    pub among: Vec<Text>,
}

#[derive(Clone, Debug)]
pub struct RawRequire {
    pub span: Span,
    pub field: Text,
    pub among: Vec<Text>,
}

#[derive(Clone, Debug)]
pub struct RawSchema {
    pub span: Span,
    pub id: Text,
    pub name: Option<Text>,
    pub kind: Text,
    /// JSON Schema, as a node tree, so that every keyword has its place.
    pub body: Node<'static>,
    pub options: crate::policy::schema::Options,
}

#[derive(Clone, Debug)]
pub struct RawResourceType {
    pub span: Span,
    pub id: Text,
    pub at: Vec<RawAt>,
    /// Whether bodies pass elsewhere, where it says so or says that they do not.
    pub elsewhere: Option<bool>,
    /// Pointers to totals.
    pub count: Vec<Text>,
}

#[derive(Clone, Debug)]
pub struct RawAt {
    pub span: Span,
    pub path: Text,
    pub pointer: Text,
    pub entries: Option<RawEntries>,
    pub is: Option<RawIs>,
}

/// What objects of the type are called: a pointer inside of them, and the text there.
#[derive(Clone, Debug)]
pub struct RawIs {
    pub span: Span,
    pub field: Text,
    pub value: Text,
}

/// Where the pairs of a list keep the name of a property and its value: pointers.
#[derive(Clone, Debug)]
pub struct RawEntries {
    pub key: Text,
    pub value: Text,
}
