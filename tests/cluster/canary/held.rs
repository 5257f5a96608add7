//! What is stored, signed and issued by others: refresh tokens, keys and what is signed with them, tokens of
//! ServiceAccounts and of
//! other resources. Each kind of request succeeds first, then fails in several ways in which the provider repeats what
//! was sent.

use std::collections::BTreeSet;

use testkit::leaks::parts;
use testkit::provider::{Fault, RecordedRequest};
use testkit::tls::{Authority, ClientCertificates};

use super::path;
use super::places::{plugin, search};
use super::ways::{ACCOUNT, ALL, AUDIENCE, Ring};
use crate::fleet::Fleet;
use crate::harness::{SOON, Stage, Start};
use crate::oracle::assert_holds_none;
use crate::revocation::REVOKE;

/// Parameters whose values are secret.
const PARAMETERS: [&str; 6] = [
    "token",
    "refresh_token",
    "client_assertion",
    "assertion",
    "subject_token",
    "actor_token",
];

/// How it fails, with the reason where that is the same for all ways.
fn faults() -> [(&'static str, Fault); 5] {
    let error = |status, code: &str| Fault::Error {
        status,
        code: code.to_owned(),
        description: None,
        echo: true,
        retry_after: None,
    };
    let answer = |status, content_type: &str, body: &str| Fault::Answer {
        status,
        content_type: content_type.to_owned(),
        body: body.to_owned(),
        headers: Vec::new(),
    };
    [
        ("client", error(401, "invalid_client")),
        ("grant", error(400, "invalid_grant")),
        ("page", answer(500, "text/html", "<p>{{request}}</p>")),
        ("rubbish", answer(200, "application/json", "{\"{{request}}")),
        ("plain", answer(400, "text/plain", "error={{request}}")),
    ]
}

/// The secret values of one request: each parameter, and the credentials of its `authorization`.
fn sent(request: &RecordedRequest) -> Vec<String> {
    let form = request.form().into_iter();
    let mut values: Vec<String> = form
        .filter(|(name, _)| PARAMETERS.contains(&name.as_str()))
        .map(|(_, value)| value)
        .collect();
    let authorization = request.header("authorization").unwrap_or_default();
    values.extend(authorization.split(' ').nth(1).map(str::to_owned));
    values
}

/// A signed token by its three parts, anything else as it is.
fn pieces(value: &str) -> Vec<String> {
    match parts(value) {
        three if three.len() == 3 => three,
        _ => vec![value.to_owned()],
    }
}

/// What was sent by the resources of each way, and what was issued to them: the values that are secret.
fn secrets(stage: &Stage, names: &[String]) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for way in ALL {
        let own = names.iter().filter(|name| name.starts_with(way));
        let mut values = BTreeSet::new();
        for name in own {
            let requests = stage.provider.requests_to(&path(name));
            assert!(requests.len() >= 2, "{name}: {}", requests.len());
            values.extend(requests.iter().flat_map(sent));
            values.extend(stage.provider.refresh_tokens(&path(name)));
        }
        // Anew for each request, but where it is the same credentials or the lender's one token.
        let least = match way {
            "mutual" => 0,
            "reference" => 2,
            // The first of each was the password.
            "kept" => 5,
            _ => 10,
        };
        assert!(values.len() >= least, "{way}: {}", values.len());
        let signed = values.iter().any(|value| parts(value).len() == 3);
        let signs = ["pem", "jwk", "hmac", "workload", "subject", "google", "app"];
        assert_eq!(signed, signs.contains(&way), "{way}");
        all.extend(values.iter().flat_map(|value| pieces(value)));
    }
    let revoked = stage.provider.requests_to(REVOKE);
    let revoked = revoked.iter().flat_map(sent);
    all.extend(revoked.flat_map(|value| pieces(&value)));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_kept_signed_or_lent_shows_anywhere_though_providers_repeat_it() {
    let stage = Stage::with(super::behaviour(3600.0)).await;
    let provider = &stage.provider;
    provider
        .ask_for_certificates(ClientCertificates::Any)
        .unwrap();
    stage.may_make_tokens().await;
    stage.lent_account(ACCOUNT, AUDIENCE).await;
    let lender = stage.manifest("lender", "").replace(
        "name: lender-token",
        "name: lender-token, labels: {oauthclient.dev/credentials: \"true\"}",
    );
    let ring = Ring::new(&Authority::new("canary clients").unwrap());
    let mut names = Vec::new();
    let mut manifests = vec![lender];
    for way in ALL {
        for (fault, _) in faults() {
            let name = format!("{way}-{fault}");
            provider.set(&path(&name), ring.behaviour(way, &name));
            let manifest = ring.manifest(way, &name, &stage);
            manifests.push(match fault {
                "client" => revoking(&manifest, &provider.url(REVOKE)),
                _ => manifest,
            });
            names.push(name);
        }
    }
    let panics = format!("--panic-on={}/panics", stage.namespace);
    let start = Start {
        log_level: "trace",
        ..Start::with(&[&panics])
    };
    let operator = stage.operator(start).await;
    stage.apply(&manifests.join("---\n")).await;
    stage
        .resource("panics", "  grant: {type: refresh_token}")
        .await;
    let fleet = Fleet::of(&stage);
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    fleet.well(&all).await;
    operator.wait_for_log("panicked", SOON).await.unwrap();

    let (_, echo) = faults().into_iter().next().unwrap();
    provider.set(REVOKE, super::behaviour(3600.0).with_fault(echo));
    for way in ALL {
        for (fault, how) in faults() {
            provider.set_fault(&path(&format!("{way}-{fault}")), Some(how));
        }
    }
    fleet.refresh("failing").await;
    fleet
        .until("each fails", &all, SOON, |_, look| {
            look.is("RefreshFailing", "True") || look.is("Stalled", "True")
        })
        .await;
    let look = |operator| look_everywhere(&stage, operator, &ring, &names);
    look(&operator).await;

    // The same once more as a person at a terminal would run it, with all that every part of it could log.
    assert!(operator.terminate(SOON).await.unwrap().success());
    let start = Start {
        log_level: "trace,hyper=trace,hyper_util=trace,kube=trace,reqwest=trace,rustls=trace,tower=trace",
        ..Start::with(&["--log-format=text"])
    };
    let operator = stage.operator(start).await;
    for name in &names {
        provider.set_fault(&path(name), None);
    }
    // The owner of a refused client secret lets it be sent once more: a request of the resource does not.
    stage
        .kubectl(&[
            "annotate",
            "secrets",
            "--selector=oauthclient.dev/credentials=true",
            "--overwrite",
            "oauthclient.dev/retry-requested-at=mending",
        ])
        .await;
    fleet.refresh("mending").await;
    // Only a person can replace a refresh token that the provider has refused.
    let mended: Vec<&str> = all
        .iter()
        .copied()
        .filter(|name| {
            !["given", "login", "kept"]
                .iter()
                .any(|way| name.starts_with(way))
        })
        .collect();
    fleet.well(&mended).await;
    let revoked: Vec<&str> = all
        .iter()
        .copied()
        .filter(|name| name.ends_with("-client"))
        .collect();
    stage
        .kubectl(&[&["delete", "oauthclients"], &revoked[..]].concat())
        .await;
    fleet
        .told(&revoked, |_| "Warning RevocationFailed".to_owned())
        .await;
    let tokens = stage.provider.requests_to(REVOKE);
    assert!(tokens.len() >= ALL.len(), "{}", tokens.len());
    look_everywhere(&stage, &operator, &ring, &names).await;
}

/// The same resource, whose tokens are revoked when it is deleted.
fn revoking(manifest: &str, url: &str) -> String {
    let at = format!("revocationURL: {url:?}, caBundle:");
    manifest.replacen("caBundle:", &at, 1) + "  revocation: {onDeletion: true}\n"
}

async fn look_everywhere(
    stage: &Stage,
    operator: &testkit::operator::Operator,
    ring: &Ring,
    names: &[String],
) {
    let sent = secrets(stage, names);
    let mut everything = ring.secrets();
    everything.extend(sent.iter().cloned());
    search(stage, operator, &everything).await;
    let everything: Vec<&str> = everything.iter().map(String::as_str).collect();
    let name = names.first().unwrap();
    for command in [
        format!("status {name}"),
        format!("refresh {name} --wait --timeout-seconds=1"),
    ] {
        let text = plugin(stage, &command);
        assert!(!text.is_empty(), "{command}");
        assert_holds_none(&command, &text, &everything);
    }
    for command in [
        "describe secrets -l=oauthclient.dev/refresh-state=true",
        "get secrets -l=oauthclient.dev/refresh-state=true -o=jsonpath={.items[*].metadata}",
    ] {
        let args: Vec<&str> = command.split(' ').collect();
        let text = stage.kubectl(&args).await;
        assert!(text.contains("-refresh-state"), "{command}: {text}");
        assert_holds_none(command, &text, &everything);
    }
    // What workloads mount holds the token, and nothing that it was asked with.
    let lender = crate::harness::PATH.to_owned();
    let paths = names.iter().map(|name| path(name)).chain([lender]);
    let issued = paths.flat_map(|path| stage.provider.tokens(&path));
    let tokens: BTreeSet<String> = issued.map(|issued| issued.token).collect();
    let asked_with: Vec<&str> = sent.difference(&tokens).map(String::as_str).collect();
    let mounted = ["get", "secrets", "-l=oauthclient.dev/token=true", "-o=yaml"];
    let mounted = stage.kubectl(&mounted).await;
    assert!(mounted.contains("access_token"));
    assert_holds_none("a token Secret", &mounted, &asked_with);
}
