//! Where people look, and whether a secret shows there.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use serde_json::Value;
use testkit::operator::Operator;

use super::Case;
use crate::harness::Stage;
use crate::oracle::assert_holds_none;

/// The kubectl plugin.
const PLUGIN: &str = env!("CARGO_BIN_EXE_kubectl-oauthclient");

/// The conditions that are not yet as they are to be.
pub async fn unmet(stage: &Stage, cases: &[Case]) -> Vec<String> {
    let text = stage.kubectl(&["get", "oauthclients", "-o", "json"]).await;
    let all: Value = serde_json::from_str(&text).unwrap();
    let mut conditions = BTreeMap::new();
    for object in all["items"].as_array().unwrap() {
        let name = object["metadata"]["name"].as_str().unwrap();
        for condition in object["status"]["conditions"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let field = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
            conditions.insert(
                (name.to_owned(), field("type")),
                (field("status"), field("reason")),
            );
        }
    }
    let is = |case: &Case| {
        let (kind, status, reason) = case.condition;
        let found = conditions.get(&(case.name.to_owned(), kind.to_owned()));
        match found {
            Some((is, why)) if is == status && why == reason => None,
            other => Some(format!(
                "{}: {kind}={status} {reason}, but it is {other:?}",
                case.name
            )),
        }
    };
    cases.iter().filter_map(is).collect()
}

/// Looks everywhere that people look. In Secrets, whose data is secret, that is their metadata.
pub async fn search(stage: &Stage, operator: &Operator, secrets: &[String]) {
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
    let (_, metrics) = operator.get("/metrics").await.unwrap();
    let mut places = vec![
        ("the log".to_owned(), operator.stderr()),
        ("standard output".to_owned(), operator.stdout()),
        ("the metrics".to_owned(), metrics),
    ];
    for command in [
        "get oauthclients -o=yaml",
        "get events -o=yaml",
        "get oauthclients -o=wide",
        "describe oauthclients --show-events=true",
        "describe events --show-events=false",
        "describe configmaps --show-events=true",
        "describe secrets -l=oauthclient.dev/token=true",
        "get secrets -l=oauthclient.dev/token=true -o=jsonpath={.items[*].metadata}",
    ] {
        let args: Vec<&str> = command.split(' ').collect();
        places.push((command.to_owned(), stage.kubectl(&args).await));
    }
    for command in ["status", "status -o=wide", "status -o=json"] {
        places.push((format!("the plugin: {command}"), plugin(stage, command)));
    }
    for (place, text) in &places {
        assert!(
            !text.is_empty() || place == "standard output",
            "{place} is empty"
        );
        assert_holds_none(place, text, &secrets);
    }
}

/// All that the plugin prints, with the rights of the administrator.
pub fn plugin(stage: &Stage, command: &str) -> String {
    let ended = Command::new(PLUGIN)
        .args(command.split(' '))
        .args(["-n", &stage.namespace])
        .env("KUBECONFIG", stage.plane.admin_kubeconfig())
        .env("RUST_LOG", "trace")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&ended.stdout) + &text(&ended.stderr)
}
