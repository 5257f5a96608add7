//! What is sent next: a refresh token, a password, or nothing.

use crate::model::{
    ExpectedResponse, FamilyRecord, Observed, RedeemedGrant, Redemption, Refused, Reservation, Tag,
    Validated,
};
use crate::oauth::error::ProviderCode;
use crate::oauth::refresh::{Origin, Refreshing};
use crate::oauth::{Client, Credentials, CredentialsProblem};
use crate::policy::refresh_token::candidate::{Candidate, candidate, password_seed};
use crate::policy::{provenance, rotation};
use crate::time::{Span, Time};
use crate::trust::Lenders;

use super::record::token_tag;
use super::reservation::{Availability, availability};

/// What to do to get a token.
pub(crate) enum RedemptionStep {
    /// Send a request with this.
    Redemption(Box<Redemption>),
    /// Another process may be sending one: not before this is over.
    Wait(Span),
    /// There is no refresh token.
    NoToken,
    /// The existing one cannot be used: what is wrong with it, and in which Secret.
    Unusable(CredentialsProblem, String),
    /// The existing one must not be sent again. `known`: the provider has refused it; otherwise the outcome is unknown.
    Refused {
        /// The provider refused it.
        known: bool,
        /// With this code.
        provider_code: Option<ProviderCode>,
    },
}

/// What to send to get a token, and its reservation.
pub(crate) fn next(
    seen: &Observed,
    spec: &Validated,
    refreshing: &Refreshing,
    lenders: &Lenders,
    now: Time,
) -> RedemptionStep {
    let mut record = match seen.record() {
        None => FamilyRecord::default(),
        Some(Ok(record)) => record,
        // Reported before: see `not_writable`.
        Some(Err(_)) => return RedemptionStep::NoToken,
    };
    record.owned_by(seen.resource.state_owner(), &seen.resource.uid);
    let planner = RedemptionPlanner {
        seen,
        spec,
        lenders,
        now,
        record,
    };
    match refreshing.origin {
        Origin::Provided => planner.provided(),
        Origin::Password => planner.password(),
    }
}

struct RedemptionPlanner<'a> {
    seen: &'a Observed,
    spec: &'a Validated,
    lenders: &'a Lenders,
    now: Time,
    record: FamilyRecord,
}

