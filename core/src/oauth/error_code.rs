//! Error codes: the known ones, what a resource says that others mean, and the provider's own spelling as people may see it.

use std::fmt;

/// An error code of a token endpoint (RFC 6749 section 5.2 and its extensions).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// RFC 6749 section 5.2.
    InvalidRequest,
    /// RFC 6749 section 5.2.
    InvalidClient,
    /// RFC 6749 section 5.2.
    InvalidGrant,
    /// RFC 6749 section 5.2.
    UnauthorizedClient,
    /// RFC 6749 section 5.2.
    UnsupportedGrantType,
    /// RFC 6749 section 5.2.
    InvalidScope,
    /// RFC 8707 section 2.
    InvalidTarget,
    /// RFC 6749 section 4.1.2.1, met at token endpoints too.
    AccessDenied,
    /// RFC 6749 section 4.1.2.1, met at token endpoints too.
    ServerError,
    /// RFC 6749 section 4.1.2.1, met at token endpoints too.
    TemporarilyUnavailable,
    /// Told to slow down by name (RFC 8628 section 3.5, and field use).
    SlowDown,
    /// A person must consent, log in or choose an account at the provider first (OpenID Connect Core section 3.1.2.6).
    ConsentRequired,
    /// The provider refused the proof of possession, or requires one (DPoP, RFC 9449).
    ProofRequired,
    /// Any other code, or none.
    Unknown,
}

/// Every spelling that is known, and what it means. The registered spellings come first; the rest is field use, in which case and
/// separators do not count.
pub(super) const SPELLINGS: &[(&str, ErrorCode)] = &[
    ("invalid_request", ErrorCode::InvalidRequest),
    ("invalid_client", ErrorCode::InvalidClient),
    ("invalid_grant", ErrorCode::InvalidGrant),
    ("unauthorized_client", ErrorCode::UnauthorizedClient),
    ("unsupported_grant_type", ErrorCode::UnsupportedGrantType),
    ("invalid_scope", ErrorCode::InvalidScope),
    ("invalid_target", ErrorCode::InvalidTarget),
    ("access_denied", ErrorCode::AccessDenied),
    ("server_error", ErrorCode::ServerError),
    ("temporarily_unavailable", ErrorCode::TemporarilyUnavailable),
    ("slow_down", ErrorCode::SlowDown),
    ("consent_required", ErrorCode::ConsentRequired),
    ("interaction_required", ErrorCode::ConsentRequired),
    ("login_required", ErrorCode::ConsentRequired),
    ("account_selection_required", ErrorCode::ConsentRequired),
    ("use_dpop_nonce", ErrorCode::ProofRequired),
    ("invalid_dpop_proof", ErrorCode::ProofRequired),
    // GitHub
    ("incorrect_client_credentials", ErrorCode::InvalidClient),
    ("bad_refresh_token", ErrorCode::InvalidGrant),
    // Slack
    ("invalid_client_id", ErrorCode::InvalidClient),
    ("bad_client_secret", ErrorCode::InvalidClient),
    ("invalid_client_secret", ErrorCode::InvalidClient),
    ("ratelimited", ErrorCode::SlowDown),
    ("invalid_refresh_token", ErrorCode::InvalidGrant),
    ("token_revoked", ErrorCode::InvalidGrant),
    ("token_expired", ErrorCode::InvalidGrant),
    // HubSpot
    ("BAD_CLIENT_ID", ErrorCode::InvalidClient),
    ("MISMATCH_REDIRECT_URI_AUTH_CODE", ErrorCode::InvalidGrant),
    // Others, alike in several
    ("expired_refresh_token", ErrorCode::InvalidGrant),
    ("refresh_token_expired", ErrorCode::InvalidGrant),
    ("refresh_token_invalid", ErrorCode::InvalidGrant),
    ("refresh_token_revoked", ErrorCode::InvalidGrant),
    ("revoked_refresh_token", ErrorCode::InvalidGrant),
    ("invalid_client_credentials", ErrorCode::InvalidClient),
    ("unknown_client", ErrorCode::InvalidClient),
    ("rate_limit_exceeded", ErrorCode::SlowDown),
    ("too_many_requests", ErrorCode::SlowDown),
    ("internal_error", ErrorCode::ServerError),
    ("internal_server_error", ErrorCode::ServerError),
    ("service_unavailable", ErrorCode::TemporarilyUnavailable),
];

