//! Providers that accept other tokens instead of a secret: each file of `examples/` unchanged, except for address and
//! trust.

use std::path::Path;

use serde_json::Value;
use testkit::provider::Federated;
use testkit::provider::presets::{entra_federated, keycloak_exchange, saml_bearer};

use super::harness::{Stage, Start, deploy};

/// The file of that name, at the scripted provider.
fn example(stage: &Stage, name: &str, url: &str, path: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/{name}.yaml"));
    let text = std::fs::read_to_string(file).unwrap();
    let address = format!("tokenURL: {url}");
    let parsed = url::Url::parse(url).unwrap();
    let allowed = format!("allowed-hosts: {}", parsed.host_str().unwrap());
    assert!(text.contains(&address) && text.contains(&allowed), "{name}");
    let trusted = format!(
        "caBundle: {{configMapName: provider-ca}}\n    tokenURL: {}",
        stage.provider.url(path)
    );
    text.replace(&allowed, "allowed-hosts: 127.0.0.1")
        .replace(&address, &trusted)
}

impl Stage {
    async fn raw(&self, path: &str) -> Value {
        let text = self.kubectl(&["get", "--raw", path]).await;
        serde_json::from_str(&text).unwrap()
    }

    /// No request to this path was refused; how many there were.
    fn none_refused(&self, path: &str) -> usize {
        let requests = self.provider.requests_to(path);
        for request in &requests {
            assert_eq!(request.refused, None, "{path}");
        }
        requests.len()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_stands_for_a_client_secret_at_entra() {
    const TENANT: &str =
        "https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000/oauth2/v2.0/token";
    const PATH: &str = "/entra/oauth2/v2.0/token";
    let stage = Stage::new(3600.0).await;
    // The public discovery document of the cluster is all that the provider knows.
    let discovery = stage.raw("/.well-known/openid-configuration").await;
    let keys = stage.raw("/openid/v1/jwks").await;
    let trusted = Federated {
        issuer: discovery["issuer"].as_str().unwrap().to_owned(),
        subject: format!("system:serviceaccount:{}:graph", stage.namespace),
        audience: "api://AzureADTokenExchange".to_owned(),
    };
    let behaviour = entra_federated(20.0, trusted.clone(), keys["keys"][0].clone());
    stage.provider.set(PATH, behaviour);
    let folder = deploy().join("service-account-tokens/namespaced");
    stage
        .kubectl(&["apply", "-k", folder.to_str().unwrap()])
        .await;
    let operator = stage.operator(Start::default()).await;
    stage
        .apply(&example(&stage, "entra-federated", TENANT, PATH))
        .await;
    let first = stage.wait_ready("entra-federated").await;
    assert!(stage.provider.introspect(&first).is_some());
    // Another token is made for the next request.
    stage.request_refresh("entra-federated").await;
    stage
        .provider
        .wait_for_requests(PATH, 2, super::harness::SOON)
        .await
        .unwrap();
    assert!(stage.none_refused(PATH) >= 2);
    let requests = stage.provider.requests_to(PATH);
    let assertions: Vec<String> = requests
        .iter()
        .map(|request| request.form_value("client_assertion").unwrap())
        .collect();
    assert_ne!(assertions[0], assertions[1]);
    let log = operator.stderr() + &operator.stdout();
    for assertion in &assertions {
        assert!(!log.contains(assertion), "the token is in the log");
    }
    // Another subject is refused, and the status says so.
    let other = Federated {
        subject: "system:serviceaccount:other:graph".to_owned(),
        ..trusted
    };
    let behaviour = entra_federated(20.0, other, keys["keys"][0].clone());
    stage.provider.set(PATH, behaviour);
    stage
        .wait_for("entra-federated", "RefreshFailing", "True", "InvalidClient")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_one_client_is_exchanged_for_one_of_another_at_keycloak() {
    const REALM: &str =
        "https://keycloak.example.com/realms/your-realm/protocol/openid-connect/token";
    const PATH: &str = "/realms/your-realm/protocol/openid-connect/token";
    let stage = Stage::new(3600.0).await;
    stage.provider.set(PATH, keycloak_exchange(3600.0));
    let _operator = stage.operator(Start::default()).await;
    stage
        .apply(&example(&stage, "keycloak-exchange", REALM, PATH))
        .await;
    let orders = stage.wait_ready("orders").await;
    let shop = stage.wait_ready("shop").await;
    assert!(stage.provider.introspect(&orders).is_some());
    assert_eq!(stage.none_refused(PATH), 2);
    let exchange = stage.provider.requests_to(PATH).remove(1);
    assert_eq!(exchange.form_value("subject_token"), Some(shop));
    assert_eq!(
        exchange.form_value("audience").as_deref(),
        Some("orders-api")
    );
    assert_eq!(exchange.token, Some(orders));
    // A new token of the one leads to a new one of the other.
    stage.request_refresh("shop").await;
    stage
        .provider
        .wait_for_requests(PATH, 4, super::harness::SOON)
        .await
        .unwrap();
    assert_eq!(stage.none_refused(PATH), 4);
    let requests = stage.provider.requests_to(PATH);
    assert_eq!(
        requests[3].form_value("subject_token"),
        requests[2].token.clone()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saml_assertion_is_sent_by_name_and_the_next_one_when_it_is_put_in() {
    const URL: &str = "https://api.example.com/oauth/token";
    const PATH: &str = "/saml/oauth/token";
    let stage = Stage::new(3600.0).await;
    let assertions = ["your-assertion-in-base64url", "the-next"];
    stage.provider.set(PATH, saml_bearer(3600.0, &assertions));
    let operator = stage.operator(Start::default()).await;
    stage
        .apply(&example(&stage, "saml-bearer", URL, PATH))
        .await;
    let first = stage.wait_ready("saml-bearer").await;
    assert!(stage.provider.introspect(&first).is_some());
    let next = r#"{"stringData":{"assertion":"the-next"}}"#;
    stage
        .kubectl(&["patch", "secret", "saml-bearer-client", "-p", next])
        .await;
    stage
        .provider
        .wait_for_requests(PATH, 2, super::harness::SOON)
        .await
        .unwrap();
    assert_eq!(stage.none_refused(PATH), 2);
    let sent: Vec<Option<String>> = stage
        .provider
        .requests_to(PATH)
        .iter()
        .map(|request| request.form_value("assertion"))
        .collect();
    assert_eq!(sent, assertions.map(|one| Some(one.to_owned())));
    // One that has ended is no matter of the client.
    let ended = r#"{"stringData":{"assertion":"an-old-one"}}"#;
    stage
        .kubectl(&["patch", "secret", "saml-bearer-client", "-p", ended])
        .await;
    stage
        .wait_for("saml-bearer", "RefreshFailing", "True", "InvalidGrant")
        .await;
    assert!(!operator.stderr().contains("an-old-one"));
}
