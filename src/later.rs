//! Tokens that were replaced and wait to be revoked: in memory, at most [`MOST_WAITING`], forgotten when the process ends.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::engine::Key;
use crate::metrics::Metrics;
use crate::secret::Secret;
use crate::time::Span;

/// How many tokens may wait to be revoked; further ones end by themselves.
pub const MOST_WAITING: usize = 1000;

/// Where tokens are handed in.
pub struct Later {
    places: Arc<Semaphore>,
    hand_in: mpsc::UnboundedSender<Waiting>,
    metrics: Option<Metrics>,
}

/// One token that waits.
struct Waiting {
    key: Key,
    token: Secret,
    after: Duration,
    place: OwnedSemaphorePermit,
}

/// Where they come out, for whoever revokes them.
pub struct Waits(mpsc::UnboundedReceiver<Waiting>, Later);

impl Later {
    /// An empty queue, and its other end.
    pub fn new(metrics: Option<Metrics>) -> (Later, Waits) {
        let (hand_in, come_out) = mpsc::unbounded_channel();
        let later = Later {
            places: Arc::new(Semaphore::new(MOST_WAITING)),
            hand_in,
            metrics,
        };
        let same = Later {
            places: Arc::clone(&later.places),
            // Of the other end only the count is used: it must not keep the channel open.
            hand_in: mpsc::unbounded_channel().0,
            metrics: later.metrics.clone(),
        };
        (later, Waits(come_out, same))
    }

    /// Has a token revoked after a while; drops it where too many wait.
    pub fn put(&self, key: &Key, token: Secret, after: Span) {
        // The places bound what is handed in, so the channel needs no bound of its own.
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            tracing::warn!(resource = %key, "too many tokens wait to be revoked: one is left to end by itself");
            return;
        };
        let waiting = Waiting {
            key: key.clone(),
            token,
            after: after.to_duration(),
            place,
        };
        if self.hand_in.send(waiting).is_ok() {
            self.count();
        }
    }

    fn count(&self) {
        if let Some(metrics) = &self.metrics {
            metrics
                .revocations_waiting(MOST_WAITING.saturating_sub(self.places.available_permits()));
        }
    }
}

impl Waits {
    /// Waits for each token in a task of its own, then has it revoked; ends when the queue is gone.
    pub async fn serve<F, Fut>(mut self, revoke: F)
    where
        F: Fn(Key, Secret) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = ()> + Send,
    {
        let counter = Arc::new(self.1);
        while let Some(waiting) = self.0.recv().await {
            let (revoke, counter) = (revoke.clone(), Arc::clone(&counter));
            tokio::spawn(async move {
                tokio::time::sleep(waiting.after).await;
                revoke(waiting.key, waiting.token).await;
                drop(waiting.place);
                counter.count();
            });
        }
    }
}
