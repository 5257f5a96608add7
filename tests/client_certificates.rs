//! Mutual TLS (RFC 8705) on the wire: who shows which certificate to whom, what is shared between connections, and what a
//! failure is called.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers of tests fail as tests do"
)]

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use oauthclient_operator::http::address::AddressRules;
use oauthclient_operator::http::{
    BadIdentity, CaBundle, ClientIdentity, Route, SendError, Sender, SenderOptions, TlsProblem,
};
use oauthclient_operator::oauth::{FailureClass, HttpRequest, Method};
use oauthclient_operator::secret::Secret;
use oauthclient_operator::time::Time;
use oauthclient_operator::trust::{AuthorizedRequest, Lenders, authorize};
use testkit::provider::{Behaviour, Provider, Script};
use testkit::tls::{Authority, ClientCertificates, Identity, Leaf};

const PATH: &str = "/token";
const PATIENCE: Duration = Duration::from_secs(60);

fn request(url: &str) -> HttpRequest {
    HttpRequest {
        method: Method::Post,
        url: url.into(),
        headers: vec![(
            "content-type".into(),
            "application/x-www-form-urlencoded".into(),
        )],
        body: "grant_type=client_credentials&client_id=me&client_secret=s".into(),
        secrets: Default::default(),
        lenders: Lenders::none(),
    }
}

fn authorized(request: &HttpRequest) -> AuthorizedRequest<'_> {
    authorize(request, &Lenders::none()).unwrap_or_else(|problem| panic!("{problem:?}"))
}

fn sender() -> Sender {
    Sender::new(SenderOptions {
        addresses: AddressRules {
            allow_loopback: true,
            ..AddressRules::default()
        },
        ..SenderOptions::default()
    })
    .unwrap()
}

fn read(identity: &Identity) -> ClientIdentity {
    ClientIdentity::from_pem(
        identity.certificate_pem.as_bytes(),
        identity.key_pem.as_bytes(),
        &Lenders::none(),
    )
    .unwrap_or_else(|problem| panic!("{problem}"))
}

fn route(authority: &Authority, identity: Option<&Identity>) -> Route {
    Route {
        ca: Some(CaBundle::from_pem(authority.pem().as_bytes()).unwrap()),
        identity: identity.map(read),
        timeout: PATIENCE,
    }
}

fn provider(authority: &Authority, clients: ClientCertificates) -> Provider {
    let provider = Provider::tls(Script::one(PATH, Behaviour::default()), authority).unwrap();
    provider.ask_for_certificates(clients).unwrap();
    provider
}

async fn status(sender: &Sender, provider: &Provider, route: &Route) -> u16 {
    sender
        .send(&authorized(&request(&provider.url(PATH))), route)
        .await
        .unwrap_or_else(|error| panic!("{error:?}"))
        .status
}

async fn failure(provider: &Provider, route: &Route) -> SendError {
    match sender()
        .send(&authorized(&request(&provider.url(PATH))), route)
        .await
    {
        Ok(answer) => panic!("HTTP {} came back", answer.status),
        Err(error) => error,
    }
}

fn subjects(provider: &Provider) -> Vec<Option<String>> {
    provider
        .requests_to(PATH)
        .into_iter()
        .map(|request| request.certificate.map(|certificate| certificate.subject))
        .collect()
}

#[tokio::test]
async fn a_certificate_is_shown_where_it_is_asked_for_and_by_its_owner_alone() {
    let authority = Authority::new("corp").unwrap();
    let shop = authority.issue_client(Leaf::Good, "shop").unwrap();
    let library = authority.issue_client(Leaf::Good, "library").unwrap();
    let provider = provider(&authority, ClientCertificates::Any);
    let sender = sender();
    for _ in 0..2 {
        for identity in [Some(&shop), None, Some(&library)] {
            let route = route(&authority, identity);
            assert_eq!(status(&sender, &provider, &route).await, 200);
        }
    }
    let each = [
        Some("CN=shop".to_owned()),
        None,
        Some("CN=library".to_owned()),
    ];
    assert_eq!(subjects(&provider), [each.clone(), each].concat());
    // One connection each, used twice.
    assert_eq!(provider.connections_opened(), 3);
    provider
        .ask_for_certificates(ClientCertificates::NotAsked)
        .unwrap();
    let fresh = self::sender();
    assert_eq!(
        status(&fresh, &provider, &route(&authority, Some(&shop))).await,
        200
    );
    assert_eq!(subjects(&provider).last().unwrap(), &None);
}

