//! What every test here uses: a namespace, a provider and an operator of its own.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use testkit::control_plane::{self, ControlPlane, Kubeconfig, Objects};
use testkit::deploy::install_deploy;
use testkit::operator::{Launch, Operator};
use testkit::provider::{Behaviour, Provider, Script};
use testkit::tls::Authority;
use testkit::wait;

/// Long enough for a busy machine, short enough to notice.
pub const SOON: Duration = Duration::from_secs(300);
/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_oauthclient-operator");
/// Where the provider's token endpoint is.
pub const PATH: &str = "/oauth/token";
/// Id and secret that the provider knows; special on purpose.
pub const CLIENT_ID: &str = "user@example.com:client";
pub const CLIENT_SECRET: &str = "s3cr3t/+=&%";

/// One test's surroundings.
pub struct Stage {
    pub plane: Plane,
    pub namespace: String,
    pub provider: Provider,
    pub ca: String,
    objects: Objects,
}

/// The control plane that all tests share, or one of a test's own.
pub enum Plane {
    Shared(&'static ControlPlane),
    Own(Box<ControlPlane>),
}

impl Deref for Plane {
    type Target = ControlPlane;

    fn deref(&self) -> &ControlPlane {
        match self {
            Plane::Shared(plane) => plane,
            Plane::Own(plane) => plane,
        }
    }
}

/// How an operator is started; the defaults are what most tests want.
pub struct Start {
    /// More arguments.
    pub args: Vec<String>,
    /// In place of the API server's own address: a fault proxy's.
    pub server: Option<String>,
    /// With the ServiceAccount that [`Stage::own_account`] creates, instead of that of `deploy/`.
    pub own_account: bool,
    /// The log filter.
    pub log_level: &'static str,
    /// Namespaces to watch, in addition to the test's own.
    pub namespaces: Vec<String>,
    /// Without `--allow-loopback`, where the providers of the tests are.
    pub no_loopback: bool,
    /// The program; the default is [`PROGRAM`].
    pub program: PathBuf,
}

impl Default for Start {
    fn default() -> Self {
        Start {
            args: vec!["--leader-elect=false".to_owned()],
            server: None,
            own_account: false,
            log_level: "debug",
            namespaces: Vec::new(),
            no_loopback: false,
            program: PathBuf::from(PROGRAM),
        }
    }
}

impl Start {
    /// With these additional arguments.
    pub fn with(args: &[&str]) -> Self {
        let mut start = Start::default();
        start.args.extend(args.iter().map(|arg| (*arg).to_owned()));
        start
    }

    /// Through a fault proxy.
    pub fn through(mut self, url: String) -> Self {
        self.server = Some(url);
        self
    }

    /// With the namespace's own ServiceAccount, and leader election by a Lease of its own.
    pub fn elected(args: &[&str]) -> Self {
        Start {
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            own_account: true,
            ..Start::default()
        }
    }

    /// With the rules for addresses as they are by default: loopback is refused.
    pub fn without_loopback(mut self) -> Self {
        self.no_loopback = true;
        self
    }

    /// With the namespace's own ServiceAccount.
    pub fn with_own_account(mut self) -> Self {
        self.own_account = true;
        self
    }
}

/// A behaviour that takes the client of the tests and grants `seconds`.
pub fn living(seconds: f64) -> Behaviour {
    Behaviour::living(seconds).with_client(CLIENT_ID, CLIENT_SECRET)
}

impl Stage {
    /// A namespace with credentials and CA, and a provider that grants `seconds`.
    pub async fn new(seconds: f64) -> Stage {
        Stage::with(living(seconds)).await
    }

    /// The same with a behaviour of one's own.
    pub async fn with(behaviour: Behaviour) -> Stage {
        testkit::install_crypto();
        let plane = Plane::Shared(control_plane::shared().await);
        install_deploy(&plane, &deploy(), "oauthclient-system")
            .await
            .unwrap();
        Stage::on(plane, behaviour).await
    }

    /// On this control plane, whatever is installed there.
    pub async fn on(plane: Plane, behaviour: Behaviour) -> Stage {
        let namespace = plane.namespace().await.unwrap();
        let authority = Authority::new("cluster tests").unwrap();
        let provider = Provider::tls(Script::one(PATH, behaviour), &authority).unwrap();
        let stage = Stage {
            objects: plane.objects(&namespace).unwrap(),
            plane,
            namespace,
            provider,
            ca: authority.pem(),
        };
        let credentials = credentials("client", CLIENT_ID, CLIENT_SECRET);
        stage
            .apply(&format!("{}---\n{credentials}", stage.ca_manifest()))
            .await;
        stage
    }

