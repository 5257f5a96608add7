//! The content of a write to a token Secret, as data.
//!
//! One write contains the token and its state. A patch names only what changes: what is ours and no longer needed is
//! removed, what is not ours is never named.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    Managed, Observed, Owner, PREFIX, RESTORED, RefreshReason, SecretBody, SecretSeen, SecretWrite,
    TokenState, Validated, WriteMode, data_hash, token_hash,
};
use crate::names::{
    ADOPT_ANNOTATION, ALLOWED_HOSTS_ANNOTATION, ALLOWED_TOKEN_HOSTS_ANNOTATION, CREDENTIALS_LABEL,
    TOKEN_LABEL,
};
use crate::policy::ownership::{our_target, same_inputs};
use crate::secret::Secret;
use crate::time::Time;

use super::deadline;
use super::ownership::{Ownership, ownership};
use super::provenance;

/// The write that publishes `data` with `state`.
pub(super) fn publish(
    seen: &Observed,
    spec: &Validated,
    data: BTreeMap<String, Secret>,
    state: TokenState,
) -> SecretWrite {
    let target = seen.target.as_ref();
    let before = target
        .and_then(SecretSeen::state)
        .map(|state| state.managed);
    let state = TokenState {
        owner: Some(seen.state_owner()),
        managed: managed(spec, data.keys().cloned().collect()),
        ..state
    }
    .seal(&data);
    let mut write = metadata(seen, spec, &state);
    for key in before.iter().flat_map(|managed| &managed.data) {
        if !data.contains_key(key) && target.is_some_and(|target| target.data.contains_key(key)) {
            write.body.data.insert(key.clone(), None);
        }
    }
    write.rendered.clone_from(&data);
    for (key, value) in data {
        let same = target.and_then(|target| target.data.get(&key)) == Some(&value);
        if !same {
            write.body.data.insert(key, Some(value));
        }
    }
    write
}

/// The same token again, for a Secret that has changed since the write was built.
pub fn rewrite(seen: &Observed, spec: &Validated, write: &SecretWrite) -> SecretWrite {
    publish(seen, spec, write.rendered.clone(), write.state.clone())
}

/// The write that repairs labels, annotations, owner and state of a Secret with an intact token, if necessary.
pub(super) fn metadata_repair(seen: &Observed, spec: &Validated) -> Option<SecretWrite> {
    let target = our_target(seen, spec)?;
    let state = target.state()?;
    let mut desired = TokenState {
        owner: Some(seen.state_owner()),
        managed: managed(spec, state.managed.data.clone()),
        ..deadline::under_settings(seen, spec, state.clone())
    };
    if desired.refresh != state.refresh {
        desired = desired.seal(&target.data);
    }
    if let Some(version) = seen.credentials_version() {
        // Its content is the same (or a new token would be needed): the new version is recorded, so that a restart
        // knows it.
        if seen.content.is_some() {
            desired.credentials = version;
            desired.client_secret_key = super::rotation::first(seen, spec).stored_key(spec);
        }
    }
    if desired.lenders.is_none() {
        // An earlier version wrote it. Nothing has changed since, so it was obtained with what the spec names.
        desired.lenders = provenance::of_request(seen, spec).ok();
    }
    // Equal by now, or in an unknown format: adopted.
    desired.inputs.clone_from(&seen.resource.inputs);
    let mut write = metadata(seen, spec, &desired);
    // If it was written for this spec and these credentials, and differs now, someone else altered it.
    write.repairs = seen.known_intact(target).is_some_and(|intact| {
        intact.generation == seen.resource.generation
            && intact.matches(&desired)
            && intact.matches(&state)
    });
    let nothing = write.labels.is_empty() && write.annotations.is_empty() && write.owners.is_none();
    (!nothing).then_some(write)
}

