//! Parameters of a request, and the keys of the credentials Secret that hold their values.

use std::collections::BTreeMap;

use crate::secret::Secret;
use crate::time::{Span, Time};
use crate::trust::lender::Lenders;

/// A named value of a request: a parameter or a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its value, or the key that holds it.
    pub value: ParameterValue,
    /// Which part of the request carries it.
    pub place: Place,
}

/// Which part of a request carries a parameter. One that goes into a header is a header of the resource's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Place {
    /// Where the request's format puts all parameters.
    #[default]
    ByFormat,
    /// The query of the URL.
    Query,
    /// The body; form-encoded where the format has none.
    Body,
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
    /// A point in time that is computed when the request is sent.
    Time(TimeValue),
}

/// A point in time, counted from the sending of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeValue {
    /// How long after the sending; negative for before.
    pub after: Span,
    /// How it is written.
    pub format: TimeFormat,
}

/// How a point in time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeFormat {
    /// `2026-12-29T12:00:00Z`.
    Rfc3339,
    /// `2026-12-29`, the day in UTC.
    Date,
    /// Seconds since the Unix epoch.
    EpochSeconds,
    /// Milliseconds since the Unix epoch.
    EpochMilliseconds,
}

impl TimeFormat {
    /// Its name in a resource.
    pub fn name(self) -> &'static str {
        match self {
            TimeFormat::Rfc3339 => "RFC3339",
            TimeFormat::Date => "Date",
            TimeFormat::EpochSeconds => "EpochSeconds",
            TimeFormat::EpochMilliseconds => "EpochMilliseconds",
        }
    }

    /// Reads its name; any other is RFC 3339.
    pub fn parse(name: &str) -> TimeFormat {
        match name {
            "Date" => TimeFormat::Date,
            "EpochSeconds" => TimeFormat::EpochSeconds,
            "EpochMilliseconds" => TimeFormat::EpochMilliseconds,
            _ => TimeFormat::Rfc3339,
        }
    }
}

impl TimeValue {
    /// The point in time as it is sent.
    pub fn text(self, now: Time) -> String {
        let at = now + self.after;
        match self.format {
            // To the second: fractions are refused by many parsers.
            TimeFormat::Rfc3339 => Time::from_millis(at.seconds() * 1000).to_string(),
            TimeFormat::Date => at.to_string().chars().take(10).collect(),
            TimeFormat::EpochSeconds => at.seconds().to_string(),
            TimeFormat::EpochMilliseconds => at.millis().to_string(),
        }
    }
}

impl ParameterValue {
    /// The key of the credentials Secret that holds it, if one does.
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

/// The credentials of a client, by the keys of its Secret, and their lenders.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    values: BTreeMap<String, Secret>,
    lenders: Lenders,
}

impl Credentials {
    /// The decoded content of what these lenders let be sent.
    pub fn new(values: BTreeMap<String, Secret>, lenders: Lenders) -> Credentials {
        Credentials { values, lenders }
    }

    /// Adds a value that comes from elsewhere, in the place of one of the same key.
    pub fn insert(&mut self, key: String, value: Secret, lenders: &Lenders) {
        self.values.insert(key, value);
        self.lenders = std::mem::take(&mut self.lenders).union(lenders);
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Secret> {
        self.values.get(key)
    }

    /// Takes a value out of it.
    pub fn remove(&mut self, key: &str) {
        self.values.remove(key);
    }

    /// Everybody whose secrets are in it.
    pub fn lenders(&self) -> &Lenders {
        &self.lenders
    }
}

/// The value as it is sent: without its one trailing `\n` or `\r\n` if that is the only line break in it.
pub fn single_line(value: &str) -> &str {
    let line = value
        .strip_suffix("\r\n")
        .or_else(|| value.strip_suffix('\n'));
    match line {
        Some(line) if !line.contains(['\n', '\r']) => line,
        _ => value,
    }
}
