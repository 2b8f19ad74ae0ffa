//! The keys of `[template]` and `[haproxy]`: what each may be, and what it becomes.

use std::path::Path;
use std::time::Duration;

use super::{HaproxySettings, Resource, SessionPolicy, check_cmd, files, keys};
use crate::tables::{At, Findings, Table};

/// The resource, without `[haproxy]` and warnings, and the line of its `dest`; `None` only if
/// there are problems.
pub(super) fn template(
    table: At<Table>,
    file: &Path,
    confdir: &Path,
    global_prefix: &str,
    findings: &mut Findings,
) -> Option<(Resource, usize)> {
    let At { value: mut t, line } = table;
    let src = required(&mut t, "src", line, findings)
        .and_then(|src| checked(files::template(confdir, &src.value), src.line, findings));
    let dest = required(&mut t, "dest", line, findings);
    let dest_line = dest.as_ref().map_or(line, |dest| dest.line);
    let dest = dest.and_then(|dest| checked(files::dest(&dest.value), dest.line, findings));
    let prefix = prefix(&mut t, global_prefix, findings);
    let keys = keys(&mut t, line, prefix.as_deref(), findings);
    let uid = id(&mut t, "uid", findings);
    let gid = id(&mut t, "gid", findings);
    let mode = optional(&mut t, "mode", findings)
        .and_then(|mode| checked(permissions(&mode.value), mode.line, findings));
    let check_cmd = check_cmd(&mut t, findings);
    let check_cmd_timeout = timeout(&mut t, "check_cmd_timeout", findings);
    let reload_cmd = optional(&mut t, "reload_cmd", findings).map(|text| text.value);
    let reload_cmd_timeout = timeout(&mut t, "reload_cmd_timeout", findings);
    warn_of_names(&mut t, findings);
    t.finish(findings);
    let resource = Resource {
        file: file.to_owned(),
        src: src?,
        dest: dest?,
        uid,
        gid,
        mode,
        prefix: prefix?,
        keys: keys?,
        check_cmd,
        check_cmd_timeout: check_cmd_timeout.unwrap_or(Resource::CHECK_CMD_TIMEOUT),
        reload_cmd,
        reload_cmd_timeout: reload_cmd_timeout.unwrap_or(Resource::RELOAD_CMD_TIMEOUT),
        haproxy: None,
        warnings: Vec::new(),
    };
    Some((resource, dest_line))
}

/// `None` only if there are problems.
pub(super) fn haproxy(table: At<Table>, findings: &mut Findings) -> Option<HaproxySettings> {
    let At { value: mut t, line } = table;
    let socket = optional(&mut t, "socket", findings);
    if socket.is_none() {
        let message = "[haproxy] has no socket=; write the path of HAProxy's stats socket";
        findings.problem(line, message);
    }
    let sessions = optional(&mut t, "sessions", findings)
        .and_then(|word| checked(session_policy(&word.value), word.line, findings));
    t.finish(findings);
    Some(HaproxySettings {
        socket: socket?.value,
        sessions: sessions.unwrap_or_default(),
    })
}

/// A text; an empty one counts as not said, as in confd.
fn optional(t: &mut Table, key: &'static str, findings: &mut Findings) -> Option<At<String>> {
    t.text(key, findings)
        .filter(|text| !text.value.trim().is_empty())
}

fn required(
    t: &mut Table,
    key: &'static str,
    line: usize,
    findings: &mut Findings,
) -> Option<At<String>> {
    let before = findings.problems.len();
    let found = optional(t, key, findings);
    if found.is_none() && findings.problems.len() == before {
        findings.problem(line, format!("[template] has no {key}="));
    }
    found
}

fn checked<T>(result: Result<T, String>, line: usize, findings: &mut Findings) -> Option<T> {
    result
        .map_err(|message| findings.problem(line, message))
        .ok()
}

