//! Why a driver could not read or write something.

use crate::messages::WriteRefusal;

/// Why something could not be observed or changed. Never means that something is absent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The API server refused it.
    #[error("the API server refuses it: {0}")]
    Forbidden(String),
    /// The operator may not even read.
    #[error("the API server refuses it: the right to {permission} is missing")]
    Unreadable {
        /// Verb and kind of the missing permission, such as `get secrets`.
        permission: String,
    },
    /// The problem may be temporary.
    #[error("{0}")]
    Passing(String),
}

/// Why a token Secret could not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// The Secret changed since it was observed: observe again.
    Raced,
    /// The operator lacks the permission.
    Forbidden(WriteRefusal),
    /// A quota or a webhook refused it (403); it may allow it later.
    Refused(WriteRefusal),
    /// The server refused the content (400, 413, 422): the same write would be refused again.
    Rejected(WriteRefusal),
    /// The namespace is being deleted.
    NamespaceTerminating,
    /// The problem may be temporary.
    Passing(String),
}
