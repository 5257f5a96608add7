//! Metadata documents of issuers, from correct and from faulty servers: requested once, cached, and requested again
//! when they are in
//! doubt.

#![expect(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use oauthclient_operator::clock::Clock;
use oauthclient_operator::discovery::Discovery;
use oauthclient_operator::http::address::AddressRules;
use oauthclient_operator::http::{Sender, SenderOptions};
use oauthclient_operator::messages::Audience;
use oauthclient_operator::oauth::{FailureClass, Issuer, Metadata};
use oauthclient_operator::policy::Failure;
use testkit::provider::{Behaviour, ConnectionFault, Fault, Provider, Script};

const RFC8414: &str = "/.well-known/oauth-authorization-server/realms/shop";
const OPENID: &str = "/realms/shop/.well-known/openid-configuration";
const PATIENCE: Duration = Duration::from_secs(20);

/// An issuer, its clock, and the reader of its documents.
struct Stage {
    provider: Provider,
    discovery: Discovery,
    clock: tempfile::TempDir,
}

impl Stage {
    /// Without any document yet.
    fn new() -> Stage {
        Stage::with(SenderOptions {
            allow_http: true,
            addresses: AddressRules {
                allow_loopback: true,
                ..AddressRules::default()
            },
            ..SenderOptions::default()
        })
    }

