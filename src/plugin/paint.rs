//! Text for a terminal: colours and tables, without control characters.
//!
//! Names and messages from a cluster may contain anything. [`clean`] removes control and direction characters. A
//! [`Painted`] consists of clean text only, and `say` prints nothing else.

use std::borrow::Cow;
use std::fmt;

use anstream::ColorChoice;
use clap::ValueEnum;
use comfy_table::{
    Attribute, Cell as TableCell, Color as TableColor, ColumnConstraint, ContentArrangement, Table,
    TableStyle,
};

/// The meaning of a piece of text, which determines its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// It is as it should be.
    Good,
    /// The user should look at it.
    Warn,
    /// It does not work.
    Bad,
    /// Of less interest.
    Quiet,
    /// A heading or name.
    Strong,
    /// Ordinary text.
    Plain,
}

impl Tone {
    /// The start sequence (ECMA-48 section 8.3.117).
    fn begin(self) -> &'static str {
        match self {
            Tone::Good => "\x1b[32m",
            Tone::Warn => "\x1b[33m",
            Tone::Bad => "\x1b[31m",
            Tone::Quiet => "\x1b[2m",
            Tone::Strong => "\x1b[1m",
            Tone::Plain => "",
        }
    }
}

/// Clean text with colours. They are removed if the output does not support them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Painted(String);

impl Painted {
    /// Adds text.
    pub(super) fn text(mut self, text: &str) -> Painted {
        self.0.push_str(&clean(text));
        self
    }

    /// Adds text in a colour.
    pub(super) fn tone(mut self, tone: Tone, text: &str) -> Painted {
        let text = clean(text);
        if tone == Tone::Plain || text.is_empty() {
            self.0.push_str(&text);
        } else {
            for part in [tone.begin(), &text, "\x1b[0m"] {
                self.0.push_str(part);
            }
        }
        self
    }

    /// Adds painted text.
    pub(super) fn then(mut self, other: &Painted) -> Painted {
        self.0.push_str(&other.0);
        self
    }

    /// With its colours.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Clears the screen and moves to its top.
    pub(super) fn screen() -> Painted {
        Painted("\x1b[H\x1b[2J\x1b[3J".to_owned())
    }

    /// The first lines.
    pub(super) fn first_lines(&self, count: usize) -> Painted {
        let lines: Vec<&str> = self.0.lines().take(count).collect();
        Painted(lines.join("\n"))
    }

    /// The lines from this one on.
    pub(super) fn lines_from(&self, first: usize) -> Painted {
        let lines: Vec<&str> = self.0.lines().skip(first).collect();
        Painted(lines.join("\n"))
    }

    /// Without line breaks at its end.
    pub(super) fn trimmed(mut self) -> Painted {
        self.0.truncate(self.0.trim_end().len());
        self
    }
}

impl From<&str> for Painted {
    fn from(text: &str) -> Painted {
        Painted::default().text(text)
    }
}

impl fmt::Display for Painted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text without control characters and characters that change the direction of writing. Line breaks and tabs stay.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    let bad = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    if text.chars().any(bad) {
        let shown = |c: char| if bad(c) { '\u{fffd}' } else { c };
        Cow::Owned(text.chars().map(shown).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// Like [`clean`], in one line.
pub(super) fn one_line(text: &str) -> String {
    clean(text).replace(['\n', '\t'], " ")
}

/// Applies the flag and the environment to colours (<https://no-color.org>).
pub(super) fn choose(color: Color) {
    let choice = match color {
        Color::Auto => ColorChoice::Auto,
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    };
    choice.write_global();
}

/// One cell of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) tone: Tone,
}

impl Cell {
    /// A cell in a colour.
    pub(super) fn new(tone: Tone, text: &str) -> Cell {
        Cell {
            text: one_line(text),
            tone,
        }
    }

