//! Handles changes of a Secret that many resources use: with one read, and few reconciles at once.
//!
//! If the content changed, all its users are notified. If only labels or annotations changed, nothing is due: users
//! without a token are notified, because they may wait for that; the others one by one, one per [`EVERY`] and
//! namespace, so that they record the new version. A Secret that changes repeatedly is read less and less often.

use std::sync::Arc;

use crate::engine::{CredentialsFacts, Event, Key};
use crate::kubernetes::changed_secrets::{AFTER_API_ERROR, ChangeStep, EVERY};
use crate::lock::lock;

use super::secret_reads::shared_read;
use super::shared::Shared;
use crate::index::SecretId;

/// Does the waiting work, forever.
pub(super) async fn serve(shared: Arc<Shared>) {
    loop {
        if shared.secret_changes.counts() == (0, 0) {
            shared.secret_changes.wake.notified().await;
        }
        let now = shared.clock.now();
        let steps = lock(&shared.secret_changes.waiting).next(now);
        for step in steps {
            match step {
                ChangeStep::Notify(key) => notify(&shared, &key),
                ChangeStep::Read(namespace, name, id) => {
                    tokio::spawn(read(Arc::clone(&shared), namespace, name, id));
                }
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Reports the current version of its credentials for a resource to the engine.
fn notify(shared: &Shared, key: &Key) {
    let version = lock(&shared.index).credentials_of(key);
    let facts = version.map(|version| CredentialsFacts { version });
    shared.changed(key, Event::Credentials(facts));
}

/// Reads a changed Secret, and notifies the affected resources.
async fn read(shared: Arc<Shared>, namespace: String, name: String, id: SecretId) {
    let (known_version, before) = {
        let index = lock(&shared.index);
        (index.credentials_version_seen(id), index.content_of(id))
    };
    let changed = match known_version {
        // Without its label, it is not used. Resources with a token do not have to know at once.
        None => false,
        Some(version) => match shared_read(&shared, &namespace, &name, version).await {
            Ok(_) => before.is_none() || lock(&shared.index).content_of(id) != before,
            Err(error) => {
                tracing::debug!(secret = name, %error, "a changed Secret could not be read yet");
                let again = shared.clock.now() + AFTER_API_ERROR;
                lock(&shared.secret_changes.waiting).changed(&namespace, &name, id, again);
                return;
            }
        },
    };
    let users = lock(&shared.index).all_users(id);
    if changed {
        for key in &users {
            notify(&shared, key);
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
        notify(&shared, key);
    }
    lock(&shared.secret_changes.waiting).notify(&namespace, later);
    shared.secret_changes.wake.notify_one();
}
