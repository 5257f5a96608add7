//! Redeems what works only once: reserved before it is sent, and the response stored before anything else is done with
//! it.

use crate::engine::Key;
use crate::model::{Assessment, Known, Observed, Problem, Record, SecretBody, SecretSeen, Spend};
use crate::policy::{self, Spent, Stored, stands, stored};
use crate::time::Span;

use super::observe::observe;
use super::publish::{hindered, tell};
use super::{Store, WriteError};

/// The first and the longest pause between two attempts to store.
const FIRST_PAUSE: Span = Span::from_millis(250);
const LONGEST_PAUSE: Span = Span::from_seconds(15);
/// After this many attempts, the status reports that a response waits to be stored.
const TELL_AFTER: u32 = 4;
/// How often to try to record a failed attempt: the process keeps what it knows too.
const TRIES_AFTER_A_FAILURE: u32 = 4;

/// The result for a response.
pub(super) enum Kept {
    /// It is stored.
    Stands,
    /// Another attempt has taken over.
    Superseded,
    /// The resource is gone.
    ResourceGone,
    /// It cannot be stored; why, and when to try again.
    GivenUp(Box<Assessment>, Option<Span>),
}

/// Reserves: proves with a write that the response can be stored, and that nobody else redeems the same.
pub(super) async fn claim(
    store: &impl Store,
    key: &Key,
    seen: &mut Observed,
    spend: &Spend,
) -> Result<(), WriteError> {
    let written = store.keep(key, &spend.claim(seen)).await;
    match written {
        Ok(secret) => {
            seen.family.state = Some(stands(secret, &spend.record));
            seen.memory.family.known.clear();
            Ok(())
        }
        Err(error) => {
            // It may have succeeded; then it is known that nothing was sent.
            if matches!(error, WriteError::Passing(_)) {
                seen.memory.family.note(spend.unsent().1);
            }
            Err(error)
        }
    }
}

/// Withdraws a reservation of which nothing was sent.
pub(super) async fn unclaim(store: &impl Store, key: &Key, seen: &mut Observed, spend: &Spend) {
    let (record, known) = spend.unsent();
    note(store, key, seen, spend, &record, known).await;
}

/// Records that an attempt failed, and what that means for what was redeemed.
pub(super) async fn failed(
    store: &impl Store,
    key: &Key,
    seen: &mut Observed,
    spend: &Spend,
    spent: &Spent,
) {
    if let Some(record) = &spent.record {
        note(store, key, seen, spend, record, spent.known.clone()).await;
    }
}

async fn note(
    store: &impl Store,
    key: &Key,
    seen: &mut Observed,
    spend: &Spend,
    record: &Record,
    known: Option<Known>,
) {
    seen.memory.family.note(known);
    let mut pause = FIRST_PAUSE;
    for _ in 0..TRIES_AFTER_A_FAILURE {
        match store.keep(key, &policy::store(seen, record)).await {
            Ok(secret) => {
                seen.family.state = Some(stands(secret, record));
                return;
            }
            Err(WriteError::NamespaceTerminating) => return,
            Err(_) => {}
        }
        let goes_on = store.pause(pause).await;
        pause = pause + pause;
        match look(store, key, seen, spend, record).await {
            Look::Again if goes_on => {}
            _ => return,
        }
    }
}

/// Stores a response repeatedly until it succeeds: it is the only copy.
pub(super) async fn keep(
    store: &impl Store,
    key: &Key,
    seen: &mut Observed,
    spend: &Spend,
    record: &Record,
    assessment: &Assessment,
) -> Kept {
    let mut pause = FIRST_PAUSE;
    let mut told = None;
    let mut last_try = false;
    for tries in 1_u32.. {
        let body: SecretBody = policy::store(seen, record);
        let error = match store.keep(key, &body).await {
            Ok(secret) => {
                seen.family.state = Some(stands(secret, record));
                return Kept::Stands;
            }
            Err(error) => error,
        };
        let now = store.now();
        let in_the_way = Assessment {
            secret_name: body.name,
            ..assessment.clone()
        };
        let (in_the_way, later) = hindered(seen, in_the_way, &error, now);
        let in_the_way = Assessment {
            secret_name: assessment.secret_name.clone(),
            ..in_the_way
        };
        if error == WriteError::NamespaceTerminating {
            return Kept::GivenUp(Box::new(in_the_way), None);
        }
        if last_try {
            return Kept::GivenUp(Box::new(in_the_way), Some(later));
        }
        let reason = in_the_way.problem.as_ref().map(Problem::reason);
        if (tries >= TELL_AFTER || error.needs_person()) && told != reason {
            told = reason;
            tell(store, seen, &in_the_way, now).await;
        }
        if error != WriteError::Raced || tries > 1 {
            last_try = !store.pause(pause.scale(0.75 + 0.5 * store.draw())).await;
            pause = (pause + pause).min(LONGEST_PAUSE);
        }
        match look(store, key, seen, spend, record).await {
            Look::Again => {}
            Look::Stands => return Kept::Stands,
            Look::Superseded => return Kept::Superseded,
            Look::ResourceGone => return Kept::ResourceGone,
        }
    }
    Kept::Superseded
}

/// What to do after a failed write and a new observation of the state Secret.
enum Look {
    Again,
    Stands,
    Superseded,
    ResourceGone,
}

async fn look(
    store: &impl Store,
    key: &Key,
    seen: &mut Observed,
    spend: &Spend,
    record: &Record,
) -> Look {
    let fresh = match Box::pin(observe(store, key, true)).await {
        Ok(Some(fresh)) => fresh,
        Ok(None) => return Look::ResourceGone,
        // Nothing new is known: repeat the same write.
        Err(_) => return Look::Again,
    };
    if fresh.resource.uid != seen.resource.uid || fresh.resource.deleting {
        return Look::ResourceGone;
    }
    let theirs = |state: &SecretSeen| !state.is_owned_by(&seen.resource);
    if fresh.family.state.as_ref().is_some_and(theirs) {
        return Look::Superseded;
    }
    seen.family.state = fresh.family.state;
    seen.resource.renew(fresh.resource);
    match stored(seen, spend, record) {
        Stored::Stands => Look::Stands,
        Stored::NotYet => Look::Again,
        Stored::Superseded => Look::Superseded,
    }
}
