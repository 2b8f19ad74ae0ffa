//! The package under a real systemd: installed, started, killed, frozen, upgraded, erased.

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::packaging::commands;
use crate::scene::{Scene, endpoint_of};
use crate::support::consul::Consul;
use crate::support::http::{Address, request};
use crate::support::lab::{Lab, NEW, OLD};
use crate::support::mariadb::MariaDb;
use crate::support::replication::Replication;
use crate::support::{free_port, seconds, wait_until};

const UNIT: &str = "checkmysqlslave@3301";
const KEY: &str = "haproxy/mysqlslave/slave3301";
const TOKEN: &str = "f3b1c0de-5ec2-e700-0000-0123456789ab";

/// The renderer's unit and one instance of each checker's.
fn units() -> Vec<String> {
    let instances = commands().into_iter().map(|name| format!("{name}@1"));
    instances.chain(["confd_haproxy".to_owned()]).collect()
}

#[test]
fn an_installation_starts_nothing_and_leaves_haproxy_alone() {
    let lab = Lab::boot();
    let sums = "sha256sum /etc/haproxy/* 2>/dev/null || true";
    let before = lab.run(sums);
    lab.rpm("-i", NEW);
    assert_eq!(lab.run(sums), before);
    assert_eq!(
        lab.run("rpm --dbpath /var/lib/rpm -V --nodeps confd_haproxy"),
        ""
    );
    for (path, wanted) in [
        ("/etc/confd_haproxy", "750 root:confd_haproxy"),
        ("/etc/confd_haproxy/db.conf", "640 root:confd_haproxy"),
        ("/etc/confd_haproxy/consul.env", "600 root:root"),
        ("/etc/sysconfig/confd_haproxy", "644 root:root"),
    ] {
        assert_eq!(
            lab.run(&format!("stat -c '%a %U:%G' {path}")),
            wanted,
            "{path}"
        );
    }
    let passwd = lab.run("getent passwd confd_haproxy");
    assert!(passwd.ends_with(":/:/sbin/nologin"), "{passwd}");
    lab.run("systemd-sysusers /usr/lib/sysusers.d/confd_haproxy.conf");
    assert_eq!(
        lab.attempt("systemctl is-enabled confd_haproxy").1,
        "disabled"
    );
    let active = "systemctl list-units --plain --no-legend --state=active 'check*@*' 'confd_*'";
    assert_eq!(lab.run(active), "");
}

#[test]
fn every_unit_is_valid_and_can_do_little() {
    let lab = Lab::boot();
    lab.rpm("-i", NEW);
    for unit in units() {
        let said = lab.run(&format!("systemd-analyze verify {unit}.service"));
        assert_eq!(said, "", "{unit}");
        let said = lab.run(&format!(
            "systemd-analyze security --offline=true /usr/lib/systemd/system/{}.service",
            unit.replace("@1", "@")
        ));
        let score = said
            .rsplit_once(": ")
            .and_then(|(_, end)| end.split(' ').next()?.parse::<f64>().ok());
        let most = if unit == "confd_haproxy" { 4.0 } else { 1.5 };
        println!("systemd-analyze security {unit}: {score:?}");
        assert!(score.is_some_and(|score| score <= most), "{unit}: {said}");
    }
}

#[test]
fn an_upgrade_keeps_what_was_edited_and_an_erasure_only_that() {
    let lab = Lab::boot();
    lab.rpm("-i", OLD);
    let installed = lab.run("rpm --dbpath /var/lib/rpm -ql confd_haproxy");
    lab.run("sed -i s/xxxxxx/s3cret/ /etc/confd_haproxy/db.conf");
    lab.run(&format!("systemctl enable -q {UNIT} confd_haproxy"));
    lab.rpm("-U", NEW);
    let old = "an earlier version";
    assert!(lab.run("cat /etc/confd_haproxy/db.conf").contains("s3cret"));
    let new = lab.run("cat /etc/confd_haproxy/db.conf.rpmnew");
    assert!(!new.contains("s3cret") && !new.contains(old), "{new}");
    let template = lab.run("cat /etc/confd/templates/haproxy.cfg.tmpl");
    assert!(!template.contains(old), "not edited, but not replaced");
    assert_eq!(
        lab.run("stat -c '%a %G' /etc/confd_haproxy/db.conf"),
        "640 confd_haproxy"
    );
    lab.run("rm /etc/confd_haproxy/db.conf.rpmnew");
    lab.erase();
    let left = lab.run(
        "find /etc/confd_haproxy* /etc/confd* /etc/sysconfig /usr/share/*/confd_haproxy \
         /var/lib/confd_haproxy ! -type d 2>/dev/null | sort -u || true",
    );
    assert_eq!(left, "/etc/confd_haproxy/db.conf.rpmsave");
    assert_eq!(
        lab.run(&format!("stat -c %a {left}")),
        "640",
        "it holds a password"
    );
    for path in installed.lines() {
        let gone = format!("[ -d {path} ] || [ ! -e {path} ]");
        assert_eq!(lab.attempt(&gone).0, Some(0), "{path} is left");
    }
    let links = "find /etc/systemd -name 'check*' -o -name 'confd_*'";
    assert_eq!(lab.run(links), "", "an instance is still enabled");
}

