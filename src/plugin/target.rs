//! The resource of a login: its spec, its credentials, its CA; from a cluster or from a folder of manifests.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Secret as ApiSecret};
use url::Url;

use crate::api::spec::{Login, OAuthClient};
use crate::api::{Validated, validate};
use crate::command::{Command, printable};
use crate::http::{CaBundle, ClientIdentity};
use crate::local::Manifests;
use crate::names::{ALLOWED_HOSTS_ANNOTATION, CREDENTIALS_LABEL, TOKEN_LABEL};
use crate::oauth::request::single_line;
use crate::oauth::{Credentials, dpop};
use crate::plugin::problem::Problem;
use crate::policy::state_name;
use crate::secret::Secret;
use crate::trust::{AllowedHosts, Lender, LenderKind, LenderRefusal, Lenders, destination};

use super::cluster::{CLIENTS, CONFIG_MAPS, Cluster, SECRETS};

/// The inputs of a login.
pub(super) struct Target {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) resource: OAuthClient,
    pub(super) spec: Validated,
    pub(super) credentials: Credentials,
    /// The lenders of the requests of a login.
    lenders: Lenders,
    pub(super) ca: Option<CaBundle>,
    /// The client certificate (RFC 8705).
    pub(super) identity: Option<ClientIdentity>,
    /// The key that the operator generated for the resource's tokens (RFC 9449), if it has.
    generated_key: Option<Secret>,
}

/// A Secret that opted in, from a cluster or a folder.
#[derive(Default)]
struct Secrets {
    uid: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    data: BTreeMap<String, Secret>,
}

/// Everything that a resource names.
struct Named {
    credentials: Option<Secrets>,
    certificate: Option<Secrets>,
    /// The value of the CA bundle's key, if it exists.
    pem: Option<Vec<u8>>,
}

impl Target {
    /// From a cluster.
    pub(super) async fn in_cluster(cluster: &Cluster, name: &str) -> Result<Target, Problem> {
        let resource = resource(cluster, name).await?;
        let spec = checked(&resource)?;
        let certificate = spec.client_certificate.as_ref().map(|own| &own.secret);
        let named = Named {
            credentials: lender(cluster, spec.credentials_secret.as_ref()).await?,
            certificate: lender(cluster, certificate).await?,
            pem: match &spec.ca_bundle {
                None => None,
                Some(named) => {
                    let map: Option<ConfigMap> = cluster.get(CONFIG_MAPS, &named.name).await?;
                    map.and_then(|map| content(&map, &named.key))
                }
            },
        };
        let generated_key = match &spec.dpop {
            Some(_) => generated_key(cluster, &resource).await?,
            None => None,
        };
        let target = Target::new(cluster.namespace.clone(), resource, spec, named)?;
        Ok(Target {
            generated_key,
            ..target
        })
    }

