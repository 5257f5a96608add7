//! The engine and the schedule driven on virtual time: a third driver beside the controller and `local`.
//!
//! It keeps what a driver would persist, decides in the smallest way that keeps the rules, and checks the schedule's promises
//! on every request and on every published token ([`checks`]).

#![allow(
    dead_code,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "shared by a test and a benchmark that use different parts; its numbers are small"
)]

pub mod checks;
pub mod item;
pub mod memory;
pub mod provider;
mod world;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use checks::Checks;
use item::Item;
use oauthclient_operator::engine::{
    Engine, Event, HostReport, Key, Limits, Next, Outcome, Requeue,
};
use oauthclient_operator::oauth::Lifetime;
use oauthclient_operator::oauth::error::FailureClass;
use oauthclient_operator::schedule::{self, ReceivedToken, Schedule};
use oauthclient_operator::time::{Span, Time};
use provider::{Draws, Host, Issued, Reply, TIMEOUT};

/// When the world begins, in milliseconds by its own clock.
const BEGIN: i64 = 1_700_000_000_000;
/// The longest sleep of a driver.
const NAP: i64 = 30_000;

/// How large and how long.
pub struct Scale {
    pub resources: usize,
    pub hosts: usize,
    pub hours: i64,
    pub seed: u64,
    /// How far the clock jumps, in milliseconds, for an hour; 0 for not at all.
    pub jump: i64,
    pub limits: Limits,
}

/// What happens later.
enum SimEvent {
    Answered {
        id: u32,
        sent: Time,
        reply: Reply,
    },
    Written {
        id: u32,
        issued: Issued,
        schedule: Schedule,
        report: HostReport,
    },
    Restart,
    /// The operator's clock is so many milliseconds off from now on.
    Clock(i64),
    /// Somebody does something to some resource.
    Meddle,
}

/// Everything.
pub struct Sim {
    scale: Scale,
    draws: Draws,
    hosts: Vec<Host>,
    names: Vec<Arc<str>>,
    items: Vec<Item>,
    engine: Engine,
    /// Milliseconds since the world began.
    now: i64,
    offset: i64,
    /// How often the clock jumped.
    clock: u32,
    serial: u64,
    epoch: u32,
    later: BinaryHeap<Reverse<(i64, u64, u32)>>,
    events: Vec<Option<(u32, SimEvent)>>,
    free: Vec<u32>,
    order: u64,
    pub checks: Checks,
}

impl Sim {
    pub fn new(scale: Scale) -> Self {
        let mut draws = Draws::new(scale.seed);
        let hosts: Vec<Host> = (0..scale.hosts)
            .map(|number| Host::new(number, scale.hours, &mut draws))
            .collect();
        let names = (0..scale.hosts)
            .map(|number| format!("login-{number}.example:443").into())
            .collect();
        let items = (0..scale.resources)
            .map(|id| Item::new(id, (id % scale.hosts) as u32))
            .collect();
        let mut sim = Sim {
            engine: Engine::new(scale.limits),
            scale,
            draws,
            hosts,
            names,
            items,
            now: 0,
            offset: 0,
            clock: 0,
            serial: 0,
            epoch: 0,
            later: BinaryHeap::new(),
            events: Vec::new(),
            free: Vec::new(),
            order: 0,
            checks: Checks::default(),
        };
        sim.plan_world();
        sim
    }

    /// Runs it to its end, and says what it came to.
    #[expect(clippy::disallowed_methods, reason = "it measures itself")]
    pub fn report(&mut self) -> String {
        let start = std::time::Instant::now();
        self.run();
        let seconds = start.elapsed().as_secs_f64();
        format!(
            "{} resources over {} h of virtual time in {seconds:.1} s: {:.0} works a second\n{}",
            self.items.len(),
            self.scale.hours,
            self.checks.works as f64 / seconds,
            self.checks.report(),
        )
    }

