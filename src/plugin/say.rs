//! What is printed: what is done on standard output, what went wrong on standard error. Never a secret: nothing here takes
//! one.

use std::future::Future;
use std::io::{IsTerminal as _, Write as _};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::termios::tcgetwinsize;
use tokio::time::timeout;

use super::Problem;
use super::paint::{Painted, Tone, clean};

/// After this long people are told what is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
const TICK: Duration = Duration::from_secs(1);

/// Prints a line. A reader that has gone away is no failure.
pub fn line(text: &str) {
    painted(&Painted::from(text));
}

/// Prints a line with colours, where the output shows them.
pub(super) fn painted(text: &Painted) {
    let mut out = anstream::stdout().lock();
    let _ = writeln!(out, "{text}");
    // Somebody may wait for it at the other end of a pipe, such as for the address to open.
    let _ = out.flush();
}

/// Prints text for programs as it is: JSON, YAML, scripts.
pub(super) fn raw(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", text.trim_end());
    let _ = out.flush();
}

/// Prints a line on standard error.
pub fn warn(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", clean(text));
}

/// Says what went wrong; the exit code.
pub fn failed(problem: &Problem) -> ExitCode {
    if !problem.message.is_empty() {
        let text = Painted::default()
            .tone(Tone::Bad, "error:")
            .text(" ")
            .text(&problem.message);
        let _ = writeln!(anstream::stderr(), "{text}");
    }
    ExitCode::from(problem.code)
}

/// How many columns and lines the terminal has that standard output goes to.
pub(super) fn size() -> Option<(u16, u16)> {
    let out = std::io::stdout();
    if !out.is_terminal() {
        return None;
    }
    let size = tcgetwinsize(&out).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}

/// How wide the terminal is that standard output goes to.
pub(super) fn width() -> Option<u16> {
    size().map(|(columns, _)| columns)
}

/// Waits for something; if that takes longer than two seconds, says what is waited for: on a terminal in one line that counts
/// the seconds and goes away, elsewhere once.
pub(super) async fn progress<T>(what: &str, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    if let Ok(done) = timeout(PATIENCE, &mut work).await {
        return done;
    }
    if !std::io::stderr().is_terminal() {
        warn(&format!("{what} ..."));
        return work.await;
    }
    let _line = Line;
    let mut seconds = PATIENCE.as_secs();
    loop {
        let _ = write!(std::io::stderr(), "\r\x1b[2K{} ({seconds} s)", clean(what));
        match timeout(TICK, &mut work).await {
            Ok(done) => return done,
            Err(_) => seconds += TICK.as_secs(),
        }
    }
}

/// The line of what is waited for: gone when this is dropped, by Ctrl-C too.
struct Line;

impl Drop for Line {
    fn drop(&mut self) {
        let _ = write!(std::io::stderr(), "\r\x1b[2K");
    }
}

/// Whether an answer is being stored that is nowhere else: Ctrl-C waits then.
#[derive(Clone, Default)]
pub struct Storing(Arc<AtomicBool>);

impl Storing {
    /// From now on it is.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// It was stored, or could not be.
    pub fn end(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Whether it is.
    pub fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
