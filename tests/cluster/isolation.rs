//! No namespace affects another: refused writes, hosts that stall, large answers, thousands that are due.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::LazyLock;
use std::time::Duration;

use futures::StreamExt as _;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, PostParams};
use serde_json::Value;
use testkit::control_plane;
use testkit::operator::Operator;
use testkit::provider::{Behaviour, Listen, Provider, Script};
use testkit::tls::Authority;

use super::endpoint::trust;
use super::fleet::Fleet;
use super::harness::{
    CLIENT_ID, CLIENT_SECRET, PATH, Plane, SOON, Stage, Start, credentials, jiff_now, living,
    resource,
};

/// What a test takes: with `FULL_SIZE` set the size for which isolation is promised, otherwise one that a debug build works off
/// on two processors in a minute or two. Nothing else differs.
fn size(full: usize, usual: usize) -> usize {
    match std::env::var_os("FULL_SIZE") {
        Some(_) => full,
        None => usual,
    }
}

/// Numbers up to `all`: reaching each has a deadline of its own, so that how fast the machine is does not matter.
fn steps(all: usize) -> impl Iterator<Item = usize> {
    (1..=all).filter(move |number| number % 100 == 0 || *number == all)
}

/// Resources whose write is refused; more than there may be token requests in flight.
static REFUSED: LazyLock<usize> = LazyLock::new(|| size(1000, 540));
/// Healthy resources of another namespace at the same time, and the lifetime of their tokens.
const HEALTHY: usize = 10;
const LIFE: f64 = 60.0;
/// Hosts that take a request and never answer.
const STALLING: usize = 600;
/// Resources that are fresh at a restart, and then due all at once.
static MANY: LazyLock<usize> = LazyLock::new(|| size(5000, 1500));
/// Of those, how many are created before the next.
const BATCH: usize = 500;
/// Hosts whose answers have about 1 MB, and resources of each. In the smaller size too, they would take twice what is allowed
/// if they were kept without a bound.
static LARGE: LazyLock<(usize, usize)> = LazyLock::new(|| (size(25, 8), 8));
const LARGE_TOKEN: usize = 1_000_000;
/// What the operator may take, of whatever build.
const MOST_MEMORY_KIB: u64 = 128 << 10;
/// Manifests that are sent to the API server at once.
const AT_ONCE: usize = 16;
/// How often the metrics are read: to write them costs the operator time.
const PERIOD: Duration = Duration::from_millis(250);

/// Another namespace on the same control plane, with a provider of its own.
async fn another(behaviour: Behaviour) -> Stage {
    Stage::on(Plane::Shared(control_plane::shared().await), behaviour).await
}

/// An operator that watches both.
fn both(other: &Stage, args: &[&str]) -> Start {
    let mut start = Start::with(args);
    start.namespaces.push(other.namespace.clone());
    // A line for each request would be most of what is measured.
    start.log_level = "info";
    start
}

/// A number that the operator shows; 0 while it does not.
async fn shown(operator: &Operator, metric: &str, labels: &[(&str, &str)]) -> usize {
    tokio::time::sleep(PERIOD).await;
    operator.metric(metric, labels).await.unwrap_or(0.0) as usize
}

/// How many resources are in a state.
async fn resources(operator: &Operator, state: &str) -> usize {
    shown(operator, "oauthclient_resources", &[("state", state)]).await
}

impl Stage {
    /// Creates OAuthClients, faster than `kubectl` lets itself.
    async fn create_all(&self, manifests: impl IntoIterator<Item = String>) {
        let kind = GroupVersionKind::gvk("oauthclient.dev", "v1alpha1", "OAuthClient");
        let kind = ApiResource::from_gvk_with_plural(&kind, "oauthclients");
        let client = self.plane.client().unwrap();
        let api: &Api<DynamicObject> = &Api::namespaced_with(client, &self.namespace, &kind);
        futures::stream::iter(manifests)
            .for_each_concurrent(AT_ONCE, |manifest| async move {
                let object: Value = serde_saphyr::from_str(&manifest).unwrap();
                let object: DynamicObject = serde_json::from_value(object).unwrap();
                api.create(&PostParams::default(), &object).await.unwrap();
            })
            .await;
    }
}

