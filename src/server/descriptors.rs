//! File descriptors: uses as many as the system allows, and reserves some so that probes are answered when all are in
//! use.

use std::fs::File;

use rustix::process::{Resource, getrlimit, setrlimit};

/// Descriptors that each port reserves.
const KEPT: usize = 4;

/// The maximum for the soft limit: far more than the operator ever opens.
const MOST: u64 = 65_536;

/// Raises the soft limit of open files to the hard limit, at most to 65,536. On many systems it is 1,024, which some
/// hundred token requests and foreign connections could use up.
pub fn raise_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(MOST).min(MOST);
    if limit.current.is_none_or(|now| now >= wanted) {
        return;
    }
    limit.current = Some(wanted);
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, wanted, "cannot raise the limit of open files; keeping the one there is");
    }
}

/// The limit of open files.
pub(super) fn limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(MOST)
}

/// Unused descriptors that are closed when an accept finds none free.
pub(super) struct Reserve(Vec<File>);

impl Reserve {
    pub(super) fn new() -> Self {
        let mut reserve = Reserve(Vec::with_capacity(KEPT));
        reserve.fill();
        reserve
    }

    /// Opens descriptors until the reserve is full again, if possible.
    pub(super) fn fill(&mut self) {
        while self.0.len() < KEPT {
            match File::open("/dev/null") {
                Ok(file) => self.0.push(file),
                Err(_) => return,
            }
        }
    }

    /// Frees one descriptor; `false` if none is left.
    pub(super) fn give(&mut self) -> bool {
        self.0.pop().is_some()
    }
}
