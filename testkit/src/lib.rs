#![doc = include_str!("../README.md")]

mod background;
pub mod browser;
mod cache;
pub mod clock;
#[cfg(feature = "kubernetes")]
pub mod control_plane;
#[cfg(feature = "kubernetes")]
pub mod deploy;
mod error;
#[cfg(feature = "kubernetes")]
pub mod fault_proxy;
mod go;
pub mod go_checks;
pub mod jose;
pub mod leaks;
pub mod metrics;
pub mod net;
#[cfg(feature = "kubernetes")]
pub mod node;
pub mod oidc;
pub mod operator;
pub mod process;
pub mod prometheus;
pub mod provider;
pub mod python;
pub mod quickstart;
mod random;
pub mod ratios;
pub mod soak;
pub mod tcp_proxy;
pub mod tls;
pub mod tools;
pub mod wait;

pub use error::{Context, Error, Result};

/// Makes `ring` the one provider of cryptography under rustls in this process; calling it again does nothing.
pub fn install_crypto() {
    // The only error means that a provider is already installed, and there is only one to install.
    let _already_there = rustls::crypto::ring::default_provider().install_default();
}
