//! Strings, character constants and numbers in an action: their length, and whether Go and the
//! engine would read the same from them.

/// The length of the quoted string that `text` begins with.
///
/// # Errors
/// For an escape that is wrong or that makes something that is not UTF-8.
pub(super) fn string(text: &str) -> Result<usize, String> {
    let mut rest = text.get(1..).unwrap_or_default();
    loop {
        match rest.chars().next() {
            Some('"') => return Ok(text.len() - rest.len() + 1),
            Some(_) => rest = after_character(rest, '"')?,
            None => return Err("this \" is never closed".to_owned()),
        }
    }
}

/// The length of the raw string that `text` begins with.
///
/// # Errors
/// When it is never closed.
pub(super) fn raw(text: &str) -> Result<usize, String> {
    let inside = text.get(1..).unwrap_or_default();
    let end = inside.find('`').map(|index| index + 2);
    end.ok_or_else(|| "this ` is never closed".to_owned())
}

/// The length of the character constant that `text` begins with.
///
/// # Errors
/// When it does not hold exactly one character.
pub(super) fn character(text: &str) -> Result<usize, String> {
    let inside = text.get(1..).unwrap_or_default();
    let after = match inside.starts_with('\'') {
        true => inside,
        false => after_character(inside, '\'')?,
    };
    match after.strip_prefix('\'') {
        Some(rest) if after.len() < inside.len() => Ok(text.len() - rest.len()),
        _ => Err("a character constant holds exactly one character: for text use \"\"".to_owned()),
    }
}

/// The length of the number that `text` begins with.
///
/// # Errors
/// When it is not a number to Go, or one that the engine reads otherwise.
pub(super) fn number(text: &str) -> Result<usize, String> {
    let mut end = 0;
    let mut last = ' ';
    for (index, c) in text.char_indices() {
        let sign = "+-".contains(c) && (index == 0 || "eE".contains(last));
        if !(c.is_ascii_alphanumeric() || c == '_' || c == '.' || sign) {
            break;
        }
        end = index + c.len_utf8();
        last = c;
    }
    let literal = text.get(..end).unwrap_or_default();
    match is_number(literal) {
        true => Ok(end),
        false => Err(format!("{literal} is not a number")),
    }
}

fn is_number(literal: &str) -> bool {
    let unsigned = literal.strip_prefix(['+', '-']).unwrap_or(literal);
    let plain = unsigned.replace('_', "");
    if unsigned.starts_with('_') || unsigned.ends_with('_') || unsigned.contains("__") {
        return false;
    }
    let prefixes = [
        ("0x", 16),
        ("0X", 16),
        ("0o", 8),
        ("0O", 8),
        ("0b", 2),
        ("0B", 2),
    ];
    for (prefix, base) in prefixes {
        if let Some(digits) = plain.strip_prefix(prefix) {
            return i64::from_str_radix(digits, base).is_ok() && !digits.starts_with(['+', '-']);
        }
    }
    if plain.len() > 1 && plain.starts_with('0') && plain.chars().all(|c| c.is_ascii_digit()) {
        return i64::from_str_radix(&plain, 8).is_ok();
    }
    let finite = plain.parse::<f64>().is_ok_and(f64::is_finite);
    finite && plain.starts_with(|c: char| c.is_ascii_digit() || c == '.')
}

/// What follows one character or one escape.
fn after_character(text: &str, quote: char) -> Result<&str, String> {
    let mut characters = text.chars();
    if characters.next() != Some('\\') {
        return Ok(characters.as_str());
    }
    let kind = characters.next().unwrap_or(' ');
    let (skipped, digits, base) = match kind {
        'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\' => return Ok(characters.as_str()),
        c if c == quote => return Ok(characters.as_str()),
        'x' => (2, 2, 16),
        'u' => (2, 4, 16),
        'U' => (2, 8, 16),
        '0'..='7' => (1, 3, 8),
        _ => return Err(format!("\\{kind} is not an escape that Go knows")),
    };
    let number = text.get(skipped..skipped + digits).unwrap_or_default();
    let code = u32::from_str_radix(number, base)
        .ok()
        .filter(|_| !number.starts_with('+'));
    let one_byte = digits < 4;
    match code.and_then(char::from_u32) {
        Some(c) if c.is_ascii() || !one_byte => {
            Ok(text.get(skipped + digits..).unwrap_or_default())
        }
        Some(_) => Err(format!(
            "\\{kind}: bytes above 127 are not supported: write the character"
        )),
        None => Err(format!(
            "\\{kind} needs {digits} digits that make a character"
        )),
    }
}
