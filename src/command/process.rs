//! Ends a command that takes too long, with everything that it has started.

use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// How long a command may take to end when it is asked to.
const ASKED: Duration = Duration::from_secs(1);
/// How long the kernel may take to end it when it is not asked any more.
const KILLED: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(5);

/// Asks the command's process group to end, then ends it, and reaps the command. Until it is
/// reaped, its number cannot be another group's.
pub(super) fn end(mut child: Child) {
    if let Some(group) = group(&child) {
        let _ = kill_process_group(group, Signal::TERM);
        wait(ASKED, || has_ended(group));
        let _ = kill_process_group(group, Signal::KILL);
    }
    let reaped = wait(KILLED, || !matches!(child.try_wait(), Ok(None)));
    if !reaped {
        // It hangs in the kernel, on a dead disk say: reaped whenever that is over.
        let _ = thread::Builder::new().spawn(move || child.wait());
    }
}

fn group(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

/// Whether the command has ended; it stays to be reaped.
fn has_ended(command: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(waitid(WaitId::Pid(command), options), Ok(None))
}

/// Waits for `at_most` so long until it is `over`. Returns whether it is.
fn wait(at_most: Duration, mut over: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if over() {
            return true;
        }
        if start.elapsed() >= at_most {
            return false;
        }
        thread::sleep(STEP);
    }
}
