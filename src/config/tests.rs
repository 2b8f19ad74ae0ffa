//! Whole conf files: what becomes of a section, and what is said about a bad one.

use std::collections::BTreeSet;

use super::*;
use crate::elect::is_excluded;
#[cfg(feature = "tls")]
use crate::tls::Verify;

const GOOD: &str = "\
[slave3301]
database=information_schema
host=10.0.21.5
port=3301
user=monitor
password=xxxxxx
default-character-set=utf8
[slave3302]
host=10.0.21.7
port=3302
user=monitor
[mem11211]
type=memcached
server=10.0.21.5:11211
";

fn flags(pairs: &[(&str, &str)]) -> Settings {
    let mut settings = Settings::default();
    for (key, text) in pairs {
        settings.set(key, text).unwrap().unwrap();
    }
    settings
}

fn read(text: &str, wanted: &[&str], defaults: &Settings) -> Result<Tags, Error> {
    let wanted: Vec<String> = wanted.iter().map(|&w| w.to_owned()).collect();
    ConfFile::parse("db.conf", text.as_bytes())?.tags(&[Kind::MysqlSlave], &wanted, defaults)
}

fn tags(text: &str) -> Vec<Tag> {
    let result = read(text, &[], &Settings::default());
    result.unwrap_or_else(|e| panic!("{e}")).tags
}

fn problems(text: &str, wanted: &[&str]) -> String {
    read(text, wanted, &Settings::default())
        .unwrap_err()
        .to_string()
}

fn mysql_of(tag: &Tag) -> &Mysql {
    let Service::Mysql(mysql) = &tag.service else {
        panic!("{tag:?}");
    };
    mysql
}

/// A section with the four keys that make one whole, and `more`.
fn section(name: &str, more: &str) -> String {
    format!("[{name}]\nhost=10.0.21.5\nport=3301\nuser=m\n{more}")
}

#[test]
fn the_originals_file_works_unchanged() {
    let read = read(GOOD, &[], &Settings::default()).unwrap();
    assert_eq!(read.warnings, [""; 0]);
    let names: Vec<&str> = read.tags.iter().map(|t| t.common.name.as_str()).collect();
    assert_eq!(names, ["slave3301", "slave3302"]);
    let (first, common) = (mysql_of(&read.tags[0]), &read.tags[0].common);
    assert_eq!(first.primary.to_string(), "10.0.21.5:3301");
    assert_eq!(
        (first.user.as_str(), first.password.expose()),
        ("monitor", "xxxxxx")
    );
    assert_eq!(
        (common.proxy_port, common.default_proxy_port.get()),
        (None, 13351)
    );
    assert_eq!((first.max_lag, first.fallback), (30, Fallback::Primary));
    assert_eq!(common.rules, Rules::default());
    assert_eq!(mysql_of(&read.tags[1]).password.expose(), "");
}

#[test]
fn a_section_sets_everything_itself() {
    let text = section(
        "a",
        "proxyport=3307\nmax_lag=5\ntimeout=0.25\nfall=3\nrise=4\ninterval=2\nfallback=keep\n\
         replicas=10.0.21.7:3302, 10.0.21.8,, 2001:db8::9\nexclude=10.0.21.9,db8:3301\ntls=off\n\
         exec=logger -- \"$TAG: $FROM\" ; x='#1'\n",
    );
    let whole = tags(&text).remove(0);
    let (tag, mysql) = (&whole.common, mysql_of(&whole));
    assert_eq!(tag.proxy_port.map(|p| p.get()), Some(3307));
    assert_eq!(tag.default_proxy_port.get(), 13351);
    assert_eq!((mysql.max_lag, mysql.fallback), (5, Fallback::Keep));
    assert_eq!((tag.rules.fall, tag.rules.rise), (3, 4));
    assert_eq!(tag.rules.timeout.as_millis(), 250);
    assert_eq!(tag.rules.interval.as_secs(), 2);
    let replicas: Vec<String> = mysql.replicas.iter().map(ToString::to_string).collect();
    assert_eq!(
        replicas,
        ["10.0.21.7:3302", "10.0.21.8:3301", "[2001:db8::9]:3301"]
    );
    // As it stands, with what elsewhere would be a comment.
    let exec = "logger -- \"$TAG: $FROM\" ; x='#1'";
    assert_eq!(tag.exec.as_deref(), Some(exec));
    let excluded = |server: &str| is_excluded(&tag.exclude, &server.parse().unwrap());
    assert!(excluded("10.0.21.9:1") && excluded("db8:3301") && !excluded("db8:3302"));
}

