//! What happens to the time of day, of the checker alone: libfaketime answers in the kernel's place
//! when a program asks for it. It is a library to be loaded, so the program is one with a libc of its
//! own to load: the same sources, built for that. The monotonic clock is left as it is, as it is where
//! somebody sets the time of a machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::matrix::{Came, Watch, rows};
use crate::scene::{CHECK, KEY, Scene, wait_for_more_ok};
use crate::support::checker::{Checker, CheckerBuilder};
use crate::support::template::must_succeed;
use crate::support::{program, seconds, wait_until};

rows! {
    #[ignore = "slow: make faults"]
    forward: "its clock jumps an hour forward, then the replica is killed" => "nothing moves before, and the key at once then (time from the kill)";
    #[ignore = "slow: make faults"]
    back: "its clock jumps an hour back, then the replica is killed" => "the same";
}

const HOUR: i64 = 3600;
const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

fn forward() -> Came {
    jumped(HOUR)
}

fn back() -> Came {
    jumped(-HOUR)
}

fn jumped(by: i64) -> Came {
    let scene = Scene::start(2);
    let (checker, clock) = with_a_clock_of_its_own(&scene);
    wait_for_more_ok(&checker, 2);
    assert_eq!(hours_off(&checker), 0, "{}", checker.log());
    let mut watch = Watch::start(&scene.consul, KEY);
    set(&clock, by);
    wait_until("its log has the new time", seconds(20), || {
        hours_off(&checker) == by / HOUR
    });
    // More than one interval and more than `fall` timeouts long.
    wait_for_more_ok(&checker, 10);
    let (used, other) = scene.used_and_other();
    watch.restart();
    used.kill();
    scene.wait_until_at(other);
    // One write in all, so none after the jump.
    let came = watch.came_right(1);
    wait_for_more_ok(&checker, 2);
    assert_eq!(hours_off(&checker), by / HOUR, "{}", checker.log());
    came
}

/// A checker, and the file that says by how much its clock is wrong.
fn with_a_clock_of_its_own(scene: &Scene) -> (Checker, PathBuf) {
    assert!(
        Path::new(LIBRARY).exists(),
        "faketime is not installed: run tests/setup.sh as root"
    );
    let builder = CheckerBuilder::of("checkmysqlslave", loadable()).arg("checkmysqlslave");
    let clock = builder.dir().join("clock");
    set(&clock, 0);
    let checker = builder
        .conf(&scene.conf(CHECK))
        .args(["--consul", &scene.consul.endpoint()])
        .env("LD_PRELOAD", LIBRARY)
        .env("DONT_FAKE_MONOTONIC", "1")
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap())
        .start();
    (checker, clock)
}

/// In one step: it is read each time that somebody asks for the time.
fn set(clock: &Path, seconds: i64) {
    let new = clock.with_extension("new");
    fs::write(&new, format!("{seconds:+}\n")).unwrap();
    fs::rename(new, clock).unwrap();
}

/// How far the time in the last line of the log is from ours, in whole hours.
fn hours_off(checker: &Checker) -> i64 {
    let lines = checker.lines();
    let time = lines.last().unwrap().split(' ').next().unwrap();
    let off = moment(time) - moment("now");
    (off as f64 / HOUR as f64).round() as i64
}

/// Seconds since 1970, as `date` reads a time.
fn moment(time: &str) -> i64 {
    let output = Command::new(program("date"))
        .args(["-d", time, "+%s"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim().parse().unwrap_or_else(|_| panic!("{time}"))
}

/// The program, built to load its libc: into a directory of its own, so that nothing else has to be
/// built again.
fn loadable() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let target = "x86_64-unknown-linux-gnu";
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
        must_succeed(
            Command::new(env!("CARGO"))
                .args(["build", "--quiet", "--locked", "--no-default-features"])
                .args(["--bin", "confd_haproxy", "--target", target])
                .arg("--target-dir")
                .arg(&dir)
                .current_dir(env!("CARGO_MANIFEST_DIR")),
        );
        dir.join(target).join("debug/confd_haproxy")
    })
}
