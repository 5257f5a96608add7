//! What a change of a Secret that many resources use leads to: one read, and no more looks at once than it takes.
//!
//! Where the content changed, all who use it are told. Where only labels or annotations changed, nothing is due: those that
//! have no token are told, since that may be what they wait for; the others one by one, [`EVERY`] for each namespace, so that
//! they note the new version. A Secret that changes again and again is read less and less often.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;

use crate::engine::{CredentialsFacts, Event, Key};
use crate::time::{Span, Time};

use super::index::SecretId;
use super::secret_reads::shared_read;
use super::shared::{Shared, lock};

/// A Secret with more users than this is shared by many.
pub(super) const FEW: usize = 8;
/// One read and one resource for each namespace in this time.
const EVERY: Duration = Duration::from_millis(50);
/// The first and the longest pause between two reads of a Secret that keeps changing.
const FIRST_PAUSE: Span = Span::from_seconds(1);
const LONGEST_PAUSE: Span = Span::from_seconds(60);
/// After a read that failed.
const AFTER_TROUBLE: Span = Span::from_seconds(5);

/// What waits.
#[derive(Default)]
pub(super) struct SecretChanges {
    waiting: Mutex<Waiting>,
    wake: Notify,
}

/// What waits, by namespace; it knows no clock.
#[derive(Default)]
struct Waiting(BTreeMap<String, Namespace>);

#[derive(Default)]
struct Namespace {
    secrets: HashMap<SecretId, Changing>,
    keys: VecDeque<Key>,
    queued: HashSet<Key>,
}

/// A Secret that changed not long ago.
struct Changing {
    name: String,
    /// When it is read; `None` where it did not change since.
    due: Option<Time>,
    read: Time,
    pause: Span,
}

/// What is to be done now.
#[derive(Debug, PartialEq)]
enum Step {
    Read(String, String, SecretId),
    Tell(Key),
}

impl Waiting {
    /// A Secret changed.
    fn changed(&mut self, namespace: &str, name: &str, id: SecretId, now: Time) {
        let namespace = self.0.entry(namespace.to_owned()).or_default();
        let changing = namespace.secrets.entry(id).or_insert_with(|| Changing {
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

    /// These resources are told one by one.
    fn tell(&mut self, namespace: &str, keys: impl IntoIterator<Item = Key>) {
        let namespace = self.0.entry(namespace.to_owned()).or_default();
        for key in keys {
            if namespace.queued.insert(key.clone()) {
                namespace.keys.push_back(key);
            }
        }
    }

    /// For each namespace at most one Secret to read and one resource to tell.
    fn next(&mut self, now: Time) -> Vec<Step> {
        let mut steps = Vec::new();
        for (name, namespace) in &mut self.0 {
            let due = namespace.secrets.iter_mut();
            let due = due.filter_map(|(id, changing)| Some((changing.due?, *id, changing)));
            if let Some((_, id, changing)) = due.min_by_key(|(due, _, _)| *due)
                && changing.due.is_some_and(|due| due <= now)
            {
                changing.due = None;
                changing.read = now;
                changing.pause = (changing.pause + changing.pause)
                    .max(FIRST_PAUSE)
                    .min(LONGEST_PAUSE);
                steps.push(Step::Read(name.clone(), changing.name.clone(), id));
            }
            // Once it is quiet, so that nobody is told of a version that is not the last.
            let is_quiet = |changing: &Changing| {
                changing.due.is_none() && now.since(changing.read) >= changing.pause
            };
            if namespace.secrets.values().all(is_quiet)
                && let Some(key) = namespace.keys.pop_front()
            {
                namespace.queued.remove(&key);
                steps.push(Step::Tell(key));
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
    pub(super) fn changed(&self, namespace: &str, name: &str, id: SecretId, now: Time) {
        lock(&self.waiting).changed(namespace, name, id, now);
        self.wake.notify_one();
    }

    /// How many Secrets and resources wait.
    pub(super) fn len(&self) -> usize {
        let waiting = lock(&self.waiting);
        let of = |one: &Namespace| one.secrets.len() + one.keys.len();
        waiting.0.values().map(of).sum()
    }
}

/// Does what waits, for ever.
pub(super) async fn serve(shared: Arc<Shared>) {
    loop {
        if shared.secret_changes.len() == 0 {
            shared.secret_changes.wake.notified().await;
        }
        let now = shared.clock.now();
        let steps = lock(&shared.secret_changes.waiting).next(now);
        for step in steps {
            match step {
                Step::Tell(key) => tell(&shared, &key),
                Step::Read(namespace, name, id) => {
                    tokio::spawn(read(Arc::clone(&shared), namespace, name, id));
                }
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Tells the engine which version of its credentials a resource has now.
fn tell(shared: &Shared, key: &Key) {
    let version = lock(&shared.index).credentials_of(key);
    let facts = version.map(|version| CredentialsFacts { version });
    shared.changed(key, Event::Credentials(facts));
}

/// Reads a Secret that changed, and tells those whom it matters to.
async fn read(shared: Arc<Shared>, namespace: String, name: String, id: SecretId) {
    let (told, before) = {
        let index = lock(&shared.index);
        (index.credentials_told(id), index.content_of(id))
    };
    let changed = match told {
        // Without its label: nothing of it is used. Those that have a token need not know at once.
        None => false,
        Some(version) => match shared_read(&shared, &namespace, &name, version).await {
            Ok(_) => before.is_none() || lock(&shared.index).content_of(id) != before,
            Err(trouble) => {
                tracing::debug!(secret = name, %trouble, "a changed Secret could not be read yet");
                let again = shared.clock.now() + AFTER_TROUBLE;
                lock(&shared.secret_changes.waiting).changed(&namespace, &name, id, again);
                return;
            }
        },
    };
    let users = lock(&shared.index).concerned(id);
    if changed {
        for key in &users {
            tell(&shared, key);
            shared.changed(key, Event::Look);
        }
        return;
    }
    let has_token = |key: &Key| {
        let record = lock(&shared.engine).record(key);
        record.is_some_and(|record| record.token.is_some())
    };
    let (later, now): (Vec<Key>, Vec<Key>) = users.into_iter().partition(has_token);
    for key in &now {
        tell(&shared, key);
    }
    lock(&shared.secret_changes.waiting).tell(&namespace, later);
    shared.secret_changes.wake.notify_one();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Time {
        Time::from_millis(1_700_000_000_000 + millis)
    }

    fn reads(waiting: &mut Waiting, now: i64) -> usize {
        let steps = waiting.next(at(now));
        let read = |step: &&Step| matches!(step, Step::Read(..));
        steps.iter().filter(read).count()
    }

    #[test]
    fn a_secret_that_keeps_changing_is_read_less_and_less_often() {
        let mut waiting = Waiting::default();
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
        let mut waiting = Waiting::default();
        let keys: Vec<Key> = (0..2000)
            .map(|number| Key::new("many", &number.to_string()))
            .collect();
        for _ in 0..4 {
            waiting.tell("many", keys.clone());
        }
        waiting.tell("other", [Key::new("other", "a")]);
        let first = waiting.next(at(0));
        assert!(first.contains(&Step::Tell(Key::new("other", "a"))));
        assert_eq!(first.len(), 2);
        let mut told = 1;
        while !waiting.0.is_empty() {
            told += waiting.next(at(0)).len();
        }
        assert_eq!(told, 2000);
    }
}
