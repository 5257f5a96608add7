//! A node on this machine: the real kubelet with containerd and runc, so that pods run and mounted Secrets change.
//!
//! It needs root, cgroups that can be written, and namespaces ([`missing`] says what is not there). The process that starts a [`Node`]
//! runs in namespaces of its own for network, mounts and processes ([`isolated`]): nothing of it is left when that process ends, and no
//! port of it can be reached from outside.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::control_plane::ControlPlane;
use crate::process::Process;
use crate::tools::Tool;
use crate::{Context, Error, Result, wait};

/// The node's own address, and the gateway of its pods.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 1);
/// Where pods look for the API server: the first address of the range of Services.
pub const API_SERVICE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// What the node is called.
pub const NAME: &str = "node";
/// The repository of the image in which the containers of one pod share their namespaces.
pub const PAUSE: &str = "docker.io/library/pause";

const SUBNET: &str = "10.88.0.0/24";
const BRIDGE: &str = "pods0";
/// containerd's name for what belongs to Kubernetes.
const CONTAINERD_NAMESPACE: &str = "k8s.io";
const WITHIN: Duration = Duration::from_secs(100);
/// How many lines of a log an error repeats.
const LINES_OF_LOG: usize = 30;
/// What the kubelet changes for the whole machine.
const SYSCTLS: [&str; 6] = [
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
];

/// Why no node can run on this machine; `None` where one can.
#[must_use]
pub fn missing() -> Option<String> {
    if !fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0) {
        return Some("the kubelet needs root".to_owned());
    }
    for program in [
        "/usr/bin/containerd",
        "/usr/sbin/runc",
        "/usr/lib/cni/bridge",
        "/usr/bin/strip",
    ] {
        if !Path::new(program).exists() {
            return Some(format!(
                "there is no {program} (Debian: containerd runc containernetworking-plugins binutils)"
            ));
        }
    }
    if let Err(error) = writable_cgroups() {
        return Some(format!("containers need cgroups: {error}"));
    }
    let mut namespaces = isolated(Path::new("true"));
    let worked = namespaces.stdout(Stdio::null()).stderr(Stdio::piped());
    match worked.output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(format!(
            "no namespaces can be made: {}",
            String::from_utf8_lossy(&output.stderr).trim_end()
        )),
        Err(error) => Some(format!("cannot start unshare: {error}")),
    }
}

fn writable_cgroups() -> Result<()> {
    let root = Path::new("/sys/fs/cgroup");
    let first = [root.join("memory"), root.to_path_buf()];
    let folder = first
        .iter()
        .find(|folder| folder.join("cgroup.procs").exists())
        .context(|| "/sys/fs/cgroup is not mounted")?;
    let probe = folder.join(format!("oauthclient-operator-{}", std::process::id()));
    let cannot = || format!("cannot make a group in {}", folder.display());
    fs::create_dir(&probe).context(cannot)?;
    fs::remove_dir(&probe).context(cannot)
}

/// A command that runs `program` in namespaces of its own; whatever it started ends with it. Give it a folder for temporary files with a
/// short path (`TMPDIR`), and remove that at its end: inside, what is mounted there keeps it from being removed.
#[must_use]
pub fn isolated(program: &Path) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--net", "--mount", "--pid", "--fork", "--kill-child"])
        .args(["--mount-proc", "--"])
        .arg(program);
    command
}

/// Settings of the machine that the kubelet changes, and groups that containers leave behind: put back when this is dropped. Hold it
/// outside of [`isolated`].
#[derive(Debug)]
pub struct Machine(Vec<(PathBuf, String)>);

impl Machine {
    /// Remembers the settings as they are.
    #[must_use]
    pub fn remember() -> Machine {
        let paths = SYSCTLS.map(|name| Path::new("/proc/sys").join(name));
        let read = |path: PathBuf| Some((fs::read_to_string(&path).ok()?, path));
        let values = paths.into_iter().filter_map(read);
        Machine(values.map(|(value, path)| (path, value)).collect())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        for (path, value) in &self.0 {
            if let Err(error) = fs::write(path, value) {
                eprintln!("testkit: cannot restore {}: {error}", path.display());
            }
        }
        for controller in fs::read_dir("/sys/fs/cgroup")
            .into_iter()
            .flatten()
            .flatten()
        {
            let groups = controller.path().join(CONTAINERD_NAMESPACE);
            for group in fs::read_dir(&groups).into_iter().flatten().flatten() {
                // Fails for a file, and for a group in which another process's container runs.
                let _in_use = fs::remove_dir(group.path());
            }
            let _in_use = fs::remove_dir(groups);
        }
    }
}

