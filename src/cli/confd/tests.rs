//! From words, variables and confd.toml to options: each way in, and what is wrong by name.

use std::ffi::OsString;

use super::*;
use crate::scratch::Scratch;
use crate::secret::Secret;

type Variables<'a> = &'a [(&'a str, &'a str)];

fn typed(words: &str) -> Result<ConfdArgs, Error> {
    match parse(words.split_whitespace().map(OsString::from))? {
        Parsed::Args(args) => Ok(*args),
        other @ (Parsed::Help | Parsed::Version) => panic!("{words}: {other:?}"),
    }
}

/// With a confd.toml of its own, so that the host's is not read.
fn resolve(words: &str, variables: Variables, toml: &str) -> Result<ConfdOptions, Error> {
    let scratch = Scratch::new();
    let file = scratch.file("confd.toml", toml);
    let args = typed(&format!("{words} -config-file {}", file.display()))?;
    let resolved = args.resolve(&|name| {
        let found = variables.iter().find(|(n, _)| *n == name);
        found.map(|(_, value)| (*value).to_owned())
    });
    let directory = format!("{}/", scratch.path().display());
    let short = |lines: &[String]| lines.iter().map(|l| l.replace(&directory, "")).collect();
    match resolved {
        Ok(mut options) => {
            options.warnings = short(&options.warnings);
            Ok(options)
        }
        Err(error) => Err(Error::Confd(short(error.problems()))),
    }
}

fn options(words: &str) -> ConfdOptions {
    resolve(words, &[], "").unwrap()
}

fn problems(words: &str, variables: Variables, toml: &str) -> Vec<String> {
    let error = resolve(words, variables, toml).unwrap_err();
    assert_eq!(error.exit_code(), 1, "{error}");
    error.problems().to_vec()
}

#[test]
fn the_originals_command_line_is_understood() {
    let options = options("-watch -backend consul -node localhost:8500");
    let defaults = ConfdOptions {
        backend: BackendKind::Consul,
        nodes: vec!["localhost:8500".to_owned()],
        tls: tls::Settings::default(),
        files: Vec::new(),
        confdir: PathBuf::from("/etc/confd"),
        mode: Mode::Watch,
        noop: false,
        sync_only: false,
        keep_stage_file: false,
        allow_empty: false,
        prefix: String::new(),
        token: None,
        level: LevelFilter::Info,
        watching: Watching::default(),
        warnings: Vec::new(),
    };
    assert_eq!(options, defaults);
}

#[test]
fn without_anything_it_polls_consul_on_this_host() {
    let options = options("");
    assert_eq!(options.nodes, ["127.0.0.1:8500"]);
    assert_eq!(options.mode, Mode::Interval(Duration::from_secs(600)));
}

#[test]
fn a_flag_can_be_spelled_in_four_ways() {
    let wanted = typed("-prefix /a").unwrap();
    for words in [
        "--prefix /a",
        "-prefix=/a",
        "--prefix=/a",
        "-prefix /b -prefix /a",
    ] {
        assert_eq!(typed(words).unwrap(), wanted, "{words}");
    }
}

#[test]
fn a_switch_is_said_alone_or_with_any_of_gos_booleans() {
    for words in ["-noop", "--noop", "-noop=true", "-noop=1", "-noop=T"] {
        assert!(options(words).noop, "{words}");
    }
    for words in ["-noop=false", "-noop=0", "-noop=F", "-noop -noop=false"] {
        assert!(!options(words).noop, "{words}");
    }
    assert_eq!(
        problems("-noop=maybe", &[], ""),
        ["-noop: 'maybe' is not true or false"]
    );
    let text = [
        "unexpected argument 'true'",
        "see confd_haproxy confd -help",
    ];
    assert_eq!(typed("-noop true").unwrap_err().problems(), text);
}