impl ErrorCode {
    /// Reads a code as an answer gave it; whatever is not on the list is [`ErrorCode::Unknown`]. Case and separators do not
    /// count: `INVALID_GRANT` and `invalidGrant` are `invalid_grant`.
    pub fn parse(text: &str) -> ErrorCode {
        if text.len() > MAX_CODE {
            return ErrorCode::Unknown;
        }
        SPELLINGS
            .iter()
            .find(|(spelling, _)| letters(spelling).eq(letters(text)))
            .map_or(ErrorCode::Unknown, |(_, code)| *code)
    }

    /// The registered spelling, or `None` for [`ErrorCode::Unknown`].
    pub fn registered(self) -> Option<&'static str> {
        SPELLINGS
            .iter()
            .find(|(_, code)| *code == self)
            .map(|(spelling, _)| *spelling)
    }
}

/// A name without its separators, in lower case.
pub(super) fn letters(text: &str) -> impl Iterator<Item = char> {
    text.chars()
        .filter(|letter| !matches!(letter, '_' | '-' | '.' | ' '))
        .map(|letter| letter.to_ascii_lowercase())
}

/// What a resource says that a provider's code means (`spec.response.errors[].means`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorMeaning(ErrorCode);

impl ErrorMeaning {
    /// The words of the resource, and the code that each stands for.
    pub const WORDS: [(&'static str, ErrorCode); 10] = [
        ("ReauthorizationRequired", ErrorCode::InvalidGrant),
        ("InvalidClient", ErrorCode::InvalidClient),
        ("UnauthorizedClient", ErrorCode::UnauthorizedClient),
        ("InvalidRequest", ErrorCode::InvalidRequest),
        ("InvalidScope", ErrorCode::InvalidScope),
        ("InvalidTarget", ErrorCode::InvalidTarget),
        ("AccessDenied", ErrorCode::AccessDenied),
        ("ConsentRequired", ErrorCode::ConsentRequired),
        ("RateLimited", ErrorCode::SlowDown),
        ("TemporarilyUnavailable", ErrorCode::TemporarilyUnavailable),
    ];

    /// Reads a word of the resource.
    pub fn parse(word: &str) -> Option<ErrorMeaning> {
        Self::WORDS
            .iter()
            .find(|(known, _)| *known == word)
            .map(|(_, code)| ErrorMeaning(*code))
    }

    /// The word.
    pub fn as_str(self) -> &'static str {
        Self::WORDS
            .iter()
            .find(|(_, code)| *code == self.0)
            .map_or("", |(word, _)| word)
    }

    /// What an error counts as whose own code is `own`; `None` where the resource has no say. It cannot have a client or grant that
    /// the provider refuses by name sent again as if nothing had happened: others may use the same credentials.
    pub fn of(self, own: ErrorCode) -> Option<ErrorCode> {
        let refuses = |code| matches!(code, ErrorCode::InvalidClient | ErrorCode::InvalidGrant);
        (!refuses(own) || refuses(self.0)).then_some(self.0)
    }
}

/// Longest code that is shown, in bytes.
const MAX_CODE: usize = 64;
/// Longest pointer that is shown, in bytes.
const MAX_PLACE: usize = 128;
/// A code changes no more often than this between letters and digits; what does so more often looks like a secret.
const MOST_CHANGES: usize = 4;

/// The provider's own error code, in letters that may be shown, and the JSON pointer to where it stands.
///
/// Of the letters of RFC 6749 section 5.2 only those that codes are made of are taken: a code is shown in statuses, web pages and
/// terminals. A sentence is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderCode {
    /// `None`: it cannot be shown.
    code: Option<String>,
    /// `None`: it cannot be shown.
    place: Option<String>,
    /// Whether the resource says what it means.
    pub(super) is_mapped: bool,
}

impl ProviderCode {
    /// Takes a code of which the resource says nothing, if it may be shown.
    pub fn parse(code: &str, place: &str) -> Option<ProviderCode> {
        let code = shown(code).filter(|code| changes(code) <= MOST_CHANGES)?;
        Some(ProviderCode {
            code: Some(code),
            place: Some(shown_place(place)?),
            is_mapped: false,
        })
    }

