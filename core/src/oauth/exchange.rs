//! Token exchange (RFC 8693): the tokens in the request, and the type of the issued one.

use serde_json::Value;

use crate::oauth::token_source::TokenSource;
use crate::secret::Secret;

use super::request::CredentialsProblem;
use super::{RequestContext, TokensInHand};

/// The name of the grant (RFC 8693 section 2.1).
pub const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// The type of an access token (RFC 8693 section 3).
pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// The type of a JWT (RFC 8693 section 3).
pub const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
/// The type of a refresh token (RFC 8693 section 3).
pub const REFRESH_TOKEN: &str = "urn:ietf:params:oauth:token-type:refresh_token";

/// The settings of a token exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The token on whose behalf the request is made.
    pub subject: TokenInput,
    /// The token of the party that acts for it, if any.
    pub actor: Option<TokenInput>,
    /// The requested token type; `None` lets the server choose.
    pub requested_type: Option<String>,
}

/// A token in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenInput {
    /// Its source.
    pub source: TokenSource,
    /// Its type, a URI (RFC 8693 section 3).
    pub token_type: String,
}

impl Exchange {
    /// The tokens in the request: the subject's, then the actor's.
    pub fn inputs(&self) -> impl Iterator<Item = &TokenInput> {
        [Some(&self.subject), self.actor.as_ref()]
            .into_iter()
            .flatten()
    }
}

impl TokenInput {
    /// The token itself: from the credentials by `read`, or created or read for this attempt.
    pub(super) fn token(
        &self,
        context: &RequestContext<'_>,
        read: impl Fn(&str) -> Result<Secret, CredentialsProblem>,
    ) -> Result<Secret, CredentialsProblem> {
        match &self.source {
            TokenSource::CredentialsKey(key) => read(key),
            made => context.tokens.get(made).cloned(),
        }
    }
}

impl TokensInHand {
    /// The token of a source.
    ///
    /// # Errors
    /// There is none. The checks before a request ensure that there is.
    pub(super) fn get(&self, source: &TokenSource) -> Result<&Secret, CredentialsProblem> {
        self.find(source).ok_or(CredentialsProblem::NoToken)
    }
}

/// Checks the type of the issued token (RFC 8693 section 2.2.1).
///
/// # Errors
/// It is not the requested type, or a refresh token that was not requested, which is no token for workloads.
pub(super) fn check_issued_type(
    requested: Option<&str>,
    issued: Option<&Value>,
    remarks: &mut Vec<&'static str>,
) -> Result<(), &'static str> {
    match (issued, requested) {
        (None | Some(Value::Null), _) => {
            remarks.push("the response has no issued_token_type");
            Ok(())
        }
        (Some(Value::String(issued)), Some(requested)) if issued == requested => Ok(()),
        (Some(Value::String(_)), Some(_)) => Err(
            "its token has another type (issued_token_type) than spec.grant.tokenExchange.requestedTokenType",
        ),
        (Some(Value::String(issued)), None) if issued == REFRESH_TOKEN => {
            Err("its token is a refresh token (issued_token_type), which was not requested")
        }
        (Some(Value::String(_)), None) => Ok(()),
        (Some(_), _) => Err("its issued_token_type is not a string"),
    }
}

/// The token type of a token that is not an access token (RFC 8693 section 2.2.1).
pub(super) const NOT_APPLICABLE: &str = "N_A";
/// The remark about such a token.
pub const NOT_APPLICABLE_REMARK: &str = "the provider says that the token is no access token (token_type N_A): it is not to be sent in an Authorization header";