/// The write that makes a token Secret this resource's again that has lost its owner: its token stays.
pub(super) fn restore_owner(seen: &Observed, spec: &Validated) -> Option<SecretWrite> {
    let target = seen.target.as_ref().filter(|target| !target.deleting)?;
    let whose = ownership(target, &seen.resource, &spec.token_secret.type_);
    let state = target.state()?;
    if whose != Ownership::Restored {
        return None;
    }
    let default_keys = spec.token_secret.templates.sources().next().is_none();
    let token = target.data.get("access_token");
    let desired = TokenState {
        // The Secrets that it was obtained with were restored as well, as other objects.
        credentials: seen
            .credentials_version()
            .unwrap_or_else(|| RESTORED.to_owned()),
        token_hash: token
            .filter(|_| default_keys)
            .map_or_else(String::new, |token| token_hash(&seen.resource.uid, token)),
        ..state
    };
    Some(metadata(seen, spec, &desired))
}

/// The write that restores the altered state of a token; `None` if it is not known that the token or its data are
/// unchanged.
pub(super) fn state_repair(seen: &Observed, spec: &Validated, now: Time) -> Option<SecretWrite> {
    let target = our_target(seen, spec)?;
    let intact = seen.known_intact(target)?;
    if !seen.still_sufficient(intact, now) || now >= intact.end.at() {
        return None;
    }
    let read = target.state();
    let ours = |keys: &BTreeSet<String>| data_hash(keys, &target.data) == intact.data;
    let of_state = read.as_ref().map(|state| state.managed.data.clone());
    let keys = of_state
        .into_iter()
        .chain(managed_by(spec, target))
        .find(ours)?;
    let status = &seen.resource.status;
    let client_secret_key = status.client_secret_key.clone();
    let token = target.data.get("access_token");
    let default_keys = spec.token_secret.templates.sources().next().is_none();
    let token = token.filter(|_| default_keys);
    let state = TokenState {
        issued: intact.issued,
        end: intact.end,
        refresh: intact.refresh,
        planned: None,
        owner: Some(seen.state_owner()),
        inputs: seen.resource.inputs.clone(),
        credentials: seen.credentials_version()?,
        client_secret_key,
        data_hash: String::new(),
        token_hash: token.map_or_else(String::new, |token| token_hash(&seen.resource.uid, token)),
        learnt_window: None,
        served_again: false,
        handled_request: status.last_refresh_request.clone(),
        remarks: None,
        // It was obtained with what the spec names now: neither has changed since.
        lenders: provenance::of_request(seen, spec).ok(),
        managed: managed(spec, keys),
    }
    .seal(&target.data);
    let mut write = metadata(seen, spec, &state);
    write.repairs = true;
    Some(write)
}

/// The keys that may be ours without a state that lists them: with and without the optional scope.
fn managed_by(spec: &Validated, target: &SecretSeen) -> Vec<BTreeSet<String>> {
    let keys = spec.token_secret.templates.keys().into_iter();
    let keys: BTreeSet<String> = keys.map(str::to_owned).collect();
    let mut with_scope = keys.clone();
    with_scope.insert("scope".to_owned());
    let there = |keys: &BTreeSet<String>| keys.iter().all(|key| target.data.contains_key(key));
    let mut all = vec![with_scope, keys];
    all.retain(there);
    all
}

