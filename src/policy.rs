//! The policies of the core; see [`oauthclient_core::policy`]. Their tests begin with manifests, so they are here.

pub use oauthclient_core::policy::*;

#[cfg(test)]
pub(crate) mod tests;
