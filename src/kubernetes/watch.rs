//! The watches: each with its own backoff, converting events into compact facts. No object is kept.

mod credentials;
mod resources;
mod run;
mod tokens;

pub(super) use credentials::credentials;
pub(super) use resources::resources;
pub(super) use run::{WatchScope, Watching};
pub(super) use tokens::tokens;
