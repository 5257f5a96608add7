//! What an attacker inside the operator can do with its ServiceAccount: the admission policies of `deploy/` refuse what the
//! operator never does. Every other test here runs with them as well, so they refuse nothing that it does.

use serde_json::{Value, json};

use super::harness::{Stage, Start};

const NAMESPACE: &str = "oauthclient-system";
const NAME: &str = "oauthclient-operator";

/// An attacker with the operator's own token.
struct Attacker<'a> {
    stage: &'a Stage,
    token: String,
}

/// A Secret with the label and the controller that those of the operator have. Its controller does not exist: the garbage
/// collector deletes it soon.
fn secret(name: &str, kind: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": kind,
        "metadata": {
            "name": name,
            "labels": {"oauthclient.dev/token": "true"},
            "annotations": {"kubernetes.io/service-account.name": "victim"},
            "ownerReferences": [owner("OAuthClient", "oauthclient.dev/v1alpha1", true)],
        },
    })
}

fn owner(kind: &str, version: &str, controller: bool) -> Value {
    json!({
        "apiVersion": version, "kind": kind, "name": "main", "controller": controller,
        "uid": "5b1a9a30-5a39-4b64-a3f4-3f6a2a0f8a10",
    })
}

/// The metadata of a Secret of the operator, with a controller that exists: an `OAuthClient` that rests.
async fn owned(stage: &Stage) -> Value {
    stage.resource("main", "  suspend: true").await;
    let resource = stage.object("oauthclient", "main").await.unwrap();
    let mut metadata = secret("x", "Opaque")["metadata"].clone();
    metadata["ownerReferences"][0]["uid"] = resource["metadata"]["uid"].clone();
    metadata
}

impl Attacker<'_> {
    async fn new(stage: &Stage) -> Attacker<'_> {
        let token = stage.plane.service_account_token(NAMESPACE, NAME);
        let attacker = Attacker {
            stage,
            token: token.await.unwrap(),
        };
        // The API server learns of policies by a watch.
        let probe = secret("probe", "kubernetes.io/service-account-token").to_string();
        stage
            .until("the policies are in force", || async {
                let dry = ["create", "--dry-run=server", "-f", "-"];
                attacker.run(&dry, &probe).await.is_err()
            })
            .await;
        attacker
    }

    async fn run(&self, args: &[&str], stdin: &str) -> testkit::Result<String> {
        let mut all = vec!["--token", &self.token, "-n", &self.stage.namespace];
        all.extend(args);
        self.stage.plane.run_kubectl(&all, stdin).await
    }

    async fn create(&self, object: &Value) -> testkit::Result<String> {
        self.run(&["create", "-f", "-"], &object.to_string()).await
    }

    async fn patch(&self, kind: &str, name: &str, patch: &Value) -> testkit::Result<String> {
        let patch = patch.to_string();
        let args = ["patch", kind, name, "--type=merge", "-p", &patch];
        self.run(&args, "").await
    }

    async fn token_of(&self, account: &str, audience: &str) -> testkit::Result<String> {
        let args = ["create", "token", account, "--audience", audience];
        self.run(&args, "").await
    }
}

