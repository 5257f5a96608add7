//! What an endpoint does, as data: it can be read from JSON, compared, and changed while the provider runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::accepts::{Accepts, Account};
use super::fault::Fault;

/// Everything one token endpoint does. The default is a plain RFC 6749 server: any client, any grant, `Bearer`
/// tokens of one hour with `expires_in` as a number.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// What a request must be, and how anything else is refused.
    pub accepts: Accepts,
    /// The lifetime of tokens.
    pub lifetime: Lifetime,
    /// Lifetimes that differ by `grant_type`; they take the place of `lifetime`.
    pub lifetime_of_grant: BTreeMap<String, Lifetime>,
    /// What tokens look like.
    pub tokens: Tokens,
    /// Whether refresh tokens are handed out, and whether they rotate.
    pub refresh_tokens: RefreshTokens,
    /// A new token kills the client's previous one at this endpoint, as Zoom does.
    pub invalidates_previous: bool,
    /// How a token is written into the response.
    pub shape: Shape,
    /// The delay before the first byte of every response, in milliseconds.
    pub latency_ms: u64,
    /// How far the provider's clock is ahead of ours, seconds: moves every absolute time and the `date` header.
    pub clock_skew_seconds: i64,
    /// One entry for each request, in order: a fault, or `null` for a normal response. After the last entry, `fault`
    /// applies.
    pub faults: Vec<Option<Fault>>,
    /// What every request gets once `faults` is empty; none is a normal response.
    pub fault: Option<Fault>,
}

impl Behaviour {
    /// A plain server whose tokens are valid for this many seconds.
    #[must_use]
    pub fn living(seconds: f64) -> Behaviour {
        Behaviour {
            lifetime: Lifetime::Fixed { seconds },
            ..Behaviour::default()
        }
    }

    /// The same, but only for a client with this identifier and this secret.
    #[must_use]
    pub fn with_client(mut self, id: &str, secret: &str) -> Behaviour {
        self.accepts.clients = vec![Account {
            id: id.to_owned(),
            secret: secret.to_owned(),
            ..Account::default()
        }];
        self
    }

    /// The same, but every request meets this fault.
    #[must_use]
    pub fn with_fault(mut self, fault: Fault) -> Behaviour {
        self.fault = Some(fault);
        self
    }

    /// The same, but the next requests get these faults, one each; `None` is a normal response.
    #[must_use]
    pub fn with_faults(mut self, faults: impl IntoIterator<Item = Option<Fault>>) -> Behaviour {
        self.faults = faults.into_iter().collect();
        self
    }

    /// The lifetime that rules for a `grant_type`.
    #[must_use]
    pub fn lifetime_for(&self, grant: &str) -> &Lifetime {
        self.lifetime_of_grant.get(grant).unwrap_or(&self.lifetime)
    }
}

/// The lifetime of tokens, in real seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Lifetime {
    /// A new token for every request, each living this long.
    Fixed {
        /// Seconds from issue to end.
        seconds: f64,
    },
    /// One token for each client, grant, audience, resource and scope, served again with the life it has left, until
    /// `until_left` seconds of it remain: the next request then gets a new one (Bokbasen, ServiceNow).
    Cached {
        /// Seconds from issue to end.
        seconds: f64,
        /// With this many seconds left or fewer, a new token is made.
        until_left: f64,
    },
    /// Every new token of a client is valid for `by` seconds less than the previous one, down to `least`.
    Shrinking {
        /// The lifetime of the first token in seconds.
        seconds: f64,
        /// How much shorter each one is.
        by: f64,
        /// The shortest life.
        least: f64,
    },
}

impl Default for Lifetime {
    fn default() -> Self {
        Lifetime::Fixed { seconds: 3600.0 }
    }
}

/// What tokens look like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tokens {
    /// What every token starts with, so that it is recognised wherever it turns up.
    pub prefix: String,
    /// Opaque or JWT.
    pub form: TokenForm,
    /// Tokens are filled up to this many bytes.
    pub length: usize,
}

impl Default for Tokens {
    fn default() -> Self {
        Tokens {
            prefix: "scripted-token".to_owned(),
            form: TokenForm::Opaque,
            length: 0,
        }
    }
}

