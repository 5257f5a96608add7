//! The bare loop: the same calls with nothing around them, no rule kept, no state, no error handled.

use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, Patch, PatchParams, PostParams};
use oauthclient_operator::api::OAuthClient;
use serde_json::json;

use super::stage::{CALLS, PATH, Stage};

/// Which calls the loop makes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    /// One GET, one token POST, two writes: what the operator does, less the look at the token Secret.
    Same,
    /// One token POST and one write.
    Least,
}

/// A client as bare as can be.
pub fn http(stage: &Stage) -> reqwest::Client {
    let ca = reqwest::Certificate::from_pem(stage.ca.as_bytes()).unwrap();
    reqwest::Client::builder()
        .tls_certs_only([ca])
        .build()
        .unwrap()
}

/// Runs the loop over `count` numbers; how long it took.
pub async fn run(stage: &Stage, count: usize, calls: Calls) -> Duration {
    let http = http(stage);
    let begun = Instant::now();
    stream::iter(0..count)
        .for_each_concurrent(CALLS, |number| one(stage, &http, number, calls))
        .await;
    begun.elapsed()
}

/// One number.
pub async fn one(stage: &Stage, http: &reqwest::Client, number: usize, calls: Calls) {
    let secrets: Api<Secret> = Api::namespaced(stage.client.clone(), &stage.namespace);
    if calls == Calls::Same {
        secrets.get(&format!("client-{number}")).await.unwrap();
    }
    let answer: serde_json::Value = http
        .post(stage.provider.url(PATH))
        .basic_auth("bench", Some("bench-secret"))
        .form(&[("grant_type", "client_credentials")])
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let object = serde_json::from_value(json!({
        "metadata": {"name": format!("bare-{number}")},
        "stringData": {"access_token": answer["access_token"], "token_type": "Bearer"},
    }))
    .unwrap();
    secrets
        .create(&PostParams::default(), &object)
        .await
        .unwrap();
    if calls == Calls::Same {
        let resources: Api<OAuthClient> = Api::namespaced(stage.client.clone(), &stage.namespace);
        let status = json!({"status": {"observedGeneration": 0, "lastRefreshRequest": "bare"}});
        resources
            .patch_status(
                &format!("r-{number}"),
                &PatchParams::default(),
                &Patch::Merge(&status),
            )
            .await
            .unwrap();
    }
}
