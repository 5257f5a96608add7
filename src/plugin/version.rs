//! `version`: the versions of the plugin, the CRD and the operator.

use serde::Serialize;

use crate::plugin::output::{json, yaml};
use crate::plugin::problem::Problem;

use super::args::{ConnectionArgs, Format, VersionArgs};
use super::cluster::Cluster;
use super::installation::{Definition, LookupResult, Operator, definition, operators};
use super::output;
use super::paint::{Painted, Tone};

/// The version of this program.
pub(super) const OURS: &str = env!("CARGO_PKG_VERSION");

/// The output.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Versions {
    plugin: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    definition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kubernetes: Option<String>,
}

/// Runs the command.
pub(super) async fn run(connection: &ConnectionArgs, args: &VersionArgs) -> Result<u8, Problem> {
    let mut versions = Versions {
        plugin: OURS.to_owned(),
        definition: None,
        operator: None,
        kubernetes: None,
    };
    if !args.client {
        let cluster = Cluster::connect(connection).await?;
        versions.kubernetes = Some(cluster.version().await?);
        versions.definition = Some(of_definition(&definition(&cluster).await));
        let found = operators(&cluster, &args.operator_namespace).await;
        versions.operator = Some(of_operators(&found));
    }
    match args.output {
        Format::Json => output::raw(&json(&versions)?),
        Format::Yaml => output::raw(&yaml(&versions)?),
        Format::Text => output::painted(&versions.text()),
    }
    Ok(0)
}

fn of_definition(found: &LookupResult<Option<Definition>>) -> String {
    match found {
        Ok(None) => "not installed".to_owned(),
        Ok(Some(one)) if one.lacks.is_empty() && one.has_more.is_empty() => {
            format!("v1alpha1, that of {OURS}")
        }
        Ok(Some(one)) if one.lacks.is_empty() => {
            format!("v1alpha1, newer than that of {OURS}")
        }
        Ok(Some(one)) => format!("v1alpha1, lacks {} fields of {OURS}", one.lacks.len()),
        Err(why) => format!("unknown: {why}"),
    }
}

fn of_operators(found: &LookupResult<Vec<Operator>>) -> String {
    let operators = match found {
        Ok(operators) => operators,
        Err(why) => return format!("unknown: {why}"),
    };
    let all: Vec<String> = operators
        .iter()
        .map(|one| {
            let version = one.version().unwrap_or("no tag");
            format!("{version} ({}/{}, {})", one.namespace, one.name, one.image)
        })
        .collect();
    match all.as_slice() {
        [] => "no Deployment found".to_owned(),
        all => all.join("; "),
    }
}

impl Versions {
    fn text(&self) -> Painted {
        let lines = [
            ("Plugin", Some(&self.plugin)),
            ("Resource definition", self.definition.as_ref()),
            ("Operator", self.operator.as_ref()),
            ("Kubernetes", self.kubernetes.as_ref()),
        ];
        let lines = lines
            .into_iter()
            .filter_map(|(name, text)| Some((name, text?)));
        lines
            .fold(Painted::default(), |out, (name, text)| {
                out.tone(Tone::Quiet, &format!("{:<21}", format!("{name}:")))
                    .text(text)
                    .text("\n")
            })
            .trimmed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_said_to_be_unknown() {
        assert_eq!(of_definition(&Ok(None)), "not installed");
        assert_eq!(
            of_definition(&Ok(Some(Definition::default()))),
            format!("v1alpha1, that of {OURS}")
        );
        assert_eq!(
            of_operators(&Err("no right".to_owned())),
            "unknown: no right"
        );
        assert_eq!(of_operators(&Ok(Vec::new())), "no Deployment found");
    }
}
