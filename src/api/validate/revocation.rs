//! When tokens are revoked, and where.

use url::Url;

use crate::api::problem::SpecProblem;
use crate::api::spec::OAuthClientSpec;
use crate::time::Span;

/// What is revoked at the provider (RFC 7009).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The revocation endpoint, where the resource names it; else the issuer's document does.
    pub url: Option<Url>,
    /// The published token, when the resource is deleted.
    pub on_deletion: bool,
    /// The token before, this long after it was replaced.
    pub previous_after: Option<Span>,
}

/// Reads the choice; `None` where nothing is to be revoked.
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
