//! Room for responses: how many bytes of them the process holds at once, and how a response that must not be lost finds room.
//!
//! - A response up to [`USUAL`] is read at once and counted.
//! - A larger one waits for its turn: the rest of it waits at the provider. Each response that has room has a deadline, so the
//!   turns of the others come, however many wait. Only if no turn comes for [`LONGEST_STANDSTILL`], it is dropped.
//! - Where the last response was large, or was dropped, room for the next one is set aside before it is requested: twice its size.
//! - The response to a request that redeems a refresh token is the only copy of the next one. Room for it is always set aside:
//!   twice the size of the last response of the family, and for the first one as much as may be read at all.
//! - Where no room can be set aside, nothing is sent, and nothing is lost.
//! - If a response that is the only copy is larger all the same, it takes the next room that is free, or one of [`RESCUES`] places that are kept
//!   for this alone.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::fair::{FairPermit, FairSemaphore};
use crate::tenant;

/// The largest body that is read, in bytes after decompression: 1 MiB.
pub const MAX_BODY: usize = 1 << 20;
/// Room for a response whose length is not known, in bytes.
pub(super) const USUAL: usize = 16 << 10;
/// How many bytes of responses are held at once, from reading to writing, counted [`COPIES`] times; a namespace holds no more
/// than its part ([`crate::fair::Shares`]).
pub const MAX_ANSWERS: usize = 32 << 20;
/// How often a response is in memory while it is written: as it came, decoded, rendered, and in the request to the API server.
pub const COPIES: usize = 4;
/// The least that is set aside for a response that brings a refresh token, in bytes.
const LEAST_SET_ASIDE: usize = 32 << 10;
/// So many responses that outgrew what was set aside are read beside [`MAX_ANSWERS`], at most 4 MiB each with their copies; a
/// namespace has one, or three while no other waits.
const RESCUES: usize = 4;
/// How long the line may stand still before a response that waits in it is dropped: then the API server accepts none of those
/// that have room. While the line moves, there is no other deadline; a provider that closes the connection ends the wait.
const LONGEST_STANDSTILL: Duration = Duration::from_secs(600);
/// How long a request waits until room is set aside for a response that is the only copy of something. Others do not wait here:
/// what waits holds what was observed.
const LONGEST_WAIT_BEFORE_SENDING: Duration = Duration::from_secs(5);

/// The room of a process.
pub(super) struct Rooms {
    responses: FairSemaphore,
    rescues: FairSemaphore,
    standstill: Duration,
}

/// The part of one response in it, until it is dropped.
pub struct Room {
    place: FairPermit,
    /// Kept while the response is held, where it is read beside the bound.
    _rescue: Option<FairPermit>,
    /// Whether a refresh token is lost with the response.
    is_only_copy: bool,
}

impl Rooms {
    pub(super) fn new() -> Rooms {
        Rooms {
            responses: FairSemaphore::strict(MAX_ANSWERS),
            rescues: FairSemaphore::new(RESCUES),
            standstill: LONGEST_STANDSTILL,
        }
    }

    /// Bytes held, and responses that wait to be read; rescues, and those that wait for one.
    pub(super) fn usage(&self) -> [(usize, usize); 2] {
        [self.responses.usage(), self.rescues.usage()]
    }

    /// Sets room aside for a response. `last` is the size of the last one of its kind, in bytes; `is_only_copy`, whether a
    /// refresh token is lost with it. `None` where there is no room in time.
    pub(super) async fn set_aside(&self, last: Option<usize>, is_only_copy: bool) -> Option<Room> {
        let bytes = last.map_or(MAX_BODY, |last| {
            last.saturating_mul(2).clamp(LEAST_SET_ASIDE, MAX_BODY)
        });
        let tenant = tenant::current();
        let place = match is_only_copy {
            true => {
                let place = self.responses.take(&tenant, bytes * COPIES);
                timeout(LONGEST_WAIT_BEFORE_SENDING, place).await.ok()?
            }
            false => self.responses.try_take(&tenant, bytes * COPIES)?,
        };
        Some(Room {
            place,
            _rescue: None,
            is_only_copy,
        })
    }

    /// Counts what was read already.
    pub(super) fn count(&self, bytes: usize) -> Room {
        let amount = bytes.max(1).saturating_mul(COPIES);
        Room {
            place: self.responses.take_anyway(&tenant::current(), amount),
            _rescue: None,
            is_only_copy: false,
        }
    }

    /// Waits for room for all of a response of which part was read; `left` is what is left of the time for the exchange.
    /// `None` where there is no room in time.
    pub(super) async fn for_all(&self, held: Room, bytes: usize, left: Duration) -> Option<Room> {
        let is_only_copy = held.is_only_copy;
        // Nobody waits for room while holding some: two could wait for each other.
        drop(held);
        let tenant = tenant::current();
        let amount = bytes.saturating_mul(COPIES);
        let (place, rescue) = if is_only_copy {
            timeout(left, self.rescue(&tenant, amount)).await.ok()?
        } else {
            let place = self
                .responses
                .take_in_turn(&tenant, amount, self.standstill);
            (place.await?, None)
        };
        Some(Room {
            place,
            _rescue: rescue,
            is_only_copy,
        })
    }

