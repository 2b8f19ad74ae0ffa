//! `printf`: splits the format into single directives.
//!
//! The engine formats strings, integers and booleans; this knows what it does not: floats and
//! lists as Go prints them, and what the engine would print wrongly.

use std::fmt::Write;
use std::sync::OnceLock;

use gotmpl::{Template, TemplateError, Value, tmap};

use super::super::limits::Limited;
use super::super::values::{self, Kind};
use super::fail;

/// A directive, without its `%`.
struct Directive<'a> {
    flags: &'a str,
    /// Width and precision.
    size: &'a str,
    verb: char,
}

/// Go's `Sprintf`.
pub(super) fn printf(format: &str, args: &[Value]) -> Result<String, TemplateError> {
    let mut out = Limited::default();
    let mut args = args.iter();
    let mut rest = format;
    while let Some((text, after)) = rest.split_once('%') {
        out.write_str(text)?;
        let (directive, left) = directive(after)?;
        rest = left;
        match directive {
            None => out.write_str("%!(NOVERB)")?,
            Some(directive) if directive.verb == '%' => out.write_char('%')?,
            Some(directive) => match args.next() {
                Some(arg) => out.write_str(&directive.format(arg)?)?,
                None => write!(out, "%!{}(MISSING)", directive.verb)?,
            },
        }
    }
    out.write_str(rest)?;
    extra(&mut out, args.as_slice())?;
    Ok(out.0)
}

fn extra(out: &mut Limited, unused: &[Value]) -> Result<(), TemplateError> {
    if unused.is_empty() {
        return Ok(());
    }
    let each = unused
        .iter()
        .map(with_type)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(write!(out, "%!(EXTRA {})", each.join(", "))?)
}

fn with_type(value: &Value) -> Result<String, TemplateError> {
    Ok(match value {
        Value::Nil => "<nil>".to_owned(),
        value => format!("{}={}", go_type(value), values::show(value)?),
    })
}

fn directive(after: &str) -> Result<(Option<Directive<'_>>, &str), TemplateError> {
    let not_flag = |c: char| !"-+# 0".contains(c);
    let (flags, rest) = split(after, after.find(not_flag));
    let (size, rest) = split(rest, rest.find(|c: char| !c.is_ascii_digit() && c != '.'));
    let mut characters = rest.chars();
    let Some(verb) = characters.next() else {
        return Ok((None, ""));
    };
    if "*[".contains(verb) || size.matches('.').count() > 1 {
        return Err(fail(
            "printf: * and [n] in a directive are not supported: write numbers",
        ));
    }
    Ok((Some(Directive { flags, size, verb }), characters.as_str()))
}

fn split(text: &str, at: Option<usize>) -> (&str, &str) {
    text.split_at_checked(at.unwrap_or(text.len()))
        .unwrap_or((text, ""))
}

impl Directive<'_> {
    fn format(&self, arg: &Value) -> Result<String, TemplateError> {
        let numeric = matches!(arg, Value::Int(_) | Value::Float(_));
        let zero_text = self.flags.contains('0') && !numeric && !self.size.is_empty();
        let special = if numeric { "qvcU" } else { "xXqv" };
        let spelled = self.flags.contains(['#', ' ']) && special.contains(self.verb);
        let ascii_only = self.verb == 'q' && self.flags.contains('+');
        if zero_text || spelled || ascii_only || self.verb == 'O' {
            return Err(self.unsupported(arg));
        }
        match (arg, self.verb) {
            (_, 'T') => self.pad(go_type(arg)),
            (Value::Float(number), 'v' | 'g') if !self.size.contains('.') => {
                match self.flags.contains(['+', '0']) {
                    true => Err(self.unsupported(arg)),
                    false => self.pad(&values::float(*number)),
                }
            }
            (Value::Float(_), 'x' | 'X' | 'b') => Err(self.unsupported(arg)),
            (Value::Int(_) | Value::Float(_), 'F') => self.engine('f', arg),
            (Value::Float(_), 'e' | 'E' | 'f' | 'g' | 'G') => self.engine(self.verb, arg),
            (Value::Float(_), _) => Ok(format!("%!{}({})", self.verb, with_type(arg)?)),
            (Value::Int(_), 'v') => self.engine('d', arg),
            (Value::Int(code), 'c') => {
                let c = u32::try_from(*code).ok().and_then(char::from_u32);
                self.pad(
                    c.unwrap_or(char::REPLACEMENT_CHARACTER)
                        .encode_utf8(&mut [0; 4]),
                )
            }
            (Value::List(_) | Value::Map(_), _) => self.whole(arg),
            (Value::Nil, 'v') => self.pad("<nil>"),
            _ => self.engine(self.verb, arg),
        }
    }

    /// A list, a map, a pair or a time: Go formats each thing in it on its own.
    fn whole(&self, arg: &Value) -> Result<String, TemplateError> {
        let simple = self.flags.is_empty() && self.size.is_empty();
        match self.verb {
            'v' if simple => values::show(arg),
            's' if simple && all_text(arg) => values::show(arg),
            _ => Err(self.unsupported(arg)),
        }
    }

    fn pad(&self, text: &str) -> Result<String, TemplateError> {
        self.engine('s', &values::text(text))
    }

    fn engine(&self, verb: char, arg: &Value) -> Result<String, TemplateError> {
        static ENGINE: OnceLock<Option<Template>> = OnceLock::new();
        let engine = ENGINE.get_or_init(|| {
            Template::new("printf")
                .parse("{{printf .format .arg}}")
                .ok()
        });
        let engine = engine
            .as_ref()
            .ok_or_else(|| fail("printf: the template engine failed"))?;
        let format = format!("%{}{}{verb}", self.flags, self.size);
        engine.execute_to_string(&tmap! { "format" => format, "arg" => arg.clone() })
    }

    fn unsupported(&self, arg: &Value) -> TemplateError {
        let Directive { flags, size, verb } = self;
        let name = values::type_name(arg);
        fail(format!(
            "printf: %{flags}{size}{verb} of a {name} is not supported"
        ))
    }
}

fn all_text(value: &Value) -> bool {
    match value {
        Value::String(_) => true,
        Value::List(items) => items.iter().all(all_text),
        _ => values::kind(value) == Kind::Pair,
    }
}

fn go_type(value: &Value) -> &'static str {
    match (values::kind(value), value) {
        (Kind::Plain, Value::Map(_)) => "map[string]interface {}",
        (Kind::Plain, Value::List(_)) => "[]interface {}",
        _ => values::type_name(value),
    }
}
