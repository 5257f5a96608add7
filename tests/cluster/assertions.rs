//! Providers that take signed assertions: each file of `examples/` as it lies there, but for address, trust and key. The
//! scripted provider checks signature, audience and times, and takes no assertion twice.

use std::path::Path;

use serde_json::{Map, Value, json};
use testkit::jose::{self, Keys};
use testkit::oidc;
use testkit::provider::{
    Account, AssertionRule, Authentication, Behaviour, Fault, TimeField, TimeUnit, Written,
};
use testkit::tls::Authority;

use super::fleet::Fleet;
use super::harness::{SOON, Stage, Start};
use super::oracle::assert_holds_none;

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

struct Case {
    name: &'static str,
    /// Its token URL in the file.
    url: &'static str,
    client: &'static str,
    keys: Keys,
    /// Keys of its Secret.
    secret: Value,
    rule: AssertionRule,
}

fn map(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn rule(audience: &str, header: Value, claims: Value) -> AssertionRule {
    AssertionRule {
        audiences: vec![audience.to_owned()],
        longest_seconds: 60,
        skew_seconds: 10,
        header: map(header),
        claims: map(claims),
    }
}

/// What each provider asks for. The audience is written as in the file; one that is the token URL is put in later.
fn cases() -> Vec<Case> {
    let rsa = || jose::make("rsa").unwrap();
    let plain = |keys: &Keys, client: &str| json!({"client_id": client, "private_key": keys.pkcs8});
    let case = |name, url, client, rule| {
        let keys = rsa();
        Case {
            name,
            url,
            client,
            secret: plain(&keys, client),
            keys,
            rule,
        }
    };
    let google = "https://oauth2.googleapis.com/token";
    let email = "shop@example.iam.gserviceaccount.com";
    let mut cases = vec![
        case(
            "google",
            google,
            email,
            rule(
                google,
                json!({"alg": "RS256", "typ": "JWT", "kid": "key-1"}),
                json!({"scope": "https://www.googleapis.com/auth/cloud-platform", "sub": null, "nbf": null}),
            ),
        ),
        case(
            "maskinporten",
            "https://maskinporten.no/token",
            "your-client-id",
            AssertionRule {
                longest_seconds: 120,
                ..rule(
                    "https://maskinporten.no/",
                    json!({"alg": "RS256", "kid": "your-key-id"}),
                    json!({"scope": "your:api.read", "sub": null, "nbf": null}),
                )
            },
        ),
        case(
            "github-app",
            "https://api.github.com/app/installations/12345678/access_tokens",
            "Iv1.your-client-id",
            AssertionRule {
                audiences: Vec::new(),
                longest_seconds: 600,
                skew_seconds: 75,
                ..rule("", json!({"alg": "RS256"}), json!({"aud": null}))
            },
        ),
    ];
    cases[0].secret = json!({"key.json": json!({
        "type": "service_account",
        "private_key_id": "key-1",
        "private_key": cases[0].keys.pkcs8,
        "client_email": email,
        "token_uri": "https://elsewhere.example.com/token",
    }).to_string()});
    cases[2].secret["private_key"] = cases[2].keys.traditional.clone().unwrap().into();
    let client = "your-client-id";
    let okta = "https://your-org.okta.com/oauth2/v1/token";
    let by_kid = json!({"alg": "RS256", "kid": "your-key-id"});
    cases.push(case(
        "okta",
        okta,
        client,
        rule(okta, by_kid, json!({"sub": client})),
    ));
    let tenant = "https://your-tenant.eu.auth0.com/";
    let own = json!({"alg": "RS256"});
    let auth0 = "https://your-tenant.eu.auth0.com/oauth/token";
    cases.push(case(
        "auth0",
        auth0,
        client,
        rule(tenant, own, json!({"sub": client})),
    ));
    cases
}

impl Case {
    fn path(&self) -> String {
        format!("/{}/token", self.name)
    }

    /// The file's OAuthClient at the scripted provider, and a Secret with a key that signs.
    fn manifest(&self, stage: &Stage) -> String {
        let file = format!("examples/{}.yaml", self.name);
        let text =
            std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        let (secret, client) = text.split_once("\n---\n").unwrap();
        let host = url::Url::parse(self.url).unwrap();
        assert!(
            secret.contains(&format!("allowed-hosts: {}", host.host_str().unwrap())),
            "{}",
            self.name
        );
        let address = format!("tokenURL: {}", self.url);
        assert!(client.contains(&address), "{}", self.name);
        let trusted = format!(
            "caBundle: {{configMapName: provider-ca}}\n    tokenURL: {}",
            stage.provider.url(&self.path())
        );
        let client = client.replace(&address, &trusted);
        let secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": format!("{}-client", self.name),
                "labels": {"oauthclient.dev/credentials": "true"},
                "annotations": {"oauthclient.dev/allowed-hosts": "127.0.0.1"},
            },
            "stringData": self.secret,
        });
        format!("{secret}\n---\n{client}")
    }

    fn behaviour(&self, stage: &Stage) -> Behaviour {
        let mut behaviour = Behaviour::living(20.0);
        let accepts = &mut behaviour.accepts;
        accepts.clients = vec![Account {
            id: self.client.to_owned(),
            public_jwk: self.keys.public_jwk.clone(),
            ..Account::default()
        }];
        accepts.assertion = self.rule.clone();
        if self.rule.audiences == [self.url] {
            accepts.assertion.audiences = vec![stage.provider.url(&self.path())];
        }
        match self.name {
            "google" | "maskinporten" => {
                accepts.grants = vec![JWT_BEARER.to_owned()];
                accepts.authentication = vec![Authentication::None];
                accepts.grant_assertion = true;
                // No client has an empty id: the assertion alone identifies it.
                accepts.clients.push(Account::default());
            }
            "github-app" => {
                accepts.authentication = vec![Authentication::BearerAssertion];
                accepts.any_json = true;
                behaviour.shape.status = 201;
                behaviour.shape.access_token = "/token".to_owned();
                behaviour.shape.token_type = None;
                let end = TimeField::end("/expires_at", TimeUnit::Rfc3339, Written::Text);
                behaviour.shape.times = vec![end];
            }
            _ => accepts.authentication = vec![Authentication::ClientAssertion],
        }
        // The first answer is lost: the next attempt needs an assertion of its own.
        behaviour.with_faults([Some(Fault::Lost)])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_with_an_assertion_works_through_a_lost_answer_and_a_refresh() {
    let stage = Stage::new(3600.0).await;
    let fleet = Fleet::of(&stage);
    let cases = cases();
    for case in &cases {
        stage.provider.set(&case.path(), case.behaviour(&stage));
    }
    let start = Start {
        log_level: "trace",
        ..Start::default()
    };
    let operator = stage.operator(start).await;
    for case in &cases {
        stage.apply(&case.manifest(&stage)).await;
    }
    let names: Vec<&str> = cases.iter().map(|case| case.name).collect();
    let first = fleet.well(&names).await;
    fleet
        .until("each is refreshed", &names, SOON, |name, look| {
            look.token().is_some() && look.token() != first[name].token()
        })
        .await;
    for case in &cases {
        let requests = stage.provider.requests_to(&case.path());
        assert!(requests.len() >= 3, "{}", case.name);
        for request in &requests {
            assert_eq!(request.refused, None, "{}", case.name);
            let body = request.body_text();
            match case.name {
                "google" | "maskinporten" => {
                    assert!(
                        !body.contains("client_id") && !body.contains("&scope="),
                        "{body}"
                    );
                }
                "github-app" => assert_eq!(
                    body,
                    r#"{"repositories":["your-repository"],"permissions":{"contents":"read"}}"#
                ),
                _ => assert!(body.contains("client_id=your-client-id"), "{body}"),
            }
        }
    }

    // From here on everything fails, and the answers repeat what was sent: it shows nowhere.
    let echo = Fault::Error {
        status: 401,
        code: "invalid_client".to_owned(),
        description: None,
        echo: true,
        retry_after: None,
    };
    for case in &cases {
        let failing = case
            .behaviour(&stage)
            .with_faults([])
            .with_fault(echo.clone());
        stage.provider.set(&case.path(), failing);
        stage.request_refresh(case.name).await;
    }
    fleet
        .until("each is refused", &names, SOON, |_, look| {
            look.is("RefreshFailing", "True")
        })
        .await;
    let mut secrets: Vec<String> = Vec::new();
    for case in &cases {
        secrets.extend(key_lines(&case.keys));
        for request in stage.provider.requests_to(&case.path()) {
            let sent = String::from_utf8_lossy(&request.raw()).into_owned();
            let tokens = sent
                .split(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)))
                .filter(|word| word.starts_with("eyJ"));
            secrets.extend(tokens.map(|token| token.rsplit('.').next().unwrap().to_owned()));
        }
    }
    assert!(secrets.len() > 20 * cases.len(), "{}", secrets.len());
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
    let (_, metrics) = operator.get("/metrics").await.unwrap();
    let mut places = vec![
        ("the log".to_owned(), operator.stderr()),
        ("the metrics".to_owned(), metrics),
    ];
    for command in [
        ["get", "oauthclients", "-o=yaml"],
        ["get", "events", "-o=yaml"],
        ["describe", "oauthclients", "--show-events=true"],
    ] {
        places.push((command.join(" "), stage.kubectl(&command).await));
    }
    for (place, text) in &places {
        assert!(!text.is_empty(), "{place} is empty");
        assert_holds_none(place, text, &secrets);
    }
}

