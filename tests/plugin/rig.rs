//! A namespace, a provider, and the plugin beside the real kubectl.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tempfile::TempDir;
use testkit::control_plane::{self, ControlPlane, Objects};
use testkit::deploy::install_deploy;
use testkit::operator::{Launch, Operator};
use testkit::process::{Process, Signal};
use testkit::wait;
use url::Url;

/// Long enough for a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(300);
pub(crate) const PLUGIN: &str = env!("CARGO_BIN_EXE_kubectl-oauthclient");
pub(crate) const OPERATOR: &str = env!("CARGO_BIN_EXE_oauthclient-operator");

/// One test's surroundings.
pub(crate) struct Rig {
    pub(crate) plane: &'static ControlPlane,
    pub(crate) namespace: String,
    pub(crate) home: TempDir,
    objects: Objects,
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A command that runs.
pub(crate) struct Running {
    process: Process,
    out: PathBuf,
    err: PathBuf,
}

impl Rig {
    pub(crate) async fn new() -> Rig {
        testkit::install_crypto();
        let plane = control_plane::shared().await;
        let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
        install_deploy(plane, &deploy, "oauthclient-system")
            .await
            .unwrap();
        let namespace = plane.namespace().await.unwrap();
        Rig {
            objects: plane.objects(&namespace).unwrap(),
            plane,
            namespace,
            home: tempfile::tempdir().unwrap(),
        }
    }

    /// `kubectl oauthclient ARGS -n NAMESPACE`, found in PATH as kubectl finds plugins. No browser is found there.
    fn command(&self, args: &[&str]) -> Command {
        let kubectl = self.plane.assets().program("kubectl").unwrap();
        let folder = |program: &Path| program.parent().unwrap().display().to_string();
        let path = format!("{}:{}", folder(Path::new(PLUGIN)), folder(&kubectl));
        let mut command = Command::new(kubectl);
        command
            .arg("oauthclient")
            .args(args)
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.home.path())
            .env("KUBECONFIG", self.plane.admin_kubeconfig())
            .stdin(Stdio::null());
        command
    }

    /// Starts a command in this test's namespace.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        let mut all = args.to_vec();
        all.extend(["-n", &self.namespace]);
        self.start_as_is(&all, None)
    }

    /// The same, without a namespace, with this on standard input.
    pub(crate) fn start_as_is(&self, args: &[&str], input: Option<&str>) -> Running {
        let mut command = self.command(args);
        let number = fs::read_dir(self.home.path()).unwrap().count();
        let file = |name: &str| self.home.path().join(format!("{number}-{name}"));
        if let Some(text) = input {
            fs::write(file("in"), text).unwrap();
            command.stdin(File::open(file("in")).unwrap());
        }
        let (out, err) = (file("out"), file("err"));
        command
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&err).unwrap());
        Running {
            process: Process::start("kubectl oauthclient", command).unwrap(),
            out,
            err,
        }
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, args: &[&str]) -> Ended {
        self.start(args).ended().await
    }

    /// Plain kubectl in this test's namespace.
    pub(crate) async fn kubectl(&self, args: &[&str]) -> String {
        let mut all = vec!["-n", &self.namespace];
        all.extend(args);
        self.plane.run_kubectl(&all, "").await.unwrap()
    }

    /// Plain kubectl with one more folder of programs; what it prints.
    pub(crate) async fn kubectl_with(&self, folder: &Path, args: &[&str]) -> String {
        let kubectl = self.plane.assets().program("kubectl").unwrap();
        let programs = [
            folder,
            Path::new(PLUGIN).parent().unwrap(),
            kubectl.parent().unwrap(),
        ];
        let path = programs
            .map(|folder| folder.display().to_string())
            .join(":");
        let mut command = Command::new(kubectl);
        command
            .args(args)
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.home.path())
            .env("KUBECONFIG", self.plane.admin_kubeconfig());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap());
        String::from_utf8(output.await.unwrap().stdout).unwrap()
    }

    pub(crate) async fn apply(&self, yaml: &str) {
        let args = ["apply", "-n", &self.namespace, "-f", "-"];
        self.plane.run_kubectl(&args, yaml).await.unwrap();
    }

    /// The operator, watching this test's namespace alone, with all that it can log.
    pub(crate) async fn operator(&self) -> Operator {
        self.operator_with(&[]).await
    }

    /// The same with other flags as well.
    pub(crate) async fn operator_with(&self, flags: &[&str]) -> Operator {
        let identity = self
            .plane
            .service_account("oauthclient-system", "oauthclient-operator")
            .await
            .unwrap();
        let operator = Launch::run_as(OPERATOR, identity)
            .args(["--allow-loopback", "--leader-elect=false"])
            .args(["--log-level=trace", "--drain-seconds=1"])
            .args([format!("--watch-namespaces={}", self.namespace)])
            .args(flags.iter().copied())
            .start()
            .unwrap();
        operator.wait_until_ready(SOON).await.unwrap();
        operator
    }

    /// An object as JSON.
    pub(crate) async fn object(&self, kind: &str, name: &str) -> Option<Value> {
        self.objects.get(kind, name).await.unwrap()
    }

    /// The data of a Secret, decoded.
    pub(crate) async fn secret(&self, name: &str) -> Option<BTreeMap<String, String>> {
        let object = self.object("secret", name).await?;
        let data = object["data"].as_object().unwrap().iter();
        Some(
            data.map(|(key, value)| {
                let bytes = STANDARD.decode(value.as_str().unwrap()).unwrap();
                (key.clone(), String::from_utf8(bytes).unwrap())
            })
            .collect(),
        )
    }
}

