//! Tokens that are bound to a key: which key, kept when, and published to whom.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use crate::oauth::HttpRequest;
use crate::oauth::dpop::KEY;

const BOUND: &str = "  dpop: {}\n";

/// A resource without a token, with a generated key that is kept, if one is wanted.
fn seen(extra: &'static str) -> Observed {
    let mut seen = fresh(&Spec::extra(extra));
    seen.family.process = "this".into();
    seen
}

fn kept(seen: &mut Observed) -> Secret {
    let plan = plan(seen, 0);
    let Action::WriteState(body) = plan.action else {
        panic!("no key is kept: {:?}", plan.assessment.problem);
    };
    let state = applied(&body, seen.family.state.as_ref(), 7);
    let key = state.data[KEY].clone();
    seen.family.state = Some(state);
    key
}

fn request(seen: &mut Observed, now: i64) -> HttpRequest {
    match plan(seen, now).action {
        Action::Request(planned) => planned.request,
        _ => panic!("nothing is asked"),
    }
}

fn rotation(seen: &mut Observed, value: &str) {
    let spec = seen.resource.spec.as_mut().unwrap();
    spec.dpop.as_mut().unwrap().rotation = Some(value.into());
    seen.resource.inputs = inputs::of(spec).whole().to_owned();
}

fn proof(request: &HttpRequest) -> serde_json::Value {
    let found = request.headers.iter().find(|(name, _)| name == "dpop");
    let text = found.unwrap().1.expose().unwrap().to_owned();
    let part = text.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[test]
fn a_key_is_kept_before_anything_is_bound_to_it_and_then_proved() {
    let mut seen = seen(BOUND);
    kept(&mut seen);
    let url = "https://auth.example.com/token".parse().unwrap();
    seen.memory.family.note_nonce(nonce_of(&url, "n-1".into()));
    let request = request(&mut seen, 0);
    let claims = proof(&request);
    assert_eq!(claims["htm"], "POST");
    assert_eq!(claims["htu"], "https://auth.example.com/token");
    assert_eq!(
        (&claims["iat"], &claims["nonce"]),
        (&T0.into(), &"n-1".into())
    );
}

#[test]
fn a_new_key_is_made_when_it_is_asked_for_and_only_then() {
    let mut seen = seen(BOUND);
    let first = kept(&mut seen);
    request(&mut seen, 0);
    rotation(&mut seen, "2026-11-29");
    let second = kept(&mut seen);
    assert!(first != second);
    request(&mut seen, 0);
}

#[test]
fn a_key_of_ones_own_is_used_and_none_is_made() {
    let mut seen = seen(BOUND);
    let random = ring::rand::SystemRandom::new();
    let own = crate::oauth::dpop::generate(&random).unwrap();
    let credentials = seen.credentials.as_mut().unwrap();
    credentials.data.insert(KEY.into(), own);
    proof(&request(&mut seen, 0));
}

#[test]
fn a_damaged_key_of_ones_own_is_told_and_nothing_is_asked() {
    let mut seen = seen(BOUND);
    let credentials = seen.credentials.as_mut().unwrap();
    credentials.data.insert(KEY.into(), "rubbish".into());
    let plan = plan(&mut seen, 0);
    let problem = plan.assessment.problem.unwrap();
    assert!(
        problem
            .message()
            .contains("\"dpop_key\" is not a private key"),
        "{}",
        problem.message()
    );
    assert!(matches!(plan.action, Action::Nothing));
}

#[test]
fn a_forged_state_of_another_owner_gives_no_key() {
    let mut seen = seen(BOUND);
    kept(&mut seen);
    let state = seen.family.state.as_mut().unwrap();
    for owner in &mut state.owners {
        owner.uid = "somebody-else".into();
    }
    assert!(!matches!(plan(&mut seen, 0).action, Action::Request(_)));
}

#[test]
fn the_same_request_is_made_once_more_with_the_nonce_and_proofs_of_its_own() {
    let mut seen = seen(BOUND);
    kept(&mut seen);
    let first = proof(&request(&mut seen, 0));
    let answer = |code: &str| crate::oauth::HttpAnswer {
        status: 400,
        content_type: Some("application/json".into()),
        retry_after: None,
        headers: vec![("dpop-nonce".into(), "n-2".into())],
        body: Secret::from(format!(r#"{{"error":"{code}"}}"#)),
        sent: Default::default(),
    };
    let spec = seen.resource.spec.clone().unwrap();
    let again = |code| with_nonce(&seen, &spec, None, &answer(code), at(1));
    let second = proof(&again("use_dpop_nonce").unwrap());
    assert_eq!(second["nonce"], "n-2");
    assert_ne!(first["jti"], second["jti"]);
    assert!(again("invalid_client").is_none());
}

#[test]
fn a_nonce_goes_to_the_server_that_handed_it_out_and_to_no_other() {
    let mut seen = seen(BOUND);
    kept(&mut seen);
    for (url, is_given) in [
        ("https://auth.example.com/other", true),
        ("https://auth.example.com:8443/token", false),
        ("https://elsewhere.example.com/token", false),
    ] {
        seen.memory.family.dpop_nonces.clear();
        let nonce = nonce_of(&url.parse().unwrap(), "n-1".into());
        seen.memory.family.note_nonce(nonce);
        let claims = proof(&request(&mut seen, 0));
        assert_eq!(claims["nonce"] == "n-1", is_given, "{url}");
    }
    // The nonce of one server does not push out that of another.
    seen.memory.family.dpop_nonces.clear();
    for (url, nonce) in [
        ("https://auth.example.com/token", "n-1"),
        ("https://revoke.example.com/", "n-2"),
        ("https://auth.example.com/token", "n-3"),
        ("https://revoke.example.com/", "n-4"),
    ] {
        let nonce = nonce_of(&url.parse().unwrap(), nonce.into());
        seen.memory.family.note_nonce(nonce);
    }
    assert_eq!(proof(&request(&mut seen, 0))["nonce"], "n-3");
    for number in 0..100 {
        let url = format!("https://host-{number}.example.com/");
        let nonce = nonce_of(&url.parse().unwrap(), "n".into());
        seen.memory.family.note_nonce(nonce);
    }
    assert!(seen.memory.family.dpop_nonces.len() <= 4);
}
