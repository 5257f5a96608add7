//! The required permissions: checked at the API server, and reported where people look.
//!
//! Without them, the operator waits and continues when they are granted, because a restart would not help.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::Api;
use kube::api::PostParams;
use tokio::sync::Notify;

use crate::command::Command;
use crate::metrics::Metrics;
use crate::server::{Heartbeat, Readiness};

use super::calls::Calls;
use super::watch::WatchScope;

/// How soon to check again while something is missing, or the API server did not answer.
const AGAIN: Duration = Duration::from_secs(10);
/// The interval of the heartbeat while nothing is missing.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(60);
/// The operator's user if the API server does not say, as in `deploy/`.
const USUAL_USER: &str = "system:serviceaccount:oauthclient-system:oauthclient-operator";

/// A permission that is needed in every watched namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Permission {
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    subresource: &'static str,
}

const fn permission(verb: &'static str, group: &'static str, resource: &'static str) -> Permission {
    Permission {
        verb,
        group,
        resource,
        subresource: "",
    }
}

const OWN: &str = "oauthclient.dev";
/// The only required subresource.
const STATUS: &str = "oauthclients/status";

/// Without any of these, nothing works. Other permissions in `deploy/` serve single fields, and are reported if they
/// are missing.
const NEEDED: [Permission; 9] = [
    permission("get", OWN, "oauthclients"),
    permission("list", OWN, "oauthclients"),
    permission("watch", OWN, "oauthclients"),
    Permission {
        subresource: "status",
        ..permission("patch", OWN, "oauthclients")
    },
    permission("get", "", "secrets"),
    permission("list", "", "secrets"),
    permission("watch", "", "secrets"),
    permission("create", "", "secrets"),
    permission("patch", "", "secrets"),
];

const LEASES: &str = "coordination.k8s.io";

/// The permissions for the Lease in the operator's namespace.
const FOR_ELECTION: [Permission; 3] = [
    permission("get", LEASES, "leases"),
    permission("create", LEASES, "leases"),
    permission("update", LEASES, "leases"),
];

impl Permission {
    /// As in a rule of a Role.
    const fn rule_resource(self) -> &'static str {
        if self.subresource.is_empty() {
            self.resource
        } else {
            STATUS
        }
    }

    /// As for `kubectl auth can-i`.
    fn text(self) -> String {
        let Permission {
            verb,
            group,
            resource,
            subresource,
        } = self;
        let mut words = format!("{verb} {resource}");
        if !group.is_empty() {
            words.push('.');
            words.push_str(group);
        }
        if !subresource.is_empty() {
            words.push_str(" --subresource=");
            words.push_str(subresource);
        }
        words
    }
}

/// A missing permission, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
struct MissingPermission {
    permission: Permission,
    scope: WatchScope,
    /// The object, if it is about a single one.
    name: Option<String>,
}

impl MissingPermission {
    fn text(&self) -> String {
        match &self.name {
            Some(name) => format!("{}/{name}", self.permission.text()),
            None => self.permission.text(),
        }
    }

    fn place(&self) -> String {
        match &self.scope {
            Some(namespace) => format!("in namespace {namespace}"),
            None => "in all namespaces".to_owned(),
        }
    }

    /// The command that checks it.
    fn check(&self, user: &str) -> String {
        let command = Command::kubectl(&["auth", "can-i"]).split(&self.text());
        let command = match &self.scope {
            Some(namespace) => command.namespace(namespace),
            None => command.fixed(&["--all-namespaces"]),
        };
        command.pair("--as", user).to_string()
    }

    /// What grants it.
    fn grant(&self) -> String {
        match &self.scope {
            _ if self.permission.group == LEASES => {
                "kubectl apply -k deploy/, or deploy/namespaced/ where it serves single namespaces"
                    .to_owned()
            }
            Some(namespace) => format!(
                "kubectl apply -k deploy/namespaced/, and its role.yaml in namespace {namespace} where that is another one"
            ),
            None => "kubectl apply -k deploy/".to_owned(),
        }
    }
}

