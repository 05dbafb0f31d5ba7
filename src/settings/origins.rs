//! Who has named what: for messages of a start.

use super::variable;

/// Where settings come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    /// The settings file, as it was named; `None` where there is none.
    pub file: Option<String>,
    /// What names the policy: a flag, a variable, or a place of the settings file. `None` where
    /// nothing does.
    pub policy: Option<String>,
    /// Likewise the admin listener's address.
    pub admin: Option<String>,
}

impl Origins {
    /// Why the policy is looked for where it is.
    pub fn of_policy(&self) -> String {
        said_by(self.policy.as_deref(), "policy")
    }

    /// Why the admin listener is where it is.
    pub fn of_admin(&self) -> String {
        said_by(self.admin.as_deref(), "admin")
    }
}

fn said_by(origin: Option<&str>, key: &str) -> String {
    match origin {
        Some(origin) => format!("{origin} says so"),
        None => format!(
            "that is the default; `--{key}`, `{}` or `{key}` in a settings file names another one",
            variable(key)
        ),
    }
}
