//! The default upstream.

use crate::diag::{Code, Diagnostic};
use crate::policy::bind::{Fields, wrong_type};
use crate::policy::node::NodeKind;
use crate::policy::resolve;
use crate::policy::upstream::{Endpoints, UpstreamAddress};

/// One URL, or a list of them.
pub(super) fn endpoints(fields: &mut Fields<'_, '_>) -> Endpoints {
    let Some(node) = fields.node("upstream") else { return default() };
    if matches!(node.kind, NodeKind::Map(_)) {
        let problem = wrong_type("`upstream`", "a URL, or a list of them", node, node.span).help(
            "write `upstream: http://127.0.0.1:9000`; what an upstream has besides is said in the \
             policy, under `upstreams`",
        );
        fields.report().push(problem);
        return default();
    }
    let typed = fields.one_or_more("upstream");
    match typed.split_first() {
        Some((first, others)) => resolve::endpoints((first, others), node.span, fields.report()),
        None => {
            if node.kind == NodeKind::List(Vec::new()) {
                let message = "`upstream` names no endpoint";
                let problem = Diagnostic::error(Code::Setting, node.span, message)
                    .help("write one URL, a list of them, or leave it out");
                fields.report().push(problem);
            }
            default()
        }
    }
}

fn default() -> Endpoints {
    UpstreamAddress::Tcp { host: "127.0.0.1".into(), port: 9000 }.into()
}
