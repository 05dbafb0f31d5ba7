//! An issuer of tokens that publishes its keys, or does not.

use super::upstream::{Answer, Upstream, json_response};
use std::sync::{Arc, Mutex};

/// A server that answers every request with what was published last.
#[derive(Debug)]
pub struct Issuer {
    pub server: Upstream,
    answer: Arc<Mutex<Published>>,
}

#[derive(Clone, Debug)]
enum Published {
    Bytes(Vec<u8>),
    /// The connection ends without a word, the next one with these.
    Cut(Vec<u8>),
    Silence,
}

impl Issuer {
    /// Publishes this key set.
    pub fn publishing(jwks: &str) -> Issuer {
        let answer = Arc::new(Mutex::new(Published::Bytes(json_response(200, jwks))));
        let said = answer.clone();
        let server = Upstream::script(move |_| {
            let mut said = said.lock().unwrap();
            match said.clone() {
                Published::Bytes(bytes) => Answer::Close(bytes),
                Published::Cut(next) => {
                    *said = Published::Bytes(next);
                    Answer::Close(Vec::new())
                }
                Published::Silence => Answer::Silence,
            }
        });
        Issuer { server, answer }
    }

    /// Publishes another key set from now on.
    pub fn publish(&self, jwks: &str) {
        self.answers(json_response(200, jwks));
    }

    /// Answers with these bytes from now on.
    pub fn answers(&self, response: impl Into<Vec<u8>>) {
        *self.answer.lock().unwrap() = Published::Bytes(response.into());
    }

    /// Closes one connection without an answer, and answers all others with this JSON.
    pub fn answers_once_nothing_then(&self, json: &str) {
        *self.answer.lock().unwrap() = Published::Cut(json_response(200, json));
    }

    /// Takes connections and says nothing.
    pub fn falls_silent(&self) {
        *self.answer.lock().unwrap() = Published::Silence;
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.server.requests().len()
    }

    /// Where the keys are.
    pub fn url(&self) -> String {
        format!("{}/jwks", self.server.url())
    }
}
