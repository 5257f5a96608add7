//! One resource's way: observe, decide, act, outcome.
//!
//! The same for every driver: [`World`] is what a driver brings (Kubernetes, or files), the decisions are
//! [`crate::decide`]'s. Nothing else writes.

mod certificate;
mod first;
mod publish;
mod revocation;
mod spend;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::future::Future;

use crate::api::conditions::Reason;
use crate::api::validate::Validated;
use crate::decide::{
    Action, Ask, Doomed, Failure, Fingerprint, Got, Memory, Moments, Need, Observed, Plan, Publish,
    Report, SecretBody, SecretSeen, SecretWrite, Settled, Situation, Spend, StatusDetail, With,
    asked_with, failed, granted, kept, replaced_token, report, short, sooner, state_name,
    still_failing, token_facts, unanswered,
};
use crate::engine::{Key, Outcome, Wants, Work};
use crate::oauth::{Client, HttpAnswer, HttpRequest, Token, response};
use crate::queue::LaneReport;
use crate::secret::Secret;
use crate::time::{Span, Time};

use first::Decided;
use publish::Written;
pub use revocation::revoke_replaced;
use spend::Kept;

pub use certificate::{certificate_seen, identity};

/// What a driver brings: the one side of the walk that touches the world.
pub trait World: Send + Sync {
    /// The wall clock.
    fn now(&self) -> Time;

    /// A draw from [0,1).
    fn draw(&self) -> f64;

    /// Whether new work may still begin; `false` once the lease is lost or the program is to end.
    fn goes_on(&self) -> bool {
        true
    }

    /// How much a status tells.
    fn detail(&self) -> StatusDetail;

    /// Everything about one resource; `None` when there is none.
    fn observe(
        &self,
        key: &Key,
        may_request: bool,
    ) -> impl Future<Output = Result<Option<Observed>, Trouble>> + Send;

    /// Gets what is needed before a token can be asked for, within a deadline of its own.
    fn get(
        &self,
        seen: &Observed,
        spec: &Validated,
        need: &Need,
    ) -> impl Future<Output = Result<Got, Failure>> + Send;

    /// Sends a token request, once.
    fn send(
        &self,
        seen: &Observed,
        spec: &Validated,
        request: &HttpRequest,
    ) -> impl Future<Output = Result<HttpAnswer, Failure>> + Send;

    /// The token request of this resource is over; what it says of its lane.
    fn answered(&self, key: &Key, lane: LaneReport);

    /// What became of a token request, for the metrics: `success`, or the reason of its failure, the one that the
    /// conditions tell. Told once a request; ignored unless said otherwise.
    fn outcome(&self, _spec: &Validated, _outcome: &'static str) {}

    /// A token request to a discovered endpoint has failed in a way that makes one doubt the address: what was discovered is
    /// read anew before the next request.
    fn doubt_endpoints(&self, _seen: &Observed, _spec: &Validated) {}

    /// Sends a request of ours that is no token request, such as a revocation, once.
    fn call(
        &self,
        seen: &Observed,
        spec: &Validated,
        request: &HttpRequest,
    ) -> impl Future<Output = Result<HttpAnswer, Failure>> + Send;

    /// Has the resource wait for us before it goes, or lets it go; where nothing can be made to wait, nothing happens.
    fn hold(
        &self,
        _seen: &Observed,
        _held: bool,
    ) -> impl Future<Output = Result<(), Trouble>> + Send {
        std::future::ready(Ok(()))
    }

    /// A token was replaced: it is to be revoked after a while.
    fn revoke_later(&self, key: &Key, token: Secret, after: Span);

    /// What became of a revocation, for the metrics.
    fn revoked(&self, _outcome: &'static str) {}

    /// Writes a token Secret, once, and returns it as it is then (its data may be left out).
    fn write(
        &self,
        key: &Key,
        write: &SecretWrite,
    ) -> impl Future<Output = Result<SecretSeen, WriteError>> + Send;

    /// Writes a state Secret, once, and returns it as it is then (its data may be left out). Durable when it returns.
    fn keep(
        &self,
        key: &Key,
        body: &SecretBody,
    ) -> impl Future<Output = Result<SecretSeen, WriteError>> + Send;

    /// Deletes a Secret of ours, if it is still that one.
    fn delete(
        &self,
        key: &Key,
        doomed: &Doomed,
    ) -> impl Future<Output = Result<(), Trouble>> + Send;

    /// Writes the status, where it has changed, and tells what is to be told.
    fn report(
        &self,
        seen: &Observed,
        report: &Report,
    ) -> impl Future<Output = Result<(), Trouble>> + Send;

    /// Remembers.
    fn remember(&self, key: &Key, memory: Memory);

    /// Waits; returns `false` when there is no more time for anything but the last try.
    fn pause(&self, span: Span) -> impl Future<Output = bool> + Send;
}

/// Why the world could not be seen or changed. Never means that something is absent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The API server does not let us.
    #[error("the API server refuses it: {0}")]
    Forbidden(String),
    /// The operator may not even look.
    #[error("the API server refuses it: the right to {right} is missing")]
    Unreadable {
        /// Verb and kind of the right that is missing, as `get secrets`.
        right: String,
    },
    /// It may go away by itself.
    #[error("{0}")]
    Passing(String),
}

/// Why a token Secret could not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// The Secret is no longer what it was when we looked: look again.
    Raced,
    /// The operator lacks the right.
    Forbidden(String),
    /// A quota, a webhook or a policy refuses it.
    Refused(String),
    /// The namespace is on its way out.
    NamespaceTerminating,
    /// It may go away by itself.
    Passing(String),
}

