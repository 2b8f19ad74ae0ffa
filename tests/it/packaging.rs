//! What is shipped around the program: the package's files, its manual pages, its licences.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::support::checker::binary;
use crate::support::lab::{self, NEW, Tree, build, file_name, licences, packages, root};
use crate::support::program;
use crate::support::scratch::Scratch;

/// What a command says; it must succeed.
#[track_caller]
fn said(command: &mut Command) -> String {
    let output = command.output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}{errors}");
    text
}

/// The names of the links to the program.
pub fn commands() -> Vec<String> {
    let list = said(Command::new(binary()).arg("--list"));
    list.lines().map(str::to_owned).collect()
}

/// The package's files.
fn files() -> BTreeSet<String> {
    let package = packages().join(file_name(NEW));
    let list = said(Command::new(program("rpm")).arg("-qpl").arg(package));
    list.lines().map(str::to_owned).collect()
}

#[test]
fn the_same_sources_give_the_same_package_wherever_they_are() {
    let copy = Tree::copy();
    // The times of files are those of somebody else's checkout.
    said(Command::new(program("find")).arg(copy.path()).args([
        "-exec",
        "touch",
        "-d",
        "2001-02-03 04:05:06",
        "{}",
        "+",
    ]));
    let out = Scratch::new("packages");
    build(copy.path(), out.path(), NEW);
    let one = fs::read(packages().join(file_name(NEW))).unwrap();
    let other = fs::read(out.join(&file_name(NEW))).unwrap();
    assert!(
        one == other,
        "the packages differ: {}",
        out.path().display()
    );
}

#[test]
fn an_old_rpm_can_read_the_package() {
    let package = packages().join(file_name(NEW));
    let requires = said(
        Command::new(program("rpm"))
            .args(["-qp", "--requires"])
            .arg(package),
    );
    // What rpm 4.11 of CentOS 7 has.
    let known = [
        "CompressedFileNames",
        "FileDigests",
        "PayloadFilesHavePrefix",
        "PayloadIsXz",
    ];
    for line in requires.lines().filter_map(|l| l.strip_prefix("rpmlib(")) {
        assert!(known.iter().any(|name| line.starts_with(name)), "{line}");
    }
}

#[test]
fn every_command_has_its_link_unit_defaults_and_manual_page() {
    let files = files();
    for name in commands() {
        for wanted in [
            format!("/usr/bin/{name}"),
            format!("/usr/lib/systemd/system/{name}@.service"),
            format!("/etc/sysconfig/{name}"),
            format!("/usr/share/man/man8/{name}.8.gz"),
            format!("/usr/share/bash-completion/completions/{name}"),
        ] {
            assert!(files.contains(&wanted), "{wanted} is not in the package");
        }
    }
    assert!(files.contains("/usr/share/man/man5/confd_haproxy-db.conf.5.gz"));
    assert!(files.contains("/usr/share/bash-completion/completions/confd_haproxy"));
    for name in [
        "grafana/confd_haproxy.json",
        "prometheus/confd_haproxy.rules.yml",
        "docs/metrics.md",
    ] {
        let wanted = format!("/usr/share/doc/confd_haproxy/{name}");
        assert!(files.contains(&wanted), "{wanted} is not in the package");
    }
    assert!(!files.iter().any(|file| file.starts_with("/etc/haproxy")));
}

#[test]
fn all_that_is_under_etc_is_configuration_that_an_upgrade_does_not_replace() {
    let package = packages().join(file_name(NEW));
    let list = said(
        Command::new(program("rpm"))
            .args([
                "-qp",
                "--qf",
                "[%{FILENAMES} %{FILEMODES:perms} %{FILEFLAGS}\n]",
            ])
            .arg(package),
    );
    // RPMFILE_CONFIG and RPMFILE_NOREPLACE.
    let kept = 1 | (1 << 4);
    let mut count = 0;
    for line in list.lines().filter(|line| line.starts_with("/etc/")) {
        let words: Vec<&str> = line.split(' ').collect();
        if words[1].starts_with('-') {
            assert_eq!(words[2].parse::<u32>().unwrap() & kept, kept, "{line}");
            count += 1;
        }
    }
    assert!(count >= 8, "{list}");
}

