//! The crates that are linked in: their licences, and those that must never be among them.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

use super::root;

/// Licences that a crate may have; each allows use in an MIT program.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// An async runtime, OpenSSL, C libraries, and what builds C.
const BANNED: &[&str] = &[
    "tokio",
    "async-std",
    "smol",
    "openssl",
    "openssl-sys",
    "native-tls",
    "libz-sys",
    "aws-lc-sys",
    "aws-lc-rs",
    "libz-ng-sys",
    "zstd-sys",
    "cc",
    "cmake",
    "bindgen",
    "pkg-config",
    "r2d2_mysql",
];

/// Crates that may be there after all, below these and nowhere else. ring is cryptography in assembler
/// and C that needs no C library; `cc` calls the compiler for it while it is built, and nothing of
/// `cc` is linked.
const ONLY_BELOW: &[(&str, &str)] = &[("cc", "ring")];

/// Crates that are in the tree in two major versions, because two of ours want different ones.
/// docs/dependencies.md says which.
const TWICE: &[&str] = &[
    "base64",
    "cpufeatures",
    "getrandom",
    "lock_api",
    "parking_lot",
    "parking_lot_core",
    "syn",
];

struct Package {
    name: String,
    version: String,
    licence: String,
}

/// What the program is built from, development dependencies left out.
fn packages() -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
        ])
        .args([
            "--target",
            "x86_64-unknown-linux-musl",
            "--format",
            "{p}\t{l}",
        ])
        .current_dir(root())
        .output()
        .expect("cargo tree runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: BTreeSet<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    let read = |line: &str| {
        let (package, licence) = line.split_once('\t').expect(line);
        let mut words = package.split(' ');
        Package {
            name: words.next().unwrap().to_owned(),
            version: words.next().unwrap().to_owned(),
            licence: licence.trim_end_matches("(*)").trim().to_owned(),
        }
    };
    lines.into_iter().map(read).collect()
}

#[test]
fn no_banned_crate_is_linked() {
    let excused = |package: &Package| {
        let mut all = ONLY_BELOW.iter();
        all.any(|(name, user)| package.name == *name && users(name) == [*user])
    };
    let found: Vec<String> = packages()
        .into_iter()
        .filter(|package| BANNED.contains(&package.name.as_str()) && !excused(package))
        .map(|package| format!("{} {}", package.name, package.version))
        .collect();
    assert!(found.is_empty(), "banned: {}", found.join(", "));
}

/// The crates that depend on this one, in whatever way, themselves.
fn users(name: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
        ])
        .args(["--target", "x86_64-unknown-linux-musl", "--format", "{p}"])
        .args(["--invert", name, "--depth", "1"])
        .current_dir(root())
        .output()
        .expect("cargo tree runs");
    let text = String::from_utf8(output.stdout).unwrap();
    let names = text
        .lines()
        .skip(1)
        .filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

#[test]
fn every_licence_is_an_allowed_one() {
    let packages = packages();
    assert!(
        packages.len() > 20,
        "cargo tree listed only {}",
        packages.len()
    );
    let bad: Vec<String> = packages
        .iter()
        .filter(|package| !allows(&package.licence))
        .map(|package| format!("{}: '{}'", package.name, package.licence))
        .collect();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn no_crate_is_there_twice_without_a_reason() {
    let all: BTreeSet<(String, String)> = packages()
        .into_iter()
        .map(|p| (p.name, p.version))
        .collect();
    let names: Vec<&String> = all.iter().map(|(name, _)| name).collect();
    let twice: BTreeSet<&str> = names
        .windows(2)
        .filter(|pair| pair[0] == pair[1])
        .map(|pair| pair[0].as_str())
        .collect();
    assert_eq!(twice, TWICE.iter().copied().collect());
}

#[test]
fn every_direct_dependency_has_its_reason_in_the_docs() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--no-deps", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo metadata runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let docs = fs::read_to_string(root().join("docs/dependencies.md")).unwrap();
    for dependency in metadata["packages"][0]["dependencies"].as_array().unwrap() {
        let name = dependency["name"].as_str().unwrap();
        assert!(
            docs.contains(&format!("`{name}`")),
            "docs/dependencies.md: no word on {name}"
        );
    }
}

#[test]
fn licence_expressions_are_read_as_spdx_means_them() {
    assert!(allows("MIT"));
    assert!(allows("MIT OR GPL-3.0"));
    assert!(allows("MIT/Apache-2.0"));
    assert!(allows("(MIT OR Apache-2.0) AND Unicode-3.0"));
    assert!(allows("Apache-2.0 WITH LLVM-exception OR MIT"));
    assert!(!allows("GPL-3.0"));
    assert!(!allows("MIT AND GPL-3.0"));
    assert!(!allows("(MIT OR Apache-2.0) AND GPL-2.0"));
    assert!(!allows(""));
}

/// Whether an SPDX expression leaves a way that uses allowed licences only. AND binds tighter
/// than OR; "/" is how old manifests write OR.
fn allows(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    if let Some((left, right)) = split(&expression, " OR ") {
        return allows(left) || allows(right);
    }
    if let Some((left, right)) = split(&expression, " AND ") {
        return allows(left) && allows(right);
    }
    let term = expression.trim();
    match term.strip_prefix('(').and_then(|t| t.strip_suffix(')')) {
        Some(inside) => allows(inside),
        None => LICENCES.contains(&term),
    }
}

/// Splits at the first operator that stands outside parentheses.
fn split<'a>(expression: &'a str, operator: &str) -> Option<(&'a str, &'a str)> {
    let at = expression
        .match_indices(operator)
        .map(|(at, _)| at)
        .find(|at| {
            let before = &expression[..*at];
            before.matches('(').count() == before.matches(')').count()
        })?;
    Some((&expression[..at], &expression[at + operator.len()..]))
}
