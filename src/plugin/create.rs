//! `create`: creates an OAuthClient and its credentials from the provider's example.
//!
//! In this order: complete and validate the manifest, let the API server check both objects, prompt for secrets, write
//! both.

mod presets;
mod protected;
mod secrets;
mod store;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::ResourceExt as _;
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::api::manifest::parse_manifest;
use crate::api::spec::OAuthClient;
use crate::api::validate;
use crate::clock::Clock;
use crate::command::Command;
use crate::names::{ALLOWED_HOSTS_ANNOTATION, CREDENTIALS_LABEL};
use crate::plugin::output::yaml;
use crate::plugin::problem::{NOT_READY, Problem};

use super::args::{ConnectionArgs, CreateArgs};
use super::cluster::{ApiOperation, CallFailure, Cluster};
use super::credentials::hosts_of;
use super::new_secret::{NewSecret, Overwrite, put};
use super::output::Storing;
use super::paint::{Cell, Grid, Tone};
use super::status::Summary;
use super::target::resource;
use super::{output, prompt};
use presets::{Draft, Preset, field};
use store::{MANAGER, print_result, try_both, write};

pub(super) use presets::presets;

/// How often to check whether there is a token.
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(500);

/// Runs the command.
pub(super) async fn run(
    connection: &ConnectionArgs,
    args: CreateArgs,
    storing: &Storing,
) -> Result<u8, Problem> {
    if args.list_providers {
        output::painted(&list().draw(output::width()));
        return Ok(0);
    }
    if args.resource.is_some() {
        let cluster = Cluster::connect(connection).await?;
        return protected::run(cluster, &args, storing).await;
    }
    let preset = choose(&args).await?;
    let mut draft = preset.draft()?;
    let name = args.name.clone().unwrap_or_else(|| preset.name.to_owned());
    rename(&mut draft, &name, &args);
    // What flags give may look like a placeholder, and is none.
    let known = draft.placeholders();
    apply(&mut draft, &args)?;
    fill(&mut draft, &args.fill, &known).await?;
    let client = checked(&draft)?;
    if args.print {
        return print(&draft, &client, connection);
    }
    let cluster = Cluster::connect(connection).await?;
    let secret = draft.keys.as_ref().filter(|_| args.credentials.is_none());
    let mut new_secret = secret.map(|_| new_secret(&cluster, &client, draft.secret()));
    try_both(&cluster, new_secret.as_ref(), &client).await?;
    if let (Some(new_secret), Some(keys)) = (&mut new_secret, secret) {
        new_secret.data = secrets::ask_for(&args, keys).await?;
        put(&cluster, new_secret, args.dry_run).await?;
    }
    accounts(&cluster, &draft, args.dry_run).await?;
    write(&cluster, &client, args.dry_run).await?;
    print_result(&cluster, &client, new_secret.as_ref(), args.dry_run);
    if args.wait {
        return wait(&cluster, &name, args.timeout_seconds).await;
    }
    Ok(0)
}

fn list() -> Grid {
    let row = |preset: Preset| {
        let draft = preset.draft().ok();
        let mut needs: Vec<String> = Vec::new();
        if let Some(draft) = &draft {
            needs.extend(draft.keys.iter().flatten().map(|(key, _)| key.clone()));
            needs.extend(draft.placeholders().into_keys());
        }
        vec![
            Cell::new(Tone::Strong, preset.name),
            Cell::plain(preset.about),
            Cell::plain(&needs.join(", ")),
        ]
    };
    Grid {
        head: vec!["PROVIDER", "ABOUT", "NEEDS"],
        rows: presets().into_iter().map(row).collect(),
        optional: vec![],
        wraps: true,
    }
}

