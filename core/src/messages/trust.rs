//! What may be sent where, and which permissions are missing.

use crate::command::Command;
use crate::conditions::Reason;
use crate::names::ALLOWED_AUDIENCES_ANNOTATION;
use crate::trust::LenderKind;

use super::catalogue::{Example, Values, catalogue};
use super::credentials::opt_in;
use super::text::{Text, text};
use super::{Audience, Explanation, Remedy};

catalogue! {
    /// What an owner does not allow, or the operator has no permission for.
    pub enum TrustFinding {
        /// An owner does not allow a host.
        HostNotAllowed {
            /// The kind of the owner.
            kind: LenderKind,
            /// Its name.
            name: String,
            /// Its namespace.
            namespace: String,
            /// What is not sent.
            what: ProtectedPart,
            /// The host, with port and path where the list has them.
            host: String,
            /// The field that names the host.
            field: &'static str,
            /// The annotation that lists the allowed hosts.
            annotation: &'static str,
            /// The list.
            list: String,
            /// An entry of the list that cannot be parsed.
            unreadable: Option<String>,
        },
        /// An owner is gone.
        OwnerGone {
            /// The kind of the owner.
            kind: LenderKind,
            /// Its name.
            name: String,
            /// Its namespace.
            namespace: String,
            /// The resource.
            resource: String,
            /// What is not sent.
            what: ProtectedPart,
        },
        /// The owner of a Secret has removed the label.
        OptedOut {
            /// The Secret.
            name: String,
            /// Its namespace.
            namespace: String,
            /// What is not sent.
            what: ProtectedPart,
        },
        /// The owner of a `ServiceAccount` no longer allows an audience.
        AudienceWithdrawn {
            /// The `ServiceAccount`.
            name: String,
            /// Its namespace.
            namespace: String,
            /// What is not sent.
            what: ProtectedPart,
            /// The audience.
            audience: String,
            /// The allowed audiences, with this one.
            list: String,
        },
        /// It is not known which Secrets a token was obtained with.
        OwnersUnknown {
            /// The Secret with the token.
            secret: String,
            /// Its namespace.
            namespace: String,
        },
        /// It is not known which Secrets the refresh token was obtained with.
        RefreshTokenOwnersUnknown {
            /// The resource.
            resource: String,
            /// Its namespace.
            namespace: String,
        },
        /// Too many owners have a part in a token.
        TooManyOwners {
            /// The maximum.
            most: usize,
        },
        /// A `ServiceAccount` does not exist.
        AccountNotFound {
            /// The `ServiceAccount`.
            account: String,
            /// Its namespace.
            namespace: String,
        },
        /// A `ServiceAccount` does not allow an audience.
        AudienceNotAllowed {
            /// The `ServiceAccount`.
            account: String,
            /// Its namespace.
            namespace: String,
            /// The audience.
            audience: String,
            /// The allowed audiences, with this one.
            list: String,
        },
        /// There is no cluster that issues tokens of `ServiceAccounts`.
        NoCluster {
            /// The `ServiceAccount`.
            account: String,
            /// Its namespace.
            namespace: String,
            /// The audience.
            audience: String,
        },
        /// The operator may not create tokens of `ServiceAccounts`.
        AccountsForbidden {
            /// The namespace.
            namespace: String,
        },
        /// The operator lacks a permission.
        PermissionMissing {
            /// Verb and kind, such as `get secrets`.
            right: String,
            /// The namespace.
            namespace: String,
        },
        /// The operator may not change finalizers.
        FinalizerForbidden {
            /// The namespace.
            namespace: String,
        },
    }
}

catalogue! {
    /// What is not sent, from the point of view of its owner.
    pub enum ProtectedPart {
        /// Its own content.
        Content,
        /// The access token in this Secret, which was obtained with it.
        Token {
            /// The Secret.
            secret: String,
        },
        /// An access token that returns to its provider for revocation.
        Returned,
        /// The refresh token, which was obtained with it.
        RefreshToken,
    }
}

impl Example for LenderKind {
    fn examples(_: &str, _: Values) -> Vec<LenderKind> {
        vec![
            LenderKind::Secret,
            LenderKind::TokenSecret,
            LenderKind::ServiceAccount,
        ]
    }
}

