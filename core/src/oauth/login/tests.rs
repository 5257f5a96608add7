use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use url::Url;

use super::device::{self, Poll, PollInterval};
use super::redirect::{self, Expected, Redirect};
use super::*;
use crate::oauth::{HttpAnswer, ResponseShape};
use crate::time::{Span, Time};

const NOW: Time = Time::from_seconds(1_700_000_000);

fn proof() -> Proof {
    let mut random = [1; 96];
    random[32..64].fill(2);
    random[64..].fill(3);
    Proof::new(&random)
}

#[test]
fn the_challenge_is_the_one_of_rfc_7636_appendix_b() {
    let proof = Proof {
        verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".into(),
        state: String::new(),
        nonce: String::new(),
    };
    assert_eq!(
        proof.challenge(),
        "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    );
}

#[test]
fn verifier_state_and_nonce_have_nothing_in_common() {
    let proof = proof();
    assert_eq!(proof.verifier.len(), 43);
    assert!(proof.state != proof.nonce && proof.verifier.expose() != Some(&proof.state));
}

#[test]
fn the_browser_is_sent_off_with_everything_and_the_endpoints_own_query() {
    let endpoint = Url::parse("https://auth.example/authorize?tenant=a%20b").unwrap();
    let parameters = [("access_type".to_owned(), "offline".to_owned())];
    let mut request = AuthorizationRequest {
        endpoint: &endpoint,
        client_id: "me & you",
        redirect_uri: "http://127.0.0.1:8400/callback",
        scope: "openid read",
        parameters: &parameters,
    };
    let proof = proof();
    let url = request.url(&proof);
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "tenant",
            "response_type",
            "client_id",
            "redirect_uri",
            "scope",
            "state",
            "code_challenge",
            "code_challenge_method",
            "nonce",
            "access_type"
        ]
    );
    assert_eq!(pairs[2].1, "me & you");
    assert!(!url.as_str().contains(proof.verifier.expose().unwrap()));
    request.scope = "read";
    assert!(!request.url(&proof).as_str().contains("nonce="));
}

fn expected<'a>(endpoint: &'a Url, issuer: Option<&'a str>, promised: bool) -> Expected<'a> {
    Expected {
        state: "right",
        issuer,
        issuer_promised: promised,
        endpoint,
    }
}

fn word(redirect: &Redirect) -> String {
    match redirect {
        Redirect::Code(code) => format!("code {}", code.expose().unwrap()),
        Redirect::Refused(refusal) => format!("refused {:?}", refusal.code()),
        Redirect::Foreign => "foreign".to_owned(),
        Redirect::OtherIssuer => "other issuer".to_owned(),
        Redirect::Malformed => "malformed".to_owned(),
    }
}

#[test]
fn only_an_answer_with_the_right_state_is_looked_at() {
    let endpoint = Url::parse("https://auth.example/authorize").unwrap();
    let expected = expected(&endpoint, None, false);
    for (query, wanted) in [
        ("code=a%2Bb&state=right", "code a+b"),
        ("code=a", "foreign"),
        ("code=a&state=wrong", "foreign"),
        ("error=access_denied&state=wrong", "foreign"),
        ("error=access_denied", "foreign"),
        (
            "error=access_denied&state=right",
            "refused Some(\"access_denied\")",
        ),
        (
            "error=%3Cb%3E&error_description=x&state=right",
            "refused None",
        ),
        ("code=a&code=b&state=right", "malformed"),
        ("code=a&error=access_denied&state=right", "malformed"),
        ("code=&state=right", "malformed"),
        ("code=a%0Ab&state=right", "malformed"),
        ("state=right", "malformed"),
        ("code=a&state=right&state=right", "malformed"),
        ("", "foreign"),
    ] {
        assert_eq!(word(&redirect::read(query, &expected)), wanted, "{query}");
    }
}

#[test]
fn the_issuer_of_an_answer_must_be_the_one_that_was_asked() {
    let endpoint = Url::parse("https://auth.example/authorize").unwrap();
    let query = |iss: &str| format!("code=a&state=right{iss}");
    let known = expected(&endpoint, Some("https://auth.example/shop"), false);
    for (iss, fits) in [
        ("&iss=https%3A%2F%2Fauth.example%2Fshop", true),
        ("&iss=https%3A%2F%2Fauth.example%2Fshop%2F", false),
        ("&iss=https%3A%2F%2Fevil.example%2Fshop", false),
        ("", true),
    ] {
        let code = matches!(redirect::read(&query(iss), &known), Redirect::Code(_));
        assert_eq!(code, fits, "{iss}");
    }
    let promised = expected(&endpoint, Some("https://auth.example/shop"), true);
    assert_eq!(
        word(&redirect::read(&query(""), &promised)),
        "other issuer",
        "left out where it was promised"
    );
    let unknown = expected(&endpoint, None, false);
    for (iss, fits) in [
        ("&iss=https%3A%2F%2Fauth.example%2Fany", true),
        ("&iss=https%3A%2F%2Fevil.example", false),
        ("&iss=http%3A%2F%2Fauth.example", false),
        ("&iss=nonsense", false),
    ] {
        let code = matches!(redirect::read(&query(iss), &unknown), Redirect::Code(_));
        assert_eq!(code, fits, "{iss}");
    }
}

fn id_token(claims: &Value) -> Value {
    let part = URL_SAFE_NO_PAD.encode(claims.to_string());
    json!({ "id_token": format!("e30.{part}.sig") })
}

