//! The launcher against what it launches.
#![allow(clippy::unwrap_used, reason = "tests")]

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use std::time::Duration;
use testkit::control_plane::{self, ControlPlane, Options, User};
use testkit::{Error, wait};

fn config_map(name: &str) -> ConfigMap {
    let mut map = ConfigMap::default();
    map.metadata.name = Some(name.to_owned());
    map
}

#[tokio::test]
async fn tests_share_one_control_plane_and_each_has_a_namespace_of_its_own() {
    let (first, second) = tokio::join!(control_plane::shared(), control_plane::shared());
    assert_eq!(first.server_url(), second.server_url());
    let (one, other) = (
        first.namespace().await.unwrap(),
        second.namespace().await.unwrap(),
    );
    assert_ne!(one, other);
    let namespaces: Api<Namespace> = Api::all(first.client().unwrap());
    assert!(namespaces.get_opt(&one).await.unwrap().is_some());
}

#[tokio::test]
async fn an_owned_object_goes_with_its_owner() {
    let plane = control_plane::shared().await;
    let namespace = plane.namespace().await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(plane.client().unwrap(), &namespace);
    let owner = maps
        .create(&PostParams::default(), &config_map("owner"))
        .await
        .unwrap();
    let owned = format!(
        "{{apiVersion: v1, kind: Secret, metadata: {{name: owned, namespace: {namespace}, ownerReferences: \
         [{{apiVersion: v1, kind: ConfigMap, name: owner, uid: {}}}]}}}}",
        owner.metadata.uid.unwrap()
    );
    let said = plane.apply(&owned).await.unwrap();
    assert_eq!(said.trim(), "secret/owned created");

    maps.delete("owner", &DeleteParams::default())
        .await
        .unwrap();
    let secrets: Api<Secret> = Api::namespaced(plane.client().unwrap(), &namespace);
    wait::until("the garbage collector", Duration::from_secs(60), || async {
        match secrets.get_opt("owned").await {
            Ok(None) => Ok(()),
            other => Err(Error::new(format!("{other:?}"))),
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_service_account_can_do_what_its_role_grants_and_nothing_else() {
    let plane = control_plane::shared().await;
    let namespace = plane.namespace().await.unwrap();
    plane
        .apply(&format!(
            "
apiVersion: v1
kind: ServiceAccount
metadata: {{name: reader, namespace: {namespace}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: reader, namespace: {namespace}}}
rules: [{{apiGroups: [''], resources: [configmaps], verbs: [list]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: reader, namespace: {namespace}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}}
subjects: [{{kind: ServiceAccount, name: reader, namespace: {namespace}}}]
"
        ))
        .await
        .unwrap();
    let token = plane
        .service_account_token(&namespace, "reader")
        .await
        .unwrap();
    let client = plane.client_as(&token).unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
    maps.list(&ListParams::default()).await.unwrap();
    let refused = Api::<Secret>::namespaced(client, &namespace)
        .list(&ListParams::default())
        .await;
    assert!(matches!(refused, Err(kube::Error::Api(status)) if status.code == 403));

    // The same identity, as a user of kubectl would hold it.
    let dir = tempfile::tempdir().unwrap();
    let file = plane
        .kubeconfig_for_service_account(&namespace, "reader", dir.path())
        .await
        .unwrap();
    let said = plane
        .run_kubectl(
            &["--kubeconfig", file.to_str().unwrap(), "auth", "whoami"],
            "",
        )
        .await
        .unwrap();
    assert!(
        said.contains(&format!("system:serviceaccount:{namespace}:reader")),
        "{said}"
    );
}

#[tokio::test]
async fn the_audit_log_tells_who_asked_for_what_since_a_mark() {
    let plane = control_plane::shared().await;
    let namespace = plane.namespace().await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(plane.client().unwrap(), &namespace);
    maps.create(&PostParams::default(), &config_map("before"))
        .await
        .unwrap();
    let mark = plane.audit_mark().await.unwrap();
    let patch = serde_json::json!({"data": {"key": "value"}});
    maps.patch("before", &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
    maps.get_opt("absent").await.unwrap();

    let events = plane.audit_since(mark).await.unwrap();
    let here: Vec<_> = events
        .iter()
        .filter(|event| event.user == "admin" && event.namespace == namespace)
        .map(|event| {
            (
                event.verb.as_str(),
                event.rule_resource(),
                event.name.as_str(),
                event.code,
            )
        })
        .collect();
    assert_eq!(
        here,
        [
            ("patch", "configmaps".to_owned(), "before", 200),
            ("get", "configmaps".to_owned(), "absent", 404)
        ]
    );
    let all = plane.audit().await.unwrap();
    assert!(
        all.iter().any(|event| event.namespace == namespace
            && event.verb == "create"
            && event.is_write())
    );
}

#[tokio::test]
async fn kubectl_is_of_the_same_version_as_the_server_and_a_refusal_comes_back_in_its_words() {
    let plane = control_plane::shared().await;
    let versions = plane
        .run_kubectl(&["version", "-o", "json"], "")
        .await
        .unwrap();
    let versions: serde_json::Value = serde_json::from_str(&versions).unwrap();
    assert_eq!(
        versions["clientVersion"]["gitVersion"],
        versions["serverVersion"]["gitVersion"]
    );
    let refused = plane
        .apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: 'No Name'}}")
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("metadata.name: Invalid value"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_restarted_api_server_keeps_its_address_its_certificate_and_its_data() {
    let admin = User {
        name: "anna".into(),
        token: "token-of-anna".into(),
        groups: vec!["system:masters".into()],
    };
    let plane = ControlPlane::start(Options {
        users: vec![admin],
        ..Options::default()
    })
    .await
    .unwrap();
    let client = plane.client_as("token-of-anna").unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(client, "default");
    maps.create(&PostParams::default(), &config_map("kept"))
        .await
        .unwrap();

    let measured = || {
        let times = plane.cpu_times().into_iter();
        times.map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(measured(), ["etcd", "API server"]);
    plane.stop_api_server();
    assert!(maps.get("kept").await.is_err());
    assert_eq!(measured(), ["etcd"]);

    plane.start_api_server().await.unwrap();
    maps.get("kept").await.unwrap();
    let folder = plane.folder().to_owned();
    drop(plane);
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let options = Options {
        api_server_args: vec!["--no-such-flag".into()],
        ..Options::default()
    };
    let error = ControlPlane::start(options).await.unwrap_err().to_string();
    assert!(
        error.contains("kube-apiserver ended at its start"),
        "{error}"
    );
    assert!(error.contains("unknown flag: --no-such-flag"), "{error}");
}