fn kind_of(kind: LenderKind) -> (&'static str, &'static str) {
    match kind {
        LenderKind::ServiceAccount => ("ServiceAccount ", "serviceaccount"),
        LenderKind::Secret | LenderKind::TokenSecret => ("Secret ", "secret"),
    }
}

impl ProtectedPart {
    /// What is not sent, at the beginning of a sentence.
    fn text(&self, kind: LenderKind, name: &String) -> Text {
        match self {
            ProtectedPart::Content if kind == LenderKind::ServiceAccount => {
                text!["A token of ServiceAccount ", name]
            }
            ProtectedPart::Content => text!["Secret ", name],
            ProtectedPart::Token { secret } => text!["The token in Secret ", secret],
            ProtectedPart::Returned => text!["The access token"],
            ProtectedPart::RefreshToken => text!["The refresh token"],
        }
    }
}

/// Why a host is not allowed.
fn not_listed(
    kind: LenderKind,
    name: &String,
    what: &ProtectedPart,
    annotation: &'static str,
    list: &String,
) -> Text {
    let (word, _) = kind_of(kind);
    match (what, list.is_empty()) {
        (ProtectedPart::Content, true) if kind == LenderKind::ServiceAccount => {
            text!["its annotation ", annotation, " names no host"]
        }
        (ProtectedPart::Content, true) => {
            text![
                "its annotation ",
                annotation,
                " names no host (--require-allowed-hosts)"
            ]
        }
        (ProtectedPart::Content, false) => {
            text!["its annotation ", annotation, " is \"", list, "\""]
        }
        (_, true) => text![word, name, " allows no host for tokens"],
        (_, false) => text![word, name, " allows \"", list, "\" for tokens"],
    }
}

/// Why a host is not allowed, where a part of the list cannot be parsed.
fn cannot_be_parsed(
    kind: LenderKind,
    name: &String,
    what: &ProtectedPart,
    annotation: &'static str,
    entry: &String,
) -> Text {
    let (word, _) = kind_of(kind);
    match what {
        ProtectedPart::Content => text![
            "its annotation ",
            annotation,
            " has the bad entry \"",
            entry,
            "\""
        ],
        _ => text![
            "the list of ",
            word,
            name,
            " has the bad entry \"",
            entry,
            "\""
        ],
    }
}

/// The command with which the owner adds a host to one of its lists.
fn add_host(
    kind: LenderKind,
    name: &str,
    namespace: &str,
    annotation: &'static str,
    list: &str,
    host: &str,
) -> Command {
    let (_, word) = kind_of(kind);
    let list = match list.trim() {
        "" => host.to_owned(),
        list => format!("{list},{host}"),
    };
    Command::kubectl(&["annotate", word])
        .value(name)
        .namespace(namespace)
        .fixed(&["--overwrite"])
        .pair(annotation, &list)
}

fn allow_audience(account: &str, namespace: &str, list: &str) -> Command {
    Command::kubectl(&["annotate", "serviceaccount"])
        .value(account)
        .namespace(namespace)
        .fixed(&["--overwrite"])
        .pair(ALLOWED_AUDIENCES_ANNOTATION, list)
}

impl TrustFinding {
    /// Why, in one word of the documented list.
    pub fn reason(&self) -> Reason {
        use TrustFinding as F;
        match self {
            F::HostNotAllowed { .. } => Reason::HostNotAllowed,
            F::OwnerGone {
                kind: LenderKind::ServiceAccount,
                ..
            }
            | F::AccountNotFound { .. } => Reason::ServiceAccountNotFound,
            F::OwnerGone { .. } => Reason::CredentialsNotFound,
            F::OptedOut { .. } => Reason::CredentialsNotLabelled,
            F::AudienceWithdrawn { .. } | F::AudienceNotAllowed { .. } => {
                Reason::ServiceAccountNotOptedIn
            }
            F::OwnersUnknown { .. } => Reason::ReferenceNotReady,
            F::RefreshTokenOwnersUnknown { .. } => Reason::ReauthorizationRequired,
            F::TooManyOwners { .. } => Reason::ReferenceCycle,
            F::NoCluster { .. } => Reason::ServiceAccountTokenMissing,
            F::AccountsForbidden { .. }
            | F::PermissionMissing { .. }
            | F::FinalizerForbidden { .. } => Reason::PermissionMissing,
        }
    }

