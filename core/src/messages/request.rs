//! Requests that gave no token.

use crate::command::Command;
use crate::conditions::Reason;
use crate::names::RETRY_REQUESTED;
use crate::oauth::Client;
use crate::oauth::error::TokenError;
use crate::oauth::send_error::{Peer, SendError};
use crate::schedule::UnusableLifetime;
use crate::time::{Span, Time};

use super::catalogue::{Example, Values, catalogue};
use super::not_answered;
use super::text::{Text, text};
use super::{Audience, ErrorResponse, Explanation, NoDocument, Remedy, Unacceptable, WriteRefusal};

catalogue! {
    /// Why a request gave no token that can be published.
    pub enum RequestFinding {
        /// The server answered without a token.
        Answered {
            /// The server.
            peer: Peer,
            /// What it answered.
            response: ErrorResponse,
        },
        /// There was no answer, or it could not be read.
        NotAnswered {
            /// Why.
            error: SendError,
            /// The server.
            peer: Peer,
        },
        /// The issuer's document could not be read.
        DocumentNotRead {
            /// The issuer.
            issuer: String,
            /// Why.
            error: SendError,
        },
        /// The issuer's document cannot be used.
        NoDocument {
            /// The issuer.
            issuer: String,
            /// Where the document would be.
            document: String,
            /// What is wrong.
            why: NoDocument,
        },
        /// No issuer is configured.
        NoIssuer,
        /// A secret in the request may not be sent to its destination.
        NotAuthorized,
        /// No token of a `ServiceAccount` could be created.
        AccountTokenFailed {
            /// The `ServiceAccount`.
            account: String,
            /// Why.
            why: String,
        },
        /// The Kubernetes API itself accepts such a token.
        AudienceRefused {
            /// The `ServiceAccount`.
            account: String,
            /// The audience.
            audience: String,
        },
        /// The lifetime of the token cannot be used.
        Lifetime {
            /// How long ago the token expired; `None` for a negative lifetime.
            past: Option<Span>,
        },
        /// A template could not be rendered.
        Template {
            /// Which one, and why.
            problem: String,
            /// Whether it is larger than a Secret may be.
            too_large: bool,
        },
        /// Kubernetes refuses the token Secret.
        NotWritten {
            /// The Secret.
            secret: String,
            /// Its namespace.
            namespace: String,
            /// The resource.
            resource: String,
            /// Why.
            why: NotPublished,
        },
        /// A credential was refused before, in a request of this or of another resource.
        RefusedBefore {
            /// What was refused.
            what: RefusedCredential,
            /// Who refused it.
            host: String,
            /// When.
            time: Time,
            /// Why.
            reason: Reason,
            /// The Secret that holds it.
            secret: String,
            /// Its namespace.
            namespace: String,
            /// The resource.
            resource: String,
        },
        /// A refresh token that a person provided was refused, and the previous one is used.
        NewRefreshTokenRefused {
            /// The Secret that holds it.
            secret: String,
            /// Its key there.
            key: String,
            /// Whether the provider refused it; otherwise it is unknown whether it was used.
            refused: bool,
            /// The resource.
            resource: String,
            /// Its namespace.
            namespace: String,
        },
        /// The refresh token does not work any more, and the password is sent instead.
        PasswordAgain {
            /// Why.
            reason: Reason,
        },
    }
}

catalogue! {
    /// Why a token Secret is not accepted.
    pub enum NotPublished {
        /// What is known before it is written.
        Content {
            /// Why.
            why: Unacceptable,
        },
        /// What the server said.
        Refused {
            /// By whom.
            why: WriteRefusal,
        },
    }
}

catalogue! {
    /// A credential that was refused before.
    pub enum RefusedCredential {
        /// User name and password.
        Password,
        /// A refresh token.
        RefreshToken,
        /// A client secret.
        ClientSecret,
    }
}

catalogue! {
    /// What follows a failure, beside when the request is repeated.
    pub enum FollowUp {
        /// The refresh token of the response was stored.
        RefreshTokenStored,
        /// The refresh token is sent once more to confirm the refusal.
        Confirm,
        /// The refresh token is sent once more, because it is unknown whether it was used.
        OnceMore,
        /// The other client secret is tried.
        OtherSecret {
            /// The key of the other one.
            other: String,
        },
        /// Both client secrets were refused.
        BothSecrets,
    }
}

