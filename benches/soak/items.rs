//! What is known of each resource, and what it may do.

use std::collections::BTreeMap;

use testkit::soak::outages::{Outages, Scope};

use super::kinds::Kind;

/// The number of resources that are not part of the fleet begins here.
pub const CHURN: usize = 1_000_000;
/// The least time between two failed attempts, on average: half of the longest pause before the end of a token.
const BETWEEN_RETRIES: f64 = 5.0;

/// A token Secret as the watch showed it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    pub refresh_at: f64,
    pub expires_at: f64,
}

#[derive(Clone, Debug)]
pub struct Item {
    pub kind: Kind,
    pub number: usize,
    pub name: String,
    pub namespace: String,
    /// 0: served by the replicas, 1: by the operator that is never ended.
    pub group: usize,
    pub created: f64,
    pub deleted: Option<f64>,
    /// Its token Secret.
    pub published: Option<Published>,
    /// Since when it has had no token Secret.
    pub missing: Option<f64>,
    /// A change that has to lead to a request, and when it was made.
    pub changed: Option<f64>,
    pub requests: u64,
    pub last_request: f64,
    /// Requests beside the schedule that changes and killed leaders excuse.
    pub excused: f64,
    /// The end of the expired token that was judged last.
    pub judged: f64,
    /// What is broken is reported once.
    pub reported: bool,
    /// Whether a refresh token was lost with a killed leader, and replaced.
    pub reseeded: u64,
}

impl Item {
    pub fn new(kind: Kind, number: usize, namespace: String, now: f64) -> Item {
        Item {
            kind,
            number,
            name: kind.name(number),
            namespace,
            group: group_of(number),
            created: now,
            deleted: None,
            published: None,
            missing: Some(now),
            changed: None,
            requests: 0,
            last_request: 0.0,
            excused: 0.0,
            judged: 0.0,
            reported: false,
            reseeded: 0,
        }
    }

    /// Whether an outage delays what this resource needs.
    pub fn concerned(&self, scope: Scope) -> bool {
        match scope {
            Scope::Provider(number) => self.uses(number),
            Scope::Api => true,
            Scope::Leader(group) => group == self.group,
        }
    }

    fn uses(&self, provider: usize) -> bool {
        provider == self.kind.provider()
            || self.kind == Kind::ExchangeOther && provider == Kind::Basic.provider()
    }

    /// The most requests that it may have made so far: by the schedule, by what changes and killed leaders excuse, and in each
    /// outage of length `D` of its provider `ceil(D / 5) + 2` attempts.
    fn own_bound(&self, now: f64, outages: &Outages) -> f64 {
        let end = self.deleted.unwrap_or(now);
        let fails = |scope| matches!(scope, Scope::Provider(number) if self.uses(number));
        let retries = outages.lengths(self.created, end, fails);
        let retries: f64 = retries
            .map(|length| (length / BETWEEN_RETRIES).ceil() + 2.0)
            .sum();
        self.kind.scheduled(end - self.created) + self.excused + retries
    }
}

/// A quarter belongs to the operator that is never ended.
pub fn group_of(number: usize) -> usize {
    usize::from(number % 4 == 3)
}

/// All resources, deleted ones included.
#[derive(Default)]
pub struct Items(pub BTreeMap<String, Item>);

impl Items {
    /// The most requests that a resource may have made. The exchange of another resource's token follows each of that one's.
    pub fn bound(&self, item: &Item, now: f64, outages: &Outages) -> f64 {
        let subject = match item.kind {
            Kind::ExchangeOther => self.0.get(&subject_of(item.number)),
            _ => None,
        };
        let followed = subject.map_or(0.0, |subject| subject.own_bound(now, outages));
        item.own_bound(now, outages) + followed
    }

    pub fn live(&self) -> impl Iterator<Item = &Item> {
        self.0.values().filter(|item| item.deleted.is_none())
    }

    /// The oldest resource that is not part of the fleet, if there are more than `kept` of them. It counts as deleted from now on,
    /// so that nobody else deletes it.
    pub fn take_oldest_churned(&mut self, kept: usize, now: f64) -> Option<String> {
        let churned = self.live().filter(|item| item.number >= CHURN);
        let mut numbers: Vec<(usize, &String)> =
            churned.map(|item| (item.number, &item.name)).collect();
        numbers.sort();
        let oldest = numbers.first().filter(|_| numbers.len() > kept);
        let name = oldest.map(|(_, name)| (*name).clone())?;
        self.0.get_mut(&name)?.deleted = Some(now);
        Some(name)
    }
}

/// The resource whose token another one exchanges: of the fleet, in the same namespace and group.
pub fn subject_of(number: usize) -> String {
    Kind::Basic.name(number % 4 + if number >= CHURN { 0 } else { number / 4 * 4 })
}
