//! Why a request cannot be built.

use thiserror::Error;

use crate::oauth::jwt::KeyProblem;

/// Why no request can be built from a credentials Secret. Names keys, never values.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CredentialsProblem {
    /// The key is needed and not there.
    #[error("key \"{key}\" is missing: add it, or name the right key in spec")]
    Missing {
        /// The key.
        key: String,
    },
    /// The key is there and holds nothing (or a line break alone). Never taken for anonymous access.
    #[error("key \"{key}\" is empty: give it a value, or remove it if it is not needed")]
    Empty {
        /// The key.
        key: String,
    },
    /// The value is not UTF-8.
    #[error(
        "key \"{key}\" is not text (UTF-8): is it the wrong file, or was it decoded once too often?"
    )]
    NotText {
        /// The key.
        key: String,
    },
    /// The values that the request would send are longer than any token endpoint takes.
    #[error(
        "key \"{key}\" is too long: all values of the Secret that a request sends may have 256 KiB together"
    )]
    TooLong {
        /// The key with which the limit is exceeded.
        key: String,
    },
    /// The value holds a control character (such as a line break) where none may be.
    #[error(
        "key \"{key}\" holds a control character, such as a line break in the middle: write the value as one line"
    )]
    Control {
        /// The key.
        key: String,
    },
    /// Raw Basic cannot send an id with a colon: the server would split it there.
    #[error(
        "key \"{key}\", the client id, holds a colon, which raw Basic cannot send: set the form-encoded Basic, or client_secret_post, in spec.clientAuthentication"
    )]
    Colon {
        /// The key.
        key: String,
    },
    /// The value is a key that nothing can be signed with.
    #[error("key \"{key}\" {problem}")]
    Key {
        /// The key of the Secret.
        key: String,
        /// What is wrong with it.
        problem: KeyProblem,
    },
    /// A token that the request needs was neither made nor read: what decides on a request sees to it that it is.
    #[error("a token that the request needs is not at hand")]
    NoToken,
    /// A parameter or header of the resource is at odds with the request; validation finds this before.
    #[error(transparent)]
    Name(#[from] NameProblem),
    /// The credentials will do, but where they go is not known yet: the issuer's document has to be read first.
    #[error("the token endpoint is not known yet")]
    NotLocated,
}

/// A parameter or header of the resource that cannot be sent unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NameProblem {
    /// The parameter is one that the request sets by itself.
    #[error(
        "the parameter \"{name}\" is set by the grant, the client authentication or spec.scopes: remove it from spec.parameters"
    )]
    Reserved {
        /// The parameter.
        name: String,
    },
    /// The parameter is there twice, and only `resource` and `audience` may be.
    #[error(
        "the parameter \"{name}\" is there more than once in spec.parameters: only resource and audience may repeat"
    )]
    Repeated {
        /// The parameter.
        name: String,
    },
    /// The parameter is already in the token URL's query.
    #[error(
        "the parameter \"{name}\" is already in the query of spec.provider.tokenURL: set it in one place only"
    )]
    InUrl {
        /// The parameter.
        name: String,
    },
    /// The header is one that the request or the connection sets by itself.
    #[error("the header \"{name}\" is set by the operator: remove it from spec.request.headers")]
    ReservedHeader {
        /// The header.
        name: String,
    },
    /// The header is there twice.
    #[error("the header \"{name}\" is there more than once in spec.request.headers")]
    RepeatedHeader {
        /// The header.
        name: String,
    },
    /// The name is no header name (RFC 9110 section 5.1).
    #[error("\"{name}\" is no header name: letters, digits and !#$%&'*+-.^_`|~ only")]
    HeaderName {
        /// The header.
        name: String,
    },
    /// The fixed value of this header holds a control character.
    #[error("the value of the header \"{name}\" holds a control character, such as a line break")]
    HeaderValue {
        /// The header.
        name: String,
    },
}
