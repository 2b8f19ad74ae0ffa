//! Two checkers on one tag, and other writers: nobody fights, nothing is written twice.

use crate::scene::{CHECK, KEY, Scene, endpoint_of, value};
use crate::support::{seconds, wait_until};

#[test]
fn two_checkers_survive_twenty_kills_and_write_each_move_once() {
    let scene = Scene::start(2);
    let checkers = [scene.checker(CHECK), scene.checker(CHECK)];
    wait_until("the first election", seconds(20), || {
        scene.consul.get(KEY).is_some()
    });
    for checker in &checkers {
        checker.wait_for_log("slave in consul is ok");
    }
    let history = scene.consul.history(KEY);
    for round in 1..=20 {
        let (used, other) = scene.used_and_other();
        let index = scene.kv().modify_index;
        used.kill();
        scene.wait_until_at(other);
        let moved = scene.kv();
        used.restart();
        wait_until("it replicates again", seconds(20), || used.replicates());
        for checker in &checkers {
            crate::scene::wait_for_more_ok(checker, 2);
        }
        let settled = scene.kv();
        assert_eq!(
            settled.modify_index, moved.modify_index,
            "round {round}: written again"
        );
        assert!(moved.modify_index > index);
        assert_eq!(
            history.changes(),
            round,
            "round {round}: {:?}",
            history.values()
        );
    }
    let written: usize = checkers.iter().map(|c| c.count("set new")).sum();
    assert_eq!(written, 21, "one election and twenty moves");
}

#[test]
fn a_move_by_hand_is_respected() {
    let scene = Scene::start(2);
    let checker = scene.checker(CHECK);
    checker.wait_for_log("slave in consul is ok");
    let (_, other) = scene.used_and_other();
    scene.point_at(other);
    let index = scene.kv().modify_index;
    checker.wait_for_log(&format!(
        "slave in consul is ok: {} is up",
        other.endpoint()
    ));
    assert_eq!(scene.kv().modify_index, index);
}

#[test]
fn a_malformed_empty_or_hostile_value_is_replaced_by_a_good_one() {
    let scene = Scene::start(1);
    let replica = &scene.db.replicas[0];
    let good = value("slave", "127.0.0.1", replica.port());
    let bad: &[&[u8]] = &[
        b"",
        b"null",
        b"no json at all",
        b"{\"name\":\"slave\"}",
        b"{\"name\":\"slave\", \"host\":\"127.0.0.1\\n    server evil\", \"port\":1, \"proxyport\":2}",
        b"{\"name\":\"other\", \"host\":\"127.0.0.1\", \"port\":1, \"proxyport\":13351}",
        b"\xff\xfe\x00garbage \x1b[31m",
        &[b'x'; 20_000],
    ];
    let checker = scene.checker(CHECK);
    scene.wait_until_at(replica);
    for value in bad {
        scene.consul.put_bytes(KEY, value);
        wait_until("the value is good again", seconds(20), || {
            scene.kv().value == good
        });
    }
    assert!(
        !checker.log().contains('\x1b'),
        "the terminal was sent what was in the key"
    );
    let longest = checker.lines().iter().map(String::len).max().unwrap();
    assert!(longest < 2000, "a line of {longest} bytes");
}

#[test]
fn a_deleted_key_is_made_again() {
    let scene = Scene::start(1);
    let checker = scene.checker(CHECK);
    scene.wait_until_at(&scene.db.replicas[0]);
    scene.consul.delete(KEY);
    scene.wait_until_at(&scene.db.replicas[0]);
    checker.wait_for_count("there is no slave in consul", 2);
    assert_eq!(
        endpoint_of(&scene.kv().value),
        scene.db.replicas[0].endpoint()
    );
}
