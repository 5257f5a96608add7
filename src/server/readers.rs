//! Who may read `/metrics`: everyone, or those that the Kubernetes API authorizes (TokenReview, then
//! SubjectAccessReview).
//!
//! Verdicts are cached for a short time. Each client address may cause few reviews, so that nobody can flood the API
//! server through this port or block others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{
    NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::api::{Api, PostParams};
use ring::{digest, hmac};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::port::client as client_of;
use crate::clock::Clock;
use crate::lock::lock;

/// How long a permission is cached.
const ALLOWED_FOR: Duration = Duration::from_secs(60);
/// How long a refusal is cached.
const REFUSED_FOR: Duration = Duration::from_secs(10);
/// The maximum number of cached verdicts.
const MOST_VERDICTS: usize = 256;
/// How many reviews one client address may cause at once, and the time after which it may cause one more.
const REVIEWS_AT_ONCE: u32 = 5;
const ONE_MORE_AFTER: Duration = Duration::from_secs(2);
/// The maximum number of client addresses whose reviews are counted.
const MOST_CLIENTS: usize = 1024;
/// The maximum number of reviews in flight.
const MOST_IN_FLIGHT: usize = 4;
/// The time-out for both reviews together.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who may read the metrics. Cheap to clone.
#[derive(Clone)]
pub enum Readers {
    /// Everyone who can connect.
    Anyone,
    /// Users that may `get` the path `/metrics` in the cluster.
    Authorized(Arc<Reviews>),
}

/// Cached verdicts about tokens, and the client for reviews.
pub struct Reviews {
    client: kube::Client,
    clock: Clock,
    /// Tokens are stored as keyed hashes.
    key: hmac::Key,
    known: Mutex<Known>,
    in_flight: Semaphore,
}

/// Whether a request for the metrics is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AccessVerdict {
    Allowed,
    /// No token, or one that the cluster does not know.
    Unauthenticated,
    /// The token's user may not read the metrics.
    Forbidden,
    /// The Kubernetes API could not be asked.
    Unknown,
}

type TokenFingerprint = [u8; 32];

#[derive(Default)]
struct Known {
    verdicts: HashMap<TokenFingerprint, (AccessVerdict, Duration)>,
    /// For each client address: when its reviews no longer count.
    clients: HashMap<IpAddr, Duration>,
}

impl Readers {
    /// Users that may `get` the path `/metrics` in the cluster of `client`.
    ///
    /// # Errors
    /// The system provides no random numbers.
    pub fn authorized(
        client: kube::Client,
        clock: Clock,
    ) -> Result<Readers, ring::error::Unspecified> {
        let random = ring::rand::SystemRandom::new();
        Ok(Readers::Authorized(Arc::new(Reviews {
            client,
            clock,
            key: hmac::Key::generate(hmac::HMAC_SHA256, &random)?,
            known: Mutex::default(),
            in_flight: Semaphore::new(MOST_IN_FLIGHT),
        })))
    }

    /// Whether a request with these headers is served.
    pub(super) async fn judge(&self, headers: &HeaderMap, client: IpAddr) -> AccessVerdict {
        match self {
            Readers::Anyone => AccessVerdict::Allowed,
            Readers::Authorized(reviews) => match bearer(headers) {
                Some(token) => reviews.judge(token, client).await,
                None => AccessVerdict::Unauthenticated,
            },
        }
    }
}

/// The token in an `Authorization` header (RFC 6750, section 2.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

impl Reviews {
    async fn judge(&self, token: &str, client: IpAddr) -> AccessVerdict {
        let fingerprint = self.fingerprint(token);
        let now = self.clock.elapsed();
        {
            let mut known = self.lock();
            if let Some(verdict) = known.verdict(&fingerprint, now) {
                return verdict;
            }
            if !known.may_cause_a_review(client_of(client), now) {
                return AccessVerdict::Unknown;
            }
        }
        let reviewed = timeout(PATIENCE, async {
            let _place = self.in_flight.acquire().await.ok()?;
            self.review(token).await
        });
        let Some(verdict) = reviewed.await.ok().flatten() else {
            return AccessVerdict::Unknown;
        };
        let now = self.clock.elapsed();
        self.lock().keep(fingerprint, verdict, now);
        verdict
    }

    fn fingerprint(&self, token: &str) -> TokenFingerprint {
        let mut fingerprint = [0; digest::SHA256_OUTPUT_LEN];
        fingerprint.copy_from_slice(hmac::sign(&self.key, token.as_bytes()).as_ref());
        fingerprint
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
    }

    /// Asks the Kubernetes API; `None` if that fails.
    async fn review(&self, token: &str) -> Option<AccessVerdict> {
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: Some(token.to_owned()),
                ..TokenReviewSpec::default()
            },
            ..TokenReview::default()
        };
        let api = Api::<TokenReview>::all(self.client.clone());
        let answer = api.create(&PostParams::default(), &review).await;
        let status =
            answer.map_err(|error| cannot_ask("tokenreviews.authentication.k8s.io", &error));
        let status = status.ok()?.status?;
        let Some(user) = status.user.filter(|_| status.authenticated == Some(true)) else {
            return Some(AccessVerdict::Unauthenticated);
        };
        let api = Api::<SubjectAccessReview>::all(self.client.clone());
        let answer = api.create(&PostParams::default(), &access(user)).await;
        let status =
            answer.map_err(|error| cannot_ask("subjectaccessreviews.authorization.k8s.io", &error));
        let allowed = status.ok()?.status?.allowed;
        Some(if allowed {
            AccessVerdict::Allowed
        } else {
            AccessVerdict::Forbidden
        })
    }
}

