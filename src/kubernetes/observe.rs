//! Observing: reads all inputs of a decision about one resource at once.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Secret as ApiSecret};

use crate::api::Validated;
use crate::api::validate::{ConfigMapKey, validate};
use crate::engine::Key;
use crate::http::CaBundle;
use crate::inputs;
use crate::kubernetes::convert::outdated;
use crate::lock::lock;
use crate::model::{
    CaSeen, CertificateSeen, ClientSecret, FailedAttempt, FamilySeen, Found, Life, Observed,
    Reference, Resource, SecretSeen,
};
use crate::names::REFRESH_ANNOTATION;
use crate::oauth::TokensInHand;
use crate::policy::{account_tokens, has_next, lenders_to_see, published, relevant_content};
use crate::reconcile::{StoreError, certificate_seen};

use super::convert::secret_seen;
use super::index::secret_id;
use super::permission_denied;
use super::refresh_tokens::chain;
use super::secret_reads::lent_secret;
use super::shared::Shared;
use super::stored::Stored;

/// Observes everything about one resource; `None` if it does not exist.
pub(super) async fn observe(
    shared: &Shared,
    key: &Key,
    may_request: bool,
) -> Result<Option<Observed>, StoreError> {
    let object = match shared.recent(key) {
        Some(object) => Some(object),
        None => resource_as_it_is(shared, key).await?,
    };
    let Some(object) = object else {
        return Ok(None);
    };
    shared.note_unknown(key, &object);
    let secret_name = object.object.spec.token_secret.name.clone();
    let resource = resource(key, object);
    let mut memory = shared.memory(key, &resource.uid);
    memory.attempt = newer_attempt(memory.attempt, &resource);
    let mut seen = Observed {
        now: shared.clock.now(),
        target: None,
        stale_secrets: Vec::new(),
        credentials: None,
        credentials_publisher: None,
        certificate: CertificateSeen::NotNamed,
        references: Vec::new(),
        cycle: None,
        lender_secrets: Vec::new(),
        accounts: BTreeMap::new(),
        made: TokensInHand::default(),
        ca: CaSeen::NotNamed,
        content: None,
        chain: FamilySeen::default(),
        next_content: None,
        memory,
        may_request,
        rules: shared.rules,
        nonce: shared.clock.nonce(),
        resource,
    };
    if seen.resource.deleting {
        if seen.resource.is_held() {
            last_look(shared, key, &mut seen).await?;
        }
        return Ok(Some(seen));
    }
    let read = match seen.resource.spec.clone() {
        Ok(spec) => secrets(shared, key, &spec, &mut seen).await,
        Err(_) if secret_name.is_empty() => Ok(()),
        // The existing token can still be reported, although nothing is done about it.
        Err(_) => secret(shared, key, &secret_name)
            .await
            .map(|target| seen.target = target),
    };
    if let Err(trouble) = read {
        permission_denied::tell(shared, key, &seen, &trouble).await;
        return Err(trouble);
    }
    seen.now = shared.clock.now();
    Ok(Some(seen))
}

/// The resource from the API server, as new as the watch has reported. An older one comes from a cache in between: a token
/// requested with it would follow an outdated spec.
async fn resource_as_it_is(shared: &Shared, key: &Key) -> Result<Option<Stored>, StoreError> {
    let since = lock(&shared.index).resource_seen(key);
    let object = shared
        .calls
        .get_since::<Stored>(key.namespace(), key.name(), since)
        .await?;
    let version = object
        .as_ref()
        .and_then(|stored| stored.object.metadata.resource_version.as_deref());
    if lock(&shared.index).knows_newer(key, version) {
        return Err(outdated("of this resource"));
    }
    Ok(object)
}

/// For how long after a deletion was first observed problems with the API count as temporary: after that, the resource is deleted
/// without a revocation.
const LAST_LOOK: Duration = Duration::from_secs(15);

