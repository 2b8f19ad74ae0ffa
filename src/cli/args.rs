//! The options of the checkers and of run, as typed: each is right by itself, nothing is read yet.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use lexopt::{Arg, Parser};

use super::watching::{self, Watching};
use super::{Command, Operation};
use crate::backend::Kind;
use crate::config::Settings;
use crate::config::value::{items, seconds};
use crate::error::Error;
use crate::moment::span;
use crate::nearest::nearest;
use crate::secret::Secret;

/// The options of every command here.
const GENERAL: [&str; 12] = [
    "conf",
    "tag",
    "consul",
    "token",
    "once",
    "dry-run",
    "debug",
    "log-format",
    "metrics",
    "listen",
    "help",
    "version",
];

/// The options of status.
const STATUS: [&str; 12] = [
    "conf",
    "tag",
    "consul",
    "token",
    "store",
    "confdir",
    "haproxy-socket",
    "timeout",
    "watch",
    "json",
    "help",
    "version",
];

/// The options of everything that an operator does with one tag.
const OPERATE: [&str; 7] = [
    "conf", "consul", "token", "store", "timeout", "help", "version",
];

/// How often `--watch` looks, where it does not say it.
const WATCH: Duration = Duration::from_secs(2);

/// Every option of a command, without its hyphens.
pub fn options(command: Command) -> Vec<String> {
    let (kind, own): (Kind, &[&str]) = match command {
        Command::Check(Kind::MysqlSlave) => (Kind::MysqlSlave, &[]),
        Command::Check(Kind::Memcached) => (Kind::Memcached, &["verbose"]),
        Command::Check(Kind::RedisMaster) => (Kind::RedisMaster, &["user"]),
        // It runs sections of the conf file; servers are named there.
        Command::Run => (Kind::MysqlSlave, &["store", "confdir", "allow-empty"]),
        Command::Status => return STATUS.map(str::to_owned).to_vec(),
        Command::Operate(operation) => {
            let own: &[&str] = match operation {
                Operation::Move => &["force"],
                Operation::Pin => &["force", "until", "why"],
                Operation::Exclude => &["why"],
                Operation::Unpin | Operation::Include => &[],
            };
            let all = OPERATE.iter().chain(own);
            return all.map(|option| (*option).to_owned()).collect();
        }
        Command::Confd => return Vec::new(),
    };
    let general = GENERAL.iter().chain(own).copied();
    let all = general.chain(Settings::keys(kind));
    all.map(|key| key.replace('_', "-")).collect()
}

/// What was typed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Args {
    /// `--conf`.
    pub conf: Option<PathBuf>,
    /// Every `--tag`, comma lists taken apart, each name once. Empty means all.
    pub tags: Vec<String>,
    /// Every `--consul`; each may be a comma list.
    pub consul: Vec<String>,
    /// `--token`, if it is not empty.
    pub token: Option<Secret>,
    /// `--debug`.
    pub debug: bool,
    /// `--log-format`, `--metrics` and `--listen`.
    pub watching: Watching,
    /// `--once`.
    pub once: bool,
    /// `--dry-run`.
    pub dry_run: bool,
    /// `--store`, of run.
    pub store: Option<PathBuf>,
    /// `--confdir`, of run.
    pub confdir: Option<PathBuf>,
    /// `--allow-empty`, of run.
    pub allow_empty: bool,
    /// `--json`, of status.
    pub json: bool,
    /// `--watch`, of status: from one look to the next.
    pub watch: Option<Duration>,
    /// Every `--haproxy-socket`, of status.
    pub haproxy_sockets: Vec<String>,
    /// The words after the tag: servers, of move and the like.
    pub words: Vec<String>,
    /// `--force`, of move and pin.
    pub force: bool,
    /// `--until`, of pin: for how long.
    pub until: Option<Duration>,
    /// `--why`, of pin and exclude.
    pub why: Option<String>,
    /// `--user`, of checkredismaster.
    pub user: Option<String>,
    /// The settings for every section that does not say them itself.
    pub settings: Settings,
}

/// What the options ask for.
#[derive(Debug)]
pub(super) enum Parsed {
    Help,
    Version,
    Args(Box<Args>),
}