/// Makes the addresses of a node: loopback, a bridge with [`ADDRESS`], and [`API_SERVICE`]. Call it inside of [`isolated`].
///
/// # Errors
/// When the system refuses.
pub fn make_network() -> Result<()> {
    let address = format!("{ADDRESS}/24");
    let service = format!("{API_SERVICE}/32");
    run("ip", &["link", "set", "lo", "up"])?;
    run("ip", &["address", "add", &service, "dev", "lo"])?;
    run("ip", &["link", "add", BRIDGE, "type", "bridge"])?;
    run("ip", &["address", "add", &address, "dev", BRIDGE])?;
    run("ip", &["link", "set", BRIDGE, "up"])?;
    // Sockets of containerd's shims, and the network namespaces of pods.
    run("mount", &["-t", "tmpfs", "tmpfs", "/run"])
}

/// A running node. Dropping it ends the kubelet and containerd; the containers end with the namespaces that they run in.
#[derive(Debug)]
pub struct Node {
    kubelet: Process,
    containerd: Process,
    folder: tempfile::TempDir,
}

impl Node {
    /// Starts containerd and the kubelet, and waits until the API server reports the node as ready. The kubelet syncs
    /// each pod every
    /// `sync_seconds`, and when something changes. `pause` is an image as [`write_image`] writes it, with the tag `1`.
    ///
    /// # Errors
    /// When a server does not start; then with the end of its log.
    pub async fn start(plane: &ControlPlane, pause: &Path, sync_seconds: u32) -> Result<Node> {
        // Short: the path of a socket may have 107 characters.
        let folder = tempfile::Builder::new()
            .prefix("node-")
            .tempdir()
            .context(|| "cannot make a folder for the node")?;
        write_settings(folder.path(), sync_seconds)?;
        let containerd = start("containerd", containerd(folder.path()), folder.path())?;
        let socket = folder.path().join("containerd.sock");
        let up = wait::until("containerd", WITHIN, || async {
            let mut version = ctr(&socket);
            quiet(version.arg("version"))
        });
        up.await
            .map_err(|error| with_log(&error, folder.path(), "containerd"))?;
        import(&socket, pause, PAUSE)?;

        let program = tokio::task::spawn_blocking(|| Tool::Kubelet.program());
        let program = program
            .await
            .context(|| "the build of the kubelet panicked")??;
        let command = kubelet(&program, folder.path(), &plane.admin_kubeconfig());
        let kubelet = start("kubelet", command, folder.path())?;
        let node = Node {
            kubelet,
            containerd,
            folder,
        };
        let args = [
            "wait",
            "--for=condition=Ready",
            &format!("node/{NAME}"),
            "--timeout=1s",
        ];
        let ready = wait::until("the node to be ready", WITHIN, || async {
            if let Some(status) = node.kubelet.exited() {
                return Ok(Err(Error::new(format!("the kubelet ended: {status}"))));
            }
            plane.run_kubectl(&args, "").await.map(|_| Ok(()))
        });
        let ready = ready.await.and_then(|ready| ready);
        ready.map_err(|error| with_log(&error, node.folder.path(), "kubelet"))?;
        Ok(node)
    }

    /// Imports an image in one file, an OCI layout, as `REPOSITORY:TAG` with the tag that the file names.
    ///
    /// # Errors
    /// When containerd refuses it.
    pub fn import(&self, image: &Path, repository: &str) -> Result<()> {
        import(
            &self.folder.path().join("containerd.sock"),
            image,
            repository,
        )
    }

