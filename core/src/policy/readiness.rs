//! Whether a token may be requested now: what must exist first, and what earlier attempts say.

use crate::conditions::Reason;
use crate::engine::Requeue;
use crate::model::{CaSeen, FailedAttempt, Observed, Problem, RefreshReason, Validated};
use crate::policy::accounts::not_opted_in;
use crate::policy::ownership::our_target;
use crate::policy::token_sources::account_tokens;
use crate::policy::waits::{LOOK_AT_ACCOUNT, LOOK_AT_CA, LOOK_WHILE_WAITING};
use crate::schedule;
use crate::time::{Span, Time};

use super::{
    certificate, disclosed, dpop, findings, provenance, references, refresh_token, rejected,
};

/// Whether a request may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestTiming {
    /// Now.
    Now,
    /// Not before this time.
    NotBefore(Time),
    /// Not before something changes.
    OnChange,
}

/// The minimum time since the last attempt, even for immediate requests.
const LEAST_DISTANCE: Span = Span::from_seconds(2);

/// What must exist before anything can be sent, and does not.
pub(super) fn not_ready(
    seen: &Observed,
    spec: &Validated,
    now: Time,
) -> Option<(Problem, Requeue)> {
    let waiting = Requeue::At(now + LOOK_WHILE_WAITING);
    let issuer = (!spec.client.is_located())
        .then_some((spec.client.provider_field(), &spec.client.token_url));
    for (field, url) in issuer.into_iter().chain(spec.endpoints()) {
        if url.scheme() != "https" && !seen.rules.allow_http {
            return Some((
                findings::http_not_allowed(spec, field, url),
                Requeue::OnChange,
            ));
        }
    }
    if spec.credentials_secret.is_some() {
        let problem = match &seen.credentials {
            None => Some(findings::no_credentials(seen, spec)),
            Some(credentials) => provenance::secret_not_ready(seen, spec, credentials),
        };
        if let Some(problem) = problem {
            return Some((problem, waiting));
        }
    }
    if let Some(problem) = disclosed::not_disclosed(seen, spec) {
        return Some((problem, waiting));
    }
    if let Some(problem) = dpop::not_published(seen, spec) {
        return Some((problem, waiting));
    }
    if let Some(problem) = rejected::before_request(seen, spec) {
        return Some((problem, waiting));
    }
    if let Some(found) = certificate::not_ready(seen, spec, now) {
        return Some(found);
    }
    if let Some(problem) = references::not_ready(seen, spec, now) {
        return Some((problem, waiting));
    }
    if let Some(problem) = account_tokens_not_ready(seen, spec) {
        return Some((problem, Requeue::At(now + LOOK_AT_ACCOUNT)));
    }
    let login = seen
        .family
        .login
        .as_ref()
        .filter(|login| refresh_token::is_opted_in(login));
    if let Some(problem) = login.and_then(|login| provenance::secret_not_ready(seen, spec, login)) {
        return Some((problem, waiting));
    }
    if let Some(problem) = provenance::family_not_ready(seen, spec) {
        return Some((problem, waiting));
    }
    match (&seen.ca, &spec.ca_bundle) {
        (CaSeen::Missing, Some(bundle)) => Some(findings::no_ca(seen, bundle)),
        (CaSeen::KeyMissing, Some(bundle)) => Some(findings::no_ca_key(seen, bundle)),
        (CaSeen::Broken(why), Some(bundle)) => Some(findings::bad_ca(bundle, why)),
        _ => None,
    }
    .map(|problem| (problem, Requeue::At(now + LOOK_AT_CA)))
}

/// What earlier attempts and successes say about requesting now.
pub(super) fn request_timing(
    seen: &Observed,
    spec: &Validated,
    reason: &RefreshReason,
    now: Time,
) -> RequestTiming {
    let mut earliest = now;
    let mut closed = false;
    if let Some(state) = our_target(seen, spec).and_then(super::SecretSeen::state) {
        // An issue time in the future means that the clock was set back: it must not delay anything.
        if state.issued <= now {
            earliest = earliest.max(state.issued + LEAST_DISTANCE);
        }
    }
    if let Some(sent) = seen.memory.last_sent.filter(|sent| *sent <= now) {
        earliest = earliest.max(sent + LEAST_DISTANCE);
    }
    if reason.is_repair() {
        earliest = earliest.max(earliest_repair(seen, now));
    }
    if let Some(attempt) = &seen.memory.attempt {
        let mut attempt = ComparedAttempt::new(attempt, seen, spec);
        attempt.counts &= !refresh_token::new_family_is_untried(seen, spec);
        earliest = earliest.max(attempt.floor(now));
        if rejected::secret_changed(attempt.of, seen)
            && let Some(again) = rejected::again_after(attempt.of)
            && again.since(now) <= LONGEST_WAIT
        {
            earliest = earliest.max(again);
        }
        if attempt.counts {
            match attempt.of.next {
                Some(next) if next.since(now) <= LONGEST_WAIT => earliest = earliest.max(next),
                Some(_) => {}
                None => closed = true,
            }
        }
    }
    if closed {
        RequestTiming::OnChange
    } else if earliest > now {
        RequestTiming::NotBefore(earliest)
    } else {
        RequestTiming::Now
    }
}

