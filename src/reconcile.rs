//! One resource's way: observe, decide, act, outcome.
//!
//! The same for every driver: [`Store`] is what a driver brings (Kubernetes, or files), the decisions are
//! [`crate::policy`]'s. Nothing else writes.

mod ask;
mod brake;
mod certificate;
mod close;
mod flight;
mod prerequisite;
mod publish;
mod redeem;
mod revocation;
mod settle;
mod store;
#[cfg(test)]
mod tests;

use crate::engine::{Key, Outcome, Requeue, Work};
use crate::model::{Action, Assessment, Memory, Observed, Plan, SecretWrite, StaleSecret};
use crate::policy::sooner;
use crate::time::{Span, Time};

use close::Step;
use prerequisite::Decided;

pub use certificate::{certificate_seen, identity};
pub use revocation::revoke_replaced;
pub use store::{Held, Store, StoreError, WriteError};

/// How a walk ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Reconciled {
    /// The engine learns this.
    Done(Outcome),
    /// The resource is gone.
    Gone,
    /// The world could not be seen: what was known stays known, look again then.
    Abandoned {
        /// When.
        again: Time,
        /// Why.
        trouble: StoreError,
    },
}

/// How long after trouble with the API a resource is looked at again, before the draw: spreads a fleet.
const AFTER_TROUBLE: Span = Span::from_seconds(5);
/// How soon a Secret that somebody else was writing at the same time is looked at again.
const AFTER_RACE: Span = Span::from_seconds(1);

/// What is said of work that may not begin any more.
const NO_MORE: &str = "no new request is sent: another replica takes over, or the program ends";

/// Walks one resource.
pub async fn walk(store: &impl Store, work: &Work) -> Reconciled {
    // Boxed, so that what the steps took is given back before the report waits for its turn.
    match Box::pin(steps(store, work)).await {
        Step::Over(reconciled) => reconciled,
        Step::Tell(tell) => tell.tell(store, &work.key).await,
    }
}

/// Everything but the report at the end.
async fn steps(store: &impl Store, work: &Work) -> Step {
    let key = &work.key;
    let mut seen = match store.observe(key, work.may_request).await {
        Ok(Some(seen)) => seen,
        Ok(None) => {
            brake::looked_at(store, key);
            return Reconciled::Gone.into();
        }
        Err(trouble) => return abandoned(store, trouble).into(),
    };
    seen.bring_up_to_date();
    brake::note(store, key, &seen);
    let reconciler = Reconciler {
        store,
        key,
        seen,
        answer: Held::default(),
    };
    let (mut reconciler, plan) = match reconciler.decide().await {
        Decided::Plan(decided) => *decided,
        Decided::Over(step) => return step,
    };
    if plan.doubt {
        return reconciler.doubt(plan.wants).into();
    }
    let Plan {
        action,
        assessment,
        wants,
        delete,
        ..
    } = plan;
    if let Some(held) = reconciler.seen.finalizer_wanted() {
        match store.hold(&reconciler.seen, held).await {
            Ok(version) => reconciler.seen.resource.has_version(version),
            Err(trouble) => return reconciler.cannot_hold(assessment, trouble),
        }
    }
    match action {
        Action::Nothing => reconciler.rest(assessment, wants, &delete).await,
        Action::Write(write) => reconciler.tend(&write, assessment, wants, &delete).await,
        Action::Publish(publish) => reconciler.republish(*publish).await,
        Action::Request(ask) => reconciler.ask(*ask).await,
        Action::Part => reconciler.part().await,
        // Met by `Reconciler::decide`.
        Action::First(_) => reconciler.rest(assessment, wants, &delete).await,
    }
}

fn abandoned(store: &impl Store, trouble: StoreError) -> Reconciled {
    let pause = match trouble {
        StoreError::Forbidden(_) | StoreError::Unreadable { .. } => {
            AFTER_TROUBLE.scale(4.0 + 2.0 * store.draw())
        }
        StoreError::Passing(_) => AFTER_TROUBLE.scale(0.5 + store.draw()),
    };
    Reconciled::Abandoned {
        again: store.now() + pause,
        trouble,
    }
}

/// After a write that failed: a look then, or the request that is due before.
fn or_look(wants: Requeue, look: Time) -> Requeue {
    match wants {
        Requeue::RequestAt(_) => sooner(wants, Requeue::At(look)),
        _ => Requeue::At(look),
    }
}

struct Reconciler<'a, W> {
    store: &'a W,
    key: &'a Key,
    seen: Observed,
    /// The part of the answer in hand in the bound of bytes that wait to be written.
    answer: Held,
}

impl<W: Store> Reconciler<'_, W> {
    /// What was read is older than what this process wrote: nothing is believed of it yet.
    fn doubt(self, wants: Requeue) -> Reconciled {
        let memory = self.seen.memory.clone();
        let doubts = memory.doubts.saturating_add(1);
        let uid = &self.seen.resource.uid;
        self.store
            .remember(self.key, uid, Memory { doubts, ..memory });
        let again = match wants {
            Requeue::At(time) => time,
            _ => self.store.now() + AFTER_TROUBLE,
        };
        Reconciled::Abandoned {
            again,
            trouble: StoreError::Passing(
                "the token Secret was served as it was before the last write".to_owned(),
            ),
        }
    }

    /// Nothing to do but tell how things stand.
    async fn rest(self, assessment: Assessment, wants: Requeue, delete: &[StaleSecret]) -> Step {
        let memory = self.memory(&assessment);
        let wants = self.cleanup(delete, wants).await;
        if self.seen.resource.deleting {
            // Its status is nobody's news any more.
            return self.close(memory, None, wants);
        }
        self.finish(memory, &assessment, None, wants)
    }

    /// The token is as it should be; something around it is not.
    async fn tend(
        self,
        write: &SecretWrite,
        assessment: Assessment,
        wants: Requeue,
        delete: &[StaleSecret],
    ) -> Step {
        let mut memory = self.memory(&assessment);
        match self.store.write(self.key, write).await {
            Ok(written) => {
                let mut assessment = assessment;
                if let Some(attempt) = &mut assessment.attempt {
                    attempt.secret_was_repaired(&written);
                    memory.attempt = Some(Box::new(attempt.clone()));
                }
                if write.repairs {
                    memory.repairs = memory.repairs.another(self.store.now());
                    assessment.repairs = memory.repairs;
                }
                let wants = self.cleanup(delete, wants).await;
                self.finish(memory, &assessment, Some((written, write)), wants)
            }
            Err(WriteError::Raced) => {
                let wants = or_look(wants, self.store.now() + AFTER_RACE);
                self.close(memory, None, wants)
            }
            Err(error) => {
                let now = self.store.now();
                let (assessment, again) = publish::hindered(&self.seen, assessment, &error, now);
                let wants = or_look(wants, now + again);
                self.finish(memory, &assessment, None, wants)
            }
        }
    }

    fn no_spec(&self) -> Reconciled {
        let trouble = "the spec is not valid";
        abandoned(self.store, StoreError::Passing(trouble.to_owned()))
    }
}
