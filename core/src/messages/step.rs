//! The next step after a refusal, depending on what the client sends, because providers report every problem with it as "bad
//! client" or "bad grant".

use crate::conditions::Reason;
use crate::oauth::request::required_keys;
use crate::oauth::{Client, ClientAuthentication, Grant};

use super::catalogue::catalogue;
use super::text::{Text, text};

catalogue! {
    /// What to do about a refusal.
    pub enum Step {
        /// About a code of the provider's own.
        LookUpCode,
        /// About the parameters.
        CompareRequest,
        /// About client id and client secret.
        CheckClientSecret,
        /// About the key of `private_key_jwt`.
        CheckPrivateKey,
        /// About the secret of `client_secret_jwt`.
        CheckClientSecretJwt,
        /// About the key of `jwt-bearer`.
        CheckAssertion,
        /// About the client certificate.
        CheckCertificate,
        /// About the token of a `ServiceAccount`.
        CheckServiceAccount,
        /// About a public client.
        CheckPublicClient,
        /// About user name and password.
        CheckPassword,
        /// About an exchanged token.
        CheckExchange,
        /// About a refresh token.
        LogIn,
        /// About another grant.
        CompareGrant,
        /// About a 401.
        CheckCredentials,
        /// The client may not use the grant.
        AllowGrant,
        /// The provider does not know the grant.
        SetGrant,
        /// About scopes.
        CheckScopes,
        /// About resource and audience.
        CheckTarget,
        /// About access.
        AskForAccess,
        /// About a 403.
        AskForAccessOrNetwork,
        /// About the token URL.
        CheckTokenUrl,
        /// About the token endpoint in the issuer's document.
        CheckIssuer,
        /// About a redirect.
        SetTokenUrl,
        /// About a redirect of the token endpoint in the issuer's document.
        SetTokenUrlForIssuer,
        /// About a response without a token.
        CheckResponse,
        /// About a response without a token, of an endpoint in the issuer's document.
        CheckResponseOfIssuer,
        /// About the proxy.
        SetProxy,
        /// About a rate limit.
        WaitForLimit,
        /// About the provider's state.
        WaitForProvider,
        /// A person must consent.
        Consent,
        /// About the proof of possession.
        CheckProof,
        /// Anything else.
        Retry,
    }
}

impl Step {
    /// The next step after an answer with this reason. `has_code`: the provider wrote an error code.
    pub(super) fn of(reason: Reason, has_code: bool, client: &Client) -> Step {
        let of_issuer = client.issuer.is_some() && !has_code;
        match reason {
            Reason::InvalidClient => of_client(client).unwrap_or(Step::CheckClientSecret),
            Reason::Unauthorized => of_client(client).unwrap_or(Step::CheckCredentials),
            Reason::InvalidGrant => of_grant(&client.grant),
            // RFC 8693 section 2.2.2 prescribes this for an unacceptable subject or actor token.
            Reason::InvalidRequest if matches!(client.grant, Grant::TokenExchange(_)) => {
                Step::CheckExchange
            }
            Reason::NotFound if of_issuer => Step::CheckIssuer,
            Reason::Redirected if of_issuer => Step::SetTokenUrlForIssuer,
            Reason::UnusableResponse if of_issuer => Step::CheckResponseOfIssuer,
            Reason::UnusableResponse | Reason::RequestRefused | Reason::Forbidden if has_code => {
                Step::LookUpCode
            }
            Reason::InvalidRequest => Step::CompareRequest,
            Reason::UnauthorizedClient => Step::AllowGrant,
            Reason::UnsupportedGrantType => Step::SetGrant,
            Reason::InvalidScope => Step::CheckScopes,
            Reason::InvalidTarget => Step::CheckTarget,
            Reason::AccessDenied => Step::AskForAccess,
            Reason::Forbidden => Step::AskForAccessOrNetwork,
            Reason::NotFound => Step::CheckTokenUrl,
            Reason::ProxyRefused => Step::SetProxy,
            Reason::RateLimited => Step::WaitForLimit,
            Reason::ServerError | Reason::TemporarilyUnavailable => Step::WaitForProvider,
            Reason::ConsentRequired => Step::Consent,
            Reason::ProofRequired => Step::CheckProof,
            Reason::Redirected => Step::SetTokenUrl,
            Reason::UnusableResponse => Step::CheckResponse,
            _ => Step::Retry,
        }
    }

