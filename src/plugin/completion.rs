//! `completion`: shell completion with the names of objects in the cluster.
//!
//! Both the scripts of bash, zsh and fish for `kubectl-oauthclient` and kubectl's own completion, which runs
//! `kubectl_complete-oauthclient` for `kubectl oauthclient`, use it. On any error, it completes nothing and prints
//! nothing.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::CommandFactory as _;
use clap_complete::engine::{CompletionCandidate, complete};
use clap_complete::env::{Bash, CompleteEnv, EnvCompleter, Fish, Zsh};
use k8s_openapi::api::core::v1::{Namespace, Secret as ApiSecret};
use kube::Api;
use kube::api::{ListParams, ObjectMeta};
use kube::config::Kubeconfig;

use super::args::{CompletionArgs, ConnectionArgs, Plugin, Shell};
use super::cluster::Cluster;
use super::{Problem, say};
use crate::api::CREDENTIALS_LABEL;
use crate::api::conditions::Reason;
use crate::api::spec::OAuthClient;

/// The name of the program in scripts.
const PROGRAM: &str = "kubectl-oauthclient";
/// The name that kubectl runs for completion.
pub const COMPLETER: &str = "kubectl_complete-oauthclient";
/// Set by the scripts.
const VARIABLE: &str = "KUBECTL_OAUTHCLIENT_COMPLETE";
/// The time-out of a completion.
const PATIENCE: Duration = Duration::from_secs(3);
/// The maximum number of names.
const MOST: u32 = 500;
/// Cobra's directive: complete no file names.
const NO_FILES: &str = ":4";
/// Cobra's directive: complete as the shell does.
const FILES: &str = ":0";

/// The script that kubectl runs. `kubectl oauthclient` is in its PATH.
const FOR_KUBECTL: &str = r#"#!/bin/sh
# Completes "kubectl oauthclient". Save it as kubectl_complete-oauthclient in a folder of your PATH, and make it executable.
# A symbolic link of that name to kubectl-oauthclient does the same.
exec kubectl-oauthclient __complete "$@""#;

/// Answers a shell; `false` if the program was started for something else.
pub fn answer() -> bool {
    let all: Vec<OsString> = std::env::args_os().collect();
    let name = all.first().map(PathBuf::from);
    let name = name.and_then(|path| Some(path.file_stem()?.to_owned()));
    if name.is_some_and(|name| name == COMPLETER) {
        for_kubectl(all.get(1..).unwrap_or_default());
        return true;
    }
    if all.get(1).is_some_and(|word| word == "__complete") {
        for_kubectl(all.get(2..).unwrap_or_default());
        return true;
    }
    let here = std::env::current_dir().ok();
    let env = CompleteEnv::with_factory(command)
        .var(VARIABLE)
        .bin(PROGRAM)
        .completer(PROGRAM);
    env.try_complete(all, here.as_deref()).unwrap_or(true)
}

fn command() -> clap::Command {
    Plugin::command().name(PROGRAM).bin_name(PROGRAM)
}

/// Output in cobra's format: a candidate per line, with its description after a tab, then a directive.
fn for_kubectl(words: &[OsString]) {
    let all: Vec<OsString> = std::iter::once(PROGRAM.into())
        .chain(words.iter().cloned())
        .collect();
    let last = all.len().saturating_sub(1);
    let here = std::env::current_dir().ok();
    let found = complete(&mut command(), all, last, here.as_deref()).unwrap_or_default();
    let typed = words.last().cloned().unwrap_or_default();
    let is_flag = typed.to_string_lossy().starts_with('-');
    let mut text = String::new();
    for one in &found {
        let value = one.get_value().to_string_lossy().into_owned();
        // Flags are offered only after the user has typed `-`.
        if value.starts_with('-') && !is_flag {
            continue;
        }
        let help = one.get_help().map(ToString::to_string).unwrap_or_default();
        let help = help.lines().next().unwrap_or_default();
        text += &value.replace(['\n', '\t'], " ");
        if !help.is_empty() {
            text += &format!("\t{help}");
        }
        text.push('\n');
    }
    let directive = if found.is_empty() { FILES } else { NO_FILES };
    say::raw(&format!("{text}{directive}"));
}

/// Prints a script.
pub(super) fn run(args: &CompletionArgs) -> Result<u8, Problem> {
    let shell: &dyn EnvCompleter = match args.shell {
        Shell::Bash => &Bash,
        Shell::Zsh => &Zsh,
        Shell::Fish => &Fish,
        Shell::Kubectl => {
            say::raw(FOR_KUBECTL);
            return Ok(0);
        }
    };
    let mut script = Vec::new();
    shell
        .write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script)
        .map_err(|error| Problem::new(error.to_string()))?;
    say::raw(&String::from_utf8_lossy(&script));
    Ok(0)
}

/// Names of OAuthClients.
pub(super) fn clients() -> Vec<CompletionCandidate> {
    names(async |cluster| {
        let api = cluster.api::<OAuthClient>();
        let list = api
            .list_metadata(&ListParams::default().limit(MOST))
            .await
            .ok()?;
        Some(list.items.into_iter().map(|one| one.metadata).collect())
    })
}

