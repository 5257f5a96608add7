//! The parameters of a token exchange (RFC 8693 section 2.1).

use crate::oauth::RequestContext;
use crate::oauth::exchange::Exchange;
use crate::oauth::request::write::Text;
use crate::secret::Secret;

use super::credentials::Reader;
use super::problem::CredentialsProblem;

/// The parameters that the grant sets itself.
pub(super) const PARAMETERS: [&str; 5] = [
    "subject_token",
    "subject_token_type",
    "actor_token",
    "actor_token_type",
    "requested_token_type",
];

/// The parameters that the grant adds, in the order of the RFC's example.
pub(super) fn parameters(
    exchange: &Exchange,
    reader: &Reader<'_>,
    context: &RequestContext<'_>,
) -> Result<Vec<(String, Text)>, CredentialsProblem> {
    let read = |key: &str| {
        let text = reader.credential(key)?;
        Ok(Secret::from(text.as_str()))
    };
    let mut list = Vec::new();
    if let Some(wanted) = &exchange.requested_type {
        list.push(("requested_token_type".to_owned(), Text::new(wanted.clone())));
    }
    for (input, name) in exchange.inputs().zip(["subject_token", "actor_token"]) {
        let token = input.token(context, read)?;
        let token = token.expose().ok_or(CredentialsProblem::NoToken)?;
        list.push((name.to_owned(), Text::new(token.to_owned())));
        let kind = Text::new(input.token_type.clone());
        list.push((format!("{name}_type"), kind));
    }
    Ok(list)
}
