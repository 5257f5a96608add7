//! `report`: a file for a bug report. It contains only what is known to be harmless, and its user reads it before
//! sending it.

mod redact;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use k8s_openapi::api::core::v1::{Event, Pod, Secret as ApiSecret};
use kube::api::{ListParams, LogParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Map, Value, json};
use url::Url;

use crate::api::spec::OAuthClient;
use crate::clock::Clock;
use crate::names::{ALLOWED_HOSTS_ANNOTATION, CREDENTIALS_LABEL};
use crate::plugin::output::yaml;
use crate::plugin::problem::Problem;

use super::args::{ConnectionArgs, ReportArgs};
use super::cluster::{ApiOperation, Cluster, SECRETS};
use super::inspect::named;
use super::installation::{LookupResult, SELECTOR, operators};
use super::paint::clean;
use super::status::all;
use super::version::OURS;
use super::{doctor, output};
use redact::{Names, spec};

/// The maximum number of lines of the operator's log.
const LOG_LINES: i64 = 500;
/// The maximum number of resources; those that are not ready come first.
const MOST: usize = 200;

/// Runs the command.
pub(super) async fn run(connection: &ConnectionArgs, args: &ReportArgs) -> Result<u8, Problem> {
    let clock = Clock::system();
    let cluster = Cluster::connect(connection).await?;
    let quiet = cluster.quietly();
    let made = gather(&quiet, args, &clock);
    let (mut value, names) = output::progress("Looking at the cluster", made).await?;
    if args.anonymous {
        names.hide(&mut value);
    }
    let text = format!(
        "# A report of kubectl oauthclient {OURS}. It holds no values of Secrets; read it before you send it.\n{}",
        yaml(&value)?
    );
    let now = clock.now().rfc3339().replace([':', '-'], "");
    let file = args
        .file
        .clone()
        .unwrap_or_else(|| PathBuf::from(format!("oauthclient-report-{now}.yaml")));
    if file.as_os_str() == "-" {
        output::raw(&text);
        return Ok(0);
    }
    write(&file, &text)?;
    output::line(&format!(
        "{} is written. It holds no values of Secrets, but names{}: read it before you send it.",
        file.display(),
        if args.anonymous {
            " of fields only"
        } else {
            ", hosts and the operator's log (--anonymous replaces names and leaves the log out)"
        }
    ));
    Ok(0)
}

fn write(file: &PathBuf, text: &str) -> Result<(), Problem> {
    let mut options = std::fs::OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(file);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| Problem::new(format!("{} cannot be written: {error}", file.display())))
}

async fn gather(
    cluster: &Cluster,
    args: &ReportArgs,
    clock: &Clock,
) -> Result<(Value, Names), Problem> {
    let mut clients = all(cluster, args.all_namespaces, None).await?;
    let total = clients.len();
    clients.sort_by_key(is_ready);
    clients.truncate(MOST);
    let mut names = Names::default();
    names.add("namespace", &cluster.namespace);
    let mut resources = Vec::new();
    for client in &clients {
        note(&mut names, client);
        resources.push(resource(cluster, client).await);
    }
    let operators = operators(cluster, &args.operator_namespace).await;
    let findings = doctor::look(cluster, &args.operator_namespace, args.all_namespaces).await;
    let operator: Value = match &operators {
        Ok(all) => all
            .iter()
            .map(|one| {
                json!({"namespace": one.namespace, "name": one.name, "image": one.image, "arguments": one.arguments,
                       "replicas": one.wanted, "ready": one.ready})
            })
            .collect(),
        Err(why) => json!(why),
    };
    let home = operators
        .ok()
        .and_then(|all| Some(all.first()?.namespace.clone()));
    let mut report = json!({
        "made": clock.now().rfc3339(),
        "plugin": OURS,
        "kubernetes": cluster.version().await.unwrap_or_else(|problem| problem.message),
        "checks": findings,
        "operator": operator,
        "oauthClients": {"count": total, "shown": resources},
    });
    // A log contains names that are not in the list.
    if !args.anonymous
        && let Some(fields) = report.as_object_mut()
    {
        let namespace = home.as_deref().unwrap_or(&args.operator_namespace);
        fields.insert("logs".to_owned(), logs(cluster, namespace).await);
    }
    Ok((report, names))
}

/// Sorts resources that are not ready first.
fn is_ready(client: &OAuthClient) -> bool {
    let mut all = client.status.iter().flat_map(|status| &status.conditions);
    all.any(|one| one.type_ == "Ready" && one.status == "True")
}

