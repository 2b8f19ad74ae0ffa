//! A Consul that lets nobody do anything without a token, and the policies that README gives.

use std::fs;
use std::path::Path;

use crate::listed::{Listed, QUICK};
use crate::operate::Desk;
use crate::support::certs::text;
use crate::support::checker::{CheckerBuilder, Finished};
use crate::support::consul::Consul;
use crate::support::memcached::Memcached;
use crate::support::scratch::Scratch;
use crate::support::{free_port, seconds, wait_until};

const KEY: &str = "haproxy/memcached/mem11211";
/// A token that Consul has never heard of.
const WRONG: &str = "11111111-2222-3333-4444-555555555555";

/// The policy of README's section about ACLs that goes by this name: its lines, up to an empty one.
fn policy(name: &str) -> String {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"));
    let readme = readme.unwrap();
    let (_, section) = readme.split_once("\n### ACL\n").unwrap();
    let head = format!("    # {name}.hcl: ");
    let (_, rest) = section.split_once(&head).expect("README has such a policy");
    let lines = rest.lines().skip(1).map(str::trim);
    let lines: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    assert!(lines.iter().all(|line| line.starts_with("key_prefix")));
    lines.join("\n")
}

struct Scene {
    consul: Consul,
    cache: Memcached,
}

impl Scene {
    fn start() -> Scene {
        Scene {
            consul: Consul::start_acl(),
            cache: Memcached::start(),
        }
    }

    fn checker(&self) -> CheckerBuilder {
        CheckerBuilder::new("checkmemcached")
            .args(["--server", &self.cache.endpoint(), "--tag", "mem11211"])
            .args(["--consul", &self.consul.endpoint()])
            .args(QUICK)
    }

    fn once(&self, token: Option<&str>) -> Finished {
        let once = self.checker().arg("--once");
        let once = match token {
            Some(token) => once.env("CONSUL_HTTP_TOKEN", token),
            None => once,
        };
        once.run_to_end(seconds(20))
    }

    /// The renderer's run with this token, and what it wrote.
    fn render(&self, token: Option<&str>) -> (Finished, Option<String>) {
        let confd = CheckerBuilder::new("confd");
        let dir = confd.dir().to_owned();
        let rendered = Scratch::new("rendered");
        let out = rendered.join("out");
        let toml = format!(
            "[template]\nsrc = 'a.tmpl'\ndest = '{}'\nkeys = ['/haproxy/memcached']\n",
            out.display()
        );
        let confd = confd
            .file("conf.d/a.toml", &toml)
            .file(
                "templates/a.tmpl",
                "{{range getvs \"/haproxy/memcached/*\"}}{{.}}{{end}}\n",
            )
            .args([
                "-onetime",
                "-node",
                &self.consul.endpoint(),
                "-confdir",
                text(&dir),
            ]);
        let confd = match token {
            Some(token) => confd.args(["-auth-token", token]),
            None => confd,
        };
        let finished = confd.run_to_end(seconds(20));
        (finished, fs::read_to_string(&out).ok())
    }
}

#[track_caller]
fn assert_says(finished: &Finished, wanted: &[&str]) {
    let lines: Vec<&str> = finished
        .stdout
        .lines()
        .filter(|l| l.contains(": 403 "))
        .collect();
    let found = lines
        .iter()
        .any(|line| wanted.iter().all(|word| line.contains(word)));
    assert!(found, "{wanted:?} is not in a line of {finished:?}");
}

