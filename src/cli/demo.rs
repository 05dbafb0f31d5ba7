//! `portcullis demo`: a sample API, a policy and the proxy, ready to be tried.

use super::{complain, complain_of, print, run};
use crate::app::{App, StartError, url};
use crate::demo::{Kit, Running, SampleUpstream};
use crate::proxy::Handover;
use crate::settings::{Limits, Listen, ListenAddress, LogSink, Origins, Settings};
use std::process::ExitCode;
use std::time::SystemTime;

/// Start a sample API, a policy with three roles and the proxy between them, and print commands
/// to try. Ctrl-C ends it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  portcullis demo\n  portcullis demo --listen 127.0.0.1:8080")]
pub struct Args {
    /// Where the proxy listens; a free port of the loopback address where none is named.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: ListenAddress,
    /// Where health, metrics and the policy's state are shown.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    admin: ListenAddress,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let prepared = SampleUpstream::start().and_then(|upstream| {
        Ok((upstream, Kit::prepare(&std::env::temp_dir(), SystemTime::now())?))
    });
    let (upstream, kit) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return complain(&format!("the demo cannot be set up: {error}")),
    };
    let settings = match settings(args, &upstream, &kit) {
        Ok(settings) => settings,
        Err(message) => return complain(&message),
    };
    run::log_to_stderr();
    match App::start(settings, Handover::default(), run::warn) {
        Ok(app) => run::serve(app, |app| show(app, &upstream, &kit)),
        Err(StartError::Policy(failed)) => complain_of(&failed.report, &failed.sources),
        Err(error) => complain(&error.to_string()),
    }
}

fn settings(args: &Args, upstream: &SampleUpstream, kit: &Kit) -> Result<Settings, String> {
    let address = upstream.url().parse().map_err(|error| format!("the sample API: {error}"))?;
    Ok(Settings {
        allow_monitor: false,
        listen: vec![Listen::plain(args.listen.clone())],
        admin: Some(args.admin.clone()),
        upstream: Some(address),
        policy: kit.policy(),
        workers: 1,
        limits: Limits::default(),
        access_log: LogSink::Off,
        origins: Origins { admin: Some("`--admin`".to_owned()), ..Origins::default() },
    })
}

fn show(app: &App, upstream: &SampleUpstream, kit: &Kit) {
    let proxy = app.addresses().first().map(url).unwrap_or_default();
    let admin = app.admin_address().map(url).unwrap_or_default();
    let running = Running { proxy: &proxy, admin: &admin, upstream: &upstream.url() };
    // The commands are also there to be piped; a reader that went away ends nothing.
    let _ = print(&kit.banner(running), ExitCode::SUCCESS);
}
