//! The real binary, started on free ports and watched through what it prints.

use super::{DEADLINE, TempPolicy, Upstream, client, eventually::within, wire::Response};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};

/// A running `portcullis run`. Killed when dropped.
#[derive(Debug)]
pub struct Proxy {
    child: Child,
    /// Where clients come in.
    pub address: SocketAddr,
    /// The admin listener.
    pub admin: Option<SocketAddr>,
    printed: Printed,
    _folder: tempfile::TempDir,
}

/// How to start one.
#[derive(Clone, Debug, Default)]
pub struct Start {
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    listens: bool,
    has_admin: bool,
    folder: Option<PathBuf>,
    passed: Option<Arc<OwnedFd>>,
}

/// The addresses of a ready line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    pub listen: SocketAddr,
    pub admin: Option<SocketAddr>,
}

type Printed = Arc<Mutex<Vec<String>>>;

impl Proxy {
    /// Starts on free ports with this upstream and policy, and waits until it is ready.
    #[track_caller]
    pub fn start(upstream: &Upstream, policy: &TempPolicy) -> Proxy {
        Start::new().upstream(upstream).policy(policy.path()).ready()
    }

    /// Everything that it has printed so far, standard output and error mixed, line by line.
    pub fn printed(&self) -> Vec<String> {
        self.printed.lock().unwrap().clone()
    }

    /// The JSON lines that it has printed so far; access log lines are those with a `method`.
    pub fn log(&self) -> Vec<serde_json::Value> {
        let lines = self.printed();
        lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Waits for a printed line that holds this text, and returns it.
    #[track_caller]
    pub fn wait_for_line(&self, text: &str) -> String {
        let find = || {
            let lines = self.printed();
            lines.iter().find(|line| line.contains(text)).cloned().ok_or(lines)
        };
        within(DEADLINE, find)
            .unwrap_or_else(|lines| panic!("`{text}` was not printed:\n{}", lines.join("\n")))
    }

    /// Asks the admin listener.
    #[track_caller]
    pub fn admin(&self, path: &str) -> Response {
        let admin = self.admin.expect("an admin listener");
        client::call(admin, "GET", path, &[("Host", &admin.to_string())])
    }

    /// What `/policy` on the admin listener says.
    #[track_caller]
    pub fn policy(&self) -> serde_json::Value {
        self.admin("/policy").json()
    }

    /// The number that `/metrics` gives for this name, with its labels if it has some.
    #[track_caller]
    pub fn metric(&self, name: &str) -> u64 {
        let text = self.admin("/metrics").text().to_owned();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().expect("a number")
    }

    /// Waits until a policy of this generation or a later one is live, and returns `/policy`.
    #[track_caller]
    pub fn wait_for_generation(&self, generation: u64) -> serde_json::Value {
        let ask = || {
            let policy = self.policy();
            match policy["generation"].as_u64() {
                Some(live) if live >= generation => Ok(policy),
                _ => Err(policy),
            }
        };
        within(DEADLINE, ask).unwrap_or_else(|policy| {
            panic!("generation {generation} is not live: {policy}\n{}", self.printed().join("\n"))
        })
    }

    /// Sends SIGTERM, to this process alone.
    pub fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("a process to signal");
    }

    /// Waits until it has ended by itself.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let printed = self.printed.clone();
        within(DEADLINE, || self.child.try_wait().expect("wait").ok_or(()))
            .unwrap_or_else(|()| panic!("it does not end:\n{}", printed.lock().unwrap().join("\n")))
    }

    /// Sends SIGTERM and waits for the end.
    #[track_caller]
    pub fn stop(&mut self) -> ExitStatus {
        self.terminate();
        self.wait()
    }

    /// Its process id, for reading what the system says of it.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Proxy {
    #[allow(clippy::print_stderr, reason = "beside the panic of a test, where it is looked for")]
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the proxy printed:\n{}", self.printed().join("\n"));
        }
    }
}

impl Start {
    /// Free ports on loopback, nothing else.
    pub fn new() -> Start {
        Start::default()
    }

    /// `--upstream`
    #[must_use]
    pub fn upstream(self, upstream: &Upstream) -> Start {
        self.arguments(["--upstream", &upstream.url()])
    }