/// Reads the words after the name of `command`.
pub(super) fn parse(
    words: impl Iterator<Item = OsString>,
    command: Command,
) -> Result<Parsed, Error> {
    let mut reader = Reader::new(words, command);
    match reader.read() {
        Some(special) => Ok(special),
        None if reader.takes_words && reader.args.tags.is_empty() => {
            let how = format!("{} TAG", command.invocation());
            reader.problems.insert(0, format!("no tag given: {how}"));
            Err(Error::Usage(reader.problems))
        }
        None if reader.problems.is_empty() => Ok(Parsed::Args(Box::new(reader.args))),
        None => {
            reader
                .problems
                .push(format!("see {} --help", command.invocation()));
            Err(Error::Usage(reader.problems))
        }
    }
}

struct Reader {
    parser: Parser,
    options: Vec<String>,
    /// Whether the first word is a tag, and those after it are servers.
    takes_words: bool,
    args: Args,
    problems: Vec<String>,
}

impl Reader {
    fn new(words: impl Iterator<Item = OsString>, command: Command) -> Reader {
        // Collected, because lexopt keeps the iterator for as long as it lives.
        let words: Vec<OsString> = words.map(two_hyphens).collect();
        Reader {
            parser: Parser::from_args(words),
            options: options(command),
            takes_words: matches!(command, Command::Operate(_)),
            args: Args::default(),
            problems: Vec::new(),
        }
    }

    /// Goes through all words. A wish for help ends it, whatever else is wrong.
    fn read(&mut self) -> Option<Parsed> {
        let mut after_unknown = false;
        loop {
            let name = match self.parser.next() {
                Ok(None) => return None,
                Ok(Some(Arg::Long(name))) => name.replace('_', "-"),
                Ok(Some(Arg::Short(letter))) => letter.to_string(),
                Ok(Some(Arg::Value(word))) if self.takes_words && !after_unknown => {
                    self.word(&word.to_string_lossy());
                    continue;
                }
                Ok(Some(Arg::Value(word))) => {
                    // After an unknown option it may be that option's value.
                    if !after_unknown {
                        let word = word.to_string_lossy().escape_debug().to_string();
                        self.problems.push(format!("unexpected argument '{word}'"));
                    }
                    after_unknown = false;
                    continue;
                }
                Err(error) => {
                    self.problems.push(error.to_string());
                    continue;
                }
            };
            after_unknown = false;
            match name.as_str() {
                "help" | "h" => return Some(Parsed::Help),
                "version" | "V" => return Some(Parsed::Version),
                known if !self.options.iter().any(|o| o == known) => {
                    after_unknown = self.unknown(known)
                }
                "debug" | "verbose" | "once" | "dry-run" | "allow-empty" | "json" | "force" => {
                    self.switch(&name);
                }
                "flush" => self.flush(),
                "watch" => self.watch(),
                known => self.option(known),
            }
        }
    }

    fn switch(&mut self, name: &str) {
        if self.parser.optional_value().is_some() {
            return self.problems.push(format!("--{name} takes no value"));
        }
        match name {
            "debug" | "verbose" => self.args.debug = true,
            "once" => self.args.once = true,
            "allow-empty" => self.args.allow_empty = true,
            "json" => self.args.json = true,
            "force" => self.args.force = true,
            _ => self.args.dry_run = true,
        }
    }

    /// The tag, then its servers.
    fn word(&mut self, word: &str) {
        match self.args.tags.is_empty() {
            true => self.args.tags.push(word.to_owned()),
            false => self.args.words.push(word.to_owned()),
        }
    }

    /// `--flush` is `--flush=yes`.
    fn flush(&mut self) {
        let value = self.parser.optional_value().unwrap_or("yes".into());
        if let Err(problem) = self.set("flush", value) {
            self.problems.push(format!("--flush: {problem}"));
        }
    }

