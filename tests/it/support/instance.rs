//! What a MariaDB and a MySQL server have in common once they run.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::daemon::{Daemon, Launch};
use super::sql::{self, NamedRow};
use super::{free_port, seconds, wait_until};

/// How a server is to be started. All that is not said is chosen: a free port, a server id of
/// its own, 127.0.0.1, and the true address as what it reports to its primary.
#[derive(Debug, Clone)]
pub struct Options {
    pub port: u16,
    pub server_id: u32,
    pub bind: String,
    /// What `SHOW SLAVE HOSTS` on the primary says of it.
    pub report: Option<(String, u16)>,
    pub netns: Option<String>,
    pub args: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        static NEXT_ID: AtomicU32 = AtomicU32::new(101);
        let port = free_port();
        Self {
            port,
            server_id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            bind: "127.0.0.1".to_owned(),
            report: Some(("127.0.0.1".to_owned(), port)),
            netns: None,
            args: Vec::new(),
        }
    }
}

impl Options {
    /// At this address of that network namespace.
    pub fn on_host(host: &super::netns::NetHost, port: u16) -> Self {
        Self {
            port,
            bind: host.address().to_string(),
            report: Some((host.address().to_string(), port)),
            netns: Some(host.namespace().to_owned()),
            ..Self::default()
        }
    }

    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    /// The options that both kinds of server understand.
    pub fn server_args(&self) -> Vec<String> {
        let mut args = vec![
            format!("--port={}", self.port),
            format!("--bind-address={}", self.bind),
            format!("--server-id={}", self.server_id),
        ];
        if let Some((host, port)) = &self.report {
            args.extend([
                format!("--report-host={host}"),
                format!("--report-port={port}"),
            ]);
        }
        args.extend(self.args.iter().cloned());
        args
    }
}

/// A running server.
#[derive(Debug)]
pub struct Instance {
    daemon: Daemon,
    socket: PathBuf,
    options: Options,
}

impl Instance {
    /// Starts the server and waits until it answers.
    pub fn start(dir: super::scratch::Scratch, launch: Launch, options: Options) -> Self {
        let socket = dir.join("data").join("sock");
        let launch = launch
            .args(options.server_args())
            .netns(options.netns.as_deref());
        let daemon = Daemon::start_in(dir, launch);
        daemon.wait_until_ready(|| sql::answers(&socket));
        Self {
            daemon,
            socket,
            options,
        }
    }

    pub fn daemon(&self) -> &Daemon {
        &self.daemon
    }

    pub fn port(&self) -> u16 {
        self.options.port
    }

    pub fn host(&self) -> &str {
        &self.options.bind
    }

    pub fn server_id(&self) -> u32 {
        self.options.server_id
    }

    /// `address:port`.
    pub fn endpoint(&self) -> String {
        format!("{}:{}", self.options.bind, self.options.port)
    }

    /// Its unix socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Runs one statement as root.
    #[track_caller]
    pub fn sql(&self, statement: &str) {
        sql::run(&self.socket, &[statement]);
    }

    /// Runs statements on one connection as root.
    #[track_caller]
    pub fn sql_all(&self, statements: &[&str]) {
        sql::run(&self.socket, statements);
    }

    /// The rows of an answer, NULL as "NULL".
    #[track_caller]
    pub fn query(&self, question: &str) -> Vec<Vec<String>> {
        sql::query(&self.socket, question)
    }

    /// The rows of an answer, by column names.
    #[track_caller]
    pub fn query_named(&self, question: &str) -> Vec<NamedRow> {
        sql::query_named(&self.socket, question)
    }

    /// Waits until the first value of the answer is `expected`; statements may fail meanwhile.
    #[track_caller]
    pub fn wait_for_value(&self, question: &str, expected: &str) {
        let what = format!("{question} of {} is {expected}", self.endpoint());
        let value = || sql::first_value(&self.socket, question).ok().flatten();
        wait_until(&what, seconds(20), || value().as_deref() == Some(expected));
    }

    /// SIGKILL: connections are reset, its port refuses.
    pub fn kill(&self) {
        self.daemon.kill();
    }

    /// SIGSTOP: the port accepts and nothing answers.
    pub fn stop(&self) {
        self.daemon.stop();
    }

    /// SIGCONT.
    pub fn cont(&self) {
        self.daemon.cont();
    }

    /// A clean shutdown.
    pub fn shut_down(&self) {
        self.daemon.signal("TERM");
        wait_until("a clean shutdown", seconds(60), || {
            !self.daemon.is_running()
        });
    }

    /// Starts it again on the same port and data, after `kill` or `shut_down` or as it runs.
    pub fn restart(&self) {
        self.daemon.restart();
        self.daemon.wait_until_ready(|| sql::answers(&self.socket));
    }
}
