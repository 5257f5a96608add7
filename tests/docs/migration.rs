//! The pages on moving from other tools, their commands run as they are printed: at no moment does the Secret hold a token that is
//! not valid.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use testkit::provider::Behaviour;

use super::commands::{PATH, Reader};
use super::pages::{Page, page};

const SOON: Duration = Duration::from_secs(100);

/// The kinds of the other tools, as far as the commands need them.
const KINDS: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: PLURAL.GROUP}
spec:
  group: GROUP
  scope: Namespaced
  names: {kind: KIND, plural: PLURAL, singular: SINGULAR}
  versions:
    - name: VERSION
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"#;

fn kind(group: &str, version: &str, kind: &str) -> String {
    let singular = kind.to_lowercase();
    KINDS
        .replace("GROUP", group)
        .replace("VERSION", version)
        .replace("PLURAL", &format!("{singular}s"))
        .replace("SINGULAR", &singular)
        .replace("KIND", kind)
}

/// A move: from which page, and which Secret with which key it is about.
struct Move {
    page: Page,
    secret: &'static str,
    key: &'static str,
    client: &'static str,
}

/// Looks at the Secret all the time, as a workload does.
struct Workload {
    stop: Arc<AtomicBool>,
    looks: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<Vec<String>>,
}

impl Workload {
    fn start(reader: &Reader, secret: &'static str, key: &'static str) -> Workload {
        let api: Api<Secret> = Api::namespaced(reader.client(), "default");
        let stop = Arc::new(AtomicBool::new(false));
        let looks = Arc::new(AtomicUsize::new(0));
        let (stopped, looked) = (Arc::clone(&stop), Arc::clone(&looks));
        let provider = Arc::clone(&reader.provider);
        let task = tokio::spawn(async move {
            let mut wrong = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let found = api.get(secret).await;
                let token = found.map(|secret| {
                    let data = secret.data.unwrap_or_default();
                    let bytes = data.get(key).map(|bytes| bytes.0.clone());
                    String::from_utf8(bytes.unwrap_or_default()).unwrap_or_default()
                });
                match token {
                    Ok(token) if provider.introspect(&token).is_some() => {}
                    other => wrong.push(format!("{other:?}")),
                }
                looked.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            wrong
        });
        Workload { stop, looks, task }
    }

    /// Ends, and says how often the Secret was looked at.
    async fn was_never_without_a_token(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        let wrong = self.task.await.unwrap();
        assert!(
            wrong.is_empty(),
            "the Secret held no valid token: {wrong:?}"
        );
        self.looks.load(Ordering::Relaxed)
    }
}

/// A token that the other tool got from the provider.
async fn token_of_another(reader: &Reader, body: &str) -> String {
    let url = reader.provider.url(PATH);
    let client = reqwest::Client::builder()
        .no_proxy()
        .danger_accept_invalid_certs(true)
        .build()
        .unwrap();
    let answer = client
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.to_owned())
        .send()
        .await
        .unwrap();
    let text = answer.text().await.unwrap();
    let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
    answer["access_token"].as_str().expect(&text).to_owned()
}

/// The Secret as the other tool has written it, and the objects of its page.
fn as_before(reader: &Reader, moved: &Move, token: &str, owner: Option<(&str, &str)>) {
    let before = moved
        .page
        .blocks
        .iter()
        .find(|block| block.section == "Before" && block.language == "yaml")
        .unwrap();
    let apply = format!("kubectl apply -f - <<'END'\n{}END\n", before.text);
    reader.types(&apply, &before.place);
    let owners = owner.map_or(String::new(), |(kind, name)| {
        let uid = reader.types(&format!("kubectl get {kind} {name} -o jsonpath='{{.metadata.uid}}'"), "here");
        let version = reader.types(&format!("kubectl get {kind} {name} -o jsonpath='{{.apiVersion}}'"), "here");
        let real = reader.types(&format!("kubectl get {kind} {name} -o jsonpath='{{.kind}}'"), "here");
        format!("  ownerReferences: [{{apiVersion: {version}, kind: {real}, name: {name}, uid: {uid}, controller: true}}]\n")
    });
    let secret = format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {}\n{owners}data:\n  {}: {}\n  refresh_token: {}\n",
        moved.secret,
        moved.key,
        STANDARD.encode(token),
        STANDARD.encode("left-behind"),
    );
    reader.types(
        &format!("kubectl apply -f - <<'END'\n{secret}END\n"),
        "here",
    );
}

