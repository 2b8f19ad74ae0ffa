//! The parts of the template engine; whole templates are in `tests/it/templates.rs`.

use gotmpl::Value;

use super::*;

fn render(text: &str) -> Result<String, String> {
    let pairs = BTreeMap::from([("/k".to_owned(), "v".to_owned())]);
    let template = Template::parse("t.tmpl", text).map_err(|e| e.to_string())?;
    template.render(&pairs).map_err(|e| e.to_string())
}

#[test]
fn only_gos_four_spaces_are_trimmed() {
    assert_eq!(render("\u{a0} {{- 1 -}} \u{b}x").unwrap(), "\u{a0}1\u{b}x");
}

#[test]
fn a_comment_trims_only_on_the_side_of_its_marker() {
    assert_eq!(render("a {{- /* c */}} b").unwrap(), "a b");
    assert_eq!(render("a {{/* c */ -}} b").unwrap(), "a b");
}

#[test]
fn an_error_has_its_line_after_comments_trimmed_text_and_multi_line_actions() {
    for text in [
        "{{/*\n\n*/}}\n{{getv \"/no\"}}",
        "a\n\n  \n{{- getv \"/no\"}}",
        "{{1 -}}\n\n  \n  b {{getv \"/no\"}}",
        "{{1\n-}}\n{{-\ngetv \"/no\"}}",
        "{{range seq 1 2}}\n{{end}}\n\n{{if 0}}{{else if getv \"/no\"}}{{end}}",
    ] {
        let error = render(text).unwrap_err();
        assert!(
            error.starts_with("t.tmpl:4: key does not"),
            "{text:?}: {error}"
        );
    }
}

#[test]
fn a_pattern_is_matched_as_go_matches_it() {
    for (pattern, name, wanted) in [
        ("/a/*", "/a/b", Ok(true)),
        ("/a/*", "/a/b/c", Ok(false)),
        ("/a/*", "/a/", Ok(true)),
        ("*", "", Ok(true)),
        ("a*b*c", "axxbyyc", Ok(true)),
        ("a*b*c", "axx/byyc", Ok(false)),
        ("a?c", "aéc", Ok(true)),
        ("a?c", "a/c", Ok(false)),
        ("[a-c]x", "bx", Ok(true)),
        ("[^a-c]x", "bx", Ok(false)),
        ("[^a-c]x", "/x", Ok(true)),
        ("[\\]]", "]", Ok(true)),
        ("\\*", "*", Ok(true)),
        ("\\*", "a", Ok(false)),
        ("[", "a", Err(())),
        ("[]", "a", Err(())),
        ("[a-]", "a", Err(())),
        ("[-a]", "a", Err(())),
        ("a\\", "a", Err(())),
        ("x[", "a", Err(())),
    ] {
        let found = glob::matches(pattern, name).map_err(drop);
        assert_eq!(found, wanted, "{pattern} {name}");
    }
}

#[test]
fn a_long_pattern_of_stars_ends() {
    let name = "a".repeat(2000);
    assert_eq!(glob::matches(&("a*".repeat(200) + "b"), &name), Ok(false));
}

#[test]
fn a_float_prints_as_gos_does() {
    for (number, wanted) in [
        (3301.0, "3301"),
        (0.5, "0.5"),
        (999_999.0, "999999"),
        (1e6, "1e+06"),
        (1_234_567.5, "1.2345675e+06"),
        (-1e-5, "-1e-05"),
        (1e100, "1e+100"),
    ] {
        assert_eq!(values::float(number), wanted);
    }
}

#[test]
fn a_time_is_formatted_as_go_formats_it() {
    // Tue Nov 10 23:05:09.012 2009.
    let moment = 1_257_894_309_012_000_000;
    assert_eq!(time::print(moment), "2009-11-10 23:05:09.012 +0000 UTC");
    for (layout, wanted) in [
        ("2006-01-02T15:04:05Z07:00", "2009-11-10T23:05:09Z"),
        (
            "Mon Jan _2 15:04:05 MST 2006",
            "Tue Nov 10 23:05:09 UTC 2009",
        ),
        (
            "Monday, January 2 3:04PM '06",
            "Tuesday, November 10 11:05PM '09",
        ),
        ("15.000 .999999 -0700 1/2 5s", "23.012 .012 +0000 11/10 9s"),
    ] {
        assert_eq!(time::format(moment, layout), wanted, "{layout}");
    }
    assert_eq!(
        time::print(951_782_400_000_000_000),
        "2000-02-29 00:00:00 +0000 UTC"
    );
}

#[test]
fn integers_of_json_stay_as_they_were_written() {
    let text =
        render(r#"{{$d := json `{"a":12345678,"b":2}`}}{{$d.a}} {{add $d.b 1}} {{eq $d.b 2}}"#);
    assert_eq!(text.unwrap(), "12345678 3 true");
}

#[test]
fn a_value_that_is_shared_many_times_is_too_large_and_not_walked_for_ever() {
    let text = "{{$x := map}}".to_owned() + &"{{$x = map \"a\" $x \"b\" $x}}".repeat(60);
    assert!(render(&text).unwrap_err().contains("larger than"), "{text}");
    assert!(limits::Work::default().handle(&[Value::Nil]).is_ok());
    let deep = "{{$x := map}}{{range seq 1 99999}}{{$x = map \"a\" $x}}{{end}}";
    assert!(render(deep).unwrap_err().contains("too deep"));
    let slow = "{{$x := \"\"}}{{range seq 1 99999}}{{$x = print $x \"0123456789\"}}{{end}}";
    assert!(render(slow).unwrap_err().contains("more than 2 GiB"));
}

#[test]
fn a_small_stack_is_no_limit_for_a_template() {
    let nested = "{{if 1}}".repeat(80) + &"{{end}}".repeat(80);
    let parens = format!("{{{{{}1{}}}}}", "(".repeat(40), ")".repeat(40));
    let thread = std::thread::Builder::new().stack_size(128 * 1024);
    let thread = thread
        .spawn(move || (render(&nested), render(&parens)))
        .unwrap();
    assert_eq!(
        thread.join().unwrap(),
        (Ok(String::new()), Ok("1".to_owned()))
    );
}

#[test]
fn a_directive_that_would_print_otherwise_than_gos_is_an_error() {
    for directive in [
        "%05s\" \"a",
        "%#v\" \"a",
        "%+q\" \"a",
        "%*d\" \"a",
        "%[1]s\" \"a",
    ] {
        let error = render(&format!("{{{{printf \"{directive}\"}}}}")).unwrap_err();
        assert!(error.contains("not supported"), "{directive}: {error}");
    }
    assert!(render("{{printf \"%5v\" (seq 1 2)}}").is_err());
}
