//! Requests a token: reserved if the request redeems something, sent once, stored if the response is the only copy.

use std::borrow::Cow;

use crate::api::conditions::Reason;
use crate::api::validate::Validated;
use crate::engine::Requeue;
use crate::http::MAX_BODY;
use crate::model::{
    Failure, FamilyRecord, PlannedRequest, RedeemedGrant, Redemption, RequestTimes, SecretBody,
};
use crate::oauth::refresh::{self, ReturnedRefreshToken};
use crate::oauth::{Client, HttpAnswer, Token, dpop, response};
use crate::policy::{
    attempt_failed, expected_response, failed, granted, large, nonce_of, record_after_grant,
    record_after_unusable_token, state_name, still_failing,
};
use crate::queue::HostReport;
use crate::reconcile::reconciler::{AFTER_RACE, MAY_NOT_START, Reconciled, Reconciler, abandoned};
use crate::time::{Span, Time};

use super::close::Conclusion;
use super::flight::written_status;
use super::redeem::{self, StoreOutcome};
use super::{ResponseRoom, Store, StoreError, WriteError, brake, publish};

/// How soon a refused reservation is retried at the latest: nothing was sent, and no event reports when it would be
/// accepted.
const RESERVE_AGAIN: Span = Span::from_seconds(60);
/// Why nothing was sent although it was reserved.
const LATE: &str = "writing the reservation of the refresh token took too long";
/// How soon a request is tried again for whose response there was no room.
const ROOM_AGAIN: Span = Span::from_seconds(3);

