//! What a response, or its absence, means for the family.

use crate::messages::{Finding, RequestFinding, Then};
use crate::model::{
    Answer, AnswerFacts, Claim, Failure, Known, MadeFrom, Moments, Observed, Record, Refused,
    SecretBody, SecretSeen, Spend, Validated, With,
};
use crate::oauth::error::{FailureClass, Reached};
use crate::oauth::refresh::{self, Next};
use crate::oauth::{HttpAnswer, Token};
use crate::policy::{findings, rotation};
use crate::secret::Secret;
use crate::time::Span;
use crate::trust::Lenders;

use super::claim::MOST_TRIES;
use super::offer::{offered, sent_with};
use super::place;

/// The minimum pause before an attempt with an unknown outcome is repeated: long enough for a provider to restart,
/// short enough for the shortest grace period in use (60 s).
const ONCE_MORE_AFTER: Span = Span::from_seconds(20);

/// Expiry times that differ by at most this much are the same.
const SAME_END: Span = Span::from_seconds(1);

/// What remains of a failed attempt.
pub struct Spent {
    /// The record to write; `None` if the reservation stays.
    pub record: Option<Record>,
    /// What is known in case that cannot be written.
    pub known: Option<Known>,
    /// The failure as it counts for a refresh token.
    pub failure: Failure,
}

