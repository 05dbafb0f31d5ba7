//! `portcullis check`: every problem of a policy in one run.

use super::{FINDING, print};
use crate::control;
use crate::diag::{Report, human, json, sarif};
use crate::policy::resolve::Surroundings;
use crate::source::Sources;
use clap::ValueEnum;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Report every problem of a policy, with its place and what to write instead.
///
/// Exits 0 if the policy can be used, 1 if it cannot.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  portcullis check policy/\n  portcullis check --format sarif --deny warnings policy.yaml"
)]
pub struct Args {
    /// A policy file, or a folder of `*.yaml`, `*.yml` and `*.json`.
    policy: PathBuf,
    /// How to print what was found.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Count warnings as errors.
    #[arg(long, value_enum, value_name = "WHAT")]
    deny: Option<Deny>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people: the lines, underlined.
    Human,
    /// One JSON object.
    Json,
    /// SARIF 2.1.0, for code scanners.
    Sarif,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Deny {
    Warnings,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let (sources, report) = load(&args.policy);
    let denied = args.deny == Some(Deny::Warnings) && !report.is_empty();
    let ok = !report.has_errors() && !denied;
    let text = match args.format {
        Format::Human if report.is_empty() => format!("{}: no problems\n", args.policy.display()),
        Format::Human => human::render(&report, &sources, true),
        Format::Json => json::render(&report, &sources, ok),
        Format::Sarif => sarif::render(&report, &sources),
    };
    print(&text, if ok { ExitCode::SUCCESS } else { ExitCode::from(FINDING) })
}

/// The one place where this command loads a policy.
fn load(path: &Path) -> (Sources, Report) {
    match control::load::load(path, &Surroundings::default(), 1) {
        Ok(loaded) => (loaded.sources, loaded.report),
        Err(failed) => (failed.sources, failed.report),
    }
}
