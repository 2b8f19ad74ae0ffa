//! What this host itself says: who listens on a port, whether HAProxy is here, and what SELinux
//! lets it do. Reads files and changes nothing; what cannot be read is not known.

mod sockets;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The host, below a directory: `/`, but in tests.
#[derive(Debug, Clone)]
pub struct Host {
    root: PathBuf,
}

/// A process that listens on a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its program's name, at most 15 bytes as the kernel keeps it.
    pub name: String,
}

/// Who listens on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listening {
    /// Nobody.
    Nobody,
    /// Somebody whom this user may not see.
    Unseen,
    /// These, each once.
    Processes(BTreeSet<Process>),
}

impl Host {
    /// The host with its files below `root`.
    pub fn at(root: impl Into<PathBuf>) -> Host {
        Host { root: root.into() }
    }

    /// Who listens on each of these TCP ports, at whatever address; nothing at all if that cannot
    /// be told.
    pub fn listening(&self, ports: &BTreeSet<u16>) -> BTreeMap<u16, Listening> {
        let Some(inodes) = self.inodes(ports) else {
            return BTreeMap::new();
        };
        let owners = match inodes.is_empty() {
            true => BTreeMap::new(),
            false => self.owners(&inodes.values().flatten().copied().collect()),
        };
        let who = |port: &u16| match inodes.get(port) {
            None => Listening::Nobody,
            Some(own) => {
                let found = own.iter().filter_map(|inode| owners.get(inode)).flatten();
                let found: BTreeSet<Process> = found.cloned().collect();
                match found.is_empty() {
                    true => Listening::Unseen,
                    false => Listening::Processes(found),
                }
            }
        };
        ports.iter().map(|port| (*port, who(port))).collect()
    }

    /// Whether HAProxy is installed or runs here.
    pub fn has_haproxy(&self) -> bool {
        let programs = ["usr/sbin/haproxy", "usr/local/sbin/haproxy"];
        let is_installed = programs.iter().any(|path| self.root.join(path).exists());
        is_installed || self.processes().any(|process| process.name == "haproxy")
    }

    /// Whether SELinux is enforcing and does not let HAProxy use any port (`haproxy_connect_any`).
    pub fn selinux_blocks_haproxy(&self) -> bool {
        let is_one = |path: &str| self.text(path).map(|text| text.starts_with('1'));
        let selinux = "sys/fs/selinux";
        // The file says the value now, and the one that waits to be committed: "0 0".
        is_one(&format!("{selinux}/enforce")) == Some(true)
            && is_one(&format!("{selinux}/booleans/haproxy_connect_any")) == Some(false)
    }

    fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.root.join(path)).ok()
    }

    /// The sockets that listen on each of the ports.
    fn inodes(&self, ports: &BTreeSet<u16>) -> Option<BTreeMap<u16, BTreeSet<u64>>> {
        // A kernel without IPv6 has no second file.
        let texts = [
            self.text("proc/net/tcp")?,
            self.text("proc/net/tcp6").unwrap_or_default(),
        ];
        let mut inodes: BTreeMap<u16, BTreeSet<u64>> = BTreeMap::new();
        for (port, inode) in texts.iter().flat_map(|text| sockets::listening(text)) {
            if ports.contains(&port) {
                inodes.entry(port).or_default().insert(inode);
            }
        }
        Some(inodes)
    }

    /// The processes that hold each of the sockets.
    fn owners(&self, inodes: &BTreeSet<u64>) -> BTreeMap<u64, Vec<Process>> {
        let mut owners: BTreeMap<u64, Vec<Process>> = BTreeMap::new();
        for process in self.processes() {
            let held = held(&self.proc(process.pid).join("fd"));
            for inode in held.into_iter().filter(|inode| inodes.contains(inode)) {
                owners.entry(inode).or_default().push(process.clone());
            }
        }
        owners
    }

    fn processes(&self) -> impl Iterator<Item = Process> {
        let entries = fs::read_dir(self.root.join("proc")).into_iter().flatten();
        let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        pids.filter_map(|pid| {
            let name = fs::read_to_string(self.proc(pid).join("comm")).ok()?;
            let name = name.trim_end().escape_debug().to_string();
            Some(Process { pid, name })
        })
    }

    fn proc(&self, pid: u32) -> PathBuf {
        self.root.join("proc").join(pid.to_string())
    }
}

/// The sockets among the open files of a process; none if this user may not see them.
fn held(directory: &Path) -> Vec<u64> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let links = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
    links
        .filter_map(|link| sockets::inode(link.to_str()?))
        .collect()
}

#[cfg(test)]
mod tests;
