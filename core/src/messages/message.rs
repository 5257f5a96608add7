//! A message with its three parts.

use std::fmt;

use crate::command::Command;

use super::text::{MOST, Text, longest_value};

/// What to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remedy {
    advice: Text,
    /// It comes last and is never shortened.
    command: Option<Command>,
}

impl Remedy {
    /// Without a command.
    pub(super) fn advice(advice: Text) -> Remedy {
        Remedy {
            advice,
            command: None,
        }
    }

    /// With a command after the advice, which ends with a colon.
    pub(super) fn run(advice: Text, command: Command) -> Remedy {
        Remedy {
            advice,
            command: Some(command),
        }
    }
}

/// A finding in words for one audience, without what still works.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    happened: Text,
    remedy: Remedy,
}

impl Explanation {
    pub(super) fn new(happened: Text, remedy: Remedy) -> Explanation {
        Explanation { happened, remedy }
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

    /// The command that it suggests.
    pub fn command(&self) -> Option<&Command> {
        self.remedy.command.as_ref()
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
        match &self.remedy.command {
            Some(command) => write!(f, "{between}{command}"),
            None => Ok(()),
        }
    }
}
