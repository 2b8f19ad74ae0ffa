//! MySQL and MariaDB over TLS: what is trusted, what is not, and that neither moves a tag; and the
//! password of caching_sha2_password, with TLS and without.

use std::time::{Duration, Instant};

use crate::scene::{CHECK, Scene, wait_for_more_ok};
use crate::support::certs::{Authority, Pair, text};
use crate::support::checker::CheckerBuilder;
use crate::support::consul::Consul;
use crate::support::mariadb::{MariaDb, Options};
use crate::support::mysql97::Mysql97;
use crate::support::replication::Replication;
use crate::support::seconds;

/// A server's options for this certificate.
fn with(options: Options, pair: &Pair, ca: &Authority) -> Options {
    options
        .arg(&format!("--ssl-cert={}", text(&pair.certificate)))
        .arg(&format!("--ssl-key={}", text(&pair.key)))
        .arg(&format!("--ssl-ca={}", text(&ca.file())))
}

/// A primary and replicas with a certificate for 127.0.0.1.
fn scene(ca: &Authority, replicas: usize) -> Scene {
    let pair = ca.signs("server", "IP:127.0.0.1,DNS:localhost");
    let options = || with(Options::default(), &pair, ca);
    Scene {
        consul: Consul::start(),
        db: Replication::with(options(), (0..replicas).map(|_| options())),
    }
}

/// One check of one server, which is its own primary: it stands in, or the log says why not.
fn once(consul: &Consul, endpoint: &str, more: &str) -> String {
    let (host, port) = endpoint.rsplit_once(':').unwrap();
    let conf = format!(
        "[slave]\nhost={host}\nport={port}\nuser=monitor\npassword=s3cret\nproxyport=13351\n{CHECK}{more}\n"
    );
    let finished = CheckerBuilder::new("checkmysqlslave")
        .conf(&conf)
        .args(["--consul", &consul.endpoint(), "--once", "--dry-run"])
        .run_to_end(seconds(30));
    finished.stdout + &finished.stderr
}

#[track_caller]
fn assert_says(said: &str, wanted: &str) {
    assert!(said.contains(wanted), "{wanted:?} is not in: {said}");
}

/// It was asked, and stands in.
const WELL: &str = "would set new";

#[test]
fn over_tls_a_killed_replica_is_left_at_once_a_hung_one_in_time_and_an_idle_connection_is_quiet() {
    let ca = Authority::new();
    let scene = scene(&ca, 2);
    for server in &scene.db.replicas {
        server.sql("ALTER USER monitor@'%' REQUIRE SSL");
    }
    let more = format!(
        "{CHECK}tls=verify\nca={}\ninterval=30\n",
        ca.file().display()
    );
    let more = more.replacen("interval=0.3\n", "", 1);
    let checker = scene.checker(&more);
    wait_for_more_ok(&checker, 1);
    let connects = checker.count("connect to");
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(checker.count("connect to"), connects, "{}", checker.log());
    let (used, other) = scene.used_and_other();
    let killed = Instant::now();
    used.kill();
    scene.wait_until_at(other);
    assert!(killed.elapsed() < seconds(5), "{:?}", killed.elapsed());
    drop(checker);

    used.restart();
    let checker = scene.checker(&more.replace("interval=30", "interval=0.3"));
    wait_for_more_ok(&checker, 2);
    let stopped = Instant::now();
    other.stop();
    scene.wait_until_at(used);
    assert!(stopped.elapsed() < seconds(8), "{:?}", stopped.elapsed());
    other.cont();
}