#[test]
fn an_id_token_of_another_login_client_or_issuer_is_noticed() {
    let check = |claims: Value| check_id_token(&id_token(&claims), "n", "me", Some("https://i"));
    let right = json!({"nonce": "n", "aud": "me", "iss": "https://i"});
    assert_eq!(check(right), Ok(()));
    assert_eq!(
        check(json!({"nonce": "n", "aud": ["x", "me"], "iss": "https://i"})),
        Ok(())
    );
    assert!(check(json!({"aud": "me", "iss": "https://i"})).is_err());
    assert!(check(json!({"nonce": "o", "aud": "me", "iss": "https://i"})).is_err());
    assert!(check(json!({"nonce": "n", "aud": "you", "iss": "https://i"})).is_err());
    assert!(check(json!({"nonce": "n", "aud": "me", "iss": "https://j"})).is_err());
    assert_eq!(check_id_token(&json!({}), "n", "me", None), Ok(()));
    assert!(check_id_token(&json!({"id_token": "x"}), "n", "me", None).is_err());
}

fn answer(status: u16, body: &str) -> HttpAnswer {
    HttpAnswer {
        headers: Vec::new(),
        status,
        content_type: Some("application/json".to_owned()),
        retry_after: None,
        body: body.into(),
        sent: Default::default(),
    }
}

#[test]
fn the_answer_for_a_device_is_that_of_rfc_8628_section_3_2() {
    let body = r#"{"device_code": "GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS", "user_code": "WDJB-MJHT",
        "verification_uri": "https://example.com/device",
        "verification_uri_complete": "https://example.com/device?user_code=WDJB-MJHT", "expires_in": 1800, "interval": 5}"#;
    let code = device::decode(&answer(200, body), NOW).ok().unwrap();
    assert_eq!(code.user_code, "WDJB-MJHT");
    assert_eq!(code.verification_uri.as_str(), "https://example.com/device");
    assert!(code.verification_uri_complete.is_some());
    assert_eq!(
        (code.life, code.interval),
        (Span::from_seconds(1800), Span::from_seconds(5))
    );
    let short = r#"{"device_code": "d", "user_code": "u", "verification_url": "https://google.example/device", "expires_in": "60"}"#;
    let code = device::decode(&answer(200, short), NOW).ok().unwrap();
    assert_eq!(
        (code.life, code.interval),
        (Span::from_seconds(60), Span::from_seconds(5))
    );
}

#[test]
fn what_could_not_be_shown_is_refused() {
    for body in [
        r#"{"user_code": "u", "verification_uri": "https://x.example"}"#,
        r#"{"device_code": "d", "verification_uri": "https://x.example"}"#,
        r#"{"device_code": "d", "user_code": "\u001b[2J", "verification_uri": "https://x.example"}"#,
        r#"{"device_code": "d", "user_code": "u", "verification_uri": "javascript:alert(1)"}"#,
        r#"{"device_code": "d", "user_code": "u"}"#,
        r#"{"error": "unauthorized_client"}"#,
        "<html>",
        "",
    ] {
        assert!(device::decode(&answer(200, body), NOW).is_err(), "{body}");
    }
    let refused = device::decode(&answer(400, r#"{"error": "invalid_scope"}"#), NOW);
    assert_eq!(refused.err().unwrap().reason(), "InvalidScope");
}

#[test]
fn a_poll_means_what_rfc_8628_section_3_5_says() {
    let shape = ResponseShape::default();
    let word = |status: u16, body: &str| match device::polled(&shape, &answer(status, body), NOW) {
        Poll::Granted(_) => "granted",
        Poll::Pending => "pending",
        Poll::SlowDown => "slow down",
        Poll::Denied => "denied",
        Poll::Expired => "expired",
        Poll::Unavailable => "unavailable",
        Poll::Failed(_) => "failed",
    };
    for (status, body, wanted) in [
        (400, r#"{"error": "authorization_pending"}"#, "pending"),
        (200, r#"{"error": "authorization_pending"}"#, "pending"),
        (428, r#"{"error": "authorization_pending"}"#, "pending"),
        (400, r#"{"error": "slow_down"}"#, "slow down"),
        (403, r#"{"error": "access_denied"}"#, "denied"),
        (400, r#"{"error": "expired_token"}"#, "expired"),
        (503, "", "unavailable"),
        (400, r#"{"error": "invalid_grant"}"#, "failed"),
        (200, r#"{"access_token": "a"}"#, "granted"),
    ] {
        assert_eq!(word(status, body), wanted, "{status} {body}");
    }
    let pace = PollInterval::new(Span::from_seconds(5));
    assert_eq!(pace.slower().slower().pause(), Span::from_seconds(15));
    let mut backed_off = pace;
    for _ in 0..10 {
        backed_off = backed_off.backed_off();
    }
    assert_eq!(backed_off.pause(), Span::from_seconds(60));
}

#[test]
fn a_refresh_token_is_taken_only_as_text_that_can_be_sent() {
    let shape = ResponseShape::default();
    assert!(refresh_token(&shape, &Document(json!({"refresh_token": "r"}))).is_some());
    for document in [
        json!({}),
        json!({"refresh_token": null}),
        json!({"refresh_token": ""}),
        json!({"refresh_token": 1}),
        json!({"refresh_token": "a\nb"}),
    ] {
        assert!(
            refresh_token(&shape, &Document(document.clone())).is_none(),
            "{document}"
        );
    }
}
