//! Applications and organizations.

use super::members::Binder;
use super::reach;
use super::roles::ResolvedRole;
use super::{Names, Upstreams};
use crate::diag::{Code, Diagnostic, Report};
use crate::policy::raw::{Kind, RawAssignedApp, RawOrganization, RawPolicy};
use crate::policy::snapshot::UpstreamId;
use std::collections::HashMap;
use std::sync::Arc;

/// An application.
#[derive(Clone, Debug)]
pub struct ResolvedApp {
    pub id: Arc<str>,
    pub active: bool,
    /// Every user of an organization may enter it.
    pub auto_assign: bool,
    /// Every organization has it: it is `default` or `auto_assign`.
    pub everywhere: bool,
    /// The roles that act where an access lists none.
    pub default_roles: Vec<usize>,
    /// Where requests that address it go, unless their route names an upstream.
    pub upstream: Option<UpstreamId>,
}

/// An organization.
#[derive(Clone, Debug)]
pub struct ResolvedOrg {
    pub id: Arc<str>,
    pub active: bool,
    /// Indices of the applications that are assigned to it by name.
    pub apps: Vec<usize>,
    /// Those of them that every user of it may enter.
    pub auto_apps: Vec<usize>,
    /// Its roles may reach other organizations.
    pub operator: bool,
}

pub(super) fn apps(
    raw: &RawPolicy,
    upstreams: &Upstreams<'_>,
    report: &mut Report,
) -> Vec<ResolvedApp> {
    Names::collect(raw, Kind::Application, raw.applications.iter().map(|app| &app.id), report);
    one_default(raw, report);
    raw.applications
        .iter()
        .map(|app| ResolvedApp {
            id: app.id.value.as_str().into(),
            active: app.active,
            auto_assign: app.auto_assign,
            everywhere: app.auto_assign || app.default.is_some(),
            default_roles: Vec::new(),
            upstream: app.upstream.as_ref().and_then(|name| upstreams.find(name, report)),
        })
        .collect()
}

/// The ids of users that are suspended. Others need no mention: the authenticator knows them.
pub(super) fn suspended(raw: &RawPolicy, report: &mut Report) -> Vec<Arc<str>> {
    Names::collect(raw, Kind::User, raw.users.iter().map(|user| &user.id), report);
    let suspended = raw.users.iter().filter(|user| user.suspended);
    suspended.map(|user| user.id.value.as_str().into()).collect()
}

/// DEFAULT_APP_SINGLE
fn one_default(raw: &RawPolicy, report: &mut Report) {
    let mut defaults = raw.applications.iter().filter_map(|app| app.default);
    let Some(first) = defaults.next() else { return };
    for other in defaults {
        let message = "a policy has one default application, and this is another";
        report.push(
            Diagnostic::error(Code::DefaultAppSingle, other, message)
                .also(first, "the first one")
                .help("write `auto_assign: true`, or assign it to each organization"),
        );
    }
}

/// An application's `default_role`, or else the application roles that are `default`.
pub(super) fn default_roles(
    raw: &RawPolicy,
    mut apps: Vec<ResolvedApp>,
    roles: &[ResolvedRole],
    report: &mut Report,
) -> Vec<ResolvedApp> {
    let binder = Binder::new(raw, roles);
    let general: Vec<usize> =
        (0..roles.len()).filter(|at| roles[*at].app_scope && roles[*at].default).collect();
    for (app, typed) in apps.iter_mut().zip(&raw.applications) {
        app.default_roles = match &typed.default_role {
            Some(name) => binder.bind(name, true, report).into_iter().collect(),
            None => general.clone(),
        };
    }
    apps
}

pub(super) fn orgs(
    raw: &RawPolicy,
    apps: &[ResolvedApp],
    report: &mut Report,
) -> Option<Vec<ResolvedOrg>> {
    let typed = raw.organizations.as_ref()?;
    Names::collect(raw, Kind::Organization, typed.iter().map(|org| &org.id), report);
    reach::operators_are_few(typed, report);
    let app_names = app_names(raw);
    let org = |org: &RawOrganization| {
        each_once(org, report);
        let assigned: Vec<(usize, bool)> = org
            .apps
            .iter()
            .filter_map(|app| Some((assigned_app(app, &app_names, apps, report)?, app.auto_assign)))
            .collect();
        let auto = assigned.iter().filter(|(_, auto)| *auto);
        ResolvedOrg {
            id: org.id.value.as_str().into(),
            active: !org.suspended,
            operator: org.operator,
            auto_apps: auto.map(|(app, _)| *app).collect(),
            apps: assigned.iter().map(|(app, _)| *app).collect(),
        }
    };
    Some(typed.iter().map(org).collect())
}

/// An application that stands twice could say two things of `auto_assign`.
fn each_once(org: &RawOrganization, report: &mut Report) {
    let mut seen = HashMap::new();
    for app in &org.apps {
        let first = *seen.entry(app.id.value.as_str()).or_insert(app.id.span);
        if first != app.id.span {
            let message =
                format!("`{}` has the application `{}` twice", org.id.value, app.id.value);
            report.push(
                Diagnostic::error(Code::IdUnique, app.id.span, message)
                    .also(first, "first listed here")
                    .help("leave one of the two"),
            );
        }
    }
}

/// The index of an application that an organization lists. One that every organization has anyhow
/// is derived at each decision and never stored: APP_AUTO_DERIVED.
fn assigned_app(
    typed: &RawAssignedApp,
    names: &Names<'_>,
    apps: &[ResolvedApp],
    report: &mut Report,
) -> Option<usize> {
    let at = names.find(&typed.id, report)?;
    if apps.get(at)?.auto_assign {
        let message = format!("every organization has `{}`: it is `auto_assign`", typed.id.value);
        report.push(
            Diagnostic::error(Code::AppAutoDerived, typed.id.span, message)
                .help("leave it out here; nobody needs to store it"),
        );
    }
    Some(at)
}

pub(super) fn app_names(raw: &RawPolicy) -> Names<'_> {
    Names::again(raw, Kind::Application, raw.applications.iter().map(|app| &app.id))
}
