//! Opaque tokens: whoever issued them says what they are (RFC 7662).
//!
//! Nothing is sent here. A request puts a [`Question`] and waits; whoever sends (`control`) answers
//! it. Requests with the same token share one question. What the issuer says is remembered: a
//! caller among the verdicts of the policy, for `cache` at most and never beyond `exp`; a refusal
//! here, for `negative`.

use super::claims::ClaimMap;
use super::json::{self, Kind, Object};
use super::verdicts::{Digest, Verdicts};
use super::{ASKED, Fault, TokenFault, jwt};
use crate::principal::{AuthMethod, Principal};
use quick_cache::sync::Cache;
use rustls::RootCertStore;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Questions to one issuer that wait. Beyond, requests are 503 at once.
pub const MAX_QUESTIONS: usize = 1_000;

/// Refused tokens that are remembered of one issuer; of more, some are asked about again.
pub const MAX_INACTIVE: usize = 10_000;

/// The longest answer that is read, in bytes.
pub const MAX_ANSWER: usize = 64 * 1024;

/// Where to ask, and as whom.
pub struct IntrospectionUrl {
    /// `https://`, or `http://` to this machine.
    pub url: http::Uri,
    /// Who vouches for the server; the system's certificates where it is `None`.
    pub ca: Option<Arc<RootCertStore>>,
    /// `Basic …`: who asks (RFC 6749 section 2.3.1).
    pub authorization: http::HeaderValue,
    /// From the beginning of a question to its answer.
    pub timeout: Duration,
    /// Questions at a time.
    pub concurrency: usize,
}

/// An issuer of opaque tokens.
pub struct Introspector {
    pub(super) settings: Arc<IntrospectionUrl>,
    pub(super) rules: Rules,
    /// Until when a token is refused without a question, in seconds since 1970.
    pub(super) inactive: Cache<Digest, u64>,
    /// Where callers are remembered: those of the policy's tokens, whoever vouches.
    verdicts: Arc<Verdicts>,
    asking: Mutex<HashMap<Digest, watch::Receiver<Option<Answer>>>>,
    questions: mpsc::Sender<Question>,
    /// Taken once, by whoever sends.
    waiting: Mutex<Option<mpsc::Receiver<Question>>>,
}

/// What is asked of an answer, and what is made of it.
#[derive(Debug)]
pub(super) struct Rules {
    /// How its tokens begin; every opaque token where it is empty.
    pub(super) tokens: Box<str>,
    pub(super) issuer: Option<Box<str>>,
    /// One must be named in `aud`, unless none is listed.
    pub(super) audience: Vec<Box<str>>,
    pub(super) claims: ClaimMap,
    pub(super) prefix: Box<str>,
    /// How long an answer is believed, in seconds.
    pub(super) cache: u64,
    /// How long a refusal is, in seconds.
    pub(super) negative: u64,
}

/// What came of a question.
pub type Answer = Result<Arc<Principal>, Fault>;

/// A token that somebody asks about. Dropped without an answer, it is answered as failed.
pub struct Question {
    token: String,
    sha256: Digest,
    of: Arc<Introspector>,
    answer: watch::Sender<Option<Answer>>,
}

/// What an issuer said, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// The token is good, and the caller is known.
    Active,
    /// It is not, or not for this policy.
    Inactive,
    /// Something that is no answer.
    Nonsense,
}

impl Introspector {
    pub(super) fn new(
        settings: IntrospectionUrl,
        rules: Rules,
        verdicts: Arc<Verdicts>,
    ) -> Introspector {
        let (questions, waiting) = mpsc::channel(MAX_QUESTIONS);
        Introspector {
            settings: Arc::new(settings),
            rules,
            inactive: Cache::new(MAX_INACTIVE),
            verdicts,
            asking: Mutex::default(),
            questions,
            waiting: Mutex::new(Some(waiting)),
        }
    }

    /// Where to ask, and as whom.
    pub fn settings(&self) -> &Arc<IntrospectionUrl> {
        &self.settings
    }

