//! Everything that a run consists of, and how resources are made and changed.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use oauthclient_operator::api::OAuthClient;
use serde_json::{Value, json};
use testkit::control_plane::{ControlPlane, Options};
use testkit::deploy::install_deploy;
use testkit::jose::{self, Keys};
use testkit::provider::{Provider, Script};
use testkit::soak::outages::{Allowance, Outages};
use testkit::tcp_proxy::TcpProxy;
use testkit::tls::Authority;

use super::items::{Item, Items, group_of, subject_of};
use super::kinds::{AUDIENCE, KINDS, Kind, PATH};
use super::oracle::Findings;
use super::replicas::Slot;
use super::{Settings, now};

const CALLS: usize = 16;
const NAMESPACES: usize = 4;
/// How long a change is tried while the API server is away.
const PERSISTENCE: Duration = Duration::from_secs(240);

/// Shared by all tasks of a run.
pub struct Inner {
    pub settings: Settings,
    pub plane: ControlPlane,
    pub client: Client,
    /// Between the operators and the API server.
    pub proxy: TcpProxy,
    pub providers: Vec<Provider>,
    pub ca: String,
    keys: Keys,
    pub begun: f64,
    items: Mutex<Items>,
    outages: Mutex<Outages>,
    findings: Mutex<Findings>,
    pub slots: Vec<Slot>,
    /// One fault of the Kubernetes API at a time.
    pub api_faults: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
pub struct World(pub Arc<Inner>);

impl std::ops::Deref for World {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Inner {
    pub fn items(&self) -> MutexGuard<'_, Items> {
        self.items.lock().unwrap()
    }

    pub fn outages(&self) -> MutexGuard<'_, Outages> {
        self.outages.lock().unwrap()
    }

    pub fn findings(&self) -> MutexGuard<'_, Findings> {
        self.findings.lock().unwrap()
    }

    /// Allowed times, as long as the machine needs.
    pub fn allowed(&self, usual: f64, recovery: f64) -> Allowance {
        Allowance {
            usual: usual * self.settings.patience,
            recovery: recovery * self.settings.patience,
        }
    }
}

/// The kind of resources.
pub fn oauthclients() -> ApiResource {
    ApiResource::erase::<OAuthClient>(&())
}

pub fn secrets() -> ApiResource {
    ApiResource::erase::<Secret>(&())
}

impl World {
    pub async fn new(settings: Settings) -> World {
        testkit::install_crypto();
        let plane = ControlPlane::start(Options::for_many_objects())
            .await
            .unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let deploy = root.join("deploy");
        let installed = install_deploy(&plane, &deploy, "oauthclient-system");
        installed.await.unwrap();
        let folder = root.join("deploy/service-account-tokens");
        let args = ["apply", "-k", folder.to_str().unwrap()];
        plane.run_kubectl(&args, "").await.unwrap();
        let authority = Authority::new("soak").unwrap();
        let keys = jose::make("p256").unwrap();
        let providers = KINDS.map(|kind| {
            let script = Script::one(PATH, kind.behaviour(&keys));
            Provider::tls(script, &authority).unwrap()
        });
        let port = plane
            .server_url()
            .rsplit(':')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let target = std::net::SocketAddr::from(([127, 0, 0, 1], port));
        let world = World(Arc::new(Inner {
            settings,
            client: plane.client().unwrap(),
            proxy: TcpProxy::start(target).unwrap(),
            plane,
            providers: providers.into(),
            ca: authority.pem(),
            keys,
            begun: now(),
            items: Mutex::default(),
            outages: Mutex::default(),
            findings: Mutex::default(),
            slots: Slot::all(),
            api_faults: tokio::sync::Mutex::default(),
        }));
        let surroundings = (0..NAMESPACES).map(surroundings).collect::<Vec<_>>();
        let surroundings = surroundings.join("\n---\n");
        let args = ["apply", "-f", "-"];
        let made = world.plane.run_kubectl(&args, &surroundings);
        made.await.unwrap();
        world
    }

