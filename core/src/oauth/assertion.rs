//! What a resource says of the assertions that we sign (RFC 7521, RFC 7523).

use super::ParameterValue;
use super::jwt::{Algorithm, Thumbprint};
use crate::time::Span;

/// The name of the JWT bearer grant (RFC 7523 section 2.1).
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// The type of a client assertion that is a JWT (RFC 7523 section 2.2).
pub const CLIENT_ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How a client signs an assertion of who it is (RFC 7523 section 2.2, OpenID Connect Core section 9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAssertion {
    /// `iss`; `None` is the client id.
    pub issuer: Option<String>,
    /// `sub`; `None` is the client id.
    pub subject: Option<String>,
    /// Further claims, in order.
    pub claims: Vec<Claim>,
    /// The parameter that carries it.
    pub sent_as: SentAs,
    /// How it is signed; `None` is the usual algorithm of the key.
    pub algorithm: Option<Algorithm>,
    /// `kid` of the header; `None` is the one that the key itself gives, if any.
    pub key_id: Option<String>,
    /// `typ` of the header.
    pub type_: String,
    /// Whom it is for.
    pub audience: Audience,
    /// How long it is valid, from `iat` to `exp`.
    pub lifetime: Span,
    /// How far `iat` lies in the past.
    pub backdate: Span,
    /// The certificate that the header names or holds.
    pub certificate: Option<CertificateHeader>,
    /// Whether `client_id` is sent beside it; RFC 7521 section 4.2 leaves that open.
    pub send_client_id: bool,
}

/// The parameter that carries a client's assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SentAs {
    /// `client_assertion`, with its type beside it (RFC 7521 section 4.2).
    #[default]
    ClientAssertion,
    /// `client_secret`, alone, as Apple asks for it.
    ClientSecret,
}

/// A certificate that the header of an assertion names or holds (RFC 7515 section 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateHeader {
    /// The key of the credentials Secret that holds it, with its chain.
    pub key: String,
    /// Which thumbprint is sent, if one is.
    pub thumbprint: Option<Thumbprint>,
    /// Whether the whole chain is sent, as `x5c`.
    pub chain: bool,
}

/// Whom an assertion is for: its `aud`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The issuer that the resource names.
    Issuer,
    /// The token endpoint.
    TokenUrl,
    /// This text.
    Text(String),
}

/// An authorization grant that we sign ourselves (RFC 7523 section 2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtBearer {
    /// How it is signed; `None` is the usual algorithm of the key.
    pub algorithm: Option<Algorithm>,
    /// `kid` of the header; `None` is the one that the key itself gives, if any.
    pub key_id: Option<String>,
    /// `typ` of the header.
    pub type_: String,
    /// `iss`; `None` is the service account of the key, else the client id of the Secret.
    pub issuer: Option<String>,
    /// `sub`, where one is sent.
    pub subject: Option<String>,
    /// `aud`, where one is sent.
    pub audience: Option<Audience>,
    /// How long it is valid, from `iat` to `exp`.
    pub lifetime: Span,
    /// How far `iat` lies in the past.
    pub backdate: Span,
    /// The certificate that the header names or holds.
    pub certificate: Option<CertificateHeader>,
    /// Further claims, in order.
    pub claims: Vec<Claim>,
    /// Whether the scopes are sent in the assertion, as its claim `scope`, and not among the parameters.
    pub scope_inside: bool,
    /// Where the assertion goes.
    pub placement: Placement,
    /// Whether the authentication method `none` sends `client_id` beside it.
    pub send_client_id: bool,
}

/// Where an assertion goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Into the parameter `assertion`, beside `grant_type`.
    Parameter,
    /// In the `Authorization` header as a bearer token, without `grant_type`, as GitHub Apps require.
    AuthorizationHeader,
}

/// A claim of the resource's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: ParameterValue,
}