#[test]
fn flags_hold_where_a_section_says_nothing() {
    let defaults = flags(&[("max_lag", "9"), ("timeout", "2"), ("replicas", "10.0.0.1")]);
    let text = section("a", "max_lag=5\nproxyport=1\n") + &section("b", "max_lag=\n");
    let read = read(&text, &[], &defaults).unwrap();
    assert_eq!(
        (
            mysql_of(&read.tags[0]).max_lag,
            mysql_of(&read.tags[1]).max_lag
        ),
        (5, 9)
    );
    assert!(
        read.tags
            .iter()
            .all(|t| t.common.rules.timeout.as_secs() == 2)
    );
    assert!(
        read.tags
            .iter()
            .all(|t| mysql_of(t).replicas[0].to_string() == "10.0.0.1:3301")
    );
}

#[test]
fn tags_are_chosen_by_name() {
    let read = read(GOOD, &["slave3302"], &Settings::default()).unwrap();
    assert_eq!(read.tags.len(), 1);
    assert_eq!(read.tags[0].common.name.as_str(), "slave3302");
}

#[test]
fn a_tag_that_is_not_there_is_named_with_those_that_are() {
    assert_eq!(
        problems(GOOD, &["slave330", "nobody"]),
        "db.conf: no section [slave330], did you mean 'slave3301'?; its tags are slave3301, \
         slave3302\n\
         db.conf: no section [nobody]; its tags are slave3301, slave3302"
    );
    assert_eq!(
        problems(GOOD, &["mem11211"]),
        "db.conf:12: [mem11211] is of type memcached, not mysqlslave: choose another tag"
    );
}

#[test]
fn a_file_without_a_section_of_the_type_is_an_error() {
    let wanted = "db.conf: no section is of type mysqlslave: add one, with host=, port= and user=";
    assert_eq!(problems("", &[]), wanted);
    assert_eq!(problems("[m]\ntype=memcached\n", &[]), wanted);
    assert_eq!(problems("[m]\ntype=memcached\n", &["x"]), wanted);
}

#[test]
fn there_is_never_nothing_to_run() {
    let wanted = "db.conf: no section [x]; its tags are none";
    assert_eq!(problems("[a]\ntype=mysql\n", &["x"]), wanted);
    assert!(problems("[a]\ntype=mysql\n", &["a"]).starts_with("db.conf:2: type: 'mysql' is not"));
    assert!(problems("[a]\ntype=mysql\n", &[]).starts_with("db.conf:2: type: 'mysql' is not"));
}

#[test]
fn a_bad_value_is_an_error_with_file_and_line() {
    let cases = [
        (
            "[a]\nport=1\nuser=m\n",
            "db.conf:1: [a] has no host=: add a line such as host=",
        ),
        (
            "[a]\nhost=h\nuser=m\n",
            "db.conf:1: [a] has no port=: add a line such as port=3301",
        ),
        ("[a]\nhost=h\nport=1\n", "db.conf:1: [a] has no user=: add"),
        (
            "[a]\nhost=\nport=1\nuser=m\n",
            "db.conf:1: [a] has no host=",
        ),
        (
            "[a]\nhost=h_1\nport=1\nuser=m\n",
            "db.conf:2: host: 'h_1' is neither",
        ),
        (
            "[a]\nhost=h\nport=33o1\nuser=m\n",
            "db.conf:3: port: '33o1' is not a port",
        ),
        (
            "[a]\nhost=h\nport=60000\nuser=m\n",
            "db.conf:1: port 60000 + 10050 is no port",
        ),
        (
            "[a b]\nhost=h\nport=1\nuser=m\n",
            "db.conf:1: 'a b' is not a tag name",
        ),
        (
            "[a]\ntype=mysqlslav\n",
            "db.conf:2: type: 'mysqlslav' is not mysqlslave, memcached or \
          redismaster, did you mean 'mysqlslave'?",
        ),
        ("[a]\nbare\n", "db.conf:2: 'bare' has no '='"),
    ];
    for (text, wanted) in cases {
        let found = problems(text, &[]);
        assert!(found.starts_with(wanted), "{text:?}: {found}");
        assert!(!found.contains('\n'), "{text:?}: {found}");
    }
}