    /// From a folder.
    pub(super) fn in_folder(
        manifests: &Manifests,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Target, Problem> {
        let (key, resource) = manifests.client(namespace, name).map_err(Problem::new)?;
        let spec = checked(resource)?;
        let namespace = key.namespace();
        let lender = |name: Option<&String>| {
            let found = manifests.secret(namespace, name?)?;
            Some(Secrets {
                uid: String::new(),
                labels: found.labels.clone(),
                annotations: found.annotations.clone(),
                data: found.data.clone(),
            })
        };
        let certificate = spec.client_certificate.as_ref().map(|own| &own.secret);
        let named = Named {
            credentials: lender(spec.credentials_secret.as_ref()),
            certificate: lender(certificate),
            pem: spec.ca_bundle.as_ref().and_then(|named| {
                manifests
                    .config_map(namespace, &named.name, &named.key)
                    .map(<[u8]>::to_vec)
            }),
        };
        let (namespace, resource) = (namespace.to_owned(), resource.clone());
        Target::new(namespace, resource, spec, named)
    }

    fn new(
        namespace: String,
        resource: OAuthClient,
        spec: Validated,
        named: Named,
    ) -> Result<Target, Problem> {
        let mut lenders = Lenders::none();
        let mut new_secret = |lender: Option<Secrets>, secret: &str, how: &str| {
            let Secrets {
                annotations,
                data,
                uid,
                ..
            } = opted_in(lender, secret, &namespace, how)?;
            let hosts = annotations.get(ALLOWED_HOSTS_ANNOTATION);
            let hosts = hosts.map_or_else(AllowedHosts::any, |list| AllowedHosts::parse(list));
            let own = Lender {
                kind: LenderKind::Secret,
                name: secret.to_owned(),
                audience: None,
                uid,
                token_hosts: hosts.clone(),
                hosts,
                obtained: false,
                repeated: false,
            };
            let own = Lenders::from_iter([own]);
            lenders = std::mem::take(&mut lenders).union(&own);
            Ok::<_, Problem>((data, own))
        };
        let name = resource.metadata.name.clone().unwrap_or_default();
        let (data, by) = match &spec.credentials_secret {
            Some(secret) => {
                let how = format!(
                    "spec.credentials.secretName): {}",
                    Command::kubectl(&["oauthclient", "credentials", "create"])
                        .value(secret)
                        .namespace(&namespace)
                        .fixed(&["--client-id", "ID", "--for"])
                        .value(&name)
                );
                new_secret(named.credentials, secret, &how)?
            }
            // The request needs no Secret: a public client whose id is in the resource.
            None => (BTreeMap::new(), Lenders::none()),
        };
        let identity = match &spec.client_certificate {
            None => None,
            Some(own) => {
                let (data, by) =
                    new_secret(named.certificate, &own.secret, "the client certificate)")?;
                let identity = ClientIdentity::from_secret(&data, &by).map_err(|problem| {
                    Problem::new(format!("Secret {} cannot be used: {problem}", own.secret))
                })?;
                Some(identity)
            }
        };
        let ca = match &spec.ca_bundle {
            None => None,
            Some(_) => Some(ca(&spec, &namespace, named.pem)?),
        };
        Ok(Target {
            name,
            namespace,
            credentials: Credentials::new(data, by),
            lenders,
            resource,
            spec,
            ca,
            identity,
            generated_key: None,
        })
    }

    /// The login settings of the resource.
    pub(super) fn login(&self) -> Login {
        self.resource.spec.login.clone().unwrap_or_default()
    }

    /// The client id, which every login requires.
    pub(super) fn client_id(&self) -> Result<String, Problem> {
        if let Some(id) = &self.spec.client.client_id {
            return Ok(id.clone());
        }
        let key = &self.spec.client.keys.client_id;
        let id = self.credentials.get(key).and_then(Secret::expose);
        match id.map(single_line) {
            Some(id) if !id.is_empty() && !id.chars().any(char::is_control) => Ok(id.to_owned()),
            _ => Err(Problem::new(format!(
                "Secret {} has no usable key {key}: a login needs the client id that the provider gave you, there or in spec.clientAuthentication.clientID",
                self.secret()
            ))),
        }
    }

    /// The key that the tokens of a login are bound to, where the resource asks for that: the user's own, or the one that the
    /// operator has generated.
    pub(super) fn dpop_key(&self) -> Result<Option<Secret>, Problem> {
        if self.spec.dpop.is_none() {
            return Ok(None);
        }
        let own = self.credentials.get(dpop::KEY);
        match own.or(self.generated_key.as_ref()) {
            Some(key) => Ok(Some(key.clone())),
            None => Err(Problem::new(format!(
                "the key that the tokens are to be bound to (spec.dpop) is not there yet: the operator generates it within seconds, in Secret {}. Log in again, or put a private key of your own into the credentials Secret as {}",
                state_name(&self.name),
                dpop::KEY
            ))),
        }
    }

    fn secret(&self) -> &str {
        self.spec.credentials_secret.as_deref().unwrap_or_default()
    }

    /// What is obtained at an endpoint may be sent there: with the path, where the owners of the credentials name one.
    pub(super) fn narrowest(&self, url: &Url) -> String {
        self.lenders.narrowest(url)
    }

    /// Whether the credentials may be sent to an endpoint.
    pub(super) fn may_send_to(&self, url: &Url) -> Result<(), Problem> {
        self.lenders.permit(url).map_err(|refusal| {
            let LenderRefusal { lender, not_listed } = *refusal;
            let (secret, host) = (&lender.name, &not_listed.destination);
            let unreadable = match not_listed.unreadable.first() {
                Some(entry) => format!(", of which {entry} cannot be parsed"),
                None => String::new(),
            };
            let list = &not_listed.list;
            let allow = Command::kubectl(&["annotate", "secret"])
                .value(secret)
                .namespace(&self.namespace)
                .fixed(&["--overwrite"])
                .pair(ALLOWED_HOSTS_ANNOTATION, &format!("{list},{host}"));
            Problem::new(printable(&format!(
                "Secret {secret} may not be sent to {host}: its annotation {ALLOWED_HOSTS_ANNOTATION} is \"{list}\"{unreadable}. If it may be: {allow}"
            )).into_owned())
        })
    }
}

/// A Secret in the cluster.
async fn lender(cluster: &Cluster, name: Option<&String>) -> Result<Option<Secrets>, Problem> {
    let Some(name) = name else {
        return Ok(None);
    };
    let secret: Option<ApiSecret> = cluster.get(SECRETS, name).await?;
    Ok(secret.map(|secret| Secrets {
        uid: secret.metadata.uid.unwrap_or_default(),
        labels: secret.metadata.labels.unwrap_or_default(),
        annotations: secret.metadata.annotations.unwrap_or_default(),
        data: secret
            .data
            .unwrap_or_default()
            .into_iter()
            .map(|(key, value)| (key, Secret::new(value.0)))
            .collect(),
    }))
}

/// The key that the operator keeps for a resource, in a state Secret that is the resource's own.
async fn generated_key(
    cluster: &Cluster,
    resource: &OAuthClient,
) -> Result<Option<Secret>, Problem> {
    let name = resource.metadata.name.clone().unwrap_or_default();
    let state: Option<ApiSecret> = cluster.get(SECRETS, &state_name(&name)).await?;
    let Some(state) = state else {
        return Ok(None);
    };
    let uid = resource.metadata.uid.as_deref().unwrap_or_default();
    let owners = state.metadata.owner_references.unwrap_or_default();
    let is_own = owners
        .iter()
        .any(|owner| owner.uid == uid && owner.controller == Some(true));
    let key = state.data.and_then(|mut data| data.remove(dpop::KEY));
    Ok(key.filter(|_| is_own).map(|key| Secret::new(key.0)))
}

fn content(map: &ConfigMap, key: &str) -> Option<Vec<u8>> {
    let text = map.data.as_ref().and_then(|data| data.get(key));
    let bytes = map.binary_data.as_ref().and_then(|data| data.get(key));
    text.map(|text| text.as_bytes().to_vec())
        .or_else(|| bytes.map(|bytes| bytes.0.clone()))
}

/// The resource with that name.
pub(super) async fn resource(cluster: &Cluster, name: &str) -> Result<OAuthClient, Problem> {
    let found = cluster.get::<OAuthClient>(CLIENTS, name).await?;
    found.ok_or_else(|| {
        Problem::new(format!(
            "there is no OAuthClient {name} in namespace {}: {} lists those there are",
            cluster.namespace,
            Command::kubectl(&["get", "oac"]).namespace(&cluster.namespace)
        ))
    })
}

/// The host of a URL in the form of the annotation for allowed hosts.
pub(super) fn host_of(url: &Url) -> String {
    destination(url)
}

/// A Secret, if it exists and has opted in.
fn opted_in(
    lender: Option<Secrets>,
    secret: &str,
    namespace: &str,
    how: &str,
) -> Result<Secrets, Problem> {
    let lender = lender.ok_or_else(|| {
        Problem::new(format!(
            "there is no Secret {secret} in namespace {namespace} ({how}"
        ))
    })?;
    if lender.labels.get(CREDENTIALS_LABEL).map(String::as_str) != Some("true") {
        return Err(Problem::new(format!(
            "Secret {secret} has not opted in to be sent to a provider. If it may be: {}",
            Command::kubectl(&["label", "secret"])
                .value(secret)
                .namespace(namespace)
                .pair(CREDENTIALS_LABEL, "true")
        )));
    }
    if lender.labels.contains_key(TOKEN_LABEL) {
        return Err(Problem::new(format!(
            "Secret {secret} holds a token of an OAuthClient, which goes only where those allow it whose Secrets it was obtained with: name a Secret of your own in spec.credentials.secretName for a login"
        )));
    }
    Ok(lender)
}

fn checked(resource: &OAuthClient) -> Result<Validated, Problem> {
    validate(resource).map_err(Problem::invalid)
}

fn ca(spec: &Validated, namespace: &str, pem: Option<Vec<u8>>) -> Result<CaBundle, Problem> {
    let (name, key) = spec
        .ca_bundle
        .as_ref()
        .map_or(("", ""), |named| (named.name.as_str(), named.key.as_str()));
    let pem = pem.ok_or_else(|| {
        Problem::new(format!(
            "there is no ConfigMap {name} with the key {key} in namespace {namespace} (spec.provider.caBundle)"
        ))
    })?;
    CaBundle::from_pem(&pem).map_err(|error| {
        Problem::new(format!(
            "the CA bundle in ConfigMap {name}, key {key}, cannot be used: {error}"
        ))
    })
}
