//! A text that consists of words of this program and of values that others wrote.
//!
//! The two are kept apart until the text is displayed, so that only values are shortened, and nothing that others wrote can
//! be taken for a word of this program.

use std::borrow::Cow;
use std::fmt::{self, Write};

use crate::command::printable;
use crate::conditions::{ConditionType, Reason};
use crate::time::{Span, Time};

/// The maximum length of a message in characters, not counting its command.
pub const MOST: usize = 300;
/// Values are not shortened to fewer characters than this.
const SHORTEST: usize = 10;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Words(Cow<'static, str>),
    Value(String),
}

impl Piece {
    /// Its length in characters.
    fn length(&self) -> usize {
        match self {
            Piece::Words(words) => words.chars().count(),
            Piece::Value(value) => value.chars().count(),
        }
    }
}

/// Words and values. It can be displayed and put into another text, nothing else: no text is searched or cut by what it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(Vec<Piece>);

/// What can be a part of a text. A string is a value that others wrote; a literal is words of this program.
pub trait Part {
    /// Adds it to a text.
    fn add_to(&self, text: &mut Text);
}

impl Part for &'static str {
    fn add_to(&self, text: &mut Text) {
        text.0.push(Piece::Words(Cow::Borrowed(self)));
    }
}

impl Part for String {
    fn add_to(&self, text: &mut Text) {
        text.0.push(Piece::Value(printable(self).into_owned()));
    }
}

impl Part for &String {
    fn add_to(&self, text: &mut Text) {
        (*self).add_to(text);
    }
}

impl Part for &Text {
    fn add_to(&self, text: &mut Text) {
        (*self).add_to(text);
    }
}

impl Part for Text {
    fn add_to(&self, text: &mut Text) {
        text.0.extend(self.0.iter().cloned());
    }
}

/// What this program writes itself, and what is short.
macro_rules! own_words {
    ($($type:ty)*) => {
        $(
            impl Part for $type {
                fn add_to(&self, text: &mut Text) {
                    text.0.push(Piece::Words(Cow::Owned(self.to_string())));
                }
            }
            impl Part for &$type {
                fn add_to(&self, text: &mut Text) {
                    (*self).add_to(text);
                }
            }
        )*
    };
}

own_words!(u16 u32 usize Reason Time Span);

impl Part for ConditionType {
    fn add_to(&self, text: &mut Text) {
        self.as_str().add_to(text);
    }
}

/// A text of its parts, in this order.
macro_rules! text {
    ($($part:expr),* $(,)?) => {{
        #[allow(unused_mut, reason = "an empty text")]
        let mut text = $crate::messages::Text::default();
        $($crate::messages::Part::add_to(&$part, &mut text);)*
        text
    }};
}
pub(super) use text;

impl Text {
    /// A text that is displayed as it is. It was made by this program, and is printable and short.
    pub(super) fn own(words: impl fmt::Display) -> Text {
        let words = printable(&words.to_string()).into_owned();
        Text(vec![Piece::Words(Cow::Owned(words))])
    }

    /// Values, separated by `between`.
    pub(super) fn list(values: &[String], between: &'static str) -> Text {
        let mut text = Text::default();
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                between.add_to(&mut text);
            }
            value.add_to(&mut text);
        }
        text
    }

    /// Whether it has no characters.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|piece| piece.length() == 0)
    }

    /// Its length in characters, with its values as short as possible.
    pub(super) fn shortest(&self) -> usize {
        let length = |piece: &Piece| match piece {
            Piece::Words(_) => piece.length(),
            Piece::Value(_) => piece.length().min(SHORTEST),
        };
        self.0.iter().map(length).sum()
    }

    pub(super) fn write(&self, longest: usize, out: &mut impl Write) -> fmt::Result {
        for piece in &self.0 {
            match piece {
                Piece::Words(words) => out.write_str(words)?,
                Piece::Value(value) => out.write_str(&shortened(value, longest))?,
            }
        }
        Ok(())
    }
}

/// The maximum length of values with which texts have at most `most` characters together.
pub(super) fn longest_value<'a>(texts: impl Iterator<Item = &'a Text>, most: usize) -> usize {
    let mut of_words = 0;
    let mut of_values = Vec::new();
    for piece in texts.flat_map(|text| &text.0) {
        match piece {
            Piece::Words(_) => of_words += piece.length(),
            Piece::Value(_) => of_values.push(piece.length()),
        }
    }
    let fits = |longest: usize| {
        let shortened = of_values.iter().map(|length| longest.min(*length));
        of_words + shortened.sum::<usize>() <= most
    };
    (SHORTEST..=most)
        .rev()
        .find(|longest| fits(*longest))
        .unwrap_or(SHORTEST)
}

/// A value with at most `most` characters: its beginning and its end, which tell names of one row apart.
fn shortened(value: &str, most: usize) -> Cow<'_, str> {
    let length = value.chars().count();
    if length <= most {
        return Cow::Borrowed(value);
    }
    let kept = most.saturating_sub(1);
    let end = kept / 3;
    let begin = kept - end;
    let shown = value.chars().take(begin).chain(['…']);
    Cow::Owned(shown.chain(value.chars().skip(length - end)).collect())
}

/// The text with at most [`MOST`] characters.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(longest_value(std::iter::once(self), MOST), f)
    }
}
