//! What the provider grants at a login.

use crate::oauth::Document;
use crate::oauth::login::refresh_token;
use crate::plugin::login::provider::Provider;
use crate::plugin::new_secret;
use crate::plugin::problem::Problem;
use crate::secret::Secret;

/// The result of a consent.
pub(crate) struct Consent {
    pub(super) refresh_token: Secret,
}

/// The refresh token in a response, or what to do if there is none.
pub(crate) fn consent(provider: &Provider, answer: &Document) -> Result<Consent, Problem> {
    let shape = &provider.client.response;
    let refresh_token = refresh_token(shape, answer).ok_or_else(|| {
        let asked = provider.scope();
        let hint = if asked.split([' ', ',']).any(|scope| scope == "offline_access") {
            "offline_access was requested, so ask the provider whether the client may have refresh tokens"
        } else {
            "many providers require the scope offline_access (--scope offline_access), Google requires --parameter access_type=offline --parameter prompt=consent; put what works into spec.login"
        };
        Problem::new(format!(
            "the provider gave an access token but no refresh token, so nothing could be kept fresh and nothing was stored: {hint}. Some give it only at the first consent: withdraw that in your account there, then log in again"
        ))
    })?;
    Ok(Consent { refresh_token })
}

/// The name of the Secret for a resource's login.
pub(crate) fn secret_name(name: &str) -> String {
    format!("{name}-login")
}

/// Which existing Secret it may replace.
pub(crate) const OVERWRITE: new_secret::Overwrite = new_secret::Overwrite::Login;
