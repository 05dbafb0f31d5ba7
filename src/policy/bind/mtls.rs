//! Client certificates.

use super::{Fields, Shape};
use crate::diag::Report;
use crate::policy::node::Node;
use crate::policy::raw::{RawMtls, RawNameKind, RawNamed, RawTrustDomain};

pub(super) const MTLS: Shape =
    Shape { what: "`mtls`", keys: &["trust_domains", "certificates"], unenforced: &[] };

pub(super) const TRUST_DOMAIN: Shape =
    Shape { what: "trust domain", keys: &["name", "bundle", "paths", "prefix"], unenforced: &[] };

pub(super) const NAMED: Shape =
    Shape { what: "entry of `certificates`", keys: &["ca", "from", "prefix"], unenforced: &[] };

pub(super) fn mtls(node: &Node, report: &mut Report) -> Option<RawMtls> {
    let mut fields = Fields::open(node, &MTLS, report)?;
    Some(RawMtls {
        span: node.span,
        trust_domains: fields.list("trust_domains", trust_domain).unwrap_or_default(),
        certificates: fields.list("certificates", named).unwrap_or_default(),
    })
}

fn trust_domain(node: &Node, report: &mut Report) -> Option<RawTrustDomain> {
    let mut fields = Fields::open(node, &TRUST_DOMAIN, report)?;
    let (name, bundle) = (fields.required_text("name"), fields.required_text("bundle"));
    let (paths, prefix) = (fields.one_or_more("paths"), fields.text("prefix"));
    Some(RawTrustDomain { span: node.span, name: name?, bundle: bundle?, paths, prefix })
}

fn named(node: &Node, report: &mut Report) -> Option<RawNamed> {
    let mut fields = Fields::open(node, &NAMED, report)?;
    let ca = fields.required_text("ca");
    fields.required_node("from");
    let words = [("dns", Some(RawNameKind::Dns)), ("email", Some(RawNameKind::Email))];
    let from = fields.word("from", &words);
    let prefix = fields.text("prefix");
    Some(RawNamed { span: node.span, ca: ca?, from: from?.value, prefix })
}
