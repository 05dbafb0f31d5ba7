//! Who is calling, as the command line says it.

use crate::identity::Identity;
use crate::principal::{AuthMethod, ClaimValue, Claims, Principal};
use clap::ArgGroup;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The caller of a request that is only talked about.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(group = ArgGroup::new("caller").required(true).args(["user", "token", "anonymous"]))]
pub(super) struct Who {
    /// The user's id.
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// The organization that the credential names.
    #[arg(long, conflicts_with_all = ["token", "anonymous"])]
    org: Option<String>,
    /// The application that the credential names.
    #[arg(long, conflicts_with_all = ["token", "anonymous"])]
    app: Option<String>,
    /// A claim of the credential. May be given several times; `roles` are separated by commas.
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = claim,
        conflicts_with_all = ["token", "anonymous"])]
    claims: Vec<(String, String)>,
    /// A token, verified as the proxy would.
    #[arg(long, value_name = "JWT")]
    token: Option<String>,
    /// Nobody.
    #[arg(long)]
    anonymous: bool,
}

/// The caller, or why there is none.
pub(super) type Found = Result<Option<Arc<Principal>>, String>;

impl Who {
    /// Whom the flags mean.
    pub(super) fn find(&self, identity: &Identity) -> Found {
        if let Some(token) = &self.token {
            let found = identity.explain_token(token, now());
            return found.map(Some).map_err(|fault| fault.to_string());
        }
        Ok(self.user.as_ref().map(|user| Arc::new(self.named(user))))
    }

    fn named(&self, user: &str) -> Principal {
        let text = |text: &String| Arc::from(text.as_str());
        let last = |name: &str| {
            let same = self.claims.iter().rev().find(|(key, _)| key == name);
            same.map(|(_, value)| text(value))
        };
        let roles = last("roles").map(|roles| split_roles(&roles));
        let claims = self.claims.iter().map(|(name, value)| {
            let value = match name.as_str() {
                "roles" => ClaimValue::List(split_roles(value)),
                _ => ClaimValue::Text(text(value)),
            };
            (text(name), value)
        });
        Principal {
            org: self.org.as_ref().map(text).or_else(|| last("org")),
            app: self.app.as_ref().map(text).or_else(|| last("app")),
            email: last("email"),
            roles,
            claims: Claims(claims.collect()),
            ..Principal::of(user, AuthMethod::CommandLine)
        }
    }
}

pub(super) fn split_roles(text: &str) -> Vec<Arc<str>> {
    text.split([',', ' ']).filter(|role| !role.is_empty()).map(Arc::from).collect()
}

pub(super) fn claim(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        _ => Err("a claim is written NAME=VALUE".into()),
    }
}

pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
