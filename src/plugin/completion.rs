//! `completion`: shell completion with the names of objects in the cluster.
//!
//! Both the scripts of bash, zsh and fish for `kubectl-oauthclient` and kubectl's own completion, which runs
//! `kubectl_complete-oauthclient` for `kubectl oauthclient`, use it. On any error, it completes nothing and prints
//! nothing.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::CommandFactory as _;
use clap_complete::engine::complete;
use clap_complete::env::{Bash, CompleteEnv, EnvCompleter, Fish, Zsh};

use crate::plugin::problem::Problem;

use super::args::{CompletionArgs, Plugin, Shell};
use super::output;

/// The name of the program in scripts.
const PROGRAM: &str = "kubectl-oauthclient";
/// The name that kubectl runs for completion.
pub const COMPLETER: &str = "kubectl_complete-oauthclient";
/// Set by the scripts.
const VARIABLE: &str = "KUBECTL_OAUTHCLIENT_COMPLETE";
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
    output::raw(&format!("{text}{directive}"));
}

/// Prints a script.
pub(super) fn run(args: &CompletionArgs) -> Result<u8, Problem> {
    let shell: &dyn EnvCompleter = match args.shell {
        Shell::Bash => &Bash,
        Shell::Zsh => &Zsh,
        Shell::Fish => &Fish,
        Shell::Kubectl => {
            output::raw(FOR_KUBECTL);
            return Ok(0);
        }
    };
    let mut script = Vec::new();
    shell
        .write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script)
        .map_err(|error| Problem::new(error.to_string()))?;
    output::raw(&String::from_utf8_lossy(&script));
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::completers::typed;

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
