//! The watches: each with its own backoff, each turning events into slim facts. No object is kept.

use std::collections::HashSet;
use std::sync::Arc;

use futures::{Stream, StreamExt as _};
use k8s_openapi::api::core::v1::Secret as ApiSecret;
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{Config, DefaultBackoff, Error, Event, watcher};
use kube::{Api, Client, ResourceExt as _};
use tokio::sync::watch;

use crate::api::OAuthClient;
use crate::decide::{
    CREDENTIALS_LABEL, Owner, SecretSeen, TOKEN_LABEL, credentials_facts, known_facts,
    resource_facts, token_facts, uid_fact,
};
use crate::engine::{Cause, Key, ResourceFacts};
use crate::references;
use crate::server::Beat;

use super::convert::metadata_seen;
use super::index::{SecretId, ordered, secret_id};
use super::shared::{Shared, lock};
use super::stored::Stored;

/// Where is watched: one namespace, or all.
pub(super) type Scope = Option<String>;

/// What every watch is begun with.
pub(super) struct Watching {
    pub(super) client: Client,
    pub(super) scope: Scope,
    pub(super) shared: Arc<Shared>,
    pub(super) beat: Beat,
    /// Turns true with the first complete list.
    pub(super) synced: watch::Sender<bool>,
}

/// How many objects a list page holds: bounds the memory of a start.
const PAGE: u32 = 250;
/// How long a watch lasts before the server ends it, so that a stuck one cannot last for ever.
const WATCH_SECONDS: u32 = 285;

