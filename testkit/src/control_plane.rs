//! A real Kubernetes API on loopback: `etcd`, `kube-apiserver` and, on request, `kube-controller-manager`.
//!
//! [`shared`] returns the one that all tests of a binary share; each test creates a namespace in it. A test that stops
//! the API
//! server, or that counts what happens in the whole cluster, starts its own with [`ControlPlane::start`] (2 to 4 s).
//! There is
//! no kubelet, so no pod ever runs.

mod assets;
mod audit;
mod data_dir;
mod kubeconfig;
mod kubectl;
mod objects;
mod options;
mod servers;

pub use assets::{Assets, kubernetes_version};
pub use audit::{AuditEvent, AuditMark};
pub use kubeconfig::Kubeconfig;
pub use objects::Objects;
pub use options::{Options, USUAL_CONTROLLERS, User};

use crate::process::Process;
use crate::{Context, Error, Result, random, wait};
use data_dir::DataDir;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{Api, PostParams};
use servers::{Files, Ports};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;

/// How long the API server may take to become ready: usually 2 to 4 s, and much more while the machine compiles.
const READY_WITHIN: Duration = Duration::from_secs(90);
/// How long a ServiceAccount's token is valid: longer than any test.
const TOKEN_SECONDS: i64 = 365 * 24 * 3600;
/// How often a start is tried again: between the choice of a port and its use another process may have taken it.
const ATTEMPTS: usize = 3;

/// A running control plane. Dropping it ends its servers and removes its data.
///
/// The servers also end with the process. Everything here works from any runtime; a client belongs to the test that
/// created it.
#[derive(Debug)]
pub struct ControlPlane {
    // In the order in which things are dropped: clients of a server before the server, the folder last.
    controller_manager: Mutex<Option<Process>>,
    api_server: Mutex<Option<Process>>,
    etcd: Process,
    options: Options,
    assets: Assets,
    ports: Ports,
    files: Files,
    admin_token: String,
    namespaces: AtomicU64,
    dir: DataDir,
}

/// The control plane that all tests of this binary share, with [`USUAL_CONTROLLERS`] and audit log; the first call starts it.
///
/// # Panics
/// When it cannot be started: no test can go on without it.
pub async fn shared() -> &'static ControlPlane {
    static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
    let started = SHARED
        .get_or_try_init(|| ControlPlane::start(Options::with_usual_controllers()))
        .await;
    #[expect(clippy::panic, reason = "only tests call it, and none can go on")]
    match started {
        Ok(plane) => plane,
        Err(error) => panic!("cannot start the control plane of the tests: {error}"),
    }
}

