//! `credentials`: Secrets that the operator may use. Creates them without a secret in an argument, lists, checks and
//! rotates them.

mod list;
mod rotate;

use std::collections::BTreeMap;
use std::path::Path;

use url::Url;

use crate::api::spec::{CredentialKeys, OAuthClient};
use crate::local::Manifests;
use crate::names::{ALLOWED_HOSTS_ANNOTATION, CREDENTIALS_LABEL};
use crate::plugin::problem::Problem;
use crate::secret::Secret;

use super::args::{ConnectionArgs, NewSecretArgs};
use super::cluster::Cluster;
use super::new_secret::{Done, NewSecret, Overwrite, put};
use super::target::{host_of, resource};
use super::{folder, output, prompt};

pub(super) use list::{check, inspected, list, users};
pub(super) use rotate::run as rotate;

/// The maximum size of a key file.
const MOST: u64 = 256 << 10;

/// Where to write.
enum Place {
    Cluster(Cluster),
    Folder(Manifests),
}

/// Creates credentials.
pub(super) async fn create(
    connection: &ConnectionArgs,
    args: NewSecretArgs,
) -> Result<u8, Problem> {
    let place = match &args.local {
        Some(path) => Place::Folder(folder::read(path)?),
        None => Place::Cluster(Cluster::connect(connection).await?),
    };
    let client = for_client(connection, &args, &place).await?;
    let hosts = hosts(&args, client.as_ref())?;
    let mut new_secret = NewSecret {
        namespace: match &place {
            Place::Cluster(cluster) => cluster.namespace.clone(),
            Place::Folder(_) => connection
                .namespace
                .clone()
                .unwrap_or_else(|| "default".to_owned()),
        },
        name: args.name.clone(),
        labels: [(CREDENTIALS_LABEL.to_owned(), "true".to_owned())].into(),
        annotations: [(ALLOWED_HOSTS_ANNOTATION.to_owned(), hosts)].into(),
        data: BTreeMap::new(),
        overwrite: if args.replace {
            Overwrite::Credentials
        } else {
            Overwrite::Nothing
        },
    };
    // Before the user types a secret.
    match &place {
        Place::Cluster(cluster) => put(cluster, &new_secret, true).await.map(|_| ())?,
        Place::Folder(manifests) => folder::file_for(manifests, &new_secret).map(|_| ())?,
    }
    new_secret.data = data(&args, &keys(client.as_ref())).await?;
    write(&place, &new_secret, &args).await?;
    Ok(0)
}

async fn write(place: &Place, new_secret: &NewSecret, args: &NewSecretArgs) -> Result<(), Problem> {
    let (namespace, name) = (&new_secret.namespace, &new_secret.name);
    let keys: Vec<&str> = new_secret.data.keys().map(String::as_str).collect();
    let keys = keys.join(", ");
    match place {
        Place::Cluster(cluster) => {
            let done = put(cluster, new_secret, args.dry_run).await?;
            let word = match done {
                Done::Created => "created",
                Done::Replaced => "changed",
            };
            let tried = if args.dry_run {
                " (tried only: nothing was written)"
            } else {
                ""
            };
            output::line(&format!(
                "Secret {namespace}/{name} {word} with the keys {keys}{tried}."
            ));
        }
        Place::Folder(manifests) => {
            let file = folder::file_for(manifests, new_secret)?;
            folder::put(manifests, &file, new_secret)?;
            output::line(&format!(
                "{} written with the keys {keys}. It can be read by you alone: keep it out of version control.",
                file.display()
            ));
        }
    }
    output::line(&format!(
        "It may be sent to: {}.",
        new_secret
            .annotations
            .get(ALLOWED_HOSTS_ANNOTATION)
            .map_or("", String::as_str)
    ));
    Ok(())
}

async fn for_client(
    connection: &ConnectionArgs,
    args: &NewSecretArgs,
    place: &Place,
) -> Result<Option<OAuthClient>, Problem> {
    let Some(name) = &args.for_client else {
        return Ok(None);
    };
    match place {
        Place::Cluster(cluster) => resource(cluster, name).await.map(Some),
        Place::Folder(manifests) => manifests
            .client(connection.namespace.as_deref(), name)
            .map(|(_, client)| Some(client.clone()))
            .map_err(Problem::new),
    }
}

