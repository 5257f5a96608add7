//! Answers without a token, of a token endpoint or of another endpoint of the provider.

use crate::conditions::Reason;
use crate::oauth::Client;
use crate::oauth::error::{ErrorCode, ProviderCode, TokenError};

use super::catalogue::{Example, Values, catalogue};
use super::credentials::code_text;
use super::step::Step;
use super::text::{Text, text};
use super::{Explanation, Remedy};

/// An answer without a token, what it means, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorResponse {
    /// What the server answered.
    pub answer: AnswerError,
    /// What that means.
    pub reason: Reason,
    /// What to do.
    pub step: Step,
}

impl ErrorResponse {
    /// The error, with the next step for what this client sends.
    pub(super) fn of(error: &TokenError, client: &Client) -> ErrorResponse {
        let reason = Reason::parse(error.reason()).unwrap_or(Reason::RequestRefused);
        ErrorResponse {
            answer: AnswerError::of(error, reason),
            reason,
            step: Step::of(reason, error.provider_code().is_some(), client),
        }
    }

    /// In words. `peer`: what answered, after an article.
    pub(super) fn explain(&self, peer: &'static str) -> Explanation {
        Explanation::new(self.answer.text(peer), self.answer.remedy(&self.step))
    }
}

catalogue! {
    /// What a token endpoint answered.
    pub enum AnswerError {
        /// HTTP 408.
        TimedOut,
        /// A status that allows another request later.
        NotNow {
            /// The HTTP status.
            status: u16,
        },
        /// A code for which the resource says what it means.
        Mapped {
            /// The code.
            code: ProviderCode,
            /// The HTTP status.
            status: u16,
            /// What it means.
            means: Reason,
        },
        /// A code of the provider's own.
        Coded {
            /// The code.
            code: ProviderCode,
            /// The HTTP status.
            status: u16,
        },
        /// A code of the list.
        Known {
            /// The code.
            code: &'static str,
            /// The HTTP status.
            status: u16,
        },
        /// No known code.
        Uncoded {
            /// The HTTP status.
            status: u16,
        },
        /// A redirect.
        Redirected {
            /// The HTTP status.
            status: u16,
        },
        /// Success, but no token at the expected place, and a text elsewhere.
        Elsewhere {
            /// A JSON pointer to the text.
            pointer: &'static str,
        },
        /// Success, but no token.
        Unusable {
            /// What is wrong.
            problem: &'static str,
        },
        /// Success, but no token, and an error code.
        CodeWithoutToken {
            /// The code.
            code: ProviderCode,
        },
    }
}

impl AnswerError {
    /// What happened, from the error and its reason.
    fn of(error: &TokenError, reason: Reason) -> AnswerError {
        match error {
            TokenError::Refused { status: 408, .. } => AnswerError::TimedOut,
            TokenError::Refused { status, .. } if error.is_not_now() => {
                AnswerError::NotNow { status: *status }
            }
            TokenError::Refused {
                status,
                provider_code: Some(code),
                ..
            } if error.is_mapped() => AnswerError::Mapped {
                code: code.clone(),
                status: *status,
                means: reason,
            },
            TokenError::Refused {
                status,
                code,
                provider_code: Some(provider_code),
                ..
            } if !is_spelled(*code, provider_code) => AnswerError::Coded {
                code: provider_code.clone(),
                status: *status,
            },
            TokenError::Refused { status, code, .. } => match code.registered() {
                Some(code) => AnswerError::Known {
                    code,
                    status: *status,
                },
                None => AnswerError::Uncoded { status: *status },
            },
            TokenError::Redirected { status } => AnswerError::Redirected { status: *status },
            TokenError::Unusable {
                elsewhere: Some(pointer),
                ..
            } => AnswerError::Elsewhere { pointer },
            TokenError::Unusable {
                provider_code: Some(code),
                ..
            } => AnswerError::CodeWithoutToken { code: code.clone() },
            TokenError::Unusable { problem, .. } => AnswerError::Unusable { problem },
        }
    }

    /// What to do.
    fn remedy(&self, step: &Step) -> Remedy {
        match self {
            AnswerError::Elsewhere { pointer } => Remedy::set(
                text!["If that is the token, set spec.response.accessTokenPointer to:"],
                pointer,
            ),
            _ => Remedy::advice(step.text()),
        }
    }

    fn text(&self, peer: &'static str) -> Text {
        let answered = text!["The ", peer, " answered with "];
        match self {
            AnswerError::TimedOut => text!["The ", peer, " reported a time-out (HTTP 408)."],
            AnswerError::NotNow { status } => {
                text![answered, "HTTP ", status, "."]
            }
            AnswerError::Mapped {
                code,
                status,
                means,
            } => text![
                answered,
                code_text(code),
                " (HTTP ",
                status,
                "), mapped to ",
                means,
                "."
            ],
            AnswerError::Coded { code, status } => {
                text![answered, code_text(code), " (HTTP ", status, ")."]
            }
            AnswerError::Known { code, status } => text![answered, *code, " (HTTP ", status, ")."],
            AnswerError::Uncoded { status } => {
                text![answered, "HTTP ", status, " and no known error code."]
            }
            AnswerError::Redirected { status } => text![
                answered,
                "a redirect (HTTP ",
                status,
                "), which is not followed."
            ],
            AnswerError::Elsewhere { pointer } => text![
                "The ",
                peer,
                " answered without an access token, but with a text at ",
                *pointer,
                "."
            ],
            AnswerError::Unusable { problem } => {
                text!["The ", peer, " answered, but ", *problem, "."]
            }
            AnswerError::CodeWithoutToken { code } => {
                text![answered, code_text(code), " and without an access token."]
            }
        }
    }
}

