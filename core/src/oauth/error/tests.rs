use super::*;
use crate::conditions::Reason;
use crate::oauth::error_code::SPELLINGS;

fn refused(status: u16, code: ErrorCode) -> TokenError {
    TokenError::Refused {
        status,
        code,
        retry_after: None,
        provider_code: None,
    }
}

#[test]
fn classes_follow_the_promised_table() {
    use ErrorCode as Code;
    use FailureClass::{NeedsPerson, Permanent, Transient};
    let table = [
        (400, Code::InvalidClient, Permanent),
        (401, Code::InvalidClient, Permanent),
        (400, Code::UnauthorizedClient, Permanent),
        (400, Code::InvalidScope, Permanent),
        (400, Code::UnsupportedGrantType, Permanent),
        (400, Code::InvalidRequest, Permanent),
        (400, Code::InvalidTarget, Permanent),
        (400, Code::InvalidGrant, Permanent),
        (200, Code::InvalidClient, Permanent),
        (401, Code::Unknown, Permanent),
        (403, Code::Unknown, Permanent),
        (404, Code::Unknown, Permanent),
        (408, Code::Unknown, Transient),
        (425, Code::Unknown, Transient),
        (429, Code::Unknown, Transient),
        (429, Code::AccessDenied, Transient),
        (500, Code::Unknown, Transient),
        (503, Code::TemporarilyUnavailable, Transient),
        (400, Code::ServerError, Transient),
        (400, Code::SlowDown, Transient),
        (400, Code::Unknown, Transient),
        (200, Code::Unknown, Transient),
        (400, Code::ConsentRequired, Permanent),
        (401, Code::ProofRequired, Permanent),
        (405, Code::Unknown, Permanent),
        (500, Code::InvalidClient, Transient),
        (503, Code::InvalidGrant, Transient),
        (999, Code::Unknown, Transient),
    ];
    for (status, code, class) in table {
        let error = refused(status, code);
        assert_eq!(
            error.class(&Grant::ClientCredentials),
            class,
            "{status} {code:?}"
        );
    }
    let password = refused(400, Code::InvalidGrant);
    assert_eq!(password.class(&Grant::Password), NeedsPerson);
    assert_eq!(
        refused(429, Code::InvalidGrant).class(&Grant::Password),
        Transient
    );
    let redirect = TokenError::Redirected { status: 302 };
    assert_eq!(redirect.class(&Grant::ClientCredentials), Permanent);
    assert_eq!(redirect.class(&Grant::Password), NeedsPerson);
    let unusable = |readable| TokenError::Unusable {
        problem: "it is not JSON",
        elsewhere: None,
        readable,
        provider_code: None,
    };
    assert_eq!(unusable(false).class(&Grant::Password), NeedsPerson);
    assert_eq!(unusable(false).class(&Grant::ClientCredentials), Transient);
    assert_eq!(unusable(true).class(&Grant::Password), NeedsPerson);
    assert_eq!(unusable(true).class(&Grant::ClientCredentials), Transient);
}

#[test]
fn every_reason_is_listed() {
    let codes = SPELLINGS
        .iter()
        .map(|(_, code)| *code)
        .chain([ErrorCode::Unknown]);
    for code in codes {
        for status in 200..600 {
            let error = refused(status, code);
            let listed = Reason::parse(error.reason());
            assert!(listed.is_some(), "{} is not listed", error.reason());
        }
    }
}

fn named(status: u16, code: ErrorCode) -> TokenError {
    TokenError::Refused {
        status,
        code,
        retry_after: None,
        provider_code: Some(ProviderCode::mapped("E17", "/status")),
    }
}

#[test]
fn every_refusal_is_about_something() {
    let codes = SPELLINGS
        .iter()
        .map(|(_, code)| *code)
        .chain([ErrorCode::Unknown]);
    let mut met = std::collections::BTreeSet::from(["Redirected", "UnusableResponse"]);
    for code in codes {
        for status in 200..600 {
            let reason = refused(status, code).reason();
            assert!(RefusalSubject::of_reason(reason).is_some(), "{reason}");
            met.insert(reason);
        }
    }
    let listed: std::collections::BTreeSet<&str> =
        ABOUT.iter().map(|(reason, _)| *reason).collect();
    assert_eq!(listed, met);
    assert_eq!(RefusalSubject::of_reason("Timeout"), None);
}