#[test]
fn a_checker_needs_readmes_policy_and_says_so_with_the_key_whatever_is_wrong_with_its_token() {
    let scene = Scene::start();
    let write = scene.consul.token("checker", &policy("checker"));
    let read = scene.consul.token("renderer", &policy("renderer"));
    let needed = r#"key_prefix "haproxy/" { policy = "write" }"#;

    let missing = scene.once(None);
    assert_eq!(missing.code, Some(3), "{missing:?}");
    assert_says(&missing, &[KEY, "no token was given", needed]);
    let wrong = scene.once(Some(WRONG));
    assert_eq!(wrong.code, Some(3), "{wrong:?}");
    assert_says(&wrong, &[KEY, "wrong, expired or deleted", needed]);
    let weak = scene.once(Some(&read.secret));
    assert_says(&weak, &[KEY, "write permission", "is missing", needed]);
    assert!(scene.consul.get(KEY).is_none());
    for finished in [&missing, &wrong, &weak] {
        assert!(!finished.stdout.contains(WRONG), "{finished:?}");
        assert!(!finished.stdout.contains(&read.secret), "{finished:?}");
    }

    let good = scene.once(Some(&write.secret));
    assert_eq!(good.code, Some(0), "{good:?}");
    assert!(scene.consul.get(KEY).is_some());
    let flag = scene.checker().args(["--once", "--token", &write.secret]);
    assert_eq!(flag.run_to_end(seconds(20)).code, Some(0));

    // Nothing but the prefix.
    let elsewhere = scene
        .consul
        .request_as(&write.secret, "GET", "/v1/kv/other");
    assert_eq!(elsewhere.status, 403);
}

#[test]
fn a_renderer_needs_to_read_and_an_empty_list_is_not_taken_for_no_keys() {
    let scene = Scene::start();
    let read = scene.consul.token("renderer", &policy("renderer"));
    scene.consul.put(
        KEY,
        r#"{"name":"mem11211", "host":"10.0.0.1", "port":1, "proxyport":2}"#,
    );
    let needed = r#"key_prefix "haproxy/" { policy = "read" }"#;
    let (missing, written) = scene.render(None);
    assert_eq!((missing.code, written), (Some(1), None), "{missing:?}");
    assert_says(
        &missing,
        &["haproxy/memcached", "no token was given", needed],
    );
    let (wrong, _) = scene.render(Some(WRONG));
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    assert_says(
        &wrong,
        &["haproxy/memcached", "wrong, expired or deleted", needed],
    );
    let elsewhere = r#"key_prefix "other/" { policy = "read" }"#;
    let elsewhere = scene.consul.token("elsewhere", elsewhere);
    let (denied, _) = scene.render(Some(&elsewhere.secret));
    assert_says(
        &denied,
        &["haproxy/memcached", "read permission", "is missing", needed],
    );
    let (good, written) = scene.render(Some(&read.secret));
    assert_eq!(good.code, Some(0), "{good:?}");
    assert!(written.unwrap().contains("10.0.0.1"));
}

#[test]
fn a_token_file_is_read_again_and_a_token_that_ended_is_said_so() {
    let scene = Scene::start();
    let write = scene.consul.token("checker", &policy("checker"));
    let read = scene.consul.token("renderer", &policy("renderer"));
    let builder = scene.checker().file("token", &read.secret);
    let (file, new) = (builder.dir().join("token"), builder.dir().join("new"));
    let change = |token: &str| {
        fs::write(&new, token).unwrap();
        fs::rename(&new, &file).unwrap();
    };
    let checker = builder.env("CONSUL_HTTP_TOKEN_FILE", text(&file)).start();
    checker.wait_for_log("write permission on haproxy/memcached/mem11211 is missing");
    change(&format!("{}\n", write.secret));
    checker.wait_for_log("set new");
    // Consul keeps no token for less than a minute; one that is deleted looks the same.
    scene.consul.revoke(&write);
    checker.wait_for_log("wrong, expired or deleted");
    let again = scene.consul.token("again", &policy("checker"));
    change(&again.secret);
    let ok = checker.count("is ok: mem11211 in consul");
    wait_until("all is well again", seconds(20), || {
        checker.count("is ok: mem11211 in consul") > ok
    });
}

