//! What a browser asks before it lets a page of another origin send a request (Fetch Standard,
//! section 3.2.2). It carries no credential, so what is answered is what somebody may do here.

use super::{Reason, Refusal, Request, Trace};
use crate::policy::access::Access;
use crate::policy::cors::Cors;
use crate::policy::resolve::METHODS;
use crate::policy::snapshot::{GrantId, RouteId, Snapshot};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// The answer to a preflight: the upstream is not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preflight {
    /// The route that a request would be on.
    pub route: RouteId,
    /// The header fields of the answer.
    pub fields: Vec<(HeaderName, HeaderValue)>,
}

/// Answers a preflight; `None` where the request is none, or where the route leaves other origins
/// to themselves. Methods are listed whose letters are public here or granted to some role: which
/// of them the caller has is decided when it calls.
pub fn preflight<T: Trace>(
    snapshot: &Snapshot,
    request: &Request<'_>,
    trace: &mut T,
) -> Result<Option<Preflight>, Refusal> {
    if request.method != http::Method::OPTIONS {
        return Ok(None);
    }
    let matches = snapshot.matches(request.target);
    let hosts = snapshot.hosts(request.host);
    let Some(id) = snapshot.best_route(&matches, hosts) else { return Ok(None) };
    let route = snapshot.route(id);
    let Some(cors) = route.cors.as_deref() else { return Ok(None) };
    let origin = only(request.headers, &header::ORIGIN)?;
    let asked = only(request.headers, &header::ACCESS_CONTROL_REQUEST_METHOD)?;
    let (Some(origin), Some(_)) = (origin, asked) else { return Ok(None) };
    if request.target.has_params() && !route.params_keep {
        return Err(Refusal::because(Reason::BadPath));
    }
    let allowed = cors.allows(origin).ok_or(Refusal::because(Reason::OriginNotAllowed))?;
    let letters = route.public.or(snapshot.granted_to_anybody(&matches, hosts));
    if T::LISTENS {
        tell_first(snapshot.grants_here((&matches, hosts), |_| true), route.public, trace);
    }
    let methods = methods(|method| route.methods.access(method), letters);
    let mut fields = vec![
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed),
        (header::ACCESS_CONTROL_ALLOW_METHODS, methods),
        (header::VARY, HeaderValue::from_static(VARY)),
    ];
    let more = [
        (header::ACCESS_CONTROL_ALLOW_HEADERS, cors.headers.clone()),
        (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, credentials(cors)),
        (header::ACCESS_CONTROL_MAX_AGE, cors.max_age.clone()),
    ];
    fields.extend(more.into_iter().filter_map(|(name, value)| Some((name, value?))));
    Ok(Some(Preflight { route: id, fields }))
}

/// What the answer to a request on this route says to a page, whether it was allowed or refused.
/// Two `Origin` fields are nobody's.
pub fn readable_by(cors: &Cors, headers: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    let mut fields = Vec::new();
    if cors.varies() {
        fields.push((header::VARY, HeaderValue::from_static("Origin")));
    }
    let origin = only(headers, &header::ORIGIN).ok().flatten();
    let Some(allowed) = origin.and_then(|origin| cors.allows(origin)) else { return fields };
    fields.push((header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed));
    let more = [
        (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, credentials(cors)),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, cors.expose.clone()),
    ];
    fields.extend(more.into_iter().filter_map(|(name, value)| Some((name, value?))));
    fields
}

/// For each letter that is listed because somebody is granted it: the first of these grants.
fn tell_first(grants: Vec<(GrantId, Access)>, public: Access, trace: &mut impl Trace) {
    let mut told = public;
    for (grant, letters) in grants {
        if !told.has(letters) {
            told = told.or(letters);
            trace.grant(grant);
        }
    }
}

/// The value of a field; none where it is absent, a refusal where it is given twice.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h HeaderValue>, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(Refusal::because(Reason::BadRequest)),
        (first, None) => Ok(first),
    }
}

fn credentials(cors: &Cors) -> Option<HeaderValue> {
    cors.credentials.then(|| HeaderValue::from_static("true"))
}

fn methods(needs: impl Fn(&str) -> Option<Access>, letters: Access) -> HeaderValue {
    let granted = |method: &&str| needs(method).is_some_and(|needed| letters.has(needed));
    let names: Vec<&str> = METHODS.iter().copied().filter(granted).collect();
    HeaderValue::from_str(&names.join(", ")).expect("names of methods are visible signs")
}

/// What the answer to a preflight depends on.
const VARY: &str = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