/// The maximum wait: a longer one would come from a clock that was set back.
const LONGEST_WAIT: Span = Span::from_seconds(3600 + 60);

pub(super) fn earliest_repair(seen: &Observed, now: Time) -> Time {
    let repairs = seen.memory.repairs;
    if repairs.count == 0 || repairs.last > now {
        return now;
    }
    repairs.last + schedule::repair_delay(repairs.count)
}

/// Whether there are so many repairs in a row that the status says why the next one waits.
pub(super) fn repairs_are_held_back(seen: &Observed, now: Time) -> bool {
    seen.memory.repairs.count > 1 && earliest_repair(seen, now) > now
}

/// A failed attempt, compared with what would be sent now.
pub(super) struct ComparedAttempt<'a> {
    of: &'a FailedAttempt,
    /// Endpoint and client are the same, so a `Retry-After` applies.
    same_endpoint_and_client: bool,
    /// Nothing has changed and no retry was requested, so its own pause applies.
    counts: bool,
}

impl<'a> ComparedAttempt<'a> {
    pub(super) fn new(of: &'a FailedAttempt, seen: &Observed, spec: &Validated) -> Self {
        let same_credentials = seen.credentials_version().is_some_and(|version| {
            of.credentials == version
                || (of.content.is_some() && of.content == seen.whole_content())
        });
        let same_endpoint = of.endpoint == endpoint(spec);
        ComparedAttempt {
            of,
            same_endpoint_and_client: same_credentials && same_endpoint,
            counts: same_credentials
                // Other certificates may solve the problem.
                && !(of.reason == Reason::TLSFailed.as_str() && of.ca != seen.ca.hash())
                && of.inputs == seen.resource.inputs
                && seen.unhandled_request().is_none()
                && !rejected::secret_changed(of, seen)
                // A renewed certificate is worth an attempt, unless attempts do harm.
                && (of.certificate.as_deref() == seen.certificate.fingerprint()
                    || of.next.is_none()),
        }
    }

    /// Whether nothing has changed since, and no retry was requested.
    pub(super) fn counts(&self) -> bool {
        self.counts
    }

    fn floor(&self, now: Time) -> Time {
        let distance = if self.of.time <= now {
            self.of.time + LEAST_DISTANCE
        } else {
            now
        };
        match self.of.not_before {
            Some(until) if self.same_endpoint_and_client && until.since(now) <= LONGEST_WAIT => {
                distance.max(until)
            }
            _ => distance,
        }
    }
}

/// When to check for changed certificates after a request failed without them: ConfigMaps are not watched.
pub(super) fn look_at_ca(attempt: Option<&FailedAttempt>, seen: &Observed, now: Time) -> Requeue {
    let named = seen.ca != CaSeen::NotNamed;
    match attempt {
        Some(attempt) if named && attempt.reason == Reason::TLSFailed.as_str() => {
            Requeue::At(now + LOOK_AT_CA)
        }
        _ => Requeue::OnChange,
    }
}

/// Identifies the endpoint of a request in a failed attempt.
pub(super) fn endpoint(spec: &Validated) -> String {
    format!("{:016x}", super::short(spec.client.provider()))
}

/// Whether the last write was refused and nothing has changed since: it is not repeated.
pub(super) fn is_still_rejected(seen: &Observed, spec: &Validated) -> bool {
    let attempt = seen.memory.attempt.as_deref();
    attempt.is_some_and(|attempt| {
        attempt.rejected_secret.is_some() && ComparedAttempt::new(attempt, seen, spec).counts()
    })
}

/// What prevents creating the tokens. None is created before this returns nothing.
pub(super) fn account_tokens_not_ready(seen: &Observed, spec: &Validated) -> Option<Problem> {
    account_tokens(spec).into_iter().find_map(|token| {
        not_opted_in(seen, token).or_else(|| provenance::account_not_ready(seen, spec, token))
    })
}
