//! The operator's own audiences, which it makes no token for.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kube::config::AuthInfo;
use kube::{Client, Config};
use serde_json::{Value, json};

use crate::secret::Secret;

/// Returns a client that uses this token and no other credentials of the operator; `None` if there can be none.
pub type ClientWith = Arc<dyn Fn(&Secret) -> Option<Client> + Send + Sync>;

/// The connection to the API for trying a token, and the content of the operator's own token.
pub struct Accounts {
    pub(super) client_with: ClientWith,
    /// Issuer and audiences of the operator's own token, which the API accepts.
    pub(super) own: Vec<String>,
}

impl Accounts {
    /// From the operator's own configuration.
    pub(crate) fn new(config: &Config) -> Self {
        let own = own_token(&config.auth_info).map_or_else(Vec::new, |token| names(&token));
        let config = config.clone();
        let client_with: ClientWith = Arc::new(move |token| {
            let mut config = config.clone();
            config.auth_info = serde_json::from_value(json!({"token": token.expose()?})).ok()?;
            Client::try_from(config).ok()
        });
        Accounts { client_with, own }
    }

    /// From clients that are built elsewhere, if the operator has no token of its own.
    pub fn with(client_with: ClientWith) -> Self {
        Accounts {
            client_with,
            own: Vec::new(),
        }
    }
}

pub(crate) fn own_token(auth: &AuthInfo) -> Option<Secret> {
    if let Some(path) = &auth.token_file {
        return std::fs::read(path).ok().map(Secret::new);
    }
    match serde_json::to_value(auth).ok()?.get_mut("token")?.take() {
        Value::String(token) => Some(Secret::from(token)),
        _ => None,
    }
}

/// Issuer and audiences of a JWT; empty if it is none.
pub(crate) fn names(token: &Secret) -> Vec<String> {
    let claims = || -> Option<Value> {
        let payload = token.expose()?.trim().split('.').nth(1)?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
    };
    let claims = claims().unwrap_or_default();
    let audiences = match claims.get("aud") {
        Some(Value::Array(list)) => list.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    };
    let issuer = claims.get("iss").cloned();
    let all = audiences.into_iter().chain(issuer);
    all.filter_map(|name| name.as_str().map(same)).collect()
}

/// A name for comparison: a trailing `/` makes no difference.
pub(crate) fn same(name: &str) -> String {
    name.trim_end_matches('/').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(claims: &Value) -> Secret {
        let payload = URL_SAFE_NO_PAD.encode(claims.to_string());
        Secret::from(format!("e30.{payload}.c2ln"))
    }

    #[test]
    fn the_api_goes_by_issuer_and_audiences_of_the_operators_own_token() {
        let one = json!({"iss": "https://issuer.example/", "aud": "k3s"});
        assert_eq!(names(&jwt(&one)), ["k3s", "https://issuer.example"]);
        let many = json!({"aud": ["A", "b"]});
        assert_eq!(names(&jwt(&many)), ["a", "b"]);
        for none in ["", "opaque", "a.b.c", "a.e30.c"] {
            assert!(names(&Secret::from(none)).is_empty(), "{none}");
        }
    }

    #[test]
    fn the_own_token_is_found_where_the_configuration_has_it() {
        let auth: AuthInfo = serde_json::from_value(json!({"token": "t"})).unwrap();
        assert_eq!(own_token(&auth).unwrap().expose(), Some("t"));
        assert!(own_token(&AuthInfo::default()).is_none());
    }
}
