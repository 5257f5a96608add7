//! Limits the API calls in flight, and decides which is next if all slots are taken.
//!
//! Two kinds of calls wait: those for a token Secret, and statuses. Statuses let the others go first for a while: in a
//! burst, Secrets are written sooner, and each status follows its Secret by [`STATUS_DELAY`] and its own turn. Within a
//! kind, namespaces take turns. A slot is held for one call, which has a deadline, so that turns come soon and no
//! reserve is needed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::fair::Line;
use crate::lock::lock;
use crate::tenant;

/// How long statuses let others go first; then they do. Writing a status costs the API server about as much as the
/// calls for its Secret, so a status follows its Secret within about twice this time, however slow the API server is.
const STATUS_DELAY: Duration = Duration::from_secs(2);
/// How many statuses may wait; if there are more, they go first, because the data of each are held in memory.
const MAX_DELAYED_STATUSES: usize = 640;

/// The purpose of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallPurpose {
    /// Everything that a token Secret depends on.
    Work,
    /// A status, which can wait a little.
    Status,
}

/// The slots, shared by all callers.
#[derive(Clone)]
pub(super) struct ApiLimiter {
    clock: Clock,
    queue: Arc<Mutex<Queue>>,
}

/// A slot, until it is dropped.
pub(super) struct Slot(Option<ApiLimiter>);

struct Queue {
    /// How long statuses let others go first.
    status_delay: Duration,
    free: usize,
    work: Line<oneshot::Sender<Slot>>,
    /// Since when each waits, by the monotonic clock.
    statuses: Line<(Duration, oneshot::Sender<Slot>)>,
}

impl ApiLimiter {
    /// Allows `most` calls at once.
    pub(super) fn new(most: usize, clock: Clock) -> Self {
        ApiLimiter::with(most, clock, STATUS_DELAY)
    }

    fn with(most: usize, clock: Clock, status_delay: Duration) -> Self {
        let queue = Queue {
            status_delay,
            free: most,
            work: Line::default(),
            statuses: Line::default(),
        };
        ApiLimiter {
            clock,
            queue: Arc::new(Mutex::new(queue)),
        }
    }

    /// How many calls wait: for work, and for statuses.
    pub(super) fn waiting(&self) -> (usize, usize) {
        let queue = lock(&self.queue);
        (queue.work.len(), queue.statuses.len())
    }

    /// Waits for a slot for the namespace of the current work. Cancelling the wait takes none.
    pub(super) async fn take(&self, purpose: CallPurpose) -> Slot {
        let receiver = {
            let mut queue = lock(&self.queue);
            if queue.free > 0 {
                queue.free -= 1;
                return Slot(Some(self.clone()));
            }
            let (sender, receiver) = oneshot::channel();
            let tenant = tenant::current();
            match purpose {
                CallPurpose::Work => queue.work.push(&tenant, sender),
                CallPurpose::Status => queue.statuses.push(&tenant, (self.clock.elapsed(), sender)),
            }
            receiver
        };
        match receiver.await {
            Ok(slot) => slot,
            // No sender is dropped unused while its queue exists, and we hold the queue.
            Err(_) => Slot(None),
        }
    }

