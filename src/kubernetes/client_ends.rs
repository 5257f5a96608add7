//! When client certificates and client secrets expire, for the metrics.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::api::{ExpiryStatus, OAuthClientStatus};
use crate::engine::Key;
use crate::lock::lock;
use crate::metrics::{ClientExpiry, CredentialState};
use crate::time::Time;

/// The expiries of resources that have any.
#[derive(Default)]
pub(crate) struct ClientEnds(pub(super) Mutex<HashMap<Key, Ends>>);

#[derive(Clone, Copy, Default, PartialEq)]
pub(crate) struct Ends {
    pub(super) certificate: Option<End>,
    pub(super) secret: Option<End>,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) struct End {
    pub(super) state: CredentialState,
    pub(super) expires: Option<Time>,
}

impl End {
    pub(super) fn of(status: &ExpiryStatus) -> End {
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
    /// Stores the content of a status from a watch.
    pub(crate) fn note(&self, key: &Key, status: Option<&OAuthClientStatus>) {
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

    /// Removes a resource that is gone.
    pub(crate) fn forget(&self, key: &Key) {
        lock(&self.0).remove(key);
    }

    pub(super) fn list(&self) -> Vec<ClientExpiry> {
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
