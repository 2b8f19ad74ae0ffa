//! An HAProxy with a master and a worker process, and a stats socket in its own directory.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::daemon::{self, Daemon, Launch};
use super::scratch::{self, Scratch};
use super::{becomes_true, program, seconds, wait_until};

/// How long HAProxy may take to hear a signal.
const MOMENT: Duration = Duration::from_millis(300);

/// A running HAProxy.
#[derive(Debug)]
pub struct HaProxy {
    daemon: Daemon,
    level: &'static str,
    /// The process that serves.
    worker: AtomicU32,
}

impl HaProxy {
    /// With these sections, after a global and a defaults section.
    pub fn start(sections: &str) -> Self {
        Self::start_with_level("admin", sections)
    }

    /// On a host of a network of its own, where one is named.
    pub fn start_in(netns: Option<&str>, sections: &str) -> Self {
        Self::launch(netns, "admin", sections)
    }

    /// With a stats socket of this level: `admin`, `operator` or `user`.
    pub fn start_with_level(level: &'static str, sections: &str) -> Self {
        Self::launch(None, level, sections)
    }

    fn launch(netns: Option<&str>, level: &'static str, sections: &str) -> Self {
        let dir = Scratch::new("haproxy");
        let file = dir.join("haproxy.cfg");
        let text = config(
            &dir.join("stats.sock").display().to_string(),
            level,
            sections,
        );
        fs::write(&file, text).unwrap();
        let mut launch = Launch::new("haproxy", program("haproxy"))
            .args(["-W", "-db", "-f"])
            .arg(&file)
            .netns(netns);
        // The master takes the worker with it.
        launch.gentle = true;
        let haproxy = Self {
            daemon: Daemon::start_in(dir, launch),
            level,
            worker: AtomicU32::new(0),
        };
        haproxy.wait_until_it_answers();
        haproxy
    }

    pub fn daemon(&self) -> &Daemon {
        &self.daemon
    }

    /// The path of the stats socket.
    pub fn socket(&self) -> String {
        self.daemon.dir().join("stats.sock").display().to_string()
    }

    /// Its configuration file.
    pub fn config_path(&self) -> PathBuf {
        self.daemon.dir().join("haproxy.cfg")
    }

    /// The text of its configuration file.
    pub fn config(&self) -> String {
        fs::read_to_string(self.config_path()).unwrap()
    }

    /// Writes other sections into the configuration file, which a reload then takes.
    pub fn write(&self, sections: &str) {
        let text = config(&self.socket(), self.level, sections);
        fs::write(self.config_path(), text).unwrap();
    }

    /// SIGUSR2 to the master, and only the new worker answers when this returns. HAProxy loses a
    /// signal that comes within some milliseconds of its start, so it is sent until it is heard.
    #[track_caller]
    pub fn reload(&self) {
        let before = self.answering_worker();
        // The second is what it said before 2.5.
        let words = ["Reloading HAProxy", "Reexecuting Master process"];
        let heard = |log: String| words.map(|w| log.matches(w).count()).iter().sum::<usize>();
        let earlier = heard(self.daemon.log());
        wait_until("haproxy hears the signal", seconds(10), || {
            self.daemon.signal("USR2");
            becomes_true(MOMENT, || heard(self.daemon.log()) > earlier)
        });
        wait_until("a new worker answers", seconds(10), || {
            let now = self.answering_worker();
            now.is_some() && now != before
        });
        self.remember_worker();
    }

    /// Sends a line to the stats socket and returns the answer; empty if nobody answers.
    pub fn ask(&self, line: &str) -> String {
        let mut answer = Vec::new();
        if let Ok(mut stream) = UnixStream::connect(self.socket()) {
            let _ = stream.write_all(format!("{line}\n").as_bytes());
            let _ = stream.read_to_end(&mut answer);
        }
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// SIGSTOP to the worker: the kernel still accepts for it.
    pub fn stop(&self) {
        self.find_worker();
        self.signal_worker("STOP");
        wait_until("the worker stops", seconds(5), || {
            daemon::state_of(self.worker()) == Some('T')
        });
    }

    /// SIGCONT, to a worker that is stopped: any other one may end by itself before it is signalled.
    pub fn cont(&self) {
        if daemon::state_of(self.worker()) == Some('T') {
            self.signal_worker("CONT");
        }
    }

    /// SIGKILL to all of it; its socket stays and refuses when this returns.
    pub fn kill(&self) {
        self.find_worker();
        self.signal_worker("KILL");
        self.daemon.kill();
        wait_until("nobody listens", seconds(10), || {
            UnixStream::connect(self.socket()).is_err()
        });
    }

    fn wait_until_it_answers(&self) {
        self.daemon
            .wait_until_ready(|| self.answering_worker().is_some());
        self.remember_worker();
    }

    /// Somebody else may have reloaded it. One that is stopped cannot be asked.
    fn find_worker(&self) {
        let is_stopped = daemon::state_of(self.worker()) == Some('T');
        if !is_stopped && let Some(pid) = self.answering_worker() {
            self.worker.store(pid, Ordering::Relaxed);
        }
    }

    fn remember_worker(&self) {
        let pid = self.answering_worker().unwrap_or_default();
        self.worker.store(pid, Ordering::Relaxed);
    }

    fn worker(&self) -> u32 {
        self.worker.load(Ordering::Relaxed)
    }

    fn signal_worker(&self, name: &str) {
        if scratch::process_exists(self.worker()) {
            daemon::signal_pid(self.worker(), name);
        }
    }

    /// The process that answers, as it says itself.
    fn answering_worker(&self) -> Option<u32> {
        let info = self.ask("show info");
        let mut lines = info.lines();
        lines.find_map(|line| line.strip_prefix("Pid: ")?.parse().ok())
    }
}

impl Drop for HaProxy {
    fn drop(&mut self) {
        // A stopped worker would survive its master.
        self.cont();
    }
}

fn config(socket: &str, level: &str, sections: &str) -> String {
    format!(
        "global\n    stats socket {socket} mode 600 level {level}\n    hard-stop-after 5s\n\
         defaults\n    mode tcp\n    timeout connect 2s\n    timeout client 1h\n\
         \x20   timeout server 1h\n    timeout queue 10s\n    timeout check 2s\n\
         \x20   default-server init-addr last,libc,none inter 2s fastinter 500ms downinter 2s \
         fall 3 rise 2\n{sections}"
    )
}

/// A client's connection through a proxy.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    /// What the server said first; empty if the connection was closed before.
    pub greeting: String,
}

impl Client {
    /// Connects and waits for the first words.
    #[track_caller]
    pub fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
        stream.set_read_timeout(Some(seconds(10))).unwrap();
        let mut buffer = [0; 64];
        let count = (&stream).read(&mut buffer).unwrap_or(0);
        let greeting = String::from_utf8_lossy(&buffer[..count]).into_owned();
        Self { stream, greeting }
    }

    /// Whether the connection ends within the time.
    pub fn ends_within(&self, limit: Duration) -> bool {
        self.stream.set_read_timeout(Some(limit)).unwrap();
        let answer = (&self.stream).read(&mut [0; 64]);
        match answer {
            Ok(count) => count == 0,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}
