//! Observes a resource for a test: objects in the file first, then those in the cluster, read with the user's
//! permissions.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Secret as ApiSecret, ServiceAccount};

use crate::api::spec::OAuthClient;
use crate::api::{Validated, validate};
use crate::clock::Clock;
use crate::engine::Key;
use crate::http::CaBundle;
use crate::local::Manifests;
use crate::model::{
    AccountSeen, CaSeen, CertificateSeen, FamilySeen, Found, Life, Memory, Observed, Owner,
    Reference, Resource, Rules, SecretSeen,
};
use crate::oauth::TokensInHand;
use crate::plugin::cluster::{CLIENTS, CONFIG_MAPS, Cluster, SECRETS};
use crate::plugin::problem::Problem;
use crate::policy::{account_tokens, lenders_to_see};
use crate::reconcile::certificate_seen;
use crate::secret::Secret;
use crate::{inputs, references};

/// Where to look for objects.
pub(super) struct Places {
    manifests: Manifests,
    cluster: Option<Cluster>,
    /// The namespace of the manifest.
    namespace: String,
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
            namespace: key.namespace().to_owned(),
            manifests,
        }
    }

    async fn secret(&self, name: &str) -> Result<Option<SecretSeen>, Problem> {
        if let Some(found) = self.manifests.secret(&self.namespace, name) {
            return Ok(Some(SecretSeen {
                labels: found.labels.clone(),
                annotations: found.annotations.clone(),
                data: found.data.clone(),
                ..named(name)
            }));
        }
        let Some(cluster) = &self.cluster else {
            return Ok(None);
        };
        let secret: Option<ApiSecret> = cluster.get(SECRETS, name).await?;
        Ok(secret.map(|secret| seen(name, secret)))
    }

    async fn ca(&self, spec: &Validated) -> Result<CaSeen, Problem> {
        let Some(bundle) = &spec.ca_bundle else {
            return Ok(CaSeen::NotNamed);
        };
        if let Some(bytes) = self
            .manifests
            .config_map(&self.namespace, &bundle.name, &bundle.key)
        {
            return Ok(pem(bytes));
        }
        let Some(cluster) = &self.cluster else {
            return Ok(CaSeen::Missing);
        };
        let map: Option<ConfigMap> = cluster.get(CONFIG_MAPS, &bundle.name).await?;
        Ok(match map {
            None => CaSeen::Missing,
            Some(map) => {
                let text = map.data.as_ref().and_then(|data| data.get(&bundle.key));
                let bytes = map
                    .binary_data
                    .as_ref()
                    .and_then(|data| data.get(&bundle.key));
                match text
                    .map(String::as_bytes)
                    .or(bytes.map(|bytes| bytes.0.as_slice()))
                {
                    Some(bytes) => pem(bytes),
                    None => CaSeen::KeyMissing,
                }
            }
        })
    }

    /// The resource of the same file that publishes its token in the credentials Secret of this one.
    fn publisher(&self, client: &OAuthClient) -> Option<String> {
        let secret = &client.spec.credentials.as_ref()?.secret_name;
        let keys = self.manifests.keys();
        let mut others = keys.iter().filter(|key| {
            key.namespace() == self.namespace && client.metadata.name.as_deref() != Some(key.name())
        });
        let found = others.find(|key| {
            let other = self.manifests.client(Some(key.namespace()), key.name());
            other.is_ok_and(|(_, other)| references::publishes_credentials(&other.spec, secret))
        });
        found.map(|key| key.name().to_owned())
    }

    async fn references(&self, client: &OAuthClient) -> Result<Vec<Reference>, Problem> {
        let mut all = Vec::new();
        for name in references::named(&client.spec) {
            let other: Option<OAuthClient> = match &self.cluster {
                Some(cluster) => cluster.get(CLIENTS, name).await?,
                None => None,
            };
            let found = match other {
                None => None,
                Some(other) => {
                    let secret_name = other.spec.token_secret.name.clone();
                    Some(Found {
                        uid: other.metadata.uid.clone().unwrap_or_default(),
                        secret: self.secret(&secret_name).await?,
                        secret_name,
                    })
                }
            };
            all.push(Reference {
                name: name.to_owned(),
                found,
            });
        }
        Ok(all)
    }

    /// Observes everything about a resource, as if it were new.
    pub(super) async fn observe(
        &self,
        client: &OAuthClient,
        rules: Rules,
        clock: &Clock,
    ) -> Result<Observed, Problem> {
        let spec = validate(client);
        let (mut certificate, mut ca, mut credentials) =
            (CertificateSeen::NotNamed, CaSeen::NotNamed, None);
        if let Ok(spec) = &spec {
            if !account_tokens(spec).is_empty() {
                return Err(Problem::new(
                    "only the operator makes tokens of ServiceAccounts, so this resource cannot be tested from here: apply it, then look at its status",
                ));
            }
            if let Some(name) = &spec.credentials_secret {
                credentials = self.secret(name).await?;
            }
            if let Some(own) = &spec.client_certificate {
                certificate = certificate_seen(self.secret(&own.secret).await?);
            }
            ca = self.ca(spec).await?;
        }
        let lent = spec
            .as_ref()
            .is_ok_and(|spec| spec.credentials_secret.is_none())
            || credentials.is_some();
        let mut seen = Observed {
            now: clock.now(),
            resource: Resource {
                namespace: self.namespace.clone(),
                name: client.metadata.name.clone().unwrap_or_default(),
                uid: client.metadata.uid.clone().unwrap_or_default(),
                generation: 1,
                deleting: false,
                life: Life::default(),
                inputs: spec
                    .as_ref()
                    .map(|spec| inputs::of(spec).whole().to_owned())
                    .unwrap_or_default(),
                refresh_request: None,
                status: client.status.clone().unwrap_or_default(),
                spec,
            },
            target: None,
            stale_secrets: Vec::new(),
            credentials_publisher: match &credentials {
                None => self.publisher(client),
                Some(_) => None,
            },
            credentials,
            certificate,
            references: self.references(client).await?,
            lender_secrets: Vec::new(),
            cycle: None,
            accounts: BTreeMap::new(),
            made: TokensInHand::default(),
            ca,
            // There is no earlier state to compare with.
            content: lent.then_some(1),
            next_content: None,
            memory: Memory::default(),
            chain: FamilySeen::default(),
            may_request: true,
            rules,
            nonce: clock.nonce(),
        };
        self.lenders(&mut seen).await?;
        Ok(seen)
    }

    /// The lenders of the tokens of other resources: their owners decide where those tokens may be sent.
    async fn lenders(&self, seen: &mut Observed) -> Result<(), Problem> {
        let (secrets, accounts) = lenders_to_see(seen);
        for name in secrets {
            let found = self.secret(&name).await?;
            seen.lender_secrets.extend(found);
        }
        for name in accounts {
            let found: Option<ServiceAccount> = match &self.cluster {
                Some(cluster) => cluster.get("serviceaccounts", &name).await?,
                None => None,
            };
            let account = match found {
                Some(account) => AccountSeen::There {
                    uid: account.metadata.uid.unwrap_or_default(),
                    annotations: account.metadata.annotations.unwrap_or_default(),
                },
                None => AccountSeen::Missing,
            };
            seen.accounts.insert(name, account);
        }
        Ok(())
    }
}

