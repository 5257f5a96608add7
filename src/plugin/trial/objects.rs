//! The objects of a test: those in the file first, then those in the cluster, read with the user's permissions.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Secret as ApiSecret, ServiceAccount};

use crate::api::spec::OAuthClient;
use crate::engine::Key;
use crate::kubernetes::{config_map_read, secret_seen};
use crate::local::Manifests;
use crate::model::{AccountSeen, SecretSeen};
use crate::plugin::cluster::{CLIENTS, CONFIG_MAPS, Cluster, SECRETS};
use crate::plugin::problem::Problem;
use crate::reconcile::ConfigMapRead;
use crate::references;

/// Where to look for objects.
pub(super) struct Places {
    manifests: Manifests,
    cluster: Option<Cluster>,
}

impl Places {
    pub(super) fn new(
        manifests: Manifests,
        cluster: Option<Cluster>,
        namespace: Option<&str>,
        key: &Key,
    ) -> Places {
        // A manifest without a namespace belongs to the namespace that kubectl would use.
        let named = key.namespace() != "default" && namespace.is_none();
        Places {
            cluster: cluster.map(|cluster| match named {
                true => cluster.within(key.namespace()),
                false => cluster,
            }),
            manifests,
        }
    }

    pub(super) async fn client(&self, key: &Key) -> Result<Option<OAuthClient>, Problem> {
        match &self.cluster {
            Some(cluster) => cluster.get(CLIENTS, key.name()).await,
            None => Ok(None),
        }
    }

    pub(super) async fn secret(&self, key: &Key) -> Result<Option<SecretSeen>, Problem> {
        if let Some(found) = self.manifests.secret(key.namespace(), key.name()) {
            return Ok(Some(SecretSeen {
                labels: found.labels.clone(),
                annotations: found.annotations.clone(),
                data: found.data.clone(),
                ..new_secret(key.name())
            }));
        }
        let Some(cluster) = &self.cluster else {
            return Ok(None);
        };
        let secret: Option<ApiSecret> = cluster.get(SECRETS, key.name()).await?;
        Ok(secret.map(secret_seen))
    }

    pub(super) async fn config_map(
        &self,
        key: &Key,
        data_key: &str,
    ) -> Result<ConfigMapRead, Problem> {
        let (namespace, name) = (key.namespace(), key.name());
        if let Some(bytes) = self.manifests.config_map(namespace, name, data_key) {
            return Ok(ConfigMapRead::Value(bytes.to_vec()));
        }
        let Some(cluster) = &self.cluster else {
            return Ok(ConfigMapRead::Missing);
        };
        let map: Option<ConfigMap> = cluster.get(CONFIG_MAPS, name).await?;
        Ok(config_map_read(map, data_key))
    }

    pub(super) async fn account(&self, name: &str) -> Result<AccountSeen, Problem> {
        let found: Option<ServiceAccount> = match &self.cluster {
            Some(cluster) => cluster.get("serviceaccounts", name).await?,
            None => None,
        };
        Ok(match found {
            Some(account) => AccountSeen::There {
                uid: account.metadata.uid.unwrap_or_default(),
                annotations: account.metadata.annotations.unwrap_or_default(),
            },
            None => AccountSeen::Missing,
        })
    }

    /// The resource of the same file that publishes its token in this Secret for others to use as credentials.
    pub(super) fn publisher(&self, key: &Key, secret: &str) -> Option<String> {
        let keys = self.manifests.keys();
        let mut others = keys
            .iter()
            .filter(|other| other.namespace() == key.namespace() && other.name() != key.name());
        let found = others.find(|key| {
            let other = self.manifests.client(Some(key.namespace()), key.name());
            other.is_ok_and(|(_, other)| references::publishes_credentials(&other.spec, secret))
        });
        found.map(|key| key.name().to_owned())
    }
}

/// An empty Secret of that name.
pub(super) fn new_secret(name: &str) -> SecretSeen {
    SecretSeen {
        name: name.to_owned(),
        uid: "test".to_owned(),
        resource_version: "1".to_owned(),
        type_: "Opaque".to_owned(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        data: BTreeMap::new(),
        immutable: false,
        deleting: false,
        owners: Vec::new(),
    }
}