    /// The operator, with the ServiceAccount of `deploy/`, watching this test's namespace alone.
    pub async fn operator(&self, start: Start) -> Operator {
        let operator = self.launch(start).await;
        operator.wait_until_ready(SOON).await.unwrap();
        operator
    }

    /// The same without waiting for anything.
    pub async fn launch(&self, start: Start) -> Operator {
        let identity = self.identity(start.own_account).await;
        let identity = match &start.server {
            Some(url) => identity.with_server(url.clone()),
            None => identity,
        };
        let mut namespaces = start.namespaces;
        namespaces.push(self.namespace.clone());
        let folder = tempfile::tempdir().unwrap().keep();
        let path = folder.join("kubeconfig");
        identity.write(&path).unwrap();
        Launch::run(&start.program, &path)
            .args([
                format!("--watch-namespaces={}", namespaces.join(",")),
                format!("--log-level={}", start.log_level),
            ])
            .args((!start.no_loopback).then_some("--allow-loopback"))
            .args(start.args)
            .start()
            .unwrap()
    }

    /// Makes what `deploy/namespaced` holds, in this test's namespace: a ServiceAccount that may do nothing elsewhere.
    pub async fn own_account(&self) {
        let text = self.kustomize(&deploy().join("namespaced")).await;
        let text = text.replace("oauthclient-system", &self.namespace);
        self.apply(&text).await;
    }

    /// The manifests of a folder.
    pub async fn kustomize(&self, folder: &Path) -> String {
        let args = ["kustomize", folder.to_str().unwrap()];
        self.plane.run_kubectl(&args, "").await.unwrap()
    }

    async fn identity(&self, own: bool) -> Kubeconfig {
        let namespace = if own {
            &self.namespace
        } else {
            "oauthclient-system"
        };
        let name = "oauthclient-operator";
        self.plane.service_account(namespace, name).await.unwrap()
    }