async fn choose(args: &CreateArgs) -> Result<Preset, Problem> {
    if let Some(name) = &args.provider {
        return Preset::find(name);
    }
    if args.token_url.is_some() {
        return Preset::find("smallest");
    }
    if args.issuer_url.is_some() {
        return Preset::find("issuer");
    }
    let all = presets();
    let mut question = String::from("Which provider?\n");
    for (number, preset) in (1..).zip(&all) {
        question += &format!("{number:>4}  {:<18} {}\n", preset.name, preset.about);
    }
    question += "Number or name";
    let answer = prompt::shown(&question, "--provider").await?;
    let number = answer
        .parse::<usize>()
        .ok()
        .and_then(|number| number.checked_sub(1));
    match number.and_then(|index| all.get(index)) {
        Some(preset) => Ok(*preset),
        None => Preset::find(&answer),
    }
}

fn rename(draft: &mut Draft, name: &str, args: &CreateArgs) {
    let own = |given: &Option<String>, end: &str| {
        given.clone().unwrap_or_else(|| format!("{name}-{end}"))
    };
    let secret = own(&args.credentials, "client");
    draft.rename(name, &secret, &own(&args.token_secret, "token"));
}

fn apply(draft: &mut Draft, args: &CreateArgs) -> Result<(), Problem> {
    let spec = draft.spec();
    let provider = field(spec, "provider");
    let by_issuer = provider.get("issuerURL").is_some_and(Value::is_string);
    if let Some(url) = &args.token_url {
        if by_issuer {
            return Err(Problem::new(
                "this provider is found by its issuer: give --issuer-url instead of --token-url",
            ));
        }
        *field(provider, "tokenURL") = json!(url);
    }
    if let Some(url) = &args.issuer_url {
        if !by_issuer {
            return Err(Problem::new(
                "this provider has its token endpoint in the example: give --token-url instead of --issuer-url",
            ));
        }
        *field(provider, "issuerURL") = json!(url);
    }
    // If the resource contains the client id.
    if let (Some(id), Some(client)) = (
        &args.client_id,
        spec.pointer_mut("/clientAuthentication/clientID"),
    ) {
        *client = json!(id);
    }
    if !args.scope.is_empty() {
        *field(spec, "scopes") = json!(args.scope);
    }
    if let Some(audience) = &args.audience {
        let parameters = field(spec, "parameters");
        let before = parameters.as_array().cloned().unwrap_or_default();
        let others = before
            .into_iter()
            .filter(|one| one.get("name").and_then(Value::as_str) != Some("audience"));
        let own = json!({"name": "audience", "value": audience});
        *parameters = others.chain([own]).collect();
    }
    Ok(())
}

/// Placeholders of an example, and the fields that contain them.
type Placeholders = BTreeMap<String, Vec<String>>;

/// Fills the placeholders from the flags, then with prompts.
async fn fill(draft: &mut Draft, flags: &[String], known: &Placeholders) -> Result<(), Problem> {
    let left = |draft: &Draft| -> Placeholders {
        let all = draft.placeholders().into_iter();
        all.filter(|(placeholder, _)| known.contains_key(placeholder))
            .collect()
    };
    for flag in flags {
        let (placeholder, value) = flag
            .split_once('=')
            .ok_or_else(|| Problem::new(format!("--fill {flag} is not PLACEHOLDER=VALUE")))?;
        let open = left(draft);
        if !open.contains_key(placeholder) {
            let open: Vec<String> = open.into_keys().collect();
            return Err(Problem::new(format!(
                "there is no placeholder {placeholder}: {}",
                listed(&open)
            )));
        }
        draft.fill(placeholder, value);
    }
    let open = left(draft);
    if !prompt::is_interactive() && !open.is_empty() {
        let open: Vec<String> = open
            .into_keys()
            .map(|one| format!("--fill {one}=VALUE"))
            .collect();
        return Err(Problem::new(format!(
            "the example has placeholders, and there is no terminal to ask at: give {}",
            open.join(" ")
        )));
    }
    for (placeholder, fields) in open {
        let question = format!("{} ({})", placeholder, fields.join(", "));
        let value = prompt::shown(&question, &format!("--fill {placeholder}=VALUE")).await?;
        draft.fill(&placeholder, &value);
    }
    Ok(())
}

