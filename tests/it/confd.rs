//! The confd command as a process: its backends, its exit codes, and what it does when the store,
//! a resource or a command fails.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::chain::Chain;
use crate::support::checker::{Checker, CheckerBuilder, Finished};
use crate::support::consul::Consul;
use crate::support::{seconds, wait_until};

const KEY: &str = "haproxy/mysqlslave/a";
const TEMPLATE: &str = "# head\n{{range gets \"/haproxy/mysqlslave/*\"}}{{$d := json .Value}}\
                        listen {{$d.name}} {{$d.host}} {{$d.proxyport}}\n{{end}}";

fn value(name: &str, host: u8, proxy_port: u16) -> String {
    format!(r#"{{"name":"{name}", "host":"10.0.0.{host}", "port":3301, "proxyport":{proxy_port}}}"#)
}

/// A confdir with one resource, whose target and marks outlive each run.
struct Confdir {
    dir: PathBuf,
    _keeper: CheckerBuilder,
}

impl Confdir {
    fn new(more: &str) -> Confdir {
        let keeper = CheckerBuilder::new("confd");
        let dir = keeper.dir().to_owned();
        let confdir = Confdir {
            dir,
            _keeper: keeper,
        };
        confdir.resource("a.toml", "t.tmpl", "dest", more);
        confdir.write("templates/t.tmpl", TEMPLATE);
        confdir
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn resource(&self, file: &str, src: &str, dest: &str, more: &str) {
        let dest = self.dir.join(dest);
        let text = format!(
            "[template]\nsrc = \"{src}\"\ndest = \"{}\"\nkeys = [\"/haproxy/mysqlslave\"]\n{more}",
            dest.display()
        );
        self.write(&format!("conf.d/{file}"), &text);
    }

    /// A command that leaves a mark.
    fn mark(&self, word: &str) -> String {
        format!("echo {word} >> {}", self.dir.join("marks").display())
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.dir.join(name)).unwrap_or_default()
    }

    fn builder(&self, options: &[&str]) -> CheckerBuilder {
        let confdir = self.dir.display().to_string();
        CheckerBuilder::new("confd")
            .args(["-confdir", &confdir])
            .args(options)
    }

    fn once(&self, options: &[&str]) -> (i32, String) {
        let Finished {
            code,
            stdout,
            stderr,
        } = self
            .builder(options)
            .arg("-onetime")
            .run_to_end(seconds(60));
        (code.expect("it ends by itself"), stdout + &stderr)
    }

    fn on(&self, consul: &Consul) -> (i32, String) {
        self.once(&["-backend", "consul", "-node", &consul.endpoint()])
    }

    fn watch(&self, consul: &Consul) -> Checker {
        self.builder(&["-watch", "-backend", "consul", "-node", &consul.endpoint()])
            .start()
    }
}

#[test]
fn one_time_renders_from_consul_and_says_so_as_confd_does() {
    let (consul, confdir) = (Consul::start(), Confdir::new(""));
    consul.put(KEY, &value("a", 1, 13351));
    let (code, said) = confdir.on(&consul);
    assert_eq!(code, 0, "{said}");
    let dest = confdir.dir.join("dest").display().to_string();
    for line in [
        "Backend set to consul",
        &format!("Backend source(s) set to {}", consul.endpoint()),
        "Starting confd",
        &format!("Target config {dest} out of sync"),
        &format!("Target config {dest} has been updated"),
    ] {
        assert!(said.contains(line), "{line:?} in\n{said}");
    }
    assert_eq!(confdir.read("dest"), "# head\nlisten a 10.0.0.1 13351\n");
    let inode = || fs::metadata(&dest).unwrap().ino();
    let before = inode();
    let (code, said) = confdir.on(&consul);
    assert_eq!((code, inode()), (0, before), "{said}");
}

#[test]
fn a_store_that_fails_or_shows_nothing_leaves_the_file_as_it_is() {
    let (consul, confdir) = (Consul::start(), Confdir::new(""));
    consul.put(KEY, &value("a", 1, 13351));
    confdir.on(&consul);
    let text = confdir.read("dest");
    let lonely = Consul::start_client();
    let (code, said) = confdir.on(&lonely);
    assert!(code == 1 && said.contains(": 500 "), "{said}");
    consul.delete(KEY);
    let (code, said) = confdir.on(&consul);
    assert!(code == 1 && said.contains("nothing to render"), "{said}");
    consul.kill();
    let (code, said) = confdir.on(&consul);
    assert!(code == 1 && said.contains("connection refused"), "{said}");
    assert_eq!(confdir.read("dest"), text);
    consul.restart();
    let node = consul.endpoint();
    let (code, said) = confdir.once(&["-backend", "consul", "-node", &node, "--allow-empty"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(confdir.read("dest"), "# head\n");
}

#[test]
fn the_environment_and_json_files_are_backends_too_and_yaml_says_what_to_do() {
    let confdir = Confdir::new("");
    let builder = confdir.builder(&["-backend", "env", "-onetime"]);
    let finished = builder
        .env("HAPROXY_MYSQLSLAVE_A", &value("a", 2, 13351))
        .run_to_end(seconds(30));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!(confdir.read("dest"), "# head\nlisten a 10.0.0.2 13351\n");
    let keys = serde_json::json!({"haproxy": {"mysqlslave": {"a": value("a", 3, 13351)}}});
    confdir.write("keys.json", &keys.to_string());
    let json = confdir.dir.join("keys.json").display().to_string();
    let (code, said) = confdir.once(&["-backend", "file", "-file", &json]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(confdir.read("dest"), "# head\nlisten a 10.0.0.3 13351\n");
    let (code, said) = confdir.once(&["-backend", "file", "-file", "keys.yaml"]);
    assert!(code == 1 && said.contains("JSON"), "{said}");
}

#[test]
fn options_that_are_wrong_end_it_with_one_as_confd_does() {
    let confdir = Confdir::new("");
    for (options, wanted) in [
        (&["-wach"][..], "-watch"),
        (&["-backend", "zookeeper"], "zookeeper"),
        (&["-backend", "env", "-watch"], "Watch is not supported"),
        (&["-interval", "soon"], "soon"),
    ] {
        let finished = confdir.builder(options).run_to_end(seconds(10));
        assert_eq!(finished.code, Some(1), "{options:?}: {}", finished.stderr);
        assert!(
            finished.stderr.contains(wanted),
            "{options:?}: {}",
            finished.stderr
        );
    }
    let empty = CheckerBuilder::new("confd");
    let dir = empty.dir().display().to_string();
    let finished = empty
        .args(["-confdir", &dir, "-onetime", "-backend", "env"])
        .run_to_end(seconds(10));
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
}

#[test]
fn a_bad_resource_or_template_is_told_with_file_and_line_and_the_others_go_on() {
    let (consul, confdir) = (Consul::start(), Confdir::new(""));
    consul.put(KEY, &value("a", 1, 13351));
    confdir.write("templates/bad.tmpl", "one\n{{range gets \"/x/*\"}}\n");
    confdir.resource("b.toml", "bad.tmpl", "other", "");
    confdir.write(
        "conf.d/c.toml",
        "[template]\ndest = \"/tmp/x\"\nkeyz = []\n",
    );
    confdir.write("conf.d/d.toml", "[template\n");
    confdir.resource("e.toml", "t.tmpl", "no/such/dir/dest", "");
    let (code, said) = confdir.on(&consul);
    assert_eq!(code, 1, "{said}");
    for wanted in [
        "bad.tmpl:2: ",
        "c.toml",
        "keyz",
        "d.toml:1: ",
        "no/such/dir",
    ] {
        assert!(said.contains(wanted), "{wanted:?} in\n{said}");
    }
    assert_eq!(confdir.read("dest"), "# head\nlisten a 10.0.0.1 13351\n");
    assert_eq!(confdir.read("other"), "");
}

#[test]
fn bad_entries_are_left_out_and_do_not_hold_up_good_ones() {
    let (consul, confdir) = (Consul::start(), Confdir::new(""));
    consul.put("haproxy/mysqlslave/a", &value("a", 1, 13351));
    consul.put("haproxy/mysqlslave/b", &value("b", 2, 13351));
    consul.put(
        "haproxy/mysqlslave/c",
        &value("c", 3, 13353).replace("10.0.0.3", "h\\n  evil"),
    );
    consul.put_bytes("haproxy/mysqlslave/d", b"\xff\x00{{");
    consul.put(
        "haproxy/mysqlslave/e",
        &value(&"e".repeat(10_000), 5, 13355),
    );
    consul.put("haproxy/mysqlslave/f", &value("f", 6, 13356));
    let (code, said) = confdir.on(&consul);
    assert_eq!(code, 0, "{said}");
    let wanted = "# head\nlisten a 10.0.0.1 13351\nlisten f 10.0.0.6 13356\n";
    assert_eq!(confdir.read("dest"), wanted);
    assert!(said.contains("proxyport 13351, which a has"), "{said}");
    assert_eq!(said.matches("is malformed").count(), 3, "{said}");
    assert!(
        said.lines().all(|line| line.len() < 1000),
        "a line too long to read"
    );
}

#[test]
fn a_renderer_killed_in_its_reload_makes_up_for_it_when_it_starts_again() {
    let confdir = Confdir::new("");
    let consul = Consul::start();
    consul.put(KEY, &value("a", 1, 13351));
    // It hangs for as long as the directory is there, so that nothing outlives the test.
    let marks = confdir.dir.join("marks").display().to_string();
    let begun = confdir.mark("begun");
    let hang = format!("reload_cmd = \"{begun}; while test -e {marks}; do sleep 0.1; done\"\n");
    confdir.resource("a.toml", "t.tmpl", "dest", &hang);
    let first = confdir.watch(&consul);
    wait_until("the reload has begun", seconds(20), || {
        confdir.read("marks") == "begun\n"
    });
    first.daemon().kill();
    let made = format!("reload_cmd = \"{}\"\n", confdir.mark("made"));
    confdir.resource("a.toml", "t.tmpl", "dest", &made);
    let (code, said) = confdir.on(&consul);
    assert_eq!(code, 0, "{said}");
    assert_eq!(confdir.read("marks"), "begun\nmade\n", "{said}");
    confdir.on(&consul);
    assert_eq!(
        confdir.read("marks"),
        "begun\nmade\n",
        "reloaded without a reason"
    );
}

#[test]
fn a_watch_follows_consul_through_a_restart_and_keeps_the_file_meanwhile() {
    let (consul, confdir) = (Consul::start_persistent(), Confdir::new(""));
    consul.put(KEY, &value("a", 1, 13351));
    let watch = confdir.watch(&consul);
    let is = |host: u8| confdir.read("dest") == format!("# head\nlisten a 10.0.0.{host} 13351\n");
    wait_until("the first file", seconds(20), || is(1));
    consul.put(KEY, &value("a", 2, 13351));
    wait_until("the second file", seconds(20), || is(2));
    consul.kill();
    watch.wait_for_log("the files stay as they are");
    consul.restart();
    watch.wait_for_log("consul answers again");
    assert!(is(2));
    consul.put(KEY, &value("a", 3, 13351));
    wait_until("the third file", seconds(20), || is(3));
    // A neighbour whose name only begins alike is not ours.
    consul.put("haproxy/mysqlslave2/b", &value("b", 9, 13359));
    consul.put("haproxy/mysqlslave/b", &value("b", 4, 13354));
    wait_until("the new tag", seconds(20), || {
        confdir.read("dest").contains("listen b 10.0.0.4")
    });
    consul.delete("haproxy/mysqlslave/b");
    wait_until("the tag is gone", seconds(20), || is(3));
}

#[test]
fn an_haproxy_that_was_moved_by_hand_is_put_right() {
    let chain = Chain::start(2);
    let (confd, _checker) = chain.on_consul(&chain.resource(&chain.switching()));
    let (used, other) = chain.used_and_other();
    let order = format!(
        "set server slave/mysql addr 127.0.0.1 port {}",
        other.port()
    );
    chain.haproxy.ask(&order);
    wait_until("it was moved by hand", seconds(5), || {
        chain.server_id() == Some(other.server_id())
    });
    // Any change of the keys makes the renderer look.
    chain.scene.consul.put("haproxy/memcached/x/y", "not a tag");
    confd.wait_for_log("it was not what the file says");
    chain.wait_until_at(used);
}

#[test]
fn run_says_what_is_wrong_and_one_dry_pass_writes_nothing() {
    let chain = Chain::start(1);
    let run = |options: &[&str]| {
        let builder = CheckerBuilder::new("run").conf(&chain.conf());
        let confdir = builder.dir().join("confd").display().to_string();
        let store = builder.dir().join("keys.json");
        let path = store.display().to_string();
        let finished = chain
            .with_confdir(builder, &chain.resource(""))
            .args(["--confdir", &confdir, "--store", &path, "--once"])
            .args(options)
            .run_to_end(seconds(60));
        (finished.code, finished.stdout + &finished.stderr)
    };
    let before = chain.haproxy.config();
    let (code, said) = run(&["--dry-run"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("would set new"), "{said}");
    assert_eq!(chain.haproxy.config(), before);
    let (code, said) = run(&[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(chain.haproxy.config().contains("listen slave"), "{said}");
    let (code, said) = run(&["--store", "/nonexistent/keys.json"]);
    assert!(code == Some(2) && said.contains("/nonexistent"), "{said}");
}
