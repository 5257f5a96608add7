//! The token Secret, and the Secret with the refresh token: whose they are, and whether they can be written.

use crate::command::Command;
use crate::conditions::Reason;
use crate::names::ADOPT_ANNOTATION;
use crate::time::Time;

use super::catalogue::catalogue;
use super::text::{Text, text};
use super::{Audience, Explanation, Remedy};

catalogue! {
    /// What prevents writing the token Secret, or the Secret with the refresh token.
    pub enum TokenSecretFinding {
        /// It belongs to a deleted resource of the same name.
        Predecessor {
            /// The Secret.
            secret: String,
        },
        /// It is being deleted.
        Deleting {
            /// The Secret.
            secret: String,
        },
        /// Another resource writes it.
        Contested {
            /// The Secret.
            secret: String,
            /// The other resource.
            holder: String,
        },
        /// This resource did not create it.
        NotOwned {
            /// The Secret.
            secret: String,
            /// Its namespace.
            namespace: String,
            /// The resource.
            resource: String,
            /// Why it is not changed.
            why: Foreign,
        },
        /// Someone created it while a token was being requested.
        CreatedMeanwhile {
            /// The Secret.
            secret: String,
        },
        /// It is immutable.
        Immutable {
            /// The Secret.
            secret: String,
            /// Its namespace.
            namespace: String,
        },
        /// It has another type.
        TypeMismatch {
            /// The Secret.
            secret: String,
            /// Its namespace.
            namespace: String,
            /// Its type.
            is: String,
            /// The type in the spec.
            wanted: String,
        },
        /// Someone keeps changing or deleting it.
        Contended {
            /// The Secret.
            secret: String,
            /// Its namespace.
            namespace: String,
            /// The number of repairs in a row.
            repairs: u32,
        },
        /// It has no room.
        Full {
            /// The Secret.
            secret: String,
            /// What would be too much.
            why: Unacceptable,
        },
        /// The Secret with the refresh token: this resource did not create it.
        StateNotOwned {
            /// The Secret.
            secret: String,
            /// Its namespace.
            namespace: String,
            /// The resource.
            resource: String,
        },
        /// The Secret with the refresh token: the spec uses its name for another purpose.
        StateNameTaken {
            /// The Secret.
            secret: String,
        },
        /// The Secret with the refresh token is immutable.
        StateImmutable {
            /// The Secret.
            secret: String,
            /// Its namespace.
            namespace: String,
        },
        /// The Secret with the refresh token cannot be read.
        StateUnreadable {
            /// The Secret.
            secret: String,
            /// Its namespace.
            namespace: String,
        },
        /// Another process may have the refresh token in a request.
        ReservedByAnotherProcess {
            /// When it is sent.
            until: Time,
        },
    }
}

catalogue! {
    /// Why a Secret cannot be taken over.
    pub enum Foreign {
        /// Something else controls it.
        Controlled {
            /// The kind of its controller.
            kind: String,
            /// The name of its controller.
            name: String,
        },
        /// Its annotation names another resource.
        AdoptedByAnother,
        /// Nobody has handed it over.
        NotCreated,
        /// It is handed over, and has another type.
        OtherType {
            /// Its type.
            is: String,
            /// The type in the spec.
            wanted: String,
        },
        /// It is handed over, and immutable.
        Immutable,
    }
}

catalogue! {
    /// Why Kubernetes does not accept a token Secret.
    pub enum Unacceptable {
        /// Its data would be too large.
        Data {
            /// The size in bytes.
            bytes: usize,
            /// The maximum.
            most: usize,
        },
        /// Keys of others fill it.
        OtherKeys {
            /// Their size in bytes.
            bytes: usize,
            /// The maximum.
            most: usize,
        },
        /// Its annotations would be too large.
        Annotations {
            /// The size in bytes.
            bytes: usize,
            /// The maximum.
            most: usize,
        },
        /// The type demands a JSON object under a key.
        NotAnObject {
            /// The key.
            key: String,
            /// The type.
            type_: String,
        },
    }
}

impl Unacceptable {
    /// As the rest of a sentence.
    pub fn text(&self) -> Text {
        match self {
            Unacceptable::Data { bytes, most } => {
                text![
                    "its data would have ",
                    bytes,
                    " bytes, and a Secret takes ",
                    most
                ]
            }
            Unacceptable::OtherKeys { bytes, most } => {
                text![
                    "its other keys have ",
                    bytes,
                    " bytes, and a Secret takes ",
                    most
                ]
            }
            Unacceptable::Annotations { bytes, most } => {
                text![
                    "its annotations would have ",
                    bytes,
                    " bytes, and an object takes ",
                    most
                ]
            }
            Unacceptable::NotAnObject { key, type_ } => {
                text![
                    "the template of ",
                    key,
                    " gives no JSON object, which type ",
                    type_,
                    " demands"
                ]
            }
        }
    }
}

