//! The endpoints of requests: the configured token endpoint, or those of the issuer.

use url::Url;

use crate::api::problem::SpecProblem;
use crate::api::spec;
use crate::oauth::{Issuer, Located};

/// The endpoints in `spec.provider`.
pub(super) struct Provider {
    pub(super) token_url: Url,
    pub(super) issuer: Option<Located>,
}

/// Parses the endpoints. The rules ensure that exactly one of the two is set.
pub(super) fn of(spec: &spec::Provider) -> Result<Provider, SpecProblem> {
    if let Some(text) = &spec.issuer_url {
        let issuer = Issuer::parse(text).ok_or_else(|| {
            SpecProblem::new(
                "spec.provider.issuerURL",
                "is not a URL that a request can be sent to: look at its host and port",
            )
        })?;
        return Ok(Provider {
            token_url: issuer.url().clone(),
            issuer: Some(Located {
                issuer,
                endpoints: None,
            }),
        });
    }
    let token_url = spec
        .token_url
        .as_deref()
        .and_then(|text| Url::parse(text).ok())
        .filter(Url::has_host);
    token_url
        .map(|token_url| Provider {
            token_url,
            issuer: None,
        })
        .ok_or_else(|| {
            SpecProblem::new(
                "spec.provider.tokenURL",
                "is not a URL that a token request can be sent to: look at its host and port",
            )
        })
}
