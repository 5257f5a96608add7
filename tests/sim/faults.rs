//! What goes wrong: which kinds of faults there are, when each is drawn, and how often each was met.

use std::collections::{BTreeMap, HashMap};

use super::draws::{Draws, hash};

/// Everything that can go wrong. A kind that a run never met fails the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    // Calls of the API server.
    Conflict,
    Throttled,
    InternalError,
    Unavailable,
    TimedOutThoughCommitted,
    LostBefore,
    LostAfter,
    Slow,
    StaleRead,
    NotFoundByAProxy,
    CrashBeforeCall,
    CrashAfterCall,
    // Watches.
    WatchLags,
    WatchEnds,
    WatchIsCut,
    WatchGone,
    WatchRepeats,
    WatchIsSilent,
    // Token requests.
    ProviderUnavailable,
    ProviderThrottles,
    ProviderErrorPage,
    ProviderRefusesConnection,
    ProviderAnswerLost,
    ProviderTimesOut,
    CrashBeforeRequest,
    CrashAfterRequest,
    Outage,
    // Processes and machines.
    ProcessKilled,
    ProcessTerminated,
    ProcessFrozen,
    LeaseLost,
    ClockStep,
}

impl Fault {
    pub const ALL: [Fault; 32] = [
        Fault::Conflict,
        Fault::Throttled,
        Fault::InternalError,
        Fault::Unavailable,
        Fault::TimedOutThoughCommitted,
        Fault::LostBefore,
        Fault::LostAfter,
        Fault::Slow,
        Fault::StaleRead,
        Fault::NotFoundByAProxy,
        Fault::CrashBeforeCall,
        Fault::CrashAfterCall,
        Fault::WatchLags,
        Fault::WatchEnds,
        Fault::WatchIsCut,
        Fault::WatchGone,
        Fault::WatchRepeats,
        Fault::WatchIsSilent,
        Fault::ProviderUnavailable,
        Fault::ProviderThrottles,
        Fault::ProviderErrorPage,
        Fault::ProviderRefusesConnection,
        Fault::ProviderAnswerLost,
        Fault::ProviderTimesOut,
        Fault::CrashBeforeRequest,
        Fault::CrashAfterRequest,
        Fault::Outage,
        Fault::ProcessKilled,
        Fault::ProcessTerminated,
        Fault::ProcessFrozen,
        Fault::LeaseLost,
        Fault::ClockStep,
    ];
}

pub const MINUTE: i64 = 60_000;
pub const HOUR: i64 = 60 * MINUTE;

/// When things go wrong: storms of [`STORM`], one each [`BETWEEN`]; a little goes wrong between them as well.
pub const STORM: i64 = 3 * MINUTE;
pub const BETWEEN: i64 = 40 * MINUTE;

pub struct Faults {
    seed: u64,
    /// From when until when anything goes wrong.
    pub span: (i64, i64),
    calls: HashMap<u64, u64>,
    pub met: BTreeMap<Fault, u64>,
    /// At which call of each resource the process is to end, and whether before it: for runs that try each of them.
    pub crash_at: Option<(u64, bool)>,
    /// How many calls there were for each resource, token requests included.
    pub numbered: BTreeMap<usize, u64>,
}

impl Faults {
    pub fn new(seed: u64, span: (i64, i64)) -> Self {
        Faults {
            seed,
            span,
            calls: HashMap::new(),
            met: BTreeMap::new(),
            crash_at: None,
            numbered: BTreeMap::new(),
        }
    }

    pub fn is_on(&self, now: i64) -> bool {
        (self.span.0..self.span.1).contains(&now)
    }

    /// Whether a storm is on, or was within the last `ago`.
    pub fn stormy(&self, now: i64, ago: i64) -> bool {
        self.is_on(now - ago.min(now)) && (now - self.span.0).rem_euclid(BETWEEN) < STORM + ago
    }

    pub fn note(&mut self, fault: Fault) {
        *self.met.entry(fault).or_default() += 1;
    }

    /// The draws for the next call of this name.
    fn next(&mut self, name: &str) -> Draws {
        let name = hash(name);
        let n = self.calls.entry(name).or_default();
        *n += 1;
        Draws::of(self.seed, "call", name ^ n.rotate_left(32))
    }

