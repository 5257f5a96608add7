//! When a token is refreshed: formulas only.
//!
//! Pure: the caller passes `now`, the jitter `jitter` in [0,1) and the known facts. Jitter only makes a refresh earlier.
//!
//! A token that was requested at `t_send` with the lifetime `L` expires at `E = t_send + L`: latency does not extend a
//! lifetime. It is refreshed [`usual_lead`] before that.

mod end;
mod failure;
mod settings;
#[cfg(test)]
mod tests;

use crate::oauth::Lifetime;
use crate::time::{Span, Time};

pub use end::{AssumedEnd, End, KnownEnd, Source};
pub use failure::{before_the_end, earliest, repair_delay, repairs_forgotten, retry};
pub use settings::{Lead, Planned, Policy, TokenReuse};

/// The minimum lead time, so that every reader sees a valid token: 90 s until a mounted volume is updated (the kubelet
/// syncs a pod every 60 s x 1..1.5, plus the delay of its cache), [`SKEW`], and 60 s for a retry.
pub const MARGIN: Span = Span::from_seconds(180);
/// The maximum difference between the clocks of provider, operator and readers.
pub const SKEW: Span = Span::from_seconds(30);
/// The lifetime that is assumed if the response has none, unless the resource sets another one.
pub const ASSUMED_LIFETIME: Span = Span::from_seconds(3300);

const DAY: Span = Span::from_seconds(86_400);
/// Longer lifetimes make no sense (1e308 occurs in practice) and exceed the range of RFC 3339.
const LONGEST_LIFE: Span = Span::from_seconds(100 * 365 * 86_400);
/// The minimum pause before a server that caches is asked for the same token again.
const CACHE_PAUSE: Span = Span::from_seconds(10);
/// Expiry times that differ by at most this much are the same.
const SAME_END: Span = Span::from_seconds(1);
/// Shorter lifetimes are not followed, so that there are at most 6 requests a minute.
const TINY: Span = Span::from_seconds(10);
/// The maximum pause between two requests while a server returns the same token with a tiny lifetime each time.
const LONGEST_TINY_PAUSE: Span = Span::from_seconds(300);
const SHORTEST_WINDOW: Span = Span::from_seconds(20);
/// The lead time for a token that its successor invalidates.
const INVALIDATING_LEAD: Span = Span::from_seconds(60);

/// The published token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    /// When its request was sent.
    pub issued: Time,
    /// When it expires.
    pub end: End,
    /// The cache window learned from the server so far.
    pub learnt_window: Option<Span>,
    /// The server has returned this token more than once, so it caches.
    pub served_again: bool,
}

impl Published {
    /// When it expires, by the clock that shows `sent` for a later request. If the token was issued after that, the clock was set
    /// back meanwhile, or another machine issued it, whose clock is ahead. Two clocks are not compared: what counts is the
    /// length of the token's life, of which no more than the whole can be left.
    fn end_by(&self, sent: Time) -> End {
        match self.issued > sent {
            true => End::stored(
                sent + self.end.at().since(self.issued),
                self.end.is_assumed(),
            ),
            false => self.end,
        }
    }
}

/// The times of a successful response.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReceivedToken {
    /// When the request was sent.
    pub sent: Time,
    /// When the response was complete.
    pub received: Time,
    /// The granted lifetime.
    pub lifetime: Option<Lifetime>,
    /// When the token expires by its own account, if it is read.
    pub own_end: Option<Time>,
    /// When the server wants the next request, counted from `sent`.
    pub refresh_in: Option<Span>,
    /// Whether the token is the published one.
    pub same_token: bool,
}

/// The consequences of a successful response.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// When the token was issued, as it is stored with it. For a token that was served before, this is its first
    /// response, unless the clock was set back below that.
    pub issued: Time,
    /// When the token expires.
    pub end: End,
    /// When the next request is due.
    pub refresh: Time,
    /// The cache window that is known from now on (learned; not the one of the resource).
    pub learnt_window: Option<Span>,
    /// The server has returned this token more than once. Stored with the token, because only the expiry of such a
    /// token reveals the cache window.
    pub served_again: bool,
    /// The lifetime is shorter than mounted volumes need (L < 2M).
    pub too_short: bool,
    /// The granted lifetime is shorter than the pause between two requests (10 s), so the token expires in between.
    pub tiny: bool,
    /// The lead time of the resource did not fit and was limited to this.
    pub clamped_lead: Option<Span>,
}

