//! A limit that tasks wait for, shared by the rule of [`Shares`] in the order of [`Line`].

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use oauthclient_core::fair::{Line, Share, Shares};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::lock::lock;

/// A semaphore that tenants share fairly. Cheap to clone; clones share the limit.
#[derive(Clone)]
pub struct FairSemaphore(Arc<Mutex<Inner>>);

/// Part of the limit, held until it is dropped.
pub struct FairPermit {
    semaphore: FairSemaphore,
    tenant: Arc<str>,
    amount: usize,
}

struct Inner {
    /// No tenant takes more than a quarter, even if it is alone.
    strict: bool,
    shares: Shares,
    held: HashMap<Arc<str>, usize>,
    /// How many places each tenant that still waits got meanwhile, and all of them.
    turns: HashMap<Arc<str>, u64>,
    all_turns: u64,
    waiting: Line<(usize, oneshot::Sender<FairPermit>)>,
}

impl FairSemaphore {
    /// A limit of `total`.
    pub fn new(total: usize) -> Self {
        FairSemaphore::with(total, false)
    }

    /// A limit of `total`, of which a tenant holds at most a quarter, even if it is alone.
    pub fn strict(total: usize) -> Self {
        FairSemaphore::with(total, true)
    }

    fn with(total: usize, strict: bool) -> Self {
        FairSemaphore(Arc::new(Mutex::new(Inner {
            strict,
            shares: Shares::new(total),
            held: HashMap::new(),
            turns: HashMap::new(),
            all_turns: 0,
            waiting: Line::default(),
        })))
    }

    /// Takes a place if that is possible now and no waiting tenant is entitled to it.
    pub fn try_take(&self, tenant: &Arc<str>, amount: usize) -> Option<FairPermit> {
        let mut inner = self.lock();
        let own = inner.held.get(tenant).copied().unwrap_or(0);
        let possible = match inner.shares.share(own, amount) {
            Share::Own => inner.waiting.of(tenant) == 0,
            Share::Spare => !inner.strict && inner.waiting.is_empty(),
            Share::Full => false,
        };
        possible.then(|| self.grant(&mut inner, tenant, amount))
    }

    /// Waits for a place. Cancelling the wait takes none. More than the whole limit is never granted.
    pub async fn take(&self, tenant: &Arc<str>, amount: usize) -> FairPermit {
        loop {
            if let Some(place) = self.try_take(tenant, amount) {
                return place;
            }
            let (sender, receiver) = oneshot::channel();
            self.lock().waiting.push(tenant, (amount, sender));
            // Covers what was returned between the two steps.
            self.hand_out();
            if let Ok(place) = receiver.await {
                return place;
            }
        }
    }

    /// Waits for a place as long as the line moves, however long it is. `None` if for `standstill` the tenant got no place, or,
    /// while it holds none, nobody did.
    pub async fn take_in_turn(
        &self,
        tenant: &Arc<str>,
        amount: usize,
        standstill: Duration,
    ) -> Option<FairPermit> {
        let mut place = pin!(self.take(tenant, amount));
        loop {
            let turns = self.turns(tenant);
            match timeout(standstill, &mut place).await {
                Ok(place) => return Some(place),
                Err(_) if self.turns(tenant) == turns => return None,
                Err(_) => {}
            }
        }
    }

    /// What changes whenever the line moves for a tenant.
    fn turns(&self, tenant: &Arc<str>) -> (u64, u64) {
        let inner = self.lock();
        let own = inner.turns.get(tenant).copied().unwrap_or(0);
        match inner.held.contains_key(tenant) {
            true => (own, 0),
            false => (own, inner.all_turns),
        }
    }

    /// Takes a place regardless of the limit, for something that already exists and must be counted.
    pub fn take_anyway(&self, tenant: &Arc<str>, amount: usize) -> FairPermit {
        self.grant(&mut self.lock(), tenant, amount)
    }

    /// How much is held, and how many wait.
    pub fn usage(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.shares.held(), inner.waiting.len())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.0)
    }

    fn grant(&self, inner: &mut Inner, tenant: &Arc<str>, amount: usize) -> FairPermit {
        inner.shares.take(amount);
        *inner.held.entry(Arc::clone(tenant)).or_default() += amount;
        FairPermit {
            semaphore: self.clone(),
            tenant: Arc::clone(tenant),
            amount,
        }
    }

    /// Gives free capacity to those who wait.
    fn hand_out(&self) {
        loop {
            let mut inner = self.lock();
            let Some(tenant) = inner.next() else {
                return;
            };
            let Some((amount, sender)) = inner.waiting.pop_of(&tenant) else {
                return;
            };
            if inner.waiting.of(&tenant) == 0 {
                inner.turns.remove(&tenant);
            }
            if sender.is_closed() {
                continue;
            }
            inner.all_turns += 1;
            if inner.waiting.of(&tenant) > 0 {
                *inner.turns.entry(Arc::clone(&tenant)).or_default() += 1;
            }
            let place = self.grant(&mut inner, &tenant, amount);
            drop(inner);
            // The waiter was cancelled just now: dropping the place returns it, without recursion.
            if let Err(unwanted) = sender.send(place) {
                unwanted.give_back();
            }
        }
    }
}

impl Inner {
    /// The tenant whose first waiter gets a place: the first in turn that has a share of its own, or the only one that
    /// waits.
    fn next(&self) -> Option<Arc<str>> {
        let mut heads = self.waiting.heads();
        let share = |tenant: &Arc<str>, amount: usize| {
            let own = self.held.get(tenant).copied().unwrap_or(0);
            self.shares.share(own, amount)
        };
        let alone = self.waiting.of(heads.next()?.0) == self.waiting.len();
        self.waiting
            .heads()
            .find(|(tenant, (amount, sender))| match share(tenant, *amount) {
                _ if sender.is_closed() => true,
                Share::Own => true,
                Share::Spare => alone && !self.strict,
                Share::Full => false,
            })
            .map(|(tenant, _)| Arc::clone(tenant))
    }
}

impl FairPermit {
    /// The size of this part.
    pub fn amount(&self) -> usize {
        self.amount
    }

    /// Counts so much from now on: gives the rest back, or takes what is missing, whatever is held.
    pub fn resize(&mut self, to: usize) {
        match to.checked_sub(self.amount) {
            Some(more) => {
                let more = self.semaphore.take_anyway(&self.tenant, more);
                self.amount += more.keep();
            }
            None => {
                let less = self.amount - to;
                self.amount = to;
                self.semaphore.lock().give_back(&self.tenant, less);
                self.semaphore.hand_out();
            }
        }
    }

    /// What it holds, for another one to give back.
    fn keep(mut self) -> usize {
        std::mem::take(&mut self.amount)
    }

    fn give_back(mut self) {
        let amount = std::mem::take(&mut self.amount);
        self.semaphore.lock().give_back(&self.tenant, amount);
    }
}

impl Inner {
    fn give_back(&mut self, tenant: &Arc<str>, amount: usize) {
        self.shares.give_back(amount);
        if let Some(held) = self.held.get_mut(tenant) {
            *held = held.saturating_sub(amount);
            if *held == 0 {
                self.held.remove(tenant);
            }
        }
    }
}

impl Drop for FairPermit {
    fn drop(&mut self) {
        if self.amount > 0 {
            self.semaphore.lock().give_back(&self.tenant, self.amount);
            self.semaphore.hand_out();
        }
    }
}
