//! Patterns and paths, compared segment by segment, and what methods need on them.

use super::{Policy, Route};

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

pub fn captures(pattern: &str, name: &str) -> bool {
    position(pattern, name).is_some()
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

/// From the left: literal, then parameter, then `/**`.
pub fn kinds(pattern: &str) -> Vec<u8> {
    let kind = |segment: &str| match segment {
        "**" => 2,
        other if other.starts_with('{') => 1,
        _ => 0,
    };
    split(pattern).into_iter().map(kind).collect()
}

/// Whether a grant or a denial speaks of this path, for any of these letters, where this
/// organization and this application are addressed.
pub fn holds(
    (pattern, access): &(String, String),
    letters: &str,
    path: &str,
    (org, app): (Option<&str>, Option<&str>),
) -> bool {
    letters.chars().any(|letter| access.contains(letter))
        && matches(pattern, path)
        && binds(pattern, path, "org", org)
        && binds(pattern, path, "app", app)
}

pub fn best_route<'a>(policy: &'a Policy, path: &str) -> Option<&'a Route> {
    let matching = policy.routes.iter().filter(|route| matches(&route.pattern, path));
    matching.min_by_key(|route| kinds(&route.pattern))
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
    Some(match method {
        "GET" | "HEAD" => "r".into(),
        "POST" => route.and_then(|route| route.post).unwrap_or('c').to_string(),
        "PUT" | "PATCH" if upsert => "cu".into(),
        "PUT" | "PATCH" => "u".into(),
        "DELETE" => "d".into(),
        _ => return None,
    })
}