/// Why a response's lifetime makes its token unusable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableLifetime {
    /// The lifetime is negative.
    #[error("the provider granted a negative lifetime")]
    Negative,
    /// The token expired before it could be published.
    #[error("the token had already expired {by} ago when its answer was complete")]
    AlreadyPast {
        /// How long ago it expired.
        by: Span,
    },
}

/// The consequences of a successful response: when the token expires, and when the next request is due.
///
/// `published` is the token in the token Secret, `None` for the first one; `jitter` is in [0,1).
///
/// # Errors
/// The token cannot be used. Nothing is published, and a token that is still valid stays.
pub fn accept(
    policy: &Policy,
    published: Option<&Published>,
    answer: &ReceivedToken,
    now: Time,
    jitter: f64,
) -> Result<Schedule, UnusableLifetime> {
    let served_before = published.filter(|_| answer.same_token);
    let grant = Grant::of(policy, served_before, answer, now)?;
    let learnt_window = learnt_window(published, answer, grant.whole);
    let window = policy
        .cache_window
        .or(learnt_window)
        .map(|window| window.max(SHORTEST_WINDOW).min(grant.whole));
    let lead = lead(policy, grant.whole);
    let plan = Plan {
        policy,
        answer,
        grant,
        lead,
        window,
        now,
        jitter: jitter.clamp(0.0, 1.0),
    };
    let wanted = if served_before.is_some() {
        plan.again()
    } else if published.is_none() && plan.is_spread() {
        now + plan.fresh().since(now).scale(0.15 + 0.75 * plan.jitter)
    } else {
        plan.fresh()
    };
    // A token that is returned until it expires is followed to that time. If its expiry moves, each response grants it
    // again.
    let extended = served_before
        .is_some_and(|token| grant.end.at() > token.end_by(answer.sent).at() + SAME_END);
    let tiny = grant.left < TINY && (served_before.is_none() || extended);
    let mut floor = shortest_interval(grant.left);
    if tiny {
        floor = floor.max(TINY);
    }
    if tiny && extended {
        // The longer nothing changes, the longer the pause: each one is as long as the age of the token.
        let age = answer.sent.since(grant.issued);
        floor = floor.max(age.min(LONGEST_TINY_PAUSE));
    }
    Ok(Schedule {
        issued: grant.issued,
        end: grant.end,
        refresh: wanted.max(now + floor),
        learnt_window,
        served_again: answer.same_token,
        too_short: is_too_short(grant.whole),
        tiny,
        clamped_lead: clamped_lead(policy, grant.whole),
    })
}

/// Whether a lifetime is too short for mounted volumes (`L < 2M`). The resource then reports it.
pub fn is_too_short(lifetime: Span) -> bool {
    lifetime < MARGIN + MARGIN
}

/// The value that the resource's lead time is limited to for a lifetime, if it does not fit.
pub fn clamped_lead(policy: &Policy, lifetime: Span) -> Option<Span> {
    let counts = lead(policy, lifetime);
    own_lead(policy, lifetime)
        .filter(|own| *own != counts)
        .map(|_| counts)
}

/// The default lead time for a lifetime: `min(max(L/4, M), L/2, 24 h)`.
pub fn usual_lead(lifetime: Span) -> Span {
    part(lifetime, 1, 4)
        .max(MARGIN)
        .min(part(lifetime, 1, 2))
        .min(DAY)
}

/// The minimum time from a success to the next request: `g = max(2, min(10, L/4))`.
pub fn shortest_interval(lifetime: Span) -> Span {
    part(lifetime, 1, 4)
        .min(Span::from_seconds(10))
        .max(Span::from_seconds(2))
}

/// Whether the clock was set back so far that the remaining lifetime of a token exceeds its whole lifetime (plus a
/// minute). Then its expiry is unknown, and a new token is requested.
pub fn clock_went_back(issued: Time, expires: Time, now: Time) -> bool {
    expires.since(now) > expires.since(issued) + Span::from_seconds(60)
}

