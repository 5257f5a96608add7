//! The providers that the first users have: each file of `examples/` as it lies there, but for address and trust.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use testkit::provider::{Account, Lifetime, Lifetimes, Preset, RecordedRequest};

use super::fleet::Fleet;
use super::harness::{CLIENT_ID, SOON, Stage, Start, credentials, living, resource};

/// Where an example is sent to, and what it must look like there.
struct Case {
    name: &'static str,
    preset: Preset,
    host: &'static str,
    url: &'static str,
    /// The body, byte for byte.
    body: &'static str,
    /// What the `authorization` header holds, before base64.
    basic: Option<&'static str>,
}

fn cases() -> Vec<Case> {
    let case = |name, preset, host, url, body| Case {
        name,
        preset,
        host,
        url,
        body,
        basic: None,
    };
    let bokbasen = ("auth.bokbasen.io", "https://auth.bokbasen.io/oauth/token");
    let barentswatch = (
        "www.barentswatch.no",
        "https://www.barentswatch.no/api/token",
    );
    vec![
        case(
            "barentswatch",
            Preset::BarentsWatch,
            barentswatch.0,
            barentswatch.1,
            "grant_type=client_credentials&client_id=you%40example.com%3Ayour-client&client_secret=your-client-secret&scope=api",
        ),
        case(
            "barentswatch-password",
            Preset::BarentsWatch,
            barentswatch.0,
            barentswatch.1,
            "grant_type=password&client_id=your-client-id&client_secret=your-client-secret&username=you%40example.com&password=your-password",
        ),
        case(
            "bokbasen",
            Preset::Bokbasen,
            bokbasen.0,
            bokbasen.1,
            "grant_type=client_credentials&client_id=your-client-id&client_secret=your-client-secret&audience=https%3A%2F%2Fapi.bokbasen.io%2Fmetadata%2F",
        ),
        case(
            "bokbasen-json",
            Preset::Bokbasen,
            bokbasen.0,
            bokbasen.1,
            r#"{"grant_type":"client_credentials","client_id":"your-client-id","client_secret":"your-client-secret","audience":"https://api.bokbasen.io/metadata/"}"#,
        ),
        case(
            "kongsberg",
            Preset::Kongsberg,
            "login.microsoftonline.com",
            "https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000/oauth2/token",
            "grant_type=client_credentials&client_id=your-client-id&client_secret=your-client-secret&resource=11111111-1111-1111-1111-111111111111",
        ),
        Case {
            basic: Some("your-client-id:your-client-secret"),
            ..case(
                "feide",
                Preset::Feide,
                "auth.dataporten.no",
                "https://auth.dataporten.no/oauth/token",
                "grant_type=client_credentials&scope=gk_your-api",
            )
        },
    ]
}

impl Case {
    /// The path of this provider in the scripted one, so that its requests can be distinguished from the others'.
    fn path(&self) -> String {
        format!("/{}{}", self.name, self.preset.path())
    }

