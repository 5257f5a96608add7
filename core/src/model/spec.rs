//! A validated spec: what the stages after validation use in place of the custom resource.

use std::collections::BTreeMap;

use url::Url;

use crate::oauth::Client;
use crate::oauth::refresh::{Origin, Refreshing};
use crate::render::Templates;
use crate::schedule::Policy;
use crate::time::Span;

/// A validated `OAuthClient`, which the later stages use instead of the resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Validated {
    /// What is sent, and how the response is parsed.
    pub client: Client,
    /// How it uses refresh tokens, if it does.
    pub refreshing: Option<Refreshing>,
    /// When tokens are refreshed.
    pub policy: Policy,
    /// Name of the credentials Secret; `None` if the request needs none.
    pub credentials_secret: Option<String>,
    /// The client certificate, if one is used.
    pub client_certificate: Option<ClientCertificate>,
    /// The CA bundle, if there is one.
    pub ca_bundle: Option<ConfigMapKey>,
    /// The time-out of a token request.
    pub timeout: Span,
    /// The Secret to write.
    pub token_secret: TokenSecret,
    /// What is revoked, and when; `None` for nothing.
    pub revocation: Option<Revocation>,
    /// The workloads to restart after each new token.
    pub restart: Vec<Restart>,
    /// That tokens are bound to a key, if they are.
    pub dpop: Option<Dpop>,
    /// Whether requesting tokens is suspended.
    pub suspended: bool,
}

/// The Secret with the client certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Its name.
    pub secret: String,
    /// The certificate itself is registered at the provider, not its issuer (RFC 8705 section 2.2).
    pub self_signed: bool,
}

/// That tokens are bound to a key (RFC 9449).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dpop {
    /// The request for a new key: any other value than before asks for one.
    pub rotation: Option<String>,
}

impl Validated {
    /// Whether something is kept between requests, in a state Secret: refresh tokens, or a generated key.
    pub fn keeps_state(&self) -> bool {
        self.refreshing.is_some() || self.dpop.is_some()
    }

    /// How long a token request may take: one that a server wants with a nonce is sent twice.
    pub fn longest_exchange(&self) -> Span {
        match self.dpop {
            Some(_) => self.timeout + self.timeout,
            None => self.timeout,
        }
    }

    /// The endpoint of most of its requests.
    pub fn endpoint(&self) -> &Url {
        match &self.refreshing {
            Some(Refreshing {
                origin: Origin::Provided,
                url: Some(url),
            }) => url,
            _ => &self.client.token_url,
        }
    }

    /// Every endpoint that credentials may be sent to, with its field; none that must be discovered.
    pub fn endpoints(&self) -> Vec<(&'static str, &Url)> {
        let located = self.client.is_located();
        let token = located.then_some((self.client.provider_field(), &self.client.token_url));
        let refreshing = self.refreshing.as_ref();
        let refresh = refreshing.and_then(|refreshing| refreshing.url.as_ref());
        let refresh = refresh.map(|url| ("spec.provider.refreshURL", url));
        let is_used = refresh.is_none()
            || refreshing.is_some_and(|refreshing| refreshing.origin == Origin::Password);
        let token = token.filter(|_| is_used);
        token.into_iter().chain(refresh).collect()
    }
}

/// A key of a ConfigMap in the resource's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConfigMapKey {
    /// Name of the ConfigMap.
    pub name: String,
    /// Its key.
    pub key: String,
}

/// The Secret to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSecret {
    /// Its name.
    pub name: String,
    /// Its type.
    pub type_: String,
    /// Additional labels from the resource.
    pub labels: BTreeMap<String, String>,
    /// Additional annotations from the resource.
    pub annotations: BTreeMap<String, String>,
    /// The templates of its data.
    pub templates: Templates,
}

/// What is revoked at the provider (RFC 7009).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The revocation endpoint, if configured; otherwise the issuer's document names it.
    pub url: Option<Url>,
    /// Whether to revoke the published token when the resource is deleted.
    pub on_deletion: bool,
    /// How long after its replacement the previous token is revoked, if at all.
    pub previous_after: Option<Span>,
}

/// A workload that is restarted after each new token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restart {
    /// Its kind.
    pub kind: WorkloadKind,
    /// Its name.
    pub name: String,
    /// The shortest time between two restarts.
    pub min_interval: Span,
}

/// A kind of workload that can be restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorkloadKind {
    /// A `Deployment`.
    Deployment,
    /// A `StatefulSet`.
    StatefulSet,
    /// A `DaemonSet`.
    DaemonSet,
}

impl WorkloadKind {
    /// The kind.
    pub fn as_str(self) -> &'static str {
        match self {
            WorkloadKind::Deployment => "Deployment",
            WorkloadKind::StatefulSet => "StatefulSet",
            WorkloadKind::DaemonSet => "DaemonSet",
        }
    }
}
