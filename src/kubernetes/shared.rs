//! The shared state of the tasks.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::api::OAuthClientStatus;
use crate::cli::LabelSelector;
use crate::clock::Clock;
use crate::discovery::Discovery;
use crate::engine::{CredentialsFacts, Engine, Event, Key};
use crate::http::Sender;
use crate::kubernetes::changed_secrets::SecretChanges;
use crate::kubernetes::credential_expiries::CredentialExpiries;
use crate::kubernetes::own_accounts::Accounts;
use crate::kubernetes::process::Process;
use crate::kubernetes::secret_copies::SecretReads;
use crate::leader::LeaderStatus;
use crate::lock::lock;
use crate::metrics::Metrics;
use crate::model::{Memory, Rules};
use crate::policy::brakes::Brakes;
use crate::policy::{StatusDetail, uid_fact};
use crate::reconcile::{Claims, revoke_replaced};
use crate::revocation_queue::RevocationQueue;
use crate::time::Time;

use super::cache::MemoryCache;
use super::calls::Calls;
use super::events::Events;
use super::group_queue::Groups;
use super::recent::{self, Recent};
use super::replacing::Replacing;
use super::restart_queue::Restarts;
use super::stored::StoredResource;
use crate::index::Index;

/// The shared state of the tasks. Locks are held for moments, never across an await.
pub(super) struct Shared {
    pub(super) calls: Calls,
    pub(super) accounts: Accounts,
    pub(super) sender: Sender,
    pub(super) discovery: Discovery,
    pub(super) revocation_queue: RevocationQueue,
    pub(super) events: Events,
    pub(super) metrics: Metrics,
    pub(super) clock: Clock,
    pub(super) leader_status: LeaderStatus,
    pub(super) rules: Rules,
    /// Which resources are served.
    pub(super) selector: LabelSelector,
    /// Resources of other groups, and those that leave ours.
    pub(super) groups: Groups,
    pub(super) detail: StatusDetail,
    pub(super) process: Process,
    /// The key for hashing the content of credentials; new in every process, never leaves it.
    pub(super) content_key: ring::hmac::Key,
    pub(super) engine: Mutex<Engine>,
    /// Refused credentials.
    pub(super) brakes: Mutex<Brakes>,
    pub(super) index: Mutex<Index>,
    /// Notifies the driver that something may be due.
    pub(super) wake: Notify,
    /// Notified when the API server refused a watch: a permission may be missing.
    pub(super) permissions_doubted: Arc<Notify>,
    /// Set when no new work may start.
    pub(super) stopping: AtomicBool,
    /// True when the drain time is over.
    pub(super) drained: watch::Receiver<bool>,
    /// Copies of Secrets that several resources use.
    pub(super) secret_reads: SecretReads,
    /// Changes of Secrets that many resources use.
    pub(super) secret_changes: SecretChanges,
    /// Resources whose workloads may lack their token.
    pub(super) restarts: Restarts,
    memories: Mutex<MemoryCache>,
    recent: Mutex<Recent>,
    /// Whether statuses are replaced or patched.
    pub(super) replacing: Replacing,
    /// Resources whose status has fields that this version does not know.
    pub(super) unknown_statuses: Mutex<HashSet<Key>>,
    /// Token Secrets that reconciles in flight may create.
    pub(super) claims: Claims,
    /// When client certificates and secrets expire, for the metrics.
    pub(super) credential_expiries: CredentialExpiries,
    /// How often the gauges are set.
    pub(super) gauge_interval: Duration,
    /// Resources that need a person, for the gauge.
    pub(super) stalled: Mutex<HashSet<Key>>,
    /// When resources that are being deleted were first observed, since the start of the process.
    deletions: Mutex<HashMap<Key, Duration>>,
}

/// The components of the operator.
pub(super) struct Components {
    pub(super) calls: Calls,
    pub(super) accounts: Accounts,
    pub(super) sender: Sender,
    pub(super) events: Events,
    pub(super) metrics: Metrics,
    pub(super) clock: Clock,
    pub(super) leader_status: LeaderStatus,
    pub(super) rules: Rules,
    pub(super) selector: LabelSelector,
    pub(super) detail: StatusDetail,
    pub(super) engine: Engine,
    pub(super) process: Process,
    pub(super) content_key: ring::hmac::Key,
    pub(super) drained: watch::Receiver<bool>,
    pub(super) permissions_doubted: Arc<Notify>,
    pub(super) gauge_interval: Duration,
}

impl Shared {
    pub(super) fn new(parts: Components) -> Arc<Self> {
        let (revocation_queue, revocations) = RevocationQueue::new(Some(parts.metrics.clone()));
        let shared = Arc::new(Shared {
            revocation_queue,
            calls: parts.calls,
            accounts: parts.accounts,
            discovery: Discovery::new(
                parts.sender.clone(),
                parts.clock.clone(),
                Some(parts.metrics.clone()),
            ),
            sender: parts.sender,
            events: parts.events,
            metrics: parts.metrics,
            clock: parts.clock,
            leader_status: parts.leader_status,
            rules: parts.rules,
            selector: parts.selector,
            groups: Groups::default(),
            detail: parts.detail,
            process: parts.process,
            brakes: Mutex::new(Brakes::new(parts.content_key.clone())),
            content_key: parts.content_key,
            engine: Mutex::new(parts.engine),
            index: Mutex::new(Index::default()),
            wake: Notify::new(),
            permissions_doubted: parts.permissions_doubted,
            stopping: AtomicBool::new(false),
            drained: parts.drained,
            secret_reads: SecretReads::default(),
            secret_changes: SecretChanges::default(),
            restarts: Restarts::default(),
            memories: Mutex::default(),
            recent: Mutex::default(),
            replacing: Replacing::default(),
            unknown_statuses: Mutex::default(),
            claims: Claims::default(),
            credential_expiries: CredentialExpiries::default(),
            gauge_interval: parts.gauge_interval,
            stalled: Mutex::new(HashSet::new()),
            deletions: Mutex::default(),
        });
        let weak = Arc::downgrade(&shared);
        tokio::spawn(revocations.serve(move |key, token| {
            let shared = weak.upgrade();
            async move {
                if let Some(shared) = shared.filter(|shared| shared.may_start_work()) {
                    revoke_replaced(&ClusterStore(shared), &key, &token).await;
                }
            }
        }));
        shared
    }

