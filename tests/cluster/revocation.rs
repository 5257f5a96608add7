//! Tokens that are revoked when no longer needed, and resources that never wait for the revocation too long.

use std::time::Duration;

use testkit::fault_proxy::{self, Answer, Rule};
use testkit::oidc::{self, Method, OidcProvider};
use testkit::provider::{Behaviour, Fault};
use testkit::tls::Authority;

use super::harness::{CLIENT_ID, CLIENT_SECRET, SOON, Stage, Start, resource};

pub const REVOKE: &str = "/revoke";
/// What a deletion may take at most, with room for a slow machine: half a minute is promised.
const PROMISED: Duration = Duration::from_secs(60);

impl Stage {
    /// An OAuthClient that asks for its token to be revoked when it is deleted, at an endpoint that answers.
    pub async fn revoking(&self, name: &str) {
        self.revokes(Fault::Answer {
            status: 200,
            content_type: String::new(),
            body: String::new(),
            headers: Vec::new(),
        });
        self.apply(&self.held(name)).await;
    }

    fn held(&self, name: &str) -> String {
        let url = format!(
            "caBundle, revocationURL: {:?}, caBundle",
            self.provider.url(REVOKE)
        );
        self.manifest(name, "  revocation: {onDeletion: true}")
            .replacen("caBundle", url.trim_start_matches("caBundle, "), 1)
    }

    fn revokes(&self, fault: Fault) {
        self.provider
            .set(REVOKE, Behaviour::default().with_fault(fault));
    }

    async fn finalizers(&self, name: &str) -> String {
        let format = "jsonpath={.metadata.finalizers}";
        self.kubectl(&["get", "oauthclient", name, "-o", format])
            .await
    }

