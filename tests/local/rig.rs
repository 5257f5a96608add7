//! Runs the program's `local` against a scripted provider, as a user would.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use tempfile::TempDir;
use testkit::process::{Process, Signal};
use testkit::provider::{Behaviour, Provider, Script};
use testkit::tls::Authority;
use testkit::wait;

/// The path of the token endpoint.
pub const PATH: &str = "/token";
/// A client secret that is recognised wherever it turns up.
pub const CANARY: &str = "CANARY-client-secret-7f3a";
/// What every token starts with.
pub const TOKEN: &str = "CANARY-token";
/// How long anything here may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A provider, manifests, an output.
pub struct Rig {
    pub provider: Provider,
    pub folder: TempDir,
    pub ca: String,
}

/// A running program.
pub struct Running {
    process: Process,
    pub log: PathBuf,
}

impl Rig {
    /// A provider whose tokens are valid for this many seconds, and manifests of one resource, `default/books`.
    pub fn new(lifetime: f64) -> Rig {
        testkit::install_crypto();
        let authority = Authority::new("authority of the test").unwrap();
        let mut behaviour = Behaviour::living(lifetime);
        behaviour.tokens.prefix = TOKEN.to_owned();
        let rig = Rig {
            provider: Provider::tls(Script::one(PATH, behaviour), &authority).unwrap(),
            folder: tempfile::tempdir().unwrap(),
            ca: authority.pem(),
        };
        fs::create_dir(rig.manifests()).unwrap();
        rig.write("ca.yaml", &rig.config_map());
        rig.write("credentials.yaml", &secret(CANARY, true));
        rig.write("books.yaml", &rig.client("books", ""));
        rig
    }

    pub fn manifests(&self) -> PathBuf {
        self.folder.path().join("manifests")
    }

    pub fn output(&self) -> PathBuf {
        self.folder.path().join("output")
    }

    /// The token file of `default/books`.
    pub fn token_file(&self) -> PathBuf {
        self.output().join("default/books-token/access_token")
    }

    pub fn token(&self) -> String {
        fs::read_to_string(self.token_file()).unwrap()
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.manifests().join(name), text).unwrap();
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.manifests().join(name)).unwrap();
    }

    pub fn config_map(&self) -> String {
        let indented: String = self
            .ca
            .lines()
            .map(|line| format!("    {line}\n"))
            .collect();
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: ca}}\ndata:\n  ca.crt: |\n{indented}"
        )
    }

    /// A resource's manifest, with more lines of its spec.
    pub fn client(&self, name: &str, more: &str) -> String {
        format!(
            "apiVersion: oauthclient.dev/v1alpha1\nkind: OAuthClient\nmetadata: {{name: {name}}}\nspec:\n  provider:\n    tokenURL: {}\n    caBundle: {{configMapName: ca}}\n  credentials: {{secretName: credentials}}\n  tokenSecret: {{name: {name}-token}}\n{more}",
            self.provider.url(PATH)
        )
    }

    pub fn requests(&self) -> usize {
        self.provider.count(PATH)
    }

    /// Starts the program; its standard output and error go into one file.
    pub fn start(&self, more: &[&str]) -> Running {
        self.start_on(&self.manifests(), more)
    }

    /// The same on other manifests.
    pub fn start_on(&self, manifests: &Path, more: &[&str]) -> Running {
        self.run(manifests, &[&["--allow-loopback"], more].concat())
    }

    /// The same without any flag of its own.
    pub fn run(&self, manifests: &Path, flags: &[&str]) -> Running {
        let log = self.folder.path().join("log");
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_oauthclient-operator"));
        command
            .args(["local", "--log-level", "debug", "-f"])
            .arg(manifests)
            .arg("--output")
            .arg(self.output())
            .args(flags)
            .stdout(file.try_clone().unwrap())
            .stderr(file);
        Running {
            process: Process::start("oauthclient-operator local", command).unwrap(),
            log,
        }
    }

    /// Runs with `--once` to its end.
    pub async fn once(&self) -> (i32, String) {
        let running = self.start(&["--once"]);
        fs::write(&running.log, "").unwrap();
        let status = running.process.wait(PATIENCE).await.unwrap();
        (status.code().unwrap(), running.text())
    }

    /// Waits until the token file holds something else than `before`.
    pub async fn token_after(&self, before: &str) -> String {
        let file = self.token_file();
        wait::until_true("another token", PATIENCE, || {
            fs::read_to_string(&file).is_ok_and(|now| now != before && !now.is_empty())
        })
        .await
        .unwrap();
        self.token()
    }

    pub fn is_valid(&self, token: &str) -> bool {
        self.provider.introspect(token).is_some()
    }
}

impl Running {
    pub fn text(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Waits for a line that holds all of these words.
    pub async fn line(&self, words: &[&str]) -> String {
        let found = || {
            let text = self.text();
            let line = text
                .lines()
                .find(|line| words.iter().all(|word| line.contains(word)));
            line.map(str::to_owned)
        };
        let waited = wait::until_true(&format!("a line with {words:?}"), PATIENCE, || {
            found().is_some()
        })
        .await;
        assert!(
            waited.is_ok(),
            "no line with {words:?} in:\n{}",
            self.text()
        );
        found().unwrap()
    }

    pub async fn terminate(self) -> ExitStatus {
        self.process.terminate(PATIENCE).await.unwrap()
    }

    /// Waits for an end that comes by itself.
    pub async fn ended(&self) -> ExitStatus {
        self.process.wait(PATIENCE).await.unwrap()
    }

    pub fn kill(self) {
        self.process.kill();
    }

    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal).unwrap();
    }
}

/// The credentials' manifest.
pub fn secret(client_secret: &str, lent: bool) -> String {
    let label = if lent {
        ", labels: {oauthclient.dev/credentials: 'true'}"
    } else {
        ""
    };
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: credentials{label}}}\nstringData:\n  client_id: books\n  client_secret: {client_secret}\n"
    )
}

/// The names in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
