//! One pass, dry runs, and the ways in which a start fails.

use crate::scene::{CHECK, KEY, Scene, section};
use crate::support::checker::{CheckerBuilder, run_to_end};
use crate::support::seconds;

#[test]
fn one_pass_decides_and_exits_with_the_state() {
    let scene = Scene::start(1);
    let replica = &scene.db.replicas[0];
    let (code, said) = scene.once(CHECK, &[]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(scene.current(), replica.endpoint());
    replica.stop();
    // A hung server is left within the one pass: a timer job must be able to do that, too.
    let (code, said) = scene.once("timeout=0.3\n", &[]);
    assert_eq!(code, 1, "the primary stands in: {said}");
    assert_eq!(scene.current(), scene.db.primary.endpoint());
    replica.cont();
    scene.db.primary.kill();
    scene.point_at(replica);
    replica.kill();
    let (code, said) = scene.once(CHECK, &[]);
    assert_eq!(code, 2, "{said}");
    scene.consul.kill();
    let (code, said) = scene.once(CHECK, &[]);
    assert_eq!(code, 3, "{said}");
}

#[test]
fn one_pass_makes_a_voluntary_move_too() {
    let scene = Scene::start(1);
    scene.point_at(&scene.db.primary);
    let (code, said) = scene.once(CHECK, &[]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(scene.current(), scene.db.replicas[0].endpoint());
    assert_eq!(scene.kv().flags, 2);
}

#[test]
fn a_dry_run_says_what_it_would_do_and_writes_nothing() {
    let scene = Scene::start(1);
    let (code, said) = scene.once(CHECK, &["--dry-run"]);
    assert_eq!(code, 2, "the tag points nowhere: {said}");
    assert!(said.contains("would set new"), "{said}");
    assert!(scene.consul.get(KEY).is_none());
}

#[test]
fn every_section_of_the_type_runs_when_no_tag_is_named() {
    let scene = Scene::start(1);
    let other = section("other", &scene.db.primary, CHECK).replace("13351", "13352");
    let conf = format!(
        "{}{other}\n[mem]\ntype=memcached\nserver=127.0.0.1:1\n",
        scene.conf(CHECK)
    );
    let finished = CheckerBuilder::new("checkmysqlslave")
        .conf(&conf)
        .args(["--consul", &scene.consul.endpoint(), "--once"])
        .run_to_end(seconds(30));
    assert_eq!(
        finished.code,
        Some(0),
        "{}{}",
        finished.stdout,
        finished.stderr
    );
    assert!(scene.consul.get(KEY).is_some());
    assert!(scene.consul.get("haproxy/mysqlslave/other").is_some());
    assert!(scene.consul.get("haproxy/mysqlslave/mem").is_none());
}

#[test]
fn bad_input_is_told_problem_by_problem_with_file_and_line_and_nothing_starts() {
    let conf = "[slave3301]\nhost=10.0.21.5\nport=33o1\nuser=monitor\n\
                [slave3302]\nport=3302\nuser=monitor\n";
    let finished = CheckerBuilder::new("checkmysqlslave")
        .conf(conf)
        .run_to_end(seconds(10));
    assert_eq!(finished.code, Some(2));
    assert!(finished.stdout.is_empty(), "{}", finished.stdout);
    let problems: Vec<&str> = finished.stderr.lines().collect();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(
        problems[0].contains("db.conf:3: ") && problems[0].contains("33o1"),
        "{problems:?}"
    );
    assert!(
        problems[1].contains("db.conf:5: ") && problems[1].contains("host"),
        "{problems:?}"
    );
    for conf in [
        "[a]\nhost=h\nhost=h\nport=1\nuser=u\n",
        "[a]\nhost=h\nport=1\nuser=u\n[a]\n",
    ] {
        let finished = CheckerBuilder::new("checkmysqlslave")
            .conf(conf)
            .run_to_end(seconds(10));
        assert_eq!(finished.code, Some(2), "{conf}");
    }
}

#[test]
fn a_bad_command_line_is_told_and_nothing_starts() {
    let good = "[slave3301]\nhost=10.0.21.5\nport=3301\nuser=monitor\n";
    let cases: &[(&[&str], &str)] = &[
        (&["--tag", "slave3302"], "slave3302"),
        (&["--tga", "x"], "--tga"),
        (&["--tag"], "--tag"),
        (&["--timeout", "fast"], "fast"),
        (
            &["--consul", "ftp://localhost:8501"],
            "not a way to reach Consul",
        ),
        (&["--consul", "what is this"], "what is this"),
        (&["surprise"], "surprise"),
    ];
    for (args, wanted) in cases {
        let finished = CheckerBuilder::new("checkmysqlslave")
            .conf(good)
            .args(*args)
            .run_to_end(seconds(10));
        assert_eq!(finished.code, Some(2), "{args:?}: {}", finished.stderr);
        assert!(
            finished.stderr.contains(wanted),
            "{args:?}: {}",
            finished.stderr
        );
    }
    let finished = run_to_end(&["checkmysqlslave", "--conf", "/nonexistent/db.conf"]);
    assert_eq!(finished.code, Some(2));
    assert!(
        finished.stderr.contains("/nonexistent/db.conf"),
        "{}",
        finished.stderr
    );
    assert_eq!(run_to_end(&["checkmysqlslave", "--help"]).code, Some(0));
    assert_eq!(run_to_end(&[]).code, Some(2));
}
