//! Every pointer that the schema has, at every place of a response that repeats the request.

use super::*;

/// The fields of `spec.response` that take a JSON pointer, with the values of the fields beside them. Read from the schema, so
/// that a new one cannot be forgotten.
fn pointer_fields() -> Vec<(String, Value)> {
    let crd = include_str!("../../../../crds/oauthclients.yaml");
    let crd: Value = serde_saphyr::from_str(crd).unwrap();
    let response = crd
        .pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/response/properties")
        .unwrap()
        .as_object()
        .unwrap();
    let mut fields = Vec::new();
    for (name, schema) in response {
        if name.ends_with("Pointer") {
            fields.push((name.clone(), Value::Null));
        }
        if name == "errors" {
            for value in ["plain", KEYS[4].1, TOKENS[0]] {
                let beside = json!({"values": [value], "means": "ReauthorizationRequired"});
                fields.push((name.clone(), beside));
            }
        }
        let inner = schema.get("properties").and_then(Value::as_object);
        if let Some(inner) = inner.filter(|inner| inner.contains_key("pointer")) {
            // Each choice of the fields beside it, one after the other.
            let beside: Vec<(&String, &Value)> = inner
                .iter()
                .filter(|(field, _)| *field != "pointer")
                .collect();
            let (field, schema) = beside[0];
            assert_eq!(beside.len(), 1, "{name} has other fields: {beside:?}");
            let choices = match schema.get("enum").and_then(Value::as_array) {
                Some(list) => list.clone(),
                None => vec![json!("plain"), json!(KEYS[4].1), json!(TOKENS[0])],
            };
            fields.extend(
                choices
                    .into_iter()
                    .map(|choice| (name.clone(), json!({ field: choice }))),
            );
        }
    }
    fields
}

fn spec_with(field: &str, beside: &Value, pointer: &str, method: &str) -> Value {
    let value = match beside {
        Value::Object(fields) => {
            let mut fields = fields.clone();
            fields.insert("pointer".into(), json!(pointer));
            match field {
                "errors" => json!([fields]),
                _ => Value::Object(fields),
            }
        }
        _ => json!(pointer),
    };
    // The pointer to a refresh token is for resources that use one.
    let grant = match field {
        "refreshTokenPointer" => json!({"type": "password", "password": {"useRefreshToken": true}}),
        _ => json!({"type": "password"}),
    };
    json!({
        "provider": {"tokenURL": "https://auth.example.com/token"},
        "grant": grant,
        "clientAuthentication": {"method": method},
        "credentials": {"secretName": "client"},
        "parameters": [{"name": "k", "credentialsKey": "api_key"}, {"name": "o", "credentialsKey": "other"}],
        "response": {field: value},
        "tokenSecret": {"name": "token"},
    })
}

/// What a server answers to the request of the matrix, and the secrets that were sent.
fn document() -> Value {
    let mut seen = seen_with(&spec_with(
        "scopePointer",
        &Value::Null,
        "/scope",
        "client_secret_post",
    ));
    let plan = plan(&mut seen, 0);
    let Action::Request(planned) = plan.action else {
        panic!("nothing is asked: {:?}", plan.assessment.problem);
    };
    assert!(planned.request.secrets.iter().count() >= 4);
    echo(&planned.request)
}

