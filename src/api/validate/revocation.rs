//! When tokens are revoked, and where.

use crate::api::problem::SpecProblem;
use crate::api::spec::OAuthClientSpec;
use crate::model::Revocation;
use crate::time::Span;

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