#[test]
fn an_unknown_instance_fails_at_once_and_says_why() {
    let lab = Lab::boot();
    lab.rpm("-i", NEW);
    let start = Instant::now();
    let (code, said) = lab.attempt("systemctl start checkmysqlslave@9999");
    assert_ne!(code, Some(0), "{said}");
    assert!(start.elapsed() < seconds(10), "{:?}", start.elapsed());
    let status = lab
        .attempt("systemctl status --no-pager checkmysqlslave@9999")
        .1;
    assert!(
        status.contains("slave9999") && status.contains("no section"),
        "{status}"
    );
    // It is not tried again and again, and the reason is an error.
    assert_eq!(
        lab.property("checkmysqlslave@9999", "ActiveState"),
        "failed"
    );
    assert_eq!(lab.property("checkmysqlslave@9999", "NRestarts"), "0");
    let errors = lab.run("journalctl -q -p err -o cat -u checkmysqlslave@9999");
    assert!(errors.contains("slave9999"), "{errors}");
}

/// A primary and two replicas, Consul, and the package installed and told of them.
struct Stage {
    lab: Lab,
    consul: Consul,
    db: Replication,
    proxyport: u16,
}

impl Stage {
    fn set() -> Stage {
        let Scene { consul, db } = Scene::start(2);
        let stage = Stage {
            lab: Lab::boot(),
            consul,
            db,
            proxyport: free_port(),
        };
        stage.lab.rpm("-i", OLD);
        let (primary, proxyport) = (&stage.db.primary, stage.proxyport);
        let section = format!(
            "[slave3301]\nhost={}\nport={}\nuser=monitor\npassword=s3cret\nproxyport={proxyport}\n\
             interval=0.3\n",
            primary.host(),
            primary.port(),
        );
        stage.lab.write("/etc/confd_haproxy/db.conf", &section);
        let env = format!(
            "CONSUL_HTTP_ADDR={}\nCONSUL_HTTP_TOKEN={TOKEN}",
            stage.consul.endpoint()
        );
        stage.lab.write("/etc/confd_haproxy/consul.env", &env);
        stage
    }

    /// Where the key points, once it points to a server that lives.
    fn current(&self) -> &MariaDb {
        let kv = self.consul.wait_for_value(KEY, |value| {
            let current = endpoint_of(value);
            let mut replicas = self.db.replicas.iter();
            replicas.any(|r| r.endpoint() == current && r.daemon().is_running())
        });
        self.db.replica_at(&endpoint_of(&kv.value))
    }

    fn pid(&self, unit: &str) -> String {
        self.lab.property(unit, "MainPID")
    }

    /// Waits until a unit runs as another process.
    fn wait_for_other_pid(&self, unit: &str, old: &str) {
        self.lab.wait_for(&format!(
            "systemctl -q is-active {unit} && [ $(systemctl show -p MainPID --value {unit}) != {old} ]"
        ));
    }

    fn wait_for_status(&self, unit: &str, text: &str) {
        self.lab.wait_for(&format!(
            "systemctl show -p StatusText --value {unit} | grep -qF '{text}'"
        ));
    }

    /// Whether a database greets through HAProxy.
    fn is_served(&self) -> bool {
        let limit = Duration::from_millis(500);
        let address = ([127, 0, 0, 1], self.proxyport).into();
        let Ok(mut stream) = TcpStream::connect_timeout(&address, limit) else {
            return false;
        };
        let _ = stream.set_read_timeout(Some(limit));
        stream.read(&mut [0; 5]).is_ok_and(|length| length > 0)
    }
}

