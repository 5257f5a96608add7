//! Commands in messages. People copy them into a shell, so every value in them is quoted here and nowhere else.
//!
//! A [`Command`] consists of fixed words of this program and of foreign values: names, hosts, audiences, anything in a
//! manifest or a discovery document. It becomes text only when it is displayed.

use std::borrow::Cow;
use std::fmt;

/// The text instead of a command that cannot be shown safely.
pub const BY_HAND: &str =
    "edit it by hand, since a value of the command has characters that cannot be copied safely";

/// A command for a POSIX shell, as a list of words.
///
/// When displayed, each word is quoted if necessary, and the text never ends with a full stop, so that the end of a
/// sentence cannot be taken for part of it. If a value has control or invisible characters, or could be read as an
/// option, the text is a sentence that says so instead of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    words: Vec<Cow<'static, str>>,
    /// The key of a last word whose value is the time when the command runs, and that word.
    now: Option<(&'static str, String)>,
    safe: bool,
}

/// What a shell replaces by the time in seconds since 1970.
const NOW: &str = "$(date +%s)";

impl Command {
    /// `kubectl` with these fixed words.
    pub fn kubectl(words: &[&'static str]) -> Command {
        Command {
            words: vec![Cow::Borrowed("kubectl")],
            now: None,
            safe: true,
        }
        .fixed(words)
    }

    /// `kubectl auth can-i`, which checks a permission of the operator, such as `get secrets`.
    pub fn can_i(right: &str, namespace: &str) -> Command {
        Command::kubectl(&["auth", "can-i"])
            .split(right)
            .namespace(namespace)
            .fixed(&[
                "--as",
                "system:serviceaccount:oauthclient-system:oauthclient-operator",
            ])
    }

    /// Additional fixed words.
    #[must_use]
    pub fn fixed(mut self, words: &[&'static str]) -> Command {
        self.words.extend(words.iter().copied().map(Cow::Borrowed));
        self
    }

    /// A value as a separate word. One that starts with `-` would be read as an option.
    #[must_use]
    pub fn value(self, value: &str) -> Command {
        let is_option = value.starts_with('-') || value.is_empty();
        self.word(value.to_owned(), !is_option)
    }

    /// Several words of this program, separated by white space, such as a permission; options are allowed.
    #[must_use]
    pub fn split(self, words: &str) -> Command {
        words
            .split_whitespace()
            .fold(self, |command, word| command.word(word.to_owned(), true))
    }

    /// `-n NAMESPACE`.
    #[must_use]
    pub fn namespace(self, namespace: &str) -> Command {
        self.fixed(&["-n"]).value(namespace)
    }

    /// `KEY=VALUE` as one word.
    #[must_use]
    pub fn pair(self, key: &'static str, value: &str) -> Command {
        self.word(format!("{key}={value}"), true)
    }

    /// `KEY=TIME` as the last word. The shell inserts the time, so that the value is new each time.
    #[must_use]
    pub fn now(mut self, key: &'static str) -> Command {
        self.now = Some((key, format!("{key}={NOW}")));
        self
    }

    /// The words as a shell passes them to the program, but with an unexpanded time ([`Command::now`]); `None` if there is no
    /// command to show.
    pub fn words(&self) -> Option<Vec<&str>> {
        self.safe.then(|| {
            let now = self.now.as_ref().map(|(_, word)| word.as_str());
            self.words.iter().map(AsRef::as_ref).chain(now).collect()
        })
    }

    fn word(mut self, word: String, safe: bool) -> Command {
        self.safe &= safe && word.chars().all(is_copied_as_shown);
        self.words.push(Cow::Owned(word));
        self
    }
}

/// Quotes one word. Plain words stay readable, as `key=value`. A word that ends like a sentence is quoted too.
fn quoted(word: &str) -> Option<Cow<'_, str>> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./_-".contains(c);
    let starts_well = word.starts_with(|c: char| c.is_ascii_alphanumeric() || "-./".contains(c));
    if word.chars().all(is_plain) && starts_well {
        let ends_a_sentence = word.ends_with(['.', ',', ':']);
        return Some(match ends_a_sentence {
            true => Cow::Owned(format!("'{word}'")),
            false => Cow::Borrowed(word),
        });
    }
    shlex::try_quote(word).ok()
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Option<Vec<_>> = self.words.iter().map(|word| quoted(word)).collect();
        match words {
            Some(words) if self.safe => {
                f.write_str(&words.join(" "))?;
                match self.now {
                    Some((key, _)) => write!(f, " {key}=\"{NOW}\""),
                    None => Ok(()),
                }
            }
            _ => f.write_str(BY_HAND),
        }
    }
}

/// Whether a character is copied from a screen as it is shown: no control characters, no invisible ones, and none that
/// change the direction of writing.
pub fn is_copied_as_shown(c: char) -> bool {
    !c.is_control() && !is_invisible(c)
}

/// Characters that are invisible or change how their neighbours are displayed: Unicode's bidirectional controls,
/// zero-width characters, line and paragraph separators, tags and variation selectors.
fn is_invisible(c: char) -> bool {
    matches!(
        u32::from(c),
        0xAD | 0x34F
            | 0x61C
            | 0x115F..=0x1160
            | 0x17B4..=0x17B5
            | 0x180B..=0x180F
            | 0x200B..=0x200F
            | 0x2028..=0x202E
            | 0x2060..=0x206F
            | 0x3164
            | 0xFE00..=0xFE0F
            | 0xFEFF
            | 0xFFA0
            | 0xFFF0..=0xFFFB
            | 0xE0000..=0xE0FFF
    )
}

/// The text for people, with U+FFFD for every character that is not displayed as it is.
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_copied_as_shown) {
        return Cow::Borrowed(text);
    }
    let shown = |c| if is_copied_as_shown(c) { c } else { '\u{fffd}' };
    Cow::Owned(text.chars().map(shown).collect())
}

/// A list of an annotation with one more entry, for a command.
pub fn with_entry(list: Option<&String>, one: &str) -> String {
    match list.map(|list| list.trim()).filter(|list| !list.is_empty()) {
        Some(list) => format!("{list},{one}"),
        _ => one.to_owned(),
    }
}
