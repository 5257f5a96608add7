//! An independent OAuth server (npm `oidc-provider`) on loopback. It confirms that this project understands the
//! protocol correctly.
//!
//! Its package, the lock file that pins it, and the few lines that start it are in `testkit/oidc-provider/`. It is
//! installed once
//! into a cache outside the checkout, which takes seconds and needs `node` and `npm`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use crate::process::Process;
use crate::tls::{self, Authority};
use crate::{Context, Error, Result, cache, wait};

mod client;

pub use client::{Client, Method};

/// All that is installed and started, by file name.
const FILES: [(&str, &str); 4] = [
    (
        "package.json",
        include_str!("../oidc-provider/package.json"),
    ),
    (
        "package-lock.json",
        include_str!("../oidc-provider/package-lock.json"),
    ),
    ("server.mjs", include_str!("../oidc-provider/server.mjs")),
    ("jose.mjs", include_str!("../oidc-provider/jose.mjs")),
];
/// How long npm may take; it has a patience of its own with the network.
const INSTALL_DEADLINE: Duration = Duration::from_secs(300);
/// How often it is looked at meanwhile.
const INSTALL_PERIOD: Duration = Duration::from_millis(50);
/// How long the server may take to start on a busy machine.
const START_DEADLINE: Duration = Duration::from_secs(60);
/// How long one question to it may take.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

/// What the server does.
#[derive(Clone, Debug)]
pub struct Options {
    /// The clients, for `client_credentials` and, with `login`, for people. If one authenticates by certificate, the
    /// server must have
    /// an authority, and requests certificates at the aliases in its metadata (RFC 8705 section 5).
    pub clients: Vec<Client>,
    /// The lifetime of access tokens in seconds; 600 by default.
    pub lifetime_seconds: u32,
    /// `resource` (RFC 8707) is understood and must start with `https://api.example.com`; off by default, and then ignored.
    pub resource_indicators: bool,
    /// The scopes there are; `read` and `write` by default.
    pub scopes: Vec<String>,
    /// People can log in for the clients, by browser (with PKCE, loopback redirects to `/callback`) and by device; every
    /// consent brings a refresh token. Off by default.
    pub login: bool,
    /// A refresh token works once and is answered with its successor; using an old one kills the family. Off by default.
    pub rotate: bool,
    /// Every token is bound to a key (DPoP, RFC 9449), with a nonce of the server's in each proof at the token and the revocation
    /// endpoint. Off by default.
    pub dpop: bool,
    /// Clients can be registered by anybody (RFC 7591). Off by default.
    pub registration: bool,
    /// Authorization requests are pushed (RFC 9126) or refused. Off by default.
    pub require_pushed: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            clients: Vec::new(),
            lifetime_seconds: 600,
            resource_indicators: false,
            scopes: vec!["read".to_owned(), "write".to_owned()],
            login: false,
            rotate: false,
            dpop: false,
            require_pushed: false,
            registration: false,
        }
    }
}

/// What the server reported about a request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// It gave a token.
    Granted {
        /// To this client.
        client: String,
    },
    /// It gave none.
    Refused {
        /// `error` of its response.
        error: String,
    },
    /// It revoked a token (RFC 7009).
    Revoked {
        /// Of this client.
        client: String,
        /// `RefreshToken`, `AccessToken` or `ClientCredentials`.
        kind: String,
    },
    /// It did not revoke a token.
    NotRevoked {
        /// `error` of its response.
        error: String,
    },
    /// It failed itself.
    Broken {
        /// In its own words.
        error: String,
    },
}

/// The line that the server prints when it is ready.
#[derive(Deserialize)]
struct Ready {
    issuer: String,
    token_endpoint: String,
    introspection_endpoint: String,
}

/// A running server. It is killed when the handle is dropped, and when this process ends for any reason.
pub struct OidcProvider {
    ready: Ready,
    folder: TempDir,
    first_client: Option<Client>,
    ca_pem: String,
    _process: Process,
}

impl OidcProvider {
    /// Installs the server if this machine has none yet, starts it, and waits until it responds; over TLS if there is
    /// an authority
    /// to issue its certificate.
    ///
    /// # Errors
    /// When `node` or `npm` is missing, when the installation fails, or when it does not start within a minute: with
    /// what it
    /// printed.
    pub async fn start(options: Options, authority: Option<&Authority>) -> Result<OidcProvider> {
        let installed = tokio::task::spawn_blocking(install)
            .await
            .context(|| "the installation of oidc-provider panicked")??;
        let identity = authority
            .map(|authority| authority.issue_for_loopback(None))
            .transpose()?;
        let mutual = options
            .clients
            .iter()
            .any(|client| client.method.is_mutual());
        let ca_pem = authority.map(Authority::pem).unwrap_or_default();
        let clients: Vec<Value> = options.clients.iter().map(Client::metadata).collect();
        let config = json!({
            "clients": clients,
            "lifetimeSeconds": options.lifetime_seconds,
            "resourceIndicators": options.resource_indicators,
            "scopes": options.scopes,
            "login": options.login,
            "rotate": options.rotate,
            "dpop": options.dpop,
            "registration": options.registration,
            "requirePushed": options.require_pushed,
            "clientAuthority": mutual.then_some(&ca_pem),
            "tls": identity.map(|identity| json!({"cert": identity.certificate_pem, "key": identity.key_pem})),
        });
        let folder = tempfile::tempdir().context(|| "cannot make a folder for oidc-provider")?;
        let mut node = Command::new("node");
        node.arg(installed.join("server.mjs"))
            .env("OIDC_PROVIDER_CONFIG", config.to_string())
            .stdin(Stdio::null())
            .stdout(create(&folder.path().join("stdout"))?)
            .stderr(create(&folder.path().join("stderr"))?);
        let process = Process::start("oidc-provider", node)?;
        let ready = wait::until("oidc-provider", START_DEADLINE, || async {
            if let Some(status) = process.exited() {
                let said = read(&folder.path().join("stderr"))?;
                return Ok(Err(Error::new(format!(
                    "oidc-provider ended ({status}): {said}"
                ))));
            }
            let said = read(&folder.path().join("stdout"))?;
            let line = said
                .lines()
                .next()
                .context(|| "it has not said that it is ready")?;
            serde_json::from_str(line)
                .context(|| "its first line is not whole")
                .map(Ok)
        })
        .await??;
        Ok(OidcProvider {
            ready,
            folder,
            first_client: options.clients.first().cloned(),
            ca_pem,
            _process: process,
        })
    }

