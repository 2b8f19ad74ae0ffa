//! Redis and Sentinels over TLS, with a certificate of ours and without.

use std::time::{Duration, Instant};

use crate::listed::{Listed, wait_for_more_ok};
use crate::support::certs::{Authority, Pair, text};
use crate::support::checker::CheckerBuilder;
use crate::support::consul::Consul;
use crate::support::redis::{Options, Redis, list};
use crate::support::seconds;
use crate::support::sentinel::{NAME, Sentinels};

/// A Redis whose only port speaks TLS.
fn secure(pair: &Pair, ca: &Authority, clients: &str) -> Options {
    let options = Options::default();
    let port = options.port;
    options
        .line("port 0")
        .line(&format!("tls-port {port}"))
        .line("tls-replication yes")
        .line(&format!("tls-cert-file {}", text(&pair.certificate)))
        .line(&format!("tls-key-file {}", text(&pair.key)))
        .line(&format!("tls-ca-cert-file {}", text(&ca.file())))
        .line(&format!("tls-auth-clients {clients}"))
}

fn once(consul: &Consul, server: &str, more: &[&str]) -> String {
    let finished = CheckerBuilder::new("checkredismaster")
        .args([
            "--server",
            server,
            "--tag",
            "redis6379",
            "--once",
            "--dry-run",
        ])
        .args(["--consul", &consul.endpoint(), "--timeout", "1"])
        .args(more)
        .run_to_end(seconds(30));
    finished.stdout + &finished.stderr
}

#[track_caller]
fn assert_says(said: &str, wanted: &str) {
    assert!(said.contains(wanted), "{wanted:?} is not in: {said}");
}

const WELL: &str = "would set new";

#[test]
fn over_tls_a_killed_master_is_noticed_at_once_and_an_idle_connection_is_quiet() {
    let ca = Authority::new();
    let pair = ca.signs("server", "IP:127.0.0.1");
    let group = Redis::group_with((0..3).map(|_| secure(&pair, &ca, "no")));
    let listed = Listed::redis(&list(&group));
    let ca = ca.file();
    let checker = listed.checker(&["--tls", "verify", "--ca", text(&ca), "--interval", "30"]);
    // The first is that of the new key.
    wait_for_more_ok(&checker, 2);
    let lines = checker.lines().len();
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(checker.lines().len(), lines, "{}", checker.log());
    let killed = Instant::now();
    group[0].kill();
    checker.wait_for_log("connection refused");
    assert!(killed.elapsed() < seconds(5), "{:?}", killed.elapsed());
    group[1].promote();
    group[2].replicate_from(&group[1]);
    drop(checker);
    let checker = listed.checker(&["--tls", "verify", "--ca", text(&ca)]);
    listed.wait_until_at(&group[1].endpoint());
    wait_for_more_ok(&checker, 2);
    group[1].stop();
    checker.wait_for_log("no answer in 1 s");
    group[1].cont();
}

#[test]
fn a_certificate_of_redis_is_looked_at_as_closely_as_asked_and_ours_is_shown() {
    let (ca, other) = (Authority::new(), Authority::new());
    let consul = Consul::start();
    let server = Redis::with(secure(&ca.signs("server", "DNS:redis"), &ca, "no"));
    let ca_file = ca.file();
    let at = |more: &[&str]| once(&consul, &server.endpoint(), more);
    let verify = ["--tls", "verify", "--ca", text(&ca_file)];
    let wrong = at(&verify);
    assert_says(&wrong, "its certificate is for");
    assert_says(&wrong, "not for 127.0.0.1");
    assert_says(&wrong, "unknown");
    assert_says(
        &at(&[&verify[..], &["--tls-server-name", "redis"]].concat()),
        WELL,
    );
    assert_says(&at(&["--tls", "verify-ca", "--ca", text(&ca_file)]), WELL);
    assert_says(&at(&["--tls", "on"]), WELL);
    let stranger = other.file();
    let strange = at(&["--tls", "verify-ca", "--ca", text(&stranger)]);
    assert_says(&strange, "not of an authority that is trusted: check ca=");
    // Without TLS, it is a server that closes the connection.
    let plain = at(&[]);
    assert!(!plain.contains(WELL), "{plain}");

    let old = Redis::with(secure(
        &ca.signed_long_ago("old", "IP:127.0.0.1"),
        &ca,
        "no",
    ));
    assert_says(
        &once(&consul, &old.endpoint(), &verify),
        "its certificate has expired",
    );

    let strict = Redis::with(secure(&ca.signs("strict", "IP:127.0.0.1"), &ca, "yes"));
    let nobody = once(&consul, &strict.endpoint(), &verify);
    assert_says(&nobody, "check tls_cert= and tls_key=");
    let client = ca.signs("client", "DNS:client");
    let ours = [
        "--tls-cert",
        text(&client.certificate),
        "--tls-key",
        text(&client.key),
    ];
    let shown = [&verify[..], &ours].concat();
    assert_says(&once(&consul, &strict.endpoint(), &shown), WELL);

    // A Redis without TLS waits for the end of a line that never comes.
    let bare = Redis::start();
    assert_says(
        &once(&consul, &bare.endpoint(), &verify),
        "it speaks no TLS",
    );
    bare.stop();
    assert_says(
        &once(&consul, &bare.endpoint(), &verify),
        "no answer in 1 s",
    );
    bare.cont();
}

#[test]
fn sentinels_are_asked_over_tls_too() {
    let ca = Authority::new();
    let pair = ca.signs("server", "IP:127.0.0.1");
    let group = Redis::group_with((0..2).map(|_| secure(&pair, &ca, "no")));
    let more = format!(
        "tls-replication yes\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\n\
         tls-auth-clients no\n",
        text(&pair.certificate),
        text(&pair.key),
        text(&ca.file())
    );
    let sentinels = Sentinels::with(&group, &more);
    let consul = Consul::start();
    let finished = CheckerBuilder::new("checkredismaster")
        .args(["--sentinel", &sentinels.list(), "--master-name", NAME])
        .args([
            "--tag",
            "redis6379",
            "--once",
            "--consul",
            &consul.endpoint(),
        ])
        .args(["--tls", "verify", "--ca", text(&ca.file())])
        .run_to_end(seconds(30));
    assert_eq!(finished.code, Some(0), "{finished:?}");
}
