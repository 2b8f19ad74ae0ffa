//! The completion for bash, in a real bash: what it offers for a line that is being typed.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::support::scratch::Scratch;

/// What is offered when TAB is pressed at the end of these words. As bash does it, `=` is a word.
fn offered(dir: &Scratch, words: &[&str]) -> Vec<String> {
    let script =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("packaging/bash-completion/confd_haproxy");
    let code = format!(
        ". {}; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _confd_haproxy; \
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        script.display()
    );
    let output = Command::new("bash")
        .args(["--norc", "-c", &code, "bash"])
        .args(words)
        .current_dir(dir.path())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(errors, "", "{words:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.map(str::to_owned).collect()
}

fn with_conf() -> Scratch {
    let dir = Scratch::new("completion");
    let conf = "[slave3301]\nhost=h\n\n[mem11211]\ntype=memcached\n  [redis-1]\ntype = redismaster \n\
                [slave3302]\ntype=mysqlslave\n";
    fs::write(dir.path().join("db.conf"), conf).unwrap();
    fs::write(dir.path().join("keys.json"), "{}").unwrap();
    fs::create_dir(dir.path().join("confd")).unwrap();
    dir
}

#[test]
fn commands_options_and_their_words_are_offered() {
    let dir = with_conf();
    let cases: &[(&[&str], &[&str])] = &[
        (&["confd_haproxy", "st"], &["status"]),
        (
            &["confd_haproxy", "checkm"],
            &["checkmysqlslave", "checkmemcached"],
        ),
        (&["confd_haproxy", "--v"], &["--version"]),
        (&["confd_haproxy", "status", "--js"], &["--json"]),
        (&["checkmysqlslave", "--max"], &["--max-lag"]),
        (
            &["/usr/bin/checkmysqlslave", "--fallback", ""],
            &["master", "keep"],
        ),
        (&["checkmysqlslave", "--fallback", "=", "k"], &["keep"]),
        (&["checkmysqlslave", "--fallback", "="], &["master", "keep"]),
        (&["checkmemcached", "--max"], &[]),
        (&["confd_haproxy", "confd", "-back"], &["-backend"]),
        (&["confd_haproxy", "confd", "-backend", "f"], &["file"]),
        (&["checkmysqlslave", "-fallback", "m"], &["master"]),
    ];
    for (words, wanted) in cases {
        assert_eq!(offered(&dir, words), *wanted, "{words:?}");
    }
}

#[test]
fn tags_are_those_of_the_conf_file_and_of_the_commands_own_type() {
    let dir = with_conf();
    let cases: &[(&[&str], &[&str])] = &[
        (
            &["confd_haproxy", "status", "--conf", "db.conf", "--tag", ""],
            &["slave3301", "mem11211", "redis-1", "slave3302"],
        ),
        (
            &["checkmysqlslave", "--conf", "db.conf", "--tag", ""],
            &["slave3301", "slave3302"],
        ),
        (
            &["checkredismaster", "-conf", "db.conf", "-tag", ""],
            &["redis-1"],
        ),
        (
            &[
                "confd_haproxy",
                "run",
                "--conf",
                "=",
                "db.conf",
                "--tag",
                "mem11211,sl",
            ],
            &["mem11211,slave3301", "mem11211,slave3302"],
        ),
        (&["checkmysqlslave", "--conf", "gone", "--tag", ""], &[]),
        (
            &["confd_haproxy", "pin", "--conf", "db.conf", "sl"],
            &["slave3301", "slave3302"],
        ),
        (
            &[
                "confd_haproxy",
                "move",
                "--force",
                "--conf",
                "=",
                "db.conf",
                "m",
            ],
            &["mem11211"],
        ),
        (
            &["confd_haproxy", "move", "--conf", "db.conf", "mem11211", ""],
            &[],
        ),
    ];
    for (words, wanted) in cases {
        assert_eq!(offered(&dir, words), *wanted, "{words:?}");
    }
}

#[test]
fn files_are_those_that_an_option_takes() {
    let dir = with_conf();
    assert_eq!(
        offered(&dir, &["checkmysqlslave", "--conf", ""]),
        ["confd", "db.conf"]
    );
    assert_eq!(
        offered(&dir, &["confd_haproxy", "run", "--store", "k"]),
        ["keys.json"]
    );
    assert_eq!(
        offered(&dir, &["confd_haproxy", "status", "--confdir", ""]),
        ["confd"]
    );
}
