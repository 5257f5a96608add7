//! What a request is made with: credentials, client certificate, CA bundle, refresh token.

use crate::command::Command;
use crate::conditions::Reason;
use crate::names::DISCLOSED_KEYS_ANNOTATION;
use crate::oauth::CredentialsProblem;
use crate::oauth::error::ProviderCode;
use crate::time::Time;

use super::catalogue::{Example, Values, catalogue};
use super::text::{Text, text};
use super::{Audience, Explanation, Remedy};

catalogue! {
    /// What is missing or wrong of what a request is made with.
    pub enum CredentialsFinding {
        /// The credentials Secret does not exist.
        NotFound {
            /// The Secret.
            secret: String,
            /// Its namespace.
            namespace: String,
        },
        /// A Secret is not labelled, so it is not used.
        NotLabelled {
            /// The Secret.
            secret: String,
            /// Its namespace.
            namespace: String,
        },
        /// A value of the Secret is missing or cannot be used.
        Unusable {
            /// The Secret.
            secret: String,
            /// What is wrong.
            problem: CredentialsProblem,
        },
        /// A template uses a key that the owner of the Secret does not disclose.
        NotDisclosed {
            /// The Secret.
            secret: String,
            /// Its namespace.
            namespace: String,
            /// The key.
            key: String,
            /// The name in the template.
            name: String,
            /// The keys that are disclosed, with this one.
            list: String,
        },
        /// A template publishes a key of the user's own.
        OwnDpopKey {
            /// The Secret.
            secret: String,
            /// The variable in the template.
            name: String,
        },
        /// The Secret with the client certificate does not exist.
        CertificateNotFound {
            /// The Secret.
            secret: String,
            /// Its namespace.
            namespace: String,
        },
        /// The client certificate cannot be used.
        CertificateUnusable {
            /// The Secret.
            secret: String,
            /// Its namespace.
            namespace: String,
            /// Whether a key is missing.
            missing: bool,
            /// What is wrong.
            problem: String,
        },
        /// The client certificate has expired.
        CertificateExpired {
            /// The Secret.
            secret: String,
            /// Its namespace.
            namespace: String,
            /// When.
            at: Time,
        },
        /// The client certificate is not valid yet.
        CertificateNotYetValid {
            /// The Secret.
            secret: String,
            /// From when on it is valid.
            from: Time,
        },
        /// The `ConfigMap` with the CA bundle does not exist.
        CaNotFound {
            /// The `ConfigMap`.
            config_map: String,
            /// Its namespace.
            namespace: String,
            /// The key.
            key: String,
        },
        /// The `ConfigMap` lacks the key.
        CaKeyMissing {
            /// The `ConfigMap`.
            config_map: String,
            /// Its namespace.
            namespace: String,
            /// The key.
            key: String,
        },
        /// The CA bundle cannot be used.
        CaInvalid {
            /// The `ConfigMap`.
            config_map: String,
            /// The key.
            key: String,
            /// What is wrong.
            problem: String,
        },
        /// There is no refresh token yet.
        AwaitingLogin {
            /// The resource.
            resource: String,
            /// Its namespace.
            namespace: String,
            /// The credentials Secret, if there is one.
            secret: Option<String>,
            /// The key of the refresh token there.
            key: String,
        },
        /// The provider refused the refresh token, or it is not known whether it was used.
        Reauthorize {
            /// The resource.
            resource: String,
            /// Its namespace.
            namespace: String,
            /// Whether the provider has refused it.
            refused: bool,
            /// The provider's code.
            code: Option<ProviderCode>,
        },
    }
}

impl Example for ProviderCode {
    fn examples(_: &str, values: Values) -> Vec<ProviderCode> {
        let (code, place) = match values {
            Values::Names => ("CODE".to_owned(), "/error".to_owned()),
            Values::Long | Values::Hostile => ("x".repeat(64), format!("/{}", "y".repeat(127))),
        };
        vec![ProviderCode::mapped(&code, &place)]
    }
}