impl FollowUp {
    /// As a sentence.
    pub fn text(&self) -> Text {
        match self {
            FollowUp::RefreshTokenStored => {
                text!["Its refresh token was stored."]
            }
            FollowUp::Confirm => text!["That is confirmed by one more request."],
            FollowUp::OnceMore => {
                text!["The refresh token is sent once more."]
            }
            FollowUp::OtherSecret { other } => {
                text!["Key ", other, " is tried next, once."]
            }
            FollowUp::BothSecrets => text!["Both client secrets were refused."],
        }
    }
}

impl Example for Reason {
    fn examples(_: &str, _: Values) -> Vec<Reason> {
        vec![Reason::InvalidGrant]
    }
}

impl RequestFinding {
    /// The failure in an answer of the token endpoint, with the next step for what this client sends.
    pub fn answered(error: &TokenError, client: &Client) -> RequestFinding {
        RequestFinding::answered_by(Peer::TOKEN_ENDPOINT, error, client)
    }

    /// The same for an answer of another server.
    pub fn answered_by(peer: Peer, error: &TokenError, client: &Client) -> RequestFinding {
        RequestFinding::Answered {
            peer,
            response: ErrorResponse::of(error, client),
        }
    }

    /// A lifetime that cannot be used.
    pub fn lifetime(problem: &UnusableLifetime) -> RequestFinding {
        RequestFinding::Lifetime {
            past: match problem {
                UnusableLifetime::Negative => None,
                UnusableLifetime::AlreadyPast { by } => Some(*by),
            },
        }
    }

    /// Why, in one word of the documented list.
    pub fn reason(&self) -> Reason {
        use RequestFinding as F;
        match self {
            F::Answered { response, .. } => response.reason,
            F::RefusedBefore { reason, .. } | F::PasswordAgain { reason } => *reason,
            F::Template {
                too_large: true, ..
            } => Reason::SecretTooLarge,
            F::Template { .. } => Reason::RenderFailed,
            F::NoDocument { why, .. } => match why {
                NoDocument::OtherIssuer { .. } => Reason::IssuerMismatch,
                NoDocument::NotOne { .. } => Reason::DiscoveryDocumentInvalid,
                _ => Reason::DiscoveryFailed,
            },
            F::NotAnswered { error, .. } => not_answered::reason(error),
            // These depend on the administrator's settings and always have their own reason.
            F::DocumentNotRead { error, .. } => match not_answered::reason(error) {
                reason @ (Reason::AddressRefused | Reason::HTTPNotAllowed | Reason::CAInvalid) => {
                    reason
                }
                _ => Reason::DiscoveryFailed,
            },
            F::NoIssuer => Reason::InvalidSpec,
            F::NotAuthorized => Reason::HostNotAllowed,
            F::AccountTokenFailed { .. } => Reason::ServiceAccountTokenFailed,
            F::AudienceRefused { .. } => Reason::AudienceRefused,
            F::Lifetime { .. } => Reason::UnusableResponse,
            F::NotWritten { .. } => Reason::WriteRefused,
            F::NewRefreshTokenRefused { .. } => Reason::NewRefreshTokenRefused,
        }
    }

