//! Who says first for whom it connects: the load balancers in front of a listener.

use super::read::Reader;
use crate::diag::{Code, Diagnostic, Report};
use crate::policy::bind::{Fields, Shape};
use crate::policy::node::{Node, NodeKind};
use crate::policy::peers::Peers;

const PROXY_PROTOCOL: Shape = Shape { what: "`proxy_protocol`", keys: &["from"], unenforced: &[] };

/// Entries of one list. Each connection is looked up in it.
pub(super) const MAX_ANNOUNCERS: usize = 100;

impl Reader<'_> {
    /// `false`, which is nobody, or `{from: [..]}`. `Err` where it has been reported.
    pub(super) fn announcers(&self, node: &Node, report: &mut Report) -> Result<Option<Peers>, ()> {
        if node.kind == NodeKind::Bool(false) {
            return Ok(None);
        }
        let mut fields = Fields::open(node, &PROXY_PROTOCOL, report).ok_or(())?;
        let NodeKind::List(entries) = &fields.required_node("from").ok_or(())?.kind else {
            fields.texts("from");
            return Err(());
        };
        let listed = fields.texts("from");
        let mut peers = Peers::default();
        for typed in &listed {
            if let Err(fault) = peers.add(&typed.value) {
                let message = format!("`{}` {fault}", typed.value);
                let problem = Diagnostic::error(Code::BadValue, typed.span, message);
                fields.report().push(problem.help(fault.help()));
            }
        }
        let problem = match entries.len() {
            0 => Diagnostic::error(Code::Setting, node.span, "`from` lists nobody")
                .help("list the load balancers: `from: [10.0.0.0/24]`, or `unix`"),
            1..=MAX_ANNOUNCERS => return Ok(Some(peers)),
            _ => {
                let message = format!("`from` has at most {MAX_ANNOUNCERS} entries");
                Diagnostic::error(Code::TooLarge, node.span, message)
                    .help("list networks instead of addresses")
            }
        };
        fields.report().push(problem);
        Err(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Listen, SettingsFile, read};

    fn listen(announced: &str) -> Result<Listen, Vec<(Code, String)>> {
        let text = format!("listen: {{address: '127.0.0.1:1', proxy_protocol: {announced}}}\n");
        let file = SettingsFile { name: "p.yaml".into(), text, folder: "/etc/portcullis".into() };
        let (_, settings) = read(Some(&file), &[], 1);
        settings.map(|mut settings| settings.listen.remove(0)).map_err(|report| {
            report.problems().iter().map(|one| (one.code, one.message.clone())).collect()
        })
    }

    fn codes(announced: &str) -> Vec<Code> {
        listen(announced).unwrap_err().into_iter().map(|(code, _)| code).collect()
    }

    #[test]
    fn load_balancers_are_listed() {
        let peers = listen("{from: [10.0.0.7, 'fd00::/8']}").unwrap().announcers.unwrap();
        assert!(peers.lists(Some("10.0.0.7".parse().unwrap())));
        assert!(peers.lists(Some("fd00::1".parse().unwrap())));
        assert!(!peers.lists(Some("10.0.0.8".parse().unwrap())) && !peers.lists(None));
        assert!(listen("{from: [unix]}").unwrap().announcers.unwrap().lists(None));
        assert_eq!(listen("false").unwrap().announcers, None);
    }

    #[test]
    fn p13_who_may_announce_is_said_exactly() {
        assert_eq!(codes("true"), [Code::WrongType]);
        assert_eq!(codes("{}"), [Code::MissingKey]);
        assert_eq!(codes("{from: []}"), [Code::Setting]);
        assert_eq!(codes("{from: 10.0.0.1}"), [Code::WrongType]);
        assert_eq!(codes("{from: [0.0.0.0/0, balancer]}"), [Code::BadValue, Code::BadValue]);
        assert_eq!(codes("{from: [10.0.0.1/8]}"), [Code::BadValue]);
        assert_eq!(codes("{form: [10.0.0.1]}"), [Code::UnknownKey, Code::MissingKey]);
    }

    #[test]
    fn a_list_of_announcers_is_so_long_and_no_longer() {
        for (count, fits) in
            [(MAX_ANNOUNCERS - 1, true), (MAX_ANNOUNCERS, true), (MAX_ANNOUNCERS + 1, false)]
        {
            let text = format!("{{from: [{}]}}", vec!["10.0.0.1"; count].join(", "));
            assert_eq!(listen(&text).is_ok(), fits, "{count}");
        }
    }
}
