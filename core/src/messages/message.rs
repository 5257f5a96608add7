//! A message with its three parts.

use std::fmt;

use crate::command::{Command, printable};

use super::text::{MOST, Text, longest_value, text};

/// What to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remedy {
    advice: Text,
    copied: Option<Copied>,
}

/// What people copy. It comes last and is never shortened.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Copied {
    Command(Command),
    Text(String),
}

impl fmt::Display for Copied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Copied::Command(command) => command.fmt(f),
            Copied::Text(text) => f.write_str(text),
        }
    }
}

impl Remedy {
    /// Without a command.
    pub(super) fn advice(advice: Text) -> Remedy {
        Remedy {
            advice,
            copied: None,
        }
    }

    /// With a command after the advice, which ends with a colon.
    pub(super) fn run(advice: Text, command: Command) -> Remedy {
        Remedy {
            advice,
            copied: Some(Copied::Command(command)),
        }
    }

    /// With a value to copy after the advice, which ends with a colon.
    pub(super) fn set(advice: Text, value: &str) -> Remedy {
        Remedy {
            advice,
            copied: Some(Copied::Text(printable(value).into_owned())),
        }
    }
}

/// A finding in words for one audience, without what still works.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    happened: Text,
    remedy: Remedy,
}

/// An explanation as `status.attempt` stores it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredExplanation {
    /// What happened.
    pub happened: String,
    /// What to do.
    pub remedy: String,
    /// The command for it.
    pub command: Option<String>,
}

/// The maximum length of a stored explanation in characters, without its command: a message adds what still works, and when
/// the request is repeated.
const MOST_STORED: usize = 175;

impl Explanation {
    pub(super) fn new(happened: Text, remedy: Remedy) -> Explanation {
        Explanation { happened, remedy }
    }

    /// With what follows from it, unless a status could not store both.
    #[must_use]
    pub fn and_if_it_fits(self, then: &Text) -> Explanation {
        let longer = Explanation {
            happened: text![self.happened, " ", then],
            remedy: self.remedy.clone(),
        };
        match longer.shortest() > MOST_STORED {
            true => self,
            false => longer,
        }
    }

    /// Its length with its values as short as possible, without its command.
    fn shortest(&self) -> usize {
        let texts = [&self.happened, &self.remedy.advice];
        texts.map(|text| text.shortest()).iter().sum()
    }

    /// What happened, as a sentence.
    pub fn happened(&self) -> &Text {
        &self.happened
    }

    /// The same with its values shortened, as a status stores it and as it is shown from now on.
    #[must_use]
    pub fn shortened(&self) -> Explanation {
        Explanation::restore(&self.stored())
    }

    /// As a status stores it.
    pub fn stored(&self) -> StoredExplanation {
        let texts = [&self.happened, &self.remedy.advice];
        let longest = longest_value(texts.into_iter(), MOST_STORED);
        let written = texts.map(|text| {
            let mut out = String::new();
            let written = text.write(longest, &mut out);
            debug_assert!(written.is_ok(), "a String takes everything");
            out
        });
        let [happened, remedy] = written;
        StoredExplanation {
            happened,
            remedy,
            command: self.remedy.copied.as_ref().map(ToString::to_string),
        }
    }

    /// From a status. The texts are shown as they are.
    pub fn restore(stored: &StoredExplanation) -> Explanation {
        let copied = stored.command.as_deref();
        let remedy = Remedy {
            advice: Text::own(&stored.remedy),
            copied: copied.map(|text| Copied::Text(printable(text).into_owned())),
        };
        Explanation::new(Text::own(&stored.happened), remedy)
    }

    /// The message, where a token is no matter.
    pub fn message(self) -> Message {
        self.with(Text::default())
    }

    /// The message, with what still works.
    pub fn with(self, works: Text) -> Message {
        Message {
            begin: vec![self.happened, works],
            notes: Vec::new(),
            remedy: self.remedy,
        }
    }
}

/// A message for people. It can be displayed, and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    begin: Vec<Text>,
    /// Other findings, each with a length of its own.
    notes: Vec<Text>,
    remedy: Remedy,
}

impl Message {
    /// A message that needs no remedy.
    pub(super) fn of(text: Text) -> Message {
        Explanation::new(text, Remedy::default()).message()
    }

    /// The message with another sentence before the remedy.
    #[must_use]
    pub fn and(mut self, text: Text) -> Message {
        self.begin.push(text);
        self
    }

    /// The message with other findings before the remedy.
    #[must_use]
    pub fn noting(mut self, notes: impl IntoIterator<Item = Text>) -> Message {
        self.notes.extend(notes);
        self
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.texts().next().is_none() && self.notes.is_empty()
    }

    /// What people copy of it: a command or a value.
    #[cfg(test)]
    pub(super) fn copied(&self) -> Option<String> {
        self.remedy.copied.as_ref().map(ToString::to_string)
    }

    /// The command that it suggests.
    pub fn command(&self) -> Option<&Command> {
        match &self.remedy.copied {
            Some(Copied::Command(command)) => Some(command),
            _ => None,
        }
    }

    /// The texts that count for the maximum length.
    fn texts(&self) -> impl Iterator<Item = &Text> {
        let texts = self.begin.iter().chain([&self.remedy.advice]);
        texts.filter(|text| !text.is_empty())
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spaces = self.texts().count().saturating_sub(1);
        let longest = longest_value(self.texts(), MOST - spaces);
        let mut between = "";
        let begin = self.begin.iter().map(|text| (text, longest));
        let notes = self.notes.iter().map(|text| {
            let longest = longest_value(std::iter::once(text), MOST);
            (text, longest)
        });
        let advice = (&self.remedy.advice, longest);
        for (text, longest) in begin.chain(notes).chain([advice]) {
            if !text.is_empty() {
                f.write_str(between)?;
                text.write(longest, f)?;
                between = " ";
            }
        }
        match &self.remedy.copied {
            Some(copied) => write!(f, "{between}{copied}"),
            None => Ok(()),
        }
    }
}
