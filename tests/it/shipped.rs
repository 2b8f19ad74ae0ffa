//! The templates that the project ships, rendered as confd would, and judged by haproxy itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use confd_haproxy::template::Template;

use crate::support::program;
use crate::support::scratch::Scratch;

/// Keys and values, as in the store.
pub type Pairs = &'static [(&'static str, &'static str)];

pub const README: Pairs = &[
    (
        "/haproxy/mysqlslave/slave3301",
        r#"{"name":"slave3301", "host":"10.0.21.5", "port":3301, "proxyport":13351}"#,
    ),
    (
        "/haproxy/memcached/mem11211",
        r#"{"name":"mem11211", "host":"10.0.21.7", "port":11211, "proxyport":16211}"#,
    ),
];

/// Several of a kind, IPv6 and a name that resolves nowhere.
pub const MANY: Pairs = &[
    (
        "/haproxy/mysqlslave/a",
        r#"{"name":"a", "host":"10.0.21.5", "port":3301, "proxyport":13351}"#,
    ),
    (
        "/haproxy/mysqlslave/b",
        r#"{"name":"b", "host":"2001:db8::5", "port":3302, "proxyport":13352}"#,
    ),
    (
        "/haproxy/mysqlslave/c.d_e-f",
        r#"{"name":"c.d_e-f", "host":"db1.invalid", "port":3303, "proxyport":13353}"#,
    ),
    (
        "/haproxy/memcached/m1",
        r#"{"name":"m1", "host":"::1", "port":11211, "proxyport":16211}"#,
    ),
    (
        "/haproxy/memcached/m2",
        r#"{"name":"m2", "host":"cache.invalid", "port":11212, "proxyport":16212}"#,
    ),
    (
        "/haproxy/redismaster/r1",
        r#"{"name":"r1", "host":"2001:db8::7", "port":6379, "proxyport":11379}"#,
    ),
    (
        "/haproxy/redismaster/r2",
        r#"{"name":"r2", "host":"10.0.21.9", "port":6380, "proxyport":11380}"#,
    ),
];

/// Every shipped template is rendered, with no keys, a few and many, to a file that haproxy takes.
#[track_caller]
pub fn assert_haproxy_takes_every_template() {
    let templates = files("confd/templates");
    assert_eq!(templates.len(), 3, "{templates:?}");
    for template in templates {
        for pairs in [&[][..], README, MANY] {
            let text = render(&template, pairs);
            assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{text:?}");
            assert_haproxy_takes(&text, &template);
        }
    }
}

/// A path in the repository.
pub fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What is in a directory of the repository.
pub fn files(directory: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root(directory)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// What a template makes of these keys.
pub fn render(template: &Path, pairs: Pairs) -> String {
    let source = fs::read_to_string(template).unwrap();
    let pairs = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Template::parse(&template.to_string_lossy(), &source)
        .and_then(|template| template.render(&pairs.collect()))
        .unwrap_or_else(|e| panic!("{e}"))
}

#[track_caller]
pub fn assert_haproxy_takes(text: &str, origin: &Path) {
    let dir = Scratch::new("template");
    let path = dir.join("haproxy.cfg");
    fs::write(&path, text).unwrap();
    let mut command = Command::new(program("haproxy"));
    let result = command.arg("-c").arg("-f").arg(&path).output();
    let output = result.expect("haproxy cannot be run: tests/setup.sh installs it");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}:\n{said}\n{text}",
        origin.display()
    );
    // A name that does not resolve is the only thing that haproxy may have to say.
    let other = |line: &&str| line.contains("[WARNING]") && !line.contains("could not resolve");
    let warnings: Vec<&str> = said.lines().filter(other).collect();
    assert!(warnings.is_empty(), "{}:\n{said}\n{text}", origin.display());
}
