//! Writes Secrets that the operator may use: each with one write, never printed.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret as ApiSecret;
use kube::api::PostParams;
use tokio::time::sleep;

use crate::command::Command;
use crate::names::CREDENTIALS_LABEL;
use crate::plugin::problem::Problem;
use crate::secret::Secret;

use super::cluster::{ApiOperation, CallFailure, Cluster, SECRETS};

/// The label of Secrets that a login created; its value is `true`. A login replaces only such a Secret.
pub(super) const LOGIN_LABEL: &str = "oauthclient.dev/login";
/// The field manager in `managedFields`.
const MANAGER: &str = "kubectl-oauthclient";
/// The annotation that kubectl copies data into.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// The pauses between attempts to write a response that exists nowhere else.
const PAUSES: [Duration; 6] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(8),
    Duration::from_secs(15),
    Duration::from_secs(20),
];

/// The Secret to write. It has no `Debug`.
pub(super) struct NewSecret {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) data: BTreeMap<String, Secret>,
    pub(super) overwrite: Overwrite,
}

fn label(secret: &str, namespace: &str) -> Command {
    Command::kubectl(&["label", "secret"])
        .value(secret)
        .namespace(namespace)
}

/// Which existing Secret of the same name may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overwrite {
    /// None.
    Nothing,
    /// One with the credentials label. Other keys are kept.
    Credentials,
    /// One that a login created. It is replaced as a whole.
    Login,
}

impl NewSecret {
    /// Whether it may replace a Secret with these labels.
    pub(super) fn may_replace(
        &self,
        labels: Option<&BTreeMap<String, String>>,
    ) -> Result<(), Problem> {
        let has = |label: &str| {
            labels
                .and_then(|labels| labels.get(label))
                .is_some_and(|value| value == "true")
        };
        let (namespace, name) = (&self.namespace, &self.name);
        match self.overwrite {
            Overwrite::Login if has(LOGIN_LABEL) => Ok(()),
            Overwrite::Login => Err(Problem::new(format!(
                "Secret {namespace}/{name} exists and was not created by a login, so it is not changed. Rename or delete it, or let a login replace it: {}",
                label(name, namespace).pair(LOGIN_LABEL, "true")
            ))),
            Overwrite::Credentials if has(CREDENTIALS_LABEL) => Ok(()),
            Overwrite::Credentials => Err(Problem::new(format!(
                "Secret {namespace}/{name} has no label {CREDENTIALS_LABEL}=true, so it is not changed. If you want it changed and used by the operator: {}",
                label(name, namespace).pair(CREDENTIALS_LABEL, "true")
            ))),
            Overwrite::Nothing => Err(Problem::new(format!(
                "Secret {namespace}/{name} exists already. Give --replace to change it"
            ))),
        }
    }

    /// As a manifest, for a folder. Secret.
    pub(super) fn manifest(&self) -> Secret {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let mut text = zeroize::Zeroizing::new(String::from(
            "# Created by kubectl oauthclient. It contains secrets: keep it out of version control.\n\
             apiVersion: v1\nkind: Secret\nmetadata:\n",
        ));
        text.push_str(&format!(
            "  name: {}\n  namespace: {}\n",
            quoted(&self.name),
            quoted(&self.namespace)
        ));
        for (field, map) in [("labels", &self.labels), ("annotations", &self.annotations)] {
            text.push_str(&format!("  {field}:\n"));
            for (key, value) in map {
                text.push_str(&format!("    {}: {}\n", quoted(key), quoted(value)));
            }
        }
        text.push_str("data:\n");
        for (key, value) in &self.data {
            let encoded = zeroize::Zeroizing::new(STANDARD.encode(value.expose_bytes()));
            text.push_str(&format!("  {}: \"", quoted(key)));
            text.push_str(&encoded);
            text.push_str("\"\n");
        }
        Secret::from(text.as_str())
    }

    fn object(&self, before: Option<ApiSecret>) -> ApiSecret {
        let mut object = before.unwrap_or_default();
        object.metadata.name = Some(self.name.clone());
        object.metadata.namespace = Some(self.namespace.clone());
        object.metadata.managed_fields = None;
        let labels = object.metadata.labels.get_or_insert_default();
        labels.extend(self.labels.clone());
        let annotations = object.metadata.annotations.get_or_insert_default();
        annotations.remove(LAST_APPLIED);
        annotations.extend(self.annotations.clone());
        let data = object.data.get_or_insert_default();
        if self.overwrite == Overwrite::Login {
            data.clear();
        }
        for (key, value) in &self.data {
            data.insert(key.clone(), ByteString(value.expose_bytes().to_vec()));
        }
        object
    }
}

/// The result of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    Created,
    Replaced,
}

