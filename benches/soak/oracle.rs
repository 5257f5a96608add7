//! The promises, checked every second.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use kube::api::Api;
use testkit::soak::outages::Outages;

use super::items::Item;
use super::now;
use super::watch;
use super::world::World;

/// A refresh may be sent this long after it is due.
const LATE: f64 = 5.0;
/// After an outage, a token that is still valid is replaced within the longest pause, 10 s, and 10 s.
const RECOVERY: f64 = 20.0;
/// The same without a valid token: 300 s, and 10 s.
const RECOVERY_EXPIRED: f64 = 310.0;
/// A new resource has a token, and a change has led to a request.
const SEEN: f64 = 20.0;
/// The garbage collector deletes the Secrets of a deleted resource.
const COLLECTED: f64 = 120.0;
/// As many broken promises are listed.
const LISTED: usize = 40;

/// What was found so far.
#[derive(Default)]
pub struct Findings {
    pub requests: u64,
    pub faults: BTreeMap<&'static str, usize>,
    pub changes_seen: u64,
    pub slowest_change: f64,
    pub expired_excused: u64,
    pub expired: u64,
    pub refused_after_kill: u64,
    pub refresh_tokens_lost_with_kill: u64,
    pub leases_lost: u64,
    pub leaderless: f64,
    pub ready: usize,
    /// Broken promises.
    pub count: usize,
    pub list: Vec<String>,
}

impl Findings {
    pub fn broken(&mut self, what: String) {
        self.count += 1;
        println!("BROKEN: {what}");
        if self.list.len() < LISTED {
            self.list.push(what);
        }
    }
}

/// Waits for the first tokens.
pub async fn until_all_have_tokens(world: &World, within: Duration) {
    let deadline = Instant::now() + within;
    loop {
        let missing = world
            .items()
            .live()
            .filter(|item| item.published.is_none())
            .count();
        if missing == 0 {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{missing} without a token after {within:?}"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

pub fn begin(world: &World) {
    let world = world.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            for name in look(&world) {
                confirm(&world, &name).await;
            }
        }
    });
}

/// Looks at every resource; returns those whose token has expired without an excuse, as far as we have seen.
fn look(world: &World) -> Vec<String> {
    let at = now();
    let mut items = world.items();
    let outages = world.outages();
    let mut suspects = Vec::new();
    let mut broken = Vec::new();
    let mut excused = 0;
    for item in items.0.values_mut() {
        if !item.reported
            && let Some(what) = late(world, item, at, &outages)
        {
            item.reported = true;
            broken.push(what);
        }
        let Some(published) = item.published.filter(|_| item.deleted.is_none()) else {
            continue;
        };
        if published.expires_at + 1.0 > at || item.judged == published.expires_at {
            continue;
        }
        item.judged = published.expires_at;
        match is_excused(world, item, &outages) {
            true => excused += 1,
            false => suspects.push(item.name.clone()),
        }
    }
    drop((items, outages));
    let mut findings = world.findings();
    findings.expired_excused += excused;
    broken.into_iter().for_each(|what| findings.broken(what));
    suspects
}

/// Whether an outage was longer than what was left of the token.
fn is_excused(world: &World, item: &Item, outages: &Outages) -> bool {
    let Some(published) = item.published else {
        return false;
    };
    let chance = item
        .kind
        .first_chance(published.refresh_at, published.expires_at);
    let latest = outages.latest(chance, world.allowed(LATE, RECOVERY), |scope| {
        item.concerned(scope)
    });
    latest.is_none_or(|latest| latest > published.expires_at)
}

/// What should have happened by now.
fn late(world: &World, item: &Item, at: f64, outages: &Outages) -> Option<String> {
    let over = |start: f64, usual: f64, recovery: f64| {
        let allowed = world.allowed(usual, recovery);
        let latest = outages.latest(start, allowed, |scope| item.concerned(scope));
        latest.is_some_and(|latest| latest < at)
    };
    let name = &item.name;
    if let Some(deleted) = item.deleted {
        let stays = item.published.is_some() && over(deleted, COLLECTED, COLLECTED);
        return stays.then(|| format!("{name} was deleted, and its token Secret stays"));
    }
    if let Some(missing) = item.missing
        && over(missing, SEEN, RECOVERY_EXPIRED)
    {
        return Some(format!("{name} has had no token for {:.0} s", at - missing));
    }
    // Requests are looked at some seconds after they came.
    if let Some(changed) = item.changed
        && over(changed, SEEN + 8.0, RECOVERY_EXPIRED)
    {
        let since = at - changed;
        return Some(format!(
            "{name}: a change led to no request for {since:.0} s"
        ));
    }
    let expired = item.published?.expires_at;
    let stays = at > expired && over(expired, SEEN, RECOVERY_EXPIRED);
    stays.then(|| format!("{name}: an expired token stays, {:.0} s", at - expired))
}

/// Reads the Secret itself: our watch may be late.
async fn confirm(world: &World, name: &str) {
    let Some(namespace) = world.items().0.get(name).map(|item| item.namespace.clone()) else {
        return;
    };
    let api: Api<Secret> = Api::namespaced(world.client.clone(), &namespace);
    let secret = format!("{name}-token");
    let read = tokio::time::timeout(Duration::from_secs(5), api.get_metadata(&secret)).await;
    let mut items = world.items();
    let Some(item) = items.0.get_mut(name) else {
        return;
    };
    let Ok(Ok(object)) = read else {
        // Judged again.
        item.judged = 0.0;
        return;
    };
    let Some(published) = watch::published(object.annotations()) else {
        return;
    };
    let at = now();
    if published.expires_at > at || item.deleted.is_some() {
        return;
    }
    let what = format!(
        "{name}: an expired token: refresh at -{:.1} s, expired {:.1} s ago, last request {:.1} s ago",
        at - published.refresh_at,
        at - published.expires_at,
        at - item.last_request,
    );
    drop(items);
    let mut findings = world.findings();
    findings.expired += 1;
    findings.broken(what);
}