impl ControlPlane {
    /// Starts one and waits until it is ready. Builds its programs first if need be ([`Assets::find_or_build`]).
    ///
    /// # Errors
    /// When a program is missing, or when a server does not come up within 90 s; then with the end of its log.
    pub async fn start(options: Options) -> Result<ControlPlane> {
        crate::install_crypto();
        let assets = tokio::task::spawn_blocking(Assets::find_or_build)
            .await
            .context(|| "the build of the control plane panicked")??;
        let mut attempt = 1;
        loop {
            match ControlPlane::try_start(&options, &assets).await {
                Ok(plane) => return Ok(plane),
                Err(error)
                    if attempt < ATTEMPTS
                        && error.to_string().contains("address already in use") =>
                {
                    attempt += 1
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn try_start(options: &Options, assets: &Assets) -> Result<ControlPlane> {
        let dir = DataDir::create()?;
        let files = Files::of(&dir);
        let ports = Ports::pick()?;
        let admin_token = random::hex()?;
        write_inputs(&files, options, &admin_token)?;
        let etcd = servers::start(
            "etcd",
            servers::etcd(&assets.program("etcd")?, &files, ports, options),
            &files,
        )?;
        let plane = ControlPlane {
            controller_manager: Mutex::new(None),
            api_server: Mutex::new(None),
            etcd,
            options: options.clone(),
            assets: assets.clone(),
            ports,
            files,
            admin_token,
            namespaces: AtomicU64::new(0),
            dir,
        };
        plane
            .admin_identity()
            .write(&plane.files.admin_kubeconfig())?;
        plane.start_api_server().await?;
        if !plane.options.controllers.is_empty() {
            let program = plane.assets.program("kube-controller-manager")?;
            let command = servers::controller_manager(&program, &plane.files, &plane.options);
            *lock(&plane.controller_manager) = Some(servers::start(
                "kube-controller-manager",
                command,
                &plane.files,
            )?);
        }
        Ok(plane)
    }

    /// `https://127.0.0.1:PORT`.
    pub fn server_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.ports.api)
    }

    /// The certificates that the API server is checked against, as PEM.
    pub fn ca_path(&self) -> PathBuf {
        self.files.ca()
    }

    /// The API server's certificate chain and private key, as PEM, for a server that impersonates it.
    pub fn server_certificate(&self) -> (PathBuf, PathBuf) {
        (self.files.ca(), self.files.server_key())
    }

    /// The folder of logs and data, for a look at what went wrong; it goes with the control plane.
    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// Where `kubectl` and the servers lie.
    pub fn assets(&self) -> &Assets {
        &self.assets
    }

    /// A kubeconfig file of the administrator.
    pub fn admin_kubeconfig(&self) -> PathBuf {
        self.files.admin_kubeconfig()
    }

    /// What [`ControlPlane::admin_kubeconfig`] says.
    pub fn admin_identity(&self) -> Kubeconfig {
        self.identity(&self.admin_token, "default")
    }

    /// The content of a kubeconfig for the user with this `token`.
    pub fn identity(&self, token: &str, namespace: &str) -> Kubeconfig {
        Kubeconfig {
            server: self.server_url(),
            ca: self.ca_path(),
            token: token.to_owned(),
            namespace: namespace.to_owned(),
        }
    }

    /// A new client of the administrator; call it inside the runtime that uses it.
    ///
    /// # Errors
    /// When the API server's certificate cannot be read.
    pub fn client(&self) -> Result<kube::Client> {
        self.client_as(&self.admin_token)
    }

    /// A new client for the user with this `token`: one of [`Options::users`], or a ServiceAccount.
    ///
    /// # Errors
    /// When the API server's certificate cannot be read.
    pub fn client_as(&self, token: &str) -> Result<kube::Client> {
        self.identity(token, "default").client()
    }

    /// A token of a ServiceAccount, from the TokenRequest API, valid for a year.
    ///
    /// # Errors
    /// When there is no such ServiceAccount.
    pub async fn service_account_token(&self, namespace: &str, name: &str) -> Result<String> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client()?, namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                expiration_seconds: Some(TOKEN_SECONDS),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let answer = accounts
            .create_token_request(name, &PostParams::default(), &request)
            .await
            .context(|| format!("cannot get a token of the ServiceAccount {namespace}/{name}"))?;
        answer
            .status
            .map(|status| status.token)
            .context(|| "the answer to a TokenRequest has no token")
    }

    /// What a kubeconfig says for a ServiceAccount: to be written, or pointed at a proxy first.
    ///
    /// # Errors
    /// When there is no such ServiceAccount.
    pub async fn service_account(&self, namespace: &str, name: &str) -> Result<Kubeconfig> {
        let token = self.service_account_token(namespace, name).await?;
        Ok(self.identity(&token, namespace))
    }

    /// Writes `DIR/NAMESPACE-NAME.kubeconfig` for a ServiceAccount and returns its path.
    ///
    /// # Errors
    /// When there is no such ServiceAccount, or the file cannot be written.
    pub async fn kubeconfig_for_service_account(
        &self,
        namespace: &str,
        name: &str,
        dir: &Path,
    ) -> Result<PathBuf> {
        let path = dir.join(format!("{namespace}-{name}.kubeconfig"));
        self.service_account(namespace, name).await?.write(&path)?;
        Ok(path)
    }

    /// Creates a namespace that nothing else uses, and returns its name.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn namespace(&self) -> Result<String> {
        let name = format!(
            "test-{}",
            self.namespaces.fetch_add(1, Ordering::Relaxed) + 1
        );
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some(name.clone());
        Api::all(self.client()?)
            .create(&PostParams::default(), &namespace)
            .await
            .context(|| format!("cannot make the namespace {name}"))?;
        Ok(name)
    }

    /// The processor time that the API server has used since it was started.
    ///
    /// # Errors
    /// It is stopped, or has ended.
    pub fn api_server_cpu_time(&self) -> Result<std::time::Duration> {
        let pid = lock(&self.api_server).as_ref().map(Process::pid);
        let pid = pid.ok_or_else(|| crate::Error::new("the API server is stopped"))?;
        crate::process::cpu_time(pid)
    }

