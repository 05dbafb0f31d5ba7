//! `portcullis token`: tokens for development, signed with a secret of the policy's own.

use super::who::{claim, now, split_roles};
use super::{complain, complain_of, print};
use crate::control::files;
use crate::diag::suggestion;
use crate::policy::front;
use crate::policy::raw::{RawJwt, RawKeys, RawRolePlace, RawSecret, Text};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Make tokens for development.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  portcullis token new policy.yaml --user sam --claim roles=support"
)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    New(New),
}

/// Print a token that the policy accepts, signed with the newest secret of one of its issuers.
///
/// It needs that secret, so it is for development and tests: where an issuer signs with a private
/// key of its own, only that issuer can make tokens.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  curl -H \"Authorization: Bearer $(portcullis token new policy.yaml --user sam --claim roles=support)\" http://127.0.0.1:8080/customers/1"
)]
struct New {
    /// A policy file, or a folder of them.
    policy: PathBuf,
    /// The user's id, without the issuer's prefix.
    #[arg(long)]
    user: String,
    /// The organization that the token names.
    #[arg(long)]
    org: Option<String>,
    /// The application that the token names.
    #[arg(long)]
    app: Option<String>,
    /// A claim. May be given several times; `roles` are separated by commas.
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = claim)]
    claims: Vec<(String, String)>,
    /// The issuer; the first that has a secret, where nothing is said.
    #[arg(long)]
    issuer: Option<String>,
    /// How long it is good.
    #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = humantime::parse_duration)]
    life: Duration,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let Action::New(new) = &args.action;
    let text = match files::read(&new.policy) {
        Ok(text) => text,
        Err(unread) => return complain_of(&unread.report, &unread.text.sources),
    };
    let (raw, report) = front::read(&text.sources);
    if report.has_errors() {
        return complain_of(&report, &text.sources);
    }
    let roles: Vec<_> = raw.roles.iter().map(|role| role.id.value.as_str()).collect();
    let issuers = raw.identity.map(|identity| identity.jwt).unwrap_or_default();
    new.warn_of_strange_roles(&roles, &issuers);
    match new.token(&issuers, &text.base) {
        Ok(token) => print(&format!("{token}\n"), ExitCode::SUCCESS),
        Err(message) => complain(&message),
    }
}

impl New {
    fn token(&self, issuers: &[RawJwt], base: &Path) -> Result<String, String> {
        let (issuer, secret) = self.issuer(issuers)?;
        let mut algorithms =
            issuer.algorithms.iter().flatten().filter_map(|typed| typed.value.parse().ok());
        let hmac =
            |alg: &Algorithm| matches!(alg, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512);
        let algorithm = algorithms.find(hmac);
        let algorithm =
            algorithm.ok_or("the issuer lists no HS algorithm, which its secret is for")?;
        let header = Header {
            typ: Some(issuer.typ.as_ref().map_or("JWT", |typ| &typ.value).into()),
            ..Header::new(algorithm)
        };
        let key = EncodingKey::from_secret(&read(secret, base)?);
        let claims = self.claims(issuer)?;
        encode(&header, &claims, &key)
            .map_err(|error| format!("the token cannot be signed: {error}"))
    }

    /// A role that the policy does not have is not an error: it may be there tomorrow, or mean
    /// something elsewhere. But here it counts for nothing.
    fn warn_of_strange_roles(&self, roles: &[&str], issuers: &[RawJwt]) {
        let mapped = issuers.iter().flat_map(|issuer| &issuer.claims.map);
        let known: Vec<_> =
            mapped.map(|(name, _)| name.value.as_str()).chain(roles.iter().copied()).collect();
        let claimed = self.claims.iter().filter(|(name, _)| name == "roles");
        let claimed = claimed.flat_map(|(_, value)| split_roles(value));
        for role in claimed.filter(|role| !known.contains(&&**role)) {
            let near = suggestion(&role, known.iter().copied());
            let near = near.map(|near| format!("; {near}")).unwrap_or_default();
            complain(&format!("warning: the policy has no role `{role}`{near}"));
        }
    }