#[test]
fn what_others_are_to_see_is_said_by_a_flag_or_in_the_file() {
    let toml = "metrics = \"m.prom\"\nlog-format = \"json\"\n";
    let read = resolve("-listen [::1]:9633", &[], toml).unwrap().watching;
    assert_eq!(read.metrics, Some(PathBuf::from("m.prom")));
    assert_eq!(read.listen.unwrap().to_string(), "[::1]:9633");
    assert_eq!(read.log_format, crate::logger::Format::Json);
    let once = options("-onetime -listen 127.0.0.1:1");
    let wanted = "-listen means nothing with -onetime: nobody is listened to";
    assert_eq!(once.warnings, [wanted]);
    assert_eq!(
        problems("-listen here -log-format x", &[], ""),
        [
            "-log-format: 'x' is not text or json",
            "-listen: 'here' is not an IP address and a port, such as 127.0.0.1:9633 or [::]:9633",
        ]
    );
}

#[test]
fn nodes_and_files_are_repeated_and_nodes_a_comma_list_too() {
    assert_eq!(
        options("-node a:1 -node b:2,c:3").nodes,
        ["a:1", "b:2", "c:3"]
    );
    let options = options("-backend file -file a.yaml -file b,c.yaml");
    assert_eq!(
        options.files,
        [PathBuf::from("a.yaml"), PathBuf::from("b,c.yaml")]
    );
}

#[test]
fn onetime_wins_over_watch_and_watch_over_interval() {
    let mode = |words: &str| options(words).mode;
    assert_eq!(mode("-onetime -watch -interval 5"), Mode::OneTime);
    assert_eq!(mode("-watch -interval 5"), Mode::Watch);
    assert_eq!(mode("-interval 5"), Mode::Interval(Duration::from_secs(5)));
    assert_eq!(mode("-backend file -file x -watch"), Mode::Watch);
    assert_eq!(mode("-backend env -onetime -watch"), Mode::OneTime);
    let wanted = ["Watch is not supported for backend env. Exiting..."];
    assert_eq!(problems("-backend env -watch", &[], ""), wanted);
}

#[test]
fn every_flag_of_confd_is_known() {
    let all = "-auth-token x -backend env -basic-auth -client-ca-keys x -client-cert x \
               -client-key x -client-insecure -confdir x -file x -filter x -interval 1 \
               -keep-stage-file -log-level info -node x -noop -onetime -prefix x -scheme x \
               -srv-domain x -srv-record x -sync-only -auth-type x -app-id x -user-id x \
               -role-id x -secret-id x -path x -table x -separator x -username x -password x";
    let options = options(all);
    assert!(options.noop && options.sync_only && options.keep_stage_file);
    assert!(!options.allow_empty);
}

#[test]
fn a_flag_wins_over_a_variable_and_both_over_the_file() {
    let toml = "backend = 'consul'\nnodes = ['f:1', 'f:2']\nprefix = '/f'\ninterval = 7\n\
                auth_token = 'in-file'\nlog-level = 'debug'\nsync-only = true\nconfdir = '/c'\n";
    let token = ("CONSUL_HTTP_TOKEN", "in-variable");
    let address = ("CONSUL_HTTP_ADDR", "v:1");
    let shown = |options: &ConfdOptions| match &options.token {
        Some(TokenSource::Given(token)) => Some(token.expose().to_owned()),
        _ => None,
    };

    let file = resolve("", &[address], toml).unwrap();
    assert_eq!(file.nodes, ["f:1", "f:2"]);
    assert_eq!(
        (file.prefix.as_str(), file.level),
        ("/f", LevelFilter::Debug)
    );
    assert_eq!(file.mode, Mode::Interval(Duration::from_secs(7)));
    assert_eq!(shown(&file).as_deref(), Some("in-file"));
    assert_eq!((file.sync_only, file.confdir), (true, PathBuf::from("/c")));
    assert_eq!(file.warnings, [""; 0]);

    let variables = resolve("", &[address, token], "").unwrap();
    assert_eq!(variables.nodes, ["v:1"]);
    assert_eq!(
        shown(&resolve("", &[token], toml).unwrap()).as_deref(),
        Some("in-variable")
    );

    let words = "-node x:1 -prefix /x -interval 8 -auth-token typed -sync-only=false";
    let flags = resolve(words, &[address, token], toml).unwrap();
    assert_eq!(
        (flags.nodes, flags.prefix.as_str()),
        (vec!["x:1".to_owned()], "/x")
    );
    assert_eq!(flags.mode, Mode::Interval(Duration::from_secs(8)));
    assert!(!flags.sync_only);
    assert!(flags.warnings[0].starts_with("-auth-token shows in the process list"));
    assert_eq!(flags.token, Some(TokenSource::Given(Secret::new("typed"))));
}

