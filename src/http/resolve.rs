//! The guarded resolver: only addresses that it returns are dialled.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use hyper_util::client::legacy::connect::dns::Name;
use tokio::time::timeout;
use tower_service::Service;

use super::address::{AddressKind, AddressRules};
use crate::fair::FairSemaphore;
use crate::tenant;

/// Resolves a host name to addresses. Ports in the result are ignored.
pub type Lookup =
    Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// The system's resolver: `getaddrinfo`.
pub(super) fn system() -> Lookup {
    Arc::new(|name: String| {
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) })
    })
}

/// The maximum number of concurrent look-ups. The system uses a thread for each, which may take long and cannot be
/// stopped. Without a limit, names that never resolve would use up all threads.
const LOOKUPS: usize = 64;
/// The deadline of a look-up, including the wait for a thread. Connecting has a shorter deadline.
const DEADLINE: Duration = Duration::from_secs(30);

/// Limits a look-up to [`LOOKUPS`] at once, shared fairly between namespaces.
///
/// The system's resolver is used, because only it knows search domains, `/etc/hosts` and the cluster's configuration.
pub(super) fn bounded(lookup: Lookup) -> (Lookup, FairSemaphore) {
    let places = FairSemaphore::new(LOOKUPS);
    let shared = places.clone();
    let bounded: Lookup = Arc::new(move |name| {
        let (lookup, places, tenant) = (Arc::clone(&lookup), places.clone(), tenant::current());
        let found = async move {
            let place = places.take(&tenant, 1).await;
            // In a task of its own: the thread continues and counts until it is done, even if nobody waits for the
            // result.
            let looking = tokio::spawn(async move {
                let found = lookup(name).await;
                drop(place);
                found
            });
            looking.await.map_err(io::Error::other)?
        };
        Box::pin(async move {
            let found = timeout(DEADLINE, found).await;
            found.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        })
    });
    (bounded, shared)
}

/// Resolves names and checks all addresses. If one address is refused, all are: a name that points to a metadata
/// service as well as to a provider cannot be trusted with credentials, and the dialled address must not depend on
/// chance.
#[derive(Clone)]
pub(super) struct Resolver {
    pub(super) lookup: Lookup,
    /// `None`: no address is refused.
    pub(super) rules: Option<Arc<AddressRules>>,
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Unresolved;
    type Future = BoxFuture<'static, Result<Self::Response, Unresolved>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unresolved>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let found = (self.lookup)(name.as_str().to_owned());
        let rules = self.rules.clone();
        Box::pin(async move {
            let addresses = found.await.map_err(|_| Unresolved::NotFound)?;
            if addresses.is_empty() {
                return Err(Unresolved::NotFound);
            }
            for address in addresses.iter().map(SocketAddr::ip) {
                let Some(rules) = &rules else { break };
                rules
                    .check(address)
                    .map_err(|kind| Unresolved::Refused { address, kind })?;
            }
            Ok(addresses.into_iter())
        })
    }
}

/// Why a name gave no address. The chain of causes of a failed request contains it.
#[derive(Debug)]
pub(super) enum Unresolved {
    /// The name has no address, or the look-up failed.
    NotFound,
    /// One of its addresses may not be dialled.
    Refused {
        /// That address.
        address: IpAddr,
        /// Its kind.
        kind: AddressKind,
    },
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unresolved::NotFound => f.write_str("the name could not be resolved"),
            Unresolved::Refused { address, kind } => write!(f, "{address} is {kind}"),
        }
    }
}

impl std::error::Error for Unresolved {}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Names that start with `slow` are never resolved.
    fn lookup(running: &Arc<AtomicUsize>) -> Lookup {
        let running = Arc::clone(running);
        Arc::new(move |name: String| {
            let running = Arc::clone(&running);
            Box::pin(async move {
                running.fetch_add(1, Ordering::SeqCst);
                if name.starts_with("slow") {
                    std::future::pending::<()>().await;
                }
                Ok(vec![SocketAddr::from(([192, 0, 2, 1], 0))])
            })
        })
    }

    #[tokio::test]
    async fn names_that_never_resolve_take_no_more_than_their_part() {
        let running = Arc::default();
        let (lookup, places) = bounded(lookup(&running));
        let ask = |namespace: &str, name: String| {
            let lookup = Arc::clone(&lookup);
            let namespace = namespace.to_owned();
            tokio::spawn(
                async move { tenant::serve(&namespace, async { lookup(name).await }).await },
            )
        };
        let slow: Vec<_> = (0..600)
            .map(|number| ask("slow", format!("slow-{number}")))
            .collect();
        while places.usage().1 < 552 || running.load(Ordering::SeqCst) < 48 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(running.load(Ordering::SeqCst), 48);
        assert_eq!(places.usage(), (48, 552));
        let found = ask("other", "auth.example".to_owned());
        let found = timeout(Duration::from_secs(60), found).await;
        assert!(
            found.unwrap().unwrap().is_ok(),
            "another namespace does not wait"
        );
        // The caller no longer waits, but a busy thread stays counted.
        for one in slow {
            one.abort();
        }
        while places.usage().1 > 0 {
            // The next caller removes those that stopped waiting.
            let found = ask("other", "auth.example".to_owned()).await;
            assert!(found.unwrap().is_ok());
        }
        assert_eq!(places.usage().0, 48);
    }
}
