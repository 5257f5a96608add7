//! One reconcile: observe, decide, act, outcome.
//!
//! It is the same for every driver: a driver provides the [`Store`] (Kubernetes, or files), [`crate::policy`] makes the
//! decisions. Nothing else writes.

mod ask;
mod brake;
mod certificate;
mod close;
mod error;
mod flight;
mod objects;
mod observe;
mod prerequisite;
mod publish;
mod reconciler;
mod redeem;
mod revocation;
mod settle;
mod store;
#[cfg(test)]
mod tests;

use crate::engine::{Requeue, Work};
use crate::model::{Action, Assessment, Memory, Plan, SecretBody, SecretWrite, StaleSecret};
use crate::policy::{other_group, sooner};
use crate::reconcile::reconciler::{AFTER_RACE, AFTER_TROUBLE, Reconciler, abandoned};
use crate::time::Time;

use close::Step;
use prerequisite::Decided;

pub use certificate::{certificate_seen, identity};
pub use error::{StoreError, WriteError};
pub use objects::{Claims, ConfigMapRead, Objects, Purpose, ReferencedRead, ResourceRead};
pub use reconciler::Reconciled;
pub use revocation::revoke_replaced;
pub use store::{Held, Store};

/// Reconciles one resource.
pub async fn reconcile(store: &impl Store, work: &Work) -> Reconciled {
    // Boxed, so that the memory of the steps is freed before the report waits for its turn.
    match Box::pin(steps(store, work)).await {
        Step::Over(reconciled) => reconciled,
        Step::Tell(tell) => tell.tell(store, &work.key).await,
    }
}

/// Everything except the report at the end.
async fn steps(store: &impl Store, work: &Work) -> Step {
    let key = &work.key;
    let mut seen = match Box::pin(observe::observe(store, key, work.may_request)).await {
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
    let other = other_group(&reconciler.seen, store.now());
    store.served_by(&reconciler.seen.resource, other.as_ref());
    if let Some(other) = other {
        let memory = reconciler.seen.memory.clone();
        return reconciler.close(memory, None, Requeue::At(other.until));
    }
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
    tracing::debug!(plan = action.as_str(), "decided");
    match action {
        Action::Nothing => reconciler.rest(assessment, wants, &delete).await,
        Action::Write(write) => reconciler.tend(&write, assessment, wants, &delete).await,
        Action::TakeBack(body) => reconciler.take_back(&body, &assessment).await,
        Action::Publish(publish) => reconciler.republish(*publish).await,
        Action::Request(ask) => reconciler.ask(*ask).await,
        Action::Keep(body) => reconciler.keep_key(&body).await,
        Action::Part => reconciler.part().await,
        // Handled by `Reconciler::decide`.
        Action::First(_) => reconciler.rest(assessment, wants, &delete).await,
    }
}

/// After a failed write: a reconcile then, or the request that is due before.
fn or_look(wants: Requeue, look: Time) -> Requeue {
    match wants {
        Requeue::RequestAt(_) => sooner(wants, Requeue::At(look)),
        _ => Requeue::At(look),
    }
}

impl<W: Store> Reconciler<'_, W> {
    /// The observation is older than what this process wrote, so it is not believed yet.
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

    /// Nothing to do except to report.
    async fn rest(self, assessment: Assessment, wants: Requeue, delete: &[StaleSecret]) -> Step {
        let memory = self.memory(&assessment);
        let wants = self.cleanup(delete, wants).await;
        if self.seen.resource.deleting {
            // Its status is no longer relevant.
            return self.close(memory, None, wants);
        }
        self.finish(memory, &assessment, None, wants)
    }

    /// The token is as it should be; its metadata are not.
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

    /// A state Secret becomes this resource's again; what follows is decided with it.
    async fn take_back(self, body: &SecretBody, assessment: &Assessment) -> Step {
        let memory = self.memory(assessment);
        let wants = match self.store.keep(self.key, body).await {
            Ok(_) => Requeue::At(self.store.now()),
            Err(WriteError::Raced) => Requeue::At(self.store.now() + AFTER_RACE),
            Err(error) => {
                let (seen, now) = (&self.seen, self.store.now());
                let (assessment, again) = publish::hindered(seen, assessment.clone(), &error, now);
                return self.finish(memory, &assessment, None, Requeue::At(now + again));
            }
        };
        self.close(memory, None, wants)
    }

    fn no_spec(&self) -> Reconciled {
        let trouble = "the spec is not valid";
        abandoned(self.store, StoreError::Passing(trouble.to_owned()))
    }
}