impl Running {
    /// What it printed so far.
    pub(crate) fn out(&self) -> String {
        fs::read_to_string(&self.out).unwrap()
    }

    pub(crate) fn err(&self) -> String {
        fs::read_to_string(&self.err).unwrap()
    }

    pub(crate) fn interrupt(&self) {
        self.process.signal(Signal::Interrupt).unwrap();
    }

    /// Waits until it has printed something.
    pub(crate) async fn prints(&self, text: &str) {
        let what = format!("the words {text:?}");
        let met = wait::until(&what, SOON, || async {
            if self.out().contains(text) {
                return Ok(Ok(()));
            }
            match self.process.exited() {
                Some(status) => Ok(Err(format!("{status}"))),
                None => Err(testkit::Error::new("not yet")),
            }
        })
        .await;
        match met {
            Ok(Ok(())) => {}
            other => panic!("{what}: {other:?}: {}{}", self.out(), self.err()),
        }
    }

    /// The address that it asks to be opened.
    pub(crate) async fn address(&self) -> Url {
        self.prints("press Ctrl-C").await;
        let text = self.out();
        let line = text
            .lines()
            .find(|line| line.starts_with("  http"))
            .unwrap();
        Url::parse(line.trim()).unwrap()
    }

    pub(crate) async fn ended(self) -> Ended {
        let status = self.process.wait(SOON).await;
        let status = status.unwrap_or_else(|error| panic!("{error}: {}{}", self.out(), self.err()));
        Ended {
            code: status.code(),
            out: self.out(),
            err: self.err(),
        }
    }
}

impl Ended {
    /// It did what it was asked.
    #[track_caller]
    pub(crate) fn well(self) -> String {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.out
    }

    /// It did not, with this exit code.
    #[track_caller]
    pub(crate) fn badly_with(self, code: i32) {
        assert_eq!(self.code, Some(code), "{self:#?}");
    }

    /// It did not, with this exit code, and said this.
    #[track_caller]
    pub(crate) fn badly(self, code: i32, words: &str) -> String {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert!(self.err.contains(words), "not {words:?}: {self:#?}");
        self.err
    }
}

/// A parameter of an address.
pub(crate) fn parameter(url: &Url, name: &str) -> Option<String> {
    let found = url.query_pairs().find(|(found, _)| found == name);
    found.map(|(_, value)| value.into_owned())
}
