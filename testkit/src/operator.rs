//! The program under test, run as a user runs it: a child with arguments, environment, logs, probes and signals.

mod capture;

#[cfg(feature = "kubernetes")]
use crate::control_plane::Kubeconfig;
use crate::metrics::Metrics;
use crate::process::{self, Process, Signal};
use crate::{Context, Error, Result, net, wait};
use capture::Capture;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// Stands for the address that [`Launch::start`] picks for metrics.
pub const LISTEN: &str = "{listen}";

/// Stands for the address that [`Launch::start`] picks for probes.
pub const PROBE_LISTEN: &str = "{probe-listen}";

/// Stands for the file that [`Launch::run_as`] has written at the start.
const KUBECONFIG: &str = "{kubeconfig}";

/// How many lines of the log an error repeats.
const LINES_OF_LOG: usize = 20;
/// How long a response to a probe may take.
const PROBE_WITHIN: Duration = Duration::from_secs(5);
/// How long the last lines may take to arrive after the end of the process.
const LAST_LINES_WITHIN: Duration = Duration::from_secs(2);

/// How the program is started: arguments and environment.
///
/// The environment is what is said here and `PATH`, nothing else: a proxy or a kubeconfig of the machine's must not get into a test.
#[derive(Clone)]
pub struct Launch {
    program: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
    #[cfg(feature = "kubernetes")]
    identity: Option<Kubeconfig>,
    logs: Option<PathBuf>,
}

impl Launch {
    /// The program without arguments. Integration tests of a package have its path as `env!("CARGO_BIN_EXE_NAME")`.
    pub fn new(program: impl Into<PathBuf>) -> Launch {
        Launch {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            #[cfg(feature = "kubernetes")]
            identity: None,
            logs: None,
        }
    }

    /// `PROGRAM run --kubeconfig FILE --listen ADDRESS --probe-listen ADDRESS`: the operator as it runs against a control plane.
    pub fn run(program: impl Into<PathBuf>, kubeconfig: &Path) -> Launch {
        let kubeconfig = kubeconfig.to_string_lossy();
        Launch::new(program).args([
            "run",
            "--kubeconfig",
            &kubeconfig,
            "--listen",
            LISTEN,
            "--probe-listen",
            PROBE_LISTEN,
        ])
    }

    /// [`Launch::run`] with a kubeconfig of this identity, in a file that goes with the operator.
    #[cfg(feature = "kubernetes")]
    pub fn run_as(program: impl Into<PathBuf>, identity: Kubeconfig) -> Launch {
        let launch = Launch::run(program, Path::new(KUBECONFIG));
        Launch {
            identity: Some(identity),
            ..launch
        }
    }

    /// The same, started by another program that is given `args`, then this program and its arguments.
    #[must_use]
    pub fn through(mut self, program: impl Into<PathBuf>, args: &[&str]) -> Launch {
        let inner = std::mem::replace(&mut self.program, program.into());
        let mut all: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        all.push(inner.to_string_lossy().into_owned());
        all.append(&mut self.args);
        self.args = all;
        self
    }

    /// More arguments. [`LISTEN`] and [`PROBE_LISTEN`] in them become the addresses of metrics and probes.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<String>>) -> Launch {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// One more variable of the environment; the same names in its value become addresses.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Launch {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Keeps `stdout.log` and `stderr.log` in this folder, to which a later start appends; the default is a folder that goes with
    /// the operator.
    #[must_use]
    pub fn logs_in(mut self, folder: impl Into<PathBuf>) -> Launch {
        self.logs = Some(folder.into());
        self
    }