/// A lifetime as granted by this response.
#[derive(Clone, Copy)]
struct Grant {
    issued: Time,
    end: End,
    /// From sending the request to the expiry.
    left: Span,
    /// From the issuance of the token to its expiry: longer than `left` if the token was served before.
    whole: Span,
}

impl Grant {
    /// `served_before` is the published token if the response contains the same one.
    fn of(
        policy: &Policy,
        served_before: Option<&Published>,
        answer: &ReceivedToken,
        now: Time,
    ) -> Result<Grant, UnusableLifetime> {
        if matches!(answer.lifetime, Some(Lifetime::For(span)) if span < Span::ZERO) {
            return Err(UnusableLifetime::Negative);
        }
        let granted = KnownEnd::granted(answer.lifetime, answer.sent, LONGEST_LIFE);
        let own = answer.own_end.map(KnownEnd::of_token);
        let named = match (granted, own) {
            (Some(granted), Some(own)) => Some(granted.earlier(own)),
            (granted, own) => granted.or(own),
        };
        let end = End::after(
            served_before.map(|token| token.end_by(answer.sent)),
            named,
            AssumedEnd::of(policy.assumed_lifetime, answer.sent),
            // A token that is served at its assumed expiry gets another lifetime.
            |assumed| assumed > now + CACHE_PAUSE,
        );
        let expires = end.at();
        if expires <= now {
            let by = now.since(expires);
            return Err(UnusableLifetime::AlreadyPast { by });
        }
        let issued = served_before.map_or(answer.sent, |token| token.issued.min(answer.sent));
        Ok(Grant {
            issued,
            end,
            left: expires.since(answer.sent),
            whole: expires.since(issued),
        })
    }
}

/// Only the first different token after the same one was served again reveals when the server starts to return new
/// ones. A server that returns a new token each time has no cache window, and an expired token reveals nothing.
fn learnt_window(
    published: Option<&Published>,
    answer: &ReceivedToken,
    whole: Span,
) -> Option<Span> {
    let published = published?;
    let left = published.end_by(answer.sent).at().since(answer.sent);
    if answer.same_token || !published.served_again || left <= Span::ZERO {
        return published.learnt_window;
    }
    Some(left.max(SHORTEST_WINDOW).min(whole))
}

fn own_lead(policy: &Policy, lifetime: Span) -> Option<Span> {
    match (policy.token_reuse, policy.lead) {
        (TokenReuse::InvalidatesPrevious, _) | (_, Lead::Default) => None,
        (_, Lead::Before(span)) => Some(span),
        (_, Lead::Percent(percent)) => Some(part(lifetime, i64::from(percent), 100)),
    }
}

/// The effective lead time: that of the resource between 1 s and two thirds of the lifetime, so that even with jitter a
/// fifth of each lifetime is used.
fn lead(policy: &Policy, lifetime: Span) -> Span {
    if policy.token_reuse == TokenReuse::InvalidatesPrevious {
        return INVALIDATING_LEAD.min(part(lifetime, 1, 2));
    }
    own_lead(policy, lifetime).map_or_else(
        || usual_lead(lifetime),
        |own| own.max(Span::from_seconds(1)).min(part(lifetime, 2, 3)),
    )
}

/// `numerator / denominator` of a span, saturating.
fn part(span: Span, numerator: i64, denominator: i64) -> Span {
    Span::from_millis(span.millis().saturating_mul(numerator) / denominator)
}

/// The inputs that determine when the next request is due.
struct Plan<'a> {
    policy: &'a Policy,
    answer: &'a ReceivedToken,
    grant: Grant,
    lead: Span,
    window: Option<Span>,
    now: Time,
    jitter: f64,
}

