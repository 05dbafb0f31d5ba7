//! Invitations: what can be checked before one is accepted, when all of it is checked again.

use super::Names;
use super::Resolved;
use super::members::Binder;
use super::people::app_names;
use super::reach;
use crate::diag::{Code, Diagnostic, Report};
use crate::policy::administration::{Invitation, InvitationStatus};
use crate::policy::people::AppId;
use crate::policy::raw::{Cardinality, Kind, RawInvitation, RawPolicy, Text};
use crate::policy::roleset::RoleId;
use crate::source::{Span, Spanned};
use std::collections::HashMap;
use std::sync::Arc;

/// The longest address of an invitation, in bytes: what mail can carry (RFC 5321).
pub const MAX_EMAIL: usize = 254;

pub(super) fn invitations(
    raw: &RawPolicy,
    resolved: &Resolved,
    report: &mut Report,
) -> Vec<Invitation> {
    let ids = raw.invitations.iter().map(|one| &one.id);
    Names::collect(raw, Kind::Invitation, ids, report);
    tokens_are_unique(raw, report);
    let orgs = raw.organizations.iter().flatten().map(|org| &org.id);
    let mut host = Host {
        raw,
        resolved,
        orgs: Names::again(raw, Kind::Organization, orgs),
        apps: app_names(raw),
        binder: Binder::new(raw, &resolved.roles),
        report,
    };
    raw.invitations.iter().filter_map(|typed| host.invitation(typed)).collect()
}

/// INVITE_SINGLE_USE: a token that two invitations accept could be used twice.
fn tokens_are_unique(raw: &RawPolicy, report: &mut Report) {
    let mut seen: HashMap<&str, Span> = HashMap::new();
    for hash in raw.invitations.iter().filter_map(|one| one.token_hash.as_ref()) {
        if let Some(first) = seen.insert(&hash.value, hash.span) {
            report.push(
                Diagnostic::error(
                    Code::InviteSingleUse,
                    hash.span,
                    "two invitations have this token",
                )
                .also(first, "the other one")
                .help("give each invitation a token of its own"),
            );
        }
    }
}

/// Reads invitations.
struct Host<'a> {
    raw: &'a RawPolicy,
    resolved: &'a Resolved,
    orgs: Names<'a>,
    apps: Names<'a>,
    binder: Binder<'a>,
    report: &'a mut Report,
}

