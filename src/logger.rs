//! Where log lines go: to the terminal with a time, or to the journal with a priority; as text, or for
//! collectors as JSON.
//!
//! A line that cannot be written is dropped: a full disk or a closed pipe must not end a checker.
//! Servers' text may be in a message, so control characters never get out as they are.

mod json;

use std::cell::Cell;
use std::env;
use std::fmt::{self, Write as _};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::panic::{self, AssertUnwindSafe};

use log::{Level, LevelFilter, Log, Metadata, Record, SetLoggerError};
use simple_logger::SimpleLogger;

use crate::moment::unix_time;

/// The first part of our modules' paths; the libraries' modules have others.
const OURS: &str = env!("CARGO_CRATE_NAME");

thread_local! {
    /// Whether this thread is inside a logger that may panic.
    static WRITING: Cell<bool> = const { Cell::new(false) };
}

/// What lines look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For collectors: one JSON object a line.
    Json,
}

/// Installs the logger: our lines from `level` up, and the libraries' from `warn` up. `journal`
/// leaves the time to the journal, where lines are text.
///
/// # Errors
/// If there already is a logger.
pub fn init(level: LevelFilter, journal: bool, format: Format) -> Result<(), SetLoggerError> {
    let sink = match (format, journal) {
        (Format::Json, journal) => Sink::Json { journal },
        (Format::Text, true) => Sink::Journal,
        (Format::Text, false) => Sink::terminal(),
    };
    log::set_boxed_logger(Box::new(Logger { level, sink }))?;
    log::set_max_level(level);
    Ok(())
}

/// Whether stderr is the journal's: then lines carry a priority and no time.
pub fn is_journal() -> bool {
    let stderr = fs::metadata("/proc/self/fd/2");
    match (env::var_os("JOURNAL_STREAM"), stderr) {
        (Some(stream), Ok(stderr)) => {
            stream == format!("{}:{}", stderr.dev(), stderr.ino()).as_str()
        }
        (Some(_), Err(_)) => true,
        // systemd says it from version 231 on; CentOS 7 has 219.
        (None, Ok(stderr)) => {
            env::var_os("NOTIFY_SOCKET").is_some() && stderr.file_type().is_socket()
        }
        (None, Err(_)) => false,
    }
}

/// Says on stderr why the program cannot go on, where there is no logger yet; to the journal as
/// errors.
pub fn complain(problems: &str) {
    let prefix = if is_journal() { "<3>" } else { "" };
    let lines: String = problems
        .lines()
        .map(|line| format!("{prefix}{line}\n"))
        .collect();
    let _ = io::stderr().lock().write_all(lines.as_bytes());
}

struct Logger {
    level: LevelFilter,
    sink: Sink,
}

enum Sink {
    /// Lines on stdout; the second logger is for a host whose local time cannot be had.
    Terminal {
        local: SimpleLogger,
        utc: SimpleLogger,
    },
    /// Lines on stderr, which systemd hands to the journal.
    Journal,
    /// Objects on stdout, or for the journal with a priority on stderr.
    Json { journal: bool },
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= self.level
    }

    fn log(&self, record: &Record<'_>) {
        if record.level() > self.level_of(record.module_path()) {
            return;
        }
        let text = harmless(&record.args().to_string());
        match &self.sink {
            Sink::Journal => {
                let _ = write_journal(&mut io::stderr().lock(), record, &text);
            }
            Sink::Terminal { local, utc } => {
                if !write_terminal(local, record, &text) {
                    write_terminal(utc, record, &text);
                }
            }
            Sink::Json { journal } => {
                let line = json::line(record, &text, unix_time());
                let _ = match journal {
                    true => write_line(&mut io::stderr().lock(), &priority(record.level()), &line),
                    false => write_line(&mut io::stdout().lock(), "", &line),
                };
            }
        }
    }

    fn flush(&self) {}
}

impl Logger {
    /// The target of our lines is a tag, so what tells them from a library's is the module.
    fn level_of(&self, module: Option<&str>) -> LevelFilter {
        let root = module.and_then(|path| path.split("::").next());
        match root == Some(OURS) {
            true => self.level,
            false => self.level.min(LevelFilter::Warn),
        }
    }
}

impl Sink {
    fn terminal() -> Sink {
        let shown = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !WRITING.get() {
                shown(panic);
            }
        }));
        Sink::Terminal {
            local: SimpleLogger::new().with_local_timestamps(),
            utc: SimpleLogger::new().with_utc_timestamps(),
        }
    }
}