#[test]
fn mariadbs_certificate_is_looked_at_as_closely_as_asked() {
    let (ca, other) = (Authority::new(), Authority::new());
    let consul = Consul::start();
    let pair = ca.signs("server", "DNS:localhost");
    let server = MariaDb::with(with(Options::default(), &pair, &ca));
    let at = |host: &str, more: &str| once(&consul, &format!("{host}:{}", server.port()), more);
    let verify = format!("tls=verify\nca={}\n", ca.file().display());
    assert_says(&at("localhost", &verify), WELL);
    let by_address = at("127.0.0.1", &verify);
    assert_says(&by_address, "its certificate is for");
    assert_says(&by_address, "not for 127.0.0.1: give it one");
    assert_says(&by_address, "tls=verify-ca");
    let chain = verify.replace("verify", "verify-ca");
    assert_says(&at("127.0.0.1", &chain), WELL);
    let stranger = format!("tls=verify-ca\nca={}\n", other.file().display());
    assert_says(
        &at("127.0.0.1", &stranger),
        "not of an authority that is trusted: check ca=",
    );
    assert_says(&at("127.0.0.1", "tls=on\n"), WELL);
    assert_says(&at("127.0.0.1", ""), WELL);

    server.sql("SET GLOBAL require_secure_transport=ON");
    assert_says(&at("127.0.0.1", ""), "where TLS is wanted, use tls=on");
    assert_says(&at("localhost", &verify), WELL);
    server.sql("SET GLOBAL require_secure_transport=OFF");
    server.sql("ALTER USER monitor@'%' REQUIRE X509");
    assert_says(&at("localhost", &verify), "Access denied");
    let client = ca.signs("client", "DNS:client");
    let ours = format!(
        "{verify}tls_cert={}\ntls_key={}\n",
        client.certificate.display(),
        client.key.display()
    );
    assert_says(&at("localhost", &ours), WELL);
    let missing = at("localhost", "tls=verify\nca=/nonexistent/ca.pem\n");
    assert_says(&missing, "[slave]: cannot read /nonexistent/ca.pem");
}

#[test]
fn expired_self_signed_nameless_or_no_certificates_move_nothing() {
    let ca = Authority::new();
    let consul = Consul::start();
    let verify = format!("tls=verify\nca={}\n", ca.file().display());
    let cases = [
        (
            ca.signed_long_ago("old", "IP:127.0.0.1"),
            "its certificate has expired",
        ),
        (
            ca.not_asked("self", "IP:127.0.0.1"),
            "not of an authority that is trusted",
        ),
        (ca.signs("nobody", ""), "no name or address at all"),
    ];
    for (pair, wanted) in cases {
        let server = MariaDb::with(with(Options::default(), &pair, &ca));
        let said = once(&consul, &server.endpoint(), &verify);
        assert_says(&said, wanted);
        assert_says(&said, "is unknown");
    }
    let bare = MariaDb::with(Options::default().arg("--skip-ssl"));
    for more in [verify.as_str(), "tls=on\n"] {
        let said = once(&consul, &bare.endpoint(), more);
        assert_says(&said, "it offers no TLS");
        assert_says(&said, "is unknown");
    }
}

#[test]
fn caching_sha2_password_works_over_tls_and_without_it_only_if_the_servers_key_may_be_taken() {
    let consul = Consul::start();
    let server = Mysql97::start();
    let at = |more: &str| once(&consul, &server.endpoint(), more);
    let forget = || server.sql("FLUSH PRIVILEGES");
    forget();
    let refused = at("");
    assert_says(&refused, "caching_sha2_password");
    assert_says(
        &refused,
        "tls=on or tls=verify, or get_server_public_key=yes",
    );
    assert_says(&refused, "unknown");
    // The whole password goes over TLS; MySQL has made itself a certificate.
    assert_says(&at("tls=on\n"), WELL);
    // From now on it remembers, and a proof will do.
    assert_says(&at(""), WELL);
    forget();
    assert_says(&at("get_server_public_key=yes\n"), WELL);
    assert_says(&at(""), WELL);
    server.sql("SET GLOBAL require_secure_transport=ON");
    assert_says(&at(""), "use tls=on, or tls=verify with ca=");
    // Its own certificate names nobody.
    let ca = server.daemon().dir().join("data/ca.pem");
    let verify = format!("tls=verify\nca={}\n", ca.display());
    assert_says(&at(&verify), "no name or address at all");
    assert_says(&at(&verify.replace("verify", "verify-ca")), WELL);
}