#[test]
fn no_pointer_brings_a_secret_to_where_people_look_or_into_another_key() {
    let fields = pointer_fields();
    let names: std::collections::BTreeSet<&str> =
        fields.iter().map(|(name, _)| name.as_str()).collect();
    for known in [
        "accessTokenPointer",
        "errorPointer",
        "errors",
        "expiry",
        "refreshTokenPointer",
        "scopePointer",
        "success",
        "tokenTypePointer",
    ] {
        assert!(
            names.contains(known),
            "{known} is not in the schema: {names:?}"
        );
    }
    let places = pointers(&document());
    assert!(places.len() > 40);
    let mut published = BTreeMap::new();
    for method in ["client_secret_post", "client_secret_basic"] {
        for (field, beside) in &fields {
            for pointer in &places {
                for status in [200, 400] {
                    let spec = spec_with(field, beside, pointer, method);
                    let what = format!("{method} {field} {beside} {pointer} {status}");
                    let mut seen = seen_with(&spec);
                    let outcome = outcome(&mut seen, |request| (status, echo(request).to_string()));
                    *published.entry(field.clone()).or_insert(0) +=
                        usize::from(!outcome.data.is_empty());
                    check(&outcome, &what);
                }
            }
        }
    }
    for name in names {
        let count = published.get(name).copied().unwrap_or_default();
        assert!(
            count > 0,
            "nothing is ever published with {name}: {published:?}"
        );
    }
}

/// With the default keys, only `access_token` may hold a token, and nothing a secret that was sent.
fn check(outcome: &Outcome, what: &str) {
    let sent = KEYS.iter().skip(2).map(|(_, value)| *value);
    for secret in sent.clone().chain(TOKENS) {
        assert!(!shows(&outcome.shown, secret), "{what}: {}", outcome.shown);
    }
    let renewed = outcome.refresh_token.as_deref().unwrap_or_default();
    for (name, secret) in KEYS
        .iter()
        .skip(2)
        .filter(|(name, _)| !["api_key", "other"].contains(name))
    {
        assert!(
            !shows(renewed, secret),
            "{what}: {name} is the refresh token {renewed}"
        );
    }
    for (key, value) in &outcome.data {
        for (name, secret) in &KEYS[2..] {
            // What is no proof of anybody may be a token, as it is.
            let is_token = key == "access_token" && ["api_key", "other"].contains(name);
            assert!(
                is_token || !shows(value, secret),
                "{what}: {key} is {value}"
            );
        }
        let tokens = TOKENS.iter().any(|token| shows(value, token));
        assert!(!tokens || key == "access_token", "{what}: {key} is {value}");
    }
}

#[test]
fn no_template_renders_what_was_sent() {
    let mut spec = spec_with(
        "scopePointer",
        &Value::Null,
        "/scope",
        "client_secret_basic",
    );
    let places = pointers(&document());
    let fields = places.iter().filter(|pointer| pointer.starts_with("/echo"));
    let path = |pointer: &str| -> String {
        let steps = pointer.split('/').skip(1);
        let steps = steps.map(|step| {
            let step = step.replace("~1", "/").replace("~0", "~");
            match step.parse::<usize>() {
                Ok(index) => format!("[{index}]"),
                Err(_) => format!("[{}]", json!(step)),
            }
        });
        format!("response{}", steps.collect::<String>())
    };
    for pointer in fields {
        for template in [
            "{{ PATH }}",
            "{{ PATH | default('none') }}",
            "{{ PATH | b64encode }}",
            "{{ PATH | upper }}",
            "{{ PATH | tojson }}",
            "{{ PATH[1:9] }}",
            "{% for c in PATH %}{{ c }}{% endfor %}",
            "{% for c in PATH %}{{ c }}.{% endfor %}",
            "{{ response | tojson }}",
        ] {
            let template = template.replace("PATH", &path(pointer));
            spec["tokenSecret"]["data"] = json!({"a": template});
            let mut seen = seen_with(&spec);
            let outcome = outcome(&mut seen, |request| (200, echo(request).to_string()));
            let shown = format!("{} {:?}", outcome.shown, outcome.data);
            for (_, secret) in &KEYS[2..] {
                for secret in [*secret, &secret.to_uppercase()] {
                    assert!(!shows(&shown, secret), "{template}: {shown}");
                }
            }
        }
    }
}

