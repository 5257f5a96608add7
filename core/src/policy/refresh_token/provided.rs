//! A refresh token that a person provided, and what became of one that the provider refused.

use crate::messages::Note;
use crate::model::{
    ClientSecret, FamilyRecord, LOGIN_KEY, Observed, Refused, SecretSeen, Tag, Validated,
    is_opted_in,
};
use crate::oauth::CredentialsProblem;
use crate::oauth::refresh::Origin;
use crate::oauth::request::single_line;
use crate::policy::facts::relevant_content;
use crate::policy::findings;
use crate::secret::Secret;

use super::record::{client_tag, token_tag};

/// A refresh token that a person provided.
pub(super) struct ProvidedToken<'a> {
    pub(super) token: Secret,
    /// The Secret that contains it.
    pub(super) secret: &'a str,
    /// Its key there.
    pub(super) key: &'a str,
}

/// What is wrong with a provided refresh token, and in which Secret.
pub(super) type Unusable = (CredentialsProblem, String);

/// The provided refresh token: in the login Secret, or else in the credentials.
pub(super) fn provided<'a>(
    seen: &'a Observed,
    spec: &'a Validated,
) -> Result<Option<ProvidedToken<'a>>, Unusable> {
    let opted_in = |login: &&SecretSeen| is_opted_in(login);
    let login = seen.family.login.as_ref().filter(opted_in);
    if let Some(login) = login
        && let Some(provided) = read(login, LOGIN_KEY)?
    {
        return Ok(Some(provided));
    }
    match &seen.credentials {
        Some(credentials) => read(credentials, &spec.client.keys.refresh_token),
        None => Ok(None),
    }
}

fn read<'a>(secret: &'a SecretSeen, key: &'a str) -> Result<Option<ProvidedToken<'a>>, Unusable> {
    let in_this_secret = |problem| (problem, secret.name.clone());
    let key_named = || key.to_owned();
    let Some(value) = secret.data.get(key) else {
        return Ok(None);
    };
    let text = value
        .expose()
        .ok_or_else(|| in_this_secret(CredentialsProblem::NotText { key: key_named() }))?;
    match single_line(text) {
        "" => Err(in_this_secret(CredentialsProblem::Empty {
            key: key_named(),
        })),
        line if line.chars().any(char::is_control) => {
            Err(in_this_secret(CredentialsProblem::Control {
                key: key_named(),
            }))
        }
        line => Ok(Some(ProvidedToken {
            token: Secret::from(line),
            secret: &secret.name,
            key,
        })),
    }
}

/// A hash of a provided refresh token, and of the credentials that the client sends with it.
pub(super) fn sent_hash(seen: &Observed, token: &Secret) -> Option<Tag> {
    let spec = seen.resource.spec.as_ref().ok()?;
    let of = |secret| relevant_content(seen, spec, secret);
    let next = seen.next_content.map(|_| of(ClientSecret::Next));
    let current = of(ClientSecret::Current);
    let mut parts = vec![current.expose_bytes()];
    parts.extend(next.as_ref().map(Secret::expose_bytes));
    Some(client_tag(&seen.family_uid(), token, &parts))
}

/// Whether a refusal still applies: one by the provider does until the spec or the sent credentials change.
pub(super) fn still_applies(refused: &Refused, token: &Secret, seen: &Observed) -> bool {
    let Some(made_from) = &refused.made_from else {
        return true;
    };
    let same_credentials = match &made_from.content {
        Some(content) => sent_hash(seen, token).as_ref() == Some(content),
        None => seen.credentials_version().is_none_or(|version| {
            // An edit of labels only is recorded with the failed attempt.
            let recorded = seen.memory.attempt.as_ref().is_some_and(|attempt| {
                attempt.credentials == version
                    || (attempt.content.is_some() && attempt.content == seen.whole_content())
            });
            made_from.credentials == version || recorded
        }),
    };
    same_credentials && made_from.inputs == seen.resource.inputs
}

impl FamilyRecord {
    /// How this refresh token was refused, if it must not be sent again now.
    pub(super) fn refusal(&self, tag: &Tag, token: &Secret, seen: &Observed) -> Option<&Refused> {
        self.refused
            .iter()
            .find(|refused| refused.token == *tag && still_applies(refused, token, seen))
    }

    /// The UID that its tags are bound to: that of the resource, or of the one before it that the state Secret was restored from.
    pub(super) fn family_uid<'a>(&'a self, seen: &'a Observed) -> &'a str {
        let owner = self.owner.as_ref();
        owner.map_or(&seen.resource.uid, |owner| &owner.uid)
    }

    /// Whether it contains another refresh token that may still be sent.
    pub(super) fn has_other_token(&self, tag: &Tag, seen: &Observed) -> bool {
        self.refresh_token.as_ref().is_some_and(|own| {
            let own_tag = token_tag(self.family_uid(seen), own);
            own_tag != *tag && self.refusal(&own_tag, own, seen).is_none()
        })
    }
}

/// The note about a provided refresh token that the provider refused, while the family continues without it; `None`
/// if there is none.
pub(crate) fn refused_provided_token(seen: &Observed) -> Option<Note> {
    let spec = seen.resource.spec.as_ref().ok()?;
    if spec.refreshing.as_ref()?.origin != Origin::Provided {
        return None;
    }
    let provided = provided(seen, spec).ok()??;
    let record = seen.record()?.ok()?;
    let tag = token_tag(record.family_uid(seen), &provided.token);
    let refused = record.refusal(&tag, &provided.token, seen)?;
    (!record.knows(&tag) && record.has_other_token(&tag, seen)).then(|| {
        let known = refused.made_from.is_some();
        findings::refused_provided_token(provided.secret, provided.key, known)
    })
}

/// The available refresh tokens that the provider has refused, if that still applies.
pub(crate) fn refused_tokens(seen: &Observed, spec: &Validated) -> Vec<Secret> {
    let Some(Ok(record)) = seen.record() else {
        return Vec::new();
    };
    let given = spec
        .refreshing
        .as_ref()
        .is_some_and(|refreshing| refreshing.origin == Origin::Provided);
    let provided = given.then(|| provided(seen, spec).ok().flatten()).flatten();
    let at_hand = provided.map(|provided| provided.token);
    let at_hand = at_hand.into_iter().chain(record.refresh_token.clone());
    at_hand
        .filter(|token| {
            let tag = token_tag(record.family_uid(seen), token);
            let refusal = record.refusal(&tag, token, seen);
            refusal.is_some_and(|refused| refused.made_from.is_some())
        })
        .collect()
}