    /// Takes a code that the resource names; what must not be shown of it is left out.
    pub fn mapped(code: &str, place: &str) -> ProviderCode {
        ProviderCode {
            code: shown(code),
            place: shown_place(place),
            is_mapped: true,
        }
    }

    /// Code and place as they are kept; `None` where one of them cannot be shown.
    pub fn stored(&self) -> Option<(String, String)> {
        self.code.clone().zip(self.place.clone())
    }

    /// The code as the provider writes it; `None` where it cannot be shown.
    pub fn code(&self) -> Option<String> {
        self.code.clone()
    }

    /// Whether it is this very code.
    pub(crate) fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }
}

fn shown(code: &str) -> Option<String> {
    let is_code = !code.is_empty()
        && code.len() <= MAX_CODE
        && code
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte));
    is_code.then(|| code.to_owned())
}

fn shown_place(place: &str) -> Option<String> {
    let is_place = place.len() <= MAX_PLACE
        && place
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"/_-.~".contains(&byte));
    is_place.then(|| place.to_owned())
}

/// `CODE at POINTER`.
impl fmt::Display for ProviderCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.as_deref().unwrap_or("what stands"))?;
        match &self.place {
            Some(place) => write!(f, " at {place}"),
            None => f.write_str(" where the code is"),
        }
    }
}

/// How often a text changes between letters and digits.
fn changes(text: &str) -> usize {
    let kinds = text
        .bytes()
        .filter(u8::is_ascii_alphanumeric)
        .map(|byte| byte.is_ascii_digit());
    let next = kinds.clone().skip(1);
    kinds.zip(next).filter(|(one, next)| one != next).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_separators_of_a_code_do_not_count() {
        for text in [
            "invalid_grant",
            "INVALID_GRANT",
            "invalidGrant",
            "Invalid-Grant",
            "bad_refresh_token",
            "BAD_REFRESH_TOKEN",
            "InvalidRefreshToken",
        ] {
            assert_eq!(ErrorCode::parse(text), ErrorCode::InvalidGrant, "{text}");
        }
        for text in ["", "hunter2", "invalid_grants", "grant_invalid"] {
            assert_eq!(ErrorCode::parse(text), ErrorCode::Unknown, "{text}");
        }
        assert_eq!(
            ErrorCode::InvalidClient.registered(),
            Some("invalid_client")
        );
        assert_eq!(ErrorCode::SlowDown.registered(), Some("slow_down"));
    }

    #[test]
    fn a_code_is_shown_only_where_it_is_a_word_or_a_number() {
        let shown = |code: &str| ProviderCode::parse(code, "/error").is_some();
        for code in [
            "40164",
            "BAD_REFRESH_TOKEN",
            "AADSTS7000215",
            "ERR-401.002",
            "oauth.v2.InvalidClientIdentifier",
            "invalid_refresh_token",
        ] {
            assert!(shown(code), "{code}");
        }
        for code in [
            "",
            "invalid ip",
            "<b>x</b>",
            "a\u{202e}b",
            "a\nb",
            "https://x.example/",
            "`id`",
            "3f2a9c0e7b1d4a6f8e5c",
            &"x".repeat(65),
        ] {
            assert!(!shown(code), "{code}");
        }
        assert_eq!(ProviderCode::parse("1", "/a b"), None);
        let shown = ProviderCode::parse("40164", "/errcode").unwrap();
        assert_eq!(shown.to_string(), "40164 at /errcode");
        let odd = ProviderCode::mapped("<b>", "/error_description");
        assert_eq!(odd.to_string(), "what stands at /error_description");
    }

    #[test]
    fn what_a_resource_says_never_has_a_refused_credential_sent_again() {
        let limited = ErrorMeaning::parse("RateLimited").unwrap();
        assert_eq!(limited.of(ErrorCode::Unknown), Some(ErrorCode::SlowDown));
        assert_eq!(limited.of(ErrorCode::InvalidGrant), None);
        assert_eq!(limited.of(ErrorCode::InvalidClient), None);
        let dead = ErrorMeaning::parse("ReauthorizationRequired").unwrap();
        let own = ErrorCode::AccessDenied;
        assert_eq!(dead.of(own), Some(ErrorCode::InvalidGrant));
        for (word, _) in ErrorMeaning::WORDS {
            assert_eq!(ErrorMeaning::parse(word).unwrap().as_str(), word);
        }
        assert_eq!(ErrorMeaning::parse("Nothing"), None);
    }
}