    pub(super) fn text(&self) -> Text {
        match self {
            Step::LookUpCode => text![
                "Look the code up in the provider's documentation, or name it in spec.response.errors."
            ],
            Step::CompareRequest => text![
                "Compare spec.parameters, spec.request and spec.grant with what the provider documents."
            ],
            Step::CheckClientSecret => {
                text!["Check client id, client secret and spec.clientAuthentication.method."]
            }
            Step::CheckPrivateKey => text![
                "Check the key at the provider, the clock, and spec.clientAuthentication.privateKeyJWT."
            ],
            Step::CheckClientSecretJwt => {
                text!["Check client secret, clock, and spec.clientAuthentication.clientSecretJWT."]
            }
            Step::CheckAssertion => {
                text!["Check the public key at the provider, the clock, and spec.grant.jwtBearer."]
            }
            Step::CheckCertificate => {
                text!["Check the client id, and that the provider knows the client certificate."]
            }
            Step::CheckServiceAccount => text![
                "Check that the provider trusts the token of spec.clientAuthentication.serviceAccountToken."
            ],
            Step::CheckPublicClient => text![
                "Check the client id, and whether the provider requires client authentication."
            ],
            Step::CheckPassword => {
                text!["Check user name and password, and whether the account is locked."]
            }
            Step::CheckExchange => text![
                "Check that the provider trusts the token of spec.grant.tokenExchange, its type and audience."
            ],
            Step::LogIn => {
                text!["The refresh token has expired, was revoked or used elsewhere: log in again."]
            }
            Step::CompareGrant => {
                text!["Compare spec.grant and spec.parameters with the provider's documentation."]
            }
            Step::CheckCredentials => {
                text!["Check the credentials Secret, and spec.clientAuthentication.method."]
            }
            Step::AllowGrant => text![
                "Ask the provider to allow this grant for the client, or set another spec.grant.type."
            ],
            Step::SetGrant => {
                text!["Set another spec.grant.type, from the provider's documentation."]
            }
            Step::CheckScopes => {
                text!["Check spec.scopes, and that the provider has granted them to the client."]
            }
            Step::CheckTarget => {
                text!["Check the parameters resource and audience in spec.parameters."]
            }
            Step::AskForAccess => text![
                "Ask the provider to give the client access to these scopes, audience or resource."
            ],
            Step::AskForAccessOrNetwork => {
                text!["Ask the provider whether it allows this access, and from this network."]
            }
            Step::CheckTokenUrl => text![
                "Check spec.provider.tokenURL. For an issuer, set spec.provider.issuerURL instead."
            ],
            Step::CheckIssuer => {
                text!["Check spec.provider.issuerURL, or set spec.provider.tokenURL instead."]
            }
            Step::SetTokenUrl => {
                text!["Set spec.provider.tokenURL to the URL of the token endpoint itself."]
            }
            Step::SetTokenUrlForIssuer => {
                text!["Set spec.provider.tokenURL instead of spec.provider.issuerURL."]
            }
            Step::CheckResponse => {
                text!["Check spec.provider.tokenURL and spec.response."]
            }
            Step::CheckResponseOfIssuer => {
                text!["Check spec.provider.issuerURL and spec.response."]
            }
            Step::SetProxy => {
                text!["Set HTTPS_PROXY of the operator to a URL with user name and password."]
            }
            Step::WaitForLimit => {
                text!["The operator retries. If this lasts, check what else uses the same client."]
            }
            Step::WaitForProvider => {
                text!["The operator retries. If this lasts, check the provider's status page."]
            }
            Step::Consent => text![
                "Log in at the provider once and consent for this client, then request a refresh."
            ],
            Step::CheckProof => text![
                "Set spec.dpop: {} if the provider requires it. If it is set, check clock and key."
            ],
            Step::Retry => text![
                "The operator retries. If it lasts, compare the spec with the provider's documentation."
            ],
        }
    }
}

/// `None`: the client secret.
fn of_client(client: &Client) -> Option<Step> {
    match &client.authentication {
        ClientAuthentication::PrivateKeyJwt(_) => Some(Step::CheckPrivateKey),
        ClientAuthentication::ClientSecretJwt(_) => Some(Step::CheckClientSecretJwt),
        // The assertion alone may identify the client (Maskinporten).
        _ if client.grant.jwt_bearer().is_some() => Some(Step::CheckAssertion),
        ClientAuthentication::TlsClientAuth | ClientAuthentication::SelfSignedTlsClientAuth => {
            Some(Step::CheckCertificate)
        }
        ClientAuthentication::ServiceAccountToken(_) => Some(Step::CheckServiceAccount),
        // Credentials in headers or parameters are in the credentials Secret too.
        ClientAuthentication::None if required_keys(client).is_empty() => {
            Some(Step::CheckPublicClient)
        }
        ClientAuthentication::None
        | ClientAuthentication::ClientSecretBasic { .. }
        | ClientAuthentication::ClientSecretPost => None,
    }
}

fn of_grant(grant: &Grant) -> Step {
    match grant {
        Grant::Password => Step::CheckPassword,
        Grant::JwtBearer(_) => Step::CheckAssertion,
        Grant::TokenExchange(_) => Step::CheckExchange,
        Grant::RefreshToken => Step::LogIn,
        Grant::ClientCredentials | Grant::Other(_) => Step::CompareGrant,
    }
}
