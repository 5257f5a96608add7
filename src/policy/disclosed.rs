//! What the owner of a credentials Secret discloses of it: the keys that templates may use, and that count as no secret.
//!
//! The owner says so in the Secret. A resource that uses the Secret can neither disclose a key nor give a key that is
//! disclosed to another one: `spec.credentials.keys` says what a key is used for, not who may see it.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::conditions::Reason;
use crate::api::validate::Validated;
use crate::command::Command;
use crate::model::{Observed, Problem, ProblemKind, SecretSeen, TOKEN_LABEL};
use crate::oauth::SentSecrets;
use crate::oauth::disclosure::DISCLOSED_KEYS;
use crate::oauth::request::single_line;
use crate::secret::Secret;

/// Annotation of a credentials Secret: the keys that templates may use besides `client_id` and `username`, separated by commas
/// or white space.
pub const DISCLOSED_KEYS_ANNOTATION: &str = "oauthclient.dev/disclosed-keys";

/// The keys that a Secret's owner discloses. Of a token Secret that is nothing: its keys have the names that a resource gives
/// them.
fn disclosed_keys(secret: &SecretSeen) -> BTreeSet<&str> {
    if secret.has_label(TOKEN_LABEL, "true") {
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

/// The key of the credentials Secret that `credentials.NAME` of a template stands for: `client_id` and `username` stand for the
/// keys that the resource uses as such, where the Secret has none of that very name.
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
        // It stands in the resource for all to read.
        values.insert("client_id".to_owned(), Secret::from(id.as_str()));
    }
    values
}

/// Brings the list of what a request carries in line with what the owners of its Secrets disclose.
pub(super) fn apply(seen: &Observed, sent: &mut SentSecrets) {
    let secrets = [seen.credentials.as_ref(), seen.chain.login.as_ref()];
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

/// Whether templates may see a refresh token: one that a response brought, or that stands in the Secret under the key
/// `refresh_token`. One that a resource takes from another key is a value of the credentials like any other.
pub(super) fn may_show(seen: &Observed, refresh_token: &Secret) -> bool {
    let Some(secret) = &seen.credentials else {
        return true;
    };
    let disclosed = disclosed_keys(secret);
    let is_ours = secret.has_label(TOKEN_LABEL, "true");
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

/// What keeps the templates from being rendered: they use a key that its owner does not disclose. Found before anything is
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
    let list = match listed
        .map(|list| list.trim())
        .filter(|list| !list.is_empty())
    {
        Some(list) => format!("{list},{key}"),
        None => key.to_owned(),
    };
    let namespace = &seen.resource.namespace;
    let command = Command::kubectl(&["annotate", "secret"])
        .value(&secret.name)
        .namespace(namespace)
        .fixed(&["--overwrite"])
        .pair(DISCLOSED_KEYS_ANNOTATION, &list);
    Some(Problem {
        kind: ProblemKind::Waiting,
        reason: Reason::CredentialsKeyNotDisclosed,
        message: format!(
            "A template in spec.tokenSecret.data uses credentials.{name}, but Secret {} does not disclose its key {key}. Whoever can read the token Secret would see it. Remove it from the template. If you own the Secret and the key is no secret, run: {command}",
            secret.name
        ),
    })
}
