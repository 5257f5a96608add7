//! Alerts and dashboard, with a real Prometheus that scrapes real operators: each alert fires for the fault that it is for, and
//! no other does.

mod dashboard;
mod faults;
mod picture;
mod recording;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dashboard::Panel;
use faults::Subject;
use testkit::prometheus::{Prometheus, Series, promtool};
use testkit::wait;

use crate::harness::{SOON, Stage, Start, deploy, jiff_now, living};

/// A scrape and an evaluation each second; [`rules::FASTER`] says which interval that represents.
const INTERVAL: Duration = Duration::from_secs(1);
/// The longest `for` of the rules, and some.
const SETTLED: Duration = Duration::from_secs(40);

type Firing = BTreeMap<String, BTreeSet<String>>;

/// The alerts that fire now, by job.
async fn firing(prometheus: &Prometheus) -> testkit::Result<Firing> {
    let mut firing = Firing::new();
    for alert in prometheus.alerts().await? {
        if alert.firing {
            let label = |name: &str| alert.labels.get(name).cloned().unwrap_or_default();
            firing
                .entry(label("job"))
                .or_default()
                .insert(label("alertname"));
        }
    }
    Ok(firing)
}

fn expected(subjects: &[Subject]) -> Firing {
    let names = |subject: &Subject| {
        subject
            .alerts
            .iter()
            .map(|name| (*name).to_owned())
            .collect()
    };
    let all = subjects
        .iter()
        .filter(|subject| !subject.alerts.is_empty())
        .map(|subject| (subject.job.to_owned(), names(subject)));
    all.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_alert_fires_for_its_fault_and_no_other() {
    let rules = rules::faster(rules::shipped());
    let prometheus = Prometheus::start(&rules.to_string(), INTERVAL)
        .await
        .unwrap();
    let subjects: Vec<Subject> = futures::future::join_all([
        Box::pin(faults::none()) as std::pin::Pin<Box<dyn Future<Output = Subject> + Send>>,
        Box::pin(faults::expired()),
        Box::pin(faults::expiring()),
        Box::pin(faults::failing()),
        Box::pin(faults::stalled()),
        Box::pin(faults::pending()),
        Box::pin(faults::credential()),
        Box::pin(faults::no_leader()),
        Box::pin(faults::permission()),
        Box::pin(faults::panics()),
        Box::pin(faults::late()),
        Box::pin(faults::api_errors()),
    ])
    .await;
    let targets: Vec<_> = subjects
        .iter()
        .map(|subject| (subject.job.to_owned(), subject.operator.address()))
        .collect();
    // So far nothing is scraped.
    let mut fired = Firing::from([(
        String::new(),
        BTreeSet::from(["OAuthClientOperatorNoLeader".to_owned()]),
    )]);
    until_firing(&prometheus, &fired).await;
    prometheus.scrape(&targets).unwrap();
    let expected = expected(&subjects);
    until_firing(&prometheus, &expected).await;
    tokio::time::sleep(SETTLED).await;
    fired.extend(expected.clone());
    assert_eq!(firing(&prometheus).await.unwrap(), expected);
    assert_eq!(ever(&prometheus).await, fired, "no other fired meanwhile");
    scraped_without_errors(&prometheus, subjects.len()).await;
    annotations(&prometheus).await;
    recordings(&prometheus, &subjects).await;
    panels(&prometheus).await;
}

/// Every query of the dashboard returns numbers. With `UPDATE=1` the picture in the documentation is drawn from them.
async fn panels(prometheus: &Prometheus) {
    let now = jiff_now().as_millisecond() as f64 / 1000.0;
    let mut found: BTreeMap<&str, picture::Drawn> = BTreeMap::new();
    for panel in dashboard::rows().into_iter().flat_map(|row| row.panels) {
        let mut drawn = picture::Drawn::new();
        for (expression, legend) in &panel.queries {
            let expression = expression.replace("$__rate_interval", "20s");
            let expression = ["$job", "$namespace", "$name", "$host"]
                .iter()
                .fold(expression, |text, variable| text.replace(variable, ".*"));
            assert!(!expression.contains('$'), "{}: {expression}", panel.title);
            let range = (now - 90.0, now);
            let series = prometheus.query_range(&expression, range, INTERVAL).await;
            let series = series.unwrap();
            let numbers = series.iter().flat_map(|series| series.samples.iter());
            assert!(
                numbers.into_iter().any(|(_, value)| value.is_finite()),
                "{}: no data for {expression}",
                panel.title
            );
            drawn.extend(
                series
                    .into_iter()
                    .map(|series| (legend_of(&panel, legend, &series), series)),
            );
        }
        found.insert(panel.title, drawn);
    }
    if std::env::var("UPDATE").is_ok_and(|value| value == "1") {
        let picture = picture::draw(|panel| found[panel.title].clone());
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/images");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("dashboard.svg"), picture).unwrap();
    }
}

/// The legend with its labels filled in, as Grafana does it; every label that it names is there.
fn legend_of(panel: &Panel, legend: &str, series: &Series) -> String {
    if legend.is_empty() {
        return panel.title.to_owned();
    }
    let mut text = legend.to_owned();
    for (name, value) in &series.labels {
        text = text.replace(&format!("{{{{{name}}}}}"), value);
    }
    assert!(!text.contains("{{"), "{}: {text}", panel.title);
    text
}

#[test]
fn the_dashboard_is_what_the_code_makes_of_it() {
    let path = deploy().join("monitoring/dashboard.json");
    let fresh = format!("{:#}\n", dashboard::json());
    if std::env::var("UPDATE").is_ok_and(|value| value == "1") {
        std::fs::write(&path, &fresh).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == fresh,
        "deploy/monitoring/dashboard.json is not what the code makes; run: UPDATE=1 cargo test --test cluster the_dashboard"
    );
    // It fits into a ConfigMap, and each panel has an id and a place of its own.
    assert!(kept.len() < 500_000, "{}", kept.len());
    let mut cells = BTreeSet::new();
    for panel in dashboard::json()["panels"].as_array().unwrap() {
        let place = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(x < 24 && cells.insert((x, y)), "{panel:#}");
            }
        }
    }
}

