//! `credentials rotate`: stores the next client secret beside the current one, then replaces it.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret as ApiSecret;
use kube::ResourceExt as _;
use kube::api::PostParams;
use zeroize::Zeroize as _;

use crate::api::spec::CredentialKeys;
use crate::clock::Clock;
use crate::command::Command;
use crate::names::{CLIENT_SECRET_EXPIRES, CREDENTIALS_LABEL};
use crate::plugin::args::{ConnectionArgs, RotateArgs};
use crate::plugin::cluster::{ApiOperation, Cluster, SECRETS};
use crate::plugin::inspect::named;
use crate::plugin::problem::Problem;
use crate::plugin::status::all;
use crate::plugin::{output, prompt};
use crate::secret::Secret;
use crate::time::Time;

/// The field manager in `managedFields`.
const MANAGER: &str = "kubectl-oauthclient";

/// Runs the command.
pub(crate) async fn run(connection: &ConnectionArgs, args: &RotateArgs) -> Result<u8, Problem> {
    let ends = args
        .expires_at
        .as_deref()
        .map(|text| date(text, Clock::system().now()))
        .transpose()?;
    let cluster = Cluster::connect(connection).await?;
    let name = &args.name;
    let keys = keys(&cluster, name).await?;
    // Before the user types a secret.
    let before = read(&cluster, name).await?;
    if args.finish {
        let after = finished(before, &keys, &cluster.namespace)?;
        write(&cluster, name, after).await?;
        output::line(&format!(
            "Secret {}/{name}: the next client secret is in the place of the old one, and {} is removed. This requests no token.",
            cluster.namespace, keys.next_client_secret
        ));
        return Ok(0);
    }
    let secret = if args.secret_from_stdin {
        prompt::piped("client secret").await?
    } else {
        prompt::hidden("Next client secret", "--secret-from-stdin").await?
    };
    let key = if args.now {
        &keys.client_secret
    } else {
        &keys.next_client_secret
    };
    let after = with(read(&cluster, name).await?, key, &secret, ends.as_deref());
    write(&cluster, name, after).await?;
    let again = |words: &[&'static str]| {
        Command::kubectl(&["oauthclient", "credentials", "rotate"])
            .value(name)
            .namespace(&cluster.namespace)
            .fixed(words)
    };
    let what = if args.now {
        format!(
            "it is used for the next token request. To check it: {}",
            again_check(name, &cluster.namespace)
        )
    } else {
        format!(
            "the current one is used as long as the provider takes it, then this one. When the old one is revoked at the provider, run: {}",
            again(&["--finish"])
        )
    };
    output::line(&format!(
        "Secret {}/{name} holds the new client secret under {key}: {what}",
        cluster.namespace
    ));
    Ok(0)
}

fn again_check(name: &str, namespace: &str) -> Command {
    Command::kubectl(&["oauthclient", "credentials", "check"])
        .value(name)
        .namespace(namespace)
}

/// The keys that the resources that use it expect. They must agree.
async fn keys(cluster: &Cluster, name: &str) -> Result<CredentialKeys, Problem> {
    let clients = all(cluster, false, None).await?;
    let mut keys = clients
        .iter()
        .filter(|client| named(client).iter().any(|other| other == name))
        .filter_map(|client| {
            Some((
                client.name_any(),
                client.spec.credentials.as_ref()?.keys.clone(),
            ))
        });
    let Some((first, found)) = keys.next() else {
        return Ok(CredentialKeys::default());
    };
    let same = |other: &CredentialKeys| {
        other.client_secret == found.client_secret
            && other.next_client_secret == found.next_client_secret
    };
    match keys.find(|(_, other)| !same(other)) {
        None => Ok(found),
        Some((other, _)) => Err(Problem::new(format!(
            "OAuthClients {first} and {other} read the client secret of Secret {name} from different keys (spec.credentials.keys): use the same key in both, or change the Secret by hand"
        ))),
    }
}

