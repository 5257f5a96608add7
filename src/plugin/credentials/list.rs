//! `credentials list` and `credentials check`: the existing credentials, who uses them, and whether they work.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Secret as ApiSecret;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use serde::Serialize;

use crate::api::spec::OAuthClient;
use crate::clock::Clock;
use crate::names::CREDENTIALS_LABEL;
use crate::plugin::args::{CheckArgs, ConnectionArgs, Format, ListArgs};
use crate::plugin::cluster::{ApiOperation, CallFailure, Cluster, SECRETS};
use crate::plugin::finding::{self, Finding};
use crate::plugin::inspect::{SecretFacts, inspect, named};
use crate::plugin::output;
use crate::plugin::output::{json, yaml};
use crate::plugin::paint::{Cell, Grid, Tone};
use crate::plugin::problem::Problem;
use crate::plugin::status::all;

/// Namespace and name.
pub(crate) type Key = (String, String);

/// One Secret of the list.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    namespace: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_hosts: Option<String>,
    used_by: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<String>,
}

/// Runs `credentials list`.
pub(crate) async fn list(connection: &ConnectionArgs, args: &ListArgs) -> Result<u8, Problem> {
    let cluster = Cluster::connect(connection).await?;
    let clients = all(&cluster, args.all_namespaces, None).await?;
    let users = users(&clients);
    let mut found = Vec::new();
    for secret in labelled(&cluster, args.all_namespaces).await? {
        let key = (secret.namespace.clone(), secret.name.clone());
        let used_by = users.get(&key).into_iter().flatten();
        found.push(Listed {
            used_by: used_by.map(|client| client.name_any()).collect(),
            namespace: key.0,
            name: key.1,
            allowed_hosts: secret.hosts,
            client_secret_expires_at: secret.ends,
        });
    }
    match args.output {
        Format::Json => output::raw(&json(&found)?),
        Format::Yaml => output::raw(&yaml(&found)?),
        Format::Text if found.is_empty() => output::line(&format!(
            "No Secret has the label {CREDENTIALS_LABEL}=true. To create one, run: kubectl oauthclient credentials create"
        )),
        Format::Text => output::painted(&table(&found, args.all_namespaces).draw(output::width())),
    }
    Ok(0)
}

fn table(found: &[Listed], with_namespace: bool) -> Grid {
    let row = |one: &Listed| {
        let hosts = match &one.allowed_hosts {
            Some(hosts) => Cell::plain(hosts),
            None => Cell::new(Tone::Warn, "any"),
        };
        let used = match one.used_by.as_slice() {
            [] => Cell::new(Tone::Quiet, "-"),
            some => Cell::plain(&some.join(",")),
        };
        let ends = one.client_secret_expires_at.as_deref().unwrap_or("-");
        let mut row = vec![Cell::plain(&one.name), hosts, Cell::plain(ends), used];
        if with_namespace {
            row.insert(0, Cell::plain(&one.namespace));
        }
        row
    };
    let mut head = vec!["NAME", "HOSTS", "ENDS", "USED BY"];
    if with_namespace {
        head.insert(0, "NAMESPACE");
    }
    Grid {
        head,
        rows: found.iter().map(row).collect(),
        optional: vec!["ENDS"],
        wraps: true,
    }
}

/// Runs `credentials check`.
pub(crate) async fn check(connection: &ConnectionArgs, args: &CheckArgs) -> Result<u8, Problem> {
    let clock = Clock::system();
    let cluster = Cluster::connect(connection).await?;
    let clients = all(&cluster, args.all_namespaces, None).await?;
    let users = users(&clients);
    let mut keys: BTreeSet<Key> = users.keys().cloned().collect();
    match &args.name {
        Some(name) => keys = BTreeSet::from([(cluster.namespace.clone(), name.clone())]),
        None => {
            let labelled = labelled(&cluster, args.all_namespaces).await?;
            keys.extend(labelled.into_iter().map(|one| (one.namespace, one.name)));
        }
    }
    let findings = inspected(&cluster, &keys, &users, &clock).await;
    if findings.is_empty() {
        output::line("There are no credentials to check.");
        return Ok(0);
    }
    finding::print(&findings, args.output)
}

/// The findings about these Secrets.
pub(crate) async fn inspected(
    cluster: &Cluster,
    keys: &BTreeSet<Key>,
    users: &BTreeMap<Key, Vec<&OAuthClient>>,
    clock: &Clock,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for key in keys {
        let (namespace, name) = key;
        let there = cluster.within(namespace);
        let operation = ApiOperation {
            verb: "get",
            resource: SECRETS,
            name,
        };
        let api: Api<ApiSecret> = there.api();
        let secret = match there.call(operation, api.get(name)).await {
            Ok(secret) => Some(SecretFacts::whole(secret)),
            Err(CallFailure::NotThere) => None,
            Err(failure) => {
                let why = Problem::from(failure).message;
                findings.push(Finding::warn(
                    "Credentials",
                    format!("Secret {namespace}/{name} was not checked: {why}"),
                ));
                continue;
            }
        };
        let who = users.get(key).cloned().unwrap_or_default();
        let nonce = clock.nonce();
        findings.extend(inspect(
            (namespace, name),
            secret.as_ref(),
            &who,
            clock.now(),
            &nonce,
        ));
    }
    findings
}

/// Which resources name a Secret.
pub(crate) fn users(clients: &[OAuthClient]) -> BTreeMap<Key, Vec<&OAuthClient>> {
    let mut users: BTreeMap<Key, Vec<&OAuthClient>> = BTreeMap::new();
    for client in clients {
        for name in named(client) {
            let key = (client.namespace().unwrap_or_default(), name);
            users.entry(key).or_default().push(client);
        }
    }
    users
}

/// The Secrets that have opted in; only their metadata is read.
async fn labelled(cluster: &Cluster, everywhere: bool) -> Result<Vec<SecretFacts>, Problem> {
    let api: Api<ApiSecret> = if everywhere {
        cluster.everywhere()
    } else {
        cluster.api()
    };
    let params = ListParams::default().labels(&format!("{CREDENTIALS_LABEL}=true"));
    let operation = ApiOperation {
        verb: "list",
        resource: SECRETS,
        name: "",
    };
    let list = cluster.call(operation, api.list_metadata(&params)).await?;
    Ok(list.items.iter().map(SecretFacts::metadata).collect())
}
