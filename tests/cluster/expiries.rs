//! What expires apart from the token: it is shown, reported and measured ahead of time, and causes no token request.

use testkit::tls::Authority;

use super::certificates::{manifest, provider, secret_of};
use super::endpoint::trust;
use super::fleet::Fleet;
use super::harness::{PATH, SOON, Stage, Start, jiff_now};

const DAY: i64 = 24 * 3600;
const ANNOTATION: &str = "oauthclient.dev/client-secret-expires-at";

/// A time so many days from now.
fn in_days(days: i64) -> jiff::Timestamp {
    jiff_now() + jiff::SignedDuration::from_secs(days * DAY)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_noted_end_of_a_client_secret_is_in_status_event_and_metric_and_asks_for_nothing() {
    let stage = Stage::new(3600.0).await;
    let fleet = Fleet::of(&stage);
    let operator = stage
        .operator(Start::with(&["--metrics-per-resource"]))
        .await;
    stage.resource("books", "").await;
    let before = fleet.well(&["books"]).await;
    let annotate = |value: String| {
        let stage = &stage;
        async move {
            let value = format!("{ANNOTATION}={value}");
            stage
                .kubectl(&["annotate", "secret", "client", "--overwrite", &value])
                .await
        }
    };
    for (noted, state, reason) in [
        (in_days(100).to_string(), "Valid", None),
        (
            in_days(10).to_string(),
            "ExpiresSoon",
            Some("ClientSecretExpiresSoon"),
        ),
        (
            "2020-01-31".to_owned(),
            "Expired",
            Some("ClientSecretExpired"),
        ),
        (
            "sooner or later".to_owned(),
            "Unknown",
            Some("ClientSecretExpiryUnknown"),
        ),
    ] {
        annotate(noted.clone()).await;
        let looks = fleet
            .until(state, &["books"], SOON, |_, look| {
                look.status("/clientSecret/state") == Some(state)
            })
            .await;
        let ready = looks["books"].condition("Ready");
        assert_eq!(
            (ready.status.as_str(), ready.reason.as_str()),
            ("True", "TokenValid")
        );
        assert_eq!(
            ready.message.contains(ANNOTATION),
            reason.is_some(),
            "{}",
            ready.message
        );
        assert!(!ready.message.contains("sooner"), "{}", ready.message);
        if let Some(reason) = reason {
            fleet
                .told(&["books"], |_| format!("Warning {reason}"))
                .await;
        }
        if state == "Expired" {
            let name = "oauthclient_client_credential_expiration_timestamp_seconds";
            let labels = [("name", "books"), ("kind", "secret")];
            let end = operator.metric(name, &labels).await.unwrap();
            assert!((end - 1_580_428_800.0).abs() < 1.0, "{end}");
        }
        assert_eq!(looks["books"].token(), before["books"].token());
    }
    assert_eq!(stage.requests(), 1);
    stage
        .kubectl(&["annotate", "secret", "client", &format!("{ANNOTATION}-")])
        .await;
    fleet
        .until("forgotten", &["books"], SOON, |_, look| {
            look.object.pointer("/status/clientSecret").is_none()
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_client_certificate_is_told_in_time_and_forgotten_once_it_is_renewed() {
    let stage = Stage::new(3600.0).await;
    let fleet = Fleet::of(&stage);
    let (authority, provider) = provider();
    let _operator = stage.operator(Start::default()).await;
    stage.apply(&trust("mutual-ca", &authority)).await;
    let certificate = |authority: &Authority, days: i64| {
        let at = |days| u64::try_from(in_days(days).as_second()).unwrap();
        let issued = authority.issue_client_for("shop", at(-90), at(days));
        secret_of("books-tls", &issued.unwrap())
    };
    stage.apply(&certificate(&authority, 5)).await;
    stage.apply(&manifest("books", &provider)).await;
    let looks = fleet
        .until("it is told of", &["books"], SOON, |_, look| {
            look.is("Ready", "True")
                && look.status("/clientCertificate/state") == Some("ExpiresSoon")
        })
        .await;
    let end = looks["books"]
        .status("/clientCertificate/expirationTime")
        .unwrap();
    assert!(looks["books"].condition("Ready").message.contains(end));
    fleet
        .told(&["books"], |_| {
            "Warning ClientCertificateExpiresSoon".to_owned()
        })
        .await;
    stage.apply(&certificate(&authority, 90)).await;
    fleet
        .until("the new one counts", &["books"], SOON, |_, look| {
            look.status("/clientCertificate/state") == Some("Valid")
        })
        .await;
    assert_eq!(provider.count(PATH), 1, "a renewal asks for nothing");
}
