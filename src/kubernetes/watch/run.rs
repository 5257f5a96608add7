//! One watch, with its own backoff, until it is stopped.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::NamespaceResourceScope;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::utils::{Backoff, ResetTimerBackoff};
use kube::runtime::watcher::{Config, Error, Event, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::kubernetes::shared::Shared;
use crate::server::Heartbeat;

/// What is watched: one namespace, or all.
pub(crate) type WatchScope = Option<String>;

/// The parameters of every watch.
pub(crate) struct Watching {
    pub(crate) client: Client,
    pub(crate) scope: WatchScope,
    pub(crate) shared: Arc<Shared>,
    pub(crate) heartbeat: Heartbeat,
    /// True after the first complete list.
    pub(crate) synced: watch::Sender<bool>,
}

/// How many objects a list page contains: limits the memory of a start.
const PAGE: u32 = 250;
/// How long a watch lasts before the server ends it, so that a stuck one does not last forever.
const WATCH_SECONDS: u32 = 285;

pub(super) fn config() -> Config {
    Config::default().page_size(PAGE).timeout(WATCH_SECONDS)
}

/// For objects with this label.
pub(super) fn labelled(label: &str) -> Config {
    config().labels(&format!("{label}=true"))
}

/// Handles the events of one stream.
pub(super) trait Listener<K>: Send {
    /// The name in logs and metrics.
    const KIND: &'static str;

    /// An object exists; `listed` if a list contains it.
    fn applied(&mut self, object: K, listed: bool);
    /// An object was deleted.
    fn deleted(&mut self, object: K);
    /// The watch is interrupted: changes are reported late.
    fn interrupted(&mut self) {}
    /// A list begins.
    fn list_started(&mut self);
    /// A list is complete: what it did not contain was deleted.
    fn list_completed(&mut self);
}

/// Runs one watch forever, with its own listener. `synced` becomes true with the first complete list.
pub(super) async fn run<K, L>(
    watching: Watching,
    config: Config,
    listener: impl FnOnce(Arc<Shared>, WatchScope) -> L + Send,
) where
    K: Resource<Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Send + 'static,
    K::DynamicType: Default,
    L: Listener<K>,
{
    let Watching {
        client,
        scope,
        shared,
        heartbeat,
        synced,
    } = watching;
    let api = match &scope {
        Some(namespace) => Api::<K>::namespaced(client, namespace),
        None => Api::all(client),
    };
    let mut listener = listener(Arc::clone(&shared), scope);
    let pauses = ResetTimerBackoff::new(Pauses::new(shared.clock.clone()), PAUSES_RESET);
    let stream = watcher(api, config).backoff(pauses);
    let mut stream = std::pin::pin!(stream);
    loop {
        // A quiet watch is working while this loop runs; the client's read time-out closes a silent connection.
        let event = tokio::time::timeout(Duration::from_secs(30), stream.next()).await;
        heartbeat.beat();
        let event = match event {
            Err(_) => continue,
            Ok(None) => return,
            Ok(Some(event)) => event,
        };
        match event {
            Ok(Event::Apply(object)) => listener.applied(object, false),
            Ok(Event::Delete(object)) => listener.deleted(object),
            Ok(Event::Init) => listener.list_started(),
            Ok(Event::InitApply(object)) => listener.applied(object, true),
            Ok(Event::InitDone) => {
                listener.list_completed();
                let _ = synced.send(true);
            }
            Err(error) => {
                listener.interrupted();
                shared.metrics.watch_restart(L::KIND);
                if is_forbidden(&error) {
                    shared.permissions_doubted.notify_one();
                }
                tracing::warn!(
                    kind = L::KIND,
                    why = summary(&error),
                    "a watch was interrupted; it is taken up again"
                );
            }
        }
    }
}

/// The first and the longest pause before an interrupted watch is started again, without jitter; kube's defaults.
const FIRST_PAUSE: Duration = Duration::from_millis(800);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// After this long without an interruption, the next pause is the first one again.
const PAUSES_RESET: Duration = Duration::from_secs(120);

/// The pauses of kube's `DefaultBackoff`, with jitter from the clock, so that a simulated run can be repeated.
struct Pauses {
    clock: Clock,
    next: Duration,
}

impl Pauses {
    fn new(clock: Clock) -> Self {
        Pauses {
            clock,
            next: FIRST_PAUSE,
        }
    }
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST_PAUSE);
        Some(pause.mul_f64(1.0 + self.clock.draw()))
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        self.next = FIRST_PAUSE;
    }
}

/// Whether the API server refused it.
fn is_forbidden(error: &Error) -> bool {
    matches!(
        error,
        Error::InitialListFailed(kube::Error::Api(status))
            | Error::WatchStartFailed(kube::Error::Api(status))
            if status.code == 403
    )
}

/// Why a watch was interrupted, without any part of an object.
fn summary(error: &Error) -> &'static str {
    match error {
        error if is_forbidden(error) => "the API server does not allow it: see the operator's role",
        Error::InitialListFailed(_) => "the list failed",
        Error::WatchStartFailed(_) => "it could not be started",
        Error::WatchError(_) => "the API server ended it with an error",
        Error::WatchFailed(_) => "the connection ended",
        Error::NoResourceVersion => "the API server does not support it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_half_a_minute_with_jitter_and_begin_anew_after_a_reset() {
        let mut pauses = Pauses::new(Clock::system());
        for expected in [800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000] {
            let expected = Duration::from_millis(expected);
            let pause = pauses.next().unwrap();
            assert!((expected..expected * 2).contains(&pause), "{pause:?}");
        }
        pauses.reset();
        assert!(pauses.next().unwrap() < FIRST_PAUSE * 2);
    }
}
