//! The Kubernetes API with the user's permissions, and messages about its refusals.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::Status;
use kube::{Api, Client, Config, Resource};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::command::Command;
use crate::plugin::problem::Problem;

use super::output;

/// The time-out of one call.
const CALL_DEADLINE: Duration = Duration::from_secs(20);
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// The API and the selected namespace.
#[derive(Clone)]
pub(super) struct Cluster {
    client: Client,
    /// The URL of the API, for messages.
    address: String,
    pub(super) namespace: String,
    /// Calls in the background report no progress.
    quiet: bool,
}

/// An operation on the API, for messages.
#[derive(Clone, Copy)]
pub(super) struct ApiOperation<'a> {
    pub(super) verb: &'static str,
    /// The resource with its group, as RBAC and kubectl name it.
    pub(super) resource: &'static str,
    /// The name of the object; empty for all.
    pub(super) name: &'a str,
}

pub(super) const CLIENTS: &str = "oauthclients.oauthclient.dev";
pub(super) const SECRETS: &str = "secrets";
pub(super) const CONFIG_MAPS: &str = "configmaps";

/// Why a call failed.
pub(super) enum CallFailure {
    /// The object does not exist.
    NotThere,
    /// The object was created or changed by someone else meanwhile.
    Conflict,
    /// Any other failure, as text.
    Other(Problem),
}

impl From<CallFailure> for Problem {
    fn from(failure: CallFailure) -> Problem {
        match failure {
            CallFailure::NotThere => Problem::new("there is no such object"),
            CallFailure::Conflict => {
                Problem::new("someone else changed it at the same time: run the command again")
            }
            CallFailure::Other(problem) => problem,
        }
    }
}

/// Which cluster, and which namespace of it; what is not named is found as kubectl finds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Connection {
    /// The namespace.
    pub(super) namespace: Option<String>,
    /// The context of the kubeconfig.
    pub(super) context: Option<String>,
    /// The kubeconfig.
    pub(super) kubeconfig: Option<PathBuf>,
}

