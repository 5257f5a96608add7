//! The order: tenants take turns, and each tenant's items are served first in, first out.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

/// Waiting items by tenant. A new tenant comes after the turns that others already wait for, one for each tenant,
/// however many items they have waiting.
#[derive(Debug)]
pub struct Line<T> {
    tenants: HashMap<Arc<str>, Waiting<T>>,
    /// Tenants by their turn.
    turns: BTreeMap<u64, Arc<str>>,
    next_turn: u64,
    len: usize,
}

#[derive(Debug)]
struct Waiting<T> {
    turn: u64,
    items: VecDeque<T>,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Line {
            tenants: HashMap::new(),
            turns: BTreeMap::new(),
            next_turn: 0,
            len: 0,
        }
    }
}

impl<T> Line<T> {
    /// The number of waiting items.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The number of waiting items of one tenant.
    pub fn of(&self, tenant: &str) -> usize {
        self.tenants
            .get(tenant)
            .map_or(0, |waiting| waiting.items.len())
    }

    /// Adds an item, behind all others of its tenant.
    pub fn push(&mut self, tenant: &Arc<str>, item: T) {
        self.len += 1;
        if let Some(waiting) = self.tenants.get_mut(tenant) {
            waiting.items.push_back(item);
            return;
        }
        let turn = self.next_turn;
        self.next_turn += 1;
        self.turns.insert(turn, Arc::clone(tenant));
        let items = VecDeque::from([item]);
        self.tenants
            .insert(Arc::clone(tenant), Waiting { turn, items });
    }

    /// The next item of each tenant, in the order of their turns.
    pub fn heads(&self) -> impl Iterator<Item = (&Arc<str>, &T)> {
        self.turns.values().filter_map(|tenant| {
            let head = self.tenants.get(tenant)?.items.front()?;
            Some((tenant, head))
        })
    }

    /// Removes the next item.
    pub fn pop(&mut self) -> Option<(Arc<str>, T)> {
        let tenant = Arc::clone(self.turns.first_key_value()?.1);
        let item = self.pop_of(&tenant)?;
        Some((tenant, item))
    }

    /// Removes the first item of one tenant. The tenant's next turn comes after those of all others.
    pub fn pop_of(&mut self, tenant: &Arc<str>) -> Option<T> {
        let waiting = self.tenants.get_mut(tenant)?;
        let item = waiting.items.pop_front()?;
        self.len -= 1;
        self.turns.remove(&waiting.turn);
        if waiting.items.is_empty() {
            self.tenants.remove(tenant);
        } else {
            waiting.turn = self.next_turn;
            self.next_turn += 1;
            self.turns.insert(waiting.turn, Arc::clone(tenant));
        }
        Some(item)
    }
}
