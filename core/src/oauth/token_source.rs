//! Where the tokens come from that a token exchange sends, or that prove who a client is.

/// The source of a token in a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TokenSource {
    /// A key of the credentials Secret.
    CredentialsKey(String),
    /// A token of a `ServiceAccount`, created for the attempt.
    ServiceAccount(ServiceAccountToken),
    /// The published token of another resource.
    Published(PublishedToken),
}

/// A token of a `ServiceAccount` for one attempt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceAccountToken {
    /// The `ServiceAccount`, in the resource's namespace.
    pub account: String,
    /// The audience: its `aud` (RFC 7519 section 4.1.3).
    pub audience: String,
    /// The lifetime in seconds; at least 600.
    pub expiration_seconds: i64,
}

/// A token in the token Secret of another resource in the namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublishedToken {
    /// The other resource.
    pub client: String,
    /// The key of its token Secret.
    pub key: String,
}