impl Foreign {
    fn text(&self) -> Text {
        match self {
            Foreign::Controlled { kind, name } => text!["it is controlled by ", kind, " ", name],
            Foreign::AdoptedByAnother => {
                text!["its annotation oauthclient.dev/adopt names another resource"]
            }
            Foreign::NotCreated => text!["this resource did not create it"],
            Foreign::OtherType { is, wanted } => {
                text![
                    "it is handed over, but its type is ",
                    is,
                    " and not ",
                    wanted
                ]
            }
            Foreign::Immutable => text!["it is handed over, but immutable"],
        }
    }
}

fn adopt(secret: &str, namespace: &str, resource: &str) -> Command {
    Command::kubectl(&["annotate", "secret"])
        .value(secret)
        .namespace(namespace)
        .fixed(&["--overwrite"])
        .pair(ADOPT_ANNOTATION, resource)
}

fn show(secret: &str, namespace: &str) -> Command {
    Command::kubectl(&["get", "secret"])
        .value(secret)
        .namespace(namespace)
        .fixed(&["-o", "yaml"])
}

fn delete(secret: &String, namespace: &String, audience: Audience) -> Remedy {
    match audience {
        Audience::Cluster => Remedy::run(
            text!["To have it created again, delete it:"],
            Command::kubectl(&["delete", "secret"])
                .value(secret)
                .namespace(namespace),
        ),
        Audience::Files => Remedy::advice(text![
            "To have it created again, delete ",
            folder(namespace, secret),
            "."
        ]),
    }
}

/// The folder of a Secret, for people with files.
fn folder(namespace: &String, secret: &String) -> Text {
    text![namespace, "/", secret, " in the output folder"]
}

/// What people with files do about the Secret that keeps a refresh token.
const RESTORE_STATE: &str = "Restore its file in the state folder, or delete it and log in again.";

impl TokenSecretFinding {
    /// Why, in one word of the documented list.
    pub fn reason(&self) -> Reason {
        use TokenSecretFinding as F;
        match self {
            F::Predecessor { .. } | F::Deleting { .. } => Reason::AwaitingGarbageCollection,
            F::Contested { .. } | F::StateNameTaken { .. } => Reason::SecretContested,
            F::NotOwned { .. } | F::CreatedMeanwhile { .. } | F::StateNotOwned { .. } => {
                Reason::SecretNotOwned
            }
            F::Immutable { .. } | F::StateImmutable { .. } => Reason::SecretImmutable,
            F::TypeMismatch { .. } => Reason::SecretTypeMismatch,
            F::Contended { .. } => Reason::Contested,
            F::Full { .. } => Reason::WriteRefused,
            F::StateUnreadable { .. } => Reason::ReauthorizationRequired,
            F::ReservedByAnotherProcess { .. } => Reason::Requesting,
        }
    }

