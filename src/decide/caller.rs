//! Facts about the caller that conditions compare with.

use super::standing::{Subject, claim};
use crate::policy::condition::{Fact, Part, Value};
use crate::principal::{ClaimValue, Principal};
use std::sync::Arc;

/// A caller, and where it stands in what a request addresses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller<'a> {
    /// Nobody, on a route where no credential is evaluated.
    pub principal: Option<&'a Principal>,
    /// Nowhere, likewise.
    pub stands: Option<Subject<'a>>,
}

impl Caller<'_> {
    /// Whether a text is what one of these values says.
    pub fn is_one_of(&self, wanted: &[Value], text: &str) -> bool {
        wanted.iter().any(|value| {
            let mut is = false;
            self.each(value, &mut |known| is |= known == text);
            is
        })
    }

    /// Everything that these values say.
    pub fn list(&self, wanted: &[Value]) -> Box<[Arc<str>]> {
        let mut all = Vec::new();
        for value in wanted {
            self.each(value, &mut |known| all.push(Arc::from(known)));
        }
        all.into()
    }

    /// What a claim says: a text, or each of a list.
    pub fn claim(&self, name: &str, found: &mut dyn FnMut(&str)) {
        let Some(principal) = self.principal else { return };
        match principal.claims.get(name) {
            Some(ClaimValue::Text(text)) => found(text),
            Some(ClaimValue::List(list)) => list.iter().for_each(|text| found(text)),
            None if name == "roles" => {
                principal.roles.iter().flatten().for_each(|role| found(role));
            }
            None => claim(principal, name, name).into_iter().for_each(found),
        }
    }

    fn each(&self, value: &Value, found: &mut dyn FnMut(&str)) {
        match value {
            Value::Literal(text) => found(text),
            Value::Of(fact) => self.fact(fact, found),
            Value::Template(parts) => {
                if let Some(text) = self.text(parts) {
                    found(&text);
                }
            }
        }
    }

    /// `None` where one of the facts is absent, or is not one text.
    fn text(&self, parts: &[Part]) -> Option<String> {
        let mut text = String::new();
        for part in parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Of(fact) => {
                    let mut count = 0;
                    self.fact(fact, &mut |known| {
                        count += 1;
                        text.push_str(known);
                    });
                    (count == 1).then_some(())?;
                }
            }
        }
        Some(text)
    }

    fn fact(&self, fact: &Fact, found: &mut dyn FnMut(&str)) {
        if let Fact::Claim(name) = fact {
            return self.claim(name, found);
        }
        let Some(subject) = self.stands else { return };
        match fact {
            Fact::Id => found(subject.id()),
            Fact::Email => subject.email().into_iter().for_each(|email| found(email)),
            Fact::Org => subject.org().into_iter().for_each(found),
            Fact::App => subject.app().into_iter().for_each(found),
            Fact::Roles => subject.roles().for_each(|role| found(role)),
            Fact::Apps => subject.apps().into_iter().for_each(found),
            Fact::Orgs => subject.orgs().into_iter().for_each(found),
            Fact::VisibleRoles => subject.visible_roles().for_each(|role| found(role)),
            Fact::AssignableRoles => subject.assignable_roles().for_each(|role| found(role)),
            Fact::Claim(_) => {}
        }
    }
}
