//! The control plane, the providers, and how resources are made.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::Namespace;
use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use testkit::control_plane::{ControlPlane, Options};
use testkit::deploy::install_deploy;
use testkit::metrics::Metrics;
use testkit::operator::{Launch, Operator};
use testkit::provider::{Provider, Script};
use testkit::tls::Authority;

use super::fleet;
pub use super::fleet::{PATH, behaviour};
use super::seen::Seen;

/// How many calls the benchmark has in flight while it makes resources.
const CALLS: usize = 32;
/// The providers: two of them are a tenth.
pub const PROVIDERS: usize = 20;
/// Long enough that no token is due during a run.
const LONG: f64 = 30.0 * 86_400.0;
/// Numbers of resources beside the fleet begin at multiples of this.
pub const BESIDE: usize = 10_000_000;

pub struct Place {
    pub plane: ControlPlane,
    pub client: Client,
    pub providers: Vec<Provider>,
    /// The provider of tokens that live for a short time.
    pub short: Provider,
    pub namespaces: usize,
    ca: String,
}

impl Place {
    pub async fn new(count: usize) -> Place {
        testkit::install_crypto();
        let plane = ControlPlane::start(Options::for_many_objects())
            .await
            .unwrap();
        let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
        let installed = install_deploy(&plane, &deploy, "oauthclient-system");
        installed.await.unwrap();
        let authority = Authority::new("benchmark").unwrap();
        let provider = || Provider::tls(Script::one(PATH, behaviour(LONG)), &authority).unwrap();
        let place = Place {
            client: plane.client().unwrap(),
            plane,
            providers: (0..PROVIDERS).map(|_| provider()).collect(),
            short: provider(),
            namespaces: (count / 1000).clamp(10, 100),
            ca: authority.pem(),
        };
        let api: Api<Namespace> = Api::all(place.client.clone());
        for number in 0..place.namespaces {
            let name = place.namespace_of(number);
            let object = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
            api.create(&PostParams::default(), &object).await.unwrap();
        }
        place
    }

    pub fn namespace_of(&self, number: usize) -> String {
        format!("scale-{}", number % self.namespaces)
    }

    /// Which provider a resource uses; each namespace has resources of all.
    pub fn provider_of(&self, number: usize) -> usize {
        (number + number / self.namespaces) % PROVIDERS
    }

    /// The operator, cluster-wide, with the defaults of `deploy/`.
    pub async fn operator(&self) -> Operator {
        let account = self
            .plane
            .service_account("oauthclient-system", "oauthclient-operator");
        let folder = tempfile::tempdir().unwrap().keep();
        let ca = folder.join("ca.crt");
        std::fs::write(&ca, &self.ca).unwrap();
        Launch::run_as(
            env!("CARGO_BIN_EXE_oauthclient-operator"),
            account.await.unwrap(),
        )
        .args(["--allow-loopback", "--log-level=error"])
        .env("SSL_CERT_FILE", ca.display().to_string())
        .start()
        .unwrap()
    }

    /// The same, until it leads and is ready; how long that took. A standby is ready as well, before it has read anything.
    pub async fn ready_operator(&self) -> (Operator, Duration) {
        let begun = std::time::Instant::now();
        let operator = self.operator().await;
        let within = Duration::from_secs(900);
        let leads = operator.wait_for("the Lease", within, || async {
            match operator.metric("oauthclient_leader", &[]).await? {
                1.0 => Ok(()),
                _ => Err(testkit::Error::new("it does not lead")),
            }
        });
        leads.await.unwrap();
        operator.wait_until_ready(within).await.unwrap();
        (operator, begun.elapsed())
    }

    /// Makes credentials and resources of these numbers.
    pub async fn create(&self, numbers: Range<usize>, url: impl Fn(usize) -> String) {
        let url = &url;
        stream::iter(numbers)
            .for_each_concurrent(CALLS, |number| async move {
                self.credentials(number).await;
                self.resource(number, &url(number)).await;
            })
            .await;
    }

    pub fn url_of(&self, number: usize) -> String {
        self.providers[self.provider_of(number)].url(PATH)
    }

    pub async fn credentials(&self, number: usize) {
        fleet::create_credentials(&self.client, &self.namespace_of(number), number).await;
    }

    pub async fn resource(&self, number: usize, url: &str) {
        fleet::create_client(&self.client, &self.namespace_of(number), number, url).await;
    }

    pub async fn patch(&self, number: usize, patch: Value) {
        let params = PatchParams::default();
        let name = format!("r-{number}");
        let api = fleet::oauthclients(&self.client, &self.namespace_of(number));
        api.patch(&name, &params, &Patch::Merge(&patch))
            .await
            .unwrap();
    }

    /// Requests a new token for each of these resources.
    pub async fn request_refresh(&self, numbers: impl Iterator<Item = usize>) {
        let patch =
            json!({"metadata": {"annotations": {"oauthclient.dev/refresh-requested-at": "now"}}});
        let patch = &patch;
        stream::iter(numbers)
            .for_each_concurrent(CALLS, |number| self.patch(number, patch.clone()))
            .await;
    }

    /// All token requests so far.
    pub fn requests(&self) -> usize {
        let all = self.providers.iter().chain([&self.short]);
        all.map(Provider::total).sum()
    }

    /// Drops what is recorded of requests: the memory of a benchmark is part of the machine.
    pub fn forget_requests(&self) {
        self.providers.iter().for_each(Provider::forget_requests);
    }

    /// How many writes of resources, Secrets and events the API server has answered, by its own count.
    pub async fn writes(&self) -> f64 {
        let request = http::Request::get("/metrics").body(Vec::new()).unwrap();
        let text = self.client.request_text(request).await.unwrap();
        let metrics = Metrics::parse(&text).unwrap();
        let counts = metrics.samples().iter().filter(|sample| {
            let is = |label: &str, values: &[&str]| {
                let value = sample.labels.get(label);
                value.is_some_and(|value| values.contains(&value.as_str()))
            };
            sample.name == "apiserver_request_total"
                && is("resource", &["oauthclients", "secrets", "events"])
                && is("verb", &["POST", "PUT", "PATCH", "APPLY", "DELETE"])
        });
        counts.map(|sample| sample.value).sum()
    }

    /// Watches the token Secrets of all namespaces.
    pub fn observe(&self) -> Seen {
        Seen::watch(self.client.clone())
    }
}
