//! When tokens are revoked, and where.

use url::Url;

use crate::api::problem::SpecProblem;
use crate::api::spec::OAuthClientSpec;
use crate::time::Span;

/// What is revoked at the provider (RFC 7009).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The revocation endpoint, if configured; otherwise the issuer's document names it.
    pub url: Option<Url>,
    /// Whether to revoke the published token when the resource is deleted.
    pub on_deletion: bool,
    /// How long after its replacement the previous token is revoked, if at all.
    pub previous_after: Option<Span>,
}

/// Converts the settings; `None` if nothing is revoked.
pub(super) fn of(spec: &OAuthClientSpec) -> Result<Option<Revocation>, SpecProblem> {
    let Some(choice) = &spec.revocation else {
        return Ok(None);
    };
    let url = match &spec.provider.revocation_url {
        Some(text) => Some(crate::oauth::discovery::endpoint(text).ok_or_else(|| {
            SpecProblem::new(
                "spec.provider.revocationURL",
                "is not a URL that a request can be sent to: look at its host and port",
            )
        })?),
        None => None,
    };
    let previous = choice.previous_token.as_ref();
    Ok(Some(Revocation {
        url,
        on_deletion: choice.on_deletion,
        previous_after: previous.map(|previous| Span::from_seconds(previous.after_seconds.into())),
    })
    .filter(|choice| choice.on_deletion || choice.previous_after.is_some()))
}
