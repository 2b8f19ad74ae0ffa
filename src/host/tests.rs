//! A host of files, and the real one.

use std::net::TcpListener;
use std::os::unix::fs::symlink;

use super::*;
use crate::scratch::Scratch;

/// A host below a directory, where process 7 has socket 4711 on port 13351.
struct Fake(Scratch);

impl Fake {
    fn new() -> Fake {
        let fake = Fake(Scratch::new());
        let line = "x\n 0: 00000000:3427 0:0 0A 0:0 0:0 0 0 0 4711 1\n";
        fake.file("proc/net/tcp", line);
        fake
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn process(&self, name: &str) {
        self.file("proc/7/comm", &format!("{name}\n"));
        fs::create_dir_all(self.0.path().join("proc/7/fd")).unwrap();
        symlink("socket:[4711]", self.0.path().join("proc/7/fd/3")).unwrap();
    }

    fn host(&self) -> Host {
        Host::at(self.0.path())
    }

    fn on(&self, port: u16) -> Option<Listening> {
        self.host().listening(&[port].into()).remove(&port)
    }
}

#[test]
fn who_listens_is_found_by_the_socket_and_is_unseen_otherwise() {
    let fake = Fake::new();
    assert_eq!(fake.on(80), Some(Listening::Nobody));
    assert_eq!(fake.on(13351), Some(Listening::Unseen));
    fake.process("nc");
    let nc = Process {
        pid: 7,
        name: "nc".to_owned(),
    };
    assert_eq!(fake.on(13351), Some(Listening::Processes([nc].into())));
    assert_eq!(
        Host::at("/nonexistent").listening(&[80].into()),
        BTreeMap::new()
    );
}

#[test]
fn haproxy_is_here_if_it_runs_or_is_installed() {
    let fake = Fake::new();
    assert!(!fake.host().has_haproxy());
    fake.process("haproxy");
    assert!(fake.host().has_haproxy());
    let fake = Fake::new();
    fake.file("usr/sbin/haproxy", "");
    assert!(fake.host().has_haproxy());
}

#[test]
fn selinux_blocks_if_it_enforces_and_the_boolean_is_off() {
    let cases = [
        (None, None, false),
        (Some("1"), None, false),
        (Some("1"), Some("0 0"), true),
        (Some("1"), Some("1 1"), false),
        (Some("0"), Some("0 0"), false),
    ];
    for (enforce, boolean, wanted) in cases {
        let fake = Fake::new();
        if let Some(text) = enforce {
            fake.file("sys/fs/selinux/enforce", text);
        }
        if let Some(text) = boolean {
            fake.file("sys/fs/selinux/booleans/haproxy_connect_any", text);
        }
        let blocks = fake.host().selinux_blocks_haproxy();
        assert_eq!(blocks, wanted, "{enforce:?} {boolean:?}");
    }
}

#[test]
fn the_real_host_sees_this_process() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let found = Host::at("/").listening(&[port].into()).remove(&port);
    let Some(Listening::Processes(processes)) = found else {
        panic!("{found:?}");
    };
    assert!(processes.iter().any(|p| p.pid == std::process::id()));
}