    /// Runs it to its end.
    pub fn run(&mut self) {
        self.rebuild();
        let end = self.scale.hours * 3_600_000;
        while self.now < end {
            let asleep_until = self.work_off();
            let event = self.later.peek().map_or(i64::MAX, |next| next.0.0);
            let wake = asleep_until.millis().saturating_sub(BEGIN + self.offset);
            self.now = event
                .min(wake)
                .min(self.now + NAP)
                .max(self.now + 1)
                .min(end);
            while let Some(Reverse((time, _, slot))) = self.later.peek().copied() {
                if time > self.now {
                    break;
                }
                self.later.pop();
                self.free.push(slot);
                if let Some((epoch, event)) = self.events[slot as usize].take() {
                    self.happen(epoch, event);
                }
            }
        }
        self.checks.at_the_end(&self.items, &self.hosts, self.now);
    }

    /// The operator's clock.
    pub fn wall(&self) -> Time {
        Time::from_millis(BEGIN + self.now + self.offset)
    }

    pub fn key(id: u32) -> Key {
        Key::new(
            &format!("bookshop-{:04}", id / 1000),
            &format!("metadata-{id:07}"),
        )
    }

    fn id(key: &Key) -> u32 {
        key.name()
            .rsplit('-')
            .next()
            .and_then(|number| number.parse().ok())
            .expect("it was made by `key`")
    }

    fn at(&mut self, time: i64, event: SimEvent) {
        let entry = Some((self.epoch, event));
        let slot = match self.free.pop() {
            Some(slot) => {
                self.events[slot as usize] = entry;
                slot
            }
            None => {
                self.events.push(entry);
                self.events.len() as u32 - 1
            }
        };
        self.order += 1;
        self.later.push(Reverse((time, self.order, slot)));
    }

    /// Does all that is due, and says until when there is nothing to do.
    fn work_off(&mut self) -> Time {
        loop {
            let wall = self.wall();
            let work = match self.engine.next(wall) {
                Next::Work(work) => work,
                Next::Sleep(until) => return until,
            };
            let id = Self::id(&work.key);
            self.checks.works += 1;
            let item = &self.items[id as usize];
            let wanted = item.wanted(wall);
            if !work.may_request || wanted > wall {
                if work.may_request {
                    self.checks.idle_permits += 1;
                } else {
                    self.checks.looks += 1;
                }
                let requeue = if wanted <= wall {
                    Requeue::Request
                } else {
                    Requeue::RequestAt(wanted)
                };
                self.finish(id, HostReport::Unused, requeue);
                continue;
            }
            let lateness = wall.since(work.due).millis();
            let host = &self.hosts[item.host as usize];
            self.checks
                .sent(&mut self.items[id as usize], host, self.now, lateness);
            self.send(id, wall);
        }
    }

    fn send(&mut self, id: u32, sent: Time) {
        self.serial += 1;
        let item = &mut self.items[id as usize];
        item.last_asked = sent;
        item.flying = true;
        let arrives = self.now + self.draws.between(50, 400);
        let reply = self.hosts[item.host as usize].answer(arrives, item.cached, self.serial);
        let answered = match &reply {
            Reply::Token { issued, .. } => {
                item.cached = *issued;
                arrives + self.draws.between(50, 1200)
            }
            Reply::Error { .. } => arrives + self.draws.between(10, 200),
            Reply::Silence => self.now + TIMEOUT,
        };
        self.at(answered, SimEvent::Answered { id, sent, reply });
    }

    fn happen(&mut self, epoch: u32, event: SimEvent) {
        let lost = epoch != self.epoch;
        match event {
            // The operator that asked is gone.
            SimEvent::Answered { .. } | SimEvent::Written { .. } if lost => {}
            SimEvent::Answered { id, sent, reply } => self.request_ended(id, sent, reply),
            SimEvent::Written {
                id,
                issued,
                schedule,
                report,
            } => self.written(id, issued, schedule, report),
            SimEvent::Restart => self.rebuild(),
            SimEvent::Clock(offset) => self.set_clock(offset),
            SimEvent::Meddle => self.meddle(),
        }
    }