/// Refused, and by a policy of ours.
fn refused(what: &str, answer: testkit::Result<String>) {
    let said = match answer {
        Ok(said) => panic!("{what}: {said}"),
        Err(error) => error.to_string(),
    };
    assert!(
        said.contains("ValidatingAdmissionPolicy 'oauthclient-operator-"),
        "{what}: {said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_account_cannot_make_itself_a_token_of_another_service_account() {
    let stage = Stage::new(3600.0).await;
    stage.kubectl(&["create", "serviceaccount", "victim"]).await;
    let attacker = Attacker::new(&stage).await;
    for kind in [
        "kubernetes.io/service-account-token",
        "bootstrap.kubernetes.io/token",
        "kubernetes.io/tls",
        "x.k8s.io/y",
        "kubernetes.io",
    ] {
        let mut object = secret("made", kind);
        object["data"] = json!({"tls.crt": "", "tls.key": ""});
        refused(kind, attacker.create(&object).await);
    }
    // One that is there cannot be turned into one either: it is foreign.
    stage
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
            "metadata": {"name": "theirs", "annotations": {"kubernetes.io/service-account.name": "victim"}},
        })
        .to_string())
        .await;
    let to_other =
        json!({"metadata": {"annotations": {"kubernetes.io/service-account.name": "default"}}});
    refused("patch", attacker.patch("secret", "theirs", &to_other).await);
    for kind in [
        "Opaque",
        "kubernetes.io/dockerconfigjson",
        "example.com/token",
    ] {
        let name = format!("made-{}", kind.len());
        let mut object = secret(&name, kind);
        object["data"] = json!({".dockerconfigjson": "e30="});
        attacker.create(&object).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_policies_the_same_rights_are_enough_for_such_a_token() {
    let stage = Stage::new(3600.0).await;
    stage.kubectl(&["create", "serviceaccount", "victim"]).await;
    stage
        .kubectl(&["create", "serviceaccount", "unbound"])
        .await;
    let account = format!("--serviceaccount={}:unbound", stage.namespace);
    let role = "--clusterrole=oauthclient-operator";
    stage
        .kubectl(&["create", "rolebinding", "unbound", role, &account])
        .await;
    let token = stage
        .plane
        .service_account_token(&stage.namespace, "unbound");
    let attacker = Attacker {
        stage: &stage,
        token: token.await.unwrap(),
    };
    let wanted = secret("made", "kubernetes.io/service-account-token");
    stage
        .until("the rights are in force", || async {
            attacker.create(&wanted).await.is_ok()
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_account_cannot_write_or_delete_secrets_that_are_not_its_own() {
    let stage = Stage::new(3600.0).await;
    let attacker = Attacker::new(&stage).await;
    let ours = owned(&stage).await;
    let mut unlabelled = secret("made", "Opaque");
    unlabelled["metadata"]["labels"] = json!({"oauthclient.dev/token": "false"});
    refused("no label", attacker.create(&unlabelled).await);
    for (what, owners) in [
        ("no owner", json!([])),
        (
            "no controller",
            json!([owner("OAuthClient", "oauthclient.dev/v1alpha1", false)]),
        ),
        (
            "OpenShift's kind",
            json!([owner("OAuthClient", "oauth.openshift.io/v1", true)]),
        ),
        (
            "another kind",
            json!([owner("Deployment", "apps/v1", true)]),
        ),
    ] {
        let mut object = secret("made", "Opaque");
        object["metadata"]["ownerReferences"] = owners;
        refused(what, attacker.create(&object).await);
    }
    // What is there: the credentials of the test, and one that another controller made.
    let mut controlled = secret("controlled", "Opaque");
    controlled["metadata"]["annotations"] = json!({"oauthclient.dev/adopt": "main"});
    let theirs = stage.object("configmap", "provider-ca").await.unwrap();
    let mut controller = owner("ConfigMap", "v1", true);
    controller["name"] = json!("provider-ca");
    controller["uid"] = theirs["metadata"]["uid"].clone();
    controlled["metadata"]["ownerReferences"] = json!([controller]);
    stage.apply(&controlled.to_string()).await;
    let taken = json!({"metadata": {"labels": ours["labels"], "ownerReferences": ours["ownerReferences"]}, "data": {"a": "YQ=="}});
    for name in ["client", "controlled"] {
        refused(name, attacker.patch("secret", name, &taken).await);
        refused(name, attacker.run(&["delete", "secret", name], "").await);
        let adopt = json!({"metadata": {"annotations": {"oauthclient.dev/adopt": "x"}}});
        refused(name, attacker.patch("secret", name, &adopt).await);
        let hosts = json!({"metadata": {"annotations": {"oauthclient.dev/allowed-hosts": "attacker.example"}}});
        refused(name, attacker.patch("secret", name, &hosts).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_account_can_write_what_it_owns_what_is_offered_and_what_a_restore_stripped()
{
    let stage = Stage::new(3600.0).await;
    let attacker = Attacker::new(&stage).await;
    let ours = owned(&stage).await;
    let taken = json!({"metadata": {"labels": ours["labels"], "ownerReferences": ours["ownerReferences"]}, "data": {"a": "YQ=="}});
    let plain = |name: &str, metadata: Value| {
        let mut object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata});
        object["metadata"]["name"] = json!(name);
        object.to_string()
    };
    let offered = json!({"annotations": {"oauthclient.dev/adopt": "main"}});
    stage.apply(&plain("offered", offered)).await;
    let stripped = json!({"labels": {"oauthclient.dev/refresh-state": "true"}});
    stage.apply(&plain("stripped", stripped)).await;
    let unlabelled = json!({"ownerReferences": ours["ownerReferences"]});
    stage.apply(&plain("unlabelled", unlabelled)).await;
    for name in ["offered", "stripped", "unlabelled"] {
        attacker.patch("secret", name, &taken).await.unwrap();
        // Not so that it would no longer be found, or no longer go with its resource.
        let unlabel = json!({"metadata": {"labels": {"oauthclient.dev/token": null, "oauthclient.dev/refresh-state": null}}});
        refused(name, attacker.patch("secret", name, &unlabel).await);
        let disown = json!({"metadata": {"ownerReferences": null}});
        refused(name, attacker.patch("secret", name, &disown).await);
        let args = ["delete", "secret", name, "--wait=false"];
        attacker.run(&args, "").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_account_changes_nothing_of_an_oauthclient_but_its_finalizer_and_status() {
    let stage = Stage::new(3600.0).await;
    let attacker = Attacker::new(&stage).await;
    let manifest = stage.manifest("main", "").replace(
        "metadata: {name: main}",
        "metadata: {name: main, labels: {a: b}, annotations: {a: b}, finalizers: [example.com/theirs]}",
    );
    stage.apply(&manifest).await;
    let with_ours =
        json!({"metadata": {"finalizers": ["example.com/theirs", "oauthclient.dev/revocation"]}});
    let without = json!({"metadata": {"finalizers": ["example.com/theirs"]}});
    for patch in [with_ours, without] {
        attacker.patch("oauthclient", "main", &patch).await.unwrap();
    }
    for (what, patch) in [
        ("spec", json!({"spec": {"suspend": true}})),
        (
            "tokenURL",
            json!({"spec": {"provider": {"tokenURL": "https://attacker.example/"}}}),
        ),
        ("label", json!({"metadata": {"labels": {"a": "c"}}})),
        (
            "annotation",
            json!({"metadata": {"annotations": {"oauthclient.dev/refresh-requested-at": "1"}}}),
        ),
        ("no annotations", json!({"metadata": {"annotations": null}})),
        (
            "owner",
            json!({"metadata": {"ownerReferences": [owner("ConfigMap", "v1", false)]}}),
        ),
        ("their finalizer", json!({"metadata": {"finalizers": []}})),
        (
            "a finalizer of theirs",
            json!({"metadata": {"finalizers": ["example.com/theirs", "example.com/more"]}}),
        ),
    ] {
        refused(what, attacker.patch("oauthclient", "main", &patch).await);
    }
    let before = stage.object("oauthclient", "main").await.unwrap();
    let operator = stage.operator(Start::default()).await;
    stage.wait_ready("main").await;
    let after = stage.object("oauthclient", "main").await.unwrap();
    assert_eq!(after["spec"], before["spec"]);
    assert_eq!(after["metadata"]["labels"], before["metadata"]["labels"]);
    stage.nothing_leaked(&operator).await;
    let done = json!({"metadata": {"finalizers": null}}).to_string();
    let args = ["patch", "oauthclient", "main", "--type=merge", "-p", &done];
    stage.kubectl(&args).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_account_makes_tokens_only_of_service_accounts_that_opted_in() {
    let stage = Stage::new(3600.0).await;
    stage.may_make_tokens().await;
    stage.kubectl(&["create", "serviceaccount", "victim"]).await;
    stage.lent_account("lent", "api://one, api://two").await;
    let attacker = Attacker::new(&stage).await;
    stage
        .until("the API server knows the ServiceAccounts", || async {
            attacker.token_of("lent", "api://two").await.is_ok()
                && attacker.token_of("victim", "api://two").await.is_err()
        })
        .await;
    attacker.token_of("lent", "api://one").await.unwrap();
    for (account, audience) in [
        ("victim", "api://one"),
        ("lent", "api://three"),
        ("lent", "api://one, api://two"),
        ("lent", "https://kubernetes.default.svc"),
    ] {
        let answer = attacker.token_of(account, audience).await;
        refused(&format!("{account} for {audience}"), answer);
    }
    // Without an audience it would be one for the Kubernetes API.
    for account in ["victim", "lent"] {
        refused(
            account,
            attacker.run(&["create", "token", account], "").await,
        );
    }
    let none = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": [""]}});
    let path = format!(
        "/api/v1/namespaces/{}/serviceaccounts/lent/token",
        stage.namespace
    );
    let raw = ["create", "--raw", &path, "-f", "-"];
    refused(
        "an empty audience",
        attacker.run(&raw, &none.to_string()).await,
    );
    stage
        .kubectl(&[
            "annotate",
            "serviceaccount",
            "lent",
            "oauthclient.dev/allowed-audiences-",
        ])
        .await;
    stage
        .until("the opt-in ends", || async {
            attacker.token_of("lent", "api://one").await.is_err()
        })
        .await;
}
