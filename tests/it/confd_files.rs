//! The confd files that the project ships: what they render, and what they name.

use std::fs;
use std::path::Path;

use confd_haproxy::backend::Kind;
use confd_haproxy::config::Service;

use crate::shipped::{
    MANY, README, assert_haproxy_takes, assert_haproxy_takes_every_template, files, render, root,
};

#[test]
fn every_template_renders_a_file_that_haproxy_takes() {
    assert_haproxy_takes_every_template();
}

#[test]
fn the_enabled_template_has_every_tag_and_moves_no_server_by_its_name() {
    let text = render(&root("confd/templates/haproxy.cfg.tmpl"), MANY);
    for wanted in [
        "listen a\n    bind 0.0.0.0:13351\n    server mysql 10.0.21.5:3301 check ",
        "listen b\n    bind 0.0.0.0:13352\n    server mysql 2001:db8::5:3302 check ",
        "listen c.d_e-f\n    bind 0.0.0.0:13353\n    server mysql db1.invalid:3303 check ",
        "listen m1\n    bind 0.0.0.0:16211\n",
        "    server memcached ::1:11211 check ",
        "listen r1\n    bind 0.0.0.0:11379\n",
        "    server redis 2001:db8::7:6379 check ",
    ] {
        assert!(text.contains(wanted), "{wanted:?} is not in:\n{text}");
    }
    assert_eq!(text.matches("\nlisten ").count(), MANY.len());
}

#[test]
fn a_single_kind_template_has_its_own_kind_only() {
    let mysql = render(&root("confd/templates/slaveproxy.cnf.tmpl"), MANY);
    assert_eq!(mysql.matches("\nlisten ").count(), 3);
    let memcached = render(&root("confd/templates/memcached.conf.tmpl"), MANY);
    assert_eq!(memcached.matches("\nlisten ").count(), 2);
}

#[test]
fn the_sample_is_what_the_template_makes_of_the_readmes_keys() {
    let sample = root("etc/haproxy.sample.cfg");
    let text = fs::read_to_string(&sample).unwrap();
    assert_eq!(
        text,
        render(&root("confd/templates/haproxy.cfg.tmpl"), README)
    );
    assert_haproxy_takes(&text, &sample);
}

#[test]
fn every_resource_checks_the_new_file_and_names_a_template_that_is_there() {
    let tomls = [files("confd/conf.d"), files("confd/conf.d.single")].concat();
    assert_eq!(tomls.len(), 3, "{tomls:?}");
    for toml in tomls {
        let check = setting(&toml, "check_cmd");
        assert_eq!(
            check,
            "/usr/sbin/haproxy -c -f {{.src}}",
            "{}",
            toml.display()
        );
        assert_eq!(setting(&toml, "reload_cmd"), "systemctl reload haproxy");
        let template = root("confd/templates").join(setting(&toml, "src"));
        assert!(template.is_file(), "{}", template.display());
    }
}

#[test]
fn a_resource_watches_what_its_template_reads() {
    for toml in [files("confd/conf.d"), files("confd/conf.d.single")].concat() {
        let template = root("confd/templates").join(setting(&toml, "src"));
        let template = fs::read_to_string(template).unwrap();
        let toml_text = fs::read_to_string(&toml).unwrap();
        for kind in ["mysqlslave", "memcached", "redismaster"] {
            let watched = toml_text.contains(&format!("\n  \"/haproxy/{kind}\",\n"));
            let read = template.contains(&format!("gets \"/haproxy/{kind}/*\""));
            assert_eq!(watched, read, "{kind} in {}", toml.display());
        }
    }
}

#[test]
fn only_one_enabled_resource_writes_a_file() {
    let mut written: Vec<String> = files("confd/conf.d")
        .iter()
        .map(|toml| setting(toml, "dest"))
        .collect();
    let all = written.len();
    written.sort();
    written.dedup();
    assert_eq!(written.len(), all);
    assert!(written.contains(&"/etc/haproxy/haproxy.cfg".to_owned()));
}

#[test]
fn the_example_conf_file_is_one_that_starts() {
    let file = confd_haproxy::config::ConfFile::parse(
        "etc/db.conf",
        &fs::read(root("etc/db.conf")).unwrap(),
    );
    let tags = file.unwrap().tags(&Kind::ALL, &[], &Default::default());
    let tags = tags.unwrap();
    let names: Vec<&str> = tags
        .tags
        .iter()
        .map(|tag| tag.common.name.as_str())
        .collect();
    assert_eq!(names, ["slave3301", "slave3302"]);
    assert!(tags.warnings.is_empty(), "{:?}", tags.warnings);
}

#[test]
fn the_example_conf_file_still_starts_with_every_comment_taken_out() {
    let text = fs::read_to_string(root("etc/db.conf")).unwrap();
    // TLS is the exception: its certificates only matter when there is some.
    let text = text
        .replace("\n;ca=", "\n#ca=")
        .replace("\n;tls_", "\n#tls_");
    let text = text.replace("\n;", "\n");
    let file = confd_haproxy::config::ConfFile::parse("etc/db.conf", text.as_bytes()).unwrap();
    let tags = file.tags(&Kind::ALL, &[], &Default::default()).unwrap();
    let names: Vec<&str> = tags
        .tags
        .iter()
        .map(|tag| tag.common.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "slave3301",
            "slave3302",
            "mem11211",
            "redis6379",
            "redis6380"
        ]
    );
    assert!(matches!(&tags.tags[1].service, Service::Mysql(mysql) if mysql.replicas.len() == 2));
    assert!(tags.warnings.is_empty(), "{:?}", tags.warnings);
}

/// The text of `key = "text"`; the shipped files need no more TOML than this.
fn setting(toml: &Path, key: &str) -> String {
    let text = fs::read_to_string(toml).unwrap();
    let start = format!("{key} = \"");
    let mut values = text
        .lines()
        .filter_map(|line| line.strip_prefix(&start)?.strip_suffix('"'));
    let value = values
        .next()
        .unwrap_or_else(|| panic!("no {key} in {}", toml.display()));
    assert_eq!(values.next(), None, "two of {key} in {}", toml.display());
    value.to_owned()
}