    /// A cell.
    pub(super) fn plain(text: &str) -> Cell {
        Cell::new(Tone::Plain, text)
    }
}

/// A table with a header. The last column is wrapped if necessary. While the table is too wide, columns in `optional`
/// are omitted in their order.
pub(super) struct Grid {
    pub(super) head: Vec<&'static str>,
    pub(super) rows: Vec<Vec<Cell>>,
    /// The headers of optional columns, in the order in which they are omitted.
    pub(super) optional: Vec<&'static str>,
    /// Whether the last column contains sentences.
    pub(super) wraps: bool,
}

/// The gap between two columns.
const GAP: u16 = 3;
/// The minimum width of a column with sentences.
const LEAST: usize = 24;

impl Grid {
    /// Renders it; `width` is that of the terminal, `None` without one: then every row is one line.
    pub(super) fn draw(mut self, width: Option<u16>) -> Painted {
        while let Some(width) = width
            && self.least_width() > usize::from(width)
            && let Some(out) = self.next_to_leave()
        {
            self.head.remove(out);
            for row in &mut self.rows {
                row.remove(out);
            }
        }
        let mut table = Table::new();
        table
            .load_style(TableStyle::new())
            .enforce_styling()
            .set_header(
                self.head
                    .iter()
                    .map(|text| TableCell::new(text).add_attribute(Attribute::Dim)),
            )
            .add_rows(self.rows.iter().map(|row| row.iter().map(drawn)));
        let last = self.head.len().saturating_sub(1);
        let wrapped =
            self.wraps && width.is_some_and(|width| self.least_width() <= usize::from(width));
        match width {
            Some(width) if wrapped => {
                table
                    .set_width(width)
                    .set_content_arrangement(ContentArrangement::Dynamic);
            }
            _ => {
                table.set_content_arrangement(ContentArrangement::Disabled);
            }
        }
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, if index == last { 0 } else { GAP }));
            if wrapped && index != last {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        // Every cell is clean; the rest comes from the table itself.
        let lines: Vec<String> = table.lines().map(|line| without_blanks(&line)).collect();
        Painted(lines.join("\n"))
    }

    /// With columns at least as wide as these, which grow to its own. The last column and what is wider stay as they are.
    pub(super) fn at_least(mut self, widths: &mut Vec<usize>) -> Grid {
        widths.resize(self.head.len().saturating_sub(1), 0);
        for (index, width) in widths.iter_mut().enumerate() {
            let cells = self.rows.iter_mut().filter_map(|row| row.get_mut(index));
            let head = self.head.get(index).map_or(0, |head| head.chars().count());
            *width = (*width).max(head);
            for cell in cells {
                *width = (*width).max(cell.text.chars().count());
                cell.text = format!("{:<width$}", cell.text, width = *width);
            }
        }
        self
    }

    fn least_width(&self) -> usize {
        let columns = self.head.iter().enumerate().map(|(index, head)| {
            let cells = self.rows.iter().filter_map(|row| row.get(index));
            let longest = cells
                .map(|cell| cell.text.chars().count())
                .max()
                .unwrap_or(0);
            let whole = longest.max(head.chars().count());
            if self.wraps && index + 1 == self.head.len() {
                whole.min(LEAST)
            } else {
                whole + usize::from(GAP)
            }
        });
        let gap = if self.wraps { 0 } else { usize::from(GAP) };
        columns.sum::<usize>().saturating_sub(gap)
    }

    fn next_to_leave(&mut self) -> Option<usize> {
        while !self.optional.is_empty() {
            let name = self.optional.remove(0);
            if let Some(index) = self.head.iter().position(|head| *head == name) {
                return Some(index);
            }
        }
        None
    }
}

/// Removes blanks at the end of a line, including those before the sequence that ends its colour.
fn without_blanks(line: &str) -> String {
    let line = line.trim_end();
    match line.strip_suffix("\x1b[0m") {
        Some(inner) => format!("{}\x1b[0m", inner.trim_end()),
        None => line.to_owned(),
    }
}

fn drawn(cell: &Cell) -> TableCell {
    let drawn = TableCell::new(&cell.text);
    match cell.tone {
        Tone::Good => drawn.fg(TableColor::DarkGreen),
        Tone::Warn => drawn.fg(TableColor::DarkYellow),
        Tone::Bad => drawn.fg(TableColor::DarkRed),
        Tone::Quiet => drawn.add_attribute(Attribute::Dim),
        Tone::Strong => drawn.add_attribute(Attribute::Bold),
        Tone::Plain => drawn,
    }
}

