//! Token exchange (RFC 8693), and tokens of Kubernetes `ServiceAccounts`.

#![allow(
    rustdoc::bare_urls,
    reason = "these comments are the schema's descriptions too, which are plain text"
)]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::oauth::exchange::{ACCESS_TOKEN, JWT};
use crate::oauth::{Exchange, PublishedToken, TokenInput, TokenSource};

/// What is exchanged for what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenExchange {
    /// The token on whose behalf the request is made (subject_token).
    pub subject_token: ExchangedToken,
    /// The token of the party that acts for the subject (actor_token). Leave out for plain impersonation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_token: Option<ExchangedToken>,
    /// The type of the token that is wanted, such as urn:ietf:params:oauth:token-type:access_token. Left out, the provider
    /// chooses. An answer with a token of another type is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub requested_token_type: Option<String>,
}

/// A token that is exchanged: exactly one of credentialsKey, serviceAccountToken and oauthClientName.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExchangedToken {
    /// Key of the credentials Secret that holds the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub credentials_key: Option<String>,
    /// A token of a ServiceAccount of this namespace, made anew for each request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_token: Option<ServiceAccountToken>,
    /// Another OAuthClient of this namespace, whose published token is taken. It lends that by
    /// tokenSecret.labels oauthclient.dev/credentials: "true". Each new token of it leads to a new one here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub oauth_client_name: Option<String>,
    /// Only with oauthClientName: the key of its token Secret that holds the token. Left out it is access_token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub key: Option<String>,
    /// The type of the token. Left out it is urn:ietf:params:oauth:token-type:jwt with serviceAccountToken, and
    /// urn:ietf:params:oauth:token-type:access_token otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub token_type: Option<String>,
}

/// A token of a Kubernetes ServiceAccount, made for one request. The ServiceAccount lends itself by its own annotations
/// oauthclient.dev/allowed-audiences and oauthclient.dev/allowed-hosts, and the operator needs a right of its own for it
/// (deploy/service-account-tokens).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccountToken {
    /// Name of the ServiceAccount, in this namespace.
    #[schemars(length(min = 1, max = 253))]
    pub service_account_name: String,
    /// Whom the token is for (aud), as the provider wants it, such as api://AzureADTokenExchange. An audience that the
    /// Kubernetes API itself accepts is always refused.
    #[schemars(length(min = 1, max = 512))]
    pub audience: String,
    /// How long the token lives, in seconds. It is used once, so the least is enough.
    #[serde(default = "six_hundred")]
    #[schemars(range(min = 600, max = 3600))]
    pub expiration_seconds: i32,
}

fn six_hundred() -> i32 {
    600
}

impl TokenExchange {
    /// What it means, once checked.
    pub(crate) fn meaning(&self) -> Exchange {
        Exchange {
            subject: self.subject_token.meaning(),
            actor: self.actor_token.as_ref().map(ExchangedToken::meaning),
            requested_type: self.requested_token_type.clone(),
        }
    }
}

impl ExchangedToken {
    fn meaning(&self) -> TokenInput {
        let (source, usual) = match (&self.service_account_token, &self.oauth_client_name) {
            (Some(token), _) => (TokenSource::ServiceAccount(token.meaning()), JWT),
            (None, Some(client)) => {
                let key = self.key.clone();
                let token = PublishedToken {
                    client: client.clone(),
                    key: key.unwrap_or_else(|| "access_token".to_owned()),
                };
                (TokenSource::Published(token), ACCESS_TOKEN)
            }
            (None, None) => {
                let key = self.credentials_key.clone().unwrap_or_default();
                (TokenSource::CredentialsKey(key), ACCESS_TOKEN)
            }
        };
        TokenInput {
            source,
            token_type: self.token_type.clone().unwrap_or_else(|| usual.to_owned()),
        }
    }
}

impl ServiceAccountToken {
    /// What it means, once checked.
    pub(crate) fn meaning(&self) -> crate::oauth::ServiceAccountToken {
        crate::oauth::ServiceAccountToken {
            account: self.service_account_name.clone(),
            audience: self.audience.clone(),
            expiration_seconds: self.expiration_seconds.into(),
        }
    }
}
