//! nginx and HAProxy as they are installed, in front of an upstream, on free ports of loopback.

use crate::support::Upstream;
use crate::support::eventually;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A proxy of somebody else. Killed when dropped.
pub struct Peer {
    child: Child,
    pub version: String,
    /// HTTP/1.
    pub plain: SocketAddr,
    /// HTTP/2 without TLS.
    pub http2: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Peer {
    /// `None` where it is not installed.
    pub fn nginx(upstream: &Upstream) -> Option<Peer> {
        let version = version("nginx", "-v")?;
        let (folder, plain, http2) = (tempfile::tempdir().expect("a folder"), free(), free());
        let at = folder.path().display();
        let config = format!(
            "daemon off;\nmaster_process off;\npid {at}/pid;\nerror_log {at}/error.log;\n\
             events {{ worker_connections 256; }}\n\
             http {{\n access_log off;\n client_body_temp_path {at}/body;\n proxy_temp_path {at}/proxy;\n\
             fastcgi_temp_path {at}/f;\n uwsgi_temp_path {at}/u;\n scgi_temp_path {at}/s;\n\
             server {{\n listen {plain};\n listen {http2} http2;\n\
             location / {{ proxy_pass {};\n proxy_http_version 1.1; }}\n }}\n}}\n",
            upstream.url()
        );
        let mut command = Command::new("nginx");
        command.arg("-p").arg(folder.path()).arg("-c").arg(write(folder.path(), &config));
        Some(Peer::start(command, version, plain, http2, folder))
    }

    /// `None` where it is not installed.
    pub fn haproxy(upstream: &Upstream) -> Option<Peer> {
        let version = version("haproxy", "-v")?;
        let (folder, plain, http2) = (tempfile::tempdir().expect("a folder"), free(), free());
        let config = format!(
            "global\n maxconn 256\ndefaults\n mode http\n timeout client 2s\n timeout server 2s\n \
             timeout connect 2s\n timeout http-request 2s\nfrontend f\n bind {plain}\n \
             bind {http2} proto h2\n default_backend b\nbackend b\n server s {}\n",
            upstream.address()
        );
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(write(folder.path(), &config));
        Some(Peer::start(command, version, plain, http2, folder))
    }

    fn start(
        mut command: Command,
        version: String,
        plain: SocketAddr,
        http2: SocketAddr,
        folder: tempfile::TempDir,
    ) -> Peer {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("start a proxy");
        let peer = Peer { child, version, plain, http2, _folder: folder };
        for address in [peer.plain, peer.http2] {
            eventually(|| TcpStream::connect(address).map(drop));
        }
        peer
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The first number in what it says of itself.
fn version(program: &str, flag: &str) -> Option<String> {
    let said = Command::new(program).arg(flag).output().ok()?;
    let said = [said.stdout, said.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let begin = said.find(|c: char| c.is_ascii_digit())?;
    let number = said[begin..].split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
    Some(format!("{program} {number}"))
}

fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

fn write(folder: &Path, config: &str) -> std::path::PathBuf {
    let path = folder.join("config");
    std::fs::write(&path, config).expect("a file");
    path
}
