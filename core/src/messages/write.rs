//! Writes that did not succeed.

use crate::command::Command;
use crate::conditions::Reason;

use super::catalogue::catalogue;
use super::text::{Text, text};
use super::{Audience, Explanation, Remedy};

catalogue! {
    /// What prevents writing a Secret.
    pub enum WriteFinding {
        /// The operator has no permission.
        Forbidden {
            /// The Secret.
            secret: String,
            /// Its namespace.
            namespace: String,
            /// Why.
            why: WriteRefusal,
        },
        /// It was refused, and may be accepted later.
        Refused {
            /// The Secret.
            secret: String,
            /// Its namespace.
            namespace: String,
            /// By whom.
            why: WriteRefusal,
        },
        /// Its content was refused, and would be refused again.
        Rejected {
            /// The Secret.
            secret: String,
            /// Its namespace.
            namespace: String,
            /// By whom.
            why: WriteRefusal,
        },
        /// The namespace is being deleted.
        NamespaceTerminating {
            /// The namespace.
            namespace: String,
        },
        /// It may pass.
        Waiting {
            /// The Secret.
            secret: String,
            /// Its namespace.
            namespace: String,
        },
    }
}

catalogue! {
    /// Who refused a write. The server's own text is not a part of it, because a webhook may quote the object.
    pub enum WriteRefusal {
        /// The Role of the operator.
        Role,
        /// The API server does not accept the operator's identity.
        Identity,
        /// A quota.
        Quota,
        /// An admission webhook.
        Webhook {
            /// Its name.
            name: String,
        },
        /// A `ValidatingAdmissionPolicy`.
        Policy {
            /// Its name.
            name: String,
        },
        /// The API server, which did not say why.
        Server {
            /// The HTTP status.
            status: u16,
            /// The reason of the answer, in one word.
            word: String,
        },
        /// It is larger than a Secret may be.
        TooLarge,
        /// The file system.
        File {
            /// The error of the operating system.
            error: String,
        },
        /// A test writes nothing.
        Test,
    }
}

impl WriteRefusal {
    /// As the rest of a sentence.
    pub fn text(&self) -> Text {
        match self {
            WriteRefusal::Role => text!["its Role does not allow it"],
            WriteRefusal::Identity => text!["the API server does not accept its identity"],
            WriteRefusal::Quota => text!["a resource quota of the namespace is used up"],
            WriteRefusal::Webhook { name } => text!["the admission webhook ", name, " refused it"],
            WriteRefusal::Policy { name } => {
                text!["the ValidatingAdmissionPolicy ", name, " refused it"]
            }
            WriteRefusal::Server { status, word } => {
                text!["the API server refused it with ", status, " ", word]
            }
            WriteRefusal::TooLarge => {
                text!["it would be larger than the 1 MiB that a Secret may hold"]
            }
            WriteRefusal::File { error } => text![error],
            WriteRefusal::Test => text!["a test stores nothing"],
        }
    }
}

const CHECK_FOLDER: &str = "Check its folder: the owner, the mode, and the space that is left.";

impl WriteFinding {
    /// Why, in one word of the documented list.
    pub fn reason(&self) -> Reason {
        match self {
            WriteFinding::Forbidden { .. } => Reason::PermissionMissing,
            WriteFinding::Refused { .. } | WriteFinding::Rejected { .. } => Reason::WriteRefused,
            WriteFinding::NamespaceTerminating { .. } => Reason::NamespaceTerminating,
            WriteFinding::Waiting { .. } => Reason::AwaitingWrite,
        }
    }

    pub(super) fn explain(&self, audience: Audience) -> Explanation {
        match self {
            WriteFinding::Forbidden {
                secret,
                namespace,
                why,
            } => Explanation::new(
                text![
                    "The operator may not write Secret ",
                    secret,
                    " in namespace ",
                    namespace,
                    ": ",
                    why.text(),
                    "."
                ],
                match audience {
                    Audience::Cluster => Remedy::run(
                        text!["Check the Role of the operator:"],
                        Command::can_i("patch secrets", namespace),
                    ),
                    Audience::Files => Remedy::advice(text![CHECK_FOLDER]),
                },
            ),
            WriteFinding::Refused {
                secret,
                namespace,
                why,
            } => Explanation::new(
                not_written(secret, namespace, why),
                match audience {
                    Audience::Cluster => Remedy::run(
                        text![
                            "The operator retries. Check the admission webhooks of the cluster, and the quotas:"
                        ],
                        Command::kubectl(&["describe", "resourcequota"]).namespace(namespace),
                    ),
                    Audience::Files => Remedy::advice(text![CHECK_FOLDER]),
                },
            ),
            WriteFinding::Rejected {
                secret,
                namespace,
                why,
            } => Explanation::new(
                not_written(secret, namespace, why),
                Remedy::advice(text![
                    "Change spec.tokenSecret, or what refuses it. The same write is not repeated soon."
                ]),
            ),
            WriteFinding::NamespaceTerminating { namespace } => Explanation::new(
                text![
                    "Namespace ",
                    namespace,
                    " is being deleted, so nothing can be written into it."
                ],
                Remedy::advice(text![
                    "If you want to keep the resource, create it in another namespace."
                ]),
            ),
            WriteFinding::Waiting { secret, namespace } => Explanation::new(
                text![
                    "Secret ",
                    secret,
                    " in namespace ",
                    namespace,
                    " could not be written yet: the API server is busy or does not answer."
                ],
                Remedy::advice(text!["The operator retries."]),
            ),
        }
    }
}

fn not_written(secret: &String, namespace: &String, why: &WriteRefusal) -> Text {
    text![
        "Secret ",
        secret,
        " in namespace ",
        namespace,
        " could not be written: ",
        why.text(),
        "."
    ]
}
