//! What others may still know of a credential that did not hold, and where keys come from.

use super::introspect::{Answer, Introspector};
use super::jwks::KeySet;
use super::remote::KeySource;
use super::{Credentials, Fault, Identity, TokenFault, Unidentified, jwt, sha256};
use crate::principal::Principal;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::watch;

/// Something to wait for before a request is refused.
pub enum Ask {
    /// The end of a fetch of keys, among which may be the one that the token names.
    Keys(Pin<Box<dyn Future<Output = ()>>>),
    /// What the issuer of an opaque token says of it.
    Introspection(Asked),
}

/// A question about an opaque token.
pub struct Asked(watch::Receiver<Option<Answer>>);

/// An issuer none of whose tokens hold at present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyless {
    /// Its `iss`.
    pub issuer: Box<str>,
    /// Where its keys should come from.
    pub url: String,
    /// Whether there were keys, which have grown too old.
    pub stale: bool,
}

/// Beside a request.
impl Identity {
    /// What to wait for because of a fault, if anything: a token may name a key that its issuer
    /// has made since keys were fetched, or be one that only its issuer understands.
    pub fn ask(&self, request: &Credentials<'_>, fault: Fault, now: u64) -> Option<Ask> {
        match fault {
            Fault::Token(TokenFault::NoKey | TokenFault::KeysUnavailable) => {
                let issuer = jwt::named_issuer(&self.issuers, self.token_of(request)?)?;
                let KeySet::Remote(source) = &issuer.keys else { return None };
                source.ask().map(|over| Ask::Keys(Box::pin(over)))
            }
            Fault::UnknownKey | Fault::Token(_) if !self.introspectors.is_empty() => {
                self.ask_issuer(self.bearer_of(request)?, now)
            }
            _ => None,
        }
    }

    /// Asks about a token that none of the policy's own issuers has signed.
    fn ask_issuer(&self, token: &str, now: u64) -> Option<Ask> {
        let whose = |asked: &&Arc<Introspector>| token.starts_with(&*asked.rules.tokens);
        // The one that names most of the token's beginning.
        let all = self.introspectors.iter().filter(whose);
        let introspector = all.max_by_key(|asked| asked.rules.tokens.len())?;
        if jwt::named_issuer(&self.issuers, token).is_some() {
            return None;
        }
        introspector.ask(token, sha256(token), now).map(Asked).map(Ask::Introspection)
    }

    /// Waits, and identifies the caller of the same request by what is known then.
    pub async fn answer(
        &self,
        ask: Ask,
        request: &Credentials<'_>,
        now: u64,
    ) -> Result<Arc<Principal>, Unidentified> {
        match ask {
            Ask::Keys(over) => {
                over.await;
                self.identify(request, now)
            }
            Ask::Introspection(asked) => {
                let heard = asked.heard().await.inspect(|caller| self.strangers.tell(caller));
                heard.map_err(|fault| self.unidentified(fault, request))
            }
        }
    }

    /// Asks about a token outside of a request; `None` where nobody is to be asked.
    pub async fn ask_about(&self, token: &str, now: u64) -> Option<Answer> {
        match self.ask_issuer(token, now)? {
            Ask::Introspection(asked) => Some(asked.heard().await),
            Ask::Keys(_) => None,
        }
    }

    /// What becomes of a request that has waited long enough.
    pub fn unanswered(
        &self,
        request: &Credentials<'_>,
        fault: Option<Fault>,
        now: u64,
    ) -> Result<Arc<Principal>, Unidentified> {
        match fault {
            Some(fault) => Err(self.unidentified(fault, request)),
            None => self.identify(request, now),
        }
    }
}

impl Asked {
    async fn heard(mut self) -> Answer {
        let answered = self.0.wait_for(Option::is_some).await;
        // An error: the question was dropped, because nobody answers.
        let answer = answered.ok().and_then(|answer| answer.clone());
        answer.unwrap_or(Err(Fault::NotAnswered))
    }
}

impl Ask {
    /// The fault of a request whose question nobody answers in time; `None` where it is judged by
    /// what is known.
    pub fn in_vain(&self) -> Option<Fault> {
        match self {
            Ask::Keys(_) => None,
            Ask::Introspection(_) => Some(Fault::NotAnswered),
        }
    }
}

/// Beside a reload.
impl Identity {
    /// Where keys are fetched, each place once.
    pub fn key_sources(&self) -> Vec<Arc<KeySource>> {
        let mut sources: Vec<Arc<KeySource>> = Vec::new();
        for source in self.issuers.iter().filter_map(|issuer| issuer.keys.source()) {
            if !sources.iter().any(|known| known.shares_with(source)) {
                sources.push(source.clone());
            }
        }
        sources
    }

    /// Who is asked about opaque tokens.
    pub fn introspectors(&self) -> &[Arc<Introspector>] {
        &self.introspectors
    }

    /// Goes on with the keys that another policy had from the same URLs.
    pub fn keep_keys_of(&mut self, old: &Identity) {
        let known = old.key_sources();
        for issuer in &mut self.issuers {
            let KeySet::Remote(source) = &mut issuer.keys else { continue };
            let same = |other: &&Arc<KeySource>| other.settings().url == source.settings().url;
            if let Some(other) = known.iter().find(same) {
                *source = Arc::new(source.going_on_from(other));
            }
        }
    }

    /// The first issuer that has no keys, or none that may still be used.
    pub fn keyless(&self, now: u64) -> Option<Keyless> {
        self.issuers.iter().find_map(|issuer| {
            let source = issuer.keys.source().filter(|source| !source.is_fresh(now))?;
            let (issuer, url) = (issuer.iss.clone(), source.to_string());
            Some(Keyless { issuer, url, stale: source.is_known() })
        })
    }
}

impl KeySet {
    fn source(&self) -> Option<&Arc<KeySource>> {
        match self {
            KeySet::Remote(source) => Some(source),
            _ => None,
        }
    }
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Ask::Keys(_) => "Keys",
            Ask::Introspection(_) => "Introspection",
        })
    }
}

/// What is wrong and what to do, for `/readyz`.
impl fmt::Display for Keyless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Keyless { issuer, url, stale } = self;
        match stale {
            false => write!(f, "no keys of `{issuer}` have been fetched from `{url}` yet"),
            true => write!(
                f,
                "the keys of `{issuer}` are older than `max_stale`, because `{url}` could not be \
                 fetched since"
            ),
        }
    }
}
