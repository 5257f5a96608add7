//! The refresh token that would be sent next: one that is provided and new, or the one of the family in use.

use crate::inputs;
use crate::model::{FamilyRecord, Observed, Reservation, Tag, Validated};
use crate::oauth::CredentialsProblem;
use crate::oauth::refresh::Origin;
use crate::policy::refresh_token::provided::{ProvidedToken, provided};
use crate::policy::refresh_token::record::{password_tag, token_tag};
use crate::secret::Secret;

/// A refresh token that could be sent.
pub(super) struct Candidate {
    pub(super) token: Secret,
    pub(super) tag: Tag,
    pub(super) new_seed: Option<Tag>,
}

/// The refresh token that would be sent: a new one that a person provided, else that of the family.
pub(super) fn candidate(
    seen: &Observed,
    spec: &Validated,
    record: &FamilyRecord,
) -> Result<Option<Candidate>, (CredentialsProblem, String)> {
    let uid = record.family_uid(seen);
    let provided = provided(seen, spec);
    if let Ok(Some(ProvidedToken { token, .. })) = &provided {
        let tag = token_tag(uid, token);
        // One that was refused before does not block while a family works.
        let refused = record.refusal(&tag, token, seen).is_some();
        let in_the_way = refused && record.refresh_token.is_some();
        if !record.knows(&tag) && !in_the_way {
            let (token, new_seed) = (token.clone(), Some(tag.clone()));
            return Ok(Some(Candidate {
                token,
                tag,
                new_seed,
            }));
        }
    }
    match &record.refresh_token {
        Some(token) => Ok(Some(Candidate {
            token: token.clone(),
            tag: token_tag(uid, token),
            new_seed: None,
        })),
        None => provided.map(|_| None),
    }
}

/// The seed of a family that starts with a password: other credentials, or another request, start another family, so
/// that a refresh never requests more than was granted (RFC 6749 section 6).
pub(super) fn password_seed(seen: &Observed, spec: &Validated) -> Tag {
    let keys = &spec.client.keys;
    let value = |key: &String| {
        let value = seen
            .credentials
            .as_ref()
            .and_then(|credentials| credentials.data.get(key));
        value.map_or(&[][..], |value| value.expose_bytes())
    };
    let inputs = inputs::of(spec);
    let parts = [
        inputs.sent().as_bytes(),
        value(&keys.username),
        value(&keys.password),
    ];
    password_tag(&seen.family_uid(), &parts)
}

/// Whether a refresh token was provided that no family started with.
pub(crate) fn starts_new_family(seen: &Observed, spec: &Validated) -> bool {
    new_family(seen, spec).is_some()
}

/// Whether such a refresh token was not tried yet: earlier failures say nothing about it.
pub(crate) fn new_family_is_untried(seen: &Observed, spec: &Validated) -> bool {
    new_family(seen, spec).is_some_and(|(tag, reservation)| {
        reservation.is_none_or(|reservation| reservation.redeemed != tag)
    })
}

pub(super) fn new_family(seen: &Observed, spec: &Validated) -> Option<(Tag, Option<Reservation>)> {
    let refreshing = spec.refreshing.as_ref()?;
    if refreshing.origin != Origin::Provided {
        return None;
    }
    let record = seen
        .record()
        .unwrap_or_else(|| Ok(FamilyRecord::default()))
        .ok()?;
    let candidate = candidate(seen, spec, &record).ok()??;
    candidate.new_seed.map(|tag| (tag, record.reservation))
}

/// The record of the family in use: one whose own token would be sent, and no other.
pub(crate) fn family(seen: &Observed, spec: &Validated) -> Option<(FamilyRecord, Origin)> {
    let origin = spec.refreshing.as_ref()?.origin;
    let record = seen.record()?.ok()?;
    let is_used = match origin {
        Origin::Provided => candidate(seen, spec, &record).ok()??.new_seed.is_none(),
        Origin::Password => {
            record.refresh_token.is_some() && record.seed == Some(password_seed(seen, spec))
        }
    };
    is_used.then_some((record, origin))
}
