//! What the operator refuses to send, to whom, and to write; and that what it says to do about it is the cure.

use std::time::Duration;

use testkit::provider::{Listen, Provider, Script};
use testkit::tls::Authority;

use super::fleet::{Fleet, Look};
use super::harness::{
    CLIENT_ID, CLIENT_SECRET, PATH, SOON, Stage, Start, credentials, living, resource,
};

/// Runs the `kubectl` command that a message gives, as a reader would: word for word.
async fn obey(stage: &Stage, message: &str, verb: &str) {
    let start = message.find(&format!("kubectl {verb}")).expect(message);
    let end = message[start..]
        .find(". ")
        .map_or(message.len(), |end| start + end);
    let command = message[start..end].trim_end_matches('.');
    let words: Vec<&str> = command.split_whitespace().skip(1).collect();
    // The namespace is in the command itself.
    let printed = stage.plane.run_kubectl(&words, "").await.unwrap();
    assert!(printed.contains("secret/"), "{command}: {printed}");
}

fn waits_for(look: &Look, reason: &str) -> bool {
    let awaited = look.condition("Reconciling");
    awaited.status == "True" && awaited.reason == reason && look.is("Ready", "False")
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_sent_only_where_their_owner_lends_them_to() {
    let stage = Stage::new(3600.0).await;
    let fleet = Fleet::of(&stage);
    let _operator = stage
        .operator(Start::with(&["--require-allowed-hosts"]))
        .await;
    let label = "  labels: {oauthclient.dev/credentials: \"true\"}\n";
    let hosts = "  annotations: {oauthclient.dev/allowed-hosts: 127.0.0.1}\n";
    let lent = |name: &str| credentials(name, CLIENT_ID, CLIENT_SECRET);
    let elsewhere = "auth.example.com, 127.0.0.1:1, *.127.0.0.1, 27.0.0.1";
    let cases = [
        (
            "unlabelled",
            lent("unlabelled").replace(label, ""),
            "CredentialsNotLabelled",
        ),
        (
            "not-true",
            lent("not-true").replace("\"true\"", "\"yes\""),
            "CredentialsNotLabelled",
        ),
        (
            "no-hosts",
            lent("no-hosts").replace(hosts, ""),
            "HostNotAllowed",
        ),
        (
            "elsewhere",
            lent("elsewhere").replace(": 127.0.0.1}", &format!(": {elsewhere:?}}}")),
            "HostNotAllowed",
        ),
        (
            "empty",
            lent("empty").replace(": 127.0.0.1}", ": \"\"}"),
            "HostNotAllowed",
        ),
        ("missing", String::new(), "CredentialsNotFound"),
    ];
    let names = cases.each_ref().map(|case| case.0);
    for (name, secret, _) in &cases {
        if !secret.is_empty() {
            stage.apply(secret).await;
        }
        let manifest = stage
            .manifest(name, "")
            .replace("secretName: client", &format!("secretName: {name}"));
        stage.apply(&manifest).await;
    }
    let reason = |name: &str| cases.iter().find(|case| case.0 == name).unwrap().2;
    let looks = fleet
        .until("each is refused", &names, SOON, |name, look| {
            waits_for(look, reason(name))
        })
        .await;
    assert_eq!(stage.provider.connections_opened(), 0, "nothing was sent");
    fleet
        .told(&names, |name| format!("Warning {}", reason(name)))
        .await;

    // The message is the cure.
    let message = |name: &str| looks[name].condition("Reconciling").message;
    obey(&stage, &message("unlabelled"), "label").await;
    obey(&stage, &message("no-hosts"), "annotate").await;
    stage.apply(&lent("missing")).await;
    fleet.well(&["unlabelled", "no-hosts", "missing"]).await;
    // A wrong label needs `--overwrite`, a wrong list a person who knows what belongs there.
    let right = "oauthclient.dev/credentials=true";
    stage
        .kubectl(&["label", "--overwrite", "secret", "not-true", right])
        .await;
    let port = stage.provider.address().port();
    for (name, hosts) in [
        ("elsewhere", format!("x.example,127.0.0.1:{port}")),
        ("empty", "127.0.0.1".to_owned()),
    ] {
        let note = format!("oauthclient.dev/allowed-hosts={hosts}");
        stage
            .kubectl(&["annotate", "--overwrite", "secret", name, &note])
            .await;
    }
    fleet.well(&names).await;
    assert_eq!(stage.requests(), names.len(), "one request each");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_connection_is_made_to_where_none_is_allowed() {
    let stage = Stage::new(3600.0).await;
    let fleet = Fleet::of(&stage);
    let plain = Provider::plain(Script::one(PATH, living(3600.0))).unwrap();
    let operator = stage.operator(Start::default().without_loopback()).await;
    let lent = credentials("client", CLIENT_ID, CLIENT_SECRET);
    let any = "  annotations: {oauthclient.dev/allowed-hosts: 127.0.0.1}\n";
    stage.kubectl(&["delete", "secret", "client"]).await;
    stage.apply(&lent.replace(any, "")).await;
    let port = stage.provider.address().port();
    let refused = [
        ("ip", stage.provider.url(PATH)),
        ("name", stage.provider.url_at("localhost", PATH)),
        ("dot", stage.provider.url_at("localhost.", PATH)),
        ("sub", stage.provider.url_at("auth.localhost", PATH)),
        ("other-ip", stage.provider.url_at("127.8.9.10", PATH)),
        ("short-ip", stage.provider.url_at("127.1", PATH)),
        ("number", stage.provider.url_at("2130706433", PATH)),
        ("v6", format!("https://[::1]:{port}{PATH}")),
        ("mapped", format!("https://[::ffff:127.0.0.1]:{port}{PATH}")),
        ("any", stage.provider.url_at("0.0.0.0", PATH)),
        ("metadata", "https://169.254.169.254/token".to_owned()),
        ("metadata-v6", "https://[fd00:ec2::254]/token".to_owned()),
    ];
    let mut manifests: Vec<String> = refused
        .iter()
        .map(|(name, url)| resource(name, url, ""))
        .collect();
    manifests.push(resource("http", &plain.url(PATH), ""));
    stage.apply(&manifests.join("---\n")).await;
    let mut names: Vec<&str> = refused.iter().map(|case| case.0).collect();
    let looks = fleet
        .until("each is refused", &names, SOON, |_, look| {
            look.condition("Stalled").reason == "AddressRefused"
        })
        .await;
    let told = looks["ip"].condition("Stalled").message;
    assert!(told.contains("--allow-loopback"), "{told}");
    let told = looks["metadata"].condition("Stalled").message;
    assert!(told.contains("--allow-address"), "{told}");
    let looks = fleet
        .until("http is refused", &["http"], SOON, |_, look| {
            look.condition("Stalled").reason == "HTTPNotAllowed"
        })
        .await;
    let told = looks["http"].condition("Stalled").message;
    assert!(told.contains("--allow-http"), "{told}");
    names.push("http");
    fleet
        .told(&names, |name| match name {
            "http" => "Warning HTTPNotAllowed".to_owned(),
            _ => "Warning AddressRefused".to_owned(),
        })
        .await;
    assert_eq!(stage.provider.connections_opened(), 0);
    assert_eq!(plain.connections_opened(), 0);

    // Whoever runs the operator may allow it: what was refused by a flag alone is tried at the start.
    assert!(operator.terminate(SOON).await.unwrap().success());
    let _operator = stage.operator(Start::with(&["--allow-http"])).await;
    fleet.well(&["ip", "name", "http"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_missing_empty_or_broken_is_told_and_mended_at_once() {
    let stage = Stage::new(3600.0).await;
    let fleet = Fleet::of(&stage);
    let _operator = stage.operator(Start::default()).await;
    let lent = |name: &str, keys: &str| {
        let good = credentials(name, "x", "y");
        let end = good.find("stringData:").unwrap();
        format!("{}{keys}\n", &good[..end])
    };
    let id = format!("client_id: {CLIENT_ID:?}");
    let cases = [
        (
            "missing",
            format!("stringData: {{{id}}}"),
            "CredentialsKeyMissing",
        ),
        (
            "empty",
            format!("stringData: {{{id}, client_secret: \"\"}}"),
            "CredentialsKeyInvalid",
        ),
        (
            "empty-id",
            "stringData: {client_id: \"\", client_secret: s}".to_owned(),
            "CredentialsKeyInvalid",
        ),
        (
            "bytes",
            "data: {client_id: //79, client_secret: eA==}".to_owned(),
            "CredentialsKeyInvalid",
        ),
        ("no-data", String::new(), "CredentialsKeyMissing"),
    ];
    for (name, keys, _) in &cases {
        let manifest = stage
            .manifest(name, "")
            .replace("secretName: client", &format!("secretName: {name}"));
        stage
            .apply(&[lent(name, keys), manifest].join("---\n"))
            .await;
    }
    let names = cases.each_ref().map(|case| case.0);
    let reason = |name: &str| cases.iter().find(|case| case.0 == name).unwrap().2;
    let looks = fleet
        .until("each is told", &names, SOON, |name, look| {
            waits_for(look, reason(name))
        })
        .await;
    for name in names {
        let told = looks[name].condition("Reconciling").message;
        assert!(told.contains("client_"), "{name}: the key is named: {told}");
        assert!(told.contains(&format!("Secret {name}")), "{name}: {told}");
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(stage.provider.connections_opened(), 0, "never anonymous");
    // A line break at the end is what `echo` leaves, and no part of the secret.
    let echoed = format!("{CLIENT_SECRET}\n");
    for name in names {
        stage.apply(&credentials(name, CLIENT_ID, &echoed)).await;
    }
    fleet.well(&names).await;
    assert_eq!(stage.requests(), names.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_reference_crosses_a_namespace_and_no_type_of_kubernetes_own_is_minted() {
    let stage = Stage::new(3600.0).await;
    let fleet = Fleet::of(&stage);
    let _operator = stage.operator(Start::default()).await;
    // Schema and CEL keep these out, by name of the field.
    let cross = stage.manifest("cross", "").replace(
        "configMapName: provider-ca",
        "configMapName: provider-ca, namespace: other",
    );
    let refused = stage.try_apply(&cross).await.unwrap_err().to_string();
    assert!(refused.contains("caBundle.namespace"), "{refused}");
    let cross = stage
        .manifest("cross", "")
        .replace("secretName: client", "secretName: client, namespace: other");
    let refused = stage.try_apply(&cross).await.unwrap_err().to_string();
    assert!(refused.contains("credentials.namespace"), "{refused}");
    for name in ["../client", "other/client", "other:client"] {
        let cross = stage
            .manifest("cross", "")
            .replace("secretName: client", &format!("secretName: {name:?}"));
        let refused = stage.try_apply(&cross).await.unwrap_err().to_string();
        assert!(refused.contains("secretName"), "{name}: {refused}");
    }
    let typed = |kind: &str, more: &str| {
        stage.manifest("typed", "").replace(
            "{name: typed-token}",
            &format!("{{name: typed-token, type: {kind}{more}}}"),
        )
    };
    for kind in [
        "kubernetes.io/service-account-token",
        "bootstrap.kubernetes.io/token",
        "kubernetes.io/tls",
        "node.k8s.io/x",
        "k8s.io/x",
    ] {
        let refused = stage
            .try_apply(&typed(kind, ""))
            .await
            .unwrap_err()
            .to_string();
        assert!(refused.contains("spec.tokenSecret"), "{kind}: {refused}");
    }
    let keyless = typed("kubernetes.io/dockerconfigjson", ", data: {other: x}");
    let refused = stage.try_apply(&keyless).await.unwrap_err().to_string();
    assert!(refused.contains(".dockerconfigjson"), "{refused}");

    // A ConfigMap and a Secret with the right name in another namespace have no effect here.
    let authority = Authority::new("elsewhere").unwrap();
    let other = stage.plane.namespace().await.unwrap();
    let host = Provider::start(
        Script::one("/token", living(3600.0)),
        Listen {
            tls: authority.issue_for_loopback(None).ok(),
            ..Listen::default()
        },
    )
    .unwrap();
    let there = [
        super::endpoint::trust("only-there", &authority),
        credentials("only-there", CLIENT_ID, CLIENT_SECRET),
    ];
    let args = ["apply", "-n", &other, "-f", "-"];
    stage
        .plane
        .run_kubectl(&args, &there.join("---\n"))
        .await
        .unwrap();
    let url = host.url("/token");
    let manifests = [
        resource("ca", &url, "").replace("provider-ca", "only-there"),
        resource("secret", &url, "").replace("secretName: client", "secretName: only-there"),
    ];
    stage.apply(&manifests.join("---\n")).await;
    fleet
        .until("neither is found", &["ca", "secret"], SOON, |name, look| {
            let reason = if name == "ca" {
                "CANotFound"
            } else {
                "CredentialsNotFound"
            };
            waits_for(look, reason)
        })
        .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(host.connections_opened(), 0);
}
