//! API keys.

use super::{Fields, Shape, bad_word};
use crate::diag::{Code, Diagnostic, Report};
use crate::policy::node::{Node, NodeKind};
use crate::policy::raw::{RawApiKey, RawApiKeys, Text};
use crate::source::Spanned;

pub(super) const API_KEYS: Shape =
    Shape { what: "`api_keys`", keys: &["in", "header", "prefix", "keys"], unenforced: &[] };

pub(super) const API_KEY: Shape = Shape {
    what: "key",
    keys: &["user", "org", "app", "sha256", "roles", "claims", "expires"],
    unenforced: &[],
};

pub(super) fn api_keys(node: &Node, report: &mut Report) -> Option<RawApiKeys> {
    let mut fields = Fields::open(node, &API_KEYS, report)?;
    fields.required_node("keys");
    let [in_header, in_bearer, in_basic] = carriers(&mut fields);
    let keys = RawApiKeys {
        span: node.span,
        in_header,
        in_bearer,
        in_basic,
        header: fields.text("header"),
        prefix: fields.text("prefix"),
        keys: fields.list("keys", api_key).unwrap_or_default(),
    };
    Some(keys)
}

/// The places where a key may stand: in a header of its own (so where nothing is said), as a bearer
/// token, as the user name of Basic.
pub(super) const CARRIERS: [&str; 3] = ["header", "bearer", "basic"];

fn carriers(fields: &mut Fields<'_, '_>) -> [bool; 3] {
    let Some(node) = fields.node("in") else { return [true, false, false] };
    let mut carriers = [false; 3];
    for word in fields.one_or_more("in") {
        match CARRIERS.iter().position(|carrier| *carrier == word.value) {
            Some(at) => carriers[at] = true,
            None => fields.report().push(bad_word("in", &word, CARRIERS.into_iter())),
        }
    }
    if matches!(&node.kind, NodeKind::List(words) if words.is_empty()) {
        let problem = Diagnostic::error(Code::BadValue, node.span, "keys are taken from nowhere")
            .help("write `header`, `bearer`, `basic`, or several of them");
        fields.report().push(problem);
    }
    carriers
}

fn api_key(node: &Node, report: &mut Report) -> Option<RawApiKey> {
    let mut fields = Fields::open(node, &API_KEY, report)?;
    let (user, sha256) = (fields.required_text("user"), fields.required_text("sha256"));
    let key = RawApiKey {
        span: node.span,
        org: fields.text("org"),
        app: fields.text("app"),
        roles: fields.optional_texts("roles"),
        claims: fields.pairs("claims", claim),
        expires: fields.time("expires"),
        user: user?,
        sha256: digest(sha256?, fields.report())?,
    };
    Some(key)
}

/// A claim is text here; a number or boolean is its text, as in a token.
fn claim(name: &Text, node: &Node, report: &mut Report) -> Option<Text> {
    let text = match &node.kind {
        NodeKind::Int(number) => number.to_string(),
        NodeKind::Bool(value) => value.to_string(),
        _ => {
            return super::text(
                node,
                format_args!("the claim `{}`", name.value),
                name.span,
                report,
            );
        }
    };
    Some(Spanned::new(text, node.span))
}

pub(super) fn digest(typed: Text, report: &mut Report) -> Option<Text> {
    let hex = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if typed.value.len() == 64 && typed.value.bytes().all(hex) {
        return Some(typed);
    }
    let problem = Diagnostic::error(Code::BadValue, typed.span, "this is not a SHA-256 digest")
        .help("write 64 lower-case hexadecimal digits: `portcullis key new` prints them");
    report.push(problem);
    None
}
