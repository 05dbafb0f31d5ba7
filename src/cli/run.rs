//! `portcullis run`: read the settings, then serve.

use super::{FINDING, complain, complain_of, passed, say};
use crate::app::{App, Ended, StartError};
use crate::control::files;
use crate::diag::{Report, human};
use crate::proxy::Handover;
use crate::settings::{self, Override, Settings, SettingsFile};
use crate::source::Sources;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// Serve: read the settings and the policy, listen, and enforce.
///
/// Every setting can also be given as an environment variable, such as PORTCULLIS_WORKERS or
/// PORTCULLIS_LIMITS_MAX_BODY. A flag wins over the environment, and that over the file.
#[derive(Debug, Default, clap::Args)]
#[command(
    after_help = "Example:\n  portcullis run --policy policy/ --upstream http://127.0.0.1:9000\n  PORTCULLIS_WORKERS=2 portcullis run --config config/portcullis.yaml"
)]
pub struct Args {
    /// The settings file. Where none is named, config/portcullis.yaml is read if it is there.
    #[arg(long, value_name = "FILE", env = "PORTCULLIS_CONFIG")]
    config: Option<PathBuf>,
    /// Where clients come in: an address and port, or unix:/path. May be given several times.
    #[arg(long, value_name = "ADDR")]
    listen: Vec<String>,
    /// Where health, metrics and the policy's state are shown: a loopback address, unix:/path, off.
    #[arg(long, value_name = "ADDR")]
    admin: Option<String>,
    /// The default upstream: http://host:port, https://host:port or unix:/path. May be given several
    /// times, once for each of its endpoints.
    #[arg(long, value_name = "URL")]
    upstream: Vec<String>,
    /// A policy file or a folder of them.
    #[arg(long, value_name = "PATH")]
    policy: Option<String>,
    /// Share the addresses with a process that has them already, until it ends: start the new one so,
    /// then send SIGTERM to the old one.
    #[arg(long)]
    beside: bool,
}

pub(super) fn run(args: &Args) -> ExitCode {
    match settings(args, environment()) {
        Ok(settings) => start(settings, args.beside),
        Err(status) => status,
    }
}

fn start(settings: Settings, beside: bool) -> ExitCode {
    // Before anything opens a file, or starts a thread that may read the environment.
    let handover = match passed::sockets() {
        Ok(passed) => Handover { passed, beside },
        Err(error) => return complain(&error.to_string()),
    };
    log_to_stderr();
    let origins = settings.origins.clone();
    match App::start(settings, handover, warn) {
        Ok(app) => serve(app, |app| {
            say(&format!("portcullis: {app}\n"));
            passed::tell_ready();
        }),
        Err(StartError::Policy(failed)) => {
            let status = complain_of(&failed.report, &failed.sources);
            if failed.sources.files().is_empty() {
                complain(&format!("the policy is looked for there, since {}", origins.of_policy()));
            }
            status
        }
        Err(error) => complain(&error.to_string()),
    }
}

/// Runs what was started, after telling that it is ready, to its end.
pub(super) fn serve(app: App, tell: impl FnOnce(&App)) -> ExitCode {
    match app.run(tell) {
        Ok(Ended::Asked) => ExitCode::SUCCESS,
        Ok(Ended::WorkerLost) => ExitCode::from(FINDING),
        Err(error) => complain(&error.to_string()),
    }
}

/// What happens to the process itself (start, reloads, errors) goes to standard error; `RUST_LOG`
/// chooses how much.
pub(super) fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let colour = std::io::stderr().is_terminal();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(colour);
    // Only a test that runs commands in its own process would find one set already.
    let _ = subscriber.try_init();
}

/// The policy works, but perhaps not as it was meant.
pub(super) fn warn(report: &Report, sources: &Sources) {
    if !report.is_empty() {
        say(&human::render(report, sources, true));
    }
}

/// The settings of this process, or the status after saying what is wrong with them.
fn settings(
    args: &Args,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Settings, ExitCode> {
    let file = settings_file(args.config.as_deref())?;
    let (mut overrides, mut report) = settings::from_environment(environment);
    overrides.extend(flags(args));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (sources, settings) = settings::read(file.as_ref(), &overrides, cores);
    match settings {
        Ok(settings) if report.is_empty() => return Ok(settings),
        Ok(_) => {}
        Err(others) => report.extend(others),
    }
    Err(complain_of(&report, &sources))
}

/// A file that is named must be there; the usual one need not.
fn settings_file(named: Option<&Path>) -> Result<Option<SettingsFile>, ExitCode> {
    let path = named.unwrap_or(Path::new(DEFAULT_FILE));
    if named.is_none() && !path.exists() {
        return Ok(None);
    }
    let text = files::read_text(path, MAX_SETTINGS_BYTES)
        .map_err(|problem| complain_of(&problem.into(), &Sources::default()))?;
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    Ok(Some(SettingsFile { name: path.display().to_string(), text, folder }))
}

fn flags(args: &Args) -> Vec<Override> {
    let several = |given: &[String]| (!given.is_empty()).then(|| given.join(","));
    [
        ("listen", several(&args.listen)),
        ("admin", args.admin.clone()),
        ("upstream", several(&args.upstream)),
        ("policy", args.policy.clone()),
    ]
    .into_iter()
    .filter_map(|(key, value)| {
        Some(Override { origin: format!("--{key}"), key: key.to_owned(), value: value? })
    })
    .collect()
}

/// Names and values that are not UTF-8 belong to someone else, or are refused for what they hold.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().map(|(name, value)| {
        (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
    })
}

const DEFAULT_FILE: &str = "config/portcullis.yaml";

/// Bytes of a settings file.
const MAX_SETTINGS_BYTES: usize = 1024 * 1024;
