//! Output: results on standard output, problems on standard error. Never a secret: no function here accepts one.

use std::future::Future;
use std::io::{IsTerminal as _, Write as _};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::termios::tcgetwinsize;
use tokio::time::timeout;

use crate::plugin::problem::Problem;

use super::paint::{Painted, Tone, clean};

/// The time after which progress is shown.
const PATIENCE: Duration = Duration::from_secs(2);
const TICK: Duration = Duration::from_secs(1);
/// What progress shows while a provider has not answered.
pub(super) const PROVIDER: &str = "Waiting for the provider";

/// Prints a line. A closed output is no failure.
pub fn line(text: &str) {
    painted(&Painted::from(text));
}

/// Prints a line, with colours if the output supports them.
pub(super) fn painted(text: &Painted) {
    let mut out = anstream::stdout().lock();
    let _ = writeln!(out, "{text}");
    // A program may wait for it at the other end of a pipe, for example for the URL to open.
    let _ = out.flush();
}

/// Prints text for programs unchanged: JSON, YAML, scripts.
pub(super) fn raw(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", text.trim_end());
    let _ = out.flush();
}

/// Prints a line on standard error.
pub fn warn(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", clean(text));
}

/// Prints a problem. Returns the exit code.
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

/// The size of the terminal of standard output, in columns and lines; a terminal may not know either.
pub(super) fn size() -> Option<(u16, u16)> {
    let out = std::io::stdout();
    if !out.is_terminal() {
        return None;
    }
    let size = tcgetwinsize(&out).ok()?;
    Some((size.ws_col, size.ws_row))
}

/// The width of the terminal of standard output.
pub(super) fn width() -> Option<u16> {
    size()
        .map(|(columns, _)| columns)
        .filter(|columns| *columns > 0)
}

/// Waits for something. After two seconds, it shows what it waits for: on a terminal in one line that counts the
/// seconds and disappears, elsewhere once.
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

/// The progress line, which disappears when this is dropped, also after Ctrl-C.
struct Line;

impl Drop for Line {
    fn drop(&mut self) {
        let _ = write!(std::io::stderr(), "\r\x1b[2K");
    }
}

/// Whether a response that exists nowhere else is being stored: Ctrl-C waits then.
#[derive(Clone, Default)]
pub struct Storing(Arc<AtomicBool>);

impl Storing {
    /// Storing starts.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Storing has succeeded or failed.
    pub fn end(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Whether storing is in progress.
    pub fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// As JSON.
pub(crate) fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<String, Problem> {
    serde_json::to_string_pretty(value).map_err(|error| Problem::new(error.to_string()))
}

/// As YAML.
pub(crate) fn yaml<T: serde::Serialize + ?Sized>(value: &T) -> Result<String, Problem> {
    serde_saphyr::to_string(&value).map_err(|error| Problem::new(error.to_string()))
}
