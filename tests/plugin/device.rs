//! Login by device against a scripted provider: every answer of RFC 8628 section 3.5.

use testkit::provider::Fault;

use super::code::{Stage, shows_nothing};

const CODE: &str = "canary-token-device-code";

fn answer(body: &str) -> Option<Fault> {
    Some(Fault::Answer {
        status: 200,
        content_type: "application/json".to_owned(),
        body: body.to_owned(),
        headers: Vec::new(),
    })
}

async fn stage(expires: u32) -> Stage {
    let stage = Stage::new().await;
    let body = format!(
        r#"{{"device_code": "{CODE}", "user_code": "WDJB-MJHT", "verification_uri": "https://login.example.com/device",
            "verification_uri_complete": "https://login.example.com/device?user_code=WDJB-MJHT", "expires_in": {expires}, "interval": 1}}"#
    );
    stage.provider.set_fault("/device", answer(&body));
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_waits_slows_down_when_told_and_gets_its_token() {
    let stage = stage(600).await;
    stage.provider.update("/token", |behaviour| {
        behaviour.faults = [
            Some(Fault::error("authorization_pending")),
            Some(Fault::status(503)),
            Some(Fault::error("slow_down")),
            None,
        ]
        .into_iter()
        .collect();
    });
    // So slow that the person is told what is waited for.
    stage
        .provider
        .update("/device", |behaviour| behaviour.latency_ms = 2500);
    let running = stage.login(&["--device"]);
    running.prints("WDJB-MJHT").await;
    running.prints("https://login.example.com/device").await;
    let ended = running.ended().await;
    shows_nothing(&ended);
    assert!(
        ended.err.contains("Waiting for the provider ..."),
        "{}",
        ended.err
    );
    ended.well();
    let asked = stage.provider.requests_to("/device").remove(0);
    assert_eq!(asked.form_value("scope").as_deref(), Some("read"));
    assert_eq!(asked.form_value("grant_type"), None);
    assert!(asked.header("authorization").is_some());
    let polls = stage.provider.requests_to("/token");
    assert_eq!(polls.len(), 4);
    for poll in &polls {
        assert_eq!(
            poll.form_value("grant_type").as_deref(),
            Some("urn:ietf:params:oauth:grant-type:device_code")
        );
        assert_eq!(poll.form_value("device_code").as_deref(), Some(CODE));
    }
    let gap = |from: usize, to: usize| polls[to].at.duration_since(polls[from].at).as_secs_f64();
    assert!(gap(2, 3) >= 6.0, "5 s more after slow_down");
    assert!(stage.rig.secret("api-login").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_else_the_provider_says_ends_it_in_plain_words() {
    for (code, words) in [
        ("access_denied", "access_denied: consent was declined"),
        ("expired_token", "was not typed in time"),
        ("invalid_grant", "invalid_grant"),
    ] {
        let stage = stage(600).await;
        stage.provider.set_fault("/token", Some(Fault::error(code)));
        let ended = stage.login(&["--device"]).ended().await;
        shows_nothing(&ended);
        ended.badly(1, words);
        assert_eq!(stage.provider.count("/token"), 1);
        assert!(stage.rig.secret("api-login").await.is_none());
    }
    let stage = stage(3).await;
    let pending = Fault::error("authorization_pending");
    stage.provider.set_fault("/token", Some(pending));
    let ended = stage.login(&["--device"]).ended().await;
    ended.badly(1, "the code was not entered within 3 s");
    stage
        .provider
        .set_fault("/device", Some(Fault::error("unauthorized_client")));
    let ended = stage.login(&["--device"]).ended().await;
    ended.badly(
        1,
        "The device authorization endpoint answered with unauthorized_client",
    );
}
