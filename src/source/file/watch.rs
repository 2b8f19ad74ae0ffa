//! Notices that one of some files was changed, by inotify(7) on the directories that they are in:
//! a file that is replaced is another file, but its directory stays.

use std::collections::HashMap;
use std::ffi::CStr;
use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, Event, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use crate::store::file::disk;

/// Links in a row that are watched; the kernel itself follows 40.
const MAX_LINKS: usize = 40;
/// Room for some dozen events at a time.
const BUFFER: usize = 4096;

/// A watch over the files as they were named when it began.
#[derive(Debug)]
pub(super) struct Watch {
    inotify: OwnedFd,
    /// The directory's number and the name in it, to the path.
    watched: HashMap<(i32, Vec<u8>), PathBuf>,
}

impl Watch {
    /// Begins to watch `files`, and the links that lead to them.
    ///
    /// # Errors
    /// A phrase, if a directory is not there or the system has no watches left.
    pub(super) fn new(files: &[PathBuf]) -> Result<Watch, String> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
            .map_err(|e| format!("watching files: {e}; see the limits in fs.inotify of sysctl"))?;
        let mut watch = Watch {
            inotify,
            watched: HashMap::new(),
        };
        for file in files {
            watch.add(file)?;
        }
        Ok(watch)
    }

    /// Waits at most so long for one of the files to change. Returns whether one did.
    ///
    /// # Errors
    /// A phrase, if the system does not say.
    pub(super) fn changed_within(&self, at_most: Duration) -> Result<bool, String> {
        let started = Instant::now();
        loop {
            if self.drain()? {
                return Ok(true);
            }
            let left = at_most.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Ok(false);
            }
            self.sleep(left);
        }
    }

    fn add(&mut self, file: &Path) -> Result<(), String> {
        let mut path = file.to_owned();
        for _ in 0..MAX_LINKS {
            let dir = disk::directory(&path);
            let number = inotify::add_watch(&self.inotify, dir, events()).map_err(|e| {
                format!(
                    "watching {}: {e}; see that the directory is there",
                    dir.display()
                )
            })?;
            let name = path.file_name().unwrap_or_default().as_bytes().to_owned();
            self.watched.insert((number, name), path.clone());
            match fs::read_link(&path) {
                Ok(target) => path = disk::directory(&path).join(target),
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    fn sleep(&self, at_most: Duration) {
        let mut wanted = [PollFd::new(&self.inotify, PollFlags::IN)];
        let time = Timespec::try_from(at_most).ok();
        if poll(&mut wanted, time.as_ref()).is_err() {
            // Interrupted, or no memory: it must not turn into a busy loop.
            thread::sleep(at_most.min(Duration::from_millis(10)));
        }
    }

    /// Takes all events that are there. Returns whether one of them is a change.
    fn drain(&self) -> Result<bool, String> {
        let mut buffer = [MaybeUninit::uninit(); BUFFER];
        let mut reader = Reader::new(&self.inotify, &mut buffer);
        let mut changed = false;
        loop {
            match reader.next() {
                Ok(event) => changed |= self.is_change(&event),
                Err(Errno::WOULDBLOCK) => return Ok(changed),
                Err(Errno::INTR) => {}
                Err(e) => return Err(format!("watching files: {e}")),
            }
        }
    }

    fn is_change(&self, event: &Event<'_>) -> bool {
        let lost = ReadFlags::DELETE_SELF
            | ReadFlags::MOVE_SELF
            | ReadFlags::IGNORED
            | ReadFlags::QUEUE_OVERFLOW;
        if event.events().intersects(lost) {
            return true;
        }
        let name = event.file_name().map_or(&[][..], CStr::to_bytes).to_owned();
        match self.watched.get(&(event.wd(), name)) {
            Some(path) if event.events().contains(ReadFlags::CREATE) => has_content(path),
            Some(_) => true,
            None => false,
        }
    }
}

/// A file that was just created is being written, and that will be an event of its own; a link is
/// complete as it appears.
fn has_content(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|it| it.is_symlink() || it.len() > 0)
}

fn events() -> WatchFlags {
    WatchFlags::CLOSE_WRITE
        | WatchFlags::CREATE
        | WatchFlags::MOVED_TO
        | WatchFlags::MOVED_FROM
        | WatchFlags::DELETE
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE_SELF
        | WatchFlags::ONLYDIR
}
