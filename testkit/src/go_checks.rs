//! Checks of objects with the Go packages of the ecosystem: kstatus, Argo CD's Lua, the types of the Prometheus Operator.
//!
//! The program of `testkit/go-checks` is built once with Go, into the cache folder.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Context, Error, Result, cache};

const SOURCE: [(&str, &str); 3] = [
    ("go.mod", include_str!("../go-checks/go.mod")),
    ("go.sum", include_str!("../go-checks/go.sum")),
    ("main.go", include_str!("../go-checks/main.go")),
];

/// What kstatus makes of an object (JSON): its status, such as `InProgress`, and the message.
///
/// # Errors
/// When the program cannot be built, or the object makes no sense to kstatus.
pub fn kstatus(object: &str) -> Result<(String, String)> {
    pair(&run(&["kstatus"], object)?)
}

/// The health that the rule in a ConfigMap `argocd-cm` (a file) returns for an object (JSON): status and message.
///
/// # Errors
/// When the program cannot be built, or there is no rule for the object's kind, or it fails.
pub fn argocd(config: &Path, object: &str) -> Result<(String, String)> {
    let config = config.to_string_lossy();
    pair(&run(&["argocd", &config], object)?)
}

/// The kinds among some manifests that the types of the Prometheus Operator accept, strictly.
///
/// # Errors
/// When the program cannot be built, or a manifest has a field that they do not know.
pub fn monitoring(manifests: &str) -> Result<Vec<String>> {
    let kinds = run(&["monitoring"], manifests)?;
    Ok(kinds.lines().map(str::to_owned).collect())
}

fn pair(line: &str) -> Result<(String, String)> {
    let (status, message) = line
        .trim_end_matches('\n')
        .split_once('\t')
        .context(|| format!("no answer of go-checks: {line}"))?;
    Ok((status.to_owned(), message.to_owned()))
}

fn run(arguments: &[&str], input: &str) -> Result<String> {
    let mut child = Command::new(program()?)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context(|| "cannot start go-checks")?;
    // It reads all of its input before it writes.
    if let Some(mut stdin) = child.stdin.take() {
        stdin
            .write_all(input.as_bytes())
            .context(|| "go-checks does not read")?;
    }
    let output = child
        .wait_with_output()
        .context(|| "go-checks does not end")?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Error::new(format!("go-checks {arguments:?}: {said}")))
}

fn program() -> Result<PathBuf> {
    let key: String = SOURCE.iter().map(|(_, text)| *text).collect();
    let folder = cache::filled_once("go-checks", key.as_bytes(), build)?;
    Ok(folder.join("go-checks"))
}

fn build(into: &Path) -> Result<()> {
    eprintln!("testkit: building go-checks into {}: once", into.display());
    let module = tempfile::tempdir().context(|| "cannot make a folder for the Go module")?;
    for (name, text) in SOURCE {
        fs::write(module.path().join(name), text).context(|| format!("cannot write {name}"))?;
    }
    let output = Command::new("go")
        .current_dir(module.path())
        .env("GOWORK", "off")
        .env("CGO_ENABLED", "0")
        .args(["build", "-mod=readonly", "-trimpath", "-o"])
        .arg(into.join("go-checks"))
        .arg(".")
        .stdin(Stdio::null())
        .output()
        .context(|| "cannot start go: install Go")?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Error::new(format!("go-checks cannot be built: {said}")))
}