    pub(super) fn explain(&self, audience: Audience) -> Explanation {
        use TokenSecretFinding as F;
        match self {
            F::Predecessor { secret } => Explanation::new(
                text![
                    "Secret ",
                    secret,
                    " belongs to a deleted resource of the same name, and Kubernetes is deleting it."
                ],
                Remedy::advice(text!["Wait: the new token is requested after that."]),
            ),
            F::Deleting { secret } => Explanation::new(
                text![
                    "Secret ",
                    secret,
                    " is being deleted, and the token is written after that."
                ],
                Remedy::advice(text!["If it stays, check its finalizers."]),
            ),
            F::Contested { secret, holder } => Explanation::new(
                text![
                    "Secret ",
                    secret,
                    " belongs to OAuthClient ",
                    holder,
                    ", and two resources cannot write the same Secret."
                ],
                Remedy::advice(text![
                    "Set another spec.tokenSecret.name; nothing is sent until then."
                ]),
            ),
            F::NotOwned {
                secret,
                namespace,
                resource,
                why,
            } => Explanation::new(
                text!["Secret ", secret, " is not changed: ", why.text(), "."],
                match audience {
                    Audience::Cluster => Remedy::run(
                        text![
                            "Set another spec.tokenSecret.name, or let this resource take it over (it is then deleted with this resource):"
                        ],
                        adopt(secret, namespace, resource),
                    ),
                    Audience::Files => Remedy::advice(text![
                        "Set another spec.tokenSecret.name, or move ",
                        folder(namespace, secret),
                        " away."
                    ]),
                },
            ),
            F::CreatedMeanwhile { secret } => Explanation::new(
                text![
                    "Secret ",
                    secret,
                    " was created by someone else while a token was being requested. It is not changed."
                ],
                Remedy::advice(text![
                    "Set another spec.tokenSecret.name, or delete that Secret."
                ]),
            ),
            F::Immutable { secret, namespace } => Explanation::new(
                text![
                    "Secret ",
                    secret,
                    " is immutable, so its token cannot be refreshed."
                ],
                delete(secret, namespace, audience),
            ),
            F::TypeMismatch {
                secret,
                namespace,
                is,
                wanted,
            } => Explanation::new(
                text![
                    "Secret ",
                    secret,
                    " is of type ",
                    is,
                    ", and spec.tokenSecret.type is ",
                    wanted,
                    ". The type of a Secret is immutable."
                ],
                delete(secret, namespace, audience),
            ),
            F::Contended {
                secret,
                namespace,
                repairs,
            } => Explanation::new(
                text![
                    "Something else keeps changing or deleting Secret ",
                    secret,
                    ". It was repaired ",
                    repairs,
                    " times in a row, so the next repair waits."
                ],
                who_changes(secret, namespace, audience),
            ),
            F::Full { secret, why } => Explanation::new(
                text![
                    "Kubernetes would not accept Secret ",
                    secret,
                    ": ",
                    why.text(),
                    ", so no token is requested."
                ],
                Remedy::advice(text!["Remove what is not needed."]),
            ),
            F::StateNotOwned { .. }
            | F::StateNameTaken { .. }
            | F::StateImmutable { .. }
            | F::StateUnreadable { .. }
            | F::ReservedByAnotherProcess { .. } => self.explain_state(audience),
        }
    }

    fn explain_state(&self, audience: Audience) -> Explanation {
        use TokenSecretFinding as F;
        let (happened, advice, command) = match self {
            F::StateNotOwned {
                secret,
                namespace,
                resource,
            } => (
                text![
                    "Secret ",
                    secret,
                    " has the name for this resource's refresh token, and this resource did not create it. Nothing is sent."
                ],
                "Look at it. To hand it over to this resource, with the refresh token in it, run:",
                adopt(secret, namespace, resource),
            ),
            F::StateImmutable { secret, namespace } => (
                text![
                    "Secret ",
                    secret,
                    " with the refresh token is immutable, so the next refresh token could not be stored. Nothing is sent."
                ],
                "Replace it with a mutable Secret of the same content:",
                show(secret, namespace),
            ),
            F::StateUnreadable { secret, namespace } => (
                text![
                    "Secret ",
                    secret,
                    " with the refresh token was changed, or a newer operator wrote it. Nothing is sent."
                ],
                "Restore it, upgrade the operator, or log in with a resource of another name. To look at it, run:",
                show(secret, namespace),
            ),
            F::ReservedByAnotherProcess { until } => {
                return Explanation::new(
                    text![
                        "Another process of the operator may have sent the refresh token, and its response may still come."
                    ],
                    Remedy::advice(text![
                        "Wait: so that it is not used twice, it is sent at ",
                        until,
                        "."
                    ]),
                );
            }
            F::StateNameTaken { secret } => {
                return Explanation::new(
                    text![
                        "Secret ",
                        secret,
                        " has the name for this resource's refresh token."
                    ],
                    Remedy::advice(text![
                        "Set another spec.tokenSecret.name or spec.credentials.secretName; nothing is sent until then."
                    ]),
                );
            }
            _ => return Explanation::default(),
        };
        let remedy = match audience {
            Audience::Cluster => Remedy::run(text![advice], command),
            Audience::Files => Remedy::advice(text![RESTORE_STATE]),
        };
        Explanation::new(happened, remedy)
    }
}

fn who_changes(secret: &String, namespace: &String, audience: Audience) -> Remedy {
    match audience {
        Audience::Cluster => Remedy::run(
            text!["Find out what does it:"],
            Command::kubectl(&["get", "secret"])
                .value(secret)
                .namespace(namespace)
                .fixed(&[
                    "--show-managed-fields",
                    "-o",
                    "jsonpath={.metadata.managedFields[*].manager}",
                ]),
        ),
        Audience::Files => Remedy::advice(text![
            "Find out what changes ",
            folder(namespace, secret),
            "."
        ]),
    }
}
