//! What the benchmarks use: a control plane of their own, a provider, and an operator with the permissions of
//! `deploy/`.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::api::{Api, PostParams};
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Client, ResourceExt as _};
use oauthclient_operator::api::OAuthClient;
use serde_json::json;
use testkit::control_plane::{ControlPlane, Options};
use testkit::deploy::install_deploy;
use testkit::operator::{Launch, Operator};
use testkit::provider::{Provider, Script};
use testkit::tls::Authority;

use super::fleet;
pub use super::fleet::{PATH, behaviour};

/// The bound of calls in flight, the operator's and the bare loop's alike.
pub const CALLS: usize = 32;

/// A path from the environment, such as that of another version's program, or the default.
fn path_from(name: &str, default: &str) -> PathBuf {
    std::env::var_os(name).map_or_else(|| PathBuf::from(default), PathBuf::from)
}

pub struct Stage {
    pub plane: ControlPlane,
    pub client: Client,
    pub namespace: String,
    pub provider: Provider,
    /// Who vouches for the providers.
    pub authority: Authority,
    pub ca: String,
}

impl Stage {
    pub async fn new(seconds: f64) -> Stage {
        testkit::install_crypto();
        let plane = ControlPlane::start(Options::with_usual_controllers())
            .await
            .unwrap();
        let deploy = path_from("DEPLOY", concat!(env!("CARGO_MANIFEST_DIR"), "/deploy"));
        install_deploy(&plane, &deploy, "oauthclient-system")
            .await
            .unwrap();
        let authority = Authority::new("benchmark").unwrap();
        let script = Script::one(PATH, behaviour(seconds));
        let provider = Provider::tls(script, &authority).unwrap();
        let client = plane.client().unwrap();
        let stage = Stage {
            plane,
            client,
            namespace: "bench".to_owned(),
            provider,
            ca: authority.pem(),
            authority,
        };
        stage.surroundings("bench").await;
        stage
    }

    /// A namespace with CA and credentials.
    pub async fn surroundings(&self, namespace: &str) {
        let params = PostParams::default();
        let api: Api<Namespace> = Api::all(self.client.clone());
        let object = serde_json::from_value(json!({"metadata": {"name": namespace}})).unwrap();
        api.create(&params, &object).await.unwrap();
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        let object = serde_json::from_value(
            json!({"metadata": {"name": "ca"}, "data": {"ca.crt": self.ca}}),
        )
        .unwrap();
        api.create(&params, &object).await.unwrap();
    }

    /// The operator, cluster-wide, with the defaults of `deploy/`, trusting the provider's CA as a system would: by file.
    pub async fn operator(&self, args: &[&str]) -> Operator {
        let folder = tempfile::tempdir().unwrap().keep();
        let path = folder.join("kubeconfig");
        let (namespace, name) = ("oauthclient-system", "oauthclient-operator");
        self.plane
            .service_account(namespace, name)
            .await
            .unwrap()
            .write(&path)
            .unwrap();
        let ca = folder.join("ca.crt");
        std::fs::write(&ca, &self.ca).unwrap();
        let program = path_from("PROGRAM", env!("CARGO_BIN_EXE_oauthclient-operator"));
        Launch::run(program, &path)
            .args(["--allow-loopback", "--log-level=warn"])
            .args(args.iter().map(|arg| (*arg).to_owned()))
            .env("SSL_CERT_FILE", ca.display().to_string())
            .start()
            .unwrap()
    }

    /// Makes `count` credentials Secrets and resources, `first` to `first + count`.
    pub async fn resources(&self, first: usize, count: usize) {
        self.resources_at(first, count, &self.provider.url(PATH))
            .await;
    }

    /// The same with another token endpoint.
    pub async fn resources_at(&self, first: usize, count: usize, url: &str) {
        stream::iter(first..first + count)
            .for_each_concurrent(CALLS, |number| async move {
                self.credentials(number).await;
                self.resource(number, url).await;
            })
            .await;
    }

    pub async fn credentials(&self, number: usize) {
        fleet::create_credentials(&self.client, &self.namespace, number).await;
    }

    pub async fn resource(&self, number: usize, url: &str) {
        fleet::create_client(&self.client, &self.namespace, number, url).await;
    }

    /// Watches token Secrets and statuses of the namespace.
    pub fn observe(&self) -> Seen {
        let seen = Seen::default();
        let api: Api<PartialObjectMeta<Secret>> =
            Api::namespaced(self.client.clone(), &self.namespace);
        let secrets =
            watcher(api, Config::default().labels("oauthclient.dev/token=true")).default_backoff();
        let into = seen.clone();
        tokio::spawn(secrets.for_each(move |event| {
            if let Ok(Event::Apply(object) | Event::InitApply(object)) = event {
                let number = object.name_any().trim_start_matches("token-").to_owned();
                into.note_secret(number);
            }
            std::future::ready(())
        }));
        let api: Api<OAuthClient> = Api::namespaced(self.client.clone(), &self.namespace);
        let statuses = watcher(api, Config::default()).default_backoff();
        let into = seen.clone();
        tokio::spawn(statuses.for_each(move |event| {
            if let Ok(Event::Apply(object) | Event::InitApply(object)) = event {
                let ready = object.status.iter().flat_map(|status| &status.conditions);
                if ready
                    .into_iter()
                    .any(|one| one.type_ == "Ready" && one.status == "True")
                {
                    into.status(object.name_any().trim_start_matches("r-").to_owned());
                }
            }
            std::future::ready(())
        }));
        seen
    }
}

/// When a Secret and a status were first seen, by number.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<HashMap<String, Times>>>);

/// When the Secret was first seen, and when the status.
type Times = (Option<Instant>, Option<Instant>);

impl Seen {
    /// Waits for the Secret of `number`; when it came.
    pub async fn secret(&self, number: usize) -> Instant {
        loop {
            if let Some(at) = self.secret_at(number) {
                return at;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn note_secret(&self, number: String) {
        self.0
            .lock()
            .unwrap()
            .entry(number)
            .or_default()
            .0
            .get_or_insert_with(Instant::now);
    }

    fn status(&self, number: String) {
        self.0
            .lock()
            .unwrap()
            .entry(number)
            .or_default()
            .1
            .get_or_insert_with(Instant::now);
    }

    /// When the Secret of `number` was first seen.
    fn secret_at(&self, number: usize) -> Option<Instant> {
        self.0.lock().unwrap().get(&number.to_string())?.0
    }

    /// Waits until `count` Secrets and statuses are there; when the last Secret came.
    pub async fn all(&self, count: usize) -> Instant {
        let deadline = Instant::now() + Duration::from_secs(900);
        loop {
            {
                let seen = self.0.lock().unwrap();
                let whole = seen
                    .values()
                    .filter(|(secret, status)| secret.is_some() && status.is_some());
                if whole.count() >= count {
                    return seen
                        .values()
                        .filter_map(|(secret, _)| *secret)
                        .max()
                        .unwrap();
                }
            }
            assert!(Instant::now() < deadline, "not all Secrets came");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The longest time from a Secret to its status.
    pub fn slowest_status(&self) -> Duration {
        let seen = self.0.lock().unwrap();
        seen.values()
            .filter_map(|(secret, status)| Some((*status)?.saturating_duration_since((*secret)?)))
            .max()
            .unwrap_or_default()
    }
}

/// The `part`-th quantile of some times.
pub fn quantile(times: &[Duration], part: f64) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    let at = ((sorted.len() as f64 * part).ceil() as usize).clamp(1, sorted.len()) - 1;
    sorted[at]
}
