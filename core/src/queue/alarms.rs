//! Times in order: a binary heap that knows where each number stands in it, so that a time can be changed and removed.
//!
//! It takes 16 bytes for each number. A `BTreeSet` of the same takes about twice that when its nodes are half empty,
//! and its memory cannot be measured.

use super::dense::Dense;
use super::order::Id;
use crate::time::Time;

/// At most one time for each number.
#[derive(Debug, Default)]
pub(crate) struct Alarms {
    times: Dense<At>,
    /// The place of each number in the heap, if it has a time.
    places: Dense<u32>,
    heap: Dense<Id>,
    len: u32,
}

/// A time; [`Time::NEVER`] for none.
#[derive(Clone, Copy, Debug)]
struct At(Time);

impl Default for At {
    fn default() -> Self {
        At(Time::NEVER)
    }
}

impl Alarms {
    /// The time of a number; [`Time::NEVER`] if it has none.
    pub(crate) fn get(&self, id: Id) -> Time {
        self.times.get(id).map_or(Time::NEVER, |at| at.0)
    }

    /// The earliest time, and whose it is: of several, the smallest number.
    pub(crate) fn first(&self) -> Option<(Time, Id)> {
        let id = *self.heap.get(0).filter(|_| self.len > 0)?;
        Some((self.get(id), id))
    }

    /// Sets the time of a number; [`Time::NEVER`] removes it.
    pub(crate) fn set(&mut self, id: Id, time: Time) {
        let before = self.get(id);
        if before == time {
            return;
        }
        if let Some(at) = self.times.grow(id) {
            at.0 = time;
        }
        let place = match (before < Time::NEVER, time < Time::NEVER) {
            (true, false) => {
                let place = self.place(id);
                self.len -= 1;
                let last = self.at(self.len);
                if last == id {
                    return;
                }
                self.put(place, last);
                place
            }
            (false, _) => {
                self.len += 1;
                self.put(self.len - 1, id);
                self.len - 1
            }
            (true, true) => self.place(id),
        };
        let place = self.rise(place);
        self.sink(place);
    }

    /// The number of times.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    /// Memory, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.times.bytes() + self.places.bytes() + self.heap.bytes()
    }

    fn place(&self, id: Id) -> u32 {
        self.places.get(id).copied().unwrap_or(0)
    }

    fn at(&self, place: u32) -> Id {
        self.heap.get(place).copied().unwrap_or(0)
    }

    fn put(&mut self, place: u32, id: Id) {
        if let Some(there) = self.heap.grow(place) {
            *there = id;
        }
        if let Some(known) = self.places.grow(id) {
            *known = place;
        }
    }

    fn is_before(&self, one: u32, other: u32) -> bool {
        let rank = |place| {
            let id = self.at(place);
            (self.get(id), id)
        };
        rank(one) < rank(other)
    }

    fn swap(&mut self, one: u32, other: u32) {
        let (first, second) = (self.at(one), self.at(other));
        self.put(one, second);
        self.put(other, first);
    }

    /// Moves what stands at a place up to where it belongs; returns where that is.
    fn rise(&mut self, mut place: u32) -> u32 {
        while place > 0 {
            let parent = (place - 1) / 2;
            if !self.is_before(place, parent) {
                break;
            }
            self.swap(place, parent);
            place = parent;
        }
        place
    }

    /// The same downwards.
    fn sink(&mut self, mut place: u32) {
        loop {
            let children = [2 * place + 1, 2 * place + 2];
            let there = children.into_iter().filter(|child| *child < self.len);
            let first = there.reduce(|one, other| match self.is_before(other, one) {
                true => other,
                false => one,
            });
            match first {
                Some(child) if self.is_before(child, place) => {
                    self.swap(place, child);
                    place = child;
                }
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set_of_times_and_numbers_in_order(
            steps in prop::collection::vec((0_u32..40, prop::option::of(0_i64..12), any::<bool>()), 0..400),
        ) {
            let mut alarms = Alarms::default();
            let mut set: BTreeSet<(Time, Id)> = BTreeSet::new();
            for (id, time, pops) in steps {
                if pops {
                    let first = set.pop_first();
                    prop_assert_eq!(alarms.first(), first);
                    if let Some((_, id)) = first {
                        alarms.set(id, Time::NEVER);
                    }
                    continue;
                }
                let time = time.map_or(Time::NEVER, Time::from_seconds);
                set.retain(|(_, other)| *other != id);
                if time < Time::NEVER {
                    set.insert((time, id));
                }
                alarms.set(id, time);
                prop_assert_eq!(alarms.get(id), time);
                prop_assert_eq!(alarms.first(), set.first().copied());
                prop_assert_eq!(alarms.len(), set.len());
            }
        }
    }
}
