//! Asking issuers about opaque tokens (RFC 7662), for requests that wait.

use super::fetch::{Client, FetchError};
use crate::identity::{IntrospectionUrl, Introspector, MAX_ANSWER, Question, Said};
use crate::telemetry::unix_seconds;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::Full;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::{Semaphore, mpsc};

/// What one question came to.
pub type Outcome = Result<Said, AskError>;

/// Why a question has no answer. Nothing of an answer's body, nor of the token, is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// There is none.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The issuer does not know who asks.
    #[error("the answer is {0}: the issuer does not take the `client` of the policy")]
    Client(StatusCode),
    /// Another answer than 200.
    #[error("the answer is {0}, where 200 is expected; redirects are not followed")]
    Status(StatusCode),
}

/// Hears of each question when it is over.
pub trait Told: Fn(&IntrospectionUrl, &Outcome) + Send + Sync + 'static {}

impl<F: Fn(&IntrospectionUrl, &Outcome) + Send + Sync + 'static> Told for F {}

/// Answers the questions of an issuer, until nobody can put one any more. Not begun where somebody
/// else answers them.
pub(super) fn begin(introspector: &Introspector, told: &Arc<dyn Told>) {
    if let Some(questions) = introspector.questions() {
        tokio::spawn(serve(introspector.settings().clone(), questions, told.clone()));
    }
}

async fn serve(
    settings: Arc<IntrospectionUrl>,
    mut questions: mpsc::Receiver<Question>,
    told: Arc<dyn Told>,
) {
    let client = Client::new(settings.ca.as_ref());
    let places = Arc::new(Semaphore::new(settings.concurrency));
    while let Some(question) = questions.recv().await {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        if question.is_given_up() {
            continue;
        }
        let (settings, client, told) = (settings.clone(), client.clone(), told.clone());
        tokio::spawn(async move {
            let outcome = ask(&settings, &client, question).await;
            told(&settings, &outcome);
            drop(place);
        });
    }
}

async fn ask(
    settings: &IntrospectionUrl,
    client: &Result<Client, FetchError>,
    question: Question,
) -> Outcome {
    let token = utf8_percent_encode(question.token(), NON_ALPHANUMERIC);
    let form = format!("token={token}&token_type_hint=access_token");
    let request = Request::post(&settings.url)
        .header(AUTHORIZATION, &settings.authorization)
        .header(ACCEPT, "application/json")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(USER_AGENT, concat!("portcullis/", env!("CARGO_PKG_VERSION")))
        .body(Full::new(Bytes::from(form)))
        .expect("a URL that was parsed makes a request");
    let client = client.as_ref().map_err(Clone::clone)?;
    match client.fetch(request, MAX_ANSWER, settings.timeout).await? {
        (StatusCode::OK, text) => Ok(question.answered(&text, unix_seconds(SystemTime::now()))),
        (status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN), _) => {
            Err(AskError::Client(status))
        }
        (status, _) => Err(AskError::Status(status)),
    }
}