#[test]
fn a_bad_setting_is_an_error_with_file_and_line() {
    let cases = [
        ("proxyport=x", "proxyport: 'x' is not a port (1 to 65535)"),
        (
            "max_lag=1.5",
            "max_lag: '1.5' is not a whole number, 0 to 31622400",
        ),
        ("timeout=0", "timeout: '0' is not 0.005 to 60 seconds"),
        ("interval=1h", "interval: '1h' is not 0.05 to 3600 seconds"),
        ("fall=0", "fall: '0' is not a whole number, 1 to 100"),
        ("rise=-1", "rise: '-1' is not a whole number, 1 to 100"),
        ("fallback=no", "fallback: 'no' is not master or keep"),
        (
            "replicas=10.0.0.1:0",
            "replicas: '0' is not a port (1 to 65535)",
        ),
        (
            "exclude=a_b",
            "exclude: 'a_b' is neither an IP address nor a host name",
        ),
        ("tls=yes", "tls: 'yes' is not off, on, verify-ca or verify"),
        (
            "exec=a\u{1b}b",
            "exec: 'a\\u{1b}b': a command has no control characters",
        ),
    ];
    for (line, wanted) in cases {
        assert_eq!(
            problems(&section("a", line), &[]),
            format!("db.conf:5: {wanted}")
        );
    }
}

#[test]
fn all_problems_are_reported_at_once() {
    let text = "[a]\nport=x\nfall=0\n[b]\nhost=h\nport=2\nuser=m\nrise=0\n";
    let found = problems(text, &[]);
    let lines: Vec<&str> = found
        .lines()
        .map(|l| l.split(' ').next().unwrap())
        .collect();
    assert_eq!(
        lines,
        [
            "db.conf:2:",
            "db.conf:3:",
            "db.conf:1:",
            "db.conf:1:",
            "db.conf:8:"
        ]
    );
}

#[test]
fn an_unknown_key_is_a_warning_with_the_nearest_known_one() {
    let text = section("a", "max-lag=5\ncolour=red\n");
    let read = read(&text, &[], &Settings::default()).unwrap();
    assert_eq!(
        read.warnings,
        [
            "db.conf:5: unknown key 'max-lag' is ignored, did you mean 'max_lag'?",
            "db.conf:6: unknown key 'colour' is ignored",
        ]
    );
}

#[cfg(feature = "tls")]
#[test]
fn tls_is_off_on_or_looks_at_certificates() {
    let tls = |more: &str| {
        let read = read(&section("a", more), &[], &Settings::default()).unwrap();
        let Service::Mysql(mysql) = &read.tags[0].service else {
            panic!("{read:?}");
        };
        (mysql.tls.clone(), read.warnings.join(" "))
    };
    assert_eq!(tls("tls=off\n"), (None, String::new()));
    assert_eq!(tls("tls=on\n").0.unwrap().verify, Verify::Nothing);
    let (on, warning) = tls("tls=on\nca=/ca\n");
    assert_eq!(on.unwrap().ca, None);
    assert!(warning.contains("use tls=verify"), "{warning}");
    let (chain, _) = tls("tls=verify-ca\nca=/ca\n");
    assert_eq!(chain.unwrap().verify, Verify::Chain);
    let all = "tls=verify\nca=/ca\ntls_cert=/c\ntls_key=/k\n";
    let (whole, warning) = tls(all);
    let whole = whole.unwrap();
    assert_eq!((whole.verify, warning.as_str()), (Verify::Name, ""));
    assert_eq!(whole.ca, Some("/ca".into()));
    assert_eq!(whole.identity.unwrap().key, std::path::PathBuf::from("/k"));
    for (more, wanted) in [
        ("tls=verify\n", "has no ca= to verify with"),
        ("tls=verify-ca\n", "has no ca= to verify with"),
        ("tls=on\ntls_key=/k\n", "it takes both"),
    ] {
        let found = problems(&section("a", more), &[]);
        assert!(found.contains(wanted), "{more}: {found}");
    }
}

#[cfg(not(feature = "tls"))]
#[test]
fn tls_is_an_error_in_a_build_without_it() {
    for word in ["on", "verify-ca", "verify"] {
        let found = problems(&section("a", &format!("tls={word}\n")), &[]);
        assert!(found.contains("this build has no TLS"), "{found}");
    }
}

