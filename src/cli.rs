//! The command line: which command is meant, and its options as typed.
//!
//! Help and version are values, not exits, so that they work whatever else is broken. What the
//! options mean together with the environment and the conf file is `start`'s.

pub mod args;
pub mod confd;
mod consul;
pub mod start;

mod usage;
mod watching;

use std::ffi::{OsStr, OsString};
use std::path::Path;

pub use args::Args;
pub use confd::{ConfdArgs, ConfdOptions};
pub use start::Start;
pub use watching::Watching;

use crate::backend::Kind;
use crate::error::Error;
use crate::nearest::did_you_mean;

/// The program's name, and the word before a command's.
pub const PROGRAM: &str = "confd_haproxy";

/// A command of the program: the name of a link to it, or its first word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Keep the keys of one kind of tag on live servers.
    Check(Kind),
    /// Render templates, as confd does.
    Confd,
    /// Everything for one host: the checkers and the renderer.
    Run,
    /// Say what every tag points at.
    Status,
    /// Do by hand what checkers do, or order them not to.
    Operate(Operation),
}

/// What an operator does with one tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Point it at another server.
    Move,
    /// Keep it where it is.
    Pin,
    /// Let it move again.
    Unpin,
    /// Use a server no more.
    Exclude,
    /// Use it again.
    Include,
}

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invocation {
    /// Print this text on stdout, and be done.
    Say(String),
    /// Check tags of one kind.
    Check(Kind, Box<Args>),
    /// Render templates.
    Confd(Box<ConfdArgs>),
    /// Check tags and render templates.
    Run(Box<Args>),
    /// Look at tags.
    Status(Box<Args>),
    /// Do something with one tag.
    Operate(Operation, Box<Args>),
}

impl Command {
    /// Every command.
    pub const ALL: [Command; 11] = [
        Command::Check(Kind::MysqlSlave),
        Command::Check(Kind::Memcached),
        Command::Check(Kind::RedisMaster),
        Command::Confd,
        Command::Run,
        Command::Status,
        Command::Operate(Operation::Move),
        Command::Operate(Operation::Pin),
        Command::Operate(Operation::Unpin),
        Command::Operate(Operation::Exclude),
        Command::Operate(Operation::Include),
    ];

    /// The command's name.
    pub fn word(self) -> &'static str {
        match self {
            Command::Check(Kind::MysqlSlave) => "checkmysqlslave",
            Command::Check(Kind::Memcached) => "checkmemcached",
            Command::Check(Kind::RedisMaster) => "checkredismaster",
            Command::Confd => "confd",
            Command::Run => "run",
            Command::Status => "status",
            Command::Operate(Operation::Move) => "move",
            Command::Operate(Operation::Pin) => "pin",
            Command::Operate(Operation::Unpin) => "unpin",
            Command::Operate(Operation::Exclude) => "exclude",
            Command::Operate(Operation::Include) => "include",
        }
    }

    /// What it does, in one line.
    fn summary(self) -> &'static str {
        match self {
            Command::Check(Kind::MysqlSlave) => "keep the keys of MySQL tags on live replicas",
            Command::Check(Kind::Memcached) => "keep the keys of memcached tags on a live one",
            Command::Check(Kind::RedisMaster) => "keep the keys of Redis tags on the master",
            Command::Confd => "render templates from the keys, as confd does",
            Command::Run => "all checkers and the renderer, in one process",
            Command::Status => "say what every tag points at, and how its servers are",
            Command::Operate(Operation::Move) => "point a tag at another server, which is checked",
            Command::Operate(Operation::Pin) => "keep a tag where it is, whatever happens",
            Command::Operate(Operation::Unpin) => "let it move again",
            Command::Operate(Operation::Exclude) => {
                "use a server of a tag no more, for maintenance"
            }
            Command::Operate(Operation::Include) => "use it again",
        }
    }

    /// How it is called: by its link, or as a word after the program's name.
    fn invocation(self) -> String {
        match self.is_linked() {
            true => self.word().to_owned(),
            false => format!("{PROGRAM} {}", self.word()),
        }
    }

    /// Whether an installation has a link of this name. A link to confd would stand in the way of
    /// confd itself; whoever makes one gets what it says.
    fn is_linked(self) -> bool {
        match self {
            Command::Check(_) => true,
            Command::Confd | Command::Run | Command::Status | Command::Operate(_) => false,
        }
    }

    fn named(word: &str) -> Option<Command> {
        Command::ALL
            .into_iter()
            .find(|command| command.word() == word)
    }
}