    async fn is_gone(&self, name: &str) -> bool {
        self.object("oauthclient", name).await.is_none()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_resource_has_its_token_revoked_and_only_who_asks_is_held() {
    let stage = Stage::new(3600.0).await;
    let operator = stage.operator(Start::default()).await;
    stage.resource("plain", "").await;
    stage.revoking("main").await;
    stage.wait_ready("plain").await;
    let token = stage.wait_ready("main").await;
    assert_eq!(stage.finalizers("plain").await, "");
    assert_eq!(
        stage.finalizers("main").await,
        "[\"oauthclient.dev/revocation\"]"
    );
    stage
        .kubectl(&["delete", "oauthclient", "main", "plain"])
        .await;
    assert!(stage.is_gone("main").await);
    let sent = stage.provider.requests_to(REVOKE);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].form_value("token").as_deref(), Some(&*token));
    assert_eq!(
        sent[0].form_value("token_type_hint").as_deref(),
        Some("access_token")
    );
    assert!(
        sent[0]
            .header("authorization")
            .is_some_and(|value| value.starts_with("Basic ")),
        "authenticated as the token request was"
    );
    // Withdrawn: nothing holds it any more.
    stage.revoking("main").await;
    stage.wait_ready("main").await;
    stage.resource("main", "").await;
    stage
        .until("the finalizer is off", || async {
            stage.finalizers("main").await.is_empty()
        })
        .await;
    stage.kubectl(&["delete", "oauthclient", "main"]).await;
    assert_eq!(stage.provider.count(REVOKE), 1);
    stage.nothing_leaked(&operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_resource_goes_though_the_revocation_endpoint_is_down() {
    for fault in [Fault::Hang, Fault::status(503), Fault::status(400)] {
        let stage = Stage::new(3600.0).await;
        let _operator = stage.operator(Start::default()).await;
        stage.revoking("main").await;
        stage.wait_ready("main").await;
        stage.revokes(fault.clone());
        let begun = super::harness::jiff_now();
        stage.kubectl(&["delete", "oauthclient", "main"]).await;
        let took = super::harness::jiff_now().duration_since(begun);
        assert!(took.unsigned_abs() < PROMISED, "{fault:?}");
        assert!((1..=3).contains(&stage.provider.count(REVOKE)), "{fault:?}");
        stage
            .until("an event says so", || async {
                let events = stage.events("main").await;
                events.contains(&"Warning RevocationFailed".to_owned())
            })
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_goes_without_credentials_with_a_spec_that_cannot_work_and_when_deleted_while_nobody_looked()
 {
    let stage = Stage::new(3600.0).await;
    let operator = stage.operator(Start::default()).await;
    for name in ["a", "b", "c"] {
        stage.revoking(name).await;
        stage.wait_ready(name).await;
    }
    let broken = stage
        .held("b")
        .replace("  revocation:", "  scopes: [x]\n  revocation:");
    let template =
        "tokenSecret: {name: b-token, data: {a: \"{{ access_token }}\", b: \"{{ nothing( }}\"}}";
    stage
        .apply(&broken.replace("tokenSecret: {name: b-token}", template))
        .await;
    stage
        .wait_for("b", "Stalled", "True", "InvalidTemplate")
        .await;
    stage.kubectl(&["delete", "oauthclient", "b"]).await;
    assert!(stage.is_gone("b").await);

    stage.kubectl(&["delete", "secret", "client"]).await;
    stage.kubectl(&["delete", "oauthclient", "a"]).await;
    assert!(stage.is_gone("a").await);
    assert_eq!(
        stage.provider.count(REVOKE),
        0,
        "there was nothing to prove it with"
    );

    assert!(operator.terminate(SOON).await.unwrap().success());
    stage
        .apply(&super::harness::credentials(
            "client",
            CLIENT_ID,
            CLIENT_SECRET,
        ))
        .await;
    stage
        .kubectl(&["delete", "oauthclient", "c", "--wait=false"])
        .await;
    assert!(!stage.is_gone("c").await, "it waits");
    let _operator = stage.operator(Start::default()).await;
    stage
        .until("it is let go", || async { stage.is_gone("c").await })
        .await;
    assert_eq!(stage.provider.count(REVOKE), 1);
}

/// The deletion carries a time of the API server's clock, which tells nothing to another machine.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_seconds_costs_no_revocation_whatever_the_clock_of_the_operator_says() {
    for offset in ["86400", "-86400"] {
        let stage = Stage::new(3600.0).await;
        let proxy = stage.proxy().await;
        let file = tempfile::tempdir().unwrap().keep().join("offset");
        std::fs::write(&file, offset).unwrap();
        let flag = format!("--clock-offset-file={}", file.display());
        let start = Start::with(&[&flag]).through(proxy.url());
        let _operator = stage.operator(start).await;
        stage.revoking("main").await;
        stage.wait_for("main", "Ready", "True", "").await;
        let fault = fault_proxy::Fault::Answer(Answer::internal_error());
        let path = format!("/namespaces/{}/secrets/", stage.namespace);
        proxy.add(
            Rule::new(fault)
                .method(http::Method::GET)
                .path_has(&path)
                .times(2),
        );
        stage.kubectl(&["delete", "oauthclient", "main"]).await;
        assert_eq!(stage.provider.count(REVOKE), 1, "{offset}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_on_its_way_out_is_held_by_nothing() {
    let stage = Stage::new(3600.0).await;
    let _operator = stage.operator(Start::default()).await;
    stage.revoking("main").await;
    stage.wait_ready("main").await;
    stage.revokes(Fault::Hang);
    let namespace = stage.namespace.clone();
    stage
        .kubectl(&["delete", "namespace", &namespace, "--wait=false"])
        .await;
    stage
        .until("the resource is gone", || async {
            stage.is_gone("main").await
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_independent_server_takes_the_revocation_for_one() {
    let stage = Stage::new(3600.0).await;
    let authority = Authority::new("independent revocation").unwrap();
    let server = OidcProvider::start(
        oidc::Options {
            clients: vec![oidc::Client {
                id: CLIENT_ID.to_owned(),
                secret: CLIENT_SECRET.to_owned(),
                method: Method::ClientSecretBasic,
                ..oidc::Client::default()
            }],
            ..oidc::Options::default()
        },
        Some(&authority),
    )
    .await
    .unwrap();
    stage
        .apply(&super::endpoint::trust("independent-ca", &authority))
        .await;
    let _operator = stage.operator(Start::default()).await;
    let manifest = resource("main", server.issuer(), "  revocation: {onDeletion: true}")
        .replace("tokenURL", "issuerURL")
        .replace("provider-ca", "independent-ca");
    stage.apply(&manifest).await;
    stage.wait_for("main", "Ready", "True", "").await;
    let token = stage
        .secret("main-token")
        .await
        .unwrap()
        .remove("access_token")
        .unwrap();
    let told = server.introspect(&token).await.unwrap();
    assert_eq!(told["active"], true, "{told}");
    stage.kubectl(&["delete", "oauthclient", "main"]).await;
    let told = server.introspect(&token).await.unwrap();
    assert_eq!(told["active"], false, "{told}");
}
