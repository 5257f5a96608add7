//! `create --resource`: from the address of a protected resource to a client that is registered, stored and logged in.
//!
//! Three things are read or sent, each after the one before has been shown: the document of the resource, the document of
//! its authorization server, and, only after a yes, the registration. No credential of anybody is sent by any of them.

use std::collections::BTreeMap;

use serde_json::json;
use url::Url;

use crate::api::manifest::parse_manifest;
use crate::api::spec::OAuthClient;
use crate::api::validate;
use crate::clock::Clock;
use crate::discovery::Discovery;
use crate::http::{Peer, ProxySettings, Route, Sender, SenderOptions};
use crate::messages::RequestFinding;
use crate::names::{ALLOWED_HOSTS_ANNOTATION, CREDENTIALS_LABEL};
use crate::oauth::discovery::endpoint;
use crate::oauth::protected_resource::{
    self, ProtectedResource, Registered, Registration, documents, registered,
};
use crate::oauth::{HttpRequest, Issuer, Metadata, Method, SentSecrets};
use crate::plugin::args::{CreateArgs, LoginArgs};
use crate::plugin::cluster::Cluster;
use crate::plugin::new_secret::{NewSecret, Overwrite, put};
use crate::plugin::output::{self, Storing};
use crate::plugin::problem::Problem;
use crate::plugin::target::host_of;
use crate::plugin::{login, prompt};
use crate::secret::Secret;
use crate::time::Span;
use crate::trust::{Lenders, authorize};

use super::store::{print_result, try_both, write};

/// Where logins of a registered client come back to, unless said otherwise.
const REDIRECT_URI: &str = "http://127.0.0.1:8400/callback";
/// How long one exchange may take.
const TIMEOUT: Span = Span::from_seconds(15);
/// The scope that brings a refresh token at many servers (OpenID Connect Core section 11).
const OFFLINE: &str = "offline_access";

/// All that was found out.
struct Found {
    resource: ProtectedResource,
    issuer: Issuer,
    metadata: Metadata,
}

/// Runs the command.
pub(super) async fn run(
    cluster: Cluster,
    args: &CreateArgs,
    storing: &Storing,
) -> Result<u8, Problem> {
    let name = args
        .name
        .as_deref()
        .ok_or_else(|| Problem::new("give a NAME for the OAuthClient beside --resource"))?;
    let address = args.resource.as_deref().unwrap_or_default();
    let sender = sender(args)?;
    let found = find(address, &sender).await?;
    let scopes = scopes(&found, args);
    let besides = login_scopes(&found, &scopes);
    let registration = Registration {
        client_name: format!("{name} (oauthclient-operator)"),
        redirect_uri: REDIRECT_URI.to_owned(),
        scopes: scopes.into_iter().chain(besides).collect(),
    };
    show(&found, &registration);
    let place = found.metadata.registration.clone().ok_or_else(|| {
        Problem::new(format!(
            "{} offers no registration (RFC 7591): register a client there with the redirect URI {REDIRECT_URI}, then give --issuer-url {} --client-id ID",
            found.issuer.text(),
            found.issuer.text()
        ))
    })?;
    if !args.yes {
        let question = format!("Register this client at {}? Type yes", host_of(&place));
        if prompt::shown(&question, "--yes").await? != "yes" {
            return Err(Problem::new(
                "Nothing was registered and nothing was written",
            ));
        }
    }
    let manifest = |client: &Registered| client_of(name, args, &found, &registration, client);
    // What would keep the result from being stored is found before the server keeps a client of it.
    let trial = Registered {
        client_id: "trial".to_owned(),
        client_secret: Some(Secret::from("trial")),
        method: "client_secret_basic",
    };
    let draft = manifest(&trial)?;
    let mut new_secret = new_secret(&cluster, &draft, &found);
    try_both(&cluster, Some(&new_secret), &draft).await?;
    if args.dry_run {
        output::line("Tried only: nothing was registered and nothing was written.");
        return Ok(0);
    }
    // What the server gives is nowhere else until it is stored.
    storing.begin();
    let client = register(&sender, &place, &registration).await?;
    let made = manifest(&client)?;
    new_secret.data = data(&client);
    put(&cluster, &new_secret, false).await?;
    write(&cluster, &made, false).await?;
    storing.end();
    print_result(&cluster, &made, Some(&new_secret), false);
    if args.no_login {
        return Ok(0);
    }
    log_in(cluster, name, args, storing).await
}

