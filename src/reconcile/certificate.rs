//! The client certificate, between its Secret and the connection: the same for every driver.

use crate::http::{BadIdentity, ClientIdentity};
use crate::model::{
    CertificateFacts, CertificateProblem, CertificateSeen, CertificateThere, Observed, SecretSeen,
};
use crate::policy::shown_by;
use crate::trust::Lenders;

/// The Secret that a resource names for its client certificate, parsed.
pub fn certificate_seen(secret: Option<SecretSeen>) -> CertificateSeen {
    let Some(secret) = secret.map(SecretSeen::only_opted_in) else {
        return CertificateSeen::Missing;
    };
    let read = match ClientIdentity::from_secret(&secret.data, &Lenders::none()) {
        Ok(identity) => Ok(CertificateFacts {
            not_before: identity.not_before(),
            not_after: identity.not_after(),
            fingerprint: identity.fingerprint(),
        }),
        Err(problem) => Err(CertificateProblem {
            missing: matches!(problem, BadIdentity::Missing { .. }),
            message: problem.to_string(),
        }),
    };
    CertificateSeen::There(Box::new(CertificateThere { secret, read }))
}

/// The client certificate for an endpoint that requests one.
pub fn identity(seen: &Observed) -> Option<ClientIdentity> {
    match &seen.certificate {
        CertificateSeen::There(there) => {
            ClientIdentity::from_secret(&there.secret.data, &shown_by(seen)).ok()
        }
        _ => None,
    }
}
