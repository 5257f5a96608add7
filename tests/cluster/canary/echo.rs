//! A provider that repeats the whole request in its response, and resources that point at what it repeats.

use std::collections::BTreeMap;

use super::places::search;
use super::{ENDS, SECRETS, TOKEN, behaviour, manifest, path, secret};
use crate::harness::{SOON, Stage, Start};
use crate::oracle::assert_holds_none;

/// What is added to `spec`, by name, with the reason in `Ready`.
const CASES: [(&str, &str, &str); 9] = [
    (
        "scope",
        "  response: {scopePointer: /echo/parameters/password}\n",
        "TokenValid",
    ),
    (
        "scope-body",
        "  response: {scopePointer: /echo/body}\n",
        "TokenValid",
    ),
    (
        "scope-token",
        "  response: {scopePointer: /access_token}\n",
        "TokenValid",
    ),
    (
        "type",
        "  response: {tokenTypePointer: /echo/parameters/api_key}\n",
        "TokenValid",
    ),
    (
        "error",
        "  response: {errorPointer: /echo/parameters/password}\n",
        "TokenValid",
    ),
    (
        "expiry",
        "  response: {expiry: {pointer: /echo/parameters/password, unit: Seconds}}\n",
        "TokenValid",
    ),
    (
        "access",
        "  response: {accessTokenPointer: /echo/parameters/password}\n",
        "UnusableResponse",
    ),
    (
        "access-body",
        "  response: {accessTokenPointer: /echo/body}\n",
        "UnusableResponse",
    ),
    (
        "access-basic",
        "  response: {accessTokenPointer: /echo/authorization}\n",
        "UnusableResponse",
    ),
];

/// Templates, by name, with the reason in `Ready`.
const TEMPLATES: [(&str, &str, &str); 5] = [
    (
        "whole",
        "{{ access_token }}{{ response | tojson }}",
        "TokenValid",
    ),
    (
        "field",
        "{{ response.echo.parameters.password }}",
        "RenderFailed",
    ),
    (
        "letters",
        "{% for c in response.echo.body %}{{ c }} {% endfor %}",
        "RenderFailed",
    ),
    (
        "basic",
        "{{ response.echo.authorization | b64encode }}",
        "RenderFailed",
    ),
    (
        "renamed",
        "{{ credentials.other }}",
        "CredentialsKeyNotDisclosed",
    ),
];

/// The data of a token Secret, with the token taken out that belongs there.
fn foreign(data: &BTreeMap<String, String>) -> String {
    let values: Vec<String> = data.values().cloned().collect();
    values.join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_repeats_the_request_gives_nothing_away() {
    let mut echoing = behaviour(3600.0);
    echoing.shape.echo_request = true;
    let stage = Stage::with(echoing.clone()).await;
    let mut manifests = vec![secret(
        "client",
        "{oauthclient.dev/credentials: \"true\"}",
        "{oauthclient.dev/allowed-hosts: 127.0.0.1}",
        SECRETS[1],
    )];
    let mut wanted = Vec::new();
    for (name, more, reason) in CASES {
        let usual = manifest(name, &stage.provider.url(&path(name))) + more;
        // The pointer to a refresh token is for resources that use one.
        manifests.push(match name {
            "refresh" => usual.replace(
                "{type: password}",
                "{type: password, password: {useRefreshToken: true}}",
            ),
            _ => usual,
        });
        wanted.push((name, reason));
    }
    for (name, template, reason) in TEMPLATES {
        let usual = manifest(name, &stage.provider.url(&path(name)));
        let target = format!("{{name: {name}-token}}");
        let with = format!("{{name: {name}-token, data: {{a: {template:?}}}}}");
        manifests.push(usual.replace(&target, &with));
        wanted.push((name, reason));
    }
    assert!(wanted.contains(&("renamed", "CredentialsKeyNotDisclosed")));
    for (name, _) in &wanted {
        stage.provider.set(&path(name), echoing.clone());
    }
    let start = Start {
        log_level: "trace",
        ..Start::with(&[])
    };
    let operator = stage.operator(start).await;
    stage.apply(&manifests.join("---\n")).await;
    for (name, reason) in &wanted {
        let status = if *reason == "TokenValid" {
            "True"
        } else {
            "False"
        };
        stage.wait_for(name, "Ready", status, reason).await;
    }
    // What is sent appears nowhere, not even in data; only a token may be in data.
    let mut secrets: Vec<String> = SECRETS[1..].iter().map(|one| (*one).to_owned()).collect();
    secrets.remove(1);
    let ends = [ENDS[1], ENDS[3], ENDS[4]];
    secrets.extend(ends.map(str::to_owned));
    let sent: Vec<&str> = secrets.iter().map(String::as_str).collect();
    for (name, reason) in &wanted {
        let data = stage.secret(&format!("{name}-token")).await;
        assert_eq!(data.is_some(), *reason == "TokenValid", "{name}");
        let data = data.unwrap_or_default();
        assert_holds_none(name, &foreign(&data), &sent);
        let token = |key: &str| data.get(key).is_some_and(|value| value.contains(TOKEN));
        for key in data
            .keys()
            .filter(|key| !["access_token", "a"].contains(&key.as_str()))
        {
            assert!(!token(key), "{name}: {key}");
        }
    }
    secrets.extend([TOKEN.to_owned(), ENDS[5].to_owned()]);
    search(&stage, &operator, &secrets).await;

    // What the owner of the Secret discloses is rendered.
    let annotate = "oauthclient.dev/disclosed-keys=api_key,other";
    stage
        .kubectl(&["annotate", "secret", "client", annotate])
        .await;
    stage.provider.set(&path("disclosed"), echoing);
    let disclosed = manifest("disclosed", &stage.provider.url(&path("disclosed"))).replace(
        "{name: disclosed-token}",
        "{name: disclosed-token, data: {a: '{{ credentials.api_key }}'}}",
    );
    stage.apply(&disclosed).await;
    stage.wait_for("disclosed", "Ready", "True", "").await;
    let data = stage.secret("disclosed-token").await.unwrap();
    assert_eq!(data.get("a").map(String::as_str), Some(SECRETS[4]));
    assert!(operator.terminate(SOON).await.unwrap().success());
}
