use clap::Parser;
use portcullis::cli::Cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    Cli::parse().dispatch()
}
