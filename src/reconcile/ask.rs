//! Requests a token: reserved if the request redeems something, sent once, stored if the response is the only copy.

use std::borrow::Cow;

use crate::api::conditions::Reason;
use crate::api::validate::Validated;
use crate::engine::Requeue;
use crate::http::MAX_BODY;
use crate::model::{Ask, Failure, Moments, Record, SecretBody, Spend, With};
use crate::oauth::refresh::{self, Next};
use crate::oauth::{Client, HttpAnswer, Token, dpop, response};
use crate::policy::{
    expected_response, failed, granted, kept, kept_of_unusable, large, nonce_of, state_name,
    still_failing, unanswered,
};
use crate::queue::HostReport;
use crate::reconcile::reconciler::{AFTER_RACE, NO_MORE, Reconciled, Reconciler, abandoned};
use crate::time::{Span, Time};

use super::close::Step;
use super::flight::told;
use super::redeem::{self, Kept};
use super::{Held, Store, StoreError, WriteError, brake, publish};

/// How soon a refused reservation is retried at the latest: nothing was sent, and no event reports when it would be
/// accepted.
const CLAIM_AGAIN: Span = Span::from_seconds(60);
/// Why nothing was sent although it was reserved.
const LATE: &str = "writing the reservation of the refresh token took too long";
/// How soon a request is tried again for whose response there was no room.
const ROOM_AGAIN: Span = Span::from_seconds(3);

