//! The stable names of problems. Each has a section in `docs/diagnostics.md`.

use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// The stable name of a kind of problem: scripts and documentation refer to it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs)]
        pub enum Code { $($(#[$doc])* $variant,)+ }

        impl Code {
            /// Every code there is.
            pub const ALL: &[Code] = &[$(Code::$variant,)+];

            /// The name as printed.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $name,)+ }
            }
        }
    };
}

codes! {
    /// The text is not YAML (or JSON), or not UTF-8.
    Syntax = "SYNTAX",
    /// A file or folder cannot be read.
    Unreadable = "UNREADABLE",
    /// A file is larger than its limit, or nests or aliases beyond it.
    TooLarge = "TOO_LARGE",
    /// A key that the language does not have.
    UnknownKey = "UNKNOWN_KEY",
    /// A key that must be there is missing.
    MissingKey = "MISSING_KEY",
    /// The same key twice in one mapping.
    DuplicateKey = "DUPLICATE_KEY",
    /// A value of the wrong kind.
    WrongType = "WRONG_TYPE",
    /// A value of the right kind that is not one of those allowed.
    BadValue = "BAD_VALUE",
    /// Part of the language, but not enforced by this version: refused, never ignored.
    NotEnforced = "NOT_ENFORCED",
    /// `policy:` is missing or names a language version that is not known.
    PolicyVersion = "POLICY_VERSION",
    /// A single-valued key stands in more than one file of a folder.
    MergeConflict = "MERGE_CONFLICT",
    IdUnique = "ID_UNIQUE",
    RefExists = "REF_EXISTS",
    RoleNameUnique = "ROLE_NAME_UNIQUE",
    RoleScope = "ROLE_SCOPE",
    RoleCardinality = "ROLE_CARDINALITY",
    AppAssigned = "APP_ASSIGNED",
    GrantPath = "GRANT_PATH",
    GrantAccess = "GRANT_ACCESS",
    GrantHost = "GRANT_HOST",
    RouteTotal = "ROUTE_TOTAL",
    RouteAmbiguous = "ROUTE_AMBIGUOUS",
    IdentityAmbiguous = "IDENTITY_AMBIGUOUS",
    MembershipChanged = "MEMBERSHIP_CHANGED",
    PolicyEmpty = "POLICY_EMPTY",
    PrimarySingle = "PRIMARY_SINGLE",
    SchemaValid = "SCHEMA_VALID",
    SchemaType = "SCHEMA_TYPE",
    SchemaAdditionalExplicit = "SCHEMA_ADDITIONAL_EXPLICIT",
    /// An authenticator cannot work as written (a weak key, a missing file, an unfit algorithm).
    IdentityValid = "IDENTITY_VALID",
    /// What TLS towards an upstream needs cannot be used (a missing file, keys that do not fit).
    TlsValid = "TLS_VALID",
    /// Warning: no `identity`, so everything that is not public is 401.
    NoIdentity = "NO_IDENTITY",
    SchemaUncovered = "SCHEMA_UNCOVERED",
    OwnerUncheckable = "OWNER_UNCHECKABLE",
    /// A grant that others always crowd out: so many objects, or grants for rows, are before it.
    GrantLimit = "GRANT_LIMIT",
    /// Warning: the owner may change between the look at the object and the write.
    OwnerRace = "OWNER_RACE",
    /// Warning: an unconditional grant already allows what a conditional one does.
    ConditionMoot = "CONDITION_MOOT",
    QueryUnlisted = "QUERY_UNLISTED",
    /// Warning: something is defined that nothing uses.
    Unused = "UNUSED",
    /// Warning: a grant or a route that others leave nothing to do.
    Shadowed = "SHADOWED",
    /// Warning: something that can never act.
    Unreachable = "UNREACHABLE",
    /// Warning: a role that somebody has and that grants nothing.
    RoleEmpty = "ROLE_EMPTY",
    /// Warning: somebody is given an application that nobody may enter.
    AppInactive = "APP_INACTIVE",
    /// Warning: monitor mode; an error where the settings do not allow it.
    Monitor = "MONITOR",
    /// A setting has a value that cannot be used.
    Setting = "SETTING",
    IncludesAcyclic = "INCLUDES_ACYCLIC",
    DefaultAppSingle = "DEFAULT_APP_SINGLE",
    AppAutoDerived = "APP_AUTO_DERIVED",
    OrgIsolation = "ORG_ISOLATION",
    RestrictionRequires = "RESTRICTION_REQUIRES",
    PrimaryUnrestricted = "PRIMARY_UNRESTRICTED",
    GrantCeiling = "GRANT_CEILING",
    LastAdmin = "LAST_ADMIN",
    BuiltinImmutable = "BUILTIN_IMMUTABLE",
    InviteEmail = "INVITE_EMAIL",
    InviteExpires = "INVITE_EXPIRES",
    InviteSingleUse = "INVITE_SINGLE_USE",
    /// Warning: a role that nobody has and that nobody may give.
    RoleUnassignable = "ROLE_UNASSIGNABLE",
    /// Warning: a grant of an application's role on paths that address no application.
    GrantBeyondApp = "GRANT_BEYOND_APP",
}

impl Code {
    /// What to do about a problem that does not say so itself.
    pub(super) fn help(self) -> Option<&'static str> {
        match self {
            Code::Syntax => Some(
                "mend what is underlined, or what stands before it: a bracket or a quote that is \
                 not closed, an indentation, a value that needs quotes",
            ),
            Code::SchemaValid => Some(
                "write it as JSON Schema 2020-12 has it; docs/policy-reference.md lists what is \
                 enforced",
            ),
            _ => None,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique() {
        let names: HashSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), Code::ALL.len());
    }
}
