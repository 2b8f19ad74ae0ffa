//! MySQL 9.7 servers, run in the directory tree of Debian sid that `tests/setup.sh` unpacks.

use std::fs;
use std::ops::Deref;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::daemon::Launch;
use super::instance::Instance;
pub use super::instance::Options;
use super::scratch::{Scratch, own_dir_in};
use super::template::{copy_dir, must_succeed, template};
use super::{program, seconds, servers_dir, wait_until};

/// The same users as the MariaDB servers have, with MySQL's privileges.
const USERS: &str = "\
CREATE USER monitor@'%' IDENTIFIED BY 's3cret';
GRANT PROCESS, REPLICATION CLIENT, REPLICATION SLAVE ON *.* TO monitor@'%';
CREATE USER noprocess@'%' IDENTIFIED BY 's3cret';
GRANT REPLICATION CLIENT, REPLICATION SLAVE ON *.* TO noprocess@'%';
CREATE USER repl@'%' IDENTIFIED BY 'repl';
GRANT REPLICATION SLAVE ON *.* TO repl@'%';
CREATE USER app@'%' IDENTIFIED BY 'app';
GRANT SELECT ON *.* TO app@'%';
";

const SERVER: &[&str] = &[
    "--no-defaults",
    "--user=root",
    "--secure-file-priv=",
    "--mysqlx=OFF",
    "--skip-name-resolve",
    "--innodb-flush-method=nosync",
    "--innodb-flush-log-at-trx-commit=2",
    "--sync-binlog=0",
    "--innodb-doublewrite=OFF",
    "--innodb-use-native-aio=OFF",
    "--innodb-redo-log-capacity=16M",
    "--innodb-buffer-pool-size=32M",
    "--innodb-buffer-pool-load-at-startup=OFF",
];

const REPLICATION: &[&str] = &["--gtid-mode=ON", "--enforce-gtid-consistency=ON"];

/// A running MySQL 9.7; what it can do is at `Instance`.
#[derive(Debug)]
pub struct Mysql97 {
    instance: Instance,
    // After the instance: a server is stopped before its data go.
    _data: Scratch,
}

impl Mysql97 {
    pub fn start() -> Self {
        Self::with(Options::default())
    }

    pub fn with(options: Options) -> Self {
        let root = root();
        let home = Scratch::in_dir(own_dir(&root), "mysql");
        copy_dir(&data_template(&root), &home.join("data"));
        let dir = Scratch::new("mysql97");
        // A short way in for the socket: unix socket addresses end after 107 bytes.
        symlink(home.join("data"), dir.join("data")).unwrap();
        let data = inside(&root, &home.join("data"));
        let launch = Launch::new("mysql97", program("chroot"))
            .arg(&root)
            .arg("/usr/sbin/mysqld")
            .args(SERVER)
            .args(REPLICATION)
            .arg(format!("--datadir={data}"))
            .arg(format!("--socket={data}/sock"))
            .arg(format!("--pid-file={data}/pid"));
        Self {
            instance: Instance::start(dir, launch, options),
            _data: home,
        }
    }

    /// Makes it a replica and waits until it waits for the primary's next event.
    pub fn replicate_from(&self, primary: &Self) {
        let change = format!(
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST='{}', SOURCE_PORT={}, SOURCE_USER='repl', \
             SOURCE_PASSWORD='repl', SOURCE_CONNECT_RETRY=1, SOURCE_AUTO_POSITION=1, \
             GET_SOURCE_PUBLIC_KEY=1",
            primary.host(),
            primary.port(),
        );
        self.sql_all(&["STOP REPLICA", &change, "START REPLICA"]);
        wait_until("replication runs", seconds(20), || self.replicates());
    }

    /// Whether both threads run and the primary's events flow.
    pub fn replicates(&self) -> bool {
        self.query_named("SHOW REPLICA STATUS")
            .first()
            .is_some_and(|row| {
                row["Replica_SQL_Running"] == "Yes"
                    && row["Replica_IO_Running"] == "Yes"
                    && row["Replica_IO_State"].starts_with("Waiting for source to send")
            })
    }
}

impl Deref for Mysql97 {
    type Target = Instance;

    fn deref(&self) -> &Instance {
        &self.instance
    }
}

fn root() -> PathBuf {
    let root = servers_dir().join("mysql");
    let there = root.join("usr/sbin/mysqld").is_file();
    assert!(
        there,
        "MySQL 9.7 is not in target/servers: run tests/setup.sh mysql as root"
    );
    root
}

/// The directory of this process's servers, inside the tree.
fn own_dir(root: &Path) -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| own_dir_in(&root.join("tests")))
}

/// What the server, for which the tree is all there is, calls this path.
fn inside(root: &Path, path: &Path) -> String {
    format!("/{}", path.strip_prefix(root).unwrap().display())
}

fn data_template(root: &Path) -> PathBuf {
    template(&root.join("tests"), "template", (USERS, SERVER), |dir| {
        let data = dir.join("data");
        fs::create_dir(&data).unwrap();
        let users = dir.join("users.sql");
        fs::write(&users, USERS).unwrap();
        let mut command = Command::new(program("chroot"));
        command.arg(root).arg("/usr/sbin/mysqld").args(SERVER);
        command.arg("--initialize-insecure");
        command.arg(format!("--datadir={}", inside(root, &data)));
        must_succeed(command.arg(format!("--init-file={}", inside(root, &users))));
        // Servers that share this file's UUID refuse to replicate from each other.
        fs::remove_file(data.join("auto.cnf")).unwrap();
    })
    .join("data")
}