#[test]
fn a_level_is_a_word_of_confd() {
    let cases = [
        ("debug", LevelFilter::Debug),
        ("INFO", LevelFilter::Info),
        ("warn", LevelFilter::Warn),
        ("warning", LevelFilter::Warn),
        ("error", LevelFilter::Error),
        ("fatal", LevelFilter::Error),
        ("panic", LevelFilter::Error),
    ];
    for (word, level) in cases {
        assert_eq!(
            options(&format!("-log-level {word}")).level,
            level,
            "{word}"
        );
    }
}

#[test]
fn every_problem_of_a_command_line_is_named_at_once() {
    let error = typed("-onetme -colour red -node -noop stray").unwrap_err();
    assert_eq!(
        error.problems(),
        [
            "unknown flag -onetme, did you mean -onetime?",
            "unknown flag -colour",
            "-node: its value is missing (write -node=value if it begins with a hyphen)",
            "unexpected argument 'stray'",
            "see confd_haproxy confd -help",
        ]
    );
    let error = typed("-- - -=x -prefix").unwrap_err();
    assert_eq!(
        error.problems(),
        [
            "unknown flag -",
            "unexpected argument '-'",
            "unknown flag -",
            "-prefix: its value is missing (write -prefix=value if it begins with a hyphen)",
            "see confd_haproxy confd -help",
        ]
    );
}

#[test]
fn every_problem_of_the_values_is_named_at_once() {
    let toml = "interval = 0\nlog-level = 'loud'\nnodes = [1]\nwatch = 'perhaps'\nprefix = [1]\n";
    assert_eq!(
        problems("-backend etcd -scheme ftp", &[], toml),
        [
            "confd.toml:3: nodes is a list, not a list of texts in quotes",
            "confd.toml:5: prefix is a list, not a text in quotes",
            "-backend: no backend 'etcd' here, only consul, env and file",
            "confd.toml:4: watch: 'perhaps' is not true or false",
            "confd.toml:1: interval: '0' is not a whole number of seconds, 1 or more",
            "confd.toml:2: log-level: 'loud' is not debug, info, warn, error, fatal or panic",
        ]
    );
    assert_eq!(
        problems("-backend file", &[], ""),
        ["backend file reads no file: name one with -file"]
    );
    let near =
        "-backend: no backend 'consl' here, only consul, env and file, did you mean 'consul'?";
    assert_eq!(problems("-backend consl", &[], ""), [near]);
}

#[test]
fn what_this_build_cannot_do_is_an_error_only_if_it_is_wanted() {
    let empty =
        "-client-cert= -client-key= -client-ca-keys= -srv-record= -username= -basic-auth=false";
    assert_eq!(
        resolve(empty, &[("CONFD_CLIENT_KEY", "")], "")
            .unwrap()
            .warnings,
        [""; 0]
    );
    let wanted = [
        "-scheme: 'ftp' is not http or https".to_owned(),
        "-srv-domain: SRV records are not supported; use -node".to_owned(),
        "-basic-auth: not supported; use a token".to_owned(),
        "-client-cert and -client-key go together: one of them is missing".to_owned(),
    ];
    let words = "-scheme ftp -client-key k -srv-domain d -basic-auth -username u";
    assert_eq!(problems(words, &[], ""), wanted);
    let wanted = ["-secret-keyring: encrypted values are not supported"];
    assert_eq!(problems("-backend env -secret-keyring k", &[], ""), wanted);
    let wanted = ["-filter: not supported; name the files with -file"];
    assert_eq!(
        problems("-backend file -file x -filter *.yml", &[], ""),
        wanted
    );
}

