//! From files under `conf.d` to resources, and everything that can be wrong with them.

use std::os::unix::fs::symlink;
use std::time::Duration;

use super::*;
use crate::scratch::Scratch;

/// A confdir with one template.
fn confdir() -> Scratch {
    let scratch = Scratch::new();
    scratch.file("templates/h.tmpl", "x");
    std::fs::create_dir(scratch.join("conf.d")).unwrap();
    scratch
}

/// The fields that every resource must have; `dest` lies in the confdir.
fn template(scratch: &Scratch, dest: &str) -> String {
    let dest = scratch.join(dest);
    let dest = dest.display();
    format!("[template]\nsrc = 'h.tmpl'\ndest = '{dest}'\nkeys = ['/haproxy']\n")
}

fn load(scratch: &Scratch) -> (Vec<Resource>, Vec<String>) {
    load_with_prefix(scratch, "")
}

fn load_with_prefix(scratch: &Scratch, prefix: &str) -> (Vec<Resource>, Vec<String>) {
    let (resources, problems) = Resource::load_all(scratch.path(), prefix);
    let root = format!("{}/", scratch.path().display());
    let shown = |problem: &Problem| problem.to_string().replace(&root, "");
    (resources, problems.iter().map(shown).collect())
}

/// A resource with more lines after those that it must have, from line 5 on.
fn one(lines: &str) -> (Vec<Resource>, Vec<String>) {
    let scratch = confdir();
    scratch.file("conf.d/a.toml", &(template(&scratch, "out") + lines));
    load(&scratch)
}

fn good(lines: &str) -> Resource {
    let (mut resources, problems) = one(lines);
    assert_eq!(problems, [""; 0], "{lines}");
    resources.pop().unwrap()
}

fn warnings(lines: &str) -> Vec<String> {
    let after_path = |text: &String| text.split_once("a.toml:").unwrap().1.to_owned();
    good(lines).warnings.iter().map(after_path).collect()
}

#[test]
fn a_whole_resource_is_read() {
    let resource = good(
        "uid = 0\nGID = 99\nmode = '0640'\nprefix = 'production/'\n\
         check_cmd = 'haproxy -c -f {{.src}}'\nreload_cmd = 'systemctl reload haproxy'\n\
         check_cmd_timeout = 5\nreload_cmd_timeout = 3600\n\
         [haproxy]\nsocket = '/var/lib/haproxy/stats'\nsessions = 'cut'\n",
    );
    assert!(resource.file.ends_with("conf.d/a.toml"));
    assert!(resource.src.ends_with("templates/h.tmpl"));
    assert!(resource.dest.ends_with("out"));
    assert_eq!(
        (resource.uid, resource.gid, resource.mode),
        (Some(0), Some(99), Some(0o640))
    );
    assert_eq!(resource.prefix, "/production");
    assert_eq!(resource.keys, ["/production/haproxy"]);
    let check = resource.check_command(Path::new("/a b")).unwrap();
    assert_eq!(check, "haproxy -c -f '/a b'");
    assert_eq!(
        resource.reload_cmd.as_deref(),
        Some("systemctl reload haproxy")
    );
    let timeouts = (resource.check_cmd_timeout, resource.reload_cmd_timeout);
    assert_eq!(
        timeouts,
        (Duration::from_secs(5), Duration::from_secs(3600))
    );
    let haproxy = resource.haproxy.unwrap();
    assert_eq!(haproxy.socket, "/var/lib/haproxy/stats");
    assert_eq!(haproxy.sessions, SessionPolicy::Cut);
    assert_eq!(resource.warnings, [""; 0]);
}

#[test]
fn what_is_not_said_is_none() {
    let resource = good("uid = -1\nmode = ''\ncheck_cmd = ''\nprefix = ''\n");
    assert_eq!(
        (resource.uid, resource.gid, resource.mode),
        (None, None, None)
    );
    assert_eq!(
        (resource.check_cmd, resource.reload_cmd, resource.haproxy),
        (None, None, None)
    );
    let timeouts = (resource.check_cmd_timeout, resource.reload_cmd_timeout);
    assert_eq!(timeouts, (Duration::from_secs(30), Duration::from_secs(60)));
    assert_eq!(
        (resource.prefix.as_str(), resource.keys),
        ("", vec!["/haproxy".to_owned()])
    );
}

#[test]
fn the_shipped_resources_are_read_without_a_warning() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("confd/conf.d/haproxy.toml");
    let scratch = confdir();
    scratch.file("templates/haproxy.cfg.tmpl", "x");
    let text = std::fs::read_to_string(shipped).unwrap();
    let dest = scratch.join("haproxy.cfg");
    let text = text.replace("/etc/haproxy/haproxy.cfg", dest.to_str().unwrap());
    scratch.file("conf.d/haproxy.toml", &text);
    let (resources, problems) = load(&scratch);
    assert_eq!(problems, [""; 0]);
    let resource = &resources[0];
    assert_eq!(resource.warnings, [""; 0]);
    assert_eq!((resource.uid, resource.mode), (Some(0), Some(0o644)));
    let keys = [
        "/haproxy/mysqlslave",
        "/haproxy/memcached",
        "/haproxy/redismaster",
    ];
    assert_eq!(resource.keys, keys);
}