    /// Reports to the engine, and notifies the driver that something may be due.
    pub(super) fn changed(&self, key: &Key, cause: Event) {
        lock(&self.engine).changed(key, cause, self.clock.now());
        self.wake.notify_one();
    }

    /// Whether new work may start.
    pub(super) fn may_start_work(&self) -> bool {
        !self.stopping.load(Ordering::Acquire) && self.leader_status.leads()
    }

    /// A reconcile starts.
    pub(super) fn reconcile_started(&self, key: &Key) {
        lock(&self.memories).reconcile_started(key);
    }

    /// The watch reported the object with this UID.
    pub(super) fn appeared(&self, key: &Key, uid: &str) {
        lock(&self.memories).appeared(key, uid_fact(uid));
    }

    pub(super) fn memory(&self, key: &Key, uid: &str) -> Memory {
        lock(&self.memories).get(key, uid_fact(uid))
    }

    pub(super) fn remember(&self, key: &Key, uid: &str, memory: Memory) {
        lock(&self.memories).put(key, uid_fact(uid), memory);
    }

    /// The watch reported that the token Secret of this resource was deleted; `owner` is the UID of its owner, if
    /// known.
    pub(super) fn deletion_reported(&self, key: &Key, owner: Option<&str>) {
        lock(&self.memories).deletion_reported(key, owner.map(uid_fact));
    }

    /// The resource names another token Secret now.
    pub(super) fn target_moved(&self, key: &Key) {
        lock(&self.memories).target_moved(key);
    }

    /// How long ago a resource that is being deleted was first observed, by a clock that is never set.
    pub(super) fn deleting_for(&self, key: &Key) -> Duration {
        let elapsed = self.clock.elapsed_with_sleep();
        let mut all = lock(&self.deletions);
        elapsed.saturating_sub(*all.entry(key.clone()).or_insert(elapsed))
    }

    /// Counts a resource whose status says that a person must act.
    pub(super) fn note_stalled(&self, key: &Key, status: Option<&OAuthClientStatus>) {
        let conditions = status.map_or(&[][..], |status| &status.conditions);
        let stalled = conditions
            .iter()
            .any(|condition| condition.type_ == "Stalled" && condition.status == "True");
        let mut all = lock(&self.stalled);
        if stalled {
            all.insert(key.clone());
        } else {
            all.remove(key);
        }
    }

    /// Removes a resource that is gone.
    pub(super) fn forget(&self, key: &Key) {
        lock(&self.memories).forget(key);
        lock(&self.stalled).remove(key);
        lock(&self.deletions).remove(key);
        lock(&self.unknown_statuses).remove(key);
        self.groups.forget(key);
        self.credential_expiries.forget(key);
        lock(&self.recent).forget(key);
        let users = lock(&self.index).remove(key);
        self.token_changed(&users);
    }

    /// Something that these resources use changed: another one's token, or a cycle.
    pub(super) fn token_changed(&self, keys: &[Key]) {
        for key in keys {
            let version = lock(&self.index).credentials_of(key);
            let facts = version.map(|version| CredentialsFacts { version });
            self.changed(key, Event::Credentials(facts));
            self.changed(key, Event::Look);
        }
    }

    /// Records whether the status of a resource has fields that this version does not know.
    pub(super) fn note_unknown(&self, key: &Key, stored: &StoredResource) {
        let mut all = lock(&self.unknown_statuses);
        if stored.unknown_status {
            all.insert(key.clone());
        } else {
            all.remove(key);
        }
    }

    /// Keeps a resource from a watch for its next reconcile, which is due.
    pub(super) fn keep_recent(&self, key: &Key, stored: &StoredResource) {
        let until = self.clock.now() + recent::KEPT_FOR;
        lock(&self.recent).insert(key, stored, until);
    }

    /// The resource as it was last seen, if that was recent.
    pub(super) fn recent(&self, key: &Key) -> Option<StoredResource> {
        let seen = lock(&self.index).resource_seen(key);
        lock(&self.recent).get(key, seen, self.clock.now())
    }

    /// Keeps a resource until its next reconcile, if that is soon.
    pub(super) fn keep_until(&self, key: &Key, next: Option<Time>) {
        let now = self.clock.now();
        let soon = next.filter(|next| next.since(now) < recent::SOON);
        let mut recent = lock(&self.recent);
        match soon {
            Some(next) => recent.keep_until(key, next + recent::KEPT_FOR),
            None => recent.forget(key),
        }
    }

    /// A watch reported a resource about which there is nothing to do.
    pub(super) fn drop_older(&self, key: &Key, stored: &StoredResource) {
        lock(&self.recent).reported(key, stored);
    }

    /// The watch of resources is interrupted.
    pub(super) fn drop_recent(&self) {
        lock(&self.recent).clear();
    }

    /// Drops unused objects.
    pub(super) fn sweep(&self) {
        let now = self.clock.now();
        self.secret_reads.sweep(now);
        lock(&self.index).sweep_contents();
        lock(&self.recent).sweep(now);
    }
}

/// The cluster.
pub(crate) struct ClusterStore(pub(crate) Arc<Shared>);
