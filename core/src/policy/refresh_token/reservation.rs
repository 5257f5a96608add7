//! The reservation: which process redeems a refresh token, and what is known about the outcome.
//!
//! It is written by compare-and-swap before anything is sent, so that only one of two processes sends. A process
//! respects another's reservation until that one's time has passed. Only durations on one clock are compared, never the wall
//! clocks of two machines, which may differ by any amount: since the reservation was made, where both processes run on one
//! machine; otherwise since this process, or one before it on the same machine, first observed it.

use crate::model::{
    AttemptOutcome, FamilyMemory, FamilyRecord, FamilySeen, Redemption, Refused, Reservation, Tag,
};
use crate::time::{HostTime, Span, Time};

/// How long writing the reservation may take. Nothing is sent on one that took longer, so its request is over one time-out later.
const LONGEST_WRITE: Span = Span::from_seconds(6);
/// How long the response may take to be stored, unless the process stops sooner. Later, another process takes over.
const LONGEST_STORE: Span = Span::from_seconds(30);
/// How often a refresh token is sent in total if it is unknown whether it was used.
pub(super) const MAX_TRIES: u32 = 2;

impl Reservation {
    /// The reservation of an attempt.
    pub(super) fn new(
        seen: &FamilySeen,
        redeemed: Tag,
        tries: u32,
        timeout: Span,
        now: Time,
    ) -> Reservation {
        Reservation {
            process: seen.process.clone(),
            attempt: seen.attempt.clone(),
            redeemed,
            tries,
            open: true,
            allowed_millis: (LONGEST_WRITE + timeout + seen.drain.min(LONGEST_STORE)).millis(),
            time: now.rfc3339_millis(),
            made: seen.host_time.clone(),
            first_observed: None,
        }
    }

    /// Whether its request may still be sent: another process takes it for ended when its time has passed.
    fn is_current(&self, now: Time, host_time: Option<&HostTime>) -> bool {
        let made = self.made.as_ref();
        let took = made.and_then(|made| host_time?.since(made)).or_else(|| {
            let made = Time::parse_rfc3339(&self.time)?;
            Some(now.since(made))
        });
        took.is_some_and(|took| Span::ZERO <= took && took <= LONGEST_WRITE)
    }

    /// How long a process that observed it `waited` ago must respect it.
    fn left(&self, waited: Span, host_time: Option<&HostTime>) -> Span {
        let since = |known: &Option<HostTime>| host_time?.since(known.as_ref()?);
        let waited = [since(&self.made), since(&self.first_observed)]
            .into_iter()
            .flatten()
            .fold(waited, Span::max);
        self.allowed() - waited
    }

    /// Records when a process on this machine first observed it, if neither that nor its beginning is on this machine's clock.
    /// Returns whether there is something to write.
    fn record_first_observation(&mut self, seen: &FamilySeen) -> bool {
        let Some(host_time) = &seen.host_time else {
            return false;
        };
        let is_on_our_clock = |known: &Option<HostTime>| {
            let known = known.as_ref();
            known.is_some_and(|known| host_time.since(known).is_some())
        };
        let is_foreign = self.open && self.process != seen.process && !seen.is_only_process;
        if !is_foreign || is_on_our_clock(&self.made) || is_on_our_clock(&self.first_observed) {
            return false;
        }
        self.first_observed = Some(host_time.clone());
        true
    }
}

impl FamilyRecord {
    /// Records that another process's reservation was observed; returns whether there is something to write.
    pub(super) fn record_first_observation(&mut self, seen: &FamilySeen) -> bool {
        let reservation = self.reservation.as_mut();
        reservation.is_some_and(|reservation| reservation.record_first_observation(seen))
    }
}

impl Redemption {
    /// The reservation is made now: it may have waited since it was decided.
    pub fn begin(&mut self, now: Time, host_time: Option<HostTime>) {
        if let Some(reservation) = &mut self.record.reservation {
            reservation.time = now.rfc3339_millis();
            reservation.made = host_time;
        }
    }

    /// Whether the request may still be sent, now that the reservation is written.
    pub fn may_be_sent(&self, now: Time, host_time: Option<&HostTime>) -> bool {
        let reservation = self.record.reservation.as_ref();
        reservation.is_none_or(|reservation| reservation.is_current(now, host_time))
    }
}

impl AttemptOutcome {
    /// The outcome of this reservation's attempt.
    pub(super) fn of(reservation: &Reservation, refused: Option<Refused>) -> AttemptOutcome {
        AttemptOutcome {
            attempt: reservation.attempt.clone(),
            tries: reservation.tries,
            refused,
        }
    }

    fn is_of(&self, reservation: &Reservation) -> bool {
        self.attempt == reservation.attempt && self.tries == reservation.tries
    }
}

impl FamilyRecord {
    /// The same with what this process knows about the last attempt, although it could not be written.
    pub(super) fn with_outcomes(mut self, known: &[AttemptOutcome]) -> FamilyRecord {
        let open = self
            .reservation
            .as_ref()
            .filter(|reservation| reservation.open);
        let known =
            open.and_then(|reservation| known.iter().find(|known| known.is_of(reservation)));
        if let Some(known) = known {
            self.end(known.refused.clone());
        }
        self
    }

    /// Ends the reservation: what was redeemed is refused, or it is as if it had never been sent. An earlier unknown
    /// outcome stays.
    pub(super) fn end(&mut self, refused: Option<Refused>) {
        let Some(reservation) = &mut self.reservation else {
            return;
        };
        if let Some(refused) = refused {
            reservation.open = false;
            self.refuse(refused);
        } else if reservation.tries >= MAX_TRIES {
            reservation.tries -= 1;
        } else {
            reservation.open = false;
        }
    }
}

/// What an open reservation means for redeeming a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Availability {
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
pub(super) fn availability(
    record: &FamilyRecord,
    seen: &FamilySeen,
    memory: &FamilyMemory,
    tag: &Tag,
    single_use: bool,
) -> Availability {
    let Some(reservation) = record
        .reservation
        .as_ref()
        .filter(|reservation| reservation.open)
    else {
        return Availability::Free;
    };
    if reservation.process != seen.process && !seen.is_only_process {
        let since = match &memory.foreign_reservation {
            Some((attempt, since)) if *attempt == reservation.attempt => *since,
            _ => seen.elapsed,
        };
        let left = reservation.left(seen.elapsed - since, seen.host_time.as_ref());
        if left > Span::ZERO {
            return Availability::Wait(left);
        }
    }
    if reservation.redeemed != *tag || !single_use {
        Availability::Free
    } else if reservation.tries >= MAX_TRIES {
        Availability::Exhausted
    } else {
        Availability::OnceMore
    }
}
