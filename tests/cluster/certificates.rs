//! Mutual TLS: a client certificate as cert-manager writes it proves who the client is, and follows its renewal.

use testkit::provider::{Account, Authentication, Behaviour, Provider, Script};
use testkit::tls::{Authority, ClientCertificates, Identity, Leaf};

use super::endpoint::trust;
use super::fleet::Fleet;
use super::harness::{PATH, SOON, Stage, Start, living, resource};

/// An authority, and a provider that serves none but those who show a certificate of it.
pub fn provider() -> (Authority, Provider) {
    let authority = Authority::new("mutual").unwrap();
    let mut behaviour = Behaviour::living(3600.0);
    behaviour.accepts.authentication = vec![Authentication::Certificate];
    behaviour.accepts.clients = vec![Account {
        id: "shop".to_owned(),
        certificates: vec!["CN=shop".to_owned()],
        ..Account::default()
    }];
    let provider = Provider::tls(Script::one(PATH, behaviour), &authority).unwrap();
    provider
        .ask_for_certificates(ClientCertificates::Of(authority.pem()))
        .unwrap();
    (authority, provider)
}

/// A Secret as cert-manager writes it.
fn tls_secret(name: &str, certificate: &str, key: &str) -> String {
    let block = |pem: &str| pem.replace('\n', "\n    ");
    format!(
        "apiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata:\n  name: {name}\n  labels: {{oauthclient.dev/credentials: \"true\"}}\n  \
         annotations: {{oauthclient.dev/allowed-hosts: 127.0.0.1}}\nstringData:\n  tls.crt: |\n    {}\n  tls.key: |\n    {}\n",
        block(certificate),
        block(key),
    )
}

pub fn secret_of(name: &str, identity: &Identity) -> String {
    tls_secret(name, &identity.certificate_pem, &identity.key_pem)
}

