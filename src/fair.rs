//! How a bound is shared between namespaces: who may take how much, and who goes first among those who wait.
//!
//! Pure data structures. They know names of tenants (namespaces) and numbers; not what is shared.

mod line;
mod semaphore;
mod shares;
#[cfg(test)]
mod tests;

pub use line::Line;
pub use semaphore::{FairSemaphore, Place};
pub use shares::{Share, Shares};
