//! `portcullis health`: whether a running instance serves, for container health checks.

use super::{FINDING, complain, say};
use crate::settings::ListenAddress;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

/// Ask the admin listener of a running instance whether it is ready.
///
/// Exits 0 and says nothing if it is, 1 with one line if it is not.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  portcullis health\n  portcullis health --admin unix:/run/portcullis/admin.sock"
)]
pub struct Args {
    /// The admin listener's address.
    #[arg(long, value_name = "ADDR", env = "PORTCULLIS_ADMIN", default_value = "127.0.0.1:8081")]
    admin: ListenAddress,
}

/// How long connecting may take, and each read and write.
const PATIENCE: Duration = Duration::from_secs(1);

/// Bytes of an answer that are read: the status line stands at the front.
const MAX_ANSWER: u64 = 1024;

pub(super) fn run(args: &Args) -> ExitCode {
    match ask(&args.admin) {
        Ok(status) if status.starts_with("HTTP/1.1 200 ") => ExitCode::SUCCESS,
        Ok(status) if status.starts_with("HTTP/1.1 503 ") => finding("not ready"),
        Ok(_) => complain(&format!("`{}` does not answer like an admin listener", args.admin)),
        Err(error) => finding(&format!("`{}` does not answer: {error}", args.admin)),
    }
}

fn finding(message: &str) -> ExitCode {
    say(&format!("portcullis: {message}\n"));
    ExitCode::from(FINDING)
}

/// The first line of what `/readyz` answers.
fn ask(admin: &ListenAddress) -> io::Result<String> {
    match admin {
        ListenAddress::Tcp(address) => {
            let stream = TcpStream::connect_timeout(address, PATIENCE)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            exchange(stream)
        }
        ListenAddress::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            exchange(stream)
        }
    }
}

fn exchange(mut stream: impl Read + Write) -> io::Result<String> {
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer)?;
    let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
    Ok(String::from_utf8_lossy(line).into_owned())
}
