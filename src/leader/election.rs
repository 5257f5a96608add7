//! The leader election: a state machine without a clock, sockets or Kubernetes.
//!
//! There is one Lease, and three rules ensure that there are never two leaders:
//! - Every write names the version that it replaces, so that the later of two writers fails.
//! - A candidate takes over only after it has observed one version unchanged for the whole lease duration, by its own
//!   monotonic clock. Times that others wrote are never compared with its own.
//! - A leader stops at its renew deadline, counted from when its last successful renewal was *sent*. This deadline is
//!   shorter than the lease duration. The difference covers clocks that run at slightly different speeds.
//!
//! All times are durations since the start of one monotonic clock.

use std::time::Duration;

/// The maximum lease duration that is accepted from others, so that a wrong value does not block everyone.
const MAX_DURATION: Duration = Duration::from_secs(3600);

/// The durations of an election. `renew_deadline` must be less than `duration`, and `retry` less than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timings {
    /// How long others wait after the last renewal.
    pub duration: Duration,
    /// How long the leader continues without a successful renewal.
    pub renew_deadline: Duration,
    /// The pause between two calls.
    pub retry: Duration,
}

/// The Lease as the API server returned it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseView {
    /// `metadata.resourceVersion`.
    pub version: String,
    /// `spec.holderIdentity`; empty if nobody holds it.
    pub holder: String,
    /// `spec.leaseDurationSeconds`; `None` if absent or not positive.
    pub duration: Option<Duration>,
    /// `spec.leaseTransitions`.
    pub transitions: u32,
}

/// The next call to the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Read the Lease.
    Read,
    /// Create the Lease with this process as its holder.
    Create,
    /// Replace this version of the Lease, with this process as its holder.
    Replace {
        /// The version to replace.
        version: String,
        /// `spec.leaseTransitions` to write.
        transitions: u32,
        /// Whether the holder changes, so that `spec.acquireTime` is set.
        acquired: bool,
    },
}

/// The result of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallResult {
    /// The current Lease: as read, or as written.
    Lease(LeaseView),
    /// There is no Lease.
    Absent,
    /// Another process was faster.
    Conflict,
    /// No response, or one that does not say whether a write succeeded.
    Unknown,
}

/// The state of this process in the election.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ElectionState {
    /// Another process is the leader, or none yet.
    Standby,
    /// This process is the leader, with the number `fence`, until `until`.
    Leading {
        /// `spec.leaseTransitions`: grows with every change of the holder.
        fence: u32,
        /// The renew deadline.
        until: Duration,
    },
    /// This process was the leader and is not anymore, for good.
    Lost,
}

/// The state machine: send [`Election::call`], report it to [`Election::handle_result`], pause, and repeat.
#[derive(Clone, Debug)]
pub struct Election {
    identity: String,
    timings: Timings,
    state: ElectionState,
    next: Call,
    seen: Option<SeenVersion>,
}

/// A version of the Lease, and since when it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SeenVersion {
    version: String,
    since: Duration,
}

impl Election {
    /// A candidate; `identity` must be unique, also among its own earlier runs.
    pub fn new(identity: String, timings: Timings) -> Self {
        Election {
            identity,
            timings,
            state: ElectionState::Standby,
            next: Call::Read,
            seen: None,
        }
    }

    /// The holder identity of this process.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// The current state.
    pub fn state(&self) -> &ElectionState {
        &self.state
    }

    /// The next call; without meaning once lost.
    pub fn call(&self) -> &Call {
        &self.next
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Duration) {
        if matches!(self.state, ElectionState::Leading { until, .. } if now >= until) {
            self.state = ElectionState::Lost;
        }
    }

    /// A call that was sent at `sent` ended at `now`. Returns whether the next one follows without a pause: once after
    /// news, never after a failure.
    pub fn handle_result(&mut self, sent: Duration, now: Duration, answer: CallResult) -> bool {
        self.tick(now);
        let wrote = self.next != Call::Read;
        match self.state {
            ElectionState::Standby if wrote => self.tried_to_acquire(sent, now, answer),
            ElectionState::Standby => self.read(now, answer),
            ElectionState::Leading { fence, until } if wrote => {
                self.renewed(fence, until, sent, answer)
            }
            ElectionState::Leading { fence, .. } => self.reread(fence, answer),
            ElectionState::Lost => false,
        }
    }

    /// A candidate read the Lease.
    fn read(&mut self, now: Duration, answer: CallResult) -> bool {
        self.next = match answer {
            CallResult::Lease(lease) if lease.holder == self.identity => {
                // An earlier write succeeded after all. Its time is unknown, so a new one must succeed.
                replace(lease.version, lease.transitions, false)
            }
            CallResult::Lease(lease) if lease.holder.is_empty() || self.expired(&lease, now) => {
                replace(lease.version, lease.transitions.saturating_add(1), true)
            }
            CallResult::Absent => Call::Create,
            CallResult::Lease(_) | CallResult::Conflict | CallResult::Unknown => Call::Read,
        };
        self.next != Call::Read
    }

    /// Whether this process has observed this version unchanged for the whole lease duration.
    fn expired(&mut self, lease: &LeaseView, now: Duration) -> bool {
        let duration = lease.duration.unwrap_or(self.timings.duration).clamp(
            self.timings.duration,
            MAX_DURATION.max(self.timings.duration),
        );
        match &self.seen {
            Some(seen) if seen.version == lease.version => {
                now.saturating_sub(seen.since) >= duration
            }
            _ => {
                self.seen = Some(SeenVersion {
                    version: lease.version.clone(),
                    since: now,
                });
                false
            }
        }
    }

    /// A candidate tried to become the holder.
    fn tried_to_acquire(&mut self, sent: Duration, now: Duration, answer: CallResult) -> bool {
        self.next = Call::Read;
        if let CallResult::Lease(lease) = answer
            && lease.holder == self.identity
        {
            let until = sent.saturating_add(self.timings.renew_deadline);
            self.next = replace(lease.version, lease.transitions, false);
            if now < until {
                let fence = lease.transitions;
                self.state = ElectionState::Leading { fence, until };
            }
        }
        false
    }

    /// A leader tried to renew.
    fn renewed(&mut self, fence: u32, until: Duration, sent: Duration, answer: CallResult) -> bool {
        match answer {
            CallResult::Lease(lease) if lease.holder == self.identity => {
                let until = until.max(sent.saturating_add(self.timings.renew_deadline));
                self.next = replace(lease.version, fence, false);
                self.state = ElectionState::Leading { fence, until };
                false
            }
            // Something else wrote: another holder, or this process by a write whose response was lost.
            CallResult::Conflict => {
                self.next = Call::Read;
                false
            }
            CallResult::Unknown => false,
            CallResult::Lease(_) | CallResult::Absent => {
                self.state = ElectionState::Lost;
                false
            }
        }
    }

    /// A leader checked who holds the Lease. If a person cleared or deleted it, it is lost too: this is how to move it.
    fn reread(&mut self, fence: u32, answer: CallResult) -> bool {
        match answer {
            CallResult::Lease(lease) if lease.holder == self.identity => {
                self.next = replace(lease.version, fence, false);
                true
            }
            CallResult::Unknown | CallResult::Conflict => false,
            CallResult::Lease(_) | CallResult::Absent => {
                self.state = ElectionState::Lost;
                false
            }
        }
    }
}

fn replace(version: String, transitions: u32, acquired: bool) -> Call {
    Call::Replace {
        version,
        transitions,
        acquired,
    }
}

#[cfg(test)]
mod tests;
