//! The reservation: which process redeems a refresh token, and what is known about the outcome.
//!
//! It is written by compare-and-swap before anything is sent, so that only one of two processes sends. A process
//! respects another's reservation until that one's time has passed, by its own monotonic clock since it first observed
//! the reservation.

use crate::model::{Claim, FamilyMemory, FamilySeen, Known, Record, Refused, Tag};
use crate::time::{Span, Time};

/// Added to time-out and drain: the last writes after the drain.
const LAST_WRITES: Span = Span::from_seconds(6);
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
            allowed_millis: (timeout + seen.drain + LAST_WRITES).millis(),
            time: now.rfc3339_millis(),
        }
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
        let waited = seen.elapsed - since;
        if waited < claim.allowed() {
            return Hold::Wait(claim.allowed() - waited);
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
