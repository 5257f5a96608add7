//! The end of a reconcile: writes the status, stores what is known, and reports the outcome to the engine.

use crate::engine::{Key, Outcome, Requeue};
use crate::model::{
    Assessment, Fingerprint, IntactToken, Memory, Resource, SecretSeen, SecretWrite,
};
use crate::policy::{Report, report, requested_with, short, sooner, token_facts};
use crate::queue::HostReport;
use crate::reconcile::reconciler::{Reconciled, Reconciler};
use crate::time::Span;

use super::Store;

/// The state after the steps of a reconcile.
pub(super) enum Conclusion {
    /// It is complete.
    Ended(Reconciled),
    /// Only the report remains.
    Report(Box<PendingReport>),
}

impl From<Reconciled> for Conclusion {
    fn from(reconciled: Reconciled) -> Self {
        Conclusion::Ended(reconciled)
    }
}

/// A report that waits to be written, and what follows it. It holds nothing else, because many wait in a burst.
pub(super) struct PendingReport {
    resource: Resource,
    report: Report,
    memory: Memory,
    outcome: Outcome,
}

impl PendingReport {
    /// Writes the report, stores what is known, and reports to the engine.
    pub(super) async fn write(self, store: &impl Store, key: &Key) -> Reconciled {
        let PendingReport {
            resource,
            report,
            memory,
            mut outcome,
        } = self;
        if let Err(error) = store.write_status(&resource, &report).await {
            tracing::warn!(%error, "the status could not be written; it is tried again");
            let again = Requeue::At(store.now() + REPORT_AGAIN);
            outcome.requeue = sooner(outcome.requeue, again);
        }
        store.remember(key, &resource.uid, memory);
        Reconciled::Done(outcome)
    }
}

/// How soon a report that could not be written is retried.
const REPORT_AGAIN: Span = Span::from_seconds(10);

impl<W: Store> Reconciler<'_, W> {
    /// Ends with a report.
    pub(super) fn finish(
        self,
        memory: Memory,
        assessment: &Assessment,
        written: Option<(SecretSeen, &SecretWrite)>,
        requeue: Requeue,
    ) -> Conclusion {
        let resource = &self.seen.resource;
        let report = report(
            assessment,
            &resource.status,
            resource.generation,
            self.store.status_detail(),
            self.store.now(),
        );
        // Warnings about expiring credentials are reported in time, whatever else there is to do.
        let requeue = match assessment.expiries.next_change(self.store.now()) {
            Some(change) => sooner(requeue, Requeue::At(change)),
            None => requeue,
        };
        let (memory, outcome) = self.outcome(memory, written, requeue);
        Conclusion::Report(Box::new(PendingReport {
            resource: self.seen.resource,
            report,
            memory,
            outcome,
        }))
    }

    /// Stores what is known, and ends.
    pub(super) fn close(
        &self,
        memory: Memory,
        written: Option<(SecretSeen, &SecretWrite)>,
        requeue: Requeue,
    ) -> Conclusion {
        let (memory, outcome) = self.outcome(memory, written, requeue);
        self.store
            .remember(self.key, &self.seen.resource.uid, memory);
        Conclusion::Ended(Reconciled::Done(outcome))
    }

    /// What to store, and the outcome for the engine.
    fn outcome(
        &self,
        mut memory: Memory,
        written: Option<(SecretSeen, &SecretWrite)>,
        requeue: Requeue,
    ) -> (Memory, Outcome) {
        let made_from = match &written {
            Some((_, write)) => Some(write.state.clone()),
            None => self.seen.target.as_ref().and_then(SecretSeen::state),
        };
        if let (Some(version), Some(state)) = (self.seen.credentials_version(), made_from)
            && state.credentials == version
            && let Some(content) = self.seen.content_with(requested_with(&state))
        {
            memory.fingerprint = Some(Fingerprint {
                version: short(&version),
                content,
            });
        }
        let token = match &written {
            Some((secret, _)) => {
                memory.written = secret.written();
                memory.deletion_reported = false;
                token_facts(secret)
            }
            None => self.seen.target.as_ref().and_then(token_facts),
        };
        memory.intact = self.intact_token(written.as_ref(), memory.intact);
        let attempt = memory.attempt.as_deref().map(|attempt| attempt.fact());
        memory.target_claimed_by = None;
        let outcome = Outcome {
            token,
            attempt,
            // The host queue was informed when the response arrived.
            host_report: HostReport::Unused,
            requeue,
        };
        (memory, outcome)
    }

    /// The intact token Secret: as it was just written or, if nothing is known about it, as observed.
    fn intact_token(
        &self,
        written: Option<&(SecretSeen, &SecretWrite)>,
        before: Option<IntactToken>,
    ) -> Option<IntactToken> {
        let resource = &self.seen.resource;
        let target = self.seen.target.as_ref();
        if let Some((secret, write)) = written {
            let data = write.data_after(target);
            let intact = IntactToken::of(&secret.uid, &write.state, &data, resource.generation);
            return Some(intact);
        }
        let target = target.filter(|target| target.is_owned_by(resource))?;
        if before.is_some_and(|intact| intact.uid == short(&target.uid)) {
            return before;
        }
        let state = target.state().filter(|state| state.intact(&target.data))?;
        let generation = resource.status.observed_generation;
        Some(IntactToken::of(
            &target.uid,
            &state,
            &target.data,
            generation,
        ))
    }

    /// What is kept after a reconcile without a request: a failure that is no longer reported is dropped.
    pub(super) fn memory(&self, assessment: &Assessment) -> Memory {
        Memory {
            attempt: assessment.attempt.clone().map(Box::new),
            ..self.seen.memory.clone()
        }
    }
}