fn listed(open: &[String]) -> String {
    match open {
        [] => "none is left to fill in".to_owned(),
        some => format!("there are {}", some.join(", ")),
    }
}

/// Validates it as the API server does, before any prompt.
fn checked(draft: &Draft) -> Result<OAuthClient, Problem> {
    let mut client = parse_manifest(&draft.client.to_string()).map_err(Problem::invalid)?;
    // Validation requires a UID.
    let uid = client.metadata.uid.clone();
    validate(&client).map_err(Problem::invalid)?;
    client.metadata.uid = uid;
    Ok(client)
}

fn print(draft: &Draft, client: &OAuthClient, connection: &ConnectionArgs) -> Result<u8, Problem> {
    let mut text = String::new();
    if let Some(keys) = &draft.keys {
        let create = Command::kubectl(&["oauthclient", "credentials", "create"])
            .value(draft.secret())
            .namespace(connection.namespace.as_deref().unwrap_or("NAMESPACE"))
            .fixed(&["--client-id", "ID", "--for"])
            .value(&client.name_any());
        let keys: Vec<&str> = keys.keys().map(String::as_str).collect();
        text += &format!(
            "# To create the credentials (keys {}): {create}\n",
            keys.join(", ")
        );
    }
    for account in &draft.accounts {
        text += &format!("{}---\n", yaml(account)?);
    }
    text += &yaml(&draft.client)?;
    output::raw(&text);
    Ok(0)
}

fn new_secret(cluster: &Cluster, client: &OAuthClient, name: &str) -> NewSecret {
    NewSecret {
        namespace: cluster.namespace.clone(),
        name: name.to_owned(),
        labels: [(CREDENTIALS_LABEL.to_owned(), "true".to_owned())].into(),
        annotations: [(
            ALLOWED_HOSTS_ANNOTATION.to_owned(),
            hosts_of(client).join(","),
        )]
        .into(),
        data: BTreeMap::new(),
        overwrite: Overwrite::Nothing,
    }
}

/// Creates missing ServiceAccounts. Existing ones belong to their owners, who decide about their use.
async fn accounts(cluster: &Cluster, draft: &Draft, dry_run: bool) -> Result<(), Problem> {
    for account in &draft.accounts {
        let account: ServiceAccount = serde_json::from_value(account.clone())
            .map_err(|_| Problem::new("the example's ServiceAccount cannot be read"))?;
        let name = account.name_any();
        let params = PostParams {
            dry_run,
            field_manager: Some(MANAGER.to_owned()),
        };
        let operation = ApiOperation {
            verb: "create",
            resource: "serviceaccounts",
            name: &name,
        };
        let api = cluster.api::<ServiceAccount>();
        match cluster.call(operation, api.create(&params, &account)).await {
            Ok(_) => output::line(&format!(
                "ServiceAccount {}/{name} created.",
                cluster.namespace
            )),
            Err(CallFailure::Conflict) => output::line(&format!(
                "ServiceAccount {}/{name} already exists and was not changed.",
                cluster.namespace
            )),
            Err(failure) => return Err(failure.into()),
        }
    }
    Ok(())
}

