//! What is reported once: credentials that expire, repairs, workloads, revocations.

use crate::command::Command;
use crate::conditions::Reason;
use crate::names::RESTART_BY;
use crate::oauth::error::ProviderCode;
use crate::time::Time;

use super::catalogue::catalogue;
use super::credentials::code_text;
use super::text::{Text, text};
use super::{Audience, ExpiryFinding, Explanation, Finding, Remedy};

catalogue! {
    /// What is reported once.
    pub enum EventFinding {
        /// A credential expires.
        Expiry {
            /// Which, and when.
            finding: ExpiryFinding,
        },
        /// The token Secret was repaired.
        Restored {
            /// The Secret.
            secret: String,
        },
        /// The token of a deleted resource could not be revoked.
        NotRevoked {
            /// Why.
            why: NotRevoked,
        },
        /// A workload is being restarted.
        WorkloadRestarted {
            /// Its kind.
            kind: &'static str,
            /// Its name.
            workload: String,
        },
        /// A workload is not restarted.
        WorkloadNotRestarted {
            /// Its kind.
            kind: &'static str,
            /// Its name.
            workload: String,
            /// Its namespace.
            namespace: String,
            /// The resource.
            resource: String,
            /// Why.
            why: NotRestarted,
        },
        /// Another group of operators serves the resource.
        ServedByAnotherGroup {
            /// The resource.
            resource: String,
            /// The group that serves it.
            serving: String,
            /// The group of this operator; `None` if it has none.
            own: Option<String>,
            /// Until when the resource is left to the other group.
            until: Time,
        },
    }
}

catalogue! {
    /// Why a token could not be revoked.
    pub enum NotRevoked {
        /// The spec is not valid.
        InvalidSpec,
        /// `spec.revocation` is not set.
        NotConfigured,
        /// The token Secret holds no token of the operator.
        NoToken,
        /// The credentials Secret is gone.
        CredentialsGone,
        /// The client certificate is gone, or cannot be used.
        CertificateGone,
        /// The issuer's document names no endpoint.
        NoEndpoint,
        /// The endpoint is http.
        HttpEndpoint,
        /// It is not known which Secrets the token was obtained with.
        OwnersUnknown,
        /// Something else is wrong.
        Prevented {
            /// What.
            finding: Box<Finding>,
        },
        /// The endpoint answered with an error.
        Answered {
            /// The HTTP status.
            status: u16,
            /// The provider's code.
            code: Option<ProviderCode>,
        },
        /// A prerequisite did not help.
        NeverReady,
    }
}

impl NotRevoked {
    /// As a sentence.
    pub fn text(&self) -> Text {
        match self {
            NotRevoked::InvalidSpec => text!["The spec is not valid."],
            NotRevoked::NotConfigured => text!["spec.revocation is not set."],
            NotRevoked::NoToken => {
                text!["The token Secret holds no token that the operator wrote."]
            }
            NotRevoked::CredentialsGone => text!["The credentials Secret is gone."],
            NotRevoked::CertificateGone => {
                text!["The client certificate is gone or cannot be used."]
            }
            NotRevoked::NoEndpoint => {
                text!["The issuer's discovery document names no revocation endpoint."]
            }
            NotRevoked::HttpEndpoint => text!["The revocation endpoint is http."],
            NotRevoked::OwnersUnknown => {
                text!["It is not known with which Secrets the token was obtained."]
            }
            NotRevoked::Prevented { finding } => {
                finding.explain(Audience::Cluster).happened().clone()
            }
            NotRevoked::Answered { status, code: None } => {
                text!["The revocation endpoint answered HTTP ", status, "."]
            }
            NotRevoked::Answered {
                status,
                code: Some(code),
            } => text![
                "The revocation endpoint answered HTTP ",
                status,
                " with ",
                code_text(code),
                "."
            ],
            NotRevoked::NeverReady => text!["A prerequisite of the request could not be fetched."],
        }
    }
}

catalogue! {
    /// Why a workload is not restarted.
    pub enum NotRestarted {
        /// There is no such workload.
        NotFound,
        /// Its owner does not agree.
        NotOptedIn,
        /// The lifetime of the token is shorter than twice the interval.
        LifetimeTooShort {
            /// The token Secret.
            secret: String,
        },
        /// Its last rollout fails.
        RolloutFailing,
        /// Its rollout is paused.
        Paused,
        /// Its pods are replaced only when somebody deletes them.
        OnDelete,
        /// The operator lacks the permission.
        Forbidden,
        /// The API server refuses the change.
        Refused,
    }
}