fn describe_certificates(namespace: &str) -> Command {
    Command::kubectl(&["describe", "certificate"]).namespace(namespace)
}

/// What to do about a certificate that cert-manager may issue.
fn renew(advice: &'static str, namespace: &str, audience: Audience) -> Remedy {
    match audience {
        Audience::Cluster => Remedy::run(
            text![advice, " If cert-manager issues it, run:"],
            describe_certificates(namespace),
        ),
        Audience::Files => Remedy::advice(text![advice]),
    }
}

impl CredentialsFinding {
    /// Why, in one word of the documented list.
    pub fn reason(&self) -> Reason {
        use CredentialsFinding as F;
        match self {
            F::NotFound { .. } | F::CertificateNotFound { .. } => Reason::CredentialsNotFound,
            F::NotLabelled { .. } => Reason::CredentialsNotLabelled,
            F::Unusable {
                problem: CredentialsProblem::Missing { .. },
                ..
            }
            | F::CertificateUnusable { missing: true, .. } => Reason::CredentialsKeyMissing,
            F::Unusable { .. } => Reason::CredentialsKeyInvalid,
            F::NotDisclosed { .. } | F::OwnDpopKey { .. } => Reason::CredentialsKeyNotDisclosed,
            F::CertificateUnusable { .. } => Reason::ClientCertificateInvalid,
            F::CertificateExpired { .. } => Reason::ClientCertificateExpired,
            F::CertificateNotYetValid { .. } => Reason::ClientCertificateNotYetValid,
            F::CaNotFound { .. } | F::CaKeyMissing { .. } => Reason::CANotFound,
            F::CaInvalid { .. } => Reason::CAInvalid,
            F::AwaitingLogin { .. } => Reason::AwaitingLogin,
            F::Reauthorize { .. } => Reason::ReauthorizationRequired,
        }
    }

    pub(super) fn explain(&self, audience: Audience) -> Explanation {
        use CredentialsFinding as F;
        match self {
            F::NotFound { secret, namespace } => Explanation::new(
                text![
                    "There is no Secret ",
                    secret,
                    " in namespace ",
                    namespace,
                    " (spec.credentials.secretName)."
                ],
                Remedy::advice(text![
                    "Create it with the credentials and the label oauthclient.dev/credentials=true. It is used at once."
                ]),
            ),
            F::NotLabelled { secret, namespace } => Explanation::new(
                text![
                    "Secret ",
                    secret,
                    " lacks the label oauthclient.dev/credentials=true."
                ],
                match audience {
                    Audience::Cluster => Remedy::run(
                        text!["If you own it and want it sent to this provider, run:"],
                        opt_in(secret, namespace),
                    ),
                    Audience::Files => Remedy::advice(text![
                        "If you own it and want it sent to this provider, put the label oauthclient.dev/credentials: \"true\" into its manifest."
                    ]),
                },
            ),
            F::Unusable { secret, problem } => {
                let (problem, advice) = of_credentials(problem);
                Explanation::new(
                    text!["In Secret ", secret, ", ", problem, "."],
                    Remedy::advice(text![advice]),
                )
            }
            F::NotDisclosed {
                secret,
                namespace,
                key,
                name,
                list,
            } => Explanation::new(
                text![
                    "A template uses credentials.",
                    name,
                    ", but the owner of Secret ",
                    secret,
                    " does not disclose its key ",
                    key,
                    "."
                ],
                match audience {
                    Audience::Cluster => Remedy::run(
                        text!["Remove it from the template. If it is not secret, its owner runs:"],
                        Command::kubectl(&["annotate", "secret"])
                            .value(secret)
                            .namespace(namespace)
                            .fixed(&["--overwrite"])
                            .pair(DISCLOSED_KEYS_ANNOTATION, list),
                    ),
                    Audience::Files => Remedy::advice(text![
                        "Remove it, or add the key to oauthclient.dev/disclosed-keys in its manifest."
                    ]),
                },
            ),
            F::OwnDpopKey { secret, name } => Explanation::new(
                text![
                    "A template uses ",
                    name,
                    ", but the key is your own: Secret ",
                    secret,
                    " holds it under dpop_key, and the operator does not copy it."
                ],
                Remedy::advice(text![
                    "Mount it from there, or remove dpop_key from the Secret to have a key generated."
                ]),
            ),
            F::AwaitingLogin { .. } | F::Reauthorize { .. } => self.explain_login(audience),
            _ => self.explain_certificates(audience),
        }
    }