/// The record after a token was granted: stored before anything else is done with the response.
pub fn kept(
    seen: &Observed,
    spec: &Validated,
    spend: &Spend,
    token: &Token,
    answer: HttpAnswer,
    at: Moments,
) -> Record {
    let next = refresh::next(&spec.client.response, &token.document);
    let mut record = went_on(spend, next, at);
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
    record.answer = Some(Answer {
        facts: AnswerFacts {
            sent: at.sent.millis(),
            received: at.received.millis(),
            draw: at.u,
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
pub fn kept_of_unusable(spend: &Spend, brought: Next, at: Moments) -> Record {
    went_on(spend, brought, at)
}

/// The family after a success: with the returned refresh token, or the one that was sent.
fn went_on(spend: &Spend, next: Next, at: Moments) -> Record {
    let mut record = spend.record.clone();
    if let Some(seed) = &spend.begins {
        record.begin(seed.clone());
    }
    let renewed = next.token.is_some();
    record.refresh_token = next.token.or_else(|| match &spend.with {
        With::RefreshToken(token) => Some(token.clone()),
        With::Password => None,
    });
    let before = record.ends.filter(|_| spend.begins.is_none());
    record.ends = match next.lifetime {
        Some(lifetime) => Some(at.sent + lifetime),
        None if renewed => None,
        None => before,
    };
    // Some providers count from the login, whatever happens meanwhile.
    record.fixed =
        matches!((before, record.ends), (Some(before), Some(ends)) if ends <= before + SAME_END);
    record.lenders = Some(spend.lenders.clone());
    record.obtained = Some(at.sent);
    if let Some(claim) = &mut record.claim {
        claim.open = false;
    }
    record.refused.retain(|refused| refused.token != spend.tag);
    record
}

fn made_from(seen: &Observed) -> MadeFrom {
    MadeFrom {
        inputs: seen.resource.inputs.clone(),
        credentials: seen.lent().unwrap_or_default(),
        content: None,
    }
}

/// The consequences of a failed attempt.
pub fn unanswered(seen: &Observed, spec: &Validated, spend: &Spend, failure: Failure) -> Spent {
    let tries = spend.record.claim.as_ref().map_or(0, |claim| claim.tries);
    let is_refresh = matches!(spend.with, With::RefreshToken(_));
    let refused = |known: bool| Refused {
        token: spend.tag.clone(),
        made_from: known.then(|| MadeFrom {
            content: match &spend.with {
                With::RefreshToken(token) if spend.begins.is_some() => sent_with(seen, token),
                _ => None,
            },
            ..made_from(seen)
        }),
        provider_code: known
            .then(|| failure.provider_code.as_ref()?.kept())
            .flatten(),
    };
    let dead = match failure.reached {
        _ if !is_refresh => None,
        Reached::InvalidGrant => Some(refused(tries < MOST_TRIES)),
        // A refusal that its confirmation repeats, and a request without a response for the second time.
        Reached::Refused if tries >= MOST_TRIES => Some(refused(true)),
        Reached::Unknown if tries >= MOST_TRIES => Some(refused(false)),
        Reached::Refused => return once_more(failure, Then::Confirm),
        Reached::Unknown => return once_more(failure, Then::OnceMore),
        Reached::Unclear if tries < MOST_TRIES => return once_more(failure, Then::OnceMore),
        // A response that does not refuse the token does not use up a try.
        Reached::Unclear | Reached::Answered | Reached::Never => None,
    };
    let claim = spend.record.claim.as_ref();
    let known = claim.map(|claim| Known::of(claim, dead.clone()));
    let mut record = spend.record.clone();
    record.end(dead.clone());
    let failure = match dead {
        None => failure,
        Some(refused) => ended(seen, spec, spend, &refused, failure),
    };
    Spent {
        record: Some(record),
        known,
        failure,
    }
}

/// The reservation stays open: the token may have been redeemed, or its refusal must be confirmed.
fn once_more(failure: Failure, why: Then) -> Spent {
    let pause = failure
        .retry_after
        .unwrap_or(Span::ZERO)
        .max(ONCE_MORE_AFTER);
    let failure = Failure {
        class: FailureClass::Transient,
        retry_after: Some(pause),
        then: Some(Box::new(why)),
        ..failure
    };
    Spent {
        record: None,
        known: None,
        failure,
    }
}

/// The refresh token is not sent again: a password is sent instead, or a person must act.
fn ended(
    seen: &Observed,
    spec: &Validated,
    spend: &Spend,
    refused: &Refused,
    failure: Failure,
) -> Failure {
    let known = refused.made_from.is_some();
    if spend.begins.is_some() && spend.record.lives_without(&refused.token, seen) {
        // No person must act: the previous refresh token stays in use.
        let offer = offered(seen, spec).ok().flatten();
        let (secret, key) = offer.map_or(("", ""), |offer| (offer.secret, offer.key));
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

impl Spend {
    /// The write of the reservation: nothing is sent before it succeeds.
    pub fn claim(&self, seen: &Observed) -> SecretBody {
        place::body(seen, &self.record)
    }

    /// What is known about an attempt that sent nothing.
    pub fn unsent(&self) -> (Record, Option<Known>) {
        let mut record = self.record.clone();
        let known = record.claim.as_ref().map(|claim| Known::of(claim, None));
        record.end(None);
        (record, known)
    }

    fn attempt(&self) -> Option<&Claim> {
        self.record.claim.as_ref()
    }
}

/// What an observation of the state Secret says about a record to store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It is already stored.
    Stands,
    /// It must still be written.
    NotYet,
    /// Another attempt has taken over, so this record no longer counts.
    Superseded,
}

/// Whether `record`, of the attempt that `spend` reserved, is stored.
pub fn stored(seen: &Observed, spend: &Spend, record: &Record) -> Stored {
    let Some(state) = &seen.family.state else {
        return Stored::NotYet;
    };
    let Ok(there) = Record::read(&state.data) else {
        return Stored::Superseded;
    };
    let ours = spend.attempt().map(|claim| &claim.attempt);
    let theirs = there.claim.as_ref().map(|claim| &claim.attempt);
    if ours != theirs {
        Stored::Superseded
    } else if there.claim == record.claim && there.refresh_token == record.refresh_token {
        Stored::Stands
    } else {
        Stored::NotYet
    }
}

/// The write that stores `record`.
pub fn store(seen: &Observed, record: &Record) -> SecretBody {
    place::body(seen, record)
}

/// The observation after `record` is stored.
pub fn stands(secret: SecretSeen, record: &Record) -> SecretSeen {
    place::written(secret, record)
}