    /// `--watch` alone, `--watch=5`, or `--watch 5`.
    fn watch(&mut self) {
        let is_part = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
        let is_number = |word: &OsStr| word.as_encoded_bytes().iter().all(is_part);
        let next = |parser: &mut Parser| parser.try_raw_args()?.next_if(is_number);
        let value = self.parser.optional_value();
        let every = match value.or_else(|| next(&mut self.parser)) {
            None => Ok(WATCH),
            Some(text) => seconds(&text.to_string_lossy(), 0.1..=3600.0),
        };
        match every {
            Ok(every) => self.args.watch = Some(every),
            Err(problem) => self.problems.push(format!("--watch: {problem}")),
        }
    }

    fn option(&mut self, name: &str) {
        let result = self.value().and_then(|value| self.set(name, value));
        if let Err(problem) = result {
            self.problems.push(format!("--{name}: {problem}"));
        }
    }

    /// The option's value, which is never the next option.
    fn value(&mut self) -> Result<OsString, String> {
        if let Some(value) = self.parser.optional_value() {
            return Ok(value);
        }
        let missing = "its value is missing (write --name=value if it begins with a hyphen)";
        self.parser
            .try_raw_args()
            .and_then(|mut words| words.next_if(|w| !w.as_encoded_bytes().starts_with(b"-")))
            .ok_or_else(|| missing.to_owned())
    }

    fn set(&mut self, name: &str, value: OsString) -> Result<(), String> {
        if value.is_empty() && name != "token" {
            return Err("its value is empty".to_owned());
        }
        let path = match name {
            "conf" => Some(&mut self.args.conf),
            "store" => Some(&mut self.args.store),
            "confdir" => Some(&mut self.args.confdir),
            "metrics" => Some(&mut self.args.watching.metrics),
            _ => None,
        };
        if let Some(path) = path {
            *path = Some(value.into());
            return Ok(());
        }
        let value = value
            .into_string()
            .map_err(|_| "its value is not UTF-8".to_owned())?;
        match name {
            "tag" => self.add_tags(&value),
            "consul" => self.args.consul.push(value),
            "haproxy-socket" => self.args.haproxy_sockets.push(value),
            "user" => self.args.user = Some(value),
            "why" => self.args.why = Some(value),
            "log-format" => self.args.watching.log_format = watching::log_format(&value)?,
            "listen" => self.args.watching.listen = Some(watching::address(&value)?),
            "until" => self.args.until = Some(span(&value)?),
            "token" => self.args.token = Some(value).filter(|t| !t.is_empty()).map(Secret::new),
            _ => {
                return self
                    .args
                    .settings
                    .set(&name.replace('-', "_"), &value)
                    .unwrap_or(Ok(()));
            }
        }
        Ok(())
    }

    fn add_tags(&mut self, list: &str) {
        for tag in items(list) {
            if !self.args.tags.iter().any(|t| t == tag) {
                self.args.tags.push(tag.to_owned());
            }
        }
    }

    /// Reports the option; whether the next word may be its value.
    fn unknown(&mut self, name: &str) -> bool {
        let hint = nearest(name, self.options.iter().map(String::as_str))
            .map_or_else(String::new, |option| format!(", did you mean --{option}?"));
        self.problems
            .push(format!("unknown option --{}{hint}", name.escape_debug()));
        self.parser.optional_value().is_none()
    }
}