#[test]
fn a_checker_under_systemd_moves_the_key_and_comes_back_whatever_ends_it() {
    let stage = Stage::set();
    let lab = &stage.lab;
    lab.run(&format!("systemctl start {UNIT}"));
    let first = stage.current();
    stage.wait_for_status(UNIT, &format!("slave3301 → {} up", first.endpoint()));
    is_confined(lab, &stage.pid(UNIT));

    // A server that dies.
    first.kill();
    let second = stage.current();
    stage.wait_for_status(UNIT, &format!("slave3301 → {} up", second.endpoint()));

    // A checker that is killed.
    let pid = stage.pid(UNIT);
    lab.run(&format!("kill -9 {pid}"));
    stage.wait_for_other_pid(UNIT, &pid);
    assert_eq!(lab.property(UNIT, "NRestarts"), "1");

    // A checker that hangs; one that does not is left alone.
    lab.write(
        "/run/systemd/system/checkmysqlslave@.service.d/watchdog.conf",
        "[Service]\nWatchdogSec=1s",
    );
    lab.run(&format!(
        "systemctl daemon-reload; systemctl restart {UNIT}"
    ));
    let pid = stage.pid(UNIT);
    std::thread::sleep(seconds(3));
    assert_eq!(stage.pid(UNIT), pid, "{}", lab.journal());
    lab.run(&format!("kill -STOP {pid}"));
    stage.wait_for_other_pid(UNIT, &pid);
    let log = lab.journal();
    assert!(log.contains("Watchdog timeout"), "{log}");

    // An upgrade.
    let pid = stage.pid(UNIT);
    lab.rpm("-U", NEW);
    stage.wait_for_other_pid(UNIT, &pid);
    stage.wait_for_status(UNIT, &format!("slave3301 → {} up", second.endpoint()));

    logs_are_the_journals(lab);
    the_token_is_nowhere(lab);
    each_kind_of_checker_starts(lab);

    lab.run(&format!("systemctl enable -q {UNIT}"));
    lab.erase();
    assert_eq!(lab.attempt("pgrep -l 'check|confd_ha'").1, "");
    assert_eq!(lab.property(UNIT, "LoadState"), "not-found");
    assert_eq!(lab.run("find /etc/systemd -name 'check*'"), "");
}

#[test]
fn a_confined_checker_can_be_watched_and_runs_the_command_of_its_section() {
    let stage = Stage::set();
    let lab = &stage.lab;
    let at = ([127, 0, 0, 1], free_port()).into();
    lab.run(
        "mkdir -p /var/lib/collected && chown confd_haproxy /var/lib/collected && \
         echo 'exec=echo \"$TAG $TO\" >/var/lib/collected/moved' >>/etc/confd_haproxy/db.conf",
    );
    lab.write(
        "/run/systemd/system/checkmysqlslave@.service.d/collected.conf",
        "[Service]\nReadWriteDirectories=/var/lib/collected",
    );
    let options =
        format!("OPTIONS=\"--log-format json --metrics /var/lib/collected/m.prom --listen {at}\"");
    lab.write("/etc/sysconfig/checkmysqlslave-3301", &options);
    lab.run(&format!("systemctl daemon-reload; systemctl start {UNIT}"));
    let server = stage.current().endpoint();
    lab.wait_for(&format!(
        "[ \"$(cat /var/lib/collected/moved)\" = 'slave3301 {server}' ]"
    ));
    lab.wait_for("grep -q 'confd_haproxy_state{tag=\"slave3301\"} 0' /var/lib/collected/m.prom");
    assert_eq!(lab.run("stat -c %a /var/lib/collected/m.prom"), "644");
    let health = || {
        let to = Address::Tcp(at);
        request(&to, "GET", "/health/slave3301", b"", seconds(5)).expect("an answer")
    };
    wait_until("it is well", seconds(20), || health().status == 200);
    let lines = lab.run(&format!("journalctl -q -o cat -p warning -u {UNIT}"));
    let moved = lines.lines().find(|line| line.contains("set new"));
    let moved: Value = serde_json::from_str(moved.expect(&lines)).expect(&lines);
    assert_eq!(moved["to"], server.as_str());
}

/// Not root, no capability, no way to get one, and system calls are filtered.
#[track_caller]
fn is_confined(lab: &Lab, pid: &str) {
    let status = lab.run(&format!("cat /proc/{pid}/status"));
    for line in ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000"] {
        assert!(status.contains(line), "{status}");
    }
    for line in ["NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.contains(line), "{status}");
    }
    assert_eq!(lab.run(&format!("stat -c %U /proc/{pid}")), "confd_haproxy");
}

