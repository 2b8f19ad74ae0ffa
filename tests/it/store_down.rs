//! Consul dies, hangs, or has no leader: nothing is moved by mistake, and nothing is forgotten.

use crate::scene::{CHECK, Scene, wait_for_more_ok};
use crate::support::checker::CheckerBuilder;
use crate::support::consul::Consul;

#[test]
fn consul_killed_in_mid_failover_delays_the_move_and_does_not_prevent_it() {
    let scene = Scene::start(2);
    let checker = scene.checker(CHECK);
    wait_for_more_ok(&checker, 2);
    let (used, other) = scene.used_and_other();
    scene.consul.kill();
    checker.wait_for_log("connection refused; is the agent running?");
    used.kill();
    checker.wait_for_count(
        &format!("slave stays on {}, which is down", used.endpoint()),
        2,
    );
    scene.consul.restart();
    scene.wait_until_at(other);
    wait_for_more_ok(&checker, 1);
    assert_eq!(checker.count("set new"), 2, "{}", checker.log());
}

#[test]
fn a_consul_that_hangs_is_an_error_after_its_timeout_and_never_an_absent_key() {
    let scene = Scene::start(2);
    let checker = scene.checker(CHECK);
    wait_for_more_ok(&checker, 2);
    let index = scene.kv().modify_index;
    scene.consul.stop();
    checker.wait_for_count("timed out", 2);
    scene.consul.cont();
    wait_for_more_ok(&checker, 2);
    assert_eq!(scene.kv().modify_index, index);
    assert!(checker.daemon().is_running());
}

#[test]
fn a_checker_that_starts_before_consul_begins_when_consul_is_there() {
    let scene = Scene::start(1);
    scene.consul.kill();
    let checker = scene.checker(CHECK);
    checker.wait_for_count("nothing is known yet", 2);
    scene.consul.restart();
    scene.wait_until_at(&scene.db.replicas[0]);
}

#[test]
fn consul_is_reached_by_a_unix_socket_and_by_what_the_environment_says() {
    let scene = Scene::start(1);
    let socket = format!("unix://{}", scene.consul.socket().display());
    let run = |name: &str, value: &str| {
        let builder = CheckerBuilder::new("checkmysqlslave").conf(&scene.conf(CHECK));
        let finished = builder
            .env(name, value)
            .arg("--once")
            .run_to_end(crate::support::seconds(30));
        assert_eq!(
            finished.code,
            Some(0),
            "{}{}",
            finished.stdout,
            finished.stderr
        );
    };
    run("CONSUL_HTTP_ADDR", &socket);
    run(
        "CONSUL_HTTP_ADDR",
        &format!("http://{}", scene.consul.endpoint()),
    );
    scene.wait_until_at(&scene.db.replicas[0]);
}

#[test]
fn an_agent_without_servers_answers_errors_and_nothing_is_concluded_from_them() {
    let scene = Scene::start(1);
    // A client agent that knows no server answers 500 to every question.
    let lonely = Consul::start_client();
    let (code, said) = {
        let finished = CheckerBuilder::new("checkmysqlslave")
            .conf(&scene.conf(CHECK))
            .args(["--consul", &lonely.endpoint(), "--once"])
            .run_to_end(crate::support::seconds(30));
        (finished.code, finished.stdout + &finished.stderr)
    };
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains(": 500 "), "{said}");
    assert!(!said.contains("set new"), "{said}");
}
