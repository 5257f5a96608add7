//! One reconcile: observe, decide, act, outcome.
//!
//! It is the same for every driver: a driver provides the [`Store`] (Kubernetes, or files), [`crate::policy`] makes the
//! decisions. Nothing else writes.

mod apply;
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
mod request;
mod revocation;
mod store;
#[cfg(test)]
mod tests;

use crate::engine::{Requeue, Work};
use crate::model::{Action, Assessment, Memory, Plan, SecretBody, SecretWrite, StaleSecret};
use crate::policy::{other_group, sooner};
use crate::reconcile::reconciler::{AFTER_API_ERROR, AFTER_RACE, Reconciler, abandoned};
use crate::time::Time;

use close::Conclusion;
use prerequisite::Decided;

pub use certificate::{certificate_seen, identity};
pub use error::{StoreError, WriteError};
pub use objects::{Claims, ConfigMapRead, Objects, Purpose, ReferencedRead, ResourceRead};
pub use reconciler::Reconciled;
pub use revocation::revoke_replaced;
pub use store::{ResponseRoom, Store};

/// Reconciles one resource.
pub async fn reconcile(store: &impl Store, work: &Work) -> Reconciled {
    // Boxed, so that the memory of the steps is freed before the report waits for its turn.
    match Box::pin(steps(store, work)).await {
        Conclusion::Ended(reconciled) => reconciled,
        Conclusion::Report(pending) => pending.write(store, &work.key).await,
    }
}

/// Everything except the report at the end.
async fn steps(store: &impl Store, work: &Work) -> Conclusion {
    let key = &work.key;
    let mut seen = match Box::pin(observe::observe(store, key, work.may_request)).await {
        Ok(Some(seen)) => seen,
        Ok(None) => {
            brake::resource_checked(store, key);
            return Reconciled::Gone.into();
        }
        Err(error) => return abandoned(store, error).into(),
    };
    seen.bring_up_to_date();
    brake::note_refusals(store, key, &seen);
    let reconciler = Reconciler {
        store,
        key,
        seen,
        answer: ResponseRoom::default(),
    };
    let other = other_group(&reconciler.seen, store.now());
    store.served_by(&reconciler.seen.resource, other.as_ref());
    if let Some(other) = other {
        let memory = reconciler.seen.memory.clone();
        return reconciler.close(memory, None, Requeue::At(other.until));
    }
    let (mut reconciler, plan) = match reconciler.decide().await {
        Decided::Plan(decided) => *decided,
        Decided::Ended(step) => return step,
    };
    if plan.stale_read {
        return reconciler.retry_stale_read(plan.requeue).into();
    }
    let Plan {
        action,
        assessment,
        requeue,
        delete,
        ..
    } = plan;
    if let Some(present) = reconciler.seen.finalizer_change() {
        match store.set_finalizer(&reconciler.seen, present).await {
            Ok(version) => reconciler.seen.resource.has_version(version),
            Err(error) => return reconciler.finalizer_failed(assessment, error),
        }
    }
    tracing::debug!(plan = action.as_str(), "decided");
    match action {
        Action::Nothing => reconciler.idle(assessment, requeue, &delete).await,
        Action::Write(write) => {
            reconciler
                .repair_metadata(&write, assessment, requeue, &delete)
                .await
        }
        Action::RestoreOwner(body) => reconciler.restore_owner(&body, &assessment).await,
        Action::Publish(publish) => reconciler.republish(*publish).await,
        Action::Request(planned) => reconciler.request_token(*planned).await,
        Action::WriteState(body) => reconciler.write_state(&body).await,
        Action::Finalize => reconciler.finalize().await,
        // Handled by `Reconciler::decide`.
        Action::Fetch(_) => reconciler.idle(assessment, requeue, &delete).await,
    }
}

/// After a failed write: a reconcile then, or the request that is due before.
fn requeue_by(requeue: Requeue, at: Time) -> Requeue {
    match requeue {
        Requeue::RequestAt(_) => sooner(requeue, Requeue::At(at)),
        _ => Requeue::At(at),
    }
}

impl<W: Store> Reconciler<'_, W> {
    /// The observation is older than what this process wrote, so it is not believed yet.
    fn retry_stale_read(self, requeue: Requeue) -> Reconciled {
        let memory = self.seen.memory.clone();
        let stale_reads = memory.stale_reads.saturating_add(1);
        let uid = &self.seen.resource.uid;
        self.store.remember(
            self.key,
            uid,
            Memory {
                stale_reads,
                ..memory
            },
        );
        let again = match requeue {
            Requeue::At(time) => time,
            _ => self.store.now() + AFTER_API_ERROR,
        };
        Reconciled::Abandoned {
            again,
            error: StoreError::Passing(
                "the token Secret was served as it was before the last write".to_owned(),
            ),
        }
    }

    /// Nothing to do except to report.
    async fn idle(
        self,
        assessment: Assessment,
        requeue: Requeue,
        delete: &[StaleSecret],
    ) -> Conclusion {
        let memory = self.memory(&assessment);
        let requeue = self.cleanup(delete, requeue).await;
        if self.seen.resource.deleting {
            // Its status is no longer relevant.
            return self.close(memory, None, requeue);
        }
        self.finish(memory, &assessment, None, requeue)
    }

    /// The token is as it should be; its metadata are not.
    async fn repair_metadata(
        self,
        write: &SecretWrite,
        assessment: Assessment,
        requeue: Requeue,
        delete: &[StaleSecret],
    ) -> Conclusion {
        let mut memory = self.memory(&assessment);
        match self.store.write_token_secret(self.key, write).await {
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
                let requeue = self.cleanup(delete, requeue).await;
                self.finish(memory, &assessment, Some((written, write)), requeue)
            }
            Err(WriteError::Raced) => {
                let requeue = requeue_by(requeue, self.store.now() + AFTER_RACE);
                self.close(memory, None, requeue)
            }
            Err(error) => {
                let now = self.store.now();
                let (assessment, again) =
                    publish::assess_failure(&self.seen, assessment, &error, now);
                let requeue = requeue_by(requeue, now + again);
                self.finish(memory, &assessment, None, requeue)
            }
        }
    }

    /// A state Secret becomes this resource's again; what follows is decided with it.
    async fn restore_owner(self, body: &SecretBody, assessment: &Assessment) -> Conclusion {
        let memory = self.memory(assessment);
        let requeue = match self.store.write_state_secret(self.key, body).await {
            Ok(_) => Requeue::At(self.store.now()),
            Err(WriteError::Raced) => Requeue::At(self.store.now() + AFTER_RACE),
            Err(error) => {
                let (seen, now) = (&self.seen, self.store.now());
                let (assessment, again) =
                    publish::assess_failure(seen, assessment.clone(), &error, now);
                return self.finish(memory, &assessment, None, Requeue::At(now + again));
            }
        };
        self.close(memory, None, requeue)
    }

    fn no_spec(&self) -> Reconciled {
        let error = "the spec is not valid";
        abandoned(self.store, StoreError::Passing(error.to_owned()))
    }
}
