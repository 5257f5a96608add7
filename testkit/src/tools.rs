//! The tools that users and maintainers of the project use, as real programs: built once, by name, from pinned Go
//! modules.
//!
//! Each has its own folder in the cache outside the checkout, named after the module that pins it, so another version
//! has another
//! folder. A tool is built when it is first needed.

use crate::go::{Build, Module};
use crate::{Context, Result, cache};
use std::path::{Path, PathBuf};

/// A tool that can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tool {
    /// `helm` of version 3.
    Helm3,
    /// `helm` of version 4.
    Helm4,
    /// `helm-unittest`: unit tests of charts.
    HelmUnittest,
    /// `helm-docs`: the README of a chart.
    HelmDocs,
    /// `kube-score`: advice on manifests.
    KubeScore,
    /// `crane`: images, and a registry on loopback.
    Crane,
    /// `cosign`: signatures and attestations.
    Cosign,
    /// `krew`: the manager of kubectl plugins.
    Krew,
    /// `validate-krew-manifest`: the check that krew's index runs.
    ValidateKrewManifest,
    /// `kubelet`, of the version that the API server has: for a node in the tests.
    Kubelet,
}

const CHART: Module = Module {
    go_mod: include_str!("../tools/chart/go.mod"),
    go_sum: include_str!("../tools/chart/go.sum"),
};
const KUBE_SCORE: Module = Module {
    go_mod: include_str!("../tools/kube-score/go.mod"),
    go_sum: include_str!("../tools/kube-score/go.sum"),
};
const RELEASE: Module = Module {
    go_mod: include_str!("../tools/release/go.mod"),
    go_sum: include_str!("../tools/release/go.sum"),
};
const KREW: Module = Module {
    go_mod: include_str!("../tools/krew/go.mod"),
    go_sum: include_str!("../tools/krew/go.sum"),
};
const KUBELET: Module = Module {
    go_mod: include_str!("../tools/kubelet/go.mod"),
    go_sum: include_str!("../tools/kubelet/go.sum"),
};

const PROMETHEUS_OPERATOR: Module = Module {
    go_mod: include_str!("../tools/prometheus-operator/go.mod"),
    go_sum: include_str!("../tools/prometheus-operator/go.sum"),
};

impl Tool {
    /// All of them.
    pub const ALL: [Tool; 10] = [
        Tool::Helm3,
        Tool::Helm4,
        Tool::HelmUnittest,
        Tool::HelmDocs,
        Tool::KubeScore,
        Tool::Crane,
        Tool::Cosign,
        Tool::Krew,
        Tool::ValidateKrewManifest,
        Tool::Kubelet,
    ];

