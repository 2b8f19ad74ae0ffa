//! Certificates of an authority of the test's own, by the openssl command.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::program;
use super::scratch::{Scratch, unique};
use super::template::must_succeed;

const KEY: &[&str] = &[
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
];

/// An authority, and a directory for what it signs.
#[derive(Debug)]
pub struct Authority {
    dir: Scratch,
}

/// A certificate and its key.
#[derive(Debug, Clone)]
pub struct Pair {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    pub fn new() -> Self {
        let authority = Self {
            dir: Scratch::new("ca"),
        };
        let ca = authority.pair("ca");
        let name = format!("/CN=Authority {}", unique());
        let mut command = openssl(&["req", "-x509", "-days", "30", "-subj", &name]);
        command.args(KEY).arg("-keyout").arg(&ca.key);
        must_succeed(command.arg("-out").arg(&ca.certificate));
        authority
    }

    /// Its own certificate.
    pub fn file(&self) -> PathBuf {
        self.pair("ca").certificate
    }

    /// A certificate for these names, as `IP:127.0.0.1` or `DNS:db1`; none is a certificate for
    /// nobody.
    pub fn signs(&self, name: &str, names: &str) -> Pair {
        self.signs_for(name, names, 30)
    }

    /// One whose last day was yesterday.
    pub fn signed_long_ago(&self, name: &str, names: &str) -> Pair {
        self.signs_for(name, names, -1)
    }

    /// A certificate that has signed itself.
    pub fn not_asked(&self, name: &str, names: &str) -> Pair {
        let pair = self.pair(name);
        let names = format!("subjectAltName={names}");
        let mut command = openssl(&["req", "-x509", "-days", "30", "-subj", "/CN=itself"]);
        command.args(KEY).args(["-addext", &names]);
        command.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        command.arg("-keyout").arg(&pair.key);
        must_succeed(command.arg("-out").arg(&pair.certificate));
        pair
    }

    fn signs_for(&self, name: &str, names: &str, days: i32) -> Pair {
        let (pair, ca) = (self.pair(name), self.pair("ca"));
        let request = self.dir.join(&format!("{name}.csr"));
        let mut command = openssl(&["req", "-subj", &format!("/CN={name}")]);
        command.args(KEY).arg("-keyout").arg(&pair.key);
        must_succeed(command.arg("-out").arg(&request));
        let extensions = self.dir.join(&format!("{name}.ext"));
        let alternative = match names {
            "" => String::new(),
            names => format!("subjectAltName={names}\n"),
        };
        fs::write(
            &extensions,
            format!("basicConstraints=CA:FALSE\n{alternative}"),
        )
        .unwrap();
        let mut command = openssl(&["x509", "-req", "-days", &days.to_string()]);
        command
            .arg("-in")
            .arg(&request)
            .arg("-CA")
            .arg(&ca.certificate);
        command.arg("-CAkey").arg(&ca.key).arg("-CAcreateserial");
        command.arg("-extfile").arg(&extensions);
        must_succeed(command.arg("-out").arg(&pair.certificate));
        pair
    }

    fn pair(&self, name: &str) -> Pair {
        Pair {
            certificate: self.dir.join(&format!("{name}.pem")),
            key: self.dir.join(&format!("{name}.key")),
        }
    }
}

/// A path as text.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("a path of a test is text")
}

fn openssl(words: &[&str]) -> Command {
    let mut command = Command::new(program("openssl"));
    command.args(words);
    command
}