    pub fn ca_manifest(&self) -> String {
        let ca = self.ca.replace('\n', "\n    ");
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: provider-ca}}\ndata:\n  ca.crt: |\n    {ca}\n"
        )
    }

    /// `kubectl apply` into this test's namespace.
    pub async fn apply(&self, yaml: &str) {
        self.try_apply(yaml).await.unwrap();
    }

    /// The same where it may be refused.
    pub async fn try_apply(&self, yaml: &str) -> testkit::Result<String> {
        let args = ["apply", "-n", &self.namespace, "-f", "-"];
        self.plane.run_kubectl(&args, yaml).await
    }

    /// Any `kubectl` command in this test's namespace; what it prints.
    pub async fn kubectl(&self, args: &[&str]) -> String {
        self.try_kubectl(args).await.unwrap()
    }

    /// The same where it may fail.
    pub async fn try_kubectl(&self, args: &[&str]) -> testkit::Result<String> {
        let mut all = vec!["-n", &self.namespace];
        all.extend(args);
        self.plane.run_kubectl(&all, "").await
    }

    /// Applies an OAuthClient of the usual kind; `more` is YAML under `spec`, indented by two.
    pub async fn resource(&self, name: &str, more: &str) {
        self.apply(&self.manifest(name, more)).await;
    }

    /// Its manifest.
    pub fn manifest(&self, name: &str, more: &str) -> String {
        resource(name, &self.provider.url(PATH), more)
    }

    /// An object as JSON; `None` when there is none.
    pub async fn object(&self, kind: &str, name: &str) -> Option<Value> {
        self.objects.get(kind, name).await.unwrap()
    }

    /// The data of a Secret, decoded; `None` when there is none.
    pub async fn secret(&self, name: &str) -> Option<BTreeMap<String, String>> {
        let object = self.object("secret", name).await?;
        let none = serde_json::Map::new();
        let data = object
            .get("data")
            .and_then(Value::as_object)
            .unwrap_or(&none);
        Some(
            data.iter()
                .map(|(key, value)| {
                    let bytes = STANDARD.decode(value.as_str().unwrap()).unwrap();
                    (key.clone(), String::from_utf8(bytes).unwrap())
                })
                .collect(),
        )
    }

    /// The token that a Secret holds, if it is valid now by the provider's own book.
    pub async fn valid_token(&self, name: &str) -> Option<String> {
        let token = self.secret(name).await?.remove("access_token")?;
        let until = self.provider.introspect(&token)?;
        (until > jiff_now()).then_some(token)
    }

    /// A condition, once the operator has reported. One that is only present while True counts as False when it is absent.
    pub async fn condition(&self, name: &str, kind: &str) -> Option<Condition> {
        let object = self.object("oauthclient", name).await?;
        let conditions = object.pointer("/status/conditions")?.as_array()?;
        let found = conditions
            .iter()
            .find(|condition| condition.get("type").and_then(Value::as_str) == Some(kind));
        let absent = serde_json::json!({"status": "False"});
        let found = match found {
            Some(found) => found,
            None if kind != "Ready" && !conditions.is_empty() => &absent,
            None => return None,
        };
        let text = |field: &str| {
            found
                .get(field)
                .and_then(Value::as_str)
                .unwrap_or("")
                .to_owned()
        };
        Some(Condition {
            status: text("status"),
            reason: text("reason"),
            message: text("message"),
        })
    }

    /// Waits until a condition is so; its message.
    pub async fn wait_for(&self, name: &str, kind: &str, status: &str, reason: &str) -> String {
        let what = format!("{name}: {kind}={status} {reason}");
        let met = wait::until(&what, SOON, || async {
            let unmet = || testkit::Error::new("not so");
            let condition = self.condition(name, kind).await.ok_or_else(unmet)?;
            let met =
                condition.status == status && (reason.is_empty() || condition.reason == reason);
            met.then_some(condition.message).ok_or_else(unmet)
        })
        .await;
        match met {
            Ok(message) => message,
            Err(error) => {
                let now = self.kubectl(&["describe", "oauthclient", name]).await;
                panic!("{error}\n{now}");
            }
        }
    }

    /// Waits until a resource is ready; its token.
    pub async fn wait_ready(&self, name: &str) -> String {
        self.wait_for(name, "Ready", "True", "").await;
        self.valid_token(&format!("{name}-token"))
            .await
            .expect("a valid token")
    }

    /// Waits until something holds.
    pub async fn until<F, Fut>(&self, what: &str, mut probe: F)
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = bool>,
    {
        let met = wait::until(what, SOON, || {
            let holds = probe();
            async {
                holds
                    .await
                    .then_some(())
                    .ok_or_else(|| testkit::Error::new("not so"))
            }
        });
        met.await.unwrap();
    }

    /// How many token requests the provider has received.
    pub fn requests(&self) -> usize {
        self.provider.count(PATH)
    }

    /// The events of a resource, as `TYPE REASON`.
    pub async fn events(&self, name: &str) -> Vec<String> {
        let field = format!("involvedObject.name={name}");
        let format = "jsonpath={range .items[*]}{.type} {.reason}{\"\\n\"}{end}";
        let text = self
            .kubectl(&["get", "events", "--field-selector", &field, "-o", format])
            .await;
        text.lines().map(str::to_owned).collect()
    }
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    pub status: String,
    pub reason: String,
    pub message: String,
}

/// The folder `deploy/`.
pub fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

/// A credentials Secret that has opted in for loopback.
pub fn credentials(name: &str, id: &str, secret: &str) -> String {
    format!(
        "apiVersion: v1
kind: Secret
metadata:
  name: {name}
  labels: {{oauthclient.dev/credentials: \"true\"}}
  annotations: {{oauthclient.dev/allowed-hosts: 127.0.0.1}}
stringData: {{client_id: {id:?}, client_secret: {secret:?}}}
"
    )
}

/// An OAuthClient `name` that writes Secret `name-token`; `more` is YAML under `spec`, indented by two.
pub fn resource(name: &str, url: &str, more: &str) -> String {
    format!(
        "apiVersion: oauthclient.dev/v1alpha1
kind: OAuthClient
metadata: {{name: {name}}}
spec:
  provider: {{tokenURL: {url:?}, caBundle: {{configMapName: provider-ca}}, timeoutSeconds: 5}}
  credentials: {{secretName: client}}
  tokenSecret: {{name: {name}-token}}
{more}
"
    )
}

/// What time it is.
pub fn jiff_now() -> jiff::Timestamp {
    #[allow(
        clippy::disallowed_methods,
        reason = "the provider's book is kept by the real clock"
    )]
    jiff::Timestamp::now()
}
