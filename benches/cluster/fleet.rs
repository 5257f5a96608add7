//! Resources by the number, all alike: what the providers accept, the credentials, and the `OAuthClient`.

use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use oauthclient_operator::api::OAuthClient;
use serde_json::json;
use testkit::provider::Behaviour;

/// Where a provider's token endpoint is.
pub const PATH: &str = "/token";

/// A provider of tokens that are valid for this many seconds.
pub fn behaviour(seconds: f64) -> Behaviour {
    Behaviour::living(seconds).with_client("bench", "bench-secret")
}

/// `OAuthClients` as a user writes them: the type would send every default.
pub fn oauthclients(client: &Client, namespace: &str) -> Api<DynamicObject> {
    let kind = ApiResource::erase::<OAuthClient>(&());
    Api::namespaced_with(client.clone(), namespace, &kind)
}

/// Creates the credentials of this number.
pub async fn create_credentials(client: &Client, namespace: &str, number: usize) {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let object = json!({
        "metadata": {
            "name": format!("client-{number}"),
            "labels": {"oauthclient.dev/credentials": "true"},
            "annotations": {"oauthclient.dev/allowed-hosts": "127.0.0.1"},
        },
        "stringData": {"client_id": "bench", "client_secret": "bench-secret"},
    });
    let object = serde_json::from_value(object).unwrap();
    api.create(&PostParams::default(), &object).await.unwrap();
}

/// Creates the `OAuthClient` of this number, for a token endpoint.
pub async fn create_client(client: &Client, namespace: &str, number: usize, url: &str) {
    let object = json!({
        "apiVersion": "oauthclient.dev/v1alpha1",
        "kind": "OAuthClient",
        "metadata": {"name": format!("r-{number}")},
        "spec": {
            "provider": {"tokenURL": url},
            "credentials": {"secretName": format!("client-{number}")},
            "tokenSecret": {"name": format!("token-{number}")},
        },
    });
    let object = serde_json::from_value(object).unwrap();
    let api = oauthclients(client, namespace);
    api.create(&PostParams::default(), &object).await.unwrap();
}
