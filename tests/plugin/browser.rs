//! The whole way in a real browser, with an OAuth server that we did not write.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use testkit::browser::Browser;
use testkit::oidc::{Client, Method, OidcProvider, Options};
use testkit::tls::Authority;
use testkit::wait;

use super::code::shows_nothing;
use super::rig::{Rig, Running, SOON};

struct Stage {
    rig: Rig,
    server: OidcProvider,
    browser: Browser,
}

impl Stage {
    async fn new() -> Stage {
        let rig = Rig::new().await;
        let authority = Authority::new("plugin tests").unwrap();
        let client = Client {
            id: "app".to_owned(),
            secret: "canary-client-secret/+=&%".to_owned(),
            method: Method::ClientSecretBasic,
            ..Client::default()
        };
        let options = Options {
            clients: vec![client],
            login: true,
            rotate: true,
            ..Options::default()
        };
        let server = OidcProvider::start(options, Some(&authority))
            .await
            .unwrap();
        let ca = authority.pem().replace('\n', "\n    ");
        let issuer = server.issuer();
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
stringData: {{client_id: app, client_secret: \"canary-client-secret/+=&%\"}}
---
apiVersion: oauthclient.dev/v1alpha1
kind: OAuthClient
metadata: {{name: api}}
spec:
  provider:
    issuerURL: {issuer}
    caBundle: {{configMapName: provider-ca}}
    timeoutSeconds: 30
  grant: {{type: refresh_token}}
  credentials: {{secretName: client}}
  scopes: [openid, offline_access]
  login: {{parameters: [{{name: prompt, value: consent}}]}}
  tokenSecret: {{name: api-token}}
"
        ))
        .await;
        Stage {
            rig,
            server,
            browser: Browser::start().await.unwrap(),
        }
    }

    fn login(&self, args: &[&str]) -> Running {
        let mut all = vec!["login", "api", "--allow-loopback"];
        all.extend(args);
        self.rig.start(&all)
    }

    /// The operator takes the login from there: a token, and another when it is asked for, with a refresh token that works once.
    async fn is_kept_fresh(&self) {
        let rig = &self.rig;
        let operator = rig.operator().await;
        let ready = ["wait", "--for=condition=Ready", "oac/api", "--timeout=100s"];
        rig.kubectl(&ready).await;
        let first = rig.secret("api-token").await.unwrap();
        rig.run(&["refresh", "api", "--wait"]).await.well();
        let second = rig.secret("api-token").await.unwrap();
        assert_ne!(first["access_token"], second["access_token"]);
        let about = self.server.introspect(&second["access_token"]).await;
        assert_eq!(about.unwrap()["active"], true);
        assert!(!second.contains_key("refresh_token"));
        let log = format!("{}{}", operator.stdout(), operator.stderr());
        let login = rig.secret("api-login").await.unwrap();
        assert!(!log.contains(&login["refresh_token"]));
    }

    /// Allows whatever the provider asks, once a page, until something holds.
    async fn allows_until<F, Fut>(&self, what: &str, holds: F)
    where
        F: Fn() -> Fut,
        Fut: Future<Output = bool>,
    {
        let press = "const button = document.querySelector('#allow');
            if (button && !button.pressed) { button.pressed = true; button.click(); }";
        let met = wait::until(what, SOON, || async {
            if holds().await {
                return Ok(());
            }
            self.browser.script(press).await?;
            tokio::time::sleep(Duration::from_millis(200)).await;
            Err(testkit::Error::new("not yet"))
        });
        if let Err(error) = met.await {
            let page = self.browser.text("body").await.unwrap_or_default();
            panic!("{error}: the browser shows: {page}");
        }
    }
}

