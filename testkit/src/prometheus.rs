//! A real Prometheus on loopback, and `promtool`: Debian's package `prometheus`.
//!
//! `testkit/install-packages.sh` installs it; `make test` runs that.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::Process;
use crate::{Context, Error, Result, net, wait};

const SERVER: &str = "/usr/bin/prometheus";
const TOOL: &str = "/usr/bin/promtool";
/// How long the start may take on a busy machine.
const START: Duration = Duration::from_secs(100);
/// How long one response may take.
const ANSWER: Duration = Duration::from_secs(30);

/// A running Prometheus without targets. It ends when the handle is dropped, and with this process.
#[derive(Debug)]
pub struct Prometheus {
    url: String,
    http: reqwest::Client,
    folder: TempDir,
    _process: Process,
}

/// One time series: its labels, and its samples as (Unix time, value).
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Labels, with `__name__` where the result has one.
    pub labels: BTreeMap<String, String>,
    /// Samples in order of time.
    pub samples: Vec<(f64, f64)>,
}

/// An alert that is pending or firing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Its labels, with `alertname`.
    pub labels: BTreeMap<String, String>,
    /// Its annotations, rendered.
    pub annotations: BTreeMap<String, String>,
    /// Whether it fires, rather than being pending.
    pub firing: bool,
}

