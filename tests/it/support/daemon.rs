//! A process under test's control: its directory, its log, its signals, its end.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::thread;

use super::scratch::Scratch;
use super::{becomes_true, patience, program, seconds, spawner, wait_until};

/// How a process is started, again at each restart.
#[derive(Debug)]
pub struct Launch {
    pub name: String,
    pub program: OsString,
    pub args: Vec<OsString>,
    pub env: Vec<(String, String)>,
    /// Variables it must not inherit.
    pub env_remove: Vec<String>,
    /// The network namespace to start it in.
    pub netns: Option<String>,
    /// Ask with SIGTERM on drop; without, the process is killed, which is quicker.
    pub gentle: bool,
}

impl Launch {
    pub fn new(name: &str, program: impl Into<OsString>) -> Self {
        Self {
            name: name.to_owned(),
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            env_remove: Vec::new(),
            netns: None,
            gentle: false,
        }
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    pub fn netns(mut self, netns: Option<&str>) -> Self {
        self.netns = netns.map(str::to_owned);
        self
    }

    fn spawn(&self, log: &Path) -> Child {
        let output = File::options()
            .create(true)
            .append(true)
            .open(log)
            .expect("a log file");
        let mut command = spawner::mortal(&self.program, self.netns.as_deref());
        for name in &self.env_remove {
            command.env_remove(name);
        }
        command
            .args(&self.args)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stderr(output.try_clone().unwrap())
            .stdout(output);
        spawner::spawn(command).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }
}

/// A running process. All methods take `&self`, so fixtures can be shared between threads.
#[derive(Debug)]
pub struct Daemon {
    launch: Launch,
    child: Mutex<Child>,
    dir: Scratch,
}

impl Daemon {
    /// Starts it with a new directory.
    pub fn start(launch: Launch) -> Self {
        let dir = Scratch::new(&launch.name);
        Self::start_in(dir, launch)
    }

    /// Starts it with a directory that is already furnished.
    pub fn start_in(dir: Scratch, launch: Launch) -> Self {
        let child = Mutex::new(launch.spawn(&dir.join("log")));
        Self { launch, child, dir }
    }

    pub fn name(&self) -> &str {
        &self.launch.name
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn log_path(&self) -> PathBuf {
        self.dir.join("log")
    }

    /// All that it has written to stdout and stderr, over restarts.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.log_path()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub fn pid(&self) -> u32 {
        self.child().id()
    }

    pub fn is_running(&self) -> bool {
        self.exit_status().is_none()
    }

    /// How it ended, if it has.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.child().try_wait().expect("its state is known")
    }

    /// SIGKILL, and gone when this returns.
    pub fn kill(&self) {
        let mut child = self.child();
        let _ = child.kill();
        let _ = child.wait();
    }

    /// SIGSTOP: the kernel still accepts connections for it, nothing answers them.
    pub fn stop(&self) {
        self.signal("STOP");
        let what = format!("{} stops", self.name());
        wait_until(&what, seconds(5), || self.state() == Some('T'));
    }

    /// SIGCONT.
    pub fn cont(&self) {
        self.signal("CONT");
        let what = format!("{} continues", self.name());
        wait_until(&what, seconds(5), || self.state() != Some('T'));
    }

    /// SIGTERM, and gone when this returns: after five seconds by SIGKILL.
    pub fn terminate(&self) {
        self.signal("CONT");
        self.signal("TERM");
        if !becomes_true(patience(seconds(5)), || !self.is_running()) {
            self.kill();
        }
    }

    /// Sends a signal by name, without `SIG`; to a process that has ended, nothing.
    pub fn signal(&self, name: &str) {
        let mut child = self.child();
        if child.try_wait().expect("its state is known").is_none() {
            signal_pid(child.id(), name);
        }
    }

    /// Starts it again as it was started, in the same directory; kills it first if it runs.
    pub fn restart(&self) {
        self.kill();
        *self.child() = self.launch.spawn(&self.log_path());
    }

    /// Waits until `ready`; fails at once, with the log's end, when the process ends before.
    #[track_caller]
    pub fn wait_until_ready(&self, mut ready: impl FnMut() -> bool) {
        let limit = patience(seconds(60));
        let good = becomes_true(limit, || ready() || !self.is_running()) && self.is_running();
        assert!(good, "{} did not start:\n{}", self.name(), self.log_tail());
    }

    /// The last lines of the log.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// The process state of /proc: `T` is stopped.
    fn state(&self) -> Option<char> {
        state_of(self.pid())
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!(
                "--- the log of {} ends:\n{}\n---",
                self.name(),
                self.log_tail()
            );
        }
        if self.launch.gentle {
            self.terminate();
        }
        self.kill();
    }
}

/// The process state of /proc; none when the process is gone.
pub fn state_of(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

/// Sends a signal to a process that the caller started.
pub fn signal_pid(pid: u32, name: &str) {
    let sent = Command::new(program("sh"))
        .arg("-c")
        .arg(format!("kill -s {name} {pid}"))
        .status();
    assert!(
        sent.is_ok_and(|status| status.success()),
        "signal {name} to {pid}"
    );
}
