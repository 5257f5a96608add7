//! What every fault test checks at its end: how many requests and writes there were, whether anything leaked, and
//! whether the final
//! state is that of a run without the fault.

use serde_json::{Value, json};
use testkit::fault_proxy::FaultProxy;
use testkit::leaks;
use testkit::operator::Operator;
use tokio::sync::OnceCell;

use super::harness::{CLIENT_SECRET, PATH, SOON, Stage, Start};

impl Stage {
    /// A fault proxy before the API server.
    pub async fn proxy(&self) -> FaultProxy {
        FaultProxy::start(&self.plane).await.unwrap()
    }

    /// An operator whose every call to the API server goes through `proxy`.
    pub async fn operator_behind(&self, proxy: &FaultProxy) -> Operator {
        self.operator(Start::default().through(proxy.url())).await
    }

    /// Changes something on a Secret that is not ours, so that the operator looks at it.
    pub async fn touch(&self, secret: &str) {
        let stamp = format!("touched={}", self.stamp());
        self.kubectl(&["annotate", "--overwrite", "secret", secret, &stamp])
            .await;
    }

    /// Asks for a refresh by annotation.
    pub async fn request_refresh(&self, name: &str) {
        let request = format!("oauthclient.dev/refresh-requested-at={}", self.stamp());
        self.kubectl(&["annotate", "--overwrite", "oauthclient", name, &request])
            .await;
    }

    fn stamp(&self) -> u64 {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    /// Waits until the provider has received so many token requests, and no more after that.
    pub async fn exactly(&self, requests: usize) {
        let what = format!("{requests} token requests");
        self.until(&what, || async { self.requests() >= requests })
            .await;
        self.stays_at(requests).await;
    }

    /// For a few seconds no further token request comes.
    pub async fn stays_at(&self, requests: usize) {
        self.quiet(requests, 3).await;
    }

    /// For so many seconds no further token request comes.
    pub async fn quiet(&self, requests: usize, seconds: u64) {
        for _ in 0..seconds * 4 {
            assert_eq!(self.requests(), requests, "token requests");
            tokio::time::sleep(std::time::Duration::from_millis(250)).await;
        }
    }

    /// How often the operator wrote Secrets and statuses, refused tries included.
    pub async fn writes(&self, operator: &Operator) -> (usize, usize) {
        let metrics = operator.metrics().await.unwrap();
        let of = |kind| {
            let count = metrics.get("oauthclient_api_writes_total", &[("kind", kind)]);
            count.unwrap_or(0.0) as usize
        };
        (of("secret"), of("status"))
    }

    /// Nothing that is secret shows in the operator's output, its metrics, or in what Kubernetes shows of the resources.
    pub async fn nothing_leaked(&self, operator: &Operator) {
        let metrics = operator.get("/metrics").await.map(|(_, text)| text);
        let mut places = vec![
            ("the log", operator.stderr()),
            ("standard output", operator.stdout()),
            ("the metrics", metrics.unwrap_or_default()),
        ];
        for kind in ["events", "oauthclients"] {
            let text = self.try_kubectl(&["get", kind, "-o", "json"]).await;
            places.push((kind, text.unwrap_or_default()));
        }
        let tokens = self.provider.tokens(PATH);
        let tokens = tokens.iter().map(|issued| issued.token.as_str());
        let secrets: Vec<&str> = tokens.chain([CLIENT_SECRET]).collect();
        for (place, text) in &places {
            assert_holds_none(place, text, &secrets);
        }
    }

    /// A resource and its Secret have the state of a run without any fault.
    pub async fn ends_as_without_fault(&self, name: &str) {
        assert!(
            self.valid_token(&format!("{name}-token")).await.is_some(),
            "a valid token"
        );
        let undisturbed = undisturbed().await;
        let mut now = self.standing(name).await;
        // The status follows its Secret.
        for _ in 0..40 {
            if now == *undisturbed {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(250)).await;
            now = self.standing(name).await;
        }
        assert_eq!(now, *undisturbed, "left: as it is; right: undisturbed");
    }

    /// The state of a resource and its Secret, without what differs between runs.
    async fn standing(&self, name: &str) -> Value {
        let resource = self.object("oauthclient", name).await.unwrap_or_default();
        let secret = self.object("secret", &format!("{name}-token")).await;
        let secret = secret.unwrap_or_default();
        let at = |object: &Value, path: &str| object.pointer(path).cloned().unwrap_or_default();
        let generation = at(&resource, "/metadata/generation");
        let conditions: Vec<Value> = at(&resource, "/status/conditions")
            .as_array()
            .into_iter()
            .flatten()
            .map(|condition| {
                let observed = at(condition, "/observedGeneration") == generation;
                json!([
                    at(condition, "/type"),
                    at(condition, "/status"),
                    at(condition, "/reason"),
                    observed
                ])
            })
            .collect();
        let ours = |map: Value, values: bool| -> Vec<String> {
            map.as_object()
                .into_iter()
                .flatten()
                .filter(|(key, _)| key.starts_with("oauthclient.dev/"))
                // A refresh that was asked for is remembered, without a fault too.
                .filter(|(key, _)| !key.contains("refresh-request"))
                .map(|(key, value)| {
                    if values {
                        format!("{key}={value}")
                    } else {
                        key.clone()
                    }
                })
                .collect()
        };
        let owners: Vec<Value> = at(&secret, "/metadata/ownerReferences")
            .as_array()
            .into_iter()
            .flatten()
            .map(|owner| {
                let mut owner = owner.clone();
                let ours = at(&owner, "/uid") == at(&resource, "/metadata/uid");
                owner["uid"] = json!(ours);
                owner["name"] = json!(at(&owner, "/name") == at(&resource, "/metadata/name"));
                owner
            })
            .collect();
        let keys = at(&secret, "/data");
        let token: Vec<String> = at(&resource, "/status/token")
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, _)| key.clone())
            .collect();
        json!({
            "observed": at(&resource, "/status/observedGeneration") == generation,
            "conditions": conditions,
            "token": token,
            "attempt": at(&resource, "/status/attempt"),
            "type": at(&secret, "/type"),
            "labels": ours(at(&secret, "/metadata/labels"), true),
            "annotations": ours(at(&secret, "/metadata/annotations"), false),
            "owners": owners,
            "keys": keys.as_object().map(|keys| keys.keys().cloned().collect::<Vec<_>>()),
        })
    }
}

/// The state of a resource that had no fault; determined once.
async fn undisturbed() -> &'static Value {
    static UNDISTURBED: OnceCell<Value> = OnceCell::const_new();
    UNDISTURBED
        .get_or_init(|| async {
            let stage = Stage::new(3600.0).await;
            let operator = stage.operator(Start::default()).await;
            stage.resource("main", "").await;
            stage.wait_ready("main").await;
            let standing = stage.standing("main").await;
            assert!(operator.terminate(SOON).await.unwrap().success());
            standing
        })
        .await
}

/// Fails when `text` holds one of `secrets`, in any spelling in which a program might show it.
pub fn assert_holds_none(place: &str, text: &str, secrets: &[&str]) {
    if let Some(leak) = leaks::find(text, secrets) {
        panic!("{place} holds a secret, {}: {}", leak.how, leak.around);
    }
}
