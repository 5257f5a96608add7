//! What the probes ask: do our own loops turn, and have we started.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Clock;

/// How long a loop may be silent before the process counts as dead. Every wait has a deadline below it, the longest being
/// a minute, so that a loop which only waits for an API that is away still gives signs of life.
pub const SILENCE: Duration = Duration::from_secs(300);

/// Watches over our own loops. Cheap to clone.
#[derive(Clone)]
pub struct Liveness(Arc<Loops>);

struct Loops {
    clock: Clock,
    silence: Duration,
    all: Mutex<Vec<Arc<Loop>>>,
}

struct Loop {
    name: String,
    last: AtomicU64,
}

/// The sign of life of one loop. One that is dropped without [`Beat::finish`] (its task panicked) falls silent, and the
/// process is restarted for it.
pub struct Beat {
    own: Arc<Loop>,
    loops: Arc<Loops>,
}

impl Liveness {
    /// Watches with the usual patience ([`SILENCE`]).
    pub fn new(clock: Clock) -> Self {
        Liveness::with_silence(clock, SILENCE)
    }

    /// Watches with another patience. For tests.
    pub fn with_silence(clock: Clock, silence: Duration) -> Self {
        Liveness(Arc::new(Loops {
            clock,
            silence,
            all: Mutex::default(),
        }))
    }

    /// A new loop to watch over, from now on. `name` is what `/healthz` calls it.
    pub fn register(&self, name: impl Into<String>) -> Beat {
        let own = Arc::new(Loop {
            name: name.into(),
            last: AtomicU64::new(0),
        });
        let beat = Beat {
            own: Arc::clone(&own),
            loops: Arc::clone(&self.0),
        };
        beat.tick();
        self.0.lock().push(own);
        beat
    }

    /// `Ok` when every loop gave a sign of life lately, else which did not. In words.
    ///
    /// # Errors
    /// With the names of the silent loops.
    pub fn check(&self) -> Result<String, String> {
        let now = self.0.clock.elapsed();
        let mut silent = String::new();
        for task in self.0.lock().iter() {
            let last = Duration::from_millis(task.last.load(Ordering::Relaxed));
            let quiet = now.saturating_sub(last);
            if quiet > self.0.silence {
                let _ = write!(
                    silent,
                    "{}{} (for {} s)",
                    if silent.is_empty() { "" } else { ", " },
                    task.name,
                    quiet.as_secs()
                );
            }
        }
        if silent.is_empty() {
            Ok("alive".to_owned())
        } else {
            Err(format!("no sign of life from: {silent}"))
        }
    }
}

impl Loops {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Loop>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Beat {
    /// A sign of life: to be given at every turn of the loop, and at least every few minutes.
    pub fn tick(&self) {
        let now = u64::try_from(self.loops.clock.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.own.last.store(now, Ordering::Relaxed);
    }

    /// The loop has ended as it should, and is no longer watched over.
    pub fn finish(self) {
        self.loops
            .lock()
            .retain(|task| !Arc::ptr_eq(task, &self.own));
    }
}

/// Whether the process has started and is not about to stop. Cheap to clone.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Mutex<Standing>>);

#[derive(Default)]
struct Standing {
    stage: Stage,
    /// What the operator cannot do without and does not have, in words.
    lacks: Option<String>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Starting,
    Standby,
    Listing,
    Leading,
    Stopping,
}

impl Readiness {
    /// Started, and waiting for the Lease: ready.
    pub fn standby(&self) {
        self.set(Stage::Standby);
    }

    /// Working: ready.
    pub fn leading(&self) {
        self.set(Stage::Leading);
    }

    /// Draining: not ready, for good.
    pub fn stopping(&self) {
        self.set(Stage::Stopping);
    }

    /// Leading, and on the way to the first complete lists: ready.
    pub fn listing(&self) {
        self.set(Stage::Listing);
    }

    /// Something is missing that nothing works without, in words; `None` once it is there. Not ready as long as it is.
    pub fn lacks(&self, what: Option<String>) {
        self.standing().lacks = what;
    }

    /// `Ok` when ready, and in which role, else why not. In words.
    ///
    /// # Errors
    /// With the stage that is not a ready one, or with what is missing.
    pub fn check(&self) -> Result<String, String> {
        let standing = self.standing();
        let role = match standing.stage {
            Stage::Starting => return Err("not ready: starting".to_owned()),
            Stage::Stopping => return Err("not ready: stopping".to_owned()),
            Stage::Standby => "standing by for the Lease",
            Stage::Listing => "leading, and waiting for the first lists",
            Stage::Leading => "leading",
        };
        match &standing.lacks {
            None => Ok(format!("ready: {role}")),
            Some(lacks) => Err(format!("not ready: {role}, but {lacks}")),
        }
    }

    fn set(&self, stage: Stage) {
        let mut now = self.standing();
        if now.stage != Stage::Stopping {
            now.stage = stage;
        }
    }

    fn standing(&self) -> std::sync::MutexGuard<'_, Standing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
