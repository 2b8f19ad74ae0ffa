//! Runs the commands of template resources: with a time limit, in a process group of their own.
//!
//! Owns the processes; which command runs and what its failure means is the caller's. A command's
//! output is read only while the command runs: a process that it left in the background may keep
//! the output open for ever, and must not be waited for.

mod output;
mod process;
#[cfg(test)]
mod tests;

use std::io::{self, PipeReader};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use self::output::Output;

/// How long output is still read after the command has ended.
const GRACE: Duration = Duration::from_millis(100);

/// What became of a command. The output is standard output and standard error together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandResult {
    /// It exited with 0.
    Success {
        /// What it said.
        output: String,
    },
    /// It exited with something else, or was killed.
    Failed {
        /// How, as confd says it: `exit status 1`.
        status: String,
        /// What it said.
        output: String,
    },
    /// It was ended because it took too long.
    TimedOut {
        /// What it said until then.
        output: String,
    },
    /// There was no process.
    NotStarted(String),
}

impl CommandResult {
    /// What went wrong, in one line with what the command said; `timeout` is what it was given.
    ///
    /// # Errors
    /// That line, unless it exited with 0.
    pub fn or_failure(self, timeout: Duration) -> Result<(), String> {
        let said = |output: &str| match output.trim() {
            "" => String::new(),
            output => format!(": {output}"),
        };
        match self {
            CommandResult::Success { .. } => Ok(()),
            CommandResult::Failed { status, output } => Err(format!("{status}{}", said(&output))),
            CommandResult::TimedOut { output } => Err(format!(
                "no end after {} s{}",
                timeout.as_secs(),
                said(&output)
            )),
            CommandResult::NotStarted(error) => Err(error),
        }
    }
}

/// Runs a command line of `/bin/sh` for at most `timeout`, with the variables of `environment`
/// set, or removed where they have no value, and the rest of ours.
///
/// Takes up to two seconds more when the command has to be killed. What the command leaves in the
/// background lives on, unless the command timed out; what it writes then goes nowhere.
pub fn run(line: &str, timeout: Duration, environment: &[(&str, Option<&str>)]) -> CommandResult {
    match start(line, environment) {
        Ok((child, pipe)) => follow(child, Output::new(pipe), timeout),
        Err(error) => CommandResult::NotStarted(format!("cannot run /bin/sh: {error}")),
    }
}

/// The command itself lives only in here: it holds the writing ends of the pipe.
fn start(line: &str, environment: &[(&str, Option<&str>)]) -> io::Result<(Child, PipeReader)> {
    let (reader, writer) = io::pipe()?;
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(line);
    command.stdin(Stdio::null());
    command.stdout(writer.try_clone()?).stderr(writer);
    command.process_group(0);
    for (name, value) in environment {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Ok((command.spawn()?, reader))
}

fn follow(mut child: Child, mut output: Output, timeout: Duration) -> CommandResult {
    let deadline = Instant::now().checked_add(timeout);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => {
                output.drain(GRACE);
                return ended(status, output.text());
            }
            Ok(None) if deadline.is_none_or(|deadline| Instant::now() < deadline) => {
                output.read_for(deadline);
            }
            Err(error) => {
                // Somebody told the kernel to reap our children itself (SIGCHLD ignored).
                let status = format!("exit status unknown: {error}");
                return failed(status, output.text());
            }
            Ok(None) => {
                process::end(child);
                output.drain(GRACE);
                return CommandResult::TimedOut {
                    output: output.text(),
                };
            }
        }
    }
}

fn ended(status: ExitStatus, output: String) -> CommandResult {
    if status.success() {
        return CommandResult::Success { output };
    }
    let status = match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => status.to_string(),
    };
    failed(status, output)
}

fn failed(status: String, output: String) -> CommandResult {
    CommandResult::Failed { status, output }
}
