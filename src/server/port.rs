//! A listening port that foreign connections cannot exhaust.
//!
//! Everyone who reaches the pod may connect, so a limit alone would let an attacker hold all connections. Therefore
//! accepting never waits: at the limit, a new connection displaces the oldest one of the client address with the most
//! connections. A client that sends its request at once is served before it can be displaced, because connections are
//! accepted one at a time and those with data run before the next accept.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{AbortHandle, Id, JoinSet};
use tokio::time::{sleep, timeout};

use super::descriptors::Reserve;
use crate::metrics::ConnectionMetrics;

/// Connections that the kernel queues until they are accepted; `net.core.somaxconn` may limit it further.
const BACKLOG: u32 = 4096;

/// The pause after a failed accept if no descriptor could be freed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A failing accept is logged the first time, and then once in this many times.
const LOG_EVERY: u64 = 600;

/// Limits for the connections of a port.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectionLimits {
    /// The maximum number of connections.
    pub(super) connections: usize,
    /// The time-out for the head of a request.
    pub(super) header: Duration,
    /// The maximum duration of a connection. It carries one request.
    pub(super) whole: Duration,
}

/// A socket that listens on `address`, to be served by [`serve`].
///
/// # Errors
/// The address is in use or not local.
pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A restart must not wait for connections of the previous process.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves each connection with `connection` until `shutdown` completes, then lets the open ones end.
pub(super) async fn serve<C, F>(
    listener: TcpListener,
    limits: ConnectionLimits,
    metrics: ConnectionMetrics,
    shutdown: impl Future<Output = ()>,
    connection: C,
) where
    C: Fn(TcpStream, IpAddr) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let mut open = Open::new(limits.connections, metrics);
    let mut reserve = Reserve::new();
    let mut failures = 0_u64;
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(id) = open.ended() => {
                open.forget(id);
                reserve.fill();
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let served = connection(stream, peer.ip());
                    open.add(peer.ip(), async move {
                        // A client that is too slow or disconnects only harms itself.
                        let _ = timeout(limits.whole, served).await;
                    });
                    // Polls the sockets: connections with a request continue before the next one is accepted.
                    tokio::task::yield_now().await;
                }
                Err(error) => {
                    if failures.is_multiple_of(LOG_EVERY) {
                        tracing::warn!(%error, failures, "cannot accept a connection; still trying");
                    }
                    failures += 1;
                    if open.displace() || reserve.give() {
                        tokio::task::yield_now().await;
                    } else {
                        sleep(ACCEPT_PAUSE).await;
                    }
                }
            },
        }
    }
    drop(listener);
    let _ = timeout(limits.whole, async {
        while open.ended().await.is_some() {}
    })
    .await;
}

/// The open connections, oldest first.
struct Open {
    most: usize,
    metrics: ConnectionMetrics,
    tasks: JoinSet<()>,
    places: Vec<OpenConnection>,
}

struct OpenConnection {
    client: IpAddr,
    task: AbortHandle,
}

impl Open {
    fn new(most: usize, metrics: ConnectionMetrics) -> Self {
        Open {
            most,
            metrics,
            tasks: JoinSet::new(),
            places: Vec::new(),
        }
    }

    fn add(&mut self, peer: IpAddr, connection: impl Future<Output = ()> + Send + 'static) {
        if self.places.len() >= self.most {
            self.displace();
        }
        let task = self.tasks.spawn(connection);
        self.places.push(OpenConnection {
            client: client(peer),
            task,
        });
        self.metrics.open(self.places.len());
    }

    /// Waits for a connection to end; `None` if none is open.
    async fn ended(&mut self) -> Option<Id> {
        match self.tasks.join_next_with_id().await? {
            Ok((id, ())) => Some(id),
            Err(error) => Some(error.id()),
        }
    }

    fn forget(&mut self, id: Id) {
        self.places.retain(|place| place.task.id() != id);
        self.metrics.open(self.places.len());
    }

    /// Closes the oldest connection of the client with the most connections; `false` if there is none.
    fn displace(&mut self) -> bool {
        let clients = self.places.iter().map(|place| place.client);
        let Some(victim) = oldest_of_the_busiest(clients) else {
            return false;
        };
        self.places.remove(victim).task.abort();
        self.metrics.displaced();
        true
    }
}

/// The position of the oldest entry of the most frequent client in a list, oldest first.
fn oldest_of_the_busiest(clients: impl Iterator<Item = IpAddr>) -> Option<usize> {
    let mut held: HashMap<IpAddr, (usize, usize)> = HashMap::new();
    for (place, client) in clients.enumerate() {
        held.entry(client).or_insert((0, place)).0 += 1;
    }
    held.into_values()
        .max_by_key(|(connections, oldest)| (*connections, std::cmp::Reverse(*oldest)))
        .map(|(_, oldest)| oldest)
}

/// What counts as one client: an IPv4 address, or an IPv6 network of 64 bits, because a single machine can use all of
/// it.
pub(super) fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(network))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn victim(clients: &[&str]) -> Option<usize> {
        oldest_of_the_busiest(clients.iter().map(|text| client(text.parse().unwrap())))
    }

    #[test]
    fn the_oldest_connection_of_the_busiest_client_is_displaced() {
        assert_eq!(victim(&[]), None);
        assert_eq!(victim(&["10.0.0.1", "10.0.0.2", "10.0.0.2"]), Some(1));
        assert_eq!(victim(&["10.0.0.1", "10.0.0.2"]), Some(0));
        assert_eq!(
            victim(&["10.0.0.9", "10.0.0.1", "10.0.0.2", "10.0.0.1", "10.0.0.2"]),
            Some(1)
        );
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_count_as_one_client() {
        assert_eq!(
            victim(&["fd00::1", "10.0.0.1", "fd00::2", "fd00:0:0:1::1"]),
            Some(0)
        );
        assert_eq!(
            client("::ffff:10.0.0.1".parse().unwrap()),
            "10.0.0.1".parse::<IpAddr>().unwrap()
        );
    }
}