/// Turns `-conf`, which the original took too, into `--conf`. No option has one letter, but for
/// `-h` and `-V`, which stay.
fn two_hyphens(word: OsString) -> OsString {
    let bytes = word.as_encoded_bytes();
    let one_hyphen = bytes.starts_with(b"-") && !bytes.starts_with(b"--");
    if !one_hyphen || bytes.len() <= 2 {
        return word;
    }
    let mut long = OsString::from("-");
    long.push(word);
    long
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;
    use crate::logger::Format;

    fn read(words: &str) -> Result<Parsed, Error> {
        parse(
            words.split_whitespace().map(OsString::from),
            Command::Check(Kind::MysqlSlave),
        )
    }

    fn args(words: &str) -> Args {
        match read(words) {
            Ok(Parsed::Args(args)) => *args,
            other => panic!("{words}: {other:?}"),
        }
    }

    fn problems(words: &str) -> Vec<String> {
        let mut problems = read(words).unwrap_err().problems().to_vec();
        assert_eq!(problems.pop().unwrap(), "see checkmysqlslave --help");
        problems
    }

    #[test]
    fn the_originals_command_line_is_understood() {
        let args = args(
            "--conf etc/db.conf --tag slave3301 --consul localhost:8500 \
             --token e95597e0-4045-11e7-a9ef-b6ba84687927 --debug",
        );
        assert_eq!(args.conf, Some(PathBuf::from("etc/db.conf")));
        assert_eq!(args.tags, ["slave3301"]);
        assert_eq!(args.consul, ["localhost:8500"]);
        assert!(args.token.unwrap().expose().starts_with("e95597e0"));
        assert!(args.debug && !args.once && !args.dry_run);
    }

    #[test]
    fn an_option_can_be_spelled_in_four_ways() {
        let wanted = args("--max-lag 5");
        for words in [
            "--max-lag=5",
            "--max_lag 5",
            "--max_lag=5",
            "-max-lag 5",
            "-max_lag=5",
        ] {
            assert_eq!(args(words), wanted, "{words}");
        }
        assert_eq!(args("--dry_run --once").settings, Settings::default());
        assert!(args("--dry_run").dry_run && args("--once").once);
    }

    #[test]
    fn what_others_are_to_see_is_off_unless_it_is_asked_for() {
        assert_eq!(args("--debug").watching, Watching::default());
        let asked = args("--metrics m.prom --listen 127.0.0.1:9633 --log-format json").watching;
        assert_eq!(asked.metrics, Some(PathBuf::from("m.prom")));
        assert_eq!(asked.listen.unwrap().to_string(), "127.0.0.1:9633");
        assert_eq!(asked.log_format, Format::Json);
        assert_eq!(
            problems("--listen 9633 --log-format xml --metrics="),
            [
                "--listen: '9633' is not an IP address and a port, such as 127.0.0.1:9633 or \
                 [::]:9633",
                "--log-format: 'xml' is not text or json",
                "--metrics: its value is empty",
            ]
        );
    }

    #[test]
    fn tags_are_repeated_or_a_comma_list() {
        assert_eq!(args("--tag a --tag b,c,,a").tags, ["a", "b", "c"]);
        assert!(args("").tags.is_empty());
    }

    #[test]
    fn every_setting_is_an_option_of_its_checker() {
        for kind in Kind::ALL {
            let options = options(Command::Check(kind));
            for key in Settings::keys(kind) {
                assert!(options.contains(&key.replace('_', "-")), "{key}");
            }
        }
        let all = args(
            "--max-lag 1 --timeout 0.5 --fall 1 --rise 1 --interval 1 --fallback keep \
             --replicas a --exclude b --proxyport 1 --tls off --ca /x",
        );
        assert_ne!(all.settings, Settings::default());
    }

    #[test]
    fn the_originals_command_line_of_checkmemcached_is_understood() {
        let words =
            "--server 10.0.21.5:11211,10.0.21.7:11211 --tag mem11211 --consul c:1 --verbose";
        let read = |words: &str| {
            let words = words.split_whitespace().map(OsString::from);
            match parse(words, Command::Check(Kind::Memcached)) {
                Ok(Parsed::Args(args)) => Ok(*args),
                other => Err(format!("{other:?}")),
            }
        };
        let args = read(words).unwrap();
        assert!(args.settings.names_servers() && args.debug);
        assert_eq!(read("--flush").unwrap(), read("--flush=yes").unwrap());
        assert!(read("--flush=maybe").unwrap_err().contains("not yes or no"));
        assert!(read("--max-lag 1").is_err() && read("--sentinel a").is_err());
    }

    #[test]
    fn a_tag_and_servers_are_words_of_what_an_operator_does() {
        let read = |words: &str, operation| {
            let words = words.split_whitespace().map(OsString::from);
            match parse(words, Command::Operate(operation)) {
                Ok(Parsed::Args(args)) => Ok(*args),
                Ok(other) => Err(format!("{other:?}")),
                Err(error) => Err(error.to_string()),
            }
        };
        let args = read(
            "slave3301 --why=x --until 2h 10.0.21.7:3301",
            Operation::Pin,
        )
        .unwrap();
        assert_eq!(
            (args.tags, args.words),
            (
                vec!["slave3301".to_owned()],
                vec!["10.0.21.7:3301".to_owned()]
            )
        );
        assert_eq!(args.until, Some(Duration::from_secs(7200)));
        assert!(read("t a:1 --force", Operation::Move).unwrap().force);
        for (words, operation, wanted) in [
            (
                "--force",
                Operation::Move,
                "no tag given: confd_haproxy move TAG",
            ),
            (
                "t --until 2",
                Operation::Pin,
                "--until: '2' is no time such as",
            ),
            ("t --until 2h", Operation::Unpin, "unknown option --until"),
            ("t --wy x", Operation::Pin, "did you mean --why?"),
        ] {
            let problem = read(words, operation).unwrap_err();
            assert!(problem.contains(wanted), "{words}: {problem}");
        }
    }

    #[test]
    fn watch_takes_a_number_or_goes_without() {
        let watch = |words: &str| match parse(
            words.split_whitespace().map(OsString::from),
            Command::Status,
        ) {
            Ok(Parsed::Args(args)) => args.watch.map(|every| every.as_millis()),
            other => panic!("{words}: {other:?}"),
        };
        assert_eq!(watch("--json"), None);
        for words in ["--watch", "--watch --json", "--json --watch", "--watch=2"] {
            assert_eq!(watch(words), Some(2000), "{words}");
        }
        assert_eq!(watch("--watch 0.5 --json"), Some(500));
        let zero = ["--watch", "0"].map(OsString::from);
        assert!(parse(zero.into_iter(), Command::Status).is_err());
    }

    #[test]
    fn help_and_version_win_over_anything_wrong() {
        for words in ["--help", "-h", "--bogus --help", "x --tag --help", "-help"] {
            assert!(matches!(read(words), Ok(Parsed::Help)), "{words}");
        }
        assert!(matches!(read("--bogus -V"), Ok(Parsed::Version)));
    }

    #[test]
    fn an_option_is_never_taken_as_a_value() {
        let missing = "its value is missing (write --name=value if it begins with a hyphen)";
        assert_eq!(problems("--tag --debug"), [format!("--tag: {missing}")]);
        assert_eq!(problems("--tag -debug"), [format!("--tag: {missing}")]);
        assert_eq!(problems("--tag"), [format!("--tag: {missing}")]);
        assert_eq!(args("--token=-x").token.unwrap().expose(), "-x");
    }

    #[test]
    fn every_problem_of_a_command_line_is_named_at_once() {
        assert_eq!(
            problems("--tagg=x --colour red --debug=1 stray --fall 0 --tls yes"),
            [
                "unknown option --tagg, did you mean --tag?",
                "unknown option --colour",
                "--debug takes no value",
                "unexpected argument 'stray'",
                "--fall: '0' is not a whole number, 1 to 100",
                "--tls: 'yes' is not off, on, verify-ca or verify",
            ]
        );
        assert_eq!(problems("-x"), ["unknown option --x"]);
        assert_eq!(
            problems("--nodebug"),
            ["unknown option --nodebug, did you mean --debug?"]
        );
        assert_eq!(problems("-- --debug"), ["unexpected argument '--debug'"]);
        assert_eq!(problems("--conf="), ["--conf: its value is empty"]);
    }

    #[test]
    fn an_empty_token_is_none() {
        assert_eq!(args("--token=").token, None);
    }

    #[test]
    fn words_that_are_not_utf8_are_paths_or_errors() {
        let word = || OsString::from_vec(b"--conf=\xff".to_vec());
        let Ok(Parsed::Args(args)) = parse([word()].into_iter(), Command::Check(Kind::MysqlSlave))
        else {
            panic!("a path need not be UTF-8");
        };
        assert!(args.conf.is_some());
        for bytes in [&b"--tag=\xff"[..], b"--\xff", b"-\xff", b"\xff"] {
            assert!(
                parse(
                    [OsString::from_vec(bytes.to_vec())].into_iter(),
                    Command::Check(Kind::MysqlSlave)
                )
                .is_err()
            );
        }
    }

    #[test]
    fn a_token_does_not_show_in_debug_output() {
        assert!(!format!("{:?}", args("--token s3cret")).contains("s3cret"));
    }
}
