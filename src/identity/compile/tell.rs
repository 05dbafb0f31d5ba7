//! What upstreams are told: names of headers, keys that sign, secrets of upstreams.

use super::Compiler;
use crate::identity::same_header;
use crate::identity::tell::{Assertion, Names, Signer, Tell};
use crate::policy::header::is_reserved;
use crate::policy::raw::{RawAssertion, RawCredential, RawTell, RawToldHeaders, Text};
use http::{HeaderName, HeaderValue};
use std::collections::HashMap;

impl Compiler<'_> {
    pub(super) fn tell(&mut self, raw: Option<&RawTell>, keys: Option<&Text>) -> Tell {
        // The header in which API keys come.
        let mut taken: Vec<_> =
            keys.into_iter().filter_map(|name| name.value.parse().ok()).collect();
        let assertion = raw.and_then(|raw| raw.assertion.as_ref());
        let typed = raw.and_then(|raw| raw.headers.as_ref());
        let names = (assertion.is_none() || typed.is_some())
            .then(|| self.names(typed.unwrap_or(&RawToldHeaders::default()), &mut taken));
        let assertion = assertion.and_then(|raw| self.assertion(raw, &mut taken));
        Tell { names, assertion, credentials: HashMap::new() }
    }

    fn names(&mut self, typed: &RawToldHeaders, taken: &mut Vec<HeaderName>) -> Names {
        let mut names = Names::default();
        for (typed, name) in [
            (&typed.user, &mut names.user),
            (&typed.org, &mut names.org),
            (&typed.app, &mut names.app),
            (&typed.roles, &mut names.roles),
            (&typed.policy, &mut names.policy),
        ] {
            let Some(typed) = typed else { continue };
            if let Some(own) = self.own_header(typed, &["remote-user", "x-remote-user"], taken) {
                *name = own.as_str().into();
                taken.push(own);
            }
        }
        names
    }

    fn assertion(&mut self, raw: &RawAssertion, taken: &mut Vec<HeaderName>) -> Option<Assertion> {
        if raw.keys.is_empty() {
            let help = "name one: `keys: [{file: assertion.pem}]`";
            self.error(raw.span, "no key signs".into(), help);
        }
        let algorithm = self.signing_algorithm(raw.algorithm.as_ref())?;
        let signers: Vec<_> =
            raw.keys.iter().filter_map(|file| self.signer(file, algorithm)).collect();
        let twice = (1..signers.len())
            .find(|at| signers[..*at].iter().any(|other| other.kid() == signers[*at].kid()));
        if let Some(at) = twice {
            let message = "one key stands in two files";
            self.error(raw.keys[at].span, message.into(), "take one of them out");
        }
        for text in raw.issuer.iter().chain(&raw.audience) {
            self.filled(text, "issuer");
        }
        let header = self.own_header(&raw.header, &["authorization"], taken)?;
        taken.push(header.clone());
        let issuer = raw.issuer.as_ref().map_or("portcullis", |issuer| &issuer.value);
        let audience = raw.audience.as_ref().map(|audience| audience.value.as_str());
        let ttl = raw.ttl.map_or(DEFAULT_TTL, |ttl| ttl.value);
        Some(Assertion::new(header.as_str(), signers, issuer, audience, ttl))
    }

    fn signing_algorithm(&mut self, typed: Option<&Text>) -> Option<&'static str> {
        let Some(typed) = typed else { return Some(Signer::ALGORITHMS[0]) };
        let known = Signer::ALGORITHMS.into_iter().find(|known| *known == typed.value);
        if known.is_none() {
            let message = format!("`{}` is not an algorithm to sign with", typed.value);
            let help = format!("one of {}", Signer::ALGORITHMS.join(", "));
            self.error(typed.span, message, help);
        }
        known
    }

    fn signer(&mut self, file: &Text, algorithm: &'static str) -> Option<Signer> {
        let text = self.file(file)?;
        Signer::read(&text, algorithm)
            .map_err(|fault| {
                let help = "make one: `openssl genpkey -algorithm EC -pkeyopt \
                            ec_paramgen_curve:P-256 -out assertion.pem`, or `-algorithm ED25519`";
                self.error(file.span, format!("`{}` {fault}", file.value), help);
            })
            .ok()
    }

    /// A secret that an upstream asks of whoever speaks to it. It is used byte for byte.
    pub(super) fn upstream_credential(
        &mut self,
        raw: &RawCredential,
        taken: &[HeaderName],
    ) -> Option<(HeaderName, HeaderValue)> {
        let header = self.own_header(&raw.header, &["authorization", "x-api-key"], taken);
        let secret = self.secret_file(&raw.file)?;
        let visible = secret.iter().all(|byte| (b' '..0x7f).contains(byte));
        let value = HeaderValue::from_bytes(&secret).ok().filter(|_| visible && !secret.is_empty());
        let Some(mut value) = value else {
            let message = format!("`{}` is not the value of a header", raw.file.value);
            let help = "visible ASCII, as the upstream expects it: `Bearer …`";
            self.error(raw.file.span, message, help);
            return None;
        };
        value.set_sensitive(true);
        Some((header?, value))
    }

    /// A header in which we say something. None that frames a message or says where it comes from,
    /// and none in which we say something else.
    fn own_header(
        &mut self,
        typed: &Text,
        free: &[&str],
        taken: &[HeaderName],
    ) -> Option<HeaderName> {
        let Ok(name) = typed.value.parse::<HeaderName>() else {
            let message = format!("`{}` is not a header's name", typed.value);
            self.error(typed.span, message, "letters, digits and `-`: `X-User`");
            return None;
        };
        let text = name.as_str();
        let free = free.contains(&text) || text.starts_with("x-portcullis-");
        if !free && is_reserved(&name) {
            let message = format!("the header `{}` has another meaning", typed.value);
            self.error(typed.span, message, "use a name of its own, such as `X-User`");
        }
        if taken.iter().any(|other| same_header(other, &name)) {
            let message = format!("the header `{}` stands for two things", typed.value);
            self.error(typed.span, message, "give each a header of its own");
        }
        Some(name)
    }
}

/// Seconds that a statement is good where the policy does not say.
const DEFAULT_TTL: u64 = 60;
