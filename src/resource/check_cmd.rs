//! `{{.src}}` in a check command: the one thing of Go's templates that stands there.

/// Where a shell is in a line, as to quotes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quote {
    None,
    Single,
    Double,
}

/// The command with `path` for each `{{.src}}`, so that the shell sees it as it is, also if it
/// stands between quotes.
pub(super) fn expand(command: &str, path: &str) -> String {
    let mut line = String::new();
    let mut quote = Quote::None;
    let mut rest = command;
    while let Some((before, inside, after)) = action(rest) {
        line.push_str(before);
        quote = quote_after(before, quote);
        match inside.trim() {
            ".src" => line.push_str(&quoted(path, quote)),
            _ => line.push_str(
                rest.get(before.len()..rest.len() - after.len())
                    .unwrap_or(""),
            ),
        }
        rest = after;
    }
    line + rest
}

/// Whether the command looks at the staged file.
pub(super) fn has_src(command: &str) -> bool {
    actions(command).any(|action| action.trim() == ".src")
}

/// The first `{{...}}` that is none of ours, or is never closed.
pub(super) fn unknown_action(command: &str) -> Option<String> {
    let unknown = actions(command).find(|action| action.trim() != ".src");
    let closed = command.rsplit("}}").next().unwrap_or_default();
    unknown
        .map(|action| format!("{{{{{action}}}}}"))
        .or_else(|| closed.contains("{{").then(|| "a {{ without }}".to_owned()))
}

fn actions(command: &str) -> impl Iterator<Item = &str> {
    let mut rest = command;
    std::iter::from_fn(move || {
        let (_, inside, after) = action(rest)?;
        rest = after;
        Some(inside)
    })
}

/// What stands before, in and after the first `{{...}}`.
fn action(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("{{")?;
    let (inside, after) = rest.split_once("}}")?;
    Some((before, inside, after))
}

fn quote_after(text: &str, mut quote: Quote) -> Quote {
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        quote = match (quote, letter) {
            (Quote::None | Quote::Double, '\\') => {
                letters.next();
                quote
            }
            (Quote::None, '\'') => Quote::Single,
            (Quote::None, '"') => Quote::Double,
            (Quote::Single, '\'') | (Quote::Double, '"') => Quote::None,
            (Quote::None | Quote::Single | Quote::Double, _) => quote,
        };
    }
    quote
}

fn quoted(path: &str, quote: Quote) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-+,:=@%".contains(&b);
    if path.bytes().all(plain) {
        return path.to_owned();
    }
    let in_single = path.replace('\'', "'\\''");
    match quote {
        Quote::None => format!("'{in_single}'"),
        Quote::Single => in_single,
        Quote::Double => path.chars().flat_map(in_double).collect(),
    }
}

fn in_double(letter: char) -> impl Iterator<Item = char> {
    let special = matches!(letter, '"' | '$' | '`' | '\\');
    special.then_some('\\').into_iter().chain([letter])
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_path_stands_in_for_src_however_it_is_spelled() {
        let wanted = "/usr/sbin/haproxy -c -f /etc/haproxy/.haproxy.cfg.confd-01";
        for src in ["{{.src}}", "{{ .src }}", "{{  .src}}"] {
            let command = format!("/usr/sbin/haproxy -c -f {src}");
            assert!(has_src(&command));
            assert_eq!(unknown_action(&command), None);
            let path = "/etc/haproxy/.haproxy.cfg.confd-01";
            assert_eq!(expand(&command, path), wanted);
        }
        assert_eq!(expand("a {{.src}} b {{.src}}", "x"), "a x b x");
        assert!(!has_src("haproxy -c -f /etc/haproxy/haproxy.cfg"));
    }

    #[test]
    fn the_shell_sees_an_odd_path_as_it_is() {
        for path in [
            "/a b", "/it's", "/$HOME", "/\"x\"", "/`id`", "/a\\b", "/;id", "/é", "/a'\"$b",
        ] {
            let lines = [
                "printf %s {{.src}}",
                "printf %s '{{.src}}'",
                "printf %s \"{{.src}}\"",
            ];
            let after_quotes = "printf '' ; true \"it's\" \\' ; printf %s {{ .src }}";
            for line in lines.into_iter().chain([after_quotes]) {
                let line = expand(line, path);
                let output = Command::new("/bin/sh")
                    .args(["-c", &line])
                    .output()
                    .unwrap();
                assert_eq!(String::from_utf8_lossy(&output.stdout), path, "{line}");
            }
        }
    }

    #[test]
    fn anything_else_in_braces_is_named() {
        let cases = [
            ("x {{.dest}}", "{{.dest}}"),
            ("x {{.src}} {{ .Src }}", "{{ .Src }}"),
            ("x {{}}", "{{}}"),
            ("x {{.src", "a {{ without }}"),
            ("x {{.src}} {{", "a {{ without }}"),
        ];
        for (command, wanted) in cases {
            assert_eq!(
                unknown_action(command).as_deref(),
                Some(wanted),
                "{command}"
            );
        }
        for fine in ["", "awk '{print}' {{.src}}", "test -n }}", "a } { b"] {
            assert_eq!(unknown_action(fine), None, "{fine}");
        }
    }
}
