//! `--metrics FILE`: what a checker and a renderer count, and a file that cannot be written.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::chain::Chain;
use crate::listed::{Listed, wait_for_more_ok};
use crate::scene::{CHECK, Scene};
use crate::support::checker::CheckerBuilder;
use crate::support::disk::Disk;
use crate::support::memcached::{self, Memcached};
use crate::support::scratch::Scratch;
use crate::support::{seconds, wait_until};

/// The value of a sample, which is named with its labels.
pub fn sample(page: &str, name: &str) -> Option<f64> {
    let mut lines = page.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map(|value| value.parse().expect("a number"))
}

/// Waits until the file has this sample with such a value.
#[track_caller]
fn wait_for(file: &Path, name: &str, good: impl Fn(f64) -> bool) {
    wait_until(&format!("{name} in the file"), seconds(40), || {
        let page = fs::read_to_string(file).unwrap_or_default();
        sample(&page, name).is_some_and(&good)
    });
}

#[test]
fn checks_failures_and_moves_of_a_replica_are_in_the_file() {
    let scene = Scene::start(2);
    scene.point_at(&scene.db.replicas[0]);
    let dir = Scratch::new("metrics");
    let file = dir.join("confd_haproxy.prom");
    let path = file.display().to_string();
    let _checker = scene.checker_with(CHECK, &["--metrics", &path]).start();
    wait_for(&file, "confd_haproxy_state{tag=\"slave\"}", |state| {
        state == 0.0
    });
    scene.db.replicas[0].kill();
    scene.wait_until_at(&scene.db.replicas[1]);
    let moves = "confd_haproxy_moves_total{tag=\"slave\",reason=\"down\"}";
    wait_for(&file, moves, |count| count == 1.0);
    let page = fs::read_to_string(&file).unwrap();
    let value = |name: &str| sample(&page, name).unwrap_or_else(|| panic!("{name}:\n{page}"));
    assert!(value("confd_haproxy_checks_total{tag=\"slave\"}") > 3.0);
    let failed = "confd_haproxy_check_failures_total{tag=\"slave\",reason=\"refused\"}";
    assert!(value(failed) >= 1.0);
    let server = scene.db.replicas[1].endpoint();
    value(&format!(
        "confd_haproxy_current_server_info{{tag=\"slave\",kind=\"mysqlslave\",server=\"{server}\"}}"
    ));
    assert!(value("confd_haproxy_lag_seconds{tag=\"slave\"}") >= 0.0);
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    for name in ["last_good_check", "last_move", "last_cycle"] {
        let at = value(&format!(
            "confd_haproxy_{name}_timestamp_seconds{{tag=\"slave\"}}"
        ));
        assert!((now - 40.0..=now + 1.0).contains(&at), "{name}: {at}");
    }
    let others: Vec<_> = fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(others.len(), 1, "nothing else is left in the directory");
}

#[test]
fn a_store_that_fails_is_counted() {
    let cache = Memcached::start();
    let listed = Listed::memcached(&cache.endpoint());
    let dir = Scratch::new("metrics");
    let file = dir.join("m.prom");
    let path = file.display().to_string();
    let _checker = listed.settled(&["--metrics", &path]);
    listed.consul.kill();
    let errors = "confd_haproxy_store_errors_total{tag=\"mem11211\"}";
    wait_for(&file, errors, |count| count > 0.0);
    wait_for(&file, "confd_haproxy_state{tag=\"mem11211\"}", |state| {
        state == 3.0
    });
}

#[test]
fn one_pass_writes_the_file_at_its_end() {
    let cache = Memcached::start();
    let listed = Listed::memcached(&cache.endpoint());
    let dir = Scratch::new("metrics");
    let file = dir.join("m.prom");
    let (code, said) = listed.once(&["--metrics", &file.display().to_string()]);
    assert_eq!(code, 0, "{said}");
    let page = fs::read_to_string(&file).unwrap();
    let moves = "confd_haproxy_moves_total{tag=\"mem11211\",reason=\"no_server\"}";
    assert_eq!(sample(&page, moves), Some(1.0), "{page}");
}