/// Text that says whether somebody has asked for it.
struct Watched<'a> {
    text: &'a str,
    asked: &'a Cell<bool>,
}

impl fmt::Display for Watched<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.asked.set(true);
        f.write_str(self.text)
    }
}

/// Whether the logger got as far as the message: it asks for the time first, and panics if it
/// cannot have it, as it does if it cannot write.
fn write_terminal(logger: &SimpleLogger, record: &Record<'_>, text: &str) -> bool {
    let asked = Cell::new(false);
    let watched = Watched {
        text,
        asked: &asked,
    };
    WRITING.set(true);
    let _ = panic::catch_unwind(AssertUnwindSafe(|| {
        logger.log(
            &Record::builder()
                .metadata(record.metadata().clone())
                .args(format_args!("{watched}"))
                .build(),
        );
    }));
    WRITING.set(false);
    asked.get()
}

fn write_journal(out: &mut impl Write, record: &Record<'_>, text: &str) -> io::Result<()> {
    let line = format!("{}: {text}", record.target());
    write_line(out, &priority(record.level()), &line)
}

/// One write for one line, so that lines of two threads do not mix.
fn write_line(out: &mut impl Write, before: &str, line: &str) -> io::Result<()> {
    out.write_all(format!("{before}{line}\n").as_bytes())
}

/// What systemd reads of a line's importance, and takes off it.
fn priority(level: Level) -> String {
    let priority = match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    };
    format!("<{priority}>")
}

/// One line without control characters: line ends become blanks, the others are escaped, as are
/// the characters that turn the direction of text round.
fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.trim_end().chars() {
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => escape(&mut out, c),
            c if c.is_control() => escape(&mut out, c),
            c => out.push(c),
        }
    }
    out
}