    /// `--policy`
    #[must_use]
    pub fn policy(self, path: &Path) -> Start {
        self.arguments([OsStr::new("--policy"), path.as_os_str()])
    }

    /// `--listen`; a free port on loopback where it is not called.
    #[must_use]
    pub fn listen(mut self, address: &str) -> Start {
        self.listens = true;
        self.arguments(["--listen", address])
    }

    /// `--config`, a file that says where to listen.
    #[must_use]
    pub fn config(mut self, file: &Path) -> Start {
        self.listens = true;
        self.arguments([OsStr::new("--config"), file.as_os_str()])
    }

    /// `--admin`; a free port on loopback where it is not called.
    #[must_use]
    pub fn admin(mut self, address: &str) -> Start {
        self.has_admin = true;
        self.arguments(["--admin", address])
    }

    /// More arguments of `run`.
    #[must_use]
    pub fn arguments<T: AsRef<OsStr>>(mut self, more: impl IntoIterator<Item = T>) -> Start {
        self.arguments.extend(more.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// An environment variable. Nothing named `PORTCULLIS_…` is inherited.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Start {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// The folder to start in; an empty one where it is not called.
    #[must_use]
    pub fn folder(mut self, folder: &Path) -> Start {
        self.folder = Some(folder.to_owned());
        self
    }

    /// With a listening socket that is handed over as systemd does it, by the name `web`.
    #[must_use]
    pub fn passed(self, listener: &TcpListener) -> Start {
        let address = listener.local_addr().expect("an address");
        self.passed_alone(listener).listen(&address.to_string())
    }

    /// The same, where it may be that nobody listens there.
    #[must_use]
    pub fn passed_alone(mut self, listener: &TcpListener) -> Start {
        let socket = listener.try_clone().expect("a second handle");
        self.passed = Some(Arc::new(socket.into()));
        self
    }

    /// Starts and waits for the ready line.
    #[track_caller]
    pub fn ready(self) -> Proxy {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut command = self.listening().command(folder.path());
        let mut child = command.spawn().expect("start the binary");
        let printed = Printed::default();
        collect(child.stdout.take().expect("a pipe"), &printed);
        collect(child.stderr.take().expect("a pipe"), &printed);
        let any_address = SocketAddr::from(([127, 0, 0, 1], 0));
        // From here on a panic ends the process, too.
        let mut proxy =
            Proxy { child, address: any_address, admin: None, printed, _folder: folder };
        let ready = proxy.wait_until_ready();
        (proxy.address, proxy.admin) = (ready.listen, ready.admin);
        proxy
    }

    /// Runs `run` to an end that is expected to come by itself: a bad policy, a port in use.
    #[track_caller]
    pub fn output(self) -> Output {
        let folder = tempfile::tempdir().expect("a temporary folder");
        run_to_end(self.listening().command(folder.path()))
    }

    fn listening(mut self) -> Start {
        if !self.listens {
            self = self.listen("127.0.0.1:0");
        }
        if !self.has_admin {
            self = self.admin("127.0.0.1:0");
        }
        self
    }

    fn command(&self, folder: &Path) -> Command {
        let mut command = match &self.passed {
            Some(socket) => binary_with(socket),
            None => binary(),
        };
        command
            .arg("run")
            .args(&self.arguments)
            .envs(self.environment.iter().cloned())
            .current_dir(self.folder.as_deref().unwrap_or(folder));
        command
    }
}

impl Proxy {
    #[track_caller]
    fn wait_until_ready(&mut self) -> Ready {
        let mut ended = None;
        let ready = within(DEADLINE, || {
            let ready = self.printed().iter().find_map(|line| ready_line(line));
            ended = self.child.try_wait().expect("wait");
            // What it printed before it ended is read a moment after: ask once more.
            ready.map(Ok).or(ended.map(Err)).ok_or(())
        });
        match ready {
            Ok(Ok(ready)) => ready,
            Ok(Err(status)) => panic!("it ended with {status}:\n{}", self.printed().join("\n")),
            Err(()) => panic!("no ready line:\n{}", self.printed().join("\n")),
        }
    }
}

/// Runs another command of the binary (`check`, `explain`…) in a folder, to its end.
#[track_caller]
pub fn run_in<T: AsRef<OsStr>>(folder: &Path, arguments: impl IntoIterator<Item = T>) -> Output {
    let mut command = binary();
    command.args(arguments).current_dir(folder);
    run_to_end(command)
}

/// The same, with this on its standard input.
#[track_caller]
pub fn run_with<T: AsRef<OsStr>>(
    folder: &Path,
    arguments: impl IntoIterator<Item = T>,
    input: impl Into<Vec<u8>>,
) -> Output {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let mut command = binary();
    command.args(arguments).current_dir(folder).stdin(reader);
    let input = input.into();
    // Whoever does not read to the end closes its side, and that is no failure of the test.
    let writing = std::thread::spawn(move || drop(writer.write_all(&input)));
    let output = run_to_end(command);
    writing.join().expect("what writes");
    output
}

/// Reads the addresses out of `portcullis: listening on A, admin on B, …`. Knows no more of that
/// line than the two phrases, and that an address ends at a comma or a space.
pub fn ready_line(line: &str) -> Option<Ready> {
    let after = |phrase: &str| {
        let rest = &line[line.find(phrase)? + phrase.len()..];
        let rest = rest.trim_start().trim_start_matches("http://").trim_start_matches("https://");
        rest.split([',', ' ', ';', '/', '"', ')']).next()?.parse().ok()
    };
    Some(Ready { listen: after("listening on ")?, admin: after("admin on ") })
}

fn binary() -> Command {
    clean(Command::new(env!("CARGO_BIN_EXE_portcullis")))
}

/// The binary with this socket as its third file descriptor. A shell moves it there, becomes the
/// binary, and knows by then which process that is.
fn binary_with(socket: &OwnedFd) -> Command {
    let mut command = Command::new("sh");
    let script = "exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_FDNAMES=web LISTEN_PID=$$; \
                  exec \"$0\" \"$@\"";
    command.args(["-c", script, env!("CARGO_BIN_EXE_portcullis")]);
    let mut command = clean(command);
    command.stdin(socket.try_clone().expect("a second handle"));
    command
}

fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PORTCULLIS_") {
            command.env_remove(name);
        }
    }
    command.env("NO_COLOR", "1");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Waits with a deadline, reading both pipes meanwhile so that a full one cannot block the end.