/// Reads a whole command line, the program's name first.
///
/// # Errors
/// `Error::Usage`, with everything that is wrong with it.
pub fn parse<I>(argv: I) -> Result<Invocation, Error>
where
    I: IntoIterator,
    I::Item: Into<OsString>,
{
    let mut words = argv.into_iter().map(Into::into);
    let name = words.next().unwrap_or_default();
    if let Some(command) = Command::named(&link_name(&name)) {
        return parse_command(command, words);
    }
    let Some(first) = words.next() else {
        let problem = format!("{PROGRAM}: no command given");
        return Err(Error::Usage(vec![problem, usage::program()]));
    };
    match first.to_string_lossy().as_ref() {
        "--help" | "-h" | "help" => Ok(Invocation::Say(usage::program())),
        "--version" | "-V" => Ok(Invocation::Say(version())),
        "--list" => Ok(Invocation::Say(list())),
        word => match Command::named(word) {
            Some(command) => parse_command(command, words),
            None => Err(unknown_command(word)),
        },
    }
}

fn parse_command(
    command: Command,
    words: impl Iterator<Item = OsString>,
) -> Result<Invocation, Error> {
    match command {
        Command::Check(kind) => Ok(match args::parse(words, command)? {
            args::Parsed::Help => Invocation::Say(usage::check(kind)),
            args::Parsed::Version => Invocation::Say(version()),
            args::Parsed::Args(args) => Invocation::Check(kind, args),
        }),
        Command::Run => Ok(match args::parse(words, command)? {
            args::Parsed::Help => Invocation::Say(usage::run()),
            args::Parsed::Version => Invocation::Say(version()),
            args::Parsed::Args(args) => Invocation::Run(args),
        }),
        Command::Status => Ok(match args::parse(words, command)? {
            args::Parsed::Help => Invocation::Say(usage::status()),
            args::Parsed::Version => Invocation::Say(version()),
            args::Parsed::Args(args) => Invocation::Status(args),
        }),
        Command::Operate(operation) => Ok(match args::parse(words, command)? {
            args::Parsed::Help => Invocation::Say(usage::operate(operation)),
            args::Parsed::Version => Invocation::Say(version()),
            args::Parsed::Args(args) => Invocation::Operate(operation, args),
        }),
        Command::Confd => Ok(match confd::parse(words)? {
            confd::Parsed::Help => Invocation::Say(usage::confd()),
            confd::Parsed::Version => Invocation::Say(version()),
            confd::Parsed::Args(args) => Invocation::Confd(args),
        }),
    }
}

/// The name that the program was called by: `/usr/bin/checkmysqlslave`, `-checkmysqlslave` (as
/// login does it) and `checkmysqlslave.pl` are all checkmysqlslave.
fn link_name(argv0: &OsStr) -> String {
    let name = Path::new(argv0)
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let name = name.strip_prefix('-').unwrap_or(&name);
    name.strip_suffix(".pl").unwrap_or(name).to_owned()
}

fn unknown_command(word: &str) -> Error {
    let hint = did_you_mean(word, Command::ALL.map(Command::word));
    Error::Usage(vec![
        format!("{PROGRAM}: unknown command '{}'{hint}", word.escape_debug()),
        format!("see {PROGRAM} --help"),
    ])
}

fn version() -> String {
    format!("{PROGRAM} {}", env!("CARGO_PKG_VERSION"))
}

