//! The chart's files: in step with what they come from, and to the liking of the tools that look at charts.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use testkit::tools::Tool;

use super::helm::{Helm, chart, path, values_files};

/// Whether to rewrite generated files.
fn update() -> bool {
    std::env::var("UPDATE").is_ok_and(|value| value == "1")
}

/// Fails where a generated file is not as it would be made now.
fn assert_fresh(file: &Path, fresh: &str) {
    if update() {
        fs::write(file, fresh).unwrap();
    }
    let kept = fs::read_to_string(file).unwrap_or_default();
    assert!(
        kept == fresh,
        "{} is not up to date; run: UPDATE=1 cargo test --test chart",
        file.display()
    );
}

/// They are links in the checkout, so that there is one of each; a package has to have them in full.
#[test]
fn a_package_has_in_full_what_the_checkout_links() {
    let folder = tempfile::tempdir().unwrap();
    let helm = Helm::new(Tool::Helm4);
    let to = folder.path().to_str().unwrap();
    helm.run(&["package", chart("").to_str().unwrap(), "--destination", to]);
    let archive = format!("oauthclient-operator-{}.tgz", env!("CARGO_PKG_VERSION"));
    let mut tar = Command::new("tar");
    tar.current_dir(folder.path()).args(["-xzf", &archive]);
    assert!(tar.status().unwrap().success());
    for (name, source) in [
        ("crd.yaml", "crds/oauthclients.yaml"),
        (
            "prometheus-rule.yaml",
            "deploy/monitoring/prometheus-rule.yaml",
        ),
        ("dashboard.json", "deploy/monitoring/dashboard.json"),
        (
            "admission-policy/secrets.yaml",
            "deploy/admission-policy/secrets.yaml",
        ),
        (
            "admission-policy/oauthclients.yaml",
            "deploy/admission-policy/oauthclients.yaml",
        ),
        (
            "admission-policy/service-account-tokens.yaml",
            "deploy/admission-policy/service-account-tokens.yaml",
        ),
    ] {
        let packaged = folder.path().join("oauthclient-operator/files").join(name);
        assert!(!packaged.is_symlink(), "{name}");
        let same = fs::read(packaged).unwrap() == fs::read(path(source)).unwrap();
        assert!(same, "{name} in the package is not {source}");
    }
}

#[test]
fn the_readme_is_what_helm_docs_makes_of_the_values() {
    // In a copy, so that a test never writes to the checkout unasked.
    let copy = tempfile::tempdir().unwrap();
    for name in [
        "Chart.yaml",
        "values.yaml",
        "README.md.gotmpl",
        ".helmignore",
    ] {
        fs::copy(chart(name), copy.path().join(name)).unwrap();
    }
    let mut command = Command::new(Tool::HelmDocs.program().unwrap());
    command
        .current_dir(copy.path())
        .args(["--sort-values-order=file", "--log-level=error"]);
    assert!(command.status().unwrap().success());
    let fresh = fs::read_to_string(copy.path().join("README.md")).unwrap();
    assert!(!fresh.contains("<nil>"), "a value has no description");
    assert_fresh(&chart("README.md"), &fresh);
}

#[test]
fn alerts_and_dashboard_in_the_chart_are_those_of_deploy() {
    for name in ["prometheus-rule.yaml", "dashboard.json"] {
        let source = fs::read_to_string(path("deploy/monitoring").join(name)).unwrap();
        assert_fresh(&chart("files").join(name), &source);
    }
}

#[test]
fn every_value_has_a_description() {
    let table = fs::read_to_string(chart("README.md")).unwrap();
    let rows: Vec<&str> = table
        .lines()
        .filter(|line| line.starts_with("| "))
        .collect();
    assert!(rows.len() > 50, "{}", rows.len());
    for row in rows {
        let description = row.trim_end_matches('|').rsplit('|').next().unwrap().trim();
        assert!(!description.is_empty(), "{row}");
    }
}

