//! Hooks that behave, and every way of not behaving.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::scratch::Scratch;

fn moved(tag: &str, to: &str) -> Move {
    Move {
        tag: tag.to_owned(),
        from: String::new(),
        to: to.to_owned(),
        reason: "10.0.0.1:1 is down: 'x' \"y\" $(z)\0".to_owned(),
    }
}

/// Counts failures.
fn counter() -> (Arc<AtomicUsize>, Option<OnFailure>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let tell = move || {
        counted.fetch_add(1, Ordering::SeqCst);
    };
    (count, Some(Arc::new(tell)))
}

fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_command_is_told_of_the_move_and_gets_no_secrets() {
    let scratch = Scratch::new();
    let out = scratch.join("out");
    let line = format!(
        "echo \"$TAG|$FROM|$TO|$REASON|${{CONSUL_HTTP_TOKEN-none}}\" >{}",
        out.display()
    );
    let hooks = Hooks::new();
    let (failures, tell) = counter();
    hooks.run(&line, moved("a", "10.0.0.2:1"), tell);
    hooks.finish();
    let wanted = "a||10.0.0.2:1|10.0.0.1:1 is down: 'x' \"y\" $(z) |none";
    assert_eq!(lines(&out), [wanted]);
    assert_eq!(failures.load(Ordering::SeqCst), 0);
}

#[test]
fn those_of_one_tag_run_in_order_and_one_at_a_time() {
    let scratch = Scratch::new();
    let out = scratch.join("out");
    let line = format!(
        "echo start $TO >>{0}; sleep 0.05; echo end $TO >>{0}",
        out.display()
    );
    let hooks = Hooks::new();
    for to in ["1", "2", "3"] {
        hooks.run(&line, moved("a", to), None);
    }
    hooks.finish();
    let wanted = ["start 1", "end 1", "start 2", "end 2", "start 3", "end 3"];
    assert_eq!(lines(&out), wanted);
}

#[test]
fn one_that_fails_or_is_missing_is_counted_and_the_next_runs() {
    let scratch = Scratch::new();
    let out = scratch.join("out");
    let hooks = Hooks::new();
    let (failures, tell) = counter();
    hooks.run("exit 3", moved("a", "1"), tell.clone());
    hooks.run("/nonexistent/hook", moved("a", "2"), tell.clone());
    hooks.run(&format!("echo x >{}", out.display()), moved("a", "3"), tell);
    hooks.finish();
    assert_eq!(failures.load(Ordering::SeqCst), 2);
    assert_eq!(lines(&out), ["x"]);
}

#[test]
fn one_that_hangs_is_ended_and_holds_up_no_other_tag() {
    let scratch = Scratch::new();
    let out = scratch.join("out");
    let hooks = Hooks::with(Duration::from_millis(500));
    let (failures, tell) = counter();
    let started = Instant::now();
    hooks.run("sleep 1000", moved("a", "1"), tell);
    let quick = format!("echo x >{}", out.display());
    hooks.run(&quick, moved("b", "1"), None);
    assert!(
        started.elapsed() < Duration::from_millis(400),
        "nobody waits"
    );
    hooks.finish();
    assert_eq!(lines(&out), ["x"]);
    assert_eq!(failures.load(Ordering::SeqCst), 1);
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_tag_that_moves_all_the_time_does_not_pile_them_up() {
    let hooks = Hooks::new();
    let (failures, tell) = counter();
    for _ in 0..WAITING + 5 {
        hooks.run("sleep 0.2", moved("a", "1"), tell.clone());
    }
    assert!(hooks.lock().waiting.len() <= WAITING);
    assert!(failures.load(Ordering::SeqCst) >= 4);
}
