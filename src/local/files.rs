//! What the reconciliations of one process share, and the queries on it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard};

use tokio::sync::Notify;

use crate::api::{OAuthClient, OAuthClientStatus};
use crate::clock::Clock;
use crate::discovery::Discovery;
use crate::engine::{Engine, Event, Key, ResourceFacts};
use crate::http::Sender;
use crate::index::Index;
use crate::lock::lock;
use crate::model::{Memory, Rules};
use crate::policy::brakes::Brakes;
use crate::reconcile::Claims;
use crate::revocation_queue::RevocationQueue;

use super::catalogue::{BadManifest, Catalogue};
use super::lines;
use super::state_folder::{StateFolder, StoredClient};
use super::tokens::Tokens;

/// Everything that the reconciliations of one process share.
pub(super) struct Files {
    pub(super) clock: Clock,
    pub(super) store: StateFolder,
    pub(super) tokens: Tokens,
    pub(super) engine: Mutex<Engine>,
    /// Refused credentials.
    pub(super) brakes: Mutex<Brakes>,
    /// Notified when the engine may have new work.
    pub(super) wake: Notify,
    /// Set when no new request may start.
    pub(super) ending: AtomicBool,
    pub(super) sender: Sender,
    pub(super) discovery: Discovery,
    pub(super) revocation_queue: RevocationQueue,
    pub(super) rules: Rules,
    /// Files that hold tokens of `ServiceAccounts`, by the account's name.
    pub(super) account_files: BTreeMap<String, PathBuf>,
    /// A name that no other process has.
    pub(super) process: String,
    /// Token Secrets that reconciles in flight may create.
    pub(super) claims: Claims,
    known: Mutex<FilesState>,
}

/// What is known of the files, behind a lock that is never held across an `await`.
#[derive(Default)]
pub(super) struct FilesState {
    pub(super) clients: BTreeMap<Key, StoredClient>,
    pub(super) catalogue: Catalogue,
    pub(super) memories: BTreeMap<Key, Memory>,
    /// Resources for which a request was sent.
    pub(super) requested: BTreeSet<Key>,
    /// Which resource uses which Secret.
    pub(super) index: Index,
    /// Resources that use the token of one that was added, changed or deleted, until they are notified.
    pub(super) affected: BTreeSet<Key>,
    pub(super) problems: BTreeSet<BadManifest>,
}

impl Files {
    pub(super) fn new(
        clock: Clock,
        store: StateFolder,
        tokens: Tokens,
        engine: Engine,
        sender: Sender,
        rules: Rules,
        revocation_queue: RevocationQueue,
    ) -> Self {
        // 128 random bits, used for nothing else.
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &clock.nonce().id);
        Files {
            brakes: Mutex::new(Brakes::new(key)),
            revocation_queue,
            discovery: Discovery::new(sender.clone(), clock.clone(), None),
            process: clock.nonce().name(),
            clock,
            store,
            tokens,
            engine: Mutex::new(engine),
            wake: Notify::new(),
            ending: AtomicBool::new(false),
            sender,
            rules,
            account_files: BTreeMap::new(),
            claims: Claims::default(),
            known: Mutex::default(),
        }
    }

    pub(super) fn known(&self) -> MutexGuard<'_, FilesState> {
        lock(&self.known)
    }

    pub(super) fn notify(&self, key: &Key, cause: Event) {
        lock(&self.engine).changed(key, cause, self.clock.now());
        self.wake.notify_one();
    }

    /// What the engine needs to know about a resource.
    pub(super) fn facts(&self, object: &OAuthClient) -> ResourceFacts {
        crate::facts::resource_facts(object, |spec| self.discovery.host_queue(spec))
    }

    pub(super) fn print(&self, about: &str, word: &str, text: &str) {
        lines::print(self.clock.now(), about, word, text);
    }

    /// Every resource that is reconciled.
    pub(super) fn clients(&self) -> Vec<Key> {
        self.known().clients.keys().cloned().collect()
    }

    /// A resource's status.
    pub(super) fn status(&self, key: &Key) -> Option<OAuthClientStatus> {
        self.known().clients.get(key)?.object.status.clone()
    }

    /// Whether a token request was sent for a resource since the start.
    pub(super) fn has_requested(&self, key: &Key) -> bool {
        self.known().requested.contains(key)
    }

    /// How many documents were refused.
    pub(super) fn bad_manifests(&self) -> usize {
        self.known().problems.len()
    }

    /// Where a resource's tokens are, as printed.
    pub(super) fn place(&self, key: &Key) -> String {
        let name = self
            .known()
            .clients
            .get(key)
            .map(|stored| stored.object.spec.token_secret.name.clone());
        let secret = Key::new(key.namespace(), &name.unwrap_or_default());
        self.tokens.folder(&secret).path().display().to_string()
    }
}