#[test]
fn ca_without_tls_is_a_warning() {
    let read = read(&section("a", "ca=/etc/ca.pem\n"), &[], &Settings::default()).unwrap();
    assert_eq!(
        read.warnings,
        ["db.conf:1: [a]: ca= has no effect while tls is off"]
    );
}

#[test]
fn what_is_wrong_in_a_section_that_does_not_run_is_a_warning() {
    let text = section("a", "") + "[b]\nhost=h\nport=x\nuser=m\n[c d]\n[e]\ntype=x\n";
    let read = read(&text, &["a"], &Settings::default()).unwrap();
    assert_eq!(read.tags.len(), 1);
    assert!(
        read.warnings[0].starts_with("db.conf:7: port: 'x'"),
        "{:?}",
        read.warnings
    );
    assert!(
        read.warnings
            .iter()
            .any(|w| w.starts_with("db.conf:9: 'c d'"))
    );
    assert!(
        read.warnings
            .iter()
            .any(|w| w.starts_with("db.conf:11: type: 'x'"))
    );
    // The syntax of the file is another matter.
    assert_eq!(
        problems(&(text + "bare\n"), &["a"]),
        "db.conf:12: 'bare' has no '=': write key=value"
    );
}

#[test]
fn two_tags_cannot_have_one_proxy_port() {
    let text = section("a", "") + &section("b", "");
    assert_eq!(
        problems(&text, &[]),
        "db.conf:5: [b] and [a] have the same proxy port 13351: set proxyport= in one"
    );
    assert!(read(&text, &["b"], &Settings::default()).is_ok());
    assert_eq!(
        tags(&(section("a", "") + &section("b", "proxyport=9\n"))).len(),
        2
    );
}

#[test]
fn the_proxyport_flag_is_for_one_tag() {
    let defaults = flags(&[("proxyport", "9")]);
    let one = read(GOOD, &["slave3301"], &defaults).unwrap();
    assert_eq!(one.tags[0].common.listen_port().get(), 9);
    let text = read(GOOD, &[], &defaults).unwrap_err().to_string();
    assert!(
        text.contains("--proxyport is for one tag, and 2 would have it"),
        "{text}"
    );
}

#[test]
fn a_proxyport_saves_a_port_that_is_too_high() {
    let tag = tags("[a]\nhost=h\nport=60000\nuser=m\nproxyport=6000\n").remove(0);
    assert_eq!(tag.common.listen_port().get(), 6000);
}

#[test]
fn a_file_that_is_not_there_says_so_and_what_to_do() {
    let error = ConfFile::load(Path::new("/nonexistent/db.conf")).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("cannot read /nonexistent/db.conf: No such file"),
        "{text}"
    );
    assert!(text.contains("--conf"), "{text}");
}

#[test]
fn a_password_that_everybody_can_read_is_a_warning() {
    let path = std::env::temp_dir().join(format!("confd_haproxy-config-{}", std::process::id()));
    fs::write(&path, GOOD).unwrap();
    let warnings = |mode| {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let tags =
            ConfFile::load(&path)
                .unwrap()
                .tags(&[Kind::MysqlSlave], &[], &Settings::default());
        tags.unwrap().warnings
    };
    let (public, private) = (warnings(0o644), warnings(0o640));
    fs::remove_file(&path).unwrap();
    assert_eq!(private, [""; 0]);
    assert!(public[0].contains("chmod 0640"), "{public:?}");
}

#[test]
fn no_password_is_in_any_message() {
    let text = section("a", "password=s3cret\nfall=0\n");
    assert!(!problems(&text, &[]).contains("s3cret"));
    assert!(!format!("{:?}", tags(&section("a", "password=s3cret\n"))).contains("s3cret"));
}

fn of_all_kinds(text: &str) -> Result<Tags, Error> {
    ConfFile::parse("db.conf", text.as_bytes())?.tags(&Kind::ALL, &[], &Settings::default())
}

#[test]
fn a_memcached_section_is_a_list_in_the_order_given_each_server_once() {
    let text =
        "[mem1]\ntype=memcached\nserver=10.0.0.7:11311, 10.0.0.5,10.0.0.7:11311\nflush=yes\n";
    let tag = of_all_kinds(text).unwrap().tags.remove(0);
    let Service::Memcached(memcached) = &tag.service else {
        panic!("{tag:?}");
    };
    let servers: Vec<String> = memcached.servers.iter().map(ToString::to_string).collect();
    assert_eq!(servers, ["10.0.0.7:11311", "10.0.0.5:11211"]);
    assert!(memcached.flush);
    assert_eq!(tag.common.listen_port().get(), 16311);
}

