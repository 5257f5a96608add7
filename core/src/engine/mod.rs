//! Compact records of every resource, and what is due first, behind three functions.
//!
//! Sans-I/O: it knows no clock, no Kubernetes, no files and no async. Drivers report changes ([`Engine::changed`]),
//! take work ([`Engine::next`]), do it, and report the outcome ([`Engine::done`]).
//!
//! Duties of a driver:
//! - When a resource appears, it reports [`Event::Resource`] and what it knows about its Secrets, in any order. After
//!   [`Event::Gone`], it reports everything again, because nothing of a deleted resource is kept.
//! - When it has reported everything in the first lists, it calls [`Engine::ready`]. No work is handed out before.
//! - Every [`Work`] ends with exactly one [`Engine::done`] or [`Engine::abandoned`].
//! - It sleeps at most 30 s at a time and passes the time of the wall clock, so that clock steps are noticed.

mod facts;
mod judge;
mod machine;
mod record;
mod state;
mod table;
#[cfg(test)]
mod tests;
mod view;
mod work;

pub use crate::queue::{Class, HostReport, Limits, Occupancy};
pub use facts::{
    ANY_INPUTS, Attempt, CredentialsFacts, Event, Key, ResourceFacts, TokenFacts, attempt_inputs,
};
pub use machine::Engine;
pub use state::State;
pub use view::{Overview, View};
pub use work::{Next, Outcome, Requeue, Work};
