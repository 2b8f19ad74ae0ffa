//! Commands that behave, and every way of not behaving.

use std::path::Path;

use super::*;
use crate::scratch::Scratch;

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(200);

fn run_long(line: &str) -> CommandResult {
    run(line, LONG, &[])
}

fn success(output: &str) -> CommandResult {
    CommandResult::Success {
        output: output.to_owned(),
    }
}

fn failed_with(status: &str, output: &str) -> CommandResult {
    failed(status.to_owned(), output.to_owned())
}

fn timed_out(output: &str) -> CommandResult {
    CommandResult::TimedOut {
        output: output.to_owned(),
    }
}

/// Reads the number that a command wrote, and says whether a process has it.
fn lives(number: &Path) -> bool {
    let pid = std::fs::read_to_string(number).unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    // A zombie, which nobody has reaped yet, is dead enough.
    status.is_ok_and(|text| !text.contains(") Z "))
}

fn dies(number: &Path) -> bool {
    let start = Instant::now();
    while lives(number) && start.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(5));
    }
    !lives(number)
}

#[test]
fn both_outputs_of_a_command_come_in_order() {
    assert_eq!(run_long("echo a; echo b >&2; echo c"), success("a\nb\nc\n"));
    assert_eq!(run_long("true"), success(""));
}

#[test]
fn a_command_that_ends_is_not_waited_for_longer() {
    let start = Instant::now();
    for _ in 0..5 {
        assert_eq!(run_long("exec >&- 2>&-; true"), success(""));
    }
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn a_failure_has_its_status_and_its_output() {
    assert_eq!(
        run_long("echo no; exit 3"),
        failed_with("exit status 3", "no\n")
    );
    assert_eq!(
        run_long("kill -KILL $$"),
        failed_with("killed by signal 9", "")
    );
    let CommandResult::Failed { status, output } = run_long("/nonexistent/haproxy -c") else {
        panic!("it cannot succeed");
    };
    assert_eq!(status, "exit status 127");
    assert!(output.contains("not found"), "{output}");
}

#[test]
fn a_command_that_cannot_be_started_is_no_failure_of_the_command() {
    let result = run_long("echo a\0b");
    let CommandResult::NotStarted(error) = result else {
        panic!("{result:?}");
    };
    assert!(error.starts_with("cannot run /bin/sh: "), "{error}");
}

#[test]
fn a_command_reads_nothing_and_leads_its_own_group() {
    assert_eq!(run_long("cat"), success(""));
    // The fifth field of stat is the process group.
    let own = "read pid name state parent group rest </proc/$$/stat; test $group = $$";
    assert_eq!(run_long(own), success(""));
}

#[test]
fn the_environment_is_ours_with_changes() {
    let line = "echo \"$A-${HOME-none}-${PATH:+path}\"";
    let result = run(line, LONG, &[("A", Some("x y")), ("HOME", None)]);
    assert_eq!(result, success("x y-none-path\n"));
}

#[test]
fn a_command_that_never_ends_is_ended_with_its_children() {
    let scratch = Scratch::new();
    let number = scratch.join("pid");
    let line = format!("echo a; sleep 1000 & echo $! >{}; wait", number.display());
    let start = Instant::now();
    assert_eq!(run(&line, SHORT, &[]), timed_out("a\n"));
    assert!(start.elapsed() >= SHORT);
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    assert!(dies(&number));
}

#[test]
fn a_command_that_ignores_the_request_to_end_is_killed_with_its_children() {
    let scratch = Scratch::new();
    let number = scratch.join("pid");
    let line = format!(
        "trap '' TERM; sleep 1000 & echo $! >{}; while :; do sleep 1; done",
        number.display()
    );
    let start = Instant::now();
    assert_eq!(run(&line, SHORT, &[]), timed_out(""));
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    assert!(dies(&number));
}

#[test]
fn a_child_that_ignores_the_request_dies_with_a_command_that_does_not() {
    let scratch = Scratch::new();
    let number = scratch.join("pid");
    let stubborn = "trap '' TERM; while :; do sleep 1; done";
    let line = format!("sh -c \"{stubborn}\" & echo $! >{}; wait", number.display());
    // `wait` ends at once when the shell gets its TERM.
    assert_eq!(run(&line, SHORT, &[]), timed_out(""));
    assert!(dies(&number));
}

// confd #121, #346, #360.
#[test]
fn a_background_child_that_holds_the_output_is_not_waited_for_and_lives() {
    let scratch = Scratch::new();
    let number = scratch.join("pid");
    let line = format!("echo a; sleep 20 & echo $! >{}", number.display());
    let start = Instant::now();
    assert_eq!(run_long(&line), success("a\n"));
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    assert!(lives(&number), "a reload may start a server");
    let _ = run_long(&format!("kill $(cat {})", number.display()));
}

#[test]
fn a_background_child_that_never_stops_talking_is_not_waited_for() {
    let start = Instant::now();
    let CommandResult::Success { .. } = run_long("yes & sleep 0.05") else {
        panic!("it exits with 0");
    };
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn a_flood_of_output_is_cut_and_does_not_stop_the_command() {
    let line = "head -c 1000000 /dev/zero | tr '\\0' x; exit 1";
    let CommandResult::Failed { status, output } = run_long(line) else {
        panic!("it exits with 1");
    };
    assert_eq!(status, "exit status 1");
    let note = format!("... and {} bytes more", 1_000_000 - output::LIMIT);
    assert_eq!(output.len(), output::LIMIT + note.len());
    assert!(output.ends_with(&note));
}

#[test]
fn a_flood_that_never_ends_is_ended() {
    let CommandResult::TimedOut { output } = run("yes", SHORT, &[]) else {
        panic!("yes never ends by itself");
    };
    assert!(output.starts_with("y\ny\n"));
}

#[test]
fn output_that_is_not_utf8_is_shown_as_far_as_it_goes() {
    assert_eq!(run_long("printf 'a\\377b'"), success("a\u{fffd}b"));
}