#[test]
fn rpmlint_finds_nothing_that_is_not_meant() {
    let said = said(
        Command::new(program("rpmlint"))
            .arg("-c")
            .arg(root().join("packaging/rpmlint.toml"))
            .arg(packages().join(file_name(NEW))),
    );
    assert!(said.contains(" 0 errors, 0 warnings"), "{said}");
}

#[test]
fn manual_pages_are_clean() {
    for entry in fs::read_dir(root().join("packaging/man")).unwrap() {
        let page = entry.unwrap().path();
        let output = Command::new(program("mandoc"))
            .args(["-Tlint", "-Wstyle"])
            .arg(&page)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        // The pages that it names are not installed where it is built.
        let found: Vec<&str> = text
            .lines()
            .filter(|line| !line.contains("referenced manual not found"))
            .collect();
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

#[test]
fn the_licence_of_every_linked_crate_is_shipped() {
    let text = fs::read_to_string(licences()).unwrap();
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--locked", "--edges", "normal,no-proc-macro"])
        .args(["--prefix", "none", "--format", "{p}"])
        .args(["--target", "x86_64-unknown-linux-musl"])
        .current_dir(root());
    let ours = ["confd_haproxy"];
    let mut count = 0;
    for line in said(&mut tree).lines() {
        let mut words = line.split(' ');
        let (Some(name), Some(version)) = (words.next(), words.next()) else {
            continue;
        };
        let entry = format!("\n{name} {}, ", version.trim_start_matches('v'));
        assert!(
            ours.contains(&name) || text.contains(&entry),
            "no licence of {name}"
        );
        count += 1;
    }
    assert!(count > 20, "{count}");
    for words in [
        "The Rust standard library",
        "Rich Felker",
        "Permission is hereby granted",
    ] {
        assert!(text.contains(words), "{words}");
    }
}

#[test]
fn an_installation_elsewhere_runs_from_there_and_leaves_an_edited_file_alone() {
    let dest = Scratch::new("destdir");
    let install = || {
        said(
            Command::new(root().join("packaging/install.sh"))
                .env("BINARY", binary())
                .env("LICENCES", licences())
                .env("DESTDIR", dest.path())
                .env("PREFIX", "/opt/confd_haproxy"),
        )
    };
    install();
    let unit = "opt/confd_haproxy/lib/systemd/system/checkmysqlslave@.service";
    let unit = fs::read_to_string(dest.join(unit)).unwrap();
    assert!(unit.contains("\nExecStart=/opt/confd_haproxy/bin/checkmysqlslave "));
    let link = fs::read_link(dest.join("opt/confd_haproxy/bin/checkmysqlslave")).unwrap();
    assert_eq!(link.to_str(), Some("confd_haproxy"));
    let conf = dest.join("etc/confd_haproxy/db.conf");
    fs::write(&conf, "# edited\n").unwrap();
    install();
    assert_eq!(fs::read_to_string(&conf).unwrap(), "# edited\n");
}

#[test]
fn a_lab_leaves_nothing_behind() {
    let lab = lab::Lab::boot();
    let pid = lab.script_pid();
    assert_eq!(lab.run("cat /proc/1/comm"), "systemd");
    drop(lab);
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains("upperdir=/mnt/upper"), "{mounts}");
    let name = format!("confd_haproxy-lab-{pid}");
    for root in ["", "unified/", "systemd/"] {
        let cgroup = format!("/sys/fs/cgroup/{root}{name}");
        assert!(!fs::exists(&cgroup).unwrap(), "{cgroup}");
    }
}
