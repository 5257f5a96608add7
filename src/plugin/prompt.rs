//! Reads secrets from the terminal without echo, or from standard input.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::oauth::request::single_line;
use crate::plugin::problem::Problem;
use crate::secret::Secret;

/// The maximum size of a credential.
const MOST: u64 = 64 << 10;

/// Prompts at the terminal without echo.
pub(super) async fn hidden(question: &str, instead: &str) -> Result<Secret, Problem> {
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty");
    let mut terminal = terminal.map_err(|_| {
        Problem::new(format!(
            "there is no terminal to ask at: {instead} reads it from standard input"
        ))
    })?;
    let failed = |error: io::Error| Problem::new(format!("the terminal cannot be used: {error}"));
    // Restored when this is dropped, also after Ctrl-C.
    let _quiet = Quiet::on(&terminal).map_err(failed)?;
    write!(terminal, "{question}: ").map_err(failed)?;
    let input = terminal.try_clone().map_err(failed)?;
    let line = tokio::task::spawn_blocking(move || line(input)).await;
    let _ = writeln!(terminal);
    let line = line
        .map_err(|_| Problem::new("the prompt ended"))?
        .map_err(failed)?;
    usable(&line, question)
}

/// Whether there is a terminal for prompts.
pub(super) fn is_interactive() -> bool {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .is_ok()
}

/// Prompts at the terminal for something that is not secret.
pub(super) async fn shown(question: &str, instead: &str) -> Result<String, Problem> {
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty");
    let mut terminal = terminal
        .map_err(|_| Problem::new(format!("there is no terminal to ask at: give {instead}")))?;
    let failed = |error: io::Error| Problem::new(format!("the terminal cannot be used: {error}"));
    write!(terminal, "{question}: ").map_err(failed)?;
    let line = tokio::task::spawn_blocking(move || line(terminal)).await;
    let line = line
        .map_err(|_| Problem::new("the prompt ended"))?
        .map_err(failed)?;
    match line.trim() {
        "" => Err(Problem::new("nothing was given")),
        text if text.chars().any(char::is_control) => {
            Err(Problem::new("that holds a control character"))
        }
        text => Ok(text.to_owned()),
    }
}

/// Reads standard input to its end and removes a line break at the end.
pub(super) async fn piped(what: &str) -> Result<Secret, Problem> {
    let text = tokio::task::spawn_blocking(|| {
        let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
        io::stdin().lock().take(MOST + 1).read_to_end(&mut bytes)?;
        Ok::<_, io::Error>(bytes)
    });
    let bytes = text
        .await
        .map_err(|_| Problem::new("standard input ended"))?
        .map_err(|error| Problem::new(format!("standard input cannot be read: {error}")))?;
    if bytes.len() as u64 > MOST {
        return Err(Problem::new(format!("{what}: that is more than 64 KiB")));
    }
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Problem::new(format!("{what}: that is not text in UTF-8")))?;
    usable(text, what)
}

fn line(input: File) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(1024));
    BufReader::new(input.take(MOST)).read_line(&mut text)?;
    Ok(text)
}

fn usable(text: &str, what: &str) -> Result<Secret, Problem> {
    match single_line(text) {
        "" => Err(Problem::new(format!("{what}: nothing was given"))),
        line if line.chars().any(char::is_control) => Err(Problem::new(format!(
            "{what}: it holds a line break or another control character: give it as one line"
        ))),
        line => Ok(Secret::from(line)),
    }
}

/// Disables the echo of the terminal until it is dropped.
struct Quiet {
    terminal: File,
    before: Termios,
}

impl Quiet {
    fn on(terminal: &File) -> io::Result<Quiet> {
        let terminal = terminal.try_clone()?;
        let before = tcgetattr(&terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&terminal, OptionalActions::Flush, &quiet)?;
        Ok(Quiet { terminal, before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_break_at_the_end_is_dropped_and_others_are_refused() {
        assert_eq!(usable("s3cret\n", "x").unwrap().expose(), Some("s3cret"));
        assert_eq!(usable("s3cret\r\n", "x").unwrap().expose(), Some("s3cret"));
        for text in ["", "\n", "a\nb\n", "a\0"] {
            assert!(usable(text, "x").is_err(), "{text:?}");
        }
    }
}