    fn api(&self, kind: &ApiResource, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, kind)
    }

    /// Tries again while the API server does not respond.
    async fn persist<T, Fut>(&self, what: &str, call: impl Fn() -> Fut) -> T
    where
        Fut: Future<Output = kube::Result<T>>,
    {
        let trying = async {
            loop {
                match tokio::time::timeout(Duration::from_secs(10), call()).await {
                    Ok(Ok(done)) => return done,
                    Ok(Err(kube::Error::Api(status)))
                        if status.code < 500 && status.code != 429 =>
                    {
                        panic!("{what}: {status}")
                    }
                    _ => tokio::time::sleep(Duration::from_millis(300)).await,
                }
            }
        };
        let done = tokio::time::timeout(PERSISTENCE, trying).await;
        done.unwrap_or_else(|_| panic!("{what}: not within {PERSISTENCE:?}"))
    }

    /// Creates an object; one that is there is the outcome of an attempt whose response was lost.
    async fn create(&self, kind: &ApiResource, namespace: &str, object: Value) {
        let api = self.api(kind, namespace);
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        let name = object.metadata.name.clone().unwrap();
        let create = || async {
            match api.create(&PostParams::default(), &object).await {
                Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
                outcome => outcome.map(drop),
            }
        };
        self.persist(&format!("create {name}"), create).await;
    }

    pub async fn patch(&self, kind: &ApiResource, namespace: &str, name: &str, patch: &Value) {
        let api = self.api(kind, namespace);
        let patch = Patch::Merge(patch);
        let params = PatchParams::default();
        let what = format!("patch {name}");
        self.persist(&what, || api.patch(name, &params, &patch))
            .await;
    }

    pub async fn delete(&self, kind: &ApiResource, namespace: &str, name: &str) {
        let api = self.api(kind, namespace);
        let delete = || async {
            match api.delete(name, &Default::default()).await {
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
                outcome => outcome.map(drop),
            }
        };
        self.persist(&format!("delete {name}"), delete).await;
    }

    pub async fn create_fleet(&self, each: usize) {
        for kind in KINDS {
            stream::iter(0..each)
                .for_each_concurrent(CALLS, |number| self.create_item(kind, number))
                .await;
        }
    }

    /// A refresh token as from a login.
    pub fn login(&self, kind: Kind, name: &str) -> Option<String> {
        let provider = &self.providers[kind.provider()];
        kind.has_refresh_token()
            .then(|| provider.issue_refresh_token(PATH, name))
    }

    /// A resource and its credentials.
    pub async fn create_item(&self, kind: Kind, number: usize) {
        let name = kind.name(number);
        let namespace = format!("soak-{}", number % NAMESPACES);
        let token = self.login(kind, &name);
        let credentials = json!({
            "metadata": {
                "name": format!("{name}-client"),
                "labels": {"oauthclient.dev/credentials": "true"},
                "annotations": {"oauthclient.dev/allowed-hosts": "127.0.0.1"},
            },
            "stringData": kind.credentials(&name, &self.keys, token),
        });
        self.create(&secrets(), &namespace, credentials).await;
        let url = self.providers[kind.provider()].url(PATH);
        let resource = json!({
            "apiVersion": "oauthclient.dev/v1alpha1",
            "kind": "OAuthClient",
            "metadata": {"name": name, "labels": {"soak": format!("group-{}", group_of(number))}},
            "spec": kind.spec(&name, &url, &subject_of(number)),
        });
        let item = Item::new(kind, number, namespace.clone(), now());
        self.items().0.insert(name.clone(), item);
        self.create(&oauthclients(), &namespace, resource).await;
        // While the API server was away it did not exist.
        if let Some(item) = self.items().0.get_mut(&name)
            && item.missing.is_some()
        {
            item.missing = Some(now());
        }
    }

    pub async fn delete_item(&self, name: &str) {
        let Some(namespace) = self.items().0.get(name).map(|item| item.namespace.clone()) else {
            return;
        };
        self.delete(&oauthclients(), &namespace, name).await;
        if let Some(item) = self.items().0.get_mut(name) {
            item.deleted = Some(now());
        }
        let credentials = format!("{name}-client");
        self.delete(&secrets(), &namespace, &credentials).await;
    }

    /// Replaces the data of a resource's credentials, which has to lead to a request.
    pub async fn replace_credentials(&self, name: &str, data: Value) {
        let Some(namespace) = self.items().0.get(name).map(|item| item.namespace.clone()) else {
            return;
        };
        let patch = json!({"stringData": data});
        let credentials = format!("{name}-client");
        self.patch(&secrets(), &namespace, &credentials, &patch)
            .await;
        self.note_change(name);
    }

    /// A change was made that has to lead to a request.
    pub fn note_change(&self, name: &str) {
        if let Some(item) = self.items().0.get_mut(name) {
            // A second attempt at the patch may have taken the place of one that succeeded.
            item.changed = Some(now());
            item.excused += 2.0;
        }
    }
}

/// A namespace with a ServiceAccount whose tokens may be exchanged.
fn surroundings(number: usize) -> String {
    let name = format!("soak-{number}");
    let annotations = json!({
        "oauthclient.dev/allowed-audiences": AUDIENCE,
        "oauthclient.dev/allowed-hosts": "127.0.0.1",
    });
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "lent", "namespace": name, "annotations": annotations},
    });
    // The Lease of the group of the replicas.
    let subject = json!({"kind": "ServiceAccount", "name": "oauthclient-operator", "namespace": "oauthclient-system"});
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "soak-leases", "namespace": "oauthclient-system"},
        "rules": [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]}],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "soak-leases", "namespace": "oauthclient-system"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "soak-leases"},
        "subjects": [subject],
    });
    [namespace, account, role, binding]
        .map(|object| object.to_string())
        .join("\n---\n")
}
