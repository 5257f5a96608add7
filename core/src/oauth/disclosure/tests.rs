use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::*;

const SECRET: &str = "c4n/ry+s3cr\"et%&é";

fn sent(value: &str) -> SentSecrets {
    let mut sent = SentSecrets::default();
    sent.add_key("client_secret", true, value);
    sent
}

fn finds(value: &str, text: &str) -> bool {
    sent(value).finder().find(text).is_some()
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

fn form(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[test]
fn a_secret_is_found_in_every_form_and_at_every_place() {
    for before in ["", "a", "ab", "abc", "client_secret="] {
        for after in ["", "x", "yz", "&scope=read"] {
            let whole = format!("{before}{SECRET}{after}");
            let body = format!("{before}{}{after}", form(SECRET));
            for text in [
                whole.clone(),
                percent(&whole),
                percent(&percent(&whole)),
                body.clone(),
                serde_json::Value::from(whole.as_str()).to_string(),
                STANDARD.encode(&whole),
                URL_SAFE_NO_PAD.encode(&whole),
                STANDARD.encode(&body),
                percent(&STANDARD.encode(&whole)),
                format!("Basic {}", STANDARD.encode(&whole)),
                STANDARD.encode(serde_json::Value::from(whole.as_str()).to_string()),
                URL_SAFE_NO_PAD.encode(serde_json::json!({"claim": whole}).to_string()),
            ] {
                assert!(finds(SECRET, &text), "{text}");
            }
        }
    }
}

#[test]
fn a_short_secret_counts_where_a_text_equals_it_and_nowhere_else() {
    assert!(finds("abc", "abc"));
    assert!(finds("abc", "YWJj"));
    assert!(!finds("abc", "abcd"));
    assert!(!finds("abc", "read abc write"));
    assert!(finds("abcdef", "xabcdefx"));
}

#[test]
fn other_text_holds_no_secret() {
    for text in [
        "",
        "read write",
        "c4n/ry",
        "Bearer",
        &"x".repeat(5000),
        "%",
        "%zz\\",
        "\\u12",
    ] {
        assert!(!finds(SECRET, text), "{text}");
    }
    assert!(SentSecrets::default().finder().find(SECRET).is_none());
}

#[test]
fn a_token_may_come_back_as_it_is_and_a_proof_may_not() {
    let mut sent = sent(SECRET);
    sent.add(SecretKind::Token, "refresh-token-1");
    sent.add_key("tenant", false, "contoso.example");
    let finder = sent.finder();
    let is_token = |text: &str| finder.find_in_token(text).is_none();
    assert!(is_token("refresh-token-1"));
    assert!(is_token("a new one"));
    assert!(is_token("contoso.example"));
    assert!(!is_token(SECRET));
    assert!(!is_token(&format!("secret={SECRET}")));
    assert!(!is_token(
        "grant_type=refresh_token&refresh_token=refresh-token-1"
    ));
}

#[test]
fn a_key_that_is_called_a_secret_stays_one_whatever_a_resource_uses_it_for() {
    let mut sent = SentSecrets::default();
    sent.add_key("client_secret", false, "something long");
    assert!(sent.finder().find_in_token("something long").is_some());
}

#[test]
fn what_its_owner_discloses_is_no_secret() {
    let mut sent = sent("same-value");
    sent.add_key("id", false, "same-value");
    sent.add_key("other", false, "another");
    sent.disclose([&Secret::from("same-value\n")]);
    let left: Vec<_> = sent.iter().map(|sent| sent.value.expose()).collect();
    assert_eq!(left, [Some("another")]);
}

#[test]
fn text_in_many_forms_at_once_costs_little_and_counts_as_hiding_a_secret() {
    let layers = [
        r"\u0025", "%2b", "%5c", "+", "%25", r"\u005c", "%255c", r"\u002b",
    ];
    let mut text = String::new();
    for number in 0..4096 {
        text.push_str(layers[number % layers.len()]);
        text.push_str(layers[(number / 8) % layers.len()]);
    }
    let forms = forms(&text);
    assert!(forms.count() <= 16);
    assert!(finds(SECRET, &text));
    // What one meets is in fewer forms.
    for honest in [
        "https://auth.example.com/x?a=b%20c+d&e=%2Bf",
        r#"{"url":"https:\/\/a.example\/?q=a%2Bb+c\u0026d"}"#,
        "read:books+write:books%20all",
    ] {
        assert!(!finds(SECRET, honest), "{honest}");
    }
}

#[test]
fn numbers_are_compared_as_json_writes_them() {
    assert!(sent("3600").finder().find_in_number("3600"));
    assert!(!sent("3600").finder().find_in_number("36001"));
    assert!(sent("12345678").finder().find_in_number("1123456789"));
}