    /// The processor time that each of its servers has used since it was started, by name. Servers that are stopped are left out.
    pub fn cpu_times(&self) -> Vec<(&'static str, std::time::Duration)> {
        let pid = |server: &Mutex<Option<Process>>| lock(server).as_ref().map(Process::pid);
        let servers = [
            ("etcd", Some(self.etcd.pid())),
            ("API server", pid(&self.api_server)),
            ("controller manager", pid(&self.controller_manager)),
        ];
        let time = |pid: u32| crate::process::cpu_time(pid).ok();
        servers
            .into_iter()
            .filter_map(|(name, pid)| Some((name, time(pid?)?)))
            .collect()
    }

    /// Kills the API server, as an outage does; etcd keeps its data.
    pub fn stop_api_server(&self) {
        if let Some(process) = lock(&self.api_server).take() {
            process.kill();
        }
    }

    /// Starts the API server again, at the same port, with the same certificate and data, and waits until it is ready. Does
    /// nothing when it runs.
    ///
    /// # Errors
    /// When it does not come up within 90 s; then with the end of its log.
    pub async fn start_api_server(&self) -> Result<()> {
        {
            let mut api_server = lock(&self.api_server);
            if api_server.is_some() {
                return Ok(());
            }
            let program = self.assets.program("kube-apiserver")?;
            let command = servers::api_server(&program, &self.files, self.ports, &self.options);
            *api_server = Some(servers::start("kube-apiserver", command, &self.files)?);
        }
        let ready = wait::until("the API server to be ready", READY_WITHIN, || async {
            if let Some(error) = self.why_a_server_ended() {
                return Ok(Err(error));
            }
            self.get("/readyz").await.map(Ok)
        });
        ready.await?
    }

    fn why_a_server_ended(&self) -> Option<Error> {
        let api_server = lock(&self.api_server);
        let ended = api_server
            .as_ref()
            .and_then(|process| servers::why_it_ended("kube-apiserver", process, &self.files));
        // Without etcd the API server gives up too, and etcd's words are then the cause.
        servers::why_it_ended("etcd", &self.etcd, &self.files).or(ended)
    }

    /// Whether every server that was started still runs.
    pub fn is_healthy(&self) -> bool {
        let runs = |server: &Mutex<Option<Process>>| {
            lock(server)
                .as_ref()
                .is_none_or(|process| process.exited().is_none())
        };
        self.etcd.exited().is_none() && runs(&self.api_server) && runs(&self.controller_manager)
    }

    /// A GET as the administrator; anything but 200 is an error.
    async fn get(&self, path: &str) -> Result<()> {
        let pem =
            std::fs::read(self.ca_path()).context(|| "the API server has no certificate yet")?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem)
            .context(|| "the API server's certificate does not parse")?;
        let answer = reqwest::Client::builder()
            .tls_certs_only(certificates)
            .no_proxy()
            .timeout(Duration::from_secs(5))
            .build()
            .context(|| "cannot make an HTTP client")?
            .get(format!("{}{path}", self.server_url()))
            .bearer_auth(&self.admin_token)
            .send()
            .await
            .context(|| format!("no answer to GET {path}"))?;
        if answer.status() == reqwest::StatusCode::OK {
            return Ok(());
        }
        Err(Error::new(format!(
            "GET {path} answers {}",
            answer.status()
        )))
    }
}

/// The files that the servers read at their start.
fn write_inputs(files: &Files, options: &Options, admin_token: &str) -> Result<()> {
    let certificates = files.certificates();
    std::fs::create_dir(&certificates)
        .context(|| format!("cannot make {}", certificates.display()))?;
    let key =
        rcgen::KeyPair::generate().context(|| "cannot make a key to sign ServiceAccount tokens")?;
    kubeconfig::write_private(&files.signing_key(), &key.serialize_pem())?;
    kubeconfig::write_private(&files.verifying_key(), &key.public_key_pem())?;
    kubeconfig::write_private(&files.audit_policy(), audit::POLICY)?;
    let mut tokens = format!("{admin_token},admin,admin,\"system:masters\"\n");
    for User {
        name,
        token,
        groups,
    } in &options.users
    {
        tokens.push_str(&format!("{token},{name},{name},\"{}\"\n", groups.join(",")));
    }
    kubeconfig::write_private(&files.tokens(), &tokens)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
