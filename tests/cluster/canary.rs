//! Secrets with unmistakable values, through success and everything that can go wrong: they show nowhere.

mod echo;
mod held;
mod places;
mod ways;

use testkit::provider::{Behaviour, Fault, Provider};

use super::harness::{SOON, Stage, Start};
use places::{search, unmet};

/// What encodings trip over is in each of them.
const SECRETS: [&str; 5] = [
    "canary-id/+=&%\"-zq1v",
    "canary-secret/+=&%\"-zq2w",
    "canary-user/+=&%\"-zq3x",
    "canary-password/+=&%\"-zq4y",
    "canary-key/+=&%\"-zq5z",
];
/// What every token starts with.
const TOKEN: &str = "canary-token/+=-zq6u";
/// Their ends, which no encoding changes, in case one is mangled on the way.
const ENDS: [&str; 6] = ["-zq1v", "-zq2w", "-zq3x", "-zq4y", "-zq5z", "-zq6u"];

/// One resource, and the condition that it comes to.
struct Case {
    name: &'static str,
    condition: (&'static str, &'static str, &'static str),
    manifest: String,
}

/// A provider that takes anyone and serves unmistakable tokens.
fn behaviour(seconds: f64) -> Behaviour {
    let mut behaviour = Behaviour::living(seconds);
    behaviour.tokens.prefix = TOKEN.to_owned();
    behaviour
}

fn path(name: &str) -> String {
    format!("/{name}")
}

/// What is sent holds all that is secret: in header, body and query.
fn manifest(name: &str, url: &str) -> String {
    format!(
        "apiVersion: oauthclient.dev/v1alpha1
kind: OAuthClient
metadata: {{name: {name}}}
spec:
  provider: {{tokenURL: {url:?}, caBundle: {{configMapName: provider-ca}}, timeoutSeconds: 3}}
  grant: {{type: password}}
  credentials: {{secretName: client}}
  parameters: [{{name: api_key, credentialsKey: api_key}}]
  request: {{headers: [{{name: x-api-key, credentialsKey: api_key}}]}}
  tokenSecret: {{name: {name}-token}}
"
    )
}

fn secret(name: &str, labels: &str, annotations: &str, client_secret: &str) -> String {
    secret_of("", name, labels, annotations, client_secret)
}

/// The same with values of its own, which begin with `prefix`: a credential that one provider refuses is not sent for others.
fn secret_of(
    prefix: &str,
    name: &str,
    labels: &str,
    annotations: &str,
    client_secret: &str,
) -> String {
    let [id, _, user, password, key] = SECRETS.map(|value| format!("{prefix}{value}"));
    let client_secret = format!("{prefix}{client_secret}");
    format!(
        "apiVersion: v1
kind: Secret
metadata: {{name: {name}, labels: {labels}, annotations: {annotations}}}
stringData: {{client_id: {id:?}, client_secret: {client_secret:?}, username: {user:?}, password: {password:?}, api_key: {key:?}}}
"
    )
}

/// What the endpoint does, and the reason in `RefreshFailing`.
fn faults() -> Vec<(&'static str, &'static str, Fault)> {
    let error = |code: &str| {
        let Fault::Error { status, code, .. } = Fault::error(code) else {
            unreachable!("an error is one")
        };
        Fault::Error {
            status,
            code,
            description: Some(SECRETS.join(" ")),
            echo: true,
            retry_after: None,
        }
    };
    let answer = |status: u16, content_type: &str, body: &str| Fault::Answer {
        status,
        content_type: content_type.to_owned(),
        body: body.to_owned(),
        headers: Vec::new(),
    };
    let redirect = Fault::Redirect {
        status: 307,
        location: format!(
            "https://127.0.0.1:1/?secret={}",
            SECRETS[0].replace('"', "")
        ),
    };
    let line_break = Fault::TokenWith {
        text: "\r\nset-cookie: a".to_owned(),
        at: testkit::provider::Place::Middle,
    };
    let json = "application/json";
    vec![
        (
            "invalid-request",
            "InvalidRequest",
            error("invalid_request"),
        ),
        ("invalid-client", "InvalidClient", error("invalid_client")),
        ("invalid-grant", "InvalidGrant", error("invalid_grant")),
        (
            "consent-required",
            "ConsentRequired",
            error("consent_required"),
        ),
        ("use-dpop-nonce", "ProofRequired", error("use_dpop_nonce")),
        (
            "unauthorized-client",
            "UnauthorizedClient",
            error("unauthorized_client"),
        ),
        (
            "unsupported-grant",
            "UnsupportedGrantType",
            error("unsupported_grant_type"),
        ),
        ("invalid-scope", "InvalidScope", error("invalid_scope")),
        ("invalid-target", "InvalidTarget", error("invalid_target")),
        ("access-denied", "AccessDenied", error("access_denied")),
        ("server-error", "ServerError", error("server_error")),
        (
            "unavailable",
            "TemporarilyUnavailable",
            error("temporarily_unavailable"),
        ),
        ("unknown-code", "RequestRefused", error(SECRETS[1])),
        ("status-401", "Unauthorized", Fault::status(401)),
        ("status-403", "Forbidden", Fault::status(403)),
        ("status-404", "NotFound", Fault::status(404)),
        ("status-407", "ProxyRefused", Fault::status(407)),
        ("status-429", "RateLimited", Fault::throttled("30")),
        ("status-418", "RequestRefused", Fault::status(418)),
        ("redirect", "Redirected", redirect),
        ("html", "UnusableResponse", Fault::Html),
        ("not-utf8", "UnusableResponse", Fault::InvalidUtf8),
        ("line-break", "UnusableResponse", line_break),
        ("duplicate", "UnusableResponse", Fault::DuplicateKeys),
        ("no-token", "UnusableResponse", Fault::WithoutToken),
        (
            "elsewhere",
            "UnusableResponse",
            answer(200, json, "{\"token\": \"{{token}}\"}"),
        ),
        (
            "half",
            "UnusableResponse",
            answer(200, json, "{\"access_token\": \"{{token}}"),
        ),
        (
            "as-error",
            "RequestRefused",
            answer(400, "text/plain", "bad: {{token}}"),
        ),
        (
            "large",
            "ResponseTooLarge",
            Fault::LargeBody { bytes: 2 << 20 },
        ),
        ("hang", "Timeout", Fault::Hang),
        ("close", "ConnectFailed", Fault::Close),
    ]
}

/// What the manifest makes go wrong (or right), with the condition that says so.
fn edits(provider: &Provider) -> Vec<Case> {
    let usual = |name: &str| manifest(name, &provider.url(&path(name)));
    let at = |name: &str, url: &str| {
        manifest(name, url).replace("secretName: client", "secretName: free")
    };
    let failing = |reason| ("RefreshFailing", "True", reason);
    let waiting = |reason| ("Reconciling", "True", reason);
    let stalled = |reason| ("Stalled", "True", reason);
    let credentials = |name: &str, secret: &str| {
        usual(name).replace("secretName: client", &format!("secretName: {secret}"))
    };
    let bundle = |name: &str, map: &str| {
        usual(name).replace(
            "configMapName: provider-ca",
            &format!("configMapName: {map}"),
        )
    };
    let data = |name: &str, template: &str| {
        let target = format!("{{name: {name}-token}}");
        let with = format!("{{name: {name}-token, data: {{a: {template:?}, b: {template:?}}}}}");
        usual(name).replace(&target, &with)
    };
    let untrusted = usual("untrusted").replace("caBundle: {configMapName: provider-ca}, ", "");
    let missing =
        usual("key-missing").replace("credentialsKey: api_key", "credentialsKey: nothing");
    let cases = [
        ("fine", ("Ready", "True", "TokenValid"), usual("fine")),
        (
            "short",
            ("Ready", "True", "LifetimeTooShort"),
            usual("short"),
        ),
        (
            "suspended",
            ("Ready", "False", "Suspended"),
            usual("suspended") + "  suspend: true\n",
        ),
        ("untrusted", failing("TLSFailed"), untrusted),
        (
            "no-host",
            failing("DNSFailed"),
            at("no-host", "https://no-such-host.invalid/token"),
        ),
        (
            "metadata",
            failing("AddressRefused"),
            at("metadata", "https://169.254.169.254/token"),
        ),
        (
            "plain-http",
            stalled("HTTPNotAllowed"),
            at("plain-http", "http://127.0.0.1/token"),
        ),
        (
            "bad-port",
            stalled("InvalidSpec"),
            at("bad-port", "https://127.0.0.1:99999/token"),
        ),
        (
            "other-host",
            waiting("HostNotAllowed"),
            manifest("other-host", "https://example.invalid/"),
        ),
        (
            "no-secret",
            waiting("CredentialsNotFound"),
            credentials("no-secret", "nothing"),
        ),
        (
            "no-label",
            waiting("CredentialsNotLabelled"),
            credentials("no-label", "unlabelled"),
        ),
        ("key-missing", waiting("CredentialsKeyMissing"), missing),
        (
            "key-invalid",
            waiting("CredentialsKeyInvalid"),
            credentials("key-invalid", "broken"),
        ),
        ("no-ca", waiting("CANotFound"), bundle("no-ca", "nothing")),
        (
            "bad-ca",
            waiting("CAInvalid"),
            bundle("bad-ca", "broken-ca"),
        ),
        (
            "bad-template",
            stalled("InvalidTemplate"),
            data("bad-template", "{{ access_token | nonsense }}"),
        ),
        (
            "not-there",
            stalled("RenderFailed"),
            data(
                "not-there",
                "{{ access_token }} {{ response.nothing.more }}",
            ),
        ),
        (
            "too-much",
            stalled("SecretTooLarge"),
            data("too-much", "{{ access_token }}"),
        ),
    ];
    cases
        .map(|(name, condition, manifest)| Case {
            name,
            condition,
            manifest,
        })
        .into()
}

/// All that is secret here: what was sent, and what was issued.
fn canaries(stage: &Stage, cases: &[Case]) -> Vec<String> {
    let issued: usize = cases
        .iter()
        .map(|case| stage.provider.tokens(&path(case.name)).len())
        .sum();
    assert!(issued > 10, "tokens were issued: {issued}");
    // The front of a token is enough to know it by, cut or not.
    let mut secrets = vec![TOKEN];
    secrets.extend(SECRETS);
    secrets.extend(ENDS);
    secrets.into_iter().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_secret_shows_anywhere_whatever_goes_wrong() {
    let stage = Stage::with(behaviour(3600.0)).await;
    let provider = &stage.provider;
    let mut cases = edits(provider);
    for case in &cases {
        provider.set(&path(case.name), behaviour(3600.0));
    }
    provider.set(&path("short"), behaviour(60.0));
    let large = Fault::LargeToken { bytes: 700_000 };
    provider.set(&path("too-much"), behaviour(3600.0).with_fault(large));
    for (name, reason, fault) in faults() {
        provider.set(&path(name), behaviour(3600.0).with_fault(fault));
        let own = format!("{{secretName: client-{name}}}");
        let manifest =
            manifest(name, &provider.url(&path(name))).replace("{secretName: client}", &own);
        let credentials = secret_of(
            name,
            &format!("client-{name}"),
            "{oauthclient.dev/credentials: \"true\"}",
            "{oauthclient.dev/allowed-hosts: 127.0.0.1}",
            SECRETS[1],
        );
        cases.push(Case {
            name,
            condition: ("RefreshFailing", "True", reason),
            manifest: format!("{credentials}---\n{manifest}"),
        });
    }
    // One that was well and then fails for good.
    provider.set(
        &path("ends"),
        behaviour(6.0)
            .with_faults([None])
            .with_fault(Fault::status(500)),
    );
    let manifest = manifest("ends", &provider.url(&path("ends")));
    cases.push(Case {
        name: "ends",
        condition: ("Ready", "False", "ServerError"),
        manifest,
    });

    let labelled = "{oauthclient.dev/credentials: \"true\"}";
    let broken_ca =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: broken-ca}\ndata: {ca.crt: nothing}\n"
            .to_owned();
    let secrets = [
        secret(
            "client",
            labelled,
            "{oauthclient.dev/allowed-hosts: 127.0.0.1}",
            SECRETS[1],
        ),
        secret("free", labelled, "{}", SECRETS[1]),
        secret("unlabelled", "{}", "{}", SECRETS[1]),
        secret(
            "broken",
            labelled,
            "{}",
            &format!("{}\nsecond line", SECRETS[1]),
        ),
        broken_ca,
    ];
    stage.apply(&secrets.join("---\n")).await;
    let panics = format!("--panic-on={}/panics", stage.namespace);
    let start = Start {
        log_level: "trace",
        ..Start::with(&[&panics])
    };
    let operator = stage.operator(start).await;
    let manifests: Vec<&str> = cases.iter().map(|case| case.manifest.as_str()).collect();
    stage.apply(&manifests.join("---\n")).await;
    stage
        .apply(&cases[0].manifest.replace("fine", "panics"))
        .await;

    let mut left = unmet(&stage, &cases).await;
    for _ in 0..SOON.as_secs() {
        if left.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        left = unmet(&stage, &cases).await;
    }
    assert!(left.is_empty(), "{left:#?}");
    let events = stage.events("ends").await;
    assert!(
        events.contains(&"Warning TokenExpired".to_owned()),
        "{events:?}"
    );
    let reconciling = stage
        .condition("server-error", "Reconciling")
        .await
        .unwrap();
    assert_eq!(reconciling.reason, "Retrying");
    let fine = stage.object("oauthclient", "fine").await.unwrap();
    let conditions = fine["status"]["conditions"].as_array().unwrap();
    assert_eq!(
        conditions.len(),
        1,
        "a healthy resource has one condition: {conditions:?}"
    );
    operator.wait_for_log("panicked", SOON).await.unwrap();
    search(&stage, &operator, &canaries(&stage, &cases)).await;

    // The same once more as a person at a terminal would run it.
    assert!(operator.terminate(SOON).await.unwrap().success());
    let operator = stage.operator(Start::with(&["--log-format=text"])).await;
    let of = |name: &str| stage.provider.count(&path(name));
    let before = of("server-error");
    stage.request_refresh("fine").await;
    // After its third 500, a password is sent again only after minutes, unless the owner of the Secret asks for it.
    let retry = "oauthclient.dev/retry-requested-at=1";
    stage
        .kubectl(&["annotate", "secret", "client-server-error", retry])
        .await;
    stage.request_refresh("server-error").await;
    stage
        .until("both are asked for again", || async {
            of("fine") >= 2 && of("server-error") > before
        })
        .await;
    stage.wait_for("fine", "Ready", "True", "").await;
    search(&stage, &operator, &canaries(&stage, &cases)).await;
}
