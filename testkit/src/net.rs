//! Ports for the parts that have to be told which one to listen on.

use crate::{Context, Error, Result, random};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

/// Where ports are looked for: below Linux's ephemeral range, so that no outgoing connection of anybody's takes the port of a
/// server that is down for a moment.
const LOWEST: u16 = 18_000;
const HOW_MANY: u16 = 14_000;
const ATTEMPTS: usize = 200;
/// Linux queues one connection more than it is told; this is far beyond that.
const LARGEST_QUEUE: usize = 16;
/// On loopback a connection takes microseconds; one that takes longer has met a full queue.
const CONNECTED_WITHIN: Duration = Duration::from_millis(300);

/// A loopback port that nobody listens on right now.
///
/// Somebody may still come first: whoever starts a server on it tries again with another when that fails.
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

/// An address where connecting takes for ever: the port is open, its queue is full, and nobody accepts.
///
/// It is what a firewall that drops packets looks like, without a network. Linux only.
#[derive(Debug)]
pub struct Unanswered {
    address: SocketAddr,
    // The queue is as full as these are open.
    _listener: tokio::net::TcpListener,
    _queue: Vec<tokio::net::TcpStream>,
}

impl Unanswered {
    /// Opens the port and fills its queue. It lasts as long as the runtime it is called in.
    ///
    /// # Errors
    /// When no port can be had, or the queue does not fill.
    pub async fn start() -> Result<Unanswered> {
        let cannot = || "cannot listen on 127.0.0.1";
        let socket = tokio::net::TcpSocket::new_v4().context(cannot)?;
        socket
            .bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .context(cannot)?;
        let listener = socket.listen(1).context(cannot)?;
        let address = listener.local_addr().context(cannot)?;
        let mut queue = Vec::new();
        for _ in 0..LARGEST_QUEUE {
            let connecting = tokio::net::TcpStream::connect(address);
            match tokio::time::timeout(CONNECTED_WITHIN, connecting).await {
                Ok(connected) => {
                    queue.push(connected.context(|| "cannot fill the queue of a port")?)
                }
                Err(_elapsed) => {
                    return Ok(Unanswered {
                        address,
                        _listener: listener,
                        _queue: queue,
                    });
                }
            }
        }
        Err(Error::new(format!(
            "the queue of {address} takes {LARGEST_QUEUE} connections and is not full"
        )))
    }

    /// The address to connect to in vain.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
