//! The command line: one file per command. Only this part of the program prints.
//!
//! Exit status: 0 yes or done; 1 a negative finding (a policy with errors); 2 wrong usage, or
//! something that a command needs does not load.

mod check;
mod completions;
mod demo;
mod explain;
mod filter;
mod health;
mod key;
mod passed;
mod run;
mod schema;
mod token;
mod who;

use crate::diag::{Report, human};
use crate::source::Sources;
use clap::{Parser, Subcommand};
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

/// A reverse proxy that enforces who may do what, and who may see which field, in front of
/// application APIs.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Demo(demo::Args),
    Check(check::Args),
    Explain(Box<explain::Args>),
    Filter(Box<filter::Args>),
    Health(health::Args),
    Key(key::Args),
    Schema(schema::Args),
    Token(token::Args),
    Completions(completions::Args),
}

impl Cli {
    /// Carries out what was asked and says how it went.
    pub fn dispatch(self) -> ExitCode {
        match self.command {
            Command::Run(args) => run::run(&args),
            Command::Demo(args) => demo::run(&args),
            Command::Check(args) => check::run(&args),
            Command::Explain(args) => explain::run(&args),
            Command::Filter(args) => filter::run(&args),
            Command::Health(args) => health::run(&args),
            Command::Key(args) => key::run(&args),
            Command::Schema(args) => schema::run(&args),
            Command::Token(args) => token::run(&args),
            Command::Completions(args) => completions::run(&args),
        }
    }
}

/// A negative finding.
const FINDING: u8 = 1;

/// Wrong usage, or something that does not load.
const UNUSABLE: u8 = 2;

/// Writes a command's result. A reader that went away early (`| head`) is no failure.
fn print(text: &str, status: ExitCode) -> ExitCode {
    write(anstream::stdout().lock(), text.as_bytes(), status)
}

/// Writes a command's result that may be any bytes: nothing in it is taken for colour.
fn print_bytes(bytes: &[u8], status: ExitCode) -> ExitCode {
    write(std::io::stdout().lock(), bytes, status)
}

fn write(mut out: impl Write, bytes: &[u8], status: ExitCode) -> ExitCode {
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => complain(&error.to_string()),
        _ => status,
    }
}

/// Tells something beside a command's result, on standard error.
fn say(text: &str) {
    // Nothing is left to do where even this cannot be written.
    let _ = anstream::stderr().write_all(text.as_bytes());
}

/// Says why a command cannot be carried out.
fn complain(message: &str) -> ExitCode {
    // Nothing is left to do where even this cannot be written; the status tells it.
    let _ = writeln!(anstream::stderr(), "portcullis: {message}");
    ExitCode::from(UNUSABLE)
}

/// Shows what keeps a command from being carried out.
fn complain_of(report: &Report, sources: &Sources) -> ExitCode {
    let text = human::render(report, sources, true);
    let _ = anstream::stderr().write_all(text.as_bytes());
    ExitCode::from(UNUSABLE)
}
