//! Stores the refresh token: in the Secret `NAME-login`, or as a manifest in a folder.
//!
//! The Secret has no owner. The consent of a person survives a resource that deployment tools delete and recreate; a
//! person deletes it.

use std::collections::BTreeMap;

use crate::local::Manifests;
use crate::names::{ALLOWED_HOSTS_ANNOTATION, CREDENTIALS_LABEL};
use crate::plugin::cluster::Cluster;
use crate::plugin::folder;
use crate::plugin::login::consent::{Consent, OVERWRITE, secret_name};
use crate::plugin::new_secret::{self, LOGIN_LABEL, NewSecret};
use crate::plugin::problem::Problem;
use crate::secret::Secret;

use super::provider::Provider;

/// When the login took place, for people.
pub(crate) const LOGGED_IN: &str = "oauthclient.dev/logged-in-at";

/// A cluster or a folder.
pub(super) enum Place {
    Cluster(Cluster),
    Folder(Box<Manifests>),
}

/// What was stored, and where.
pub(super) struct StoredLogin {
    /// The place, as text.
    pub(super) place: String,
    pub(super) in_folder: bool,
}

impl Place {
    /// Checks whether it can be written, before the user is asked for anything.
    pub(super) async fn prove(&self, provider: &Provider) -> Result<(), Problem> {
        let new_secret = new_secret(provider, "tried".into());
        match self {
            Place::Cluster(cluster) => new_secret::put(cluster, &new_secret, true)
                .await
                .map(|_| ()),
            Place::Folder(manifests) => folder::file_for(manifests, &new_secret).map(|_| ()),
        }
    }

    /// Writes it.
    pub(super) async fn keep(
        &self,
        provider: &Provider,
        consent: Consent,
    ) -> Result<StoredLogin, Problem> {
        let new_secret = new_secret(provider, consent.refresh_token);
        match self {
            Place::Cluster(cluster) => {
                new_secret::put_for_sure(cluster, &new_secret).await.map_err(|problem| {
                    Problem::new(format!(
                        "you are logged in at the provider, but the refresh token could not be stored and is lost: {}. Then log in again",
                        problem.message
                    ))
                })?;
                Ok(StoredLogin {
                    place: format!("Secret {}/{}", new_secret.namespace, new_secret.name),
                    in_folder: false,
                })
            }
            Place::Folder(manifests) => {
                let file = folder::file_for(manifests, &new_secret)?;
                folder::put(manifests, &file, &new_secret)?;
                Ok(StoredLogin {
                    place: file.display().to_string(),
                    in_folder: true,
                })
            }
        }
    }
}

fn new_secret(provider: &Provider, refresh_token: Secret) -> NewSecret {
    let target = &provider.target;
    let label = |name: &str| (name.to_owned(), "true".to_owned());
    let annotations = [
        (
            ALLOWED_HOSTS_ANNOTATION.to_owned(),
            provider.allowed_hosts(),
        ),
        (LOGGED_IN.to_owned(), provider.clock.now().rfc3339()),
    ];
    let data: BTreeMap<String, Secret> = [
        ("refresh_token".to_owned(), refresh_token),
        (
            "client_id".to_owned(),
            Secret::from(provider.client_id.as_str()),
        ),
    ]
    .into();
    NewSecret {
        namespace: target.namespace.clone(),
        name: secret_name(&target.name),
        labels: [label(CREDENTIALS_LABEL), label(LOGIN_LABEL)].into(),
        annotations: annotations.into(),
        data,
        overwrite: OVERWRITE,
    }
}