#[track_caller]
fn run_to_end(mut command: Command) -> Output {
    let mut child = command.spawn().expect("start the binary");
    let stdout = drain(child.stdout.take().expect("a pipe"));
    let stderr = drain(child.stderr.take().expect("a pipe"));
    let ended = within(DEADLINE, || child.try_wait().expect("wait").ok_or(()));
    if ended.is_err() {
        child.kill().expect("kill what does not end");
    }
    let (stdout, stderr) = (stdout.join().expect("a reader"), stderr.join().expect("a reader"));
    let Ok(status) = ended else {
        child.wait().expect("reap it");
        panic!("it does not end: {}{}", stdout.escape_ascii(), stderr.escape_ascii());
    };
    Output { status, stdout, stderr }
}

fn drain(mut pipe: impl Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("read a pipe");
        bytes
    })
}

fn collect(pipe: impl Read + Send + 'static, printed: &Printed) {
    let printed = printed.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            printed.lock().unwrap().push(String::from_utf8_lossy(&line).into_owned());
        }
    });
}

#[test]
fn a_ready_line_is_read_for_its_addresses() {
    let address = |text: &str| text.parse().unwrap();
    let line = "portcullis: listening on 127.0.0.1:40123, admin on 127.0.0.1:40124, policy \
                generation 1 (policy.yaml), upstream http://127.0.0.1:9000";
    let ready = ready_line(line).unwrap();
    assert_eq!(ready.listen, address("127.0.0.1:40123"));
    assert_eq!(ready.admin, Some(address("127.0.0.1:40124")));
    let without = ready_line("portcullis: listening on http://[::1]:8080, policy generation 1");
    assert_eq!(without, Some(Ready { listen: address("[::1]:8080"), admin: None }));
    assert_eq!(ready_line("portcullis: `listen`: the address is in use"), None);
}
