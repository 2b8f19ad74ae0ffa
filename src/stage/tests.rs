//! A staged file on every way that it can go.

use std::os::unix::fs::symlink;

use super::install::last_good;
use super::sweep::sweep_older;
use super::*;
use crate::scratch::Scratch;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & PERMISSIONS
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn names(scratch: &Scratch) -> Vec<String> {
    let entries = fs::read_dir(scratch.path()).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn stage(dest: &Path, text: &str) -> Staged {
    Staged::write(dest, text, Wanted::default()).unwrap()
}

fn with_mode(mode: u32) -> Wanted {
    Wanted {
        mode: Some(mode),
        ..Wanted::default()
    }
}

#[test]
fn a_staged_file_is_hidden_beside_its_place_and_gone_when_dropped() {
    let scratch = Scratch::new();
    let dest = scratch.file("haproxy.cfg", "old");
    let staged = stage(&dest, "new");
    assert_eq!(read(staged.path()), "new");
    assert_eq!(staged.path().parent(), dest.parent());
    let name = staged.path().file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with(".haproxy.cfg.confd-"), "{name}");
    assert!(!name.ends_with(".cfg"));
    drop(staged);
    assert_eq!(
        (names(&scratch), read(&dest)),
        (vec!["haproxy.cfg".to_owned()], "old".to_owned())
    );
}

#[test]
fn permissions_are_the_wanted_ones_else_the_files_else_0644() {
    let scratch = Scratch::new();
    let dest = scratch.join("f");
    assert_eq!(mode(stage(&dest, "x").path()), 0o644);
    fs::write(&dest, "x").unwrap();
    set_mode(&dest, 0o640);
    assert_eq!(mode(stage(&dest, "x").path()), 0o640);
    // Bits that a umask would take away.
    let staged = Staged::write(&dest, "x", with_mode(0o666)).unwrap();
    assert_eq!(mode(staged.path()), 0o666);
}

#[test]
fn the_owner_is_us_unless_somebody_is_named() {
    let scratch = Scratch::new();
    let dest = scratch.file("f", "x");
    let found = fs::metadata(stage(&dest, "x").path()).unwrap();
    let us = (geteuid().as_raw(), getegid().as_raw());
    assert_eq!((found.uid(), found.gid()), us);
    let wanted = Wanted {
        uid: Some(12345),
        gid: Some(12346),
        ..Wanted::default()
    };
    match Staged::write(&dest, "x", wanted) {
        Ok(staged) => {
            let found = fs::metadata(staged.path()).unwrap();
            assert_eq!((found.uid(), found.gid()), (12345, 12346));
            let (uid, gid) = us;
            let wanted = [Difference::uid(uid, 12345), Difference::gid(gid, 12346)];
            assert_eq!(staged.differences(), wanted);
        }
        Err(error) => {
            assert_ne!(us.0, 0, "root may do that: {error}");
            let text = error.to_string();
            assert!(
                text.starts_with("cannot give to uid 12345 and gid 12346 "),
                "{text}"
            );
            assert!(text.ends_with("run as root"), "{text}");
            assert_eq!(names(&scratch), ["f"]);
        }
    }
}

#[test]
fn what_would_change_is_named() {
    let scratch = Scratch::new();
    let dest = scratch.join("f");
    let shown = |staged: &Staged| -> Vec<String> {
        staged
            .differences()
            .iter()
            .map(Difference::to_string)
            .collect()
    };
    assert_eq!(shown(&stage(&dest, "x")), ["does not exist"]);
    fs::write(&dest, "x").unwrap();
    set_mode(&dest, 0o600);
    assert_eq!(shown(&stage(&dest, "x")), [""; 0]);
    assert_eq!(shown(&stage(&dest, "y")), ["has other content"]);
    let staged = Staged::write(&dest, "y", with_mode(0o644)).unwrap();
    assert_eq!(
        shown(&staged),
        ["has other content", "has mode 0600 should be 0644"]
    );
    assert_eq!(Difference::uid(1, 2).to_string(), "has UID 1 should be 2");
    assert_eq!(Difference::gid(1, 2).to_string(), "has GID 1 should be 2");
}

#[test]
fn an_installed_file_is_the_staged_one_and_nothing_is_left_over() {
    let scratch = Scratch::new();
    let dest = scratch.file("f", "old");
    let staged = Staged::write(&dest, "new", with_mode(0o600)).unwrap();
    let inode = fs::metadata(staged.path()).unwrap().ino();
    assert_eq!(staged.install(false).unwrap(), Installed::default());
    assert_eq!((read(&dest), mode(&dest)), ("new".to_owned(), 0o600));
    assert_eq!(fs::metadata(&dest).unwrap().ino(), inode);
    assert_eq!(names(&scratch), ["f"]);
}

#[test]
fn the_file_that_was_replaced_stays_as_last_good() {
    let scratch = Scratch::new();
    let dest = scratch.join("f.cfg");
    stage(&dest, "one").install(true).unwrap();
    assert_eq!(names(&scratch), ["f.cfg"]);
    set_mode(&dest, 0o640);
    for (text, before) in [("two", "one"), ("three", "two")] {
        let installed = stage(&dest, text).install(true).unwrap();
        assert_eq!(installed, Installed::default());
        assert_eq!(read(&last_good(&dest)), before);
    }
    assert_eq!(mode(&last_good(&dest)), 0o640);
    // Only the permissions change: the text before is still the good one.
    let staged = Staged::write(&dest, "three", with_mode(0o600)).unwrap();
    staged.install(true).unwrap();
    assert_eq!(read(&last_good(&dest)), "two");
    assert_eq!(names(&scratch), ["f.cfg", "f.cfg.last-good"]);
}

