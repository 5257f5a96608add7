//! Free ports for servers that need a port number as an argument.

use crate::{Error, Result, random};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// Where ports are looked for: below Linux's ephemeral range, so that no outgoing connection of anybody's takes the port of a
/// server that is down for a moment.
const LOWEST: u16 = 18_000;
const HOW_MANY: u16 = 14_000;
const ATTEMPTS: usize = 200;

/// A loopback port that is free now.
///
/// Another process may still take it first: the caller that starts a server on it retries with another port.
///
/// # Errors
/// When 200 ports in a row are taken.
pub fn free_port() -> Result<u16> {
    for _ in 0..ATTEMPTS {
        let port = LOWEST + u16::from_be_bytes(random::bytes()?) % HOW_MANY;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(Error::new(format!(
        "no free port on 127.0.0.1 after {ATTEMPTS} attempts between {LOWEST} and {}",
        LOWEST + HOW_MANY
    )))
}

/// `127.0.0.1` with a [`free_port`].
///
/// # Errors
/// As [`free_port`].
pub fn free_address() -> Result<SocketAddr> {
    Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?)))
}