    /// The issuer and its newest secret.
    fn issuer<'i>(&self, issuers: &'i [RawJwt]) -> Result<(&'i RawJwt, &'i RawSecret), String> {
        let named =
            |issuer: &&RawJwt| self.issuer.as_ref().is_none_or(|name| *name == issuer.issuer.value);
        let with_secret = |issuer: &'i RawJwt| match &issuer.keys {
            Some(RawKeys::Secrets(secrets)) => secrets.first().map(|secret| (issuer, secret)),
            _ => None,
        };
        let found = issuers.iter().filter(named).find_map(with_secret);
        found.ok_or_else(|| match &self.issuer {
            Some(name) => format!("the policy has no issuer `{name}` with `secrets`"),
            None => {
                "no issuer of the policy has `secrets`: only issuers themselves can make tokens"
                    .into()
            }
        })
    }

    fn claims(&self, issuer: &RawJwt) -> Result<Value, String> {
        let now = now();
        let mut claims =
            json!({"iss": issuer.issuer.value, "iat": now, "exp": now + self.life.as_secs()});
        if let Some(audience) = issuer.audience.iter().flatten().next() {
            claims["aud"] = json!(audience.value);
        }
        let places = &issuer.claims;
        put(&mut claims, first(&places.user, "sub"), json!(self.user))?;
        for (name, value) in &self.claims {
            match name.as_str() {
                "roles" => put(&mut claims, role_place(&places.roles)?, json!(split_roles(value)))?,
                "org" => put(&mut claims, first(&places.org, "org"), json!(value))?,
                "app" => put(&mut claims, first(&places.app, "app"), json!(value))?,
                "email" => put(&mut claims, first(&places.email, "email"), json!(value))?,
                other => claims[other] = json!(value),
            }
        }
        if let Some(org) = &self.org {
            put(&mut claims, first(&places.org, "org"), json!(org))?;
        }
        if let Some(app) = &self.app {
            put(&mut claims, first(&places.app, "app"), json!(app))?;
        }
        Ok(claims)
    }
}

fn first<'p>(places: &'p [Text], default: &'p str) -> &'p str {
    places.first().map_or(default, |place| &place.value)
}

fn role_place(places: &[RawRolePlace]) -> Result<&str, String> {
    match places.first() {
        None => Ok("roles"),
        Some(RawRolePlace::At(place)) if !place.value.contains("{org}") => Ok(&place.value),
        Some(_) => {
            Err("this issuer's tokens have roles by organization, which are not made here".into())
        }
    }
}

/// Puts a claim where the policy looks for it: under a name, or at a JSON pointer (RFC 6901).
fn put(claims: &mut Value, place: &str, value: Value) -> Result<(), String> {
    let segments: Vec<String> = match place.strip_prefix('/') {
        None => vec![place.to_owned()],
        Some(rest) => {
            rest.split('/').map(|one| one.replace("~1", "/").replace("~0", "~")).collect()
        }
    };
    let mut at = claims;
    for segment in segments {
        if at.is_null() {
            *at = Value::Object(Map::new());
        }
        let object = at.as_object_mut();
        let object =
            object.ok_or_else(|| format!("two claims stand in each other's way at `{place}`"))?;
        at = object.entry(segment).or_insert(Value::Null);
    }
    *at = value;
    Ok(())
}

fn read(secret: &RawSecret, base: &Path) -> Result<Vec<u8>, String> {
    match secret {
        RawSecret::File(file) => std::fs::read(base.join(&file.value))
            .map_err(|error| format!("`{}` cannot be read: {error}", file.value)),
        RawSecret::Env(name) => std::env::var_os(&name.value)
            .map(std::ffi::OsString::into_encoded_bytes)
            .ok_or_else(|| format!("the environment has no variable `{}`", name.value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_stand_where_the_policy_looks() {
        let mut claims = json!({"iss": "x"});
        put(&mut claims, "sub", json!("ann")).unwrap();
        put(&mut claims, "/tenant/id", json!("acme")).unwrap();
        put(&mut claims, "/tenant/roles~1of/~0", json!(["a"])).unwrap();
        let made =
            json!({"iss": "x", "sub": "ann", "tenant": {"id": "acme", "roles/of": {"~": ["a"]}}});
        assert_eq!(claims, made);
        assert!(put(&mut claims, "/sub/id", json!(1)).is_err());
    }
}