    /// Starts it; waits for nothing.
    ///
    /// # Errors
    /// When there is no such program, or its logs cannot be written.
    pub fn start(&self) -> Result<Operator> {
        crate::install_crypto();
        let (address, probes) = (net::free_address()?, net::free_address()?);
        let temporary = tempfile::tempdir().context(|| "cannot make a folder for logs")?;
        let kubeconfig = temporary.path().join("kubeconfig");
        #[cfg(feature = "kubernetes")]
        if let Some(identity) = &self.identity {
            identity.write(&kubeconfig)?;
        }
        let filled = |text: &String| {
            text.replace(LISTEN, &address.to_string())
                .replace(PROBE_LISTEN, &probes.to_string())
                .replace(KUBECONFIG, &kubeconfig.to_string_lossy())
        };
        let folder = self
            .logs
            .clone()
            .unwrap_or_else(|| temporary.path().to_path_buf());
        let mut command = Command::new(&self.program);
        command
            .args(self.args.iter().map(filled))
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .envs(self.env.iter().map(|(name, value)| (name, filled(value))))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let name = self
            .program
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let process = Process::start(name, command)?;
        let (stdout, stderr) = process.take_output();
        let capture = |pipe: Option<Box<dyn std::io::Read + Send>>, name: &str| {
            Capture::start(
                pipe.context(|| "a child without pipes")?,
                &folder.join(name),
            )
        };
        Ok(Operator {
            stdout: capture(stdout.map(|pipe| Box::new(pipe) as _), "stdout.log")?,
            stderr: capture(stderr.map(|pipe| Box::new(pipe) as _), "stderr.log")?,
            process,
            address,
            probes,
            folder,
            _temporary: temporary,
        })
    }
}

/// A running program. It is killed when the handle is dropped, and when the test process ends.
#[derive(Debug)]
pub struct Operator {
    process: Process,
    stdout: Arc<Capture>,
    stderr: Arc<Capture>,
    address: SocketAddr,
    probes: SocketAddr,
    folder: PathBuf,
    _temporary: tempfile::TempDir,
}

