//! A policy as plain structs, key for key what a file says, and a request to it. A case is kept as
//! JSON, so that the text which the program loads and what the reference reads are one.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    pub policy: u8,
    pub membership: Option<String>,
    /// Without the key there is one route, `/**`.
    pub routes: Option<Vec<Route>>,
    pub organizations: Option<Vec<Org>>,
    pub applications: Vec<App>,
    pub users: Vec<User>,
    pub roles: Vec<Role>,
    pub resource_types: Vec<Type>,
    pub schemas: Vec<Schema>,
    pub role_defaults: Defaults,
    pub restrictions: Vec<Restriction>,
    pub groups: Option<Vec<Group>>,
    pub members: Option<Vec<Member>>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Route {
    #[serde(rename = "match")]
    pub pattern: String,
    pub host: Option<String>,
    pub org: Option<String>,
    pub app: Option<String>,
    pub verbs: BTreeMap<String, String>,
    pub upsert: bool,
    pub update: Option<String>,
    pub public: Option<String>,
    pub when: Option<BTreeMap<String, Value>>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Org {
    pub id: String,
    pub apps: Vec<Assigned>,
    pub status: Option<String>,
    pub operator: bool,
}

/// An application of an organization.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Assigned {
    App(String),
    Auto { id: String, auto_assign: bool },
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct App {
    pub id: String,
    pub active: Option<bool>,
    pub auto_assign: bool,
    pub default: bool,
    pub default_role: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct User {
    pub id: String,
    pub status: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Role {
    pub id: String,
    pub scope: Option<String>,
    pub default: bool,
    pub app_access: Option<String>,
    pub reach: Option<String>,
    pub from_token: bool,
    pub includes: Vec<String>,
    pub grants: Vec<Grant>,
    pub schemas: Vec<String>,
    pub visible_to: Vec<String>,
    pub assignable_by: Vec<String>,
}

/// A grant, a default, or what a restriction denies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grant {
    pub path: String,
    pub access: String,
    pub host: Option<String>,
    pub when: Option<BTreeMap<String, Value>>,
    pub query: Option<Vec<String>>,
    pub owner: Option<Owner>,
    pub keep: Option<Keep>,
    pub require: Option<Require>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Owner {
    pub field: String,
    pub of: Option<String>,
    pub is: Option<String>,
    pub items: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keep {
    pub items: Option<String>,
    pub field: String,
    #[serde(rename = "in")]
    pub among: Value,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Require {
    pub field: String,
    #[serde(rename = "in")]
    pub among: Value,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Type {
    pub id: String,
    pub at: Vec<At>,
    pub elsewhere: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct At {
    pub path: String,
    pub pointer: String,
    pub entries: Option<Entries>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Entries {
    pub key: String,
    pub value: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Schema {
    pub id: String,
    #[serde(rename = "type")]
    pub of: String,
    pub redact: Option<String>,
    pub body: Value,
}

/// Grants of every role of a scope, and of every caller.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Defaults {
    pub app: Vec<Grant>,
    pub org: Vec<Grant>,
    pub any: Vec<Grant>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Restriction {
    pub id: String,
    pub deny: Vec<Grant>,
    pub requires: Vec<String>,
    pub default: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Group {
    pub id: String,
    pub org: Option<String>,
    pub roles: Vec<String>,
    pub restrictions: Vec<String>,
    pub apps: BTreeMap<String, Vec<String>>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Member {
    pub user: String,
    pub org: Option<String>,
    pub roles: Vec<String>,
    pub apps: BTreeMap<String, Vec<String>>,
    pub groups: Vec<InGroup>,
    /// Without the key: those that are default.
    pub restrictions: Option<Vec<String>>,
    pub primary: bool,
    pub status: Option<String>,
    pub not_before: Option<String>,
    pub expires: Option<String>,
}

/// That a member is in a group, and when.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum InGroup {
    Always(String),
    Timed {
        id: String,
        #[serde(default)]
        not_before: Option<String>,
        #[serde(default)]
        expires: Option<String>,
    },
}

/// Who calls, as the authenticators say it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Caller {
    pub user: String,
    pub org: Option<String>,
    pub app: Option<String>,
    pub roles: Option<Vec<String>>,
    /// Roles that are claimed of single organizations.
    pub roles_by_org: BTreeMap<String, Vec<String>>,
    pub email: Option<String>,
    pub claims: BTreeMap<String, Vec<String>>,
    /// The roles of a key only narrow.
    pub api_key: bool,
}

/// A request, what it carries, and what the upstream has to say.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Request {
    pub method: String,
    pub host: String,
    pub path: String,
    /// Names and values, decoded.
    pub query: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
    pub caller: Option<Caller>,
    /// The client's address.
    pub ip: String,
    /// Seconds since 1970.
    pub now: u64,
    /// What the request carries, if it is of a method that does.
    pub body: Option<Value>,
    /// What the upstream answers.
    pub answer: Value,
    /// What the upstream has stored, by path.
    pub stored: BTreeMap<String, Value>,
}

impl Policy {
    pub fn routes(&self) -> Vec<Route> {
        let everything = || vec![Route { pattern: "/**".into(), ..Route::default() }];
        self.routes.clone().unwrap_or_else(everything)
    }

    /// Where memberships are from: `directory`, `token` or `both`.
    pub fn membership(&self) -> &str {
        let listed = self.members.is_some() || self.groups.is_some();
        self.membership.as_deref().unwrap_or(if listed { "directory" } else { "token" })
    }

    pub fn role(&self, id: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.id == id)
    }

    /// An empty list is one: nobody is anywhere.
    pub fn lists_orgs(&self) -> bool {
        self.organizations.is_some()
    }

    /// Whether a role, or one that it includes, counts in other organizations.
    pub fn reaches(&self, role: &Role) -> bool {
        let mut included = role.includes.iter().filter_map(|id| self.role(id));
        role.reach.is_some() || included.any(|role| self.reaches(role))
    }

    pub fn org(&self, id: &str) -> Option<&Org> {
        self.organizations.iter().flatten().find(|org| org.id == id)
    }

    /// Whether no route names an organization and none is listed: then there is one, without a name.
    pub fn is_implicit(&self) -> bool {
        let names_org = |route: &Route| {
            route.org.is_some()
                || route.host.as_deref().is_some_and(|host| host.starts_with("{org}."))
                || route.pattern.split('/').any(|segment| segment == "{org}")
        };
        !self.lists_orgs() && !self.routes().iter().any(names_org)
    }
}

impl Request {
    /// Path and query, as in the request line.
    pub fn target(&self) -> String {
        let pairs: Vec<_> =
            self.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        match pairs.is_empty() {
            true => self.path.clone(),
            false => format!("{}?{}", self.path, pairs.join("&")),
        }
    }
}

impl Route {
    /// What it is called: its host and its pattern.
    pub fn name(&self) -> String {
        format!("{}{}", self.host.as_deref().unwrap_or_default(), self.pattern)
    }
}

impl Grant {
    /// Whether bodies decide if it holds.
    pub fn asks_bodies(&self) -> bool {
        self.owner.is_some() || self.keep.is_some() || self.require.is_some()
    }
}

impl Role {
    pub fn is_app_scope(&self) -> bool {
        self.scope.as_deref() == Some("app")
    }
}

impl Org {
    pub fn is_active(&self) -> bool {
        self.status.as_deref() != Some("suspended")
    }

    pub fn has(&self, app: &str) -> bool {
        self.apps.iter().any(|assigned| assigned.id() == app)
    }
}

impl Assigned {
    pub fn id(&self) -> &str {
        match self {
            Assigned::App(id) | Assigned::Auto { id, .. } => id,
        }
    }

    pub fn is_auto(&self) -> bool {
        matches!(self, Assigned::Auto { auto_assign: true, .. })
    }
}

impl InGroup {
    pub fn id(&self) -> &str {
        match self {
            InGroup::Always(id) | InGroup::Timed { id, .. } => id,
        }
    }

    pub fn is_current(&self, now: u64) -> bool {
        match self {
            InGroup::Always(_) => true,
            InGroup::Timed { not_before, expires, .. } => in_time(not_before, expires, now),
        }
    }
}

impl Member {
    pub fn is_current(&self, now: u64) -> bool {
        self.status.as_deref() != Some("suspended") && in_time(&self.not_before, &self.expires, now)
    }
}

/// From the first second; up to, and without, the last.
fn in_time(from: &Option<String>, to: &Option<String>, now: u64) -> bool {
    from.as_deref().is_none_or(|from| second(from) <= now)
        && to.as_deref().is_none_or(|to| now < second(to))
}

/// Which second of 1970 a time of the generators names.
pub fn second(time: &str) -> u64 {
    let digits = time.strip_prefix("1970-01-01T00:00:").and_then(|rest| rest.strip_suffix('Z'));
    digits.and_then(|digits| digits.parse().ok()).expect("a second of the first minute of 1970")
}

pub fn time(second: u64) -> String {
    format!("1970-01-01T00:00:{second:02}Z")
}

/// A policy or a request as JSON, without the keys that say nothing.
pub fn to_json(of: &impl Serialize) -> Value {
    let mut value = serde_json::to_value(of).unwrap();
    without_nulls(&mut value);
    value
}

/// Documents and schemas keep their nulls: there they are values.
fn without_nulls(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        Value::Object(members) => {
            members.retain(|_, value| !value.is_null());
            for (key, value) in members {
                if !matches!(key.as_str(), "body" | "answer" | "stored") {
                    without_nulls(value);
                }
            }
        }
        _ => {}
    }
}
