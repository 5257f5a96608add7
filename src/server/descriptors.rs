//! File descriptors: as many as the system allows, and a few kept aside so that a probe is answered when all are in use.

use std::fs::File;

use rustix::process::{Resource, getrlimit, setrlimit};

/// Descriptors kept aside by each port.
const KEPT: usize = 4;

/// The most that the soft limit is raised to: far above what the operator ever opens.
const MOST: u64 = 65_536;

/// Raises the soft limit of open files to the hard one, at most to 65,536. Many systems begin with 1,024, which a few
/// hundred token requests and the connections of strangers could use up.
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

/// How many files may be open.
pub(super) fn limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(MOST)
}

/// Descriptors that stand for nothing, to be given up when an accept finds none free.
pub(super) struct Reserve(Vec<File>);

impl Reserve {
    pub(super) fn new() -> Self {
        let mut reserve = Reserve(Vec::with_capacity(KEPT));
        reserve.fill();
        reserve
    }

    /// Takes descriptors until there are as many as before, as far as there are any.
    pub(super) fn fill(&mut self) {
        while self.0.len() < KEPT {
            match File::open("/dev/null") {
                Ok(file) => self.0.push(file),
                Err(_) => return,
            }
        }
    }

    /// Frees one descriptor; `false` when none is left.
    pub(super) fn give(&mut self) -> bool {
        self.0.pop().is_some()
    }
}