/// How a walk ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Walked {
    /// The engine learns this.
    Done(Outcome),
    /// The resource is gone.
    Gone,
    /// The world could not be seen: what was known stays known, look again then.
    Abandoned {
        /// When.
        again: Time,
        /// Why.
        trouble: Trouble,
    },
}

/// How long after trouble with the API a resource is looked at again, before the draw: spreads a fleet.
const AFTER_TROUBLE: Span = Span::from_seconds(5);
/// How soon it is tried again to delete what an earlier name left.
const DELETE_AGAIN: Span = Span::from_seconds(60);
/// How soon a Secret that somebody else was writing at the same time is looked at again.
const AFTER_RACE: Span = Span::from_seconds(1);
/// How soon a report that could not be written is tried again.
const REPORT_AGAIN: Span = Span::from_seconds(10);

/// What is said of work that may not begin any more.
const NO_MORE: &str = "no new request is sent: another replica takes over, or the program ends";

/// Walks one resource.
pub async fn walk(world: &impl World, work: &Work) -> Walked {
    let key = &work.key;
    let mut seen = match world.observe(key, work.may_request).await {
        Ok(Some(seen)) => seen,
        Ok(None) => return Walked::Gone,
        Err(trouble) => return abandoned(world, trouble),
    };
    seen.bring_up_to_date();
    let walker = Walker { world, key, seen };
    let (walker, plan) = match walker.decide().await {
        Decided::Plan(decided) => *decided,
        Decided::Over(walked) => return walked,
    };
    if plan.doubt {
        return walker.doubt(plan.wants);
    }
    let Plan {
        action,
        situation,
        wants,
        delete,
        ..
    } = plan;
    if let Some(held) = walker.seen.finalizer_wanted()
        && let Err(trouble) = world.hold(&walker.seen, held).await
    {
        return walker.cannot_hold(situation, trouble).await;
    }
    match action {
        Action::Nothing => walker.rest(situation, wants, &delete).await,
        Action::Write(write) => walker.tend(&write, situation, wants, &delete).await,
        Action::Publish(publish) => walker.republish(*publish).await,
        Action::Request(ask) => walker.ask(*ask).await,
        Action::Part => walker.part().await,
        // Met by `Walker::decide`.
        Action::First(_) => walker.rest(situation, wants, &delete).await,
    }
}

fn abandoned(world: &impl World, trouble: Trouble) -> Walked {
    let pause = match trouble {
        Trouble::Forbidden(_) | Trouble::Unreadable { .. } => {
            AFTER_TROUBLE.scale(4.0 + 2.0 * world.draw())
        }
        Trouble::Passing(_) => AFTER_TROUBLE.scale(0.5 + world.draw()),
    };
    Walked::Abandoned {
        again: world.now() + pause,
        trouble,
    }
}