async fn until_firing(prometheus: &Prometheus, expected: &Firing) {
    wait::until("the alerts", SOON, || async {
        let firing = firing(prometheus).await?;
        (firing == *expected)
            .then_some(())
            .ok_or_else(|| testkit::Error::new(format!("{firing:?} instead of {expected:?}")))
    })
    .await
    .unwrap();
}

/// The alerts that have fired so far, by job.
async fn ever(prometheus: &Prometheus) -> Firing {
    let expression = "max_over_time(ALERTS{alertstate=\"firing\"}[1h])";
    let mut fired = Firing::new();
    for series in prometheus.query(expression).await.unwrap() {
        let label = |name: &str| series.labels.get(name).cloned().unwrap_or_default();
        fired
            .entry(label("job"))
            .or_default()
            .insert(label("alertname"));
    }
    fired
}

/// Prometheus takes what the operators answer as OpenMetrics.
async fn scraped_without_errors(prometheus: &Prometheus, number: usize) {
    let targets = prometheus.targets().await.unwrap();
    assert_eq!(targets.len(), number);
    for (labels, error) in targets {
        assert_eq!(error, "", "{labels:?}");
    }
    let log = prometheus.log();
    assert!(!log.contains("scrape"), "{log}");
}

/// What an alert says is rendered, and its runbook exists.
async fn annotations(prometheus: &Prometheus) {
    let known = rules::alerts(&rules::shipped()).len();
    let mut named = BTreeSet::new();
    for alert in prometheus.alerts().await.unwrap() {
        let name = alert.labels["alertname"].clone();
        for text in alert.annotations.values() {
            let bad = ["<no value>", "<error", "{{", "%!", "  "];
            assert!(!bad.iter().any(|bad| text.contains(bad)), "{name}: {text}");
        }
        named.insert(name);
    }
    assert_eq!(named.len(), known, "{named:?}");
}

/// What was scraped makes the shipped rules fire in promtool as it did here. With `UPDATE=1` it is kept.
async fn recordings(prometheus: &Prometheus, subjects: &[Subject]) {
    let folder = recording::folder();
    for subject in subjects {
        let recording = recording::record(prometheus, subject.job, 300, subject.alerts).await;
        let said = recording::replay(&recording);
        assert!(said.is_ok(), "{}: {said:?}\n{recording}", subject.job);
        if std::env::var("UPDATE").is_ok_and(|value| value == "1") {
            std::fs::write(folder.join(format!("{}.yaml", subject.job)), recording).unwrap();
        }
    }
}

#[test]
fn the_shipped_rules_fire_for_the_recorded_failures_and_for_nothing_else() {
    let mut tested = BTreeSet::new();
    for entry in std::fs::read_dir(recording::folder()).unwrap() {
        let path = entry.unwrap().path();
        let recording = std::fs::read_to_string(&path).unwrap();
        let said = recording::replay(&recording);
        assert!(said.is_ok(), "{}: {said:?}", path.display());
        tested.extend(rules::alerts(&rules::shipped()).iter().filter_map(|alert| {
            let name = alert["alert"].as_str().unwrap();
            recording
                .contains(&format!("alertname=\"{name}\""))
                .then(|| name.to_owned())
        }));
    }
    assert_eq!(
        tested.len(),
        rules::alerts(&rules::shipped()).len(),
        "{tested:?}"
    );
}

