use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::api::{manifest, validate};
use crate::engine::ANY_INPUTS;

fn smallest() -> Value {
    json!({
        "provider": {"tokenURL": "https://auth.example.com/token"},
        "credentials": {"secretName": "client"},
        "tokenSecret": {"name": "token"},
    })
}

fn inputs(spec: &Value) -> Inputs {
    let manifest = json!({
        "apiVersion": "oauthclient.dev/v1alpha1", "kind": "OAuthClient", "metadata": {"name": "a"}, "spec": spec,
    });
    let resource = manifest::parse_manifest(&manifest.to_string())
        .unwrap_or_else(|problems| panic!("{manifest}: {}", problems[0]));
    of(&validate(&resource).unwrap_or_else(|problems| panic!("{manifest}: {}", problems[0])))
}

/// Sets the value at a path, and creates the maps on the way.
fn with(mut spec: Value, path: &str, value: Value) -> Value {
    let mut here = &mut spec;
    for step in path.split('.') {
        here = &mut here[step];
    }
    *here = value;
    spec
}

#[test]
fn what_is_absent_and_what_is_its_default_are_equal() {
    let spelled_out = json!({
        "provider": {"tokenURL": "https://auth.example.com:443/token", "timeoutSeconds": 10},
        "grant": {"type": "client_credentials"},
        "clientAuthentication": {"method": "client_secret_basic", "clientSecretBasic": {"encoding": "FormEncoded"}},
        "credentials": {"secretName": "client", "keys": {"clientID": "client_id", "clientSecret": "client_secret"}},
        "scopes": [], "parameters": [],
        "request": {"format": "form", "method": "POST", "headers": [], "scopeSeparator": " "},
        "response": {"accessTokenPointer": "/access_token", "tokenTypePointer": "/token_type"},
        "refresh": {"assumedLifetimeSeconds": 3300, "tokenReuse": "Independent"},
        "tokenSecret": {"name": "token", "type": "Opaque", "data": {}},
        "suspend": false,
    });
    assert_eq!(inputs(&smallest()), inputs(&spelled_out));
}

#[test]
fn where_the_refresh_token_stands_is_how_an_answer_is_read() {
    let plain = with(smallest(), "grant.type", json!("refresh_token"));
    let moved = |pointer: &str| {
        let pointer = json!(pointer);
        inputs(&with(
            plain.clone(),
            "response.refreshTokenPointer",
            pointer,
        ))
    };
    assert_eq!(inputs(&plain), moved("/refresh_token"));
    assert_eq!(inputs(&plain).sent(), moved("/data/token").sent());
    assert_ne!(inputs(&plain).whole(), moved("/data/token").whole());
}

#[test]
fn orders_without_a_meaning_are_equal() {
    let one = json!([{"name": "a", "value": "1"}, {"name": "b", "value": "2"}]);
    let two = json!([{"name": "b", "value": "2"}, {"name": "a", "value": "1"}]);
    for path in ["parameters", "request.headers"] {
        assert_eq!(
            inputs(&with(smallest(), path, one.clone())),
            inputs(&with(smallest(), path, two.clone()))
        );
    }
    assert_eq!(
        inputs(&with(smallest(), "scopes", json!(["a", "b"]))),
        inputs(&with(smallest(), "scopes", json!(["b", "a"])))
    );
}

#[test]
fn the_order_of_a_repeated_parameter_counts() {
    let list = |a, b| json!([{"name": "resource", "value": a}, {"name": "resource", "value": b}]);
    assert_ne!(
        inputs(&with(smallest(), "parameters", list("x", "y"))),
        inputs(&with(smallest(), "parameters", list("y", "x")))
    );
}

#[test]
fn what_is_not_sent_and_not_rendered_asks_for_nothing() {
    for (path, value) in [
        ("suspend", json!(true)),
        ("provider.timeoutSeconds", json!(30)),
        ("provider.caBundle", json!({"configMapName": "ca"})),
        ("refresh.beforeSeconds", json!(600)),
        ("refresh.assumedLifetimeSeconds", json!(60)),
        ("refresh.tokenReuse", json!("InvalidatesPrevious")),
        ("refresh.cacheWindowSeconds", json!(600)),
        ("tokenSecret.name", json!("other")),
        ("tokenSecret.labels", json!({"a": "b"})),
        ("tokenSecret.annotations", json!({"a": "b"})),
        ("credentials.keys.username", json!("user")),
        ("request.scopeSeparator", json!(",")),
    ] {
        assert_eq!(
            inputs(&smallest()),
            inputs(&with(smallest(), path, value)),
            "{path}"
        );
    }
}

