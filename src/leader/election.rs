//! Who leads: a state machine without a clock, a socket or Kubernetes.
//!
//! One Lease, and three rules that together let two never lead at once:
//! - Every write names the version that it replaces, so that of two writers the later one fails.
//! - A candidate takes over only after it has itself seen one version unchanged for the whole lease duration, by its own
//!   monotonic clock. Times written by others are never compared with ours.
//! - A leader stops at its renew deadline, counted from when its last successful renewal was *sent*, and that deadline is
//!   shorter than the lease duration. What is left between the two covers clocks that run at slightly different speeds.
//!
//! All times are spans since the start of one monotonic clock.

use std::time::Duration;

/// The longest lease duration that is believed of others; a nonsense one must not keep everybody waiting for ever.
const MAX_DURATION: Duration = Duration::from_secs(3600);

/// How long things take. `renew_deadline` must be less than `duration`, and `retry` less than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timings {
    /// How long others wait after the last sign of life.
    pub duration: Duration,
    /// How long this one goes on without a successful renewal.
    pub renew_deadline: Duration,
    /// The pause between two calls.
    pub retry: Duration,
}

/// The Lease as the API server gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseView {
    /// `metadata.resourceVersion`.
    pub version: String,
    /// `spec.holderIdentity`; empty when nobody holds it.
    pub holder: String,
    /// `spec.leaseDurationSeconds`; `None` when absent or not positive.
    pub duration: Option<Duration>,
    /// `spec.leaseTransitions`.
    pub transitions: u32,
}

/// What to ask of the API server next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Read the Lease.
    Read,
    /// Create the Lease with us as its holder.
    Create,
    /// Write the Lease in the place of this version, with us as its holder.
    Replace {
        /// The version to replace.
        version: String,
        /// `spec.leaseTransitions` to write.
        transitions: u32,
        /// Whether the holder changes, so that `spec.acquireTime` is set.
        acquired: bool,
    },
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The Lease as it is now: as read, or as we wrote it.
    Lease(LeaseView),
    /// There is no Lease.
    Absent,
    /// Somebody else was faster.
    Conflict,
    /// No answer, or one that does not tell whether a write was done.
    Unknown,
}

/// Where we stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Somebody else leads, or nobody yet.
    Standby,
    /// We lead, as holder number `fence`, as long as `until` has not come.
    Leading {
        /// `spec.leaseTransitions`: grows with every change of the holder.
        fence: u32,
        /// The renew deadline.
        until: Duration,
    },
    /// We led and do no longer: for good.
    Lost,
}

/// The state machine: ask [`Election::call`], do that, tell [`Election::answered`], pause, and again.
#[derive(Clone, Debug)]
pub struct Election {
    identity: String,
    timings: Timings,
    standing: Standing,
    next: Call,
    seen: Option<Seen>,
}

/// A version of the Lease and since when we know it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    version: String,
    since: Duration,
}

impl Election {
    /// A candidate; `identity` must be its alone, also among its own earlier lives.
    pub fn new(identity: String, timings: Timings) -> Self {
        Election {
            identity,
            timings,
            standing: Standing::Standby,
            next: Call::Read,
            seen: None,
        }
    }

    /// The name that we go by in the Lease.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Where we stand.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// What to ask next; of no meaning once lost.
    pub fn call(&self) -> &Call {
        &self.next
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Duration) {
        if matches!(self.standing, Standing::Leading { until, .. } if now >= until) {
            self.standing = Standing::Lost;
        }
    }

    /// A call that was sent at `sent` ended at `now`. Returns whether the next one follows without a pause: once after
    /// news, never after a failure.
    pub fn answered(&mut self, sent: Duration, now: Duration, answer: Answer) -> bool {
        self.tick(now);
        let wrote = self.next != Call::Read;
        match self.standing {
            Standing::Standby if wrote => self.claimed(sent, now, answer),
            Standing::Standby => self.read(now, answer),
            Standing::Leading { fence, until } if wrote => self.renewed(fence, until, sent, answer),
            Standing::Leading { fence, .. } => self.reread(fence, answer),
            Standing::Lost => false,
        }
    }

    /// A standby read the Lease.
    fn read(&mut self, now: Duration, answer: Answer) -> bool {
        self.next = match answer {
            Answer::Lease(lease) if lease.holder == self.identity => {
                // A write of ours came through after all. When is unknown, so a fresh one has to succeed.
                replace(lease.version, lease.transitions, false)
            }
            Answer::Lease(lease) if lease.holder.is_empty() || self.expired(&lease, now) => {
                replace(lease.version, lease.transitions.saturating_add(1), true)
            }
            Answer::Absent => Call::Create,
            Answer::Lease(_) | Answer::Conflict | Answer::Unknown => Call::Read,
        };
        self.next != Call::Read
    }

    /// Whether this version has been there, unchanged and under our own eyes, for the whole lease duration.
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
                self.seen = Some(Seen {
                    version: lease.version.clone(),
                    since: now,
                });
                false
            }
        }
    }

    /// A standby tried to become the holder.
    fn claimed(&mut self, sent: Duration, now: Duration, answer: Answer) -> bool {
        self.next = Call::Read;
        if let Answer::Lease(lease) = answer
            && lease.holder == self.identity
        {
            let until = sent.saturating_add(self.timings.renew_deadline);
            self.next = replace(lease.version, lease.transitions, false);
            if now < until {
                let fence = lease.transitions;
                self.standing = Standing::Leading { fence, until };
            }
        }
        false
    }

    /// A leader tried to renew.
    fn renewed(&mut self, fence: u32, until: Duration, sent: Duration, answer: Answer) -> bool {
        match answer {
            Answer::Lease(lease) if lease.holder == self.identity => {
                let until = until.max(sent.saturating_add(self.timings.renew_deadline));
                self.next = replace(lease.version, fence, false);
                self.standing = Standing::Leading { fence, until };
                false
            }
            // Somebody wrote: another holder, or we ourselves by a write whose answer never came.
            Answer::Conflict => {
                self.next = Call::Read;
                false
            }
            Answer::Unknown => false,
            Answer::Lease(_) | Answer::Absent => {
                self.standing = Standing::Lost;
                false
            }
        }
    }

    /// A leader looked who holds the Lease. Cleared or deleted by a person it is lost too: that is how one moves it.
    fn reread(&mut self, fence: u32, answer: Answer) -> bool {
        match answer {
            Answer::Lease(lease) if lease.holder == self.identity => {
                self.next = replace(lease.version, fence, false);
                true
            }
            Answer::Unknown | Answer::Conflict => false,
            Answer::Lease(_) | Answer::Absent => {
                self.standing = Standing::Lost;
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