impl Operator {
    /// Where metrics are.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where probes are.
    pub fn probes(&self) -> SocketAddr {
        self.probes
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Where `stdout.log` and `stderr.log` are.
    pub fn logs(&self) -> &Path {
        &self.folder
    }

    /// All of standard output so far.
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// All of standard error so far: the log.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// How it ended, or `None` while it runs.
    pub fn exited(&self) -> Option<ExitStatus> {
        self.process.exited()
    }

    /// Calls `probe` until it returns `Ok`; `Err` means "not yet" and says what is missing.
    ///
    /// # Errors
    /// When the time is over, or at once when the program has ended; both with the end of its log.
    pub async fn wait_for<T, Fut>(
        &self,
        what: &str,
        within: Duration,
        mut probe: impl FnMut() -> Fut,
    ) -> Result<T>
    where
        Fut: Future<Output = Result<T>>,
    {
        let found = wait::until(what, within, || {
            let probing = probe();
            async {
                let missing = match probing.await {
                    Ok(found) => return Ok(Ok(found)),
                    Err(missing) => missing,
                };
                match self.exited() {
                    Some(status) => Ok(Err(Error::new(format!(
                        "{what}: the program has ended ({status}) before it; {missing}"
                    )))),
                    None => Err(missing),
                }
            }
        });
        match found.await.and_then(|found| found) {
            Ok(found) => Ok(found),
            Err(error) => Err(self.with_log(error).await),
        }
    }

    /// Waits until its log has this text.
    ///
    /// # Errors
    /// As [`Operator::wait_for`].
    pub async fn wait_for_log(&self, text: &str, within: Duration) -> Result<()> {
        self.wait_for(&format!("`{text}` in the log"), within, || async {
            self.stderr
                .contains(text)
                .then_some(())
                .context(|| "it is not there")
        })
        .await
    }

    /// Waits until `/readyz` responds with 200.
    ///
    /// # Errors
    /// As [`Operator::wait_for`].
    pub async fn wait_until_ready(&self, within: Duration) -> Result<()> {
        self.wait_for("readiness", within, || async {
            match self.get("/readyz").await? {
                (200, _) => Ok(()),
                (status, body) => Err(Error::new(format!("/readyz answers {status}: {body}"))),
            }
        })
        .await
    }

    /// Status and body of a GET at [`Operator::probes`] for `/healthz` and `/readyz`, otherwise at
    /// [`Operator::address`].
    ///
    /// # Errors
    /// When there is no response within 5 s.
    pub async fn get(&self, path: &str) -> Result<(u16, String)> {
        let address = match path {
            "/healthz" | "/readyz" => self.probes,
            _ => self.address,
        };
        let no_answer = || format!("no answer to GET {path} at {address}");
        let answer = reqwest::Client::builder()
            .no_proxy()
            .timeout(PROBE_WITHIN)
            .build()
            .context(|| "cannot make an HTTP client")?
            .get(format!("http://{address}{path}"))
            .send()
            .await
            .context(no_answer)?;
        let status = answer.status().as_u16();
        let body = answer.bytes().await.context(no_answer)?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    /// The metrics at `/metrics`.
    ///
    /// # Errors
    /// When the response is not 200 with metrics.
    pub async fn metrics(&self) -> Result<Metrics> {
        match self.get("/metrics").await? {
            (200, text) => Metrics::parse(&text),
            (status, text) => Err(Error::new(format!("/metrics answers {status}: {text}"))),
        }
    }

    /// One number of [`Operator::metrics`]: the sum over all labels that are not named.
    ///
    /// # Errors
    /// When there is no such metric.
    pub async fn metric(&self, name: &str, labels: &[(&str, &str)]) -> Result<f64> {
        self.metrics().await?.metric(name, labels)
    }

    /// Sends any signal.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.process.signal(signal)
    }

    /// SIGTERM, and waits for the end; then every line that it printed has been read.
    ///
    /// # Errors
    /// When it still runs after `within`, with the end of its log.
    pub async fn terminate(&self, within: Duration) -> Result<ExitStatus> {
        self.process.signal(Signal::Terminate)?;
        self.wait(within).await
    }

    /// Waits for an end that comes by itself; then every line that it printed has been read.
    ///
    /// # Errors
    /// When it still runs after `within`, with the end of its log.
    pub async fn wait(&self, within: Duration) -> Result<ExitStatus> {
        match self.process.wait(within).await {
            Ok(status) => self.last_lines_read().await.map(|()| status),
            Err(error) => Err(self.with_log(error).await),
        }
    }

    /// SIGKILL: ends it as a crash would.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// Kilobytes of memory that it has in RAM.
    ///
    /// # Errors
    /// When it does not run.
    pub fn resident_kib(&self) -> Result<u64> {
        process::resident_kib(self.pid())
    }

    /// The most kilobytes of memory that it has had in RAM so far.
    ///
    /// # Errors
    /// When it does not run.
    pub fn peak_resident_kib(&self) -> Result<u64> {
        process::peak_resident_kib(self.pid())
    }

    /// Processor time that it has used.
    ///
    /// # Errors
    /// When it does not run.
    pub fn cpu_time(&self) -> Result<Duration> {
        process::cpu_time(self.pid())
    }

    /// Everything that an ended program printed is in [`Operator::stdout`] and [`Operator::stderr`] after this.
    async fn last_lines_read(&self) -> Result<()> {
        wait::until_true("the last lines of the log", LAST_LINES_WITHIN, || {
            self.stdout.is_whole() && self.stderr.is_whole()
        })
        .await
    }

    async fn with_log(&self, error: Error) -> Error {
        if self.exited().is_some() {
            // Without its last lines the log is still worth showing.
            let _shown_anyway = self.last_lines_read().await;
        }
        let log = self.stderr.text();
        let mut last: Vec<&str> = log.lines().rev().take(LINES_OF_LOG).collect();
        last.reverse();
        Error::new(format!("{error}\nThe end of its log:\n{}", last.join("\n")))
    }
}