#[test]
fn a_global_prefix_replaces_that_of_the_resource() {
    let scratch = confdir();
    let text = template(&scratch, "out") + "prefix = '/own'\n";
    scratch.file("conf.d/a.toml", &text);
    let (resources, _) = load_with_prefix(&scratch, "global/");
    assert_eq!(resources[0].prefix, "/global");
    assert_eq!(resources[0].keys, ["/global/haproxy"]);
    let (_, problems) = load_with_prefix(&scratch, "/a/../b");
    assert_eq!(
        problems,
        ["conf.d/a.toml: -prefix: '/a/../b': a key has no '..'"]
    );
}

#[test]
fn every_mistake_in_a_value_has_its_line() {
    let cases = [
        (
            "uid = 'root'",
            "uid is a text, not a whole number without quotes",
        ),
        ("uid = -2", "uid -2 is no user or group number"),
        (
            "gid = 4294967295",
            "gid 4294967295 is no user or group number",
        ),
        ("mode = 644", "mode is a number, not a text in quotes"),
        (
            "mode = '0888'",
            "mode '0888' is not an octal number up to 0777; write mode = \"0644\"",
        ),
        (
            "mode = '01777'",
            "mode '01777' is not an octal number up to 0777; write mode = \"0644\"",
        ),
        (
            "mode = '+644'",
            "mode '+644' is not an octal number up to 0777; write mode = \"0644\"",
        ),
        (
            "mode = 'rw'",
            "mode 'rw' is not an octal number up to 0777; write mode = \"0644\"",
        ),
        ("prefix = '/a/..'", "'/a/..': a key has no '..'"),
        (
            "check_cmd = 'x {{.dest}}'",
            "check_cmd knows only {{.src}}, not {{.dest}}",
        ),
        (
            "reload_cmd = ['x']",
            "reload_cmd is a list, not a text in quotes",
        ),
        (
            "check_cmd_timeout = 0",
            "check_cmd_timeout 0 is not in 1 to 3600, in seconds",
        ),
        (
            "reload_cmd_timeout = '5'",
            "reload_cmd_timeout is a text, not a whole number without quotes",
        ),
        ("Src = 'x'", "src is already said in line 2"),
        (
            "[haproxy]",
            "[haproxy] has no socket=; write the path of HAProxy's stats socket",
        ),
    ];
    for (line, wanted) in cases {
        let (resources, problems) = one(line);
        assert_eq!(problems, [format!("conf.d/a.toml:5: {wanted}")], "{line}");
        assert!(resources.is_empty());
    }
    let (_, problems) = one("[haproxy]\nsocket = '/s'\nsessions = 'kill'\n");
    assert_eq!(
        problems,
        ["conf.d/a.toml:7: sessions 'kill' is not auto, keep or cut"]
    );
}

#[test]
fn permissions_are_octal_with_or_without_a_zero() {
    for text in ["0644", "644", "0o644"] {
        assert_eq!(
            good(&format!("mode = '{text}'")).mode,
            Some(0o644),
            "{text}"
        );
    }
}

#[test]
fn everything_that_is_missing_is_named_at_once() {
    let scratch = confdir();
    scratch.file("conf.d/a.toml", "\n[template]\nkeys = []\n");
    scratch.file("conf.d/b.toml", "# nothing\n");
    scratch.file("conf.d/c.toml", "template = 1\n");
    let (_, problems) = load(&scratch);
    assert_eq!(
        problems,
        [
            "conf.d/a.toml:2: [template] has no src=",
            "conf.d/a.toml:2: [template] has no dest=",
            "conf.d/a.toml:2: [template] has no keys=; write keys = [\"/haproxy/mysqlslave\"]",
            "conf.d/b.toml: has no [template]; see confd's template resources",
            "conf.d/c.toml:1: template is a number, not a table",
        ]
    );
}

#[test]
fn a_mistyped_key_stands_beside_the_missing_one() {
    let scratch = confdir();
    let text = template(&scratch, "out").replace("keys", "keyz");
    scratch.file("conf.d/a.toml", &text);
    assert_eq!(
        load(&scratch).1,
        [
            "conf.d/a.toml:1: [template] has no keys=; write keys = [\"/haproxy/mysqlslave\"]",
            "conf.d/a.toml:4: unknown key 'keyz' in [template], did you mean 'keys'?",
        ]
    );
}

#[test]
fn keys_that_are_no_texts_are_one_problem() {
    let scratch = confdir();
    let text = template(&scratch, "out").replace("['/haproxy']", "['/a', 2]");
    scratch.file("conf.d/a.toml", &text);
    let wanted = "conf.d/a.toml:4: keys is a list, not a list of texts in quotes";
    assert_eq!(load(&scratch).1, [wanted]);
    let text = text.replace("['/a', 2]", "['/a', 'a/', '/b', '..']");
    scratch.file("conf.d/a.toml", &text);
    assert_eq!(
        load(&scratch).1,
        ["conf.d/a.toml:4: '..': a key has no '..'"]
    );
    scratch.file("conf.d/a.toml", &text.replace(", '..'", ""));
    assert_eq!(load(&scratch).0[0].keys, ["/a", "/b"]);
}

