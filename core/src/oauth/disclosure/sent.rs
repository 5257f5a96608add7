//! The secret values of a request.

use crate::secret::Secret;

/// The shortest secret that is looked for inside longer text. A shorter one would be found by accident; of those only text
/// that equals them counts.
pub const MIN_CONTAINED: usize = 6;

/// What kind of secret a value is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SecretKind {
    /// The value of this key of the credentials Secret.
    Key {
        /// The key.
        name: String,
        /// It proves who the client or the user is: no server may give it back as a token.
        is_proof: bool,
    },
    /// A token that is sent: a refresh token, a subject or actor token, a token of a `ServiceAccount`. A server may give the
    /// same one back, as it is.
    Token,
    /// Something made of the credentials for this request: an assertion, a header of Basic authentication.
    Proof,
}

/// A secret value that went into a request.
#[derive(Clone, PartialEq, Eq)]
pub struct SentSecret {
    /// What it is.
    pub kind: SecretKind,
    /// The value.
    pub value: Secret,
}
