//! Filling the cache of the control plane's programs, with a fake `go` that records its arguments.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Writes the four programs where `-o` says, half a second after it was started, and one line to `calls`.
const GO: &str = r#"#!/bin/sh
echo "$@" >> "$CALLS"
ls >> "$CALLS"
while [ "$1" != "-o" ]; do shift; done
sleep 0.5
for name in server kube-apiserver kube-controller-manager kubectl; do echo "$name" > "$2$name"; done
"#;

/// A folder with a cache to fill and a `go` to fill it with.
struct Scene {
    dir: tempfile::TempDir,
}

impl Scene {
    fn with_go(script: &str) -> Scene {
        let dir = tempfile::tempdir().unwrap();
        let go = dir.path().join("go");
        fs::write(&go, script).unwrap();
        fs::set_permissions(&go, fs::Permissions::from_mode(0o755)).unwrap();
        Scene { dir }
    }

    fn build(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_control-plane"));
        command
            .arg("build")
            .env_remove("KUBEBUILDER_ASSETS")
            .env("XDG_CACHE_HOME", self.dir.path())
            .env("CALLS", self.dir.path().join("calls"))
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", self.dir.path().display()),
            )
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn cache(&self) -> PathBuf {
        self.dir.path().join("oauthclient-operator/control-plane")
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.dir.path().join("calls")).unwrap()
    }
}

fn told_folder(output: &Output) -> PathBuf {
    assert!(output.status.success(), "{}", said(output));
    PathBuf::from(String::from_utf8(output.stdout.clone()).unwrap().trim())
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn processes_that_need_it_at_once_build_it_once_and_whole() {
    let scene = Scene::with_go(GO);
    let builds: Vec<_> = (0..3).map(|_| scene.build().spawn().unwrap()).collect();
    let outputs: Vec<Output> = builds
        .into_iter()
        .map(|build| build.wait_with_output().unwrap())
        .collect();
    let folder = told_folder(&outputs[0]);
    assert!(outputs.iter().all(|output| told_folder(output) == folder));
    assert_eq!(
        names(&folder),
        [
            "etcd",
            "kube-apiserver",
            "kube-controller-manager",
            "kubectl"
        ]
    );
    assert_eq!(fs::read_to_string(folder.join("etcd")).unwrap(), "server\n");

    let calls = scene.calls();
    assert_eq!(
        calls.matches("build -mod=readonly -trimpath").count(),
        1,
        "{calls}"
    );
    assert!(calls.contains("version.gitVersion=v1."), "{calls}");
    // It ran in a folder with the module alone, not in the checkout.
    assert!(calls.ends_with("go.mod\ngo.sum\n"), "{calls}");
    let left: Vec<String> = names(&scene.cache());
    assert_eq!(
        left,
        [folder.file_name().unwrap().to_str().unwrap(), "lock"]
    );
}

#[test]
fn a_build_that_was_cut_short_is_thrown_away() {
    let scene = Scene::with_go(GO);
    let folder = told_folder(&scene.build().output().unwrap());
    let unfinished = folder.with_extension("tmp");
    fs::rename(&folder, &unfinished).unwrap();
    fs::write(unfinished.join("half"), "").unwrap();

    told_folder(&scene.build().output().unwrap());
    assert!(!folder.join("half").exists());
    assert!(!unfinished.exists());
}

#[test]
fn what_go_says_of_a_failed_build_is_shown() {
    let scene = Scene::with_go("#!/bin/sh\necho 'no space left on device' >&2\nexit 3\n");
    let output = scene.build().output().unwrap();
    assert!(!output.status.success());
    let said = said(&output);
    assert!(
        said.contains(
            "`go build` of the control plane failed (exit status: 3):\nno space left on device"
        ),
        "{said}"
    );
}

#[test]
fn without_go_it_says_what_to_install_or_set() {
    let scene = Scene::with_go(GO);
    let output = scene
        .build()
        .env("PATH", "/no/such/folder")
        .output()
        .unwrap();
    let said = said(&output);
    assert!(
        said.contains("there is no `go` on the PATH") && said.contains("KUBEBUILDER_ASSETS"),
        "{said}"
    );
}

#[test]
fn a_folder_of_assets_that_lacks_a_program_is_refused_by_name() {
    let scene = Scene::with_go(GO);
    let output = scene
        .build()
        .env("KUBEBUILDER_ASSETS", scene.dir.path())
        .output()
        .unwrap();
    assert!(
        said(&output).contains("there is no etcd in"),
        "{}",
        said(&output)
    );
}
