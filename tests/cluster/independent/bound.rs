//! Tokens that are bound to a key, at a server that we did not write: it requires a proof, with its nonce, in each request.

use testkit::oidc::{Client, Event, OidcProvider, Options};
use testkit::tls::Authority;

use crate::endpoint::trust;
use crate::harness::{CLIENT_ID, CLIENT_SECRET, Stage, resource};
use crate::refresh_tokens::{SPEC, quick, with_token};

/// The lines of a PEM text that are the key, and no marks.
fn inner(pem: &str) -> Vec<&str> {
    pem.lines().filter(|line| !line.starts_with('-')).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_family_is_refreshed_with_one_key_until_another_is_asked_for_and_the_key_shows_nowhere()
 {
    let stage = Stage::new(3600.0).await;
    let authority = Authority::new("independent keys").unwrap();
    let options = Options {
        clients: vec![Client {
            id: CLIENT_ID.to_owned(),
            secret: CLIENT_SECRET.to_owned(),
            ..Client::default()
        }],
        login: true,
        rotate: true,
        dpop: true,
        ..Options::default()
    };
    let server = OidcProvider::start(options, Some(&authority))
        .await
        .unwrap();
    stage.apply(&trust("independent-ca", &authority)).await;
    let first = server.consent(CLIENT_ID).await.unwrap();
    stage.apply(&with_token("client", &first)).await;
    let operator = stage.operator(quick()).await;
    let manifest = resource(
        "main",
        server.token_endpoint(),
        &format!("{SPEC}\n  dpop: {{}}"),
    )
    .replace("provider-ca", "independent-ca");
    stage.apply(&manifest).await;
    stage.wait_for("main", "Ready", "True", "").await;

    let published = async || stage.secret("main-token").await.unwrap_or_default();
    let granted = || {
        let events = server.events().unwrap();
        let granted = |event: &&Event| matches!(event, Event::Granted { .. });
        events.iter().filter(granted).count()
    };
    let bound_to = async |token: &str| {
        let about = server.introspect(token).await.unwrap();
        assert_eq!(about["active"], true, "{about}");
        about["cnf"]["jkt"].as_str().unwrap().to_owned()
    };
    let before = published().await;
    assert_eq!(before["token_type"], "DPoP");
    let state = stage.state("main").await.unwrap();
    assert_eq!(state["dpop_key"], before["dpop_key"]);
    let jkt = bound_to(&before["access_token"]).await;

    // A refresh, and a restart, change nothing of the key; the nonce was no failure.
    stage.request_refresh("main").await;
    stage
        .until("another token", || async {
            published().await.get("access_token") != before.get("access_token")
        })
        .await;
    let after = published().await;
    assert_eq!(after["dpop_key"], before["dpop_key"]);
    assert_eq!(bound_to(&after["access_token"]).await, jkt);
    assert_eq!(granted(), 2);
    let told = stage
        .kubectl(&["get", "oauthclient", "main", "-o", "yaml"])
        .await;
    assert!(!told.contains("ProofRequired"), "{told}");
    let first_log = format!("{}{}", operator.stdout(), operator.stderr());
    drop(operator);
    let operator = stage.operator(quick()).await;

    // A request for a new key is acted upon once.
    let rotate = [
        "annotate",
        "oauthclient",
        "main",
        "oauthclient.dev/rotate-dpop-key=one",
    ];
    stage.kubectl(&rotate).await;
    stage
        .until("another key", || async {
            let key = published().await.get("dpop_key").cloned();
            key.is_some_and(|key| key != before["dpop_key"])
        })
        .await;
    let rotated = published().await;
    assert_ne!(bound_to(&rotated["access_token"]).await, jkt);
    stage.wait_for("main", "Ready", "True", "").await;
    assert_eq!(granted(), 3);

    let events = stage.kubectl(&["get", "events", "-o", "yaml"]).await;
    let told = stage
        .kubectl(&["get", "oauthclient", "main", "-o", "yaml"])
        .await;
    let log = format!("{first_log}{}{}", operator.stdout(), operator.stderr());
    for key in [&before["dpop_key"], &rotated["dpop_key"]] {
        for line in inner(key) {
            for (place, text) in [("events", &events), ("status", &told), ("log", &log)] {
                assert!(!text.contains(line), "a key shows in the {place}");
            }
        }
    }
}
