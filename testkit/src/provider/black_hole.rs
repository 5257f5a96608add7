//! An address at which a connection is never made: the client's connect time-out is what ends it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// How long a connection on loopback may take before the queue counts as full.
const FULL_AFTER: Duration = Duration::from_millis(300);
/// More connections than any queue of length 0 takes.
const TRIES: usize = 64;

/// A listener whose queue is full, so that the kernel drops every further SYN. It ends when dropped.
pub struct BlackHole {
    address: SocketAddr,
    _listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl BlackHole {
    /// Opens a listener on 127.0.0.1 and fills its queue. The runtime it is opened on must stay.
    ///
    /// # Errors
    /// When the socket cannot be opened, or the queue does not fill up.
    pub async fn open() -> io::Result<BlackHole> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0))?;
        let listener = socket.listen(0)?;
        let address = listener.local_addr()?;
        let mut queued = Vec::new();
        for _ in 0..TRIES {
            match tokio::time::timeout(FULL_AFTER, TcpStream::connect(address)).await {
                Ok(stream) => queued.push(stream?),
                Err(_) => {
                    return Ok(BlackHole {
                        address,
                        _listener: listener,
                        _queued: queued,
                    });
                }
            }
        }
        Err(io::Error::other(format!(
            "the queue of {address} took {TRIES} connections and is not full"
        )))
    }

    /// The address that never responds.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
