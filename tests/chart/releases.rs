//! The life cycle of a release: installed, upgraded from the previous chart, rolled back, uninstalled and installed
//! again, with
//! OAuthClients that exist throughout. No kubelet runs the pods, so the program is started as the Deployment specifies.

use std::collections::BTreeMap;

use serde_json::Value;
use testkit::control_plane::{ControlPlane, Options};
use testkit::operator::{Launch, Operator};
use testkit::provider::{Behaviour, RefreshTokens};
use testkit::tools::Tool;

use super::harness::{CLIENT_ID, CLIENT_SECRET, PATH, PROGRAM, Plane, SOON, Stage, living};
use super::helm::{Helm, NAMESPACE, RELEASE, chart, path};

/// The chart as it was before, packaged.
const PREVIOUS: &str = "tests/chart/previous/oauthclient-operator-0.1.0-rc.1.tgz";
/// The provider of the tests is on loopback.
const VALUES: &str = "extraArgs={--allow-loopback}";

/// The resources that exist throughout: the name and the special property of each.
const RESOURCES: [(&str, &str); 3] = [
    ("plain", ""),
    (
        "scoped",
        "  scopes: [read]\n  refresh: {beforeSeconds: 300}",
    ),
    ("chained", "  grant: {type: refresh_token}"),
];

/// A provider that every kind of resource can use; its refresh tokens work once.
fn behaviour() -> Behaviour {
    let mut behaviour = living(3600.0);
    behaviour.refresh_tokens = RefreshTokens {
        issue: true,
        rotate: true,
        grace_seconds: 0.0,
    };
    behaviour
}

/// A release on a control plane of its own, and what it serves.
struct Scene {
    helm: Helm,
    stage: Stage,
}

impl Scene {
    /// The previous chart, installed.
    async fn installed(tool: Tool) -> Scene {
        let plane = ControlPlane::start(Options::with_usual_controllers())
            .await
            .unwrap();
        let helm = Helm::on(tool, plane.admin_kubeconfig());
        let previous = path(PREVIOUS);
        let mut args = vec!["install", RELEASE, previous.to_str().unwrap()];
        args.extend(["-n", NAMESPACE, "--create-namespace", "--set", VALUES]);
        let notes = helm.run(&args);
        let next = "kubectl -n oauthclient-system rollout status deployment/oauthclient-operator";
        assert!(notes.contains(next), "{notes}");
        let stage = Stage::on(Plane::Own(Box::new(plane)), behaviour()).await;
        Scene { helm, stage }
    }

