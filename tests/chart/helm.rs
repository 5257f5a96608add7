//! Helm and its relatives, as they are called on a command line.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use testkit::tools::Tool;

/// Where most tests install the chart: what `deploy/` uses.
pub const RELEASE: &str = "oauthclient-operator";
pub const NAMESPACE: &str = "oauthclient-system";

/// A path in the checkout.
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The chart's folder, or a file in it.
pub fn chart(name: &str) -> PathBuf {
    path("charts/oauthclient-operator").join(name)
}

/// The values of the tests, and those for production.
pub fn values_files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(chart("ci"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(!files.is_empty());
    files.push(chart("values-production.yaml"));
    files.sort();
    files
}

/// One Helm, with folders of its own for caches and settings.
pub struct Helm {
    program: PathBuf,
    kubeconfig: Option<PathBuf>,
    home: tempfile::TempDir,
}

impl Helm {
    pub fn new(tool: Tool) -> Helm {
        Helm {
            program: tool.program().unwrap(),
            kubeconfig: None,
            home: tempfile::tempdir().unwrap(),
        }
    }

    /// For a cluster.
    pub fn on(tool: Tool, kubeconfig: PathBuf) -> Helm {
        Helm {
            kubeconfig: Some(kubeconfig),
            ..Helm::new(tool)
        }
    }

    /// What it prints.
    pub fn run(&self, args: &[&str]) -> String {
        let output = self.output(args);
        let printed = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "helm {}\n{printed}\n{errors}",
            args.join(" ")
        );
        printed
    }

    pub fn output(&self, args: &[&str]) -> Output {
        let mut command = Command::new(&self.program);
        command
            .args(args)
            .env_clear()
            .env("HOME", self.home.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        if let Some(kubeconfig) = &self.kubeconfig {
            command.env("KUBECONFIG", kubeconfig);
        }
        command.output().unwrap()
    }

    /// What the chart renders to with these arguments, as `deploy/` would be installed.
    pub fn objects(&self, more: &[&str]) -> Vec<Value> {
        documents(&self.template(more))
    }

    pub fn template(&self, more: &[&str]) -> String {
        let chart = chart("");
        let mut args = vec!["template", RELEASE, chart.to_str().unwrap(), "--namespace"];
        args.push(NAMESPACE);
        args.extend(more);
        self.run(&args)
    }
}

/// The objects in a file of many; a document of nothing but comments is none.
pub fn documents(yaml: &str) -> Vec<Value> {
    let mut all = vec![String::new()];
    for line in yaml.lines() {
        if line.trim_end() == "---" {
            all.push(String::new());
        } else {
            let last = all.last_mut().unwrap();
            last.push_str(line);
            last.push('\n');
        }
    }
    let has_content = |text: &String| {
        text.lines()
            .any(|line| !line.trim().is_empty() && !line.starts_with('#'))
    };
    all.iter()
        .filter(|text| has_content(text))
        .map(|text| serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}")))
        .collect()
}

/// The object of this kind and name.
pub fn find<'a>(all: &'a [Value], kind: &str, name: &str) -> &'a Value {
    all.iter()
        .find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
        .unwrap_or_else(|| panic!("no {kind} {name}"))
}
