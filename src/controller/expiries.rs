//! When client certificates and client secrets end, as the statuses tell it: for the metrics.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::api::{ExpiryStatus, OAuthClientStatus};
use crate::engine::Key;
use crate::metrics::ClientExpiry;
use crate::time::Time;

use super::shared::{Shared, lock};

/// The ends of those resources that have any.
#[derive(Default)]
pub(super) struct ClientEnds(Mutex<HashMap<Key, Ends>>);

#[derive(Clone, Copy, Default, PartialEq)]
struct Ends {
    certificate: Option<Time>,
    secret: Option<Time>,
}

impl ClientEnds {
    /// Takes in what a status tells, as a watch brought it.
    pub(super) fn note(&self, key: &Key, status: Option<&OAuthClientStatus>) {
        let end =
            |told: Option<&ExpiryStatus>| Time::parse_rfc3339(told?.expiration_time.as_deref()?);
        let ends = status.map_or_else(Ends::default, |status| Ends {
            certificate: end(status.client_certificate.as_ref()),
            secret: end(status.client_secret.as_ref()),
        });
        let mut all = lock(&self.0);
        if ends == Ends::default() {
            all.remove(key);
        } else {
            all.insert(key.clone(), ends);
        }
    }

    /// Forgets a resource that is gone.
    pub(super) fn forget(&self, key: &Key) {
        lock(&self.0).remove(key);
    }

    fn list(&self) -> Vec<ClientExpiry> {
        let one = |key: &Key, kind, expires| ClientExpiry {
            namespace: key.namespace().to_owned(),
            name: key.name().to_owned(),
            kind,
            expires,
        };
        let all = lock(&self.0);
        all.iter()
            .flat_map(|(key, ends)| {
                let certificate = ends.certificate.map(|end| one(key, "certificate", end));
                let secret = ends.secret.map(|end| one(key, "secret", end));
                certificate.into_iter().chain(secret)
            })
            .collect()
    }
}

/// Shows them to the metrics.
pub(super) fn expose(shared: &Arc<Shared>) {
    let weak = Arc::downgrade(shared);
    shared.metrics.expose_clients(move || {
        weak.upgrade()
            .map_or_else(Vec::new, |shared| shared.client_ends.list())
    });
}