#[test]
fn promtool_takes_the_rules_and_each_alert_has_its_runbook() {
    let folder = tempfile::tempdir().unwrap();
    let rules = rules::shipped();
    std::fs::write(folder.path().join("rules.yml"), rules.to_string()).unwrap();
    promtool(&["check", "rules", "rules.yml"], folder.path(), "").unwrap();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let index = std::fs::read_to_string(root.join("monitoring.md")).unwrap();
    let mut pages = BTreeSet::new();
    for alert in rules::alerts(&rules) {
        let name = alert["alert"].as_str().unwrap();
        let severity = alert["labels"]["severity"].as_str().unwrap();
        for annotation in ["summary", "description"] {
            let text = alert["annotations"][annotation].as_str().unwrap();
            assert!(
                text.ends_with('.') || text.contains("run: kubectl"),
                "{name}: {text}"
            );
        }
        let url = alert["annotations"]["runbook_url"].as_str().unwrap();
        let page = url
            .strip_prefix("https://oauthclient.dev/docs/runbooks/")
            .unwrap();
        let page = page.strip_suffix('/').unwrap().to_owned();
        let text = std::fs::read_to_string(root.join(format!("runbooks/{page}.md"))).unwrap();
        assert!(
            text.starts_with(&format!("# {name}\n\nSeverity: {severity}.")),
            "{page}"
        );
        let headings: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("## "))
            .collect();
        assert_eq!(
            headings,
            ["## Symptom", "## Impact", "## Diagnosis", "## Resolution"],
            "{page}"
        );
        let row = format!("| [{name}](runbooks/{page}.md) | {severity} |");
        assert!(index.contains(&row), "docs/monitoring.md: {row}");
        pages.insert(format!("{page}.md"));
    }
    let found: BTreeSet<String> = std::fs::read_dir(root.join("runbooks"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(found, pages, "a page for each alert, and no other");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_addition_to_deploy_is_what_the_prometheus_operator_and_grafana_read() {
    let plane = testkit::control_plane::shared().await;
    let folder = deploy().join("monitoring");
    let built = ["kustomize", folder.to_str().unwrap()];
    let built = plane.run_kubectl(&built, "").await.unwrap();
    let kinds = testkit::go_checks::monitoring(&built).unwrap();
    assert_eq!(kinds, ["PodMonitor", "PrometheusRule"]);
    let misspelt = built.replace("podMetricsEndpoints", "podMetricEndpoints");
    assert!(testkit::go_checks::monitoring(&misspelt).is_err());
    let objects: Vec<serde_json::Value> = built
        .split("\n---\n")
        .map(|document| serde_saphyr::from_str(document).unwrap())
        .collect();
    let of_kind = |kind: &str| {
        objects
            .iter()
            .find(|object| object["kind"] == kind)
            .unwrap()
    };
    let dashboard = &of_kind("ConfigMap")["data"]["oauthclient-operator.json"];
    let dashboard: serde_json::Value = serde_json::from_str(dashboard.as_str().unwrap()).unwrap();
    assert_eq!(dashboard, dashboard::json());
    // The pod has the port and the labels that the monitor looks for.
    let deployment = std::fs::read_to_string(deploy().join("base/deployment.yaml")).unwrap();
    let deployment: serde_json::Value = serde_saphyr::from_str(&deployment).unwrap();
    let pod = &deployment["spec"]["template"];
    let monitor = &of_kind("PodMonitor")["spec"];
    let labels = monitor["selector"]["matchLabels"].as_object().unwrap();
    for (name, value) in labels {
        assert_eq!(&pod["metadata"]["labels"][name], value, "{name}");
    }
    let port = &monitor["podMetricsEndpoints"][0]["port"];
    let ports = pod["spec"]["containers"][0]["ports"].as_array().unwrap();
    assert!(ports.iter().any(|one| one["name"] == *port), "{port}");
}

#[tokio::test(flavor = "multi_thread")]
async fn promtool_has_no_complaint_about_the_metrics() {
    let stage = Stage::with(living(3600.0)).await;
    let operator = stage
        .operator(Start::with(&["--metrics-per-resource"]))
        .await;
    let note = "oauthclient.dev/client-secret-expires-at=2020-01-31";
    stage.kubectl(&["annotate", "secret", "client", note]).await;
    stage.resource("main", "").await;
    stage.wait_ready("main").await;
    let (_, text) = operator.get("/metrics").await.unwrap();
    assert!(
        text.contains("oauthclient_resource_state{") && text.contains("_bucket{"),
        "{text}"
    );
    let said = promtool(&["check", "metrics"], std::path::Path::new("/"), &text);
    assert_eq!(said.unwrap(), "", "{text}");
}