#[cfg(test)]
mod tests {
    use super::testing::stripped;
    use super::*;

    fn grid(message: &str) -> Grid {
        Grid {
            head: vec!["NAME", "READY", "SECRET", "MESSAGE"],
            rows: vec![vec![
                Cell::plain("api"),
                Cell::new(Tone::Bad, "no"),
                Cell::plain("api-token"),
                Cell::plain(message),
            ]],
            optional: vec!["SECRET"],
            wraps: true,
        }
    }

    #[test]
    fn what_a_terminal_obeys_is_taken_out_of_text_from_elsewhere() {
        let hostile = "a\x1b]0;title\x07\u{9b}31m\u{202e}txt\r\nnext";
        let painted = Painted::default().tone(Tone::Bad, hostile);
        let inner = painted
            .as_str()
            .trim_start_matches("\x1b[31m")
            .trim_end_matches("\x1b[0m");
        assert!(
            !inner.chars().any(|c| c.is_control() && c != '\n'),
            "{inner:?}"
        );
        assert!(!inner.contains('\u{202e}'));
        assert_eq!(one_line("a\nb"), "a b");
        let cell = Cell::plain(hostile);
        assert!(!cell.text.chars().any(char::is_control), "{:?}", cell.text);
    }

    #[test]
    fn a_row_is_one_line_where_there_is_no_terminal() {
        let text = stripped(&grid("one two three four five six seven").draw(None));
        assert_eq!(
            text,
            "NAME   READY   SECRET      MESSAGE\napi    no      api-token   one two three four five six seven"
        );
    }

    #[test]
    fn sentences_are_broken_and_columns_left_out_as_the_width_asks_for() {
        let words = "one two three four five six seven eight nine ten";
        let drawn = stripped(&grid(words).draw(Some(60)));
        assert!(
            drawn.lines().all(|line| line.chars().count() <= 60),
            "{drawn}"
        );
        assert!(
            drawn.lines().count() > 2 && drawn.contains("SECRET"),
            "{drawn}"
        );
        let narrow = stripped(&grid(words).draw(Some(40)));
        assert!(
            narrow.lines().all(|line| line.chars().count() <= 40),
            "{narrow}"
        );
        assert!(!narrow.contains("SECRET"), "{narrow}");
    }

    #[test]
    fn rows_that_come_later_stand_in_the_same_columns() {
        let mut widths = Vec::new();
        let rows = |names: &[&str]| Grid {
            head: vec!["NAME", "READY"],
            rows: names
                .iter()
                .map(|name| vec![Cell::plain(name), Cell::plain("yes")])
                .collect(),
            optional: Vec::new(),
            wraps: false,
        };
        let first = rows(&["a", "much-longer"]).at_least(&mut widths);
        let later = rows(&["b"]).at_least(&mut widths);
        let (first, later) = (stripped(&first.draw(None)), stripped(&later.draw(None)));
        let places: Vec<_> = first
            .lines()
            .chain(later.lines())
            .map(|line| line.find("yes").or(line.find("READY")))
            .collect();
        assert_eq!(places, [Some(14); 5], "{first}\n{later}");
    }

    #[test]
    fn colours_stand_around_words_and_leave_the_columns_alone() {
        let drawn = grid("x").draw(None);
        assert!(drawn.as_str().contains("\x1b["), "{drawn:?}");
        let lines = stripped(&drawn);
        let places: Vec<_> = lines
            .lines()
            .map(|line| line.find("SECRET").or(line.find("api-token")))
            .collect();
        assert_eq!(places.first(), places.last());
    }
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal.
    Auto,
    /// Always, also in files and pipes.
    Always,
    /// Never.
    Never,
}

#[cfg(test)]
pub(super) mod testing {
    use super::Painted;

    /// The text without colours.
    pub(crate) fn stripped(painted: &Painted) -> String {
        let mut out = anstream::StripStream::new(Vec::new());
        std::io::Write::write_all(&mut out, painted.as_str().as_bytes()).unwrap();
        String::from_utf8(out.into_inner()).unwrap()
    }
}
