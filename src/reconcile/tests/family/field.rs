//! Answers that providers and what stands before them give to a refresh token or a password in the field: how often the credential is
//! sent then, and what people read.

use super::*;

const REFRESH: &str = "  grant: {type: refresh_token}\n";
const PASSWORD: &str = "  grant: {type: password, password: {useRefreshToken: true}}\n";
/// Long enough for every backoff.
const HOURS: i64 = 30_000;

/// A resource with a token of an hour, at a provider that answers every refresh like this from then on; how often the refresh token was
/// sent until hours later, and what is said of it.
fn refreshed(answer: Sent) -> (usize, Option<String>, String) {
    let scene = Scene::family(REFRESH, None);
    scene.run(at(5));
    assert_eq!(scene.token().as_deref(), Some("token-1"));
    let before = scene.inner().family.sent.len();
    scene.inner().family.requests = vec![answer; 500].into();
    scene.run(at(HOURS));
    scene.restart();
    scene.run(at(2 * HOURS));
    let inner = scene.inner();
    let status = &inner.resource.as_ref().unwrap().status;
    let stalled = status.conditions.iter().find(|one| one.type_ == "Stalled");
    let reason = stalled.map(|one| one.reason.clone());
    let message = status.conditions.iter().map(|one| one.message.clone());
    let message = message.collect::<Vec<_>>().join(" ");
    (inner.family.sent.len() - before, reason, message)
}

#[test]
fn a_refresh_token_that_is_refused_in_any_words_is_sent_twice_at_most() {
    for (status, body, most) in [
        // Atlassian, Slack, HubSpot, and others without words.
        (
            403,
            r#"{"error":"unauthorized_client","error_description":"refresh_token is invalid"}"#,
            2,
        ),
        (200, r#"{"ok":false,"error":"invalid_refresh_token"}"#, 1),
        (400, r#"{"status":"BAD_REFRESH_TOKEN","message":"x"}"#, 1),
        (400, r#"{"error":"invalid_grant"}"#, 1),
        (401, r#"{"error":"invalid_grant"}"#, 1),
        (200, r#"{"Error":"Invalid-Grant"}"#, 1),
        (400, "", 2),
        (403, "", 2),
        (403, r#"{"error":"access_denied"}"#, 2),
        (400, r#"{"code":4711}"#, 2),
        (418, "teapot", 2),
        (423, "", 2),
        (451, "<html>", 2),
        (200, r#"{"ok":true}"#, 2),
        (
            200,
            r#"{"errcode":40030,"errmsg":"invalid refresh_token"}"#,
            2,
        ),
    ] {
        let (sent, reason, message) = refreshed(Sent::Raw(status, body));
        assert!(sent <= most, "{status} {body}: {sent}");
        assert_eq!(
            reason.as_deref(),
            Some("ReauthorizationRequired"),
            "{status} {body}"
        );
        assert!(
            !message.to_lowercase().contains("allow this grant"),
            "{message}"
        );
    }
}

#[test]
fn what_is_said_of_the_client_the_request_or_the_server_ends_no_family() {
    for (status, body) in [
        (401, r#"{"error":"invalid_client"}"#),
        (400, r#"{"error":"invalid_client"}"#),
        (400, r#"{"error":"invalid_scope"}"#),
        (400, r#"{"error":"invalid_request"}"#),
        (400, r#"{"error":"consent_required"}"#),
        (401, ""),
        (404, ""),
        (405, ""),
        (408, ""),
        (413, ""),
        (425, ""),
        (429, ""),
        (429, r#"{"error":"invalid_grant"}"#),
        (500, ""),
        (500, r#"{"error":"invalid_grant"}"#),
        (502, "<html>"),
        (503, r#"{"error":"invalid_grant"}"#),
        (503, r#"{"error":"invalid_client"}"#),
        (530, ""),
        (999, ""),
    ] {
        let (sent, reason, _) = refreshed(Sent::Raw(status, body));
        assert!(sent > 2, "{status} {body}: {sent}");
        assert_ne!(
            reason.as_deref(),
            Some("ReauthorizationRequired"),
            "{status} {body}"
        );
    }
}

#[test]
fn an_outage_after_a_lost_answer_does_not_use_up_the_second_try() {
    let html = Sent::Raw(200, "<html>Maintenance</html>");
    for outage in [
        vec![Sent::Raw(429, "")],
        vec![Sent::Raw(500, "")],
        vec![Sent::Raw(502, "")],
        vec![Sent::Raw(503, "")],
        vec![Sent::Unsent],
        vec![
            Sent::Raw(503, ""),
            Sent::Raw(429, ""),
            Sent::Unsent,
            Sent::Raw(500, ""),
        ],
    ] {
        let scene = Scene::family(REFRESH, None);
        scene.run(at(5));
        let mut fates = vec![Sent::Reset];
        fates.extend(outage.iter().copied());
        scene.inner().family.requests = fates.into();
        scene.run(at(HOURS));
        assert_eq!(scene.condition("Stalled"), None, "{outage:?}");
        let ready = scene.condition("Ready").map(|(ready, _)| ready);
        assert_eq!(ready, Some(true), "{outage:?}");
    }
    // What an intermediary says of nothing is no refusal of the token either.
    for outage in [[Sent::Raw(504, ""); 2], [html; 2]] {
        let scene = Scene::family(REFRESH, None);
        scene.run(at(5));
        scene.inner().family.requests = outage.to_vec().into();
        scene.run(at(HOURS));
        assert_eq!(scene.condition("Stalled"), None, "{outage:?}");
    }
}

/// How often a password was sent in the first minute, until hours later, and after a restart.
fn with_the_password(status: u16, body: &'static str) -> [usize; 3] {
    let scene = Scene::family(PASSWORD, None);
    if let Some(credentials) = &mut scene.inner().credentials {
        for (key, value) in [("username", "me"), ("password", "right")] {
            credentials.data.insert(key.into(), Secret::from(value));
        }
    }
    scene.inner().family.requests = vec![Sent::Raw(status, body); 500].into();
    let mut sent = Vec::new();
    for until in [60, HOURS, 2 * HOURS] {
        if until == 2 * HOURS {
            scene.restart();
        }
        scene.run(at(until));
        sent.push(scene.inner().requests as usize);
    }
    [sent[0], sent[1], sent[2]]
}

#[test]
fn a_password_is_sent_once_whatever_refuses_it() {
    for (status, body) in [
        // ServiceNow
        (
            401,
            r#"{"error":"server_error","error_description":"access_denied"}"#,
        ),
        (400, r#"{"error":"invalid_grant"}"#),
        (400, ""),
        (401, ""),
        (403, ""),
        (403, r#"{"error":"temporarily_unavailable"}"#),
        (404, ""),
        (409, ""),
        (422, ""),
        (423, ""),
        (200, ""),
        (200, "{}"),
        (200, "<html>Wrong password"),
        (200, r#"{"ok":false,"error":"wrong"}"#),
        (204, ""),
        (302, ""),
    ] {
        assert_eq!(
            with_the_password(status, body),
            [1, 1, 1],
            "{status} {body}"
        );
    }
    for status in [500, 502, 503, 504] {
        let [quick, ..] = with_the_password(status, "");
        assert!(quick <= 3, "{status}: {quick}");
    }
}
