//! How a limit is shared between namespaces: how much each may take, and in which order waiting ones are served.
//!
//! Pure data structures. They know names of tenants (namespaces) and numbers, but not what is shared.

mod line;
mod shares;
#[cfg(test)]
mod tests;

pub use line::Line;
pub use shares::{Share, Shares};
