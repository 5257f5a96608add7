//! The schedule's promises, checked on every request and on every published token.

use oauthclient_operator::engine::Engine;
use oauthclient_operator::schedule::{MARGIN, SKEW, shortest_interval, usual_lead};
use oauthclient_operator::time::Span;

use super::Sim;
use super::item::Item;
use super::provider::{Host, Issued, Kind, Trouble};

/// After a start or a jump of the clock the first minutes are overload, where "Order" holds and no lateness is promised.
const SETTLING: i64 = 900_000;
/// The longest exchange and write of this world.
const EXCHANGE: i64 = 5_000;

/// Counts, and what went wrong.
#[derive(Default)]
pub struct Checks {
    pub works: u64,
    pub looks: u64,
    pub requests: u64,
    pub failures: u64,
    pub published: u64,
    pub adopted: u64,
    /// Work with a permit that turned out not to be due.
    pub idle_permits: u64,
    pub expired_in_outages: u64,
    pub restarts: u64,
    /// The latest a request of a host without trouble was handed out, in milliseconds; not counted are absolute ends once
    /// the clock was ahead, for lives of seconds are overload.
    pub worst_lateness: i64,
    pub bytes_a_resource: usize,
    pub estimated_bytes_a_resource: usize,
    pub violations: Vec<String>,
    last_disturbance: i64,
    /// The clock was ahead for a while, which shortens what is left of absolute ends.
    pub was_ahead: bool,
}

impl Checks {
    pub fn violation(&mut self, text: String) {
        if self.violations.len() < 20 {
            self.violations.push(text);
        }
    }

    pub fn disturbed(&mut self, now: i64) {
        self.last_disturbance = now;
        self.restarts += 1;
    }

    pub fn measured(&mut self, held: usize, estimated: usize, resources: usize) {
        self.bytes_a_resource = self.bytes_a_resource.max(held / resources);
        self.estimated_bytes_a_resource =
            self.estimated_bytes_a_resource.max(estimated / resources);
    }

    /// A request is about to be sent.
    pub fn sent(&mut self, item: &mut Item, host: &Host, now: i64, lateness: i64) {
        self.requests += 1;
        let check = &mut item.check;
        check.requests += 1;
        let floor = if check.urged {
            check.never_before
        } else {
            check.never_before.max(check.not_before)
        };
        if now < floor {
            let early = floor - now;
            self.violation(format!(
                "promise 3: {} asked {early} ms too early at {now} (urged: {})",
                item.uid, item.check.urged
            ));
        }
        let settled = now > self.last_disturbance + SETTLING;
        let odd = self.was_ahead && matches!(host.kind, Kind::Skewed { .. });
        if settled && !odd && !item.check.urged && host.trouble == Trouble::None {
            self.worst_lateness = self.worst_lateness.max(lateness);
        }
        let check = &mut item.check;
        check.urged = false;
        check.last_sent = now;
        check.never_before = now + 2000;
        check.not_before = 0;
    }

    /// A request failed.
    pub fn failed(
        &mut self,
        item: &mut Item,
        host: &Host,
        now: i64,
        remaining: Option<Span>,
        retry_after: Option<Span>,
    ) {
        self.failures += 1;
        let check = &mut item.check;
        check.failed += 1;
        check.not_before = now + 2500;
        if let Some(span) = retry_after {
            check.never_before = check.never_before.max(now + span.millis());
        }
        let outage = host
            .outages
            .iter()
            .find(|(start, end)| (*start..*end).contains(&now));
        if let (Trouble::Errors, Some((_, end))) = (host.trouble, outage) {
            let eighth = remaining.filter(|left| *left > Span::ZERO);
            let cap = eighth.map_or(300_000, |left| (left.millis() / 8).clamp(10_000, 300_000));
            check.recover_by = Some(end + cap + 10_000 + EXCHANGE);
        }
    }

    /// Promise 7: after a failure the engine still knows the same token.
    pub fn kept(&mut self, engine: &Engine, item: &Item, id: u32) {
        let known = engine.record(&Sim::key(id)).and_then(|view| view.token);
        if known != item.token {
            self.violation(format!("promise 7: {id} lost its token by a failure"));
        }
    }