fn escape(out: &mut String, c: char) {
    let _ = write!(out, "{}", c.escape_unicode());
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::scratch::Scratch;

    fn journal_line(level: Level, target: &str, text: &str) -> String {
        let mut out = Vec::new();
        let record = Record::builder().level(level).target(target).build();
        write_journal(&mut out, &record, text).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_journal_line_has_priority_and_tag() {
        assert_eq!(
            journal_line(Level::Error, "slave3301", "x"),
            "<3>slave3301: x\n"
        );
        assert_eq!(
            journal_line(Level::Warn, "slave3301", "x"),
            "<4>slave3301: x\n"
        );
        assert_eq!(
            journal_line(Level::Info, "slave3301", "x"),
            "<6>slave3301: x\n"
        );
        assert_eq!(
            journal_line(Level::Debug, "slave3301", "x"),
            "<7>slave3301: x\n"
        );
    }

    #[test]
    fn a_message_is_one_harmless_line() {
        let cases = [
            ("plain: \u{e9} \u{65e5}", "plain: \u{e9} \u{65e5}"),
            ("a\nb\r\n<3>c\n", "a b  <3>c"),
            ("a\x1b[31mb\x07\0", "a\\u{1b}[31mb\\u{7}\\u{0}"),
            ("a\u{9b}b\u{202e}c\u{2028}", "a\\u{9b}b\\u{202e}c"),
        ];
        for (text, wanted) in cases {
            assert_eq!(harmless(text), wanted);
        }
    }

    #[test]
    fn libraries_are_heard_from_warnings_up_and_a_tag_named_like_one_is_ours() {
        let logger = |level| Logger {
            level,
            sink: Sink::Journal,
        };
        let debug = logger(LevelFilter::Debug);
        assert_eq!(
            debug.level_of(Some("confd_haproxy::cycle")),
            LevelFilter::Debug
        );
        assert_eq!(debug.level_of(Some("confd_haproxy")), LevelFilter::Debug);
        for other in [
            Some("ureq::pool"),
            Some("confd_haproxy2"),
            Some("mysql"),
            None,
        ] {
            assert_eq!(debug.level_of(other), LevelFilter::Warn, "{other:?}");
        }
        let info = logger(LevelFilter::Info);
        assert_eq!(
            info.level_of(Some("confd_haproxy::cycle")),
            LevelFilter::Info
        );
    }

    #[test]
    fn the_journal_is_recognised_by_its_socket() {
        let child = |stream: &str| {
            let mut child = child("is_journal");
            let child = child.env("JOURNAL_STREAM", stream).stderr(Stdio::null());
            String::from_utf8(child.output().unwrap().stdout).unwrap()
        };
        let null = fs::metadata("/dev/null").unwrap();
        assert!(child(&format!("{}:{}", null.dev(), null.ino())).contains("journal=true"));
        assert!(child("1:2").contains("journal=false"));
    }

    #[test]
    fn an_old_systemd_is_recognised_by_a_socket_and_its_wish_to_be_told() {
        let journal = |notify: Option<&str>, stderr: Stdio| {
            let mut child = child("is_journal");
            child.env_remove("JOURNAL_STREAM").stderr(stderr);
            if let Some(path) = notify {
                child.env("NOTIFY_SOCKET", path);
            }
            let output = child.output().unwrap().stdout;
            String::from_utf8(output).unwrap().contains("journal=true")
        };
        let socket = || Stdio::from(OwnedFd::from(UnixStream::pair().unwrap().0));
        assert!(journal(Some("/run/notify"), socket()));
        assert!(!journal(None, socket()));
        assert!(!journal(Some("/run/notify"), Stdio::null()));
    }

    #[test]
    fn complaints_are_errors_line_by_line_in_the_journal_and_plain_elsewhere() {
        let complaint = |stream: &str, stderr: &str| {
            let mut command = Command::new("sh");
            command
                .args(["-c", &format!("exec \"$0\" \"$@\" 2>{stderr}")])
                .arg(env::current_exe().unwrap())
                .args(["logger::tests::child_process", "--exact", "--nocapture"])
                .env("LOGGER_TEST", "complain")
                .env("JOURNAL_STREAM", stream);
            command.output().unwrap();
            fs::read_to_string(stderr).unwrap()
        };
        let dir = Scratch::new();
        let path = dir.file("stderr", "");
        let found = fs::metadata(&path).unwrap();
        let path = path.to_str().unwrap();
        let own = format!("{}:{}", found.dev(), found.ino());
        assert_eq!(complaint(&own, path), "<3>no such file\n<3>no tag\n");
        assert_eq!(complaint("1:2", path), "no such file\nno tag\n");
    }

    #[test]
    fn a_line_on_the_terminal_has_time_level_and_tag() {
        let output = child("terminal").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find(|l| l.contains("[slave3301]"));
        let line = line.unwrap_or_else(|| panic!("no line in {text}"));
        assert!(
            line.ends_with(" INFO  [slave3301] slave3301 in consul is ok"),
            "{text}"
        );
        assert!(line.starts_with("20"), "{text}");
        assert!(!text.contains("not shown"), "{text}");
    }

    #[test]
    fn json_in_the_journal_has_a_priority_before_it() {
        let output = child("json").output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.starts_with("<4>{\"time\":\"20"), "{text}");
        let end = "\"message\":\"moved \\\\u{1b}\",\"to\":\"10.0.0.1:1\"}\n";
        assert!(text.ends_with(end), "{text}");
    }

    #[test]
    fn a_closed_pipe_loses_lines_and_nothing_else() {
        let mut child = child("closed_pipe")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Closed only when the test runs: the harness itself cannot do without its stdout.
        let _ = lines.map_while(Result::ok).find(|l| l.starts_with("until"));
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("still alive"), "{text}");
        assert!(!text.contains("panicked at"), "{text}");
    }

    /// Not a test: what the tests above have done in a process of its own.
    #[test]
    fn child_process() {
        match env::var("LOGGER_TEST").as_deref() {
            Ok("is_journal") => println!("journal={}", is_journal()),
            Ok("complain") => complain("no such file\nno tag"),
            Ok("terminal") => {
                init(LevelFilter::Info, false, Format::Text).unwrap();
                log::info!(target: "slave3301", "slave3301 in consul is ok");
                log::debug!(target: "slave3301", "not shown");
            }
            Ok("json") => {
                init(LevelFilter::Info, true, Format::Json).unwrap();
                log::warn!(target: "slave3301", to = "10.0.0.1:1"; "moved\n\u{1b}");
            }
            Ok("closed_pipe") => {
                init(LevelFilter::Info, false, Format::Text).unwrap();
                while writeln!(io::stdout(), "until the pipe is closed").is_ok() {}
                for _ in 0..1000 {
                    log::info!(target: "slave3301", "lost");
                }
                let _ = writeln!(io::stderr(), "still alive");
            }
            _ => (),
        }
    }

    fn child(task: &str) -> Command {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["logger::tests::child_process", "--exact", "--nocapture"])
            .env("LOGGER_TEST", task)
            .env_remove("NOTIFY_SOCKET");
        command
    }
}
