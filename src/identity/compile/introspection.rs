//! Issuers of opaque tokens.

use super::{Compiler, prefix};
use crate::diag::{Code, Diagnostic};
use crate::identity::introspect::{IntrospectionUrl, Introspector, Rules};
use crate::identity::verdicts::Verdicts;
use crate::policy::raw::{RawIntrospection, RawSecret, Text};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::sync::Arc;
use std::time::Duration;

/// How long an answer is believed, where the policy does not say, in seconds.
const CACHE: u64 = 60;

/// How long a refusal is, likewise.
const NEGATIVE: u64 = 10;

/// From the beginning of a question to its answer, likewise.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Questions at a time, likewise.
const CONCURRENCY: u64 = 16;

impl Compiler<'_> {
    pub(super) fn introspection(
        &mut self,
        all: &[RawIntrospection],
        verdicts: &Arc<Verdicts>,
    ) -> Vec<Arc<Introspector>> {
        for (at, raw) in all.iter().enumerate() {
            let tokens = begins(raw);
            if let Some(first) = all[..at].iter().find(|other| begins(other) == tokens) {
                let message = match tokens {
                    "" => "two issuers would be asked about every opaque token".to_owned(),
                    tokens => format!("two issuers would be asked about tokens with `{tokens}`"),
                };
                let problem = Diagnostic::error(Code::IdentityValid, raw.span, message)
                    .also(first.span, "the other one")
                    .help(
                        "a token must choose one: give each the `tokens` that its own begin with",
                    );
                self.report.push(problem);
            }
        }
        all.iter().filter_map(|raw| self.introspector(raw, verdicts).map(Arc::new)).collect()
    }

    fn introspector(
        &mut self,
        raw: &RawIntrospection,
        verdicts: &Arc<Verdicts>,
    ) -> Option<Introspector> {
        let ca = match &raw.ca {
            Some(path) => self.certificates(path).map(Some),
            None => Some(None),
        };
        self.filled(&raw.client_id, "id");
        let seconds =
            |typed: Option<Duration>, default| typed.map_or(default, |typed| typed.as_secs());
        raw.audience.iter().for_each(|text| self.filled(text, "audience"));
        let rules = Rules {
            tokens: begins(raw).into(),
            issuer: raw.issuer.as_ref().map(|issuer| issuer.value.as_str().into()),
            audience: raw.audience.iter().map(|text| text.value.as_str().into()).collect(),
            claims: self.claim_map(&raw.claims),
            prefix: prefix(&raw.prefix),
            cache: seconds(raw.cache, CACHE),
            negative: seconds(raw.negative, NEGATIVE),
        };
        let concurrency = raw.concurrency.map_or(CONCURRENCY, |typed| typed.value);
        let settings = IntrospectionUrl {
            authorization: self.basic(&raw.client_id, &raw.secret)?,
            ca: ca?,
            url: raw.url.as_ref()?.value.parse().expect("the policy's reader has parsed it"),
            timeout: raw.timeout.unwrap_or(TIMEOUT),
            concurrency: usize::try_from(concurrency).unwrap_or(1),
        };
        Some(Introspector::new(settings, rules, verdicts.clone()))
    }

    /// RFC 6749 section 2.3.1: both are form-encoded before they become Basic.
    fn basic(&mut self, id: &Text, secret: &RawSecret) -> Option<HeaderValue> {
        let (at, bytes) = match secret {
            RawSecret::File(path) => (path, self.secret_file(path)?),
            RawSecret::Env(name) => (name, self.secret_env(name)?),
        };
        let Some(secret) = std::str::from_utf8(&bytes).ok().filter(|secret| !secret.is_empty())
        else {
            let message = format!("the secret in `{}` is empty, or no text", at.value);
            self.error(at.span, message, "write the client's secret, and nothing else");
            return None;
        };
        let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let pair = format!("{}:{}", encoded(&id.value), encoded(secret));
        let mut header = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)))
            .expect("base64 is valid in a header");
        header.set_sensitive(true);
        Some(header)
    }
}

fn begins(raw: &RawIntrospection) -> &str {
    raw.tokens.as_ref().map_or("", |text| text.value.as_str())
}
