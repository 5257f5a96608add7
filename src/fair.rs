//! How a limit is shared between namespaces: how much each may take, and in which order waiting ones are served.
//!
//! Pure data structures. They know names of tenants (namespaces) and numbers, but not what is shared.

mod semaphore;
#[cfg(test)]
mod tests;

pub use semaphore::{FairPermit, FairSemaphore};

pub use oauthclient_core::fair::{Line, Share, Shares};
