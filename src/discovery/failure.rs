//! Failures for people when an issuer's document cannot be used.

use crate::http::SendError;
use crate::messages::{NoDocument, RequestFinding};
use crate::model::Failure;
use crate::oauth::discovery::Unusable;
use crate::oauth::error::Reached;
use crate::oauth::{FailureClass, Issuer};
use crate::time::Span;

/// The more specific a failure, the higher: another issuer, no document, nothing there.
pub(super) fn specificity(unusable: &Unusable) -> u8 {
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
    let (class, why) = match unusable {
        Unusable::OtherIssuer { says } => (
            FailureClass::Permanent,
            NoDocument::OtherIssuer { says: says.clone() },
        ),
        Unusable::NoDocument { problem } => (
            FailureClass::Permanent,
            NoDocument::NotOne {
                problem: (*problem).to_owned(),
            },
        ),
        Unusable::Status(status @ (408 | 425 | 429 | 500..)) => (
            FailureClass::Transient,
            NoDocument::Failed { status: *status },
        ),
        Unusable::Status(status @ 300..=399) => (
            FailureClass::Permanent,
            NoDocument::Redirected { status: *status },
        ),
        Unusable::Status(status) => (
            FailureClass::Permanent,
            NoDocument::Missing { status: *status },
        ),
    };
    let finding = RequestFinding::NoDocument {
        issuer: issuer.text().to_owned(),
        document: url.to_string(),
        why,
    };
    Failure {
        retry_after: wait,
        ..Failure::new(class, finding, Reached::Never)
    }
}

/// The failure of a request without a response.
pub(super) fn sent(issuer: &Issuer, error: &SendError) -> Failure {
    let finding = RequestFinding::DocumentNotRead {
        issuer: issuer.text().to_owned(),
        error: error.clone(),
    };
    Failure {
        timed_out: error.is_timeout(),
        ..Failure::new(error.class(), finding, Reached::Never)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::Audience;

    fn text(failure: &Failure) -> String {
        let explanation = failure.finding.explain(Audience::Cluster);
        explanation.message().to_string()
    }

    fn failure(issuer: &str, unusable: &Unusable) -> Failure {
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
            let failure = failure(here, &Unusable::OtherIssuer { says });
            assert_eq!(failure.reason(), "IssuerMismatch");
            assert_eq!(failure.class, FailureClass::Permanent);
            let message = text(&failure);
            assert!(message.contains(&format!("names issuer {there}, not exactly {here}.")));
            let set = format!("set spec.provider.issuerURL to: {there}");
            assert!(message.ends_with(&set), "{message}");
        }
    }

    #[test]
    fn another_issuer_is_shown_only_where_it_is_a_plain_address() {
        let says = Some("https://b.example".to_owned());
        let shown = failure("https://a.example", &Unusable::OtherIssuer { says });
        assert!(text(&shown).contains("https://b.example"));
        let hidden = failure("https://a.example", &Unusable::OtherIssuer { says: None });
        assert!(text(&hidden).contains("https://a.example"));
    }

    #[test]
    fn what_may_pass_is_tried_again_soon_and_what_may_not_is_told_as_such() {
        let problem = "its body is HTML or XML";
        let html = failure("https://a.example", &Unusable::NoDocument { problem });
        assert_eq!(html.reason(), "DiscoveryDocumentInvalid");
        assert_eq!(html.class, FailureClass::Permanent);
        for (status, class) in [
            (404, FailureClass::Permanent),
            (301, FailureClass::Permanent),
            (429, FailureClass::Transient),
            (500, FailureClass::Transient),
            (503, FailureClass::Transient),
        ] {
            let failure = failure("https://a.example", &Unusable::Status(status));
            assert_eq!(
                (failure.reason(), failure.class),
                ("DiscoveryFailed", class)
            );
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
            assert_eq!(failure.reason(), reason);
            let message = text(&failure);
            assert!(!message.contains("oken endpoint"), "{message}");
        }
    }
}
