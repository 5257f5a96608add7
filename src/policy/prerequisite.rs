//! What must be had before a token can be asked for, and is not a matter of waiting: it is fetched, then decided anew.
//!
//! [`super::decide`] names one need at a time; [`mod@crate::reconcile`] gets it through its world, has it taken in
//! ([`Observed::take`]) and asks again. A need that cannot be got counts as a failed request: the schedule of failures holds.

use crate::api::validate::Validated;
use crate::model::{Fetched, Observed, Prerequisite};
use crate::oauth::TokenSource;
use crate::trust::Lenders;

use super::{accounts, provenance};

/// What is needed before a request can be built, one thing at a time; `None` when nothing is.
pub(super) fn needed(seen: &Observed, spec: &Validated) -> Option<Prerequisite> {
    if !spec.client.is_located() {
        return Some(Prerequisite::Discovery);
    }
    accounts::needed(seen, spec)
}

impl Observed {
    /// Takes in what was needed: the next decision knows it.
    pub fn take(&mut self, got: Fetched) {
        match got {
            Fetched::Discovery(metadata) => {
                if let Ok(spec) = &mut self.resource.spec {
                    spec.client.locate(&metadata);
                }
            }
            Fetched::ServiceAccountToken(token, secret) => {
                let lender = provenance::account_lender(self, &token);
                let lenders = Lenders::from_iter([lender]);
                self.made
                    .insert(TokenSource::ServiceAccount(token), secret, &lenders);
            }
        }
    }
}
