//! When client certificates and client secrets expire, as the statuses report it: for the metrics.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::api::{ExpiryStatus, OAuthClientStatus};
use crate::engine::Key;
use crate::metrics::{ClientExpiry, CredentialState};
use crate::time::Time;

use super::shared::{Shared, lock};

/// The expiries of those resources that have any.
#[derive(Default)]
pub(super) struct ClientEnds(Mutex<HashMap<Key, Ends>>);

#[derive(Clone, Copy, Default, PartialEq)]
struct Ends {
    certificate: Option<End>,
    secret: Option<End>,
}

#[derive(Clone, Copy, PartialEq)]
struct End {
    state: CredentialState,
    expires: Option<Time>,
}

impl End {
    fn of(status: &ExpiryStatus) -> End {
        let expires = status.expiration_time.as_deref();
        End {
            state: match status.state.as_str() {
                "Valid" => CredentialState::Valid,
                "ExpiresSoon" => CredentialState::ExpiresSoon,
                "Expired" => CredentialState::Expired,
                _ => CredentialState::Unknown,
            },
            expires: expires.and_then(Time::parse_rfc3339),
        }
    }
}

impl ClientEnds {
    /// Takes in what a status says, as a watch brought it.
    pub(super) fn note(&self, key: &Key, status: Option<&OAuthClientStatus>) {
        let ends = status.map_or_else(Ends::default, |status| Ends {
            certificate: status.client_certificate.as_ref().map(End::of),
            secret: status.client_secret.as_ref().map(End::of),
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
        let one = |key: &Key, kind, end: End| ClientExpiry {
            namespace: key.namespace().to_owned(),
            name: key.name().to_owned(),
            kind,
            state: end.state,
            expires: end.expires,
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

/// Exposes them to the metrics.
pub(super) fn expose(shared: &Arc<Shared>) {
    let weak = Arc::downgrade(shared);
    shared.metrics.expose_clients(move || {
        weak.upgrade()
            .map_or_else(Vec::new, |shared| shared.client_ends.list())
    });
}