impl Prometheus {
    /// Starts one that scrapes and evaluates `rules` (the text of a rule file) every `interval`.
    ///
    /// # Errors
    /// When it is not installed, with how to install it, or does not start, with its log.
    pub async fn start(rules: &str, interval: Duration) -> Result<Prometheus> {
        crate::install_crypto();
        installed(SERVER)?;
        let folder = tempfile::tempdir().context(|| "cannot make a folder for Prometheus")?;
        let at = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &str| {
            std::fs::write(at(name), text).context(|| format!("cannot write {name}"))
        };
        let every = format!("{}ms", interval.as_millis());
        let config = json!({
            "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
            "rule_files": ["rules.yml"],
            "scrape_configs": [{
                "job_name": "tests",
                "honor_labels": true,
                "file_sd_configs": [{"files": ["targets.json"], "refresh_interval": "1s"}],
            }],
        });
        write("prometheus.yml", &config.to_string())?;
        write("rules.yml", rules)?;
        write("targets.json", "[]")?;
        let port = net::free_port()?;
        let log = std::fs::File::create(at("log")).context(|| "cannot make a log")?;
        let mut command = Command::new(SERVER);
        command
            .arg(format!("--config.file={}", at("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", at("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--log.level=warn")
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let process = Process::start("prometheus", command)?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(ANSWER)
            .build()
            .context(|| "no HTTP client")?;
        let prometheus = Prometheus {
            url: format!("http://127.0.0.1:{port}"),
            http,
            folder,
            _process: process,
        };
        let ready = wait::until("Prometheus", START, || async {
            let url = format!("{}/-/ready", prometheus.url);
            let answer = prometheus.http.get(url).send().await;
            let answer = answer.context(|| "it does not answer")?;
            let ready = answer.status().is_success();
            ready.then_some(()).context(|| "it is not ready")
        });
        match ready.await {
            Ok(()) => Ok(prometheus),
            Err(error) => Err(Error::new(format!("{error}\n{}", prometheus.log()))),
        }
    }

    /// Scrapes these from now on, and no others; each is a job of this name.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn scrape(&self, targets: &[(String, SocketAddr)]) -> Result<()> {
        let targets: Vec<Value> = targets
            .iter()
            .map(|(job, address)| json!({"targets": [address.to_string()], "labels": {"job": job}}))
            .collect();
        // Renamed into its place, so that it is never read half written.
        let new = self.folder.path().join("new");
        let place = self.folder.path().join("targets.json");
        std::fs::write(&new, Value::from(targets).to_string())
            .and_then(|()| std::fs::rename(&new, &place))
            .context(|| "cannot write the targets")
    }

    /// Its warnings and errors.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The result of an expression now; a range vector has all its raw samples.
    ///
    /// # Errors
    /// When Prometheus refuses it, with its words.
    pub async fn query(&self, expression: &str) -> Result<Vec<Series>> {
        let data = self.get("query", &[("query", expression)]).await?;
        series(&data)
    }

    /// The result of an expression at each `step` between two Unix times.
    ///
    /// # Errors
    /// When Prometheus refuses it, with its words.
    pub async fn query_range(
        &self,
        expression: &str,
        (from, to): (f64, f64),
        step: Duration,
    ) -> Result<Vec<Series>> {
        let (from, to, step) = (
            from.to_string(),
            to.to_string(),
            step.as_secs_f64().to_string(),
        );
        let parameters = [
            ("query", expression),
            ("start", &from),
            ("end", &to),
            ("step", &step),
        ];
        series(&self.get("query_range", &parameters).await?)
    }

    /// All alerts that are pending or firing.
    ///
    /// # Errors
    /// When Prometheus does not respond.
    pub async fn alerts(&self) -> Result<Vec<Alert>> {
        let data = self.get("alerts", &[]).await?;
        let all = data.get("alerts").and_then(Value::as_array);
        let alert = |alert: &Value| Alert {
            labels: text_map(alert.get("labels")),
            annotations: text_map(alert.get("annotations")),
            firing: alert.get("state").and_then(Value::as_str) == Some("firing"),
        };
        Ok(all.into_iter().flatten().map(alert).collect())
    }

    /// The labels of each target, and the error of its last scrape, empty if there was none.
    ///
    /// # Errors
    /// When Prometheus does not respond.
    pub async fn targets(&self) -> Result<Vec<(BTreeMap<String, String>, String)>> {
        let data = self.get("targets", &[("state", "active")]).await?;
        let all = data.get("activeTargets").and_then(Value::as_array);
        let target = |target: &Value| {
            let error = target.get("lastError").and_then(Value::as_str);
            (
                text_map(target.get("labels")),
                error.unwrap_or_default().to_owned(),
            )
        };
        Ok(all.into_iter().flatten().map(target).collect())
    }

    async fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value> {
        let mut url = url::Url::parse(&format!("{}/api/v1/{path}", self.url))
            .context(|| "no URL of Prometheus")?;
        url.query_pairs_mut().extend_pairs(parameters);
        let answer = self.http.get(url).send().await;
        let answer = answer.context(|| "Prometheus does not answer")?;
        let mut answer: Value = answer
            .json()
            .await
            .context(|| "Prometheus answers without JSON")?;
        if answer.get("status").and_then(Value::as_str) == Some("success") {
            return Ok(answer.get_mut("data").map_or(Value::Null, Value::take));
        }
        let error = answer.get("error").and_then(Value::as_str);
        Err(Error::new(format!(
            "Prometheus refuses {parameters:?}: {}",
            error.unwrap_or("without a reason")
        )))
    }
}

/// Runs `promtool` in a folder with standard input; what it prints, on both streams.
///
/// # Errors
/// When it is not installed, or says no; with what it printed.
pub fn promtool(arguments: &[&str], folder: &Path, input: &str) -> Result<String> {
    installed(TOOL)?;
    let file = tempfile::NamedTempFile::new().context(|| "no temporary file")?;
    std::fs::write(file.path(), input).context(|| "cannot write a temporary file")?;
    let stdin = std::fs::File::open(file.path()).context(|| "cannot read a temporary file")?;
    let output = Command::new(TOOL)
        .args(arguments)
        .current_dir(folder)
        .stdin(stdin)
        .output()
        .context(|| "cannot start promtool")?;
    let printed = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    if output.status.success() {
        return Ok(printed);
    }
    Err(Error::new(format!(
        "promtool {}: {}\n{printed}",
        arguments.join(" "),
        output.status
    )))
}

fn installed(program: &str) -> Result<PathBuf> {
    let path = PathBuf::from(program);
    path.exists().then_some(path).context(|| {
        format!(
            "there is no {program}, and these tests need a real Prometheus. Install it: testkit/install-packages.sh (as root, on Debian or Ubuntu), or apt-get install prometheus"
        )
    })
}

fn series(data: &Value) -> Result<Vec<Series>> {
    let unread = || format!("this is no result of Prometheus: {data}");
    let result = data.get("result").context(unread)?;
    let sample = |pair: &Value| {
        let time = pair.get(0)?.as_f64()?;
        Some((time, pair.get(1)?.as_str()?.parse().ok()?))
    };
    if data.get("resultType").and_then(Value::as_str) == Some("scalar") {
        let samples = vec![sample(result).context(unread)?];
        let labels = BTreeMap::new();
        return Ok(vec![Series { labels, samples }]);
    }
    let all = result.as_array().context(unread)?;
    all.iter()
        .map(|one| {
            let values = one.get("values").and_then(Value::as_array);
            let pairs = values.into_iter().flatten().chain(one.get("value"));
            let samples: Option<Vec<(f64, f64)>> = pairs.map(sample).collect();
            Ok(Series {
                labels: text_map(one.get("metric")),
                samples: samples.context(unread)?,
            })
        })
        .collect()
}

fn text_map(value: Option<&Value>) -> BTreeMap<String, String> {
    let entries = value.and_then(Value::as_object);
    entries
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect()
}
