//! Consul over https, which wants a certificate of whoever asks.

use std::path::PathBuf;

use confd_haproxy::backend::{Key, Kind};
use confd_haproxy::resolve::Resolver;
use confd_haproxy::store::consul::{Consul as Asked, Settings};
use confd_haproxy::store::{Entry, Store};
use confd_haproxy::tls::{Client, Identity, Settings as Tls, Verify};

use crate::listed::{Listed, QUICK};
use crate::support::certs::{Authority, Pair, text};
use crate::support::checker::CheckerBuilder;
use crate::support::consul::Consul;
use crate::support::memcached::Memcached;
use crate::support::{seconds, wait_until};

struct Scene {
    ca: Authority,
    client: Pair,
    consul: Consul,
}

impl Scene {
    /// A Consul whose certificate is for these names.
    fn start(names: &str) -> Scene {
        let ca = Authority::new();
        let server = ca.signs("server", names);
        Scene {
            client: ca.signs("client", "DNS:client"),
            consul: Consul::start_tls(&server, &ca.file()),
            ca,
        }
    }

    fn tls(&self) -> Tls {
        Tls {
            ca: Some(self.ca.file()),
            identity: Some(identity(&self.client)),
            ..Tls::default()
        }
    }

    /// What a read of a key gives, or why not.
    fn read(&self, tls: &Tls) -> Result<Entry, String> {
        read_at(&self.consul.secure_endpoint(), tls)
    }
}

fn identity(pair: &Pair) -> Identity {
    Identity {
        certificate: pair.certificate.clone(),
        key: pair.key.clone(),
    }
}

fn read_at(address: &str, tls: &Tls) -> Result<Entry, String> {
    let settings = Settings {
        addresses: vec![address.parse().unwrap()],
        tls: Some(Client::new(tls).unwrap()),
        token: None,
        resolver: Resolver::system(),
        timeout: seconds(10),
    };
    let key = Key::new(Kind::Memcached, "mem11211".parse().unwrap());
    let read = Asked::new(settings).unwrap().read(&key);
    read.map_err(|error| error.to_string())
}

#[track_caller]
fn assert_says(read: &Result<Entry, String>, wanted: &str) {
    let error = read.as_ref().unwrap_err();
    assert!(error.contains(wanted), "{wanted:?} is not in: {error}");
}

#[test]
fn consul_is_believed_only_with_a_certificate_of_the_authority_and_for_its_name() {
    let scene = Scene::start("IP:127.0.0.1,DNS:server.dc1.consul");
    let good = scene.tls();
    assert_eq!(scene.read(&good), Ok(Entry::Absent));
    let named = |name: &str| Tls {
        server_name: Some(name.to_owned()),
        ..good.clone()
    };
    assert_eq!(scene.read(&named("server.dc1.consul")), Ok(Entry::Absent));
    let wrong = scene.read(&named("other.dc1.consul"));
    assert_says(&wrong, "not for other.dc1.consul: give the name");
    assert_says(&wrong, "server.dc1.consul");

    let other = Authority::new();
    let stranger = Tls {
        ca: Some(other.file()),
        ..good.clone()
    };
    assert_says(
        &scene.read(&stranger),
        "not of an authority that is trusted: check CONSUL_CACERT",
    );
    let careless = Tls {
        verify: Verify::Nothing,
        ..stranger
    };
    assert_eq!(scene.read(&careless), Ok(Entry::Absent));

    let nobody = Tls {
        identity: None,
        ..good.clone()
    };
    assert_says(
        &scene.read(&nobody),
        "CONSUL_CLIENT_CERT and CONSUL_CLIENT_KEY",
    );
    let foreign = Tls {
        identity: Some(identity(&other.signs("client", "DNS:client"))),
        ..good.clone()
    };
    assert_says(
        &scene.read(&foreign),
        "CONSUL_CLIENT_CERT and CONSUL_CLIENT_KEY",
    );

    let plain = format!("https://{}", scene.consul.endpoint());
    assert_says(
        &read_at(&plain, &good),
        "it speaks no TLS: use its https port, or http://",
    );
    let secure = scene.consul.secure_endpoint().replace("https", "http");
    assert_says(
        &read_at(&secure, &good),
        "400 Client sent an HTTP request to an HTTPS server",
    );
}

