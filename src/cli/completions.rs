//! `portcullis completions`: what a shell needs to complete our command line.

use super::{Cli, print};
use clap::CommandFactory;
use clap_complete::Shell;
use std::process::ExitCode;

/// Print a script that completes commands and flags in a shell.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  portcullis completions bash > ~/.local/share/bash-completion/completions/portcullis"
)]
pub struct Args {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    print(&String::from_utf8_lossy(&script), ExitCode::SUCCESS)
}