/// What is needed to revoke the token of a deleted resource. The deletion must not be blocked if it is missing.
async fn last_look(shared: &Shared, key: &Key, seen: &mut Observed) -> Result<(), StoreError> {
    let Ok(spec) = seen.resource.spec.clone() else {
        return Ok(());
    };
    let may_request = std::mem::replace(&mut seen.may_request, false);
    let looked = secrets(shared, key, &spec, seen).await;
    seen.may_request = may_request;
    // Not since the deletion: that is a time of the API server's clock.
    let passing = shared.deleting_for(key) < LAST_LOOK;
    looked.or_else(|trouble| if passing { Err(trouble) } else { Ok(()) })
}

async fn secrets(
    shared: &Shared,
    key: &Key,
    spec: &Validated,
    seen: &mut Observed,
) -> Result<(), StoreError> {
    let names = lock(&shared.index).stale_secrets(key, &spec.token_secret.name);
    let attempt = seen.nonce.name();
    let (target, credentials, ca, chain) = tokio::join!(
        secret(shared, key, &spec.token_secret.name),
        credentials(shared, key, spec),
        ca_bundle(shared, key, spec.ca_bundle.as_ref()),
        chain(shared, key, spec, attempt),
    );
    (seen.target, seen.credentials, seen.ca) = (target?, credentials?, ca?);
    if let (None, Some(name)) = (&seen.credentials, &spec.credentials_secret) {
        let publisher = lock(&shared.index).publisher(key, secret_id(key.namespace(), name));
        seen.credentials_publisher = publisher.map(|other| other.name().to_owned());
    }
    seen.certificate = certificate(shared, key, spec, seen.credentials.as_ref()).await?;
    seen.chain = chain?;
    for name in names {
        match secret(shared, key, &name).await? {
            Some(leftover) => seen.stale_secrets.push(leftover),
            None => lock(&shared.index).leftover_gone(key, &name),
        }
    }
    seen.references = references(shared, key, spec).await?;
    let accounts = account_tokens(spec).into_iter();
    let accounts = accounts.map(|token| token.account.clone()).collect();
    seen.accounts = super::accounts::seen(shared, key, accounts).await?;
    lenders(shared, key, seen).await?;
    seen.cycle = lock(&shared.index).cycle(key);
    if seen.lent().is_some() {
        let content = |secret: ClientSecret| {
            let content = relevant_content(seen, spec, secret);
            let tag = ring::hmac::sign(&shared.content_key, content.expose_bytes());
            let mut first = [0_u8; 8];
            for (to, from) in first.iter_mut().zip(tag.as_ref()) {
                *to = *from;
            }
            u64::from_le_bytes(first)
        };
        let next = has_next(spec, seen.credentials.as_ref());
        let (content, next) = (
            content(ClientSecret::Current),
            next.then(|| content(ClientSecret::Next)),
        );
        (seen.content, seen.next_content) = (Some(content), next);
    }
    if seen.may_request {
        seen.memory.target_claimed_by = shared
            .claim(key, &spec.token_secret.name)
            .map(|holder| holder.name().to_owned());
    }
    Ok(())
}

/// The lenders of the used tokens that were not observed yet.
async fn lenders(shared: &Shared, key: &Key, seen: &mut Observed) -> Result<(), StoreError> {
    let (secrets, accounts) = lenders_to_see(seen);
    for name in secrets {
        seen.lender_secrets
            .extend(lent_secret(shared, key, &name).await?);
    }
    let accounts = super::accounts::seen(shared, key, accounts).await?;
    seen.accounts.extend(accounts);
    Ok(())
}

/// A Secret that may be written, as new as everything seen of Secrets: the precondition of the write decides the rest.
async fn secret(shared: &Shared, key: &Key, name: &str) -> Result<Option<SecretSeen>, StoreError> {
    let since = lock(&shared.index).secrets_seen();
    let secret = shared
        .calls
        .get_since::<ApiSecret>(key.namespace(), name, since)
        .await?;
    Ok(secret.map(secret_seen))
}