impl EventFinding {
    /// Why, in one word of the documented list.
    pub fn reason(&self) -> Reason {
        use EventFinding as F;
        match self {
            F::Expiry { finding } => finding.reason(),
            F::Restored { .. } => Reason::Restored,
            F::NotRevoked { .. } => Reason::RevocationFailed,
            F::WorkloadRestarted { .. } => Reason::WorkloadRestarted,
            F::WorkloadNotRestarted { .. } => Reason::WorkloadNotRestarted,
            F::ServedByAnotherGroup { .. } => Reason::ServedByAnotherGroup,
        }
    }

    /// The event in words.
    pub fn explain(&self, audience: Audience) -> Explanation {
        use EventFinding as F;
        match self {
            F::Restored { secret } => Explanation::new(
                text![
                    "Someone else changed or deleted Secret ",
                    secret,
                    ", and the operator wrote it again."
                ],
                Remedy::advice(text!["To remove it for good, delete the OAuthClient."]),
            ),
            F::NotRevoked { why } => Explanation::new(
                text!["Deleted, but the token could not be revoked. ", why.text()],
                Remedy::advice(text![
                    "It stays valid until it expires. To end it now, revoke it at the provider."
                ]),
            ),
            F::WorkloadRestarted { kind, workload } => Explanation::new(
                text![
                    *kind,
                    " ",
                    workload,
                    " is being restarted, because a new token was published."
                ],
                Remedy::default(),
            ),
            F::WorkloadNotRestarted {
                kind,
                workload,
                namespace,
                resource,
                why,
            } => Explanation::new(
                text![
                    *kind,
                    " ",
                    workload,
                    " is not restarted and may still use the previous token: ",
                    why.text(),
                    "."
                ],
                why.remedy(kind, workload, namespace, resource),
            ),
            F::ServedByAnotherGroup {
                resource,
                serving,
                own,
                until,
            } => {
                let own = match own {
                    Some(own) => text!["group ", own],
                    None => text!["this operator, which has no group,"],
                };
                Explanation::new(
                    text![
                        "Group ",
                        serving,
                        " serves OAuthClient ",
                        resource,
                        ", and ",
                        own,
                        " selects it too. It is taken over only if the token is not refreshed by ",
                        until,
                        "."
                    ],
                    Remedy::advice(text!["Let only one --resource-selector match it."]),
                )
            }
            F::Expiry { finding } => finding.explain(audience),
        }
    }
}

impl NotRestarted {
    fn text(&self) -> Text {
        match self {
            NotRestarted::NotFound => text!["there is none in this namespace"],
            NotRestarted::NotOptedIn => text!["its owner has not agreed"],
            NotRestarted::LifetimeTooShort { .. } => {
                text![
                    "the lifetime of the token is shorter than twice spec.restart.minIntervalSeconds"
                ]
            }
            NotRestarted::RolloutFailing => text!["its last rollout fails"],
            NotRestarted::Paused => text!["its rollout is paused"],
            NotRestarted::OnDelete => text!["its update strategy is OnDelete"],
            NotRestarted::Forbidden => {
                text!["the operator lacks the permission, which is optional"]
            }
            NotRestarted::Refused => text!["the API server refuses the change"],
        }
    }

    fn remedy(
        &self,
        kind: &'static str,
        workload: &str,
        namespace: &str,
        resource: &str,
    ) -> Remedy {
        let rollout = |verb| {
            Command::kubectl(&["rollout", verb])
                .value(&kind.to_lowercase())
                .value(workload)
                .namespace(namespace)
        };
        match self {
            NotRestarted::NotFound => Remedy::advice(text!["Create it, or correct spec.restart."]),
            NotRestarted::NotOptedIn => Remedy::run(
                text!["If you own it and want it restarted with each new token, run:"],
                Command::kubectl(&["annotate"])
                    .value(&kind.to_lowercase())
                    .value(workload)
                    .namespace(namespace)
                    .pair(RESTART_BY, resource),
            ),
            NotRestarted::LifetimeTooShort { secret } => Remedy::advice(text![
                "Mount Secret ",
                secret,
                " as a volume and read the file: it follows without a restart."
            ]),
            NotRestarted::RolloutFailing => Remedy::run(
                text!["It is restarted when that is complete. To look at it, run:"],
                rollout("status"),
            ),
            NotRestarted::Paused => Remedy::run(text!["To resume it, run:"], rollout("resume")),
            NotRestarted::OnDelete => Remedy::advice(text![
                "Delete its pods yourself, or set the strategy to RollingUpdate."
            ]),
            NotRestarted::Forbidden => Remedy::run(
                text![
                    "Ask its administrator to apply deploy/restart, or for this namespace only, to run:"
                ],
                Command::kubectl(&["apply"])
                    .namespace(namespace)
                    .fixed(&["-k", "deploy/restart/namespaced"]),
            ),
            NotRestarted::Refused => Remedy::advice(text![
                "Check the admission webhooks and policies of the cluster."
            ]),
        }
    }
}
