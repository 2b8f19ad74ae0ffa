//! A recording as SVG: a window in which one line after the other appears, as fast as it did. Where nothing
//! moves, all of it is shown. Pure.

use std::fmt::Write;

use super::recording::{Line, Part, Style};

/// Letters in a line; longer ones are folded, as a terminal does.
const WIDTH: usize = 100;
const LETTER: f64 = 8.0;
const HEIGHT: f64 = 18.0;
const MARGIN: f64 = 16.0;
/// Of the window's own bar.
const BAR: f64 = 32.0;

/// Black to white.
const COLOURS: [&str; 8] = [
    "#484f58", "#ff7b72", "#56d364", "#e3b341", "#79c0ff", "#d2a8ff", "#56d4dd", "#e6edf3",
];

const STYLE: &str = "\
text{font:13.3px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;\
fill:#e6edf3;white-space:pre}
.t{animation:wait step-end}
@keyframes wait{from{visibility:hidden}}
@media (prefers-reduced-motion:reduce){.t{animation:none}}";

/// The whole picture.
pub fn draw(title: &str, lines: &[Line]) -> String {
    let folded: Vec<Line> = lines.iter().flat_map(fold).collect();
    #[allow(clippy::cast_precision_loss, reason = "a screen is small")]
    let (rows, columns) = (folded.len() as f64, WIDTH as f64);
    let width = columns * LETTER + 2.0 * MARGIN;
    let height = rows * HEIGHT + 2.0 * MARGIN + BAR;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         width=\"{width}\" height=\"{height}\" role=\"img\">\n<title>{}</title>\n\
         <style>{STYLE}</style>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#0d1117\"/>\n",
        escaped(title)
    );
    for (x, fill) in [(20, "#ff5f57"), (40, "#febc2e"), (60, "#28c840")] {
        let _ = writeln!(
            svg,
            "<circle cx=\"{x}\" cy=\"18\" r=\"6\" fill=\"{fill}\"/>"
        );
    }
    let mut y = BAR + MARGIN;
    for line in &folded {
        y += HEIGHT;
        if !line.parts.is_empty() {
            let _ = writeln!(svg, "{}", text(line, y - 5.0));
        }
    }
    svg + "</svg>\n"
}

fn text(line: &Line, y: f64) -> String {
    let (at, n) = (line.at, line.text().chars().count());
    #[allow(clippy::cast_precision_loss, reason = "a line is short")]
    let length = n as f64 * LETTER;
    let parts: String = line.parts.iter().map(span).collect();
    // The length keeps columns in line, whatever the font.
    format!(
        "<text class=\"t\" style=\"animation-duration:{at:.2}s\" x=\"{MARGIN}\" y=\"{y}\" \
         textLength=\"{length}\" xml:space=\"preserve\">{parts}</text>"
    )
}

fn span(part: &Part) -> String {
    let text = escaped(&part.text);
    let look = look(part.style);
    match look.is_empty() {
        true => text,
        false => format!("<tspan{look}>{text}</tspan>"),
    }
}

fn look(style: Style) -> String {
    let mut look = String::new();
    if style.is_bold {
        look += " font-weight=\"bold\"";
    }
    let colour = style.colour.map(|colour| COLOURS[usize::from(colour)]);
    let colour = colour.or(style.is_faint.then_some("#8b949e"));
    if let Some(colour) = colour {
        let _ = write!(look, " fill=\"{colour}\"");
    }
    look
}

/// A line in pieces that fit.
fn fold(line: &Line) -> Vec<Line> {
    let mut pieces = vec![Line {
        at: line.at,
        parts: Vec::new(),
    }];
    let mut used = 0;
    for part in &line.parts {
        for letter in part.text.chars() {
            if used == WIDTH {
                used = 0;
                pieces.push(Line {
                    at: line.at,
                    parts: Vec::new(),
                });
            }
            used += 1;
            let last = pieces.last_mut().unwrap();
            match last.parts.last_mut() {
                Some(open) if open.style == part.style => open.text.push(letter),
                _ => last.parts.push(Part {
                    text: letter.into(),
                    style: part.style,
                }),
            }
        }
    }
    pieces
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[test]
fn a_line_is_folded_coloured_and_appears_in_its_time() {
    let style = Style {
        colour: Some(1),
        ..Style::default()
    };
    let part = |text: &str, style| Part {
        text: text.to_owned(),
        style,
    };
    let line = Line {
        at: 1.5,
        parts: vec![
            part(&"a".repeat(WIDTH), Style::default()),
            part("<&>", style),
        ],
    };
    let svg = draw("x \"y\"", &[line]);
    assert_eq!(svg.matches("<text ").count(), 2);
    assert_eq!(svg.matches("animation-duration:1.50s").count(), 2);
    assert!(svg.contains("<tspan fill=\"#ff7b72\">&lt;&amp;&gt;</tspan>"));
    assert!(svg.contains("<title>x &quot;y&quot;</title>"));
}
