//! Credentials that expire.

use crate::command::Command;
use crate::conditions::Reason;
use crate::names::CLIENT_SECRET_EXPIRES;
use crate::time::Time;

use super::catalogue::catalogue;
use super::text::{Text, text};
use super::{Audience, Explanation, Remedy};

catalogue! {
    /// A credential that expires.
    pub enum ExpiryFinding {
        /// A client certificate expires soon.
        CertificateExpiresSoon {
            /// The Secret.
            secret: String,
            /// Its namespace.
            namespace: String,
            /// When.
            at: Time,
        },
        /// A client certificate has expired.
        CertificateExpired {
            /// The Secret.
            secret: String,
            /// Its namespace.
            namespace: String,
            /// When.
            at: Time,
        },
        /// A client secret expires soon.
        ClientSecretExpiresSoon {
            /// The Secret.
            secret: String,
            /// Its namespace.
            namespace: String,
            /// When.
            at: Time,
        },
        /// A client secret has expired.
        ClientSecretExpired {
            /// The Secret.
            secret: String,
            /// Its namespace.
            namespace: String,
            /// When.
            at: Time,
        },
        /// The recorded end of a client secret is not a time.
        ClientSecretExpiryUnknown {
            /// The Secret.
            secret: String,
            /// Its namespace.
            namespace: String,
        },
    }
}

impl ExpiryFinding {
    /// Why, in one word of the documented list.
    pub fn reason(&self) -> Reason {
        use ExpiryFinding as F;
        match self {
            F::CertificateExpiresSoon { .. } => Reason::ClientCertificateExpiresSoon,
            F::CertificateExpired { .. } => Reason::ClientCertificateExpired,
            F::ClientSecretExpiresSoon { .. } => Reason::ClientSecretExpiresSoon,
            F::ClientSecretExpired { .. } => Reason::ClientSecretExpired,
            F::ClientSecretExpiryUnknown { .. } => Reason::ClientSecretExpiryUnknown,
        }
    }

    pub(super) fn explain(&self, audience: Audience) -> Explanation {
        use ExpiryFinding as F;
        let (happened, advice) = self.parts();
        if audience == Audience::Files {
            return Explanation::new(happened, Remedy::advice(text![advice]));
        }
        let run = match self {
            F::CertificateExpiresSoon { .. } | F::CertificateExpired { .. } => {
                " If cert-manager issues it, run:"
            }
            _ => " To correct the date, run:",
        };
        Explanation::new(happened, Remedy::run(text![advice, run], self.command()))
    }

    /// As a remark in another message.
    pub(super) fn note(&self) -> Text {
        let (happened, advice) = self.parts();
        text![happened, " ", advice]
    }

    fn command(&self) -> Command {
        use ExpiryFinding as F;
        match self {
            F::CertificateExpiresSoon { namespace, .. }
            | F::CertificateExpired { namespace, .. } => {
                Command::kubectl(&["describe", "certificate"]).namespace(namespace)
            }
            F::ClientSecretExpiresSoon {
                secret, namespace, ..
            }
            | F::ClientSecretExpired {
                secret, namespace, ..
            }
            | F::ClientSecretExpiryUnknown { secret, namespace } => {
                Command::kubectl(&["annotate", "secret"])
                    .value(secret)
                    .namespace(namespace)
                    .fixed(&["--overwrite"])
                    .pair(CLIENT_SECRET_EXPIRES, "DATE")
            }
        }
    }

    fn parts(&self) -> (Text, &'static str) {
        use ExpiryFinding as F;
        let new_secret = "Get a new one from the provider, and put it into the Secret.";
        match self {
            F::CertificateExpiresSoon { secret, at, .. } => (
                text![
                    "The client certificate in Secret ",
                    secret,
                    " expires at ",
                    at,
                    "."
                ],
                "Renew it there; a new one is used from the next request on.",
            ),
            F::CertificateExpired { secret, at, .. } => (
                text![
                    "The client certificate in Secret ",
                    secret,
                    " expired at ",
                    at,
                    "."
                ],
                "Renew it there.",
            ),
            F::ClientSecretExpiresSoon { secret, at, .. } => (
                text![
                    "The client secret in Secret ",
                    secret,
                    " expires at ",
                    at,
                    ", as its annotation ",
                    CLIENT_SECRET_EXPIRES,
                    " says."
                ],
                new_secret,
            ),
            F::ClientSecretExpired { secret, at, .. } => (
                text![
                    "The client secret in Secret ",
                    secret,
                    " expired at ",
                    at,
                    ", as its annotation ",
                    CLIENT_SECRET_EXPIRES,
                    " says."
                ],
                new_secret,
            ),
            F::ClientSecretExpiryUnknown { secret, .. } => (
                text![
                    "The annotation ",
                    CLIENT_SECRET_EXPIRES,
                    " of Secret ",
                    secret,
                    " is neither a date (2027-01-31) nor a time (2027-01-31T12:00:00Z)."
                ],
                "Correct it, to be warned before the client secret expires.",
            ),
        }
    }
}
