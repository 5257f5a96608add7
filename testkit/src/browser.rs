//! A real browser without a window: Chromium from Debian's packages, driven through its own driver (W3C WebDriver).
//!
//! `testkit/install-packages.sh` installs both; `make test` runs it. Each browser has a new, empty profile.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::Process;
use crate::{Context, Error, Result, net, wait};

/// Where Debian's packages put them.
const BROWSER: &str = "/usr/bin/chromium";
const DRIVER: &str = "/usr/bin/chromedriver";
/// Headless, as root in a container, and quiet on the network.
const FLAGS: [&str; 12] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // The servers of the tests have certificates of unknown authorities.
    "--ignore-certificate-errors",
    "--window-size=1000,760",
    "--remote-debugging-port=0",
];
/// How long each may take to start on a busy machine.
const START: Duration = Duration::from_secs(120);
/// How long one command may take: a page is loaded within it.
const COMMAND: Duration = Duration::from_secs(120);

/// A running browser. It is killed when the handle is dropped, and when this process ends for any reason.
pub struct Browser {
    session: String,
    http: reqwest::Client,
    _driver: Process,
    _browser: Process,
    _profile: TempDir,
}

impl Browser {
    /// Starts browser and driver.
    ///
    /// # Errors
    /// When they are not installed, with how to install them, or do not start.
    pub async fn start() -> Result<Browser> {
        crate::install_crypto();
        for program in [BROWSER, DRIVER] {
            if !Path::new(program).exists() {
                return Err(Error::new(format!(
                    "there is no {program}, and these tests need a real browser. Install it: testkit/install-packages.sh (as root, on Debian or Ubuntu), or apt-get install chromium chromium-driver"
                )));
            }
        }
        let profile = tempfile::tempdir().context(|| "cannot make a profile")?;
        let mut chromium = Command::new(BROWSER);
        chromium
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .env("HOME", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let browser = Process::start("chromium", chromium)?;
        let port = port_of(profile.path()).await?;
        let driver_port = net::free_port()?;
        let mut driver = Command::new(DRIVER);
        driver
            .arg(format!("--port={driver_port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let driver = Process::start("chromedriver", driver)?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(COMMAND)
            .build()
            .context(|| "no HTTP client")?;
        let base = format!("http://127.0.0.1:{driver_port}");
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"debuggerAddress": format!("127.0.0.1:{port}")},
        }}});
        let id = wait::until("chromedriver", START, || async {
            let answer = ask(&http, &format!("{base}/session"), Some(&capabilities)).await?;
            let id = answer.get("sessionId").and_then(Value::as_str);
            id.map(str::to_owned).context(|| "no session")
        })
        .await?;
        Ok(Browser {
            session: format!("{base}/session/{id}"),
            http,
            _driver: driver,
            _browser: browser,
            _profile: profile,
        })
    }

    /// Opens an address and waits until it is loaded.
    ///
    /// # Errors
    /// When it cannot be loaded.
    pub async fn open(&self, url: &str) -> Result<()> {
        self.command("url", Some(&json!({ "url": url }))).await?;
        Ok(())
    }

    /// The address of the page.
    ///
    /// # Errors
    /// When the browser does not respond.
    pub async fn url(&self) -> Result<String> {
        text_of(&self.command("url", None).await?)
    }

    /// The page's title.
    ///
    /// # Errors
    /// When the browser does not respond.
    pub async fn title(&self) -> Result<String> {
        text_of(&self.command("title", None).await?)
    }

    /// What can be read in the first element that fits.
    ///
    /// # Errors
    /// When there is none.
    pub async fn text(&self, css: &str) -> Result<String> {
        let element = self.element(css).await?;
        text_of(
            &self
                .command(&format!("element/{element}/text"), None)
                .await?,
        )
    }

    /// Waits until an element is there.
    ///
    /// # Errors
    /// When it does not come, with what the page says instead.
    pub async fn wait_for(&self, css: &str) -> Result<()> {
        let there = wait::until(css, COMMAND, || async {
            self.element(css).await.map(|_| ())
        });
        match there.await {
            Ok(()) => Ok(()),
            Err(error) => {
                let page = self.text("body").await.unwrap_or_default();
                let url = self.url().await.unwrap_or_default();
                Err(Error::new(format!("{error}; {url} says: {page}")))
            }
        }
    }

    /// Waits for an element and clicks it.
    ///
    /// # Errors
    /// When it does not come.
    pub async fn click(&self, css: &str) -> Result<()> {
        self.wait_for(css).await?;
        let element = self.element(css).await?;
        let path = format!("element/{element}/click");
        self.command(&path, Some(&json!({}))).await?;
        Ok(())
    }

    /// Waits for an element and types into it.
    ///
    /// # Errors
    /// When it does not come.
    pub async fn enter(&self, css: &str, text: &str) -> Result<()> {
        self.wait_for(css).await?;
        let element = self.element(css).await?;
        let path = format!("element/{element}/value");
        self.command(&path, Some(&json!({ "text": text }))).await?;
        Ok(())
    }

    /// Runs a script in the page; what it returns.
    ///
    /// # Errors
    /// When it fails.
    pub async fn script(&self, script: &str) -> Result<Value> {
        let body = json!({"script": script, "args": []});
        self.command("execute/sync", Some(&body)).await
    }

    /// Shows pages to a user who prefers a `dark` or a `light` colour scheme.
    ///
    /// # Errors
    /// When the browser does not respond.
    pub async fn prefer(&self, scheme: &str) -> Result<()> {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        let body = json!({"cmd": "Emulation.setEmulatedMedia", "params": {"features": features}});
        self.command("goog/cdp/execute", Some(&body)).await?;
        Ok(())
    }

    /// Writes a picture of what it shows.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn picture(&self, file: &Path) -> Result<PathBuf> {
        let picture = text_of(&self.command("screenshot", None).await?)?;
        let bytes = STANDARD.decode(picture).context(|| "no picture")?;
        std::fs::write(file, bytes).context(|| format!("cannot write {}", file.display()))?;
        Ok(file.to_owned())
    }

    async fn element(&self, css: &str) -> Result<String> {
        let body = json!({"using": "css selector", "value": css});
        let found = self.command("element", Some(&body)).await?;
        let id = found.as_object().and_then(|found| found.values().next());
        let id = id.and_then(Value::as_str).map(str::to_owned);
        id.context(|| format!("no element {css}"))
    }

    async fn command(&self, path: &str, body: Option<&Value>) -> Result<Value> {
        ask(&self.http, &format!("{}/{path}", self.session), body).await
    }
}

/// One command of the protocol: its value.
async fn ask(http: &reqwest::Client, url: &str, body: Option<&Value>) -> Result<Value> {
    let request = match body {
        Some(body) => http.post(url).json(body),
        None => http.get(url),
    };
    let answer = request
        .send()
        .await
        .context(|| "chromedriver is not there")?;
    let well = answer.status().is_success();
    let mut document: Value = answer.json().await.context(|| "no JSON of chromedriver")?;
    let value = document.get_mut("value").map_or(Value::Null, Value::take);
    if well {
        return Ok(value);
    }
    let message = value.get("message").and_then(Value::as_str).unwrap_or("");
    Err(Error::new(format!("chromedriver: {message}")))
}

fn text_of(value: &Value) -> Result<String> {
    value.as_str().map(str::to_owned).context(|| "not text")
}

/// The port that Chromium picked.
async fn port_of(profile: &Path) -> Result<u16> {
    let file = profile.join("DevToolsActivePort");
    wait::until("chromium", START, || async {
        let text = std::fs::read_to_string(&file).context(|| "it has not started")?;
        let line = text.lines().next().unwrap_or_default();
        line.parse().context(|| "no port")
    })
    .await
}
