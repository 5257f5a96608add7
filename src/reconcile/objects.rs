//! The objects that a driver reads for a reconcile. What they mean is decided in `observe.rs`, and nowhere else.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Mutex;
use std::time::Duration;

use crate::api::validate::validate;
use crate::api::{OAuthClient, SpecProblem};
use crate::engine::Key;
use crate::inputs;
use crate::lock::lock;
use crate::model::{
    AccountSeen, FamilySeen, Memory, Observed, Resource, ResourceMeta, Rules, SecretSeen,
};
use crate::names::REFRESH_ANNOTATION;
use crate::oauth::Nonce;
use crate::reconcile::error::StoreError;
use crate::time::Time;

/// Reads objects, each as it is. `None` means that the object does not exist; every problem is an error.
pub trait Objects: Send + Sync {
    /// The wall clock.
    fn now(&self) -> Time;

    /// Random values for a possible attempt.
    fn nonce(&self) -> Nonce;

    /// The settings that affect decisions.
    fn rules(&self) -> Rules;

    /// The resource that is reconciled.
    fn resource(
        &self,
        key: &Key,
    ) -> impl Future<Output = Result<Option<ResourceRead>, StoreError>> + Send;

    /// Another resource, whose token is used.
    fn referenced(
        &self,
        key: &Key,
    ) -> impl Future<Output = Result<Option<ReferencedRead>, StoreError>> + Send;

    /// A Secret in the namespace of this resource.
    fn secret(
        &self,
        key: &Key,
        name: &str,
        purpose: Purpose,
    ) -> impl Future<Output = Result<Option<SecretSeen>, StoreError>> + Send;

    /// One key of a ConfigMap in the namespace of this resource.
    fn config_map(
        &self,
        key: &Key,
        name: &str,
        data_key: &str,
    ) -> impl Future<Output = Result<ConfigMapRead, StoreError>> + Send;

    /// A `ServiceAccount` in the namespace of this resource.
    fn account(
        &self,
        key: &Key,
        name: &str,
    ) -> impl Future<Output = Result<AccountSeen, StoreError>> + Send;

    /// The names of the token Secrets of this resource, except the current one.
    fn stale_secrets(&self, key: &Key, uid: &str, current: &str) -> Vec<String>;

    /// One of these does not exist any more.
    fn stale_secret_is_gone(&self, _key: &Key, _name: &str) {}

    /// Another resource in the namespace that publishes its token in this Secret for others to use as credentials.
    fn publisher(&self, _key: &Key, _secret: &str) -> Option<String> {
        None
    }

    /// The path from a resource that uses another one's token back to itself, as names.
    fn cycle(&self, _key: &Key) -> Option<Vec<String>> {
        None
    }

    /// What is remembered about the resource with this UID.
    fn memory(&self, key: &Key, uid: &str) -> Memory;

    /// This process, as a holder of refresh tokens: everything except the two Secrets.
    fn process(&self, attempt: String) -> FamilySeen;

    /// A keyed hash of secret content, for comparison only.
    fn hash(&self, content: &[u8]) -> u64;

    /// Whether a Secret that is not found is certainly deleted, because there is no cache between it and this process.
    fn absence_is_certain(&self) -> bool {
        false
    }

    /// Claims a token Secret until this reconcile ends. Returns the resource that holds it already.
    fn claim(&self, _key: &Key, _secret: &str) -> Option<String> {
        None
    }

    /// For how long the deletion of this resource has been observed.
    fn deleting_for(&self, _key: &Key) -> Duration {
        Duration::ZERO
    }

    /// The resource could not be observed, because a permission to read is missing.
    fn permission_is_missing(
        &self,
        _seen: &Observed,
        _permission: &str,
    ) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// What a Secret is read for. How new the answer must be depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It is a token Secret: as new as anything that was observed of Secrets. The preconditions of a write ensure the rest.
    Token,
    /// It holds refresh tokens: the newest, because an older one names a refresh token that was redeemed.
    RefreshState,
    /// It is the result of a login: the newest.
    Login,
    /// Its owner may have opted in that it is sent: as new as a watch has reported. Resources can share one read.
    OptedIn,
}

/// A resource as it was read.
pub struct ResourceRead {
    /// The resource.
    pub resource: Resource,
    /// The name of its token Secret; empty if it cannot be read.
    pub token_secret: String,
}

impl ResourceRead {
    /// Validates an object. `problem` tells that its spec could not even be decoded.
    pub fn new(key: &Key, object: OAuthClient, problem: Option<SpecProblem>) -> ResourceRead {
        let spec = match problem {
            Some(problem) => Err(vec![problem]),
            None => validate(&object),
        };
        let inputs = spec.as_ref().map_or_else(
            |_| String::new(),
            |spec| inputs::of(spec).whole().to_owned(),
        );
        let metadata = object.metadata;
        let resource = Resource {
            namespace: key.namespace().to_owned(),
            name: key.name().to_owned(),
            uid: metadata.uid.unwrap_or_default(),
            generation: metadata.generation.unwrap_or(0),
            deleting: metadata.deletion_timestamp.is_some(),
            meta: ResourceMeta {
                finalizers: metadata.finalizers.unwrap_or_default(),
                resource_version: metadata.resource_version.unwrap_or_default(),
            },
            refresh_request: metadata
                .annotations
                .and_then(|mut annotations| annotations.remove(REFRESH_ANNOTATION)),
            status: object.status.unwrap_or_default(),
            spec,
            inputs,
        };
        ResourceRead {
            resource,
            token_secret: object.spec.token_secret.name,
        }
    }
}

/// What is read of another resource.
pub struct ReferencedRead {
    /// Its UID.
    pub uid: String,
    /// The name of its token Secret; empty if it cannot be read.
    pub token_secret: String,
}

impl From<OAuthClient> for ReferencedRead {
    fn from(object: OAuthClient) -> ReferencedRead {
        ReferencedRead {
            uid: object.metadata.uid.unwrap_or_default(),
            token_secret: object.spec.token_secret.name,
        }
    }
}

/// One key of a ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigMapRead {
    /// The ConfigMap does not exist.
    Missing,
    /// It does not have this key.
    KeyMissing,
    /// The value.
    Value(Vec<u8>),
}

/// Token Secrets that reconciles in flight may create, so that two new resources with the same Secret do not both request a
/// token.
#[derive(Default)]
pub struct Claims(Mutex<HashMap<Key, Key>>);

impl Claims {
    /// Claims a token Secret for the reconcile of `key`. Returns the name of the resource that holds it already.
    pub fn claim(&self, key: &Key, secret: &str) -> Option<String> {
        let secret = Key::new(key.namespace(), secret);
        let mut claims = lock(&self.0);
        let holder = claims.entry(secret).or_insert_with(|| key.clone());
        (holder != key).then(|| holder.name().to_owned())
    }

    /// Ends all claims of the reconcile of `key`.
    pub fn release(&self, key: &Key) {
        lock(&self.0).retain(|_, holder| holder != key);
    }
}