impl<W: Store> Reconciler<'_, W> {
    /// Requests a token and publishes it.
    pub(super) async fn request_token(mut self, mut planned: PlannedRequest) -> Conclusion {
        let Ok(spec) = self.seen.resource.spec.clone() else {
            return self.no_spec().into();
        };
        if !self.store.may_start_work() {
            return abandoned(self.store, StoreError::Passing(MAY_NOT_START.to_owned())).into();
        }
        let room = match expected_response(&self.seen, &spec, planned.redemption.as_deref()) {
            None => ResponseRoom::default(),
            Some(expected) => match self.store.reserve_response_room(expected).await {
                Some(room) => room,
                // Nothing is sent whose response could be lost, or would have to be requested again.
                None => {
                    let memory = self.seen.memory.clone();
                    let pause = match expected.is_only_copy {
                        true => ROOM_AGAIN,
                        // Each try reads everything anew: in no order, so that each finds room in the end.
                        false => ROOM_AGAIN.scale(1.0 + 4.0 * self.store.jitter()),
                    };
                    let again = Requeue::RequestAt(self.store.now() + pause);
                    return self.close(memory, None, again);
                }
            },
        };
        let (reconciler, permit) = match self.check_brakes(&spec, &planned).await {
            Ok(cleared) => cleared,
            Err(step) => return step,
        };
        self = reconciler;
        if let Some(redemption) = &mut planned.redemption {
            let store = self.store;
            redemption.begin(store.now(), store.host_time());
            self = match self.reserve(redemption).await {
                Ok(reconciler) => reconciler,
                Err(step) => {
                    brake::unsent(store, permit);
                    return step;
                }
            };
            let may_start = self.store.may_start_work();
            if !may_start
                || !redemption.may_be_sent(self.store.now(), self.store.host_time().as_ref())
            {
                brake::unsent(self.store, permit);
                redeem::withdraw_reservation(self.store, self.key, &mut self.seen, redemption)
                    .await;
                let why = if may_start { LATE } else { MAY_NOT_START };
                return abandoned(self.store, StoreError::Passing(why.to_owned())).into();
            }
        }
        tracing::debug!(because = planned.reason.as_str(), "requesting a token");
        let (sent, began) = (self.store.now(), self.store.host_time());
        self.seen.memory.last_sent = Some(sent);
        let (sending, status_write) = self.send(&spec, &planned, room).await;
        let (answer, held) = match sending {
            Ok((answer, held)) => (Ok(answer), held),
            Err(failure) => (Err(failure), ResponseRoom::default()),
        };
        let size = match &answer {
            Ok(answer) => Some(answer.body.len()),
            // How large it is was not learned, only that it is large.
            Err(failure) => failure.unread.then_some(MAX_BODY),
        };
        let nonce = answer.as_ref().ok().and_then(dpop::nonce);
        let url = planned.request.url.expose();
        let url: Option<url::Url> = url.and_then(|url| url.parse().ok());
        let nonce = url.zip(nonce).map(|(url, nonce)| nonce_of(&url, nonce));
        let (received, ended) = (self.store.now(), self.store.host_time());
        let took = began.and_then(|began| ended?.since(&began));
        let at = RequestTimes {
            sent: time_sent(received, sent, took),
            received,
            jitter: self.store.jitter(),
        };
        let (decoded, successor) =
            decode_answer(&spec, planned.redemption.as_deref(), answer, at.received);
        if let Err(failure) = &decoded {
            self.check_endpoint_moved(&spec, failure);
        }
        let next =
            self.report_to_brakes(&spec, &planned, permit, decoded.as_ref().err(), at.received);
        drop(planned.request);
        let report = match &decoded {
            Ok(_) => HostReport::Succeeded,
            Err(failure) if failure.timed_out => HostReport::TimedOut,
            Err(_) => HostReport::Failed,
        };
        self.store.token_request_ended(self.key, report);
        if let Some(status) = written_status(status_write).await {
            self.seen.resource.status = status;
        }
        if let Some(size) = size {
            self.seen.memory.large_response = large(size);
        }
        if let Some(nonce) = nonce.filter(|_| spec.dpop.is_some()) {
            self.seen.memory.family.note_nonce(nonce);
        }
        // Held until the report begins, when the response is written or dropped.
        self.answer = held;
        let mut outcome = match (decoded, &planned.redemption) {
            (Ok((token, answer)), Some(redemption)) => {
                let record = record_after_grant(&self.seen, &spec, redemption, &token, answer, at);
                self = match self.store_response(redemption, &record, at).await {
                    Ok(reconciler) => reconciler,
                    Err(step) => return step,
                };
                granted(&self.seen, &spec, planned.reason, token, at)
            }
            (Ok((token, _)), None) => granted(&self.seen, &spec, planned.reason, token, at),
            (Err(failure), Some(redemption)) => match successor {
                Some(successor) => {
                    let record = record_after_unusable_token(redemption, successor, at);
                    self = match self.store_response(redemption, &record, at).await {
                        Ok(reconciler) => reconciler,
                        Err(step) => return step,
                    };
                    failed(&self.seen, &spec, &failure.but_renewed(), at)
                }
                None => {
                    let failed_redemption = attempt_failed(&self.seen, &spec, redemption, failure);
                    redeem::record_failure(
                        self.store,
                        self.key,
                        &mut self.seen,
                        redemption,
                        &failed_redemption,
                    )
                    .await;
                    failed(&self.seen, &spec, &failed_redemption.failure, at)
                }
            },
            (Err(failure), None) => failed(&self.seen, &spec, &failure, at),
        };
        outcome.postpone(next);
        let failed = outcome.attempt.as_ref();
        let reason = failed.map(|failed| Reason::parse(&failed.reason));
        let label = reason.map_or("success", |reason| {
            reason.unwrap_or(Reason::RequestRefused).as_str()
        });
        self.store.count_token_request(&spec, label);
        self.apply(outcome, &spec, planned.reason.is_repair(), at)
            .await
    }

    /// Reserves what the request redeems; returns how the reconcile ends if that is not possible.
    async fn reserve(mut self, redemption: &Redemption) -> Result<Self, Conclusion> {
        let reserved = redeem::reserve(self.store, self.key, &mut self.seen, redemption).await;
        match reserved {
            Ok(()) => Ok(self),
            Err(WriteError::Raced) => {
                let memory = self.seen.memory.clone();
                let again = Requeue::At(self.store.now() + AFTER_RACE);
                Err(self.close(memory, None, again))
            }
            Err(error) => Err(self.state_not_written(&error)),
        }
    }

    /// Writes what must be in the state Secret before anything is sent: a generated key, or that a reservation was observed.
    pub(super) async fn write_state(self, body: &SecretBody) -> Conclusion {
        let memory = self.seen.memory.clone();
        match self.store.write_state_secret(self.key, body).await {
            Ok(_) => {
                let now = self.store.now();
                self.close(memory, None, Requeue::At(now))
            }
            Err(WriteError::Raced) => {
                let again = Requeue::At(self.store.now() + AFTER_RACE);
                self.close(memory, None, again)
            }
            Err(error) => self.state_not_written(&error),
        }
    }

    /// The state Secret could not be written, so nothing is sent.
    fn state_not_written(self, error: &WriteError) -> Conclusion {
        let now = self.store.now();
        let mut assessment = still_failing(&self.seen, now);
        let name = std::mem::replace(
            &mut assessment.secret_name,
            state_name(&self.seen.resource.name),
        );
        let (mut assessment, again) = publish::assess_failure(&self.seen, assessment, error, now);
        assessment.secret_name = name;
        let memory = self.seen.memory.clone();
        let again = again.min(RESERVE_AGAIN);
        self.finish(memory, &assessment, None, Requeue::At(now + again))
    }

    /// A failure at a discovered endpoint may mean that it has moved.
    fn check_endpoint_moved(&self, spec: &Validated, failure: &Failure) {
        if spec.client.issuer.is_some() && failure.suggests_moved_endpoint() {
            self.store.rediscover_endpoints(&self.seen, spec);
        }
    }

    /// Stores a response with a refresh token, or to one; returns how the reconcile ends if it cannot be stored.
    async fn store_response(
        mut self,
        redemption: &Redemption,
        record: &FamilyRecord,
        at: RequestTimes,
    ) -> Result<Self, Conclusion> {
        let assessment = still_failing(&self.seen, at.received);
        let seen = &mut self.seen;
        match redeem::store_response(self.store, self.key, seen, redemption, record, &assessment)
            .await
        {
            StoreOutcome::Stored => Ok(self),
            StoreOutcome::Superseded => {
                let memory = self.seen.memory.clone();
                let again = Requeue::At(self.store.now());
                Err(self.close(memory, None, again))
            }
            StoreOutcome::ResourceGone => Err(Reconciled::Gone.into()),
            StoreOutcome::GivenUp(assessment, again) => {
                let now = self.store.now();
                let again = again.map_or(Requeue::OnChange, |span| Requeue::At(now + span));
                let memory = self.seen.memory.clone();
                Err(self.finish(memory, &assessment, None, again))
            }
        }
    }
}

