//! Namespaces: what each holds, and their turns.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::fair::{Share, Shares};
use crate::queue::order::{Id, set_bytes};
use crate::time::Time;

use super::dense::Dense;
use super::order::{Class, Rank};

/// No namespace.
pub(super) const NO_SPACE: u32 = u32::MAX;

/// What one namespace holds and waits for.
#[derive(Debug, Default)]
struct Space {
    name: Option<Arc<str>>,
    /// The number of its entries.
    users: u32,
    /// Work that may send a token request; work with a response that is not yet written; looks.
    held: [usize; 3],
    /// When it was last served, for requests and for looks.
    turn: u64,
    look_turn: u64,
    /// What host queues offer it: its first entry at each host where it is first.
    offers: BTreeSet<(Rank, u32)>,
    /// Looks that are due.
    looks: BTreeSet<(Time, Id)>,
    /// Its places in the two orders.
    place: Option<(Class, u64)>,
    look_place: Option<u64>,
}

/// The limits that namespaces share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SharedLimit {
    /// Token requests.
    Requests = 0,
    /// Responses that are not yet written.
    Answers = 1,
    /// Looks.
    Looks = 2,
}

/// All namespaces.
#[derive(Debug, Default)]
pub(super) struct Spaces {
    shares: [Shares; 3],
    by_name: HashMap<Arc<str>, u32>,
    spaces: Dense<Space>,
    used: u32,
    free: Vec<u32>,
    turn: u64,
    /// Those with offers, in order.
    order: BTreeSet<((Class, u64), u32)>,
    /// Those with due looks, in order.
    look_order: BTreeSet<(u64, u32)>,
    looks_due: usize,
}

impl Spaces {
    pub(super) fn new(requests: usize, answers: usize, looks: usize) -> Self {
        Spaces {
            shares: [requests, answers, looks].map(Shares::new),
            ..Spaces::default()
        }
    }

    /// The number of a namespace, with one more entry.
    pub(super) fn join(&mut self, name: &str) -> u32 {
        let number = self.by_name.get(name).copied().unwrap_or_else(|| {
            let number = self.free.pop().unwrap_or_else(|| {
                self.used += 1;
                self.used - 1
            });
            let name: Arc<str> = name.into();
            self.by_name.insert(Arc::clone(&name), number);
            // Behind the existing ones.
            self.turn += 1;
            if let Some(space) = self.spaces.grow(number) {
                *space = Space {
                    name: Some(name),
                    turn: self.turn,
                    look_turn: self.turn,
                    ..Space::default()
                };
            }
            number
        });
        if let Some(space) = self.spaces.get_mut(number) {
            space.users += 1;
        }
        number
    }

    /// Whether `number` is the namespace with this name.
    pub(super) fn is(&self, number: u32, name: &str) -> bool {
        let space = self.spaces.get(number);
        space.is_some_and(|space| space.name.as_deref() == Some(name))
    }

    /// Removes one entry.
    pub(super) fn leave(&mut self, number: u32) {
        if let Some(space) = self.spaces.get_mut(number) {
            space.users = space.users.saturating_sub(1);
        }
        self.drop_unused(number);
    }

    /// The offer of a host queue to a namespace has changed.
    pub(super) fn offer(
        &mut self,
        number: u32,
        host_queue: u32,
        before: Option<Rank>,
        now: Option<Rank>,
    ) {
        let Some(space) = self.spaces.get_mut(number) else {
            return;
        };
        if let Some(rank) = before {
            space.offers.remove(&(rank, host_queue));
        }
        if let Some(rank) = now {
            space.offers.insert((rank, host_queue));
        }
        let place = space
            .offers
            .first()
            .map(|((class, _, _), _)| (*class, space.turn));
        if place != space.place {
            if let Some(before) = std::mem::replace(&mut space.place, place) {
                self.order.remove(&(before, number));
            }
            if let Some(place) = place {
                self.order.insert((place, number));
            }
        }
    }

    /// The host queue from which the next namespace takes a slot.
    pub(super) fn next(&self) -> Option<u32> {
        let alone = self.order.len() == 1;
        let number =
            self.order
                .iter()
                .find_map(|(_, number)| match self.request_share(*number) {
                    Share::Own => Some(*number),
                    Share::Spare => alone.then_some(*number),
                    Share::Full => None,
                })?;
        Some(self.spaces.get(number)?.offers.first()?.1)
    }

    /// Whether a namespace may have one more request, even while others wait.
    pub(super) fn has_share(&self, number: u32) -> bool {
        self.request_share(number) == Share::Own
    }

    /// Whether any namespace could have one more request.
    pub(super) fn is_full(&self) -> bool {
        let [requests, ..] = &self.shares;
        requests.held() >= requests.total()
    }