/// The form of an access token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenForm {
    /// `PREFIX-NUMBER-RANDOM`.
    #[default]
    Opaque,
    /// A JWT (RFC 7519) with `iat`, `exp` and the prefix in `jti`; its signature is random bytes.
    Jwt,
}

/// Refresh tokens (RFC 6749 section 6).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RefreshTokens {
    /// A response contains a `refresh_token`.
    pub issue: bool,
    /// A refresh token works once and is answered with its successor; using an old one kills the whole family.
    pub rotate: bool,
    /// An old refresh token still works this many seconds after it was replaced (Xero, Cognito).
    pub grace_seconds: f64,
}

/// How a successful response is written. The pointers are JSON pointers (RFC 6901); parents are created as needed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shape {
    /// Status code; some providers respond with 201.
    pub status: u16,
    /// `content-type`; `None` is the one that belongs to `encoding`, an empty text sends none.
    pub content_type: Option<String>,
    /// How the document is encoded.
    pub encoding: Encoding,
    /// Where the token is; with the empty pointer, the token is the whole document.
    pub access_token: String,
    /// Where the refresh token is, if there is one.
    pub refresh_token: String,
    /// The value of `token_type`; `None` leaves it out.
    pub token_type: Option<String>,
    /// Every field that contains a time.
    pub times: Vec<TimeField>,
    /// Parameters of the request that the response repeats, such as `scope` or `resource`.
    pub echo: Vec<String>,
    /// The response repeats the whole request in the object `echo`: its `body`, `target` and `authorization`, that in
    /// plain
    /// text as `basic`, and its `parameters`.
    pub echo_request: bool,
    /// Further fields, as they are.
    pub extra: Map<String, Value>,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// Send the body with `transfer-encoding: chunked`.
    pub chunked: bool,
    /// Compress the body when the request allows `gzip`.
    pub gzip: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Shape {
            status: 200,
            content_type: None,
            encoding: Encoding::Json,
            access_token: "/access_token".to_owned(),
            refresh_token: "/refresh_token".to_owned(),
            token_type: Some("Bearer".to_owned()),
            times: vec![TimeField::expires_in(Written::Number)],
            echo: Vec::new(),
            echo_request: false,
            extra: Map::new(),
            headers: Vec::new(),
            chunked: false,
            gzip: false,
        }
    }
}

/// How the document of a response is encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// `application/json`.
    #[default]
    Json,
    /// `application/x-www-form-urlencoded`, the fields of the top level.
    Form,
    /// `text/plain`: the token and nothing else.
    Bare,
}

/// A field of the response that contains a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeField {
    /// Where the field is.
    pub pointer: String,
    /// Which time it contains.
    #[serde(default)]
    pub of: TimeOf,
    /// What it counts.
    #[serde(default)]
    pub unit: TimeUnit,
    /// How it is written.
    #[serde(default)]
    pub written: Written,
}

impl TimeField {
    /// The registered `expires_in`, written in this format.
    #[must_use]
    pub fn expires_in(written: Written) -> TimeField {
        TimeField {
            pointer: "/expires_in".to_owned(),
            of: TimeOf::End,
            unit: TimeUnit::Seconds,
            written,
        }
    }

    /// The token's end at `pointer`, in this unit and form.
    #[must_use]
    pub fn end(pointer: &str, unit: TimeUnit, written: Written) -> TimeField {
        TimeField {
            pointer: pointer.to_owned(),
            of: TimeOf::End,
            unit,
            written,
        }
    }
}

/// Which time a field contains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeOf {
    /// When the token ends.
    #[default]
    End,
    /// When it was issued.
    Issue,
    /// When half of its lifetime is over, as in `refresh_in` of Entra.
    Half,
}

/// What a field counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeUnit {
    /// Seconds from now, rounded down.
    #[default]
    Seconds,
    /// Milliseconds from now.
    Milliseconds,
    /// Seconds since the Unix epoch.
    EpochSeconds,
    /// Milliseconds since the Unix epoch.
    EpochMilliseconds,
    /// RFC 3339.
    Rfc3339,
}

/// How a time is written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Written {
    /// A JSON number without fraction.
    #[default]
    Number,
    /// A JSON string.
    Text,
    /// A JSON number with a fraction.
    Float,
    /// `null`.
    Null,
    /// This value, whatever the token's life really is: `0`, `-5`, `1e308`, `"60abc"`.
    Literal(Value),
}
