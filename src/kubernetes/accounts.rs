//! Tokens of `ServiceAccounts` (the TokenRequest API): whether they may be made, and making them.
//!
//! A token that the Kubernetes API itself accepts would hand the rights of its `ServiceAccount` to whoever it is sent to. So
//! no token is made for an audience of the operator's own token, and whatever was made is put to the API first: only one
//! that the API refuses is sent. Tokens live in memory alone, for one attempt.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k8s_openapi::api::authentication::v1::{SelfSubjectReview, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::config::AuthInfo;
use kube::{Api, Client, Config};
use serde_json::{Value, json};

use crate::engine::Key;
use crate::model::{AccountSeen, Failure, Fetched, Observed};
use crate::oauth::ServiceAccountToken;
use crate::reconcile::StoreError;
use crate::secret::Secret;

use super::calls::CallError;
use super::shared::Shared;

/// How the API is reached with a token that was made, and what the operator's own token says.
pub(super) struct Accounts {
    config: Config,
    /// Issuer and audiences of the operator's own token: the API goes by these.
    own: Vec<String>,
}

impl Accounts {
    /// From what the operator itself reaches the API with.
    pub(super) fn new(config: &Config) -> Self {
        Accounts {
            own: own_token(&config.auth_info).map_or_else(Vec::new, |token| names(&token)),
            config: config.clone(),
        }
    }

    /// A client that shows this token and nothing else of the operator's.
    fn client_with(&self, token: &Secret) -> Option<Client> {
        let mut config = self.config.clone();
        config.auth_info = serde_json::from_value(json!({"token": token.expose()?})).ok()?;
        Client::try_from(config).ok()
    }
}

fn own_token(auth: &AuthInfo) -> Option<Secret> {
    if let Some(path) = &auth.token_file {
        return std::fs::read(path).ok().map(Secret::new);
    }
    match serde_json::to_value(auth).ok()?.get_mut("token")?.take() {
        Value::String(token) => Some(Secret::from(token)),
        _ => None,
    }
}

/// Issuer and audiences of a JWT; nothing where it is none.
fn names(token: &Secret) -> Vec<String> {
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

/// A name as it is compared: an end of `/` makes no difference.
fn same(name: &str) -> String {
    name.trim_end_matches('/').to_ascii_lowercase()
}

/// `ServiceAccounts` by name: read for each look, since they are not watched.
pub(super) async fn seen(
    shared: &Shared,
    key: &Key,
    names: BTreeSet<String>,
) -> Result<BTreeMap<String, AccountSeen>, StoreError> {
    let mut all = BTreeMap::new();
    let api = shared.calls.api::<ServiceAccount>(key.namespace());
    for name in names {
        let account = match shared.calls.call(api.get_metadata(&name)).await {
            Ok(object) => AccountSeen::There {
                uid: object.metadata.uid.unwrap_or_default(),
                annotations: object.metadata.annotations.unwrap_or_default(),
            },
            Err(error) if error.is_not_found() => AccountSeen::Missing,
            Err(CallError::Refused(status)) if status.code == 403 => AccountSeen::Forbidden,
            Err(error) => return Err(error.into()),
        };
        all.insert(name, account);
    }
    Ok(all)
}

/// Makes a token, if it is for somebody else than the Kubernetes API.
pub(super) async fn token(
    shared: &Shared,
    seen: &Observed,
    wanted: &ServiceAccountToken,
) -> Result<Fetched, Failure> {
    if shared.accounts.own.contains(&same(&wanted.audience)) {
        return Err(Failure::audience_refused(wanted));
    }
    let namespace = &seen.resource.namespace;
    let api = shared.calls.api::<ServiceAccount>(namespace);
    let request = TokenRequest {
        spec: TokenRequestSpec {
            audiences: vec![wanted.audience.clone()],
            expiration_seconds: Some(wanted.expiration_seconds),
            bound_object_ref: None,
        },
        ..TokenRequest::default()
    };
    let params = PostParams::default();
    let made = api.create_token_request(&wanted.account, &params, &request);
    let made = match shared.calls.call(made).await {
        Ok(made) => made.status.map(|status| Secret::from(status.token)),
        Err(CallError::Refused(status)) if status.code == 403 => {
            return Err(Failure::account_token_forbidden(namespace));
        }
        Err(error) => return Err(Failure::account_token(wanted, &error.said())),
    };
    let Some(token) = made.filter(|token| !token.is_empty()) else {
        let why = "the API server's answer holds none";
        return Err(Failure::account_token(wanted, why));
    };
    is_for_others(shared, wanted, &token).await?;
    Ok(Fetched::ServiceAccountToken(wanted.clone(), token))
}

/// Puts a token to the API: one that it accepts goes nowhere else.
async fn is_for_others(
    shared: &Shared,
    wanted: &ServiceAccountToken,
    token: &Secret,
) -> Result<(), Failure> {
    let Some(client) = shared.accounts.client_with(token) else {
        let why = "it could not be put to the API server";
        return Err(Failure::account_token(wanted, why));
    };
    let api = Api::<SelfSubjectReview>::all(client);
    let params = PostParams::default();
    let review = SelfSubjectReview::default();
    match shared.calls.call(api.create(&params, &review)).await {
        Err(CallError::Refused(status)) if status.code == 401 => Ok(()),
        // Known to the API, whatever it may do there.
        Ok(_) => Err(Failure::audience_refused(wanted)),
        Err(CallError::Refused(status)) if status.code == 403 => {
            Err(Failure::audience_refused(wanted))
        }
        Err(error) => Err(Failure::account_token(wanted, &error.said())),
    }
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
