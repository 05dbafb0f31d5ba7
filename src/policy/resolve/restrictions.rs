//! Restrictions: named sets of denials that are attached to memberships and groups.

use super::Names;
use super::roles::{ResolvedGrant, rules};
use crate::diag::{Code, Diagnostic, Report};
use crate::policy::raw::{Kind, RawMember, RawPolicy, Text};
use std::sync::Arc;

/// A named set of denials.
#[derive(Clone, Debug)]
pub struct ResolvedRestriction {
    pub id: Arc<str>,
    pub deny: Vec<ResolvedGrant>,
    /// Attached to every member that is not primary and lists no restrictions.
    pub default: bool,
    /// Indices of the restrictions that must stand beside it.
    requires: Vec<usize>,
}

pub(super) fn restrictions(raw: &RawPolicy, report: &mut Report) -> Vec<ResolvedRestriction> {
    let ids = raw.restrictions.iter().map(|restriction| &restriction.id);
    let names = Names::collect(raw, Kind::Restriction, ids, report);
    for restriction in raw.restrictions.iter().filter(|restriction| restriction.default) {
        defaults_are_complete(raw, &names, &restriction.requires, &restriction.id, report);
    }
    raw.restrictions
        .iter()
        .map(|restriction| ResolvedRestriction {
            id: restriction.id.value.as_str().into(),
            deny: rules(&restriction.deny, &[], report),
            default: restriction.default,
            requires: restriction
                .requires
                .iter()
                .filter_map(|name| names.find(name, report))
                .collect(),
        })
        .collect()
}

/// Whoever lists nothing has the defaults alone, so what these require must be default as well.
fn defaults_are_complete(
    raw: &RawPolicy,
    names: &Names<'_>,
    requires: &[Text],
    id: &Text,
    report: &mut Report,
) {
    for name in requires {
        // One that is not defined is reported where all references are.
        let Some(at) = names.find(name, &mut Report::default()) else { continue };
        if raw.restrictions[at].default {
            continue;
        }
        let message =
            format!("`{}` is default, and `{}`, which it requires, is not", id.value, name.value);
        report.push(
            Diagnostic::error(Code::RestrictionRequires, name.span, message)
                .help("make both default, or neither"),
        );
    }
}

/// Attaches restrictions to memberships and groups.
pub(super) struct Restrictor<'a> {
    names: Names<'a>,
    restrictions: &'a [ResolvedRestriction],
}

impl<'a> Restrictor<'a> {
    pub fn new(raw: &'a RawPolicy, restrictions: &'a [ResolvedRestriction]) -> Restrictor<'a> {
        let ids = raw.restrictions.iter().map(|restriction| &restriction.id);
        Restrictor { names: Names::again(raw, Kind::Restriction, ids), restrictions }
    }

    /// A member's own restrictions: those that it lists; where it has no list, those that are
    /// default, unless it is the primary one.
    pub fn of(&self, typed: &RawMember, report: &mut Report) -> Vec<usize> {
        match &typed.restrictions {
            Some(names) => self.attach(names, report),
            None if typed.primary.is_some() => Vec::new(),
            None => defaults(self.restrictions).collect(),
        }
    }

    /// RESTRICTION_REQUIRES: a list stands by itself, because a group that would complete it can
    /// be left, or end.
    pub fn attach(&self, names: &[Text], report: &mut Report) -> Vec<usize> {
        let found: Vec<(usize, &Text)> =
            names.iter().filter_map(|name| Some((self.names.find(name, report)?, name))).collect();
        for (at, name) in &found {
            let has = |other: &usize| found.iter().any(|(at, _)| at == other);
            for missing in self.restrictions[*at].requires.iter().filter(|other| !has(other)) {
                let missing = &self.restrictions[*missing].id;
                let message = format!("`{}` requires `{missing}`, which is not here", name.value);
                report.push(
                    Diagnostic::error(Code::RestrictionRequires, name.span, message)
                        .help(format!("add `{missing}`, or take `{}` out", name.value)),
                );
            }
        }
        found.into_iter().map(|(at, _)| at).collect()
    }
}

/// The restrictions of whoever has no list.
pub fn defaults(restrictions: &[ResolvedRestriction]) -> impl Iterator<Item = usize> {
    let all = restrictions.iter().enumerate();
    all.filter(|(_, restriction)| restriction.default).map(|(at, _)| at)
}