#[test]
fn what_the_resource_says_of_a_code_decides_whatever_the_status() {
    use ErrorCode as Code;
    use FailureClass::{NeedsPerson, Permanent, Transient};
    for status in [200, 400, 404, 429, 500, 503, 504] {
        let dead = named(status, Code::InvalidGrant);
        assert_eq!(dead.class(&Grant::ClientCredentials), NeedsPerson);
        assert_eq!(dead.reached(false), Reached::InvalidGrant, "{status}");
        let client = named(status, Code::InvalidClient);
        assert_eq!(client.class(&Grant::ClientCredentials), Permanent);
        assert_eq!(client.reason(), "InvalidClient");
        assert_eq!(client.reached(false), Reached::Answered);
        let limited = named(status, Code::SlowDown);
        assert_eq!(limited.class(&Grant::RefreshToken), Transient);
        assert_eq!(limited.reason(), "RateLimited");
        assert_eq!(limited.reached(false), Reached::Answered);
    }
    // Nothing that a resource says has a refused password sent again.
    for (_, code) in ErrorMeaning::WORDS {
        let class = named(400, code).class(&Grant::Password);
        assert_eq!(class, NeedsPerson, "{code:?}");
    }
}

#[test]
fn from_500_on_the_status_decides_whatever_code_comes_with_it() {
    for status in [500, 502, 503, 504] {
        for code in [ErrorCode::InvalidGrant, ErrorCode::InvalidClient] {
            let error = refused(status, code);
            for grant in [
                Grant::Password,
                Grant::RefreshToken,
                Grant::ClientCredentials,
            ] {
                assert_eq!(error.class(&grant), FailureClass::Transient, "{status}");
            }
            assert!(matches!(
                error.reached(false),
                Reached::Answered | Reached::Unclear
            ));
            assert!(error.is_not_now(), "{error:?}");
        }
    }
}

#[test]
fn a_refused_password_is_not_sent_again_whatever_the_words() {
    for status in [400, 401, 403, 404, 422, 200] {
        for code in [
            ErrorCode::Unknown,
            ErrorCode::ServerError,
            ErrorCode::InvalidClient,
            ErrorCode::AccessDenied,
        ] {
            let class = refused(status, code).class(&Grant::Password);
            assert_eq!(class, FailureClass::NeedsPerson, "{status} {code:?}");
        }
    }
    for status in [408, 425, 429, 500, 503] {
        let class = refused(status, ErrorCode::Unknown).class(&Grant::Password);
        assert_eq!(class, FailureClass::Transient, "{status}");
    }
}

#[test]
fn a_refusal_of_a_refresh_token_is_told_from_one_of_the_client_and_of_the_request() {
    use ErrorCode as Code;
    for (status, code, public, expected) in [
        (400, Code::InvalidGrant, false, Reached::InvalidGrant),
        (403, Code::UnauthorizedClient, false, Reached::Refused),
        (200, Code::Unknown, false, Reached::Refused),
        (400, Code::Unknown, false, Reached::Refused),
        (403, Code::Unknown, false, Reached::Refused),
        (401, Code::Unknown, false, Reached::Answered),
        (401, Code::Unknown, true, Reached::Refused),
        (401, Code::InvalidClient, false, Reached::Answered),
        (400, Code::InvalidScope, false, Reached::Answered),
        (404, Code::Unknown, false, Reached::Answered),
        (429, Code::InvalidGrant, false, Reached::Answered),
        (503, Code::InvalidGrant, false, Reached::Answered),
        (504, Code::Unknown, false, Reached::Unclear),
    ] {
        assert_eq!(
            refused(status, code).reached(public),
            expected,
            "{status} {code:?}"
        );
    }
}

#[test]
fn a_refusal_that_names_a_time_to_wait_limits_the_rate_and_refuses_nothing_else() {
    let limited = |status, code, wait| TokenError::Refused {
        status,
        code,
        retry_after: Some(Span::from_seconds(wait)),
        provider_code: None,
    };
    let refresh = Grant::RefreshToken;
    for status in [400, 401, 403, 420] {
        let error = limited(status, ErrorCode::Unknown, 60);
        assert_eq!(error.class(&refresh), FailureClass::Transient, "{status}");
        assert_eq!(error.reached(true), Reached::Answered, "{status}");
        assert_eq!(error.reason(), "RateLimited", "{status}");
        // A locked account may be answered in this way too.
        assert_eq!(error.class(&Grant::Password), FailureClass::NeedsPerson);
    }
    let named = limited(400, ErrorCode::InvalidGrant, 60);
    assert_eq!(named.reached(true), Reached::InvalidGrant);
    let over = limited(403, ErrorCode::Unknown, 0);
    assert_eq!(over.reached(true), Reached::Refused);
}
