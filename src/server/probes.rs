//! The state behind the probes: whether the program's loops run, and whether it has started.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::clock::Clock;
use crate::lock::lock;

/// How long a loop may be silent before the process counts as dead. Every wait has a shorter deadline (at most a
/// minute), so that a loop that only waits for an unavailable API still reports.
pub const SILENCE: Duration = Duration::from_secs(300);

/// Monitors the program's loops. Cheap to clone.
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

/// The heartbeat of one loop. If it is dropped without [`Heartbeat::finish`] (because its task panicked), it falls silent,
/// and the process is restarted.
pub struct Heartbeat {
    own: Arc<Loop>,
    loops: Arc<Loops>,
}

impl Liveness {
    /// Uses the default time-out ([`SILENCE`]).
    pub fn new(clock: Clock) -> Self {
        Liveness::with_silence(clock, SILENCE)
    }

    /// Uses another time-out. For tests.
    pub fn with_silence(clock: Clock, silence: Duration) -> Self {
        Liveness(Arc::new(Loops {
            clock,
            silence,
            all: Mutex::default(),
        }))
    }

    /// Adds a loop to monitor. `/healthz` shows its `name`.
    pub fn register(&self, name: impl Into<String>) -> Heartbeat {
        let own = Arc::new(Loop {
            name: name.into(),
            last: AtomicU64::new(0),
        });
        let heartbeat = Heartbeat {
            own: Arc::clone(&own),
            loops: Arc::clone(&self.0),
        };
        heartbeat.beat();
        self.0.lock().push(own);
        heartbeat
    }

    /// `Ok` if every loop reported recently.
    ///
    /// # Errors
    /// The names of the silent loops, as text.
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
        lock(&self.all)
    }
}

impl Heartbeat {
    /// Reports that the loop runs: once per iteration, and at least every few minutes.
    pub fn beat(&self) {
        let now = u64::try_from(self.loops.clock.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.own.last.store(now, Ordering::Relaxed);
    }

    /// The loop has ended as intended and is no longer monitored.
    pub fn finish(self) {
        self.loops
            .lock()
            .retain(|task| !Arc::ptr_eq(task, &self.own));
    }
}

/// Whether the process has started and is not about to stop. Cheap to clone.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Mutex<ReadinessState>>);

#[derive(Default)]
struct ReadinessState {
    stage: Stage,
    /// The missing required permissions, as text.
    missing: Option<String>,
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

    /// Leading, and waiting for the first complete lists: ready.
    pub fn listing(&self) {
        self.set(Stage::Listing);
    }

    /// Something required is missing, described as text; `None` once it is there. Until then, not ready.
    pub fn set_missing(&self, what: Option<String>) {
        self.state().missing = what;
    }

    /// `Ok` with the role if ready.
    ///
    /// # Errors
    /// The stage or the missing permission, as text.
    pub fn check(&self) -> Result<String, String> {
        let state = self.state();
        let role = match state.stage {
            Stage::Starting => return Err("not ready: starting".to_owned()),
            Stage::Stopping => return Err("not ready: stopping".to_owned()),
            Stage::Standby => "standing by for the Lease",
            Stage::Listing => "leading, and waiting for the first lists",
            Stage::Leading => "leading",
        };
        match &state.missing {
            None => Ok(format!("ready: {role}")),
            Some(missing) => Err(format!("not ready: {role}, but {missing}")),
        }
    }

    fn set(&self, stage: Stage) {
        let mut now = self.state();
        if now.stage != Stage::Stopping {
            now.stage = stage;
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, ReadinessState> {
        lock(&self.0)
    }
}