    /// Its issuer identifier: scheme, host and port.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.ready.issuer
    }

    /// The URL of its token endpoint.
    #[must_use]
    pub fn token_endpoint(&self) -> &str {
        &self.ready.token_endpoint
    }

    /// What became of the token requests so far, in order.
    ///
    /// # Errors
    /// When its output cannot be read.
    pub fn events(&self) -> Result<Vec<Event>> {
        // The first line says that it is ready. The last one may still be incomplete, and is read once it is whole.
        let said = read(&self.folder.path().join("stdout"))?;
        let lines = said.lines().skip(1);
        Ok(lines
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect())
    }

    /// The server's response when its first client introspects a token (RFC 7662): `active`, `client_id`, `scope`,
    /// `aud`, `exp`.
    ///
    /// # Errors
    /// When it has no client, or the response is not a JSON document.
    pub async fn introspect(&self, token: &str) -> Result<Value> {
        let client = self
            .first_client
            .as_ref()
            .context(|| "oidc-provider has no client to ask as")?;
        let url = &self.ready.introspection_endpoint;
        let (_, document) = self.asked(url, client, &[("token", token)]).await?;
        Ok(document)
    }

    /// Sends a token request of a client with a plain secret or none, and returns status and document of the response.
    ///
    /// # Errors
    /// When the client authenticates in another way, or the response is not a document.
    pub async fn ask(&self, client: &Client, form: &[(&str, &str)]) -> Result<(u16, Value)> {
        self.asked(&self.ready.token_endpoint, client, form).await
    }

    /// A refresh token for a client, from a consent that no person gave; only with [`Options::login`].
    ///
    /// # Errors
    /// When the server has no such client.
    pub async fn consent(&self, client: &str) -> Result<String> {
        let what = || "cannot get a consent of oidc-provider";
        let url = format!("{}/testkit/consent", self.ready.issuer);
        let url = Url::parse_with_params(&url, [("client_id", client)]).context(what)?;
        let asked = self.http()?.post(url);
        let answer: Value = asked
            .send()
            .await
            .context(what)?
            .json()
            .await
            .context(what)?;
        let token = answer.get("refresh_token").and_then(Value::as_str);
        token.map(str::to_owned).context(what)
    }

    fn http(&self) -> Result<reqwest::Client> {
        reqwest::Client::builder()
            .tls_backend_preconfigured(tls::client_config(&self.ca_pem)?)
            .no_proxy()
            .timeout(ANSWER_DEADLINE)
            .build()
            .context(|| "cannot make an HTTP client")
    }

    async fn asked(
        &self,
        url: &str,
        client: &Client,
        form: &[(&str, &str)],
    ) -> Result<(u16, Value)> {
        let what = || "cannot ask oidc-provider";
        let request = client.proves(self.http()?.post(url), form)?;
        let answer = request.send().await.context(what)?;
        let status = answer.status().as_u16();
        Ok((status, answer.json().await.context(what)?))
    }
}

/// The folder with the server and everything it needs.
pub(crate) fn install() -> Result<PathBuf> {
    let key = FILES.map(|(_, text)| text).join("\0");
    cache::filled_once("oidc-provider", key.as_bytes(), |into| {
        eprintln!(
            "testkit: installing oidc-provider into {}: once, some seconds",
            into.display()
        );
        for (name, text) in FILES {
            std::fs::write(into.join(name), text).context(|| format!("cannot write {name}"))?;
        }
        let log = into.join("npm.log");
        let mut npm = Command::new("npm");
        npm.current_dir(into)
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(create(&log)?);
        let npm = Process::start("npm", npm).context(
            || "oidc-provider is installed by npm. Install Node 20 or later, which brings it",
        )?;
        let mut waited = Duration::ZERO;
        let status = loop {
            if let Some(status) = npm.exited() {
                break status;
            }
            if waited >= INSTALL_DEADLINE {
                return Err(Error::new(format!(
                    "`npm ci` was not done after {INSTALL_DEADLINE:?}: {}",
                    read(&log)?
                )));
            }
            std::thread::sleep(INSTALL_PERIOD);
            waited += INSTALL_PERIOD;
        };
        match status.success() {
            true => Ok(()),
            false => Err(Error::new(format!(
                "`npm ci` failed ({status}): {}",
                read(&log)?
            ))),
        }
    })
}

fn create(path: &Path) -> Result<File> {
    File::create(path).context(|| format!("cannot make {}", path.display()))
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).context(|| format!("cannot read {}", path.display()))
}