impl Cluster {
    /// Finds the cluster as kubectl does.
    pub(super) async fn connect(to: impl Into<Connection>) -> Result<Cluster, Problem> {
        let arguments: Connection = to.into();
        let mut config = configuration(&arguments).await.map_err(|error| {
            Problem::new(format!(
                "no cluster to talk to ({error}): check that 'kubectl get namespaces' works, or give --kubeconfig FILE"
            ))
        })?;
        config.connect_timeout = Some(CONNECT_DEADLINE);
        config.read_timeout = Some(CALL_DEADLINE);
        config.write_timeout = Some(CALL_DEADLINE);
        let address = config.cluster_url.to_string();
        let namespace = arguments
            .namespace
            .clone()
            .unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config)
            .map_err(|error| Problem::new(format!("the kubeconfig cannot be used: {error}")))?;
        Ok(Cluster {
            client,
            address,
            namespace,
            quiet: false,
        })
    }

    /// A copy for another namespace.
    pub(super) fn within(&self, namespace: &str) -> Cluster {
        Cluster {
            namespace: namespace.to_owned(),
            ..self.clone()
        }
    }

    /// A copy for calls in the background.
    pub(super) fn quietly(&self) -> Cluster {
        Cluster {
            quiet: true,
            ..self.clone()
        }
    }

    /// The client itself.
    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }

    /// The URL of the API, for people.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Objects in the namespace.
    pub(super) fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Objects in all namespaces.
    pub(super) fn everywhere<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::all(self.client.clone())
    }

    /// The version of the API server.
    pub(super) async fn version(&self) -> Result<String, Problem> {
        let operation = ApiOperation {
            verb: "get",
            resource: "/version",
            name: "",
        };
        let found = self
            .call(operation, self.client.apiserver_version())
            .await?;
        Ok(found.git_version)
    }

    /// One object; `None` if it does not exist.
    pub(super) async fn get<K>(
        &self,
        resource: &'static str,
        name: &str,
    ) -> Result<Option<K>, Problem>
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + std::fmt::Debug,
        K::DynamicType: Default,
    {
        let operation = ApiOperation {
            verb: "get",
            resource,
            name,
        };
        match self.call(operation, self.api::<K>().get(name)).await {
            Ok(object) => Ok(Some(object)),
            Err(CallFailure::NotThere) => Ok(None),
            Err(other) => Err(other.into()),
        }
    }

    /// Sends one call with a deadline, and describes its failure.
    pub(super) async fn call<T>(
        &self,
        operation: ApiOperation<'_>,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, CallFailure> {
        let call = timeout(CALL_DEADLINE, call);
        let answer = if self.quiet {
            call.await
        } else {
            let what = format!("Waiting for the Kubernetes API at {}", self.address);
            output::progress(&what, call).await
        };
        match answer {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(kube::Error::Api(status))) => Err(self.refused(operation, &status)),
            Ok(Err(kube::Error::Auth(error))) => Err(CallFailure::Other(Problem::new(format!(
                "the kubeconfig's login did not work ({error}): log in to the cluster again, then run the command again"
            )))),
            Ok(Err(kube::Error::SerdeError(_) | kube::Error::FromUtf8(_))) => {
                Err(CallFailure::Other(Problem::new(format!(
                    "the Kubernetes API at {} answered with something that cannot be read: is it the right address, and is the CRD of this version (kubectl apply -f crds/)?",
                    self.address
                ))))
            }
            Ok(Err(_)) => Err(CallFailure::Other(self.unreachable("no connection to"))),
            Err(_) => Err(CallFailure::Other(
                self.unreachable("no answer in time from"),
            )),
        }
    }

    fn unreachable(&self, what: &str) -> Problem {
        Problem::new(format!(
            "{what} the Kubernetes API at {}: check the network, the context (kubectl config current-context) and whether the cluster runs",
            self.address
        ))
    }

    fn refused(&self, operation: ApiOperation<'_>, status: &Status) -> CallFailure {
        let ApiOperation {
            verb,
            resource,
            name,
        } = operation;
        let named = status
            .details
            .as_ref()
            .is_some_and(|details| !details.name.is_empty());
        let place = &self.namespace;
        let message = match status.code {
            404 if named => return CallFailure::NotThere,
            409 => return CallFailure::Conflict,
            404 if resource == CLIENTS => format!(
                "this cluster does not know OAuthClients: the CRD {CLIENTS} is not installed, or not served (kubectl apply -f crds/)"
            ),
            401 => "the Kubernetes API does not accept your credentials: log in to the cluster, then run the command again".to_owned(),
            403 => format!(
                "you may not {verb} {resource} in namespace {place}. An administrator can allow it: {} && {}. The API server says: {}",
                Command::kubectl(&["create", "role"])
                    .value(&format!("oauthclient-{verb}"))
                    .namespace(place)
                    .pair("--verb", verb)
                    .pair("--resource", resource),
                Command::kubectl(&["create", "rolebinding"])
                    .value(&format!("oauthclient-{verb}"))
                    .namespace(place)
                    .pair("--role", &format!("oauthclient-{verb}"))
                    .pair("--user", "YOU"),
                // For reads, the text only repeats names. For writes, a webhook could repeat the content.
                if verb == "get" || verb == "list" { status.reason.as_str() } else { "Forbidden (no such right, a quota, or an admission rule)" },
            ),
            422 => format!(
                "the Kubernetes API refused to {verb} {resource} {name} as invalid (HTTP 422): is its name one that Kubernetes takes, and is it immutable?"
            ),
            429 => "the Kubernetes API is busy (HTTP 429): try again in a while".to_owned(),
            code => format!(
                "the Kubernetes API could not {verb} {resource} {name} (HTTP {code}{}{})",
                if status.reason.is_empty() { "" } else { " " },
                status.reason
            ),
        };
        CallFailure::Other(Problem::new(message))
    }
}

async fn configuration(arguments: &Connection) -> Result<Config, String> {
    let options = KubeConfigOptions {
        context: arguments.context.clone(),
        ..KubeConfigOptions::default()
    };
    let config = match (&arguments.kubeconfig, &arguments.context) {
        (Some(path), _) => {
            let kubeconfig = Kubeconfig::read_from(path).map_err(|error| error.to_string())?;
            Config::from_custom_kubeconfig(kubeconfig, &options).await
        }
        (None, Some(_)) => Config::from_kubeconfig(&options).await,
        (None, None) => return Config::infer().await.map_err(|error| error.to_string()),
    };
    config.map_err(|error| error.to_string())
}
