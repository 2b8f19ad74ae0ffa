//! What `script` has recorded: lines, each with when it was there and how its parts look. Pure. Knows as
//! much of a terminal as our own output needs: colours, and that a line ends.

/// A line of the terminal.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Line {
    /// Seconds since the start.
    pub at: f64,
    pub parts: Vec<Part>,
}

/// Text of one look.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Part {
    pub text: String,
    pub style: Style,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    pub is_bold: bool,
    pub is_faint: bool,
    /// One of the eight colours of a terminal.
    pub colour: Option<u8>,
}

impl Line {
    pub fn text(&self) -> String {
        self.parts.iter().map(|part| part.text.as_str()).collect()
    }

    fn push(&mut self, letter: char, style: Style) {
        match self.parts.last_mut() {
            Some(last) if last.style == style => last.text.push(letter),
            _ => self.parts.push(Part {
                text: letter.into(),
                style,
            }),
        }
    }
}

impl Style {
    /// `1;32` and the like.
    fn take(&mut self, codes: &str) {
        for code in codes.split(';') {
            match code.parse::<u8>() {
                Ok(1) => self.is_bold = true,
                Ok(2) => self.is_faint = true,
                Ok(code @ 30..=37) => self.colour = Some(code - 30),
                _ => *self = Style::default(),
            }
        }
    }
}

/// The lines of an output, by the times of its pieces: `seconds bytes` each.
pub fn lines(out: &str, times: &str) -> Vec<Line> {
    // `script` writes a line of its own before and after.
    let body = out.split_once('\n').map_or(out, |(_, body)| body);
    let body = body.rsplit_once("\nScript done").map_or(body, |(b, _)| b);
    let clock = clock(times);
    let (mut all, mut line, mut style) = (Vec::new(), Line::default(), Style::default());
    let mut letters = body.char_indices().peekable();
    while let Some((index, letter)) = letters.next() {
        match letter {
            '\r' => {}
            '\n' => all.push(std::mem::take(&mut line)),
            '\x1b' => {
                let codes: String = letters
                    .by_ref()
                    .map(|(_, letter)| letter)
                    .skip_while(|letter| *letter == '[')
                    .take_while(|letter| !letter.is_ascii_alphabetic())
                    .collect();
                style.take(&codes);
            }
            letter => {
                if line.parts.is_empty() {
                    line.at = at(&clock, index);
                }
                line.push(letter, style);
            }
        }
    }
    all.push(line);
    // An empty line is there with the next one.
    for index in (0..all.len().saturating_sub(1)).rev() {
        if all[index].parts.is_empty() {
            all[index].at = all[index + 1].at;
        }
    }
    while all.last().is_some_and(|line| line.parts.is_empty()) {
        all.pop();
    }
    all
}

/// Up to which byte the output was there when.
fn clock(times: &str) -> Vec<(usize, f64)> {
    let (mut bytes, mut now) = (0, 0.0);
    let pieces = times.lines().filter_map(|line| {
        let (delay, n) = line.split_once(' ')?;
        Some((delay.parse::<f64>().ok()?, n.trim().parse::<usize>().ok()?))
    });
    let ends = pieces.map(|(delay, n)| {
        bytes += n;
        now += delay;
        (bytes, now)
    });
    ends.collect()
}

fn at(clock: &[(usize, f64)], index: usize) -> f64 {
    let found = clock.iter().find(|(end, _)| index < *end);
    found.or(clock.last()).map_or(0.0, |(_, now)| *now)
}

#[test]
fn a_recording_is_lines_with_their_times_and_looks() {
    let out = "Script started on …\nab\x1b[1;32mc\x1b[0md\r\n\r\nefg\nScript done on …\n";
    let lines = lines(out, "0.5 4\n1.25 14\n0.25 5\n");
    let text: Vec<String> = lines.iter().map(Line::text).collect();
    assert_eq!(text, ["abcd", "", "efg"]);
    let green = Style {
        is_bold: true,
        colour: Some(2),
        ..Style::default()
    };
    let styles: Vec<Style> = lines[0].parts.iter().map(|part| part.style).collect();
    assert_eq!(styles, [Style::default(), green, Style::default()]);
    let times: Vec<f64> = lines.iter().map(|line| line.at).collect();
    assert_eq!(times, [0.5, 2.0, 2.0]);
}