/// Writes the Secret, or with `dry_run` lets the API server check permissions, quota and admission before the user is
/// sent to a provider.
pub(super) async fn put(
    cluster: &Cluster,
    new_secret: &NewSecret,
    dry_run: bool,
) -> Result<Done, Problem> {
    once(cluster, new_secret, dry_run)
        .await
        .map_err(Problem::from)
}

/// Writes what exists nowhere else: retries after conflicts and outages for about a minute.
pub(super) async fn put_for_sure(
    cluster: &Cluster,
    new_secret: &NewSecret,
) -> Result<Done, Problem> {
    for pause in PAUSES {
        match once(cluster, new_secret, false).await {
            Ok(done) => return Ok(done),
            Err(_) => sleep(pause).await,
        }
    }
    once(cluster, new_secret, false)
        .await
        .map_err(Problem::from)
}

async fn once(
    cluster: &Cluster,
    new_secret: &NewSecret,
    dry_run: bool,
) -> Result<Done, CallFailure> {
    let name = &new_secret.name;
    let api = cluster.api::<ApiSecret>();
    let params = PostParams {
        dry_run,
        field_manager: Some(MANAGER.to_owned()),
    };
    let before = cluster
        .get::<ApiSecret>(SECRETS, name)
        .await
        .map_err(CallFailure::Other)?;
    let operation = |verb| ApiOperation {
        verb,
        resource: SECRETS,
        name,
    };
    match before {
        None => {
            let object = new_secret.object(None);
            cluster
                .call(operation("create"), api.create(&params, &object))
                .await?;
            Ok(Done::Created)
        }
        Some(before) => {
            new_secret
                .may_replace(before.metadata.labels.as_ref())
                .map_err(CallFailure::Other)?;
            if before.immutable == Some(true) {
                return Err(CallFailure::Other(Problem::new(format!(
                    "Secret {}/{name} is immutable: delete it first",
                    new_secret.namespace
                ))));
            }
            // Names the observed version, so that no concurrent change is lost.
            let object = new_secret.object(Some(before));
            cluster
                .call(operation("update"), api.replace(name, &params, &object))
                .await?;
            Ok(Done::Replaced)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_secret(overwrite: Overwrite) -> NewSecret {
        NewSecret {
            namespace: "shop".to_owned(),
            name: "api-login".to_owned(),
            labels: [(CREDENTIALS_LABEL.to_owned(), "true".to_owned())].into(),
            annotations: [("a".to_owned(), "x: \"y\" # z".to_owned())].into(),
            data: [("refresh_token".to_owned(), "s3cr3t\n".into())].into(),
            overwrite,
        }
    }

    fn labels(name: &str) -> BTreeMap<String, String> {
        [(name.to_owned(), "true".to_owned())].into()
    }

    #[test]
    fn only_a_secret_of_the_same_making_is_replaced() {
        for (overwrite, label, may) in [
            (Overwrite::Login, LOGIN_LABEL, true),
            (Overwrite::Login, CREDENTIALS_LABEL, false),
            (Overwrite::Credentials, CREDENTIALS_LABEL, true),
            (Overwrite::Credentials, "other", false),
            (Overwrite::Nothing, CREDENTIALS_LABEL, false),
        ] {
            let text = new_secret(overwrite).may_replace(Some(&labels(label)));
            assert_eq!(text.is_ok(), may, "{overwrite:?} {label}");
        }
        assert!(new_secret(Overwrite::Login).may_replace(None).is_err());
    }

    #[test]
    fn a_login_replaces_all_data_and_keeps_foreign_labels() {
        let mut before = ApiSecret::default();
        before.metadata.labels = Some(labels("team"));
        before.metadata.annotations =
            Some([(LAST_APPLIED.to_owned(), "old token".to_owned())].into());
        before.data = Some([("old".to_owned(), ByteString(Vec::new()))].into());
        let after = new_secret(Overwrite::Login).object(Some(before.clone()));
        assert_eq!(after.data.unwrap().len(), 1);
        assert!(after.metadata.labels.unwrap().contains_key("team"));
        assert!(
            !after
                .metadata
                .annotations
                .unwrap()
                .contains_key(LAST_APPLIED)
        );
        let merged = new_secret(Overwrite::Credentials).object(Some(before));
        assert_eq!(merged.data.unwrap().len(), 2);
    }

    #[test]
    fn the_manifest_is_read_back_as_it_was_written() {
        let text = new_secret(Overwrite::Login).manifest();
        let value: serde_json::Value = serde_saphyr::from_str(text.expose().unwrap()).unwrap();
        assert_eq!(value["metadata"]["annotations"]["a"], "x: \"y\" # z");
        assert_eq!(value["data"]["refresh_token"], STANDARD.encode("s3cr3t\n"));
    }
}
