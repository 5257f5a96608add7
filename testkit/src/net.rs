//! Free ports for servers that need a port number as an argument.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::{Error, Result, random};

/// Where ports are looked for: below Linux's ephemeral range, so that no outgoing connection of anybody's takes the port of a
/// server that is down for a moment.
const LOWEST: u16 = 18_000;
/// How many ranges there are: each process has one of its own, as long as there is a free one.
const RANGES: u16 = 14;
/// The ports of a range.
const OF_RANGE: u16 = 1_000;
const ATTEMPTS: usize = 200;
/// So many ports are given out before the first one is given out again.
const REMEMBERED: usize = 500;

/// The ports that this process chooses from.
struct Ports {
    lowest: u16,
    many: u16,
    given: Mutex<VecDeque<u16>>,
    /// Locked as long as the process lives.
    _lock: Option<File>,
}

fn ports() -> &'static Ports {
    static PORTS: OnceLock<Ports> = OnceLock::new();
    PORTS.get_or_init(|| {
        let folder = std::env::temp_dir().join("oauthclient-operator-testkit-ports");
        let locked = |range: u16| {
            let file = File::create(folder.join(range.to_string())).ok()?;
            file.try_lock().ok()?;
            Some((range, file))
        };
        let range = fs::create_dir_all(&folder)
            .ok()
            .and_then(|()| (0..RANGES).find_map(locked));
        let given = Mutex::default();
        match range {
            Some((range, file)) => Ports {
                lowest: LOWEST + range * OF_RANGE,
                many: OF_RANGE,
                given,
                _lock: Some(file),
            },
            None => Ports {
                lowest: LOWEST,
                many: RANGES * OF_RANGE,
                given,
                _lock: None,
            },
        }
    })
}

/// A loopback port that is free now, and that no other test of this machine is given meanwhile.
///
/// Another program may still take it first: the caller that starts a server on it retries with another port.
///
/// # Errors
/// When 200 ports in a row are taken.
pub fn free_port() -> Result<u16> {
    let ports = ports();
    let mut given = ports.given.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..ATTEMPTS {
        let port = ports.lowest + u16::from_be_bytes(random::bytes()?) % ports.many;
        if !given.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            if given.len() == REMEMBERED {
                given.pop_front();
            }
            given.push_back(port);
            return Ok(port);
        }
    }
    Err(Error::new(format!(
        "no free port on 127.0.0.1 after {ATTEMPTS} attempts between {} and {}",
        ports.lowest,
        ports.lowest + ports.many
    )))
}

/// `127.0.0.1` with a [`free_port`].
///
/// # Errors
/// As [`free_port`].
pub fn free_address() -> Result<SocketAddr> {
    Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_port_is_given_out_twice_in_a_row() {
        let ports: BTreeSet<u16> = (0..100).map(|_| free_port().unwrap()).collect();
        assert_eq!(ports.len(), 100);
    }
}