#[test]
fn what_a_response_holds_in_pieces_is_not_put_together() {
    let secret = KEYS[2].1;
    for templates in [
        json!({"a": "{{ response.one ~ response.two }}"}),
        json!({"a": "{{ response.one }}{{ response.two }}"}),
        json!({"a": "{{ response.one }}", "b": "{{ response.two }}"}),
        json!({"a": "{% for piece in response.list %}{{ piece }}{% endfor %}"}),
    ] {
        let mut spec = spec_with("scopePointer", &Value::Null, "/scope", "client_secret_post");
        spec["tokenSecret"]["data"] = templates.clone();
        let mut seen = seen_with(&spec);
        let outcome = outcome(&mut seen, |_| {
            let (one, two) = secret.split_at(9);
            let list: Vec<String> = secret.chars().map(String::from).collect();
            let answer = json!({"access_token": TOKENS[0], "expires_in": 60, "one": one, "two": two, "list": list});
            (200, answer.to_string())
        });
        assert!(outcome.data.is_empty(), "{templates}: {:?}", outcome.data);
        assert!(outcome.shown.contains("RenderFailed"), "{}", outcome.shown);
        assert!(outcome.shown.contains("client_secret"), "{}", outcome.shown);
        assert!(!shows(&outcome.shown, secret), "{}", outcome.shown);
    }
}

#[test]
fn a_template_sees_only_the_keys_that_the_owner_of_the_secret_discloses() {
    let with = |keys: Value, template: &str, annotation: Option<&str>| {
        let mut spec = spec_with("scopePointer", &Value::Null, "/scope", "client_secret_post");
        spec["credentials"]["keys"] = keys;
        spec["tokenSecret"]["data"] = json!({"a": template});
        let mut seen = seen_with(&spec);
        if let Some(list) = annotation {
            let annotations = &mut seen.credentials.as_mut().unwrap().annotations;
            annotations.insert(DISCLOSED_KEYS_ANNOTATION.into(), list.into());
        }
        let answer = json!({"access_token": TOKENS[0], "expires_in": 60}).to_string();
        outcome(&mut seen, |_| (200, answer))
    };
    let renamed = json!({"username": "client_secret", "clientID": "client_secret"});
    let cases = [
        (
            json!({}),
            "{{ credentials.username }}",
            None,
            Ok("public-user"),
        ),
        (
            json!({}),
            "{{ credentials['client_id'] }}",
            None,
            Ok("public-id"),
        ),
        (json!({}), "{{ credentials.other }}", None, Err("other")),
        (json!({}), "{{ credentials['other'] }}", None, Err("other")),
        (
            json!({}),
            "{% set c = credentials %}{{ c.other }}",
            None,
            Err("other"),
        ),
        (
            json!({}),
            "{{ credentials.other }}",
            Some("a, other"),
            Ok(KEYS[6].1),
        ),
        (
            json!({}),
            "{{ credentials.client_secret }}",
            None,
            Err("client_secret"),
        ),
        // A key that is there under its own name is that key, whatever the resource calls it.
        (
            renamed.clone(),
            "{{ credentials.username }}",
            None,
            Ok("public-user"),
        ),
        (
            renamed,
            "{{ credentials.client_id }}",
            None,
            Ok("public-id"),
        ),
    ];
    for (keys, template, annotation, wanted) in cases {
        let outcome = with(keys, template, annotation);
        match wanted {
            Ok(value) => assert_eq!(
                outcome.data.get("a").map(String::as_str),
                Some(value),
                "{template}: {}",
                outcome.shown
            ),
            Err(key) => {
                assert!(
                    outcome.access_token.is_none(),
                    "{template}: a token was asked for"
                );
                assert!(
                    outcome.shown.contains("CredentialsKeyNotDisclosed"),
                    "{}",
                    outcome.shown
                );
                let command = format!(
                    "kubectl annotate secret client -n shop --overwrite oauthclient.dev/disclosed-keys={key}"
                );
                assert!(outcome.shown.contains(&command), "{}", outcome.shown);
            }
        }
    }
}

