//! One run of a scenario: a namespace, an endpoint and a fault proxy of its own, and the operators that start and crash
//! in it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use http::Request;
use serde_json::{Value, json};
use testkit::control_plane::{self, ControlPlane, Kubeconfig};
use testkit::deploy::install_deploy;
use testkit::fault_proxy::FaultProxy;
use testkit::operator::{Launch, Operator};
use testkit::provider::{Behaviour, Provider, Script};
use testkit::tls::Authority;

use crate::harness::{CLIENT_ID, CLIENT_SECRET, PROGRAM, SOON, deploy};
use crate::oracle::assert_holds_none;

/// The resource of every run.
pub const NAME: &str = "main";
/// Its credentials Secret.
pub const CREDENTIALS: &str = "client";

/// What is done to the resource, one step after another; each is rested upon before the next.
pub struct Scenario {
    /// What the endpoint does.
    pub behaviour: Behaviour,
    /// The spec, but for `provider`, `credentials` and `tokenSecret`.
    pub spec: Value,
    /// Whether the credentials hold a first refresh token.
    pub refresh_token: bool,
    /// `timeoutSeconds`: long enough that a request which is held does not end by itself before the operator is killed, and
    /// as long as another process leaves a claim alone.
    pub timeout: u32,
    /// The steps.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The resource is created, with this name for its token Secret.
    Create(&'static str),
    /// A refresh is asked for.
    Refresh,
    /// The token Secret gets another name.
    Rename(&'static str),
    /// The resource is deleted.
    Delete,
}

/// What all runs of a scenario share.
pub struct Scene {
    pub plane: &'static ControlPlane,
    pub provider: Provider,
    pub scenario: Scenario,
    ca: String,
    identity: Kubeconfig,
}

/// One run.
pub struct Run<'a> {
    pub scene: &'a Scene,
    pub namespace: String,
    /// The path of its token endpoint.
    pub path: String,
    pub proxy: FaultProxy,
    client: kube::Client,
    /// Everything that operators of this run have printed and that has ended.
    printed: Mutex<Vec<String>>,
    operator: Mutex<Option<Operator>>,
}

impl Scene {
    /// A provider and an identity for all runs.
    pub async fn new(scenario: Scenario) -> Scene {
        testkit::install_crypto();
        let plane = control_plane::shared().await;
        let system = "oauthclient-system";
        install_deploy(plane, &deploy(), system).await.unwrap();
        let identity = plane.service_account(system, "oauthclient-operator").await;
        let authority = Authority::new("crash tests").unwrap();
        Scene {
            plane,
            provider: Provider::tls(Script::default(), &authority).unwrap(),
            scenario,
            ca: authority.pem(),
            identity: identity.unwrap(),
        }
    }

    /// A new run, before its first step and without an operator.
    pub async fn run(&self) -> Run<'_> {
        let namespace = self.plane.namespace().await.unwrap();
        let path = format!("/{namespace}/token");
        self.provider.set(&path, self.scenario.behaviour.clone());
        let run = Run {
            scene: self,
            proxy: FaultProxy::start(self.plane).await.unwrap(),
            client: self.plane.client().unwrap(),
            namespace,
            path,
            printed: Mutex::default(),
            operator: Mutex::default(),
        };
        let ca = json!({"metadata": {"name": "provider-ca"}, "data": {"ca.crt": self.ca}});
        run.send("POST", "api/v1", "configmaps", &ca).await;
        let mut data = BTreeMap::from([
            ("client_id", CLIENT_ID.to_owned()),
            ("client_secret", CLIENT_SECRET.to_owned()),
        ]);
        if self.scenario.refresh_token {
            data.insert("refresh_token", run.login());
        }
        let credentials = json!({
            "metadata": {
                "name": CREDENTIALS,
                "labels": {"oauthclient.dev/credentials": "true"},
                "annotations": {"oauthclient.dev/allowed-hosts": "127.0.0.1"},
            },
            "stringData": data,
        });
        run.send("POST", "api/v1", "secrets", &credentials).await;
        run
    }
}

