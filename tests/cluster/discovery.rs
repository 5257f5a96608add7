//! Resources that name an issuer: found, refused, counted, and quiet across restarts.

use std::time::Duration;

use testkit::oidc::{self, Method, OidcProvider};
use testkit::provider::{Behaviour, Fault};
use testkit::tls::Authority;

use super::harness::{CLIENT_ID, CLIENT_SECRET, PATH, SOON, Stage, Start, resource};

const REALM: &str = "/realms/shop";
const DOCUMENT: &str = "/.well-known/oauth-authorization-server/realms/shop";
const OPENID: &str = "/realms/shop/.well-known/openid-configuration";

impl Stage {
    fn issuer(&self) -> String {
        self.provider.url(REALM)
    }

    /// An OAuthClient that names the issuer instead of the token endpoint.
    async fn of_issuer(&self, name: &str, issuer: &str) {
        let manifest = resource(name, issuer, "").replace("tokenURL", "issuerURL");
        self.apply(&manifest).await;
    }

    /// The issuer's document, at the place of OpenID Connect.
    fn document(&self, issuer: &str, token: &str) {
        let body = format!(r#"{{"issuer":"{issuer}","token_endpoint":"{token}"}}"#);
        self.serves(&body);
    }

    fn serves(&self, body: &str) {
        let fault = Fault::Answer {
            status: 200,
            content_type: "application/json".into(),
            body: body.to_owned(),
            headers: Vec::new(),
        };
        self.provider
            .set(OPENID, Behaviour::default().with_fault(fault));
    }

    fn asked(&self) -> (usize, usize) {
        (self.provider.count(DOCUMENT), self.provider.count(OPENID))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn resources_of_one_issuer_ask_for_its_document_once_and_a_restart_asks_for_nothing() {
    let stage = Stage::new(3600.0).await;
    stage.document(&stage.issuer(), &stage.provider.url(PATH));
    let operator = stage.operator(Start::default()).await;
    let names: Vec<String> = (0..20).map(|number| format!("r{number}")).collect();
    for name in &names {
        stage.of_issuer(name, &stage.issuer()).await;
    }
    for name in &names {
        stage.wait_ready(name).await;
    }
    assert_eq!(stage.requests(), names.len());
    assert_eq!(stage.asked(), (1, 1), "each place once");
    let read = operator
        .metric(
            "oauthclient_discovery_requests_total",
            &[("outcome", "success")],
        )
        .await;
    assert_eq!(read.unwrap(), 1.0);
    assert!(operator.terminate(SOON).await.unwrap().success());
    let total = stage.provider.total();
    let operator = stage.operator(Start::default()).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(stage.provider.total(), total, "a restart asks for nothing");
    stage.nothing_leaked(&operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_document_is_told_and_the_token_stays() {
    let stage = Stage::new(20.0).await;
    stage.document(&format!("{}/", stage.issuer()), &stage.provider.url(PATH));
    let _operator = stage.operator(Start::default()).await;
    stage.of_issuer("main", &stage.issuer()).await;
    let told = stage
        .wait_for("main", "RefreshFailing", "True", "IssuerMismatch")
        .await;
    let issuer = stage.issuer();
    // Both are shortened in the sentence, and whole where they are to be copied.
    let both = told.contains("names issuer https://127.0.0.1:")
        && told.contains("/, not exactly https://127.0.0.1:");
    assert!(both, "{told}");
    let set = format!("set spec.provider.issuerURL to: {issuer}/");
    assert!(told.ends_with(&set), "{told}");
    assert_eq!(stage.requests(), 0, "nothing is sent to where it points");

    // Mended as the message says.
    stage.of_issuer("main", &format!("{issuer}/")).await;
    let first = stage.wait_ready("main").await;

    for (name, body, reason) in [
        ("html", "<html></html>", "DiscoveryDocumentInvalid"),
        ("none", r#"{"issuer":"ISSUER"}"#, "DiscoveryDocumentInvalid"),
    ] {
        stage.serves(&body.replace("ISSUER", &format!("{issuer}/{name}")));
        let path = format!("{REALM}/{name}/.well-known/openid-configuration");
        stage.provider.set(
            &path,
            Behaviour::default().with_fault(Fault::Answer {
                status: 200,
                content_type: "application/json".into(),
                body: body.replace("ISSUER", &format!("{issuer}/{name}")),
                headers: Vec::new(),
            }),
        );
        stage.of_issuer(name, &format!("{issuer}/{name}")).await;
        stage.wait_for(name, "RefreshFailing", "True", reason).await;
    }
    stage
        .of_issuer("nowhere", &stage.provider.url("/nowhere"))
        .await;
    stage
        .wait_for("nowhere", "RefreshFailing", "True", "DiscoveryFailed")
        .await;
    let token = stage.valid_token("main-token").await;
    assert!(token.is_some_and(|token| !token.is_empty() && !first.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_go_to_no_discovered_host_that_they_do_not_allow_and_to_no_refused_address() {
    let stage = Stage::new(3600.0).await;
    let issuer = stage.issuer();
    let _operator = stage.operator(Start::default()).await;
    stage.document(&issuer, "https://tokens.example.com/token");
    stage.of_issuer("elsewhere", &issuer).await;
    let told = stage
        .wait_for("elsewhere", "Reconciling", "True", "HostNotAllowed")
        .await;
    assert!(told.contains("tokens.example.com"), "{told}");
    let realms = [
        (
            "metadata",
            "https://169.254.169.254/token",
            "AddressRefused",
        ),
        ("plain", "http://127.0.0.1:1/token", "HTTPNotAllowed"),
    ];
    stage
        .kubectl(&[
            "annotate",
            "--overwrite",
            "secret",
            "client",
            "oauthclient.dev/allowed-hosts=127.0.0.1 169.254.169.254",
        ])
        .await;
    for (name, token, reason) in realms {
        let own = stage.provider.url(&format!("/{name}"));
        let path = format!("/{name}/.well-known/openid-configuration");
        stage.provider.set(
            &path,
            Behaviour::default().with_fault(Fault::Answer {
                status: 200,
                content_type: "application/json".into(),
                body: format!(r#"{{"issuer":"{own}","token_endpoint":"{token}"}}"#),
                headers: Vec::new(),
            }),
        );
        stage.of_issuer(name, &own).await;
        stage.wait_for(name, "Stalled", "True", reason).await;
    }
    assert_eq!(stage.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_independent_server_is_found_by_its_issuer_alone() {
    let stage = Stage::new(3600.0).await;
    let authority = Authority::new("independent issuer").unwrap();
    let server = OidcProvider::start(
        oidc::Options {
            clients: vec![oidc::Client {
                id: CLIENT_ID.to_owned(),
                secret: CLIENT_SECRET.to_owned(),
                method: Method::ClientSecretBasic,
                ..oidc::Client::default()
            }],
            resource_indicators: true,
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
    let more = "  scopes: [read]\n  parameters: [{name: resource, value: \"https://api.example.com/shop\"}]";
    let manifest = resource("main", server.issuer(), more)
        .replace("tokenURL", "issuerURL")
        .replace("provider-ca", "independent-ca");
    stage.apply(&manifest).await;
    stage.wait_for("main", "Ready", "True", "").await;
    let token = stage
        .secret("main-token")
        .await
        .unwrap()
        .remove("access_token");
    let told = server.introspect(&token.unwrap()).await.unwrap();
    assert_eq!(told["active"], true, "{told}");
    assert_eq!(told["aud"], "https://api.example.com/shop", "{told}");
}
