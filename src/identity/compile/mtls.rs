//! Client certificates: trust domains, and authorities of certificates with other names.

use super::{Compiler, Users, prefix};
use crate::diag::{Code, Diagnostic};
use crate::identity::mtls::{
    Mtls, NameKind, Named, PathPattern, Trust, TrustDomain, is_trust_domain,
};
use crate::policy::raw::{RawMtls, RawNameKind, RawNamed, RawTrustDomain, Text};
use crate::source::Span;
use crate::tls::Bundle;
use aws_lc_rs::digest::{Context, SHA256};
use std::collections::HashMap;

impl Compiler<'_> {
    pub(super) fn mtls(&mut self, raw: &RawMtls) -> Mtls {
        if raw.trust_domains.is_empty() && raw.certificates.is_empty() {
            let help = "list one: `trust_domains: [{name: acme.test, bundle: ca.pem}]`";
            self.error(raw.span, "`mtls` trusts nobody".into(), help);
        }
        let mut context = Context::new(&SHA256);
        let mut seen: HashMap<&str, Span> = HashMap::new();
        let mut domains = Vec::new();
        for raw in &raw.trust_domains {
            let name = &raw.name;
            if let Some(first) = seen.insert(&name.value, name.span) {
                let message = format!("the trust domain `{}` is defined twice", name.value);
                let problem = Diagnostic::error(Code::IdentityValid, name.span, message)
                    .also(first, "first defined here")
                    .help("put its authorities into one bundle");
                self.report.push(problem);
            }
            domains.extend(self.trust_domain(raw, &mut context));
        }
        let named = raw.certificates.iter().filter_map(|raw| self.named(raw, &mut context));
        let named = named.collect();
        let digest: Trust = context.finish().as_ref().try_into().expect("SHA-256 has 32 bytes");
        Mtls { domains, named, digest }
    }

    fn trust_domain(&mut self, raw: &RawTrustDomain, all: &mut Context) -> Option<TrustDomain> {
        let name = &raw.name;
        if !is_trust_domain(&name.value) {
            let message = format!("`{}` is no trust domain", name.value);
            let help = "its name alone, lower-case letters, digits, `.`, `-`, `_`: `acme.test`";
            self.error(name.span, message, help);
        }
        let paths = raw.paths.iter().filter_map(|path| self.path(path));
        let paths: Vec<_> = paths.collect();
        let prefix = prefix(&raw.prefix);
        add(all, &["domain", &name.value, &prefix]);
        raw.paths.iter().for_each(|path| add(all, &["path", &path.value]));
        let bundle = self.bundle(&raw.bundle, all)?;
        Some(TrustDomain { name: name.value.as_str().into(), bundle, paths, prefix })
    }

    fn path(&mut self, typed: &Text) -> Option<PathPattern> {
        let parsed = PathPattern::parse(&typed.value);
        parsed
            .map_err(|fault| {
                let message = format!("`{}` is no pattern of paths: {fault}", typed.value);
                self.error(typed.span, message, "such as `/org/{org}/sa/{user}`");
            })
            .ok()
    }

    fn named(&mut self, raw: &RawNamed, all: &mut Context) -> Option<Named> {
        let (from, word) = match raw.from {
            RawNameKind::Dns => (NameKind::Dns, "dns"),
            RawNameKind::Email => (NameKind::Email, "email"),
        };
        let prefix = prefix(&raw.prefix);
        add(all, &["named", word, &prefix]);
        Some(Named { bundle: self.bundle(&raw.ca, all)?, from, prefix })
    }

    fn bundle(&mut self, file: &Text, all: &mut Context) -> Option<Bundle> {
        let read = (self.inputs.file)(&file.value);
        let text = read
            .map_err(|error| {
                let message = format!("`{}` cannot be read: {error}", file.value);
                let help = "check the path; it starts from the policy's folder";
                self.error(file.span, message, help);
            })
            .ok()?;
        add_bytes(all, &text);
        Bundle::read(&text)
            .map_err(|fault| {
                let message = format!("`{}` cannot be used: {fault}", file.value);
                self.error(
                    file.span,
                    message,
                    "put the authorities' own certificates there, in PEM",
                );
            })
            .ok()
    }
}

/// The user ids that certificates can yield.
pub(super) fn users(raw: &RawMtls) -> impl Iterator<Item = (Span, Users)> {
    let domains = raw.trust_domains.iter().map(|raw| {
        let prefix = prefix(&raw.prefix);
        let captures = |path: &Text| path.value.contains("{user}");
        let any = match raw.paths.iter().any(captures) {
            true => prefix,
            false => format!("{prefix}spiffe://{}/", raw.name.value).into(),
        };
        (raw.span, Users::Any(any))
    });
    let named = raw.certificates.iter().map(|raw| (raw.span, Users::Any(prefix(&raw.prefix))));
    domains.chain(named)
}

fn add(all: &mut Context, texts: &[&str]) {
    texts.iter().for_each(|text| add_bytes(all, text.as_bytes()));
}

/// Lengths are part of it, so that no two inputs run together.
fn add_bytes(all: &mut Context, bytes: &[u8]) {
    all.update(&(bytes.len() as u64).to_be_bytes());
    all.update(bytes);
}