    pub(super) fn explain(&self, audience: Audience) -> Explanation {
        use RequestFinding as F;
        match self {
            F::Answered { peer, response } => response.explain(peer.name),
            F::NotAnswered { error, peer } => not_answered::explain(error, peer),
            F::DocumentNotRead { issuer, error } => Explanation::new(
                text![
                    "No document of ",
                    issuer,
                    ". ",
                    not_answered::happened(error, &Peer::ISSUER)
                ],
                Remedy::advice(not_answered::advice(error, &Peer::ISSUER)),
            ),
            F::NoDocument {
                issuer,
                document,
                why,
            } => why.explain(issuer, document),
            F::NoIssuer => Explanation::new(
                text!["spec.provider names no issuer."],
                Remedy::advice(text!["Set spec.provider.issuerURL."]),
            ),
            F::NotAuthorized => Explanation::new(
                text!["The owner of a secret in the request does not allow it to be sent there."],
                Remedy::advice(text!["Correct the URL in spec.provider."]),
            ),
            F::AccountTokenFailed { account, why } => Explanation::new(
                text![
                    "No token of ServiceAccount ",
                    account,
                    " could be created: ",
                    why,
                    "."
                ],
                Remedy::advice(text!["The operator retries."]),
            ),
            F::AudienceRefused { account, audience } => Explanation::new(
                text![
                    "The Kubernetes API itself accepts tokens of ServiceAccount ",
                    account,
                    " for audience ",
                    audience,
                    "."
                ],
                Remedy::advice(text![
                    "Set serviceAccountToken.audience to what the provider requires."
                ]),
            ),
            F::Lifetime { past } => Explanation::new(
                match past {
                    None => text!["The token has a negative lifetime and was not published."],
                    Some(by) => text![
                        "The token had expired ",
                        by,
                        " before its response was complete."
                    ],
                },
                Remedy::advice(text![
                    "Check the provider's clock, and spec.response.expiry."
                ]),
            ),
            F::Template { problem, .. } => Explanation::new(
                text!["The token could not be written: ", problem, "."],
                Remedy::advice(text!["Correct spec.tokenSecret.data."]),
            ),
            F::NotWritten {
                secret,
                namespace,
                resource,
                why,
            } => not_written(secret, (resource, namespace), why, audience),
            F::RefusedBefore {
                what,
                host,
                time,
                secret,
                namespace,
                resource,
                ..
            } => Explanation::new(
                text![
                    host,
                    " refused this ",
                    what.name(),
                    " at ",
                    time,
                    ", so no resource sends it."
                ],
                what.remedy(secret, (resource, namespace), audience),
            ),
            F::NewRefreshTokenRefused {
                secret,
                key,
                refused,
                resource,
                namespace,
            } => {
                let what = match refused {
                    true => "was refused, and the previous one is used",
                    false => "was sent twice without a response, and the previous one is used",
                };
                Explanation::new(
                    text![
                        "The new refresh token under ",
                        key,
                        " in Secret ",
                        secret,
                        " ",
                        what,
                        "."
                    ],
                    Remedy::run(
                        text!["Put another one there, or run:"],
                        audience.login(resource, namespace),
                    ),
                )
            }
            F::PasswordAgain { .. } => Explanation::new(
                text!["The provider no longer accepts the refresh token."],
                Remedy::advice(text!["The operator sends user name and password again."]),
            ),
        }
    }
}

/// Kubernetes refuses the token Secret of this resource, in this namespace.
fn not_written(
    secret: &String,
    (resource, namespace): (&String, &String),
    why: &NotPublished,
    audience: Audience,
) -> Explanation {
    let why = match why {
        NotPublished::Content { why } => why.text(),
        NotPublished::Refused { why } => why.text(),
    };
    Explanation::new(
        text!["Secret ", secret, " could not be written: ", why, "."],
        match audience {
            Audience::Cluster => Remedy::run(
                text!["Change spec.tokenSecret or what refuses it, and run:"],
                Command::kubectl(&["oauthclient", "refresh"])
                    .value(resource)
                    .namespace(namespace),
            ),
            Audience::Files => Remedy::advice(text!["Change spec.tokenSecret."]),
        },
    )
}

impl RefusedCredential {
    fn name(&self) -> &'static str {
        match self {
            RefusedCredential::Password => "user name and password",
            RefusedCredential::RefreshToken => "refresh token",
            RefusedCredential::ClientSecret => "client secret",
        }
    }

    /// How it is replaced, or allowed to be sent again.
    fn remedy(
        &self,
        secret: &String,
        (resource, namespace): (&String, &String),
        audience: Audience,
    ) -> Remedy {
        let allow = match self {
            RefusedCredential::RefreshToken => {
                return Remedy::run(text!["Log in again:"], audience.login(resource, namespace));
            }
            RefusedCredential::Password => "To allow one more attempt",
            RefusedCredential::ClientSecret => "To allow an attempt at once",
        };
        match audience {
            Audience::Cluster => Remedy::run(
                text!["Correct Secret ", secret, ". ", allow, ", its owner runs:"],
                Command::kubectl(&["annotate", "secret"])
                    .value(secret)
                    .namespace(namespace)
                    .fixed(&["--overwrite"])
                    .now(RETRY_REQUESTED),
            ),
            Audience::Files => Remedy::advice(text![
                "Correct Secret ",
                secret,
                ", or change ",
                RETRY_REQUESTED,
                " there."
            ]),
        }
    }
}
