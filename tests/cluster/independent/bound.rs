//! Tokens that are bound to a key, at a server that we did not write: it requires a proof, with its nonce, in each request.

use testkit::oidc::{Client, Event, OidcProvider, Options};
use testkit::tls::Authority;

use crate::endpoint::trust;
use crate::harness::{CLIENT_ID, CLIENT_SECRET, SOON, Stage, resource};
use crate::refresh_tokens::{SPEC, quick, with_token};

/// The lines of a PEM text that are the key, and no marks.
fn inner(pem: &str) -> Vec<&str> {
    pem.lines().filter(|line| !line.starts_with('-')).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_family_is_refreshed_with_one_key_until_another_is_asked_for_and_the_key_shows_nowhere()
 {
    let stage = Stage::new(3600.0).await;
    let server = server_with_keys(&stage).await;
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

/// An independent server on which each token is bound to a key and only a proof with that key, the server's nonce in it, revokes it.
async fn server_with_keys(stage: &Stage) -> OidcProvider {
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
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_proofs_of_possession_revokes_the_tokens_of_a_deleted_resource() {
    let stage = Stage::new(3600.0).await;
    let server = server_with_keys(&stage).await;
    let manifest = |name: &str, credentials: &str, more: &str| {
        let more = format!("{more}\n  dpop: {{}}\n  revocation: {{onDeletion: true}}");
        resource(name, server.issuer(), &more)
            .replace("tokenURL", "issuerURL")
            .replace("provider-ca", "independent-ca")
            .replace("secretName: client", &format!("secretName: {credentials}"))
    };
    let seed = server.consent(CLIENT_ID).await.unwrap();
    stage.apply(&with_token("with-family", &seed)).await;
    let operator = stage.operator(quick()).await;
    stage.apply(&manifest("family", "with-family", SPEC)).await;
    stage
        .apply(&manifest("single", "client", "  scopes: [read]"))
        .await;
    let mut tokens = Vec::new();
    for name in ["family", "single"] {
        stage.wait_for(name, "Ready", "True", "").await;
        let secret = stage.secret(&format!("{name}-token")).await.unwrap();
        tokens.push(secret["access_token"].clone());
    }
    let refresh = stage.state("family").await.unwrap()["refresh_token"].clone();
    tokens.push(refresh.clone());
    let active = async |token: &str| server.introspect(token).await.unwrap()["active"].clone();
    for token in &tokens {
        assert_eq!(active(token).await, true);
    }

    // Another process has no nonce of the server's: the first proof of each resource is refused for that, and repeated once.
    assert!(operator.terminate(SOON).await.unwrap().success());
    let _operator = stage.operator(quick()).await;
    for name in ["family", "single"] {
        let before = server.events().unwrap().len();
        stage.kubectl(&["delete", "oauthclient", name]).await;
        let events = server.events().unwrap();
        let told: Vec<String> = events[before..].iter().map(in_short).collect();
        let kind = match name {
            "family" => "RefreshToken",
            _ => "ClientCredentials",
        };
        // The server revokes the access token of a family with it.
        assert_eq!(told, ["use_dpop_nonce", kind], "{name}");
        let events = stage.events(name).await;
        assert!(
            !events.iter().any(|event| event.contains("Revocation")),
            "{events:?}"
        );
    }
    for token in &tokens {
        assert_eq!(active(token).await, false);
    }

    // Nobody gets a token for it any more.
    stage.apply(&with_token("revoked", &refresh)).await;
    stage.apply(&manifest("late", "revoked", SPEC)).await;
    stage
        .wait_for("late", "Stalled", "True", "ReauthorizationRequired")
        .await;
    let events = server.events().unwrap();
    assert_eq!(in_short(events.last().unwrap()), "invalid_grant");
}

/// The error code, or the kind of token that was revoked.
fn in_short(event: &Event) -> String {
    match event {
        Event::Refused { error } | Event::NotRevoked { error } | Event::Broken { error } => {
            error.clone()
        }
        Event::Revoked { kind, .. } => kind.clone(),
        Event::Granted { client } => client.clone(),
    }
}
