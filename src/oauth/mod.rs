//! OAuth 2.0 as data: what is sent, what comes back, what it means (RFC 6749 and its family).
//!
//! Pure: no socket, no clock, no Kubernetes. [`request::build`] turns a [`Client`], its [`Credentials`] and the
//! attempt's [`Ingredients`] into an [`HttpRequest`]; [`response::decode`] turns what came back into a [`Token`] or a typed [`TokenError`].

pub mod assertion;
pub mod discovery;
pub mod document;
pub mod error;
pub mod exchange;
pub mod ingredients;
pub mod jwt;
pub mod login;
pub mod refresh;
pub mod request;
pub mod response;

use std::collections::BTreeMap;

use crate::secret::Secret;
use crate::time::{Span, Time};

pub use assertion::{ClientAssertion, JwtBearer};
pub use discovery::{Endpoints, Issuer, Metadata};
pub use error::{ErrorCode, FailureClass, TokenError};
pub use exchange::{Exchange, PublishedToken, ServiceAccountToken, TokenInput, TokenSource};
pub use ingredients::{Chance, Ingredients, TokensInHand};
pub use request::CredentialsProblem;

/// What a resource makes us send, validated: a token endpoint and everything that shapes the request to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Client {
    /// The token endpoint (RFC 6749 section 3.2); `http` or `https`, without fragment and user information. Where an issuer
    /// is named it is the issuer's own URL, which nothing is sent to, until [`Client::locate`] has put the discovered one in
    /// its place.
    pub token_url: url::Url,
    /// The issuer whose document names the endpoints, where the resource names one.
    pub issuer: Option<Located>,
    /// What is asked with.
    pub grant: Grant,
    /// How the client proves who it is (RFC 6749 section 2.3).
    pub authentication: ClientAuthentication,
    /// Whether a client certificate is shown (RFC 8705), whatever else proves who the client is: then the aliases of a
    /// discovery document count (section 5).
    pub shows_certificate: bool,
    /// The client identifier (RFC 6749 section 2.2), where the resource says it itself; the credentials Secret holds it
    /// otherwise.
    pub client_id: Option<String>,
    /// In which keys of the credentials Secret the credentials stand.
    pub keys: CredentialKeys,
    /// Scopes asked for (RFC 6749 section 3.3); empty sends no `scope`.
    pub scopes: Vec<String>,
    /// What joins the scopes: a space by the RFC, a comma at some providers.
    pub scope_separator: String,
    /// Further parameters of the request, in order; only `resource` and `audience` repeat.
    pub parameters: Vec<Parameter>,
    /// Further headers of the request, in order.
    pub headers: Vec<Parameter>,
    /// Where the parameters go.
    pub format: Format,
    /// The HTTP method; `POST` by the RFC.
    pub method: Method,
    /// Where the answer holds what we need.
    pub response: ResponseShape,
}

/// An issuer, and what was discovered of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Located {
    /// As the resource names it.
    pub issuer: Issuer,
    /// The endpoints of its document, once they are known.
    pub endpoints: Option<Endpoints>,
}

impl Client {
    /// Whether it is known where requests go: `false` as long as an issuer's document has not been read.
    pub fn is_located(&self) -> bool {
        self.issuer
            .as_ref()
            .is_none_or(|located| located.endpoints.is_some())
    }

    /// Takes the endpoints of the issuer's document. Does nothing where the resource names its token endpoint itself.
    pub fn locate(&mut self, metadata: &Metadata) {
        let with_certificate = self.shows_certificate;
        if let Some(located) = &mut self.issuer {
            let endpoints = metadata.endpoints_for(with_certificate);
            self.token_url = endpoints.token.clone();
            located.endpoints = Some(endpoints);
        }
    }

    /// What names the provider, before and after discovery alike: the issuer, or the token endpoint.
    pub fn provider(&self) -> &str {
        match &self.issuer {
            Some(located) => located.issuer.text(),
            None => self.token_url.as_str(),
        }
    }

    /// The field of the resource that says where requests go, for messages.
    pub fn provider_field(&self) -> &'static str {
        match &self.issuer {
            Some(_) => "spec.provider.issuerURL",
            None => "spec.provider.tokenURL",
        }
    }
}

