//! Observing: reads everything that a decision about one resource depends on, and says what it means. It is the same for every
//! driver: how an object is read is decided behind the trait [`Objects`].
//!
//! An error of any read ends the observation. It never means that an object is absent.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::api::validate::{ConfigMapKey, Validated};
use crate::engine::Key;
use crate::http::CaBundle;
use crate::model::{
    CaSeen, CertificateSeen, ClientSecret, FailedAttempt, FamilySeen, FoundReference, Observed,
    Reference, SecretSeen,
};
use crate::oauth::TokensInHand;
use crate::oauth::refresh::Origin;
use crate::policy::{
    account_tokens, has_next, lenders_to_see, login_name, referenced_tokens, relevant_content,
    state_name,
};
use crate::reconcile::certificate_seen;
use crate::reconcile::error::StoreError;
use crate::reconcile::objects::{ConfigMapRead, Objects, Purpose, ReferencedRead, ResourceRead};

/// For how long after the first observation of a deletion a missing Secret is waited for. After that, the resource is deleted
/// without a revocation.
const LAST_LOOK: Duration = Duration::from_secs(15);

/// Observes everything about one resource; `None` if it does not exist.
pub(super) async fn observe(
    objects: &impl Objects,
    key: &Key,
    may_request: bool,
) -> Result<Option<Observed>, StoreError> {
    let Some(read) = objects.resource(key).await? else {
        return Ok(None);
    };
    let token_secret = read.token_secret.clone();
    let mut seen = nothing_but(objects, key, read, may_request);
    tracing::Span::current().record("generation", seen.resource.generation);
    if seen.resource.deleting {
        if seen.resource.has_finalizer() {
            last_look(objects, key, &mut seen).await?;
        }
        return Ok(Some(seen));
    }
    let read = match seen.resource.spec.clone() {
        Ok(spec) => used(objects, key, &spec, &mut seen).await,
        Err(_) if token_secret.is_empty() => Ok(()),
        // The existing token can still be reported, although nothing is done about it.
        Err(_) => objects
            .secret(key, &token_secret, Purpose::Token)
            .await
            .map(|target| seen.target = target),
    };
    if let Err(error) = read {
        if let StoreError::Unreadable { permission } = &error {
            objects.permission_is_missing(&seen, permission).await;
        }
        return Err(error);
    }
    seen.now = objects.now();
    Ok(Some(seen))
}

/// The resource alone, and what is remembered about it.
fn nothing_but(
    objects: &impl Objects,
    key: &Key,
    read: ResourceRead,
    may_request: bool,
) -> Observed {
    let resource = read.resource;
    let mut memory = objects.memory(key, &resource.uid);
    // After a restart, the status contains the failed attempt.
    memory.attempt = memory
        .attempt
        .or_else(|| FailedAttempt::from_status(&resource.status).map(Box::new));
    Observed {
        now: objects.now(),
        target: None,
        stale_secrets: Vec::new(),
        credentials: None,
        credentials_publisher: None,
        certificate: CertificateSeen::NotNamed,
        references: Vec::new(),
        cycle: None,
        lender_secrets: Vec::new(),
        accounts: BTreeMap::new(),
        created_tokens: TokensInHand::default(),
        ca: CaSeen::NotNamed,
        content: None,
        family: FamilySeen::default(),
        next_content: None,
        memory,
        may_request,
        rules: objects.rules(),
        nonce: objects.nonce(),
        resource,
    }
}

/// What is needed to revoke the token of a deleted resource. The deletion must not wait for it without end.
async fn last_look(
    objects: &impl Objects,
    key: &Key,
    seen: &mut Observed,
) -> Result<(), StoreError> {
    let Ok(spec) = seen.resource.spec.clone() else {
        return Ok(());
    };
    let may_request = std::mem::replace(&mut seen.may_request, false);
    let looked = used(objects, key, &spec, seen).await;
    seen.may_request = may_request;
    // Not since the deletion: that is a time of another clock.
    let waits = objects.deleting_for(key) < LAST_LOOK;
    looked.or_else(|error| if waits { Err(error) } else { Ok(()) })
}

/// Everything that a valid spec names.
async fn used(
    objects: &impl Objects,
    key: &Key,
    spec: &Validated,
    seen: &mut Observed,
) -> Result<(), StoreError> {
    let target = &spec.token_secret.name;
    let stale = objects.stale_secrets(key, &seen.resource.uid, target);
    let attempt = seen.nonce.name();
    // Claimed before it is read. Otherwise another resource could write it and end its claim in between, and both would request
    // a token.
    if seen.may_request {
        seen.memory.target_claimed_by = objects.claim(key, target);
    }
    let (target, credentials, ca, family) = tokio::join!(
        objects.secret(key, target, Purpose::Token),
        credentials(objects, key, spec),
        ca_bundle(objects, key, spec.ca_bundle.as_ref()),
        family(objects, key, spec, attempt),
    );
    (seen.target, seen.credentials, seen.ca) = (target?, credentials?, ca?);
    if objects.absence_is_certain() {
        seen.memory.deletion_reported = seen.target.is_none();
    }
    if let (None, Some(name)) = (&seen.credentials, &spec.credentials_secret) {
        seen.credentials_publisher = objects.publisher(key, name);
    }
    seen.certificate = certificate(objects, key, spec, seen.credentials.as_ref()).await?;
    seen.family = family?;
    for name in stale {
        match objects.secret(key, &name, Purpose::Token).await? {
            Some(secret) => seen.stale_secrets.push(secret),
            None => objects.stale_secret_is_gone(key, &name),
        }
    }
    seen.references = references(objects, key, spec).await?;
    let accounts = account_tokens(spec).into_iter();
    let accounts = accounts.map(|token| token.account.clone()).collect();
    read_accounts(objects, key, seen, accounts).await?;
    lenders(objects, key, seen).await?;
    if !seen.references.is_empty() {
        seen.cycle = objects.cycle(key);
    }
    hash_content(objects, spec, seen);
    Ok(())
}