#[test]
fn a_changed_template_changes_the_whole_but_not_what_is_sent() {
    let plain = inputs(&smallest());
    for (path, value) in [
        ("tokenSecret.data", json!({"a": "{{ access_token }}"})),
        ("tokenSecret.type", json!("example.com/token")),
        ("response.accessTokenPointer", json!("/token")),
        (
            "response.expiry",
            json!({"pointer": "/expires_in", "unit": "Seconds"}),
        ),
    ] {
        let changed = inputs(&with(smallest(), path, value));
        assert_eq!(plain.sent(), changed.sent(), "{path}");
        assert_ne!(plain.whole(), changed.whole(), "{path}");
    }
}

#[test]
fn of_an_assertion_everything_counts_that_the_provider_sees_but_not_how_a_default_is_written() {
    let signing = with(
        smallest(),
        "clientAuthentication.method",
        json!("private_key_jwt"),
    );
    let granting = with(
        with(smallest(), "clientAuthentication.method", json!("none")),
        "grant.type",
        json!("urn:ietf:params:oauth:grant-type:jwt-bearer"),
    );
    for (plain, place) in [
        (signing, "clientAuthentication.privateKeyJWT"),
        (granting, "grant.jwtBearer"),
    ] {
        let set = |name: &str, value: Value| {
            inputs(&with(plain.clone(), &format!("{place}.{name}"), value))
        };
        for (name, value) in [
            ("lifetimeSeconds", json!(60)),
            ("backdateSeconds", json!(3)),
            ("headerType", json!("JWT")),
            ("audienceFrom", json!("TokenURL")),
        ] {
            assert_eq!(inputs(&plain), set(name, value), "{place}.{name}");
        }
        for (name, value) in [
            ("lifetimeSeconds", json!(120)),
            ("backdateSeconds", json!(0)),
            ("headerType", json!("x")),
            ("audience", json!("https://auth.example.com")),
            ("algorithm", json!("PS256")),
            ("keyID", json!("a")),
        ] {
            assert_ne!(
                inputs(&plain).sent(),
                set(name, value).sent(),
                "{place}.{name}"
            );
        }
    }
}

#[test]
fn the_form_of_this_version_does_not_change_unnoticed() {
    // A new value here means that an upgrade requests every token again: give FORMAT a new name instead.
    assert_eq!(
        inputs(&smallest()).whole(),
        "v1:552ab43f3eec66fe2e47a221c5312c6c"
    );
}

#[test]
fn an_unknown_format_matches_everything() {
    assert_eq!(short("v2:00112233445566778899aabbccddeeff"), ANY_INPUTS);
    assert_eq!(short(""), ANY_INPUTS);
    assert_eq!(
        short("v1:00112233445566778899aabbccddeeff"),
        0x0011_2233_4455_6677
    );
    assert_eq!(short("v1:00000000000000000000000000000000"), 1);
    assert_ne!(short("v1:ffffffffffffffffffffffffffffffff"), ANY_INPUTS);
}

/// A change of what is sent, as a path and its value.
fn change() -> impl Strategy<Value = (&'static str, Value)> {
    let word = "[a-z][a-z0-9]{0,8}";
    prop_oneof![
        word.prop_map(|w| (
            "provider.tokenURL",
            json!(format!("https://{w}.example.com/token"))
        )),
        word.prop_map(|w| ("grant.type", json!(format!("urn:{w}")))),
        Just(("grant.type", json!("password"))),
        prop_oneof![Just("client_secret_post"), Just("none")]
            .prop_map(|m| ("clientAuthentication.method", json!(m))),
        Just((
            "clientAuthentication.clientSecretBasic",
            json!({"encoding": "Raw"})
        )),
        word.prop_map(|w| ("credentials.secretName", json!(format!("x{w}")))),
        word.prop_map(|w| ("credentials.keys.clientID", json!(w))),
        word.prop_map(|w| ("credentials.keys.clientSecret", json!(w))),
        proptest::collection::btree_set(word, 1..4).prop_map(|s| ("scopes", json!(s))),
        (word, word).prop_map(|(n, v)| ("parameters", json!([{"name": n, "value": v}]))),
        (word, word).prop_map(|(n, v)| ("parameters", json!([{"name": n, "credentialsKey": v}]))),
        (word, word).prop_map(|(n, v)| (
            "request.headers",
            json!([{"name": format!("x-{n}"), "value": v}])
        )),
        Just(("request.format", json!("json"))),
        Just(("request.format", json!("query"))),
        Just(("request.method", json!("PUT"))),
    ]
}

proptest! {
    #[test]
    fn equal_specs_are_equal_and_any_change_of_what_is_sent_shows(a in change(), b in change()) {
        let (first, second) = (with(smallest(), a.0, a.1.clone()), with(smallest(), b.0, b.1.clone()));
        prop_assert_eq!(inputs(&first), inputs(&first.clone()));
        prop_assert_ne!(inputs(&first).sent().to_owned(), inputs(&smallest()).sent().to_owned());
        prop_assert_eq!(a == b, inputs(&first).sent() == inputs(&second).sent());
        prop_assert_eq!(a == b, inputs(&first).whole() == inputs(&second).whole());
    }
}
