//! The commands of the runbooks and of the page on monitoring, run on a real API server.

use std::time::Duration;

use super::commands::Reader;
use super::pages::{Block, all};

const SOON: Duration = Duration::from_secs(100);

/// The OAuthClient that the commands are about.
const PREPARE: &str = "
kubectl create secret generic my-api-client --from-literal=client_id=your-client-id --from-literal=client_secret=your-client-secret
kubectl label secret my-api-client oauthclient.dev/credentials=true
kubectl annotate secret my-api-client oauthclient.dev/allowed-hosts=auth.example.com
kubectl apply -f - <<'END'
apiVersion: oauthclient.dev/v1alpha1
kind: OAuthClient
metadata:
  name: my-api
spec:
  provider:
    tokenURL: https://auth.example.com/oauth/token
  credentials:
    secretName: my-api-client
  tokenSecret:
    name: my-api-token
END
kubectl wait --for=condition=Ready oauthclients.oauthclient.dev/my-api --timeout=100s
";

/// A command without what a cluster of the tests has not: pods, a Prometheus Operator, and a Lease whose holder is gone.
fn can_run(line: &str) -> bool {
    if line.contains(" delete lease ") {
        return false;
    }
    let needs_a_pod = line.contains(" logs ") || line.contains(" port-forward ");
    !needs_a_pod && !line.contains("curl ") && !line.contains("deploy/monitoring")
}

/// The placeholders of the pages, replaced by what is there.
fn filled(line: &str) -> String {
    format!("{line}\n")
        .replace(" -n NAMESPACE ", " -n default ")
        .replace(
            " oauthclients.oauthclient.dev NAME\n",
            " oauthclients.oauthclient.dev my-api\n",
        )
        .replace(
            " oauthclients.oauthclient.dev NAME ",
            " oauthclients.oauthclient.dev my-api ",
        )
        .replace(" secret SECRET ", " secret my-api-client ")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_runbooks_run() {
    let reader = Reader::new().await;
    reader.types("kubectl apply -k deploy/", "here");
    let operator = reader.operator().await;
    reader.types(&reader.pointed_here(PREPARE), "here");
    let is_a_runbook = |block: &&Block| {
        block.place.starts_with("docs/runbooks/") || block.place.starts_with("docs/monitoring.md")
    };
    let mut run = 0;
    let pages = all();
    let blocks = pages.iter().flat_map(|page| page.blocks_in("sh"));
    for block in blocks.filter(is_a_runbook) {
        for line in block.text.lines().filter(|line| can_run(line)) {
            let command = filled(line);
            let left = ["NAMESPACE ", " NAME ", "SECRET "];
            assert!(
                !left.iter().any(|word| command.contains(word)),
                "{}: {command}",
                block.place
            );
            reader.types(&command, &block.place);
            run += 1;
        }
    }
    assert!(run > 25, "{run}");
    assert!(operator.terminate(SOON).await.unwrap().success());
}