/// The hosts for the annotation: at least one.
fn hosts(args: &NewSecretArgs, client: Option<&OAuthClient>) -> Result<String, Problem> {
    let mut hosts: Vec<String> = Vec::new();
    let mut add = |host: String| {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    };
    for host in &args.host {
        let fits = !host.is_empty()
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._*:[]".contains(&b));
        if !fits {
            return Err(Problem::new(format!(
                "--host {host} is not a host name: write auth.example.com, or auth.example.com:8443, without https:// and path"
            )));
        }
        add(host.to_ascii_lowercase());
    }
    if let Some(text) = &args.token_url {
        let url = Url::parse(text).ok().filter(Url::has_host);
        let url = url.ok_or_else(|| Problem::new(format!("--token-url {text} is not a URL")))?;
        add(host_of(&url));
    }
    for host in client.map(hosts_of).unwrap_or_default() {
        add(host);
    }
    if hosts.is_empty() {
        return Err(Problem::new(
            "say where the credentials may be sent: --for OAUTHCLIENT, --token-url URL or --host HOST",
        ));
    }
    Ok(hosts.join(","))
}

/// The hosts that a resource sends its credentials to.
pub(super) fn hosts_of(client: &OAuthClient) -> Vec<String> {
    let provider = &client.spec.provider;
    let urls = [
        &provider.issuer_url,
        &provider.token_url,
        &provider.refresh_url,
        &provider.pushed_authorization_url,
        &provider.device_authorization_url,
        &provider.revocation_url,
    ];
    let mut hosts = Vec::new();
    for url in urls.into_iter().flatten() {
        if let Some(url) = Url::parse(url).ok().filter(Url::has_host) {
            let host = host_of(&url);
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
    }
    hosts
}

/// The keys that the resource expects.
fn keys(client: Option<&OAuthClient>) -> CredentialKeys {
    client
        .and_then(|client| client.spec.credentials.as_ref())
        .map(|credentials| credentials.keys.clone())
        .unwrap_or_default()
}

async fn data(
    args: &NewSecretArgs,
    keys: &CredentialKeys,
) -> Result<BTreeMap<String, Secret>, Problem> {
    let mut data = BTreeMap::new();
    if let Some(id) = &args.client_id {
        if id.is_empty() || id.chars().any(char::is_control) {
            return Err(Problem::new("--client-id is empty or not one line"));
        }
        data.insert(keys.client_id.clone(), Secret::from(id.as_str()));
    }
    for text in &args.key {
        let (key, file) = text
            .split_once('=')
            .ok_or_else(|| Problem::new(format!("--key {text} is not KEY=FILE")))?;
        data.insert(key.to_owned(), file_content(Path::new(file))?);
    }
    if args.client_id.is_some() && !args.no_secret && !data.contains_key(&keys.client_secret) {
        let secret = if args.secret_from_stdin {
            prompt::piped("client secret").await?
        } else {
            prompt::hidden("Client secret", "--secret-from-stdin").await?
        };
        data.insert(keys.client_secret.clone(), secret);
    }
    if let Some(name) = &args.username {
        let password = if args.password_from_stdin {
            prompt::piped("password").await?
        } else {
            prompt::hidden("Password", "--password-from-stdin").await?
        };
        data.insert(keys.username.clone(), Secret::from(name.as_str()));
        data.insert(keys.password.clone(), password);
    }
    if data.is_empty() {
        return Err(Problem::new(
            "there is nothing to store: give --client-id, --username or --key",
        ));
    }
    Ok(data)
}

pub(super) fn file_content(path: &Path) -> Result<Secret, Problem> {
    let failed = |what: String| Problem::new(format!("{}: {what}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?;
    if size.len() > MOST {
        return Err(failed("is larger than 256 KiB".to_owned()));
    }
    let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    if bytes.is_empty() {
        return Err(failed("is empty".to_owned()));
    }
    Ok(Secret::new(bytes))
}
