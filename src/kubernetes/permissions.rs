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
use crate::server::{Beat, Readiness};

use super::calls::Calls;
use super::watch::Scope;

/// How soon to check again while something is missing, or the API server did not answer.
const AGAIN: Duration = Duration::from_secs(10);
/// The interval of the heartbeat while nothing is missing.
const REST: Duration = Duration::from_secs(60);
/// The operator's user if the API server does not say, as in `deploy/`.
const USUAL_USER: &str = "system:serviceaccount:oauthclient-system:oauthclient-operator";

/// A permission that is needed in every watched namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Right {
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    subresource: &'static str,
}

const fn right(verb: &'static str, group: &'static str, resource: &'static str) -> Right {
    Right {
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
const NEEDED: [Right; 9] = [
    right("get", OWN, "oauthclients"),
    right("list", OWN, "oauthclients"),
    right("watch", OWN, "oauthclients"),
    Right {
        subresource: "status",
        ..right("patch", OWN, "oauthclients")
    },
    right("get", "", "secrets"),
    right("list", "", "secrets"),
    right("watch", "", "secrets"),
    right("create", "", "secrets"),
    right("patch", "", "secrets"),
];

const LEASES: &str = "coordination.k8s.io";

/// The permissions for the Lease in the operator's namespace.
const FOR_ELECTION: [Right; 3] = [
    right("get", LEASES, "leases"),
    right("create", LEASES, "leases"),
    right("update", LEASES, "leases"),
];

impl Right {
    /// As in a rule of a Role.
    const fn rule_resource(self) -> &'static str {
        if self.subresource.is_empty() {
            self.resource
        } else {
            STATUS
        }
    }

    /// As for `kubectl auth can-i`.
    fn words(self) -> String {
        let Right {
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
struct Lack {
    right: Right,
    scope: Scope,
    /// The object, if it is about a single one.
    name: Option<String>,
}

impl Lack {
    fn words(&self) -> String {
        match &self.name {
            Some(name) => format!("{}/{name}", self.right.words()),
            None => self.right.words(),
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
        let command = Command::kubectl(&["auth", "can-i"]).split(&self.words());
        let command = match &self.scope {
            Some(namespace) => command.namespace(namespace),
            None => command.fixed(&["--all-namespaces"]),
        };
        command.pair("--as", user).to_string()
    }

    /// What grants it.
    fn grant(&self) -> String {
        match &self.scope {
            _ if self.right.group == LEASES => {
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
fn told(lacks: &[Lack]) -> Option<String> {
    /// The maximum number in the text.
    const MOST: usize = 6;
    let first = lacks.first()?;
    let mut words: Vec<String> = Vec::new();
    for lack in lacks.iter().take(MOST) {
        words.push(format!("{} {}", lack.words(), lack.place()));
    }
    let more = match lacks.len().saturating_sub(MOST) {
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
pub(super) struct Rights {
    pub(super) calls: Calls,
    pub(super) scopes: Vec<Scope>,
    /// Namespace and name of the Lease, with leader election.
    pub(super) lease: Option<(String, String)>,
    pub(super) metrics: Metrics,
    pub(super) readiness: Readiness,
    /// Notified when the API server refused a watch.
    pub(super) doubted: Arc<Notify>,
}

impl Rights {
    /// Checks the permissions forever: at the start, whenever one is in doubt, and as long as one is missing.
    pub(super) async fn look_after(self, beat: Beat) {
        let mut lacks: Vec<Lack> = Vec::new();
        loop {
            beat.tick();
            let now = self.missing(&beat).await;
            let known = now.is_some();
            if let Some(now) = now.filter(|now| *now != lacks) {
                self.tell(&now, &lacks).await;
                lacks = now;
            }
            if lacks.is_empty() && known {
                while tokio::time::timeout(REST, self.doubted.notified())
                    .await
                    .is_err()
                {
                    beat.tick();
                }
            } else {
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    /// What is missing; `None` if the API server did not say.
    async fn missing(&self, beat: &Beat) -> Option<Vec<Lack>> {
        let mut lacks = Vec::new();
        for scope in &self.scopes {
            for right in NEEDED {
                beat.tick();
                let lack = Lack {
                    right,
                    scope: scope.clone(),
                    name: None,
                };
                if !self.may(&lack).await? {
                    lacks.push(lack);
                }
            }
        }
        if let Some((namespace, name)) = &self.lease {
            for right in FOR_ELECTION {
                beat.tick();
                let lack = Lack {
                    right,
                    scope: Some(namespace.clone()),
                    // RBAC cannot restrict "create" to a name.
                    name: (right.verb != "create").then(|| name.clone()),
                };
                if !self.may(&lack).await? {
                    lacks.push(lack);
                }
            }
        }
        Some(lacks)
    }

    /// Whether the operator has the permission; `None` if the API server did not say.
    async fn may(&self, wanted: &Lack) -> Option<bool> {
        let right = wanted.right;
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(ResourceAttributes {
                    namespace: wanted.scope.clone(),
                    name: wanted.name.clone(),
                    verb: given(right.verb),
                    group: given(right.group),
                    resource: given(right.resource),
                    subresource: given(right.subresource),
                    ..ResourceAttributes::default()
                }),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let api = Api::<SelfSubjectAccessReview>::all(self.calls.client());
        let params = PostParams::default();
        let asked = self.calls.call(api.create(&params, &review)).await;
        Some(asked.ok()?.status?.allowed)
    }

    async fn tell(&self, now: &[Lack], before: &[Lack]) {
        for right in NEEDED.into_iter().chain(FOR_ELECTION) {
            let places = now.iter().filter(|lack| lack.right == right).count();
            self.metrics
                .permissions_missing(right.verb, right.rule_resource(), places);
        }
        self.readiness.lacks(told(now));
        if now.is_empty() {
            tracing::info!("the operator has every right that it needs again");
            return;
        }
        let user = self.user().await;
        for lack in now.iter().filter(|lack| !before.contains(lack)) {
            tracing::error!(
                right = lack.words(),
                place = lack.place(),
                check = lack.check(&user),
                grant = lack.grant(),
                "the operator lacks a required permission; it continues when that is granted"
            );
        }
    }

    /// The operator's user at the API server.
    async fn user(&self) -> String {
        let api = Api::<SelfSubjectReview>::all(self.calls.client());
        let params = PostParams::default();
        let review = SelfSubjectReview::default();
        let asked = self.calls.call(api.create(&params, &review)).await.ok();
        asked
            .and_then(|review| review.status?.user_info?.username)
            .unwrap_or_else(|| USUAL_USER.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lack(right: Right, scope: Option<&str>) -> Lack {
        Lack {
            right,
            scope: scope.map(str::to_owned),
            name: None,
        }
    }

    #[test]
    fn what_is_missing_is_told_with_the_command_that_checks_it() {
        let status = NEEDED[3];
        let [in_all, in_one] = [lack(NEEDED[5], None), lack(status, Some("shop"))];
        assert_eq!(
            in_all.check("me"),
            "kubectl auth can-i list secrets --all-namespaces --as=me"
        );
        assert_eq!(
            in_one.check("me"),
            "kubectl auth can-i patch oauthclients.oauthclient.dev --subresource=status -n shop --as=me"
        );
        let lease = Lack {
            name: Some("oauthclient-operator".to_owned()),
            ..lack(FOR_ELECTION[0], Some("ops"))
        };
        assert_eq!(
            lease.check("me"),
            "kubectl auth can-i get leases.coordination.k8s.io/oauthclient-operator -n ops --as=me"
        );
        let said = told(&[in_all, in_one]).unwrap();
        assert_eq!(
            said,
            "the operator may not list secrets in all namespaces, patch oauthclients.oauthclient.dev --subresource=status in \
             namespace shop; grant it: kubectl apply -k deploy/"
        );
        assert_eq!(told(&[]), None);
    }

    #[test]
    fn of_very_many_the_first_are_named() {
        let many: Vec<Lack> = (0..50)
            .map(|number| lack(NEEDED[0], Some(&format!("n{number}"))))
            .collect();
        let said = told(&many).unwrap();
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
        for right in NEEDED {
            let resource = right.rule_resource().to_owned();
            let needed = (right.group.to_owned(), resource, right.verb.to_owned());
            assert!(granted.contains(&needed), "{needed:?}");
        }
    }
}