/// Refuses every Secret that holds a token, with 422.
fn policy(namespace: &str) -> String {
    let name = format!("no-tokens-in-{namespace}");
    format!(
        "apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: {name}}}
spec:
  matchConstraints:
    namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {namespace}}}}}
    resourceRules:
    - {{apiGroups: [\"\"], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [secrets]}}
  validations: [{{expression: \"!has(object.data) || !('access_token' in object.data)\", message: no tokens here}}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: {name}}}
spec: {{policyName: {name}, validationActions: [Deny]}}
"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_writes_by_the_hundred_let_no_token_of_another_namespace_expire() {
    let refused = Stage::new(3600.0).await;
    let healthy = another(living(LIFE)).await;
    refused.apply(&policy(&refused.namespace)).await;
    let probe = ["create", "secret", "generic", "probe"];
    let probe = [
        &probe[..],
        &["--from-literal=access_token=x", "--dry-run=server"],
    ]
    .concat();
    refused
        .until("the policy is in force", || async {
            refused.try_kubectl(&probe).await.is_err()
        })
        .await;
    let operator = refused.operator(both(&healthy, &[])).await;
    let names: Vec<String> = (0..HEALTHY).map(|number| format!("h{number}")).collect();
    healthy
        .create_all(names.iter().map(|name| healthy.manifest(name, "")))
        .await;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let fleet = Fleet::of(&healthy);
    fleet.well(&names).await;

    // Half of them of a kind that is known to be refused once the token is there, half refused by the server.
    let docker = ", type: kubernetes.io/dockerconfigjson, data: {.dockerconfigjson: \"{{ access_token }}\"}}";
    let manifests = (0..*REFUSED).map(|number| {
        let manifest = refused.manifest(&format!("r{number}"), "");
        let name = format!("name: r{number}-token");
        match number % 2 {
            0 => manifest.replace(&format!("{name}}}"), &format!("{name}{docker}")),
            _ => manifest,
        }
    });
    refused.create_all(manifests).await;
    let all_valid = || async {
        let now = jiff_now();
        for (name, look) in fleet.look().await {
            let token = look
                .token()
                .unwrap_or_else(|| panic!("{name} has no token"));
            let until = healthy.provider.introspect(token).expect("it was issued");
            assert!(until > now, "the token of {name} expired at {until}");
        }
    };
    for so_many in steps(*REFUSED) {
        refused
            .until("each was refused", || async {
                all_valid().await;
                refused.requests() >= so_many
            })
            .await;
    }
    for so_many in steps(*REFUSED) {
        refused
            .until("each is stalled", || async {
                all_valid().await;
                resources(&operator, "stalled").await >= so_many
            })
            .await;
    }
    let before = healthy.requests();
    healthy
        .until("each healthy one was refreshed meanwhile", || async {
            all_valid().await;
            healthy.requests() >= before + HEALTHY
        })
        .await;
    assert_eq!(refused.requests(), *REFUSED, "no second token for any");
    assert!(operator.terminate(SOON).await.unwrap().success());

    // Nor after a restart.
    let before = healthy.requests();
    let operator = refused.operator(both(&healthy, &[])).await;
    for so_many in steps(*REFUSED) {
        refused
            .until("each is known to be stalled", || async {
                all_valid().await;
                resources(&operator, "stalled").await >= so_many
            })
            .await;
    }
    healthy
        .until("the healthy ones go on", || async {
            all_valid().await;
            healthy.requests() >= before + HEALTHY
        })
        .await;
    assert_eq!(refused.requests(), *REFUSED);
    let stalled = refused.condition("r0", "Stalled").await.unwrap();
    assert_eq!(stalled.reason, "WriteRefused", "{}", stalled.message);
    refused.nothing_leaked(&operator).await;
    for kind in [
        "validatingadmissionpolicybinding",
        "validatingadmissionpolicy",
    ] {
        let name = format!("no-tokens-in-{}", refused.namespace);
        refused.kubectl(&["delete", kind, &name]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_stall_by_the_hundred_delay_no_other_namespace() {
    let stalling = Stage::new(3600.0).await;
    let other = another(living(3600.0)).await;
    // The kernel accepts the connections; no response ever follows.
    let listeners: Vec<TcpListener> = (0..STALLING)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap())
        .collect();
    let operator = stalling.operator(both(&other, &["--allow-http"])).await;
    let manifests = listeners.iter().enumerate().map(|(number, listener)| {
        let port = listener.local_addr().unwrap().port();
        let url = format!("http://127.0.0.1:{port}/token");
        resource(&format!("s{number}"), &url, "").replace("timeoutSeconds: 5", "timeoutSeconds: 60")
    });
    stalling.create_all(manifests).await;
    let kind = [("kind", "token_requests")];
    let in_flight = || shown(&operator, "oauthclient_shared_in_use", &kind);
    // A part of the bound of 512 is kept for others, however many hosts there are.
    stalling
        .until("all that it may have are under way", || async {
            in_flight().await >= 384
        })
        .await;
    other.resource("new", "").await;
    let held = in_flight().await;
    other.wait_ready("new").await;
    let still_held = in_flight().await;
    assert!((300..=385).contains(&held), "{held} before it came");
    assert!(still_held >= 300, "{still_held}: it waited for no time-out");
    assert_eq!(other.requests(), 1);
    drop(listeners);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_a_restart_requests_nothing_and_another_namespace_waits_for_one_turn() {
    let many = Stage::new(36_000.0).await;
    let other = another(living(3600.0)).await;
    many.provider.update(PATH, |behaviour| {
        let mut account = behaviour.accepts.clients[0].clone();
        account.id = "another".to_owned();
        behaviour.accepts.clients.push(account);
    });
    // Both ask the same host.
    let authority = many.ca.replace('\n', "\n    ");
    let ca = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: provider-ca}}\ndata:\n  ca.crt: |\n    {authority}\n"
    );
    other.apply(&ca).await;
    let url = many.provider.url(PATH);
    let operator = many.operator(both(&other, &[])).await;
    for first in (0..*MANY).step_by(BATCH) {
        let numbers = first..first + BATCH;
        many.create_all(numbers.map(|number| many.manifest(&format!("m{number}"), "")))
            .await;
        many.until("all have a token", || async {
            resources(&operator, "ready").await >= first + BATCH
        })
        .await;
    }
    // Its token ends last.
    other.apply(&resource("old", &url, "  scopes: [old]")).await;
    other.wait_for("old", "Ready", "True", "").await;
    many.exactly(*MANY + 1).await;
    assert!(operator.terminate(SOON).await.unwrap().success());

    let operator = many.operator(both(&other, &[])).await;
    for so_many in steps(*MANY) {
        many.until("all are looked at", || async {
            resources(&operator, "ready").await > so_many
        })
        .await;
    }
    many.until("no look is due any more", || async {
        shown(&operator, "oauthclient_queue_depth", &[("class", "look")]).await == 0
    })
    .await;
    many.quiet(*MANY + 1, 12).await;

    // All are due at once, then one of another namespace, and a new one there.
    many.provider
        .update(PATH, |behaviour| behaviour.latency_ms = 1000);
    let changed = credentials("client", "another", CLIENT_SECRET);
    many.apply(&changed).await;
    many.until("they are being asked for", || async {
        many.requests() >= *MANY + 40
    })
    .await;
    let due = [("class", "refresh")];
    many.until("the others wait", || async {
        shown(&operator, "oauthclient_queue_depth", &due).await >= *MANY / 2
    })
    .await;
    for (name, what) in [
        ("old", changed),
        ("new", resource("new", &url, "  scopes: [new]")),
    ] {
        let of_it = || {
            let requests = many.provider.requests();
            let mut places = requests
                .iter()
                .enumerate()
                .skip(*MANY + 1)
                .filter(|(_, request)| request.form_value("scope").as_deref() == Some(name));
            places.next().map(|(place, _)| place)
        };
        other.apply(&what).await;
        let seen = many.requests();
        many.until("it is asked for", || async { of_it().is_some() })
            .await;
        let place = of_it().unwrap();
        // One reconciliation, and those that were in progress or started while it was applied and read: at most eight a
        // second.
        assert!(
            place <= seen + 100,
            "after {seen} requests {name} came as number {place}"
        );
        other.wait_for(name, "Ready", "True", "").await;
        // Its host takes eight requests a second, so that these are the ones of a few seconds.
        let meanwhile = many.requests() - place;
        assert!(
            meanwhile <= 100,
            "{name} was published after {meanwhile} requests of others"
        );
    }
    assert!(many.requests() < 2 * *MANY, "the others were still due");
    many.nothing_leaked(&operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_answers_by_the_hundred_take_little_memory() {
    let stage = Stage::new(3600.0).await;
    let other = another(living(3600.0)).await;
    let operator = stage.operator(both(&other, &[])).await;
    let authority = Authority::new("large answers").unwrap();
    stage.apply(&trust("large-ca", &authority)).await;
    let (providers, each) = *LARGE;
    let mut behaviour = living(3600.0);
    behaviour.tokens.length = LARGE_TOKEN;
    // All are in flight before the first has a response.
    behaviour.latency_ms = 10_000;
    let providers: Vec<Provider> = (0..providers)
        .map(|number| {
            let host = u8::try_from(number + 1).unwrap();
            let address = Ipv4Addr::new(127, 0, 1, host).into();
            let listen = Listen {
                address,
                tls: authority.issue_for_loopback(Some(address)).ok(),
                ..Listen::default()
            };
            Provider::start(Script::one(PATH, behaviour.clone()), listen).unwrap()
        })
        .collect();
    let allowed: Vec<String> = providers
        .iter()
        .map(|provider| provider.address().ip().to_string())
        .collect();
    let lent = credentials("client", CLIENT_ID, CLIENT_SECRET).replace(
        "allowed-hosts: 127.0.0.1",
        &format!("allowed-hosts: \"{}\"", allowed.join(",")),
    );
    stage.apply(&lent).await;
    let manifests = providers.iter().enumerate().flat_map(|(host, provider)| {
        let url = provider.url(PATH);
        (0..each).map(move |number| {
            resource(&format!("l{host}-{number}"), &url, "")
                .replace("provider-ca", "large-ca")
                .replace("timeoutSeconds: 5", "timeoutSeconds: 60")
        })
    });
    stage.create_all(manifests).await;
    let total = providers.len() * each;
    // They wait for room, and delay nobody else.
    let bytes = [("kind", "answer_bytes")];
    stage
        .until("responses wait for room", || async {
            shown(&operator, "oauthclient_shared_waiting", &bytes).await >= 4
        })
        .await;
    let waiting = operator.peak_resident_kib().unwrap();
    eprintln!("at most {waiting} KiB when the first responses wait");
    other.resource("new", "").await;
    other.wait_ready("new").await;
    let published = resources(&operator, "ready").await;
    assert!(published <= total, "{published}: it came after all of them");
    // In steps: how fast the API server takes them does not matter.
    for ready in (4..=total).step_by(4) {
        stage
            .until("one after the other is published", || async {
                resources(&operator, "ready").await > ready
            })
            .await;
    }
    let most = operator.peak_resident_kib().unwrap();
    let requests: usize = providers.iter().map(|provider| provider.count(PATH)).sum();
    eprintln!("at most {most} KiB, {requests} requests");
    assert!(most < MOST_MEMORY_KIB, "{most} KiB");
    assert_eq!(requests, total, "none is requested again for want of room");
}
