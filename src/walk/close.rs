//! The end of a walk: the status is written, what is known is remembered, and the engine learns when to come back.

use crate::decide::{
    Fingerprint, Memory, SecretSeen, SecretWrite, Situation, asked_with, report, short, sooner,
    token_facts,
};
use crate::engine::{Outcome, Wants};
use crate::queue::LaneReport;
use crate::time::Span;

use super::{Walked, Walker, World};

/// How soon a report that could not be written is tried again.
const REPORT_AGAIN: Span = Span::from_seconds(10);

impl<W: World> Walker<'_, W> {
    /// Reports, then closes.
    pub(super) async fn finish(
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
    pub(super) fn close(
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

    /// What is remembered of a walk without a request: a failure that is not told any more is forgotten.
    pub(super) fn memory(&self, situation: &Situation) -> Memory {
        Memory {
            attempt: situation.attempt.clone().map(Box::new),
            ..self.seen.memory.clone()
        }
    }
}
