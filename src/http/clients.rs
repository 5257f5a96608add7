//! HTTP clients, one for each CA bundle and client certificate: a connection that was verified with one resource's
//! bundle, or authenticated with its certificate, is never used for others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use rustls::RootCertStore;

use crate::lock::lock;

use super::SendError;
use super::address::AddressRules;
use super::identity::ClientIdentity;
use super::resolve::{Lookup, Resolver};
use super::tls::{self, CaBundle};
use super::transport::Client;

/// The maximum number of clients. Each holds a copy of the trusted certificates (about 100 kB) and idle connections.
/// The least recently used one is dropped first; its requests in flight continue.
const MAX_CLIENTS: usize = 32;
/// What distinguishes clients.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Kind {
    bundle: Option<[u8; 32]>,
    identity: Option<[u8; 32]>,
    through_proxy: bool,
}

struct CachedClient {
    client: Client,
    last_used: u64,
}

#[derive(Default)]
struct Cache {
    cached: HashMap<Kind, CachedClient>,
    uses: u64,
}

/// Builds clients when they are first needed, and caches them.
pub(super) struct Clients {
    pub(super) rules: Arc<AddressRules>,
    pub(super) lookup: Lookup,
    pub(super) proxy: Arc<Matcher>,
    pub(super) connect_timeout: Duration,
    pub(super) roots: Arc<RootCertStore>,
    cache: Mutex<Cache>,
}

impl Clients {
    pub(super) fn new(
        rules: Arc<AddressRules>,
        lookup: Lookup,
        proxy: Arc<Matcher>,
        connect_timeout: Duration,
        roots: RootCertStore,
    ) -> Self {
        Clients {
            rules,
            lookup,
            proxy,
            connect_timeout,
            roots: Arc::new(roots),
            cache: Mutex::default(),
        }
    }

    /// The client for a bundle and a client certificate, through the proxy or not.
    pub(super) fn get(
        &self,
        bundle: Option<&CaBundle>,
        identity: Option<&ClientIdentity>,
        through_proxy: bool,
    ) -> Result<Client, SendError> {
        let kind = Kind {
            bundle: bundle.map(CaBundle::digest),
            identity: identity.map(ClientIdentity::digest),
            through_proxy,
        };
        if let Some(client) = self.find(kind) {
            return Ok(client);
        }
        // Built outside of the lock. If two threads build at once, the second client replaces the first.
        let client = self.build(bundle, identity, through_proxy)?;
        self.keep(kind, client.clone());
        Ok(client)
    }

    fn find(&self, kind: Kind) -> Option<Client> {
        let mut cache = lock(&self.cache);
        cache.uses += 1;
        let uses = cache.uses;
        let cached = cache.cached.get_mut(&kind)?;
        cached.last_used = uses;
        Some(cached.client.clone())
    }

    fn keep(&self, kind: Kind, client: Client) {
        let mut cache = lock(&self.cache);
        if cache.cached.len() >= MAX_CLIENTS {
            let oldest = cache
                .cached
                .iter()
                .min_by_key(|(_, cached)| cached.last_used)
                .map(|(kind, _)| *kind);
            if let Some(oldest) = oldest {
                cache.cached.remove(&oldest);
            }
        }
        let last_used = cache.uses;
        cache
            .cached
            .insert(kind, CachedClient { client, last_used });
    }

    fn build(
        &self,
        bundle: Option<&CaBundle>,
        identity: Option<&ClientIdentity>,
        through_proxy: bool,
    ) -> Result<Client, SendError> {
        let tls = tls::config(&self.roots, bundle, identity).map_err(|_| SendError::Setup)?;
        // Only the proxy is dialled then, and the administrator chose it: no address check.
        let rules = (!through_proxy).then(|| Arc::clone(&self.rules));
        let resolver = Resolver {
            lookup: Arc::clone(&self.lookup),
            rules,
        };
        let proxy = through_proxy.then(|| Arc::clone(&self.proxy));
        Ok(Client::new(tls, resolver, proxy, self.connect_timeout))
    }
}
