//! A child's output, kept in memory and in a file as it comes.

use crate::{Context, Result};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One of a child's two streams.
#[derive(Debug)]
pub(super) struct Capture {
    bytes: Mutex<Vec<u8>>,
    whole: AtomicBool,
}

impl Capture {
    /// Reads until the child closes its end, on a thread that is never joined.
    pub(super) fn start(mut pipe: Box<dyn Read + Send>, path: &Path) -> Result<Arc<Capture>> {
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(path)
            .context(|| format!("cannot write {}", path.display()))?;
        let capture = Arc::new(Capture {
            bytes: Mutex::default(),
            whole: AtomicBool::new(false),
        });
        let filled = Arc::clone(&capture);
        std::thread::spawn(move || {
            let mut piece = [0; 8192];
            // An error ends it as the end does: the child is gone.
            while let Ok(count @ 1..) = pipe.read(&mut piece) {
                let piece = piece.get(..count).unwrap_or_default();
                filled.lock().extend_from_slice(piece);
                // The file is for people; a full disk must not stop the child.
                let _in_memory_anyway = file.write_all(piece);
            }
            filled.whole.store(true, Ordering::Release);
        });
        Ok(capture)
    }

    /// Everything so far; what is not UTF-8 is replaced.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock()).into_owned()
    }

    pub(super) fn contains(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.lock()).contains(text)
    }

    /// Whether nothing more can come.
    pub(super) fn is_whole(&self) -> bool {
        self.whole.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
