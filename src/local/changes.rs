//! Turns changes of manifests into work: resources are added, changed and removed.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use super::catalogue::{BadManifest, Changes, Defined, Loaded};
use super::files::Files;
use super::folder::Removed;
use super::lines;
use super::state_folder::{StoredClient, new_uid};
use crate::api::OAuthClient;
use crate::api::conditions::Reason;
use crate::engine::{Event, Key};
use crate::index::secret_id;
use crate::lock::lock;
use crate::policy;

impl Files {
    /// Starts from the stored state and the manifests. `covers`: whether a file is among the sources.
    ///
    /// # Errors
    /// The state cannot be read or written.
    pub(super) fn begin(&self, loaded: Loaded, covers: impl Fn(&Path) -> bool) -> io::Result<()> {
        let stored = self.store.clients()?;
        let mut elsewhere = BTreeSet::new();
        for (key, mut stored) in stored {
            drop_own_refusal(&mut stored);
            // A resource that moved to another file is the same resource.
            if covers(&stored.source) || loaded.clients.contains_key(&key) {
                self.known().index.apply(&key, &stored.object.spec, 0);
                self.known().clients.insert(key, stored);
            } else {
                let uid = stored.object.metadata.uid.clone().unwrap_or_default();
                let text = format!(
                    "its manifest {} is not among those given now: its token is left as it is",
                    stored.source.display()
                );
                self.print(&lines::about(&key), "left", &text);
                elsewhere.insert(uid);
            }
        }
        if !self.apply(loaded) {
            return Err(io::Error::other(
                "the state of a resource cannot be written",
            ));
        }
        let mut alive = elsewhere;
        alive.extend(
            self.known()
                .clients
                .values()
                .filter_map(|stored| stored.object.metadata.uid.clone()),
        );
        for (key, uid) in self.tokens.orphans(&alive) {
            self.tokens.delete(&self.store, &key, &uid)?;
        }
        for (key, stored) in self.store.refresh_states()? {
            if !alive.iter().any(|uid| stored.is_owned_by(uid)) {
                self.store.forget_refresh_state(&key)?;
            }
        }
        // `apply` does not report unchanged resources.
        for key in self.clients() {
            self.introduce(&key);
        }
        let now = self.clock.now();
        let stopped = {
            let mut engine = lock(&self.engine);
            engine.ready(now);
            engine.stopped(now)
        };
        lock(&self.brakes).expect(stopped, now);
        Ok(())
    }

    /// Reports everything that is known about a resource to the engine.
    fn introduce(&self, key: &Key) {
        let Some(object) = self
            .known()
            .clients
            .get(key)
            .map(|stored| stored.object.clone())
        else {
            return;
        };
        let secret = Key::new(key.namespace(), &object.spec.token_secret.name);
        match self.tokens.see(&secret) {
            Ok(seen) => self.notify(
                key,
                Event::Token(seen.as_ref().and_then(policy::token_facts)),
            ),
            Err(error) => tracing::warn!(%secret, %error, "a token cannot be read"),
        }
        self.notify(key, Event::Resource(self.facts(&object)));
        self.notify_credentials(key, &object);
    }

    pub(super) fn notify_credentials(&self, key: &Key, object: &OAuthClient) {
        match self.credentials_facts(key, object) {
            Ok(facts) => self.notify(key, Event::Credentials(facts)),
            // What is known stays.
            Err(error) => {
                tracing::warn!(resource = %key, %error, "a Secret that it uses cannot be read");
            }
        }
    }

    /// Applies the current manifests. Returns whether all of it could be stored.
    pub(super) fn apply(&self, loaded: Loaded) -> bool {
        let mut whole = true;
        let mut changes = self.known().catalogue.take(loaded);
        let gone: Vec<Key> = {
            let known = self.known();
            let is_gone = |(key, stored): &(&Key, &StoredClient)| {
                !changes.clients.contains_key(*key) && !changes.bad_files.contains(&stored.source)
            };
            known
                .clients
                .iter()
                .filter(is_gone)
                .map(|(key, _)| key.clone())
                .collect()
        };
        for key in &gone {
            self.remove(key);
        }
        for (key, defined) in std::mem::take(&mut changes.clients) {
            match self.define(&key, defined) {
                Ok(Some(problem)) => changes.problems.push(problem),
                Ok(None) => {}
                Err(error) => {
                    whole = false;
                    let text = format!("its state cannot be written: {error}; it is tried again");
                    self.print(&lines::about(&key), "failed", &text);
                }
            }
        }
        self.notify_changes(&changes);
        let affected = std::mem::take(&mut self.known().affected);
        self.notify_users(affected);
        self.print_problems(changes.problems);
        whole
    }

