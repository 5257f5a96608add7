//! Whether and how a resource uses refresh tokens.

use url::Url;

use crate::api::problem::SpecProblem;
use crate::api::spec::OAuthClientSpec;
use crate::oauth::refresh::{Origin, Refreshing};

/// The settings for refresh tokens; `None` for a resource that uses none.
pub(super) fn of(spec: &OAuthClientSpec) -> Result<Option<Refreshing>, SpecProblem> {
    let origin = match (spec.grant.type_.as_str(), &spec.grant.password) {
        ("refresh_token", _) => Origin::Provided,
        ("password", Some(password)) if password.use_refresh_token => Origin::Password,
        _ => return Ok(None),
    };
    let url = match &spec.provider.refresh_url {
        None => None,
        Some(text) => Some(Url::parse(text).ok().filter(Url::has_host).ok_or_else(|| {
            SpecProblem::new(
                "spec.provider.refreshURL",
                "is not a URL that a token request can be sent to: look at its host and port",
            )
        })?),
    };
    Ok(Some(Refreshing { origin, url }))
}
