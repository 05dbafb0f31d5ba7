//! Refusals, as clients see them: RFC 9457 problem documents that say no more than the status.
//!
//! Two refusals with the same status look the same. They name no role, no rule and no field but
//! the pointers that the client itself sent.

use super::grpc;
use super::headers::X_REQUEST_ID;
use super::pool::SendError;
use super::reply::{Reply, Source};
use super::story::Story;
use crate::decide::{Reason, Refusal};
use crate::identity::{Ask, Challenge};
use crate::problem;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode, Version};

/// Seconds after which less may be under way.
const LESS_IS_UNDER_WAY: u32 = 1;

/// The type of every refusal.
pub(super) const PROBLEM_JSON: HeaderValue = HeaderValue::from_static(problem::MEDIA_TYPE);

/// A refusal and what its response needs besides.
#[derive(Debug)]
pub(super) struct Refused {
    /// What the policy, or the proxy, says.
    pub(super) refusal: Refusal,
    /// WWW-Authenticate, for 401.
    pub(super) challenge: Option<Challenge>,
    /// Seconds until it is worth to ask again, for 429 and 503.
    pub(super) retry_after: Option<u32>,
    /// What may still change this, if it is waited for.
    pub(super) ask: Option<Box<Ask>>,
}

/// What is known of the request when it is refused.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// HEAD gets no body.
    pub(super) method: Method,
    /// HTTP/2 has no Connection header.
    pub(super) version: Version,
    /// It is a call of gRPC, whose clients read no document.
    pub(super) grpc: bool,
    /// A body that nobody will read is still coming in.
    pub(super) unread: bool,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        let retry_after = (refusal.reason == Reason::Overloaded).then_some(LESS_IS_UNDER_WAY);
        Refused { refusal, challenge: None, retry_after, ask: None }
    }
}

impl From<Reason> for Refused {
    fn from(reason: Reason) -> Refused {
        Refusal::because(reason).into()
    }
}

impl From<SendError> for Refused {
    fn from(error: SendError) -> Refused {
        let reason = match error {
            SendError::Failed => Reason::UpstreamFailed,
            SendError::Timeout => Reason::UpstreamTimeout,
            SendError::Full => Reason::Overloaded,
            SendError::Unwell(seconds) => {
                let refused = Refused::from(Reason::UpstreamUnwell);
                return Refused { retry_after: Some(seconds), ..refused };
            }
            SendError::Client(reason) => reason,
        };
        reason.into()
    }
}

/// The response to a refused request.
pub(super) fn refuse(refused: Refused, asked: &Asked, mut story: Box<Story>) -> Response<Reply> {
    let Refused { refusal, challenge, retry_after, .. } = refused;
    story.refused(&refusal);
    let status =
        StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    story.answered(status);
    let close = asked.unread || refusal.reason == Reason::Internal;
    if asked.unread {
        story.leaves_unread();
    }
    let problem = problem::document(status, detail(refusal.reason), &refusal.pointers);
    let length = problem.len();
    let head = asked.method == Method::HEAD || asked.grpc;
    let source = if head { Source::Empty } else { Source::Whole(problem.into()) };
    let mut fields = HeaderMap::new();
    story.mark_crossing(&mut fields);
    // So that whoever is refused can say which refusal it was: the log has it under this id.
    if let Ok(id) = HeaderValue::from_str(&story.record().request_id) {
        fields.insert(X_REQUEST_ID, id);
    }
    let mut response = Response::new(Reply::new(source, story));
    *response.status_mut() = status;
    *response.headers_mut() = fields;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, PROBLEM_JSON);
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if asked.grpc {
        grpc::refuse(headers, status, detail(refusal.reason));
    }
    if close && asked.version < Version::HTTP_2 {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some(allow) = refusal.allow {
        headers.insert(header::ALLOW, HeaderValue::from_static(allow));
    }
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if status == StatusCode::UNAUTHORIZED {
        for one in challenge.unwrap_or_default().headers() {
            headers.append(header::WWW_AUTHENTICATE, one);
        }
    }
    response
}

/// Stands in for a body that cannot be shown, under the status that the upstream gave.
pub(super) fn generic_problem(status: StatusCode) -> Bytes {
    problem::document(status, None, &[]).into()
}

/// What to do about it, where that says nothing about the policy.
fn detail(reason: Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::BadPath => "the path or its encoding is not in canonical form",
        Reason::BadRequest => "the request's head is malformed or contradicts itself",
        Reason::AmbiguousCredentials => "send one credential, once",
        Reason::TooManyFailures => "too many bad credentials came from this address",
        Reason::OriginNotAllowed => "a cookie counts here only for an allowed page",
        Reason::BodyInvalid => "the body is not valid JSON",
        Reason::BodyUnsupported => "send JSON in UTF-8, without a content coding",
        Reason::FieldNotWritable => "the body has fields that you may not write",
        Reason::HiddenFieldsAtRisk => "replacing this would erase what you cannot see; use PATCH",
        Reason::Stale => "this is another version than the one that `If-Match` names",
        Reason::ValueInvalid => "the body has values that are not valid",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p03_refusals_with_one_status_look_alike() {
        let alike = [Reason::NoGrant, Reason::Restricted, Reason::Unmapped, Reason::AppInactive];
        assert!(alike.iter().all(|reason| detail(*reason).is_none()));
        let absent =
            [Reason::NoRoute, Reason::NotAMember, Reason::AppNotAssigned, Reason::NotOwner];
        assert!(absent.iter().all(|reason| detail(*reason).is_none()));
    }
}