    fn explain_certificates(&self, audience: Audience) -> Explanation {
        use CredentialsFinding as F;
        match self {
            F::CertificateNotFound { secret, namespace } => Explanation::new(
                text![
                    "There is no Secret ",
                    secret,
                    " in namespace ",
                    namespace,
                    " with the client certificate."
                ],
                renew(
                    "Create it with tls.crt, tls.key and the label oauthclient.dev/credentials=true.",
                    namespace,
                    audience,
                ),
            ),
            F::CertificateUnusable {
                secret,
                namespace,
                problem,
                ..
            } => Explanation::new(
                text![
                    "The client certificate in Secret ",
                    secret,
                    " cannot be used, so nothing is sent: ",
                    problem,
                    "."
                ],
                match audience {
                    Audience::Cluster => Remedy::run(
                        text!["Correct it; it is used at once. To see its keys, run:"],
                        Command::kubectl(&["describe", "secret"])
                            .value(secret)
                            .namespace(namespace),
                    ),
                    Audience::Files => {
                        Remedy::advice(text!["Correct its manifest; it is used at once."])
                    }
                },
            ),
            F::CertificateExpired {
                secret,
                namespace,
                at,
            } => Explanation::new(
                text![
                    "The client certificate in Secret ",
                    secret,
                    " expired at ",
                    at,
                    ", so nothing is sent."
                ],
                renew("Renew it; a new one is used at once.", namespace, audience),
            ),
            F::CertificateNotYetValid { secret, from } => Explanation::new(
                text![
                    "The client certificate in Secret ",
                    secret,
                    " is not valid before ",
                    from,
                    ", and is used from then on."
                ],
                Remedy::advice(text![
                    "If that is not intended, check the clock of the node."
                ]),
            ),
            F::CaNotFound {
                config_map,
                namespace,
                key,
            } => Explanation::new(
                text![
                    "There is no ConfigMap ",
                    config_map,
                    " in namespace ",
                    namespace,
                    " (spec.provider.caBundle)."
                ],
                Remedy::advice(text![
                    "Create it with PEM certificates under the key ",
                    key,
                    ". It is checked every minute."
                ]),
            ),
            F::CaKeyMissing {
                config_map,
                namespace,
                key,
            } => Explanation::new(
                text![
                    "ConfigMap ",
                    config_map,
                    " in namespace ",
                    namespace,
                    " has no key ",
                    key,
                    " (spec.provider.caBundle)."
                ],
                Remedy::advice(text![
                    "Add it, or name another key. It is checked every minute."
                ]),
            ),
            F::CaInvalid {
                config_map,
                key,
                problem,
            } => Explanation::new(
                text![
                    "Key ",
                    key,
                    " of ConfigMap ",
                    config_map,
                    " is not a CA bundle: ",
                    problem,
                    "."
                ],
                Remedy::advice(text![
                    "Put PEM certificates there. It is checked every minute."
                ]),
            ),
            _ => Explanation::default(),
        }
    }

