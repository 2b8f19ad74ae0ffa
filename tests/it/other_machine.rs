//! The program for aarch64, run by qemu: that it starts, talks to real servers, and renders.
//! `make test` builds it and names it; without the variable there is nothing to run.

use std::fs;

use crate::scene::{Scene, endpoint_of};
use crate::support::certs::{Authority, text};
use crate::support::checker::{CheckerBuilder, Finished};
use crate::support::consul::Consul;
use crate::support::memcached::Memcached;
use crate::support::scratch::Scratch;
use crate::support::{program, seconds};

/// The program for the other machine, with these words still to come.
fn other() -> Option<CheckerBuilder> {
    let Some(path) = std::env::var_os("CONFD_HAPROXY_OTHER") else {
        eprintln!("CONFD_HAPROXY_OTHER is not set: make test");
        return None;
    };
    Some(CheckerBuilder::of("other", program("qemu-aarch64-static")).arg(path))
}

fn run(words: &[&str]) -> Option<Finished> {
    Some(other()?.args(words).run_to_end(seconds(30)))
}

#[test]
fn it_says_what_it_is_and_what_is_wrong_with_a_conf_file() {
    let Some(version) = run(&["--version"]) else {
        return;
    };
    let wanted = format!("confd_haproxy {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!((version.code, version.stdout), (Some(0), wanted));
    let help = run(&["--help"]).unwrap();
    assert!(help.code == Some(0) && help.stdout.contains("checkmysqlslave"));
    let wrong = other().unwrap().arg("checkmysqlslave");
    let wrong = wrong.conf("[t]\nhost=\nport=x\n").run_to_end(seconds(30));
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(wrong.stderr.contains("db.conf:3"), "{wrong:?}");
}

#[test]
fn it_logs_in_to_a_mariadb_and_writes_the_key() {
    let Some(builder) = other() else {
        return;
    };
    let scene = Scene::start(1);
    let builder = builder.arg("checkmysqlslave").conf(&scene.conf("")).args([
        "--consul",
        &scene.consul.endpoint(),
        "--once",
    ]);
    let finished = builder.run_to_end(seconds(30));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(scene.current(), scene.db.replicas[0].endpoint());
}

/// What ring has in C and assembler runs in a handshake.
#[test]
fn it_talks_to_a_consul_over_https() {
    let Some(builder) = other() else {
        return;
    };
    let ca = Authority::new();
    let server = ca.signs("server", "IP:127.0.0.1");
    let client = ca.signs("client", "DNS:client");
    let memcached = Memcached::start();
    let consul = Consul::start_tls(&server, &ca.file());
    let builder = builder
        .arg("checkmemcached")
        .args([
            "--server",
            &memcached.endpoint(),
            "--tag",
            "mem11211",
            "--once",
        ])
        .args(["--consul", &consul.secure_endpoint()])
        .env("CONSUL_CACERT", text(&ca.file()))
        .env("CONSUL_CLIENT_CERT", text(&client.certificate))
        .env("CONSUL_CLIENT_KEY", text(&client.key));
    let finished = builder.run_to_end(seconds(30));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let value = consul.value("haproxy/memcached/mem11211");
    assert_eq!(endpoint_of(&value), memcached.endpoint());
}

#[test]
fn it_renders_a_template() {
    let Some(builder) = other() else {
        return;
    };
    let (dir, out) = (builder.dir().to_owned(), Scratch::new("rendered"));
    let resource = format!(
        "[template]\nsrc = \"t.tmpl\"\ndest = \"{}\"\nkeys = [\"/haproxy/mysqlslave\"]\n",
        out.join("out").display()
    );
    let keys = r#"{"haproxy":{"mysqlslave":{"t":"{\"name\":\"t\", \"host\":\"10.0.0.1\", \"port\":1, \"proxyport\":2}"}}}"#;
    let template =
        "{{range gets \"/haproxy/mysqlslave/*\"}}{{$d := json .Value}}{{$d.host}}{{end}}\n";
    let builder = builder
        .file("conf.d/t.toml", &resource)
        .file("templates/t.tmpl", template)
        .file("keys.json", keys)
        .args(["confd", "-onetime", "-backend", "file", "-confdir"])
        .arg(&dir)
        .arg("-file")
        .arg(dir.join("keys.json"));
    let finished = builder.run_to_end(seconds(30));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(fs::read_to_string(out.join("out")).unwrap(), "10.0.0.1\n");
}
