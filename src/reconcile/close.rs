//! The end of a reconcile: writes the status, stores what is known, and reports the outcome to the engine.

use crate::engine::{Key, Outcome, Requeue};
use crate::model::{Assessment, Fingerprint, Memory, Noted, Resource, SecretSeen, SecretWrite};
use crate::policy::{Report, asked_with, report, short, sooner, token_facts};
use crate::queue::HostReport;
use crate::reconcile::reconciler::{Reconciled, Reconciler};
use crate::time::Span;

use super::Store;

/// The state after the steps of a reconcile.
pub(super) enum Step {
    /// It is complete.
    Over(Reconciled),
    /// Only the report remains.
    Tell(Box<Tell>),
}

impl From<Reconciled> for Step {
    fn from(reconciled: Reconciled) -> Self {
        Step::Over(reconciled)
    }
}

/// A report that waits to be written, and what follows it. It holds nothing else, because many wait in a burst.
pub(super) struct Tell {
    resource: Resource,
    report: Report,
    memory: Memory,
    outcome: Outcome,
}

impl Tell {
    /// Writes the report, stores what is known, and reports to the engine.
    pub(super) async fn tell(self, store: &impl Store, key: &Key) -> Reconciled {
        let Tell {
            resource,
            report,
            memory,
            mut outcome,
        } = self;
        if let Err(trouble) = store.report(&resource, &report).await {
            tracing::warn!(%trouble, "the status could not be written; it is tried again");
            let again = Requeue::At(store.now() + REPORT_AGAIN);
            outcome.wants = sooner(outcome.wants, again);
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
        wants: Requeue,
    ) -> Step {
        let resource = &self.seen.resource;
        let report = report(
            assessment,
            &resource.status,
            resource.generation,
            self.store.detail(),
            self.store.now(),
        );
        // Warnings about expiring credentials are reported in time, whatever else there is to do.
        let wants = match assessment.expiries.next_change(self.store.now()) {
            Some(change) => sooner(wants, Requeue::At(change)),
            None => wants,
        };
        let (memory, outcome) = self.outcome(memory, written, wants);
        Step::Tell(Box::new(Tell {
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
        wants: Requeue,
    ) -> Step {
        let (memory, outcome) = self.outcome(memory, written, wants);
        self.store
            .remember(self.key, &self.seen.resource.uid, memory);
        Step::Over(Reconciled::Done(outcome))
    }

    /// What to store, and the outcome for the engine.
    fn outcome(
        &self,
        mut memory: Memory,
        written: Option<(SecretSeen, &SecretWrite)>,
        wants: Requeue,
    ) -> (Memory, Outcome) {
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
        memory.noted = self.noted(written.as_ref(), memory.noted);
        let attempt = memory.attempt.as_deref().map(|attempt| attempt.fact());
        memory.target_claimed_by = None;
        let outcome = Outcome {
            token,
            attempt,
            // The host queue was informed when the response arrived.
            host_report: HostReport::Unused,
            wants,
        };
        (memory, outcome)
    }

    /// The intact token Secret: as it was just written or, if nothing is known about it, as observed.
    fn noted(
        &self,
        written: Option<&(SecretSeen, &SecretWrite)>,
        before: Option<Noted>,
    ) -> Option<Noted> {
        let resource = &self.seen.resource;
        let target = self.seen.target.as_ref();
        if let Some((secret, write)) = written {
            let data = write.data_after(target);
            let noted = Noted::of(&secret.uid, &write.state, &data, resource.generation);
            return Some(noted);
        }
        let target = target.filter(|target| target.is_owned_by(resource))?;
        if before.is_some_and(|noted| noted.uid == short(&target.uid)) {
            return before;
        }
        let state = target.state().filter(|state| state.intact(&target.data))?;
        let generation = resource.status.observed_generation;
        Some(Noted::of(&target.uid, &state, &target.data, generation))
    }

    /// What is kept after a reconcile without a request: a failure that is no longer reported is dropped.
    pub(super) fn memory(&self, assessment: &Assessment) -> Memory {
        Memory {
            attempt: assessment.attempt.clone().map(Box::new),
            ..self.seen.memory.clone()
        }
    }
}