impl Run<'_> {
    /// Starts an operator of this namespace alone, behind the proxy, and waits until it works.
    pub async fn start(&self) {
        let identity = self.scene.identity.with_server(self.proxy.url());
        let operator = Launch::run_as(PROGRAM, identity)
            .args([
                "--leader-elect=false",
                "--allow-loopback",
                "--log-level=debug",
                "--drain-seconds=1",
            ])
            .args([format!("--watch-namespaces={}", self.namespace)])
            .start()
            .unwrap();
        operator.wait_until_ready(SOON).await.unwrap();
        *self.operator.lock().unwrap() = Some(operator);
    }

    /// Ends it as a crash does. What it printed is kept.
    pub async fn kill(&self) {
        let operator = self.operator.lock().unwrap().take().unwrap();
        operator.kill();
        // Its last lines may be on their way.
        let _whole = operator.wait(Duration::from_secs(5)).await;
        let text = operator.stderr() + &operator.stdout();
        self.printed.lock().unwrap().push(text);
    }

    /// Ends it as a rollout does.
    pub async fn end(&self) {
        let operator = self.operator.lock().unwrap().take().unwrap();
        let status = operator.terminate(SOON).await.unwrap();
        assert!(status.success(), "{status}");
        let text = operator.stderr() + &operator.stdout();
        self.printed.lock().unwrap().push(text);
    }

    /// The end of what the present operator has printed.
    pub fn log_end(&self) -> String {
        let operator = self.operator.lock().unwrap();
        let text = operator.as_ref().map_or(String::new(), Operator::stderr);
        let lines: Vec<&str> = text.lines().rev().take(25).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Does one step.
    pub async fn act(&self, step: Step) {
        let group = "apis/oauthclient.dev/v1alpha1";
        let resource = format!("oauthclients/{NAME}");
        match step {
            Step::Create(secret) => {
                let mut spec = self.scene.scenario.spec.clone();
                let own = json!({
                    "provider": {
                        "tokenURL": self.scene.provider.url(&self.path),
                        "caBundle": {"configMapName": "provider-ca"},
                        "timeoutSeconds": self.scene.scenario.timeout,
                    },
                    "credentials": {"secretName": CREDENTIALS},
                    "tokenSecret": {"name": secret},
                });
                for (field, value) in own.as_object().unwrap() {
                    spec[field] = value.clone();
                }
                let object = json!({
                    "apiVersion": "oauthclient.dev/v1alpha1",
                    "kind": "OAuthClient",
                    "metadata": {"name": NAME},
                    "spec": spec,
                });
                self.send("POST", group, "oauthclients", &object).await;
            }
            Step::Refresh => {
                let asked = json!({"oauthclient.dev/refresh-requested-at": self.stamp()});
                let patch = json!({"metadata": {"annotations": asked}});
                self.send("PATCH", group, &resource, &patch).await;
            }
            Step::Rename(secret) => {
                let patch = json!({"spec": {"tokenSecret": {"name": secret}}});
                self.send("PATCH", group, &resource, &patch).await;
            }
            Step::Delete => {
                self.send("DELETE", group, &resource, &json!({})).await;
            }
        }
    }

    /// A refresh token from outside, as a person gets one who logs in.
    fn login(&self) -> String {
        self.scene
            .provider
            .issue_refresh_token(&self.path, CLIENT_ID)
    }

    /// Does what a person is asked to do: puts a new refresh token into the credentials.
    pub async fn authorize_again(&self) {
        let what = format!("secrets/{CREDENTIALS}");
        let patch = json!({"stringData": {"refresh_token": self.login()}});
        self.send("PATCH", "api/v1", &what, &patch).await;
    }

    /// Every refresh token that was sent, in order.
    pub fn sent(&self) -> Vec<String> {
        let requests = self.scene.provider.requests_to(&self.path);
        let sent = requests.iter();
        sent.filter_map(|request| request.form_value("refresh_token"))
            .collect()
    }

    /// A value that no earlier refresh was asked for with.
    fn stamp(&self) -> String {
        format!("{}-{}", self.namespace, self.proxy.requests().len())
    }

    /// An object or a list of this namespace; `None` when there is none.
    pub async fn get(&self, api: &str, what: &str) -> Option<Value> {
        let request = Request::get(self.url(api, what)).body(Vec::new()).unwrap();
        match self.client.request::<Value>(request).await {
            Ok(object) => Some(object),
            Err(kube::Error::Api(status)) if status.code == 404 => None,
            Err(error) => panic!("GET {what}: {error}"),
        }
    }

    /// Any other call in this namespace, as the administrator.
    pub async fn send(&self, method: &str, api: &str, what: &str, body: &Value) -> Value {
        let kind = match method {
            "PATCH" => "application/merge-patch+json",
            _ => "application/json",
        };
        let request = Request::builder()
            .method(method)
            .uri(self.url(api, what))
            .header("content-type", kind)
            .body(body.to_string().into_bytes())
            .unwrap();
        let answer = self.client.request::<Value>(request).await;
        answer.unwrap_or_else(|error| panic!("{method} {what}: {error}"))
    }

    fn url(&self, api: &str, what: &str) -> String {
        format!("/{api}/namespaces/{}/{what}", self.namespace)
    }

    /// Nothing secret was printed by any operator of this run, or is shown by Kubernetes where people look.
    pub async fn nothing_leaked(&self) {
        let mut places = vec![("the log", self.printed.lock().unwrap().join("\n"))];
        if let Some(operator) = &*self.operator.lock().unwrap() {
            places.push(("the log", operator.stderr() + &operator.stdout()));
        }
        let events = self.get("api/v1", "events").await;
        let resources = self.get("apis/oauthclient.dev/v1alpha1", "oauthclients");
        places.push(("the events", events.unwrap_or_default().to_string()));
        let resources = resources.await.unwrap_or_default().to_string();
        places.push(("the resources", resources));
        let issued = self.scene.provider.tokens(&self.path);
        let refresh = self.scene.provider.refresh_tokens(&self.path);
        let secrets: Vec<&str> = issued
            .iter()
            .map(|issued| issued.token.as_str())
            .chain(refresh.iter().map(String::as_str))
            .chain([CLIENT_SECRET])
            .collect();
        for (place, text) in &places {
            assert_holds_none(place, text, &secrets);
        }
    }
}