fn api<K>(client: &Client, scope: &Scope) -> Api<K>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
    K::DynamicType: Default,
{
    match scope {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

fn config() -> Config {
    Config::default().page_size(PAGE).timeout(WATCH_SECONDS)
}

/// A listener to one stream.
trait Listener<K>: Send {
    /// What it is called in logs and metrics.
    const KIND: &'static str;

    /// An object is there; `listed` when a list tells so.
    fn there(&mut self, object: K, listed: bool);
    /// An object is gone.
    fn gone(&mut self, object: K);
    /// A list begins.
    fn list_begins(&mut self);
    /// A list is complete: what it did not name is gone.
    fn list_ends(&mut self);
}

/// Runs one watch for ever. `synced` turns true with the first complete list.
async fn run<K, L: Listener<K>>(
    stream: impl Stream<Item = Result<Event<K>, Error>> + Send,
    mut listener: L,
    shared: Arc<Shared>,
    beat: Beat,
    synced: watch::Sender<bool>,
) {
    let stream = stream.backoff(DefaultBackoff::default());
    let mut stream = std::pin::pin!(stream);
    loop {
        // A quiet watch is alive as long as this loop turns; a silent connection is cut by the client's read time-out.
        let event = tokio::time::timeout(std::time::Duration::from_secs(30), stream.next()).await;
        beat.tick();
        let event = match event {
            Err(_) => continue,
            Ok(None) => return,
            Ok(Some(event)) => event,
        };
        match event {
            Ok(Event::Apply(object)) => listener.there(object, false),
            Ok(Event::Delete(object)) => listener.gone(object),
            Ok(Event::Init) => listener.list_begins(),
            Ok(Event::InitApply(object)) => listener.there(object, true),
            Ok(Event::InitDone) => {
                listener.list_ends();
                let _ = synced.send(true);
            }
            Err(error) => {
                shared.metrics.watch_restart(L::KIND);
                tracing::warn!(
                    kind = L::KIND,
                    why = said(&error),
                    "a watch was interrupted; it is taken up again"
                );
            }
        }
    }
}

/// Why a watch was interrupted, in words that hold nothing of an object.
fn said(error: &Error) -> &'static str {
    match error {
        Error::InitialListFailed(kube::Error::Api(status))
        | Error::WatchStartFailed(kube::Error::Api(status))
            if status.code == 403 =>
        {
            "the API server does not allow it: see the operator's role"
        }
        Error::InitialListFailed(_) => "the list failed",
        Error::WatchStartFailed(_) => "it could not be started",
        Error::WatchError(_) => "the API server ended it with an error",
        Error::WatchFailed(_) => "the connection ended",
        Error::NoResourceVersion => "the API server does not support it",
    }
}

/// Watches the resources of one scope.
pub(super) async fn resources(watching: Watching) {
    let Watching {
        client,
        scope,
        shared,
        beat,
        synced,
    } = watching;
    let stream = watcher(api::<Stored>(&client, &scope), config());
    let listener = Resources {
        shared: Arc::clone(&shared),
        scope,
        listed: HashSet::new(),
    };
    run(stream, listener, shared, beat, synced).await;
}

struct Resources {
    shared: Arc<Shared>,
    scope: Scope,
    listed: HashSet<Key>,
}

impl Resources {
    /// Where only the status or metadata changed, the spec is not looked into again. What an issuer tells of its endpoints
    /// may change without it.
    fn facts(&self, key: &Key, object: &OAuthClient) -> ResourceFacts {
        let metadata = &object.metadata;
        let known = match &object.spec.provider.issuer_url {
            Some(_) => None,
            None => lock(&self.shared.engine).spec_known(
                key,
                uid_fact(metadata.uid.as_deref().unwrap_or_default()),
                metadata.generation.unwrap_or(0),
            ),
        };
        match known {
            Some((inputs, host)) => known_facts(object, inputs, host),
            None => resource_facts(object, |spec| self.shared.discovery.lane(spec)),
        }
    }
}

impl Listener<Stored> for Resources {
    const KIND: &'static str = "oauthclients";

    fn there(&mut self, mut stored: Stored, listed: bool) {
        let key = Key::new(&stored.namespace().unwrap_or_default(), &stored.name_any());
        if listed {
            self.listed.insert(key.clone());
        }
        let object = &mut stored.object;
        let mut facts = self.facts(&key, object);
        let spec = &object.spec;
        let (known, moved, told, credentials) = {
            let mut index = lock(&self.shared.index);
            let known = index.knows(&key);
            let seen = ordered(object.metadata.resource_version.as_deref());
            let moved = index.put(
                &key,
                spec.credentials
                    .as_ref()
                    .map(|credentials| credentials.secret_name.as_str()),
                spec.client_certificate_secret(),
                &spec.token_secret.name,
                seen,
            );
            index.takes_login(&key, spec.grant.type_ == "refresh_token");
            let names = references::named(spec);
            let told = index.refer(&key, &names, moved || !known);
            (known, moved, told, index.credentials_of(&key))
        };
        self.shared.client_ends.note(&key, object.status.as_ref());
        if moved {
            self.shared.target_moved(&key);
        }
        object.metadata.managed_fields = None;
        // It was well under the version that wrote it: that it is not under this one is yet to be told.
        facts.reported &= stored.tells_of_its_problem();
        if facts.reported {
            self.shared.drop_recent(&key);
        } else {
            self.shared.keep_recent(&key, &stored);
        }
        if !known && let Some(version) = credentials {
            let facts = crate::engine::CredentialsFacts { version };
            self.shared.changed(&key, Cause::Credentials(Some(facts)));
        }
        self.shared.changed(&key, Cause::Resource(facts));
        if known && let Some(version) = credentials {
            // Another Secret may be named now.
            let facts = crate::engine::CredentialsFacts { version };
            self.shared.changed(&key, Cause::Credentials(Some(facts)));
        }
        self.shared.lent_changed(&told);
    }

    fn gone(&mut self, stored: Stored) {
        let key = Key::new(&stored.namespace().unwrap_or_default(), &stored.name_any());
        self.shared.forget(&key);
        self.shared.changed(&key, Cause::Gone);
    }

    fn list_begins(&mut self) {
        self.listed.clear();
    }

    fn list_ends(&mut self) {
        let listed = std::mem::take(&mut self.listed);
        let keys = lock(&self.shared.index).keys(self.scope.as_deref());
        for key in keys.into_iter().filter(|key| !listed.contains(key)) {
            self.shared.forget(&key);
            self.shared.changed(&key, Cause::Gone);
        }
    }
}

/// Watches the metadata of credentials Secrets: those that carry the opt-in label.
pub(super) async fn credentials(watching: Watching) {
    let Watching {
        client,
        scope,
        shared,
        beat,
        synced,
    } = watching;
    let label = format!("{CREDENTIALS_LABEL}=true");
    let stream = watcher(
        api::<PartialObjectMeta<ApiSecret>>(&client, &scope),
        config().labels(&label),
    );
    let listener = Credentials {
        shared: Arc::clone(&shared),
        scope,
        listed: HashSet::new(),
    };
    run(stream, listener, shared, beat, synced).await;
}

struct Credentials {
    shared: Arc<Shared>,
    scope: Scope,
    listed: HashSet<SecretId>,
}

impl Credentials {
    /// `told`: its version, and the place of that in the order.
    fn tell(&self, secret: SecretId, told: Option<(u64, u64)>) {
        let (users, lookers, login_of) = {
            let mut index = lock(&self.shared.index);
            index.credentials_seen(secret, told);
            let users = index.users(secret).into_iter();
            let users: Vec<_> = users
                .map(|key| (key.clone(), index.credentials_of(&key)))
                .collect();
            let login_of = index.login_of(secret);
            (users, index.lookers(secret), login_of)
        };
        if let Some(key) = login_of {
            self.shared.changed(&key, Cause::Look);
        }
        for (key, version) in users {
            let facts = version.map(|version| crate::engine::CredentialsFacts { version });
            self.shared.changed(&key, Cause::Credentials(facts));
        }
        for key in lookers {
            self.shared.changed(&key, Cause::Look);
        }
    }
}

impl Listener<PartialObjectMeta<ApiSecret>> for Credentials {
    const KIND: &'static str = "credentials";

    fn there(&mut self, object: PartialObjectMeta<ApiSecret>, listed: bool) {
        let id = secret_id(&object.namespace().unwrap_or_default(), &object.name_any());
        if listed {
            self.listed.insert(id);
        }
        let metadata = object.metadata;
        let facts = credentials_facts(
            metadata.uid.as_deref().unwrap_or_default(),
            metadata.resource_version.as_deref().unwrap_or_default(),
        );
        let seen = ordered(metadata.resource_version.as_deref());
        self.tell(id, Some((facts.version, seen)));
    }

    fn gone(&mut self, object: PartialObjectMeta<ApiSecret>) {
        let id = secret_id(&object.namespace().unwrap_or_default(), &object.name_any());
        self.tell(id, None);
    }

    fn list_begins(&mut self) {
        self.listed.clear();
    }

    fn list_ends(&mut self) {
        let listed = std::mem::take(&mut self.listed);
        let gone = lock(&self.shared.index).vanished_credentials(&listed, self.scope.as_deref());
        for id in gone {
            self.tell(id, None);
        }
    }
}

/// Watches the metadata of token Secrets: those that carry our own label.
pub(super) async fn tokens(watching: Watching) {
    let Watching {
        client,
        scope,
        shared,
        beat,
        synced,
    } = watching;
    let label = format!("{TOKEN_LABEL}=true");
    let stream = watcher(
        api::<PartialObjectMeta<ApiSecret>>(&client, &scope),
        config().labels(&label),
    );
    let listener = Tokens {
        shared: Arc::clone(&shared),
        scope,
        listed: HashSet::new(),
    };
    run(stream, listener, shared, beat, synced).await;
}

struct Tokens {
    shared: Arc<Shared>,
    scope: Scope,
    listed: HashSet<Key>,
}

impl Tokens {
    fn owner(namespace: &str, secret: &SecretSeen) -> Option<Key> {
        let ours = |owner: &&Owner| {
            owner.controller
                && owner.kind == "OAuthClient"
                && owner.api_version.starts_with("oauthclient.dev/")
        };
        let owner = secret.owners.iter().find(ours)?;
        Some(Key::new(namespace, &owner.name))
    }

    /// Of a token that is not lent no other watch tells those who would ask with it; what they wait for is now that it is lent.
    fn tell_users(&self, namespace: &str, name: &str) {
        let users = lock(&self.shared.index).users(secret_id(namespace, name));
        for user in users {
            self.shared.changed(&user, Cause::Look);
        }
    }
}

impl Listener<PartialObjectMeta<ApiSecret>> for Tokens {
    const KIND: &'static str = "tokens";

    fn there(&mut self, object: PartialObjectMeta<ApiSecret>, listed: bool) {
        let namespace = object.namespace().unwrap_or_default();
        let secret = metadata_seen(object.metadata);
        let Some(key) = Tokens::owner(&namespace, &secret) else {
            return;
        };
        let known = {
            let mut index = lock(&self.shared.index);
            let target = index.is_target(&key, &secret.name);
            let known = index.knows(&key);
            if known && !target {
                index.leftover(&key, &secret.name);
            }
            known.then_some(target)
        };
        match known {
            None => {}
            Some(false) => self.shared.changed(&key, Cause::Look),
            Some(true) => {
                if listed {
                    self.listed.insert(key.clone());
                }
                match token_facts(&secret) {
                    Some(facts) => self.shared.changed(&key, Cause::Token(Some(facts))),
                    None => self.shared.changed(&key, Cause::Look),
                }
                if !secret.has_label(CREDENTIALS_LABEL, "true") {
                    self.tell_users(&namespace, &secret.name);
                }
            }
        }
    }

    fn gone(&mut self, object: PartialObjectMeta<ApiSecret>) {
        let namespace = object.namespace().unwrap_or_default();
        let secret = metadata_seen(object.metadata);
        let Some(key) = Tokens::owner(&namespace, &secret) else {
            return;
        };
        let target = {
            let mut index = lock(&self.shared.index);
            index.leftover_gone(&key, &secret.name);
            index.is_target(&key, &secret.name)
        };
        if target {
            self.shared.told_gone(&key);
            self.shared.changed(&key, Cause::Token(None));
        }
    }

    fn list_begins(&mut self) {
        self.listed.clear();
    }

    fn list_ends(&mut self) {
        let listed = std::mem::take(&mut self.listed);
        let keys = lock(&self.shared.index).keys(self.scope.as_deref());
        for key in keys.into_iter().filter(|key| !listed.contains(key)) {
            let had_one = lock(&self.shared.engine)
                .record(&key)
                .is_some_and(|record| record.token.is_some());
            if had_one {
                self.shared.told_gone(&key);
                self.shared.changed(&key, Cause::Token(None));
            }
        }
    }
}
