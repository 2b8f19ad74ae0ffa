//! A throwaway copy of this machine under a systemd of its own, and the packages to install there.
//! It shares this machine's network, and so reaches the servers of a test.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use super::checker::binary;
use super::scratch::Scratch;
use super::template::must_succeed;
use super::{becomes_true, patience, program, seconds, spawner};

/// The version of the package that is upgraded from.
pub const OLD: &str = "0.0.1";
/// The version of this one.
pub const NEW: &str = env!("CARGO_PKG_VERSION");
/// The time of all files in the packages.
const EPOCH: &str = "1700000000";

/// A running lab.
#[derive(Debug)]
pub struct Lab {
    script: Child,
    /// While it is open, the lab lives.
    stdin: Option<ChildStdin>,
    leader: String,
}

impl Lab {
    /// Boots one, with both packages in `/packages`.
    pub fn boot() -> Lab {
        let mut command = Command::new(root().join("tests/systemd-lab.sh"));
        command.arg(packages());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut script = spawner::spawn(command).expect("the lab's script starts");
        let stdin = script.stdin.take();
        let mut line = String::new();
        let mut stdout = BufReader::new(script.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let lab = Lab {
            script,
            stdin,
            leader: line.trim().replace("ready ", ""),
        };
        assert!(!lab.leader.is_empty(), "the lab does not boot");
        lab
    }

    /// The process that takes it down.
    pub fn script_pid(&self) -> u32 {
        self.script.id()
    }

    /// Runs a script of bash in it, to its end; it must succeed. Returns what it said.
    #[track_caller]
    pub fn run(&self, script: &str) -> String {
        let (code, said) = self.attempt(script);
        assert_eq!(code, Some(0), "{script}\n{said}");
        said
    }

    /// Runs a script of bash in it. Returns its exit code and what it said.
    pub fn attempt(&self, script: &str) -> (Option<i32>, String) {
        let mut command = Command::new(program("timeout"));
        command.args(["60", "nsenter", "-t", &self.leader]);
        command.args([
            "-m", "-u", "-i", "-p", "-C", "bash", "-euo", "pipefail", "-c",
        ]);
        command.arg(format!("exec 2>&1; cd /; {script}"));
        // As on a new machine: what this one is set to is not to be seen there.
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        let output = command.output().expect("nsenter runs");
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&said).trim().to_owned(),
        )
    }

    /// Waits until a script succeeds.
    #[track_caller]
    pub fn wait_for(&self, script: &str) {
        self.wait_for_within(script, seconds(20));
    }

    #[track_caller]
    pub fn wait_for_within(&self, script: &str, limit: Duration) {
        let good = becomes_true(patience(limit), || self.attempt(script).0 == Some(0));
        assert!(good, "in vain: {script}\n{}", self.journal());
    }

    /// Puts text into a file, whose mode stays.
    #[track_caller]
    pub fn write(&self, path: &str, text: &str) {
        self.run(&format!(
            "mkdir -p $(dirname {path}); cat >{path} <<'END'\n{text}\nEND"
        ));
    }

    /// A property of a unit.
    #[track_caller]
    pub fn property(&self, unit: &str, name: &str) -> String {
        self.run(&format!("systemctl show -p {name} --value {unit}"))
    }

    /// All that the journal has, message by message.
    pub fn journal(&self) -> String {
        self.attempt("journalctl -q --no-pager -o cat").1
    }

    /// Installs (`-i`), upgrades (`-U`) with a version of the package.
    #[track_caller]
    pub fn rpm(&self, how: &str, version: &str) -> String {
        let file = format!("/packages/{}", file_name(version));
        self.run(&format!("rpm --dbpath /var/lib/rpm {how} --nodeps {file}"))
    }

    /// Takes the package away.
    #[track_caller]
    pub fn erase(&self) -> String {
        self.run("rpm --dbpath /var/lib/rpm -e confd_haproxy")
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let ended = || self.script.try_wait().is_ok_and(|status| status.is_some());
        if !becomes_true(patience(seconds(20)), ended) {
            let _ = self.script.kill();
            let _ = self.script.wait();
        }
    }
}

/// The directory with the package of this version, and one of an earlier version that had another
/// `db.conf` and another template. Built once.
pub fn packages() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages");
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        let old = Tree::copy();
        for file in ["etc/db.conf", "confd/templates/haproxy.cfg.tmpl"] {
            let path = old.path().join(file);
            let mut file = fs::File::options().append(true).open(path).unwrap();
            file.write_all(b"# of an earlier version\n").unwrap();
        }
        build(old.path(), &dir, OLD);
        build(&root(), &dir, NEW);
        dir
    })
}

/// The name of the package's file.
pub fn file_name(version: &str) -> String {
    format!("confd_haproxy-{version}-1.x86_64.rpm")
}

/// Builds a package of the sources at `tree`.
#[track_caller]
pub fn build(tree: &Path, out: &Path, version: &str) {
    program("rpmbuild");
    let mut command = Command::new(tree.join("packaging/rpm.sh"));
    command.arg(out);
    command
        .env("VERSION", version)
        .env("SOURCE_DATE_EPOCH", EPOCH);
    command.env("BINARY", binary()).env("LICENCES", licences());
    must_succeed(&mut command);
}

/// The licences of what is linked in. Written once.
pub fn licences() -> &'static Path {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("LICENSE.dependencies");
        let mut command = Command::new(root().join("packaging/licences.sh"));
        must_succeed(command.arg(&file).env("CARGO", env!("CARGO")));
        file
    })
}

/// The sources.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A copy of the sources that a package is made of.
#[derive(Debug)]
pub struct Tree(Scratch);

impl Tree {
    pub fn copy() -> Tree {
        let dir = Scratch::new("tree");
        let parts = [
            "packaging",
            "confd",
            "etc",
            "README.md",
            "CHANGELOG.md",
            "docs",
            "LICENSE",
        ];
        let mut command = Command::new(program("cp"));
        command.arg("-R").args(parts.map(|part| root().join(part)));
        must_succeed(command.arg(dir.path()));
        Tree(dir)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}