impl RedemptionPlanner<'_> {
    fn provided(self) -> RedemptionStep {
        let candidate = match candidate(self.seen, self.spec, &self.record) {
            Ok(Some(candidate)) => candidate,
            Ok(None) => return RedemptionStep::NoToken,
            Err((problem, secret)) => return RedemptionStep::Unusable(problem, secret),
        };
        self.refresh(candidate)
    }

    fn password(mut self) -> RedemptionStep {
        let seed = password_seed(self.seen, self.spec);
        let ours = self.record.seed.as_ref() == Some(&seed);
        // One that must not be sent anymore does not block: the password works too.
        let may_be_sent =
            || provenance::of_password_family(self.seen, self.spec, &self.record).is_some();
        let token = self.record.refresh_token.clone();
        let token = token.filter(|_| ours && may_be_sent());
        if let Some(token) = token {
            let tag = token_tag(self.record.family_uid(self.seen), &token);
            let candidate = Candidate {
                token,
                tag,
                new_seed: None,
            };
            let (seen, spec, lenders, now) = (self.seen, self.spec, self.lenders, self.now);
            let record = self.record.clone();
            match (RedemptionPlanner {
                seen,
                spec,
                lenders,
                now,
                record,
            })
            .refresh(candidate)
            {
                // It no longer works, but the password does.
                RedemptionStep::Refused { .. } => {}
                other => return other,
            }
        }
        let availability = self.availability(&seed, false);
        if let Availability::Wait(span) = availability {
            return RedemptionStep::Wait(span);
        }
        self.reserve(RedeemedGrant::Password, seed.clone(), Some(seed), 1)
    }

    fn refresh(mut self, candidate: Candidate) -> RedemptionStep {
        let Candidate {
            token,
            tag,
            new_seed,
        } = candidate;
        let tries = match self.availability(&tag, true) {
            Availability::Wait(span) => return RedemptionStep::Wait(span),
            Availability::Exhausted => {
                return RedemptionStep::Refused {
                    known: false,
                    provider_code: None,
                };
            }
            Availability::OnceMore => 2,
            Availability::Free => 1,
        };
        if let Some(refused) = self.record.refusal(&tag, &token, self.seen) {
            let known = refused.made_from.is_some();
            let provider_code = refused.provider_code();
            return RedemptionStep::Refused {
                known,
                provider_code,
            };
        }
        self.reserve(RedeemedGrant::RefreshToken(token), tag, new_seed, tries)
    }

    fn availability(&self, tag: &Tag, single_use: bool) -> Availability {
        availability(
            &self.record,
            &self.seen.family,
            &self.seen.memory.family,
            tag,
            single_use,
        )
    }

    fn reserve(
        &mut self,
        grant: RedeemedGrant,
        tag: Tag,
        new_seed: Option<Tag>,
        tries: u32,
    ) -> RedemptionStep {
        let mut record = std::mem::take(&mut self.record);
        // The token of an overridden reservation may have been used, so it is not sent again.
        let before = record
            .reservation
            .take()
            .filter(|reservation| reservation.open && reservation.redeemed != tag);
        if let Some(before) = before {
            record.refuse(Refused {
                token: before.redeemed,
                made_from: None,
                provider_code: None,
            });
        }
        let reservation = Reservation::new(
            &self.seen.family,
            tag.clone(),
            tries,
            self.spec.longest_exchange(),
            self.now,
        );
        record.reservation = Some(reservation);
        let lenders = match (&new_seed, &record.lenders) {
            // The lenders of the family keep the hosts that it started with; others are added.
            (None, Some(family)) => family.clone().joined_by(self.lenders),
            _ => self.lenders.clone(),
        };
        RedemptionStep::Redemption(Box::new(Redemption {
            grant,
            lenders,
            current_lenders: self.lenders.clone(),
            new_seed,
            tag,
            record,
        }))
    }
}

impl Redemption {
    /// The response to a request that redeems what cannot be redeemed again: it holds the only copy of what comes next. `None`
    /// where the request may be repeated.
    pub(crate) fn redeems(&self) -> Option<ExpectedResponse> {
        let RedeemedGrant::RefreshToken(_) = self.grant else {
            return None;
        };
        let last = self
            .record
            .answer
            .as_ref()
            .filter(|_| self.new_seed.is_none());
        Some(ExpectedResponse {
            last: last.map(|answer| answer.body.len()),
            is_only_copy: true,
        })
    }

    /// The client and the credentials for building the request.
    pub(crate) fn request(
        &self,
        seen: &Observed,
        spec: &Validated,
        refreshing: &Refreshing,
    ) -> (Client, Credentials) {
        let credentials = seen.credentials.as_ref();
        let mut data = credentials.map_or_else(Default::default, |secret| secret.data.clone());
        let client = rotation::client(seen, spec);
        let lenders = self.current_lenders.clone();
        let RedeemedGrant::RefreshToken(token) = &self.grant else {
            return (client, Credentials::new(data, lenders));
        };
        let client = refreshing.client(&client);
        let login = seen.family.login.as_ref();
        let login = login.filter(|login| crate::model::is_opted_in(login));
        let id = login.and_then(|login| login.data.get(crate::model::LOGIN_CLIENT_ID));
        if let Some(id) = id {
            // The login may belong to a client that the credentials do not name.
            data.entry(client.keys.client_id.clone())
                .or_insert_with(|| id.clone());
        }
        data.insert(client.keys.refresh_token.clone(), token.clone());
        (client, Credentials::new(data, lenders))
    }
}
