//! `confd_haproxy`: one binary, several commands. Parses the command line and hands it to the
//! command. The only place that prints errors and chooses the exit code.

use std::env;
use std::io::{self, Write};
use std::panic;
use std::process::ExitCode;

use confd_haproxy::checker::guard;
use confd_haproxy::cli::{self, Invocation};
use confd_haproxy::commands;
use confd_haproxy::logger;

fn main() -> ExitCode {
    keep_quiet_about_parsers();
    let result = match cli::parse(env::args_os()) {
        Ok(Invocation::Say(text)) => Ok(say(&text, 0)),
        Ok(Invocation::Check(kind, args)) => commands::check::run(*args, kind),
        Ok(Invocation::Confd(args)) => commands::confd::run(*args),
        Ok(Invocation::Run(args)) => commands::run::run(*args),
        Ok(Invocation::Status(args)) => commands::status::run(*args),
        Ok(Invocation::Operate(operation, args)) => {
            commands::operate::run(*args, operation).map(|(text, code)| say(&text, code))
        }
        Err(error) => Err(error),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            logger::complain(&error.to_string());
            ExitCode::from(error.exit_code())
        }
    }
}

/// Prints a text, and gives the code back.
fn say(text: &str, code: u8) -> u8 {
    // Nobody may be listening any more, as with `--help | head -1`.
    let _ = writeln!(io::stdout(), "{text}");
    code
}

/// A parser that panics on what a server says is reported as the server's fault, in one line.
fn keep_quiet_about_parsers() {
    let shown = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !guard::is_expecting() {
            shown(info);
        }
    }));
}
