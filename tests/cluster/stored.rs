//! A resource that this version cannot decode is reported, and affects no other.

use testkit::control_plane::{ControlPlane, Options};
use testkit::deploy::install_deploy;

use super::harness::{Plane, SOON, Stage, Start, deploy, living};

/// A control plane that takes any spec, as one does whose CRD is of another version.
async fn loose() -> Stage {
    testkit::install_crypto();
    let options = Options::with_usual_controllers();
    let plane = ControlPlane::start(options).await.unwrap();
    install_deploy(&plane, &deploy(), "oauthclient-system")
        .await
        .unwrap();
    let anything = r#"[{"op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec",
        "value": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}]"#;
    let crd = ["crd", "oauthclients.oauthclient.dev", "--type=json", "-p"];
    plane
        .run_kubectl(&[&["patch"][..], &crd, &[anything]].concat(), "")
        .await
        .unwrap();
    let stage = Stage::on(Plane::Own(Box::new(plane)), living(3600.0)).await;
    stage
        .until("any spec is taken", || async {
            let odd = stage.manifest("probe", "  scopes: {read: true}");
            let args = [
                "apply",
                "--dry-run=server",
                "-n",
                &stage.namespace,
                "-f",
                "-",
            ];
            stage.plane.run_kubectl(&args, &odd).await.is_ok()
        })
        .await;
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_that_does_not_decode_is_told_of_and_harms_no_other() {
    let stage = loose().await;
    let operator = stage.operator(Start::default()).await;
    stage.resource("main", "").await;
    stage.wait_ready("main").await;

    stage.resource("odd", "  scopes: {read: true}").await;
    let message = stage
        .wait_for("odd", "Stalled", "True", "InvalidSpec")
        .await;
    assert!(message.contains("spec.scopes"), "{message}");
    stage.resource("later", "").await;
    stage.wait_ready("later").await;
    stage.exactly(2).await;

    // One that was well under another version, and the list of a start.
    assert!(operator.terminate(SOON).await.unwrap().success());
    stage.nothing_leaked(&operator).await;
    stage.resource("later", "  refresh: soon").await;
    let operator = stage.operator(Start::default()).await;
    let message = stage
        .wait_for("later", "Stalled", "True", "InvalidSpec")
        .await;
    assert!(message.contains("spec.refresh"), "{message}");
    let ready = stage.condition("later", "Ready").await.unwrap();
    assert_eq!(ready.status, "True", "its token lives: {}", ready.message);
    stage.request_refresh("main").await;
    stage.exactly(3).await;
    stage.wait_ready("main").await;

    // Mended, they are as any other.
    stage.resource("odd", "  scopes: [read]").await;
    stage.wait_ready("odd").await;
    stage.resource("later", "").await;
    stage.wait_for("later", "Stalled", "False", "").await;
    stage.wait_ready("later").await;
    stage.exactly(4).await;
    stage.nothing_leaked(&operator).await;
    stage.ends_as_without_fault("main").await;
}
