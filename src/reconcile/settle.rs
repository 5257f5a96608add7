//! The consequences of a response: publishes the token, revokes and deletes what it replaced.

use crate::api::validate::Validated;
use crate::engine::Requeue;
use crate::messages::NotPublished;
use crate::model::{Moments, Publish, SecretSeen, Settled, StaleSecret};
use crate::policy::{rejected, replaced_token, sooner};
use crate::reconcile::reconciler::{Reconciled, Reconciler};
use crate::time::Span;

use super::Store;
use super::close::Step;
use super::publish::{self, Written};

/// How soon to retry deleting the Secrets of earlier names.
const DELETE_AGAIN: Span = Span::from_seconds(60);

impl<W: Store> Reconciler<'_, W> {
    /// Publishes a stored token.
    pub(super) async fn republish(self, publish: Publish) -> Step {
        let Ok(spec) = self.seen.resource.spec.clone() else {
            return self.no_spec().into();
        };
        let Publish {
            settled,
            at,
            repair,
        } = publish;
        self.settle(settled, &spec, repair, at).await
    }

    /// Publishes, then reports.
    pub(super) async fn settle(
        mut self,
        settled: Settled,
        spec: &Validated,
        repair: bool,
        at: Moments,
    ) -> Step {
        let Settled {
            write,
            mut assessment,
            attempt,
            wants,
            delete,
        } = settled;
        let mut memory = self.seen.memory.clone();
        memory.attempt = attempt.map(Box::new);
        if repair && write.is_some() {
            memory.repairs = memory.repairs.another(at.sent);
            assessment.repairs = memory.repairs;
        }
        let Some(write) = write else {
            return self.finish(memory, &assessment, None, wants);
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
            Written::Stands(written, write) => {
                if let Some((token, after)) = replaced {
                    self.store.revoke_later(self.key, token, after);
                }
                if is_new {
                    self.store.published(self.key, spec);
                }
                let wants = self.cleanup(&delete, wants).await;
                self.finish(memory, &assessment, Some((*written, &*write)), wants)
            }
            Written::Superseded => {
                let again = Requeue::At(self.store.now());
                self.close(memory, None, again)
            }
            Written::ResourceGone => Reconciled::Gone.into(),
            Written::GivenUp(assessment, again) => {
                let again = again.map_or(Requeue::OnChange, |span| {
                    Requeue::At(self.store.now() + span)
                });
                self.finish(memory, &assessment, None, again)
            }
            // The token is dropped: another one would be refused again.
            Written::Rejected(why) => {
                let settled = rejected(&self.seen, spec, NotPublished::Refused { why }, at);
                memory.attempt = settled.attempt.map(Box::new);
                self.finish(memory, &settled.assessment, None, settled.wants)
            }
        }
    }

    /// Deletes the Secrets of earlier names; those that could not be deleted are retried soon.
    pub(super) async fn cleanup(&self, delete: &[StaleSecret], mut wants: Requeue) -> Requeue {
        for stale in delete {
            if let Err(trouble) = self.store.delete(self.key, stale).await {
                tracing::warn!(secret = stale.name, %trouble, "an old token Secret could not be deleted yet");
                let again = Requeue::At(self.store.now() + DELETE_AGAIN);
                wants = sooner(wants, again);
            }
        }
        wants
    }
}