    /// The file of `examples/`, with another address that is allowed, and the CA of the tests.
    fn manifest(&self, stage: &Stage) -> String {
        let file = format!("examples/{}.yaml", self.name);
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = std::fs::read_to_string(file).unwrap();
        let url = stage.provider.url(&self.path());
        let address = format!("tokenURL: {}", self.url);
        let allowed = format!("allowed-hosts: {}", self.host);
        assert!(
            text.contains(&address) && text.contains(&allowed),
            "{}",
            self.name
        );
        let trusted = format!("caBundle: {{configMapName: provider-ca}}\n    tokenURL: {url}");
        text.replace(&allowed, "allowed-hosts: 127.0.0.1")
            .replace(&address, &trusted)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_works_with_its_provider_through_a_refresh_byte_for_byte() {
    let stage = Stage::new(3600.0).await;
    let fleet = Fleet::of(&stage);
    let cases = cases();
    for case in &cases {
        let behaviour = case.preset.behaviour(Lifetimes::Short);
        stage.provider.set(&case.path(), behaviour);
    }
    let _operator = stage.operator(Start::default()).await;
    for case in &cases {
        stage.apply(&case.manifest(&stage)).await;
    }
    let names: Vec<&str> = cases.iter().map(|case| case.name).collect();
    let first = fleet.well(&names).await;
    let valid = |token: &str| stage.provider.introspect(token).is_some();
    // At every look each token is valid, until each has been replaced.
    let published = |data: &std::collections::BTreeMap<String, String>| {
        let whole = data
            .get("authorization")
            .or(data.get("access_token"))
            .unwrap();
        whole.trim_start_matches("Bearer ").to_owned()
    };
    let replaced = fleet
        .until(
            "each is refreshed",
            &names,
            Duration::from_secs(60),
            |name, look| {
                let token = published(look.data.as_ref().unwrap());
                assert!(valid(&token), "{name} holds a token that is over");
                token != published(first[name].data.as_ref().unwrap())
            },
        )
        .await;
    for case in &cases {
        let requests = stage.provider.requests_to(&case.path());
        for request in &requests {
            as_the_table_says(case, request);
        }
        let data = replaced[case.name].data.as_ref().unwrap();
        let keys: Vec<&str> = data.keys().map(String::as_str).collect();
        match case.name {
            "bokbasen-json" => assert_eq!(keys, ["authorization"]),
            // The scope in the response is copied to the Secret.
            "feide" => assert_eq!(keys, ["access_token", "expires_at", "scope", "token_type"]),
            _ => assert_eq!(
                keys,
                ["access_token", "expires_at", "token_type"],
                "{}",
                case.name
            ),
        }
        if let Some(kind) = data.get("token_type") {
            assert_eq!(kind, "Bearer", "{}: whatever its case, or none", case.name);
        }
        if let Some(scope) = data.get("scope") {
            assert_eq!(scope, "gk_your-api");
        }
        assert!(replaced[case.name].is("Ready", "True"));
    }
}

fn as_the_table_says(case: &Case, request: &RecordedRequest) {
    let name = case.name;
    assert_eq!(request.refused, None, "{name}");
    assert_eq!(request.status, Some(200), "{name}");
    assert_eq!(request.method, "POST", "{name}");
    assert_eq!(request.target, case.path(), "{name}: nothing in the query");
    assert_eq!(request.body_text(), case.body, "{name}");
    let json = case.body.starts_with('{');
    let kind = if json {
        "application/json"
    } else {
        "application/x-www-form-urlencoded"
    };
    assert_eq!(request.header("content-type"), Some(kind), "{name}");
    assert_eq!(request.header("accept"), Some("application/json"), "{name}");
    let basic = case
        .basic
        .map(|text| format!("Basic {}", STANDARD.encode(text)));
    assert_eq!(request.header("authorization"), basic.as_deref(), "{name}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cached_token_is_asked_for_seldom_and_not_written_again() {
    let stage = Stage::new(3600.0).await;
    let fleet = Fleet::of(&stage);
    let case = &cases()[2];
    let mut behaviour = case.preset.behaviour(Lifetimes::Real);
    stage.provider.set(&case.path(), behaviour.clone());
    let _operator = stage.operator(Start::default()).await;
    stage.apply(&case.manifest(&stage)).await;
    let names = ["bokbasen"];
    let first = fleet.well(&names).await.remove("bokbasen").unwrap();
    // With the window known, the first try is when the server begins to hand out another one: 10 min before the end, not at
    // the 24 h of the usual lead.
    let at = |look: &super::fleet::Look, pointer: &str| -> jiff::Timestamp {
        look.status(pointer).unwrap().parse().unwrap()
    };
    let left = |look: &super::fleet::Look| {
        let span = at(look, "/token/expirationTime").duration_since(at(look, "/token/refreshTime"));
        span.as_secs()
    };
    assert!(
        (540..=600).contains(&left(&first)),
        "{} s before the end",
        left(&first)
    );

    // A request before the refresh time returns the same token with a shorter remaining lifetime: the token stays, its
    // new expiry is adopted.
    tokio::time::sleep(Duration::from_secs(3)).await;
    behaviour = living(3600.0);
    let token = first.token().unwrap().to_owned();
    behaviour.fault = Some(testkit::provider::Fault::Answer {
        status: 200,
        content_type: "application/json".to_owned(),
        body: format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":7200}}"#),
        headers: Vec::new(),
    });
    stage.provider.set(&case.path(), behaviour);
    fleet.refresh("early").await;
    let second = fleet
        .until("the earlier end is adopted", &names, SOON, |_, look| {
            look.status("/token/expirationTime") != first.status("/token/expirationTime")
        })
        .await
        .remove("bokbasen")
        .unwrap();
    assert_eq!(second.token(), Some(token.as_str()), "the same token");
    assert!(at(&second, "/token/expirationTime") < at(&first, "/token/expirationTime"));
    assert_eq!(
        second.annotations["oauthclient.dev/expires-at"]
            .parse::<jiff::Timestamp>()
            .unwrap()
            .as_second(),
        at(&second, "/token/expirationTime").as_second()
    );
    assert_eq!(
        second.status("/token/issuedTime"),
        first.status("/token/issuedTime")
    );
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert_eq!(stage.provider.total(), 2, "and never a hot loop");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_nobody_told_is_found_out_with_few_requests() {
    let stage = Stage::new(3600.0).await;
    let mut behaviour = living(36.0);
    behaviour.lifetime = Lifetime::Cached {
        seconds: 36.0,
        until_left: 18.0,
    };
    stage.provider.set("/cached", behaviour);
    let _operator = stage.operator(Start::default()).await;
    stage
        .apply(&resource("main", &stage.provider.url("/cached"), ""))
        .await;
    stage.wait_ready("main").await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..90 {
        let token = stage.valid_token("main-token").await;
        seen.insert(token.expect("the published token is always valid"));
        tokio::time::sleep(Duration::from_millis(450)).await;
    }
    assert!(seen.len() >= 2, "a cached token is replaced in time");
    // log2(L/C) + 3 a token, and a server that caches issues no more than are published.
    let (requests, tokens) = (
        stage.provider.count("/cached"),
        stage.provider.tokens("/cached").len(),
    );
    assert!(
        (seen.len()..=seen.len() + 1).contains(&tokens),
        "{tokens} issued, {} seen; the last may have come after the last look",
        seen.len()
    );
    assert!(
        requests <= 4 * tokens,
        "{requests} requests for {tokens} tokens"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn templates_types_formats_and_headers_come_out_as_they_are_written() {
    let stage = Stage::new(3600.0).await;
    let fleet = Fleet::of(&stage);
    let _operator = stage.operator(Start::default()).await;
    let mut form = living(3600.0);
    form.accepts.clients = vec![Account {
        id: CLIENT_ID.to_owned(),
        secret: "s".to_owned(),
        ..Account::default()
    }];
    form.shape.token_type = Some("bearer".to_owned());
    let mut query = form.clone();
    query.accepts.formats = vec![testkit::provider::BodyFormat::Query];
    query.accepts.methods = vec!["GET".to_owned()];
    let mut header = form.clone();
    header.accepts.headers = [("x-api-key".to_owned(), "a key".to_owned())].into();
    for (path, behaviour) in [("/form", form), ("/query", query), ("/header", header)] {
        stage.provider.set(path, behaviour);
    }
    let lent = credentials("client", CLIENT_ID, "s")
        .replace("stringData: {", "stringData: {api_key: a key, ");
    let at = |path: &str| stage.provider.url(path);
    let typed = |name: &str, path: &str, kind: &str, data: &str, more: &str| {
        resource(name, &at(path), more).replace(
            &format!("tokenSecret: {{name: {name}-token}}"),
            &format!("tokenSecret:\n    name: {name}-token\n    type: {kind}\n    data:\n{data}"),
        )
    };
    let docker = r#"      .dockerconfigjson: '{"auths":{"registry.example.com":{"auth":{{ (credentials.client_id ~ ":" ~ access_token) | b64encode | tojson }}}}}'"#;
    let basic = "      username: \"{{ credentials.client_id | upper }}\"\n      password: \"{{ access_token }}\"";
    let file = "      authorization: \"{{ token_type }} {{ access_token }}\"\n      scope: \"{{ scope | default('none') }}\"\n      lifetime: \"{{ response.expires_in }}\"";
    let all = [
        lent,
        typed(
            "docker",
            "/form",
            "kubernetes.io/dockerconfigjson",
            docker,
            "",
        ),
        typed("basic", "/form", "kubernetes.io/basic-auth", basic, ""),
        typed("file", "/form", "example.com/token", file, ""),
        resource(
            "query",
            &at("/query"),
            "  request: {format: query, method: GET}",
        ),
        resource(
            "header",
            &at("/header"),
            "  request:\n    headers: [{name: X-API-Key, credentialsKey: api_key}]",
        ),
    ];
    stage.apply(&all.join("---\n")).await;
    let looks = fleet
        .well(&["docker", "basic", "file", "query", "header"])
        .await;
    let tokens = stage.provider.tokens("/form");
    let data = |name: &str| looks[name].data.clone().unwrap();
    let known = |token: &str| tokens.iter().any(|known| known.token == token);

    let docker = &data("docker")[".dockerconfigjson"];
    let docker: serde_json::Value = serde_json::from_str(docker).unwrap();
    let auth = docker.pointer("/auths/registry.example.com/auth").unwrap();
    let auth = STANDARD.decode(auth.as_str().unwrap()).unwrap();
    let auth = String::from_utf8(auth).unwrap();
    let token = auth.strip_prefix(&format!("{CLIENT_ID}:")).unwrap();
    assert!(known(token), "{auth}");
    assert_eq!(data("basic")["username"], CLIENT_ID.to_uppercase());
    assert!(known(&data("basic")["password"]));
    let file = data("file");
    assert!(known(
        file["authorization"].strip_prefix("Bearer ").unwrap()
    ));
    assert_eq!(
        (file["scope"].as_str(), file["lifetime"].as_str()),
        ("none", "3600")
    );
    for (name, kind) in [
        ("docker", "kubernetes.io/dockerconfigjson"),
        ("basic", "kubernetes.io/basic-auth"),
        ("file", "example.com/token"),
    ] {
        let secret = stage
            .object("secret", &format!("{name}-token"))
            .await
            .unwrap();
        assert_eq!(secret["type"], kind);
    }
    let request = &stage.provider.requests_to("/query")[0];
    assert_eq!(request.target, "/query?grant_type=client_credentials");
    assert!(request.body.is_empty());
    let request = &stage.provider.requests_to("/header")[0];
    assert_eq!(request.header("x-api-key"), Some("a key"));
}