    /// The name that the program has in the cache.
    pub const fn name(self) -> &'static str {
        match self {
            Tool::Helm3 => "helm-3",
            Tool::Helm4 => "helm-4",
            Tool::HelmUnittest => "helm-unittest",
            Tool::HelmDocs => "helm-docs",
            Tool::KubeScore => "kube-score",
            Tool::Crane => "crane",
            Tool::Cosign => "cosign",
            Tool::Krew => "krew",
            Tool::ValidateKrewManifest => "validate-krew-manifest",
            Tool::Kubelet => "kubelet",
        }
    }

    /// The tool of this name.
    pub fn by_name(name: &str) -> Option<Tool> {
        Tool::ALL.into_iter().find(|tool| tool.name() == name)
    }

    const fn module(self) -> Module {
        match self {
            Tool::Helm3 | Tool::Helm4 | Tool::HelmUnittest | Tool::HelmDocs => CHART,
            Tool::KubeScore => KUBE_SCORE,
            Tool::Crane | Tool::Cosign => RELEASE,
            Tool::Krew | Tool::ValidateKrewManifest => KREW,
            Tool::Kubelet => KUBELET,
        }
    }

    const fn package(self) -> &'static str {
        match self {
            Tool::Helm3 => "helm.sh/helm/v3/cmd/helm",
            Tool::Helm4 => "helm.sh/helm/v4/cmd/helm",
            Tool::HelmUnittest => "github.com/helm-unittest/helm-unittest/cmd/helm-unittest",
            Tool::HelmDocs => "github.com/norwoodj/helm-docs/cmd/helm-docs",
            Tool::KubeScore => "github.com/zegl/kube-score/cmd/kube-score",
            Tool::Crane => "github.com/google/go-containerregistry/cmd/crane",
            Tool::Cosign => "github.com/sigstore/cosign/v3/cmd/cosign",
            Tool::Krew => "sigs.k8s.io/krew/cmd/krew",
            Tool::ValidateKrewManifest => "sigs.k8s.io/krew/cmd/validate-krew-manifest",
            Tool::Kubelet => "k8s.io/kubernetes/cmd/kubelet",
        }
    }

    /// The version that the module pins, as `v1.2.3`.
    ///
    /// # Errors
    /// When the module does not require it.
    pub fn version(self) -> Result<&'static str> {
        let package = self.package();
        required_version(self.module().go_mod, package)
            .context(|| format!("no go.mod in testkit/tools requires {package}"))
    }

    /// The program in the cache; the first call builds it, which takes up to five minutes on two cores and needs Go.
    ///
    /// Blocks. Several processes may call it at once: one builds, the others wait for it.
    ///
    /// # Errors
    /// When there is no Go, or when the build fails.
    pub fn program(self) -> Result<PathBuf> {
        let Module { go_mod, go_sum } = self.module();
        let key = [go_mod, go_sum, self.package()].join("\n");
        let kind = format!("tools/{}", self.name());
        let dir = cache::filled_once(&kind, key.as_bytes(), |into| self.build(into))?;
        Ok(dir.join(self.name()))
    }

    fn build(self, into: &Path) -> Result<()> {
        let version = self.version()?;
        eprintln!(
            "testkit: building {} {version} into {}: once",
            self.name(),
            into.display()
        );
        self.module().build(&Build {
            what: self.name(),
            without_go: "Install Go (https://go.dev/dl).",
            linker_flags: &format!("-s -w{}", self.version_flags(version)?),
            output: &into.join(self.name()),
            package: self.package(),
            // Static, so that the program runs wherever the cache is taken. The kubelet needs C to measure its node.
            env: &[("CGO_ENABLED", if self == Tool::Kubelet { "1" } else { "0" })],
        })
    }

    /// The flags of Helm's own Makefile. Without them Helm reports only the first two numbers of its version, and Helm
    /// 3 renders
    /// charts for Kubernetes 1.20 when it has no cluster.
    fn version_flags(self, version: &str) -> Result<String> {
        let flags = match self {
            Tool::Helm3 => {
                let minor = kubernetes_minor()?;
                let variables = "helm.sh/helm/v3/pkg/chartutil.k8sVersion";
                let lint = "helm.sh/helm/v3/pkg/lint/rules.k8sVersion";
                let flags = [variables, lint]
                    .map(|name| format!(" -X {name}Major=1 -X {name}Minor={minor}"));
                flags.concat() + &format!(" -X helm.sh/helm/v3/internal/version.version={version}")
            }
            Tool::Helm4 => format!(" -X helm.sh/helm/v4/internal/version.version={version}"),
            Tool::Kubelet => {
                format!(" -X k8s.io/component-base/version.gitVersion={version}")
            }
            _ => String::new(),
        };
        Ok(flags)
    }
}

/// The CustomResourceDefinitions of the Prometheus operator (ServiceMonitor, PodMonitor, PrometheusRule and others), as files.
///
/// Blocks.
///
/// # Errors
/// When there is no Go, or the module that they lie in cannot be had.
pub fn prometheus_operator_crds() -> Result<PathBuf> {
    let module = "github.com/prometheus-operator/prometheus-operator";
    let version = required_version(PROMETHEUS_OPERATOR.go_mod, module);
    let version = version.context(|| format!("no go.mod in testkit/tools requires {module}"))?;
    let folder = PROMETHEUS_OPERATOR.required(module, version)?;
    Ok(folder.join("example/prometheus-operator-crd"))
}

/// The version of a module, or of the module that a package is in, by the text of a `go.mod`.
fn required_version<'a>(go_mod: &'a str, package: &str) -> Option<&'a str> {
    let required = go_mod.lines().filter_map(|line| {
        let mut words = line
            .trim()
            .trim_start_matches("require ")
            .split_whitespace();
        Some((words.next()?, words.next()?))
    });
    let mut fitting =
        required.filter(|(module, _)| format!("{package}/").starts_with(&format!("{module}/")));
    fitting.next().map(|(_, version)| version)
}

/// The version of Kubernetes that the chart tools are made for: 37 of `k8s.io/client-go v0.37.1`.
fn kubernetes_minor() -> Result<&'static str> {
    let client = "k8s.io/client-go v0.";
    let lines = CHART.go_mod.lines();
    lines
        .filter_map(|line| line.trim().strip_prefix(client))
        .find_map(|version| version.split('.').next())
        .context(|| format!("testkit/tools/chart/go.mod has no {client}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn each_tool_is_named_and_pinned_in_its_module() {
        for tool in Tool::ALL {
            assert_eq!(Tool::by_name(tool.name()), Some(tool));
            assert!(tool.version().unwrap().starts_with('v'), "{tool:?}");
            assert!(tool.module().go_mod.contains(tool.package()), "{tool:?}");
        }
    }
}
