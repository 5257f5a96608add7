//! The command lines of the three servers, and how each is started.

use super::{Options, data_dir::DataDir};
use crate::process::Process;
use crate::{Context, Error, Result};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How many lines of a server's log an error repeats.
const LINES_OF_LOG: usize = 15;

/// The loopback ports of one control plane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    pub(super) etcd: u16,
    pub(super) etcd_peer: u16,
    pub(super) api: u16,
}

impl Ports {
    pub(super) fn pick() -> Result<Ports> {
        Ok(Ports {
            etcd: crate::net::free_port()?,
            etcd_peer: crate::net::free_port()?,
            api: crate::net::free_port()?,
        })
    }
}

/// The files of one control plane, all in its folder.
#[derive(Debug)]
pub(super) struct Files(PathBuf);

impl Files {
    pub(super) fn of(dir: &DataDir) -> Files {
        Files(dir.path().to_path_buf())
    }

    pub(super) fn etcd_data(&self) -> PathBuf {
        self.0.join("etcd")
    }
    pub(super) fn certificates(&self) -> PathBuf {
        self.0.join("certificates")
    }
    pub(super) fn ca(&self) -> PathBuf {
        self.certificates().join("apiserver.crt")
    }
    pub(super) fn server_key(&self) -> PathBuf {
        self.certificates().join("apiserver.key")
    }
    pub(super) fn signing_key(&self) -> PathBuf {
        self.0.join("service-account.key")
    }
    pub(super) fn verifying_key(&self) -> PathBuf {
        self.0.join("service-account.pub")
    }
    pub(super) fn tokens(&self) -> PathBuf {
        self.0.join("tokens.csv")
    }
    pub(super) fn audit_policy(&self) -> PathBuf {
        self.0.join("audit-policy.yaml")
    }
    pub(super) fn audit_log(&self) -> PathBuf {
        self.0.join("audit.log")
    }
    pub(super) fn admin_kubeconfig(&self) -> PathBuf {
        self.0.join("admin.kubeconfig")
    }
    pub(super) fn kubectl_cache(&self) -> PathBuf {
        self.0.join("kubectl-cache")
    }
    pub(super) fn log_of(&self, server: &str) -> PathBuf {
        self.0.join(format!("{server}.log"))
    }
}

pub(super) fn etcd(program: &Path, files: &Files, ports: Ports, options: &Options) -> Command {
    let client = format!("http://127.0.0.1:{}", ports.etcd);
    let peer = format!("http://127.0.0.1:{}", ports.etcd_peer);
    let mut command = Command::new(program);
    command
        .arg(flag("data-dir", files.etcd_data().display()))
        .arg(flag("listen-client-urls", &client))
        .arg(flag("advertise-client-urls", &client))
        .arg(flag("listen-peer-urls", &peer))
        .arg(flag("initial-advertise-peer-urls", &peer))
        .arg(flag("initial-cluster", format!("default={peer}")))
        .arg("--unsafe-no-fsync")
        .arg(flag("log-level", "error"));
    if let Some(bytes) = options.etcd_quota_bytes {
        command.arg(flag("quota-backend-bytes", bytes));
    }
    command
}

pub(super) fn api_server(
    program: &Path,
    files: &Files,
    ports: Ports,
    options: &Options,
) -> Command {
    let mut command = Command::new(program);
    command
        .arg(flag(
            "etcd-servers",
            format!("http://127.0.0.1:{}", ports.etcd),
        ))
        .arg(flag("cert-dir", files.certificates().display()))
        .arg(flag("bind-address", "127.0.0.1"))
        .arg(flag("secure-port", ports.api))
        .arg(flag("service-cluster-ip-range", "10.0.0.0/24"))
        .arg(flag(
            "service-account-issuer",
            "https://kubernetes.default.svc",
        ))
        .arg(flag(
            "service-account-key-file",
            files.verifying_key().display(),
        ))
        .arg(flag(
            "service-account-signing-key-file",
            files.signing_key().display(),
        ))
        .arg(flag("token-auth-file", files.tokens().display()))
        .arg(flag("authorization-mode", "RBAC"));
    if !options.pods {
        command.arg(flag("disable-admission-plugins", "ServiceAccount"));
    }
    if options.audit {
        command
            .arg(flag("audit-policy-file", files.audit_policy().display()))
            .arg(flag("audit-log-path", files.audit_log().display()))
            // Never rotated: a mark is a place in this one file. The default is 100 MB.
            .arg(flag("audit-log-maxsize", 100_000));
    }
    command.args(&options.api_server_args);
    command
}

pub(super) fn controller_manager(program: &Path, files: &Files, options: &Options) -> Command {
    let mut command = Command::new(program);
    command
        .arg(flag("kubeconfig", files.admin_kubeconfig().display()))
        .arg(flag("controllers", options.controllers.join(",")))
        .arg(flag("leader-elect", false))
        .arg(flag("secure-port", 0));
    if options.pods {
        command.arg(flag("root-ca-file", files.ca().display()));
    }
    command
}

/// Starts one server with its output in its log, to which a restart appends.
pub(super) fn start(name: &str, mut command: Command, files: &Files) -> Result<Process> {
    let path = files.log_of(name);
    let log = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .context(|| format!("cannot write {}", path.display()))?;
    let same_log = log
        .try_clone()
        .context(|| format!("cannot write {}", path.display()))?;
    command.stdin(Stdio::null()).stdout(log).stderr(same_log);
    Process::start(name, command)
}

/// Why a server that should run has ended, with the last lines of its log.
pub(super) fn why_it_ended(name: &str, process: &Process, files: &Files) -> Option<Error> {
    let status = process.exited()?;
    let log = std::fs::read_to_string(files.log_of(name)).unwrap_or_default();
    let mut last: Vec<&str> = log.lines().rev().take(LINES_OF_LOG).collect();
    last.reverse();
    Some(Error::new(format!(
        "{name} ended at its start ({status}); the last lines of its log:\n{}",
        last.join("\n")
    )))
}

fn flag(name: &str, value: impl std::fmt::Display) -> String {
    format!("--{name}={value}")
}