/// The other resources whose tokens are used, and those tokens.
async fn references(
    shared: &Shared,
    key: &Key,
    spec: &Validated,
) -> Result<Vec<Reference>, StoreError> {
    let mut all: Vec<Reference> = Vec::new();
    for token in published(spec) {
        let name = &token.client;
        if all.iter().any(|one| one.name == *name) {
            continue;
        }
        let other = Key::new(key.namespace(), name);
        let found = match resource_as_it_is(shared, &other).await? {
            Some(stored) => Some(found(shared, &other, stored).await?),
            None => None,
        };
        let name = name.clone();
        all.push(Reference { name, found });
    }
    Ok(all)
}

async fn found(shared: &Shared, key: &Key, stored: Stored) -> Result<Found, StoreError> {
    let object = stored.object;
    let secret_name = object.spec.token_secret.name;
    Ok(Found {
        uid: object.metadata.uid.unwrap_or_default(),
        secret: lent_secret(shared, key, &secret_name).await?,
        secret_name,
    })
}

/// The credentials Secret; `None` if it does not exist, or none is named.
async fn credentials(
    shared: &Shared,
    key: &Key,
    spec: &Validated,
) -> Result<Option<SecretSeen>, StoreError> {
    match &spec.credentials_secret {
        Some(name) => lent_secret(shared, key, name).await,
        None => Ok(None),
    }
}

/// The Secret with the client certificate, which may be the credentials Secret.
async fn certificate(
    shared: &Shared,
    key: &Key,
    spec: &Validated,
    credentials: Option<&SecretSeen>,
) -> Result<CertificateSeen, StoreError> {
    let Some(named) = &spec.client_certificate else {
        return Ok(CertificateSeen::NotNamed);
    };
    if spec.credentials_secret.as_ref() == Some(&named.secret) {
        return Ok(certificate_seen(credentials.cloned()));
    }
    Ok(certificate_seen(
        lent_secret(shared, key, &named.secret).await?,
    ))
}

/// The CA bundle: read for each reconcile, because ConfigMaps are not watched.
async fn ca_bundle(
    shared: &Shared,
    key: &Key,
    named: Option<&ConfigMapKey>,
) -> Result<CaSeen, StoreError> {
    let Some(named) = named else {
        return Ok(CaSeen::NotNamed);
    };
    let Some(map) = shared
        .calls
        .get::<ConfigMap>(key.namespace(), &named.name)
        .await?
    else {
        return Ok(CaSeen::Missing);
    };
    Ok(
        match map.data.and_then(|mut data| data.remove(&named.key)) {
            None => CaSeen::KeyMissing,
            Some(pem) => match CaBundle::from_pem(pem.as_bytes()) {
                Ok(_) => CaSeen::Pem(pem),
                Err(problem) => CaSeen::Broken(problem.to_string()),
            },
        },
    )
}

pub(super) fn resource(key: &Key, stored: Stored) -> Resource {
    let object = stored.object;
    let spec = match stored.problem {
        Some(problem) => Err(vec![problem]),
        None => validate(&object),
    };
    let inputs = spec.as_ref().map_or_else(
        |_| String::new(),
        |spec| inputs::of(spec).whole().to_owned(),
    );
    let metadata = object.metadata;
    Resource {
        namespace: key.namespace().to_owned(),
        name: key.name().to_owned(),
        uid: metadata.uid.unwrap_or_default(),
        generation: metadata.generation.unwrap_or(0),
        deleting: metadata.deletion_timestamp.is_some(),
        life: Life {
            finalizers: metadata.finalizers.unwrap_or_default(),
            resource_version: metadata.resource_version.unwrap_or_default(),
        },
        refresh_request: metadata
            .annotations
            .and_then(|mut annotations| annotations.remove(REFRESH_ANNOTATION)),
        status: object.status.unwrap_or_default(),
        spec,
        inputs,
    }
}

/// The failed attempt: from memory or, after a restart, from the status.
fn newer_attempt(
    remembered: Option<Box<FailedAttempt>>,
    resource: &Resource,
) -> Option<Box<FailedAttempt>> {
    remembered.or_else(|| FailedAttempt::from_status(&resource.status).map(Box::new))
}
