//! The world of files, as the walk sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::catalogue::{BadManifest, Catalogue, Changes, Defined, Loaded};
use super::folder::Removed;
use super::lines;
use super::store::{Kept, Store, hex, new_uid};
use super::tokens::Tokens;
use crate::api::validate::Validated;
use crate::api::{OAuthClient, OAuthClientStatus, validate};
use crate::clock::Clock;
use crate::decide::{
    self, CREDENTIALS_LABEL, CaSeen, Doomed, FailedAttempt, Failure, Memory, Observed,
    REFRESH_REQUESTED, Report, Resource, Rules, SecretSeen, SecretWrite, StatusDetail,
};
use crate::engine::{Cause, Engine, Key, LaneReport};
use crate::http::{CaBundle, Route, Sender};
use crate::inputs;
use crate::oauth::{HttpAnswer, HttpRequest};
use crate::time::{Span, Time};
use crate::walk::{Trouble, World, WriteError};

/// Everything that the walks of one process share.
pub(super) struct Files {
    pub(super) clock: Clock,
    pub(super) store: Store,
    pub(super) tokens: Tokens,
    pub(super) engine: Mutex<Engine>,
    /// Told when the engine may have work that it had not before.
    pub(super) wake: Notify,
    /// No new request may begin.
    pub(super) ending: AtomicBool,
    sender: Sender,
    rules: Rules,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    clients: BTreeMap<Key, Kept>,
    catalogue: Catalogue,
    memories: BTreeMap<Key, Memory>,
    /// Which resource is to make a token Secret that is not there yet.
    claims: BTreeMap<Key, Key>,
    /// Resources that a request was sent for.
    asked: BTreeSet<Key>,
    problems: BTreeSet<BadManifest>,
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Files {
    pub(super) fn new(
        clock: Clock,
        store: Store,
        tokens: Tokens,
        engine: Engine,
        sender: Sender,
        rules: Rules,
    ) -> Self {
        Files {
            clock,
            store,
            tokens,
            engine: Mutex::new(engine),
            wake: Notify::new(),
            ending: AtomicBool::new(false),
            sender,
            rules,
            known: Mutex::default(),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        locked(&self.known)
    }

    pub(super) fn tell(&self, key: &Key, cause: Cause) {
        locked(&self.engine).changed(key, cause, self.clock.now());
        self.wake.notify_one();
    }

    fn say(&self, about: &str, word: &str, text: &str) {
        lines::say(self.clock.now(), about, word, text);
    }

    /// Every resource that is worked on.
    pub(super) fn clients(&self) -> Vec<Key> {
        self.known().clients.keys().cloned().collect()
    }

    /// A resource's status.
    pub(super) fn status(&self, key: &Key) -> Option<OAuthClientStatus> {
        self.known().clients.get(key)?.object.status.clone()
    }

    /// Whether a token request was sent for a resource since the start.
    pub(super) fn has_asked(&self, key: &Key) -> bool {
        self.known().asked.contains(key)
    }

    /// How many documents are refused.
    pub(super) fn bad_manifests(&self) -> usize {
        self.known().problems.len()
    }

    /// Where a resource's tokens are, for people.
    pub(super) fn place(&self, key: &Key) -> String {
        let name = self
            .known()
            .clients
            .get(key)
            .map(|kept| kept.object.spec.token_secret.name.clone());
        let secret = Key::new(key.namespace(), &name.unwrap_or_default());
        self.tokens.folder(&secret).path().display().to_string()
    }

    /// Starts from what is kept and what the manifests say. `covers` tells whether a file is among the sources.
    ///
    /// # Errors
    /// When the state cannot be read or written.
    pub(super) fn begin(
        &self,
        loaded: Loaded,
        covers: impl Fn(&Path) -> bool,
    ) -> std::io::Result<()> {
        let kept = self.store.clients()?;
        let mut elsewhere = BTreeSet::new();
        for (key, kept) in kept {
            // The same resource from another file than before is the same resource.
            if covers(&kept.source) || loaded.clients.contains_key(&key) {
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
        self.apply(loaded);
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
        // What did not change was not told by `apply`.
        for key in self.clients() {
            self.introduce(&key);
        }
        locked(&self.engine).ready(self.clock.now());
        Ok(())
    }

    /// Tells the engine all that is known of a resource.
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
                Cause::Token(seen.as_ref().and_then(decide::token_facts)),
            ),
            Err(error) => tracing::warn!(%secret, %error, "a token cannot be read"),
        }
        self.tell(key, Cause::Resource(decide::resource_facts(&object)));
        self.tell_credentials(key, &object);
    }

    fn tell_credentials(&self, key: &Key, object: &OAuthClient) {
        let secret = Key::new(key.namespace(), &object.spec.credentials.secret_name);
        let facts = self
            .credentials(&secret)
            .filter(|seen| seen.has_label(CREDENTIALS_LABEL, "true"))
            .map(|seen| decide::credentials_facts(&seen.uid, &seen.resource_version));
        self.tell(key, Cause::Credentials(facts));
    }

    /// Takes in what the manifests say now.
    pub(super) fn apply(&self, loaded: Loaded) {
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
                    let text = format!("its state cannot be written: {error}");
                    self.say(&lines::about(&key), "failed", &text);
                }
            }
        }
        self.tell_changes(&changes);
        self.tell_problems(changes.problems);
    }

    /// Takes in a resource as its manifest has it now; what the API server would refuse of the change is returned.
    fn define(
        &self,
        key: &Key,
        defined: Defined<OAuthClient>,
    ) -> std::io::Result<Option<BadManifest>> {
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
                    let message = "cannot be changed, as the type of a Secret cannot: make a new OAuthClient with another tokenSecret.name";
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
        if is_new {
            self.introduce(key);
        } else {
            self.tell(key, Cause::Resource(decide::resource_facts(&object)));
            self.tell_credentials(key, &object);
            // Its labels and annotations may have changed what its Secret is to carry.
            self.tell(key, Cause::Look);
        }
        Ok(None)
    }

    /// A resource's manifest is gone: so are its tokens.
    fn remove(&self, key: &Key) {
        let Some(kept) = self.known().clients.get(key).cloned() else {
            return;
        };
        {
            let mut known = self.known();
            known.clients.remove(key);
            known.memories.remove(key);
            known.claims.retain(|_, holder| holder != key);
        }
        self.tell(key, Cause::Gone);
        let uid = kept.object.metadata.uid.unwrap_or_default();
        for (secret, record) in self.tokens.owned_by(key.namespace(), &uid) {
            self.delete_tokens(key, &secret, &record);
        }
        if let Err(error) = self.store.forget_client(key) {
            tracing::warn!(resource = %key, %error, "the state of a removed resource could not be deleted");
        }
    }

    fn delete_tokens(&self, key: &Key, secret: &Key, uid: &str) {
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

    /// Tells those who use what has changed.
    fn tell_changes(&self, changes: &Changes) {
        let clients: Vec<(Key, OAuthClient)> = self
            .known()
            .clients
            .iter()
            .map(|(key, kept)| (key.clone(), kept.object.clone()))
            .collect();
        for (key, object) in clients {
            let credentials = Key::new(key.namespace(), &object.spec.credentials.secret_name);
            let bundle = object.spec.provider.ca_bundle.as_ref();
            let bundle = bundle.map(|bundle| Key::new(key.namespace(), &bundle.config_map_name));
            if changes.secrets.contains(&credentials) {
                self.tell_credentials(&key, &object);
                // The hosts that it allows are not among the facts.
                self.tell(&key, Cause::Look);
            }
            if bundle.is_some_and(|bundle| changes.config_maps.contains(&bundle)) {
                self.tell(&key, Cause::Look);
            }
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

    /// Looks whether somebody touched the output.
    pub(super) fn look_at_output(&self) {
        for secret in self.tokens.touched() {
            for name in self.tokens.owner_names(&secret) {
                self.tell(&Key::new(secret.namespace(), &name), Cause::Look);
            }
        }
    }

    /// A credentials Secret as its manifest has it. Its version is a keyed hash of its data, so that neither a restart nor
    /// an edit of its labels looks like a change of the credentials.
    fn credentials(&self, key: &Key) -> Option<SecretSeen> {
        let known = self.known();
        let secret = &known.catalogue.secrets.get(key)?.value;
        let mut content = zeroize::Zeroizing::new(Vec::new());
        for (name, value) in &secret.data {
            for part in [name.as_bytes(), value.expose_bytes()] {
                content.extend_from_slice(&(part.len() as u64).to_le_bytes());
                content.extend_from_slice(part);
            }
        }
        let short = |hash: [u8; 32]| hex(hash.get(..16).unwrap_or_default());
        Some(SecretSeen {
            name: key.name().to_owned(),
            uid: short(self.store.hash("uid", key.to_string().as_bytes())),
            resource_version: short(self.store.hash("credentials", &content)),
            type_: secret.type_.clone(),
            labels: secret.labels.clone(),
            annotations: secret.annotations.clone(),
            data: secret.data.clone(),
            immutable: false,
            deleting: false,
            owners: Vec::new(),
        })
    }

    fn ca(&self, key: &Key, spec: &Validated) -> CaSeen {
        let Some(named) = &spec.ca_bundle else {
            return CaSeen::NotNamed;
        };
        let known = self.known();
        let Some(map) = known
            .catalogue
            .config_maps
            .get(&Key::new(key.namespace(), &named.name))
        else {
            return CaSeen::Missing;
        };
        let Some(bytes) = map.value.get(&named.key) else {
            return CaSeen::KeyMissing;
        };
        match (CaBundle::from_pem(bytes), std::str::from_utf8(bytes)) {
            (Ok(_), Ok(text)) => CaSeen::Pem(text.to_owned()),
            (Err(problem), _) => CaSeen::Broken(problem.to_string()),
            (_, Err(_)) => CaSeen::Broken("it is not text".to_owned()),
        }
    }

    /// The resource that makes a token Secret which is not there yet, if that is another one.
    fn claimed_by_another(&self, key: &Key, secret: &Key) -> Option<String> {
        let mut known = self.known();
        let holds = |holder: &Key, known: &Known| {
            known
                .clients
                .get(holder)
                .is_some_and(|kept| kept.object.spec.token_secret.name == secret.name())
        };
        match known
            .claims
            .get(secret)
            .filter(|holder| holds(holder, &known))
        {
            Some(holder) if holder != key => Some(holder.name().to_owned()),
            _ => {
                known.claims.insert(secret.clone(), key.clone());
                None
            }
        }
    }

    fn see(&self, key: &Key, may_request: bool) -> std::io::Result<Option<Observed>> {
        let Some(object) = self
            .known()
            .clients
            .get(key)
            .map(|kept| kept.object.clone())
        else {
            return Ok(None);
        };
        let spec = validate(&object);
        let uid = object.metadata.uid.clone().unwrap_or_default();
        let secret = Key::new(key.namespace(), &object.spec.token_secret.name);
        let target = self.tokens.see(&secret)?;
        let mut leftovers = Vec::new();
        for (other, _) in self.tokens.owned_by(key.namespace(), &uid) {
            if other != secret {
                leftovers.extend(self.tokens.see(&other)?);
            }
        }
        let credentials = self.credentials(&Key::new(
            key.namespace(),
            &object.spec.credentials.secret_name,
        ));
        let content = spec
            .as_ref()
            .ok()
            .zip(credentials.as_ref())
            .map(|(spec, credentials)| {
                let relevant = decide::relevant_content(spec, credentials);
                let hash = self.store.hash("content", relevant.expose_bytes());
                u64::from_le_bytes(hash.first_chunk().copied().unwrap_or_default())
            });
        let status = object.status.clone().unwrap_or_default();
        let mut memory = self
            .known()
            .memories
            .get(key)
            .cloned()
            .unwrap_or_else(|| Memory {
                attempt: FailedAttempt::from_status(&status).map(Box::new),
                ..Memory::default()
            });
        // Files have no caches between them and us: what is not there is gone.
        memory.told_gone = target.is_none();
        memory.target_claimed_by = match &target {
            None => self.claimed_by_another(key, &secret),
            Some(_) => None,
        };
        let annotations = object.metadata.annotations.as_ref();
        Ok(Some(Observed {
            now: self.clock.now(),
            resource: Resource {
                namespace: key.namespace().to_owned(),
                name: key.name().to_owned(),
                uid,
                generation: object.metadata.generation.unwrap_or(1),
                deleting: false,
                inputs: spec
                    .as_ref()
                    .map(|spec| inputs::of(spec).whole().to_owned())
                    .unwrap_or_default(),
                refresh_request: annotations
                    .and_then(|all| all.get(REFRESH_REQUESTED))
                    .cloned(),
                status,
                spec: spec.clone(),
            },
            target,
            leftovers,
            credentials,
            ca: spec
                .as_ref()
                .map_or(CaSeen::NotNamed, |spec| self.ca(key, spec)),
            content,
            memory,
            may_request,
            rules: self.rules,
        }))
    }

    /// Keeps a status with its resource, if it is still that one.
    fn keep_status(
        &self,
        key: &Key,
        uid: &str,
        status: &OAuthClientStatus,
    ) -> std::io::Result<Option<OAuthClient>> {
        let mut known = self.known();
        let Some(kept) = known.clients.get_mut(key) else {
            return Ok(None);
        };
        if kept.object.metadata.uid.as_deref() != Some(uid) {
            return Ok(None);
        }
        let mut changed = kept.clone();
        changed.object.status = Some(status.clone());
        self.store.save_client(key, &changed)?;
        *kept = changed;
        Ok(Some(kept.object.clone()))
    }
}

impl World for Files {
    fn now(&self) -> Time {
        self.clock.now()
    }

    fn draw(&self) -> f64 {
        self.clock.draw()
    }

    fn goes_on(&self) -> bool {
        !self.ending.load(Ordering::Relaxed)
    }

    fn detail(&self) -> StatusDetail {
        StatusDetail::Always
    }

    async fn observe(&self, key: &Key, may_request: bool) -> Result<Option<Observed>, Trouble> {
        self.see(key, may_request)
            .map_err(|error| Trouble::Passing(error.to_string()))
    }

    async fn send(
        &self,
        seen: &Observed,
        spec: &Validated,
        request: &HttpRequest,
    ) -> Result<HttpAnswer, Failure> {
        let key = Key::new(&seen.resource.namespace, &seen.resource.name);
        self.known().asked.insert(key);
        let ca = match &seen.ca {
            CaSeen::Pem(pem) => CaBundle::from_pem(pem.as_bytes()).ok(),
            _ => None,
        };
        let route = Route {
            ca,
            timeout: spec.timeout.to_duration(),
        };
        self.sender
            .send(request, &route)
            .await
            .map_err(|error| Failure {
                class: error.class(),
                reason: error.reason(),
                message: error.explain(),
                retry_after: None,
                timed_out: error.is_timeout(),
            })
    }

    fn answered(&self, key: &Key, lane: LaneReport) {
        locked(&self.engine).answered(key, lane, self.clock.now());
        self.wake.notify_one();
    }

    async fn write(&self, key: &Key, write: &SecretWrite) -> Result<SecretSeen, WriteError> {
        // A resource that is gone, or was made anew, wants no more token: the look that follows tells.
        let uid = self
            .known()
            .clients
            .get(key)
            .and_then(|kept| kept.object.metadata.uid.clone());
        let owns = |uid: &String| {
            write
                .owners
                .as_ref()
                .is_none_or(|owners| owners.iter().any(|owner| owner.uid == *uid))
        };
        if !uid.as_ref().is_some_and(owns) {
            return Err(WriteError::Raced);
        }
        let secret = Key::new(key.namespace(), &write.name);
        tokio::task::block_in_place(|| {
            self.tokens
                .write(&self.store, &secret, write, self.clock.now())
        })
    }

    async fn delete(&self, key: &Key, doomed: &Doomed) -> Result<(), Trouble> {
        let secret = Key::new(key.namespace(), &doomed.name);
        self.delete_tokens(key, &secret, &doomed.uid);
        Ok(())
    }

    async fn report(&self, seen: &Observed, report: &Report) -> Result<(), Trouble> {
        let resource = &seen.resource;
        let key = Key::new(&resource.namespace, &resource.name);
        if report.changed {
            let kept = tokio::task::block_in_place(|| {
                self.keep_status(&key, &resource.uid, &report.status)
            })
            .map_err(|error| Trouble::Passing(error.to_string()))?;
            if let Some(object) = kept {
                self.tell(&key, Cause::Resource(decide::resource_facts(&object)));
            }
        }
        let now = self.clock.now();
        for (word, text) in lines::of_report(seen, report, &self.place(&key), now) {
            lines::say(now, &lines::about(&key), word, &text);
        }
        Ok(())
    }

    fn remember(&self, key: &Key, memory: Memory) {
        let mut known = self.known();
        if known.clients.contains_key(key) {
            known.memories.insert(key.clone(), memory);
        }
    }

    async fn pause(&self, span: Span) -> bool {
        tokio::time::sleep(span.to_duration()).await;
        self.goes_on()
    }
}