    /// A token is about to take the place of the one before, which `item` still holds.
    pub fn published(
        &mut self,
        item: &mut Item,
        host: &Host,
        issued: Issued,
        now: i64,
        (clock, offset): (u32, i64),
    ) {
        let same = item.token.is_some() && item.issued.serial == issued.serial;
        if same {
            self.adopted += 1;
        } else {
            self.published += 1;
            item.check.tokens += 1;
        }
        let granted = Span::from_millis(issued.end - item.check.last_sent);
        let answered = now - 2_000;
        item.check.not_before = answered + shortest_interval(granted).millis();
        if let Some(by) = item.check.recover_by.take()
            && now > by
        {
            let late = now - by;
            let name = item.uid;
            self.violation(format!(
                "promise 4: {name} recovered {late} ms late at {now}"
            ));
        }
        if issued.end <= now {
            self.violation(format!("{} published an expired token", item.uid));
        }
        // A clock that jumped since says nothing true of the old token's end, nor one that is far off of an absolute end.
        let absolute = matches!(host.kind, Kind::Skewed { .. });
        if item.token.is_some() && item.clock == clock && (offset == 0 || !absolute) {
            self.left_of_the_old_one(item, host, now);
        }
    }

    fn left_of_the_old_one(&mut self, item: &Item, host: &Host, now: i64) {
        let left = Span::from_millis(item.issued.end - now);
        let name = item.uid;
        let throttled = matches!(host.kind, Kind::Throttling { .. });
        let plain = host.kind == Kind::Plain && host.trouble == Trouble::None;
        let long = Span::from_seconds(host.life) >= MARGIN + MARGIN;
        if plain && long && left <= MARGIN - SKEW {
            self.violation(format!("promise 1: {name} had only {left} left at {now}"));
        }
        if matches!(host.kind, Kind::Skewed { .. }) && left <= Span::ZERO {
            self.violation(format!("promise 8: {name} was expired for {left} at {now}"));
        }
        let short_outages = host
            .outages
            .iter()
            .all(|(start, end)| end - start <= 600_000);
        if left <= Span::ZERO && short_outages && !throttled {
            self.violation(format!("promise 9: {name} was expired for {left} at {now}"));
        } else if left <= Span::ZERO {
            self.expired_in_outages += 1;
        }
    }

    /// What can be said when all is over: the number of requests, and that nothing was forgotten.
    pub fn at_the_end(&mut self, items: &[Item], hosts: &[Host], now: i64) {
        for item in items {
            let host = &hosts[item.host as usize];
            let valid = item.token.is_some() && item.issued.end > now;
            let settled = now > self.last_disturbance + SETTLING && item.check.extra == 0;
            if !valid && settled && !host.is_out(now) {
                self.violation(format!("{} has no valid token at the end", item.uid));
            }
            self.requests_by_the_formula(item, host, now);
        }
    }

    /// Promise 2: failures have a pace of their own.
    fn requests_by_the_formula(&mut self, item: &Item, host: &Host, now: i64) {
        if host.trouble != Trouble::None {
            return;
        }
        let (check, name) = (&item.check, item.uid);
        let life = host.life as f64;
        let bound = match host.kind {
            Kind::Throttling { .. } => return,
            Kind::Skewed { .. } if self.was_ahead => return,
            Kind::Caching { window, .. } => {
                f64::from(check.tokens) * ((life / window as f64).log2() + 3.0)
            }
            Kind::Plain | Kind::Skewed { .. } => {
                let lead = usual_lead(Span::from_seconds(host.life)).seconds_f64();
                let skew = if host.kind == Kind::Plain { 0.0 } else { 30.0 };
                (now as f64 / 1000.0 / (life - skew - 1.2 * lead)).ceil() + 2.0
            }
        };
        if f64::from(check.requests - check.failed) > bound + f64::from(check.extra) {
            self.violation(format!(
                "promise 2: {name} asked {} times, {bound} allowed and {} extra ({:?}, L = {life})",
                check.requests, check.extra, host.kind
            ));
        }
    }

    /// What it came to, for people.
    pub fn report(&self) -> String {
        format!(
            "{} works ({} looks, {} permits not needed), {} requests ({} failed), {} tokens published, {} adopted, \
             {} expired in long outages\nrestarts and clock jumps: {}; worst lateness at hosts without trouble: {} ms\n\
             bytes a resource: {} (estimated {})",
            self.works,
            self.looks,
            self.idle_permits,
            self.requests,
            self.failures,
            self.published,
            self.adopted,
            self.expired_in_outages,
            self.restarts,
            self.worst_lateness,
            self.bytes_a_resource,
            self.estimated_bytes_a_resource,
        )
    }
}
