//! What happens to Consul, while a replica is killed that it should hear of.

use crate::between::{Between, Way};
use crate::matrix::{Came, Watch, rows};
use crate::scene::{CHECK, KEY, Scene, endpoint_of, wait_for_more_ok};
use crate::support::checker::{Checker, CheckerBuilder};
use crate::support::consul::Consul;
use crate::support::{seconds, wait_until};

rows! {
    killed: "Consul is killed, then the replica; Consul comes back" => "no move before, and then the one that was missed (time from its return)";
    hung: "Consul hangs, then the replica is killed; Consul goes on" => "the same";
    leaderless: "Consul has no leader" => "nothing is written, `--once` ends with 3";
    forbidden: "Consul says 403, then the replica is killed; it is let in again" => "no move before, and then the one that was missed (time from the repair)";
    no_such_page: "a 404 that is not Consul's (a proxy's)" => "the same; it is never \"no such key\"";
    too_many_requests: "Consul says 429" => "the same";
    garbage: "Consul answers garbage" => "the same";
    restored: "Consul is restored from a snapshot in which the key names a dead replica" => "it is left at once";
}

struct Missed {
    scene: Scene,
    checker: Checker,
}

fn settled() -> Missed {
    let scene = Scene::start(2);
    let checker = scene.checker(CHECK);
    wait_for_more_ok(&checker, 2);
    Missed { scene, checker }
}

fn killed() -> Came {
    let Missed { scene, checker } = settled();
    let (used, other) = scene.used_and_other();
    let mut watch = Watch::start(&scene.consul, KEY);
    scene.consul.kill();
    checker.wait_for_log("connection refused; is the agent running?");
    used.kill();
    let stays = format!("slave stays on {}, which is down", used.endpoint());
    checker.wait_for_count(&stays, 2);
    scene.consul.restart();
    watch.restart();
    scene.wait_until_at(other);
    watch.came_right(1)
}

fn hung() -> Came {
    let Missed { scene, checker } = settled();
    let (used, other) = scene.used_and_other();
    let mut watch = Watch::start(&scene.consul, KEY);
    scene.consul.stop();
    checker.wait_for_log("timed out");
    used.kill();
    let stays = format!("slave stays on {}, which is down", used.endpoint());
    checker.wait_for_log(&stays);
    scene.consul.cont();
    watch.restart();
    scene.wait_until_at(other);
    watch.came_right(1)
}

fn leaderless() -> Came {
    let scene = Scene::start(1);
    let leaderless = Consul::start_leaderless();
    let watch = Watch::start(&scene.consul, KEY);
    let finished = CheckerBuilder::new("checkmysqlslave")
        .conf(&scene.conf(CHECK))
        .args(["--consul", &leaderless.endpoint(), "--once"])
        .run_to_end(seconds(30));
    let said = finished.stdout + &finished.stderr;
    assert_eq!(finished.code, Some(3), "{said}");
    // Consul holds a question for as long as it hopes for a leader.
    assert!(
        said.contains("timed out") || said.contains("No cluster leader"),
        "{said}"
    );
    assert!(!said.contains("set new"), "{said}");
    watch.nothing_came()
}

/// A checker that reaches Consul through a proxy, which then answers this.
fn answered(answer: &str, line: &str) -> Came {
    let scene = Scene::start(2);
    let between = Between::new(scene.consul.endpoint());
    let checker = CheckerBuilder::new("checkmysqlslave")
        .conf(&scene.conf(CHECK))
        .args(["--consul", &between.endpoint()])
        .start();
    wait_for_more_ok(&checker, 2);
    let (used, other) = scene.used_and_other();
    let mut watch = Watch::start(&scene.consul, KEY);
    between.set(Way::Answer(answer.to_owned()));
    checker.wait_for_log(line);
    used.kill();
    let stays = format!("slave stays on {}, which is down", used.endpoint());
    checker.wait_for_count(&stays, 2);
    between.set(Way::Pass);
    watch.restart();
    scene.wait_until_at(other);
    watch.came_right(1)
}

fn forbidden() -> Came {
    let answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 17\r\n\r\nPermission denied";
    answered(answer, "403 Permission denied")
}

fn no_such_page() -> Came {
    let answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nNot found";
    answered(answer, ": 404")
}

fn too_many_requests() -> Came {
    let text = "Your IP is issuing too many concurrent connections";
    let length = text.len();
    let answer =
        format!("HTTP/1.1 429 Too Many Requests\r\nContent-Length: {length}\r\n\r\n{text}");
    answered(&answer, ": 429")
}

fn garbage() -> Came {
    answered("\x01\x02garbage\r\n\r\n", "slave stays on")
}

fn restored() -> Came {
    let Missed { scene, checker } = settled();
    let (used, other) = scene.used_and_other();
    let snapshot = scene.consul.request("GET", "/v1/snapshot", b"");
    assert_eq!(snapshot.status, 200, "{}", snapshot.text());
    used.kill();
    scene.wait_until_at(other);
    wait_for_more_ok(&checker, 2);
    let watch = Watch::start(&scene.consul, KEY);
    let before = checker.count("set new");
    let restored = scene.consul.request("PUT", "/v1/snapshot", &snapshot.body);
    assert_eq!(restored.status, 200, "{}", restored.text());
    wait_until("it is left again", seconds(30), || {
        checker.count("set new") > before && endpoint_of(&scene.kv().value) == other.endpoint()
    });
    let took = watch.elapsed();
    wait_for_more_ok(&checker, 2);
    // The history has the restored value among the changes, so the checker's own words are counted.
    let writes = checker.count("set new") - before;
    assert_eq!(writes, 1, "{}", checker.log());
    Came {
        took: Some(took),
        writes,
    }
}
