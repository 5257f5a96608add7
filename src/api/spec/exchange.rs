//! Token exchange (RFC 8693), and tokens of Kubernetes `ServiceAccounts`.

#![allow(
    rustdoc::bare_urls,
    reason = "these comments are also the descriptions in the schema, which are plain text"
)]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::oauth::exchange::{ACCESS_TOKEN, JWT};
use crate::oauth::{Exchange, PublishedToken, TokenInput, TokenSource};

/// The tokens of the exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenExchange {
    /// The token on whose behalf the request is made (subject_token).
    pub subject_token: ExchangedToken,
    /// The token of the party that acts for the subject (actor_token). Omit it for impersonation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_token: Option<ExchangedToken>,
    /// The requested token type, such as urn:ietf:params:oauth:token-type:access_token. By default, the provider chooses. A
    /// response with another token type is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub requested_token_type: Option<String>,
}

/// A token to exchange: exactly one of credentialsKey, serviceAccountToken and oauthClientName.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExchangedToken {
    /// Key of the credentials Secret that holds the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub credentials_key: Option<String>,
    /// A token of a ServiceAccount in this namespace, created for each request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_token: Option<ServiceAccountToken>,
    /// Another OAuthClient in this namespace, whose published token is used. It opts in with tokenSecret.labels
    /// oauthclient.dev/credentials: "true". Whenever it gets a new token, a new token is requested here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub oauth_client_name: Option<String>,
    /// Only with oauthClientName: the key of its token Secret that holds the token. Defaults to access_token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub key: Option<String>,
    /// The token type. Defaults to urn:ietf:params:oauth:token-type:jwt with serviceAccountToken, and to
    /// urn:ietf:params:oauth:token-type:access_token otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub token_type: Option<String>,
}

/// A token of a Kubernetes ServiceAccount, created for one request. The ServiceAccount opts in with its annotations
/// oauthclient.dev/allowed-audiences and oauthclient.dev/allowed-hosts, and the operator needs an additional
/// permission (deploy/service-account-tokens).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccountToken {
    /// Name of the ServiceAccount, in this namespace.
    #[schemars(length(min = 1, max = 253))]
    pub service_account_name: String,
    /// The audience (aud) that the provider requires, such as api://AzureADTokenExchange. An audience that the Kubernetes API
    /// itself accepts is always refused.
    #[schemars(length(min = 1, max = 512))]
    pub audience: String,
    /// The lifetime of the token in seconds. It is used once, so the minimum is enough.
    #[serde(default = "six_hundred")]
    #[schemars(range(min = 600, max = 3600))]
    pub expiration_seconds: i32,
}

fn six_hundred() -> i32 {
    600
}

impl TokenExchange {
    /// The typed form of a validated value.
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
    /// The typed form of a validated value.
    pub(crate) fn meaning(&self) -> crate::oauth::ServiceAccountToken {
        crate::oauth::ServiceAccountToken {
            account: self.service_account_name.clone(),
            audience: self.audience.clone(),
            expiration_seconds: self.expiration_seconds.into(),
        }
    }
}