#[tokio::test]
async fn a_server_that_knows_the_authority_takes_the_certificate_and_refuses_all_others_by_name() {
    let authority = Authority::new("corp").unwrap();
    let provider = provider(&authority, ClientCertificates::Of(authority.pem()));
    let good = authority.issue_client(Leaf::Good, "shop").unwrap();
    assert_eq!(
        status(&sender(), &provider, &route(&authority, Some(&good))).await,
        200
    );
    let wanted = SendError::Tls(TlsProblem::ClientCertificateWanted);
    let refused = SendError::Tls(TlsProblem::ClientCertificateRefused);
    assert_eq!(failure(&provider, &route(&authority, None)).await, wanted);
    let stranger = Authority::new("stranger").unwrap();
    for (issuer, leaf) in [
        (&authority, Leaf::Expired),
        (&authority, Leaf::SelfSigned),
        (&stranger, Leaf::Good),
    ] {
        let bad = issuer.issue_client(leaf, "shop").unwrap();
        let error = failure(&provider, &route(&authority, Some(&bad))).await;
        assert_eq!(error, refused, "{leaf:?}");
        assert_eq!(error.reason(), "ClientCertificateRefused");
        assert_eq!(error.class(), FailureClass::Permanent);
    }
    assert_eq!(provider.count(PATH), 1);
}

#[tokio::test]
async fn many_certificates_do_not_pile_up_connections_for_ever() {
    let authority = Authority::new("corp").unwrap();
    let provider = provider(&authority, ClientCertificates::Of(authority.pem()));
    let sender = sender();
    for number in 0..40 {
        let subject = format!("shop-{number}");
        let identity = authority.issue_client(Leaf::Good, &subject).unwrap();
        assert_eq!(
            status(&sender, &provider, &route(&authority, Some(&identity))).await,
            200
        );
        assert_eq!(
            subjects(&provider).pop().unwrap(),
            Some(format!("CN={subject}"))
        );
    }
    assert_eq!(provider.connections_opened(), 40);
    let few = provider
        .wait_until(PATIENCE, || provider.connections_open() <= 32)
        .await;
    assert!(few, "{} connections are open", provider.connections_open());
}

/// A key and a certificate made by openssl, as an administrator would.
fn openssl(
    folder: &std::path::Path,
    name: &str,
    arguments: &[&str],
    key: &[&str],
) -> (String, String) {
    let run = |arguments: &[&str]| {
        let output = Command::new("openssl")
            .current_dir(folder)
            .args(arguments)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    let (key_file, certificate_file) = (format!("{name}.key"), format!("{name}.crt"));
    run(&[&key[..1], &["-out", &key_file], &key[1..]].concat());
    run(&[
        &[
            "req",
            "-x509",
            "-key",
            &key_file,
            "-out",
            &certificate_file,
            "-subj",
            "/CN=shop",
            "-days",
            "10",
        ],
        arguments,
    ]
    .concat());
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    (read(&certificate_file), read(&key_file))
}

#[tokio::test]
async fn keys_of_every_usual_kind_and_form_prove_themselves_in_a_handshake() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("corp").unwrap();
    let provider = provider(&authority, ClientCertificates::Any);
    let kinds: [(&str, &[&str]); 6] = [
        (
            "rsa",
            &[
                "genpkey",
                "-algorithm",
                "RSA",
                "-pkeyopt",
                "rsa_keygen_bits:2048",
            ],
        ),
        ("pkcs1", &["genrsa", "-traditional", "2048"]),
        (
            "p256",
            &[
                "genpkey",
                "-algorithm",
                "EC",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
            ],
        ),
        (
            "p384",
            &[
                "genpkey",
                "-algorithm",
                "EC",
                "-pkeyopt",
                "ec_paramgen_curve:P-384",
            ],
        ),
        ("sec1", &["ecparam", "-name", "prime256v1", "-genkey"]),
        ("ed25519", &["genpkey", "-algorithm", "ED25519"]),
    ];
    for (name, key) in kinds {
        let (certificate, key) = openssl(folder.path(), name, &[], key);
        let identity =
            ClientIdentity::from_pem(certificate.as_bytes(), key.as_bytes(), &Lenders::none())
                .unwrap_or_else(|problem| panic!("{name}: {problem}"));
        let route = Route {
            identity: Some(identity),
            ..route(&authority, None)
        };
        assert_eq!(status(&sender(), &provider, &route).await, 200, "{name}");
        assert_eq!(
            subjects(&provider).pop().unwrap().as_deref(),
            Some("CN=shop"),
            "{name}"
        );
    }
}

