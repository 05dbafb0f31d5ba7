//! Where upstreams are: their URLs, read.

use crate::diag::{Code, Diagnostic, Report};
use crate::policy::raw::{RawHealth, RawUpstream, Text};
use crate::policy::upstream::{
    Endpoints, HealthCheck, MAX_ENDPOINTS, Timeouts, Upstream, UpstreamAddress,
};
use crate::source::{Span, Spanned};
use http::uri::PathAndQuery;
use std::sync::Arc;
use std::time::Duration;

/// An upstream as typed. Where the report has errors afterwards, it must not become live.
pub(super) fn resolve(raw: &RawUpstream, report: &mut Report) -> Upstream {
    let Endpoints { first: address, others } = endpoints((&raw.url, &raw.others), raw.span, report);
    let host = raw.host.as_ref().map(|typed| host(typed, report));
    let timeouts = raw.timeouts.filter(|own| *own != Timeouts::default()).map(Box::new);
    let health = raw.health.as_ref().map(|typed| Arc::new(health(typed, report)));
    let protocol = raw.protocol.map(|protocol| protocol.value).unwrap_or_default();
    let id = raw.id.value.as_str().into();
    Upstream { id, address, others, host, protocol, timeouts, health }
}

fn health(typed: &RawHealth, report: &mut Report) -> HealthCheck {
    let path = &typed.path.value;
    if !path.starts_with('/') || path.contains('#') || path.parse::<PathAndQuery>().is_err() {
        let message = format!("`{path}` is no path to ask for");
        let problem = Diagnostic::error(Code::BadValue, typed.path.span, message);
        report.push(problem.help("begin with `/`, and write other characters percent-encoded"));
    }
    let times = |typed: &Option<Spanned<u64>>, usual| {
        typed.as_ref().and_then(|times| u32::try_from(times.value).ok()).unwrap_or(usual)
    };
    HealthCheck {
        path: path.as_str().into(),
        interval: typed.interval.unwrap_or(INTERVAL),
        timeout: typed.timeout.unwrap_or(TIMEOUT),
        healthy: times(&typed.healthy, HEALTHY),
        unhealthy: times(&typed.unhealthy, UNHEALTHY),
        status: typed.status.as_ref().and_then(|status| u16::try_from(status.value).ok()),
    }
}

/// The endpoints of an upstream as typed, in the policy or in the settings; `span` is the upstream.
pub fn endpoints((first, others): (&Text, &[Text]), span: Span, report: &mut Report) -> Endpoints {
    let first = address(first, report);
    let others: Vec<_> = others.iter().map(|url| (url, address(url, report))).collect();
    if others.len() >= MAX_ENDPOINTS {
        let message = format!("this upstream has {} endpoints", others.len() + 1);
        let problem = Diagnostic::error(Code::TooLarge, span, message);
        report.push(problem.help(format!("name at most {MAX_ENDPOINTS}")));
    }
    let mut known = vec![&first];
    for (url, address) in &others {
        let wrong = match known.contains(&address) {
            true => Some(("is named twice", "name each endpoint once")),
            // One in clear would be given what the others are trusted with.
            false if is_secure(address) != is_secure(&first) => {
                Some(("does not speak as the first endpoint does", "write `https` for all or none"))
            }
            false => None,
        };
        if let Some((what, help)) = wrong {
            let message = format!("`{}` {what}", url.value);
            report.push(Diagnostic::error(Code::BadValue, url.span, message).help(help));
        }
        known.push(address);
    }
    let others = others.iter().map(|(_, address)| address.clone()).collect();
    Endpoints { first, others }
}

fn is_secure(address: &UpstreamAddress) -> bool {
    matches!(address, UpstreamAddress::Tls { .. })
}

fn address(url: &Text, report: &mut Report) -> UpstreamAddress {
    url.value.parse().unwrap_or_else(|error| {
        let message = format!("`{}` is no upstream URL: {error}", url.value);
        report.push(
            Diagnostic::error(Code::BadValue, url.span, message)
                .help("write `http://HOST:PORT`, `https://HOST`, or `unix:/PATH` for a socket"),
        );
        UpstreamAddress::Tcp { host: "upstream.invalid".into(), port: 80 }
    })
}

fn host(typed: &Text, report: &mut Report) -> Arc<str> {
    if typed.value.parse::<http::uri::Authority>().is_err() || typed.value.contains('@') {
        let message = format!("`{}` is no host", typed.value);
        report.push(
            Diagnostic::error(Code::BadValue, typed.span, message)
                .help("write what the upstream takes as `Host`: a name, or a name and a port"),
        );
    }
    Arc::from(typed.value.as_str())
}

/// What holds of a health check that does not say otherwise.
const INTERVAL: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(2);
const HEALTHY: u32 = 2;
const UNHEALTHY: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::bind;
    use crate::policy::yaml;
    use crate::source::FileId;

    fn resolved(url: &str) -> Result<Upstream, Vec<Code>> {
        let text = format!("policy: 1\nupstreams: [{{id: a, url: {url}}}]\n");
        let mut report = Report::default();
        let root = yaml::parse(FileId(0), &text, &mut report).expect("YAML");
        let raw = bind::policy(&root, &mut report);
        let upstream = raw.upstreams.first().map(|raw| resolve(raw, &mut report));
        match report.is_empty() {
            true => Ok(upstream.expect("an upstream")),
            false => Err(report.problems().iter().map(|problem| problem.code).collect()),
        }
    }

    #[test]
    fn an_upstream_has_one_url_or_a_list_of_them() {
        assert_eq!(resolved("http://a").unwrap().others.len(), 0);
        assert_eq!(resolved("[http://a]").unwrap().others.len(), 0);
        let several = resolved("[http://a, 'http://b:81', 'unix:/c']").unwrap();
        assert_eq!(several.address.to_string(), "http://a:80");
        let others: Vec<_> = several.others.iter().map(ToString::to_string).collect();
        assert_eq!(others, ["http://b:81", "unix:/c"]);
        assert_eq!(resolved("[]"), Err(vec![Code::BadValue]));
        assert_eq!(resolved("3"), Err(vec![Code::WrongType]));
    }

    #[test]
    fn endpoints_are_different_and_speak_alike() {
        assert_eq!(resolved("[http://a, 'http://a:80']"), Err(vec![Code::BadValue]));
        assert_eq!(resolved("[https://a, http://b]"), Err(vec![Code::BadValue]));
        assert_eq!(resolved("[http://a, ftp://b]"), Err(vec![Code::BadValue]));
        assert_eq!(resolved("[https://a, https://b]").unwrap().others.len(), 1);
    }

    #[test]
    fn an_upstream_has_so_many_endpoints_and_no_more() {
        for (count, fits) in
            [(MAX_ENDPOINTS - 1, true), (MAX_ENDPOINTS, true), (MAX_ENDPOINTS + 1, false)]
        {
            let urls: Vec<_> = (0..count).map(|n| format!("http://h{n}")).collect();
            let found = resolved(&format!("[{}]", urls.join(", ")));
            assert_eq!(found.err(), (!fits).then(|| vec![Code::TooLarge]), "{count}");
        }
    }
}