/// The credentials Secret; `None` if it does not exist, or none is named.
async fn credentials(
    objects: &impl Objects,
    key: &Key,
    spec: &Validated,
) -> Result<Option<SecretSeen>, StoreError> {
    match &spec.credentials_secret {
        Some(name) => objects.secret(key, name, Purpose::OptedIn).await,
        None => Ok(None),
    }
}

/// The Secret with the client certificate, which may be the credentials Secret.
async fn certificate(
    objects: &impl Objects,
    key: &Key,
    spec: &Validated,
    credentials: Option<&SecretSeen>,
) -> Result<CertificateSeen, StoreError> {
    let Some(named) = &spec.client_certificate else {
        return Ok(CertificateSeen::NotNamed);
    };
    let secret = if spec.credentials_secret.as_ref() == Some(&named.secret) {
        credentials.cloned()
    } else {
        objects.secret(key, &named.secret, Purpose::OptedIn).await?
    };
    Ok(certificate_seen(secret))
}

/// The CA bundle.
async fn ca_bundle(
    objects: &impl Objects,
    key: &Key,
    named: Option<&ConfigMapKey>,
) -> Result<CaSeen, StoreError> {
    let Some(named) = named else {
        return Ok(CaSeen::NotNamed);
    };
    let read = objects.config_map(key, &named.name, &named.key).await?;
    Ok(match read {
        ConfigMapRead::Missing => CaSeen::Missing,
        ConfigMapRead::KeyMissing => CaSeen::KeyMissing,
        ConfigMapRead::Value(bytes) => match CaBundle::from_pem(&bytes) {
            Err(problem) => CaSeen::Broken(problem.to_string()),
            Ok(_) => match String::from_utf8(bytes) {
                Ok(pem) => CaSeen::Pem(pem),
                Err(_) => CaSeen::Broken("it is not text".to_owned()),
            },
        },
    })
}

/// The Secrets of a refresh token family, for a resource that has one.
async fn family(
    objects: &impl Objects,
    key: &Key,
    spec: &Validated,
    attempt: String,
) -> Result<FamilySeen, StoreError> {
    if !spec.keeps_state() {
        return Ok(FamilySeen::default());
    }
    let origin = spec.refreshing.as_ref().map(|refreshing| refreshing.origin);
    let (state_name, login_name) = (state_name(key.name()), login_name(key.name()));
    let login = async {
        match origin {
            Some(Origin::Provided) => objects.secret(key, &login_name, Purpose::Login).await,
            Some(Origin::Password) | None => Ok(None),
        }
    };
    let state = objects.secret(key, &state_name, Purpose::RefreshState);
    let (state, login) = tokio::join!(state, login);
    Ok(FamilySeen {
        state: state?,
        login: login?,
        ..objects.process(attempt)
    })
}

/// The other resources whose tokens are used, and those tokens.
async fn references(
    objects: &impl Objects,
    key: &Key,
    spec: &Validated,
) -> Result<Vec<Reference>, StoreError> {
    let mut all: Vec<Reference> = Vec::new();
    for token in referenced_tokens(spec) {
        let name = &token.client;
        if all.iter().any(|one| one.name == *name) {
            continue;
        }
        let other = Key::new(key.namespace(), name);
        let found = match objects.referenced(&other).await? {
            Some(other) => Some(found(objects, key, other).await?),
            None => None,
        };
        let name = name.clone();
        all.push(Reference { name, found });
    }
    Ok(all)
}

async fn found(
    objects: &impl Objects,
    key: &Key,
    other: ReferencedRead,
) -> Result<FoundReference, StoreError> {
    let name = other.token_secret;
    let secret = match name.as_str() {
        // Its spec cannot be decoded, so it publishes no token.
        "" => None,
        name => objects.secret(key, name, Purpose::OptedIn).await?,
    };
    Ok(FoundReference {
        uid: other.uid,
        secret_name: name,
        secret,
    })
}

/// The lenders of the used tokens that were not observed yet.
async fn lenders(objects: &impl Objects, key: &Key, seen: &mut Observed) -> Result<(), StoreError> {
    let (secrets, accounts) = lenders_to_see(seen);
    for name in secrets {
        let secret = objects.secret(key, &name, Purpose::OptedIn).await?;
        seen.lender_secrets.extend(secret);
    }
    read_accounts(objects, key, seen, accounts).await
}

async fn read_accounts(
    objects: &impl Objects,
    key: &Key,
    seen: &mut Observed,
    names: BTreeSet<String>,
) -> Result<(), StoreError> {
    for name in names {
        let account = objects.account(key, &name).await?;
        seen.accounts.insert(name, account);
    }
    Ok(())
}

/// Hashes what the provider would receive of the credentials, if they are all there.
fn hash_content(objects: &impl Objects, spec: &Validated, seen: &mut Observed) {
    if seen.credentials_version().is_none() {
        return;
    }
    let content = |secret: ClientSecret| {
        let content = relevant_content(seen, spec, secret);
        objects.hash(content.expose_bytes())
    };
    let has_next = has_next(spec, seen.credentials.as_ref());
    let (content, next) = (
        content(ClientSecret::Current),
        has_next.then(|| content(ClientSecret::Next)),
    );
    (seen.content, seen.next_content) = (Some(content), next);
}
