//! The listeners: an address, or an address with how it speaks TLS and who announces clients.

use super::read::Reader;
use super::{Listen, ListenAddress, ListenTls, PairFiles};
use crate::diag::{Code, Diagnostic, Report};
use crate::policy::bind::{Fields, Shape, text};
use crate::policy::node::{Node, NodeKind};
use crate::policy::raw::Text;

const LISTENER: Shape =
    Shape { what: "listener", keys: &["address", "tls", "proxy_protocol"], unenforced: &[] };

const TLS: Shape = Shape {
    what: "`tls`",
    keys: &["cert", "key", "certificates", "client_ca", "client_auth"],
    unenforced: &[],
};

const CERTIFICATE: Shape = Shape { what: "certificate", keys: &["cert", "key"], unenforced: &[] };

/// Certificates of one listener. Each handshake looks through their names.
pub(super) const MAX_PAIRS: usize = 100;

impl Reader<'_> {
    pub(super) fn listen(&self, fields: &mut Fields<'_, '_>) -> Vec<Listen> {
        let Some(node) = fields.node("listen") else { return vec![default_listen()] };
        let nodes = match &node.kind {
            NodeKind::List(nodes) => nodes.as_slice(),
            _ => std::slice::from_ref(node),
        };
        if nodes.is_empty() {
            let problem = Diagnostic::error(Code::Setting, node.span, "there is no listener")
                .help("name at least one address, or take the key out");
            fields.report().push(problem);
        }
        nodes.iter().filter_map(|node| self.listener(node, fields.report())).collect()
    }

    /// An address, or `{address, tls, proxy_protocol}`.
    fn listener(&self, node: &Node, report: &mut Report) -> Option<Listen> {
        if !matches!(node.kind, NodeKind::Map(_)) {
            let typed = address_text(node, report)?;
            return self.address(&typed, report).map(Listen::plain);
        }
        let mut fields = Fields::open(node, &LISTENER, report)?;
        let typed = fields.required_node("address");
        let typed = typed.and_then(|node| address_text(node, fields.report()));
        let tls = fields.node("tls").map(|node| self.tls(node, fields.report()));
        let announcers = fields.node("proxy_protocol");
        let announcers = announcers.map(|node| self.announcers(node, fields.report()));
        let address = self.address(&typed?, fields.report())?;
        match (tls, announcers.transpose()) {
            // Without its TLS, or without those who announce, a listener would be another one.
            (Some(None), _) | (_, Err(())) => None,
            (tls, Ok(announcers)) => {
                Some(Listen { address, tls: tls.flatten(), announcers: announcers.flatten() })
            }
        }
    }

    fn tls(&self, node: &Node, report: &mut Report) -> Option<ListenTls> {
        let mut fields = Fields::open(node, &TLS, report)?;
        let first = self.pair(&mut fields);
        let more = fields.list("certificates", |node, report| {
            self.pair(&mut Fields::open(node, &CERTIFICATE, report)?)
        });
        let pairs: Vec<_> = std::iter::once(first?).chain(more.unwrap_or_default()).collect();
        if pairs.len() > MAX_PAIRS {
            let message = format!("a listener has at most {MAX_PAIRS} certificates");
            let problem = Diagnostic::error(Code::TooLarge, node.span, message)
                .help("put several names into one certificate, or use a wildcard");
            fields.report().push(problem);
        }
        let client_ca = fields.text("client_ca").map(|typed| self.file(typed));
        let asked =
            fields.word("client_auth", &[("required", Some(true)), ("optional", Some(false))]);
        let client_required = asked.map_or(client_ca.is_some(), |asked| asked.value);
        Some(ListenTls { pairs, client_ca, client_required })
    }

    fn pair(&self, fields: &mut Fields<'_, '_>) -> Option<PairFiles> {
        let (cert, key) = (fields.required_text("cert"), fields.required_text("key"));
        Some(PairFiles { cert: self.file(cert?), key: self.file(key?) })
    }

    fn file(&self, typed: Text) -> std::path::PathBuf {
        self.path(typed.value.into(), typed.span)
    }
}

/// A port alone is a number to YAML, and what is wrong with it is another thing.
pub(super) fn address_text(node: &Node, report: &mut Report) -> Option<Text> {
    match node.kind {
        NodeKind::Int(number) => Some(Text { value: number.to_string(), span: node.span }),
        _ => text(node, "an address", node.span, report),
    }
}

fn default_listen() -> Listen {
    Listen::plain(ListenAddress::Tcp(([127, 0, 0, 1], 8080).into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{SettingsFile, read};
    use std::path::PathBuf;

    fn listen(text: &str) -> Result<Listen, Vec<Code>> {
        let text = format!("listen: {text}\n");
        let file = SettingsFile { name: "p.yaml".into(), text, folder: "/etc/portcullis".into() };
        match read(Some(&file), &[], 1).1 {
            Ok(mut settings) => Ok(settings.listen.remove(0)),
            Err(report) => Err(report.problems().iter().map(|problem| problem.code).collect()),
        }
    }

    fn tls(text: &str) -> ListenTls {
        listen(&format!("{{address: '127.0.0.1:1', tls: {text}}}")).unwrap().tls.unwrap()
    }

    fn pair(cert: &str, key: &str) -> PairFiles {
        PairFiles { cert: PathBuf::from(cert), key: PathBuf::from(key) }
    }

    #[test]
    fn files_start_from_the_settings() {
        let plain = tls("{cert: tls/a.crt, key: /run/a.key}");
        assert_eq!(plain.pairs, [pair("/etc/portcullis/tls/a.crt", "/run/a.key")]);
        assert_eq!((plain.client_ca, plain.client_required), (None, false));
        let more = tls("{cert: a, key: b, certificates: [{cert: /c, key: /d}]}");
        assert_eq!(more.pairs[1], pair("/c", "/d"));
    }

    #[test]
    fn p06_who_names_authorities_asks_for_certificates() {
        let asking = tls("{cert: a, key: b, client_ca: /ca.pem}");
        assert_eq!((asking.client_ca, asking.client_required), (Some("/ca.pem".into()), true));
        assert!(!tls("{cert: a, key: b, client_ca: c, client_auth: optional}").client_required);
        assert!(tls("{cert: a, key: b, client_auth: required}").client_required);
    }

    #[test]
    fn half_a_pair_is_no_listener() {
        let bad =
            |text: &str| listen(&format!("{{address: '127.0.0.1:1', tls: {text}}}")).unwrap_err();
        assert_eq!(bad("{cert: a}"), [Code::MissingKey]);
        assert_eq!(bad("{}"), [Code::MissingKey, Code::MissingKey]);
        assert_eq!(bad("{cert: a, key: b, certificates: [{cert: a}]}"), [Code::MissingKey]);
        assert_eq!(bad("{cert: a, key: b, client_auth: maybe}"), [Code::BadValue]);
        assert_eq!(bad("true"), [Code::WrongType]);
    }

    #[test]
    fn a_listener_has_so_many_certificates_and_no_more() {
        for (count, fits) in [(MAX_PAIRS - 1, true), (MAX_PAIRS, true), (MAX_PAIRS + 1, false)] {
            let more = vec!["{cert: c, key: d}"; count - 1].join(", ");
            let text = format!("{{cert: a, key: b, certificates: [{more}]}}");
            let found = listen(&format!("{{address: '127.0.0.1:1', tls: {text}}}"));
            assert_eq!(found.is_ok(), fits, "{count}");
        }
    }
}
