//! Replaced tokens that wait for revocation: in memory, at most [`MOST_WAITING`], lost when the process ends.
//!
//! Places and revocations in flight are shared fairly between namespaces.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::engine::Key;
use crate::fair::{FairSemaphore, Place};
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
pub struct Later {
    places: FairSemaphore,
    hand_in: mpsc::UnboundedSender<Waiting>,
    metrics: Option<Metrics>,
}

/// A waiting token.
struct Waiting {
    key: Key,
    token: TokenWithLenders,
    after: Duration,
    place: Place,
}

/// The receiving end, for the code that revokes.
pub struct Waits {
    come_out: mpsc::UnboundedReceiver<Waiting>,
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

impl Later {
    /// An empty queue with both ends.
    pub fn new(metrics: Option<Metrics>) -> (Later, Waits) {
        // The places limit what is sent, so the channel needs no limit.
        let (hand_in, come_out) = mpsc::unbounded_channel();
        let later = Later {
            places: FairSemaphore::new(MOST_WAITING),
            hand_in,
            metrics,
        };
        let waits = Waits {
            come_out,
            counter: later.counter(),
            at_once: FairSemaphore::new(MOST_AT_ONCE),
        };
        (later, waits)
    }

    /// Queues a token for revocation after a delay. Drops it if too many wait, or too many of its namespace.
    pub fn put(&self, key: &Key, token: TokenWithLenders, after: Span) {
        let Some(place) = self.places.try_take(&key.namespace().into(), 1) else {
            tracing::warn!(resource = %key, "too many tokens wait for revocation: one is not revoked and expires");
            return;
        };
        let waiting = Waiting {
            key: key.clone(),
            token,
            after: after.to_duration(),
            place,
        };
        if self.hand_in.send(waiting).is_ok() {
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

impl Waits {
    /// Waits for each token in a task of its own, then has it revoked. Ends when the sending end is dropped.
    pub async fn serve<F, Fut>(mut self, revoke: F)
    where
        F: Fn(Key, TokenWithLenders) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = ()> + Send,
    {
        while let Some(waiting) = self.come_out.recv().await {
            let (revoke, counter) = (revoke.clone(), self.counter.clone());
            let at_once = self.at_once.clone();
            tokio::spawn(async move {
                tokio::time::sleep(waiting.after).await;
                let namespace: Arc<str> = waiting.key.namespace().into();
                let turn = timeout(TURN_DEADLINE, at_once.take(&namespace, 1)).await;
                match turn {
                    Ok(_turn) => {
                        tenant::serve(&namespace, revoke(waiting.key, waiting.token)).await;
                    }
                    Err(_) => {
                        tracing::warn!(resource = %waiting.key, "the token did not get its turn for revocation: it is not revoked and expires");
                    }
                }
                drop(waiting.place);
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

    fn lent() -> TokenWithLenders {
        TokenWithLenders {
            token: Secret::from("x"),
            lenders: None,
        }
    }

    #[tokio::test]
    async fn a_namespace_with_thousands_of_tokens_leaves_the_others_their_part() {
        let (later, waits) = Later::new(None);
        let revoked: Arc<Mutex<Vec<String>>> = Arc::default();
        let told = Arc::clone(&revoked);
        let (mend, mended) = tokio::sync::watch::channel(false);
        let serving = tokio::spawn(waits.serve(move |key, _| {
            let (told, mut mended) = (Arc::clone(&told), mended.clone());
            async move {
                if key.namespace() == "many" {
                    // Its endpoint does not respond.
                    let _ = mended.wait_for(|mended| *mended).await;
                }
                told.lock().unwrap().push(key.namespace().to_owned());
            }
        }));
        let soon = Span::from_millis(1);
        for number in 0..5000 {
            later.put(&Key::new("many", &number.to_string()), lent(), soon);
        }
        assert_eq!(later.places.usage().0, 750, "all but a reserve");
        later.put(&Key::new("other", "a"), lent(), soon);
        let places = later.places.clone();
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
        mend.send(true).unwrap();
        until(0).await;
        assert_eq!(revoked.lock().unwrap().len(), 751);
        drop(later);
        serving.await.unwrap();
    }
}
