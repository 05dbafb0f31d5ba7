//! Cuts a failing case down to what is needed for it to fail, and says it in the words of users:
//! the policy as a file, the request as a command line.

use super::model::{Policy, Request};
use serde_json::Value;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Takes away whatever can go, until nothing more can. `fails` says whether a smaller case is still
/// one; one that does not load is none.
pub fn shrink(
    mut policy: Value,
    mut request: Value,
    fails: impl Fn(&Value, &Value) -> bool,
) -> (Value, Value) {
    // A half of a case may be more than the reference has words for.
    let fails = |policy: &Value, request: &Value| {
        catch_unwind(AssertUnwindSafe(|| fails(policy, request))).unwrap_or(false)
    };
    loop {
        let smaller = cut(&mut policy, |policy| fails(policy, &request));
        if !(smaller | cut(&mut request, |request| fails(&policy, request))) {
            return (policy, request);
        }
    }
}

/// Tries every part of a tree, from the last to the first, and leaves out what is not needed.
fn cut(tree: &mut Value, fails: impl Fn(&Value) -> bool) -> bool {
    let mut any = false;
    for place in places(tree).iter().rev() {
        let mut smaller = tree.clone();
        remove(&mut smaller, place);
        if fails(&smaller) {
            (*tree, any) = (smaller, true);
        }
    }
    any
}

/// Pointers to all parts, the outer ones first.
fn places(tree: &Value) -> Vec<Vec<String>> {
    let children: Vec<(String, &Value)> = match tree {
        Value::Array(items) => {
            items.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect()
        }
        Value::Object(members) => members.iter().map(|(key, value)| (key.clone(), value)).collect(),
        _ => Vec::new(),
    };
    let below = |(key, value): (String, &Value)| {
        let inner = places(value).into_iter().map(|place| [vec![key.clone()], place].concat());
        [vec![vec![key.clone()]], inner.collect()].concat()
    };
    children.into_iter().flat_map(below).collect()
}

fn remove(tree: &mut Value, place: &[String]) {
    let (last, way) = place.split_last().unwrap();
    let inside = way.iter().try_fold(tree, |value, key| match value {
        Value::Array(items) => items.get_mut(key.parse::<usize>().unwrap()),
        value => value.get_mut(key),
    });
    match inside {
        Some(Value::Array(items)) => {
            let at: usize = last.parse().unwrap();
            if at < items.len() {
                items.remove(at);
            }
        }
        Some(Value::Object(members)) => {
            members.remove(last);
        }
        _ => {}
    }
}

/// A policy as YAML: a line for each entity.
pub fn yaml(policy: &Value) -> String {
    let mut text = String::new();
    for (key, value) in policy.as_object().unwrap() {
        match value {
            Value::Array(items) if !items.is_empty() => {
                text += &format!("{key}:\n");
                items.iter().for_each(|item| text += &format!("  - {}\n", flow(item)));
            }
            other => text += &format!("{key}: {}\n", flow(other)),
        }
    }
    text
}

fn flow(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", "))
        }
        Value::Object(members) => {
            let pair = |(key, value): (&String, &Value)| format!("{}: {}", word(key), flow(value));
            format!("{{{}}}", members.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
        Value::String(text) => word(text),
        other => other.to_string(),
    }
}

/// Words stand as they are; all else, and what would be a word of YAML, in quotes.
fn word(text: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '_' | '/');
    let starts = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/');
    match starts && text.chars().all(plain) && !["true", "false", "null"].contains(&text) {
        true => text.to_owned(),
        false => Value::from(text).to_string(),
    }
}

/// The same question on the command line, and what no flag says as a comment.
pub fn command(request: &Request) -> String {
    let mut words = vec!["portcullis explain policy.yaml".to_owned()];
    let mut notes = vec![format!("now: {}", request.now)];
    match &request.caller {
        None => words.push("--anonymous".into()),
        Some(caller) => {
            words.push(format!("--user {}", caller.user));
            words.extend(caller.org.iter().map(|org| format!("--org {org}")));
            words.extend(caller.app.iter().map(|app| format!("--app {app}")));
            words.extend(caller.roles.iter().map(|all| format!("--claim roles={}", all.join(","))));
            words.extend(caller.email.iter().map(|email| format!("--claim email={email}")));
            for (name, values) in &caller.claims {
                words.push(format!("--claim {name}={}", values.join(",")));
            }
            for (org, roles) in &caller.roles_by_org {
                notes.push(format!("the roles {} are claimed in {org}", roles.join(",")));
            }
            if caller.api_key {
                notes.push("the caller has an API key".into());
            }
        }
    }
    words.push(format!("{} '{}'", request.method, request.target()));
    words.push(format!("-H 'Host: {}'", request.host));
    words.extend(request.headers.iter().map(|(name, value)| format!("-H '{name}: {value}'")));
    words.extend(request.body.iter().map(|body| format!("--body <(echo '{body}')")));
    words.push(format!("--response <(echo '{}')", request.answer));
    notes.extend(request.stored.iter().map(|(path, value)| format!("stored at {path}: {value}")));
    format!("{}\n# {}", words.join(" "), notes.join("; "))
}

/// All of a case, for whoever has to find out why.
pub fn tell(policy: &Value, request: &Value) -> String {
    let typed: Request = serde_json::from_value(request.clone()).unwrap();
    let _: Policy = serde_json::from_value(policy.clone()).unwrap();
    format!("{}\n{}", yaml(policy), command(&typed))
}