/// Where pictures of the pages go, to be looked at.
fn picture(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("login-pages");
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(format!("{name}.png"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_logs_in_in_a_browser_and_is_told_what_to_do_next() {
    let stage = Stage::new().await;
    let running = stage.login(&[]);
    running.prints("No browser could be opened").await;
    let address = running.address().await;
    stage.browser.open(address.as_str()).await.unwrap();
    let done = || async { stage.browser.text("main.done").await.is_ok() };
    stage.allows_until("the last page", done).await;
    let browser = &stage.browser;
    assert_eq!(browser.title().await.unwrap(), "You are logged in");
    assert_eq!(browser.text("h1").await.unwrap(), "You are logged in");
    let text = browser.text("main").await.unwrap();
    let next = format!("kubectl oauthclient status api -n {}", stage.rig.namespace);
    assert!(text.contains(&next), "{text}");
    looks_well(browser, "done").await;
    let ended = running.ended().await;
    shows_nothing(&ended);
    ended.well();
    let data = stage.rig.secret("api-login").await.unwrap();
    assert_eq!(data["client_id"], "app");
    stage.is_kept_fresh().await;
}

/// The style is applied although nothing else may be, in light and in dark, and the text can be read.
async fn looks_well(browser: &Browser, name: &str) {
    let script = "const seen = getComputedStyle(document.querySelector('h1')); const body = getComputedStyle(document.body);
        return {size: seen.fontSize, color: seen.color, back: body.backgroundColor, lang: document.documentElement.lang,
                loaded: performance.getEntriesByType('resource').filter(r => !r.name.endsWith('/favicon.ico')).length,
                wide: document.documentElement.scrollWidth <= innerWidth}";
    let mut shown = Vec::new();
    for scheme in ["light", "dark"] {
        browser.prefer(scheme).await.unwrap();
        let seen = browser.script(script).await.unwrap();
        assert_eq!(seen["lang"], "en");
        assert_eq!(seen["loaded"], 0, "{seen}");
        assert_eq!(seen["wide"], true, "{seen}");
        assert_eq!(seen["size"], "28px", "the style sheet is allowed: {seen}");
        let (text, back) = (&seen["color"], &seen["back"]);
        assert!(contrast(text, back) >= 4.5, "{scheme}: {seen}");
        shown.push(back.clone());
        browser
            .picture(&picture(&format!("{name}-{scheme}")))
            .await
            .unwrap();
    }
    assert_ne!(shown[0], shown[1], "dark is dark");
}

/// The contrast of WCAG 2 between two colours as browsers write them.
fn contrast(one: &Value, other: &Value) -> f64 {
    let luminance = |color: &Value| {
        let text = color.as_str().unwrap();
        let parts: Vec<f64> = text
            .split(|c: char| !c.is_ascii_digit() && c != '.')
            .filter(|part| !part.is_empty())
            .take(3)
            .map(|part| part.parse::<f64>().unwrap() / 255.0)
            .map(|part| match part {
                part if part <= 0.03928 => part / 12.92,
                part => ((part + 0.055) / 1.055).powf(2.4),
            })
            .collect();
        0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
    };
    let (a, b) = (luminance(one), luminance(other));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_declines_is_told_so() {
    let stage = Stage::new().await;
    let running = stage.login(&["--no-browser"]);
    let address = running.address().await;
    stage.browser.open(address.as_str()).await.unwrap();
    stage.browser.click("#deny").await.unwrap();
    stage.browser.wait_for("main.failed").await.unwrap();
    let text = stage.browser.text("main").await.unwrap();
    assert!(
        text.contains("You are not logged in") && text.contains("access_denied"),
        "{text}"
    );
    assert!(text.contains("Nothing was stored"), "{text}");
    looks_well(&stage.browser, "failed").await;
    running.ended().await.badly(1, "access_denied");
    assert!(stage.rig.secret("api-login").await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_typed_on_another_device() {
    let stage = Stage::new().await;
    let running = stage.login(&["--device"]);
    running.prints("and type this code").await;
    let out = running.out();
    let shown: Vec<&str> = out
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .collect();
    let [address, code] = shown[..] else {
        panic!("{out}");
    };
    let browser = &stage.browser;
    browser.open(address).await.unwrap();
    browser.enter("input[name=user_code]", code).await.unwrap();
    browser.click("button[type=submit]").await.unwrap();
    browser.wait_for("#op\\.deviceConfirmForm").await.unwrap();
    browser.click("button[type=submit]").await.unwrap();
    let done = || async { running.out().contains("Logged in.") };
    stage.allows_until("the login", done).await;
    let ended = running.ended().await;
    shows_nothing(&ended);
    ended.well();
    let data = stage.rig.secret("api-login").await.unwrap();
    assert_eq!(data["client_id"], "app");
    stage.is_kept_fresh().await;
}