/// A resource that proves itself with the certificate in Secret `NAME-tls`, and needs no other.
pub fn manifest(name: &str, provider: &Provider) -> String {
    let more = format!(
        "  clientAuthentication: {{method: tls_client_auth, clientID: shop, tlsClientAuth: {{secretName: {name}-tls}}}}"
    );
    resource(name, &provider.url(PATH), &more)
        .replace("  credentials: {secretName: client}\n", "")
        .replace("provider-ca", "mutual-ca")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_shown_without_a_restart_and_asks_for_no_token() {
    let stage = Stage::new(3600.0).await;
    let fleet = Fleet::of(&stage);
    let (authority, provider) = provider();
    let operator = stage.operator(Start::default()).await;
    stage.apply(&trust("mutual-ca", &authority)).await;
    let first = authority.issue_client(Leaf::Good, "shop").unwrap();
    stage.apply(&secret_of("books-tls", &first)).await;
    stage.apply(&manifest("books", &provider)).await;
    let names = ["books"];
    let before = fleet.well(&names).await;
    let shown = |number: usize| {
        let certificate = provider.requests_to(PATH)[number].certificate.clone();
        certificate.unwrap().sha256
    };
    let second = authority.issue_client(Leaf::Good, "shop").unwrap();
    stage.apply(&secret_of("books-tls", &second)).await;
    stage
        .kubectl(&["label", "secret", "books-tls", "edited=true"])
        .await;
    // A refresh that is asked for shows the new one, and is the only request.
    fleet.refresh("1").await;
    let after = fleet
        .until("a new token", &names, SOON, |name, look| {
            look.token() != before[name].token()
        })
        .await;
    assert_eq!(provider.count(PATH), 2);
    assert_ne!(shown(0), shown(1), "the renewed certificate is shown");
    let token = after["books"].token().unwrap();
    assert!(provider.introspect(token).is_some());
    // Not a word of the private key, though it is used all the time.
    for identity in [&first, &second] {
        let line = identity.key_pem.lines().nth(1).unwrap();
        assert!(!operator.stderr().contains(line));
        assert!(!format!("{after:?}").contains(line));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_certificate_is_told_and_mended_by_a_new_one() {
    let stage = Stage::new(3600.0).await;
    let fleet = Fleet::of(&stage);
    let (authority, provider) = provider();
    let _operator = stage.operator(Start::default()).await;
    stage.apply(&trust("mutual-ca", &authority)).await;
    let good = authority.issue_client(Leaf::Good, "shop").unwrap();
    let leaf = |leaf| authority.issue_client(leaf, "shop").unwrap();
    let foreign = Authority::new("stranger").unwrap();
    let foreign = foreign.issue_client(Leaf::Good, "shop").unwrap();
    let other = authority.issue_client(Leaf::Good, "other").unwrap();
    let unlabelled = secret_of("unlabelled-tls", &good).replace("\"true\"", "\"false\"");
    let elsewhere = secret_of("elsewhere-tls", &good).replace("127.0.0.1", "auth.example.com");
    let cases = [
        ("absent", None, "Reconciling", "CredentialsNotFound"),
        (
            "unlabelled",
            Some(unlabelled),
            "Reconciling",
            "CredentialsNotLabelled",
        ),
        (
            "elsewhere",
            Some(elsewhere),
            "Reconciling",
            "HostNotAllowed",
        ),
        (
            "mismatch",
            Some(tls_secret(
                "mismatch-tls",
                &good.certificate_pem,
                &other.key_pem,
            )),
            "Reconciling",
            "ClientCertificateInvalid",
        ),
        (
            "expired",
            Some(secret_of("expired-tls", &leaf(Leaf::Expired))),
            "Reconciling",
            "ClientCertificateExpired",
        ),
        (
            "early",
            Some(secret_of("early-tls", &leaf(Leaf::NotYetValid))),
            "Reconciling",
            "ClientCertificateNotYetValid",
        ),
        (
            "foreign",
            Some(secret_of("foreign-tls", &foreign)),
            "Stalled",
            "ClientCertificateRefused",
        ),
        (
            "wrong",
            Some(secret_of("wrong-tls", &other)),
            "Stalled",
            "InvalidClient",
        ),
    ];
    let mut all: Vec<String> = cases.iter().filter_map(|case| case.1.clone()).collect();
    all.extend(cases.iter().map(|case| manifest(case.0, &provider)));
    stage.apply(&all.join("---\n")).await;
    let names = cases.each_ref().map(|case| case.0);
    fleet
        .until("each is told", &names, SOON, |name, look| {
            let (_, _, kind, reason) = cases.iter().find(|case| case.0 == name).unwrap();
            let told = look.condition(kind);
            told.status == "True" && told.reason == *reason
        })
        .await;
    // What was refused at the handshake never came, and what was not shown was not sent: one request is on record.
    assert_eq!(provider.count(PATH), 1);
    for name in names {
        // Replaced rather than applied: the type and all keys may differ.
        stage.apply(&secret_of(&format!("{name}-tls"), &good)).await;
    }
    fleet.well(&names).await;
    assert_eq!(provider.count(PATH), 1 + names.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_besides_a_secret_is_shown_and_one_that_is_missing_is_asked_for() {
    let stage = Stage::new(3600.0).await;
    let fleet = Fleet::of(&stage);
    let (authority, provider) = provider();
    provider.set(PATH, living(3600.0));
    let _operator = stage.operator(Start::default()).await;
    stage.apply(&trust("mutual-ca", &authority)).await;
    let identity = authority.issue_client(Leaf::Good, "shop").unwrap();
    stage.apply(&secret_of("both-tls", &identity)).await;
    let bare = resource("both", &provider.url(PATH), "").replace("provider-ca", "mutual-ca");
    stage.apply(&bare).await;
    let told = stage
        .wait_for("both", "Stalled", "True", "ClientCertificateRefused")
        .await;
    assert!(told.contains("spec.provider.clientCertificate"), "{told}");
    stage
        .apply(&bare.replace(
            "timeoutSeconds: 5",
            "timeoutSeconds: 5, clientCertificate: {secretName: both-tls}",
        ))
        .await;
    fleet.well(&["both"]).await;
    let request = &provider.requests_to(PATH)[0];
    assert_eq!(request.certificate.as_ref().unwrap().subject, "CN=shop");
    assert!(
        request.header("authorization").is_some(),
        "the secret goes along"
    );
    assert_eq!(provider.count(PATH), 1);
}
