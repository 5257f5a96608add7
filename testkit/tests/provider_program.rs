//! The program `scripted-provider`, and the scripts that it reads.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod provider_client;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use provider_client::{PATIENCE, client, json};
use serde_json::Value;
use testkit::provider::{Behaviour, Fault, Script};
use testkit::wait;

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scripted-provider"));
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The program, killed with the test, and the line that it prints when it is ready.
struct Running {
    child: Child,
    ready: Value,
}

impl Running {
    fn start(arguments: &[&str]) -> Running {
        let mut child = program(arguments).spawn().unwrap();
        let mut line = String::new();
        let out = child.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap();
        Running { child, ready }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn the_program_tells_where_it_is_and_what_its_tokens_are_worth() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("tls");
    let running = Running::start(&[
        "--preset",
        "four",
        "--lifetimes",
        "short",
        "--port",
        "0",
        "--tls-dir",
        dir.to_str().unwrap(),
    ]);
    let ready = &running.ready;
    let ca = std::fs::read_to_string(ready["ca"].as_str().unwrap()).unwrap();
    let known = &ready["clients"]["kongsberg"];
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", known["id"].as_str().unwrap()),
        ("client_secret", known["secret"].as_str().unwrap()),
        (
            "resource",
            known["allowed"]["resource"][0].as_str().unwrap(),
        ),
    ];
    let endpoint = ready["endpoints"]["kongsberg"].as_str().unwrap();
    let client = client(&ca);
    let document = json(client.post(endpoint).form(&form).send().await.unwrap()).await;
    assert_eq!(document["expires_in"], "20");
    let introspect = |token: String| {
        let request = client
            .post(ready["introspect"].as_str().unwrap())
            .form(&[("token", token)]);
        async move { json(request.send().await.unwrap()).await }
    };
    let about = introspect(document["access_token"].as_str().unwrap().to_owned()).await;
    assert_eq!(about["active"], true);
    let left = about["seconds_left"].as_f64().unwrap();
    assert!((15.0..=20.0).contains(&left), "{left}");
    assert_eq!(introspect("another".to_owned()).await["active"], false);
    let counts = client.get(format!(
        "{}/_scripted/counts",
        ready["url"].as_str().unwrap()
    ));
    let counts = json(counts.send().await.unwrap()).await;
    assert_eq!(
        counts,
        serde_json::json!({"/kongsberg/TENANT/oauth2/token": 1})
    );
}

#[tokio::test]
async fn the_program_ends_when_whoever_started_it_is_gone() {
    let mut running = Running::start(&["--preset", "none", "--until-stdin-ends"]);
    drop(running.child.stdin.take());
    let ended = wait::until_true("the end of the program", PATIENCE, || {
        running.child.try_wait().unwrap().is_some()
    });
    ended.await.unwrap();
}

#[tokio::test]
async fn a_script_in_a_file_adds_to_the_preset_or_replaces_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("script.json");
    let script = r#"{"endpoints": {"/feide/oauth/token": {"fault": {"kind": "status", "status": 503}}, "/more": {}}}"#;
    std::fs::write(&file, script).unwrap();
    let running = Running::start(&["--script", file.to_str().unwrap()]);
    let paths = running.ready["paths"].as_array().unwrap();
    assert!(
        paths.contains(&"/more".into()) && paths.len() == 5,
        "{paths:?}"
    );
    let feide = running.ready["endpoints"]["feide"].as_str().unwrap();
    let answer = client("").post(feide).send().await.unwrap();
    assert_eq!(answer.status(), 503);
}

#[test]
fn what_it_prints_as_its_script_it_reads_again() {
    let printed = program(&["--print-script"]).output().unwrap();
    assert!(printed.status.success());
    let script: Script = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(script.endpoints.len(), 4);
}

#[test]
fn wrong_arguments_are_told_in_words() {
    for (arguments, words) in [
        (&["--preset", "github"][..], "there is no preset github"),
        (
            &["--lifetimes", "-1"],
            "--lifetimes -1: must be real, short, or a factor above 0",
        ),
        (&["--port"], "--port needs a value"),
        (&["--script", "/no/such/file"], "cannot read /no/such/file"),
        (&["--magic"], "there is no option --magic"),
    ] {
        let ended = program(arguments).output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(
            !ended.status.success() && said.contains(words),
            "{arguments:?}: {said}"
        );
    }
}

#[test]
fn a_script_survives_json_and_a_typing_error_in_one_is_refused() {
    let behaviour = Behaviour::living(9.5)
        .with_fault(Fault::throttled("soon"))
        .with_faults([None, Some(Fault::Hang)]);
    let script = Script::one("/token", behaviour);
    let text = serde_json::to_string(&script).unwrap();
    assert_eq!(serde_json::from_str::<Script>(&text).unwrap(), script);
    let short = r#"{"endpoints":{"/token":{"lifetime":{"kind":"fixed","seconds":30},"fault":{"kind":"status","status":503}}}}"#;
    let read: Script = serde_json::from_str(short).unwrap();
    assert_eq!(
        read,
        Script::one(
            "/token",
            Behaviour::living(30.0).with_fault(Fault::status(503))
        )
    );
    let wrong = r#"{"endpoints":{"/token":{"lifetme":{"kind":"fixed","seconds":30}}}}"#;
    let error = serde_json::from_str::<Script>(wrong).unwrap_err();
    assert!(error.to_string().contains("lifetme"), "{error}");
}

#[test]
fn the_script_that_the_documentation_shows_can_be_read() {
    let text = include_str!("../PROVIDER.md");
    let script = text.split("```json").nth(1).unwrap();
    let script: Script = serde_json::from_str(script.split("```").next().unwrap()).unwrap();
    assert_eq!(script.endpoints["/hung"].fault, Some(Fault::Hang));
    assert_eq!(script.endpoints["/token"].faults.len(), 3);
}