fn note(names: &mut Names, client: &OAuthClient) {
    names.add("namespace", &client.namespace().unwrap_or_default());
    names.add("oauthclient", &client.name_any());
    names.add("secret", &client.spec.token_secret.name);
    for name in named(client) {
        names.add("secret", &name);
    }
    let provider = &client.spec.provider;
    let urls = [
        &provider.token_url,
        &provider.issuer_url,
        &provider.refresh_url,
        &provider.authorization_url,
        &provider.pushed_authorization_url,
        &provider.device_authorization_url,
        &provider.revocation_url,
    ];
    for url in urls.into_iter().flatten() {
        if let Some(host) = Url::parse(url)
            .ok()
            .and_then(|url| Some(url.host_str()?.to_owned()))
        {
            names.add("host", &host);
        }
    }
}

async fn resource(cluster: &Cluster, client: &OAuthClient) -> Value {
    let namespace = client.namespace().unwrap_or_default();
    let there = cluster.within(&namespace);
    let mut secrets = Map::new();
    for name in named(client) {
        secrets.insert(name.clone(), credentials(&there, &name).await);
    }
    json!({
        "namespace": namespace,
        "name": client.name_any(),
        "created": client.creation_timestamp().map(|time| time.0.to_string()),
        "generation": client.metadata.generation,
        "deleting": client.metadata.deletion_timestamp.is_some(),
        "spec": spec(&serde_json::to_value(&client.spec).unwrap_or_default()),
        "status": client.status,
        "credentials": secrets,
        "events": events(&there, &client.name_any()).await,
    })
}

/// The names of a Secret's keys, and its opt-in.
async fn credentials(cluster: &Cluster, name: &str) -> Value {
    let found: Result<Option<ApiSecret>, Problem> = cluster.get(SECRETS, name).await;
    let secret = match found {
        Ok(Some(secret)) => secret,
        Ok(None) => return json!("there is none"),
        Err(problem) => return json!(problem.message),
    };
    let keys: BTreeSet<String> = secret
        .data
        .iter()
        .flatten()
        .map(|(key, _)| key.clone())
        .collect();
    json!({
        "type": secret.type_,
        "keys": keys,
        "labelled": secret.labels().get(CREDENTIALS_LABEL).is_some_and(|value| value == "true"),
        "allowedHosts": secret.annotations().get(ALLOWED_HOSTS_ANNOTATION),
        "immutable": secret.immutable.unwrap_or(false),
    })
}

async fn events(cluster: &Cluster, name: &str) -> Value {
    let api: Api<Event> = cluster.api();
    let fields = format!("involvedObject.kind=OAuthClient,involvedObject.name={name}");
    let operation = ApiOperation {
        verb: "list",
        resource: "events",
        name: "",
    };
    let params = ListParams::default().fields(&fields).limit(50);
    match cluster.call(operation, api.list(&params)).await {
        Ok(list) => list
            .items
            .iter()
            .map(|event| json!({"time": event.last_timestamp.as_ref().map(|time| time.0.to_string()), "reason": event.reason, "message": event.message, "count": event.count}))
            .collect(),
        Err(failure) => json!(Problem::from(failure).message),
    }
}

fn operation<'a>(verb: &'static str, name: &'a str) -> ApiOperation<'a> {
    ApiOperation {
        verb,
        resource: "pods",
        name,
    }
}

/// The last lines of each pod of the operator. Its log never contains a secret.
async fn logs(cluster: &Cluster, namespace: &str) -> Value {
    let there = cluster.within(namespace);
    let api: Api<Pod> = there.api();
    let params = ListParams::default().labels(SELECTOR);
    let pods: LookupResult<_> = there
        .call(operation("list", ""), api.list(&params))
        .await
        .map_err(|failure| Problem::from(failure).message);
    let pods = match pods {
        Ok(pods) => pods,
        Err(why) => return json!(why),
    };
    let mut logs = Map::new();
    for pod in pods.items {
        let name = pod.name_any();
        let params = LogParams {
            tail_lines: Some(LOG_LINES),
            ..LogParams::default()
        };
        let text = there
            .call(operation("get", &name), api.logs(&name, &params))
            .await;
        let lines = match text {
            Ok(text) => text.lines().map(|line| clean(line).into_owned()).collect(),
            Err(failure) => json!(Problem::from(failure).message),
        };
        logs.insert(name, lines);
    }
    Value::Object(logs)
}
