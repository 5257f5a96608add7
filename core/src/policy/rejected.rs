//! A token Secret that Kubernetes refuses: what is known before the write, and the consequences.
//!
//! Another token would be refused like the first, so none is requested until the spec, the credentials or the token
//! Secret change.

use std::collections::BTreeMap;

use crate::messages::{TokenSecretFinding, Unacceptable};
use crate::model::secret_limits::{
    DOCKER_CONFIG, DOCKER_CONFIG_KEY, MAX_ANNOTATION_BYTES, MAX_DATA_BYTES, is_docker_config,
};
use crate::model::{
    FailedAttempt, Observed, Problem, SecretSeen, SecretWrite, Validated, secret_version,
};
use crate::time::Time;

/// Why Kubernetes does not accept this write, as far as this is known.
pub(super) fn unacceptable(
    write: &SecretWrite,
    target: Option<&SecretSeen>,
) -> Option<Unacceptable> {
    let mut data: BTreeMap<&str, usize> = target
        .into_iter()
        .flat_map(|target| &target.data)
        .map(|(key, value)| (key.as_str(), value.len()))
        .collect();
    for (key, value) in &write.data {
        match value {
            Some(value) => data.insert(key, value.len()),
            None => data.remove(key.as_str()),
        };
    }
    let bytes: usize = data.values().sum();
    if bytes > MAX_DATA_BYTES {
        let most = MAX_DATA_BYTES;
        return Some(Unacceptable::Data { bytes, most });
    }
    if write.type_ == DOCKER_CONFIG {
        let new = write.data.get(DOCKER_CONFIG_KEY).and_then(Option::as_ref);
        let there = target.and_then(|target| target.data.get(DOCKER_CONFIG_KEY));
        if !new
            .or(there)
            .is_some_and(|value| is_docker_config(value.expose_bytes()))
        {
            return Some(Unacceptable::NotAnObject {
                key: DOCKER_CONFIG_KEY.to_owned(),
                type_: DOCKER_CONFIG.to_owned(),
            });
        }
    }
    let mut annotations: BTreeMap<&str, usize> = sizes(target);
    for (key, value) in &write.annotations {
        match value {
            Some(value) => annotations.insert(key, value.len()),
            None => annotations.remove(key.as_str()),
        };
    }
    too_many_annotations(&annotations)
}

/// What prevents any token, whatever the response is: nothing is requested.
pub(super) fn before_request(seen: &Observed, spec: &Validated) -> Option<Problem> {
    let target = seen.target.as_ref()?;
    let mut annotations = sizes(Some(target));
    for (key, value) in &spec.token_secret.annotations {
        annotations.insert(key, value.len());
    }
    let state = target.state();
    let ours = |key: &String| {
        state
            .as_ref()
            .is_some_and(|state| state.managed.data.contains(key))
            || spec.token_secret.templates.keys().contains(&key.as_str())
    };
    let foreign = target.data.iter().filter(|(key, _)| !ours(key));
    let bytes: usize = foreign.map(|(_, value)| value.len()).sum();
    // A token has at least one byte.
    let why = if bytes >= MAX_DATA_BYTES {
        let most = MAX_DATA_BYTES;
        Unacceptable::OtherKeys { bytes, most }
    } else {
        too_many_annotations(&annotations)?
    };
    Some(Problem::stalled(TokenSecretFinding::Full {
        secret: target.name.clone(),
        why,
    }))
}

fn sizes(target: Option<&SecretSeen>) -> BTreeMap<&str, usize> {
    let annotations = target.into_iter().flat_map(|target| &target.annotations);
    annotations
        .map(|(key, value)| (key.as_str(), value.len()))
        .collect()
}

fn too_many_annotations(annotations: &BTreeMap<&str, usize>) -> Option<Unacceptable> {
    let bytes: usize = annotations
        .iter()
        .map(|(key, value)| key.len() + value)
        .sum();
    let most = MAX_ANNOTATION_BYTES;
    (bytes > most).then_some(Unacceptable::Annotations { bytes, most })
}

/// Whether the token Secret differs from the one that was refused.
pub(super) fn secret_changed(attempt: &FailedAttempt, seen: &Observed) -> bool {
    let rejected = attempt.rejected_secret.as_deref();
    rejected.is_some_and(|version| version != secret_version(seen.target.as_ref()))
}

/// When a token may be requested after the token Secret changed, so that frequent changes do not cause a request each
/// time.
pub(super) fn again_after(attempt: &FailedAttempt) -> Option<Time> {
    let pause = crate::schedule::repair_delay(attempt.failures);
    attempt
        .rejected_secret
        .as_ref()
        .map(|_| attempt.time + pause)
}