/// Every line of a private key is as good as the whole of it.
fn key_lines(keys: &Keys) -> Vec<String> {
    let traditional = keys.traditional.as_deref().unwrap_or_default();
    keys.pkcs8
        .lines()
        .chain(traditional.lines())
        .filter(|line| line.len() > 40 && !line.starts_with("-----"))
        .map(str::to_owned)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_cannot_sign_is_told_by_its_secret_and_mended_at_once() {
    let stage = Stage::new(3600.0).await;
    let fleet = Fleet::of(&stage);
    let cases = cases();
    let case = cases.iter().find(|case| case.name == "okta").unwrap();
    stage.provider.set(&case.path(), case.behaviour(&stage));
    let _operator = stage.operator(Start::default()).await;
    let good = case.manifest(&stage);
    let bad = Case {
        secret: json!({"client_id": case.client, "private_key": case.keys.public_pem}),
        keys: case.keys.clone(),
        rule: case.rule.clone(),
        ..*case
    };
    stage.apply(&bad.manifest(&stage)).await;
    fleet
        .until("it is told", &["okta"], SOON, |_, look| {
            let told = look.condition("Reconciling");
            told.reason == "CredentialsKeyInvalid"
                && told.message.contains("Secret okta-client")
                && told.message.contains("key \"private_key\" is a public key")
        })
        .await;
    assert_eq!(stage.provider.count(&case.path()), 0);
    stage.apply(&good).await;
    fleet.well(&["okta"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_we_did_not_write_is_discovered_and_is_the_audience() {
    let stage = Stage::new(3600.0).await;
    let fleet = Fleet::of(&stage);
    let authority = Authority::new("independent").unwrap();
    let keys = jose::make("p256").unwrap();
    let known = oidc::Client {
        id: "your-client-id".to_owned(),
        method: oidc::Method::PrivateKeyJwt,
        algorithm: Some("ES256".to_owned()),
        public_jwk: Some(keys.public_jwk.clone()),
        ..oidc::Client::default()
    };
    let options = oidc::Options {
        clients: vec![known],
        ..oidc::Options::default()
    };
    let server = oidc::OidcProvider::start(options, Some(&authority))
        .await
        .unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/keycloak.yaml");
    let text = std::fs::read_to_string(file).unwrap();
    let (_, client) = text.split_once("\n---\n").unwrap();
    let address = "issuerURL: https://keycloak.example.com/realms/your-realm";
    assert!(client.contains(address));
    let trusted = format!(
        "caBundle: {{configMapName: independent-ca}}\n    issuerURL: {}",
        server.issuer()
    );
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "keycloak-client",
            "labels": {"oauthclient.dev/credentials": "true"},
            "annotations": {"oauthclient.dev/allowed-hosts": "127.0.0.1"},
        },
        "stringData": {"client_id": "your-client-id", "private_key": keys.jwk.to_string()},
    });
    let _operator = stage.operator(Start::default()).await;
    stage
        .apply(&super::endpoint::trust("independent-ca", &authority))
        .await;
    stage
        .apply(&format!(
            "{secret}\n---\n{}",
            client.replace(address, &trusted)
        ))
        .await;
    fleet.well(&["keycloak"]).await;
    let events = server.events().unwrap();
    let granted = |event: &oidc::Event| matches!(event, oidc::Event::Granted { .. });
    assert!(
        !events.is_empty() && events.iter().all(granted),
        "{events:?}"
    );
}