    /// Applies the current manifest of a resource. Returns what the API server would refuse of the change.
    fn define(&self, key: &Key, defined: Defined<OAuthClient>) -> io::Result<Option<BadManifest>> {
        let Defined {
            value: mut object,
            source,
        } = defined;
        let before = self.known().clients.get(key).cloned();
        let is_new = before.is_none();
        match &before {
            None => {
                object.metadata.uid = Some(new_uid()?);
                object.metadata.generation = Some(1);
                object.status = None;
            }
            Some(stored) => {
                if stored.object.spec.token_secret.type_ != object.spec.token_secret.type_ {
                    let message = "is immutable, as the type of a Secret is: create a new OAuthClient with another tokenSecret.name";
                    return Ok(Some(BadManifest::refused(
                        &source,
                        "spec.tokenSecret.type",
                        format!("{message} ({key})"),
                    )));
                }
                let generation = stored.object.metadata.generation.unwrap_or(1);
                let edited = stored.object.spec != object.spec;
                object.metadata.uid.clone_from(&stored.object.metadata.uid);
                object.metadata.generation = Some(generation + i64::from(edited));
                object.status.clone_from(&stored.object.status);
            }
        }
        let stored = StoredClient { source, object };
        if before.as_ref() == Some(&stored) {
            return Ok(None);
        }
        self.store.save_client(key, &stored)?;
        let object = stored.object.clone();
        self.known().clients.insert(key.clone(), stored);
        self.index(key, &object);
        if is_new {
            self.introduce(key);
        } else {
            self.notify(key, Event::Resource(self.facts(&object)));
            self.notify_credentials(key, &object);
            // Its labels and annotations may change what its Secret contains.
            self.notify(key, Event::Look);
        }
        Ok(None)
    }

    /// The manifest of a resource was removed, so its tokens are too.
    fn remove(&self, key: &Key) {
        let Some(stored) = self.known().clients.get(key).cloned() else {
            return;
        };
        {
            let mut known = self.known();
            known.clients.remove(key);
            known.memories.remove(key);
        }
        self.unindex(key);
        self.notify(key, Event::Gone);
        let uid = stored.object.metadata.uid.unwrap_or_default();
        for (secret, record) in self.tokens.owned_by(key.namespace(), &uid) {
            self.delete_tokens(key, &secret, &record);
        }
        let state = Key::new(key.namespace(), &policy::state_name(key.name()));
        if let Err(error) = self.store.forget_refresh_state(&state) {
            tracing::warn!(resource = %key, %error, "the refresh token of a removed resource could not be deleted");
        }
        if let Err(error) = self.store.forget_client(key) {
            tracing::warn!(resource = %key, %error, "the state of a removed resource could not be deleted");
        }
    }

    pub(super) fn delete_tokens(&self, key: &Key, secret: &Key, uid: &str) {
        let place = self.tokens.folder(secret).path().display().to_string();
        let about = lines::about(key);
        match self.tokens.delete(&self.store, secret, uid) {
            Ok(None) => {}
            Ok(Some(Removed::Wholly)) => {
                self.print(&about, "removed", &format!("{place} is deleted"))
            }
            Ok(Some(Removed::ButForeign)) => {
                self.print(
                    &about,
                    "removed",
                    &format!("the tokens in {place} are deleted; what else is in it is left"),
                );
            }
            Err(error) => self.print(
                &about,
                "failed",
                &format!("{place} could not be deleted: {error}"),
            ),
        }
    }

    /// Notifies the users of what changed.
    fn notify_changes(&self, changes: &Changes) {
        for secret in &changes.secrets {
            let id = secret_id(secret.namespace(), secret.name());
            let (users, certificate_users, login_of) = {
                let index = &self.known().index;
                (
                    index.users(id),
                    index.certificate_users(id),
                    index.login_of(id),
                )
            };
            // Its allowed hosts are not among the facts, so they are reconciled in any case.
            self.notify_users(users);
            for key in certificate_users.into_iter().chain(login_of) {
                self.notify(&key, Event::Look);
            }
        }
        let uses_bundle = |(key, stored): (&Key, &StoredClient)| {
            let bundle = stored.object.spec.provider.ca_bundle.as_ref()?;
            let bundle = Key::new(key.namespace(), &bundle.config_map_name);
            changes.config_maps.contains(&bundle).then(|| key.clone())
        };
        let users: Vec<Key> = {
            let known = self.known();
            known.clients.iter().filter_map(uses_bundle).collect()
        };
        for key in users {
            self.notify(&key, Event::Look);
        }
    }

    fn print_problems(&self, problems: Vec<BadManifest>) {
        let problems: BTreeSet<BadManifest> = problems.into_iter().collect();
        let mut known = self.known();
        for problem in problems.difference(&known.problems) {
            self.print("manifest", "refused", &problem.to_string());
        }
        if problems.is_empty() && !known.problems.is_empty() {
            self.print("manifest", "accepted", "no document is refused any more");
        }
        known.problems = problems;
    }

    /// Checks whether someone changed the output.
    pub(super) fn check_output(&self) {
        for secret in self.tokens.touched() {
            for name in self.tokens.owner_names(&secret) {
                self.notify(&Key::new(secret.namespace(), &name), Event::Look);
            }
        }
    }
}

/// The credentials Secret that a resource names, if it names one.
pub(super) fn credentials_of(key: &Key, object: &OAuthClient) -> Option<Key> {
    let credentials = object.spec.credentials.as_ref()?;
    Some(Key::new(key.namespace(), &credentials.secret_name))
}

/// Removes a failed attempt that this program's own flags refused: nothing was sent, and the flags may differ now.
fn drop_own_refusal(stored: &mut StoredClient) {
    if let Some(status) = &mut stored.object.status {
        let refused = [Reason::AddressRefused, Reason::HTTPNotAllowed].map(Reason::as_str);
        status
            .attempt
            .take_if(|attempt| refused.contains(&attempt.reason.as_str()));
    }
}
