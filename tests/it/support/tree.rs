//! Servers of other Debian suites, run in the trees that `tests/setup.sh redis@bullseye` unpacks.
//! While a tree is entered, `program` finds its programs in place of the system's. They see the
//! directories of the tests at their own paths, so that nobody else has to know of trees.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::scratch::Scratch;
use super::servers_dir;

/// What tests call a program, and what else it may be called in a tree.
const PROGRAMS: &[(&str, &[&str])] = &[
    ("mariadbd", &[]),
    ("mariadb-install-db", &["mysql_install_db"]),
    ("haproxy", &[]),
    ("memcached", &[]),
    ("redis-server", &["valkey-server"]),
    ("redis-sentinel", &["valkey-sentinel"]),
];

/// Where the programs of the tree that is entered are.
static ENTERED: Mutex<Option<PathBuf>> = Mutex::new(None);

/// A tree that is entered, until this is dropped.
#[derive(Debug)]
pub struct Tree {
    _programs: Scratch,
}

impl Tree {
    /// Enters the tree of this name. One at a time, and for all threads.
    pub fn enter(name: &str) -> Self {
        let root = servers_dir().join(name);
        let programs = Scratch::new(name);
        for (wanted, others) in PROGRAMS {
            let mut names = std::iter::once(wanted).chain(*others);
            if let Some(path) = names.find_map(|name| inside(&root, name)) {
                let file = programs.join(wanted);
                fs::write(&file, script(&root, &path)).unwrap();
                fs::set_permissions(&file, Permissions::from_mode(0o755)).unwrap();
            }
        }
        let before = entered().replace(programs.path().to_owned());
        assert_eq!(before, None, "another tree is entered");
        Self {
            _programs: programs,
        }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        entered().take();
    }
}

/// The program of this name in the tree that is entered, if it has one.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = entered().as_ref()?.join(name);
    path.is_file().then_some(path)
}

fn entered() -> MutexGuard<'static, Option<PathBuf>> {
    ENTERED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a program is called by those for whom the tree is all there is. It may be a link that
/// only they can follow.
fn inside(root: &Path, name: &str) -> Option<String> {
    ["usr/bin", "usr/sbin"]
        .into_iter()
        .map(|dir| format!("{dir}/{name}"))
        .find(|path| root.join(path).symlink_metadata().is_ok())
        .map(|path| format!("/{path}"))
}

/// Starts the program in a mount namespace that ends with it. Every step replaces the one before,
/// so that the process that was started is the server.
fn script(root: &Path, program: &str) -> String {
    format!(
        "#!/bin/sh\n\
         # Those of the machine are not in the tree.\n\
         export LC_ALL=C\n\
         exec unshare --mount --propagation private sh -euc '\n\
         \x20   root=$1; shift\n\
         \x20   for dir in /proc /dev {temporary} {data}; do\n\
         \x20       mkdir -p \"$root$dir\"\n\
         \x20       mount --rbind \"$dir\" \"$root$dir\"\n\
         \x20   done\n\
         \x20   exec chroot \"$root\" \"$@\"\n\
         ' sh {root} {program} \"$@\"\n",
        temporary = std::env::temp_dir().display(),
        data = env!("CARGO_TARGET_TMPDIR"),
        root = root.display(),
    )
}
