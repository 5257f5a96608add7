//! Random resources around the same secrets: every field that takes a key, a pointer, a URL, a name or a template.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::TestRunner;

use super::*;

const CASES: u32 = 10_000;

const METHODS: [&str; 4] = [
    "client_secret_basic",
    "client_secret_post",
    "client_secret_jwt",
    "none",
];
const GRANTS: [&str; 3] = ["client_credentials", "password", "urn:example:custom"];
const URLS: [&str; 6] = [
    "https://auth.example.com/token",
    "https://auth.example.com/token?a=b",
    "https://auth.example.com:8443/token",
    "https://xn--bcher-kva.example/token",
    "https://x'$(id).example/t",
    "https://x;id;x.example/t",
];

/// Places of a response, and some that are not there.
fn pointer() -> impl Strategy<Value = String> {
    let steps = vec![
        "/access_token",
        "/refresh_token",
        "/id_token",
        "/token_type",
        "/expires_in",
        "/scope",
        "/plain",
        "/nested",
        "/nested/session_token",
        "/nested/scope",
        "/nested/list/0",
        "/nested/list/1/scopes",
        "/scopes/a",
        "/scopes/b",
        "/echo",
        "/echo/body",
        "/echo/base64",
        "/echo/url",
        "/echo/headers",
        "/echo/headers/2",
        "/echo/text",
        "/echo/scope",
        "/echo/parts",
        "/echo/parts/n0",
        "/echo/parts/p1",
        "/echo/parts/v2",
        "/echo/parts/n3",
        "/echo/parts/p4",
        "/echo/parts/v5",
        "/headers/x-echo",
        "/headers/x-scopes",
        "/headers/x-session-token",
        "/nothing",
        "",
    ];
    select(steps).prop_map(str::to_owned)
}

fn key() -> impl Strategy<Value = String> {
    select(KEYS.map(|(key, _)| key.to_owned()).to_vec())
}

/// A template out of pieces.
fn template() -> impl Strategy<Value = String> {
    let path = pointer().prop_map(|pointer| {
        let steps = pointer
            .split('/')
            .skip(1)
            .map(|step| match step.parse::<usize>() {
                Ok(index) => format!("[{index}]"),
                Err(_) => format!("['{step}']"),
            });
        format!("response{}", steps.collect::<String>())
    });
    let value = prop_oneof![
        20 => path,
        1 => key().prop_map(|key| format!("credentials.{key}")),
        1 => key().prop_map(|key| format!("credentials['{key}']")),
        8 => select(vec!["access_token", "token_type", "scope", "expires_at"]).prop_map(str::to_owned),
    ];
    let filter = select(vec![
        "",
        " | upper",
        " | lower",
        " | trim",
        " | b64encode",
        " | tojson",
        " | default('')",
        "[3:]",
    ]);
    let piece = (value, filter, 0..4_u8).prop_map(|(value, filter, how)| match how {
        0 => format!("{{% for c in {value} %}}{{{{ c }}}}{{% endfor %}}"),
        1 => format!("{{% set v = {value} %}}{{{{ v{filter} }}}}"),
        2 => format!("{{{{ ({value} ~ 'x'){filter} }}}}"),
        _ => format!("{{{{ {value}{filter} }}}}"),
    });
    prop::collection::vec(piece, 1..3).prop_map(|pieces| pieces.concat())
}

fn response_fields() -> impl Strategy<Value = Value> {
    let named =
        |name: &'static str| prop::option::weighted(0.3, pointer()).prop_map(move |to| (name, to));
    let units = [
        "Seconds",
        "Milliseconds",
        "EpochSeconds",
        "EpochMilliseconds",
        "RFC3339",
    ];
    let expiry = prop::option::weighted(0.3, (pointer(), select(units.to_vec())));
    let success = prop::option::weighted(
        0.1,
        (pointer(), select(vec!["true", "plain", "86753098675309"])),
    );
    let errors = prop::option::weighted(
        0.1,
        (pointer(), select(vec!["plain", "86753098675309", "read"])),
    );
    let plain = (
        named("accessTokenPointer"),
        named("tokenTypePointer"),
        named("scopePointer"),
        named("refreshTokenPointer"),
        named("errorPointer"),
    );
    (plain, expiry, success, errors).prop_map(|((a, b, c, d, e), expiry, success, errors)| {
        let mut fields = serde_json::Map::new();
        let reads_body = a.1.as_deref() != Some("");
        if reads_body && !matches!(b.1.as_deref(), Some("/nothing")) {
            fields.insert(
                "headers".into(),
                json!(["X-Echo", "X-Scopes", "X-Session-Token"]),
            );
        }
        for (name, pointer) in [a, b, c, d, e] {
            if let Some(pointer) = pointer {
                fields.insert(name.into(), json!(pointer));
            }
        }
        if let Some((pointer, unit)) = expiry {
            fields.insert("expiry".into(), json!({"pointer": pointer, "unit": unit}));
        }
        if let Some((pointer, value)) = success {
            fields.insert(
                "success".into(),
                json!({"pointer": pointer, "value": value}),
            );
        }
        if let Some((pointer, value)) = errors {
            let error =
                json!({"pointer": pointer, "values": [value], "means": "ReauthorizationRequired"});
            fields.insert("errors".into(), json!([error]));
        }
        Value::Object(fields)
    })
}

