//! What a caller sees and may send of the sample document.

use super::*;

/// At these pointers, objects of this type, seen by these roles.
pub struct Limit<'a> {
    of: &'a str,
    pub pointers: Vec<&'a str>,
    roles: Vec<&'a Role>,
}

/// What limits bodies where these grants allow the request.
pub fn limit<'a>(
    policy: &'a Policy,
    held: &[(&'a Role, &'a str, char)],
    path: &str,
) -> Result<Vec<Limit<'a>>, Reason> {
    let roles: Vec<&Role> = held.iter().map(|(role, ..)| *role).collect();
    let limited_by_all = |of: &&Type| {
        roles.iter().all(|role| role.schemas.iter().any(|id| schema(policy, id).of == of.id))
    };
    let limited: Vec<&Type> = policy.types.iter().filter(limited_by_all).collect();
    let mut limits = Vec::new();
    for of in &limited {
        let here: Vec<_> = of.at.iter().filter(|(at, _)| matches(at, path)).collect();
        let best = here.iter().map(|(at, _)| kinds(at)).min();
        let best = here.iter().filter(|(at, _)| Some(kinds(at)) == best);
        let pointers: Vec<&str> = best.map(|(_, pointer)| pointer.as_str()).collect();
        if !pointers.is_empty() {
            limits.push(Limit { of: &of.id, pointers, roles: roles.clone() });
        }
    }
    let near = |of: &&&Type| {
        !of.elsewhere_pass
            && of.at.iter().any(|(at, _)| held.iter().any(|(_, grant, _)| unify(at, grant)))
    };
    if limits.is_empty() && limited.iter().any(|of| near(&of)) {
        return Err(Reason::Unmapped);
    }
    Ok(limits)
}

fn schema<'a>(policy: &'a Policy, id: &str) -> &'a Schema {
    policy.schemas.iter().find(|schema| schema.id == id).unwrap()
}

impl Limit<'_> {
    /// Whether a field passes: under one contributing role, all of that role's schemas of the type
    /// must let it.
    fn passes(&self, policy: &Policy, field: &str, write: bool) -> bool {
        self.roles.iter().any(|role| {
            let schemas = role.schemas.iter().map(|id| schema(policy, id));
            schemas.filter(|schema| schema.of == self.of).all(|schema| {
                match schema.fields.iter().find(|(name, _)| name == field) {
                    None => schema.open,
                    Some((_, Field::Shown)) => true,
                    Some((_, Field::Hidden)) => false,
                    Some((_, Field::ReadOnly)) => !write,
                    Some((_, Field::WriteOnly)) => write,
                }
            })
        })
    }

    /// Objects alone pass at a place whose schemas all speak of objects.
    pub fn limits_something(&self, policy: &Policy) -> bool {
        let schemas = self.roles.iter().flat_map(|role| &role.schemas);
        let mut of_type = schemas.map(|id| schema(policy, id)).filter(|s| s.of == self.of);
        of_type.next().is_some()
    }
}

/// The sample as the caller sees it. All places are in the sample, and all are objects there, so
/// its shape always fits.
pub fn seen(policy: &Policy, limits: &[Limit<'_>]) -> Option<Value> {
    let mut document = sample();
    for limit in limits {
        for pointer in &limit.pointers {
            for object in objects(&mut document, pointer) {
                if let Value::Object(members) = object {
                    members.retain(|name, _| limit.passes(policy, name, false));
                }
            }
        }
    }
    Some(document)
}

/// The objects at a place, in what is left of the document.
fn objects<'v>(document: &'v mut Value, pointer: &str) -> Vec<&'v mut Value> {
    match pointer {
        "" => vec![document],
        "/data/*" => match document.get_mut("data") {
            Some(Value::Array(items)) => items.iter_mut().collect(),
            _ => Vec::new(),
        },
        other => panic!("the reference does not know the pointer {other}"),
    }
}

pub fn unwritable(policy: &Policy, limits: &[Limit<'_>]) -> Vec<String> {
    let mut found = Vec::new();
    let mut document = sample();
    for limit in limits {
        for pointer in &limit.pointers {
            for (at, object) in objects(&mut document, pointer).into_iter().enumerate() {
                let place = pointer.replace('*', &at.to_string());
                for name in object.as_object().unwrap().keys() {
                    if !limit.passes(policy, name, true) {
                        found.push(format!("{place}/{name}"));
                    }
                }
            }
        }
    }
    found.sort();
    found.dedup();
    // A refused object is named once, not with all that is in it.
    let all = found.clone();
    found.retain(|pointer| !all.iter().any(|outer| pointer.starts_with(&format!("{outer}/"))));
    found
}