#[test]
fn https_and_its_files_come_from_flags_variables_and_the_file() {
    let toml =
        "client_cakeys = '/f/ca'\nclient_cert = '/f/c'\nclient_key = '/f/k'\nscheme = 'https'\n";
    let file = resolve("-node a:1,http://b:2", &[], toml).unwrap();
    assert_eq!(file.nodes, ["https://a:1", "http://b:2"]);
    assert_eq!(file.tls.ca, Some(PathBuf::from("/f/ca")));
    let variables = [
        ("CONFD_CLIENT_CAKEYS", "/v/ca"),
        ("CONSUL_CLIENT_KEY", "/t/k"),
        ("CONSUL_CLIENT_CERT", "/t/c"),
        ("CONSUL_HTTP_SSL", "1"),
    ];
    let both = resolve("-client-cert /g/c", &variables, toml).unwrap();
    assert_eq!(both.tls.ca, Some(PathBuf::from("/v/ca")));
    let identity = both.tls.identity.unwrap();
    assert_eq!(identity.certificate, PathBuf::from("/g/c"));
    assert_eq!(identity.key, PathBuf::from("/t/k"));
    assert_eq!(
        resolve("", &variables, "").unwrap().nodes,
        ["https://127.0.0.1:8500"]
    );
    let plain = resolve("-scheme http", &variables, "").unwrap();
    assert_eq!(plain.nodes, ["127.0.0.1:8500"]);
}

#[test]
fn credentials_that_nobody_asked_for_are_a_warning() {
    let options = resolve("-username u", &[], "password = 's3cret'\n").unwrap();
    assert_eq!(
        options.warnings,
        [
            "-username: ignored; Consul wants a token",
            "confd.toml:1: password: ignored; Consul wants a token",
        ]
    );
}

#[test]
fn an_unknown_key_of_the_file_is_a_warning() {
    let toml = "interva = 5\nsync_only = true\n[template]\n";
    assert_eq!(
        resolve("", &[], toml).unwrap().warnings,
        [
            "confd.toml:1: unknown key 'interva', did you mean 'interval'?",
            "confd.toml:2: unknown key 'sync_only', did you mean 'sync-only'?",
            "confd.toml:3: unknown table [template]",
        ]
    );
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let args = typed("-config-file /nonexistent/confd.toml").unwrap();
    let error = args.resolve(&|_| None).unwrap_err().to_string();
    assert!(
        error.starts_with("/nonexistent/confd.toml: cannot be read: No such"),
        "{error}"
    );
}

#[test]
fn wrong_syntax_has_its_line() {
    let problems = problems("-log-level x", &[], "a = 1\nprefix = /x\n");
    assert!(
        problems[0].starts_with("confd.toml:2: not TOML: "),
        "{problems:?}"
    );
    assert!(
        problems.last().unwrap().starts_with("-log-level: 'x'"),
        "{problems:?}"
    );
}

#[test]
fn help_and_version_win_over_anything_wrong() {
    for words in ["-help", "--help", "-h", "-bogus -help", "stray -h"] {
        let parsed = parse(words.split_whitespace().map(OsString::from));
        assert!(matches!(parsed, Ok(Parsed::Help)), "{words}");
    }
    let parsed = parse([OsString::from("-version")].into_iter());
    assert!(matches!(parsed, Ok(Parsed::Version)));
}

#[test]
fn a_secret_shows_neither_in_debug_output_nor_in_errors() {
    let args = typed("-auth-token s3cret -password s3cret").unwrap();
    assert!(!format!("{args:?}").contains("s3cret"));
    let options = resolve("-auth-token s3cret", &[], "").unwrap();
    assert!(!format!("{options:?}").contains("s3cret"));
    let wrong = problems("", &[], "auth_token = \"s3\\ncret\"\n");
    assert!(
        wrong[0].starts_with("confd.toml:1: auth_token: a token has no blanks"),
        "{wrong:?}"
    );
    assert!(!wrong[0].contains("s3"));
}

#[test]
fn words_that_are_not_utf8_are_errors() {
    use std::os::unix::ffi::OsStringExt;
    let word = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    for words in [
        vec![word(b"-node=\xff")],
        vec![word(b"-node"), word(b"\xff")],
        vec![word(b"\xff")],
    ] {
        let error = parse(words.into_iter()).unwrap_err();
        assert!(error.to_string().contains("not UTF-8"), "{error}");
    }
}
