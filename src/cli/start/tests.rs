//! From the command line and the environment to a start: each way in, and what is wrong by name.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

use crate::cli::{Invocation, parse};
use crate::config::Service;

const DB_CONF: &str = "[slave3301]\nhost=10.0.21.5\nport=3301\nuser=monitor\n";

type Words<'a> = &'a [&'a str];
type Variables<'a> = &'a [(&'a str, &'a str)];

/// A file of the test's own, gone with the value.
struct File(PathBuf);

impl File {
    fn new(text: &str) -> File {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::SeqCst);
        let name = format!("confd_haproxy-start-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, text).unwrap();
        File(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn resolve(conf: &Path, words: Words, variables: Variables) -> Result<Start, Error> {
    let conf = conf.to_str().unwrap();
    let argv = ["checkmysqlslave", "--conf", conf]
        .into_iter()
        .chain(words.iter().copied());
    let Invocation::Check(kind, args) = parse(argv)? else {
        panic!("no help was asked for");
    };
    args.resolve(&[kind], &|name| {
        let found = variables.iter().find(|(n, _)| *n == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

fn start(words: Words, variables: Variables) -> Result<Start, Error> {
    resolve(&File::new(DB_CONF).0, words, variables)
}

#[test]
fn without_anything_consul_is_on_this_host_and_all_tags_run() {
    let start = start(&[], &[]).unwrap();
    assert_eq!(start.tags[0].common.name.as_str(), "slave3301");
    assert_eq!(
        (start.consul, start.token),
        (vec!["localhost:8500".to_owned()], None)
    );
    assert!(!start.debug && !start.once && !start.dry_run);
    assert_eq!(start.warnings, [""; 0]);
}

#[test]
fn the_address_comes_from_the_option_then_the_variable_then_the_default() {
    let cases: &[(Words, Variables, &str)] = &[
        (&[], &[("CONSUL_HTTP_ADDR", "c1:8500")], "c1:8500"),
        (
            &["--consul", "c2:1"],
            &[("CONSUL_HTTP_ADDR", "c1:8500")],
            "c2:1",
        ),
        (&[], &[("CONSUL_HTTP_ADDR", "")], "localhost:8500"),
        (
            &[],
            &[("CONSUL_HTTP_SSL", "true")],
            "https://localhost:8500",
        ),
        (&[], &[("CONSUL_HTTP_SSL", "0")], "localhost:8500"),
        (&[], &[("CONSUL_HTTP_SSL", "")], "localhost:8500"),
        (
            &["--consul", "c:1, https://c:2", "--consul", "c:3"],
            &[],
            "c:1 https://c:2 c:3",
        ),
        (
            &[],
            &[("CONSUL_HTTP_ADDR", "c:1,c:2"), ("CONSUL_HTTP_SSL", "1")],
            "https://c:1 https://c:2",
        ),
        (
            &["--consul", "http://c:1"],
            &[("CONSUL_HTTP_SSL", "1")],
            "http://c:1",
        ),
        (
            &["--consul", "c:1"],
            &[("CONSUL_HTTP_SSL", "TRUE")],
            "https://c:1",
        ),
        (
            &["--consul", "unix:///s"],
            &[("CONSUL_HTTP_SSL", "t")],
            "unix:///s",
        ),
    ];
    for (words, variables, wanted) in cases {
        let start = start(words, variables).unwrap();
        assert_eq!(start.consul.join(" "), *wanted, "{words:?} {variables:?}");
    }
    let text = start(&[], &[("CONSUL_HTTP_SSL", "maybe")])
        .unwrap_err()
        .to_string();
    assert_eq!(text, "CONSUL_HTTP_SSL: 'maybe' is not true or false");
}

#[test]
fn the_token_comes_from_the_option_then_the_file_then_the_variable() {
    let (file, empty) = (File::new(" in-file \n"), File::new("\n"));
    let variable = ("CONSUL_HTTP_TOKEN", "in-variable");
    let in_file = ("CONSUL_HTTP_TOKEN_FILE", file.path());
    let in_empty = ("CONSUL_HTTP_TOKEN_FILE", empty.path());
    let cases: &[(Words, Variables, Option<&str>)] = &[
        (&["--token", "typed"], &[variable, in_file], Some("typed")),
        (&[], &[variable, in_file], Some("in-file")),
        (&[], &[variable, in_empty], Some("in-variable")),
        (&[], &[variable], Some("in-variable")),
        (
            &[],
            &[("CONSUL_HTTP_TOKEN", ""), ("CONSUL_HTTP_TOKEN_FILE", "")],
            None,
        ),
        (&["--token="], &[variable], Some("in-variable")),
    ];
    for (words, variables, wanted) in cases {
        let token = start(words, variables).unwrap().token;
        assert_eq!(
            token.as_ref().map(shown),
            *wanted,
            "{words:?} {variables:?}"
        );
    }
}

fn shown(token: &TokenSource) -> &str {
    match token {
        TokenSource::Given(token) | TokenSource::File { now: token, .. } => token.expose(),
    }
}

#[test]
fn a_token_on_the_command_line_is_a_warning_that_does_not_show_it() {
    let start = start(&["--token", "s3cret"], &[]).unwrap();
    assert!(
        start.warnings[0].contains("CONSUL_HTTP_TOKEN"),
        "{:?}",
        start.warnings
    );
    assert!(!format!("{start:?}").contains("s3cret"));
}

#[test]
fn an_address_that_one_pass_has_no_use_for_is_warned_of() {
    let start = start(&["--once", "--listen", "127.0.0.1:9633"], &[]).unwrap();
    let wanted = "--listen means nothing with --once: nobody is listened to";
    assert_eq!(start.warnings, [wanted]);
}

#[test]
fn a_token_that_cannot_be_used_is_an_error_that_does_not_show_it() {
    let text = start(&[], &[("CONSUL_HTTP_TOKEN_FILE", "/nonexistent/t")])
        .unwrap_err()
        .to_string();
    assert!(
        text.starts_with("CONSUL_HTTP_TOKEN_FILE: cannot read /nonexistent/t: No such"),
        "{text}"
    );
    let text = start(&[], &[("CONSUL_HTTP_TOKEN", "s3\r\nX: y")])
        .unwrap_err()
        .to_string();
    assert!(
        text.starts_with("CONSUL_HTTP_TOKEN: a token has no blanks"),
        "{text}"
    );
    assert!(!text.contains("s3"));
}

#[test]
fn problems_of_the_file_and_of_the_environment_are_reported_together() {
    let file = File::new("[a]\nport=x\n");
    let variables = [("CONSUL_HTTP_SSL", "x"), ("CONSUL_HTTP_TOKEN", "a b")];
    let error = resolve(&file.0, &[], &variables).unwrap_err();
    assert_eq!(error.problems().len(), 5, "{error}");
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn switches_and_settings_arrive() {
    let start = start(&["--debug", "--once", "--dry-run", "--max-lag=7"], &[]).unwrap();
    assert!(start.debug && start.once && start.dry_run);
    let Service::Mysql(mysql) = &start.tags[0].service else {
        panic!("{start:?}");
    };
    assert_eq!(mysql.max_lag, 7);
}

#[test]
fn a_missing_file_says_how_to_name_another() {
    let error = resolve(Path::new("/nonexistent/db.conf"), &[], &[]).unwrap_err();
    assert!(error.to_string().contains("--conf"), "{error}");
}

fn resolve_words(argv: &[&str], variables: Variables) -> Result<Start, Error> {
    let Invocation::Check(kind, args) = parse(argv)? else {
        panic!("no help was asked for");
    };
    args.resolve(&[kind], &|name| {
        let found = variables.iter().find(|(n, _)| *n == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

#[test]
fn servers_on_the_command_line_make_one_tag_without_a_file() {
    let words = ["checkmemcached", "--server", "a:1,b:2", "--tag", "mem1"];
    let start = resolve_words(&words, &[]).unwrap();
    assert_eq!(start.tags[0].common.name.as_str(), "mem1");
    let with_conf = [&words[..], &["--conf", "/nonexistent"]].concat();
    let start = resolve_words(&with_conf, &[]).unwrap();
    assert!(start.warnings[0].contains("--conf is not read"));
    let error = resolve_words(&words[..3], &[]).unwrap_err();
    assert!(error.to_string().contains("name it with --tag"), "{error}");
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn neither_servers_nor_a_file_is_the_originals_error() {
    let error = resolve_words(&["checkmemcached", "--tag", "mem1"], &[]).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("both --server and --consul option must have value"),
        "{text}"
    );
    assert_eq!(error.exit_code(), 254);
}

#[test]
fn the_password_of_a_redis_on_the_command_line_is_in_the_variable_of_redis_cli() {
    let words = [
        "checkredismaster",
        "--server",
        "a:1",
        "--tag",
        "r",
        "--user",
        "m",
    ];
    let start = resolve_words(&words, &[("REDISCLI_AUTH", "s3cret")]).unwrap();
    let Service::Redis(redis) = &start.tags[0].service else {
        panic!("{start:?}");
    };
    assert_eq!(redis.account.password.expose(), "s3cret");
    assert!(
        resolve_words(&words, &[]).is_err(),
        "a user without a password"
    );
    let words = ["checkredismaster", "--conf", "/x", "--user", "m"];
    let error = resolve_words(&words, &[]).unwrap_err();
    assert!(
        error.to_string().contains("in a conf file it is user="),
        "{error}"
    );
}