impl Host<'_> {
    fn invitation(&mut self, typed: &RawInvitation) -> Option<Invitation> {
        let email = self.email(typed);
        let status = typed.status.map(|status| status.value).unwrap_or_default();
        self.ends(typed, status);
        let org = self.org(typed)?;
        let roles = self.roles(typed, org);
        let apps = typed.apps.iter().filter_map(|app| self.app(app, org)).collect();
        let text = |text: &Option<Text>| text.as_ref().map(|text| Arc::from(text.value.as_str()));
        Some(Invitation {
            id: typed.id.value.as_str().into(),
            org: org.and_then(|at| Some(self.resolved.orgs.as_deref()?.get(at)?.id.clone())),
            email: email?,
            roles,
            apps,
            status,
            expires: typed.expires.map(|time| time.value),
            token_hash: text(&typed.token_hash),
            invited_by: text(&typed.invited_by),
        })
    }

    /// INVITE_EMAIL
    fn email(&mut self, typed: &RawInvitation) -> Option<Arc<str>> {
        let Some(email) = &typed.email else {
            let message = format!("the invitation `{}` is for nobody", typed.id.value);
            self.report.push(
                Diagnostic::error(Code::InviteEmail, typed.id.span, message)
                    .help("add `email: USER@DOMAIN`"),
            );
            return None;
        };
        if !is_address(&email.value) {
            let message = format!("`{}` is no e-mail address", email.value.escape_debug());
            self.report.push(
                Diagnostic::error(Code::InviteEmail, email.span, message)
                    .help(format!("write USER@DOMAIN, in {MAX_EMAIL} bytes at most")),
            );
        }
        Some(email.value.as_str().into())
    }

    /// INVITE_EXPIRES: one that can be accepted ends at some time.
    fn ends(&mut self, typed: &RawInvitation, status: InvitationStatus) {
        if status == InvitationStatus::Pending && typed.expires.is_none() {
            let message = format!("the invitation `{}` is pending for ever", typed.id.value);
            self.report.push(
                Diagnostic::error(Code::InviteExpires, typed.id.span, message)
                    .help("add `expires`, a time in UTC: `2027-01-01T00:00:00Z`"),
            );
        }
    }

    /// The index of the organization, `None` for the implicit one.
    fn org(&mut self, typed: &RawInvitation) -> Option<Option<usize>> {
        match &typed.org {
            Some(org) => self.orgs.find(org, self.report).map(Some),
            None if self.resolved.implicit_org => Some(None),
            None => {
                let message = format!("`{}` invites to no organization", typed.id.value);
                self.report.push(
                    Diagnostic::error(Code::MissingKey, typed.id.span, message)
                        .help("add `org: ID`; only a policy without organizations omits it"),
                );
                None
            }
        }
    }

    /// ROLE_SCOPE, ROLE_CARDINALITY, ORG_ISOLATION
    fn roles(&mut self, typed: &RawInvitation, org: Option<usize>) -> Vec<RoleId> {
        let org = org.and_then(|at| self.resolved.orgs.as_deref()?.get(at));
        if org.is_none_or(|org| !org.operator) {
            reach::stays_home(&typed.roles, &self.binder, org.map(|org| &*org.id), self.report);
        }
        if let Some(Spanned { value: Cardinality::AtMost(most), span }) =
            self.raw.limits.org_roles_per_member
            && let Some(one_more) = typed.roles.get(most as usize)
        {
            let message = format!("a member has at most {most} of these roles");
            let problem = Diagnostic::error(Code::RoleCardinality, one_more.span, message);
            self.report
                .push(problem.also(span, "the limit").help("take roles out, or raise the limit"));
        }
        let bound = self.binder.bind_all(&typed.roles, false, self.report);
        bound.into_iter().map(|at| RoleId(at as u32)).collect()
    }

    /// APP_ASSIGNED: invitations go to applications of the account alone.
    fn app(&mut self, app: &Text, org: Option<usize>) -> Option<AppId> {
        let at = self.apps.find(app, self.report)?;
        let org = org.and_then(|at| self.resolved.orgs.as_deref()?.get(at));
        if let Some(org) = org.filter(|org| !org.apps.contains(&at))
            && !self.resolved.apps[at].everywhere
        {
            let message =
                format!("`{}` is not assigned to the organization `{}`", app.value, org.id);
            self.report.push(
                Diagnostic::error(Code::AppAssigned, app.span, message)
                    .help("add it to the organization's `apps`, or take it from the invitation"),
            );
        }
        Some(AppId(at as u32))
    }
}

/// Whether mail could be sent there: something before the last `@` and a domain after it, without
/// what would end the address in a header or a list of addresses.
fn is_address(text: &str) -> bool {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"@<>()[],;:\\\"".contains(c);
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    text.len() <= MAX_EMAIL
        && !local.is_empty()
        && text.chars().all(|c| c == '@' || plain(c))
        && !local.contains('@')
        && domain.split('.').all(|label| !label.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_two_sides_and_nothing_that_ends_it() {
        for good in ["neo@acme.test", "a+b.c@x", "jürgen@bücher.test", "o'neil@x.test"] {
            assert!(is_address(good), "{good}");
        }
        for bad in [
            "",
            "@",
            "neo",
            "neo@",
            "@acme.test",
            "a@b@c",
            "a b@c",
            "a@b.",
            "a@.b",
            "a@b..c",
            "<a@b>",
            "a@b,c@d",
            "a@b\r\nBcc: x",
            "a:b@c",
            "\"a\"@b",
        ] {
            assert!(!is_address(bad), "{bad}");
        }
    }

    #[test]
    fn an_address_has_a_longest_length() {
        let of = |length: usize| format!("{}@acme.test", "a".repeat(length - 10));
        let fits = [MAX_EMAIL - 1, MAX_EMAIL, MAX_EMAIL + 1].map(|length| is_address(&of(length)));
        assert_eq!(fits, [true, true, false]);
    }
}
