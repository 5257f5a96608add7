//! Somebody else's server (npm `oidc-provider`) agrees that what the operator sends is OAuth.

mod bound;
mod family;
mod mutual;

use testkit::oidc::{Client, Event, Method, OidcProvider, Options};
use testkit::tls::Authority;

use super::fleet::Fleet;
use super::harness::{CLIENT_ID, CLIENT_SECRET, SOON, Stage, Start, credentials, resource};

/// Everything printable that encodings go wrong on.
const SPECIAL: &str = "p+q%2F=&:/?#[]@!$'()*,;\"<>\\^`{|}~ \u{7e}";

#[tokio::test(flavor = "multi_thread")]
async fn an_independent_server_grants_by_basic_and_by_post_whatever_is_in_the_secret() {
    let stage = Stage::new(3600.0).await;
    let fleet = Fleet::of(&stage);
    let authority = Authority::new("independent").unwrap();
    let client = |id: &str, method| Client {
        id: id.to_owned(),
        secret: SPECIAL.to_owned(),
        method,
        ..Client::default()
    };
    let options = Options {
        clients: vec![
            client("user@example.com:basic +%", Method::ClientSecretBasic),
            client("user@example.com:post +%", Method::ClientSecretPost),
        ],
        lifetime_seconds: 16,
        ..Options::default()
    };
    let server = OidcProvider::start(options.clone(), Some(&authority))
        .await
        .unwrap();
    let _operator = stage.operator(Start::default()).await;
    stage
        .apply(&super::endpoint::trust("independent-ca", &authority))
        .await;
    let names = ["basic", "post"];
    for (name, client) in names.into_iter().zip(&options.clients) {
        stage
            .apply(&credentials(name, &client.id, &client.secret))
            .await;
        let more =
            format!("  scopes: [read]\n  clientAuthentication: {{method: client_secret_{name}}}");
        let manifest = resource(name, server.token_endpoint(), &more)
            .replace("secretName: client", &format!("secretName: {name}"))
            .replace("provider-ca", "independent-ca");
        stage.apply(&manifest).await;
    }
    let first = fleet.well(&names).await;
    // Through a refresh, each token is one that the server itself calls active.
    let second = fleet
        .until("both are refreshed", &names, SOON, |name, look| {
            look.token() != first[name].token()
        })
        .await;
    for (name, client) in names.into_iter().zip(&options.clients) {
        let told = server
            .introspect(second[name].token().unwrap())
            .await
            .unwrap();
        assert_eq!(told["active"], true, "{name}: {told}");
        assert_eq!(told["client_id"], client.id, "{name}");
        assert_eq!(told["scope"], "read", "{name}");
    }
    let events = server.events().unwrap();
    let granted = |event: &Event| matches!(event, Event::Granted { .. });
    assert!(events.iter().all(granted), "{events:?}");
    assert!((4..=8).contains(&events.len()), "{events:?}");

    // A refusal is reported with the provider's error code, and resolved by the right secret.
    stage
        .apply(&credentials("basic", &options.clients[0].id, "wrong"))
        .await;
    fleet
        .until(
            "the wrong secret is refused",
            &["basic"],
            SOON,
            |_, look| look.condition("RefreshFailing").reason == "InvalidClient",
        )
        .await;
    stage
        .apply(&credentials("basic", &options.clients[0].id, SPECIAL))
        .await;
    fleet
        .until("the right one is taken", &["basic"], SOON, |_, look| {
            look.is("RefreshFailing", "False") && look.is("Ready", "True")
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_that_an_independent_server_does_not_know_is_told_and_the_right_one_becomes_the_audience()
 {
    let stage = Stage::new(3600.0).await;
    let authority = Authority::new("independent targets").unwrap();
    let options = Options {
        clients: vec![Client {
            id: CLIENT_ID.to_owned(),
            secret: CLIENT_SECRET.to_owned(),
            ..Client::default()
        }],
        resource_indicators: true,
        ..Options::default()
    };
    let server = OidcProvider::start(options, Some(&authority))
        .await
        .unwrap();
    let _operator = stage.operator(Start::default()).await;
    stage
        .apply(&super::endpoint::trust("independent-ca", &authority))
        .await;
    let manifest = |target: &str| {
        let more = format!("  parameters: [{{name: resource, value: {target:?}}}]");
        resource("main", server.token_endpoint(), &more).replace("provider-ca", "independent-ca")
    };
    stage.apply(&manifest("https://elsewhere.example/")).await;
    let told = stage
        .wait_for("main", "Stalled", "True", "InvalidTarget")
        .await;
    assert!(told.contains("resource"), "{told}");
    for target in [
        "https://api.example.com/books",
        "https://api.example.com/orders",
    ] {
        stage.apply(&manifest(target)).await;
        stage
            .until("a token for it", || async {
                let data = stage.secret("main-token").await.unwrap_or_default();
                let Some(token) = data.get("access_token") else {
                    return false;
                };
                let about = server.introspect(token).await.unwrap();
                about["active"] == true && about["aud"] == target
            })
            .await;
        stage.wait_for("main", "Stalled", "False", "").await;
    }
    let events = server.events().unwrap();
    let granted = |event: &&Event| matches!(event, Event::Granted { .. });
    assert_eq!(events.iter().filter(granted).count(), 2, "{events:?}");
}
