//! Workloads that are restarted after each new token, with the deployment controller of the real control plane. There is no node:
//! the tests say when a pod is ready.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::control_plane::{ControlPlane, Options};
use testkit::deploy::install_deploy;

use super::harness::{Plane, Stage, Start, deploy, living};

const RESTARTED_AT: &str = "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt";
const RESTARTED_FOR: &str = "/metadata/annotations/oauthclient.dev~1restarted-for";

/// What an OAuthClient restarts here.
const RESTART: &str = "  restart: [{kind: Deployment, name: shop, minIntervalSeconds: 1}]";

/// A control plane that rolls Deployments out.
async fn stage(seconds: f64) -> Stage {
    testkit::install_crypto();
    let mut options = Options::with_usual_controllers();
    for name in ["deployment-controller", "replicaset-controller"] {
        options.controllers.push(name.to_owned());
    }
    let plane = ControlPlane::start(options).await.unwrap();
    install_deploy(&plane, &deploy(), "oauthclient-system")
        .await
        .unwrap();
    Stage::on(Plane::Own(Box::new(plane)), living(seconds)).await
}

fn deployment(replicas: u32, annotations: Value) -> String {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shop", "annotations": annotations},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "shop"}},
            "template": {
                "metadata": {"labels": {"app": "shop"}},
                "spec": {"containers": [{"name": "shop", "image": "registry.example.com/shop:1"}]},
            },
        },
    })
    .to_string()
}

impl Stage {
    async fn may_restart(&self) {
        let folder = deploy().join("restart/namespaced");
        self.kubectl(&["apply", "-k", folder.to_str().unwrap()])
            .await;
    }

    async fn shop(&self) -> Value {
        self.object("deployment", "shop").await.unwrap()
    }

    /// When the Deployment was restarted, and for which token.
    async fn restarted(&self) -> Option<(String, String)> {
        let shop = self.shop().await;
        let text = |pointer: &str| Some(shop.pointer(pointer)?.as_str()?.to_owned());
        Some((text(RESTARTED_AT)?, text(RESTARTED_FOR)?))
    }

    async fn generation(&self) -> i64 {
        self.shop().await["metadata"]["generation"]
            .as_i64()
            .unwrap()
    }

    /// The version of the published token.
    async fn version(&self) -> String {
        let secret = self.object("secret", "main-token").await.unwrap();
        let issued = &secret["metadata"]["annotations"]["oauthclient.dev/issued-at"];
        format!("main/{}", issued.as_str().unwrap())
    }

    async fn is_restarted_for_the_present_token(&self) {
        self.until(
            "the Deployment is restarted for the present token",
            || async {
                let version = self.version().await;
                self.restarted().await.is_some_and(|(_, of)| of == version)
            },
        )
        .await;
    }

    /// The pods become ready, as a node would report it.
    async fn all_pods_are_ready(&self) {
        self.until("the rollout is complete", || async {
            let pods = self
                .kubectl(&["get", "pods", "-l", "app=shop", "-o", "name"])
                .await;
            let ready = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
            let ready = ready.to_string();
            for pod in pods.lines() {
                // It may be gone by now.
                let _ = self
                    .try_kubectl(&[
                        "patch",
                        pod,
                        "--subresource=status",
                        "--type=merge",
                        "-p",
                        &ready,
                    ])
                    .await;
            }
            let shop = self.shop().await;
            let (status, wanted) = (&shop["status"], &shop["spec"]["replicas"]);
            status["observedGeneration"] == shop["metadata"]["generation"]
                && ["updatedReplicas", "replicas", "availableReplicas"]
                    .iter()
                    .all(|count| &status[*count] == wanted)
        })
        .await;
    }

    /// Asks for another token and waits until it is published.
    async fn another_token(&self, value: &str) {
        let before = self.version().await;
        let request = format!("oauthclient.dev/refresh-requested-at={value}");
        self.kubectl(&["annotate", "--overwrite", "oauthclient", "main", &request])
            .await;
        self.until("another token is published", || async {
            self.version().await != before
        })
        .await;
    }

