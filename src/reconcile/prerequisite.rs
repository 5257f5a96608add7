//! Fetches prerequisites of a token request: observe, fetch, decide again, a limited number of times.

use crate::api::validate::Validated;
use crate::engine::HostReport;
use crate::model::{Action, Failure, Moments, Plan, Prerequisite};
use crate::policy::{decide, failed};
use crate::reconcile::reconciler::{Reconciler, abandoned};

use super::close::Step;
use super::{Store, StoreError};

/// The maximum number of prerequisites of one request; more would mean that a fetched one did not help.
const MOST_NEEDS: u32 = 8;

/// The result of deciding.
pub(super) enum Decided<'a, W> {
    /// This must be done.
    Plan(Box<(Reconciler<'a, W>, Plan)>),
    /// There is nothing more to decide.
    Over(Step),
}

impl<'a, W: Store> Reconciler<'a, W> {
    /// Decides, and fetches prerequisites, until there is a plan.
    pub(super) async fn decide(mut self) -> Decided<'a, W> {
        for _ in 0..MOST_NEEDS {
            let plan = decide(&self.seen, self.store.now());
            let Action::First(need) = &plan.action else {
                return Decided::Plan(Box::new((self, plan)));
            };
            if let Err(over) = self.get(need).await {
                return Decided::Over(match over {
                    Over::Abandoned(trouble) => abandoned(self.store, trouble).into(),
                    Over::Failed(spec, failure, at) => self.lacks(&spec, &failure, at).await,
                });
            }
        }
        let trouble = "what is needed first never came to an end";
        Decided::Over(abandoned(self.store, StoreError::Passing(trouble.to_owned())).into())
    }

    async fn get(&mut self, need: &Prerequisite) -> Result<(), Over> {
        let Ok(spec) = self.seen.resource.spec.clone() else {
            return Err(Over::abandoned("the spec is not valid"));
        };
        if !self.store.goes_on() {
            return Err(Over::abandoned(crate::reconcile::reconciler::NO_MORE));
        }
        let sent = self.store.now();
        match self.store.get(&self.seen, &spec, need).await {
            Ok(got) => {
                self.seen.take(got);
                Ok(())
            }
            Err(failure) => {
                let at = Moments {
                    sent,
                    received: self.store.now(),
                    u: self.store.draw(),
                };
                Err(Over::Failed(Box::new(spec), Box::new(failure), at))
            }
        }
    }

    /// A prerequisite could not be fetched: as if the request had failed.
    async fn lacks(self, spec: &Validated, failure: &Failure, at: Moments) -> Step {
        let settled = failed(&self.seen, spec, failure, at);
        let report = if failure.timed_out {
            HostReport::TimedOut
        } else {
            HostReport::Failed
        };
        self.store.answered(self.key, report);
        self.settle(settled, spec, false, at).await
    }
}

/// Why a prerequisite is missing.
enum Over {
    Abandoned(StoreError),
    Failed(Box<Validated>, Box<Failure>, Moments),
}

impl Over {
    fn abandoned(why: &str) -> Over {
        Over::Abandoned(StoreError::Passing(why.to_owned()))
    }
}
