//! What a request names as its organization and application: segments of its path, the label of
//! its host, a header. Claims are the caller's, not the request's.

use super::{Reason, Refusal, Request};
use crate::policy::Target;
use crate::policy::header;
use crate::policy::resolve::Address;
use crate::policy::snapshot::Route;
use http::HeaderName;
use http::header::CONNECTION;
use std::borrow::Cow;

/// Where a request names ids, read once.
#[derive(Debug)]
pub(super) struct Named<'a> {
    target: &'a Target,
    /// The first label of the host, where the route reads it.
    label: Option<Cow<'a, str>>,
    org: Option<&'a str>,
    app: Option<&'a str>,
}

impl<'a> Named<'a> {
    /// Refuses what could be read in two ways: a header twice, or in two spellings, or not ASCII. One
    /// that is empty says nothing.
    pub(super) fn read(route: &Route, request: &Request<'a>) -> Result<Named<'a>, Refusal> {
        let header = |source: &Address| match source {
            Address::Header(name) => {
                only(request, name).map(|text| text.filter(|text| !text.is_empty()))
            }
            _ => Ok(None),
        };
        let reads_label = [&route.org, &route.app].contains(&&Address::HostLabel);
        Ok(Named {
            target: request.target,
            label: if reads_label { label(request.host.name()) } else { None },
            org: header(&route.org)?,
            app: header(&route.app)?,
        })
    }

    /// The id that an address has here, if the request says one.
    pub(super) fn at(&'a self, source: &Address, kind: Kind) -> Option<&'a str> {
        match (source, kind) {
            (Address::None | Address::Claim(_), _) => None,
            (Address::Segment(at), _) => Some(self.target.segment(*at)),
            (Address::HostLabel, _) => self.label.as_deref(),
            (Address::Header(_), Kind::Org) => self.org,
            (Address::Header(_), Kind::App) => self.app,
        }
    }
}

/// What an id is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Org,
    App,
}

impl Kind {
    /// The claim that means the mapped value.
    pub(super) fn claim(self) -> &'static str {
        match self {
            Kind::Org => "org",
            Kind::App => "app",
        }
    }

    /// What is said where the request does not name it.
    pub(super) fn absent(self) -> String {
        let noun = match self {
            Kind::Org => "organization",
            Kind::App => "application",
        };
        format!("the request has no header (or host) that names the {noun}")
    }
}

fn label(name: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let end = name.find('.')?;
    Some(match name {
        Cow::Borrowed(name) => Cow::Borrowed(&name[..end]),
        Cow::Owned(mut name) => {
            name.truncate(end);
            Cow::Owned(name)
        }
    })
}

/// The one value of a header that the policy reads. Another spelling beside it (`X_Org`)
/// is a second value, because a server behind us may read that one; and one that Connection names
/// would be taken out on the way.
pub(super) fn only<'a>(
    request: &Request<'a>,
    name: &HeaderName,
) -> Result<Option<&'a str>, Refusal> {
    let spelled = request.headers.iter().filter(|(other, _)| header::is_same(other, name));
    let mut values = spelled.map(|(spelling, value)| (spelling == name, value));
    let ambiguous = Refusal::because(Reason::BadRequest);
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some((true, value)), None) if !is_hop_by_hop(request, name) => {
            Ok(Some(value.to_str().map_err(|_| ambiguous)?))
        }
        _ => Err(ambiguous),
    }
}

/// Whether Connection names the header (RFC 9110 section 7.6.1).
fn is_hop_by_hop(request: &Request<'_>, name: &HeaderName) -> bool {
    let listed = request.headers.get_all(CONNECTION).iter().flat_map(|value| {
        let options = value.as_bytes().split(|byte| *byte == b',');
        options.map(|option| option.trim_ascii().eq_ignore_ascii_case(name.as_str().as_bytes()))
    });
    listed.into_iter().any(|same| same)
}