#[test]
fn paths_that_lead_nowhere_are_problems() {
    let scratch = confdir();
    let text = "[template]\nsrc = 'gone.tmpl'\ndest = '/nonexistent/f'\nkeys = ['/a']\n";
    scratch.file("conf.d/a.toml", text);
    scratch.file(
        "conf.d/b.toml",
        &text
            .replace("gone.tmpl", "/../templates")
            .replace("/f'", "/'"),
    );
    let (_, problems) = load(&scratch);
    let starts = [
        "conf.d/a.toml:2: src: cannot read templates/gone.tmpl: No such file",
        "conf.d/a.toml:3: dest: no directory for /nonexistent/f: No such file",
        "conf.d/b.toml:2: src: templates/../templates is not a file",
        "conf.d/b.toml:3: dest: /nonexistent/ is a directory; write the whole path",
    ];
    assert_eq!(problems.len(), starts.len(), "{problems:#?}");
    for (problem, start) in problems.iter().zip(starts) {
        assert!(problem.starts_with(start), "{problem}");
    }
}

#[test]
fn what_is_odd_is_a_warning() {
    let cases = [
        (
            "relod_cmd = 'x'",
            "5: unknown key 'relod_cmd' in [template], did you mean 'reload_cmd'?",
        ),
        (
            "owner = 'root'",
            "5: owner is not known: write uid and a number",
        ),
        (
            "group = 'root'",
            "5: group is not known: write gid and a number",
        ),
        (
            "check_cmd = 'haproxy -c'",
            "5: check_cmd looks at the file in use: write {{.src}} for the new one",
        ),
        (
            "[haprox]",
            "5: unknown table [haprox], did you mean 'haproxy'?",
        ),
        (
            "[haproxy]\nsocket = 's'\nsocke = 1",
            "7: unknown key 'socke' in [haproxy], did you mean 'socket'?",
        ),
    ];
    for (lines, wanted) in cases {
        assert_eq!(warnings(lines), [wanted], "{lines}");
    }
}

#[test]
fn a_bad_resource_does_not_keep_the_others_from_working() {
    let scratch = confdir();
    scratch.file("conf.d/a.toml", "[template\n");
    scratch.file("conf.d/sub/deep/b.toml", &template(&scratch, "b"));
    scratch.file("conf.d/c.toml", &template(&scratch, "c"));
    std::fs::create_dir(scratch.join("conf.d/d.toml")).unwrap();
    symlink("nowhere", scratch.join("conf.d/e.toml")).unwrap();
    let (resources, problems) = load(&scratch);
    let names = |r: &Resource| r.dest.file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(resources.iter().map(names).collect::<Vec<_>>(), ["c", "b"]);
    assert_eq!(problems.len(), 2, "{problems:#?}");
    assert!(
        problems[0].starts_with("conf.d/a.toml:1: not TOML: "),
        "{problems:#?}"
    );
    assert!(
        problems[1].starts_with("conf.d/e.toml: cannot be read: "),
        "{problems:#?}"
    );
}

#[test]
fn hidden_and_other_files_are_not_read() {
    let scratch = confdir();
    scratch.file("conf.d/a.toml", &template(&scratch, "a"));
    for name in [".a.toml", "..data/a.toml", "a.toml.bak", "a.toml~", "atoml"] {
        scratch.file(&format!("conf.d/{name}"), "[wrong");
    }
    assert_eq!(load(&scratch).1, [""; 0]);
}

#[test]
fn two_resources_with_one_file_are_a_problem_of_the_second() {
    let scratch = confdir();
    std::fs::create_dir(scratch.join("d")).unwrap();
    symlink("out", scratch.join("link")).unwrap();
    for (name, dest) in [("a", "out"), ("b", "d/../out"), ("c", "other")] {
        scratch.file(&format!("conf.d/{name}.toml"), &template(&scratch, dest));
    }
    let (resources, problems) = load(&scratch);
    assert_eq!(resources.len(), 2);
    assert_eq!(
        problems,
        ["conf.d/b.toml:3: d/../out is written by conf.d/a.toml already; take one of the two away"]
    );
    scratch.file("out", "x");
    scratch.file("conf.d/b.toml", &template(&scratch, "link"));
    assert_eq!(load(&scratch).1.len(), 1, "a link to it is the same file");
}

#[test]
fn a_confdir_without_resources_says_so() {
    let scratch = confdir();
    let (_, problems) = load(&scratch);
    assert!(
        problems[0].starts_with("conf.d: has no *.toml; "),
        "{problems:?}"
    );
    std::fs::remove_dir(scratch.join("conf.d")).unwrap();
    let (_, problems) = load(&scratch);
    assert!(
        problems[0].starts_with("conf.d: cannot be read: No such file"),
        "{problems:?}"
    );
}
