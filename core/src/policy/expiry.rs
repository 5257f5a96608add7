//! Credentials that expire: the client certificate, and the client secret at a time that its owner recorded.

use crate::messages::ExpiryFinding;
use crate::model::{
    CertificateFacts, Expiries, Expiry, ExpiryStatus, ExpiryTimes, Observed, SecretSeen,
};
use crate::names::CLIENT_SECRET_EXPIRES;
use crate::time::{Span, Time};

/// The maximum time of a warning before an expiry.
const LONGEST_WARNING: Span = Span::from_seconds(30 * 24 * 3600);

/// The state of an expiring credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ExpiryState {
    Valid,
    Soon(Time),
    Over(Time),
    Unknown,
}

impl Expiry {
    fn expiry_state(&self, now: Time) -> ExpiryState {
        match self.ends {
            None => ExpiryState::Unknown,
            Some(ends) if ends.at <= now => ExpiryState::Over(ends.at),
            Some(ends) if ends.warn_from <= now => ExpiryState::Soon(ends.at),
            Some(_) => ExpiryState::Valid,
        }
    }

    /// Its status.
    pub(super) fn status(&self, now: Time) -> ExpiryStatus {
        ExpiryStatus {
            expiration_time: self.ends.map(|ends| ends.at.rfc3339()),
            state: match self.expiry_state(now) {
                ExpiryState::Valid => "Valid",
                ExpiryState::Soon(_) => "ExpiresSoon",
                ExpiryState::Over(_) => "Expired",
                ExpiryState::Unknown => "Unknown",
            }
            .to_owned(),
        }
    }
}

impl Expiries {
    /// The expiring credentials in an observation.
    pub(super) fn of(seen: &Observed) -> Expiries {
        let Ok(spec) = &seen.resource.spec else {
            return Expiries::default();
        };
        let uses_secret = spec.client.uses_client_secret();
        Expiries {
            namespace: seen.resource.namespace.clone(),
            certificate: seen.certificate.facts().and_then(|facts| {
                Some(Expiry {
                    secret: spec.client_certificate.as_ref()?.secret.clone(),
                    ends: Some(of_certificate(facts)),
                })
            }),
            client_secret: seen
                .credentials
                .as_ref()
                .filter(|_| uses_secret)
                .and_then(of_client_secret),
        }
    }

    /// When the next warning starts or the next credential expires: the resource is reconciled then.
    pub fn next_change(&self, now: Time) -> Option<Time> {
        [&self.certificate, &self.client_secret]
            .into_iter()
            .flatten()
            .filter_map(|expiry| expiry.ends)
            .flat_map(|ends| [ends.warn_from, ends.at])
            .filter(|time| *time > now)
            .min()
    }

    /// The findings about them.
    pub(super) fn findings(&self, now: Time) -> Vec<ExpiryFinding> {
        let each = self.each(now).into_iter();
        each.map(|(_, finding)| finding).collect()
    }

    /// The findings about them, each with its credential.
    pub(super) fn each(&self, now: Time) -> Vec<(Which, ExpiryFinding)> {
        let certificate = self.certificate.as_ref();
        let certificate = certificate.and_then(|expiry| self.of_certificate(expiry, now));
        let secret = self.client_secret.as_ref();
        let secret = secret.and_then(|expiry| self.of_secret(expiry, now));
        let certificate = certificate.map(|finding| (Which::Certificate, finding));
        let secret = secret.map(|finding| (Which::ClientSecret, finding));
        certificate.into_iter().chain(secret).collect()
    }

    fn of_certificate(&self, expiry: &Expiry, now: Time) -> Option<ExpiryFinding> {
        let (secret, namespace) = (expiry.secret.clone(), self.namespace.clone());
        match expiry.expiry_state(now) {
            ExpiryState::Valid | ExpiryState::Unknown => None,
            ExpiryState::Soon(at) => Some(ExpiryFinding::CertificateExpiresSoon {
                secret,
                namespace,
                at,
            }),
            ExpiryState::Over(at) => Some(ExpiryFinding::CertificateExpired {
                secret,
                namespace,
                at,
            }),
        }
    }