    /// What all containers have printed, those that are gone included as long as their pods are there.
    #[must_use]
    pub fn logs(&self) -> String {
        let mut text = String::new();
        let mut folders = vec![self.folder.path().join("logs")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if let Ok(log) = fs::read_to_string(&path) {
                    text.push_str(&format!("{}:\n{log}\n", path.display()));
                }
            }
        }
        text
    }

    /// The end of the kubelet's log.
    #[must_use]
    pub fn kubelet_log(&self) -> String {
        last_lines(self.folder.path(), "kubelet")
    }

    /// Whether containerd and the kubelet still run.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.kubelet.exited().is_none() && self.containerd.exited().is_none()
    }
}

/// Writes an image in one file, an OCI layout with this tag, that starts `program` with the argument `with`; with the libraries that
/// it is linked with. It needs Python, `ldd` and `strip`.
///
/// # Errors
/// When one of them is missing, or fails.
pub fn write_image(out: &Path, tag: &str, program: &Path, with: &str) -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("node/image.py");
    let mut command = Command::new("python3");
    command.arg(script).arg(out).arg(tag).arg(program).arg(with);
    quiet(&mut command)
}

fn write_settings(folder: &Path, sync_seconds: u32) -> Result<()> {
    let filled = |text: &str| {
        text.replace("{folder}", &folder.to_string_lossy())
            .replace("{pause}", &format!("{PAUSE}:1"))
            .replace("{address}", &ADDRESS.to_string())
            .replace("{sync}", &sync_seconds.to_string())
            .replace("{bridge}", BRIDGE)
            .replace("{subnet}", SUBNET)
    };
    let network = folder.join("cni");
    fs::create_dir(&network).context(|| format!("cannot make {}", network.display()))?;
    for (name, text) in [
        ("containerd.toml", include_str!("../node/containerd.toml")),
        ("kubelet.yaml", include_str!("../node/kubelet.yaml")),
        ("cni/pods.conflist", include_str!("../node/network.json")),
    ] {
        let path = folder.join(name);
        fs::write(&path, filled(text)).context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn containerd(folder: &Path) -> Command {
    let mut command = Command::new("/usr/bin/containerd");
    command.arg("--config").arg(folder.join("containerd.toml"));
    command
}

fn kubelet(program: &Path, folder: &Path, kubeconfig: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .arg("--config")
        .arg(folder.join("kubelet.yaml"))
        .arg("--root-dir")
        .arg(folder.join("kubelet"))
        .arg("--cert-dir")
        .arg(folder.join("certificates"))
        .args(["--hostname-override", NAME])
        .args(["--node-ip", &ADDRESS.to_string()]);
    command
}

fn ctr(socket: &Path) -> Command {
    let mut command = Command::new("ctr");
    command.arg("--address").arg(socket);
    command.args(["--namespace", CONTAINERD_NAMESPACE]);
    command
}

fn import(socket: &Path, image: &Path, repository: &str) -> Result<()> {
    let mut command = ctr(socket);
    command.args([
        "images",
        "import",
        "--snapshotter",
        "native",
        "--base-name",
        repository,
    ]);
    quiet(command.arg(image))
}

fn start(name: &str, mut command: Command, folder: &Path) -> Result<Process> {
    let path = folder.join(format!("{name}.log"));
    let cannot = || format!("cannot write {}", path.display());
    let log = fs::File::create(&path).context(cannot)?;
    let same = log.try_clone().context(cannot)?;
    command.stdin(Stdio::null()).stdout(log).stderr(same);
    Process::start(name, command)
}

fn last_lines(folder: &Path, server: &str) -> String {
    let log = fs::read_to_string(folder.join(format!("{server}.log"))).unwrap_or_default();
    let mut last: Vec<&str> = log.lines().rev().take(LINES_OF_LOG).collect();
    last.reverse();
    last.join("\n")
}

fn with_log(error: &Error, folder: &Path, server: &str) -> Error {
    Error::new(format!(
        "{error}\nthe end of the log of {server}:\n{}",
        last_lines(folder, server)
    ))
}

fn run(program: &str, args: &[&str]) -> Result<()> {
    quiet(Command::new(program).args(args))
}

/// Runs a command to its end; an error has what it printed on standard error.
fn quiet(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}");
    let output = command
        .stdin(Stdio::null())
        .output()
        .context(|| format!("cannot start {shown}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::new(format!(
        "{shown} failed ({}): {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim_end()
    )))
}
