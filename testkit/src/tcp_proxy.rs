//! A proxy for any TCP connection that simulates network faults: silence, cuts, slow transfer.
//!
//! It does not interpret what it transfers, so it works between the operator and a provider as well as before the API
//! server.

use crate::background::Background;
use crate::{Context, Result};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The largest piece that is passed on at once.
const BUFFER: usize = 16 * 1024;
/// How often a trickle of more than this many bytes a second lets bytes through.
const TRICKLES_PER_SECOND: usize = 20;

/// How a [`TcpProxy`] treats connections, those that are open included unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpMode {
    /// Everything is passed on.
    Pass,
    /// New connections are reset at once; open ones are let be.
    Refuse,
    /// New connections are accepted, and no byte is transferred on any. Received bytes wait, and are transferred with
    /// the next mode.
    Silent,
    /// Each connection is reset after so many bytes of responses.
    CutAfter(usize),
    /// Answers trickle at so many bytes a second.
    Trickle(usize),
}

/// A running TCP proxy. Dropping it closes its port and every connection. It starts with [`TcpMode::Pass`].
#[derive(Debug)]
pub struct TcpProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    _background: Background,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    mode: watch::Sender<TcpMode>,
    /// Counts the cuts: a change resets every connection.
    cuts: watch::Sender<u64>,
    accepted: AtomicUsize,
    open: AtomicUsize,
}

impl TcpProxy {
    /// Starts one in front of `target`, on a loopback port of its own.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start(target: SocketAddr) -> Result<TcpProxy> {
        TcpProxy::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), target)
    }

    /// The same at an address of the caller's choice.
    ///
    /// # Errors
    /// When it cannot listen there.
    pub fn start_at(listen: SocketAddr, target: SocketAddr) -> Result<TcpProxy> {
        let background = Background::start("tcp-proxy")?;
        let cannot = || format!("cannot listen on {listen}");
        let listener = std::net::TcpListener::bind(listen).context(cannot)?;
        listener.set_nonblocking(true).context(cannot)?;
        let address = listener.local_addr().context(cannot)?;
        let shared = Arc::new(Shared {
            target,
            mode: watch::Sender::new(TcpMode::Pass),
            cuts: watch::Sender::new(0),
            accepted: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
        });
        let task = Arc::clone(&shared);
        background.spawn(async move {
            if let Ok(listener) = TcpListener::from_std(listener) {
                accept(listener, task).await;
            }
        });
        Ok(TcpProxy {
            address,
            shared,
            _background: background,
        })
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on.
    pub fn set(&self, mode: TcpMode) {
        self.shared.mode.send_replace(mode);
    }

    /// Resets every connection that is open now.
    pub fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// How many connections were made so far, refused ones included.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((client, _address)) = listener.accept().await else {
            // Out of descriptors: others may be closed meanwhile.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        shared.accepted.fetch_add(1, Ordering::Relaxed);
        if *shared.mode.borrow() == TcpMode::Refuse {
            reset(&client);
            continue;
        }
        shared.open.fetch_add(1, Ordering::Relaxed);
        let shared = Arc::clone(&shared);
        // Before the task has its turn, so that a cut in between is not missed.
        let cuts = shared.cuts.subscribe();
        tokio::spawn(async move {
            carry(client, &shared, cuts).await;
            shared.open.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

/// The connection is reset, not closed properly, when it is dropped next.
fn reset(stream: &TcpStream) {
    // If this fails, it is closed anyway.
    let _closed_anyway = stream.set_zero_linger();
}

async fn carry(mut client: TcpStream, shared: &Shared, mut cuts: watch::Receiver<u64>) {
    let mut mode = shared.mode.subscribe();
    let connecting = async {
        // Silence starts before the server hears of the connection.
        mode.wait_for(|mode| *mode != TcpMode::Silent).await.ok()?;
        TcpStream::connect(shared.target).await.ok()
    };
    let connected = tokio::select! {
        connected = connecting => connected,
        _cut = cuts.changed() => None,
    };
    let Some(mut server) = connected else {
        return reset(&client);
    };
    let ended = {
        // Small pieces then leave at once; slower is all it is without.
        let _slower = client.set_nodelay(true).and(server.set_nodelay(true));
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let asking = carry_one_way(from_client, to_server, shared.mode.subscribe(), false);
        let answering = carry_one_way(from_server, to_client, shared.mode.subscribe(), true);
        tokio::select! {
            both = async { tokio::try_join!(asking, answering) } => both.map(|_| ()),
            _cut = cuts.changed() => Err(io::ErrorKind::ConnectionReset.into()),
        }
    };
    if ended.is_err() {
        reset(&client);
        reset(&server);
    }
}

/// Transfers until the sender has closed its direction; the other direction may continue.
async fn carry_one_way(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut mode: watch::Receiver<TcpMode>,
    is_answer: bool,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    let mut carried = 0;
    let gone = || io::Error::from(io::ErrorKind::ConnectionReset);
    loop {
        let now = *mode.borrow_and_update();
        let (most, pause) = match now {
            TcpMode::Silent => {
                mode.changed().await.map_err(|_| gone())?;
                continue;
            }
            TcpMode::CutAfter(bytes) if is_answer && carried >= bytes => return Err(gone()),
            TcpMode::CutAfter(bytes) if is_answer => (bytes - carried, None),
            TcpMode::Trickle(rate) if is_answer => trickle(rate),
            _ => (BUFFER, None),
        };
        let room = buffer.get_mut(..most.min(BUFFER)).unwrap_or_default();
        let count = tokio::select! {
            changed = mode.changed() => {
                changed.map_err(|_| gone())?;
                continue;
            }
            count = from.read(room) => count?,
        };
        if count == 0 {
            return to.shutdown().await;
        }
        // The mode may have changed while the bytes were in transit.
        if *mode.borrow() == TcpMode::Silent {
            mode.wait_for(|mode| *mode != TcpMode::Silent)
                .await
                .map_err(|_| gone())?;
        }
        to.write_all(room.get(..count).unwrap_or_default()).await?;
        carried += count;
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
    }
}

/// How many bytes at once, and how long until the next ones.
fn trickle(bytes_per_second: usize) -> (usize, Option<Duration>) {
    let rate = bytes_per_second.max(1);
    let at_once = (rate / TRICKLES_PER_SECOND).max(1);
    let pause = Duration::from_secs_f64(at_once as f64 / rate as f64);
    (at_once, Some(pause))
}