/// The names of the links to the program, one a line.
fn list() -> String {
    let linked = Command::ALL.into_iter().filter(|c| c.is_linked());
    linked.map(Command::word).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;

    fn said(argv: &[&str]) -> String {
        match parse(argv) {
            Ok(Invocation::Say(text)) => text,
            other => panic!("{argv:?}: {other:?}"),
        }
    }

    #[test]
    fn the_command_is_the_links_name_or_the_first_word() {
        let cases: &[&[&str]] = &[
            &["checkmysqlslave", "--debug"],
            &["/usr/bin/checkmysqlslave", "--debug"],
            &["./bin/checkmysqlslave.pl", "--debug"],
            &["-checkmysqlslave", "--debug"],
            &["confd_haproxy", "checkmysqlslave", "--debug"],
            &["/opt/anything", "checkmysqlslave", "--debug"],
        ];
        for argv in cases {
            let Ok(Invocation::Check(Kind::MysqlSlave, args)) = parse(*argv) else {
                panic!("{argv:?}");
            };
            assert!(args.debug);
        }
    }

    #[test]
    fn help_version_and_list_are_texts() {
        for argv in [["x", "--help"], ["x", "-h"], ["x", "help"]] {
            assert!(said(&argv).contains("checkmysqlslave"));
        }
        assert_eq!(
            said(&["x", "--list"]),
            "checkmysqlslave\ncheckmemcached\ncheckredismaster"
        );
        for argv in [
            &["x", "--version"][..],
            &["x", "checkmysqlslave", "--version"],
        ] {
            assert_eq!(
                said(argv),
                format!("confd_haproxy {}", env!("CARGO_PKG_VERSION"))
            );
        }
    }

    #[test]
    fn confd_is_a_command_without_a_link_that_obeys_one_all_the_same() {
        assert!(said(&["x", "--help"]).contains("\n  confd "));
        for argv in [&["x", "confd", "-noop"][..], &["/usr/bin/confd", "-noop"]] {
            assert!(matches!(parse(argv), Ok(Invocation::Confd(_))), "{argv:?}");
        }
        let error = parse(["x", "confd", "-nope"]).unwrap_err();
        assert_eq!(error.exit_code(), 1);
    }

    #[test]
    fn no_command_shows_the_usage_as_an_error() {
        for argv in [&["confd_haproxy"][..], &[]] {
            let error = parse(argv).unwrap_err();
            assert!(
                error.to_string().contains("no command given\nusage:"),
                "{error}"
            );
            assert_eq!(error.exit_code(), 2);
        }
    }

    #[test]
    fn an_unknown_command_is_named_with_the_nearest() {
        let text = parse(["x", "checkmysqlslav"]).unwrap_err().to_string();
        assert!(text.contains("unknown command 'checkmysqlslav', did you mean 'checkmysqlslave'?"));
        for command in Command::ALL
            .map(Command::word)
            .into_iter()
            .filter(|w| w.len() > 4)
        {
            let (first, rest) = command.split_at(1);
            let typed = format!("{first}{first}{rest}");
            let text = parse(["x", &typed]).unwrap_err().to_string();
            assert!(
                text.contains(&format!("did you mean '{command}'?")),
                "{text}"
            );
        }
        for (typed, meant) in [("mvoe", "move"), ("pni", "pin"), ("rnu", "run")] {
            let text = parse(["x", typed]).unwrap_err().to_string();
            assert!(text.contains(&format!("did you mean '{meant}'?")), "{text}");
        }
        assert!(parse(["x", "--debug"]).is_err());
        assert!(parse(["x", ""]).is_err());
    }

    #[test]
    fn a_usage_text_has_every_option() {
        for kind in Kind::ALL {
            let command = Command::Check(kind);
            let text = said(&[command.word(), "--help"]);
            for option in args::options(command) {
                assert!(
                    text.contains(&format!("--{option} ")),
                    "--{option} is missing"
                );
            }
        }
        let text = said(&["x", "confd", "-help"]);
        let elsewhere = [
            "username",
            "password",
            "filter",
            "auth-type",
            "app-id",
            "user-id",
            "role-id",
            "secret-id",
            "path",
            "table",
            "separator",
            "client-insecure",
        ];
        for flag in confd::SETTINGS.iter().map(|setting| setting.flag) {
            let shown = text.contains(&format!("-{flag}"));
            assert!(shown || elsewhere.contains(&flag), "-{flag} is missing");
        }
    }

    /// The source of a manual page.
    fn page(name: &str) -> String {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/man");
        fs::read_to_string(dir.join(name)).unwrap()
    }

    /// The part of a page under a heading of the second order.
    fn part<'a>(page: &'a str, heading: &str) -> &'a str {
        let (_, rest) = page.split_once(&format!("\n.Ss {heading}\n")).unwrap();
        rest.split("\n.S").next().unwrap()
    }

    /// The options that mdoc's source names, but for those of one letter.
    fn named(page: &str) -> BTreeSet<&str> {
        let words: Vec<&str> = page.split_whitespace().collect();
        let flags = words.windows(2).filter(|pair| pair[0].ends_with("Fl"));
        let names = flags.map(|pair| pair[1].trim_start_matches('-'));
        names.filter(|name| name.len() > 1).collect()
    }

    /// Every option of a command, as the completion has them: with hyphens.
    fn all_options(command: Command) -> BTreeSet<String> {
        let with = |hyphens, name: &str| format!("{hyphens}{name}");
        if command != Command::Confd {
            let options = args::options(command);
            return options.iter().map(|name| with("--", name)).collect();
        }
        // Those of confd's other backends, and those that are refused, are not offered.
        let text = usage::confd();
        let (offered, _) = text.split_once("Refused").unwrap();
        let is_offered = |flag: &&str| offered.contains(&format!(" -{flag}"));
        let flags = confd::SETTINGS.iter().map(|setting| setting.flag);
        let flags = flags.filter(is_offered).chain(["help", "version"]);
        flags.map(|flag| with("-", flag)).collect()
    }

    #[test]
    fn the_completion_for_bash_offers_exactly_the_commands_and_options_that_there_are() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/bash-completion");
        let script = fs::read_to_string(dir.join(PROGRAM)).unwrap();
        let echoed = |start: &str| -> Vec<String> {
            let line = script.lines().find(|l| l.trim_start().starts_with(start));
            let (_, rest) = line
                .unwrap_or_else(|| panic!("{start}"))
                .split_once('"')
                .unwrap();
            let (words, _) = rest.split_once('"').unwrap();
            words.split(' ').map(str::to_owned).collect()
        };
        assert_eq!(echoed("echo"), Command::ALL.map(Command::word));
        for command in Command::ALL {
            let offered = echoed(&format!("{}) echo", command.word()));
            let offered: BTreeSet<String> = offered.into_iter().collect();
            assert_eq!(offered, all_options(command), "{command:?}");
        }
        let linked = Command::ALL.into_iter().filter(|c| c.is_linked());
        let names: Vec<&str> = [PROGRAM]
            .into_iter()
            .chain(linked.map(Command::word))
            .collect();
        let last = script.lines().last().unwrap();
        assert_eq!(last, format!("complete -F _{PROGRAM} {}", names.join(" ")));
    }

    #[test]
    fn every_help_fits_a_screen_of_24_lines_and_80_columns_and_has_examples() {
        let fits = |text: &str| {
            let n_lines = text.lines().count();
            assert!((15..=24).contains(&n_lines), "{n_lines} lines:\n{text}");
            let long = text.lines().find(|line| line.chars().count() > 80);
            assert_eq!(long, None);
            assert!(text.lines().all(|line| line == line.trim_end()), "{text}");
        };
        let program = said(&["x", "--help"]);
        fits(&program);
        assert!(program.contains("\n  confd_haproxy run --store "));
        for command in Command::ALL {
            let text = said(&["x", command.word(), "--help"]);
            fits(&text);
            let example = format!("\n  {}", command.invocation());
            assert!(text.contains(&example), "{command:?} has no example");
            for option in all_options(command) {
                assert!(text.contains(&option), "{command:?}: {option} is missing");
            }
        }
    }

    #[test]
    fn an_example_of_a_help_is_a_command_line_that_is_understood() {
        let screens = Command::ALL.map(|command| said(&["x", command.word(), "--help"]));
        for line in screens.iter().flat_map(|text| text.lines()) {
            let Some(example) = line
                .strip_prefix("  ")
                .filter(|l| !l.starts_with([' ', '-']))
            else {
                continue;
            };
            let words = example.split(' ').map(|word| word.trim_matches('\''));
            let parsed = parse(words.collect::<Vec<_>>());
            assert!(
                !matches!(parsed, Ok(Invocation::Say(_)) | Err(_)),
                "{example}: {parsed:?}"
            );
        }
    }

    #[test]
    fn a_mistyped_option_of_any_command_is_named_with_the_nearest() {
        for command in Command::ALL {
            for option in all_options(command) {
                let name = option.trim_start_matches('-');
                // Two letters change places, of a name that is long enough to be told.
                let mut letters: Vec<char> = name.chars().collect();
                if letters.len() < 5 || letters[1] == letters[2] {
                    continue;
                }
                letters.swap(1, 2);
                let typed: String = letters.into_iter().collect();
                let words = ["x", command.word(), &format!("--{typed}")];
                let text = parse(words).unwrap_err().to_string();
                let asks = format!("did you mean {option}?");
                let asks_too = format!("did you mean '{option}'?");
                assert!(
                    text.contains(&asks) || text.contains(&asks_too),
                    "{words:?}: {text}"
                );
            }
        }
    }

    #[test]
    fn the_manual_pages_name_exactly_the_options_that_there_are() {
        let program = page("confd_haproxy.8");
        let mysql = page("checkmysqlslave.8");
        for command in Command::ALL {
            let word = command.word();
            let own = match command.is_linked() {
                true => page(&format!("{word}.8")),
                false => part(&program, word).to_owned(),
            };
            let mut found = named(&own);
            if command == Command::Run {
                found.extend(named(&mysql));
            }
            let options = args::options(command);
            let there_are: BTreeSet<&str> = if command == Command::Confd {
                let flags = confd::SETTINGS.iter().map(|setting| setting.flag);
                flags.chain(["help", "version"]).collect()
            } else {
                options.iter().map(String::as_str).collect()
            };
            assert_eq!(found, there_are, "{command:?}");
        }
        for option in named(part(&program, "General options")) {
            said(&["x", &format!("--{option}")]);
        }
    }
}
