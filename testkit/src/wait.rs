//! Waiting for something to become true, never longer than said.

use crate::{Error, Result};
use std::time::Duration;

/// How often [`until`] looks.
const PERIOD: Duration = Duration::from_millis(20);

/// Calls `probe` every 20 ms until it returns `Ok`, and returns that.
///
/// `Err` means "not yet" and says what is missing; after `within`, the last one is part of the error. A probe that
/// hangs counts
/// as one that returned `Err`.
///
/// # Errors
/// When the time is over: with `what`, how long it waited, and what was still missing.
pub async fn until<T, F, Fut>(what: &str, within: Duration, mut probe: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T>>,
{
    let mut missing = Error::new("the first look did not come back");
    let polling = async {
        loop {
            match probe().await {
                Ok(found) => return found,
                Err(not_yet) => missing = not_yet,
            }
            tokio::time::sleep(PERIOD).await;
        }
    };
    match tokio::time::timeout(within, polling).await {
        Ok(found) => Ok(found),
        Err(_elapsed) => Err(Error::new(format!(
            "{what}: not within {within:?}; at the last look: {missing}"
        ))),
    }
}

/// [`until`] for a plain yes or no.
///
/// # Errors
/// When `condition` is still false after `within`.
pub async fn until_true(
    what: &str,
    within: Duration,
    mut condition: impl FnMut() -> bool,
) -> Result<()> {
    until(what, within, || {
        let now = condition();
        async move {
            if now {
                Ok(())
            } else {
                Err(Error::new("still false"))
            }
        }
    })
    .await
}
