//! The programs of a control plane: found, or built once into a cache.

use crate::go::{Build, Module};
use crate::{Context, Error, Result, cache};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// The Go module that names the programs and pins everything they are made of.
const MODULE: Module = Module {
    go_mod: include_str!("../../control-plane/go.mod"),
    go_sum: include_str!("../../control-plane/go.sum"),
};
/// What every control plane needs.
const NEEDED: [&str; 3] = ["etcd", "kube-apiserver", "kubectl"];
/// What the build makes; envtest's folders lack the last one.
const BUILT: [&str; 4] = [
    "etcd",
    "kube-apiserver",
    "kubectl",
    "kube-controller-manager",
];

/// A folder with `etcd`, `kube-apiserver`, `kubectl` and perhaps `kube-controller-manager`.
#[derive(Clone, Debug)]
pub struct Assets {
    dir: PathBuf,
}

impl Assets {
    /// The folder in `KUBEBUILDER_ASSETS`, if that is set; otherwise the cache, which is filled first if necessary.
    /// Filling takes
    /// about eight minutes on two cores and needs Go; progress goes to standard error.
    ///
    /// Blocks. Several processes may call it at once: one builds, the others wait for it.
    ///
    /// # Errors
    /// When the folder lacks a program, when Go is missing, or when the build fails.
    pub fn find_or_build() -> Result<Assets> {
        if let Some(dir) = std::env::var_os("KUBEBUILDER_ASSETS").filter(|dir| !dir.is_empty()) {
            return Assets::in_folder(PathBuf::from(dir));
        }
        let dir = cache::filled_once("control-plane", MODULE.go_mod.as_bytes(), build)?;
        Assets::in_folder(dir)
    }

    /// The programs in `dir`.
    ///
    /// # Errors
    /// When one that every control plane needs is not there.
    pub fn in_folder(dir: PathBuf) -> Result<Assets> {
        for name in NEEDED {
            if !dir.join(name).is_file() {
                return Err(Error::new(format!(
                    "there is no {name} in {}: the folder must hold {}. Unset KUBEBUILDER_ASSETS, or remove the folder, to have \
                     them built with Go",
                    dir.display(),
                    NEEDED.join(", ")
                )));
            }
        }
        Ok(Assets { dir })
    }

    /// The folder itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The path of one program.
    ///
    /// # Errors
    /// When it is not there: `kube-controller-manager` is not part of envtest's folders.
    pub fn program(&self, name: &str) -> Result<PathBuf> {
        let path = self.dir.join(name);
        if path.is_file() {
            return Ok(path);
        }
        Err(Error::new(format!(
            "there is no {name} in {}. Unset KUBEBUILDER_ASSETS to have it built with Go, or start the control plane without controllers",
            self.dir.display()
        )))
    }
}

/// The version of Kubernetes that is built, as `1.36.3`.
///
/// # Errors
/// When `go.mod` does not name one.
pub fn kubernetes_version() -> Result<&'static str> {
    MODULE
        .go_mod
        .lines()
        .filter_map(|line| {
            line.trim()
                .trim_start_matches("require ")
                .strip_prefix("k8s.io/kubernetes v")
        })
        .find_map(|version| version.split_whitespace().next())
        .context(|| "testkit/control-plane/go.mod requires no k8s.io/kubernetes")
}

fn build(into: &Path) -> Result<()> {
    let version = kubernetes_version()?;
    eprintln!(
        "testkit: building etcd, kube-apiserver, kube-controller-manager and kubectl v{version} into {}: once, about eight minutes",
        into.display()
    );
    let mut output = OsString::from(into);
    output.push("/");
    MODULE.build(&Build {
        what: "the control plane",
        without_go: "Install Go (https://go.dev/dl), or set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver and kubectl",
        linker_flags: &linker_flags(version),
        output: Path::new(&output),
        package: "tool",
        env: &[],
    })?;
    // The package is called `server`, so its program is.
    fs::rename(into.join("server"), into.join("etcd"))
        .context(|| "cannot rename `server` to `etcd`")?;
    for name in BUILT {
        if !into.join(name).is_file() {
            return Err(Error::new(format!(
                "the build of the control plane made no {name} in {}",
                into.display()
            )));
        }
    }
    Ok(())
}

/// Without these the programs would call themselves `v0.0.0-master`.
fn linker_flags(version: &str) -> String {
    let mut parts = version.split('.');
    let (major, minor) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let package = "k8s.io/component-base/version";
    format!(
        "-s -w -X {package}.gitVersion=v{version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"
    )
}
