//! The data of the page: every resource as a card, with a version, so that each open page receives only what is new.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard};

use serde::Serialize;
use tokio::sync::watch;

use super::card::Card;
use crate::lock::lock;

/// Namespace and name.
pub(super) type Key = (String, String);

/// How many deletions are kept. A page that missed more gets everything again.
const MOST_GONE: usize = 1000;
/// The maximum number of notices.
const MOST_NOTICES: usize = 20;

/// The cards, and the pages that wait for changes.
pub(super) struct CardCache {
    inner: Mutex<Inner>,
    version: watch::Sender<u64>,
}

#[derive(Default)]
struct Inner {
    version: u64,
    /// Changes before this version are no longer known.
    since: u64,
    cards: BTreeMap<Key, (u64, Card)>,
    gone: VecDeque<(u64, Key)>,
    notices: VecDeque<(u64, Notice)>,
    connection_error: Option<String>,
    listed: bool,
}

/// A message that is shown once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Notice {
    pub(super) tone: &'static str,
    pub(super) text: String,
}

/// Changes that a page has not received yet.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct News {
    #[serde(skip)]
    pub(super) version: u64,
    /// Whether the page must discard what it has.
    anew: bool,
    /// Whether the first list is complete.
    listed: bool,
    cards: Vec<Card>,
    gone: Vec<Key>,
    notices: Vec<Notice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
    now: String,
}

impl Default for CardCache {
    fn default() -> CardCache {
        CardCache {
            inner: Mutex::default(),
            version: watch::Sender::new(0),
        }
    }
}

impl CardCache {
    /// Adds or changes a resource.
    pub(super) fn put(&self, key: Key, card: Card) {
        self.change(|inner, version| {
            if inner
                .cards
                .get(&key)
                .is_none_or(|(_, before)| *before != card)
            {
                inner.cards.insert(key, (version, card));
            }
        });
    }

    /// Removes a resource.
    pub(super) fn remove(&self, key: &Key) {
        self.change(|inner, version| inner.remove(key, version));
    }

    /// Replaces all resources.
    pub(super) fn replace(&self, cards: BTreeMap<Key, Card>) {
        self.change(|inner, version| {
            let missing: Vec<Key> = inner
                .cards
                .keys()
                .filter(|key| !cards.contains_key(*key))
                .cloned()
                .collect();
            for key in &missing {
                inner.remove(key, version);
            }
            for (key, card) in cards {
                inner.cards.insert(key, (version, card));
            }
            inner.listed = true;
        });
    }

    /// The connection to the API was lost or is back.
    pub(super) fn set_connection_error(&self, error: Option<String>) {
        if self.lock().connection_error != error {
            self.change(|inner, _| inner.connection_error = error);
        }
    }

    /// Shows a message once, on every open page.
    pub(super) fn add_notice(&self, tone: &'static str, text: String) {
        self.change(|inner, version| {
            inner.notices.push_back((version, Notice { tone, text }));
            while inner.notices.len() > MOST_NOTICES {
                inner.notices.pop_front();
            }
        });
    }

    /// Whether a shown resource has this key.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.lock().cards.contains_key(key)
    }

    /// Notifies about changes.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// The current version.
    #[cfg(test)]
    fn version(&self) -> u64 {
        self.lock().version
    }

    /// The changes since a version; everything for `None`.
    pub(super) fn since(&self, version: Option<u64>, now: String) -> News {
        let inner = self.lock();
        let anew = version.is_none_or(|version| version < inner.since);
        let from = version.filter(|_| !anew).unwrap_or(0);
        let newer = |at: &u64| anew || *at > from;
        News {
            version: inner.version,
            anew,
            listed: inner.listed,
            cards: inner
                .cards
                .values()
                .filter(|(at, _)| newer(at))
                .map(|(_, card)| card.clone())
                .collect(),
            gone: inner
                .gone
                .iter()
                .filter(|(at, _)| !anew && *at > from)
                .map(|(_, key)| key.clone())
                .collect(),
            notices: inner
                .notices
                .iter()
                // A new page does not receive earlier messages.
                .filter(|(at, _)| version.is_some_and(|version| *at > version))
                .map(|(_, notice)| notice.clone())
                .collect(),
            trouble: inner.connection_error.clone(),
            now,
        }
    }

    fn change(&self, change: impl FnOnce(&mut Inner, u64)) {
        let mut inner = self.lock();
        inner.version += 1;
        let version = inner.version;
        change(&mut inner, version);
        drop(inner);
        self.version.send_replace(version);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }
}

impl Inner {
    fn remove(&mut self, key: &Key, version: u64) {
        if self.cards.remove(key).is_some() {
            self.gone.push_back((version, key.clone()));
        }
        while self.gone.len() > MOST_GONE {
            if let Some((at, _)) = self.gone.pop_front() {
                self.since = at;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::time::Time;

    fn key(name: &str) -> Key {
        ("shop".to_owned(), name.to_owned())
    }

    fn card(name: &str) -> Card {
        let client = json!({
            "apiVersion": "oauthclient.dev/v1alpha1", "kind": "OAuthClient",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"provider": {}, "tokenSecret": {"name": "t"}},
        });
        Card::of(
            &serde_json::from_value(client).unwrap(),
            Time::from_seconds(0),
        )
    }

    fn news(store: &CardCache, version: Option<u64>) -> News {
        store.since(version, String::new())
    }

    #[test]
    fn a_page_gets_everything_once_and_then_what_is_new() {
        let store = CardCache::default();
        store.put(key("a"), card("a"));
        let first = news(&store, None);
        assert!(first.anew && first.cards.len() == 1);
        store.put(key("b"), card("b"));
        store.remove(&key("a"));
        store.add_notice("good", "done".to_owned());
        let second = news(&store, Some(first.version));
        assert_eq!((second.anew, second.cards.len()), (false, 1));
        assert_eq!(second.gone, [key("a")]);
        assert_eq!(second.notices.len(), 1);
        let third = news(&store, Some(second.version));
        assert!(third.cards.is_empty() && third.gone.is_empty() && third.notices.is_empty());
    }

    #[test]
    fn a_page_that_has_missed_too_many_deletions_gets_everything_anew() {
        let store = CardCache::default();
        let first = news(&store, None).version;
        for number in 0..MOST_GONE + 2 {
            let key = key(&number.to_string());
            store.put(key.clone(), card("x"));
            store.remove(&key);
        }
        assert!(news(&store, Some(first)).anew);
    }

    #[test]
    fn what_a_new_list_lacks_is_gone() {
        let store = CardCache::default();
        store.put(key("a"), card("a"));
        let before = store.version();
        store.replace(BTreeMap::from([(key("b"), card("b"))]));
        let news = news(&store, Some(before));
        assert_eq!(news.gone, [key("a")]);
        assert_eq!(news.cards.len(), 1);
        assert!(news.listed);
    }
}
