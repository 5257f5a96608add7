//! Commands in messages; see [`oauthclient_core::command`]. Their tests run a shell.

pub use oauthclient_core::command::*;

#[cfg(test)]
pub(crate) mod tests;