fn sender(args: &CreateArgs) -> Result<Sender, Problem> {
    Sender::new(SenderOptions {
        allow_http: args.guard.allow_http,
        addresses: args.guard.addresses(),
        proxies: ProxySettings::from_environment(),
        ..SenderOptions::default()
    })
    .map_err(|error| Problem::new(error.to_string()))
}

fn route() -> Route {
    Route {
        ca: None,
        identity: None,
        timeout: TIMEOUT.to_duration(),
    }
}

fn unsent(error: &crate::http::SendError) -> Problem {
    let peer = Peer::TOKEN_ENDPOINT.with_own_flags();
    let error = error.clone();
    Problem::of(RequestFinding::NotAnswered { error, peer })
}

/// Reads the document of the resource, and that of its server.
async fn find(address: &str, sender: &Sender) -> Result<Found, Problem> {
    let url = endpoint(address).ok_or_else(|| {
        Problem::new(format!(
            "--resource {address} is not the address of a resource: write https://, host and path"
        ))
    })?;
    let resource = described(address, &documents(&url), sender).await?;
    let issuer = choose(&resource)?;
    output::line(&format!(
        "The resource {address} is protected by {}.",
        issuer.text()
    ));
    let discovery = Discovery::new(sender.clone(), Clock::system(), None);
    let got = discovery.get(&issuer, None, TIMEOUT.to_duration());
    let metadata = output::progress(output::PROVIDER, got)
        .await
        .map_err(|failure| Problem::of(*failure.finding))?;
    Ok(Found {
        resource,
        issuer,
        metadata: (*metadata).clone(),
    })
}

/// What the first document that is there says of the resource.
async fn described(
    address: &str,
    places: &[Url],
    sender: &Sender,
) -> Result<ProtectedResource, Problem> {
    let mut why = Vec::new();
    for place in places {
        let route = route();
        let fetched = sender.fetch(place, &route);
        let (answer, _) = output::progress("Waiting for the resource", fetched)
            .await
            .map_err(|error| unsent(&error))?;
        match protected_resource::decode(address, &answer) {
            Ok(resource) => return Ok(resource),
            Err(what) => why.push(format!("{place}: {what}")),
        }
        if answer.status == 200 {
            break;
        }
    }
    Err(Problem::new(format!(
        "the metadata of the resource (RFC 9728) cannot be used. {}",
        why.join(". ")
    )))
}

fn choose(resource: &ProtectedResource) -> Result<Issuer, Problem> {
    match resource.servers.as_slice() {
        [one] => Ok(one.clone()),
        several => {
            let names: Vec<&str> = several.iter().map(Issuer::text).collect();
            Err(Problem::new(format!(
                "the resource names several authorization servers ({}): choose one with --issuer-url, and write the resource into spec.parameters",
                names.join(", ")
            )))
        }
    }
}

fn scopes(found: &Found, args: &CreateArgs) -> Vec<String> {
    match args.scope.is_empty() {
        true => found.resource.scopes.clone(),
        false => args.scope.clone(),
    }
}

/// The scopes that the login asks for besides: a refresh token is what the operator works with.
fn login_scopes(found: &Found, scopes: &[String]) -> Vec<String> {
    let is_missing = found.metadata.offline_access && !scopes.iter().any(|scope| scope == OFFLINE);
    is_missing.then(|| OFFLINE.to_owned()).into_iter().collect()
}

fn show(found: &Found, registration: &Registration) {
    let endpoints = &found.metadata.endpoints;
    let host = |url: Option<&Url>| url.map_or_else(|| "none".to_owned(), host_of);
    output::line(&format!("  issuer         {}", found.issuer.text()));
    output::line(&format!(
        "  log in at      {}",
        host(endpoints.authorization.as_ref())
    ));
    if let Some(pushed) = found.metadata.pushed_for(false) {
        output::line(&format!("  login sent to  {}", host_of(&pushed)));
    }
    output::line(&format!(
        "  tokens from    {}",
        host(Some(&endpoints.token))
    ));
    output::line(&format!(
        "  register at    {}",
        host(found.metadata.registration.as_ref())
    ));
    output::line(&format!("  client name    {}", registration.client_name));
    output::line(&format!("  redirect URI   {}", registration.redirect_uri));
    let scopes = match registration.scopes.join(" ") {
        none if none.is_empty() => "the server's default".to_owned(),
        some => some,
    };
    output::line(&format!("  scopes         {scopes}"));
}