impl<W: Store> Reconciler<'_, W> {
    /// Requests a token and publishes it.
    pub(super) async fn ask(mut self, mut ask: Ask) -> Step {
        let Ok(spec) = self.seen.resource.spec.clone() else {
            return self.no_spec().into();
        };
        if !self.store.goes_on() {
            return abandoned(self.store, StoreError::Passing(NO_MORE.to_owned())).into();
        }
        let room = match expected_response(&self.seen, &spec, ask.spend.as_deref()) {
            None => Held::default(),
            Some(expected) => match self.store.set_room_aside(expected).await {
                Some(room) => room,
                // Nothing is sent whose response could be lost, or would have to be requested again.
                None => {
                    let memory = self.seen.memory.clone();
                    let pause = match expected.is_only_copy {
                        true => ROOM_AGAIN,
                        // Each try reads everything anew: in no order, so that each finds room in the end.
                        false => ROOM_AGAIN.scale(1.0 + 4.0 * self.store.draw()),
                    };
                    let again = Requeue::RequestAt(self.store.now() + pause);
                    return self.close(memory, None, again);
                }
            },
        };
        let (reconciler, pass) = match self.pass_brakes(&spec, &ask).await {
            Ok(passed) => passed,
            Err(step) => return step,
        };
        self = reconciler;
        if let Some(spend) = &mut ask.spend {
            let store = self.store;
            spend.begin(store.now(), store.host_time());
            self = match self.claim(spend).await {
                Ok(reconciler) => reconciler,
                Err(step) => {
                    brake::unsent(store, pass);
                    return step;
                }
            };
            let goes_on = self.store.goes_on();
            if !goes_on || !spend.may_be_sent(self.store.now(), self.store.host_time().as_ref()) {
                brake::unsent(self.store, pass);
                redeem::unclaim(self.store, self.key, &mut self.seen, spend).await;
                let why = if goes_on { LATE } else { NO_MORE };
                return abandoned(self.store, StoreError::Passing(why.to_owned())).into();
            }
        }
        tracing::debug!(because = ask.because.as_str(), "requesting a token");
        let (sent, began) = (self.store.now(), self.store.host_time());
        self.seen.memory.last_sent = Some(sent);
        let (sending, telling) = self.send(&spec, &ask, room).await;
        let (answer, held) = match sending {
            Ok((answer, held)) => (Ok(answer), held),
            Err(failure) => (Err(failure), Held::default()),
        };
        let size = match &answer {
            Ok(answer) => Some(answer.body.len()),
            // How large it is was not learned, only that it is large.
            Err(failure) => failure.unread.then_some(MAX_BODY),
        };
        let nonce = answer.as_ref().ok().and_then(dpop::nonce);
        let url = ask.request.url.expose();
        let url: Option<url::Url> = url.and_then(|url| url.parse().ok());
        let nonce = url.zip(nonce).map(|(url, nonce)| nonce_of(&url, nonce));
        let (received, ended) = (self.store.now(), self.store.host_time());
        let took = began.and_then(|began| ended?.since(&began));
        let at = Moments {
            sent: sent_by(received, sent, took),
            received,
            u: self.store.draw(),
        };
        let (decoded, brought) = understood(&spec, ask.spend.as_deref(), answer, at.received);
        if let Err(failure) = &decoded {
            self.doubt_endpoint(&spec, failure);
        }
        let next = self.tell_brakes(&spec, &ask, pass, decoded.as_ref().err(), at.received);
        drop(ask.request);
        let report = match &decoded {
            Ok(_) => HostReport::Succeeded,
            Err(failure) if failure.timed_out => HostReport::TimedOut,
            Err(_) => HostReport::Failed,
        };
        self.store.answered(self.key, report);
        if let Some(status) = told(telling).await {
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
        let mut settled = match (decoded, &ask.spend) {
            (Ok((token, answer)), Some(spend)) => {
                let record = kept(&self.seen, &spec, spend, &token, answer, at);
                self = match self.keep(spend, &record, at).await {
                    Ok(reconciler) => reconciler,
                    Err(step) => return step,
                };
                granted(&self.seen, &spec, ask.because, token, at)
            }
            (Ok((token, _)), None) => granted(&self.seen, &spec, ask.because, token, at),
            (Err(failure), Some(spend)) => match brought {
                Some(brought) => {
                    let record = kept_of_unusable(spend, brought, at);
                    self = match self.keep(spend, &record, at).await {
                        Ok(reconciler) => reconciler,
                        Err(step) => return step,
                    };
                    failed(&self.seen, &spec, &failure.but_renewed(), at)
                }
                None => {
                    let spent = unanswered(&self.seen, &spec, spend, failure);
                    redeem::failed(self.store, self.key, &mut self.seen, spend, &spent).await;
                    failed(&self.seen, &spec, &spent.failure, at)
                }
            },
            (Err(failure), None) => failed(&self.seen, &spec, &failure, at),
        };
        settled.put_off(next);
        let failed = settled.attempt.as_ref();
        let reason = failed.map(|failed| Reason::parse(&failed.reason));
        let outcome = reason.map_or("success", |reason| {
            reason.unwrap_or(Reason::RequestRefused).as_str()
        });
        self.store.outcome(&spec, outcome);
        self.settle(settled, &spec, ask.because.is_repair(), at)
            .await
    }

    /// Reserves what the request redeems; returns how the reconcile ends if that is not possible.
    async fn claim(mut self, spend: &Spend) -> Result<Self, Step> {
        let claimed = redeem::claim(self.store, self.key, &mut self.seen, spend).await;
        match claimed {
            Ok(()) => Ok(self),
            Err(WriteError::Raced) => {
                let memory = self.seen.memory.clone();
                let look = Requeue::At(self.store.now() + AFTER_RACE);
                Err(self.close(memory, None, look))
            }
            Err(error) => Err(self.state_not_written(&error)),
        }
    }

    /// Writes what must be in the state Secret before anything is sent: a generated key, or that a reservation was observed.
    pub(super) async fn keep_key(self, body: &SecretBody) -> Step {
        let memory = self.seen.memory.clone();
        match self.store.keep(self.key, body).await {
            Ok(_) => {
                let now = self.store.now();
                self.close(memory, None, Requeue::At(now))
            }
            Err(WriteError::Raced) => {
                let look = Requeue::At(self.store.now() + AFTER_RACE);
                self.close(memory, None, look)
            }
            Err(error) => self.state_not_written(&error),
        }
    }

    /// The state Secret could not be written, so nothing is sent.
    fn state_not_written(self, error: &WriteError) -> Step {
        let now = self.store.now();
        let mut assessment = still_failing(&self.seen, now);
        let name = std::mem::replace(
            &mut assessment.secret_name,
            state_name(&self.seen.resource.name),
        );
        let (mut assessment, again) = publish::hindered(&self.seen, assessment, error, now);
        assessment.secret_name = name;
        let memory = self.seen.memory.clone();
        let again = again.min(CLAIM_AGAIN);
        self.finish(memory, &assessment, None, Requeue::At(now + again))
    }

    /// A failure at a discovered endpoint may mean that it has moved.
    fn doubt_endpoint(&self, spec: &Validated, failure: &Failure) {
        if spec.client.issuer.is_some() && failure.doubts_endpoint() {
            self.store.doubt_endpoints(&self.seen, spec);
        }
    }

    /// Stores a response with a refresh token, or to one; returns how the reconcile ends if it cannot be stored.
    async fn keep(mut self, spend: &Spend, record: &Record, at: Moments) -> Result<Self, Step> {
        let assessment = still_failing(&self.seen, at.received);
        let seen = &mut self.seen;
        match redeem::keep(self.store, self.key, seen, spend, record, &assessment).await {
            Kept::Stands => Ok(self),
            Kept::Superseded => {
                let memory = self.seen.memory.clone();
                let look = Requeue::At(self.store.now());
                Err(self.close(memory, None, look))
            }
            Kept::ResourceGone => Err(Reconciled::Gone.into()),
            Kept::GivenUp(assessment, again) => {
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
fn sent_by(received: Time, sent: Time, took: Option<Span>) -> Time {
    let apparent = received.since(sent);
    let took = took.unwrap_or(apparent.max(Span::ZERO));
    let is_one_clock = apparent <= took + CLOCK_TOLERANCE && took <= apparent + CLOCK_TOLERANCE;
    if is_one_clock { sent } else { received - took }
}

/// The meaning of a response: a token, or why there is none; and a refresh token that came with an unusable access
/// token, if something was redeemed for it.
fn understood(
    spec: &Validated,
    spend: Option<&Spend>,
    answer: Result<HttpAnswer, Failure>,
    received: Time,
) -> (Result<(Token, HttpAnswer), Failure>, Option<Next>) {
    let answer = match answer {
        Ok(answer) => answer,
        Err(failure) => return (Err(failure), None),
    };
    let shape = &spec.client.response;
    match response::decode(shape, &answer, received) {
        Ok(token) => (Ok((token, answer)), None),
        Err(error) => {
            let brought = spend.and_then(|_| refresh::brought(shape, &answer));
            let failure = Failure::answer(&error, &asked_as(spec, spend));
            (Err(failure), brought)
        }
    }
}

/// The client for evaluating a failed response: with the grant that was really sent.
fn asked_as<'a>(spec: &'a Validated, spend: Option<&Spend>) -> Cow<'a, Client> {
    match (spend.map(|spend| &spend.with), &spec.refreshing) {
        (Some(With::RefreshToken(_)), Some(refreshing)) => {
            Cow::Owned(refreshing.client(&spec.client))
        }
        _ => Cow::Borrowed(&spec.client),
    }
}
