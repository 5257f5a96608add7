//! Programs that are built by name from pinned Go modules.

use crate::{Context, Error, Result, process};
use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How many lines of the Go tool's own output an error repeats.
const LINES_OF_GO: usize = 40;

/// A Go module without code: it names programs and pins everything that they are made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Module {
    /// The text of its `go.mod`.
    pub(crate) go_mod: &'static str,
    /// The text of its `go.sum`.
    pub(crate) go_sum: &'static str,
}

/// One run of `go build`.
#[derive(Debug)]
pub(crate) struct Build<'a> {
    /// What errors call it, as in "the build of {what}".
    pub(crate) what: &'a str,
    /// What to do where there is no Go, as a sentence.
    pub(crate) without_go: &'a str,
    /// The flags of the linker.
    pub(crate) linker_flags: &'a str,
    /// A file, or a folder with a slash at its end.
    pub(crate) output: &'a Path,
    /// The package, or `tool` for all that the module names.
    pub(crate) package: &'a str,
    /// Further variables of the environment.
    pub(crate) env: &'a [(&'a str, &'a str)],
}

impl Module {
    /// Runs `go build`; what Go prints goes to standard error as it comes.
    ///
    /// # Errors
    /// When there is no Go, or when the build fails; then with the end of its output.
    pub(crate) fn build(&self, build: &Build<'_>) -> Result<()> {
        let folder = self.copy()?;
        let mut go = Command::new("go");
        go.current_dir(folder.path())
            .env("GOWORK", "off")
            .envs(build.env.iter().copied())
            .args(["build", "-mod=readonly", "-trimpath", "-ldflags"])
            .args([build.linker_flags, "-o"])
            .arg(build.output)
            .arg(build.package)
            .stdin(Stdio::null())
            .stderr(Stdio::piped());
        run(go, build)
    }

    /// The folder in Go's own cache with the files of a module that this one requires; fetched the first time, and checked against
    /// `go.sum`.
    ///
    /// # Errors
    /// When there is no Go, the module cannot be had, or it is not the one in `go.sum`.
    pub(crate) fn required(&self, module: &str, version: &str) -> Result<PathBuf> {
        let folder = self.copy()?;
        let output = Command::new("go")
            .current_dir(folder.path())
            .env("GOWORK", "off")
            .args(["mod", "download", "-json", &format!("{module}@{version}")])
            .stdin(Stdio::null())
            .output()
            .context(|| format!("cannot start `go` to fetch {module}"))?;
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout)
            .context(|| format!("`go mod download` of {module} printed no JSON"))?;
        let dir = answer.get("Dir").and_then(serde_json::Value::as_str);
        match dir.filter(|_| output.status.success()) {
            Some(dir) => Ok(PathBuf::from(dir)),
            None => Err(Error::new(format!(
                "cannot fetch {module}@{version}: {answer}"
            ))),
        }
    }

    /// A copy of the module, so that nothing is ever written to the checkout.
    fn copy(&self) -> Result<tempfile::TempDir> {
        let folder = tempfile::tempdir().context(|| "cannot make a folder for the Go module")?;
        for (name, text) in [("go.mod", self.go_mod), ("go.sum", self.go_sum)] {
            fs::write(folder.path().join(name), text).context(|| format!("cannot write {name}"))?;
        }
        Ok(folder)
    }
}

fn run(go: Command, build: &Build<'_>) -> Result<()> {
    // The child ends with this process: the lock on the cache is released then, and the next process must not find a
    // build that still runs.
    let mut child = match process::spawn(go) {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::new(format!(
                "there is no `go` on the PATH, and {} is built with it. {}",
                build.what, build.without_go
            )));
        }
        Err(error) => return Err(Error::new(format!("cannot start `go`: {error}"))),
    };
    let mut last = VecDeque::with_capacity(LINES_OF_GO);
    if let Some(stderr) = child.stderr.take() {
        let lines = BufReader::new(stderr).lines();
        for line in lines.map_while(std::result::Result::ok) {
            eprintln!("go: {line}");
            if last.len() == LINES_OF_GO {
                last.pop_front();
            }
            last.push_back(line);
        }
    }
    let status = child.wait().context(|| "lost the Go build")?;
    if status.success() {
        return Ok(());
    }
    Err(Error::new(format!(
        "`go build` of {} failed ({status}):\n{}",
        build.what,
        Vec::from(last).join("\n")
    )))
}
