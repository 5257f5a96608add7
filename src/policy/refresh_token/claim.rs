//! The reservation: which process redeems a refresh token, and what is known about the outcome.
//!
//! It is written by compare-and-swap before anything is sent, so that only one of two processes sends. A process
//! respects another's reservation until that one's time has passed: by its own monotonic clock since it first observed the
//! reservation, or by the wall clock since it was made, so that a process that starts again does not wait from the beginning.

use crate::model::{Claim, FamilyMemory, FamilySeen, Known, Record, Refused, Spend, Tag};
use crate::time::{Span, Time};

/// How long writing the reservation may take. Nothing is sent on one that took longer, so its request is over one time-out later.
const LONGEST_WRITE: Span = Span::from_seconds(6);
/// How long the response may take to be stored, unless the process stops sooner. Later, another process takes over.
const LONGEST_STORE: Span = Span::from_seconds(30);
/// How far the clocks of two nodes may differ.
const CLOCK_SKEW: Span = Span::from_seconds(30);
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
            over: Some((now + LONGEST_WRITE + timeout + CLOCK_SKEW).rfc3339_millis()),
        }
    }

    /// Whether its request may still be sent at `now`: another process takes it for ended at the time that it was given.
    fn is_current(&self, now: Time) -> bool {
        let made = Time::parse_rfc3339(&self.time);
        made.is_some_and(|made| {
            let took = now.since(made);
            Span::ZERO <= took && took <= LONGEST_WRITE
        })
    }

    /// How long a process that observed it `waited` ago must respect it.
    fn left(&self, waited: Span, now: Time) -> Span {
        let left = self.allowed() - waited;
        let over = self.over.as_deref().and_then(Time::parse_rfc3339);
        over.map_or(left, |over| left.min(over.since(now)))
    }
}

impl Spend {
    /// The reservation is made now: it may have waited since it was decided.
    pub fn begin(&mut self, now: Time) {
        let Some(claim) = &mut self.record.claim else {
            return;
        };
        if let Some(made) = Time::parse_rfc3339(&claim.time) {
            let over = claim.over.as_deref().and_then(Time::parse_rfc3339);
            claim.over = over.map(|over| (over + now.since(made)).rfc3339_millis());
            claim.time = now.rfc3339_millis();
        }
    }

    /// Whether the request may still be sent, now that the reservation is written.
    pub fn may_be_sent(&self, now: Time) -> bool {
        let claim = self.record.claim.as_ref();
        claim.is_none_or(|claim| claim.is_current(now))
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
    now: Time,
) -> Hold {
    let Some(claim) = record.claim.as_ref().filter(|claim| claim.open) else {
        return Hold::Free;
    };
    if claim.process != seen.process && !seen.alone {
        let since = match &memory.foreign {
            Some((attempt, since)) if *attempt == claim.attempt => *since,
            _ => seen.elapsed,
        };
        let left = claim.left(seen.elapsed - since, now);
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
