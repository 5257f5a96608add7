//! Changes of Secrets that many resources use, until they are read.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::Notify;

use crate::engine::Key;
use crate::index::SecretId;
use crate::lock::lock;
use crate::time::{Span, Time};

/// One read and one resource per namespace in this time.
pub(crate) const EVERY: Duration = Duration::from_millis(50);

/// The first and the longest pause between two reads of a Secret that keeps changing.
pub(crate) const FIRST_PAUSE: Span = Span::from_seconds(1);

pub(crate) const LONGEST_PAUSE: Span = Span::from_seconds(60);

/// The pause after a failed read.
pub(crate) const AFTER_API_ERROR: Span = Span::from_seconds(5);

/// The waiting work.
#[derive(Default)]
pub(crate) struct SecretChanges {
    pub(super) waiting: Mutex<PendingChanges>,
    pub(super) wake: Notify,
}

/// The waiting work by namespace; without a clock.
#[derive(Default)]
pub(crate) struct PendingChanges(pub(super) BTreeMap<String, Namespace>);

#[derive(Default)]
pub(crate) struct Namespace {
    pub(super) secrets: HashMap<SecretId, ChangingSecret>,
    pub(super) keys: VecDeque<Key>,
    pub(super) queued: HashSet<Key>,
}

/// A Secret that changed recently.
pub(crate) struct ChangingSecret {
    pub(super) name: String,
    /// When it is read; `None` if it did not change since.
    pub(super) due: Option<Time>,
    pub(super) read: Time,
    pub(super) pause: Span,
}

/// What to do now.
#[derive(Debug, PartialEq)]
pub(crate) enum ChangeStep {
    Read(String, String, SecretId),
    Notify(Key),
}

impl PendingChanges {
    /// A Secret changed.
    pub(super) fn changed(&mut self, namespace: &str, name: &str, id: SecretId, now: Time) {
        let namespace = self.0.entry(namespace.to_owned()).or_default();
        let changing = namespace
            .secrets
            .entry(id)
            .or_insert_with(|| ChangingSecret {
                name: name.to_owned(),
                due: None,
                read: Time::from_millis(i64::MIN),
                pause: Span::ZERO,
            });
        if changing.due.is_none() {
            let quiet = now.since(changing.read);
            if quiet > changing.pause + changing.pause || quiet < Span::ZERO {
                changing.pause = Span::ZERO;
            }
            changing.due = Some(now.max(changing.read + changing.pause));
        }
    }

    /// Notifies these resources one by one.
    pub(super) fn notify(&mut self, namespace: &str, keys: impl IntoIterator<Item = Key>) {
        let namespace = self.0.entry(namespace.to_owned()).or_default();
        for key in keys {
            if namespace.queued.insert(key.clone()) {
                namespace.keys.push_back(key);
            }
        }
    }

    /// Secrets that changed recently, and resources that are not yet notified.
    fn counts(&self) -> (usize, usize) {
        let all = self.0.values();
        all.fold((0, 0), |(secrets, keys), one| {
            (secrets + one.secrets.len(), keys + one.keys.len())
        })
    }

    /// For each namespace, at most one Secret to read and one resource to notify.
    pub(super) fn next(&mut self, now: Time) -> Vec<ChangeStep> {
        let mut steps = Vec::new();
        for (name, namespace) in &mut self.0 {
            let due = namespace.secrets.iter_mut();
            let due = due.filter_map(|(id, changing)| Some((changing.due?, *id, changing)));
            if let Some((_, id, changing)) = due.min_by_key(|(due, id, _)| (*due, *id))
                && changing.due.is_some_and(|due| due <= now)
            {
                changing.due = None;
                changing.read = now;
                changing.pause = (changing.pause + changing.pause)
                    .max(FIRST_PAUSE)
                    .min(LONGEST_PAUSE);
                steps.push(ChangeStep::Read(name.clone(), changing.name.clone(), id));
            }
            // When it no longer changes, so that nobody is notified of an intermediate version.
            let is_quiet = |changing: &ChangingSecret| {
                changing.due.is_none() && now.since(changing.read) >= changing.pause
            };
            if namespace.secrets.values().all(is_quiet)
                && let Some(key) = namespace.keys.pop_front()
            {
                namespace.queued.remove(&key);
                steps.push(ChangeStep::Notify(key));
            }
        }
        self.0.retain(|_, namespace| {
            namespace.secrets.retain(|_, changing| {
                changing.due.is_some()
                    || now.since(changing.read) <= changing.pause + changing.pause
            });
            !namespace.secrets.is_empty() || !namespace.keys.is_empty()
        });
        steps
    }
}

impl SecretChanges {
    /// A Secret that many use changed.
    pub(crate) fn changed(&self, namespace: &str, name: &str, id: SecretId, now: Time) {
        lock(&self.waiting).changed(namespace, name, id, now);
        self.wake.notify_one();
    }

    /// Secrets that changed recently, and resources that are not yet notified of a change.
    pub(crate) fn counts(&self) -> (usize, usize) {
        lock(&self.waiting).counts()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Time {
        Time::from_millis(1_700_000_000_000 + millis)
    }

    fn reads(waiting: &mut PendingChanges, now: i64) -> usize {
        let steps = waiting.next(at(now));
        let read = |step: &&ChangeStep| matches!(step, ChangeStep::Read(..));
        steps.iter().filter(read).count()
    }

    #[test]
    fn a_secret_that_keeps_changing_is_read_less_and_less_often() {
        let mut waiting = PendingChanges::default();
        let mut count = 0;
        for tick in 0..20 * 600 {
            waiting.changed("n", "s", 7, at(tick * 50));
            count += reads(&mut waiting, tick * 50);
        }
        assert!((10..=18).contains(&count), "{count} reads in ten minutes");
        // Once it was quiet, the next change is read at once.
        let later = 1_000_000;
        assert_eq!(reads(&mut waiting, later), 1);
        assert_eq!(reads(&mut waiting, later + 200_000), 0);
        assert!(waiting.0.is_empty());
        waiting.changed("n", "s", 7, at(later + 200_000));
        assert_eq!(reads(&mut waiting, later + 200_000), 1);
    }

    #[test]
    fn resources_are_told_one_by_one_and_each_once_and_no_namespace_waits_for_another() {
        let mut waiting = PendingChanges::default();
        let keys: Vec<Key> = (0..2000)
            .map(|number| Key::new("many", &number.to_string()))
            .collect();
        for _ in 0..4 {
            waiting.notify("many", keys.clone());
        }
        waiting.notify("other", [Key::new("other", "a")]);
        assert_eq!(waiting.counts(), (0, 2001));
        let first = waiting.next(at(0));
        assert!(first.contains(&ChangeStep::Notify(Key::new("other", "a"))));
        assert_eq!(first.len(), 2);
        let mut told = 1;
        while !waiting.0.is_empty() {
            told += waiting.next(at(0)).len();
        }
        assert_eq!(told, 2000);
    }
}
