//! The reservation: which process redeems a refresh token, and what is known about the outcome.
//!
//! It is written by compare-and-swap before anything is sent, so that only one of two processes sends. A process
//! respects another's reservation until that one's time has passed. Only durations on one clock are compared, never the wall
//! clocks of two machines, which may differ by any amount: since the reservation was made, where both processes run on one
//! machine; otherwise since this process, or one before it on the same machine, first observed it.

use crate::model::{Claim, FamilyMemory, FamilySeen, Known, Record, Refused, Spend, Tag};
use crate::time::{HostTime, Span, Time};

/// How long writing the reservation may take. Nothing is sent on one that took longer, so its request is over one time-out later.
const LONGEST_WRITE: Span = Span::from_seconds(6);
/// How long the response may take to be stored, unless the process stops sooner. Later, another process takes over.
const LONGEST_STORE: Span = Span::from_seconds(30);
/// How often a refresh token is sent in total if it is unknown whether it was used.
pub(super) const MOST_TRIES: u32 = 2;

impl Claim {
    /// The reservation of an attempt.
    pub(super) fn new(
        seen: &FamilySeen,
        spent: Tag,
        tries: u32,
        timeout: Span,
        now: Time,
    ) -> Claim {
        Claim {
            process: seen.process.clone(),
            attempt: seen.attempt.clone(),
            spent,
            tries,
            open: true,
            allowed_millis: (LONGEST_WRITE + timeout + seen.drain.min(LONGEST_STORE)).millis(),
            time: now.rfc3339_millis(),
            made: seen.here.clone(),
            noticed: None,
        }
    }

    /// Whether its request may still be sent: another process takes it for ended when its time has passed.
    fn is_current(&self, now: Time, here: Option<&HostTime>) -> bool {
        let made = self.made.as_ref();
        let took = made.and_then(|made| here?.since(made)).or_else(|| {
            let made = Time::parse_rfc3339(&self.time)?;
            Some(now.since(made))
        });
        took.is_some_and(|took| Span::ZERO <= took && took <= LONGEST_WRITE)
    }

    /// How long a process that observed it `waited` ago must respect it.
    fn left(&self, waited: Span, here: Option<&HostTime>) -> Span {
        let since = |known: &Option<HostTime>| here?.since(known.as_ref()?);
        let waited = [since(&self.made), since(&self.noticed)]
            .into_iter()
            .flatten()
            .fold(waited, Span::max);
        self.allowed() - waited
    }

    /// Records when a process on this machine first observed it, if neither that nor its beginning is on this machine's clock.
    /// Returns whether there is something to write.
    fn notice(&mut self, seen: &FamilySeen) -> bool {
        let Some(here) = &seen.here else {
            return false;
        };
        let is_on_our_clock = |known: &Option<HostTime>| {
            let known = known.as_ref();
            known.is_some_and(|known| here.since(known).is_some())
        };
        let is_foreign = self.open && self.process != seen.process && !seen.alone;
        if !is_foreign || is_on_our_clock(&self.made) || is_on_our_clock(&self.noticed) {
            return false;
        }
        self.noticed = Some(here.clone());
        true
    }
}

impl Record {
    /// Records that another process's reservation was observed; returns whether there is something to write.
    pub(super) fn notice(&mut self, seen: &FamilySeen) -> bool {
        let claim = self.claim.as_mut();
        claim.is_some_and(|claim| claim.notice(seen))
    }
}

impl Spend {
    /// The reservation is made now: it may have waited since it was decided.
    pub fn begin(&mut self, now: Time, here: Option<HostTime>) {
        if let Some(claim) = &mut self.record.claim {
            claim.time = now.rfc3339_millis();
            claim.made = here;
        }
    }

    /// Whether the request may still be sent, now that the reservation is written.
    pub fn may_be_sent(&self, now: Time, here: Option<&HostTime>) -> bool {
        let claim = self.record.claim.as_ref();
        claim.is_none_or(|claim| claim.is_current(now, here))
    }
}

impl Known {
    /// The outcome of this reservation's attempt.
    pub(super) fn of(claim: &Claim, refused: Option<Refused>) -> Known {
        Known {
            attempt: claim.attempt.clone(),
            tries: claim.tries,
            refused,
        }
    }

    fn is_of(&self, claim: &Claim) -> bool {
        self.attempt == claim.attempt && self.tries == claim.tries
    }
}

impl Record {
    /// The same with what this process knows about the last attempt, although it could not be written.
    pub(super) fn knowing(mut self, known: &[Known]) -> Record {
        let open = self.claim.as_ref().filter(|claim| claim.open);
        let known = open.and_then(|claim| known.iter().find(|known| known.is_of(claim)));
        if let Some(known) = known {
            self.end(known.refused.clone());
        }
        self
    }

    /// Ends the reservation: what was redeemed is refused, or it is as if it had never been sent. An earlier unknown
    /// outcome stays.
    pub(super) fn end(&mut self, refused: Option<Refused>) {
        let Some(claim) = &mut self.claim else {
            return;
        };
        if let Some(refused) = refused {
            claim.open = false;
            self.refuse(refused);
        } else if claim.tries >= MOST_TRIES {
            claim.tries -= 1;
        } else {
            claim.open = false;
        }
    }
}

/// What an open reservation means for redeeming a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// Nothing: it may be redeemed.
    Free,
    /// Another process may be using it for this long.
    Wait(Span),
    /// It was sent with an unknown outcome: once more, and not again.
    OnceMore,
    /// It was already sent once more.
    Exhausted,
}

/// What the reservation in `record` means for the token of `tag`. `single_use`: sending it again may do harm.
pub(super) fn hold(
    record: &Record,
    seen: &FamilySeen,
    memory: &FamilyMemory,
    tag: &Tag,
    single_use: bool,
) -> Hold {
    let Some(claim) = record.claim.as_ref().filter(|claim| claim.open) else {
        return Hold::Free;
    };
    if claim.process != seen.process && !seen.alone {
        let since = match &memory.foreign {
            Some((attempt, since)) if *attempt == claim.attempt => *since,
            _ => seen.elapsed,
        };
        let left = claim.left(seen.elapsed - since, seen.here.as_ref());
        if left > Span::ZERO {
            return Hold::Wait(left);
        }
    }
    if claim.spent != *tag || !single_use {
        Hold::Free
    } else if claim.tries >= MOST_TRIES {
        Hold::Exhausted
    } else {
        Hold::OnceMore
    }
}
