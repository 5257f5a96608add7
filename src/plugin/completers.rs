//! Candidates for shell completion: names of resources, Secrets, namespaces, contexts, reasons and providers.

use std::path::PathBuf;
use std::time::Duration;

use clap_complete::engine::CompletionCandidate;
use k8s_openapi::api::core::v1::{Namespace, Secret as ApiSecret};
use kube::Api;
use kube::api::{ListParams, ObjectMeta};
use kube::config::Kubeconfig;

use crate::api::conditions::Reason;
use crate::api::spec::OAuthClient;
use crate::names::CREDENTIALS_LABEL;
use crate::plugin::cluster::{Cluster, Connection};

/// The time-out of a completion.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);

/// The maximum number of names.
pub(crate) const MOST: u32 = 500;

/// Names of OAuthClients.
pub(crate) fn clients() -> Vec<CompletionCandidate> {
    names(async |cluster| {
        let api = cluster.api::<OAuthClient>();
        let list = api
            .list_metadata(&ListParams::default().limit(MOST))
            .await
            .ok()?;
        Some(list.items.into_iter().map(|one| one.metadata).collect())
    })
}

/// Names of credentials Secrets.
pub(crate) fn credentials() -> Vec<CompletionCandidate> {
    names(async |cluster| {
        let api = cluster.api::<ApiSecret>();
        let params = ListParams::default()
            .limit(MOST)
            .labels(&format!("{CREDENTIALS_LABEL}=true"));
        let list = api.list_metadata(&params).await.ok()?;
        Some(list.items.into_iter().map(|one| one.metadata).collect())
    })
}

/// Names of namespaces.
pub(crate) fn namespaces() -> Vec<CompletionCandidate> {
    names(async |cluster| {
        let api = Api::<Namespace>::all(cluster.client());
        let list = api
            .list_metadata(&ListParams::default().limit(MOST))
            .await
            .ok()?;
        Some(list.items.into_iter().map(|one| one.metadata).collect())
    })
}

/// Contexts of the kubeconfig.
pub(crate) fn contexts() -> Vec<CompletionCandidate> {
    let file = connection().kubeconfig;
    let read = match file {
        Some(file) => Kubeconfig::read_from(file),
        None => Kubeconfig::read(),
    };
    let contexts = read.map(|config| config.contexts).unwrap_or_default();
    contexts
        .into_iter()
        .map(|one| CompletionCandidate::new(one.name))
        .collect()
}

/// The words of `explain`.
pub(crate) fn reasons() -> Vec<CompletionCandidate> {
    let all = Reason::ALL.iter();
    all.map(|reason| CompletionCandidate::new(reason.as_str()))
        .collect()
}

/// The providers of `create`.
pub(crate) fn providers() -> Vec<CompletionCandidate> {
    let all = super::create::presets().into_iter();
    all.map(|preset| CompletionCandidate::new(preset.name).help(Some(preset.about.into())))
        .collect()
}

/// Names from the cluster, within the time-out; nothing on an error.
pub(crate) fn names(
    list: impl AsyncFnOnce(&Cluster) -> Option<Vec<ObjectMeta>>,
) -> Vec<CompletionCandidate> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        return Vec::new();
    };
    let found = runtime.block_on(async {
        let work = async {
            let cluster = Cluster::connect(connection()).await.ok()?.quietly();
            list(&cluster).await
        };
        tokio::time::timeout(PATIENCE, work).await.ok().flatten()
    });
    runtime.shutdown_background();
    let names = found.unwrap_or_default().into_iter();
    names
        .filter_map(|one| one.name)
        .map(CompletionCandidate::new)
        .collect()
}

/// The cluster flags that were already typed.
pub(crate) fn connection() -> Connection {
    let words: Vec<String> = std::env::args_os()
        .filter_map(|word| word.into_string().ok())
        .collect();
    typed(&words)
}

pub(crate) fn typed(words: &[String]) -> Connection {
    let value = |names: &[&str]| {
        let mut found = None;
        for (index, word) in words.iter().enumerate() {
            for name in names {
                if word == name {
                    found = words.get(index + 1).cloned();
                } else if let Some(value) = word.strip_prefix(&format!("{name}=")) {
                    found = Some(value.to_owned());
                }
            }
        }
        found.filter(|value| !value.is_empty() && !value.starts_with('-'))
    };
    Connection {
        namespace: value(&["-n", "--namespace"]),
        context: value(&["--context"]),
        kubeconfig: value(&["--kubeconfig"]).map(PathBuf::from),
    }
}