    /// The questions, for the first who takes them.
    pub fn questions(&self) -> Option<mpsc::Receiver<Question>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Asks about a token. `None` where its refusal is remembered; the answer never comes where
    /// nobody can be asked.
    pub(super) fn ask(
        self: &Arc<Introspector>,
        token: &str,
        sha256: Digest,
        now: u64,
    ) -> Option<watch::Receiver<Option<Answer>>> {
        if self.inactive.get(&sha256).is_some_and(|until| now < until) {
            return None;
        }
        let mut asking = self.asking();
        if let Some(known) = asking.get(&sha256) {
            return Some(known.clone());
        }
        let (answer, receiver) = watch::channel(None);
        let question = Question { token: token.to_owned(), sha256, of: self.clone(), answer };
        asking.insert(sha256, receiver.clone());
        // Dropping a question takes this lock.
        drop(asking);
        let _dropped_where_there_is_no_room = self.questions.try_send(question);
        Some(receiver)
    }

    fn asking(&self) -> MutexGuard<'_, HashMap<Digest, watch::Receiver<Option<Answer>>>> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rules {
    /// What an answer makes of its token; `None` where it is no answer.
    fn read(&self, text: &[u8], now: u64) -> Option<Answer> {
        let object = Object::parse(std::str::from_utf8(text).ok()?)?;
        let active = object.get("active").filter(|active| json::kind(active) == Kind::Bool)?;
        if active.get() != "true" {
            return Some(Err(Fault::Inactive));
        }
        Some(self.caller(&object, now).map(Arc::new).map_err(Fault::Token))
    }

    fn caller(&self, object: &Object<'_>, now: u64) -> Result<Principal, TokenFault> {
        if let Some(issuer) = &self.issuer
            && jwt::required_text(object, "iss")? != **issuer
        {
            return Err(TokenFault::UnknownIssuer);
        }
        if !self.audience.is_empty() {
            jwt::check_audience(object, &self.audience)?;
        }
        // A token that is bound to a key of its holder says nothing of who merely has it.
        if object.get("cnf").is_some() {
            return Err(TokenFault::Type);
        }
        if let Some(nbf) = jwt::numeric_date(object, "nbf")?.filter(|nbf| *nbf > now) {
            return Err(TokenFault::NotYet { ahead: nbf - now });
        }
        let believed = now.saturating_add(self.cache);
        let expires = match jwt::numeric_date(object, "exp")? {
            Some(exp) if exp <= now => return Err(TokenFault::Expired { ago: now - exp }),
            Some(exp) => exp.min(believed),
            None => believed,
        };
        jwt::caller(object, (&self.claims, &self.prefix), AuthMethod::Introspection, expires)
    }
}

impl Question {
    /// What is asked about.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Whether nobody waits any more.
    pub fn is_given_up(&self) -> bool {
        // One receiver is kept for those who come.
        self.answer.receiver_count() <= 1
    }

    /// Takes what the issuer answered with 200, at this time. It is remembered before this question
    /// is gone, so that nobody asks again in between.
    pub fn answered(self, text: &[u8], now: u64) -> Said {
        let Introspector { rules, inactive, verdicts, .. } = &*self.of;
        let Some(answer) = rules.read(text, now) else { return Said::Nonsense };
        let said = match &answer {
            Ok(principal) => {
                verdicts.put(self.sha256, self.token.len(), (principal.clone(), ASKED, 0));
                Said::Active
            }
            Err(_) => {
                inactive.insert(self.sha256, now.saturating_add(rules.negative));
                Said::Inactive
            }
        };
        self.answer.send_replace(Some(answer));
        said
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.of.asking().remove(&self.sha256);
    }
}

/// Where, never as whom.
impl fmt::Debug for IntrospectionUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrospectionUrl").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Where, never what is asked.
impl fmt::Debug for Introspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspector").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Never the token.
impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Question")
    }
}