#[test]
fn a_directory_that_is_gone_is_said_once_and_no_check_waits_for_it() {
    let caches = [Memcached::start(), Memcached::start()];
    let listed = Listed::memcached(&memcached::list(&caches));
    let dir = Scratch::new("metrics");
    let (inside, file) = (dir.join("textfile"), dir.join("textfile/m.prom"));
    let checker = listed.settled(&["--metrics", &file.display().to_string()]);
    checker.wait_for_log("no metrics are written: ");
    assert!(
        checker.log().contains("make its directory"),
        "{}",
        checker.log()
    );
    caches[0].kill();
    listed.wait_until_at(&caches[1].endpoint());
    // Longer than from one write to the next.
    thread::sleep(Duration::from_secs(6));
    assert_eq!(checker.count("no metrics are written"), 1);
    fs::create_dir(&inside).unwrap();
    checker.wait_for_log(&format!("metrics are written to {} again", file.display()));
    assert!(file.exists());
}

#[test]
fn a_full_disk_leaves_the_last_file_whole_and_the_checks_alone() {
    let cache = Memcached::start();
    let listed = Listed::memcached(&cache.endpoint());
    let dir = Scratch::new("metrics");
    let _disk = Disk::mount(dir.path(), 64);
    let file = dir.join("m.prom");
    let checker = listed.settled(&["--metrics", &file.display().to_string()]);
    wait_for(&file, "confd_haproxy_state{tag=\"mem11211\"}", |state| {
        state == 0.0
    });
    // As much as fits.
    let _ = fs::write(dir.join("fill"), vec![0; 128 * 1024]);
    checker.wait_for_log("no metrics are written");
    assert!(
        checker.log().contains("make room on the disk"),
        "{}",
        checker.log()
    );
    let page = fs::read_to_string(&file).unwrap();
    assert!(page.ends_with('\n') && page.contains("confd_haproxy_build_info"));
    wait_for_more_ok(&checker, 2);
    fs::remove_file(dir.join("fill")).unwrap();
    checker.wait_for_log("metrics are written to");
}

#[test]
fn run_counts_its_renderers_passes_and_moves_of_haproxy() {
    let chain = Chain::start(2);
    let dir = Scratch::new("metrics");
    let file = dir.join("m.prom");
    let builder = CheckerBuilder::new("run").conf(&chain.conf());
    let confdir = builder.dir().join("confd").display().to_string();
    let store = builder.dir().join("keys.json").display().to_string();
    let resource = chain.resource(&chain.switching());
    let _run = chain
        .with_confdir(builder, &resource)
        .args(["--confdir", &confdir, "--store", &store])
        .args(["--metrics", &file.display().to_string()])
        .start();
    let dest = chain.haproxy.config_path().display().to_string();
    let of_file = |name: &str| format!("confd_haproxy_{name}_total{{file=\"{dest}\"}}");
    wait_for(&file, &of_file("reloads"), |count| count >= 1.0);
    let first = chain.server_id().expect("the port leads somewhere");
    let used = chain
        .scene
        .db
        .replicas
        .iter()
        .find(|r| r.server_id() == first);
    used.unwrap().kill();
    wait_for(&file, &of_file("switches"), |count| count >= 1.0);
    wait_for(&file, &of_file("renders"), |count| count >= 2.0);
    let page = fs::read_to_string(&file).unwrap();
    assert_eq!(
        sample(&page, &of_file("reload_failures")),
        Some(0.0),
        "{page}"
    );
    assert_eq!(
        sample(&page, "confd_haproxy_source_errors_total"),
        Some(0.0)
    );
}

#[test]
fn the_confd_command_counts_a_reload_that_fails() {
    let (builder, dir) = (CheckerBuilder::new("confd"), Scratch::new("metrics"));
    let own = builder.dir().to_owned();
    let own = |name: &str| own.join(name).display().to_string();
    let path = |name: &str| dir.join(name).display().to_string();
    let dest = path("dest");
    let resource = format!(
        "[template]\nsrc = \"t.tmpl\"\ndest = \"{dest}\"\nkeys = [\"/\"]\nreload_cmd = \"exit 7\"\n"
    );
    let finished = builder
        .file("confd/conf.d/a.toml", &resource)
        .file("confd/templates/t.tmpl", "x {{getv \"/a\"}}\n")
        .file("keys.json", "{\"a\": \"b\"}")
        .args(["-onetime", "-backend", "file", "-file", &own("keys.json")])
        .args(["-confdir", &own("confd"), "-metrics", &path("m.prom")])
        .run_to_end(seconds(20));
    assert_eq!(finished.code, Some(1), "{}", finished.stdout);
    let page = fs::read_to_string(dir.join("m.prom")).unwrap();
    for (name, wanted) in [("renders", 1.0), ("reloads", 1.0), ("reload_failures", 1.0)] {
        let name = format!("confd_haproxy_{name}_total{{file=\"{dest}\"}}");
        assert_eq!(sample(&page, &name), Some(wanted), "{page}");
    }
}
