//! Virtual time, as a process sees it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use oauthclient_operator::clock::TimeSource;
use oauthclient_operator::time::{HostTime, Time};
use tokio::time::Instant;

use super::draws::Draws;

/// The wall clock's time when a world begins: a Monday in November 2026.
pub const EPOCH: i64 = 1_795_996_800_000;

/// Virtual time, by tokio's paused clock.
#[expect(
    clippy::disallowed_methods,
    reason = "tokio's clock is paused: it is the virtual time"
)]
pub fn instant() -> Instant {
    Instant::now()
}

/// The clocks and the dice of one process.
pub struct ProcessTime {
    world_begun: Instant,
    begun: Instant,
    /// What the machine's wall clock is ahead of true time, in milliseconds; shared by all processes of the machine.
    offset: std::sync::Arc<AtomicI64>,
    draws: Mutex<Draws>,
}

impl ProcessTime {
    pub fn new(world_begun: Instant, offset: std::sync::Arc<AtomicI64>, draws: Draws) -> Self {
        ProcessTime {
            world_begun,
            begun: instant(),
            offset,
            draws: Mutex::new(draws),
        }
    }
}

impl TimeSource for ProcessTime {
    fn wall(&self) -> Time {
        let true_time = instant().duration_since(self.world_begun).as_millis() as i64;
        Time::from_millis(EPOCH + true_time + self.offset.load(Ordering::Relaxed))
    }

    fn elapsed(&self) -> Duration {
        instant().duration_since(self.begun)
    }

    fn elapsed_with_sleep(&self) -> Duration {
        self.elapsed()
    }

    fn host_time(&self) -> Option<HostTime> {
        Some(HostTime {
            host: "simulated".to_owned(),
            millis: instant().duration_since(self.world_begun).as_millis() as i64,
        })
    }

    fn fill(&self, bytes: &mut [u8]) {
        let mut draws = self.draws.lock().unwrap();
        for chunk in bytes.chunks_mut(8) {
            let drawn = draws.next().to_le_bytes();
            chunk.copy_from_slice(&drawn[..chunk.len()]);
        }
    }
}