impl Plan<'_> {
    /// Whether the first interval is shortened by jitter, so that a fleet that was created together spreads at once.
    fn is_spread(&self) -> bool {
        self.policy.token_reuse == TokenReuse::Independent
            && self.policy.lead == Lead::Default
            && self.window.is_none()
    }

    /// For a token that was not served before.
    fn fresh(&self) -> Time {
        let expires = self.grant.end.at();
        if self.policy.token_reuse == TokenReuse::InvalidatesPrevious {
            return expires - self.lead;
        }
        match self.answer.refresh_in.filter(|span| *span > Span::ZERO) {
            Some(hint) => {
                let hinted = self.answer.sent + hint + Span::from_seconds(60).scale(self.jitter);
                hinted.min(expires - self.lead)
            }
            None => self.first_try(),
        }
    }

    /// The lead time before the expiry, but not before a caching server would return another token.
    fn first_try(&self) -> Time {
        let expires = self.grant.end.at();
        let led = expires - self.lead.scale(1.0 + 0.2 * self.jitter);
        match self.window {
            Some(window) => {
                let pause = part(window, 1, 2).min(Span::from_seconds(15));
                led.max(expires - window + pause)
            }
            None => led,
        }
    }

    /// For the same token again: after half of the remaining lifetime, never after its expiry, never in a hot loop. If
    /// it is known when a different token is available, then.
    fn again(&self) -> Time {
        let expires = self.grant.end.at();
        let awaited = if self.policy.token_reuse == TokenReuse::InvalidatesPrevious {
            expires - self.lead
        } else {
            self.first_try()
        };
        if !self.is_spread() && awaited > self.now + CACHE_PAUSE {
            return awaited;
        }
        let half = part(expires.since(self.now), 1, 2);
        (self.now + half.max(CACHE_PAUSE)).min(expires)
    }
}

/// When a published token is refreshed under settings that differ from those that it was planned with; `None` if they are the
/// same, or if only the next response shows when. `refresh` is the time as planned.
///
/// A shorter assumed lifetime counts at once, a longer one for the next token: what was published with an expiry is not used
/// beyond it. `planned` may have been edited by others: the time is never before both `refresh` and what the settings give alone.
pub fn replan(
    policy: &Policy,
    token: &Published,
    refresh: Time,
    planned: &Planned,
) -> Option<Time> {
    if planned.is_with(policy) {
        return None;
    }
    let assumed = token.issued + policy.assumed_lifetime.max(Span::from_seconds(1));
    let end = match token.end.is_assumed() && !token.served_again && assumed < token.end.at() {
        true => End::stored(assumed, true),
        false => token.end,
    };
    let whole = end.at().since(token.issued).max(Span::ZERO);
    let window = policy.cache_window.or(token.learnt_window);
    let answer = ReceivedToken {
        sent: token.issued,
        received: token.issued,
        lifetime: None,
        own_end: None,
        refresh_in: None,
        same_token: token.served_again,
    };
    let plan = Plan {
        policy,
        answer: &answer,
        grant: Grant {
            issued: token.issued,
            end,
            left: whole,
            whole,
        },
        lead: lead(policy, whole),
        window: window.map(|window| window.max(SHORTEST_WINDOW).min(whole)),
        now: token.issued,
        jitter: planned.jitter(),
    };
    let floor = token.issued
        + match whole < TINY {
            true => TINY,
            false => shortest_interval(whole),
        };
    let alone = plan.fresh().max(floor);
    if token.served_again {
        // The server's hint counts from the last response, whose time is not stored.
        return (!plan.is_spread()).then_some(alone);
    }
    let hinted = Plan {
        answer: &ReceivedToken {
            refresh_in: planned.refresh_in(),
            ..answer
        },
        ..plan
    };
    Some(hinted.fresh().max(floor).max(refresh.min(alone)))
}

/// When the next request is due, if the refresh token that it needs was obtained at `obtained` and expires at `ends`:
/// at `refresh` (the time for the access token), or at the usual lead time before the refresh token expires, whichever
/// comes first, but not before the shortest interval from `now`. `jitter` is in [0,1) that makes it earlier.
pub fn before_refresh_token_ends(
    refresh: Time,
    obtained: Time,
    ends: Time,
    now: Time,
    jitter: f64,
) -> Time {
    let life = ends.since(obtained).max(Span::ZERO);
    let due = ends - usual_lead(life).scale(1.0 + 0.2 * jitter.clamp(0.0, 1.0));
    refresh.min(due.max(now + shortest_interval(life)))
}
