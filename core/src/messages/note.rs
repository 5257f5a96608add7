//! What is said of a token that is valid, beside until when.

use crate::time::{Span, Time};

use super::catalogue::catalogue;
use super::text::{Text, text};
use super::{ExpiryFinding, Message};

catalogue! {
    /// A remark about a token that is valid.
    pub enum Note {
        /// Its lifetime is shorter than mounted volumes need.
        LifetimeTooShort,
        /// The response has no lifetime.
        LifetimeAssumed,
        /// The lead time in the spec does not fit the lifetime.
        LeadTimeLimited {
            /// The one that is used; `None` if it may differ from token to token.
            lead: Option<Span>,
        },
        /// The provider accepted the second client secret.
        NextSecretUsed {
            /// Its key.
            key: String,
        },
        /// A refresh token that a person provided was refused.
        NewRefreshTokenRefused {
            /// The Secret that holds it.
            secret: String,
            /// Its key there.
            key: String,
            /// Whether the provider refused it; otherwise it is unknown whether it was used.
            refused: bool,
        },
        /// A credential expires.
        Expiry {
            /// Which, and when.
            finding: ExpiryFinding,
        },
    }
}

impl Note {
    /// As sentences.
    pub fn text(&self) -> Text {
        match self {
            Note::LifetimeTooShort => text![
                "Its lifetime is shorter than the time that a mounted Secret needs to update (up to 90 s): let workloads read it through the API, or ask the provider for a longer lifetime."
            ],
            Note::LifetimeAssumed => text![
                "The response has no expires_in, so spec.refresh.assumedLifetimeSeconds is used."
            ],
            Note::LeadTimeLimited { lead } => {
                let used = match lead {
                    Some(lead) => text![lead],
                    None => text!["the nearest that fits"],
                };
                text![
                    "The lead time in spec.refresh does not fit the lifetime; ",
                    used,
                    " is used."
                ]
            }
            Note::NextSecretUsed { key } => text![
                "The provider accepted the client secret under key ",
                key,
                " of the credentials Secret, and it is used first. Put it in the place of the old one when that is no longer needed."
            ],
            Note::NewRefreshTokenRefused {
                secret,
                key,
                refused,
            } => {
                let what = match refused {
                    true => "was refused by the provider",
                    false => "was sent twice without a response",
                };
                text![
                    "The new refresh token under ",
                    key,
                    " in Secret ",
                    secret,
                    " ",
                    what,
                    ". It is not sent again until it, the spec or the client's credentials change; the previous one is used. Put another one there, or log in."
                ]
            }
            Note::Expiry { finding } => finding.note(),
        }
    }

    /// Accepted deviations of a response, as they are stored with its token.
    pub fn of_response(remarks: &str) -> Text {
        Text::own(remarks)
    }
}

/// The message of a token that is valid. It has no second and third part, because nothing is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Valid {
    /// With its times.
    Until {
        /// The token Secret.
        secret: String,
        /// When it expires.
        expires: Time,
        /// When it is replaced.
        refresh: Time,
    },
    /// With its end, while `spec.suspend` is true.
    Suspended {
        /// The token Secret.
        secret: String,
        /// When it expires, where the status shows times.
        expires: Option<Time>,
    },
    /// Without times.
    Somehow {
        /// The token Secret.
        secret: String,
    },
}

impl Valid {
    /// As a message.
    pub fn message(&self) -> Message {
        let suspended = "spec.suspend is true: it is not replaced until that is false.";
        Message::of(match self {
            Valid::Until {
                secret,
                expires,
                refresh,
            } => text![
                "Secret ",
                secret,
                " holds a token that is valid until ",
                expires,
                "; it is replaced at ",
                refresh,
                "."
            ],
            Valid::Suspended {
                secret,
                expires: Some(expires),
            } => text![
                "Secret ",
                secret,
                " holds a token that is valid until ",
                expires,
                ". ",
                suspended
            ],
            Valid::Suspended {
                secret,
                expires: None,
            } => {
                text!["Secret ", secret, " holds a valid token. ", suspended]
            }
            Valid::Somehow { secret } => text!["Secret ", secret, " holds a valid token."],
        })
    }
}
