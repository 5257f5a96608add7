//! Which of two client secrets.

use crate::model::Validated;
use crate::oauth::CredentialKeys;

/// One of the two client secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientSecret {
    /// The one under `credentials.keys.clientSecret`.
    Current,
    /// The one under `credentials.keys.nextClientSecret`.
    Next,
}

impl ClientSecret {
    /// The key that contains it.
    pub fn key(self, keys: &CredentialKeys) -> &String {
        match self {
            ClientSecret::Current => &keys.client_secret,
            ClientSecret::Next => &keys.next_client_secret,
        }
    }

    /// The other of the two.
    pub fn other(self) -> ClientSecret {
        match self {
            ClientSecret::Current => ClientSecret::Next,
            ClientSecret::Next => ClientSecret::Current,
        }
    }

    /// Its key in stored form, if it is the second one.
    pub fn stored_key(self, spec: &Validated) -> Option<String> {
        (self == ClientSecret::Next).then(|| self.key(&spec.client.keys).clone())
    }
}
