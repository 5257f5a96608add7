//! What a response, or its absence, means for the family.

use crate::messages::{Finding, FollowUp, RequestFinding};
use crate::model::{
    AttemptOutcome, Failure, FamilyRecord, Observed, RedeemedGrant, Redemption, Refused,
    RequestInputs, RequestTimes, Reservation, ResponseFacts, SecretBody, SecretSeen,
    StoredResponse, Validated,
};
use crate::oauth::error::{FailureClass, Reached};
use crate::oauth::refresh::{self, ReturnedRefreshToken};
use crate::oauth::{HttpAnswer, Token};
use crate::policy::{findings, rotation};
use crate::secret::Secret;
use crate::time::Span;
use crate::trust::Lenders;

use super::provided::{provided, sent_hash};
use super::reservation::MAX_TRIES;
use super::state_secret;

/// The minimum pause before an attempt with an unknown outcome is repeated: long enough for a provider to restart,
/// short enough for the shortest grace period in use (60 s).
const ONCE_MORE_AFTER: Span = Span::from_seconds(20);

/// Expiry times that differ by at most this much are the same.
const SAME_END: Span = Span::from_seconds(1);

/// What remains of a failed attempt.
pub struct FailedRedemption {
    /// The record to write; `None` if the reservation stays.
    pub record: Option<FamilyRecord>,
    /// What is known in case that cannot be written.
    pub outcome: Option<AttemptOutcome>,
    /// The failure as it counts for a refresh token.
    pub failure: Failure,
}

/// The record after a token was granted: stored before anything else is done with the response.
pub fn record_after_grant(
    seen: &Observed,
    spec: &Validated,
    redemption: &Redemption,
    token: &Token,
    answer: HttpAnswer,
    at: RequestTimes,
) -> FamilyRecord {
    let next = refresh::returned(&spec.client.response, &token.document);
    let mut record = continued_family(redemption, next, at);
    if token.repeats {
        record.lenders = record.lenders.as_ref().map(Lenders::repeated);
    }
    // What repeats a secret of the request is not stored either, because a later reader does not know what was sent.
    // Headers are not kept by themselves: what was read of them stands in the document.
    let as_document = token.echoes || !spec.client.response.headers.is_empty();
    let (content_type, body) = match as_document {
        false => (answer.content_type, answer.body),
        true => (
            Some("application/json".to_owned()),
            Secret::new(serde_json::to_vec(&token.document.0).unwrap_or_default()),
        ),
    };
    record.answer = Some(StoredResponse {
        facts: ResponseFacts {
            sent: at.sent.millis(),
            received: at.received.millis(),
            draw: at.jitter,
            status: answer.status,
            content_type,
            made_from: made_from(seen),
            client_secret_key: rotation::sent_key(seen),
            handled_request: seen.resource.refresh_request.clone(),
        },
        body,
    });
    record
}

/// The record after a success with a refresh token whose access token cannot be used: it contains the only copy of the
/// refresh token. The previous response stays, because its access token may still be good.
pub fn record_after_unusable_token(
    redemption: &Redemption,
    successor: ReturnedRefreshToken,
    at: RequestTimes,
) -> FamilyRecord {
    continued_family(redemption, successor, at)
}

/// The family after a success: with the returned refresh token, or the one that was sent.
fn continued_family(
    redemption: &Redemption,
    next: ReturnedRefreshToken,
    at: RequestTimes,
) -> FamilyRecord {
    let mut record = redemption.record.clone();
    if let Some(seed) = &redemption.new_seed {
        record.begin(seed.clone());
    }
    let renewed = next.token.is_some();
    record.refresh_token = next.token.or_else(|| match &redemption.grant {
        RedeemedGrant::RefreshToken(token) => Some(token.clone()),
        RedeemedGrant::Password => None,
    });
    let before = record.ends.filter(|_| redemption.new_seed.is_none());
    record.ends = match next.lifetime {
        Some(lifetime) => Some(at.sent + lifetime),
        None if renewed => None,
        None => before,
    };
    // Some providers count from the login, whatever happens meanwhile.
    record.fixed =
        matches!((before, record.ends), (Some(before), Some(ends)) if ends <= before + SAME_END);
    record.lenders = Some(redemption.lenders.clone());
    record.obtained = Some(at.sent);
    if let Some(reservation) = &mut record.reservation {
        reservation.open = false;
    }
    record
        .refused
        .retain(|refused| refused.token != redemption.tag);
    record
}

fn made_from(seen: &Observed) -> RequestInputs {
    RequestInputs {
        inputs: seen.resource.inputs.clone(),
        credentials: seen.credentials_version().unwrap_or_default(),
        content: None,
    }
}

