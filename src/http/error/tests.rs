use super::*;
use crate::messages::{Example, Values};
use crate::oauth::FailureClass;

fn all() -> Vec<SendError> {
    SendError::examples("", Values::Names)
}

#[test]
fn what_only_a_person_can_mend_is_permanent_and_the_network_is_not() {
    for error in all() {
        let permanent = matches!(
            error.reason(),
            "InvalidSpec"
                | "HTTPNotAllowed"
                | "AddressRefused"
                | "CAInvalid"
                | "ClientCertificateRefused"
        );
        let expected = if permanent {
            FailureClass::Permanent
        } else {
            FailureClass::Transient
        };
        assert_eq!(error.class(), expected, "{error:?}");
    }
}