fn keys() -> impl Strategy<Value = Value> {
    let names = [
        "clientID",
        "clientSecret",
        "username",
        "password",
        "privateKey",
        "refreshToken",
        "nextClientSecret",
    ];
    let chosen = subsequence(names.to_vec(), 0..4);
    (chosen, prop::collection::vec(key(), 4)).prop_map(|(names, keys)| {
        let pairs = names.into_iter().zip(keys);
        Value::Object(
            pairs
                .map(|(name, key)| (name.to_owned(), json!(key)))
                .collect(),
        )
    })
}

fn spec() -> impl Strategy<Value = Value> {
    let request = (
        select(METHODS.to_vec()),
        select(GRANTS.to_vec()),
        select(URLS.to_vec()),
        select(vec!["form", "json", "query"]),
    );
    let place = select(vec!["body", "query", "header"]);
    let secrets = (
        keys(),
        prop::option::weighted(0.5, (key(), place)),
        prop::option::weighted(0.3, key()),
    );
    let data = prop::collection::btree_map(
        select(vec!["a", "access_token", "scope", "z"]),
        template(),
        0..3,
    );
    (request, secrets, response_fields(), data).prop_map(|(request, secrets, response, data)| {
        let (method, grant, url, format) = request;
        let (keys, parameter, header) = secrets;
        let mut spec = json!({
            "provider": {"tokenURL": url},
            "grant": {"type": grant},
            "clientAuthentication": {"method": method},
            "credentials": {"secretName": "client", "keys": keys},
            "request": {"format": format},
            "response": response,
            "tokenSecret": {"name": "token", "data": data},
        });
        if spec["response"].get("refreshTokenPointer").is_some() {
            spec["grant"] = json!({"type": "password", "password": {"useRefreshToken": true}});
        }
        if let Some((key, place)) = parameter {
            spec["parameters"] = json!([{"name": "p", "credentialsKey": key, "in": place}]);
        }
        if let Some(key) = header {
            spec["request"]["headers"] = json!([{"name": "x-key", "credentialsKey": key}]);
        }
        spec
    })
}

#[test]
fn no_resource_brings_a_secret_to_where_it_does_not_belong() {
    let (asked, published) = (Cell::new(0_u32), Cell::new(0_u32));
    let disclosed = subsequence(KEYS.map(|(key, _)| key).to_vec(), 0..3);
    let status = select(vec![200_u16, 200, 200, 400]);
    let config = ProptestConfig {
        cases: CASES,
        max_shrink_iters: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let outcome =
        TestRunner::new(config).run(&(spec(), disclosed, status), |(spec, disclosed, status)| {
            let mut seen = seen_with(&spec);
            let credentials = seen.credentials.as_mut().unwrap();
            let list = disclosed.join(",");
            credentials
                .annotations
                .insert(DISCLOSED_KEYS_ANNOTATION.into(), list);
            let outcome = outcome(&mut seen, |request| {
                asked.set(asked.get() + 1);
                (status, echo(request).to_string())
            });
            published.set(published.get() + u32::from(!outcome.data.is_empty()));
            check(&outcome, &disclosed)
        });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    // Most random resources must come far enough to leak something.
    assert!(asked.get() > CASES / 3, "{} of {CASES} asked", asked.get());
    assert!(
        published.get() > CASES / 8,
        "{} of {CASES} published",
        published.get()
    );
}

fn check(outcome: &Outcome, disclosed: &[&str]) -> Result<(), TestCaseError> {
    for token in TOKENS {
        prop_assert!(!shows(&outcome.shown, token), "{}", outcome.shown);
    }
    let read = outcome.access_token.clone().unwrap_or_default();
    let renewed = outcome.refresh_token.clone().unwrap_or_default();
    for (key, secret) in KEYS
        .iter()
        .skip(2)
        .filter(|(key, _)| !disclosed.contains(key))
    {
        prop_assert!(!shows(&outcome.shown, secret), "{key}: {}", outcome.shown);
        let proofs = [
            "client_secret",
            "next_client_secret",
            "password",
            "private_key",
        ];
        let is_proof = proofs.contains(key);
        prop_assert!(
            !is_proof || !shows(&renewed, secret),
            "{key}: the refresh token is {renewed}"
        );
        prop_assert!(
            !is_proof || !shows(&read, secret),
            "{key}: the access token is {read}"
        );
        // What a provider may return as a token is at the token's position.
        let is_token = shows(&read, secret);
        for (place, value) in &outcome.data {
            prop_assert!(
                is_token || !shows(value, secret),
                "{key} in {place}: {value}"
            );
        }
    }
    Ok(())
}
