//! Patterns and paths, compared segment by segment, and what methods need on them.

use super::model::{Grant, Policy, Request, Route};

pub fn split(path: &str) -> Vec<&str> {
    path[1..].split('/').collect()
}

pub fn matches(pattern: &str, path: &str) -> bool {
    let path = split(path);
    let (node, subtree) = match pattern.strip_suffix("/**") {
        Some(node) => (node, true),
        None => (pattern, false),
    };
    let node: Vec<&str> = if node.is_empty() { Vec::new() } else { split(node) };
    if path.len() < node.len() || (!subtree && path.len() != node.len()) {
        return false;
    }
    node.iter().zip(&path).all(
        |(want, have)| {
            if want.starts_with('{') { !have.is_empty() } else { want == have }
        },
    )
}

pub fn position(pattern: &str, name: &str) -> Option<usize> {
    split(pattern).iter().position(|segment| *segment == format!("{{{name}}}"))
}

/// Whether `{org}` or `{app}` in a pattern captures the addressed one.
pub fn binds(pattern: &str, path: &str, name: &str, addressed: Option<&str>) -> bool {
    match position(pattern, name) {
        None => true,
        Some(at) => addressed == Some(split(path)[at]),
    }
}

/// Where a request is: its path, and the organization and application that it addresses.
pub struct Here<'a> {
    pub path: &'a str,
    pub org: Option<&'a str>,
    pub app: Option<&'a str>,
}

impl Here<'_> {
    /// Whether a pattern means this place.
    pub fn is(&self, pattern: &str) -> bool {
        matches(pattern, self.path)
            && binds(pattern, self.path, "org", self.org)
            && binds(pattern, self.path, "app", self.app)
    }
}

/// From the left: literal, then parameter, then `/**`.
pub fn kinds(pattern: &str) -> Vec<u8> {
    let kind = |segment: &str| match segment {
        "**" => 2,
        other if other.starts_with('{') => 1,
        _ => 0,
    };
    split(pattern).into_iter().map(kind).collect()
}

/// Whether a grant or a denial speaks of this request, for any of these letters, where this
/// organization and this application are addressed.
pub fn speaks(
    grant: &Grant,
    letters: &str,
    request: &Request,
    (org, app): (Option<&str>, Option<&str>),
) -> bool {
    letters.chars().any(|letter| grant.access.contains(letter))
        && grant.host.as_deref().is_none_or(|host| host_matches(host, &request.host))
        && Here { path: &request.path, org, app }.is(&grant.path)
}

/// The most specific route: its host first, then its path.
pub fn best_route(policy: &Policy, request: &Request) -> Option<Route> {
    let fits = |route: &Route| {
        route.host.as_deref().is_none_or(|host| host_matches(host, &request.host))
            && matches(&route.pattern, &request.path)
    };
    let matching = policy.routes().into_iter().filter(fits);
    matching.min_by_key(|route| (host_kind(route.host.as_deref()), kinds(&route.pattern)))
}

/// Exact before one label before none.
fn host_kind(host: Option<&str>) -> u8 {
    match host {
        None => 2,
        Some(host) if host.starts_with(['*', '{']) => 1,
        Some(_) => 0,
    }
}

/// A host, or one label before a host.
pub fn host_matches(pattern: &str, host: &str) -> bool {
    match host_kind(Some(pattern)) {
        0 => pattern == host,
        _ => first_label(pattern, host).is_some_and(|label| !label.is_empty()),
    }
}

/// What a named first label stands for.
pub fn label(pattern: &str, name: &str, host: &str) -> Option<String> {
    let named = pattern.starts_with(&format!("{{{name}}}."));
    first_label(pattern, host).filter(|_| named).map(str::to_owned)
}

fn first_label<'h>(pattern: &str, host: &'h str) -> Option<&'h str> {
    let (_, rest) = pattern.split_once('.')?;
    host.split_once('.').filter(|(_, other)| *other == rest).map(|(label, _)| label)
}

/// Whether two patterns have a path in common, by trying paths made of their own segments.
pub fn unify(a: &str, b: &str) -> bool {
    let mut words: Vec<&str> = split(a).into_iter().chain(split(b)).collect();
    words.retain(|word| !word.starts_with('{') && *word != "**");
    words.push("x");
    words.sort();
    words.dedup();
    let longest = split(a).len().max(split(b).len());
    let mut paths = vec![String::new()];
    for _ in 0..longest {
        let longer = |path: &String| {
            let path = path.clone();
            words.clone().into_iter().map(move |word| format!("{path}/{word}"))
        };
        let more: Vec<String> = paths.iter().flat_map(longer).collect();
        if more.iter().any(|path| matches(a, path) && matches(b, path)) {
            return true;
        }
        paths = more;
    }
    matches(a, "/") && matches(b, "/")
}

/// The letters that a method needs on a route.
pub fn letters(route: Option<&Route>, method: &str) -> Option<String> {
    let upsert = route.is_some_and(|route| route.upsert);
    if let Some(other) = route.and_then(|route| route.verbs.get(method)) {
        return Some(other.clone());
    }
    Some(match method {
        "GET" | "HEAD" => "r".into(),
        "POST" => "c".into(),
        "PUT" | "PATCH" if upsert => "cu".into(),
        "PUT" | "PATCH" => "u".into(),
        "DELETE" => "d".into(),
        _ => return None,
    })
}
