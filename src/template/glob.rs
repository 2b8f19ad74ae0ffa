//! Go's `path.Match`.

/// Whether all of `name` matches `pattern`: `*` and `?` do not cross `/`, `[a-z]` and `[^a]` are
/// sets, `\` takes the next character as it is.
///
/// # Errors
/// For a bad pattern, whatever the name is.
pub(super) fn matches(pattern: &str, name: &str) -> Result<bool, String> {
    let items = parse(pattern).ok_or_else(|| format!("syntax error in pattern {pattern:?}"))?;
    let name: Vec<char> = name.chars().collect();
    // Which prefixes of the name the items so far match.
    let mut reached = vec![false; name.len() + 1];
    reached
        .first_mut()
        .into_iter()
        .for_each(|first| *first = true);
    for item in &items {
        reached = match item {
            Item::Star => after_star(&reached, &name),
            Item::One(set) => after_one(&reached, &name, set),
        };
    }
    Ok(reached.last().copied().unwrap_or_default())
}

enum Item {
    Star,
    One(Set),
}

struct Set {
    ranges: Vec<(char, char)>,
    negated: bool,
    /// `?` and no set may be a `/`; a set may.
    any: bool,
}

impl Set {
    fn holds(&self, c: char) -> bool {
        if self.any {
            return c != '/';
        }
        self.ranges
            .iter()
            .any(|(low, high)| (*low..=*high).contains(&c))
            != self.negated
    }
}

fn after_star(reached: &[bool], name: &[char]) -> Vec<bool> {
    let mut on = false;
    let previous = std::iter::once(&'/').chain(name);
    let step = |(here, before): (&bool, &char)| {
        on = *here || (on && *before != '/');
        on
    };
    reached.iter().zip(previous).map(step).collect()
}

fn after_one(reached: &[bool], name: &[char], set: &Set) -> Vec<bool> {
    let matched = reached
        .iter()
        .zip(name)
        .map(|(here, c)| *here && set.holds(*c));
    std::iter::once(false).chain(matched).collect()
}

/// None for a bad pattern.
fn parse(pattern: &str) -> Option<Vec<Item>> {
    let mut items = Vec::new();
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        let literal = |c| Set {
            ranges: vec![(c, c)],
            negated: false,
            any: false,
        };
        items.push(match c {
            '*' => Item::Star,
            '?' => Item::One(Set {
                ranges: Vec::new(),
                negated: false,
                any: true,
            }),
            '[' => Item::One(set(&mut rest)?),
            '\\' => Item::One(literal(rest.next()?)),
            c => Item::One(literal(c)),
        });
    }
    Some(items)
}

fn set(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Set> {
    let negated = rest.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        if rest.peek() == Some(&']') && !ranges.is_empty() {
            rest.next();
            return Some(Set {
                ranges,
                negated,
                any: false,
            });
        }
        let low = set_character(rest)?;
        let high = match rest.next_if_eq(&'-') {
            Some(_) => set_character(rest)?,
            None => low,
        };
        ranges.push((low, high));
    }
}

fn set_character(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<char> {
    match rest.next()? {
        '-' | ']' => None,
        '\\' => rest.next(),
        c => Some(c),
    }
}