/// Names of credentials Secrets.
pub(super) fn credentials() -> Vec<CompletionCandidate> {
    names(async |cluster| {
        let api = cluster.api::<ApiSecret>();
        let params = ListParams::default()
            .limit(MOST)
            .labels(&format!("{CREDENTIALS_LABEL}=true"));
        let list = api.list_metadata(&params).await.ok()?;
        Some(list.items.into_iter().map(|one| one.metadata).collect())
    })
}

/// Names of namespaces.
pub(super) fn namespaces() -> Vec<CompletionCandidate> {
    names(async |cluster| {
        let api = Api::<Namespace>::all(cluster.client());
        let list = api
            .list_metadata(&ListParams::default().limit(MOST))
            .await
            .ok()?;
        Some(list.items.into_iter().map(|one| one.metadata).collect())
    })
}

/// Contexts of the kubeconfig.
pub(super) fn contexts() -> Vec<CompletionCandidate> {
    let file = connection().kubeconfig;
    let read = match file {
        Some(file) => Kubeconfig::read_from(file),
        None => Kubeconfig::read(),
    };
    let contexts = read.map(|config| config.contexts).unwrap_or_default();
    contexts
        .into_iter()
        .map(|one| CompletionCandidate::new(one.name))
        .collect()
}

/// The words of `explain`.
pub(super) fn reasons() -> Vec<CompletionCandidate> {
    let all = Reason::ALL.iter();
    all.map(|reason| CompletionCandidate::new(reason.as_str()))
        .collect()
}

/// The providers of `create`.
pub(super) fn providers() -> Vec<CompletionCandidate> {
    let all = super::create::presets().into_iter();
    all.map(|preset| CompletionCandidate::new(preset.name).help(Some(preset.about.into())))
        .collect()
}

/// Names from the cluster, within the time-out; nothing on an error.
fn names(list: impl AsyncFnOnce(&Cluster) -> Option<Vec<ObjectMeta>>) -> Vec<CompletionCandidate> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        return Vec::new();
    };
    let found = runtime.block_on(async {
        let work = async {
            let cluster = Cluster::connect(&connection()).await.ok()?.quietly();
            list(&cluster).await
        };
        tokio::time::timeout(PATIENCE, work).await.ok().flatten()
    });
    runtime.shutdown_background();
    let names = found.unwrap_or_default().into_iter();
    names
        .filter_map(|one| one.name)
        .map(CompletionCandidate::new)
        .collect()
}

/// The cluster flags that were already typed.
fn connection() -> ConnectionArgs {
    let words: Vec<String> = std::env::args_os()
        .filter_map(|word| word.into_string().ok())
        .collect();
    typed(&words)
}

fn typed(words: &[String]) -> ConnectionArgs {
    let value = |names: &[&str]| {
        let mut found = None;
        for (index, word) in words.iter().enumerate() {
            for name in names {
                if word == name {
                    found = words.get(index + 1).cloned();
                } else if let Some(value) = word.strip_prefix(&format!("{name}=")) {
                    found = Some(value.to_owned());
                }
            }
        }
        found.filter(|value| !value.is_empty() && !value.starts_with('-'))
    };
    ConnectionArgs {
        namespace: value(&["-n", "--namespace"]),
        context: value(&["--context"]),
        kubeconfig: value(&["--kubeconfig"]).map(PathBuf::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn names_are_looked_up_where_the_typed_flags_point() {
        let found = typed(&words("status -n shop --context=east --kubeconfig k x"));
        assert_eq!(found.namespace.as_deref(), Some("shop"));
        assert_eq!(found.context.as_deref(), Some("east"));
        assert_eq!(found.kubeconfig, Some(PathBuf::from("k")));
        assert_eq!(typed(&words("status -n")).namespace, None);
    }

    #[test]
    fn commands_and_values_are_completed() {
        let found = |text: &str| -> Vec<String> {
            let all: Vec<OsString> = text.split(' ').map(OsString::from).collect();
            let last = all.len() - 1;
            let found = complete(&mut command(), all, last, None).unwrap();
            found
                .iter()
                .map(|one| one.get_value().to_string_lossy().into_owned())
                .collect()
        };
        assert!(found("kubectl-oauthclient sta").contains(&"status".to_owned()));
        assert_eq!(found("kubectl-oauthclient status -o ya"), ["yaml"]);
        assert!(found("kubectl-oauthclient explain Invalid").contains(&"InvalidClient".to_owned()));
        assert!(
            found("kubectl-oauthclient create --provider mask")
                .contains(&"maskinporten".to_owned())
        );
    }

    #[test]
    fn the_scripts_name_the_program() {
        for shell in [&Bash as &dyn EnvCompleter, &Zsh, &Fish] {
            let mut script = Vec::new();
            shell
                .write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script)
                .unwrap();
            let script = String::from_utf8(script).unwrap();
            assert!(
                script.contains(PROGRAM) && script.contains(VARIABLE),
                "{script}"
            );
        }
    }
}
