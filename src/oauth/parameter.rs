//! Parameters of a request, and the keys of the credentials Secret that hold their values.

use std::collections::BTreeMap;

use crate::secret::Secret;
use crate::trust::lender::Lenders;

/// A named value of a request: a parameter or a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its value, or the key that holds it.
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
