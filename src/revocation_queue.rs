//! Replaced tokens that wait for revocation: in memory, at most [`MOST_WAITING`], lost when the process ends.
//!
//! Places and revocations in flight are shared fairly between namespaces.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::engine::Key;
use crate::fair::{FairPermit, FairSemaphore};
use crate::metrics::Metrics;
use crate::policy::TokenWithLenders;
use crate::tenant;
use crate::time::Span;

/// How many tokens may wait for revocation; further ones are not revoked and expire.
pub const MOST_WAITING: usize = 1000;
/// How many are revoked at once.
const MOST_AT_ONCE: usize = 32;
/// How long a token waits for its turn after its time has come. After that, it is not revoked and expires.
const TURN_DEADLINE: Duration = Duration::from_secs(600);

/// The sending end.
pub struct RevocationQueue {
    places: FairSemaphore,
    sender: mpsc::UnboundedSender<QueuedToken>,
    metrics: Option<Metrics>,
}

/// A waiting token.
struct QueuedToken {
    key: Key,
    token: TokenWithLenders,
    after: Duration,
    place: FairPermit,
}

/// The receiving end, for the code that revokes.
pub struct RevocationWorker {
    receiver: mpsc::UnboundedReceiver<QueuedToken>,
    counter: Counter,
    at_once: FairSemaphore,
}

/// Updates the gauge.
#[derive(Clone)]
struct Counter {
    places: FairSemaphore,
    metrics: Option<Metrics>,
}

impl Counter {
    fn count(&self) {
        if let Some(metrics) = &self.metrics {
            metrics.revocations_waiting(self.places.usage().0);
        }
    }
}

impl RevocationQueue {
    /// An empty queue with both ends.
    pub fn new(metrics: Option<Metrics>) -> (RevocationQueue, RevocationWorker) {
        // The places limit what is sent, so the channel needs no limit.
        let (sender, receiver) = mpsc::unbounded_channel();
        let queue = RevocationQueue {
            places: FairSemaphore::new(MOST_WAITING),
            sender,
            metrics,
        };
        let worker = RevocationWorker {
            receiver,
            counter: queue.counter(),
            at_once: FairSemaphore::new(MOST_AT_ONCE),
        };
        (queue, worker)
    }

    /// Queues a token for revocation after a delay. Drops it if too many wait, or too many of its namespace.
    pub fn push(&self, key: &Key, token: TokenWithLenders, after: Span) {
        let Some(place) = self.places.try_take(&key.namespace().into(), 1) else {
            tracing::warn!(resource = %key, "too many tokens wait for revocation: one is not revoked and expires");
            return;
        };
        let queued = QueuedToken {
            key: key.clone(),
            token,
            after: after.to_duration(),
            place,
        };
        if self.sender.send(queued).is_ok() {
            self.counter().count();
        }
    }

    fn counter(&self) -> Counter {
        Counter {
            places: self.places.clone(),
            metrics: self.metrics.clone(),
        }
    }
}

impl RevocationWorker {
    /// Waits for each token in a task of its own, then has it revoked. Ends when the sending end is dropped.
    pub async fn serve<F, Fut>(mut self, revoke: F)
    where
        F: Fn(Key, TokenWithLenders) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = ()> + Send,
    {
        while let Some(queued) = self.receiver.recv().await {
            let (revoke, counter) = (revoke.clone(), self.counter.clone());
            let at_once = self.at_once.clone();
            tokio::spawn(async move {
                tokio::time::sleep(queued.after).await;
                let namespace: Arc<str> = queued.key.namespace().into();
                let turn = timeout(TURN_DEADLINE, at_once.take(&namespace, 1)).await;
                match turn {
                    Ok(_turn) => {
                        tenant::serve(&namespace, revoke(queued.key, queued.token)).await;
                    }
                    Err(_) => {
                        tracing::warn!(resource = %queued.key, "the token did not get its turn for revocation: it is not revoked and expires");
                    }
                }
                drop(queued.place);
                counter.count();
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::secret::Secret;

    fn token() -> TokenWithLenders {
        TokenWithLenders {
            token: Secret::from("x"),
            lenders: None,
        }
    }

    #[tokio::test]
    async fn a_namespace_with_thousands_of_tokens_leaves_the_others_their_part() {
        let (queue, worker) = RevocationQueue::new(None);
        let revoked: Arc<Mutex<Vec<String>>> = Arc::default();
        let done = Arc::clone(&revoked);
        let (fix, fixed) = tokio::sync::watch::channel(false);
        let serving = tokio::spawn(worker.serve(move |key, _| {
            let (done, mut fixed) = (Arc::clone(&done), fixed.clone());
            async move {
                if key.namespace() == "many" {
                    // Its endpoint does not respond.
                    let _ = fixed.wait_for(|fixed| *fixed).await;
                }
                done.lock().unwrap().push(key.namespace().to_owned());
            }
        }));
        let soon = Span::from_millis(1);
        for number in 0..5000 {
            queue.push(&Key::new("many", &number.to_string()), token(), soon);
        }
        assert_eq!(queue.places.usage().0, 750, "all but a reserve");
        queue.push(&Key::new("other", "a"), token(), soon);
        let places = queue.places.clone();
        let until = |left: usize| {
            let places = places.clone();
            async move {
                while places.usage().0 > left {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        };
        until(750).await;
        assert_eq!(*revoked.lock().unwrap(), ["other"]);
        fix.send(true).unwrap();
        until(0).await;
        assert_eq!(revoked.lock().unwrap().len(), 751);
        drop(queue);
        serving.await.unwrap();
    }
}
