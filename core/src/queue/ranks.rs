//! Ranks in order. Most flows have a few entries that wait, and the smallest node of a `BTreeSet` takes the memory of eleven.

use std::collections::BTreeSet;

use super::order::{Rank, set_bytes};

/// So many ranks are kept in a list; more, in a set.
const FEW: usize = 32;

/// Ranks, the smallest first.
#[derive(Debug)]
pub(super) enum Ranks {
    Few(Vec<Rank>),
    Many(BTreeSet<Rank>),
}

impl Default for Ranks {
    fn default() -> Self {
        Ranks::Few(Vec::new())
    }
}

impl Ranks {
    /// Adds a rank; returns whether it was not there.
    pub(super) fn insert(&mut self, rank: Rank) -> bool {
        let few = match self {
            Ranks::Few(few) => few,
            Ranks::Many(many) => return many.insert(rank),
        };
        let Err(at) = few.binary_search(&rank) else {
            return false;
        };
        if few.len() < FEW {
            few.insert(at, rank);
        } else {
            let mut many: BTreeSet<Rank> = few.drain(..).collect();
            many.insert(rank);
            *self = Ranks::Many(many);
        }
        true
    }

    /// Removes a rank; returns whether it was there.
    pub(super) fn remove(&mut self, rank: &Rank) -> bool {
        match self {
            Ranks::Few(few) => {
                let Ok(at) = few.binary_search(rank) else {
                    return false;
                };
                few.remove(at);
                if few.is_empty() {
                    *few = Vec::new();
                }
                true
            }
            Ranks::Many(many) => {
                let was_there = many.remove(rank);
                // Not at once below the limit, so that one entry that comes and goes costs little.
                if many.len() < FEW / 2 {
                    *self = Ranks::Few(std::mem::take(many).into_iter().collect());
                }
                was_there
            }
        }
    }

    pub(super) fn first(&self) -> Option<&Rank> {
        match self {
            Ranks::Few(few) => few.first(),
            Ranks::Many(many) => many.first(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first().is_none()
    }

    /// Memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Ranks::Few(few) => few.capacity() * size_of::<Rank>(),
            Ranks::Many(many) => set_bytes::<Rank>(many.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::queue::order::Class;
    use crate::time::Time;

    proptest! {
        #[test]
        fn it_is_a_set_however_many_there_are(
            steps in prop::collection::vec((any::<bool>(), 0_u32..120), 0..600),
        ) {
            let mut ranks = Ranks::default();
            let mut set = BTreeSet::new();
            for (adds, number) in steps {
                let rank = (Class::First, Time::from_seconds(i64::from(number % 7)), number);
                match adds {
                    true => prop_assert_eq!(ranks.insert(rank), set.insert(rank)),
                    false => prop_assert_eq!(ranks.remove(&rank), set.remove(&rank)),
                }
                prop_assert_eq!(ranks.first(), set.first());
                prop_assert_eq!(ranks.is_empty(), set.is_empty());
            }
        }
    }
}