    fn explain_login(&self, audience: Audience) -> Explanation {
        use CredentialsFinding as F;
        match self {
            F::AwaitingLogin {
                resource,
                namespace,
                secret,
                key,
            } => {
                let instead = match secret {
                    Some(secret) => {
                        text!["Put one under ", key, " into Secret ", secret, ", or run:"]
                    }
                    None => text!["To get one, run:"],
                };
                Explanation::new(
                    text!["There is no refresh token yet."],
                    Remedy::run(instead, audience.login(resource, namespace)),
                )
            }
            F::Reauthorize {
                resource,
                namespace,
                refused,
                code,
            } => {
                let happened = match (refused, code) {
                    (true, Some(code)) => {
                        text![
                            "The provider refused the refresh token with ",
                            code_text(code),
                            ": it has expired, was revoked, or was used elsewhere."
                        ]
                    }
                    (true, None) => {
                        text![
                            "The provider refused the refresh token: it has expired, was revoked, or was used elsewhere."
                        ]
                    }
                    (false, _) => {
                        text![
                            "A refresh token was sent twice without a response. It is not sent again, because that can revoke all tokens."
                        ]
                    }
                };
                Explanation::new(
                    happened,
                    Remedy::run(
                        text!["Put a new one into the credentials Secret (refresh_token), or run:"],
                        audience.login(resource, namespace),
                    ),
                )
            }
            _ => Explanation::default(),
        }
    }
}

/// The command with which the owner of a Secret opts in.
pub(super) fn opt_in(secret: &str, namespace: &str) -> Command {
    Command::kubectl(&["label", "secret"])
        .value(secret)
        .namespace(namespace)
        .fixed(&["oauthclient.dev/credentials=true"])
}

/// A provider's code, as a value.
pub(super) fn code_text(code: &ProviderCode) -> Text {
    text![code.to_string()]
}

/// What is wrong with a value of a Secret, and what to do.
fn of_credentials(problem: &CredentialsProblem) -> (Text, &'static str) {
    use CredentialsProblem as P;
    let used_at_once = "A change takes effect at once.";
    match problem {
        P::Missing { key } => (
            text!["key \"", key, "\" is missing"],
            "Add it, or name the right key in the spec. A change takes effect at once.",
        ),
        P::Empty { key } => (
            text!["key \"", key, "\" is empty"],
            "Give it a value, or remove it if it is not needed. A change takes effect at once.",
        ),
        P::NotText { key } => (
            text!["key \"", key, "\" is not text (UTF-8)"],
            "Check whether it is the right file, and not decoded once too often.",
        ),
        P::TooLong { key } => (
            text![
                "key \"",
                key,
                "\" is too long: all values of a request may have 256 KiB together"
            ],
            used_at_once,
        ),
        P::Control { key } => (
            text![
                "key \"",
                key,
                "\" holds a control character, such as a line break in the middle"
            ],
            "Write the value as one line. A change takes effect at once.",
        ),
        P::Colon { key } => (
            text![
                "key \"",
                key,
                "\", the client id, holds a colon, which raw Basic cannot send"
            ],
            "Set the form-encoded Basic, or client_secret_post, in spec.clientAuthentication.",
        ),
        P::Key { key, problem } => (
            text!["key \"", key, "\" ", Text::own(problem)],
            used_at_once,
        ),
        P::NoToken => (
            text!["nothing is wrong: a token that the request needs is not there yet"],
            "Wait.",
        ),
        P::Name(problem) => (text![problem.to_string()], "Correct the spec."),
        P::NotLocated => (
            text!["nothing is wrong: the token endpoint is not known yet"],
            "Wait.",
        ),
    }
}

impl Example for CredentialsProblem {
    fn examples(field: &str, values: Values) -> Vec<CredentialsProblem> {
        use crate::oauth::jwt::KeyProblem;
        use CredentialsProblem as P;
        let keys = String::examples(field, values);
        let of = |key: String| {
            let mut all: Vec<CredentialsProblem> = KeyProblem::ALL
                .iter()
                .map(|problem| P::Key {
                    key: key.clone(),
                    problem: *problem,
                })
                .collect();
            all.extend([
                P::Missing { key: key.clone() },
                P::Empty { key: key.clone() },
                P::NotText { key: key.clone() },
                P::TooLong { key: key.clone() },
                P::Control { key: key.clone() },
                P::Colon { key },
            ]);
            all
        };
        keys.into_iter().flat_map(of).collect()
    }
}