/// How far the wall clock may run from the one that is never set, during one request.
const CLOCK_TOLERANCE: Span = Span::from_seconds(1);

/// When a request was sent, by the clock that shows `received` now. If the clock was set meanwhile, `sent` is of another clock, and
/// the time is counted back by what the request `took`.
fn time_sent(received: Time, sent: Time, took: Option<Span>) -> Time {
    let apparent = received.since(sent);
    let took = took.unwrap_or(apparent.max(Span::ZERO));
    let is_one_clock = apparent <= took + CLOCK_TOLERANCE && took <= apparent + CLOCK_TOLERANCE;
    if is_one_clock { sent } else { received - took }
}

/// The meaning of a response: a token, or why there is none; and a refresh token that came with an unusable access
/// token, if something was redeemed for it.
fn decode_answer(
    spec: &Validated,
    redemption: Option<&Redemption>,
    answer: Result<HttpAnswer, Failure>,
    received: Time,
) -> (
    Result<(Token, HttpAnswer), Failure>,
    Option<ReturnedRefreshToken>,
) {
    let answer = match answer {
        Ok(answer) => answer,
        Err(failure) => return (Err(failure), None),
    };
    let shape = &spec.client.response;
    match response::decode(shape, &answer, received) {
        Ok(token) => (Ok((token, answer)), None),
        Err(error) => {
            let successor = redemption.and_then(|_| refresh::successor(shape, &answer));
            let failure = Failure::answer(&error, &client_as_sent(spec, redemption));
            (Err(failure), successor)
        }
    }
}

/// The client for evaluating a failed response: with the grant that was really sent.
fn client_as_sent<'a>(spec: &'a Validated, redemption: Option<&Redemption>) -> Cow<'a, Client> {
    match (
        redemption.map(|redemption| &redemption.grant),
        &spec.refreshing,
    ) {
        (Some(RedeemedGrant::RefreshToken(_)), Some(refreshing)) => {
            Cow::Owned(refreshing.client(&spec.client))
        }
        _ => Cow::Borrowed(&spec.client),
    }
}