async fn read(cluster: &Cluster, name: &str) -> Result<ApiSecret, Problem> {
    let namespace = &cluster.namespace;
    let found: Option<ApiSecret> = cluster.get(SECRETS, name).await?;
    let secret = found.ok_or_else(|| {
        Problem::new(format!(
            "there is no Secret {name} in namespace {namespace}"
        ))
    })?;
    if secret
        .labels()
        .get(CREDENTIALS_LABEL)
        .is_none_or(|value| value != "true")
    {
        let label = Command::kubectl(&["label", "secret"])
            .value(name)
            .namespace(namespace)
            .pair(CREDENTIALS_LABEL, "true");
        return Err(Problem::new(format!(
            "Secret {namespace}/{name} lacks the label {CREDENTIALS_LABEL}=true, so it is not changed. If it holds credentials for the operator, run: {label}"
        )));
    }
    if secret.immutable == Some(true) {
        return Err(Problem::new(format!(
            "Secret {namespace}/{name} is immutable: create another one, and name it in spec.credentials.secretName"
        )));
    }
    Ok(secret)
}

fn with(mut secret: ApiSecret, key: &str, value: &Secret, ends: Option<&str>) -> ApiSecret {
    let data = secret.data.get_or_insert_default();
    data.insert(key.to_owned(), ByteString(value.expose_bytes().to_vec()));
    if let Some(ends) = ends {
        let annotations = secret.metadata.annotations.get_or_insert_default();
        annotations.insert(CLIENT_SECRET_EXPIRES.to_owned(), ends.to_owned());
    }
    secret
}

fn finished(
    mut secret: ApiSecret,
    keys: &CredentialKeys,
    namespace: &str,
) -> Result<ApiSecret, Problem> {
    let name = secret.name_any();
    let data = secret.data.get_or_insert_default();
    let next = data.remove(&keys.next_client_secret).ok_or_else(|| {
        Problem::new(format!(
            "Secret {namespace}/{name} has no key {}: there is nothing to finish",
            keys.next_client_secret
        ))
    })?;
    if let Some(mut old) = data.insert(keys.client_secret.clone(), next) {
        old.0.zeroize();
    }
    Ok(secret)
}

/// Names the observed version, so that no concurrent change is lost.
async fn write(cluster: &Cluster, name: &str, mut secret: ApiSecret) -> Result<(), Problem> {
    secret.metadata.managed_fields = None;
    let annotations = secret.metadata.annotations.get_or_insert_default();
    // The annotation that kubectl copies data into.
    annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    let params = PostParams {
        dry_run: false,
        field_manager: Some(MANAGER.to_owned()),
    };
    let operation = ApiOperation {
        verb: "update",
        resource: SECRETS,
        name,
    };
    let api = cluster.api::<ApiSecret>();
    cluster
        .call(operation, api.replace(name, &params, &secret))
        .await?;
    Ok(())
}

/// A date or a time in the future, unchanged.
fn date(text: &str, now: Time) -> Result<String, Problem> {
    let time =
        Time::parse_rfc3339(text).or_else(|| Time::parse_rfc3339(&format!("{text}T00:00:00Z")));
    match time {
        Some(time) if time > now => Ok(text.to_owned()),
        Some(_) => Err(Problem::new(format!("--expires-at {text} is over already"))),
        None => Err(Problem::new(format!(
            "--expires-at {text} is no date: write 2027-01-31, or 2027-01-31T12:00:00Z"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(keys: &[&str]) -> ApiSecret {
        let data = keys
            .iter()
            .map(|key| ((*key).to_owned(), ByteString(key.as_bytes().to_vec())));
        ApiSecret {
            data: Some(data.collect()),
            ..ApiSecret::default()
        }
    }

    #[test]
    fn the_next_secret_takes_the_place_of_the_old_one_and_nothing_else_changes() {
        let keys = CredentialKeys::default();
        let after = finished(
            secret(&["client_id", "client_secret", "next_client_secret"]),
            &keys,
            "shop",
        )
        .unwrap();
        let data = after.data.unwrap();
        assert_eq!(
            data.keys().collect::<Vec<_>>(),
            ["client_id", "client_secret"]
        );
        assert_eq!(data["client_secret"].0, b"next_client_secret");
        assert!(finished(secret(&["client_secret"]), &keys, "shop").is_err());
    }

    #[test]
    fn an_end_is_a_date_that_lies_ahead() {
        let now = Time::from_seconds(1_700_000_000);
        assert_eq!(date("2027-01-31", now).unwrap(), "2027-01-31");
        assert!(date("2023-01-31", now).is_err());
        assert!(date("soon", now).is_err());
    }
}
