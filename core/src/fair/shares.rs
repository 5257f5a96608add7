//! How much of a limit one tenant may hold.

/// A limit that tenants share.
///
/// - While another tenant waits, no tenant takes more than a quarter ([`Shares::quarter`]), nor more than is still
///   free. So the free part shrinks with each new tenant, but only dozens of them use it up, and a new tenant finds
///   capacity.
/// - A tenant that is alone may take everything except a reserve of a quarter ([`Shares::alone`]). So another tenant
///   can start at once, with as much as it would get if both waited. It does not have to wait until something is
///   returned, which takes as long as the slowest provider of the first one.
/// - A tenant that holds nothing may always take what is free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shares {
    total: usize,
    held: usize,
}

/// Whether a tenant may take more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// It may take more, even while others wait.
    Own,
    /// It may take more as long as no other tenant waits.
    Spare,
    /// It may take nothing until something is returned.
    Full,
}

impl Shares {
    /// A limit of `total`, of which nothing is held.
    pub const fn new(total: usize) -> Self {
        Shares { total, held: 0 }
    }

    /// The limit.
    pub const fn total(&self) -> usize {
        self.total
    }

    /// How much all tenants hold together.
    pub const fn held(&self) -> usize {
        self.held
    }

    /// The maximum for one tenant while another waits; at least 1.
    pub const fn quarter(&self) -> usize {
        if self.total < 4 { 1 } else { self.total / 4 }
    }

    /// The maximum for one tenant.
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

    /// Records that `more` is held.
    pub const fn take(&mut self, more: usize) {
        self.held += more;
    }

    /// Records that `less` was returned.
    pub const fn give_back(&mut self, less: usize) {
        self.held = self.held.saturating_sub(less);
    }
}