    async fn get(&self, kind: &str, name: &str) -> Value {
        let args = ["-n", NAMESPACE, "get", kind, name, "-o", "json"];
        let text = self.stage.plane.run_kubectl(&args, "").await.unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// The program, with the ServiceAccount, the flags and the environment of the Deployment that is installed.
    async fn operator(&self) -> Operator {
        let deployment = self.get("deployment", RELEASE).await;
        let pod = &deployment["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        let account = pod["serviceAccountName"].as_str().unwrap();
        let identity = self
            .stage
            .plane
            .service_account(NAMESPACE, account)
            .await
            .unwrap();
        let args: Vec<String> = serde_json::from_value(container["args"].clone()).unwrap();
        assert_eq!(args[0], "run");
        let mut launch = Launch::run_as(PROGRAM, identity).args(&args[1..]);
        for variable in container["env"].as_array().unwrap() {
            let field = variable
                .pointer("/valueFrom/fieldRef/fieldPath")
                .and_then(Value::as_str);
            let value = match field {
                None => variable["value"].as_str().unwrap(),
                Some("metadata.namespace") => NAMESPACE,
                Some("metadata.name") => "a-pod",
                Some(other) => panic!("{other}"),
            };
            launch = launch.env(variable["name"].as_str().unwrap(), value);
        }
        let operator = launch.start().unwrap();
        operator.wait_until_ready(SOON).await.unwrap();
        operator
    }

    /// The resources, with a valid token each.
    async fn served(&self) {
        let seed = self.stage.provider.issue_refresh_token(PATH, CLIENT_ID);
        let credentials = super::harness::credentials("client", CLIENT_ID, CLIENT_SECRET);
        let credentials = credentials.replace(
            "stringData: {",
            &format!("stringData: {{refresh_token: {seed:?}, "),
        );
        self.stage.apply(&credentials).await;
        for (name, more) in RESOURCES {
            self.stage.resource(name, more).await;
        }
        for (name, _) in RESOURCES {
            self.stage.wait_ready(name).await;
        }
    }

    /// Every Secret of the operator's, with its data.
    async fn secrets(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        let mut all = BTreeMap::new();
        for (name, _) in RESOURCES {
            let name = format!("{name}-token");
            all.insert(name.clone(), self.stage.secret(&name).await.unwrap());
        }
        let state = "chained-refresh-state";
        all.insert(state.to_owned(), self.stage.secret(state).await.unwrap());
        all
    }

    /// Starts what is installed now and has it make one more token, `name`: by then it has seen all resources.
    async fn works(&self, name: &str) -> Operator {
        let operator = self.operator().await;
        self.stage.resource(name, "").await;
        self.stage.wait_ready(name).await;
        operator
    }

    /// The version of the chart that the object was installed by.
    async fn chart_of(&self, kind: &str, name: &str) -> String {
        let object = self.get(kind, name).await;
        object["metadata"]["labels"]["helm.sh/chart"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    async fn assert_versions(&self, version: &str) {
        let expected = format!("oauthclient-operator-{version}");
        assert_eq!(self.chart_of("deployment", RELEASE).await, expected);
        let crd = "oauthclients.oauthclient.dev";
        assert_eq!(
            self.chart_of("crd", crd).await,
            expected,
            "the definition goes with the chart"
        );
    }
}

async fn end(operator: Operator) {
    assert!(operator.terminate(SOON).await.unwrap().success());
}

/// From the previous chart to this one, back, away and back again: no token is requested that is not asked for.
async fn lives_through_it_all(tool: Tool) {
    let scene = Scene::installed(tool).await;
    let stage = &scene.stage;
    scene.assert_versions("0.1.0-rc.1").await;
    let operator = scene.operator().await;
    scene.served().await;
    let (requests, secrets) = (stage.requests(), scene.secrets().await);
    end(operator).await;

    let folder = chart("");
    let folder = folder.to_str().unwrap();
    scene
        .helm
        .run(&["upgrade", RELEASE, folder, "-n", NAMESPACE, "--set", VALUES]);
    scene.assert_versions(env!("CARGO_PKG_VERSION")).await;
    let operator = scene.works("upgraded").await;
    assert_eq!(stage.requests(), requests + 1, "the upgrade");
    assert_eq!(scene.secrets().await, secrets, "the upgrade");
    end(operator).await;

    scene.helm.run(&["rollback", RELEASE, "1", "-n", NAMESPACE]);
    scene.assert_versions("0.1.0-rc.1").await;
    let operator = scene.works("rolled-back").await;
    assert_eq!(stage.requests(), requests + 2, "the rollback");
    assert_eq!(scene.secrets().await, secrets, "the rollback");
    end(operator).await;

    scene.helm.run(&["uninstall", RELEASE, "-n", NAMESPACE]);
    let left = [
        "-n",
        NAMESPACE,
        "get",
        "deployments,serviceaccounts,roles,rolebindings",
        "-o",
        "name",
    ];
    let left = stage.plane.run_kubectl(&left, "").await.unwrap();
    assert!(!left.contains(RELEASE), "{left}");
    scene.get("crd", "oauthclients.oauthclient.dev").await;
    assert_eq!(scene.secrets().await, secrets, "tokens stay");
    for (name, _) in RESOURCES {
        assert!(stage.object("oauthclient", name).await.is_some(), "{name}");
    }

    scene
        .helm
        .run(&["install", RELEASE, folder, "-n", NAMESPACE, "--set", VALUES]);
    let operator = scene.works("reinstalled").await;
    assert_eq!(stage.requests(), requests + 3, "the installation after it");
    assert_eq!(scene.secrets().await, secrets, "the installation after it");

    // What the refresh token turned into has lived through it too: it works.
    let asked = [
        "annotate",
        "oauthclient",
        "chained",
        "oauthclient.dev/refresh-requested-at=now",
    ];
    stage.kubectl(&asked).await;
    stage
        .until("a new token of the refresh token", || async {
            stage.requests() == requests + 4
                && stage.secret("chained-token").await.as_ref() != secrets.get("chained-token")
        })
        .await;
    end(operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_helm_3_tokens_live_through_upgrade_rollback_and_uninstallation() {
    lives_through_it_all(Tool::Helm3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_helm_4_tokens_live_through_upgrade_rollback_and_uninstallation() {
    lives_through_it_all(Tool::Helm4).await;
}
