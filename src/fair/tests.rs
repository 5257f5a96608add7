//! Tasks that wait for a limit.

use std::sync::Arc;
use std::time::Duration;

use super::*;

fn name(number: usize) -> Arc<str> {
    format!("n-{number}").into()
}

#[tokio::test]
async fn tasks_of_one_tenant_leave_the_others_their_part() {
    let semaphore = FairSemaphore::new(8);
    let (many, one) = (name(0), name(1));
    let mut held = Vec::new();
    while let Some(place) = semaphore.try_take(&many, 1) {
        held.push(place);
    }
    assert_eq!(held.len(), 6);
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let (semaphore, many) = (semaphore.clone(), Arc::clone(&many));
            tokio::spawn(async move { semaphore.take(&many, 1).await })
        })
        .collect();
    tokio::task::yield_now().await;
    assert_eq!(semaphore.usage(), (6, 50));
    let first = semaphore.take(&one, 1).await;
    let second = tokio::time::timeout(Duration::from_millis(50), semaphore.take(&one, 1));
    assert!(second.await.is_err(), "one is left for a third one");
    let third = semaphore.take(&name(2), 1).await;
    assert_eq!(semaphore.usage().0, 8);
    drop((first, third));
    held.truncate(1);
    // Those of the first one continue, and cancelled waiters cost nothing.
    for task in &waiting[..20] {
        task.abort();
    }
    for task in waiting.into_iter().skip(20) {
        drop(
            tokio::time::timeout(Duration::from_secs(60), task)
                .await
                .unwrap()
                .unwrap(),
        );
    }
    drop(held);
    assert_eq!(semaphore.usage(), (0, 0));
}

#[tokio::test]
async fn a_strict_bound_keeps_each_to_a_quarter_and_counts_what_shrinks() {
    let semaphore = FairSemaphore::strict(32);
    let (a, b) = (name(0), name(1));
    let mut first = semaphore.take(&a, 4).await;
    let second = semaphore.take(&a, 4).await;
    assert!(semaphore.try_take(&a, 1).is_none(), "its quarter");
    first.resize(1);
    assert_eq!((first.amount(), semaphore.usage().0), (1, 5));
    let third = semaphore.try_take(&a, 3);
    assert!(third.is_some());
    let large = semaphore.take(&b, 8).await;
    let anyway = semaphore.take_anyway(&a, 100);
    assert!(
        semaphore.try_take(&name(2), 1).is_none(),
        "it counts all the same"
    );
    drop((first, second, third, large, anyway));
    assert_eq!(semaphore.usage(), (0, 0));
}
