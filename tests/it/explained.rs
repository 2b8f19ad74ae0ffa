//! What is said of a move, or of the lack of one: in the log, in JSON, step by step, and to the command of
//! `exec=`, which may fail, be missing, or hang.

use std::fs;

use serde_json::Value;

use crate::listed::{Listed, wait_for_more_ok};
use crate::scene::{CHECK, Scene};
use crate::support::daemon::signal_pid;
use crate::support::memcached::{self, Memcached};
use crate::support::scratch::Scratch;
use crate::support::{seconds, wait_until};

/// The tag of two caches, the first of which is in use.
fn two() -> ([Memcached; 2], Listed) {
    let caches = [Memcached::start(), Memcached::start()];
    let listed = Listed::memcached(&memcached::list(&caches));
    (caches, listed)
}

/// The only line with a text.
#[track_caller]
fn line(lines: &[String], text: &str) -> String {
    let found: Vec<&String> = lines.iter().filter(|line| line.contains(text)).collect();
    assert_eq!(found.len(), 1, "{text:?} in {lines:#?}");
    found[0].clone()
}

#[test]
fn a_move_is_one_line_with_how_long_the_fault_lasted() {
    let (caches, listed) = two();
    let checker = listed.settled(&[]);
    caches[0].stop();
    listed.wait_until_at(&caches[1].endpoint());
    checker.wait_for_log("set new alive");
    let moves: Vec<String> = checker.lines();
    let moves: Vec<&String> = moves
        .iter()
        .filter(|l| l.contains("set new alive"))
        .collect();
    let last = moves.last().unwrap();
    let (_, lasted) = last.rsplit_once("; the fault lasted ").expect(last);
    let lasted: f64 = lasted.trim_end_matches(" s").parse().unwrap();
    // Two timeouts of a second each.
    assert!((1.9..10.0).contains(&lasted), "{last}");
    assert!(last.contains(&caches[0].endpoint()) && last.contains(&caches[1].endpoint()));
}

#[test]
fn that_nobody_can_take_over_is_said_with_how_long_the_fault_has_lasted() {
    let cache = Memcached::start();
    let listed = Listed::memcached(&cache.endpoint());
    let checker = listed.settled(&[]);
    cache.kill();
    checker.wait_for_count("there is no alive server!", 3);
    let lines = checker.lines();
    let lasted = |line: &String| -> Option<f64> {
        let (_, end) = line.rsplit_once("; the fault has lasted ")?;
        end.trim_end_matches(" s").parse().ok()
    };
    let all: Vec<f64> = lines.iter().filter_map(lasted).collect();
    assert!(all.len() >= 3 && all.is_sorted(), "{lines:#?}");
}

#[test]
fn json_lines_are_objects_and_a_move_has_its_parts_in_fields() {
    let (caches, listed) = two();
    let checker = listed.checker(&["--log-format", "json"]);
    wait_for_more_ok(&checker, 2);
    caches[0].kill();
    listed.wait_until_at(&caches[1].endpoint());
    checker.wait_for_count("set new alive", 2);
    let lines = checker.lines();
    let objects: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}")))
        .collect();
    for object in &objects {
        assert!(object["time"].as_str().unwrap().ends_with('Z'), "{object}");
        assert!(object["level"].is_string() && object["message"].is_string());
    }
    let moves: Vec<&Value> = objects.iter().filter(|o| o["to"].is_string()).collect();
    let last = moves.last().unwrap();
    assert_eq!(last["tag"], "mem11211");
    assert_eq!(last["from"], caches[0].endpoint().as_str());
    assert_eq!(last["to"], caches[1].endpoint().as_str());
    let reason = last["reason"].as_str().unwrap();
    assert!(reason.ends_with("is down: connection refused"), "{reason}");
    assert!(last["lasted_ms"].is_u64(), "{last}");
    assert!(
        moves[0]["from"].is_null(),
        "the key named no server: {}",
        moves[0]
    );
}

