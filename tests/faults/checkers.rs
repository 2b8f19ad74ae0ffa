//! What happens to the checker itself.

use std::process::Command;
use std::time::Duration;

use crate::matrix::{Came, Watch, rows};
use crate::scene::{CHECK, KEY, Scene, wait_for_more_ok};
use crate::support::checker::Checker;
use crate::support::template::must_succeed;
use crate::support::{program, seconds, wait_until};

rows! {
    killed_at_every_step: "it is killed 0, 2, 4 … 30 ms after a replica in use was, and started again" => "each time one move, before or after (the longest time from a start)";
    no_descriptors: "its descriptors are used up (prlimit)" => "nothing moves: the trouble is our own";
}

fn killed_at_every_step() -> Came {
    let scene = Scene::start(2);
    let checker = scene.checker(CHECK);
    wait_for_more_ok(&checker, 1);
    let watch = Watch::start(&scene.consul, KEY);
    let mut moves = 0;
    let mut last = Duration::ZERO;
    for step in 0..16 {
        wait_for_more_ok(&checker, 1);
        let (used, other) = scene.used_and_other();
        used.kill();
        // Not to wait for a state, but to be at another step each time.
        std::thread::sleep(Duration::from_millis(step * 2));
        checker.daemon().kill();
        let started = std::time::Instant::now();
        checker.daemon().restart();
        scene.wait_until_at(other);
        last = last.max(started.elapsed());
        moves += 1;
        used.restart();
        wait_until("it replicates again", seconds(20), || used.replicates());
    }
    wait_for_more_ok(&checker, 2);
    let came = watch.came_right(moves);
    Came {
        took: Some(last),
        ..came
    }
}

fn no_descriptors() -> Came {
    let scene = Scene::start(2);
    let checker = scene.checker(CHECK);
    wait_for_more_ok(&checker, 2);
    let watch = Watch::start(&scene.consul, KEY);
    limit(&checker, 3);
    checker.wait_for_count("unknown", 2);
    limit(&checker, 1024);
    wait_for_more_ok(&checker, 2);
    watch.nothing_came()
}

fn limit(checker: &Checker, descriptors: usize) {
    let mut command = Command::new(program("prlimit"));
    command.args(["--pid", &checker.daemon().pid().to_string()]);
    must_succeed(command.arg(format!("--nofile={descriptors}:1024")));
}
