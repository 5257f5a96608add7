//! What is printed: what is done on standard output, what went wrong on standard error. Never a secret: nothing here takes
//! one.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Problem;

/// Prints a line. A reader that has gone away is no failure.
pub fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}");
    // Somebody may wait for it at the other end of a pipe, such as for the address to open.
    let _ = out.flush();
}

/// Prints a line on standard error.
pub fn warn(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Says what went wrong; the exit code.
pub fn failed(problem: &Problem) -> ExitCode {
    warn(&format!("error: {}", problem.message));
    ExitCode::from(problem.code)
}

/// Whether an answer is being stored that is nowhere else: Ctrl-C waits then.
#[derive(Clone, Default)]
pub struct Storing(Arc<AtomicBool>);

impl Storing {
    /// From now on it is.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it is.
    pub fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
