//! What the owner of a credentials Secret discloses: the keys that templates may use, and that do not count as secret.
//!
//! The owner says so in the Secret. A resource that uses the Secret can neither disclose a key nor rename a key into a
//! disclosed one: `spec.credentials.keys` defines what a key is used for, not who may see it.

use std::collections::{BTreeMap, BTreeSet};

use crate::command::with_entry;
use crate::messages::CredentialsFinding;
use crate::model::{Observed, Problem, SecretSeen, Validated};
use crate::names::DISCLOSED_KEYS_ANNOTATION;
use crate::oauth::SentSecrets;
use crate::oauth::disclosure::DISCLOSED_KEYS;
use crate::oauth::request::single_line;
use crate::secret::Secret;

/// The keys that a Secret's owner discloses. For a token Secret none, because a resource chooses the names of its keys.
fn disclosed_keys(secret: &SecretSeen) -> BTreeSet<&str> {
    if secret.is_written_by_a_resource() {
        return BTreeSet::new();
    }
    let list = secret.annotations.get(DISCLOSED_KEYS_ANNOTATION);
    let listed = list
        .map_or("", String::as_str)
        .split([',', ' ', '\n', '\t', '\r']);
    DISCLOSED_KEYS
        .into_iter()
        .chain(listed)
        .filter(|key| !key.is_empty())
        .collect()
}

/// The key of the credentials Secret for `credentials.NAME` in a template. `client_id` and `username` mean the keys
/// that the resource uses for them, if the Secret has none of that name.
fn key_of<'a>(name: &'a str, secret: &SecretSeen, spec: &'a Validated) -> &'a str {
    let keys = &spec.client.keys;
    match name {
        _ if secret.data.contains_key(name) => name,
        "client_id" => &keys.client_id,
        "username" => &keys.username,
        other => other,
    }
}

/// The values that templates may use, by their name there.
pub(super) fn for_templates(seen: &Observed, spec: &Validated) -> BTreeMap<String, Secret> {
    let mut values = BTreeMap::new();
    if let Some(secret) = &seen.credentials {
        let disclosed = disclosed_keys(secret);
        let aliases = DISCLOSED_KEYS.into_iter();
        for name in disclosed.iter().copied().chain(aliases) {
            let key = key_of(name, secret, spec);
            if let Some(value) = secret.data.get(key).filter(|_| disclosed.contains(key)) {
                values.insert(name.to_owned(), value.clone());
            }
        }
    }
    if let Some(id) = &spec.client.client_id {
        // The resource contains it, for everyone to read.
        values.insert("client_id".to_owned(), Secret::from(id.as_str()));
    }
    values
}

/// Removes from the secrets of a request what the owners of its Secrets disclose.
pub(super) fn apply(seen: &Observed, sent: &mut SentSecrets) {
    let secrets = [seen.credentials.as_ref(), seen.family.login.as_ref()];
    for secret in secrets.into_iter().flatten() {
        let disclosed = disclosed_keys(secret);
        for key in DISCLOSED_KEYS {
            let value = secret.data.get(key).and_then(Secret::expose);
            if let Some(value) = value.filter(|_| !disclosed.contains(key)) {
                sent.add_key(key, false, single_line(value));
            }
        }
        sent.disclose(disclosed.into_iter().filter_map(|key| secret.data.get(key)));
    }
}

/// Whether templates may use a refresh token: one from a response, or one in the Secret under the key `refresh_token`.
/// One from another key is an ordinary value of the credentials.
pub(super) fn may_show(seen: &Observed, refresh_token: &Secret) -> bool {
    let Some(secret) = &seen.credentials else {
        return true;
    };
    let disclosed = disclosed_keys(secret);
    let is_ours = secret.is_written_by_a_resource();
    let hidden = |key: &str| {
        let is_one = key == "refresh_token" && !is_ours;
        !is_one && !disclosed.contains(key)
    };
    let token = refresh_token.expose();
    !secret
        .data
        .iter()
        .any(|(key, value)| hidden(key) && value.expose().map(single_line) == token)
}

/// What prevents rendering the templates: they use a key that its owner does not disclose. Checked before anything is
/// sent.
pub(super) fn not_disclosed(seen: &Observed, spec: &Validated) -> Option<Problem> {
    let secret = seen.credentials.as_ref()?;
    let disclosed = disclosed_keys(secret);
    let used = spec.token_secret.templates.credentials();
    let (name, key) = used
        .map(|name| (name, key_of(name, secret, spec)))
        .filter(|(name, _)| *name != "client_id" || spec.client.client_id.is_none())
        .find(|(_, key)| !disclosed.contains(key))?;
    let listed = secret.annotations.get(DISCLOSED_KEYS_ANNOTATION);
    Some(Problem::waiting(CredentialsFinding::NotDisclosed {
        secret: secret.name.clone(),
        namespace: seen.resource.namespace.clone(),
        key: key.to_owned(),
        name: name.to_owned(),
        list: with_entry(listed, key),
    }))
}
