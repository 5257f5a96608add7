//! Failures for people when an issuer's document cannot be used.

use crate::http::{Peer, SendError};
use crate::model::Failure;
use crate::oauth::discovery::Unusable;
use crate::oauth::error::Reached;
use crate::oauth::{FailureClass, Issuer};
use crate::time::Span;

/// The more specific a failure, the higher: another issuer, no document, nothing there.
pub(super) fn worth(unusable: &Unusable) -> u8 {
    match unusable {
        Unusable::OtherIssuer { .. } => 4,
        Unusable::Status(429 | 500..) => 3,
        Unusable::NoDocument { .. } => 2,
        Unusable::Status(_) => 1,
    }
}

/// The failure of a document that cannot be used.
pub(super) fn refused(
    issuer: &Issuer,
    url: &url::Url,
    unusable: &Unusable,
    wait: Option<Span>,
) -> Failure {
    let text = issuer.text();
    let (reason, class, message) = match unusable {
        Unusable::OtherIssuer { says } => (
            "IssuerMismatch",
            FailureClass::Permanent,
            mismatch(text, url, says.as_deref()),
        ),
        Unusable::NoDocument { problem } => (
            "DiscoveryDocumentInvalid",
            FailureClass::Permanent,
            format!(
                "The response at {url} is not the discovery document of {text}: {problem}. Compare spec.provider.issuerURL with the provider's documentation, or set spec.provider.tokenURL instead."
            ),
        ),
        Unusable::Status(status @ (408 | 425 | 429 | 500..)) => (
            "DiscoveryFailed",
            FailureClass::Transient,
            format!(
                "The issuer {text} did not return its discovery document: HTTP {status} at {url}. The operator retries."
            ),
        ),
        Unusable::Status(status @ 300..=399) => (
            "DiscoveryFailed",
            FailureClass::Permanent,
            format!(
                "The issuer {text} answered {url} with a redirect (HTTP {status}), which is not followed. Set spec.provider.issuerURL to the issuer itself, or spec.provider.tokenURL in its place."
            ),
        ),
        Unusable::Status(status) => (
            "DiscoveryFailed",
            FailureClass::Permanent,
            format!(
                "The issuer {text} has no discovery document: HTTP {status} at {url}, and none at the other address either. Compare spec.provider.issuerURL with the provider's documentation, or set spec.provider.tokenURL in its place."
            ),
        ),
    };
    Failure {
        retry_after: wait,
        ..Failure::new(class, reason, message, Reached::Never)
    }
}

fn mismatch(issuer: &str, url: &url::Url, says: Option<&str>) -> String {
    let Some(says) = says else {
        return format!(
            "The discovery document at {url} belongs to another issuer than spec.provider.issuerURL, {issuer}. Nothing is sent to its endpoints. Compare spec.provider.issuerURL with the provider's documentation."
        );
    };
    if says.trim_end_matches('/') == issuer.trim_end_matches('/') {
        let (there, here) = if says.ends_with('/') {
            ("with a slash at the end", "without")
        } else {
            ("without a slash at the end", "with one")
        };
        return format!(
            "The discovery document names the issuer {says} ({there}), spec.provider.issuerURL is {issuer} ({here}), and the two must be exactly equal. Set spec.provider.issuerURL to {says}"
        );
    }
    format!(
        "The discovery document at {url} names the issuer {says}, spec.provider.issuerURL is {issuer}, and the two must be exactly equal. If the first is your provider, set spec.provider.issuerURL to {says}"
    )
}

/// The failure of a request without a response.
pub(super) fn sent(issuer: &Issuer, error: &SendError) -> Failure {
    // These two depend on the administrator's settings and always have their own condition.
    let reason = match error.reason() {
        reason @ ("AddressRefused" | "HTTPNotAllowed" | "CAInvalid") => reason,
        _ => "DiscoveryFailed",
    };
    let said = error.explain_about(&Peer::ISSUER);
    let message = format!(
        "The discovery document of {} could not be read. {said}",
        issuer.text()
    );
    Failure {
        timed_out: error.is_timeout(),
        ..Failure::new(error.class(), reason, message, Reached::Never)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(issuer: &str, unusable: &Unusable) -> Failure {
        let issuer = Issuer::parse(issuer).unwrap();
        let [url, _] = issuer.documents();
        refused(&issuer, &url, unusable, None)
    }

    #[test]
    fn a_slash_too_much_or_too_little_is_named_as_such_with_both_values() {
        for (here, there) in [
            ("https://a.example", "https://a.example/"),
            ("https://a.example/", "https://a.example"),
        ] {
            let says = Some(there.to_owned());
            let failure = told(here, &Unusable::OtherIssuer { says });
            assert_eq!(failure.reason, "IssuerMismatch");
            assert_eq!(failure.class, FailureClass::Permanent);
            assert!(
                failure
                    .message
                    .contains(&format!("names the issuer {there} ("))
            );
            assert!(failure.message.contains(&format!("issuerURL is {here} (")));
            assert!(
                failure
                    .message
                    .ends_with(&format!("Set spec.provider.issuerURL to {there}"))
            );
        }
    }

    #[test]
    fn another_issuer_is_shown_only_where_it_is_a_plain_address() {
        let says = Some("https://b.example".to_owned());
        let shown = told("https://a.example", &Unusable::OtherIssuer { says });
        assert!(shown.message.contains("https://b.example"));
        let hidden = told("https://a.example", &Unusable::OtherIssuer { says: None });
        assert!(hidden.message.contains("https://a.example"));
    }

    #[test]
    fn what_may_pass_is_tried_again_soon_and_what_may_not_is_told_as_such() {
        let problem = "its body is HTML or XML";
        let html = told("https://a.example", &Unusable::NoDocument { problem });
        assert_eq!(html.reason, "DiscoveryDocumentInvalid");
        assert_eq!(html.class, FailureClass::Permanent);
        for (status, class) in [
            (404, FailureClass::Permanent),
            (301, FailureClass::Permanent),
            (429, FailureClass::Transient),
            (500, FailureClass::Transient),
            (503, FailureClass::Transient),
        ] {
            let failure = told("https://a.example", &Unusable::Status(status));
            assert_eq!((failure.reason, failure.class), ("DiscoveryFailed", class));
        }
    }

    #[test]
    fn a_request_without_an_answer_speaks_of_the_issuer() {
        let issuer = Issuer::parse("https://a.example").unwrap();
        for (error, reason) in [
            (SendError::Dns, "DiscoveryFailed"),
            (SendError::HttpNotAllowed, "HTTPNotAllowed"),
            (SendError::BodyTooLarge, "DiscoveryFailed"),
            (SendError::BadUrl, "DiscoveryFailed"),
        ] {
            let failure = sent(&issuer, &error);
            assert_eq!(failure.reason, reason);
            assert!(!failure.message.contains("oken"), "{}", failure.message);
        }
    }
}