#[test]
fn a_redis_section_has_servers_or_sentinels_with_a_name() {
    let text = "[r]\ntype=redismaster\nsentinel=10.0.0.1,10.0.0.2:5000\nmaster_name=mymaster\n\
                user=m\npassword=s3cret\nsentinel_password=other\n";
    let tag = of_all_kinds(text).unwrap().tags.remove(0);
    let Service::Redis(redis) = &tag.service else {
        panic!("{tag:?}");
    };
    let sentinels: Vec<String> = redis.sentinels.iter().map(ToString::to_string).collect();
    assert_eq!(sentinels, ["10.0.0.1:26379", "10.0.0.2:5000"]);
    assert_eq!(redis.account.user.as_deref(), Some("m"));
    assert_eq!(redis.sentinel_account.password.expose(), "other");
    assert_eq!(tag.common.listen_port().get(), 11379);
    assert!(!format!("{tag:?}").contains("s3cret"));
    let cases = [
        ("", "has neither server= nor sentinel="),
        (
            "sentinel=a\n",
            "[r] has no master_name=: add a line such as",
        ),
        (
            "server=a\nuser=m\n",
            "[r] has no password=: add a line such as",
        ),
        ("server=a:x\n", "db.conf:3: server: 'x' is not a port"),
        ("server=a\ntls=On\n", "'On' is not off, on"),
        ("server=a:64000\n", "port 64000 + 5000 is no port"),
    ];
    for (more, wanted) in cases {
        let error = of_all_kinds(&format!("[r]\ntype=redismaster\n{more}")).unwrap_err();
        assert!(error.to_string().contains(wanted), "{more}: {error}");
    }
}

#[test]
fn a_key_of_another_kind_of_section_is_a_warning_that_says_of_which() {
    let read = of_all_kinds("[m]\ntype=memcached\nserver=a\nmax_lag=5\nhost=b\n").unwrap();
    assert_eq!(
        read.warnings,
        [
            "db.conf:4: 'max_lag' is ignored: it is for sections of type mysqlslave",
            "db.conf:5: unknown key 'host' is ignored",
        ]
    );
}

#[test]
fn a_tag_of_the_command_line_needs_no_file() {
    let defaults = flags(&[("server", "10.0.0.1:6379"), ("timeout", "0.5")]);
    let pairs = [("user", "m"), ("password", "s3cret")];
    let file = ConfFile::of_options(Kind::RedisMaster, "redis6379", &pairs);
    let read = file.tags(&[Kind::RedisMaster], &[], &defaults).unwrap();
    assert_eq!(read.tags[0].common.rules.timeout.as_millis(), 500);
    assert!(matches!(&read.tags[0].service, Service::Redis(r) if r.servers.len() == 1));
    let file = ConfFile::of_options(Kind::RedisMaster, "a b", &pairs[..1]);
    let error = file.tags(&[Kind::RedisMaster], &[], &defaults).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("command line: 'a b' is not a tag name"),
        "{text}"
    );
    assert!(
        text.contains("command line: [a b] has no password="),
        "{text}"
    );
}

#[test]
fn the_manual_page_has_exactly_the_keys_that_there_are() {
    let path = "packaging/man/confd_haproxy-db.conf.5";
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let keys = |heading: &str| -> BTreeSet<String> {
        let (_, rest) = page.split_once(&format!("\n.Ss {heading}\n")).unwrap();
        let part = rest.split("\n.S").next().unwrap();
        let items = part.lines().filter_map(|l| l.strip_prefix(".It Ic "));
        items
            .flat_map(|l| l.split(" , "))
            .map(str::to_owned)
            .collect()
    };
    let kinds = [
        ("MySQL", mysql::KEYS),
        ("memcached", memcached::KEYS),
        ("Redis", redis::KEYS),
    ];
    for (heading, known) in kinds {
        let known: BTreeSet<String> = known.all().map(str::to_owned).collect();
        assert_eq!(&keys(heading) | &keys("All types"), known, "{heading}");
    }
}