#[test]
fn both_helms_lint_it_with_every_values_file() {
    for tool in [Tool::Helm3, Tool::Helm4] {
        let helm = Helm::new(tool);
        let chart = chart("");
        let chart = chart.to_str().unwrap();
        helm.run(&["lint", "--strict", chart]);
        for file in values_files() {
            helm.run(&["lint", "--strict", chart, "-f", file.to_str().unwrap()]);
        }
    }
}

#[test]
fn its_unit_tests_pass() {
    let mut command = Command::new(Tool::HelmUnittest.program().unwrap());
    let output = command.arg("--strict").arg(chart("")).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}");
    assert!(!printed.contains("Tests:       0 passed"), "{printed}");
}

#[test]
fn its_versions_are_that_of_the_program_and_artifact_hub_knows_what_it_is() {
    let text = fs::read_to_string(chart("Chart.yaml")).unwrap();
    let about: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(about["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(about["appVersion"], env!("CARGO_PKG_VERSION"));
    let annotations = about["annotations"].as_object().unwrap();
    let listed = |name: &str| -> Vec<BTreeMap<String, Value>> {
        let text = annotations[name].as_str().unwrap();
        serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let crds = listed("artifacthub.io/crds");
    for field in ["kind", "version", "name", "displayName", "description"] {
        assert!(crds[0].contains_key(field), "{field}");
    }
    for change in listed("artifacthub.io/changes") {
        let kind = change["kind"].as_str().unwrap();
        let kinds = [
            "added",
            "changed",
            "deprecated",
            "removed",
            "fixed",
            "security",
        ];
        assert!(kinds.contains(&kind), "{kind}");
    }
}

/// What kube-score would have otherwise, and why the chart does not do it.
const EXCEPTIONS: [(&str, &str); 5] = [
    (
        "container-resources",
        "no CPU limit: throttled when many tokens are due, the operator would be late for all of them",
    ),
    (
        "container-image-pull-policy",
        "an image is identified by its digest or its version, which is never pushed again; pulling it at each start would make \
         the start depend on the registry",
    ),
    (
        "container-ephemeral-storage-request-and-limit",
        "the file system is read-only and no volume is written, so nothing but the log is stored",
    ),
    (
        "deployment-has-host-podantiaffinity",
        "one replica by default; values-production.yaml spreads two with topologySpreadConstraints, which replaced it",
    ),
    (
        "pod-networkpolicy",
        "token endpoints are anywhere and named by resources, so who may be reached is for the cluster to say",
    ),
];

#[test]
fn kube_score_finds_nothing_but_what_has_a_reason() {
    let helm = Helm::new(Tool::Helm4);
    let folder = tempfile::tempdir().unwrap();
    let mut found = BTreeMap::new();
    for values in [
        vec![],
        vec![
            "-f".to_owned(),
            chart("values-production.yaml").display().to_string(),
        ],
    ] {
        let args: Vec<&str> = values.iter().map(String::as_str).collect();
        let file = folder.path().join("rendered.yaml");
        fs::write(&file, helm.template(&args)).unwrap();
        let mut command = Command::new(Tool::KubeScore.program().unwrap());
        let output = command
            .args(["score", "--output-format=json"])
            .arg(&file)
            .output()
            .unwrap();
        let scores: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        let all = scores
            .iter()
            .flat_map(|object| object["checks"].as_array().unwrap());
        assert!(all.count() > 20, "{scores:?}");
        for object in scores {
            for check in object["checks"].as_array().unwrap() {
                let skipped = check["skipped"].as_bool().unwrap_or(false);
                if !skipped && check["grade"].as_u64().unwrap() < 10 {
                    let id = check["check"]["id"].as_str().unwrap().to_owned();
                    found.insert(id, check.clone());
                }
            }
        }
    }
    let expected: Vec<&str> = EXCEPTIONS.iter().map(|(id, _)| *id).collect();
    for (id, check) in &found {
        assert!(expected.contains(&id.as_str()), "{check:#}");
    }
    for (id, reason) in EXCEPTIONS {
        assert!(
            found.contains_key(id),
            "{id} needs no exception any more ({reason})"
        );
    }
}
