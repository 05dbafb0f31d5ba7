//! `portcullis demo`: a sample API, a policy and the proxy, ready to be tried.

use std::process::ExitCode;

/// Start a sample API, a policy with three roles and the proxy between them, and print commands
/// to try. Ctrl-C ends it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  portcullis demo\n  portcullis demo --listen 127.0.0.1:8080")]
pub struct Args {
    /// Where the proxy listens; a free port where none is named.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: String,
}

pub(super) fn run(_args: &Args) -> ExitCode {
    ExitCode::from(2)
}