/// A grant: what the token is asked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// RFC 6749 section 4.4.
    ClientCredentials,
    /// RFC 6749 section 4.3.
    Password,
    /// RFC 7523 section 2.1: an assertion that we sign.
    JwtBearer(Box<JwtBearer>),
    /// RFC 8693.
    TokenExchange(Box<Exchange>),
    /// RFC 6749 section 6, with the refresh token that is current.
    RefreshToken,
    /// Any other `grant_type`, sent by name with the resource's own parameters.
    Other(String),
}

impl Grant {
    /// The JWT bearer grant, if it is that.
    pub fn jwt_bearer(&self) -> Option<&JwtBearer> {
        match self {
            Grant::JwtBearer(grant) => Some(grant),
            _ => None,
        }
    }
}

/// How the client authenticates (RFC 6749 section 2.3, names of the IANA registry).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// HTTP Basic; `encoding` says whether id and secret are form-encoded first, as section 2.3.1 demands.
    ClientSecretBasic {
        /// How id and secret are written before base64.
        encoding: BasicEncoding,
    },
    /// `client_id` and `client_secret` as parameters.
    ClientSecretPost,
    /// An assertion signed with the client's private key (RFC 7523 section 2.2).
    PrivateKeyJwt(Box<ClientAssertion>),
    /// An assertion signed with the client secret (OpenID Connect Core section 9).
    ClientSecretJwt(Box<ClientAssertion>),
    /// No secret; `client_id` is sent when the Secret has one.
    None,
    /// `client_id` as parameter; a certificate of an authority proves it (RFC 8705 section 2.1). Showing it is the sender's.
    TlsClientAuth,
    /// The same with a certificate that the provider knows by itself (RFC 8705 section 2.2).
    SelfSignedTlsClientAuth,
    /// A token of a Kubernetes `ServiceAccount` as `client_assertion` (RFC 7523 section 2.2); `client_id` is sent when there
    /// is one.
    ServiceAccountToken(ServiceAccountToken),
}

impl ClientAuthentication {
    /// Whether the client secret of the credentials Secret proves who the client is.
    pub fn uses_client_secret(&self) -> bool {
        matches!(
            self,
            ClientAuthentication::ClientSecretBasic { .. }
                | ClientAuthentication::ClientSecretPost
                | ClientAuthentication::ClientSecretJwt(_)
        )
    }
}

/// How id and secret are written into an HTTP Basic header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum BasicEncoding {
    /// Form-encoded before base64 (RFC 6749 section 2.3.1).
    #[default]
    FormEncoded,
    /// As they are: what some servers expect.
    Raw,
}

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

/// A named value of a request: a parameter or a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its value, or where it stands.
    pub value: ParameterValue,
}

/// Where a parameter's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterValue {
    /// Written in the resource.
    Fixed(String),
    /// JSON written in the resource: JSON in a JSON body and in a claim, its text elsewhere.
    Json(String),
    /// The content of this key of the credentials Secret.
    CredentialsKey(String),
}

impl ParameterValue {
    /// The key of the credentials Secret that it stands in, if it does.
    pub fn key(&self) -> Option<&String> {
        match self {
            ParameterValue::CredentialsKey(key) => Some(key),
            _ => None,
        }
    }
}

/// Which keys of the credentials Secret hold what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialKeys {
    /// Key of the client identifier; `client_id`.
    pub client_id: String,
    /// Key of the client secret; `client_secret`.
    pub client_secret: String,
    /// Key of the client secret that is to follow; `next_client_secret`.
    pub next_client_secret: String,
    /// Key of the resource owner's name; `username`.
    pub username: String,
    /// Key of the resource owner's password; `password`.
    pub password: String,
    /// Key of the private key that assertions are signed with; `private_key`.
    pub private_key: String,
    /// Key of the first refresh token; `refresh_token`.
    pub refresh_token: String,
}

