use serde_json::json;

use super::*;
use crate::time::Time;

const NOW: Moment = Moment(Time::from_seconds(1_700_000_000));

fn behind(grant: serde_json::Value, conditions: serde_json::Value) -> Details {
    let resource: OAuthClient = serde_json::from_value(json!({
        "apiVersion": "oauthclient.dev/v1alpha1", "kind": "OAuthClient",
        "metadata": {"name": "api", "namespace": "shop"},
        "spec": {
            "provider": {"tokenURL": "https://auth.example.com/token", "clientCertificate": {"secretName": "client-tls"}},
            "grant": grant,
            "credentials": {"secretName": "client", "keys": {"nextClientSecret": "then"}},
            "tokenSecret": {"name": "api-token"},
        },
        "status": {
            "refreshToken": {"expirationTime": "2023-11-15T22:13:20Z"},
            "clientCertificate": {"expirationTime": "2023-11-15T22:13:20Z", "state": "ExpiresSoon"},
            "clientSecret": {"expirationTime": "2023-11-14T21:13:20Z", "state": "Expired"},
            "clientSecretKey": "then",
            "conditions": conditions,
        },
    }))
    .unwrap();
    Details::of(&resource, resource.status.as_ref().unwrap())
}

fn condition(kind: &str, reason: &str) -> serde_json::Value {
    json!([{"type": kind, "status": "True", "reason": reason, "message": "Words.",
            "lastTransitionTime": "2023-11-14T22:00:00Z"}])
}

fn refresh_token(reason: (&str, &str)) -> Details {
    behind(
        json!({"type": "refresh_token"}),
        condition(reason.0, reason.1),
    )
}

/// The one line of that name.
fn line(behind: &Details, name: &str) -> String {
    let lines = behind.lines(NOW);
    let mut found = lines.into_iter().filter(|(found, _)| *found == name);
    found.next().unwrap().1
}

fn login(new_secret: bool) -> Login {
    Login {
        secret: "api-login".to_owned(),
        logged_in_time: Some("2023-11-14T21:13:20Z".to_owned()),
        allowed_hosts: Some("auth.example.com".to_owned()),
        new_secret,
    }
}

#[test]
fn the_source_of_the_refresh_token_and_its_end_are_told() {
    let mut behind = refresh_token(("Ready", "TokenValid"));
    let end = "expires in 1 d (2023-11-15T22:13:20Z), unless it is used before";
    assert_eq!(line(&behind, "Refresh token"), format!("in use; {end}"));
    behind.refresh_token.as_mut().unwrap().set_login(None);
    let credentials = format!("from Secret client, key refresh_token; {end}");
    assert_eq!(line(&behind, "Refresh token"), credentials);
    behind
        .refresh_token
        .as_mut()
        .unwrap()
        .set_login(Some(login(true)));
    assert_eq!(
        line(&behind, "Refresh token"),
        format!("from the login; {end}")
    );
    assert_eq!(
        line(&behind, "Login"),
        "Secret api-login, created 1 h ago (2023-11-14T21:13:20Z), for auth.example.com"
    );
    behind
        .refresh_token
        .as_mut()
        .unwrap()
        .set_login(Some(login(false)));
    assert_eq!(line(&behind, "Refresh token"), credentials);
    assert!(
        line(&behind, "Login")
            .ends_with("kubectl label secret api-login -n shop oauthclient.dev/credentials=true")
    );
}

#[test]
fn what_only_a_login_mends_names_the_command() {
    for reason in [
        ("Stalled", "ReauthorizationRequired"),
        ("Reconciling", "AwaitingLogin"),
    ] {
        let mut behind = refresh_token(reason);
        behind
            .refresh_token
            .as_mut()
            .unwrap()
            .set_login(Some(login(true)));
        let line = line(&behind, "Refresh token");
        assert!(
            line.ends_with(": kubectl oauthclient login api -n shop"),
            "{line}"
        );
    }
}

#[test]
fn what_ends_besides_is_told_with_what_to_do() {
    let behind = refresh_token(("Ready", "TokenValid"));
    assert_eq!(
        line(&behind, "Certificate"),
        "expires soon, in 1 d (2023-11-15T22:13:20Z): put a new one into Secret client-tls"
    );
    assert_eq!(
        line(&behind, "Client secret"),
        "expired 1 h ago (2023-11-14T21:13:20Z): put the next one into Secret client under then"
    );
    let lines = behind.lines(NOW);
    let last = lines.last().unwrap();
    assert_eq!(
        last.1,
        "the provider accepts the one under then in Secret client"
    );
}

#[test]
fn a_resource_without_refresh_tokens_has_no_such_line() {
    let plain = behind(json!({}), condition("Ready", "TokenValid"));
    assert_eq!(plain.refresh_token, None);
    let grant = json!({"type": "password", "password": {"useRefreshToken": true}});
    let with_password = behind(grant, condition("Ready", "TokenValid"));
    assert!(line(&with_password, "Refresh token").starts_with("from user name and password"));
    let untold = behind(json!({"type": "refresh_token"}), json!([]));
    assert_eq!(untold.refresh_token, None, "nobody has looked at it yet");
}