async fn wait(cluster: &Cluster, name: &str, seconds: u32) -> Result<u8, Problem> {
    let clock = Clock::system();
    let quiet = cluster.quietly();
    let begun = clock.elapsed();
    let deadline = std::time::Duration::from_secs(seconds.into());
    let looking = async {
        loop {
            let found = resource(&quiet, name).await?;
            let summary = Summary::of(&found, clock.now());
            let over = clock.elapsed().saturating_sub(begun) >= deadline;
            if summary.ready || summary.stalled || summary.failure.is_some() || over {
                return Ok::<_, Problem>(summary);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let summary = output::progress("Waiting for the first token", looking).await?;
    output::painted(&summary.in_full());
    Ok(if summary.ready { 0 } else { NOT_READY })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::plugin::args::{Command as Word, Plugin};

    fn args(flags: &[&str]) -> CreateArgs {
        let all = ["kubectl-oauthclient", "create"]
            .into_iter()
            .chain(flags.iter().copied());
        match Plugin::try_parse_from(all).unwrap().command {
            Word::Create(args) => *args,
            _ => panic!("not create"),
        }
    }

    async fn made(flags: &[&str]) -> Result<OAuthClient, Problem> {
        let args = args(flags);
        let preset = choose(&args).await?;
        let mut draft = preset.draft()?;
        rename(&mut draft, args.name.as_deref().unwrap_or("x"), &args);
        let known = draft.placeholders();
        apply(&mut draft, &args)?;
        fill(&mut draft, &args.fill, &known).await?;
        checked(&draft)
    }

    #[tokio::test]
    async fn a_provider_that_is_in_no_list_needs_its_endpoint_alone() {
        let client = made(&[
            "api",
            "--token-url",
            "https://login.acme.test/token",
            "--scope",
            "read",
            "--audience",
            "https://api.acme.test",
        ])
        .await
        .unwrap();
        assert_eq!(
            client.spec.provider.token_url.as_deref(),
            Some("https://login.acme.test/token")
        );
        assert_eq!(client.spec.scopes, ["read"]);
        assert_eq!(
            client.spec.credentials.as_ref().unwrap().secret_name,
            "api-client"
        );
        assert_eq!(client.spec.token_secret.name, "api-token");
        assert_eq!(hosts_of(&client), ["login.acme.test"]);
    }

    #[tokio::test]
    async fn every_provider_makes_a_valid_manifest_once_its_placeholders_are_filled_in() {
        for preset in presets() {
            let mut flags = vec!["x".to_owned(), format!("--provider={}", preset.name)];
            for placeholder in preset.draft().unwrap().placeholders().into_keys() {
                let value = if placeholder.contains("example.com") {
                    "auth.acme.test"
                } else {
                    "4711"
                };
                flags.push(format!("--fill={placeholder}={value}"));
            }
            let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
            let made = made(&flags).await;
            assert!(made.is_ok(), "{}: {made:?}", preset.name);
        }
    }

    #[tokio::test]
    async fn what_a_flag_gives_is_no_placeholder_whatever_it_looks_like() {
        let client = made(&[
            "api",
            "--token-url",
            "https://your-api.auth.test/your-tenant/token",
            "--scope",
            "your:api.read",
        ])
        .await
        .unwrap();
        let url = client.spec.provider.token_url.as_deref();
        assert_eq!(url, Some("https://your-api.auth.test/your-tenant/token"));
        assert_eq!(client.spec.scopes, ["your:api.read"]);
        let client = made(&[
            "api",
            "--provider=okta",
            "--fill=your-org=your-company",
            "--fill=your-key-id=1",
        ])
        .await
        .unwrap();
        let url = client.spec.provider.token_url.unwrap();
        assert!(url.contains("your-company"), "{url}");
    }

    #[tokio::test]
    async fn what_is_not_valid_is_refused_before_anything_is_asked_for() {
        let problem = made(&["api", "--token-url", "not a url"])
            .await
            .unwrap_err();
        assert!(problem.message.contains("not valid"), "{problem:?}");
        let problem = made(&["api", "--provider", "nonsense"]).await.unwrap_err();
        assert!(problem.message.contains("choose one of"), "{problem:?}");
        let problem = made(&["api", "--provider", "okta", "--fill", "nothing=x"])
            .await
            .unwrap_err();
        assert!(
            problem.message.contains("there are your-key-id, your-org"),
            "{problem:?}"
        );
    }
}
