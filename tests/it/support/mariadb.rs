//! MariaDB servers with a data directory of their own.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::daemon::Launch;
use super::instance::Instance;
pub use super::instance::Options;
use super::scratch::Scratch;
use super::template::{copy_dir, must_succeed, template};
use super::{program, seconds, wait_until};

/// The users of every server: `monitor` has what a checker needs, `noprocess` all of it but
/// PROCESS, `repl` replicates, `app` reads.
const USERS: &str = "\
FLUSH PRIVILEGES;
CREATE USER monitor@'%' IDENTIFIED BY 's3cret';
GRANT PROCESS, SLAVE MONITOR, REPLICATION MASTER ADMIN ON *.* TO monitor@'%';
CREATE USER noprocess@'%' IDENTIFIED BY 's3cret';
GRANT SLAVE MONITOR, REPLICATION MASTER ADMIN ON *.* TO noprocess@'%';
CREATE USER repl@'%' IDENTIFIED BY 'repl';
GRANT REPLICATION SLAVE ON *.* TO repl@'%';
CREATE USER app@'%' IDENTIFIED BY 'app';
GRANT SELECT ON *.* TO app@'%';
";

const INSTALL: &[&str] = &[
    "--no-defaults",
    "--user=root",
    "--auth-root-authentication-method=normal",
    "--skip-test-db",
    "--skip-name-resolve",
    "--innodb-log-file-size=4M",
];

const BOOTSTRAP: &[&str] = &[
    "--no-defaults",
    "--user=root",
    "--bootstrap",
    "--innodb-log-file-size=4M",
];

/// Small and quick: it must survive its own death, not the machine's.
const SERVER: &[&str] = &[
    "--no-defaults",
    "--user=root",
    "--skip-name-resolve",
    "--log-bin=binlog",
    "--log-slave-updates",
    "--slave-net-timeout=60",
    "--performance-schema=OFF",
    "--debug-no-sync",
    "--innodb-flush-method=nosync",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-doublewrite=0",
    "--innodb-use-native-aio=0",
    "--innodb-log-file-size=4M",
    "--innodb-buffer-pool-size=16M",
    "--innodb-buffer-pool-load-at-startup=0",
    "--aria-pagecache-buffer-size=8M",
    "--key-buffer-size=1M",
];

/// A running MariaDB; what it can do is at `Instance`.
#[derive(Debug)]
pub struct MariaDb(Instance);

impl MariaDb {
    pub fn start() -> Self {
        Self::with(Options::default())
    }

    pub fn with(options: Options) -> Self {
        let dir = Scratch::new("mariadb");
        let data = dir.join("data");
        copy_dir(&data_template(), &data);
        let launch = Launch::new("mariadb", program("mariadbd"))
            .args(SERVER)
            .arg(format!("--datadir={}", data.display()))
            // A server that starts deletes temporary tables it finds in its tmpdir.
            .arg(format!("--tmpdir={}", data.display()))
            .arg(format!("--socket={}", data.join("sock").display()));
        Self(Instance::start(dir, launch, options))
    }

    /// Makes it a replica and waits until it waits for the primary's next event.
    pub fn replicate_from(&self, primary: &Self) {
        let (host, port) = (primary.host(), primary.port());
        self.replicate_from_address(host, port);
        wait_until("replication runs", seconds(20), || self.replicates());
    }

    /// Makes it a replica of whatever is at an address, and does not wait.
    pub fn replicate_from_address(&self, host: &str, port: u16) {
        let change = format!(
            "CHANGE MASTER TO MASTER_HOST='{host}', MASTER_PORT={port}, MASTER_USER='repl', \
             MASTER_PASSWORD='repl', MASTER_CONNECT_RETRY=1, MASTER_USE_GTID=current_pos"
        );
        self.sql_all(&["STOP SLAVE", &change, "START SLAVE"]);
    }

    /// Whether both threads run and the primary's events flow.
    pub fn replicates(&self) -> bool {
        self.query_named("SHOW SLAVE STATUS")
            .first()
            .is_some_and(|row| {
                row["Slave_SQL_Running"] == "Yes"
                    && row["Slave_IO_Running"] == "Yes"
                    && row["Slave_IO_State"].starts_with("Waiting for master to send")
            })
    }
}

impl Deref for MariaDb {
    type Target = Instance;

    fn deref(&self) -> &Instance {
        &self.0
    }
}

fn data_template() -> PathBuf {
    let installer = program("mariadb-install-db");
    let version = Command::new(program("mariadbd"))
        .arg("--version")
        .output()
        .unwrap()
        .stdout;
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    template(
        parent,
        "mariadb",
        (version, USERS, INSTALL, BOOTSTRAP),
        |dir| {
            let users = dir.join("users.sql");
            fs::write(&users, USERS).unwrap();
            let mut command = Command::new(&installer);
            command
                .args(INSTALL)
                .arg(format!("--datadir={}", dir.display()));
            must_succeed(&mut command);
            // The installer of 10.5 takes no file of ours.
            let mut command = Command::new(program("mariadbd"));
            command
                .args(BOOTSTRAP)
                .arg(format!("--datadir={}", dir.display()));
            must_succeed(command.stdin(fs::File::open(&users).unwrap()));
        },
    )
}
