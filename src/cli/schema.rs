//! `portcullis schema`: the policy language as JSON Schema.

use super::print;
use crate::policy::bind::language::json_schema;
use std::process::ExitCode;

/// Print the JSON Schema of the policy language, for editors.
///
/// It describes what this version enforces; `check` has the last word.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  portcullis schema > policy.schema.json")]
pub struct Args {}

pub(super) fn run(_: &Args) -> ExitCode {
    // Alternate form: indented, with a line for every member.
    print(&format!("{:#}\n", json_schema()), ExitCode::SUCCESS)
}
