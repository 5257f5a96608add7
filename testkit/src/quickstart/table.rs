//! The table of the quickstart: one row for each token, drawn again and again at the same place.

use std::time::Duration;

/// Where the bar of a token that was just issued ends.
const LONGEST_SECONDS: f64 = 30.0;
const BAR: usize = 10;

/// What is known of one token.
#[derive(Clone, Debug)]
pub struct Row {
    /// The token Secret, whose folder holds the files.
    pub secret: String,
    /// The first characters of the token.
    pub token: String,
    /// Seconds until it expires; `None` when it has.
    pub left: Option<f64>,
    /// How often the token in this file was replaced.
    pub replaced: usize,
    /// Seconds that were left of the token before, when it was replaced.
    pub spare: Option<f64>,
}

/// The lines of the table, with a heading, and how long it goes on.
#[must_use]
pub fn table(rows: &[Row], goes_on: Duration) -> Vec<String> {
    let width = rows.iter().map(|row| row.secret.len()).max();
    let width = width.unwrap_or_default().max("SECRET".len());
    let mut lines = vec![format!(
        "{:width$}  {:23}  {:18}  {:8}  {}",
        "SECRET", "TOKEN", "VALID FOR", "REPLACED", "LEFT THEN"
    )];
    for row in rows {
        let spare = row.spare.map(|spare| format!("{spare:.0} s"));
        lines.push(format!(
            "{:width$}  {:23}  {:18}  {:>8}  {}",
            row.secret,
            row.token,
            row.left.map_or_else(|| "EXPIRED".to_owned(), validity),
            row.replaced,
            spare.unwrap_or_default()
        ));
    }
    lines.push(format!("{} s to go", goes_on.as_secs()));
    lines
}

/// Seconds, and a bar of them.
fn validity(left: f64) -> String {
    let part = (left / LONGEST_SECONDS).clamp(0.0, 1.0);
    let full = (0..BAR).filter(|mark| (*mark as f64) < part * BAR as f64);
    let full = full.count();
    format!(
        "{:>3} s [{}{}]",
        format!("{left:.0}"),
        "#".repeat(full),
        " ".repeat(BAR - full)
    )
}

/// A place on a terminal that is written again and again.
#[derive(Debug, Default)]
pub struct Screen {
    lines: usize,
}

impl Screen {
    /// What to write to the terminal so that these lines stand in place of those before.
    pub fn redraw(&mut self, lines: &[String]) -> String {
        // A line that is longer than the terminal is cut: a second row would be one too many.
        let mut text = "\x1b[?7l".to_owned();
        if self.lines > 0 {
            // Up, to the first of them.
            text.push_str(&format!("\x1b[{}A", self.lines));
        }
        for line in lines {
            // What was longer before is erased.
            text.push_str(&format!("\r{line}\x1b[K\n"));
        }
        // So are lines that are no more.
        text.push_str("\x1b[J\x1b[?7h");
        self.lines = lines.len();
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(left: Option<f64>) -> Row {
        Row {
            secret: "feide-token".to_owned(),
            token: "abc...".to_owned(),
            left,
            replaced: 2,
            spare: Some(9.6),
        }
    }

    #[test]
    fn each_token_has_a_row_with_its_time_and_one_that_is_over_says_so() {
        let lines = table(&[row(Some(15.0)), row(None)], Duration::from_secs(7));
        assert_eq!(lines.len(), 4);
        assert!(lines[1].contains(" 15 s [#####     ]"), "{lines:?}");
        assert!(lines[1].ends_with("2  10 s"), "{lines:?}");
        assert!(lines[2].contains("EXPIRED"), "{lines:?}");
        assert_eq!(lines[3], "7 s to go");
        assert!(lines.iter().all(|line| line.len() < 100), "fits: {lines:?}");
    }

    #[test]
    fn a_table_is_drawn_in_place_of_the_one_before() {
        let mut screen = Screen::default();
        let lines = ["one".to_owned(), "two".to_owned()];
        assert_eq!(
            screen.redraw(&lines),
            "\x1b[?7l\rone\x1b[K\n\rtwo\x1b[K\n\x1b[J\x1b[?7h"
        );
        assert!(screen.redraw(&lines[..1]).contains("\x1b[2A\rone"));
    }
}
