//! The product's binary as a process: in the background with its log, or to its end.
//! `CONFD_HAPROXY_BIN` names another binary to test than the one just built.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::daemon::{Daemon, Launch};
use super::scratch::Scratch;
use super::{becomes_true, patience, seconds, spawner, wait_until};

/// Variables of the tester's own shell that would change what is tested.
const FOREIGN: &[&str] = &[
    "CONSUL_HTTP_ADDR",
    "CONSUL_HTTP_TOKEN",
    "CONSUL_HTTP_TOKEN_FILE",
    "CONSUL_HTTP_SSL",
    "CONSUL_HTTP_SSL_VERIFY",
    "CONSUL_CACERT",
    "CONSUL_CLIENT_CERT",
    "CONSUL_CLIENT_KEY",
    "CONSUL_TLS_SERVER_NAME",
    "CONSUL_CAPATH",
    "CONFD_CLIENT_CAKEYS",
    "CONFD_CLIENT_CERT",
    "CONFD_CLIENT_KEY",
    "JOURNAL_STREAM",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "http_proxy",
    "https_proxy",
];

/// The binary under test.
pub fn binary() -> PathBuf {
    let other = std::env::var_os("CONFD_HAPROXY_BIN").map(PathBuf::from);
    other.unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_confd_haproxy")))
}

/// How the binary is to be run.
#[derive(Debug)]
pub struct CheckerBuilder {
    dir: Scratch,
    launch: Launch,
}

impl CheckerBuilder {
    /// The command's name comes first: `checkmysqlslave`, `confd`, `run`, `status` …
    pub fn new(command: &str) -> Self {
        Self::of(command, binary()).arg(command)
    }

    /// Another program, run in the same way.
    pub fn of(name: &str, program: impl Into<OsString>) -> Self {
        let mut launch = Launch::new(name, program);
        launch.env_remove = FOREIGN.iter().map(|name| (*name).to_owned()).collect();
        launch.gentle = true;
        Self {
            dir: Scratch::new(name),
            launch,
        }
    }

    /// Its directory, to which the files of `file` are relative.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.launch = self.launch.arg(arg);
        self
    }

    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.launch = self.launch.args(args);
        self
    }

    /// Writes the conf file and names it with `--conf`.
    pub fn conf(self, text: &str) -> Self {
        let path = self.dir.join("db.conf");
        self.file("db.conf", text).arg("--conf").arg(path)
    }

    /// Writes a file into its directory.
    pub fn file(self, name: &str, text: &str) -> Self {
        let path = self.dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        // It may hold a password, and the product warns if others can read that.
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.launch.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// On a host of a network of its own.
    pub fn netns(mut self, namespace: &str) -> Self {
        self.launch.netns = Some(namespace.to_owned());
        self
    }

    /// Starts it in the background.
    pub fn start(self) -> Checker {
        Checker {
            daemon: Daemon::start_in(self.dir, self.launch),
        }
    }

    /// Runs it to its end, which must come within the time; else it is killed and the test fails.
    #[track_caller]
    pub fn run_to_end(self, limit: Duration) -> Finished {
        let command = self.foreground_command();
        run(command, &self.dir, limit)
    }

    fn foreground_command(&self) -> Command {
        let mut command = spawner::mortal(&self.launch.program, self.launch.netns.as_deref());
        command.args(&self.launch.args);
        for name in &self.launch.env_remove {
            command.env_remove(name);
        }
        command.envs(self.launch.env.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// The binary, running.
#[derive(Debug)]
pub struct Checker {
    daemon: Daemon,
}

impl Checker {
    pub fn daemon(&self) -> &Daemon {
        &self.daemon
    }

    /// All that it wrote to stdout and stderr.
    pub fn log(&self) -> String {
        self.daemon.log()
    }

    pub fn lines(&self) -> Vec<String> {
        self.log().lines().map(str::to_owned).collect()
    }

    /// Waits until the log contains a text; a checker that ends before fails the test.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str) {
        self.wait_for_count(text, 1);
    }

    /// Waits until that many lines of the log contain a text.
    #[track_caller]
    pub fn wait_for_count(&self, text: &str, count: usize) {
        let ready = || self.count(text) >= count;
        let good = becomes_true(patience(seconds(20)), || {
            ready() || !self.daemon.is_running()
        });
        assert!(
            good && ready(),
            "{count} lines with {text:?} in:\n{}",
            self.daemon.log_tail()
        );
    }

    /// How many lines of the log contain a text.
    pub fn count(&self, text: &str) -> usize {
        self.log()
            .lines()
            .filter(|line| line.contains(text))
            .count()
    }

    /// Waits until it has ended by itself, and says with which code.
    #[track_caller]
    pub fn wait_for_end(&self) -> Option<i32> {
        wait_until("the checker ends", seconds(20), || {
            !self.daemon.is_running()
        });
        self.daemon.exit_status().and_then(|status| status.code())
    }
}

/// What a run to the end has left.
#[derive(Debug)]
pub struct Finished {
    /// None when a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs the binary with these words to its end, within ten seconds.
#[track_caller]
pub fn run_to_end(args: &[&str]) -> Finished {
    CheckerBuilder::of("direct", binary())
        .args(args)
        .run_to_end(seconds(10))
}

#[track_caller]
fn run(mut command: Command, dir: &Scratch, limit: Duration) -> Finished {
    let (out, err) = (dir.join("stdout"), dir.join("stderr"));
    command.stdin(Stdio::null());
    command
        .stdout(File::create(&out).unwrap())
        .stderr(File::create(&err).unwrap());
    let mut child = spawner::spawn(command).expect("the binary starts");
    let ended = becomes_true(patience(limit), || child.try_wait().unwrap().is_some());
    if !ended {
        let _ = child.kill();
    }
    let code = child.wait().unwrap().code();
    let read = |path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    let finished = Finished {
        code,
        stdout: read(out),
        stderr: read(err),
    };
    assert!(ended, "did not end within {limit:?}: {finished:?}");
    finished
}
