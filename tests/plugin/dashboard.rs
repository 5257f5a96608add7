//! The dashboard: who may ask it, what it shows in a real browser, and what its buttons do.

use std::path::Path;

use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use testkit::browser::Browser;
use testkit::provider::Fault;
use testkit::wait;
use url::Url;

use super::code::{CODE, PATH, SECRET, Stage};
use super::rig::{Running, SOON};

const TOKEN: &str = "x-dashboard-token";

/// A dashboard that runs, and what its address says.
struct Dashboard {
    running: Running,
    address: Url,
}

impl Dashboard {
    async fn start(stage: &Stage) -> Dashboard {
        let args = ["dashboard", "--no-browser", "--allow-loopback"];
        let running = stage.rig.start(&args);
        let address = running.address().await;
        Dashboard { running, address }
    }

    fn token(&self) -> &str {
        self.address.fragment().unwrap()
    }

    fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.address.port().unwrap())
    }

    /// Sends a request as the page does, with these headers added or replaced; an empty one is left out.
    async fn posts(
        &self,
        path: &str,
        name: &str,
        namespace: &str,
        other: &[(&'static str, &str)],
    ) -> (u16, Value) {
        let mut headers = HeaderMap::new();
        headers.insert(TOKEN, self.token().parse().unwrap());
        headers.insert("origin", self.origin().parse().unwrap());
        for (name, value) in other {
            match *value {
                "" => drop(headers.remove(*name)),
                value => drop(headers.insert(*name, HeaderValue::from_str(value).unwrap())),
            }
        }
        let body = json!({"namespace": namespace, "name": name}).to_string();
        let request = client().post(format!("{}{path}", self.origin()));
        let answer = request.headers(headers).body(body).send().await.unwrap();
        let policy = answer.headers()["content-security-policy"]
            .to_str()
            .unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    async fn stops(self) {
        self.running.interrupt();
        let ended = self.running.ended().await;
        assert_eq!(ended.code, Some(130), "{ended:?}");
        super::code::shows_nothing(&ended);
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// Waits until a script in the page says yes.
async fn until(browser: &Browser, what: &str, script: &str) {
    let met = wait::until(what, SOON, || async {
        match browser.script(script).await? {
            Value::Bool(true) => Ok(()),
            other => Err(testkit::Error::new(format!("{other}"))),
        }
    });
    if let Err(error) = met.await {
        let page = browser.text("body").await.unwrap_or_default();
        panic!("{error}: the page says: {page}");
    }
}

/// Clicks an element, as soon as it can be.
async fn clicks(browser: &Browser, css: &str) {
    let clicked = wait::until(css, SOON, || async { browser.click(css).await });
    clicked.await.unwrap();
}

/// Presses keys at an element. An element that is being redrawn receives none.
async fn types(browser: &Browser, css: &str, keys: &str) {
    let typed = wait::until(css, SOON, || async { browser.enter(css, keys).await });
    typed.await.unwrap();
}

/// Whether the card of a resource holds these words.
fn card_says(name: &str, words: &str) -> String {
    format!(
        "return [...document.querySelectorAll('.card')].some((card) => card.querySelector('.name').textContent.endsWith({}) && card.textContent.includes({}))",
        json!(format!("/{name}")),
        json!(words)
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_page_that_was_opened_may_ask_and_do_anything() {
    let stage = Stage::new().await;
    let namespace = stage.rig.namespace.clone();
    let dashboard = Dashboard::start(&stage).await;
    let asks = async |other: &[(&'static str, &str)]| {
        dashboard
            .posts("/api/refresh", "api", &namespace, other)
            .await
            .0
    };
    for (other, status) in [
        (&[(TOKEN, "")][..], 401),
        (&[(TOKEN, "guessed")], 401),
        (&[("host", "evil.example")], 421),
        (&[("origin", "http://evil.example")], 403),
        (&[("origin", "null")], 403),
        (&[("origin", "")], 403),
        (&[("sec-fetch-site", "cross-site")], 403),
    ] {
        assert_eq!(asks(other).await, status, "{other:?}");
    }
    let asked = async || {
        let object = stage.rig.object("oac", "api").await.unwrap();
        let path = "/metadata/annotations/oauthclient.dev~1refresh-requested-at";
        object.pointer(path).is_some()
    };
    assert!(!asked().await, "nobody may");
    let news = client().get(format!("{}/api/news", dashboard.origin()));
    assert_eq!(news.send().await.unwrap().status(), 401);
    // What anybody may read holds nothing of the cluster.
    let page = client()
        .get(dashboard.origin())
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        !page.contains("api-token") && !page.contains(dashboard.token()),
        "{page}"
    );
    // Nothing is done about what the page does not show.
    let other = dashboard
        .posts("/api/refresh", "api", "kube-system", &[])
        .await;
    assert_eq!(other.0, 404, "{other:?}");
    let met = wait::until("the first list", SOON, || async {
        let (status, answer) = dashboard
            .posts("/api/refresh", "api", &namespace, &[])
            .await;
        if status == 200 {
            Ok(())
        } else {
            Err(testkit::Error::new(answer.to_string()))
        }
    });
    met.await.unwrap();
    assert!(asked().await);
    dashboard.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_every_resource_live_and_its_buttons_work() {
    let stage = Stage::with("", "").await;
    let rig = &stage.rig;
    let base = stage.provider.url("");
    rig.apply(&resources(&base)).await;
    let operator = rig.operator().await;
    for name in ["api", "stock"] {
        let ready = format!("oac/{name}");
        rig.kubectl(&["wait", "--for=condition=Ready", &ready, "--timeout=100s"])
            .await;
    }
    stage
        .provider
        .set_fault("/device", Some(Fault::status(503)));
    let dashboard = Dashboard::start(&stage).await;
    let browser = Browser::start().await.unwrap();
    browser.open(dashboard.address.as_str()).await.unwrap();
    until(
        &browser,
        "all cards",
        "return document.querySelectorAll('.card').length === 5",
    )
    .await;
    until(
        &browser,
        "a missing Secret",
        &card_says(
            "reports",
            "kubectl oauthclient credentials create reports-client",
        ),
    )
    .await;
    until(
        &browser,
        "a login that is awaited",
        &card_says("mail", "kubectl oauthclient login mail"),
    )
    .await;
    assert!(
        !browser.url().await.unwrap().contains('#'),
        "the token is out of the address bar"
    );

    // A refresh that fails: the token stays, and the page says so by itself.
    clicks(&browser, &button("/api/refresh", &rig.namespace, "stock")).await;
    until(
        &browser,
        "the failure",
        &card_says("stock", "TemporarilyUnavailable"),
    )
    .await;
    // A working one: another token, and the timeline restarts.
    let before = stage.provider.count(PATH);
    clicks(&browser, &button("/api/refresh", &rig.namespace, "api")).await;
    let asked = wait::until("another token", SOON, || async {
        (stage.provider.count(PATH) > before)
            .then_some(())
            .ok_or_else(|| testkit::Error::new("not yet"))
    });
    asked.await.unwrap();
    // By the keyboard alone: the name opens the details, with what happened.
    let name = format!("[id=\"name-{}/api\"]", rig.namespace);
    types(&browser, &name, "\u{E007}").await;
    until(
        &browser,
        "the tokens seen",
        &card_says("api", "Tokens since this page was opened"),
    )
    .await;
    pictures(&browser).await;
    types(&browser, "#filter-", "/").await;
    types(&browser, "#search", "stock").await;
    until(
        &browser,
        "one card",
        "return document.querySelectorAll('.card').length === 1",
    )
    .await;

    // What comes from the cluster is text, and the policy of the page is in force.
    let evil = json!({"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "NotFound",
        "message": "<img src=x onerror=\"document.title='owned'\">", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}});
    rig.apply(EVIL).await;
    rig.kubectl(&[
        "patch",
        "oac",
        "evil",
        "--subresource=status",
        "--type=merge",
        "-p",
        &evil.to_string(),
    ])
    .await;
    types(&browser, "#search", "\u{E00C}").await;
    until(
        &browser,
        "the message as text",
        &card_says("evil", "<img src=x"),
    )
    .await;
    assert_eq!(browser.title().await.unwrap(), "OAuthClients");
    let script = "try { document.body.innerHTML = '<p>x</p>'; return 'allowed' } catch (error) { return error.name }";
    assert_eq!(browser.script(script).await.unwrap(), "TypeError");
    let shown = browser
        .script("return document.documentElement.outerHTML")
        .await
        .unwrap();
    for secret in [SECRET, "canary-token", dashboard.token()] {
        assert!(!shown.as_str().unwrap().contains(secret), "{secret}");
    }
    rig.kubectl(&["delete", "oac", "evil", "--wait=false"])
        .await;
    until(&browser, "it is gone", "return ![...document.querySelectorAll('.name')].some((name) => name.textContent.endsWith('/evil'))").await;
    dashboard.stops().await;
    drop(operator);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_begun_on_the_page_and_its_answer_is_stored() {
    let stage = Stage::with("", "  grant: {type: refresh_token}").await;
    let namespace = stage.rig.namespace.clone();
    let dashboard = Dashboard::start(&stage).await;
    let begun = wait::until("the login", SOON, || async {
        let (status, answer) = dashboard.posts("/api/login", "api", &namespace, &[]).await;
        if status == 200 {
            Ok(answer)
        } else {
            Err(testkit::Error::new(answer.to_string()))
        }
    });
    let address = begun.await.unwrap()["url"].as_str().unwrap().to_owned();
    let address = Url::parse(&address).unwrap();
    assert_eq!(address.host_str(), Some("login.example.com"));
    let state = super::rig::parameter(&address, "state").unwrap();
    let (status, _) = stage
        .comes_back(&address, &[("code", CODE), ("state", &state)])
        .await;
    assert_eq!(status, 200);
    let data = stage.rig.secret("api-login").await.unwrap();
    assert!(!data["refresh_token"].is_empty());
    dashboard.stops().await;
}

fn button(path: &str, namespace: &str, name: &str) -> String {
    format!("[id=\"{path}{namespace}/{name}\"]")
}

/// Pictures of both schemes; with UPDATE=1 those of the documentation.
async fn pictures(browser: &Browser) {
    let update = std::env::var("UPDATE").is_ok_and(|value| value == "1");
    let folder = match update {
        true => Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/images"),
        false => Path::new(env!("CARGO_TARGET_TMPDIR")).join("dashboard"),
    };
    std::fs::create_dir_all(&folder).unwrap();
    // All of it in one picture.
    let whole = "document.querySelectorAll('.notices button').forEach((one) => one.click()); document.body.style.zoom = '0.65'; \
        window.scrollTo(0, 0); document.activeElement.blur(); return true";
    browser.script(whole).await.unwrap();
    for scheme in ["light", "dark"] {
        browser.prefer(scheme).await.unwrap();
        let file = folder.join(format!("dashboard-{scheme}.png"));
        browser.picture(&file).await.unwrap();
        assert!(
            std::fs::metadata(&file).unwrap().len() > 10_000,
            "{}",
            file.display()
        );
    }
    let back = "document.body.style.zoom = ''; return true";
    browser.script(back).await.unwrap();
}

const EVIL: &str = "apiVersion: oauthclient.dev/v1alpha1
kind: OAuthClient
metadata: {name: evil}
spec:
  suspend: true
  provider: {tokenURL: https://auth.example.com/token}
  credentials: {secretName: client}
  tokenSecret: {name: evil-token}
";

/// One that will fail, one whose credentials are missing, one that waits for a login, and one that is suspended.
fn resources(base: &str) -> String {
    let one = |name: &str, url: &str, secret: &str, more: &str| {
        format!(
            "---
apiVersion: oauthclient.dev/v1alpha1
kind: OAuthClient
metadata: {{name: {name}}}
spec:
  provider: {{tokenURL: {url}, caBundle: {{configMapName: provider-ca}}, authorizationURL: https://login.example.com/authorize}}
  credentials: {{secretName: {secret}}}
  tokenSecret: {{name: {name}-token}}
{more}
"
        )
    };
    [
        one("stock", &format!("{base}/device"), "client", ""),
        one("reports", &format!("{base}{PATH}"), "reports-client", ""),
        one(
            "mail",
            &format!("{base}{PATH}"),
            "client",
            "  grant: {type: refresh_token}",
        ),
        one(
            "archive",
            &format!("{base}{PATH}"),
            "client",
            "  suspend: true",
        ),
    ]
    .concat()
}
