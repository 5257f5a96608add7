//! What follows from an answer: the token is published, what it replaced is revoked and deleted.

use crate::api::validate::Validated;
use crate::decide::{Doomed, Moments, Publish, Settled, rejected, replaced_token, sooner};
use crate::engine::Wants;
use crate::time::Span;

use super::close::Step;
use super::publish::{self, Written};
use super::{Walked, Walker, World};

/// How soon it is tried again to delete what an earlier name left.
const DELETE_AGAIN: Span = Span::from_seconds(60);

impl<W: World> Walker<'_, W> {
    /// Publishes a token that was stored earlier.
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

    /// Publishes what is to be published, then tells.
    pub(super) async fn settle(
        mut self,
        settled: Settled,
        spec: &Validated,
        repair: bool,
        at: Moments,
    ) -> Step {
        let Settled {
            write,
            mut situation,
            attempt,
            wants,
            delete,
        } = settled;
        let mut memory = self.seen.memory.clone();
        memory.attempt = attempt.map(Box::new);
        if repair && write.is_some() {
            memory.repairs = memory.repairs.another(at.sent);
            situation.repairs = memory.repairs;
        }
        let Some(write) = write else {
            return self.finish(memory, &situation, None, wants);
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
            }
            Written::Superseded => {
                let again = Wants::LookAt(self.world.now());
                self.close(memory, None, again)
            }
            Written::ResourceGone => Walked::Gone.into(),
            Written::GivenUp(situation, again) => {
                let again =
                    again.map_or(Wants::Change, |span| Wants::LookAt(self.world.now() + span));
                self.finish(memory, &situation, None, again)
            }
            // The token is dropped: what it was made of would be rejected again.
            Written::Rejected(why) => {
                let settled = rejected(&self.seen, spec, &why, at);
                memory.attempt = settled.attempt.map(Box::new);
                self.finish(memory, &settled.situation, None, settled.wants)
            }
        }
    }

    /// Deletes what is left of earlier names; what could not be deleted is looked at again soon.
    pub(super) async fn cleanup(&self, delete: &[Doomed], mut wants: Wants) -> Wants {
        for doomed in delete {
            if let Err(trouble) = self.world.delete(self.key, doomed).await {
                tracing::warn!(secret = doomed.name, %trouble, "an old token Secret could not be deleted yet");
                let again = Wants::LookAt(self.world.now() + DELETE_AGAIN);
                wants = sooner(wants, again);
            }
        }
        wants
    }
}