#[test]
fn what_cannot_be_shown_is_told_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("corp").unwrap();
    let one = authority.issue_client(Leaf::Good, "one").unwrap();
    let other = authority.issue_client(Leaf::Good, "other").unwrap();
    let (certificate, weak) = openssl(
        folder.path(),
        "p521",
        &[],
        &[
            "genpkey",
            "-algorithm",
            "EC",
            "-pkeyopt",
            "ec_paramgen_curve:P-521",
        ],
    );
    let (_, encrypted) = openssl(
        folder.path(),
        "encrypted",
        &["-passin", "pass:x"],
        &[
            "genpkey",
            "-algorithm",
            "ED25519",
            "-aes256",
            "-pass",
            "pass:x",
        ],
    );
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (certificate, key, problem) in [
        (
            &*one.certificate_pem,
            &*other.key_pem,
            BadIdentity::Mismatch,
        ),
        (
            &*format!("{}{}", authority.pem(), one.certificate_pem),
            &*one.key_pem,
            BadIdentity::Mismatch,
        ),
        ("text", &one.key_pem, BadIdentity::NoCertificate),
        (&one.key_pem, &one.key_pem, BadIdentity::NoCertificate),
        (broken, &one.key_pem, BadIdentity::BadCertificate),
        (&one.certificate_pem, "text", BadIdentity::NoPrivateKey),
        (
            &one.certificate_pem,
            &one.certificate_pem,
            BadIdentity::NoPrivateKey,
        ),
        (&one.certificate_pem, &encrypted, BadIdentity::Encrypted),
        (&certificate, &weak, BadIdentity::UnsupportedKey),
    ] {
        let read =
            ClientIdentity::from_pem(certificate.as_bytes(), key.as_bytes(), &Lenders::none());
        assert_eq!(read.err(), Some(problem));
        let said = problem.to_string();
        assert!(!said.contains(key) && said.contains("tls."), "{said}");
    }
    let data = |pairs: &[(&str, &str)]| -> BTreeMap<String, Secret> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), Secret::from(*value)))
            .collect()
    };
    let secret = |pairs| ClientIdentity::from_secret(&data(pairs), &Lenders::none()).err();
    assert_eq!(
        secret(&[("tls.key", "x")]),
        Some(BadIdentity::Missing { key: "tls.crt" })
    );
    assert_eq!(
        secret(&[("tls.crt", "x")]),
        Some(BadIdentity::Missing { key: "tls.key" })
    );
    assert_eq!(
        secret(&[("tls.crt", "x"), ("tls.key", " \n")]),
        Some(BadIdentity::Empty { key: "tls.key" })
    );
}

#[test]
fn the_life_of_a_certificate_is_read_from_the_first_of_the_chain() {
    let authority = Authority::new("corp").unwrap();
    let mut identity = authority
        .issue_client_for("shop", 1_700_000_000, 1_700_003_600)
        .unwrap();
    identity.certificate_pem.push_str(&authority.pem());
    let read = self::read(&identity);
    assert_eq!(read.not_before(), Time::from_seconds(1_700_000_000));
    assert_eq!(read.not_after(), Time::from_seconds(1_700_003_600));
    let again = authority.issue_client(Leaf::Good, "shop").unwrap();
    assert_ne!(self::read(&again).fingerprint(), read.fingerprint());
}
