//! The guarded resolver: the addresses that leave it are the ones that are dialled.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::{AddressKind, AddressRules};

/// How a host name becomes addresses. Ports in the result do not matter.
pub type Lookup =
    Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// The system's way: `getaddrinfo`.
pub(super) fn system() -> Lookup {
    Arc::new(|name: String| {
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) })
    })
}

/// Looks names up and checks every address of the answer. One that is refused refuses them all: a name that points to a
/// metadata service as well as to a provider is not to be trusted with credentials, and which address is dialled must
/// not depend on chance.
pub(super) struct Guarded {
    pub(super) lookup: Lookup,
    pub(super) rules: Arc<AddressRules>,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let found = (self.lookup)(name.as_str().to_owned());
        let rules = Arc::clone(&self.rules);
        Box::pin(async move {
            let addresses = found.await.map_err(|_| Unresolved::NotFound)?;
            if addresses.is_empty() {
                return Err(Unresolved::NotFound.into());
            }
            for address in &addresses {
                let address = address.ip();
                rules
                    .check(address)
                    .map_err(|kind| Unresolved::Refused { address, kind })?;
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Why a name gave no address; found again in the chain of causes of a failed request.
#[derive(Debug)]
pub(super) enum Unresolved {
    /// The name has no address, or nobody could be asked.
    NotFound,
    /// It has one that may not be dialled.
    Refused {
        /// That address.
        address: IpAddr,
        /// Why.
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