    pub(super) fn explain(&self, audience: Audience) -> Explanation {
        use TrustFinding as F;
        match self {
            F::HostNotAllowed {
                kind,
                name,
                what,
                host,
                annotation,
                list,
                unreadable,
                ..
            } => {
                let why = match unreadable {
                    Some(entry) => cannot_be_parsed(*kind, name, what, annotation, entry),
                    None => not_listed(*kind, name, what, annotation, list),
                };
                Explanation::new(
                    text![
                        what.text(*kind, name),
                        " may not be sent to ",
                        host,
                        ": ",
                        why,
                        "."
                    ],
                    self.allow(audience),
                )
            }
            F::OwnerGone {
                kind,
                name,
                namespace,
                resource,
                what,
            } => {
                let (word, _) = kind_of(*kind);
                let create = text!["Create ", word, name, " again, or "];
                Explanation::new(
                    text![
                        what.text(*kind, name),
                        " is not sent: ",
                        word,
                        name,
                        ", with which it was obtained, is gone."
                    ],
                    match what {
                        ProtectedPart::RefreshToken => Remedy::run(
                            text![create, "log in again:"],
                            audience.login(resource, namespace),
                        ),
                        _ => Remedy::advice(text![create, "get a new token without it."]),
                    },
                )
            }
            F::OptedOut {
                name,
                namespace,
                what,
            } => Explanation::new(
                text![
                    what.text(LenderKind::Secret, name),
                    " is not sent: Secret ",
                    name,
                    " lacks the label oauthclient.dev/credentials=true."
                ],
                match audience {
                    Audience::Cluster => Remedy::run(
                        text!["If it may be used again, its owner runs:"],
                        opt_in(name, namespace),
                    ),
                    Audience::Files => Remedy::advice(text![
                        "If it may be used again, put the label into its manifest."
                    ]),
                },
            ),
            F::AudienceWithdrawn {
                name,
                namespace,
                what,
                audience: of,
                list,
            } => Explanation::new(
                text![
                    what.text(LenderKind::ServiceAccount, name),
                    " is not sent: ServiceAccount ",
                    name,
                    " no longer allows tokens for audience ",
                    of,
                    "."
                ],
                Remedy::run(
                    text!["If it may be used again, its owner runs:"],
                    allow_audience(name, namespace, list),
                ),
            ),
            F::OwnersUnknown { .. }
            | F::RefreshTokenOwnersUnknown { .. }
            | F::TooManyOwners { .. } => self.explain_owners(audience),
            _ => self.explain_permissions(),
        }
    }

    /// How the owner allows a host.
    fn allow(&self, audience: Audience) -> Remedy {
        let TrustFinding::HostNotAllowed {
            kind,
            name,
            namespace,
            what,
            host,
            field,
            annotation,
            list,
            ..
        } = self
        else {
            return Remedy::default();
        };
        let again = match what {
            ProtectedPart::RefreshToken => " Then log in again.",
            _ => "",
        };
        match (kind, audience) {
            (LenderKind::TokenSecret, _) if *what == ProtectedPart::Content => {
                Remedy::advice(text![
                    "Correct ",
                    *field,
                    ", or add the host in spec.tokenSecret.annotations."
                ])
            }
            (_, Audience::Cluster) => Remedy::run(
                text!["Correct ", *field, ". If it may go there, its owner runs:"],
                add_host(*kind, name, namespace, annotation, list, host),
            ),
            // The annotation is named already.
            (_, Audience::Files) if *what == ProtectedPart::Content => {
                Remedy::advice(text!["Correct ", *field, ", or add the host there."])
            }
            (_, Audience::Files) => Remedy::advice(text![
                "Correct ",
                *field,
                ", or add the host to ",
                *annotation,
                ".",
                again
            ]),
        }
    }

