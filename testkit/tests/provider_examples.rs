//! Every example of the four providers gets a token from its preset, unchanged as in `examples/`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod provider_client;

use std::path::Path;

use provider_client::client;
use serde_json::{Map, Value, json};
use testkit::provider::{Lifetimes, Preset, Provider};

/// Each document of an example as JSON: the credentials Secret and the OAuthClient.
fn documents(file: &Path) -> (Value, Value) {
    let text = std::fs::read_to_string(file).unwrap();
    let mut documents: Vec<Value> = text
        .split("\n---\n")
        .map(|document| serde_saphyr::from_str(document).unwrap())
        .collect();
    let resource = documents.pop().unwrap();
    (documents.pop().unwrap(), resource)
}

/// The parameters that a resource makes the operator send, the client's own identifier and secret left out.
fn parameters(secret: &Value, spec: &Value) -> Map<String, Value> {
    let mut parameters = Map::new();
    let grant = spec["grant"]["type"]
        .as_str()
        .unwrap_or("client_credentials");
    parameters.insert("grant_type".into(), json!(grant));
    if grant == "password" {
        for name in ["username", "password"] {
            parameters.insert(name.into(), secret["stringData"][name].clone());
        }
    }
    for parameter in spec["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap();
        parameters.insert(name.into(), parameter["value"].clone());
    }
    if let Some(scopes) = spec["scopes"].as_array() {
        let scopes: Vec<&str> = scopes.iter().map(|scope| scope.as_str().unwrap()).collect();
        parameters.insert("scope".into(), json!(scopes.join(" ")));
    }
    parameters
}

async fn status(provider: &Provider, path: &str, secret: &Value, spec: &Value) -> u16 {
    let mut parameters = parameters(secret, spec);
    let (id, password) = (
        &secret["stringData"]["client_id"],
        &secret["stringData"]["client_secret"],
    );
    let mut request = client("").post(provider.url(path));
    if spec["clientAuthentication"]["method"] == "client_secret_post" {
        parameters.insert("client_id".into(), id.clone());
        parameters.insert("client_secret".into(), password.clone());
    } else {
        let encoded = |value: &Value| -> String {
            url::form_urlencoded::byte_serialize(value.as_str().unwrap().as_bytes()).collect()
        };
        request = request.basic_auth(encoded(id), Some(encoded(password)));
    }
    let request = match spec["request"]["format"] == "json" {
        true => request.json(&parameters),
        false => request.form(&parameters),
    };
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn every_example_gets_a_token_from_its_preset() {
    let provider = Provider::plain(Preset::all_on_one(Lifetimes::Short)).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut tried = [0; 4];
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        let name = file.file_name().unwrap().to_str().unwrap();
        let Some(at) = Preset::ALL
            .iter()
            .position(|preset| name.starts_with(preset.name()))
        else {
            continue;
        };
        let (secret, resource) = documents(&file);
        // Nobody is there to log in.
        if resource["spec"]["grant"]["type"] == "refresh_token" {
            continue;
        }
        let path = Preset::ALL[at].prefixed_path();
        assert_eq!(
            status(&provider, &path, &secret, &resource["spec"]).await,
            200,
            "{name}"
        );
        let mut wrong = secret.clone();
        wrong["stringData"]["client_secret"] = json!("wrong");
        assert_ne!(
            status(&provider, &path, &wrong, &resource["spec"]).await,
            200,
            "{name}"
        );
        tried[at] += 1;
    }
    let all = tried.iter().all(|examples| *examples > 0);
    assert!(all, "a preset without an example: {tried:?}");
}