    fn of_secret(&self, expiry: &Expiry, now: Time) -> Option<ExpiryFinding> {
        let (secret, namespace) = (expiry.secret.clone(), self.namespace.clone());
        match expiry.expiry_state(now) {
            ExpiryState::Valid => None,
            ExpiryState::Soon(at) => Some(ExpiryFinding::ClientSecretExpiresSoon {
                secret,
                namespace,
                at,
            }),
            ExpiryState::Over(at) => Some(ExpiryFinding::ClientSecretExpired {
                secret,
                namespace,
                at,
            }),
            ExpiryState::Unknown => {
                Some(ExpiryFinding::ClientSecretExpiryUnknown { secret, namespace })
            }
        }
    }
}

/// Which credential expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Certificate,
    ClientSecret,
}

/// The warning for a certificate starts when a fifth of its lifetime is left, at most 30 days. Tools that renew when a
/// third is left, such as cert-manager, never cause a warning.
fn of_certificate(facts: &CertificateFacts) -> ExpiryTimes {
    let life = facts.not_after.since(facts.not_before);
    let lead = Span::from_millis(life.millis() / 5).clamp(Span::ZERO, LONGEST_WARNING);
    ExpiryTimes {
        at: facts.not_after,
        warn_from: facts.not_after - lead,
    }
}

/// The expiry that the owner recorded. The lifetime of a client secret is unknown, so the warning starts 30 days ahead.
fn of_client_secret(secret: &SecretSeen) -> Option<Expiry> {
    let text = secret.annotations.get(CLIENT_SECRET_EXPIRES)?;
    Some(Expiry {
        secret: secret.name.clone(),
        ends: parse(text).map(|at| ExpiryTimes {
            at,
            warn_from: at - LONGEST_WARNING,
        }),
    })
}

/// An RFC 3339 time, or a date, which means its first moment in UTC, because an early warning is better than a late
/// one.
fn parse(text: &str) -> Option<Time> {
    let text = text.trim();
    Time::parse_rfc3339(text).or_else(|| {
        let date = text.len() == 10;
        let date: jiff::civil::Date = text.parse().ok().filter(|_| date)?;
        let zoned = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(Time::from_millis(zoned.timestamp().as_millisecond()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_and_a_time_are_understood_and_nothing_else_is() {
        let time = |text| parse(text).map(Time::rfc3339);
        let said = |text: &str| Some(text.to_owned());
        assert_eq!(time("2027-01-31"), said("2027-01-31T00:00:00Z"));
        assert_eq!(time(" 2027-01-31\n"), said("2027-01-31T00:00:00Z"));
        assert_eq!(
            time("2027-01-31T12:00:00+02:00"),
            said("2027-01-31T10:00:00Z")
        );
        for garbage in [
            "",
            "soon",
            "31.01.2027",
            "2027-02-30",
            "2027-01",
            "1798675200",
            "20270131",
        ] {
            assert_eq!(time(garbage), None, "{garbage}");
        }
    }

    #[test]
    fn a_certificate_is_warned_of_in_the_last_fifth_of_its_life_and_at_most_30_days_ahead() {
        let day = 24 * 3600;
        for (life, lead) in [
            (3600, 720),
            (90 * day, 18 * day),
            (365 * day, 30 * day),
            (-5, 0),
        ] {
            let facts = CertificateFacts {
                not_before: Time::from_seconds(0),
                not_after: Time::from_seconds(life),
                fingerprint: String::new(),
            };
            let ends = of_certificate(&facts);
            assert_eq!(
                ends.at.since(ends.warn_from),
                Span::from_seconds(lead),
                "{life}"
            );
        }
    }
}