    fn explain_owners(&self, audience: Audience) -> Explanation {
        use TrustFinding as F;
        match self {
            F::OwnersUnknown { secret, namespace } => Explanation::new(
                text![
                    "Secret ",
                    secret,
                    " does not say with which Secrets its token was obtained, so it is not sent."
                ],
                match audience {
                    Audience::Cluster => Remedy::run(
                        text![
                            "Wait until its OAuthClient has written it again. To see the state of that, run:"
                        ],
                        Command::kubectl(&["get", "oauthclients.oauthclient.dev"])
                            .namespace(namespace),
                    ),
                    Audience::Files => {
                        Remedy::advice(text!["Wait until its OAuthClient has written it again."])
                    }
                },
            ),
            F::RefreshTokenOwnersUnknown {
                resource,
                namespace,
            } => Explanation::new(
                text![
                    "It is not known with which Secrets the refresh token was obtained, so it is not sent."
                ],
                Remedy::run(text!["Log in again:"], audience.login(resource, namespace)),
            ),
            F::TooManyOwners { most } => Explanation::new(
                text![
                    "More than ",
                    most,
                    " Secrets and ServiceAccounts have a part in this token, through a row of token exchanges."
                ],
                Remedy::advice(text!["Exchange fewer tokens for each other."]),
            ),
            _ => Explanation::default(),
        }
    }

    fn explain_permissions(&self) -> Explanation {
        use TrustFinding as F;
        match self {
            F::AccountNotFound { account, namespace } => Explanation::new(
                text![
                    "There is no ServiceAccount ",
                    account,
                    " in namespace ",
                    namespace,
                    "."
                ],
                Remedy::advice(text![
                    "Create it, or name another one in the spec. It is checked every minute."
                ]),
            ),
            F::AudienceNotAllowed {
                account,
                namespace,
                audience,
                list,
            } => Explanation::new(
                text![
                    "ServiceAccount ",
                    account,
                    " does not allow tokens for audience ",
                    audience,
                    " (annotation ",
                    ALLOWED_AUDIENCES_ANNOTATION,
                    ")."
                ],
                Remedy::run(
                    text!["If you own it and want to allow this, run:"],
                    allow_audience(account, namespace, list),
                ),
            ),
            F::NoCluster {
                account,
                namespace,
                audience,
            } => Explanation::new(
                text![
                    "A token of ServiceAccount ",
                    account,
                    " needs a Kubernetes cluster, and there is none here."
                ],
                Remedy::run(
                    text![
                        "Pass a file that is kept up to date: --service-account-token-file ",
                        account,
                        "=PATH. This creates one:"
                    ],
                    Command::kubectl(&["create", "token"])
                        .value(account)
                        .namespace(namespace)
                        .fixed(&["--audience"])
                        .value(audience),
                ),
            ),
            F::AccountsForbidden { namespace } => Explanation::new(
                text![
                    "The operator may not create tokens of ServiceAccounts in namespace ",
                    namespace,
                    ", which is optional."
                ],
                Remedy::run(
                    text![
                        "Ask its administrator to apply deploy/service-account-tokens, or for this namespace only, to run:"
                    ],
                    Command::kubectl(&["apply"])
                        .namespace(namespace)
                        .fixed(&["-k", "deploy/service-account-tokens/namespaced"]),
                ),
            ),
            F::PermissionMissing { right, namespace } => Explanation::new(
                text![
                    "The operator lacks the permission to ",
                    right,
                    " in namespace ",
                    namespace,
                    ", so no token is requested."
                ],
                Remedy::run(
                    text![
                        "Ask its administrator to apply its roles (kubectl apply -k deploy/). To check, run:"
                    ],
                    Command::can_i(right, namespace),
                ),
            ),
            F::FinalizerForbidden { namespace } => Explanation::new(
                text![
                    "The operator may not change the finalizers of this resource (spec.revocation.onDeletion), so no token is requested."
                ],
                Remedy::run(
                    text!["Check the Role of the operator:"],
                    Command::can_i("patch oauthclients.oauthclient.dev", namespace),
                ),
            ),
            _ => Explanation::default(),
        }
    }
}
