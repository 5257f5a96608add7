//! Which client secret a login sends, if the credentials contain two.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::oauth::Client;
use crate::plugin::target::Target;

/// Which client secret is sent, if the credentials contain two.
pub(crate) struct SecretChoice {
    pub(super) there_are_two: bool,
    /// Whether it is the one under `credentials.keys.nextClientSecret`.
    pub(super) is_next: AtomicBool,
}

impl SecretChoice {
    /// The one that last worked for the operator goes first.
    pub(crate) fn first(target: &Target, client: &Client) -> SecretChoice {
        let keys = &client.keys;
        let there_are_two = client.uses_client_secret()
            && keys.next_client_secret != keys.client_secret
            && target.credentials.get(&keys.next_client_secret).is_some();
        let status = target.resource.status.as_ref();
        let works = status.and_then(|status| status.client_secret_key.as_ref());
        SecretChoice {
            there_are_two,
            is_next: AtomicBool::new(there_are_two && works == Some(&keys.next_client_secret)),
        }
    }

    pub(super) fn client(&self, client: &Client) -> Client {
        let mut client = client.clone();
        if self.is_next.load(Ordering::Relaxed) {
            client.keys.client_secret = client.keys.next_client_secret.clone();
        }
        client
    }

    /// Switches to the other secret; `false` if there is none.
    pub(super) fn switch(&self) -> bool {
        self.there_are_two && {
            self.is_next.fetch_xor(true, Ordering::Relaxed);
            true
        }
    }
}