#[test]
fn a_certificate_of_consul_that_has_expired_or_signed_itself_is_refused() {
    let ca = Authority::new();
    let tls = Tls {
        ca: Some(ca.file()),
        ..Tls::default()
    };
    let cases = [
        (
            ca.signed_long_ago("old", "IP:127.0.0.1"),
            "its certificate has expired",
        ),
        (
            ca.not_asked("self", "IP:127.0.0.1"),
            "not of an authority that is trusted",
        ),
    ];
    for (server, wanted) in cases {
        let consul = Consul::start_tls(&server, &ca.file());
        assert_says(&read_at(&consul.secure_endpoint(), &tls), wanted);
    }
}

#[test]
fn checkers_and_the_renderer_read_the_variables_of_the_consul_tools_and_their_own_flags() {
    let scene = Scene::start("DNS:server.dc1.consul");
    let cache = Memcached::start();
    let listed = Listed::memcached(&cache.endpoint());
    let (ca, client) = (scene.ca.file(), &scene.client);
    let files = [
        ("CONSUL_CACERT", text(&ca)),
        ("CONSUL_CLIENT_CERT", text(&client.certificate)),
        ("CONSUL_CLIENT_KEY", text(&client.key)),
        ("CONSUL_TLS_SERVER_NAME", "server.dc1.consul"),
    ];
    let with_files = |mut builder: CheckerBuilder| {
        for (name, value) in files {
            builder = builder.env(name, value);
        }
        builder
    };
    let command = || {
        CheckerBuilder::new("checkmemcached")
            .args(["--server", &cache.endpoint(), "--tag", "mem11211"])
            .args(QUICK)
    };
    let address = scene.consul.secure_endpoint();
    let checker = with_files(command().args(["--consul", &address])).start();
    wait_until("the key is there", seconds(20), || {
        scene.consul.get(&listed.key).is_some()
    });
    // Consul is killed and comes back, and the checker with it.
    scene.consul.restart();
    wait_until("the key is there again", seconds(20), || {
        scene.consul.get(&listed.key).is_some()
    });
    drop(checker);

    let bare = address.replace("https://", "");
    let once = with_files(command().args(["--consul", &bare, "--once"]));
    let finished = once.env("CONSUL_HTTP_SSL", "true").run_to_end(seconds(20));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let missing = command()
        .args(["--consul", &address, "--once"])
        .env("CONSUL_CACERT", "/nonexistent/ca.pem")
        .run_to_end(seconds(20));
    assert_eq!(missing.code, Some(2), "{missing:?}");
    assert!(
        missing.stderr.contains("cannot read /nonexistent/ca.pem"),
        "{missing:?}"
    );

    let confd = CheckerBuilder::new("confd")
        .file(
            "conf.d/a.toml",
            "[template]\nsrc = 'a.tmpl'\ndest = '/dev/null/x'\nkeys = ['/haproxy']\n",
        )
        .file(
            "templates/a.tmpl",
            "{{range getvs \"/haproxy/memcached/*\"}}{{.}}{{end}}\n",
        );
    let out: PathBuf = confd.dir().join("out");
    let toml = format!(
        "[template]\nsrc = 'a.tmpl'\ndest = '{}'\nkeys = ['/haproxy']\n",
        out.display()
    );
    let dir = confd.dir().to_owned();
    let finished = confd
        .file("conf.d/a.toml", &toml)
        .args([
            "-onetime", "-backend", "consul", "-scheme", "https", "-node", &bare,
        ])
        .args(["-confdir", text(&dir), "-client-ca-keys", text(&ca)])
        .args([
            "-client-cert",
            text(&client.certificate),
            "-client-key",
            text(&client.key),
        ])
        .env("CONSUL_TLS_SERVER_NAME", "server.dc1.consul")
        .run_to_end(seconds(20));
    assert_eq!(finished.code, Some(0), "{finished:?}");
}