fn pem(bytes: &[u8]) -> CaSeen {
    match (CaBundle::from_pem(bytes), std::str::from_utf8(bytes)) {
        (Ok(_), Ok(text)) => CaSeen::Pem(text.to_owned()),
        (Err(problem), _) => CaSeen::Broken(problem.to_string()),
        (_, Err(_)) => CaSeen::Broken("it is not text".to_owned()),
    }
}

/// An empty Secret of that name.
pub(super) fn named(name: &str) -> SecretSeen {
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

fn seen(name: &str, secret: ApiSecret) -> SecretSeen {
    let owners = secret.metadata.owner_references.unwrap_or_default();
    SecretSeen {
        uid: secret.metadata.uid.unwrap_or_default(),
        resource_version: secret.metadata.resource_version.unwrap_or_default(),
        labels: secret.metadata.labels.unwrap_or_default(),
        annotations: secret.metadata.annotations.unwrap_or_default(),
        data: secret
            .data
            .unwrap_or_default()
            .into_iter()
            .map(|(key, value)| (key, Secret::new(value.0)))
            .collect(),
        owners: owners
            .into_iter()
            .map(|owner| Owner {
                api_version: owner.api_version,
                kind: owner.kind,
                name: owner.name,
                uid: owner.uid,
                controller: owner.controller.unwrap_or(false),
            })
            .collect(),
        ..named(name)
    }
}
