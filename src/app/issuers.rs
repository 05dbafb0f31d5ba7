//! What issuers were asked: told on the log, counted.

use super::clean;
use crate::control::introspect;
use crate::control::keys::{self, KeyFetcher};
use crate::identity::{Identity, IntrospectionUrl, KeySource, Said};
use crate::telemetry::{Introspected, Telemetry};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Fetches the keys of the first policy's issuers, and from then on whenever they are old.
pub(super) fn begin(telemetry: &Arc<Telemetry>, identity: &Identity) -> io::Result<KeyFetcher> {
    let counted = telemetry.clone();
    let fetched = move |source: &KeySource, outcome: &keys::Outcome| {
        counted.fetched_keys(outcome.is_ok());
        log_keys(source, outcome);
    };
    let (counted, failing) = (telemetry.clone(), AtomicBool::new(false));
    let asked = move |settings: &IntrospectionUrl, outcome: &introspect::Outcome| {
        counted.introspected(said(outcome));
        log_introspection(settings, outcome, &failing);
    };
    let keys = KeyFetcher::start(fetched, asked)?;
    keys.follow(identity);
    Ok(keys)
}

/// Never what was answered: only which keys were skipped, by their names.
fn log_keys(source: &KeySource, outcome: &keys::Outcome) {
    match outcome {
        Ok(brought) if brought.changed => {
            let (generation, usable) = (brought.generation, brought.usable);
            tracing::info!(url = %source, generation, usable, "keys have been fetched");
            for (key, why) in &brought.skipped {
                tracing::error!(url = %source, key = %clean(key), "this key {why}; it is skipped");
            }
            if usable == 0 {
                tracing::error!(url = %source, "no key can be used: every token is refused");
            }
        }
        Ok(_) => tracing::debug!(url = %source, "the keys are as they were"),
        Err(error) => {
            tracing::warn!(url = %source, error = %clean(&error.to_string()), "keys cannot be fetched");
        }
    }
}

/// What a question to an issuer came to, in the word of the metrics.
fn said(outcome: &introspect::Outcome) -> Introspected {
    match outcome {
        Ok(Said::Active) => Introspected::Active,
        Ok(Said::Inactive) => Introspected::Inactive,
        Ok(Said::Nonsense) | Err(_) => Introspected::Failure,
    }
}

/// Told when it begins to fail, and when it no longer does: each request may be a failure.
fn log_introspection(
    settings: &IntrospectionUrl,
    outcome: &introspect::Outcome,
    failing: &AtomicBool,
) {
    let url = &settings.url;
    let why = match outcome {
        Ok(Said::Active | Said::Inactive) => None,
        Ok(Said::Nonsense) => Some("the answer is not one of RFC 7662".to_owned()),
        Err(error) => Some(clean(&error.to_string())),
    };
    let before = failing.swap(why.is_some(), Ordering::AcqRel);
    match why {
        Some(error) if !before => tracing::warn!(%url, error, "tokens cannot be asked about"),
        None if before => tracing::info!(%url, "tokens can be asked about again"),
        _ => {}
    }
}
