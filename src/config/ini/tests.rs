//! Lines of a conf file, good and bad, with the line that each problem names.

use super::*;

/// `section.key=value` of everything that was read.
fn flat(bytes: &[u8]) -> Vec<String> {
    let sections = read(bytes).unwrap_or_else(|problems| panic!("{problems:?}"));
    let entries = |s: &Section| {
        let name = s.name.clone();
        s.entries
            .iter()
            .map(move |e| format!("{name}.{}={}", e.key, e.value))
            .collect::<Vec<_>>()
    };
    sections.iter().flat_map(entries).collect()
}

#[test]
fn a_value_stands_as_it_is_written() {
    let cases: &[(&[u8], &str)] = &[
        (b"[t]\nk=v", "t.k=v"),
        (b"[t]\r\nk=v\r\n", "t.k=v"),
        (b"[t]\rk=v\r", "t.k=v"),
        (b"\xef\xbb\xbf[t]\nk=v\n", "t.k=v"),
        (b"[ t ]\n\tk\t =  v w \n", "t.k=v w"),
        (b"[t]\npassword=a\\b\"c;d#e\n", "t.password=a\\b\"c;d#e"),
        (b"[t]\npassword= a#b \t\n", "t.password=a#b \t"),
        (b"[t]\npassword=x y \r\n", "t.password=x y "),
        (b"[t]\nk=\"a b\"\n", "t.k=\"a b\""),
        (b"[t]\nk='ab\n", "t.k='ab"),
        (b"[t]\nk=a=b:c==\n", "t.k=a=b:c=="),
        (b"[t]\nk=[v]\n", "t.k=[v]"),
        (b"[t]\nk=$x ${y} 100%\n", "t.k=$x ${y} 100%"),
        (b"[t]\nk=C:\\x41\\n\n", "t.k=C:\\x41\\n"),
        (b"[t]\nk=\n", "t.k="),
        (b"[t]\nk=p\xc3\xa9\n", "t.k=p\u{e9}"),
        (
            b"[t]\npassword=\xc2\xa0v\xc2\xa0\n",
            "t.password=\u{a0}v\u{a0}",
        ),
        (b"[t]\nk=a ;b #c\n", "t.k=a ;b #c"),
        (b"# c\n; d\n[t]\n   # c\n\t;x=1\n#y=2\nk=v\n", "t.k=v"),
        (
            b"[t]\ndefault-character-set=utf8\n",
            "t.default-character-set=utf8",
        ),
    ];
    for (bytes, wanted) in cases {
        assert_eq!(
            flat(bytes),
            [*wanted],
            "{:?}",
            String::from_utf8_lossy(bytes)
        );
    }
}

#[test]
fn lines_are_counted_through_comments_and_blank_lines() {
    let sections = read(b"\n# c\n[a]\n\nk=1\n  [b]\n; c\nl=2\n").unwrap();
    let lines: Vec<_> = sections
        .iter()
        .map(|s| (s.line, s.entries[0].line))
        .collect();
    assert_eq!(lines, [(3, 5), (6, 8)]);
}

#[test]
fn an_empty_file_has_no_sections() {
    assert!(read(b"").unwrap().is_empty());
    assert!(read(b"\xef\xbb\xbf").unwrap().is_empty());
}

#[test]
fn what_would_be_misread_is_an_error_with_its_line() {
    let cases: &[(&[u8], usize, &str)] = &[
        (
            b"[t]\nk=1\nskip-name-resolve\n",
            3,
            "'skip-name-resolve' has no '='",
        ),
        (b"[t]\nk=a\\\nj=b\n", 2, "k= ends in a backslash"),
        (b"[t]\nk=a\\ \n", 2, "k= ends in a backslash"),
        (
            b"[t]\nk=1\n[t]\nj=1\n",
            3,
            "section [t] is already in line 1",
        ),
        (b"[t]\nk=1\n\n k = 2\n", 4, "k= is already set in line 2"),
        (b"[t]\nk: v\n", 2, "'k': write key=value, not key: value"),
        (b"[t]\na:b=c\n", 2, "'a' comes before a ':'"),
        (b"[t] ; c\n", 1, "text after [t]"),
        (b"[t]#c\n", 1, "text after [t]"),
        (b"[t] k=v\n", 1, "text after [t]"),
        (b"!include x\n", 1, "'!include': files cannot be included"),
        (b"[t]\n !includedir /etc\n", 2, "cannot be included"),
        (b"k=1\n[t]\n", 1, "k= stands before the first [section]"),
        (b"[t]\nk=\xe9\n", 2, "not UTF-8"),
        (b"[t]\nk=<<EOT\n", 2, "k= starts with '<<'"),
        (b"[t]\nk=a\0b\n", 2, "k= holds a NUL byte"),
        (b"[t\nk=v\n", 1, "not closed"),
        (b"[]\n", 1, "without a name"),
        (b"[[t]\n", 1, "without a name"),
        (b"[t]\n=v\n", 2, "no key before the '='"),
    ];
    for (bytes, line, wanted) in cases {
        let problems = read(bytes).unwrap_err();
        let first = &problems[0];
        let input = String::from_utf8_lossy(bytes);
        assert!(first.message.contains(wanted), "{input:?}: {problems:?}");
        assert_eq!(first.line, *line, "{input:?}");
    }
}

#[test]
fn all_problems_of_a_file_are_reported_at_once() {
    let problems = read(b"x=1\n[t]\nbare\nk=1\nk=2\n[t] z\nl=\\\n").unwrap_err();
    let lines: Vec<usize> = problems.iter().map(|p| p.line).collect();
    assert_eq!(lines, [1, 3, 5, 6, 7]);
}

#[test]
fn no_message_shows_what_may_be_a_password() {
    for text in [
        "[t]\npassword=s3cret\\\n",
        "[t]\npassword: s3cret\n",
        "[t]\npassword s3cret\n",
        "[t]\npassword: s3=cret\n",
        "[t]\npassword=<<s3cret\n",
        "[t]\npassword=a\npassword=s3cret\n",
    ] {
        let problems = read(text.as_bytes()).unwrap_err();
        assert!(!format!("{problems:?}").contains("s3"), "{problems:?}");
    }
}

#[test]
fn hostile_text_never_panics() {
    for a in [
        "[", "]", "=", ":", "\\", "#", "\u{85}", "\u{2028}", "\0", " ", "k",
    ] {
        for b in [
            "[", "]", "=", ":", "\\", "\"", "\u{a0}", "'", "\t", "\r", "\n",
        ] {
            for frame in ["{}", "[t]\n{}", "[t]\nk={}\n", "[{}]\nk=v"] {
                let text = frame.replace("{}", &format!("{a}{b}{a}"));
                if let Ok(sections) = read(text.as_bytes()) {
                    assert!(sections.len() <= 2, "{text:?}");
                }
            }
        }
    }
}