    async fn rescue(&self, tenant: &Arc<str>, amount: usize) -> (FairPermit, Option<FairPermit>) {
        tokio::select! {
            biased;
            place = self.responses.take(tenant, amount) => (place, None),
            rescue = self.rescues.take(tenant, 1) => {
                (self.responses.take_anyway(tenant, amount), Some(rescue))
            }
        }
    }
}

impl Room {
    /// How many bytes may be read into it.
    pub(super) fn bytes(&self) -> usize {
        self.place.amount() / COPIES
    }

    /// Counts what is really held.
    pub(super) fn settle(&mut self, bytes: usize) {
        self.place.resize(bytes.max(1).saturating_mul(COPIES));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1 << 10;

    /// What comes without a wait that ends by itself.
    async fn at_once(room: impl Future<Output = Option<Room>>) -> Option<Room> {
        let soon = Duration::from_millis(100);
        timeout(soon, room).await.ok().flatten()
    }

    async fn of(namespace: &str, rooms: &Rooms, last: Option<usize>) -> Option<Room> {
        at_once(tenant::serve(namespace, rooms.set_aside(last, true))).await
    }

    #[tokio::test]
    async fn what_is_set_aside_goes_by_the_last_response_of_the_family() {
        for (last, bytes) in [
            (Some(0), 32 * KIB),
            (Some(16 * KIB), 32 * KIB),
            (Some(100 * KIB), 200 * KIB),
            (Some(640 * KIB), MAX_BODY),
            (Some(usize::MAX), MAX_BODY),
            (None, MAX_BODY),
        ] {
            let rooms = Rooms::new();
            let room = of("shop", &rooms, last).await.unwrap();
            assert_eq!(room.bytes(), bytes, "{last:?}");
            assert_eq!(rooms.usage()[0].0, bytes * COPIES);
            drop(room);
            assert_eq!(rooms.usage()[0].0, 0);
        }
    }

    #[tokio::test]
    async fn without_room_nothing_is_set_aside_and_others_are_not_kept_from_it() {
        let rooms = Rooms::new();
        let mut held = Vec::new();
        // A quarter of the bound is two of the largest responses.
        while let Some(room) = of("shop", &rooms, None).await {
            held.push(room);
        }
        assert_eq!(held.len(), 2);
        assert!(of("other", &rooms, None).await.is_some());
        held.pop();
        assert!(of("shop", &rooms, None).await.is_some());
    }

    #[tokio::test]
    async fn a_large_response_waits_for_its_turn_however_long_the_line_is() {
        let rooms = Arc::new(Rooms {
            standstill: Duration::from_secs(2),
            ..Rooms::new()
        });
        let wait = |hold: Duration| {
            let rooms = Arc::clone(&rooms);
            let wait = async move {
                let room = rooms.count(USUAL);
                let room = rooms.for_all(room, MAX_BODY, Duration::ZERO).await;
                tokio::time::sleep(hold).await;
                room.is_some()
            };
            tokio::spawn(async { tenant::serve("shop", wait).await })
        };
        // Two at a time: the last ones wait for much longer than the line may stand still.
        let waiting: Vec<_> = (0..80).map(|_| wait(Duration::from_millis(100))).collect();
        for one in waiting {
            assert!(one.await.unwrap());
        }
        // Those that have room never end.
        let stuck = [(); 2].map(|()| wait(Duration::from_secs(86_400)));
        while rooms.usage()[0].0 < 2 * MAX_BODY * COPIES {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let behind = wait(Duration::ZERO);
        assert!(!behind.await.unwrap(), "nothing moves");
        for one in stuck {
            one.abort();
        }
        assert!(wait(Duration::ZERO).await.unwrap());
    }

    #[tokio::test]
    async fn a_response_that_outgrows_its_room_is_read_though_its_namespace_has_none() {
        let rooms = Rooms::new();
        let _full = [
            of("shop", &rooms, None).await.unwrap(),
            of("shop", &rooms, None).await.unwrap(),
        ];
        let left = Duration::from_secs(10);
        let usual = || async {
            let room = rooms.count(USUAL);
            rooms.for_all(room, MAX_BODY, left).await
        };
        assert!(at_once(tenant::serve("shop", usual())).await.is_none());
        let only_copy = || Room {
            is_only_copy: true,
            ..rooms.count(USUAL)
        };
        let mut rescued = Vec::new();
        for _ in 0..3 {
            let room = rooms.for_all(only_copy(), MAX_BODY, left);
            rescued.push(tenant::serve("shop", room).await.unwrap());
        }
        assert_eq!(rooms.usage()[1].0, 3);
        // One place is left for whoever comes: no namespace has all of them.
        let room = rooms.for_all(only_copy(), MAX_BODY, left);
        assert!(at_once(tenant::serve("shop", room)).await.is_none());
        let room = rooms.for_all(only_copy(), MAX_BODY, left);
        assert!(tenant::serve("other", room).await.is_some());
        rescued.pop();
        let room = rooms.for_all(only_copy(), MAX_BODY, left);
        assert!(tenant::serve("shop", room).await.is_some());
        drop(rescued);
        assert_eq!(rooms.usage()[1].0, 0);
    }
}