    /// The messages of all events with this reason.
    async fn notes(&self, reason: &str) -> String {
        let field = format!("reason={reason}");
        self.kubectl(&[
            "get",
            "events",
            "--field-selector",
            &field,
            "-o",
            "jsonpath={.items[*].message}",
        ])
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_is_restarted_once_for_each_token_and_only_after_its_last_rollout() {
    let stage = stage(7200.0).await;
    stage.may_restart().await;
    let agrees = json!({"oauthclient.dev/restart-by": "main"});
    stage.apply(&deployment(1, agrees)).await;
    stage
        .until("the first rollout begins", || async {
            let shop = stage.shop().await;
            shop["status"]["updatedReplicas"] == 1
        })
        .await;
    let operator = stage.operator(Start::default()).await;
    stage.resource("main", RESTART).await;
    stage.wait_ready("main").await;
    // The token is published, and the rollout in progress is left alone.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(stage.restarted().await, None);
    stage.all_pods_are_ready().await;
    stage.is_restarted_for_the_present_token().await;

    // Two more tokens during that rollout: one restart, for the newest.
    let generation = stage.generation().await;
    stage.another_token("one").await;
    stage.another_token("two").await;
    assert_eq!(stage.generation().await, generation);
    stage.all_pods_are_ready().await;
    stage.is_restarted_for_the_present_token().await;
    assert_eq!(stage.generation().await, generation + 1);
    stage.all_pods_are_ready().await;

    // A restart of the operator restarts nothing, nor does a change of the spec.
    operator.kill();
    let _operator = stage.operator(Start::default()).await;
    stage
        .resource(
            "main",
            &format!("{RESTART}\n  refresh: {{beforeSeconds: 600}}"),
        )
        .await;
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(stage.generation().await, generation + 1);
    assert_eq!(stage.requests(), 3);

    // What waited when the operator ended is not forgotten.
    stage.another_token("three").await;
    stage.is_restarted_for_the_present_token().await;
    stage.another_token("four").await;
    _operator.kill();
    let _operator = stage.operator(Start::default()).await;
    stage.all_pods_are_ready().await;
    stage.is_restarted_for_the_present_token().await;
    assert_eq!(stage.generation().await, generation + 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_permission_or_the_owners_consent_nothing_is_restarted_and_the_token_is_published()
 {
    let stage = stage(7200.0).await;
    let _operator = stage.operator(Start::default()).await;
    stage.apply(&deployment(0, json!({}))).await;
    stage.resource("main", RESTART).await;
    stage.wait_ready("main").await;
    let told = |part: &'static str| {
        let stage = &stage;
        async move {
            stage
                .until(part, || async {
                    stage.notes("WorkloadNotRestarted").await.contains(part)
                })
                .await;
        }
    };
    told("-k deploy/restart/namespaced").await;
    stage.may_restart().await;
    // Another token has it looked at again at once.
    stage.another_token("one").await;
    told("kubectl annotate deployment shop").await;
    assert_eq!(stage.restarted().await, None);
    let of_another = "oauthclient.dev/restart-by=another";
    stage
        .kubectl(&["annotate", "deployment", "shop", of_another])
        .await;
    stage.another_token("two").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(stage.restarted().await, None);
    let agreed = "oauthclient.dev/restart-by=main";
    stage
        .kubectl(&["annotate", "--overwrite", "deployment", "shop", agreed])
        .await;
    stage.another_token("three").await;
    stage.is_restarted_for_the_present_token().await;
    assert!(
        stage
            .notes("WorkloadRestarted")
            .await
            .contains("Deployment shop")
    );
    let secret = stage.secret("main-token").await.unwrap();
    let shop = stage.shop().await.to_string();
    assert!(
        secret
            .values()
            .all(|value| !shop.contains(value.as_str()) || value == "Bearer")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_lives_too_short_restarts_nothing_and_the_event_recommends_a_volume() {
    let stage = stage(3600.0).await;
    stage.may_restart().await;
    let _operator = stage.operator(Start::default()).await;
    let agrees = json!({"oauthclient.dev/restart-by": "main"});
    stage.apply(&deployment(0, agrees)).await;
    stage
        .resource("main", "  restart: [{kind: Deployment, name: shop}]")
        .await;
    stage.wait_ready("main").await;
    stage
        .until("it is told", || async {
            let told = stage.notes("WorkloadNotRestarted").await;
            told.contains("Mount Secret main-token as a volume")
        })
        .await;
    assert_eq!(stage.restarted().await, None);
}