/// Whether the provider writes the code as it is registered.
fn is_spelled(code: ErrorCode, provider_code: &ProviderCode) -> bool {
    code.registered()
        .is_some_and(|registered| provider_code.is(registered))
}

/// Answers with the steps that follow them: the code, if it is a known one, the status, the reason and the steps.
type Row = (Option<&'static str>, u16, Reason, &'static [Step]);

const ANSWERS: &[Row] = &[
    (
        Some("invalid_client"),
        401,
        Reason::InvalidClient,
        &[
            Step::CheckClientSecret,
            Step::CheckPrivateKey,
            Step::CheckClientSecretJwt,
            Step::CheckAssertion,
            Step::CheckCertificate,
            Step::CheckServiceAccount,
            Step::CheckPublicClient,
        ],
    ),
    (None, 401, Reason::Unauthorized, &[Step::CheckCredentials]),
    (
        Some("invalid_grant"),
        400,
        Reason::InvalidGrant,
        &[
            Step::CheckPassword,
            Step::CheckAssertion,
            Step::CheckExchange,
            Step::LogIn,
            Step::CompareGrant,
        ],
    ),
    (
        Some("invalid_request"),
        400,
        Reason::InvalidRequest,
        &[Step::CompareRequest, Step::CheckExchange],
    ),
    (
        Some("unauthorized_client"),
        400,
        Reason::UnauthorizedClient,
        &[Step::AllowGrant],
    ),
    (
        Some("unsupported_grant_type"),
        400,
        Reason::UnsupportedGrantType,
        &[Step::SetGrant],
    ),
    (
        Some("invalid_scope"),
        400,
        Reason::InvalidScope,
        &[Step::CheckScopes],
    ),
    (
        Some("invalid_target"),
        400,
        Reason::InvalidTarget,
        &[Step::CheckTarget],
    ),
    (
        Some("access_denied"),
        403,
        Reason::AccessDenied,
        &[Step::AskForAccess],
    ),
    (
        Some("temporarily_unavailable"),
        400,
        Reason::TemporarilyUnavailable,
        &[Step::WaitForProvider],
    ),
    (
        Some("consent_required"),
        400,
        Reason::ConsentRequired,
        &[Step::Consent],
    ),
    (
        Some("use_dpop_nonce"),
        400,
        Reason::ProofRequired,
        &[Step::CheckProof],
    ),
    (None, 403, Reason::Forbidden, &[Step::AskForAccessOrNetwork]),
    (
        None,
        404,
        Reason::NotFound,
        &[Step::CheckTokenUrl, Step::CheckIssuer],
    ),
    (None, 407, Reason::ProxyRefused, &[Step::SetProxy]),
    (None, 402, Reason::RequestRefused, &[Step::Retry]),
];

/// Statuses that allow another request later.
const NOT_NOW: &[(u16, Reason, Step)] = &[
    (429, Reason::RateLimited, Step::WaitForLimit),
    (500, Reason::ServerError, Step::WaitForProvider),
    (503, Reason::TemporarilyUnavailable, Step::WaitForProvider),
];

/// The longest problem of a response.
const LONGEST: &str = "expires_on or expires_at in it is neither a number nor a time";

impl Example for ErrorResponse {
    /// Only answers with the steps that follow them, not all pairs.
    fn examples(field: &str, values: Values) -> Vec<ErrorResponse> {
        let mut all = Vec::new();
        let mut add = |answer, reason, step: &Step| {
            all.push(ErrorResponse {
                answer,
                reason,
                step: step.clone(),
            });
        };
        let codes = || ProviderCode::examples(field, values).into_iter();
        for (code, status, reason, steps) in ANSWERS {
            let status = *status;
            for step in *steps {
                match code {
                    Some(code) => add(AnswerError::Known { code, status }, *reason, step),
                    None => add(AnswerError::Uncoded { status }, *reason, step),
                }
                for code in codes().filter(|_| code.is_some()) {
                    let means = *reason;
                    let answer = AnswerError::Mapped {
                        code,
                        status,
                        means,
                    };
                    add(answer, means, step);
                }
            }
        }
        for (status, reason, step) in NOT_NOW {
            add(AnswerError::NotNow { status: *status }, *reason, step);
        }
        let later = Reason::TemporarilyUnavailable;
        add(AnswerError::TimedOut, later, &Step::WaitForProvider);
        for code in codes() {
            let answer = AnswerError::Coded {
                code: code.clone(),
                status: 400,
            };
            add(answer, Reason::RequestRefused, &Step::LookUpCode);
            let answer = AnswerError::CodeWithoutToken { code };
            add(answer, Reason::UnusableResponse, &Step::LookUpCode);
        }
        for step in [Step::SetTokenUrl, Step::SetTokenUrlForIssuer] {
            let answer = AnswerError::Redirected { status: 302 };
            add(answer, Reason::Redirected, &step);
        }
        for step in [Step::CheckResponse, Step::CheckResponseOfIssuer] {
            let unusable = AnswerError::Unusable { problem: LONGEST };
            let elsewhere = AnswerError::Elsewhere {
                pointer: "/authenticationResult/accessToken",
            };
            for answer in [unusable, elsewhere] {
                add(answer, Reason::UnusableResponse, &step);
            }
        }
        all
    }
}