/// A priority and no time of their own, and not a line each time that all is well.
fn logs_are_the_journals(lab: &Lab) {
    let warnings = lab.run(&format!("journalctl -q -o cat -p warning -u {UNIT}"));
    assert!(
        warnings.contains("slave3301: set new 127.0.0.1:"),
        "{warnings}"
    );
    assert!(!warnings.contains(" is ok: "), "{warnings}");
    let all = lab.run(&format!(
        "journalctl -q -o cat -t checkmysqlslave -u {UNIT}"
    ));
    // Whatever happened above, it happened a few times, while there were tens of cycles.
    let well = all.lines().filter(|line| line.contains(" is ok: ")).count();
    assert!((1..=10).contains(&well), "{all}");
    for line in all.lines() {
        assert!(line.starts_with("slave3301: "), "{line}");
    }
}

fn the_token_is_nowhere(lab: &Lab) {
    for place in [
        "systemctl show '*'",
        "systemctl status --no-pager --full 'check*@*'",
        "journalctl -q -o export",
        "cat /proc/[0-9]*/cmdline",
    ] {
        let said = lab.run(&format!("({place}) 2>/dev/null | tr '\\0' ' '"));
        assert!(!said.contains(TOKEN), "{place}");
    }
    // It is there, though, for the program itself.
    let pid = lab.property(UNIT, "MainPID");
    assert!(
        lab.run(&format!("cat /proc/{pid}/environ | tr '\\0' ' '"))
            .contains(TOKEN)
    );
    let other = "setpriv --reuid=nobody --clear-groups cat";
    for path in [
        "/etc/confd_haproxy/consul.env",
        "/etc/confd_haproxy/db.conf",
    ] {
        assert_ne!(lab.attempt(&format!("{other} {path}")).0, Some(0), "{path}");
    }
}

/// An instance of each checker that there is starts and says of which tag it is, from a section and
/// from a list of servers in its defaults; what it then finds is not of interest here.
fn each_kind_of_checker_starts(lab: &Lab) {
    lab.run(
        "cat >>/etc/confd_haproxy/db.conf <<'END'\n\
         [mem11211]\ntype=memcached\nserver=127.0.0.1:1,127.0.0.1:2\n\
         [redis6379]\ntype=redismaster\nserver=127.0.0.1:1,127.0.0.1:2\nEND",
    );
    for (name, from_section, from_list) in [
        ("checkmemcached", "mem11211", "mem11212"),
        ("checkredismaster", "redis6379", "redis6380"),
    ] {
        if !commands().iter().any(|command| command == name) {
            continue;
        }
        for tag in [from_section, from_list] {
            let port = tag.trim_start_matches(char::is_alphabetic);
            let unit = format!("{name}@{port}");
            if tag == from_list {
                let servers = "SERVERS=\"--server 127.0.0.1:1,127.0.0.1:2\"";
                lab.write(&format!("/etc/sysconfig/{name}-{port}"), servers);
            }
            lab.run(&format!("systemctl start {unit}"));
            lab.wait_for(&format!(
                "systemctl show -p StatusText --value {unit} | grep -q '^{tag} → '"
            ));
            let log = lab.run(&format!("journalctl -q -o cat -u {unit}"));
            assert!(!log.contains("--conf"), "a warning of two sources: {log}");
        }
    }
}

#[test]
fn the_renderer_under_systemd_moves_haproxy_and_by_one_setting_checks_too() {
    let stage = Stage::set();
    let lab = &stage.lab;
    // Debian's own haproxy.service is as good as CentOS's.
    lab.run("systemctl start haproxy");
    lab.run(&format!("systemctl start {UNIT} confd_haproxy"));
    let first = stage.current();
    wait_until("a database greets", seconds(20), || stage.is_served());
    stage.wait_for_status("confd_haproxy", "renderer: all in sync");
    first.kill();
    let second = stage.current();
    wait_until("another one greets", seconds(20), || stage.is_served());
    let log = lab.journal();
    assert!(
        log.contains("confd: haproxy: slave3301/mysql moved from"),
        "{log}"
    );

    lab.run(&format!("systemctl stop {UNIT}"));
    lab.write(
        "/etc/sysconfig/confd_haproxy",
        "COMMAND=\"run --store /var/lib/confd_haproxy/keys.json\"",
    );
    lab.run("systemctl restart confd_haproxy");
    stage.wait_for_status(
        "confd_haproxy",
        &format!("slave3301 → {} up", second.endpoint()),
    );
    lab.run("grep -q slave3301 /var/lib/confd_haproxy/keys.json");
    assert!(stage.is_served(), "{}", lab.journal());
    // What a reload starts does not answer for us.
    let log = lab.journal();
    assert!(!log.contains("Got notification message from PID"), "{log}");
    lab.erase();
    assert_eq!(lab.attempt("pgrep -l 'check|confd_ha'").1, "");
    lab.run("systemctl is-active haproxy && [ -s /etc/haproxy/haproxy.cfg ]");
}