/// The consequences of a failed attempt.
pub fn attempt_failed(
    seen: &Observed,
    spec: &Validated,
    redemption: &Redemption,
    failure: Failure,
) -> FailedRedemption {
    let tries = redemption
        .record
        .reservation
        .as_ref()
        .map_or(0, |reservation| reservation.tries);
    let is_refresh = matches!(redemption.grant, RedeemedGrant::RefreshToken(_));
    let refused = |known: bool| Refused {
        token: redemption.tag.clone(),
        made_from: known.then(|| RequestInputs {
            content: match &redemption.grant {
                RedeemedGrant::RefreshToken(token) if redemption.new_seed.is_some() => {
                    sent_hash(seen, token)
                }
                _ => None,
            },
            ..made_from(seen)
        }),
        provider_code: known
            .then(|| failure.provider_code.as_ref()?.stored())
            .flatten(),
    };
    let refused_token = match failure.reached {
        _ if !is_refresh => None,
        Reached::InvalidGrant => Some(refused(tries < MAX_TRIES)),
        // A refusal that its confirmation repeats, and a request without a response for the second time.
        Reached::Refused if tries >= MAX_TRIES => Some(refused(true)),
        Reached::Unknown if tries >= MAX_TRIES => Some(refused(false)),
        Reached::Refused => return retry_once(failure, FollowUp::Confirm),
        Reached::Unknown => return retry_once(failure, FollowUp::OnceMore),
        Reached::Unclear if tries < MAX_TRIES => return retry_once(failure, FollowUp::OnceMore),
        // A response that does not refuse the token does not use up a try.
        Reached::Unclear | Reached::Answered | Reached::Never => None,
    };
    let reservation = redemption.record.reservation.as_ref();
    let outcome =
        reservation.map(|reservation| AttemptOutcome::of(reservation, refused_token.clone()));
    let mut record = redemption.record.clone();
    record.end(refused_token.clone());
    let failure = match refused_token {
        None => failure,
        Some(refused) => final_failure(seen, spec, redemption, &refused, failure),
    };
    FailedRedemption {
        record: Some(record),
        outcome,
        failure,
    }
}

/// The reservation stays open: the token may have been redeemed, or its refusal must be confirmed.
fn retry_once(failure: Failure, why: FollowUp) -> FailedRedemption {
    let pause = failure
        .retry_after
        .unwrap_or(Span::ZERO)
        .max(ONCE_MORE_AFTER);
    let failure = Failure {
        class: FailureClass::Transient,
        retry_after: Some(pause),
        follow_up: Some(Box::new(why)),
        ..failure
    };
    FailedRedemption {
        record: None,
        outcome: None,
        failure,
    }
}

/// The refresh token is not sent again: a password is sent instead, or a person must act.
fn final_failure(
    seen: &Observed,
    spec: &Validated,
    redemption: &Redemption,
    refused: &Refused,
    failure: Failure,
) -> Failure {
    let known = refused.made_from.is_some();
    if redemption.new_seed.is_some() && redemption.record.has_other_token(&refused.token, seen) {
        // No person must act: the previous refresh token stays in use.
        let provided = provided(seen, spec).ok().flatten();
        let (secret, key) = provided.map_or(("", ""), |provided| (provided.secret, provided.key));
        return Failure {
            class: FailureClass::Transient,
            finding: finding(RequestFinding::NewRefreshTokenRefused {
                secret: secret.to_owned(),
                key: key.to_owned(),
                refused: known,
                resource: seen.resource.name.clone(),
                namespace: seen.resource.namespace.clone(),
            }),
            retry_after: None,
            ..failure
        };
    }
    let password = spec
        .refreshing
        .as_ref()
        .is_some_and(|refreshing| refreshing.origin == refresh::Origin::Password);
    if password {
        return Failure {
            class: FailureClass::Transient,
            finding: finding(RequestFinding::PasswordAgain {
                reason: failure.finding.reason(),
            }),
            ..failure
        };
    }
    Failure {
        class: FailureClass::NeedsPerson,
        finding: findings::reauthorize(seen, known, refused.provider_code().as_ref()).finding,
        retry_after: None,
        ..failure
    }
}

fn finding(finding: RequestFinding) -> Box<Finding> {
    Box::new(finding.into())
}

impl Redemption {
    /// The write of the reservation: nothing is sent before it succeeds.
    pub fn reservation_write(&self, seen: &Observed) -> SecretBody {
        state_secret::state_write(seen, &self.record)
    }

    /// What is known about an attempt that sent nothing.
    pub fn unsent(&self) -> (FamilyRecord, Option<AttemptOutcome>) {
        let mut record = self.record.clone();
        let outcome = record
            .reservation
            .as_ref()
            .map(|reservation| AttemptOutcome::of(reservation, None));
        record.end(None);
        (record, outcome)
    }

    fn attempt(&self) -> Option<&Reservation> {
        self.record.reservation.as_ref()
    }
}

/// What an observation of the state Secret says about a record to store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordState {
    /// It is already stored.
    Stored,
    /// It must still be written.
    NotStored,
    /// Another attempt has taken over, so this record no longer counts.
    Superseded,
}

/// Whether `record`, of the attempt that `redemption` reserved, is stored.
pub fn record_state(
    seen: &Observed,
    redemption: &Redemption,
    record: &FamilyRecord,
) -> RecordState {
    let Some(state) = &seen.family.state else {
        return RecordState::NotStored;
    };
    let Ok(there) = FamilyRecord::read(&state.data) else {
        return RecordState::Superseded;
    };
    let ours = redemption.attempt().map(|reservation| &reservation.attempt);
    let theirs = there
        .reservation
        .as_ref()
        .map(|reservation| &reservation.attempt);
    if ours != theirs {
        RecordState::Superseded
    } else if there.reservation == record.reservation && there.refresh_token == record.refresh_token
    {
        RecordState::Stored
    } else {
        RecordState::NotStored
    }
}

/// The write that stores `record`.
pub fn state_secret_write(seen: &Observed, record: &FamilyRecord) -> SecretBody {
    state_secret::state_write(seen, record)
}

/// The observation after `record` is stored.
pub fn state_after_write(secret: SecretSeen, record: &FamilyRecord) -> SecretSeen {
    state_secret::with_record(secret, record)
}
