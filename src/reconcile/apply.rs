//! The consequences of a response: publishes the token, revokes and deletes what it replaced.

use crate::api::validate::Validated;
use crate::engine::Requeue;
use crate::messages::NotPublished;
use crate::model::{Publish, RequestOutcome, RequestTimes, SecretSeen, StaleSecret};
use crate::policy::{rejected, replaced_token, sooner};
use crate::reconcile::reconciler::{Reconciled, Reconciler};
use crate::time::Span;

use super::Store;
use super::close::Conclusion;
use super::publish::{self, PublishOutcome};

/// How soon to retry deleting the Secrets of earlier names.
const DELETE_AGAIN: Span = Span::from_seconds(60);

impl<W: Store> Reconciler<'_, W> {
    /// Publishes a stored token.
    pub(super) async fn republish(self, publish: Publish) -> Conclusion {
        let Ok(spec) = self.seen.resource.spec.clone() else {
            return self.no_spec().into();
        };
        let Publish {
            outcome,
            at,
            repair,
        } = publish;
        self.apply(outcome, &spec, repair, at).await
    }

    /// Publishes, then reports.
    pub(super) async fn apply(
        mut self,
        outcome: RequestOutcome,
        spec: &Validated,
        repair: bool,
        at: RequestTimes,
    ) -> Conclusion {
        let RequestOutcome {
            write,
            mut assessment,
            attempt,
            requeue,
            delete,
        } = outcome;
        let mut memory = self.seen.memory.clone();
        memory.attempt = attempt.map(Box::new);
        if repair && write.is_some() {
            memory.repairs = memory.repairs.another(at.sent);
            assessment.repairs = memory.repairs;
        }
        let Some(write) = write else {
            return self.finish(memory, &assessment, None, requeue);
        };
        let replaced = replaced_token(&self.seen, &write.state.token_hash, at.received);
        let before = self.seen.target.as_ref().and_then(SecretSeen::state);
        let is_new = before.is_none_or(|state| state.issued != write.state.issued);
        let written = publish::publish(
            self.store,
            self.key,
            &mut self.seen,
            spec,
            write,
            &assessment,
        )
        .await;
        tracing::debug!(settled = written.as_str(), "a token was written or not");
        match written {
            PublishOutcome::Published(written, write) => {
                if let Some((token, after)) = replaced {
                    self.store.revoke_later(self.key, token, after);
                }
                if is_new {
                    self.store.token_published(self.key, spec);
                }
                let requeue = self.cleanup(&delete, requeue).await;
                self.finish(memory, &assessment, Some((*written, &*write)), requeue)
            }
            PublishOutcome::Superseded => {
                let again = Requeue::At(self.store.now());
                self.close(memory, None, again)
            }
            PublishOutcome::ResourceGone => Reconciled::Gone.into(),
            PublishOutcome::GivenUp(assessment, again) => {
                let again = again.map_or(Requeue::OnChange, |span| {
                    Requeue::At(self.store.now() + span)
                });
                self.finish(memory, &assessment, None, again)
            }
            // The token is dropped: another one would be refused again.
            PublishOutcome::Rejected(why) => {
                let outcome = rejected(&self.seen, spec, NotPublished::Refused { why }, at);
                memory.attempt = outcome.attempt.map(Box::new);
                self.finish(memory, &outcome.assessment, None, outcome.requeue)
            }
        }
    }

    /// Deletes the Secrets of earlier names; those that could not be deleted are retried soon.
    pub(super) async fn cleanup(&self, delete: &[StaleSecret], mut requeue: Requeue) -> Requeue {
        for stale in delete {
            if let Err(error) = self.store.delete(self.key, stale).await {
                tracing::warn!(secret = stale.name, %error, "an old token Secret could not be deleted yet");
                let again = Requeue::At(self.store.now() + DELETE_AGAIN);
                requeue = sooner(requeue, again);
            }
        }
        requeue
    }
}