/// Follows the steps of a page while a workload reads the Secret.
async fn follow(reader: &Reader, moved: &Move, owner: Option<(&str, &str)>, token: &str) {
    as_before(reader, moved, token, owner);
    let before = reader.provider.count(PATH);
    let workload = Workload::start(reader, moved.secret, moved.key);
    let mut back = Vec::new();
    for block in moved.page.blocks_in("sh") {
        if block.section == "Go back" {
            back.push(block);
            continue;
        }
        reader.follows(block);
        if block.text.contains("condition=Stalled") {
            let reason = format!(
                "kubectl get oac {} -o jsonpath='{{.status.conditions[?(@.type==\"Stalled\")].reason}}'",
                moved.client
            );
            assert_eq!(reader.types(&reason, &block.place), "SecretNotOwned");
            assert_eq!(
                reader.provider.count(PATH),
                before,
                "no token is requested yet"
            );
        }
    }
    reader
        .until("the operator's token is in the Secret", || {
            reader.secret(moved.secret, moved.key).as_deref() != Some(token)
        })
        .await;
    assert_eq!(reader.provider.count(PATH), before + 1, "one request");
    for block in back {
        reader.follows(block);
    }
    // The garbage collector has had its time.
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(reader.object("oac", moved.client).is_none());
    let looks = workload.was_never_without_a_token().await;
    assert!(looks > 20, "{looks}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_moves_from_other_tools_without_an_outage() {
    let reader = Reader::new().await;
    reader.types("kubectl apply -k deploy/", "here");
    reader.provider.update(PATH, |behaviour: &mut Behaviour| {
        let user = ("somebody".to_owned(), "their-password".to_owned());
        behaviour.accepts.clients[0].users = [user].into();
    });
    for definition in [
        kind("generators.external-secrets.io", "v1alpha1", "Webhook"),
        kind("external-secrets.io", "v1", "ExternalSecret"),
        kind("auth.example.com", "v1alpha1", "OAuthTokenConfig"),
    ] {
        reader.types(
            &format!("kubectl apply -f - <<'END'\n{definition}END\n"),
            "here",
        );
    }
    reader.types(
        "kubectl wait --for=condition=Established crds --all --timeout=60s",
        "here",
    );
    reader.types(
        "kubectl create secret generic my-api-client --from-literal=client_id=your-client-id --from-literal=client_secret=your-client-secret
         kubectl create secret generic my-account --from-literal=client_id=your-client-id --from-literal=client_secret=your-client-secret --from-literal=username=somebody --from-literal=password=their-password",
        "here",
    );
    let operator = reader.operator().await;
    let client = "client_id=your-client-id&client_secret=your-client-secret";
    let token = token_of_another(&reader, &format!("grant_type=client_credentials&{client}")).await;
    let external = Move {
        page: page("docs/migration/external-secrets.md"),
        secret: "my-api-token",
        key: "access_token",
        client: "my-api",
    };
    follow(
        &reader,
        &external,
        Some(("externalsecret", "my-api")),
        &token,
    )
    .await;
    reader.types("kubectl delete secret my-api-token; kubectl label secret my-api-client oauthclient.dev/credentials-; kubectl annotate secret my-api-client oauthclient.dev/allowed-hosts-", "here");

    let token = token_of_another(&reader, &format!("grant_type=client_credentials&{client}")).await;
    let cronjob = Move {
        page: page("docs/migration/cronjob.md"),
        secret: "my-api-token",
        key: "token",
        client: "my-api",
    };
    follow(&reader, &cronjob, None, &token).await;

    let user = "grant_type=password&username=somebody&password=their-password";
    let token = token_of_another(&reader, &format!("{user}&{client}")).await;
    let otto = Move {
        page: page("docs/migration/otto.md"),
        secret: "my-account-token",
        key: "access_token",
        client: "my-account",
    };
    follow(
        &reader,
        &otto,
        Some(("oauthtokenconfigs", "my-account")),
        &token,
    )
    .await;
    assert_eq!(reader.secret("my-account-token", "refresh_token"), None);
    assert!(operator.terminate(SOON).await.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tutorial_runs_as_it_is_printed() {
    let reader = Reader::new().await;
    reader.types("kubectl apply -k deploy/", "here");
    let operator = reader.operator().await;
    let tutorial = page("docs/tutorial.md");
    let mut sections = Vec::new();
    for block in tutorial.blocks_in("sh") {
        let printed = reader.follows(block);
        if block.section == "See a failure" && printed.contains("Stalled") {
            assert!(printed.contains("InvalidClient"), "{printed}");
        }
        sections.push(block.section.clone());
    }
    sections.dedup();
    assert_eq!(
        sections,
        [
            "Store the credentials",
            "Create the OAuthClient",
            "See a refresh",
            "See a failure",
            "Clean up"
        ]
    );
    let gone = || reader.object("secret", "my-api-token").is_none();
    reader.until("the token Secret is gone", gone).await;
    let pod = tutorial.blocks_in("yaml").next().unwrap();
    let dry_run = "kubectl apply --dry-run=server --validate=strict -f - <<'END'\n";
    reader.types(&format!("{dry_run}{}END\n", pod.text), &pod.place);
    assert!(operator.terminate(SOON).await.unwrap().success());
}