    /// Passes a free slot to the next caller.
    fn pass_on(&self) {
        let now = self.clock.elapsed();
        loop {
            let sender = {
                let mut queue = lock(&self.queue);
                match queue.next(now) {
                    Some(sender) => sender,
                    None => {
                        queue.free += 1;
                        return;
                    }
                }
            };
            match sender.send(Slot(Some(self.clone()))) {
                Ok(()) => return,
                // It no longer waits: the slot is for the next one.
                Err(mut unwanted) => unwanted.0 = None,
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(limiter) = self.0.take() {
            limiter.pass_on();
        }
    }
}

impl Queue {
    fn next(&mut self, now: Duration) -> Option<oneshot::Sender<Slot>> {
        let next = self.statuses.heads().next();
        let overdue =
            next.is_some_and(|(_, (since, _))| now.saturating_sub(*since) >= self.status_delay);
        let status_first =
            overdue || self.statuses.len() > MAX_DELAYED_STATUSES || self.work.is_empty();
        if status_first && let Some((_, (_, sender))) = self.statuses.pop() {
            return Some(sender);
        }
        self.work.pop().map(|(_, sender)| sender)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task::JoinHandle;

    /// Longer than any test.
    const LONG: Duration = Duration::from_secs(3600);

    fn limiter(most: usize, status_delay: Duration) -> ApiLimiter {
        ApiLimiter::with(most, Clock::system(), status_delay)
    }

    /// A caller that waits for a slot, reports its name when it has it, and returns it at once.
    async fn waits(
        limiter: &ApiLimiter,
        purpose: CallPurpose,
        name: usize,
        order: &Arc<Mutex<Vec<usize>>>,
    ) -> JoinHandle<()> {
        let (limiter, order) = (limiter.clone(), Arc::clone(order));
        let waiting = tokio::spawn(async move {
            let _slot = limiter.take(purpose).await;
            order.lock().unwrap().push(name);
        });
        // Until it waits.
        tokio::task::yield_now().await;
        waiting
    }

    async fn all(tasks: Vec<JoinHandle<()>>) {
        for task in tasks {
            task.await.unwrap();
        }
    }

    #[tokio::test]
    async fn work_goes_before_statuses_that_came_earlier() {
        let limiter = limiter(1, LONG);
        let order = Arc::default();
        let held = limiter.take(CallPurpose::Work).await;
        let mut tasks = Vec::new();
        for (name, purpose) in [
            (1, CallPurpose::Status),
            (2, CallPurpose::Work),
            (3, CallPurpose::Work),
        ] {
            tasks.push(waits(&limiter, purpose, name, &order).await);
        }
        assert_eq!(limiter.waiting(), (2, 1));
        drop(held);
        all(tasks).await;
        assert_eq!(*order.lock().unwrap(), [2, 3, 1]);
        assert_eq!(limiter.waiting(), (0, 0));
    }

    #[tokio::test]
    async fn a_status_that_has_waited_long_goes_first() {
        let limiter = limiter(1, Duration::ZERO);
        let order = Arc::default();
        let held = limiter.take(CallPurpose::Work).await;
        let mut tasks = Vec::new();
        for name in [1, 2] {
            tasks.push(waits(&limiter, CallPurpose::Status, name, &order).await);
        }
        for name in [11, 12, 13] {
            tasks.push(waits(&limiter, CallPurpose::Work, name, &order).await);
        }
        drop(held);
        all(tasks).await;
        let order = order.lock().unwrap();
        assert_eq!(*order, [1, 2, 11, 12, 13]);
    }

    #[tokio::test]
    async fn no_more_than_so_many_statuses_wait_for_work() {
        let limiter = limiter(1, LONG);
        let order = Arc::default();
        let held = limiter.take(CallPurpose::Work).await;
        let mut tasks = Vec::new();
        for name in 0..MAX_DELAYED_STATUSES + 2 {
            tasks.push(waits(&limiter, CallPurpose::Status, name, &order).await);
        }
        let work = MAX_DELAYED_STATUSES + 10;
        tasks.push(waits(&limiter, CallPurpose::Work, work, &order).await);
        drop(held);
        all(tasks).await;
        let order = order.lock().unwrap();
        assert_eq!(order[..3], [0, 1, work], "the two too many go first");
    }

    #[tokio::test]
    async fn namespaces_take_turns() {
        let limiter = limiter(1, LONG);
        let order = Arc::default();
        let held = limiter.take(CallPurpose::Work).await;
        let mut tasks = Vec::new();
        for name in 0..100 {
            let wait = waits(&limiter, CallPurpose::Work, name, &order);
            tasks.push(wait.await);
        }
        // Another one comes last.
        let (other, its_order) = (limiter.clone(), Arc::clone(&order));
        tasks.push(tokio::spawn(async move {
            let wait = async {
                let _slot = other.take(CallPurpose::Work).await;
                lock(&its_order).push(1000);
            };
            tenant::serve("other", wait).await;
        }));
        tokio::task::yield_now().await;
        drop(held);
        all(tasks).await;
        let order: Vec<usize> = order.lock().unwrap().clone();
        assert_eq!(order[..3], [0, 1000, 1]);
    }

    #[tokio::test]
    async fn who_stops_waiting_costs_no_slot() {
        let limiter = limiter(2, LONG);
        let order = Arc::default();
        let held = [
            limiter.take(CallPurpose::Work).await,
            limiter.take(CallPurpose::Work).await,
        ];
        for purpose in [CallPurpose::Work, CallPurpose::Status] {
            let gone = waits(&limiter, purpose, 0, &order).await;
            gone.abort();
            assert!(gone.await.unwrap_err().is_cancelled());
        }
        let task = waits(&limiter, CallPurpose::Work, 1, &order).await;
        drop(held);
        task.await.unwrap();
        assert_eq!(*order.lock().unwrap(), [1]);
        // Both are free again, and no more than both.
        let _held = [
            limiter.take(CallPurpose::Work).await,
            limiter.take(CallPurpose::Status).await,
        ];
        let third = limiter.take(CallPurpose::Work);
        assert!(
            tokio::time::timeout(Duration::from_secs(1), third)
                .await
                .is_err()
        );
    }
}
