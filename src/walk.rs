//! One resource's way: observe, decide, act, outcome.
//!
//! The same for every driver: [`World`] is what a driver brings (Kubernetes, or files), the decisions are
//! [`crate::decide`]'s. Nothing else writes.

mod ask;
mod brake;
mod certificate;
mod close;
mod first;
mod flight;
mod publish;
mod revocation;
mod settle;
mod spend;
#[cfg(test)]
mod tests;
mod world;

use crate::decide::{Action, Doomed, Memory, Observed, Plan, SecretWrite, Situation, sooner};
use crate::engine::{Key, Outcome, Wants, Work};
use crate::time::{Span, Time};

use close::Step;
use first::Decided;

pub use certificate::{certificate_seen, identity};
pub use revocation::revoke_replaced;
pub use world::{Held, Trouble, World, WriteError};

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
/// How soon a Secret that somebody else was writing at the same time is looked at again.
const AFTER_RACE: Span = Span::from_seconds(1);

/// What is said of work that may not begin any more.
const NO_MORE: &str = "no new request is sent: another replica takes over, or the program ends";

/// Walks one resource.
pub async fn walk(world: &impl World, work: &Work) -> Walked {
    // Boxed, so that what the steps took is given back before the report waits for its turn.
    match Box::pin(steps(world, work)).await {
        Step::Over(walked) => walked,
        Step::Tell(tell) => tell.tell(world, &work.key).await,
    }
}

/// Everything but the report at the end.
async fn steps(world: &impl World, work: &Work) -> Step {
    let key = &work.key;
    let mut seen = match world.observe(key, work.may_request).await {
        Ok(Some(seen)) => seen,
        Ok(None) => {
            brake::looked_at(world, key);
            return Walked::Gone.into();
        }
        Err(trouble) => return abandoned(world, trouble).into(),
    };
    seen.bring_up_to_date();
    brake::note(world, key, &seen);
    let walker = Walker {
        world,
        key,
        seen,
        answer: Held::default(),
    };
    let (mut walker, plan) = match walker.decide().await {
        Decided::Plan(decided) => *decided,
        Decided::Over(step) => return step,
    };
    if plan.doubt {
        return walker.doubt(plan.wants).into();
    }
    let Plan {
        action,
        situation,
        wants,
        delete,
        ..
    } = plan;
    if let Some(held) = walker.seen.finalizer_wanted() {
        match world.hold(&walker.seen, held).await {
            Ok(version) => walker.seen.resource.has_version(version),
            Err(trouble) => return walker.cannot_hold(situation, trouble),
        }
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

struct Walker<'a, W> {
    world: &'a W,
    key: &'a Key,
    seen: Observed,
    /// The part of the answer in hand in the bound of bytes that wait to be written.
    answer: Held,
}

impl<W: World> Walker<'_, W> {
    /// What was read is older than what this process wrote: nothing is believed of it yet.
    fn doubt(self, wants: Wants) -> Walked {
        let memory = self.seen.memory.clone();
        let doubts = memory.doubts.saturating_add(1);
        let uid = &self.seen.resource.uid;
        self.world
            .remember(self.key, uid, Memory { doubts, ..memory });
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
    async fn rest(self, situation: Situation, wants: Wants, delete: &[Doomed]) -> Step {
        let memory = self.memory(&situation);
        let wants = self.cleanup(delete, wants).await;
        if self.seen.resource.deleting {
            // Its status is nobody's news any more.
            return self.close(memory, None, wants);
        }
        self.finish(memory, &situation, None, wants)
    }

    /// The token is as it should be; something around it is not.
    async fn tend(
        self,
        write: &SecretWrite,
        situation: Situation,
        wants: Wants,
        delete: &[Doomed],
    ) -> Step {
        let mut memory = self.memory(&situation);
        match self.world.write(self.key, write).await {
            Ok(written) => {
                let mut situation = situation;
                if let Some(attempt) = &mut situation.attempt {
                    attempt.secret_was_repaired(&written);
                    memory.attempt = Some(Box::new(attempt.clone()));
                }
                if write.repairs {
                    memory.repairs = memory.repairs.another(self.world.now());
                    situation.repairs = memory.repairs;
                }
                let wants = self.cleanup(delete, wants).await;
                self.finish(memory, &situation, Some((written, write)), wants)
            }
            Err(WriteError::Raced) => {
                let wants = or_look(wants, self.world.now() + AFTER_RACE);
                self.close(memory, None, wants)
            }
            Err(error) => {
                let now = self.world.now();
                let (situation, again) = publish::hindered(&self.seen, situation, &error, now);
                let wants = or_look(wants, now + again);
                self.finish(memory, &situation, None, wants)
            }
        }
    }

    fn no_spec(&self) -> Walked {
        let trouble = "the spec is not valid";
        abandoned(self.world, Trouble::Passing(trouble.to_owned()))
    }
}
