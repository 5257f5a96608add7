//! No namespace affects another: refused writes, hosts that stall, large answers, thousands that are due.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use testkit::control_plane;
use testkit::provider::{Behaviour, Listen, Provider, Script};
use testkit::tls::Authority;

use super::endpoint::trust;
use super::fleet::Fleet;
use super::harness::{
    CLIENT_ID, CLIENT_SECRET, PATH, Plane, SOON, Stage, Start, credentials, living, resource,
};

/// Resources whose write is refused; more than there may be token requests in flight.
const REFUSED: usize = 540;
/// Healthy resources of another namespace beside them, and how long their tokens live.
const HEALTHY: usize = 10;
const LIFE: f64 = 60.0;
/// Hosts that take a request and never answer.
const STALLING: usize = 600;
/// Resources that are fresh at a restart, and then due all at once.
const MANY: usize = 1500;
/// Answers of about 1 MB in flight: hosts, and resources of each.
const LARGE: (u8, usize) = (25, 8);
const LARGE_TOKEN: usize = 1_000_000;
/// What the operator may take, of whatever build.
const MOST_MEMORY_KIB: u64 = 128 << 10;

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

impl Stage {
    async fn apply_all(&self, manifests: impl IntoIterator<Item = String>) {
        let manifests: Vec<String> = manifests.into_iter().collect();
        self.apply(&manifests.join("---\n")).await;
    }

    /// How many token Secrets there are.
    async fn token_secrets(&self) -> usize {
        let selector = "oauthclient.dev/token=true";
        let names = ["get", "secrets", "-l", selector, "-o", "name"];
        self.kubectl(&names).await.lines().count()
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
        .apply_all(names.iter().map(|name| healthy.manifest(name, "")))
        .await;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let fleet = Fleet::of(&healthy);
    fleet.well(&names).await;

    // Half of them of a kind that is known to be refused once the token is there, half refused by the server.
    let docker = ", type: kubernetes.io/dockerconfigjson, data: {.dockerconfigjson: \"{{ access_token }}\"}}";
    let manifests = (0..REFUSED).map(|number| {
        let manifest = refused.manifest(&format!("r{number}"), "");
        let name = format!("name: r{number}-token");
        match number % 2 {
            0 => manifest.replace(&format!("{name}}}"), &format!("{name}{docker}")),
            _ => manifest,
        }
    });
    refused.apply_all(manifests).await;
    let all_valid = || async {
        let now = super::harness::jiff_now();
        for (name, look) in fleet.look().await {
            let token = look
                .token()
                .unwrap_or_else(|| panic!("{name} has no token"));
            let until = healthy.provider.introspect(token).expect("it was issued");
            assert!(until > now, "the token of {name} expired at {until}");
        }
    };
    refused
        .until("each was refused", || async {
            all_valid().await;
            refused.requests() >= REFUSED
        })
        .await;
    // Two lives of the healthy ones.
    let before = healthy.requests();
    healthy
        .until("each was refreshed twice", || async {
            all_valid().await;
            healthy.requests() >= before + 2 * HEALTHY
        })
        .await;
    assert_eq!(refused.requests(), REFUSED, "no second token for any");
    assert!(operator.terminate(SOON).await.unwrap().success());

    // Nor after a restart.
    let before = healthy.requests();
    let operator = refused.operator(both(&healthy, &[])).await;
    healthy
        .until("the healthy ones go on", || async {
            all_valid().await;
            healthy.requests() >= before + HEALTHY
        })
        .await;
    assert_eq!(refused.requests(), REFUSED);
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
    // The kernel accepts the connections; nobody ever answers.
    let listeners: Vec<TcpListener> = (0..STALLING)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap())
        .collect();
    let operator = stalling.operator(both(&other, &["--allow-http"])).await;
    let manifests = listeners.iter().enumerate().map(|(number, listener)| {
        let port = listener.local_addr().unwrap().port();
        let url = format!("http://127.0.0.1:{port}/token");
        resource(&format!("s{number}"), &url, "").replace("timeoutSeconds: 5", "timeoutSeconds: 60")
    });
    stalling.apply_all(manifests).await;
    let in_flight = || async {
        let kind = [("kind", "token_requests")];
        let held = operator.metric("oauthclient_shared_in_use", &kind).await;
        held.unwrap_or(0.0) as usize
    };
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
async fn of_many_a_restart_requests_nothing_and_a_new_one_of_another_namespace_goes_before_them() {
    let many = Stage::new(36_000.0).await;
    let other = another(living(3600.0)).await;
    let operator = many.operator(both(&other, &[])).await;
    for first in (0..MANY).step_by(500) {
        let numbers = first..(first + 500).min(MANY);
        many.apply_all(numbers.map(|number| many.manifest(&format!("m{number}"), "")))
            .await;
        many.until("all have a token", || async {
            many.token_secrets().await >= (first + 500).min(MANY)
        })
        .await;
    }
    many.exactly(MANY).await;
    assert!(operator.terminate(SOON).await.unwrap().success());

    let operator = many.operator(both(&other, &[])).await;
    many.quiet(MANY, 15).await;

    // All are due at once; a new one asks the same host.
    many.provider.update(PATH, |behaviour| {
        behaviour.latency_ms = 200;
        let mut account = behaviour.accepts.clients[0].clone();
        account.id = "another".to_owned();
        behaviour.accepts.clients.push(account);
    });
    let ca = many.ca.replace('\n', "\n    ");
    let ca = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: provider-ca}}\ndata:\n  ca.crt: |\n    {ca}\n"
    );
    other.apply(&ca).await;
    many.apply(&credentials("client", "another", CLIENT_SECRET))
        .await;
    many.until("they are being asked for", || async {
        many.requests() >= MANY + 40
    })
    .await;
    let url = many.provider.url(PATH);
    other.apply(&resource("new", &url, "  scopes: [new]")).await;
    let seen = many.requests();
    other.wait_ready("new").await;
    let requests = many.provider.requests();
    let of_new = |request: &testkit::provider::RecordedRequest| {
        request.form_value("scope").as_deref() == Some("new")
    };
    let place = requests.iter().position(of_new).unwrap();
    // One turn, and those that were under way or came while it was applied and read.
    assert!(
        place <= seen + 60,
        "after {seen} requests it came as number {place}"
    );
    assert!(many.requests() < 2 * MANY, "the others were still due");
    many.nothing_leaked(&operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_answers_by_the_hundred_take_little_memory() {
    let stage = Stage::new(3600.0).await;
    let operator = stage
        .operator(Start {
            log_level: "info",
            ..Start::default()
        })
        .await;
    let authority = Authority::new("large answers").unwrap();
    stage.apply(&trust("large-ca", &authority)).await;
    let (providers, each) = LARGE;
    let mut behaviour = living(3600.0);
    behaviour.tokens.length = LARGE_TOKEN;
    let providers: Vec<Provider> = (0..providers)
        .map(|number| {
            let address = Ipv4Addr::new(127, 0, 1, number + 1).into();
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
    stage.apply_all(manifests).await;
    let total = providers.len() * each;
    let mut most = 0;
    let published = async {
        stage
            .until("all are published", || async {
                stage.token_secrets().await >= total
            })
            .await;
    };
    let measured = async {
        loop {
            most = most.max(operator.resident_kib().unwrap());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = published => {}
        () = measured => {}
    }
    assert!(most < MOST_MEMORY_KIB, "{most} KiB");
    let requests: usize = providers.iter().map(|provider| provider.count(PATH)).sum();
    assert_eq!(requests, total, "each was requested once");
}
