//! Problem documents (RFC 9457): what clients are told where there is no answer.

use http::StatusCode;
use serde::Serialize;

/// The media type of a problem document.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// A problem. Members stand in this order; those that say nothing are left out.
#[derive(Debug, Serialize)]
struct Problem<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<At<'a>>,
}

#[derive(Debug, Serialize)]
struct At<'a> {
    pointer: &'a str,
}

/// A problem document that says no more than its status, with what to do about it where that can
/// be said, and RFC 6901 pointers into the request's body. It ends with a newline, for terminals.
pub fn document(status: StatusCode, detail: Option<&str>, pointers: &[String]) -> String {
    let problem = Problem {
        r#type: "about:blank",
        title: status.canonical_reason().unwrap_or("Error"),
        status: status.as_u16(),
        detail,
        errors: pointers.iter().map(|pointer| At { pointer }).collect(),
    };
    // Texts and numbers alone: there is nothing in it that cannot be written.
    let mut text = serde_json::to_string(&problem).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_no_more_than_it_is_told() {
        assert_eq!(
            document(StatusCode::FORBIDDEN, None, &[]),
            "{\"type\":\"about:blank\",\"title\":\"Forbidden\",\"status\":403}\n"
        );
        assert_eq!(
            document(StatusCode::FORBIDDEN, Some("no"), &["/a~1b".into(), "/\"".into()]),
            "{\"type\":\"about:blank\",\"title\":\"Forbidden\",\"status\":403,\"detail\":\"no\",\
             \"errors\":[{\"pointer\":\"/a~1b\"},{\"pointer\":\"/\\\"\"}]}\n"
        );
    }
}