/// The text about missing permissions at `/readyz`; `None` if none is missing.
fn summary(missing_permissions: &[MissingPermission]) -> Option<String> {
    /// The maximum number in the text.
    const MOST: usize = 6;
    let first = missing_permissions.first()?;
    let mut words: Vec<String> = Vec::new();
    for missing in missing_permissions.iter().take(MOST) {
        words.push(format!("{} {}", missing.text(), missing.place()));
    }
    let more = match missing_permissions.len().saturating_sub(MOST) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    Some(format!(
        "the operator may not {}{more}; grant it: {}",
        words.join(", "),
        first.grant()
    ))
}

/// The permission check.
pub(super) struct PermissionCheck {
    pub(super) calls: Calls,
    pub(super) scopes: Vec<WatchScope>,
    /// Namespace and name of the Lease, with leader election.
    pub(super) lease: Option<(String, String)>,
    pub(super) metrics: Metrics,
    pub(super) readiness: Readiness,
    /// Notified when the API server refused a watch.
    pub(super) doubted: Arc<Notify>,
}

impl PermissionCheck {
    /// Checks the permissions forever: at the start, after each refused call, and as long as one is missing.
    pub(super) async fn run(self, heartbeat: Heartbeat) {
        let mut missing_permissions: Vec<MissingPermission> = Vec::new();
        loop {
            heartbeat.beat();
            let now = self.find_missing(&heartbeat).await;
            let known = now.is_some();
            if let Some(now) = now.filter(|now| *now != missing_permissions) {
                self.report(&now, &missing_permissions).await;
                missing_permissions = now;
            }
            if missing_permissions.is_empty() && known {
                while tokio::time::timeout(HEARTBEAT_INTERVAL, self.doubted.notified())
                    .await
                    .is_err()
                {
                    heartbeat.beat();
                }
            } else {
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    /// What is missing; `None` if the API server did not say.
    async fn find_missing(&self, heartbeat: &Heartbeat) -> Option<Vec<MissingPermission>> {
        let mut missing_permissions = Vec::new();
        for scope in &self.scopes {
            for permission in NEEDED {
                heartbeat.beat();
                let missing = MissingPermission {
                    permission,
                    scope: scope.clone(),
                    name: None,
                };
                if !self.is_granted(&missing).await? {
                    missing_permissions.push(missing);
                }
            }
        }
        if let Some((namespace, name)) = &self.lease {
            for permission in FOR_ELECTION {
                heartbeat.beat();
                let missing = MissingPermission {
                    permission,
                    scope: Some(namespace.clone()),
                    // RBAC cannot restrict "create" to a name.
                    name: (permission.verb != "create").then(|| name.clone()),
                };
                if !self.is_granted(&missing).await? {
                    missing_permissions.push(missing);
                }
            }
        }
        Some(missing_permissions)
    }

    /// Whether the operator has the permission; `None` if the API server did not say.
    async fn is_granted(&self, wanted: &MissingPermission) -> Option<bool> {
        let permission = wanted.permission;
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(ResourceAttributes {
                    namespace: wanted.scope.clone(),
                    name: wanted.name.clone(),
                    verb: given(permission.verb),
                    group: given(permission.group),
                    resource: given(permission.resource),
                    subresource: given(permission.subresource),
                    ..ResourceAttributes::default()
                }),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let api = Api::<SelfSubjectAccessReview>::all(self.calls.client());
        let params = PostParams::default();
        let reviewed = self.calls.call(api.create(&params, &review)).await;
        Some(reviewed.ok()?.status?.allowed)
    }

    async fn report(&self, now: &[MissingPermission], before: &[MissingPermission]) {
        for permission in NEEDED.into_iter().chain(FOR_ELECTION) {
            let places = now
                .iter()
                .filter(|missing| missing.permission == permission)
                .count();
            self.metrics
                .permissions_missing(permission.verb, permission.rule_resource(), places);
        }
        self.readiness.set_missing(summary(now));
        if now.is_empty() {
            tracing::info!("the operator has every right that it needs again");
            return;
        }
        let user = self.user().await;
        for missing in now.iter().filter(|missing| !before.contains(missing)) {
            tracing::error!(
                right = missing.text(),
                place = missing.place(),
                check = missing.check(&user),
                grant = missing.grant(),
                "the operator lacks a required permission; it continues when that is granted"
            );
        }
    }

    /// The operator's user at the API server.
    async fn user(&self) -> String {
        let api = Api::<SelfSubjectReview>::all(self.calls.client());
        let params = PostParams::default();
        let review = SelfSubjectReview::default();
        let reviewed = self.calls.call(api.create(&params, &review)).await.ok();
        reviewed
            .and_then(|review| review.status?.user_info?.username)
            .unwrap_or_else(|| USUAL_USER.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing_permission(permission: Permission, scope: Option<&str>) -> MissingPermission {
        MissingPermission {
            permission,
            scope: scope.map(str::to_owned),
            name: None,
        }
    }

    #[test]
    fn what_is_missing_is_told_with_the_command_that_checks_it() {
        let status = NEEDED[3];
        let [in_all, in_one] = [
            missing_permission(NEEDED[5], None),
            missing_permission(status, Some("shop")),
        ];
        assert_eq!(
            in_all.check("me"),
            "kubectl auth can-i list secrets --all-namespaces --as=me"
        );
        assert_eq!(
            in_one.check("me"),
            "kubectl auth can-i patch oauthclients.oauthclient.dev --subresource=status -n shop --as=me"
        );
        let lease = MissingPermission {
            name: Some("oauthclient-operator".to_owned()),
            ..missing_permission(FOR_ELECTION[0], Some("ops"))
        };
        assert_eq!(
            lease.check("me"),
            "kubectl auth can-i get leases.coordination.k8s.io/oauthclient-operator -n ops --as=me"
        );
        let said = summary(&[in_all, in_one]).unwrap();
        assert_eq!(
            said,
            "the operator may not list secrets in all namespaces, patch oauthclients.oauthclient.dev --subresource=status in \
             namespace shop; grant it: kubectl apply -k deploy/"
        );
        assert_eq!(summary(&[]), None);
    }

    #[test]
    fn of_very_many_the_first_are_named() {
        let many: Vec<MissingPermission> = (0..50)
            .map(|number| missing_permission(NEEDED[0], Some(&format!("n{number}"))))
            .collect();
        let said = summary(&many).unwrap();
        assert!(said.contains("namespace n5, and 44 more;"), "{said}");
    }

    /// API group, resource with subresource, and verb.
    type Granted = (String, String, String);

    #[test]
    fn every_right_that_is_needed_is_granted_by_deploy() {
        let role = include_str!("../../deploy/namespaced/role.yaml");
        let role = role.split("\n---\n").next().unwrap();
        let role: serde_json::Value = serde_saphyr::from_str(role).unwrap();
        let texts = |rule: &serde_json::Value, field: &str| -> Vec<String> {
            let all = rule[field].as_array().unwrap();
            all.iter()
                .map(|text| text.as_str().unwrap().to_owned())
                .collect()
        };
        let mut granted: Vec<Granted> = Vec::new();
        for rule in role["rules"].as_array().unwrap() {
            for group in texts(rule, "apiGroups") {
                for resource in texts(rule, "resources") {
                    for verb in texts(rule, "verbs") {
                        granted.push((group.clone(), resource.clone(), verb));
                    }
                }
            }
        }
        for permission in NEEDED {
            let resource = permission.rule_resource().to_owned();
            let needed = (
                permission.group.to_owned(),
                resource,
                permission.verb.to_owned(),
            );
            assert!(granted.contains(&needed), "{needed:?}");
        }
    }
}