    fn rate(&self, now: i64) -> f64 {
        if !self.is_on(now) {
            0.0
        } else if self.stormy(now, 0) {
            0.08
        } else {
            0.002
        }
    }

    /// Counts a call for a resource; whether the process ends before it (`true`) or after it (`false`).
    fn crash(&mut self, resource: Option<usize>) -> Option<bool> {
        let calls = self.numbered.entry(resource?).or_default();
        *calls += 1;
        let (number, before) = self.crash_at?;
        (number == *calls).then_some(before)
    }

    /// What befalls a call of the API server, and a draw for how.
    pub fn of_call(&mut self, now: i64, verb: &str, path: &str) -> (Option<Fault>, Draws) {
        let mut draws = self.next(&format!("{verb} {path}"));
        if let Some(before) = self.crash(resource_of(path)) {
            let fault = if before {
                Fault::CrashBeforeCall
            } else {
                Fault::CrashAfterCall
            };
            self.note(fault);
            return (Some(fault), draws);
        }
        if !draws.chance(self.rate(now)) {
            return (None, draws);
        }
        let read = verb == "GET";
        let fault = match draws.next() % 40 {
            0..6 if read => Fault::StaleRead,
            0..6 => Fault::Conflict,
            6..10 => Fault::Throttled,
            10..14 => Fault::InternalError,
            14..17 => Fault::Unavailable,
            17..22 if !read => Fault::TimedOutThoughCommitted,
            22..26 => Fault::LostBefore,
            26..31 if !read => Fault::LostAfter,
            31..35 => Fault::Slow,
            35..37 if read => Fault::NotFoundByAProxy,
            37 => Fault::CrashBeforeCall,
            38 => Fault::CrashAfterCall,
            _ => Fault::Slow,
        };
        // Every crash stops all work: there are few.
        let crash = matches!(fault, Fault::CrashBeforeCall | Fault::CrashAfterCall);
        if crash && !draws.chance(0.15) {
            return (Some(Fault::Slow), draws);
        }
        self.note(fault);
        (Some(fault), draws)
    }

    /// What befalls a token request.
    pub fn of_request(&mut self, now: i64, resource: usize) -> (Option<Fault>, Draws) {
        let mut draws = self.next(&format!("request {resource}"));
        if let Some(before) = self.crash(Some(resource)) {
            let fault = if before {
                Fault::CrashBeforeRequest
            } else {
                Fault::CrashAfterRequest
            };
            self.note(fault);
            return (Some(fault), draws);
        }
        if !draws.chance(self.rate(now) * 2.0) {
            return (None, draws);
        }
        let fault = match draws.next() % 24 {
            0..5 => Fault::ProviderUnavailable,
            5..9 => Fault::ProviderThrottles,
            9..12 => Fault::ProviderErrorPage,
            12..15 => Fault::ProviderRefusesConnection,
            15..18 => Fault::ProviderAnswerLost,
            18..21 => Fault::ProviderTimesOut,
            21 => Fault::CrashBeforeRequest,
            22 => Fault::CrashAfterRequest,
            _ => Fault::ProviderUnavailable,
        };
        self.note(fault);
        (Some(fault), draws)
    }

    /// What befalls a watch at one of its events.
    pub fn of_watch(&mut self, now: i64, name: &str) -> (Option<Fault>, Draws) {
        let mut draws = self.next(name);
        if !draws.chance(self.rate(now) / 2.0) {
            return (None, draws);
        }
        let fault = draws.pick(&[
            Fault::WatchLags,
            Fault::WatchLags,
            Fault::WatchLags,
            Fault::WatchRepeats,
            Fault::WatchRepeats,
            Fault::WatchEnds,
            Fault::WatchIsCut,
            Fault::WatchGone,
            Fault::WatchIsSilent,
        ]);
        self.note(fault);
        (Some(fault), draws)
    }
}

/// The resource that a call is for: not the Lease, the rights and the watches.
fn resource_of(path: &str) -> Option<usize> {
    let name = path.split_once("/namespaces/team-")?.1.split('/').nth(2)?;
    name.strip_prefix('r')?.split('-').next()?.parse().ok()
}