async fn register(
    sender: &Sender,
    place: &Url,
    registration: &Registration,
) -> Result<Registered, Problem> {
    let request = HttpRequest {
        method: Method::Post,
        url: place.as_str().into(),
        headers: vec![
            ("accept".to_owned(), "application/json".into()),
            ("content-type".to_owned(), "application/json".into()),
        ],
        body: Secret::from(registration.body().to_string()),
        secrets: SentSecrets::default(),
        lenders: Lenders::none(),
    };
    let request = authorize(&request, &Lenders::none())
        .map_err(|_| Problem::new("the registration endpoint is not an address"))?;
    let route = route();
    let answer = output::progress(output::PROVIDER, sender.send(&request, &route))
        .await
        .map_err(|error| unsent(&error))?;
    registered(&answer).map_err(|what| {
        Problem::new(format!(
            "{} (HTTP {}): {what}. Nothing was written",
            host_of(place),
            answer.status
        ))
    })
}

fn data(client: &Registered) -> BTreeMap<String, Secret> {
    let id = (
        "client_id".to_owned(),
        Secret::from(client.client_id.as_str()),
    );
    let secret = client.client_secret.clone();
    let secret = secret.map(|secret| ("client_secret".to_owned(), secret));
    [id].into_iter().chain(secret).collect()
}

/// The Secret, for the hosts that were shown and no other.
fn new_secret(cluster: &Cluster, client: &OAuthClient, found: &Found) -> NewSecret {
    let endpoints = &found.metadata.endpoints;
    let pushed = found.metadata.pushed_for(false);
    let mut hosts = vec![host_of(found.issuer.url()), host_of(&endpoints.token)];
    hosts.extend(pushed.as_ref().map(host_of));
    hosts.sort();
    hosts.dedup();
    let credentials = client.spec.credentials.as_ref();
    NewSecret {
        namespace: cluster.namespace.clone(),
        name: credentials.map_or_else(String::new, |one| one.secret_name.clone()),
        labels: [(CREDENTIALS_LABEL.to_owned(), "true".to_owned())].into(),
        annotations: [(ALLOWED_HOSTS_ANNOTATION.to_owned(), hosts.join(","))].into(),
        data: BTreeMap::new(),
        overwrite: Overwrite::Nothing,
    }
}

fn client_of(
    name: &str,
    args: &CreateArgs,
    found: &Found,
    registration: &Registration,
    client: &Registered,
) -> Result<OAuthClient, Problem> {
    let token_secret = args.token_secret.clone();
    let mut spec = json!({
        "provider": {"issuerURL": found.issuer.text()},
        "grant": {"type": "refresh_token"},
        "clientAuthentication": {"method": client.method},
        "credentials": {"secretName": format!("{name}-client")},
        "parameters": [{"name": "resource", "value": found.resource.resource}],
        "login": {
            "redirectURI": registration.redirect_uri,
            "scopes": login_scopes(found, &scopes(found, args)),
            "prompt": "consent",
        },
        "tokenSecret": {"name": token_secret.unwrap_or_else(|| format!("{name}-token"))},
    });
    let scopes = scopes(found, args);
    if let (Some(fields), false) = (spec.as_object_mut(), scopes.is_empty()) {
        fields.insert("scopes".to_owned(), json!(scopes));
    }
    let manifest = json!({
        "apiVersion": "oauthclient.dev/v1alpha1",
        "kind": "OAuthClient",
        "metadata": {"name": name},
        "spec": spec,
    });
    let made = parse_manifest(&manifest.to_string()).map_err(Problem::invalid)?;
    validate(&made).map_err(Problem::invalid)?;
    Ok(made)
}

async fn log_in(
    cluster: Cluster,
    name: &str,
    args: &CreateArgs,
    storing: &Storing,
) -> Result<u8, Problem> {
    let login = LoginArgs {
        name: name.to_owned(),
        device: false,
        no_browser: args.no_browser,
        listen: None,
        redirect_path: None,
        scope: Vec::new(),
        parameter: Vec::new(),
        timeout_seconds: 300,
        local: None,
        guard: args.guard.clone(),
    };
    login::in_cluster(cluster, login, storing).await
}