#[test]
fn a_last_good_that_cannot_be_kept_is_only_a_warning() {
    let scratch = Scratch::new();
    let dest = scratch.file("f", "old");
    fs::create_dir(last_good(&dest)).unwrap();
    let warnings = stage(&dest, "new").install(true).unwrap().warnings;
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].contains("is not a regular file"),
        "{warnings:?}"
    );
    assert_eq!(read(&dest), "new");
}

#[test]
fn a_symbolic_link_stays_and_what_it_leads_to_is_replaced() {
    let scratch = Scratch::new();
    let real = scratch.file("real/haproxy.cfg", "old");
    let dest = scratch.join("haproxy.cfg");
    symlink("real/haproxy.cfg", &dest).unwrap();
    let staged = stage(&dest, "new");
    assert_eq!(staged.path().parent(), real.parent());
    staged.install(false).unwrap();
    assert!(fs::symlink_metadata(&dest).unwrap().is_symlink());
    assert_eq!(read(&real), "new");
}

#[test]
fn a_link_may_lead_to_what_is_not_there_yet_but_not_in_circles() {
    let scratch = Scratch::new();
    let dest = scratch.join("link");
    symlink("later", &dest).unwrap();
    stage(&dest, "new").install(false).unwrap();
    assert_eq!(read(&scratch.join("later")), "new");
    let circle = scratch.join("circle");
    symlink("circle", &circle).unwrap();
    let error = Staged::write(&circle, "x", Wanted::default()).unwrap_err();
    assert!(
        error.to_string().contains("too many symbolic links"),
        "{error}"
    );
}

#[test]
fn a_place_that_cannot_be_written_is_an_error_with_advice() {
    let scratch = Scratch::new();
    let error = |dest: &Path| {
        let result = Staged::write(dest, "x", Wanted::default());
        result.unwrap_err().to_string()
    };
    let missing = error(&scratch.join("missing/f"));
    assert!(missing.contains("No such file"), "{missing}");
    assert!(missing.ends_with("; make its directory"), "{missing}");
    let directory = error(scratch.path());
    assert!(directory.contains("is not a regular file"), "{directory}");
    let device = error(Path::new("/dev/full"));
    assert!(device.contains("is not a regular file"), "{device}");
    assert_eq!(names(&scratch), [""; 0]);
}

#[test]
fn a_full_disk_leaves_the_file_alone_and_nothing_behind() {
    let scratch = Scratch::new();
    let dest = scratch.file("f", "old");
    let staged = stage(&dest, "new");
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let error = staged.fill(full, b"new").unwrap_err().to_string();
    assert!(error.starts_with("cannot write "), "{error}");
    assert!(error.ends_with("; make room on the disk"), "{error}");
    drop(staged);
    assert_eq!(
        (names(&scratch), read(&dest)),
        (vec!["f".to_owned()], "old".to_owned())
    );
}

#[test]
fn a_file_that_cannot_be_replaced_is_written_in_place() {
    let scratch = Scratch::new();
    let dest = scratch.file("f", "old and longer");
    set_mode(&dest, 0o600);
    let inode = fs::metadata(&dest).unwrap().ino();
    let staged = Staged::write(&dest, "new", with_mode(0o644)).unwrap();
    staged.write_in_place().unwrap();
    drop(staged);
    assert_eq!((read(&dest), mode(&dest)), ("new".to_owned(), 0o644));
    assert_eq!(fs::metadata(&dest).unwrap().ino(), inode);
    assert_eq!(names(&scratch), ["f"]);
}

#[test]
fn a_kept_file_outlives_the_value_and_the_sweep() {
    let scratch = Scratch::new();
    let dest = scratch.file("f", "old");
    let kept = stage(&dest, "new").keep();
    assert_eq!(
        sweep_older(&dest, std::time::Duration::ZERO),
        [""; 0].map(PathBuf::from)
    );
    assert_eq!(read(&kept), "new");
}

#[test]
fn the_sweep_takes_old_staged_files_of_this_file_only() {
    let scratch = Scratch::new();
    let dest = scratch.file("f", "x");
    let left = |name: &str| scratch.file(name, "left");
    let ours = [
        ".f.confd-0123456789abcdef",
        ".f.last-good.confd-0123456789abcdef",
    ]
    .map(left);
    let others = [
        ".f.confd-0123456789abcde",
        ".f.confd-0123456789abcdeX",
        ".f.confd-0123456789abcdef.bak",
        ".g.confd-0123456789abcdef",
        "f.confd-0123456789abcdef",
        ".f.swp",
    ]
    .map(left);
    assert!(sweep(&dest).is_empty(), "they are young");
    let mut swept = sweep_older(&dest, std::time::Duration::ZERO);
    swept.sort();
    assert_eq!(swept, ours);
    assert!(others.iter().all(|path| path.exists()) && dest.exists());
    assert!(sweep(Path::new("/nonexistent/x")).is_empty());
}
