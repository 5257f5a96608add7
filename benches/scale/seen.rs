//! When the token Secret of each resource came, changed and went.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Client, ResourceExt as _};

use super::place::BESIDE;

/// The resources whose tokens live for a short time.
const LATENESS_OF: std::ops::Range<usize> = BESIDE..2 * BESIDE;

/// When a token Secret was written first and last.
#[derive(Clone, Copy)]
struct Times {
    first: Instant,
    last: Instant,
    /// When the next token is due, as a Unix time.
    refresh_at: Option<f64>,
}

/// What is known of token Secrets.
#[derive(Default)]
struct All {
    /// Those that exist, by the number of their resource.
    there: HashMap<usize, Times>,
    /// How many there were in all, deleted ones included.
    ever: usize,
    /// By how many seconds refreshes were later than due, of those with numbers in [`LATENESS_OF`].
    lateness: Vec<f64>,
}

impl All {
    fn note(&mut self, secret: &PartialObjectMeta<Secret>, now: Instant) {
        let number = number_of(secret);
        let refresh_at = time_in(secret, "refresh-at").filter(|_| LATENESS_OF.contains(&number));
        match self.there.get_mut(&number) {
            Some(times) => {
                times.last = now;
                let due = std::mem::replace(&mut times.refresh_at, refresh_at);
                let issued = due.and(time_in(secret, "issued-at"));
                self.lateness
                    .extend(issued.zip(due).map(|(issued, due)| issued - due));
            }
            None => {
                self.ever += 1;
                let times = Times {
                    first: now,
                    last: now,
                    refresh_at,
                };
                self.there.insert(number, times);
            }
        }
    }
}

/// A time in an annotation of a token Secret, as a Unix time.
fn time_in(secret: &PartialObjectMeta<Secret>, name: &str) -> Option<f64> {
    let text = secret
        .annotations()
        .get(&format!("oauthclient.dev/{name}"))?;
    let time: Timestamp = text.parse().ok()?;
    Some(time.as_microsecond() as f64 / 1e6)
}

/// The token Secrets as a watch shows them.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<All>>);

fn number_of(secret: &PartialObjectMeta<Secret>) -> usize {
    let name = secret.name_any();
    name.trim_start_matches("token-").parse().unwrap()
}

impl Seen {
    pub fn watch(client: Client) -> Seen {
        let seen = Seen::default();
        let api: Api<PartialObjectMeta<Secret>> = Api::all(client);
        let events =
            watcher(api, Config::default().labels("oauthclient.dev/token=true")).default_backoff();
        let into = seen.clone();
        tokio::spawn(events.for_each(move |event| {
            let now = Instant::now();
            let mut all = into.0.lock().unwrap();
            match event {
                Ok(Event::Apply(object) | Event::InitApply(object)) => {
                    all.note(&object, now);
                }
                Ok(Event::Delete(object)) => {
                    all.there.remove(&number_of(&object));
                }
                _ => {}
            }
            std::future::ready(())
        }));
        seen
    }

    /// How many came, those that went again included.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap().ever
    }

    /// The lateness of refreshes since the last call.
    pub fn take_lateness(&self) -> Vec<f64> {
        std::mem::take(&mut self.0.lock().unwrap().lateness)
    }

    /// How many there are.
    pub fn there(&self) -> usize {
        self.0.lock().unwrap().there.len()
    }

    /// When the Secret of `number` was written first and last, if there is one.
    pub fn times(&self, number: usize) -> Option<(Instant, Instant)> {
        let all = self.0.lock().unwrap();
        all.there
            .get(&number)
            .map(|times| (times.first, times.last))
    }

    /// Waits for the first Secret of `number`.
    pub async fn first(&self, number: usize, within: Duration) -> Instant {
        let wait = async {
            loop {
                if let Some((first, _)) = self.times(number) {
                    return first;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let found = tokio::time::timeout(within, wait).await;
        found.unwrap_or_else(|_| panic!("resource r-{number} has no token after {within:?}"))
    }

    /// Waits until so many Secrets came, and gives `look` the number of them from time to time.
    pub async fn all(&self, count: usize, mut look: impl FnMut(usize)) {
        let within = Duration::from_secs(600 + count as u64 / 10);
        let deadline = Instant::now() + within;
        loop {
            let now = self.count();
            look(now);
            if now >= count {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{now} of {count} tokens after {within:?}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
