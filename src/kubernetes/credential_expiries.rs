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
pub(crate) struct CredentialExpiries(pub(super) Mutex<HashMap<Key, ResourceExpiries>>);

#[derive(Clone, Copy, Default, PartialEq)]
pub(crate) struct ResourceExpiries {
    pub(super) certificate: Option<CredentialExpiry>,
    pub(super) secret: Option<CredentialExpiry>,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) struct CredentialExpiry {
    pub(super) state: CredentialState,
    pub(super) expires: Option<Time>,
}

impl CredentialExpiry {
    pub(super) fn of(status: &ExpiryStatus) -> CredentialExpiry {
        let expires = status.expiration_time.as_deref();
        CredentialExpiry {
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

impl CredentialExpiries {
    /// Stores the content of a status from a watch.
    pub(crate) fn note(&self, key: &Key, status: Option<&OAuthClientStatus>) {
        let expiries = status.map_or_else(ResourceExpiries::default, |status| ResourceExpiries {
            certificate: status.client_certificate.as_ref().map(CredentialExpiry::of),
            secret: status.client_secret.as_ref().map(CredentialExpiry::of),
        });
        let mut all = lock(&self.0);
        if expiries == ResourceExpiries::default() {
            all.remove(key);
        } else {
            all.insert(key.clone(), expiries);
        }
    }

    /// Removes a resource that is gone.
    pub(crate) fn forget(&self, key: &Key) {
        lock(&self.0).remove(key);
    }

    pub(super) fn list(&self) -> Vec<ClientExpiry> {
        let one = |key: &Key, kind, expiry: CredentialExpiry| ClientExpiry {
            namespace: key.namespace().to_owned(),
            name: key.name().to_owned(),
            kind,
            state: expiry.state,
            expires: expiry.expires,
        };
        let all = lock(&self.0);
        all.iter()
            .flat_map(|(key, expiries)| {
                let certificate = expiries
                    .certificate
                    .map(|expiry| one(key, "certificate", expiry));
                let secret = expiries.secret.map(|expiry| one(key, "secret", expiry));
                certificate.into_iter().chain(secret)
            })
            .collect()
    }
}