impl Default for CredentialKeys {
    fn default() -> Self {
        CredentialKeys {
            client_id: "client_id".into(),
            client_secret: "client_secret".into(),
            next_client_secret: "next_client_secret".into(),
            username: "username".into(),
            password: "password".into(),
            private_key: "private_key".into(),
            refresh_token: "refresh_token".into(),
        }
    }
}

/// Where in a successful answer the values stand, for providers that stray from RFC 6749 section 5.1.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ResponseShape {
    /// JSON pointer (RFC 6901) to the access token; `None` is `/access_token`, and `""` the whole body (a bare string).
    pub access_token: Option<String>,
    /// JSON pointer to the token type; `None` is `/token_type`.
    pub token_type: Option<String>,
    /// JSON pointer to the granted scope; `None` is `/scope`.
    pub scope: Option<String>,
    /// JSON pointer to the refresh token; `None` is `/refresh_token`.
    pub refresh_token: Option<String>,
    /// What the answer must say of the type of the token, with a grant that asks for a type (RFC 8693 section 2.2.1).
    pub issued_type: IssuedType,
    /// Where the lifetime stands and what it counts; `None` reads `expires_in`, `expires_on`, `expires_at`.
    pub expiry: Option<ExpiryShape>,
    /// Where no lifetime is given, the token's end is the `exp` of the token, if that is a JWT.
    pub jwt_expiry: bool,
    /// What tells success from failure at a status of 2xx; `None` takes `error` and `ok: false` for failure.
    pub success: Option<SuccessShape>,
    /// JSON pointer to the error code; `None` is `/error`.
    pub error: Option<String>,
}

/// What a successful answer says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuccessShape {
    /// JSON pointer to a text, number, `true` or `false`.
    pub pointer: String,
    /// What stands there, as text.
    pub value: String,
}

/// What an answer must say of the type of the token that was issued.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum IssuedType {
    /// Nothing.
    #[default]
    Unsaid,
    /// Whatever is no refresh token.
    Any,
    /// This one.
    Requested(String),
}

/// Where and how an answer tells the token's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiryShape {
    /// JSON pointer to the value.
    pub pointer: String,
    /// What the value means.
    pub unit: ExpiryUnit,
}

/// What a number or text that tells a token's end means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpiryUnit {
    /// A lifetime in seconds.
    Seconds,
    /// A lifetime in milliseconds.
    Milliseconds,
    /// A point in time, seconds since the Unix epoch.
    EpochSeconds,
    /// A point in time, milliseconds since the Unix epoch.
    EpochMilliseconds,
    /// A point in time by RFC 3339.
    Rfc3339,
}

/// The decoded content of a credentials Secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials(pub BTreeMap<String, Secret>);

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
}

/// What came back, before it is understood.
pub struct HttpAnswer {
    /// The status code.
    pub status: u16,
    /// The content type as sent, if any.
    pub content_type: Option<String>,
    /// `Retry-After` as sent, if any (RFC 9110 section 10.2.3).
    pub retry_after: Option<String>,
    /// The body, at most 1 MiB after decompression.
    pub body: Secret,
}

/// A token as an answer gave it.
#[derive(Clone, PartialEq)]
pub struct Token {
    /// The access token: not empty, no control characters.
    pub access_token: Secret,
    /// The type; `Bearer` where missing or `bearer` in any case, else as sent.
    pub token_type: String,
    /// The lifetime as granted; `None` when the answer gave none (or 0).
    pub lifetime: Option<Lifetime>,
    /// When the server asks to be asked again, counted from the sending of the request (`refresh_in`).
    pub refresh_in: Option<Span>,
    /// The granted scope, where told (RFC 6749 section 5.1).
    pub scope: Option<String>,
    /// The decoded document, for templates. Secret.
    pub document: Document,
    /// What was odd but accepted, as static sentences for the condition's message.
    pub remarks: Vec<&'static str>,
}

/// How an answer told the token's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Relative: counted from the sending of the request.
    For(Span),
    /// Absolute: by the server's clock.
    Until(Time),
}

/// A decoded answer. It holds the token, so it has no `Debug`.
#[derive(Clone, PartialEq)]
pub struct Document(pub serde_json::Value);
