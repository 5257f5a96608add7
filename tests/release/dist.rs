//! One run of the script that packs a release.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::tools::Tool;

pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
pub(crate) const IMAGE: &str = "registry.example.com/team/oauthclient-operator";

pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// What a command prints; it must succeed.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// A packed release in a temporary folder.
pub(crate) struct Dist {
    work: tempfile::TempDir,
    folder: PathBuf,
}

impl Dist {
    /// Runs `release/pack.py` with small scripts instead of the programs; the plugin's starts the real one.
    pub(crate) fn pack(more: &[&str]) -> Dist {
        let work = tempfile::tempdir().unwrap();
        for platform in ["linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64"] {
            let programs = work.path().join("programs").join(platform);
            fs::create_dir_all(&programs).unwrap();
            let plugin = env!("CARGO_BIN_EXE_kubectl-oauthclient");
            for (name, text) in [
                ("oauthclient-operator", format!("a program for {platform}")),
                (
                    "kubectl-oauthclient",
                    format!("#!/bin/sh\nexec {plugin} \"$@\"\n"),
                ),
            ] {
                // As `release/programs.sh` does.
                if platform.starts_with("darwin") && name == "oauthclient-operator" {
                    continue;
                }
                fs::write(programs.join(name), text).unwrap();
                fs::set_permissions(programs.join(name), fs::Permissions::from_mode(0o755))
                    .unwrap();
            }
        }
        let folder = work.path().join("dist");
        let dist = Dist { work, folder };
        run(&mut dist.command(&dist.folder, more));
        dist
    }

    /// The command that writes `out`.
    pub(crate) fn command(&self, out: &Path, more: &[&str]) -> Command {
        let roots = self.work.path().join("roots.pem");
        fs::write(&roots, "only its place is tested\n").unwrap();
        let mut command = Command::new("python3");
        command.arg(path("release/pack.py"));
        command
            .arg("--programs")
            .arg(self.work.path().join("programs"));
        command.arg("--out").arg(out).arg("--roots").arg(roots);
        command.arg("--helm").arg(Tool::Helm4.program().unwrap());
        // No file of bytecode in the checkout.
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command
            .args(["--epoch", "1700000000", "--revision", "abc"])
            .args(more);
        command
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The image, by its digest.
    pub(crate) fn image(&self) -> String {
        fs::read_to_string(self.folder.join("image.txt"))
            .unwrap()
            .trim()
            .to_owned()
    }
}