/// The write that moves a good token to a Secret with another name, and its source: a new `tokenSecret.name` requests
/// no token.
pub(super) fn moved<'a>(
    seen: &'a Observed,
    spec: &Validated,
    reason: &RefreshReason,
    now: Time,
) -> Option<(&'a SecretSeen, SecretWrite)> {
    let movable = matches!(reason, RefreshReason::FirstIssue | RefreshReason::Deleted)
        && seen.target.is_none();
    if !movable {
        return None;
    }
    seen.stale_secrets.iter().find_map(|leftover| {
        let state = leftover
            .state()
            .filter(|state| state.intact(&leftover.data))?;
        let ours = ownership(leftover, &seen.resource, &leftover.type_) == Ownership::Ours;
        let good = ours
            && same_inputs(&state.inputs, &seen.resource.inputs)
            && leftover.type_ == spec.token_secret.type_
            && now < state.expires();
        let data = leftover
            .data
            .iter()
            .filter(|(key, _)| state.managed.data.contains(*key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        good.then(|| (leftover, publish(seen, spec, data, state)))
    })
}

fn managed(spec: &Validated, data: BTreeSet<String>) -> Managed {
    Managed {
        data,
        labels: spec.token_secret.labels.keys().cloned().collect(),
        annotations: spec.token_secret.annotations.keys().cloned().collect(),
    }
}

/// A write of labels, annotations and owner only: the differences from the observation.
fn metadata(seen: &Observed, spec: &Validated, state: &TokenState) -> SecretWrite {
    let target = seen.target.as_ref();
    let before = target
        .and_then(SecretSeen::state)
        .map(|state| state.managed)
        .unwrap_or_default();
    let mut labels = desired(&spec.token_secret.labels, &before.labels);
    labels.insert(TOKEN_LABEL.to_owned(), Some("true".to_owned()));
    let mut annotations = desired(&spec.token_secret.annotations, &before.annotations);
    annotations.extend(state.write());
    annotations.insert(ADOPT_ANNOTATION.to_owned(), None);
    let none = BTreeMap::new();
    let body = SecretBody {
        name: spec.token_secret.name.clone(),
        mode: target.map_or(WriteMode::Create, |target| WriteMode::Patch {
            uid: target.uid.clone(),
            resource_version: target.resource_version.clone(),
        }),
        type_: spec.token_secret.type_.clone(),
        data: BTreeMap::new(),
        labels: differing(labels, target.map_or(&none, |target| &target.labels)),
        annotations: differing(
            annotations,
            target.map_or(&none, |target| &target.annotations),
        ),
        owners: owners(seen, target),
    };
    SecretWrite {
        body,
        state: state.clone(),
        rendered: BTreeMap::new(),
        repairs: false,
    }
}

/// What the spec wants, and the removal of what it no longer wants.
fn desired(
    spec: &BTreeMap<String, String>,
    before: &BTreeSet<String>,
) -> BTreeMap<String, Option<String>> {
    let gone = before
        .iter()
        .filter(|key| !spec.contains_key(*key) && may_set(key))
        .map(|key| (key.clone(), None));
    let set = spec
        .iter()
        .map(|(key, value)| (key.clone(), Some(value.clone())));
    gone.chain(set).collect()
}

/// Whether a resource may set such a label or annotation on its Secret: of our own, only those that opt in its token.
fn may_set(key: &str) -> bool {
    !key.starts_with(PREFIX)
        || [
            CREDENTIALS_LABEL,
            ALLOWED_HOSTS_ANNOTATION,
            ALLOWED_TOKEN_HOSTS_ANNOTATION,
        ]
        .contains(&key)
}

fn differing(
    desired: BTreeMap<String, Option<String>>,
    there: &BTreeMap<String, String>,
) -> BTreeMap<String, Option<String>> {
    desired
        .into_iter()
        .filter(|(key, value)| there.get(key) != value.as_ref())
        .collect()
}

/// The owners that the Secret must have, if ours is missing or wrong.
pub(super) fn owners(seen: &Observed, target: Option<&SecretSeen>) -> Option<Vec<Owner>> {
    let ours = Owner {
        api_version: "oauthclient.dev/v1alpha1".to_owned(),
        kind: "OAuthClient".to_owned(),
        name: seen.resource.name.clone(),
        uid: seen.resource.uid.clone(),
        controller: true,
    };
    let there = target.map_or(&[][..], |target| &target.owners);
    if there.contains(&ours) {
        return None;
    }
    let mut owners: Vec<Owner> = there
        .iter()
        .filter(|owner| owner.uid != seen.resource.uid)
        .cloned()
        .collect();
    owners.push(ours);
    Some(owners)
}
