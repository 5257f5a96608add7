//! The test itself.

use std::sync::Arc;
use std::time::Duration;

use testkit::leaks;
use testkit::node;
use testkit::provider::{Account, Behaviour, Listen, Provider, Script};
use testkit::tls::{Authority, Leaf};

use crate::cluster::Cluster;
use crate::protected::Protected;

const PATH: &str = "/oauth/token";
/// How long a token is valid, and how long before its end it is replaced: every 15 s a new one, with 45 s for the mounted file to follow.
const LIFETIME_SECONDS: f64 = 60.0;
const BEFORE_SECONDS: u32 = 45;
/// How many refreshes the workload is to see.
const REFRESHES: usize = 10;
const CLIENT_SECRET: &str = "s3cr3t-of-the-node-test";

pub(crate) async fn run() {
    testkit::install_crypto();
    let cluster = Cluster::start().await;
    let (provider, ca) = provider();
    let protected = Protected::start(node::ADDRESS, Arc::clone(&provider));
    cluster.install().await;
    let first = cluster.rolled_out().await;

    cluster.apply(&manifests(&provider.url(PATH), &ca)).await;
    let args = "wait -n bookshop --for=condition=Ready oauthclient/main --timeout=1s";
    let args: Vec<&str> = args.split(' ').collect();
    cluster
        .until("a token", || async {
            cluster.plane.run_kubectl(&args, "").await
        })
        .await;
    cluster.apply(&workload(&protected)).await;
    sees(&cluster, &protected, 3).await;

    // Meanwhile the operator is rolled out again, and another pod takes over.
    let leader = cluster.leader().await.expect("a leader");
    assert!(first.contains(&leader), "{leader} of {first:?}");
    let restart = "rollout restart deployment/oauthclient-operator -n oauthclient-system";
    cluster
        .kubectl(&restart.split(' ').collect::<Vec<_>>())
        .await;
    let second = cluster.rolled_out().await;
    assert!(
        !second.iter().any(|pod| first.contains(pod)),
        "{first:?} and then {second:?}"
    );
    sees(&cluster, &protected, REFRESHES + 1).await;
    let leader = cluster.leader().await.expect("a leader");
    assert!(second.contains(&leader), "{leader} of {second:?}");

    assert_eq!(cluster.restarts().await, 0, "no probe failed for long");
    let (accepted, used) = protected.look(|asked| {
        assert_eq!(asked.refused, Vec::<String>::new(), "not one 401");
        (asked.accepted, asked.tokens.len())
    });
    assert!(accepted > 10 * used, "{accepted} calls with {used} tokens");
    // A token that was requested and never used would be one too many; the newest may not have arrived yet.
    let requests = provider.count(PATH);
    assert!(
        requests <= used + 1,
        "{requests} requests for {used} tokens"
    );
    let logs = cluster.node.logs();
    assert!(
        logs.contains("/oauthclient-system_"),
        "the operator logs something"
    );
    let tokens = protected.look(|asked| asked.tokens.clone());
    let mut secrets: Vec<&str> = tokens.iter().map(String::as_str).collect();
    secrets.push(CLIENT_SECRET);
    assert_eq!(leaks::find(&logs, &secrets), None);
    assert!(cluster.node.is_healthy() && cluster.plane.is_healthy());
    eprintln!("node: {accepted} calls with {used} tokens, {requests} token requests, not one 401");
}

/// Waits until the workload has used so many tokens.
async fn sees(cluster: &Cluster, protected: &Protected, tokens: usize) {
    for count in 1..=tokens {
        cluster
            .until(&format!("the use of token {count}"), || async {
                tokio::time::sleep(Duration::from_millis(200)).await;
                let (seen, refused) =
                    protected.look(|asked| (asked.tokens.len(), asked.refused.clone()));
                assert_eq!(refused, Vec::<String>::new(), "not one 401");
                (seen >= count)
                    .then_some(())
                    .ok_or_else(|| testkit::Error::new(format!("{seen} were used")))
            })
            .await;
    }
}

/// A provider that pods reach, over TLS with an authority of its own.
fn provider() -> (Arc<Provider>, String) {
    let mut behaviour = Behaviour::living(LIFETIME_SECONDS);
    behaviour.accepts.clients = vec![Account {
        id: "bookshop".to_owned(),
        secret: CLIENT_SECRET.to_owned(),
        ..Account::default()
    }];
    let authority = Authority::new("node test").unwrap();
    let identity = authority
        .issue(Leaf::Good, &[&node::ADDRESS.to_string()])
        .unwrap();
    let listen = Listen {
        address: node::ADDRESS.into(),
        tls: Some(identity),
        ..Listen::default()
    };
    let provider = Provider::start(Script::one(PATH, behaviour), listen).unwrap();
    (Arc::new(provider), authority.pem())
}

fn manifests(url: &str, ca: &str) -> String {
    let ca = ca.replace('\n', "\n    ");
    format!(
        "apiVersion: v1
kind: Namespace
metadata: {{name: bookshop}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: provider-ca, namespace: bookshop}}
data:
  ca.crt: |
    {ca}
---
apiVersion: v1
kind: Secret
metadata:
  name: client
  namespace: bookshop
  labels: {{oauthclient.dev/credentials: \"true\"}}
stringData: {{client_id: bookshop, client_secret: {CLIENT_SECRET}}}
---
apiVersion: oauthclient.dev/v1alpha1
kind: OAuthClient
metadata: {{name: main, namespace: bookshop}}
spec:
  provider: {{tokenURL: {url:?}, caBundle: {{configMapName: provider-ca}}}}
  credentials: {{secretName: client}}
  refresh: {{beforeSeconds: {BEFORE_SECONDS}}}
  tokenSecret: {{name: main-token}}
"
    )
}

/// A pod under the rules of the Pod Security Standard `restricted`.
fn workload(protected: &Protected) -> String {
    let (node, image, address) = (node::NAME, node::PAUSE, protected.address);
    format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: workload, namespace: bookshop}}
spec:
  nodeName: {node}
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 0
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    seccompProfile: {{type: RuntimeDefault}}
  containers:
    - name: workload
      image: {image}:1
      args: [call, {address:?}, /var/run/token/access_token]
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {{drop: [ALL]}}
      volumeMounts:
        - {{name: token, mountPath: /var/run/token, readOnly: true}}
  volumes:
    - name: token
      secret: {{secretName: main-token}}
"
    )
}
