//! A request and its answer as data.

use super::disclosure::SentSecrets;
use crate::secret::Secret;
use crate::trust::lender::Lenders;

/// Where the parameters of a request go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Format {
    /// `application/x-www-form-urlencoded` body (RFC 6749).
    #[default]
    Form,
    /// JSON object as body.
    Json,
    /// Query string of the URL, no body.
    Query,
}

/// The HTTP method of a token request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Method {
    /// What RFC 6749 demands.
    #[default]
    Post,
    /// What some providers with `query` want.
    Get,
    /// What a few APIs want.
    Put,
}

/// A token request as data: what goes over the wire, to be compared byte for byte.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// The full URL; secret, because `query` puts credentials into it.
    pub url: Secret,
    /// Headers in order; names in lower case. `user-agent` and connection headers are the sender's.
    pub headers: Vec<(String, Secret)>,
    /// The body; empty where there is none.
    pub body: Secret,
    /// The secret values that went into it: what a response that repeats one is judged by.
    pub secrets: SentSecrets,
    /// The lenders of every secret in it: [`crate::trust::authorize`] checks each of them.
    pub lenders: Lenders,
}

/// What came back, before it is understood.
pub struct HttpAnswer {
    /// The status code.
    pub status: u16,
    /// The content type as sent, if any.
    pub content_type: Option<String>,
    /// `Retry-After` as sent, if any (RFC 9110 section 10.2.3).
    pub retry_after: Option<String>,
    /// The other headers, names in lower case, in the order in which they came: where a provider sends a token, or its
    /// lifetime, in one of them. Secret.
    pub headers: Vec<(String, Secret)>,
    /// The body, at most 1 MiB after decompression.
    pub body: Secret,
    /// The secrets of the request that it answers.
    pub sent: SentSecrets,
}
