//! Where the tokens come from that a token exchange sends, or that prove who a client is.

/// Where a token that goes into a request comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TokenSource {
    /// This key of the credentials Secret.
    CredentialsKey(String),
    /// A token of a `ServiceAccount`, made for the attempt.
    ServiceAccount(ServiceAccountToken),
    /// What another resource has published.
    Published(PublishedToken),
}

/// A token of a `ServiceAccount` that is to be made for one attempt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceAccountToken {
    /// The `ServiceAccount`, in the resource's namespace.
    pub account: String,
    /// Whom the token is for: its `aud` (RFC 7519 section 4.1.3).
    pub audience: String,
    /// How long it lives, in seconds; at least 600.
    pub expiration_seconds: i64,
}

/// A token that another resource of the namespace keeps in its token Secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublishedToken {
    /// The other resource.
    pub client: String,
    /// The key of its token Secret.
    pub key: String,
}