/// The global prefix, else the resource's own.
fn prefix(t: &mut Table, global: &str, findings: &mut Findings) -> Option<String> {
    let own = optional(t, "prefix", findings);
    match (global, own) {
        ("", None) => Some(String::new()),
        ("", Some(own)) => checked(keys::prefix(&own.value), own.line, findings),
        (global, _) => keys::prefix(global)
            .map_err(|message| findings.file_problem(format!("-prefix: {message}")))
            .ok(),
    }
}

fn keys(
    t: &mut Table,
    line: usize,
    prefix: Option<&str>,
    findings: &mut Findings,
) -> Option<Vec<String>> {
    let before = findings.problems.len();
    let found = t.texts("keys", findings);
    if findings.problems.len() > before {
        return None;
    }
    let Some(found) = found.filter(|list| !list.value.is_empty()) else {
        let example = "write keys = [\"/haproxy/mysqlslave\"]";
        findings.problem(line, format!("[template] has no keys=; {example}"));
        return None;
    };
    let prefix = prefix.unwrap_or_default();
    let mut all: Vec<String> = Vec::new();
    for key in found.value {
        let whole = checked(keys::join(prefix, &key.value), key.line, findings);
        all.extend(whole.filter(|whole| !all.contains(whole)));
    }
    Some(all)
}

/// The number of a user or group; -1 is confd's word for "not said".
fn id(t: &mut Table, key: &'static str, findings: &mut Findings) -> Option<u32> {
    let number = t.number(key, findings)?;
    match u32::try_from(number.value) {
        // The kernel's word for "leave it as it is".
        Ok(u32::MAX) => {}
        Ok(id) => return Some(id),
        Err(_) if number.value == -1 => return None,
        Err(_) => {}
    }
    let message = format!("{key} {} is no user or group number", number.value);
    findings.problem(number.line, message);
    None
}

fn permissions(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let octal = !digits.is_empty() && digits.bytes().all(|b| (b'0'..=b'7').contains(&b));
    u32::from_str_radix(digits, 8)
        .ok()
        .filter(|mode| octal && *mode <= 0o777)
        .ok_or_else(|| {
            let text = text.escape_debug();
            format!("mode '{text}' is not an octal number up to 0777; write mode = \"0644\"")
        })
}

fn check_cmd(t: &mut Table, findings: &mut Findings) -> Option<String> {
    let command = optional(t, "check_cmd", findings)?;
    match check_cmd::unknown_action(&command.value) {
        Some(action) => {
            let action = action.escape_debug();
            let message = format!("check_cmd knows only {{{{.src}}}}, not {action}");
            findings.problem(command.line, message);
        }
        None if !check_cmd::has_src(&command.value) => findings.warning(
            command.line,
            "check_cmd looks at the file in use: write {{.src}} for the new one",
        ),
        None => {}
    }
    Some(command.value)
}

/// Seconds.
fn timeout(t: &mut Table, key: &'static str, findings: &mut Findings) -> Option<Duration> {
    /// An hour: whatever takes longer will never end.
    const MOST: u64 = 3600;
    let seconds = t.number(key, findings)?;
    let found = u64::try_from(seconds.value).ok();
    let message = || format!("{key} {} is not in 1 to {MOST}, in seconds", seconds.value);
    let good = found.filter(|n| (1..=MOST).contains(n)).ok_or_else(message);
    checked(good, seconds.line, findings).map(Duration::from_secs)
}

fn session_policy(word: &str) -> Result<SessionPolicy, String> {
    match word {
        "auto" => Ok(SessionPolicy::Auto),
        "keep" => Ok(SessionPolicy::Keep),
        "cut" => Ok(SessionPolicy::Cut),
        _ => Err(format!(
            "sessions '{}' is not auto, keep or cut",
            word.escape_debug()
        )),
    }
}

/// Later confds have names for users and groups; v0.16 and this program have numbers.
fn warn_of_names(t: &mut Table, findings: &mut Findings) {
    for (name, number) in [("owner", "uid"), ("group", "gid")] {
        if let Some(found) = t.any(name, findings) {
            let message = format!("{name} is not known: write {number} and a number");
            findings.warning(found.line, message);
        }
    }
}