#[test]
fn a_key_that_a_resource_renames_is_not_disclosed_by_that() {
    let mut spec = spec_with("scopePointer", &Value::Null, "/scope", "client_secret_post");
    spec["credentials"]["keys"] = json!({"username": "client_secret"});
    spec["tokenSecret"]["data"] = json!({"a": "{{ credentials.username }}"});
    let mut seen = seen_with(&spec);
    seen.credentials.as_mut().unwrap().data.remove("username");
    let told = outcome(&mut seen, |_| panic!("nothing may be sent"));
    assert!(
        told.shown.contains("disclosed-keys=client_secret"),
        "{}",
        told.shown
    );
    // With the owner's consent it works, under the name that the resource gives it.
    let mut spec = spec.clone();
    spec["credentials"]["keys"] = json!({"username": "api_key"});
    let mut seen = seen_with(&spec);
    let credentials = seen.credentials.as_mut().unwrap();
    credentials.data.remove("username");
    credentials
        .annotations
        .insert(DISCLOSED_KEYS_ANNOTATION.into(), "api_key".into());
    let answer = json!({"access_token": TOKENS[0], "expires_in": 60}).to_string();
    let told = outcome(&mut seen, |_| (200, answer));
    assert_eq!(
        told.data.get("a").map(String::as_str),
        Some(KEYS[5].1),
        "{}",
        told.shown
    );
}

#[test]
fn a_token_secret_discloses_nothing_whatever_its_keys_are_called() {
    let mut spec = spec_with("scopePointer", &Value::Null, "/scope", "client_secret_post");
    spec["tokenSecret"]["data"] = json!({"a": "{{ credentials.username }}"});
    let mut seen = seen_with(&spec);
    // As an OAuthClient wrote it that needs no secret of anybody.
    let mut state = grant(&fresh(&Spec::default()), token("x", 3600), 0)
        .write
        .unwrap()
        .state;
    state.lenders = Some(crate::trust::Lenders::none());
    let credentials = seen.credentials.as_mut().unwrap();
    let written = state.write().into_iter();
    credentials
        .annotations
        .extend(written.filter_map(|(key, value)| Some((key, value?))));
    credentials.labels.insert(TOKEN_LABEL.into(), "true".into());
    credentials
        .annotations
        .insert(DISCLOSED_KEYS_ANNOTATION.into(), "username".into());
    let told = outcome(&mut seen, |_| panic!("nothing may be sent"));
    assert!(
        told.shown.contains("CredentialsKeyNotDisclosed"),
        "{}",
        told.shown
    );
}

#[test]
fn a_scope_that_could_move_a_cursor_or_a_page_is_not_shown() {
    for scope in [
        "read\u{202e}etirw",
        "<script>alert(1)</script>",
        "a\u{7}b",
        "a\"b",
        "a\\b",
        "\u{200b}",
    ] {
        let spec = spec_with("scopePointer", &Value::Null, "/scope", "client_secret_post");
        let mut seen = seen_with(&spec);
        let answer =
            json!({"access_token": TOKENS[0], "expires_in": 60, "scope": scope}).to_string();
        let told = outcome(&mut seen, |_| (200, answer));
        assert!(!told.data.contains_key("scope"), "{scope:?}");
        assert!(
            !told.shown.contains("script") && !told.shown.contains("etirw"),
            "{}",
            told.shown
        );
        assert!(told.shown.contains("was left out"), "{}", told.shown);
    }
}

#[test]
fn a_response_that_repeats_the_request_says_so_and_its_token_is_good() {
    let spec = spec_with(
        "scopePointer",
        &Value::Null,
        "/echo/scope",
        "client_secret_post",
    );
    let mut seen = seen_with(&spec);
    let told = outcome(&mut seen, |request| (200, echo(request).to_string()));
    assert_eq!(
        told.data.get("access_token").map(String::as_str),
        Some(TOKENS[0])
    );
    assert!(told.shown.contains("repeats a secret"), "{}", told.shown);
    assert!(told.shown.contains("disclosed-keys"), "{}", told.shown);
}
