//! What GitOps tools make of an OAuthClient: kstatus (Flux and others) as it is, Argo CD by the rule of docs/gitops.md.

use std::path::{Path, PathBuf};

use testkit::go_checks::{argocd, kstatus};
use testkit::provider::Fault;

use super::harness::{PATH, Stage, Start, living};

/// The ConfigMap of the documentation, as a file.
fn config(folder: &Path) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/gitops.md");
    let page = std::fs::read_to_string(path).unwrap();
    let block = page
        .split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .find(|block| block.contains("name: argocd-cm"))
        .unwrap();
    let file = folder.join("argocd-cm.yaml");
    std::fs::write(&file, block).unwrap();
    file
}

/// Status and health of an OAuthClient as it is now.
async fn seen(stage: &Stage, config: &Path, name: &str) -> (String, String) {
    let object = stage.object("oauthclient", name).await.unwrap().to_string();
    let (status, _) = kstatus(&object).unwrap();
    let (health, message) = argocd(config, &object).unwrap();
    assert!(!message.is_empty(), "{health}: no message");
    (status, health)
}

#[tokio::test(flavor = "multi_thread")]
async fn kstatus_and_argo_cd_tell_ready_waiting_and_stalled_apart() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let stage = Stage::with(living(3600.0)).await;
    let both = |status: &str, health: &str| (status.to_owned(), health.to_owned());

    // Nobody has looked at it yet.
    stage.resource("main", "").await;
    let found = seen(&stage, &config, "main").await;
    assert_eq!(found, both("InProgress", "Progressing"));

    let operator = stage.operator(Start::default()).await;
    stage.wait_ready("main").await;
    let found = seen(&stage, &config, "main").await;
    assert_eq!(found, both("Current", "Healthy"));

    // It waits for a Secret that does not exist.
    let waiting = stage
        .manifest("waiting", "")
        .replace("secretName: client}", "secretName: absent}");
    stage.apply(&waiting).await;
    stage
        .wait_for("waiting", "Ready", "False", "CredentialsNotFound")
        .await;
    let found = seen(&stage, &config, "waiting").await;
    assert_eq!(found, both("InProgress", "Progressing"));

    // A person must act, and there is no token.
    stage
        .provider
        .set_fault(PATH, Some(Fault::error("invalid_client")));
    stage.resource("refused", "").await;
    stage
        .wait_for("refused", "Stalled", "True", "InvalidClient")
        .await;
    let found = seen(&stage, &config, "refused").await;
    assert_eq!(found, both("Failed", "Degraded"));

    // A person must act, while the token is still valid.
    let now = "oauthclient.dev/refresh-requested-at=now";
    stage
        .kubectl(&["annotate", "oauthclient", "main", now])
        .await;
    stage
        .wait_for("main", "Stalled", "True", "InvalidClient")
        .await;
    assert_eq!(
        stage.condition("main", "Ready").await.unwrap().status,
        "True"
    );
    let found = seen(&stage, &config, "main").await;
    assert_eq!(found, both("Failed", "Degraded"));

    // It recovers.
    stage.provider.set_fault(PATH, None);
    let again = "oauthclient.dev/retry-requested-at=now";
    stage
        .kubectl(&["annotate", "secret", "client", again])
        .await;
    stage
        .until("main recovers", || async {
            seen(&stage, &config, "main").await == both("Current", "Healthy")
        })
        .await;

    // A new generation that the operator has not seen.
    operator.kill();
    let patch = r#"{"spec":{"refresh":{"beforeSeconds":600}}}"#;
    stage
        .kubectl(&["patch", "oauthclient", "main", "--type=merge", "-p", patch])
        .await;
    let found = seen(&stage, &config, "main").await;
    assert_eq!(found, both("InProgress", "Progressing"));
}
