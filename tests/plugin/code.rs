//! Login by browser against a scripted token endpoint: every answer that can come back, the right one and the others.

use testkit::provider::{Account, Authentication, Behaviour, Fault, Provider, Script};
use testkit::tls::Authority;
use url::Url;

use super::rig::{Ended, Rig, Running, parameter};

pub(crate) const PATH: &str = "/token";
pub(crate) const SECRET: &str = "canary-client-secret/+=&%";
pub(crate) const CODE: &str = "canary-authorization-code+/=";
/// What no output may hold.
const CANARIES: [&str; 3] = [SECRET, CODE, "canary-token"];

pub(crate) struct Stage {
    pub(crate) rig: Rig,
    pub(crate) provider: Provider,
}

impl Stage {
    pub(crate) async fn new() -> Stage {
        Stage::with("", "").await
    }

    /// `provider` and `login` are YAML in the resource.
    pub(crate) async fn with(more_provider: &str, login: &str) -> Stage {
        let rig = Rig::new().await;
        let authority = Authority::new("plugin tests").unwrap();
        let mut behaviour = Behaviour::living(600.0);
        behaviour.tokens.prefix = "canary-token".to_owned();
        behaviour.refresh_tokens.issue = true;
        behaviour.accepts.authentication = vec![Authentication::Basic];
        behaviour.accepts.clients = vec![Account {
            id: "app".to_owned(),
            secret: SECRET.to_owned(),
            ..Account::default()
        }];
        let mut script = Script::one(PATH, behaviour);
        for path in ["/device", "/par"] {
            script
                .endpoints
                .insert(path.to_owned(), Behaviour::living(600.0));
        }
        let provider = Provider::tls(script, &authority).unwrap();
        let base = provider.url("");
        let more_provider = more_provider.replace("BASE", &base);
        let ca = authority.pem().replace('\n', "\n    ");
        rig.apply(&format!(
            "apiVersion: v1
kind: ConfigMap
metadata: {{name: provider-ca}}
data:
  ca.crt: |
    {ca}
---
apiVersion: v1
kind: Secret
metadata:
  name: client
  labels: {{oauthclient.dev/credentials: \"true\"}}
  annotations: {{oauthclient.dev/allowed-hosts: 127.0.0.1}}
stringData: {{client_id: app, client_secret: {SECRET:?}}}
---
apiVersion: oauthclient.dev/v1alpha1
kind: OAuthClient
metadata: {{name: api}}
spec:
  provider:
    tokenURL: {base}{PATH}
    authorizationURL: https://login.example.com/authorize?tenant=shop
    deviceAuthorizationURL: {base}/device
    caBundle: {{configMapName: provider-ca}}
    timeoutSeconds: 20
{more_provider}
  credentials: {{secretName: client}}
  scopes: [read]
  parameters: [{{name: audience, value: \"https://api.example.com/\"}}]
  tokenSecret: {{name: api-token}}
{login}
"
        ))
        .await;
        Stage { rig, provider }
    }

    pub(crate) fn login(&self, args: &[&str]) -> Running {
        let mut all = vec!["login", "api", "--allow-loopback"];
        all.extend(args);
        self.rig.start(&all)
    }

    /// What the browser shows when it comes back with this.
    pub(crate) async fn comes_back(&self, address: &Url, query: &[(&str, &str)]) -> (u16, String) {
        let mut back = Url::parse(&parameter(address, "redirect_uri").unwrap()).unwrap();
        back.query_pairs_mut().extend_pairs(query);
        visit(back).await
    }

    /// Nothing was stored and nothing was asked of the token endpoint.
    async fn nothing_happened(&self) {
        assert!(self.rig.secret("api-login").await.is_none());
        assert_eq!(self.provider.count(PATH), 0);
    }
}

async fn visit(url: Url) -> (u16, String) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = http.get(url).send().await.unwrap();
    let headers = answer.headers().clone();
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    assert_eq!(headers["cache-control"], "no-store");
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// No canary is in what was printed, in any spelling.
#[track_caller]
pub(crate) fn shows_nothing(ended: &Ended) {
    let leak = testkit::leaks::find(&format!("{}{}", ended.out, ended.err), &CANARIES);
    assert!(leak.is_none(), "{leak:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn consent_becomes_a_secret_that_the_operator_may_read_and_nothing_is_shown() {
    let stage = Stage::with(
        "",
        "  login: {scopes: [openid, offline_access], parameters: [{name: prompt, value: login}]}",
    )
    .await;
    let running = stage.login(&["--parameter", "prompt=consent", "--scope", "write"]);
    let address = running.address().await;
    assert_eq!(address.host_str(), Some("login.example.com"));
    let asked = |name: &str| parameter(&address, name);
    assert_eq!(asked("tenant").as_deref(), Some("shop"));
    assert_eq!(asked("client_id").as_deref(), Some("app"));
    assert_eq!(
        asked("scope").as_deref(),
        Some("read openid offline_access write")
    );
    assert_eq!(asked("prompt").as_deref(), Some("consent"));
    assert_eq!(
        asked("audience").as_deref(),
        Some("https://api.example.com/")
    );
    assert_eq!(asked("code_challenge_method").as_deref(), Some("S256"));
    let uri = asked("redirect_uri").unwrap();
    assert!(uri.starts_with("http://127.0.0.1:") && uri.ends_with("/callback"));
    let state = asked("state").unwrap();
    let (status, page) = stage
        .comes_back(&address, &[("code", CODE), ("state", &state)])
        .await;
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("You are logged in") && page.contains("api-login"));
    let ended = running.ended().await;
    shows_nothing(&ended);
    let out = ended.well();
    assert!(
        out.contains("Logged in.") && out.contains("api-login"),
        "{out}"
    );

    let request = stage.provider.requests_to(PATH).remove(0);
    let sent = |name: &str| request.form_value(name);
    assert_eq!(sent("grant_type").as_deref(), Some("authorization_code"));
    assert_eq!(sent("code").as_deref(), Some(CODE));
    assert_eq!(sent("redirect_uri"), Some(uri));
    assert_eq!(sent("scope"), None);
    let verifier = sent("code_verifier").unwrap();
    assert_eq!(verifier.len(), 43);
    assert!(!out.contains(&verifier));
    let challenge = ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes());
    use base64::Engine as _;
    let challenge = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(challenge);
    assert_eq!(asked("code_challenge"), Some(challenge));

    let secret = stage.rig.object("secret", "api-login").await.unwrap();
    let metadata = &secret["metadata"];
    assert_eq!(metadata["labels"]["oauthclient.dev/credentials"], "true");
    let host = Url::parse(&stage.provider.url("")).unwrap();
    assert_eq!(
        metadata["annotations"]["oauthclient.dev/allowed-hosts"],
        format!("127.0.0.1:{}", host.port().unwrap())
    );
    assert!(
        metadata.get("ownerReferences").is_none(),
        "nobody collects it"
    );
    let data = stage.rig.secret("api-login").await.unwrap();
    assert_eq!(data["client_id"], "app");
    assert!(!data["refresh_token"].is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_with_a_wrong_state_is_ignored_and_the_right_one_still_counts() {
    let stage = Stage::new().await;
    let running = stage.login(&["--no-browser"]);
    let address = running.address().await;
    for query in [
        &[("code", CODE), ("state", "wrong")][..],
        &[("code", CODE)],
        &[("error", "access_denied"), ("state", "wrong")],
        &[],
    ] {
        let (status, page) = stage.comes_back(&address, query).await;
        assert_eq!(status, 400, "{query:?}");
        assert!(page.contains("not for the login that is waiting"), "{page}");
    }
    stage.nothing_happened().await;
    // Other paths that browsers and scanners request.
    let uri = parameter(&address, "redirect_uri").unwrap();
    for other in ["/favicon.ico", "/", "/robots.txt"] {
        let (status, _) = visit(Url::parse(&uri).unwrap().join(other).unwrap()).await;
        assert_eq!(status, 404, "{other}");
    }
    let state = parameter(&address, "state").unwrap();
    let right = [("code", CODE), ("state", state.as_str())];
    let (status, _) = stage.comes_back(&address, &right).await;
    assert_eq!(status, 200);
    let ended = running.ended().await;
    assert!(
        ended.out.contains("it was ignored. Still waiting"),
        "{ended:?}"
    );
    ended.well();
    assert_eq!(stage.provider.count(PATH), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_points_its_own_name_here_is_turned_away() {
    let stage = Stage::new().await;
    let running = stage.login(&["--no-browser"]);
    let address = running.address().await;
    let state = parameter(&address, "state").unwrap();
    let mut back = Url::parse(&parameter(&address, "redirect_uri").unwrap()).unwrap();
    back.query_pairs_mut()
        .extend_pairs([("code", CODE), ("state", state.as_str())]);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = http.get(back).header("host", "evil.example:80");
    let status = request.send().await.unwrap().status().as_u16();
    assert_eq!(status, 421);
    stage.nothing_happened().await;
    running.interrupt();
    running
        .ended()
        .await
        .badly(130, "Stopped. Nothing was changed.");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_provider_refuses_is_told_in_the_terminal_and_in_the_browser() {
    for (query, words) in [
        (
            vec![
                ("error", "access_denied"),
                ("error_description", "canary-token"),
            ],
            "access_denied. Consent was declined",
        ),
        (vec![("error", "invalid_scope")], "spec.login.scopes"),
        (vec![("error", "own_error")], "an unregistered error"),
        (
            vec![("code", CODE), ("iss", "https://evil.example.com")],
            "names another issuer",
        ),
        (vec![("code", CODE), ("code", "x")], "cannot be understood"),
    ] {
        let stage = Stage::new().await;
        let running = stage.login(&["--no-browser"]);
        let address = running.address().await;
        let state = parameter(&address, "state").unwrap();
        let mut query = query;
        query.push(("state", &state));
        let (status, page) = stage.comes_back(&address, &query).await;
        assert_eq!(status, 400, "{page}");
        assert!(page.contains("You are not logged in"), "{page}");
        let ended = running.ended().await;
        shows_nothing(&ended);
        ended.badly(1, words);
        stage.nothing_happened().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_that_fails_stores_nothing_and_is_not_tried_again() {
    let stage = Stage::new().await;
    for (fault, words) in [
        (Fault::error("invalid_grant"), "redirect URI: log in again"),
        (Fault::error("invalid_client"), "client secret"),
        (Fault::status(500), "HTTP 500"),
        (Fault::Close, "log in again"),
        (Fault::Html, "answered, but its body is HTML"),
        (
            Fault::Answer {
                status: 200,
                content_type: "application/json".to_owned(),
                body: r#"{"access_token": "canary-token"}"#.to_owned(),
                headers: Vec::new(),
            },
            "no refresh token",
        ),
    ] {
        stage.provider.forget_requests();
        stage.provider.set_fault(PATH, Some(fault));
        let running = stage.login(&["--no-browser"]);
        let address = running.address().await;
        let state = parameter(&address, "state").unwrap();
        let right = [("code", CODE), ("state", state.as_str())];
        let (status, page) = stage.comes_back(&address, &right).await;
        assert_eq!(status, 400, "{page}");
        let ended = running.ended().await;
        shows_nothing(&ended);
        ended.badly(1, words);
        assert_eq!(stage.provider.count(PATH), 1, "a code is sent once");
        assert!(stage.rig.secret("api-login").await.is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_hit_on_the_redirect_changes_nothing() {
    let stage = Stage::new().await;
    stage
        .provider
        .update(PATH, |behaviour| behaviour.latency_ms = 1500);
    let running = stage.login(&["--no-browser"]);
    let address = running.address().await;
    let state = parameter(&address, "state").unwrap();
    let right = [("code", CODE), ("state", state.as_str())];
    let (first, second) = tokio::join!(stage.comes_back(&address, &right), async {
        stage
            .provider
            .wait_for_requests(PATH, 1, super::rig::SOON)
            .await
            .unwrap();
        stage.comes_back(&address, &right).await
    });
    assert_eq!((first.0, second.0), (200, 200));
    assert!(first.1.contains("You are logged in"));
    assert!(second.1.contains("was answered already"), "{}", second.1);
    running.ended().await.well();
    assert_eq!(stage.provider.count(PATH), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_registered_redirect_is_used_to_the_letter_and_a_taken_port_is_told() {
    let port = testkit::net::free_port().unwrap();
    let login = format!("  login: {{redirectURI: \"http://localhost:{port}/oauth/back\"}}");
    let stage = Stage::with("", &login).await;
    let running = stage.login(&["--no-browser"]);
    let address = running.address().await;
    let uri = format!("http://localhost:{port}/oauth/back");
    assert_eq!(parameter(&address, "redirect_uri"), Some(uri));
    let second = stage.login(&["--no-browser"]).ended().await;
    second.badly(1, "in use by another program");
    let state = parameter(&address, "state").unwrap();
    let mut back = Url::parse(&format!("http://127.0.0.1:{port}/oauth/back")).unwrap();
    back.query_pairs_mut()
        .extend_pairs([("error", "access_denied"), ("state", &state)]);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = http.get(back).header("host", format!("localhost:{port}"));
    assert_eq!(request.send().await.unwrap().status().as_u16(), 400);
    running.ended().await.badly(1, "access_denied");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_has_an_end() {
    let stage = Stage::new().await;
    let ended = stage
        .login(&["--no-browser", "--timeout-seconds", "10"])
        .ended()
        .await;
    ended.badly(1, "no answer came within 10 s");
    stage.nothing_happened().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_no_login_made_is_left_alone_and_one_that_a_login_made_is_replaced() {
    let stage = Stage::new().await;
    stage
        .rig
        .kubectl(&[
            "create",
            "secret",
            "generic",
            "api-login",
            "--from-literal=a=b",
        ])
        .await;
    let ended = stage.login(&["--no-browser"]).ended().await;
    ended.badly(1, "was not created by a login, so it is not changed");
    assert_eq!(stage.rig.secret("api-login").await.unwrap()["a"], "b");
    stage
        .rig
        .kubectl(&["label", "secret", "api-login", "oauthclient.dev/login=true"])
        .await;
    let running = stage.login(&["--no-browser"]);
    let address = running.address().await;
    let state = parameter(&address, "state").unwrap();
    let right = [("code", CODE), ("state", state.as_str())];
    stage.comes_back(&address, &right).await;
    running.ended().await.well();
    let data = stage.rig.secret("api-login").await.unwrap();
    let keys: Vec<&String> = data.keys().collect();
    assert_eq!(keys, ["client_id", "refresh_token"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_go_nowhere_that_their_owner_does_not_allow() {
    let stage = Stage::new().await;
    let annotate = |value: &str| format!("oauthclient.dev/allowed-hosts={value}");
    let elsewhere = annotate("auth.example.com");
    let args = ["annotate", "secret", "client", "--overwrite", &elsewhere];
    stage.rig.kubectl(&args).await;
    let ended = stage.login(&["--no-browser"]).ended().await;
    ended.badly(1, "may not be sent to 127.0.0.1");
    stage
        .rig
        .kubectl(&["label", "secret", "client", "oauthclient.dev/credentials-"])
        .await;
    let ended = stage.login(&["--no-browser"]).ended().await;
    ended.badly(1, "kubectl label secret client");
    let ended = stage.rig.run(&["login", "api", "--no-browser"]).await;
    assert_eq!(ended.code, Some(1));
    stage.nothing_happened().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_for_a_folder_of_manifests_is_a_file_that_others_cannot_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let stage = Stage::new().await;
    let folder = tempfile::tempdir().unwrap();
    for (kind, name) in [
        ("oauthclient", "api"),
        ("secret", "client"),
        ("configmap", "provider-ca"),
    ] {
        let mut object = stage.rig.object(kind, name).await.unwrap();
        let metadata = object["metadata"].as_object_mut().unwrap();
        metadata.retain(|field, _| ["name", "labels", "annotations"].contains(&field.as_str()));
        object.as_object_mut().unwrap().remove("status");
        let file = folder.path().join(format!("{name}.yaml"));
        std::fs::write(file, object.to_string()).unwrap();
    }
    let path = folder.path().to_str().unwrap();
    let args = [
        "login",
        "api",
        "--allow-loopback",
        "--no-browser",
        "--local",
        path,
    ];
    for _ in 0..2 {
        let running = stage.rig.start_as_is(&args, None);
        let address = running.address().await;
        let state = parameter(&address, "state").unwrap();
        let right = [("code", CODE), ("state", state.as_str())];
        let (status, page) = stage.comes_back(&address, &right).await;
        assert_eq!(status, 200, "{page}");
        let ended = running.ended().await;
        shows_nothing(&ended);
        ended.well();
    }
    let file = folder.path().join("api-login.yaml");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    let secret: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(secret["metadata"]["name"], "api-login");
    assert!(secret["data"]["refresh_token"].is_string());
    std::fs::write(&file, "a: b\n").unwrap();
    let ended = stage.rig.start_as_is(&args, None).ended().await;
    ended.badly(1, "holds something else");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pushed_request_is_authenticated_and_leaves_nothing_in_the_browser_and_the_code_is_bound_to_the_key()
 {
    let stage = Stage::with(
        "    pushedAuthorizationURL: BASE/par",
        "  dpop: {}
  login: {scopes: [offline_access], prompt: consent, loginHint: kari@example.com, maxAgeSeconds: 60, acrValues: [Level4]}",
    )
    .await;
    let key = testkit::jose::make("p256").unwrap().pkcs8;
    let patch = serde_json::json!({"stringData": {"dpop_key": key}}).to_string();
    let args = ["patch", "secret", "client", "--type=merge", "-p", &patch];
    stage.rig.kubectl(&args).await;
    stage.provider.update(PATH, |behaviour| {
        behaviour.shape.token_type = Some("DPoP".to_owned());
    });
    let pushed = Fault::Answer {
        status: 201,
        content_type: "application/json".into(),
        body: r#"{"request_uri":"urn:ietf:params:oauth:request_uri:canary-par","expires_in":60}"#
            .into(),
        headers: vec![("dpop-nonce".into(), "n-1".into())],
    };
    stage
        .provider
        .update("/par", |behaviour| behaviour.fault = Some(pushed.clone()));
    let running = stage.login(&[]);
    let address = running.address().await;
    let names: Vec<String> = address
        .query_pairs()
        .map(|(name, _)| name.into_owned())
        .collect();
    assert_eq!(names, ["tenant", "client_id", "request_uri"]);
    let request = stage.provider.requests_to("/par").remove(0);
    let sent = |name: &str| request.form_value(name);
    assert!(
        request
            .header("authorization")
            .unwrap()
            .starts_with("Basic ")
    );
    assert!(request.header("dpop").is_some());
    assert_eq!(sent("client_id").as_deref(), Some("app"));
    assert_eq!(sent("prompt").as_deref(), Some("consent"));
    assert_eq!(sent("login_hint").as_deref(), Some("kari@example.com"));
    assert_eq!(sent("max_age").as_deref(), Some("60"));
    assert_eq!(sent("acr_values").as_deref(), Some("Level4"));
    assert_eq!(sent("dpop_jkt").unwrap().len(), 43);
    assert_eq!(sent("code_challenge_method").as_deref(), Some("S256"));
    let (state, uri) = (sent("state").unwrap(), sent("redirect_uri").unwrap());
    let mut back = Url::parse(&uri).unwrap();
    back.query_pairs_mut()
        .extend_pairs([("code", CODE), ("state", &state)]);
    let (status, page) = visit(back).await;
    assert_eq!(status, 200, "{page}");
    let ended = running.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    shows_nothing(&ended);
    // The nonce that came with the pushed request is in the proof of the exchange.
    let exchange = stage.provider.requests_to(PATH).remove(0);
    let proof = exchange.header("dpop").unwrap().to_owned();
    let claims = proof.split('.').nth(1).unwrap();
    let claims =
        base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["nonce"], "n-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pushed_request_that_is_refused_opens_no_browser() {
    let stage = Stage::with("    pushedAuthorizationURL: BASE/par", "").await;
    let refused = Fault::Answer {
        status: 401,
        content_type: "application/json".into(),
        body: r#"{"error":"invalid_client"}"#.into(),
        headers: Vec::new(),
    };
    stage
        .provider
        .update("/par", |behaviour| behaviour.fault = Some(refused.clone()));
    let ended = stage.login(&[]).ended().await;
    assert_ne!(ended.code, Some(0), "{ended:?}");
    assert!(ended.err.contains("invalid_client"), "{}", ended.err);
    assert!(!ended.out.contains("login.example.com"), "{}", ended.out);
    stage.nothing_happened().await;
}