/// Logs why reviews fail, without the error's text, which may repeat what was sent.
fn cannot_ask(resource: &str, error: &kube::Error) {
    let code = match error {
        kube::Error::Api(status) => status.code,
        _ => 0,
    };
    let what = if code == 403 {
        "the operator may not ask who may read /metrics; to grant it, run: kubectl apply -k deploy/metrics-auth"
    } else {
        "the Kubernetes API did not say who may read /metrics; scrapes are refused until it does"
    };
    tracing::warn!(resource, code, "{what}");
}

fn access(user: UserInfo) -> SubjectAccessReview {
    SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: user.username,
            uid: user.uid,
            groups: user.groups,
            extra: user.extra,
            non_resource_attributes: Some(NonResourceAttributes {
                path: Some("/metrics".to_owned()),
                verb: Some("get".to_owned()),
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    }
}

impl Known {
    fn verdict(&self, fingerprint: &TokenFingerprint, now: Duration) -> Option<AccessVerdict> {
        let (verdict, until) = self.verdicts.get(fingerprint)?;
        (now < *until).then_some(*verdict)
    }

    fn keep(&mut self, fingerprint: TokenFingerprint, verdict: AccessVerdict, now: Duration) {
        let lasts = match verdict {
            AccessVerdict::Allowed => ALLOWED_FOR,
            _ => REFUSED_FOR,
        };
        if self.verdicts.len() >= MOST_VERDICTS {
            self.verdicts.retain(|_, (_, until)| now < *until);
        }
        // Refusals are removed first, because unknown tokens can be invented freely.
        while self.verdicts.len() >= MOST_VERDICTS {
            let rank = |(verdict, until): &(AccessVerdict, Duration)| {
                (*verdict == AccessVerdict::Allowed, *until)
            };
            let least = self.verdicts.iter().min_by_key(|(_, kept)| rank(kept));
            let Some(least) = least.map(|(fingerprint, _)| *fingerprint) else {
                break;
            };
            self.verdicts.remove(&least);
        }
        self.verdicts.insert(fingerprint, (verdict, now + lasts));
    }

    /// Counts a review that a client causes, if it may cause one.
    fn may_cause_a_review(&mut self, client: IpAddr, now: Duration) -> bool {
        if self.clients.len() >= MOST_CLIENTS {
            self.clients.retain(|_, until| now < *until);
        }
        if self.clients.len() >= MOST_CLIENTS && !self.clients.contains_key(&client) {
            return false;
        }
        let until = self.clients.entry(client).or_insert(now);
        let after = (*until).max(now) + ONE_MORE_AFTER;
        let allowed = after <= now + ONE_MORE_AFTER * REVIEWS_AT_ONCE;
        if allowed {
            *until = after;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn only_a_bearer_token_counts() {
        let token = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value.parse().unwrap());
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(token("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(token("bearer  abc").as_deref(), Some("abc"));
        for none in ["Basic abc", "Bearer", "Bearer ", "abc"] {
            assert_eq!(token(none), None, "{none}");
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
    }

    #[test]
    fn a_verdict_counts_for_a_short_time() {
        let mut known = Known::default();
        known.keep([1; 32], AccessVerdict::Allowed, seconds(0));
        known.keep([2; 32], AccessVerdict::Forbidden, seconds(0));
        assert_eq!(
            known.verdict(&[1; 32], seconds(59)),
            Some(AccessVerdict::Allowed)
        );
        assert_eq!(known.verdict(&[1; 32], seconds(60)), None);
        assert_eq!(
            known.verdict(&[2; 32], seconds(9)),
            Some(AccessVerdict::Forbidden)
        );
        assert_eq!(known.verdict(&[2; 32], seconds(10)), None);
    }

    #[test]
    fn invented_tokens_do_not_push_out_who_is_allowed() {
        let mut known = Known::default();
        known.keep([255; 32], AccessVerdict::Allowed, seconds(0));
        for number in 0..10_000_u32 {
            let mut fingerprint = [0; 32];
            fingerprint[..4].copy_from_slice(&number.to_le_bytes());
            known.keep(fingerprint, AccessVerdict::Unauthenticated, seconds(1));
        }
        assert_eq!(known.verdicts.len(), MOST_VERDICTS);
        assert_eq!(
            known.verdict(&[255; 32], seconds(2)),
            Some(AccessVerdict::Allowed)
        );
    }

    #[test]
    fn one_client_causes_few_reviews_and_does_not_use_up_those_of_others() {
        let mut known = Known::default();
        let (one, other) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let caused = (0..100).filter(|_| known.may_cause_a_review(one, seconds(0)));
        assert_eq!(caused.count(), REVIEWS_AT_ONCE as usize);
        assert!(known.may_cause_a_review(other, seconds(0)));
        assert!(known.may_cause_a_review(one, seconds(2)));
        assert!(!known.may_cause_a_review(one, seconds(2)));
    }

    #[test]
    fn the_clients_that_are_counted_are_bounded() {
        let mut known = Known::default();
        for number in 0..5000_u32 {
            known.may_cause_a_review(IpAddr::from(number.to_be_bytes()), seconds(0));
        }
        assert_eq!(known.clients.len(), MOST_CLIENTS);
        assert!(known.may_cause_a_review([200, 0, 0, 1].into(), seconds(60)));
    }
}