    fn request_ended(&mut self, id: u32, sent: Time, reply: Reply) {
        let wall = self.wall();
        match reply {
            Reply::Token {
                issued,
                lifetime,
                until,
            } => {
                let item = &self.items[id as usize];
                let host = &self.hosts[item.host as usize];
                let answer = ReceivedToken {
                    sent,
                    received: wall,
                    lifetime: lifetime
                        .map(|life| Lifetime::For(Span::from_millis(life)))
                        .or(until.map(|end| Lifetime::Until(Time::from_millis(BEGIN + end)))),
                    own_end: None,
                    refresh_in: None,
                    same_token: item.token.is_some() && item.issued.serial == issued.serial,
                };
                let published = item.published();
                let policy = item::policy(host);
                let u = self.draws.unit();
                match schedule::accept(&policy, published.as_ref(), &answer, wall, u) {
                    Ok(schedule) => {
                        let mut report = HostReport::Succeeded;
                        if self.draws.next().is_multiple_of(2) {
                            self.engine.request_ended(&Self::key(id), report, wall);
                            report = HostReport::Unused;
                        }
                        let written = self.now + self.draws.between(20, 500);
                        let event = SimEvent::Written {
                            id,
                            issued,
                            schedule,
                            report,
                        };
                        self.at(written, event);
                    }
                    Err(_) => self.failed(id, sent, HostReport::Failed, None),
                }
            }
            Reply::Error { retry_after } => self.failed(id, sent, HostReport::Failed, retry_after),
            Reply::Silence => self.failed(id, sent, HostReport::TimedOut, None),
        }
    }

    fn failed(&mut self, id: u32, sent: Time, report: HostReport, retry_after: Option<i64>) {
        let wall = self.wall();
        let u = self.draws.unit();
        let item = &mut self.items[id as usize];
        let failures = item.current_attempt().map_or(0, |attempt| attempt.failures) + 1;
        let remaining = item.token.map(|token| token.expires.since(wall));
        let retry_after = retry_after.map(Span::from_seconds);
        let class = FailureClass::Transient;
        let next = schedule::retry(class, failures, remaining, retry_after, wall, u);
        let not_before = retry_after.map_or(sent, |span| wall + span);
        item.failed(failures, sent, next, not_before);
        let host = &self.hosts[item.host as usize];
        self.checks
            .failed(item, host, self.now, remaining, retry_after);
        self.finish(id, report, Requeue::RequestAt(next));
        let facts = self.items[id as usize].facts(&self.names);
        self.engine
            .changed(&Self::key(id), Event::Resource(facts), wall);
        self.checks.kept(&self.engine, &self.items[id as usize], id);
    }

    fn written(&mut self, id: u32, issued: Issued, schedule: Schedule, report: HostReport) {
        let wall = self.wall();
        let item = &mut self.items[id as usize];
        let host = &self.hosts[item.host as usize];
        let old = item.token;
        self.checks
            .published(item, host, issued, self.now, (self.clock, self.offset));
        self.serial += 1;
        item.publish(issued, schedule, self.serial, self.clock);
        let new = item.token;
        let wanted = item.wanted(wall);
        let (requeue, early) = (
            Requeue::RequestAt(wanted),
            self.draws.next().is_multiple_of(2),
        );
        let key = Self::key(id);
        if early {
            self.engine.changed(&key, Event::Token(new), wall);
        }
        self.finish(id, report, requeue);
        self.engine.changed(&key, Event::Token(new), wall);
        let facts = self.items[id as usize].facts(&self.names);
        self.engine.changed(&key, Event::Resource(facts), wall);
        if self.draws.next().is_multiple_of(50) {
            // A watch that lags shows what stood before our write.
            self.engine.changed(&key, Event::Token(old), wall);
            self.engine.changed(&key, Event::Token(new), wall);
        }
    }

    fn finish(&mut self, id: u32, host_report: HostReport, requeue: Requeue) {
        let item = &mut self.items[id as usize];
        item.flying = false;
        let outcome = Outcome {
            token: item.token,
            attempt: item.attempt,
            host_report,
            requeue,
        };
        self.engine.done(&Self::key(id), outcome, self.wall());
    }
}
