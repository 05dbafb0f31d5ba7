//! Why a token does not hold, and what was expected, for whoever wrote the policy. Of the token its
//! header and its claims about itself are told, never its signature.

use super::algorithm::Algorithm;
use super::json::{self, Object};
use super::jwks::{Key, KeySet};
use super::jwt::{self, Issuer};
use super::remote::KeySource;
use super::{Identity, TokenFault};
use serde_json::value::RawValue;
use std::sync::Arc;

/// Characters of a value in a token that are told.
const MAX_TOLD: usize = 100;

impl Identity {
    /// Where the keys of a token's issuer are fetched, if they are.
    pub fn key_source_of(&self, token: &str) -> Option<Arc<KeySource>> {
        match &jwt::named_issuer(&self.issuers, token)?.keys {
            KeySet::Remote(source) => Some(source.clone()),
            _ => None,
        }
    }

    /// A fault in words, with what the token says and what the policy expects.
    pub fn why(&self, token: &str, fault: TokenFault, now: u64) -> String {
        let told = jwt::read(token).and_then(|(header, payload)| {
            let (header, payload) = (Object::parse(&header)?, Object::parse(&payload)?);
            let issuer = jwt::named_issuer(&self.issuers, token);
            self.expected(fault, (&header, &payload), issuer, now)
        });
        match told {
            Some(told) => format!("{fault}: {told}"),
            None => fault.to_string(),
        }
    }

    fn expected(
        &self,
        fault: TokenFault,
        (header, payload): (&Object<'_>, &Object<'_>),
        issuer: Option<&Issuer>,
        now: u64,
    ) -> Option<String> {
        if fault == TokenFault::UnknownIssuer {
            let known = listed(self.issuers.iter().map(|issuer| issuer.iss.to_string()));
            return Some(format!("it says {}, the policy has {known}", shown(payload.get("iss"))));
        }
        let issuer = issuer?;
        Some(match fault {
            TokenFault::Type => {
                let wanted = match issuer.access_tokens_only {
                    true => "`at+jwt`",
                    false => "`JWT`, `at+jwt` or none",
                };
                format!("it is {}, expected is {wanted}", shown(header.get("typ")))
            }
            TokenFault::Algorithm => {
                let listed = listed(issuer.algorithms.iter().map(Algorithm::to_string));
                format!("it is {}, the issuer's list is {listed}", shown(header.get("alg")))
            }
            TokenFault::NoKey | TokenFault::AmbiguousKey => {
                let (kid, alg) = (shown(header.get("kid")), shown(header.get("alg")));
                format!("its `kid` is {kid}, its `alg` {alg}; {}", keys(&issuer.keys, now))
            }
            TokenFault::KeysUnavailable => match &issuer.keys {
                KeySet::Remote(source) => format!("they come from `{source}`"),
                _ => return None,
            },
            TokenFault::Audience => {
                let ours = listed(issuer.audience.iter().map(|ours| ours.to_string()));
                format!("its `aud` is {}, expected is {ours}", shown(payload.get("aud")))
            }
            TokenFault::Expired { .. } => time(payload, "exp", issuer, now),
            TokenFault::NotYet { .. } => time(payload, "nbf", issuer, now),
            TokenFault::IssuedAhead { .. } => time(payload, "iat", issuer, now),
            TokenFault::ClaimType(name) => {
                format!("it is {}", shown(payload.get(name).or(payload.get("sub"))))
            }
            _ => return None,
        })
    }
}

fn time(payload: &Object<'_>, name: &str, issuer: &Issuer, now: u64) -> String {
    let at = shown(payload.get(name));
    format!("its `{name}` is {at}, now it is {now}, and {} s are forgiven", issuer.leeway)
}

fn keys(keys: &KeySet, now: u64) -> String {
    let named = |keys: &[Key]| {
        let kids = keys.iter().map(|key| key.kid.as_deref().unwrap_or("(no `kid`)").to_owned());
        format!("the issuer's keys are {}", listed(kids))
    };
    match keys {
        KeySet::Public(keys) => named(keys),
        KeySet::Remote(source) => match source.keys(now) {
            Some(set) => named(&set.keys),
            None => "the issuer has no keys".to_owned(),
        },
        KeySet::Unnamed(_) => "the issuer's keys have no names".to_owned(),
        KeySet::Secrets(_) => "the issuer has secrets, for HS algorithms".to_owned(),
    }
}

fn listed(texts: impl Iterator<Item = String>) -> String {
    let texts: Vec<_> = texts.map(|text| quoted(&text)).collect();
    if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }
}

/// A member as it stands in the token.
fn shown(value: Option<&RawValue>) -> String {
    match value {
        None => "absent".to_owned(),
        Some(value) => quoted(&json::text(value).unwrap_or_else(|| value.get().to_owned())),
    }
}

/// In backticks, cut, and with nothing that a terminal obeys.
fn quoted(text: &str) -> String {
    let cut: String = text.chars().take(MAX_TOLD).flat_map(char::escape_debug).collect();
    let more = if text.chars().nth(MAX_TOLD).is_some() { "…" } else { "" };
    format!("`{cut}{more}`")
}
