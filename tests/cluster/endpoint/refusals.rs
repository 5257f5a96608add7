//! Refusals: each has its own reason and next step, and is retried accordingly.

use std::time::Duration;

use testkit::provider::{Account, Fault};

use super::*;

/// A password grant for the user `anna`, with credentials of its own.
fn password_manifests(stage: &Stage, password: &str) -> String {
    let manifest = resource(
        "password",
        &stage.provider.url(&path("password")),
        "  grant: {type: password}",
    );
    let manifest = manifest.replace("{secretName: client}", "{secretName: anna}");
    [user_credentials(password), manifest].join("---\n")
}

fn user_credentials(password: &str) -> String {
    let keys = format!("stringData: {{username: anna, password: {password:?}, ");
    credentials("anna", CLIENT_ID, CLIENT_SECRET).replace("stringData: {", &keys)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_never_tried_twice_not_even_by_a_restart() {
    let stage = Stage::new(3600.0).await;
    let fleet = Fleet::of(&stage);
    let operator = stage.operator(Start::default()).await;
    let mut behaviour = living(3600.0);
    behaviour.accepts.clients = vec![Account {
        users: [("anna".to_owned(), "right".to_owned())].into(),
        ..behaviour.accepts.clients[0].clone()
    }];
    endpoint(&stage.provider, "password", behaviour);
    stage.apply(&password_manifests(&stage, "wrong")).await;
    let stalled = |look: &super::super::fleet::Look| {
        let stalled = look.condition("Stalled");
        stalled.status == "True" && stalled.reason == "InvalidGrant"
    };
    let names = ["password"];
    let looks = fleet
        .until("it is refused", &names, SOON, |_, look| stalled(look))
        .await;
    let told = looks["password"].condition("RefreshFailing");
    assert!(told.message.contains("user name and password"), "{told:?}");
    assert!(
        told.message
            .contains("not retried until spec or credentials change"),
        "{told:?}"
    );
    assert!(looks["password"].status("/attempt/nextTime").is_none());
    // Not after the usual pauses, not because of labels, not because of a restart.
    stage.kubectl(&["label", "secret", "anna", "team=a"]).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    operator.kill();
    let _operator = stage.operator(Start::default()).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    stage
        .kubectl(&["label", "secret", "anna", "team=b", "--overwrite"])
        .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let requests = stage.provider.requests_to(&path("password"));
    assert_eq!(requests.len(), 1, "a wrong password may lock the account");
    assert_eq!(
        requests[0].form_value("grant_type").as_deref(),
        Some("password")
    );
    // The right one: at once.
    stage.apply(&user_credentials("right")).await;
    fleet.well(&names).await;
    assert_eq!(stage.provider.count(&path("password")), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_told_apart_and_a_mend_is_acted_on_at_once() {
    let stage = Stage::new(3600.0).await;
    let fleet = Fleet::of(&stage);
    let _operator = stage.operator(Start::default()).await;
    let mut strict = living(3600.0);
    strict.accepts.scopes = vec!["read".to_owned()];
    endpoint(&stage.provider, "scope", strict);
    for name in ["client", "grant", "target", "unknown", "living"] {
        endpoint(&stage.provider, name, living(3600.0));
    }
    let fault = |name: &str, fault| stage.provider.set_fault(&path(name), Some(fault));
    fault("grant", Fault::error("invalid_grant"));
    fault("target", Fault::error("invalid_target"));
    fault("unknown", Fault::error("invented_by_us"));
    let at = |name: &str| stage.provider.url(&path(name));
    stage
        .apply(&credentials("mistyped", CLIENT_ID, "mistyped"))
        .await;
    let manifests = [
        resource("client", &at("client"), "")
            .replace("{secretName: client}", "{secretName: mistyped}"),
        resource("scope", &at("scope"), "  scopes: [read, everything]"),
        resource("grant", &at("grant"), ""),
        resource("target", &at("target"), ""),
        resource("unknown", &at("unknown"), ""),
        resource("living", &at("living"), ""),
    ];
    stage.apply(&manifests.join("---\n")).await;
    fleet.well(&["living"]).await;
    // One that has a token loses its access: the token stays, and that is said.
    fault("living", Fault::error("unauthorized_client"));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let note = "oauthclient.dev/refresh-requested-at=now";
    stage
        .kubectl(&["annotate", "oauthclient", "living", note])
        .await;

    let cases = [
        (
            "client",
            "InvalidClient",
            "client id, client secret and spec.clientAuthentication",
        ),
        ("scope", "InvalidScope", "spec.scopes"),
        ("grant", "InvalidGrant", "spec.grant and spec.parameters"),
        ("target", "InvalidTarget", "resource and audience"),
        (
            "living",
            "UnauthorizedClient",
            "allow this grant for the client",
        ),
    ];
    let names = cases.map(|case| case.0);
    let reason = |name: &str| cases.iter().find(|case| case.0 == name).unwrap().1;
    let looks = fleet
        .until("each is told", &names, SOON, |name, look| {
            look.condition("RefreshFailing").reason == reason(name)
                && look.condition("Stalled").reason == reason(name)
        })
        .await;
    for (name, _, next_step) in cases {
        let told = looks[name].condition("RefreshFailing").message;
        assert!(told.contains(next_step), "{name}: {told}");
        let ready = looks[name].condition("Ready");
        if name == "living" {
            let until = looks[name].status("/token/expirationTime").unwrap();
            assert!(
                told.contains(&format!("stays valid until {until}")),
                "{told}"
            );
            assert_eq!(ready.status, "True");
        } else {
            assert_eq!(
                (ready.status.as_str(), ready.reason.as_str()),
                ("False", reason(name))
            );
        }
    }
    // A code of no registry is shown with its place, and passes for transient.
    let unknown = fleet
        .until("the unknown is told", &["unknown"], SOON, |_, look| {
            look.condition("RefreshFailing").reason == "RequestRefused"
        })
        .await;
    let told = unknown["unknown"].condition("RefreshFailing").message;
    assert!(told.contains("invented_by_us at /error"), "{told}");
    assert!(unknown["unknown"].is("Stalled", "False"));

    // Permanent ones are probed after a minute: not within these seconds.
    let count = |name: &str| stage.provider.count(&path(name));
    tokio::time::sleep(Duration::from_secs(7)).await;
    for name in names {
        let asked = if name == "living" { 2 } else { 1 };
        assert_eq!(count(name), asked, "{name}");
    }
    // Each is resolved differently, and that is noticed at once.
    stage
        .apply(&credentials("mistyped", CLIENT_ID, CLIENT_SECRET))
        .await;
    stage
        .apply(&resource("scope", &at("scope"), "  scopes: [read]"))
        .await;
    for name in ["grant", "target", "unknown", "living"] {
        stage.provider.set_fault(&path(name), None);
    }
    for name in ["grant", "target", "living"] {
        let note = "oauthclient.dev/refresh-requested-at=again";
        stage
            .kubectl(&["annotate", "--overwrite", "oauthclient", name, note])
            .await;
    }
    let all = ["client", "scope", "grant", "target", "unknown", "living"];
    fleet.well(&all).await;
    assert_eq!((count("client"), count("scope"), count("grant")), (2, 2, 2));
    fleet.told(&all, |_| "Normal Recovered".to_owned()).await;
}
