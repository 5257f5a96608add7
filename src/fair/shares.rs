//! How much of a bound one tenant may hold.

/// A bound that tenants share.
///
/// - While another tenant waits, none takes more than a quarter ([`Shares::quarter`]), nor more than is still free. So the
///   free part shrinks with each tenant that comes, but is used up only by dozens of them, and a tenant that comes finds room.
/// - A tenant that is alone may take everything but a reserve of a quarter ([`Shares::alone`]). So another one that comes
///   begins at once, with as much as it could have if both waited; it need not wait until what is held is given back,
///   which takes as long as the slowest of the first one's providers.
/// - A tenant that holds nothing may always take what is free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shares {
    total: usize,
    held: usize,
}

/// What one tenant may do about a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// Take more, whoever waits.
    Own,
    /// Take more as long as nobody else waits.
    Spare,
    /// Nothing before something is given back.
    Full,
}

impl Shares {
    /// A bound of `total`, of which nothing is held.
    pub const fn new(total: usize) -> Self {
        Shares { total, held: 0 }
    }

    /// The bound.
    pub const fn total(&self) -> usize {
        self.total
    }

    /// How much of it is held by all together.
    pub const fn held(&self) -> usize {
        self.held
    }

    /// The most that one tenant holds while another waits; at least 1.
    pub const fn quarter(&self) -> usize {
        if self.total < 4 { 1 } else { self.total / 4 }
    }

    /// The most that one tenant holds at all.
    pub const fn alone(&self) -> usize {
        if self.total < 2 {
            self.total
        } else {
            self.total - self.quarter()
        }
    }

    /// Whether a tenant that holds `own` may take `more`.
    pub const fn share(&self, own: usize, more: usize) -> Share {
        let free = self.total.saturating_sub(self.held);
        if more > free {
            Share::Full
        } else if own == 0 || (own + more <= self.quarter() && own + more <= free) {
            Share::Own
        } else if own + more <= self.alone() && self.held + more <= self.alone() {
            Share::Spare
        } else {
            Share::Full
        }
    }

    /// Notes that so much more is held.
    pub const fn take(&mut self, more: usize) {
        self.held += more;
    }

    /// Notes that so much was given back.
    pub const fn give_back(&mut self, less: usize) {
        self.held = self.held.saturating_sub(less);
    }
}
