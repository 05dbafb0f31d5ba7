//! Who is calling: a plain value that an authenticator made and everything after it reads.

use std::collections::BTreeMap;
use std::sync::Arc;

/// A caller whose identity has been verified.
///
/// Only what was verified is here: claims come from a checked token, a stored key or a trusted
/// peer, never from a header of an untrusted client.
#[derive(Clone, Debug, PartialEq)]
pub struct Principal {
    /// The user's id, with the authenticator's prefix.
    pub user: Arc<str>,
    /// The organization that the credential names. A credential that names one acts there alone.
    pub org: Option<Arc<str>>,
    /// The application that the credential names, likewise.
    pub app: Option<Arc<str>>,
    /// Roles that the credential claims wherever it counts, if it says anything about roles.
    pub roles: Option<Vec<Arc<str>>>,
    /// Roles that it claims in one organization each, in place of those.
    pub org_roles: OrgRoles,
    /// The user's e-mail address, if the credential carries one.
    pub email: Option<Arc<str>>,
    /// All verified claims, for `claims.NAME` in routes and conditions.
    pub claims: Claims,
    /// How the caller was authenticated.
    pub method: AuthMethod,
    /// When the credential stops being good, in seconds since 1970. `None` means never.
    pub expires: Option<u64>,
}

/// Roles by the organization in which they are claimed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OrgRoles(BTreeMap<Arc<str>, Vec<Arc<str>>>);

/// Verified claims by name. Values are what the credential carried.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims(pub Vec<(Arc<str>, ClaimValue)>);

/// A claim's value, as far as policies can use it.
#[derive(Clone, Debug, PartialEq)]
pub enum ClaimValue {
    /// A string, or the text of a number or boolean.
    Text(Arc<str>),
    /// A list of such.
    List(Vec<Arc<str>>),
}

/// Which authenticator vouched for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthMethod {
    /// A signed token.
    Jwt,
    /// An opaque token, about which its issuer was asked.
    Introspection,
    /// An API key.
    ApiKey,
    /// Headers from a listed peer.
    Forwarded,
    /// The certificate that the connection was opened with.
    Certificate,
    /// Named on the command line (`explain --user`).
    CommandLine,
}

impl Principal {
    /// A caller of whom only the user id is known.
    pub fn of(user: impl Into<Arc<str>>, method: AuthMethod) -> Principal {
        Principal {
            user: user.into(),
            org: None,
            app: None,
            roles: None,
            org_roles: OrgRoles::default(),
            email: None,
            claims: Claims::default(),
            method,
            expires: None,
        }
    }
}

impl Principal {
    /// The roles that the credential claims in an organization (`None`: the implicit one), if it
    /// says anything about roles there.
    pub fn roles_in(&self, org: Option<&str>) -> Option<&[Arc<str>]> {
        org.and_then(|org| self.org_roles.get(org)).or(self.roles.as_deref())
    }
}

impl OrgRoles {
    /// The roles that are claimed in this organization, be they none.
    pub fn get(&self, org: &str) -> Option<&[Arc<str>]> {
        self.0.get(org).map(Vec::as_slice)
    }

    /// The organizations, ordered by id, each with its roles.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &[Arc<str>])> {
        self.0.iter().map(|(org, roles)| (org, roles.as_slice()))
    }

    /// Adds organizations of which nothing has been known, several entries for one together.
    pub fn add_unknown(&mut self, found: impl IntoIterator<Item = (Arc<str>, Vec<Arc<str>>)>) {
        let mut new: BTreeMap<Arc<str>, Vec<Arc<str>>> = BTreeMap::new();
        for (org, roles) in found {
            if !self.0.contains_key(&org) {
                new.entry(org).or_default().extend(roles);
            }
        }
        self.0.append(&mut new);
    }
}

impl Claims {
    /// The claim with this name.
    pub fn get(&self, name: &str) -> Option<&ClaimValue> {
        self.0.iter().find(|(key, _)| &**key == name).map(|(_, value)| value)
    }

    /// The claim with this name where it is one text.
    pub fn text(&self, name: &str) -> Option<&Arc<str>> {
        match self.get(name)? {
            ClaimValue::Text(text) => Some(text),
            ClaimValue::List(_) => None,
        }
    }
}

impl AuthMethod {
    /// The word that logs use.
    pub fn as_str(self) -> &'static str {
        match self {
            AuthMethod::Jwt => "jwt",
            AuthMethod::Introspection => "introspection",
            AuthMethod::ApiKey => "api_key",
            AuthMethod::Forwarded => "forwarded",
            AuthMethod::Certificate => "mtls",
            AuthMethod::CommandLine => "command_line",
        }
    }
}