    fn with(options: SenderOptions) -> Stage {
        testkit::install_crypto();
        let provider = Provider::plain(Script::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("offset");
        std::fs::write(&file, "0").unwrap();
        let sender = Sender::new(options).unwrap();
        let clock = Clock::with_offset_file(file);
        Stage {
            provider,
            discovery: Discovery::new(sender, clock, None),
            clock: folder,
        }
    }

    fn issuer(&self) -> String {
        self.provider.url("/realms/shop")
    }

    /// The document of this issuer that names this token endpoint.
    fn document(&self, token: &str) -> String {
        format!(
            r#"{{"issuer":"{}","token_endpoint":"{token}"}}"#,
            self.issuer()
        )
    }

    fn answers(&self, path: &str, body: &str, headers: &[(&str, &str)]) {
        let fault = Fault::Answer {
            status: 200,
            content_type: "application/json".into(),
            body: body.to_owned(),
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        };
        self.meets(path, fault);
    }

    fn meets(&self, path: &str, fault: Fault) {
        self.provider
            .set(path, Behaviour::default().with_fault(fault));
    }

    async fn get(&self) -> Result<Arc<Metadata>, Failure> {
        self.get_within(PATIENCE).await
    }

    async fn get_within(&self, patience: Duration) -> Result<Arc<Metadata>, Failure> {
        let issuer = Issuer::parse(&self.issuer()).unwrap();
        self.discovery.get(&issuer, None, patience).await
    }

    async fn token(&self) -> String {
        let metadata = self.get().await.unwrap();
        metadata.endpoints.token.to_string()
    }

    async fn failure(&self) -> Failure {
        self.get().await.unwrap_err()
    }

    fn invalidate(&self) {
        let issuer = Issuer::parse(&self.issuer()).unwrap();
        self.discovery.invalidate(&issuer, None);
    }

    fn asked(&self) -> usize {
        self.provider.total()
    }

    /// The wall clock is set; the file is looked at once in a while.
    async fn later(&self, seconds: i64) {
        let path: &Path = self.clock.path();
        std::fs::write(path.join("offset"), seconds.to_string()).unwrap();
        tokio::time::sleep(Duration::from_millis(1500)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_who_ask_at_once_make_one_request_that_holds_no_credential() {
    let stage = Arc::new(Stage::new());
    stage.answers(RFC8414, &stage.document("https://t.example/token"), &[]);
    stage.provider.update(RFC8414, |one| one.latency_ms = 300);
    let all = (0..1000).map(|_| {
        let stage = Arc::clone(&stage);
        tokio::spawn(async move { stage.token().await })
    });
    for one in all.collect::<Vec<_>>() {
        assert_eq!(one.await.unwrap(), "https://t.example/token");
    }
    assert_eq!(stage.asked(), 1);
    let [request] = &stage.provider.requests()[..] else {
        unreachable!()
    };
    assert_eq!(request.header("authorization"), None);
    assert_eq!(request.header("cookie"), None);
    assert!(request.raw_body.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_of_openid_connect_is_taken_where_there_is_no_other_and_asked_for_first_from_then_on()
 {
    let stage = Stage::new();
    stage.answers(OPENID, &stage.document("https://t.example/token"), &[]);
    assert_eq!(stage.token().await, "https://t.example/token");
    assert_eq!(stage.provider.count(RFC8414), 1);
    stage.later(3700).await;
    assert_eq!(stage.token().await, "https://t.example/token");
    assert_eq!(stage.provider.count(RFC8414), 1, "it is known by now");
    assert_eq!(stage.provider.count(OPENID), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_stands_at_the_one_address_the_other_is_asked_too() {
    for fault in [
        Fault::Html,
        Fault::status(404),
        Fault::status(500),
        Fault::Redirect {
            status: 302,
            location: "https://elsewhere.example/".into(),
        },
    ] {
        let stage = Stage::new();
        stage.meets(RFC8414, fault.clone());
        stage.answers(OPENID, &stage.document("https://t.example/token"), &[]);
        assert_eq!(stage.token().await, "https://t.example/token", "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_kept_as_long_as_it_says_but_never_for_moments_alone() {
    let stage = Stage::new();
    let document = stage.document("https://t.example/token");
    stage.answers(RFC8414, &document, &[("cache-control", "max-age=900")]);
    stage.token().await;
    stage.later(800).await;
    stage.token().await;
    assert_eq!(stage.asked(), 1);
    stage.answers(RFC8414, &document, &[("cache-control", "no-store")]);
    stage.later(1000).await;
    stage.token().await;
    assert_eq!(stage.asked(), 2);
    stage.later(1200).await;
    stage.token().await;
    assert_eq!(stage.asked(), 2, "five minutes at least");
    stage.later(1400).await;
    stage.token().await;
    assert_eq!(stage.asked(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_is_doubted_is_read_anew_and_not_more_than_once_a_minute() {
    let stage = Stage::new();
    stage.answers(RFC8414, &stage.document("https://old.example/token"), &[]);
    stage.token().await;
    stage.answers(RFC8414, &stage.document("https://new.example/token"), &[]);
    stage.invalidate();
    assert_eq!(stage.token().await, "https://old.example/token");
    assert_eq!(stage.asked(), 1, "it was read just now");
    stage.later(90).await;
    assert_eq!(stage.token().await, "https://new.example/token");
    for _ in 0..5 {
        stage.invalidate();
        stage.token().await;
    }
    assert_eq!(stage.asked(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_is_out_of_reach_goes_on_being_used_for_a_day() {
    let stage = Stage::new();
    stage.answers(RFC8414, &stage.document("https://t.example/token"), &[]);
    stage.token().await;
    stage
        .provider
        .set_connection_fault(Some(ConnectionFault::Close));
    stage.meets(RFC8414, Fault::Close);
    stage.meets(OPENID, Fault::Close);
    stage.later(4 * 3600).await;
    assert_eq!(stage.token().await, "https://t.example/token");
    stage.later(25 * 3600).await;
    let failure = stage.failure().await;
    assert_eq!(failure.reason(), "DiscoveryFailed");
    assert_eq!(failure.class, FailureClass::Transient);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_the_issuers_document_is_told_by_its_kind() {
    let stage = Stage::new();
    let issuer = stage.issuer();
    let told = |failure: &Failure| (failure.reason(), failure.class);
    assert_eq!(
        told(&stage.failure().await),
        ("DiscoveryFailed", FailureClass::Permanent),
        "none at all"
    );
    let cases = [
        (
            Fault::Html,
            ("DiscoveryDocumentInvalid", FailureClass::Permanent),
        ),
        (
            Fault::InvalidUtf8,
            ("DiscoveryDocumentInvalid", FailureClass::Permanent),
        ),
        (
            Fault::status(503),
            ("DiscoveryFailed", FailureClass::Transient),
        ),
        (
            Fault::LargeBody { bytes: 1 << 21 },
            ("DiscoveryFailed", FailureClass::Transient),
        ),
        (Fault::Endless, ("DiscoveryFailed", FailureClass::Transient)),
        (
            Fault::GzipBomb { bytes: 1 << 28 },
            ("DiscoveryFailed", FailureClass::Transient),
        ),
        (
            Fault::Redirect {
                status: 308,
                location: "https://elsewhere.example/".into(),
            },
            ("DiscoveryFailed", FailureClass::Permanent),
        ),
    ];
    for (number, (fault, wanted)) in cases.into_iter().enumerate() {
        stage.meets(RFC8414, fault.clone());
        stage.later(20 * i64::try_from(number).unwrap() + 20).await;
        assert_eq!(told(&stage.failure().await), wanted, "{fault:?}");
    }
    stage.answers(
        RFC8414,
        &format!(r#"{{"issuer":"{issuer}/","token_endpoint":"{issuer}/token"}}"#),
        &[],
    );
    stage.later(1000).await;
    let failure = stage.failure().await;
    assert_eq!(told(&failure), ("IssuerMismatch", FailureClass::Permanent));
    let message = failure.finding.explain(Audience::Cluster).message();
    let both = format!("names issuer {issuer}/, not exactly {issuer}.");
    assert!(message.to_string().contains(&both), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_shared_by_all_who_wait_for_it_and_not_by_those_with_more_patience() {
    let stage = Arc::new(Stage::new());
    stage.meets(RFC8414, Fault::Hang);
    let all = (0..50).map(|_| {
        let stage = Arc::clone(&stage);
        tokio::spawn(async move { stage.get_within(Duration::from_millis(800)).await })
    });
    for one in all.collect::<Vec<_>>() {
        let failure = one.await.unwrap().unwrap_err();
        assert!(failure.timed_out && failure.reason() == "DiscoveryFailed");
    }
    assert!(stage.asked() <= 2, "{}", stage.asked());
    stage.answers(RFC8414, &stage.document("https://t.example/token"), &[]);
    assert_eq!(stage.token().await, "https://t.example/token");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rules_for_addresses_and_tls_hold_for_the_document_too() {
    let no_loopback = Stage::with(SenderOptions {
        allow_http: true,
        ..SenderOptions::default()
    });
    assert_eq!(no_loopback.failure().await.reason(), "AddressRefused");
    let no_http = Stage::with(SenderOptions {
        addresses: AddressRules {
            allow_loopback: true,
            ..AddressRules::default()
        },
        ..SenderOptions::default()
    });
    assert_eq!(no_http.failure().await.reason(), "HTTPNotAllowed");
    assert_eq!(no_http.asked() + no_loopback.asked(), 0);
}
