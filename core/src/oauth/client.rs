//! What a resource makes the operator send: the token endpoint, the grant, the client authentication (RFC 6749).

use crate::oauth::token_source::ServiceAccountToken;

use super::assertion::{ClientAssertion, JwtBearer};
use super::discovery::{Endpoints, Issuer, Metadata};
use super::exchange::Exchange;
use super::message::{Format, Method};
use super::parameter::{CredentialKeys, Parameter};
use super::shape::ResponseShape;

/// What a resource makes us send, validated: a token endpoint and everything that shapes the request to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Client {
    /// The token endpoint (RFC 6749 section 3.2); `http` or `https`, without fragment and user information. Where an issuer
    /// is named it is the issuer's own URL, which nothing is sent to, until [`Client::locate`] has put the discovered one in
    /// its place.
    pub token_url: url::Url,
    /// The issuer whose document names the endpoints, where the resource names one.
    pub issuer: Option<Located>,
    /// What is sent in the request.
    pub grant: Grant,
    /// How the client proves who it is (RFC 6749 section 2.3).
    pub authentication: ClientAuthentication,
    /// Whether a client certificate is shown (RFC 8705), whatever else proves who the client is: then the aliases of a
    /// discovery document count (section 5).
    pub shows_certificate: bool,
    /// The client identifier (RFC 6749 section 2.2), where the resource says it itself; the credentials Secret holds it
    /// otherwise.
    pub client_id: Option<String>,
    /// Whether its tokens are bound to a key, and each request proves possession of it (RFC 9449).
    pub dpop: bool,
    /// The client secret is the empty text (RFC 6749 section 2.3.1), and none is read.
    pub empty_secret: bool,
    /// The keys of the credentials Secret that hold the credentials.
    pub keys: CredentialKeys,
    /// The requested scopes (RFC 6749 section 3.3); empty sends no `scope`.
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
    /// A client that follows RFC 6749 in everything else: POST of a form, no scopes, the usual keys of credentials.
    pub fn new(token_url: url::Url, grant: Grant, authentication: ClientAuthentication) -> Client {
        Client {
            token_url,
            issuer: None,
            grant,
            authentication,
            shows_certificate: false,
            client_id: None,
            dpop: false,
            empty_secret: false,
            keys: CredentialKeys::default(),
            scopes: Vec::new(),
            scope_separator: " ".to_owned(),
            parameters: Vec::new(),
            headers: Vec::new(),
            format: Format::default(),
            method: Method::default(),
            response: ResponseShape::default(),
        }
    }

    /// Whether the client secret of the credentials Secret proves who the client is.
    pub fn uses_client_secret(&self) -> bool {
        !self.empty_secret && self.authentication.uses_client_secret()
    }

    /// The keys of the credentials Secret that parameters and headers carry, each with the name under which it is sent.
    pub fn sent_keys(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.parameters.iter().chain(&self.headers);
        all.filter_map(|one| Some((one.name.as_str(), one.value.key()?.as_str())))
    }

    /// Those of them that hold a user's password, by the name of the key or of the parameter.
    pub fn sent_passwords(&self) -> impl Iterator<Item = &str> {
        self.sent_keys()
            .filter(|(name, key)| {
                let is_called = |text: &str| text.eq_ignore_ascii_case("password");
                *key == self.keys.password || is_called(key) || is_called(name)
            })
            .map(|(_, key)| key)
    }

    /// Whether a request sends a user's password, whatever the grant is called and whatever carries it: some servers have a
    /// password grant of their own (Auth0's `password-realm`).
    pub fn sends_password(&self) -> bool {
        self.grant == Grant::Password || self.sent_passwords().next().is_some()
    }

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

/// A grant: what the token is requested with.
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
    /// Whether a client secret proves who the client is.
    fn uses_client_secret(&self) -> bool {
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
