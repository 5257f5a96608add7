//! Turns changes of manifests into work: resources are added, changed and removed.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use super::catalogue::{BadManifest, Changes, Defined, Loaded};
use super::files::Files;
use super::folder::Removed;
use super::lines;
use super::state_folder::{Kept, new_uid};
use crate::api::OAuthClient;
use crate::api::conditions::Reason;
use crate::engine::{Event, Key};
use crate::index::secret_id;
use crate::lock::lock;
use crate::policy;

impl Files {
    /// Starts from the stored state and the manifests. `covers` tells whether a file is among the sources.
    ///
    /// # Errors
    /// The state cannot be read or written.
    pub(super) fn begin(&self, loaded: Loaded, covers: impl Fn(&Path) -> bool) -> io::Result<()> {
        let kept = self.store.clients()?;
        let mut elsewhere = BTreeSet::new();
        for (key, mut kept) in kept {
            forget_own_refusal(&mut kept);
            // A resource that moved to another file is the same resource.
            if covers(&kept.source) || loaded.clients.contains_key(&key) {
                self.known().index.apply(&key, &kept.object.spec, 0);
                self.known().clients.insert(key, kept);
            } else {
                let uid = kept.object.metadata.uid.clone().unwrap_or_default();
                let text = format!(
                    "its manifest {} is not among those given now: its token is left as it is",
                    kept.source.display()
                );
                self.say(&lines::about(&key), "left", &text);
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
                .filter_map(|kept| kept.object.metadata.uid.clone()),
        );
        for (key, uid) in self.tokens.orphans(&alive) {
            self.tokens.delete(&self.store, &key, &uid)?;
        }
        for (key, kept) in self.store.refresh_states()? {
            if !alive.iter().any(|uid| kept.is_owned_by(uid)) {
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
            .map(|kept| kept.object.clone())
        else {
            return;
        };
        let secret = Key::new(key.namespace(), &object.spec.token_secret.name);
        match self.tokens.see(&secret) {
            Ok(seen) => self.tell(
                key,
                Event::Token(seen.as_ref().and_then(policy::token_facts)),
            ),
            Err(error) => tracing::warn!(%secret, %error, "a token cannot be read"),
        }
        self.tell(key, Event::Resource(self.facts(&object)));
        self.tell_credentials(key, &object);
    }

    pub(super) fn tell_credentials(&self, key: &Key, object: &OAuthClient) {
        match self.credentials_facts(key, object) {
            Ok(facts) => self.tell(key, Event::Credentials(facts)),
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
            let is_gone = |(key, kept): &(&Key, &Kept)| {
                !changes.clients.contains_key(*key) && !changes.bad_files.contains(&kept.source)
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
                    self.say(&lines::about(&key), "failed", &text);
                }
            }
        }
        self.tell_changes(&changes);
        let affected = std::mem::take(&mut self.known().affected);
        self.tell_users(affected);
        self.tell_problems(changes.problems);
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
            Some(kept) => {
                if kept.object.spec.token_secret.type_ != object.spec.token_secret.type_ {
                    let message = "is immutable, as the type of a Secret is: create a new OAuthClient with another tokenSecret.name";
                    return Ok(Some(BadManifest::refused(
                        &source,
                        "spec.tokenSecret.type",
                        format!("{message} ({key})"),
                    )));
                }
                let generation = kept.object.metadata.generation.unwrap_or(1);
                let edited = kept.object.spec != object.spec;
                object.metadata.uid.clone_from(&kept.object.metadata.uid);
                object.metadata.generation = Some(generation + i64::from(edited));
                object.status.clone_from(&kept.object.status);
            }
        }
        let kept = Kept { source, object };
        if before.as_ref() == Some(&kept) {
            return Ok(None);
        }
        self.store.save_client(key, &kept)?;
        let object = kept.object.clone();
        self.known().clients.insert(key.clone(), kept);
        self.index(key, &object);
        if is_new {
            self.introduce(key);
        } else {
            self.tell(key, Event::Resource(self.facts(&object)));
            self.tell_credentials(key, &object);
            // Its labels and annotations may change what its Secret contains.
            self.tell(key, Event::Look);
        }
        Ok(None)
    }

    /// The manifest of a resource was removed, so its tokens are too.
    fn remove(&self, key: &Key) {
        let Some(kept) = self.known().clients.get(key).cloned() else {
            return;
        };
        {
            let mut known = self.known();
            known.clients.remove(key);
            known.memories.remove(key);
        }
        self.index_no_more(key);
        self.tell(key, Event::Gone);
        let uid = kept.object.metadata.uid.unwrap_or_default();
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
                self.say(&about, "removed", &format!("{place} is deleted"))
            }
            Ok(Some(Removed::ButForeign)) => {
                self.say(
                    &about,
                    "removed",
                    &format!("the tokens in {place} are deleted; what else is in it is left"),
                );
            }
            Err(error) => self.say(
                &about,
                "failed",
                &format!("{place} could not be deleted: {error}"),
            ),
        }
    }

    /// Notifies the users of what changed.
    fn tell_changes(&self, changes: &Changes) {
        for secret in &changes.secrets {
            let id = secret_id(secret.namespace(), secret.name());
            let (users, lookers, login_of) = {
                let index = &self.known().index;
                (index.users(id), index.lookers(id), index.login_of(id))
            };
            // Its allowed hosts are not among the facts, so they are reconciled in any case.
            self.tell_users(users);
            for key in lookers.into_iter().chain(login_of) {
                self.tell(&key, Event::Look);
            }
        }
        let uses_bundle = |(key, kept): (&Key, &Kept)| {
            let bundle = kept.object.spec.provider.ca_bundle.as_ref()?;
            let bundle = Key::new(key.namespace(), &bundle.config_map_name);
            changes.config_maps.contains(&bundle).then(|| key.clone())
        };
        let users: Vec<Key> = {
            let known = self.known();
            known.clients.iter().filter_map(uses_bundle).collect()
        };
        for key in users {
            self.tell(&key, Event::Look);
        }
    }

    fn tell_problems(&self, problems: Vec<BadManifest>) {
        let problems: BTreeSet<BadManifest> = problems.into_iter().collect();
        let mut known = self.known();
        for problem in problems.difference(&known.problems) {
            self.say("manifest", "refused", &problem.to_string());
        }
        if problems.is_empty() && !known.problems.is_empty() {
            self.say("manifest", "accepted", "no document is refused any more");
        }
        known.problems = problems;
    }

    /// Checks whether someone changed the output.
    pub(super) fn look_at_output(&self) {
        for secret in self.tokens.touched() {
            for name in self.tokens.owner_names(&secret) {
                self.tell(&Key::new(secret.namespace(), &name), Event::Look);
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
fn forget_own_refusal(kept: &mut Kept) {
    if let Some(status) = &mut kept.object.status {
        let refused = [Reason::AddressRefused, Reason::HTTPNotAllowed].map(Reason::as_str);
        status
            .attempt
            .take_if(|attempt| refused.contains(&attempt.reason.as_str()));
    }
}