#[test]
fn debug_has_a_line_for_each_step_with_its_time() {
    let scene = Scene::start(1);
    let (code, said) = scene.once(CHECK, &["--debug"]);
    assert_eq!(code, 0, "{said}");
    let lines: Vec<String> = said.lines().map(str::to_owned).collect();
    for step in [
        "] reading haproxy/",
        "] asking all others, ",
        "] writing haproxy/",
    ] {
        let line = line(&lines, step);
        let (_, time) = line.rsplit_once(": ").unwrap();
        let time: f64 = time.trim_end_matches(" ms").parse().expect(&line);
        assert!(time < 10_000.0, "{line}");
    }
}

/// A command that says what it was told in a file.
fn telling(path: &str) -> String {
    format!("echo \"$TAG $FROM $TO $REASON\" >>{path}")
}

#[test]
fn the_command_of_a_section_is_told_of_the_move() {
    let scene = Scene::start(2);
    let dir = Scratch::new("exec");
    let out = dir.join("out").display().to_string();
    scene.point_at(&scene.db.replicas[0]);
    let section = format!("{CHECK}exec={}\n", telling(&out));
    let checker = scene.checker_with(&section, &[]).start();
    checker.wait_for_log("in consul is ok");
    scene.db.replicas[0].kill();
    scene.wait_until_at(&scene.db.replicas[1]);
    let (from, to) = (
        scene.db.replicas[0].endpoint(),
        scene.db.replicas[1].endpoint(),
    );
    let wanted = format!("slave {from} {to} {from} is down: connection refused\n");
    wait_until("the command has run", seconds(10), || {
        fs::read_to_string(&out).is_ok_and(|text| text == wanted)
    });
}

#[test]
fn one_pass_waits_for_the_command() {
    let (caches, listed) = two();
    let dir = Scratch::new("exec");
    let out = dir.join("out").display().to_string();
    let command = format!("sleep 0.5; {}", telling(&out));
    let (code, said) = listed.once(&["--exec", &command]);
    assert_eq!(code, 0, "{said}");
    let told = fs::read_to_string(&out).unwrap();
    let start = format!("mem11211  {} there is no", caches[0].endpoint());
    assert!(told.starts_with(&start), "{told}");
}

#[test]
fn a_dry_run_runs_no_command() {
    let (_caches, listed) = two();
    let dir = Scratch::new("exec");
    let out = dir.join("out");
    let command = telling(&out.display().to_string());
    let (_, said) = listed.once(&["--dry-run", "--exec", &command]);
    assert!(said.contains("would set new"), "{said}");
    assert!(!out.exists());
}

#[test]
fn a_command_that_fails_or_is_missing_is_a_line_and_no_more() {
    let (caches, listed) = two();
    for (command, failure) in [
        ("echo no luck; exit 3", "failed: exit status 3: no luck"),
        ("/nonexistent/hook", "failed: exit status 127: "),
    ] {
        listed.consul.delete(&listed.key);
        let (code, said) = listed.once(&["--exec", command]);
        assert_eq!(code, 0, "{said}");
        let start = format!("exec after the move to {} {failure}", caches[0].endpoint());
        assert!(said.contains(&start), "{said}");
    }
}

#[test]
fn a_command_that_hangs_holds_up_neither_checks_nor_moves() {
    let (caches, listed) = two();
    let dir = Scratch::new("exec");
    let out = dir.join("started");
    let command = format!("echo $$ >>{}; exec sleep 1000", out.display());
    let checker = listed.checker(&["--exec", &command]);
    wait_until("the command has started", seconds(20), || out.exists());
    wait_for_more_ok(&checker, 3);
    caches[0].kill();
    listed.wait_until_at(&caches[1].endpoint());
    wait_for_more_ok(&checker, 3);
    let runs = fs::read_to_string(&out).unwrap();
    assert_eq!(runs.lines().count(), 1, "the next one waits for the first");
    // It outlives the checker, which would start the next one.
    drop(checker);
    signal_pid(runs.trim().parse().unwrap(), "KILL");
}
