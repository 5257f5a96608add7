//! What a token endpoint accepts, and how it refuses everything else: data only; `super::check` applies it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::assertion::AssertionRule;

/// What a request must be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Accepts {
    /// HTTP methods.
    pub methods: Vec<String>,
    /// Where the parameters may stand.
    pub formats: Vec<BodyFormat>,
    /// How the client may authenticate.
    pub authentication: Vec<Authentication>,
    /// The clients there are; empty accepts any identifier with any secret that is not empty.
    pub clients: Vec<Account>,
    /// `grant_type`s; empty accepts any.
    pub grants: Vec<String>,
    /// Rules for single parameters.
    pub parameters: BTreeMap<String, ParameterRule>,
    /// Scopes there are; empty accepts any.
    pub scopes: Vec<String>,
    /// What separates scopes.
    pub scope_separator: String,
    /// Headers that a request must carry with exactly this value; names in lower case.
    pub headers: BTreeMap<String, String>,
    /// What assertions must be, those of clients and those of grants.
    pub assertion: AssertionRule,
    /// The parameter `assertion` of the JWT bearer grant (RFC 7523 section 2.1) is checked, and who signed it is the client.
    pub grant_assertion: bool,
    /// A JSON body may hold anything; what is not text is taken as its JSON.
    pub any_json: bool,
    /// How requests are refused.
    pub refusals: Refusals,
}

impl Default for Accepts {
    fn default() -> Self {
        Accepts {
            methods: vec!["POST".to_owned()],
            formats: vec![BodyFormat::Form, BodyFormat::Json],
            authentication: vec![Authentication::Basic, Authentication::Post],
            clients: Vec::new(),
            grants: Vec::new(),
            parameters: BTreeMap::new(),
            scopes: Vec::new(),
            scope_separator: " ".to_owned(),
            headers: BTreeMap::new(),
            assertion: AssertionRule::default(),
            grant_assertion: false,
            any_json: false,
            refusals: Refusals::default(),
        }
    }
}

/// Where the parameters of a request stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyFormat {
    /// `application/x-www-form-urlencoded` body.
    Form,
    /// `application/json` body: an object of strings.
    Json,
    /// Query string.
    Query,
}

/// How a client may authenticate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authentication {
    /// HTTP Basic, identifier and secret form-encoded before base64 (RFC 6749 section 2.3.1).
    Basic,
    /// HTTP Basic, identifier and secret as they are.
    BasicRaw,
    /// `client_id` and `client_secret` as parameters.
    Post,
    /// `client_id` at most, no secret.
    None,
    /// `client_id` as a parameter, and a client certificate (RFC 8705) that is the account's; no secret.
    Certificate,
    /// A signed assertion (RFC 7523 section 2.2), `private_key_jwt` or `client_secret_jwt`.
    ClientAssertion,
    /// `client_id`, and a signed assertion of the account's as `client_secret`, as at Apple; who signed it (`iss`) is the client.
    SignedSecret,
    /// A signed assertion as a bearer token in the `authorization` header, with no `grant_type`, as at GitHub.
    BearerAssertion,
    /// `client_id` and a token of an issuer that the account trusts, as `client_assertion`, as at Entra ID (workload identity
    /// federation).
    Federated,
    /// A bearer token in the `authorization` header, and no client of this server, as at Altinn. The token is not checked.
    BearerToken,
    /// Identifier and secret in headers of these names (lower case), as at Vipps.
    Headers {
        /// Header of the identifier.
        id: String,
        /// Header of the secret.
        secret: String,
    },
}

/// A client that the provider knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Account {
    /// Its identifier.
    pub id: String,
    /// Its secret; symmetric assertions are signed with it.
    pub secret: String,
    /// The certificates that it may show: SHA-256 in hex, or subjects such as `CN=shop`; empty allows any that was shown.
    pub certificates: Vec<String>,
    /// The public key of its assertions, as a JWK; of a federated client, its issuer's.
    pub public_jwk: Value,
    /// Whose tokens stand for its secret.
    pub federated: Option<Federated>,
    /// Names and passwords that it may use with the `password` grant.
    pub users: BTreeMap<String, String>,
    /// `grant_type`s it may use; empty allows all that the endpoint knows.
    pub grants: Vec<String>,
    /// Values it may ask for, by parameter (`audience`, `resource`); a parameter that is not here is free.
    pub allowed: BTreeMap<String, Vec<String>>,
}

/// Whose tokens a client may prove itself with: all three are compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Federated {
    /// `iss`.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
    /// One of `aud`.
    pub audience: String,
}

/// A rule for one parameter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ParameterRule {
    /// The request must have it.
    pub required: bool,
    /// The values there are; empty accepts any.
    pub values: Vec<String>,
    /// How a request without it is refused; `None` is `refusals.malformed`.
    pub missing: Option<Refusal>,
    /// How another value, or one that the client may not have, is refused; `None` is `refusals.malformed`.
    pub wrong: Option<Refusal>,
}

/// A refusal: an OAuth error (RFC 6749 section 5.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// `error`.
    pub code: String,
    /// `error_description`; the default says what the check found, without any value of the request.
    #[serde(default)]
    pub description: Option<String>,
}

impl Refusal {
    /// A refusal with this status and code.
    #[must_use]
    pub fn new(status: u16, code: &str) -> Refusal {
        Refusal {
            status,
            code: code.to_owned(),
            description: None,
        }
    }
}

/// How requests are refused, by what is wrong with them. The defaults are those of RFC 6749 section 5.2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Refusals {
    /// Another HTTP method.
    pub method: Refusal,
    /// Wrong format, a parameter missing, repeated or without a value, two ways of authentication at once.
    pub malformed: Refusal,
    /// Unknown client, wrong secret, wrong way of authentication.
    pub client: Refusal,
    /// A `grant_type` that the endpoint does not know.
    pub grant: Refusal,
    /// A `grant_type` that this client may not use.
    pub unauthorized: Refusal,
    /// Wrong user name or password; a refresh token that is unknown or spent.
    pub credentials: Refusal,
    /// A scope that there is not.
    pub scope: Refusal,
}

impl Default for Refusals {
    fn default() -> Self {
        Refusals {
            method: Refusal::new(405, "invalid_request"),
            malformed: Refusal::new(400, "invalid_request"),
            client: Refusal::new(401, "invalid_client"),
            grant: Refusal::new(400, "unsupported_grant_type"),
            unauthorized: Refusal::new(400, "unauthorized_client"),
            credentials: Refusal::new(400, "invalid_grant"),
            scope: Refusal::new(400, "invalid_scope"),
        }
    }
}