#[test]
fn an_operators_policy_lets_him_order_and_a_checkers_only_obey() {
    let scene = Scene::start();
    let [checker, operator, renderer] =
        ["checker", "operator", "renderer"].map(|name| scene.consul.token(name, &policy(name)));
    let conf = format!(
        "[mem11211]\ntype=memcached\nserver={}\nproxyport={}\n",
        scene.cache.endpoint(),
        free_port()
    );
    let desk = |token: &str| {
        let consul = scene.consul.endpoint();
        Desk::new(&conf, &["--consul", &consul, "--token", token])
    };
    let running = scene.checker().args(["--token", &checker.secret]).start();
    running.wait_for_log("set new alive");
    let orders = "haproxy/overrides/memcached/mem11211";
    let weak = desk(&checker.secret);
    for words in [&["pin", "mem11211"][..], &["exclude", "mem11211", "h"]] {
        let said = [
            &*format!("writing {orders} to consul "),
            &format!("write permission on {orders} is missing"),
            r#"its policy has key_prefix "haproxy/overrides/" { policy = "write" }"#,
        ];
        weak.refuses(words, 3, &said);
    }
    desk(&operator.secret).does(&["pin", "mem11211"], "is pinned to");
    running.wait_for_log("new orders for mem11211: it is pinned to");
    let (code, said) = desk(&renderer.secret).status();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("pinned to "), "{said}");
    desk(&operator.secret).does(&["unpin", "mem11211"], "may move again");

    // A policy of its keys alone: it works, and says once whose orders it does not know.
    let key = format!("key \"{KEY}\" {{ policy = \"write\" }}");
    let narrow = scene.consul.token("narrow", &key);
    let deaf = scene.checker().args(["--token", &narrow.secret]).start();
    let line = format!("read permission on {orders} is missing");
    deaf.wait_for_log(&line);
    deaf.wait_for_count("is ok: mem11211 in consul", 15);
    assert_eq!(deaf.count(&line), 1, "{}", deaf.log());
    let said = deaf
        .lines()
        .into_iter()
        .find(|l| l.contains(&line))
        .unwrap();
    for word in [
        r#"key_prefix "haproxy/overrides/" { policy = "read" }"#,
        "no orders are obeyed",
    ] {
        assert!(said.contains(word), "{said}");
    }
    let (code, said) = desk(&narrow.secret).status();
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("! orders are not known: reading haproxy/overrides/"),
        "{said}"
    );
}

#[test]
fn of_several_agents_the_first_that_serves_is_used() {
    let lonely = Consul::start_client();
    let cache = Memcached::start();
    let listed = Listed::memcached(&cache.endpoint());
    let list = format!("{},127.0.0.1:1", lonely.endpoint());
    let builder = CheckerBuilder::new("checkmemcached")
        .args(["--server", &cache.endpoint(), "--tag", "mem11211"])
        .args(["--consul", &list, "--consul", &listed.consul.endpoint()])
        .args(QUICK);
    let checker = builder.start();
    checker.wait_for_log("is used now");
    wait_until("the key is there", seconds(20), || {
        listed.consul.get(KEY).is_some()
    });
    assert_eq!(checker.count("is used now"), 1, "{}", checker.log());

    let confd = CheckerBuilder::new("confd");
    let dir = confd.dir().to_owned();
    let toml = format!(
        "[template]\nsrc = 'a.tmpl'\ndest = '{}/out'\nkeys = ['/haproxy/memcached']\n",
        dir.display()
    );
    let finished = confd
        .file("conf.d/a.toml", &toml)
        .file(
            "templates/a.tmpl",
            "{{range getvs \"/haproxy/memcached/*\"}}{{.}}{{end}}\n",
        )
        .args(["-onetime", "-confdir", text(&dir), "-node", &list])
        .args(["-node", &listed.consul.endpoint()])
        .run_to_end(seconds(20));
    assert_eq!(finished.code, Some(0), "{finished:?}");
}
