//! Monitor mode: what would be refused is told and let through. The settings must allow it, so that
//! no edit of a policy alone can take enforcement away.

use super::Surroundings;
use crate::diag::{Code, Diagnostic, Report};
use crate::policy::raw::{Mode, RawPolicy, RawRoute};
use crate::source::Spanned;

/// Judges the mode of the policy as a whole.
pub(super) fn policy(raw: &RawPolicy, around: &Surroundings, report: &mut Report) {
    judge(raw.mode, "this policy", around, report);
}

/// Whether a route is in monitor mode: by its own word, or else by the policy's.
pub(super) fn monitors(
    raw: &RawPolicy,
    route: &RawRoute,
    around: &Surroundings,
    report: &mut Report,
) -> bool {
    judge(route.mode, "this route", around, report);
    route.mode.or(raw.mode).is_some_and(|mode| mode.value == Mode::Monitor)
}

fn judge(mode: Option<Spanned<Mode>>, what: &str, around: &Surroundings, report: &mut Report) {
    let Some(mode) = mode.filter(|mode| mode.value == Mode::Monitor) else { return };
    report.push(match around.allow_monitor {
        Some(false) => {
            let message = format!("{what} is in monitor mode, and the settings do not allow it");
            Diagnostic::error(Code::Monitor, mode.span, message)
                .help("write `mode: enforce`, or `allow_monitor: true` in the settings")
        }
        Some(true) | None => {
            let message = format!("{what} refuses nothing to callers that it knows");
            Diagnostic::warning(Code::Monitor, mode.span, message)
                .help("write `mode: enforce` when the log shows what was expected")
        }
    });
}
