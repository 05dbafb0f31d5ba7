//! Presets: templates of roles. They are checked as roles are, beside the roles that they would join,
//! and stay what they are: no role, no grant, nothing that a decision reads.

use super::Names;
use super::roles::{self, ResolvedRole};
use super::{Resolved, administration, defaults, paths};
use crate::diag::{Code, Diagnostic, Report};
use crate::policy::administration::Preset;
use crate::policy::raw::{Kind, RawPolicy, RawPreset, RawRights, RawRole, Text};
use std::collections::{HashMap, HashSet};

/// Templates of all presets of a policy, counting for each preset also the roles that its templates
/// refer to.
pub const MAX_TEMPLATES: usize = 100_000;

pub(super) fn presets(raw: &RawPolicy, resolved: &Resolved, report: &mut Report) -> Vec<Preset> {
    Names::collect(raw, Kind::Preset, raw.presets.iter().map(|preset| &preset.id), report);
    let known = Known::of(&raw.roles);
    let mut left = MAX_TEMPLATES;
    for preset in &raw.presets {
        let room = Room { raw, known: &known, resolved };
        let all = room.furnish(preset);
        let Some(less) = left.checked_sub(all.len()) else {
            let message = format!("all presets together refer to more than {MAX_TEMPLATES} roles");
            report.push(
                Diagnostic::error(Code::TooLarge, preset.id.span, message)
                    .help("divide the policy, or let templates include fewer roles"),
            );
            break;
        };
        left = less;
        room.check(preset, &all, report);
    }
    let preset = |preset: &RawPreset| Preset {
        id: preset.id.value.as_str().into(),
        builtin: preset.builtin,
        roles: preset.roles.clone(),
    };
    raw.presets.iter().map(preset).collect()
}

/// What the templates of a preset would come into.
struct Room<'a> {
    raw: &'a RawPolicy,
    known: &'a Known<'a>,
    resolved: &'a Resolved,
}

impl Room<'_> {
    /// The templates, and after them what is needed of the policy's roles to judge them.
    fn furnish(&self, preset: &RawPreset) -> Vec<RawRole> {
        let mut all = preset.roles.clone();
        let mut here: HashSet<String> = all.iter().map(|role| role.id.value.clone()).collect();
        let mut bring = |names: &mut dyn Iterator<Item = &Text>, as_is: fn(&RawRole) -> RawRole| {
            let mut open: Vec<&str> = names.map(|name| name.value.as_str()).collect();
            while let Some(name) = open.pop() {
                // One that is not defined is told of by whoever looks for it.
                let Some(role) = self.known.by_id.get(name) else { continue };
                if here.insert(role.id.value.clone()) {
                    all.push(as_is(role));
                    open.extend(role.includes.iter().map(|name| name.value.as_str()));
                }
            }
        };
        bring(&mut self.raw.role_defaults.ceiling.iter(), with_grants);
        bring(&mut preset.roles.iter().flat_map(|role| &role.includes), name_alone);
        bring(&mut preset.roles.iter().flat_map(|role| role.rights.names()), name_alone);
        all
    }

    fn check(&self, preset: &RawPreset, all: &[RawRole], report: &mut Report) {
        let mut found = Report::default();
        let resolved =
            roles::these(self.raw, all, &self.resolved.schemas, &self.resolved.types, &mut found);
        administration::rights(self.raw, all, &resolved, &mut found);
        if let Some(ceiling) = &self.raw.role_defaults.ceiling {
            defaults::check_ceiling(self.raw, all, &resolved, ceiling, &mut found);
        }
        if !self.raw.may_exist(Kind::Route, "") {
            let templates: &[ResolvedRole] = &resolved[..preset.roles.len()];
            let grants = templates.iter().flat_map(|role| &role.grants);
            paths::name_hosts(&self.resolved.routes, grants.clone(), &mut found);
            paths::are_reachable(&self.resolved.routes, grants, &mut found);
        }
        for template in &preset.roles {
            self.is_free(template, &mut found);
        }
        // What the policy's roles have wrong has been told of them.
        let known = report.problems().to_vec();
        found
            .problems()
            .iter()
            .filter(|one| !known.contains(one))
            .for_each(|one| report.push(one.clone()));
    }

    /// BUILTIN_IMMUTABLE: a copy must not take the place of a built-in role, nor become one.
    /// ROLE_NAME_UNIQUE: nor show the name of another role.
    fn is_free(&self, template: &RawRole, report: &mut Report) {
        let reserved = self.known.by_id.get(template.id.value.as_str()).filter(|role| role.builtin);
        if template.builtin || reserved.is_some() {
            let message = match reserved {
                Some(_) => format!("`{}` is the id of a built-in role", template.id.value),
                None => {
                    format!("`{}` is a template, and a copy is not built in", template.id.value)
                }
            };
            let problem = Diagnostic::error(Code::BuiltinImmutable, template.id.span, message);
            report.push(match reserved {
                Some(role) => problem.also(role.id.span, "this one").help("give it another id"),
                None => problem.help("take `builtin` off the template"),
            });
        }
        let Some(name) = &template.name else { return };
        let called = self.known.called.get(name.value.as_str());
        let builtin = self.known.by_id.get(name.value.as_str()).filter(|role| role.builtin);
        let other = |role: &&&RawRole| role.id.value != template.id.value;
        if let Some(role) = called.filter(other).or(builtin.filter(other)) {
            let message = format!("the role `{}` goes by the name `{}`", role.id.value, name.value);
            report.push(
                Diagnostic::error(Code::RoleNameUnique, name.span, message)
                    .also(role.id.span, "this one")
                    .help("give the template another `name`"),
            );
        }
    }
}

/// The policy's roles.
struct Known<'a> {
    by_id: HashMap<&'a str, &'a RawRole>,
    /// By the name that people see.
    called: HashMap<&'a str, &'a RawRole>,
}

impl<'a> Known<'a> {
    fn of(roles: &'a [RawRole]) -> Known<'a> {
        let by_name = |role: &'a RawRole| Some((role.name.as_ref()?.value.as_str(), role));
        Known {
            by_id: roles.iter().map(|role| (role.id.value.as_str(), role)).collect(),
            called: roles.iter().filter_map(by_name).collect(),
        }
    }
}

/// A role as far as it matters what it includes.
fn name_alone(role: &RawRole) -> RawRole {
    RawRole { grants: Vec::new(), ..with_grants(role) }
}

/// A role as far as it matters what it grants.
fn with_grants(role: &RawRole) -> RawRole {
    RawRole {
        name: None,
        default: false,
        builtin: false,
        schemas: Vec::new(),
        rights: RawRights::default(),
        ..role.clone()
    }
}
