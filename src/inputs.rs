//! Whether a token still matches the spec; see [`oauthclient_core::inputs`]. The tests begin with manifests, so they are here.

pub use oauthclient_core::inputs::*;

#[cfg(test)]
mod tests;