    /// A request is sent only if its response can be kept until it is written.
    fn request_share(&self, number: u32) -> Share {
        let (requests, answers) = (
            self.share(SharedLimit::Requests, number),
            self.share(SharedLimit::Answers, number),
        );
        match (requests, answers) {
            (Share::Full, _) | (_, Share::Full) => Share::Full,
            (Share::Own, Share::Own) => Share::Own,
            _ => Share::Spare,
        }
    }

    fn share(&self, what: SharedLimit, number: u32) -> Share {
        let own = self.spaces.get(number).map_or(0, |space| held(space, what));
        let shares = self.shares.get(what as usize).copied();
        shares.unwrap_or_default().share(own, 1)
    }

    /// A namespace was served: its next turn comes after those of all others.
    pub(super) fn served(&mut self, number: u32) {
        self.take(SharedLimit::Requests, number);
        self.turn += 1;
        let turn = self.turn;
        let Some(space) = self.spaces.get_mut(number) else {
            return;
        };
        space.turn = turn;
        if let Some((class, before)) = space.place {
            space.place = Some((class, turn));
            self.order.remove(&((class, before), number));
            self.order.insert(((class, turn), number));
        }
    }

    pub(super) fn look_due(&mut self, number: u32, look: Time, id: Id) {
        if let Some(space) = self.spaces.get_mut(number) {
            self.looks_due += usize::from(space.looks.insert((look, id)));
        }
        self.order_looks(number);
    }

    pub(super) fn no_look(&mut self, number: u32, look: Time, id: Id) {
        if let Some(space) = self.spaces.get_mut(number) {
            self.looks_due -= usize::from(space.looks.remove(&(look, id)));
        }
        self.order_looks(number);
    }

    /// The next look, if one may start.
    pub(super) fn next_look(&mut self) -> Option<(Time, Id)> {
        let alone = self.look_order.len() == 1;
        let number = self.look_order.iter().find_map(|(_, number)| {
            match self.share(SharedLimit::Looks, *number) {
                Share::Own => Some(*number),
                Share::Spare => alone.then_some(*number),
                Share::Full => None,
            }
        })?;
        self.take(SharedLimit::Looks, number);
        self.turn += 1;
        let turn = self.turn;
        let space = self.spaces.get_mut(number)?;
        space.look_turn = turn;
        let first = space.looks.first().copied();
        self.order_looks(number);
        first
    }

    fn order_looks(&mut self, number: u32) {
        let Some(space) = self.spaces.get_mut(number) else {
            return;
        };
        let place = (!space.looks.is_empty()).then_some(space.look_turn);
        if place != space.look_place {
            if let Some(before) = std::mem::replace(&mut space.look_place, place) {
                self.look_order.remove(&(before, number));
            }
            if let Some(place) = place {
                self.look_order.insert((place, number));
            }
        }
    }

    /// A namespace holds one more.
    pub(super) fn take(&mut self, what: SharedLimit, number: u32) {
        if let Some(shares) = self.shares.get_mut(what as usize) {
            shares.take(1);
        }
        let space = self.spaces.get_mut(number);
        if let Some(own) = space.and_then(|space| space.held.get_mut(what as usize)) {
            *own += 1;
        }
    }

    /// A namespace holds one less.
    pub(super) fn give_back(&mut self, what: SharedLimit, number: u32) {
        if let Some(shares) = self.shares.get_mut(what as usize) {
            shares.give_back(1);
        }
        let space = self.spaces.get_mut(number);
        if let Some(own) = space.and_then(|space| space.held.get_mut(what as usize)) {
            *own = own.saturating_sub(1);
        }
        self.drop_unused(number);
    }

    /// The amount in use.
    pub(super) fn held(&self, what: SharedLimit) -> usize {
        self.shares.get(what as usize).map_or(0, Shares::held)
    }

    pub(super) fn looks_due(&self) -> usize {
        self.looks_due
    }

    pub(super) fn bytes(&self) -> usize {
        let names: usize = self.by_name.keys().map(|name| name.len() + 16).sum();
        self.spaces.bytes()
            + self.by_name.capacity() * (size_of::<(Arc<str>, u32)>() + 1)
            + names
            + set_bytes::<(Time, Id)>(self.looks_due)
    }

    fn drop_unused(&mut self, number: u32) {
        let Some(space) = self.spaces.get_mut(number) else {
            return;
        };
        if space.users > 0 || space.held != [0; 3] {
            return;
        }
        if let Some(name) = std::mem::take(space).name {
            self.by_name.remove(&name);
            self.free.push(number);
        }
    }
}

fn held(space: &Space, what: SharedLimit) -> usize {
    space.held.get(what as usize).copied().unwrap_or(0)
}
