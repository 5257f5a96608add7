//! The redirect from the provider (RFC 6749 sections 4.1.2 and 4.1.2.1, RFC 9207).

use url::Url;

use crate::secret::Secret;

/// What a redirect must match.
pub struct Expected<'a> {
    /// The `state` that was sent.
    pub state: &'a str,
    /// The issuer, if known: then `iss` must be exactly equal.
    pub issuer: Option<&'a str>,
    /// Whether the provider declares that it always sends `iss` (RFC 9207 section 3).
    pub issuer_promised: bool,
    /// The authorization endpoint: without a known issuer, `iss` must have the same scheme and host.
    pub endpoint: &'a Url,
}

/// A parsed redirect.
pub enum Redirect {
    /// Consent was given; the code is valid for one token request.
    Code(Secret),
    /// The provider refused.
    Refused(RedirectError),
    /// It does not belong to this login: `state` is missing or different. Nothing else in it is used.
    Foreign,
    /// It belongs to this login, but names another issuer, or none although one was promised: this may be a mix-up
    /// attack (RFC 9207 section 1).
    OtherIssuer,
    /// It belongs to this login, but is invalid.
    Malformed,
}

/// Why the provider refused: only the registered code, because the other text may come from anyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedirectError {
    code: Option<&'static str>,
    next_step: &'static str,
}

/// The known codes (RFC 6749 section 4.1.2.1, RFC 8707, OpenID Connect Core section 3.1.2.6), and what to do.
const CODES: &[(&str, &str)] = &[
    (
        "access_denied",
        "Consent was declined, or this account may not use the client. Log in again, if that was not meant",
    ),
    (
        "invalid_request",
        "Compare spec.login.parameters and the redirect URI with what is registered at the provider",
    ),
    (
        "invalid_scope",
        "Check spec.scopes and spec.login.scopes: the provider does not grant all of them to this client",
    ),
    (
        "unauthorized_client",
        "Ask the provider to allow the authorization code grant for this client",
    ),
    (
        "unsupported_response_type",
        "The provider has no authorization code grant for this client: try --device",
    ),
    (
        "invalid_target",
        "Check the parameters resource and audience",
    ),
    (
        "server_error",
        "It is the provider's fault: try again in a while",
    ),
    (
        "temporarily_unavailable",
        "It is the provider's fault: try again in a while",
    ),
    ("login_required", PROMPT),
    ("consent_required", PROMPT),
    ("interaction_required", PROMPT),
    ("account_selection_required", PROMPT),
];
const PROMPT: &str = "The provider may not ask the person anything: remove prompt=none from spec.login.parameters, or set prompt to consent";

impl RedirectError {
    fn read(text: &str) -> RedirectError {
        match CODES.iter().find(|(code, _)| *code == text) {
            Some((code, next_step)) => RedirectError {
                code: Some(code),
                next_step,
            },
            None => RedirectError {
                code: None,
                next_step: "The page in the browser may say more; compare the resource with the provider's documentation",
            },
        }
    }

    /// The registered code, if it is one.
    pub fn code(&self) -> Option<&'static str> {
        self.code
    }

    /// What happened and what to do, as sentences.
    pub fn explain(&self) -> String {
        let next_step = self.next_step;
        match self.code {
            Some(code) => format!("The provider answered {code}. {next_step}"),
            None => format!("The provider answered with an unregistered error. {next_step}"),
        }
    }
}

/// Parses the query of a redirect.
pub fn read(query: &str, expected: &Expected<'_>) -> Redirect {
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let mut ours = true;
    let mut one = |name: &str| {
        let mut found = pairs.iter().filter(|(found, _)| found == name);
        let first = found.next().map(|(_, value)| value.as_str());
        ours &= found.next().is_none();
        first
    };
    let (state, issuer) = (one("state"), one("iss"));
    let (code, error) = (one("code"), one("error"));
    if state != Some(expected.state) {
        return Redirect::Foreign;
    }
    if !ours {
        return Redirect::Malformed;
    }
    if !issuer_fits(issuer, expected) {
        return Redirect::OtherIssuer;
    }
    match (code, error) {
        (None, Some(error)) => Redirect::Refused(RedirectError::read(error)),
        (Some(code), None) if !code.is_empty() && !code.chars().any(char::is_control) => {
            Redirect::Code(code.into())
        }
        _ => Redirect::Malformed,
    }
}

fn issuer_fits(issuer: Option<&str>, expected: &Expected<'_>) -> bool {
    match (issuer, expected.issuer) {
        (None, _) => !expected.issuer_promised,
        (Some(found), Some(known)) => found == known,
        (Some(found), None) => {
            Url::parse(found).is_ok_and(|found| found.origin() == expected.endpoint.origin())
        }
    }
}
