//! Creates the objects in the cluster, and says so.

use k8s_openapi::api::core::v1::Secret as ApiSecret;
use kube::ResourceExt as _;
use kube::api::PostParams;

use crate::api::spec::OAuthClient;
use crate::command::Command;
use crate::names::ALLOWED_HOSTS_ANNOTATION;
use crate::plugin::cluster::{ApiOperation, CLIENTS, CallFailure, Cluster, SECRETS};
use crate::plugin::new_secret::{NewSecret, put};
use crate::plugin::output;
use crate::plugin::problem::Problem;

/// The field manager in `managedFields`.
pub(super) const MANAGER: &str = "kubectl-oauthclient";

/// Checks permissions, quota and admission before the user types a secret.
pub(super) async fn try_both(
    cluster: &Cluster,
    new_secret: Option<&NewSecret>,
    client: &OAuthClient,
) -> Result<(), Problem> {
    if let Some(new_secret) = new_secret {
        let (namespace, name) = (&new_secret.namespace, &new_secret.name);
        let there: Option<ApiSecret> = cluster.get(SECRETS, name).await?;
        if there.is_some() {
            return Err(Problem::new(format!(
                "Secret {namespace}/{name} exists already and is left alone: --credentials {name} uses it, or choose another name"
            )));
        }
        put(cluster, new_secret, true).await?;
    }
    write(cluster, client, true).await
}

/// Creates the OAuthClient, or lets the API server check it.
pub(super) async fn write(
    cluster: &Cluster,
    client: &OAuthClient,
    dry_run: bool,
) -> Result<(), Problem> {
    let name = client.name_any();
    let params = PostParams {
        dry_run,
        field_manager: Some(MANAGER.to_owned()),
    };
    let operation = ApiOperation {
        verb: "create",
        resource: CLIENTS,
        name: &name,
    };
    let api = cluster.api::<OAuthClient>();
    let mut object = client.clone();
    object.metadata.namespace = Some(cluster.namespace.clone());
    match cluster.call(operation, api.create(&params, &object)).await {
        Ok(_) => Ok(()),
        Err(CallFailure::Conflict) => Err(Problem::new(format!(
            "OAuthClient {}/{name} exists already: choose another name, or change it: {}",
            cluster.namespace,
            Command::kubectl(&["edit", CLIENTS])
                .value(&name)
                .namespace(&cluster.namespace)
        ))),
        Err(failure) => Err(failure.into()),
    }
}

/// Says what was created and what to do next.
pub(super) fn print_result(
    cluster: &Cluster,
    client: &OAuthClient,
    new_secret: Option<&NewSecret>,
    dry_run: bool,
) {
    let (namespace, name) = (&cluster.namespace, client.name_any());
    let tried = if dry_run {
        " (tried only: nothing was written)"
    } else {
        ""
    };
    if let Some(new_secret) = new_secret {
        let keys: Vec<&str> = new_secret.data.keys().map(String::as_str).collect();
        let hosts = new_secret
            .annotations
            .get(ALLOWED_HOSTS_ANNOTATION)
            .map_or("", String::as_str);
        output::line(&format!(
            "Secret {namespace}/{} created with the keys {}{tried}. It may be sent to: {hosts}.",
            new_secret.name,
            keys.join(", ")
        ));
    }
    output::line(&format!(
        "OAuthClient {namespace}/{name} created{tried}. Its token goes into Secret {}.",
        client.spec.token_secret.name
    ));
    if dry_run {
        return;
    }
    let command = |word: &'static str| {
        Command::kubectl(&["oauthclient", word])
            .value(&name)
            .namespace(namespace)
    };
    let next = if client.spec.grant.type_ == "refresh_token" {
        command("login")
    } else {
        command("status")
    };
    output::line(&format!("Next: {next}"));
}
