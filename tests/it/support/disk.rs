//! Disks that can be full.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system with room for so many KiB, unmounted at the end.
#[derive(Debug)]
pub struct Disk(PathBuf);

impl Disk {
    pub fn mount(at: &Path, size_kib: usize) -> Disk {
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size_kib}k"), "tmpfs"])
            .arg(at)
            .status();
        assert!(status.unwrap().success(), "mount: the tests run as root");
        Disk(at.to_owned())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}