/// After a write that failed: a look then, or the request that is due before.
fn or_look(wants: Wants, look: Time) -> Wants {
    match wants {
        Wants::RequestAt(_) => sooner(wants, Wants::LookAt(look)),
        _ => Wants::LookAt(look),
    }
}

/// What a failing answer is judged by: the client with the grant that was really sent.
fn asked_as<'a>(spec: &'a Validated, spend: Option<&Spend>) -> Cow<'a, Client> {
    match (spend.map(|spend| &spend.with), &spec.refreshing) {
        (Some(With::RefreshToken(_)), Some(refreshing)) => {
            Cow::Owned(refreshing.client(&spec.client))
        }
        _ => Cow::Borrowed(&spec.client),
    }
}

struct Walker<'a, W> {
    world: &'a W,
    key: &'a Key,
    seen: Observed,
}

impl<W: World> Walker<'_, W> {
    /// What was read is older than what this process wrote: nothing is believed of it yet.
    fn doubt(self, wants: Wants) -> Walked {
        let memory = self.seen.memory.clone();
        let doubts = memory.doubts.saturating_add(1);
        self.world.remember(self.key, Memory { doubts, ..memory });
        let again = match wants {
            Wants::LookAt(time) => time,
            _ => self.world.now() + AFTER_TROUBLE,
        };
        Walked::Abandoned {
            again,
            trouble: Trouble::Passing(
                "the token Secret was served as it was before the last write".to_owned(),
            ),
        }
    }

    /// Nothing to do but tell how things stand.
    async fn rest(self, situation: Situation, wants: Wants, delete: &[Doomed]) -> Walked {
        let memory = self.memory(&situation);
        let wants = self.cleanup(delete, wants).await;
        if self.seen.resource.deleting {
            // Its status is nobody's news any more.
            return self.close(memory, None, wants);
        }
        self.finish(memory, &situation, None, wants).await
    }

    /// The token is as it should be; something around it is not.
    async fn tend(
        self,
        write: &SecretWrite,
        situation: Situation,
        wants: Wants,
        delete: &[Doomed],
    ) -> Walked {
        let memory = self.memory(&situation);
        match self.world.write(self.key, write).await {
            Ok(written) => {
                let wants = self.cleanup(delete, wants).await;
                self.finish(memory, &situation, Some((written, write)), wants)
                    .await
            }
            Err(WriteError::Raced) => {
                let wants = or_look(wants, self.world.now() + AFTER_RACE);
                self.close(memory, None, wants)
            }
            Err(error) => {
                let now = self.world.now();
                let (situation, again) = publish::hindered(&self.seen, situation, &error, now);
                let wants = or_look(wants, now + again);
                self.finish(memory, &situation, None, wants).await
            }
        }
    }

    /// What is remembered of a walk without a request: a failure that is not told any more is forgotten.
    fn memory(&self, situation: &Situation) -> Memory {
        Memory {
            attempt: situation.attempt.clone().map(Box::new),
            ..self.seen.memory.clone()
        }
    }

    /// Publishes a token that was stored earlier.
    async fn republish(self, publish: Publish) -> Walked {
        let Ok(spec) = self.seen.resource.spec.clone() else {
            return self.no_spec();
        };
        let Publish {
            settled,
            at,
            repair,
        } = publish;
        self.settle(settled, &spec, repair, at).await
    }

    fn no_spec(&self) -> Walked {
        let trouble = "the spec is not valid";
        abandoned(self.world, Trouble::Passing(trouble.to_owned()))
    }

    /// Claims what is spent by asking; how the walk ends, where that cannot be done.
    async fn claim(mut self, spend: &Spend) -> Result<Self, Walked> {
        let claimed = spend::claim(self.world, self.key, &mut self.seen, spend).await;
        match claimed {
            Ok(()) => Ok(self),
            Err(WriteError::Raced) => {
                let memory = self.seen.memory.clone();
                let look = Wants::LookAt(self.world.now() + AFTER_RACE);
                Err(self.close(memory, None, look))
            }
            Err(error) => {
                let now = self.world.now();
                let mut situation = still_failing(&self.seen, now);
                let name = std::mem::replace(
                    &mut situation.secret_name,
                    state_name(&self.seen.resource.name),
                );
                let (mut situation, again) = publish::hindered(&self.seen, situation, &error, now);
                situation.secret_name = name;
                let memory = self.seen.memory.clone();
                Err(self
                    .finish(memory, &situation, None, Wants::LookAt(now + again))
                    .await)
            }
        }
    }

    /// Asks for a token and publishes it.
    async fn ask(mut self, ask: Ask) -> Walked {
        let Ok(spec) = self.seen.resource.spec.clone() else {
            return self.no_spec();
        };
        if !self.world.goes_on() {
            return abandoned(self.world, Trouble::Passing(NO_MORE.to_owned()));
        }
        if let Some(spend) = &ask.spend {
            self = match self.claim(spend).await {
                Ok(walker) => walker,
                Err(walked) => return walked,
            };
            if !self.world.goes_on() {
                spend::unclaim(self.world, self.key, &mut self.seen, spend).await;
                return abandoned(self.world, Trouble::Passing(NO_MORE.to_owned()));
            }
        }
        let sent = self.world.now();
        self.seen.memory.last_sent = Some(sent);
        let answer = self.world.send(&self.seen, &spec, &ask.request).await;
        drop(ask.request);
        let at = Moments {
            sent,
            received: self.world.now(),
            u: self.world.draw(),
        };
        let decoded = answer.and_then(|answer| {
            response::decode(&spec.client.response, &answer, at.received)
                .map(|token| (token, answer))
                .map_err(|error| {
                    let client = asked_as(&spec, ask.spend.as_deref());
                    Failure::answer(&error, &client)
                })
        });
        let decoded = decoded.map_err(|failure| self.at_issuer(&spec, failure));
        let lane = match &decoded {
            Ok(_) => LaneReport::Succeeded,
            Err(failure) if failure.timed_out => LaneReport::TimedOut,
            Err(_) => LaneReport::Failed,
        };
        self.world.answered(self.key, lane);
        let settled = match (decoded, &ask.spend) {
            (Ok((token, answer)), Some(spend)) => {
                self = match self.keep(spend, &token, answer, at).await {
                    Ok(walker) => walker,
                    Err(walked) => return walked,
                };
                granted(&self.seen, &spec, ask.because, token, at)
            }
            (Ok((token, _)), None) => granted(&self.seen, &spec, ask.because, token, at),
            (Err(failure), Some(spend)) => {
                let spent = unanswered(&self.seen, &spec, spend, failure);
                spend::failed(self.world, self.key, &mut self.seen, spend, &spent).await;
                failed(&self.seen, &spec, &spent.failure, at)
            }
            (Err(failure), None) => failed(&self.seen, &spec, &failure, at),
        };
        let failed = settled.attempt.as_ref();
        let reason = failed.map(|failed| Reason::parse(&failed.reason));
        let outcome = reason.map_or("success", |reason| {
            reason.unwrap_or(Reason::RequestRefused).as_str()
        });
        self.world.outcome(&spec, outcome);
        self.settle(settled, &spec, ask.because.is_repair(), at)
            .await
    }

    /// A failure at an endpoint that was discovered may mean that it is another one by now.
    fn at_issuer(&self, spec: &Validated, mut failure: Failure) -> Failure {
        if spec.client.issuer.is_some() {
            failure.message = failure
                .message
                .replace("spec.provider.tokenURL", "spec.provider.issuerURL");
            if failure.doubts_endpoint() {
                self.world.doubt_endpoints(&self.seen, spec);
            }
        }
        failure
    }

    /// Stores an answer that came with, or for, a refresh token; how the walk ends, where it cannot be stored.
    async fn keep(
        mut self,
        spend: &Spend,
        token: &Token,
        answer: HttpAnswer,
        at: Moments,
    ) -> Result<Self, Walked> {
        let record = kept(&self.seen, spend, token, answer, at);
        let situation = still_failing(&self.seen, at.received);
        let seen = &mut self.seen;
        match spend::keep(self.world, self.key, seen, spend, &record, &situation).await {
            Kept::Stands => Ok(self),
            Kept::Superseded => {
                let memory = self.seen.memory.clone();
                let look = Wants::LookAt(self.world.now());
                Err(self.close(memory, None, look))
            }
            Kept::ResourceGone => Err(Walked::Gone),
            Kept::GivenUp(situation, again) => {
                let now = self.world.now();
                let again = again.map_or(Wants::Change, |span| Wants::LookAt(now + span));
                let memory = self.seen.memory.clone();
                Err(self.finish(memory, &situation, None, again).await)
            }
        }
    }

    async fn settle(
        mut self,
        settled: Settled,
        spec: &Validated,
        repair: bool,
        at: Moments,
    ) -> Walked {
        let Settled {
            write,
            situation,
            attempt,
            wants,
            delete,
        } = settled;
        let mut memory = self.seen.memory.clone();
        memory.attempt = attempt.map(Box::new);
        if repair && write.is_some() {
            memory.repairs = memory.repairs.another(at.sent);
        }
        let Some(write) = write else {
            return self.finish(memory, &situation, None, wants).await;
        };
        let replaced = replaced_token(&self.seen, &write.state.token_hash, at.received);
        match publish::publish(
            self.world,
            self.key,
            &mut self.seen,
            spec,
            write,
            &situation,
        )
        .await
        {
            Written::Stands(written, write) => {
                if let Some((token, after)) = replaced {
                    self.world.revoke_later(self.key, token, after);
                }
                let wants = self.cleanup(&delete, wants).await;
                self.finish(memory, &situation, Some((*written, &write)), wants)
                    .await
            }
            Written::Superseded => {
                let again = Wants::LookAt(self.world.now());
                self.close(memory, None, again)
            }
            Written::ResourceGone => Walked::Gone,
            Written::GivenUp(situation, again) => {
                let again =
                    again.map_or(Wants::Change, |span| Wants::LookAt(self.world.now() + span));
                self.finish(memory, &situation, None, again).await
            }
        }
    }

    /// Deletes what is left of earlier names; what could not be deleted is looked at again soon.
    async fn cleanup(&self, delete: &[Doomed], mut wants: Wants) -> Wants {
        for doomed in delete {
            if let Err(trouble) = self.world.delete(self.key, doomed).await {
                tracing::warn!(secret = doomed.name, %trouble, "an old token Secret could not be deleted yet");
                let again = Wants::LookAt(self.world.now() + DELETE_AGAIN);
                wants = sooner(wants, again);
            }
        }
        wants
    }

    /// Reports, then closes.
    async fn finish(
        self,
        memory: Memory,
        situation: &Situation,
        written: Option<(SecretSeen, &SecretWrite)>,
        wants: Wants,
    ) -> Walked {
        let resource = &self.seen.resource;
        let told = report(
            situation,
            &resource.status,
            resource.generation,
            self.world.detail(),
            self.world.now(),
        );
        // What ends besides the token is told when it is time, whatever else there is to do.
        let wants = match situation.expiries.next_change(self.world.now()) {
            Some(change) => sooner(wants, Wants::LookAt(change)),
            None => wants,
        };
        let wants = match self.world.report(&self.seen, &told).await {
            Ok(()) => wants,
            Err(trouble) => {
                tracing::warn!(%trouble, "the status could not be written; it is tried again");
                sooner(wants, Wants::LookAt(self.world.now() + REPORT_AGAIN))
            }
        };
        self.close(memory, written, wants)
    }

    /// Remembers, and tells the engine.
    fn close(
        &self,
        mut memory: Memory,
        written: Option<(SecretSeen, &SecretWrite)>,
        wants: Wants,
    ) -> Walked {
        let made_from = match &written {
            Some((_, write)) => Some(write.state.clone()),
            None => self.seen.target.as_ref().and_then(SecretSeen::state),
        };
        if let (Some(version), Some(state)) = (self.seen.lent(), made_from)
            && state.credentials == version
            && let Some(content) = self.seen.content_with(asked_with(&state))
        {
            memory.fingerprint = Some(Fingerprint {
                version: short(&version),
                content,
            });
        }
        let token = match &written {
            Some((secret, _)) => {
                memory.written = secret.written();
                memory.told_gone = false;
                token_facts(secret)
            }
            None => self.seen.target.as_ref().and_then(token_facts),
        };
        let attempt = memory.attempt.as_deref().map(|attempt| attempt.fact());
        memory.target_claimed_by = None;
        self.world.remember(self.key, memory);
        Walked::Done(Outcome {
            token,
            attempt,
            // The lane was told when the answer was there.
            lane: LaneReport::Unused,
            wants,
        })
    }
}
