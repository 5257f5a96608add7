//! Creates tokens of `ServiceAccounts` (the TokenRequest API).
//!
//! A token that the Kubernetes API itself accepts would grant the permissions of its `ServiceAccount` to its receiver.
//! Therefore no token is created for an audience of the operator's own token, and each created token is tried at the
//! API first: only one that the API refuses is sent. Tokens stay in memory, for one attempt.

use k8s_openapi::api::authentication::v1::{SelfSubjectReview, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::PostParams;

use crate::kubernetes::own_accounts::same;
use crate::model::{Failure, Fetched, Observed};
use crate::oauth::ServiceAccountToken;
use crate::secret::Secret;

use super::calls::CallError;
use super::shared::Shared;

/// Creates a token, unless it is for the Kubernetes API itself.
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
        Err(error) => return Err(Failure::account_token(wanted, &error.summary())),
    };
    let Some(token) = made.filter(|token| !token.is_empty()) else {
        let why = "the API server's answer holds none";
        return Err(Failure::account_token(wanted, why));
    };
    is_for_others(shared, wanted, &token).await?;
    Ok(Fetched::ServiceAccountToken(wanted.clone(), token))
}

/// Tries a token at the API: one that it accepts is sent nowhere.
async fn is_for_others(
    shared: &Shared,
    wanted: &ServiceAccountToken,
    token: &Secret,
) -> Result<(), Failure> {
    let Some(client) = (shared.accounts.client_with)(token) else {
        let why = "it could not be put to the API server";
        return Err(Failure::account_token(wanted, why));
    };
    let api = Api::<SelfSubjectReview>::all(client);
    let params = PostParams::default();
    let review = SelfSubjectReview::default();
    match shared.calls.call(api.create(&params, &review)).await {
        Err(CallError::Refused(status)) if status.code == 401 => Ok(()),
        // The API knows the token, whatever its permissions are.
        Ok(_) => Err(Failure::audience_refused(wanted)),
        Err(CallError::Refused(status)) if status.code == 403 => {
            Err(Failure::audience_refused(wanted))
        }
        Err(error) => Err(Failure::account_token(wanted, &error.summary())),
    }
}
