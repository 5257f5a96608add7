//! When a token is refreshed: the formulas, and nothing else.
//!
//! Pure: the caller passes `now`, the draw `u` in [0,1) and what is known. Every draw only ever makes a refresh earlier.
//!
//! A token requested at `t_send` with the lifetime `L` ends at `E = t_send + L`: latency never lengthens a life. Its refresh
//! is wanted [`usual_lead`] before that.

mod failure;
#[cfg(test)]
mod tests;

use crate::oauth::Lifetime;
use crate::time::{Span, Time};

pub use failure::{earliest, repair_delay, repairs_forgotten, retry};

/// What must be left of a token for every reader to see it alive: 90 s for the propagation of a mounted volume (the kubelet
/// resyncs a pod every 60 s x 1..1.5, plus its cache's delay), [`SKEW`], and 60 s to try again.
pub const MARGIN: Span = Span::from_seconds(180);
/// How far the clocks of provider, operator and readers may lie apart.
pub const SKEW: Span = Span::from_seconds(30);
/// The lifetime taken where a server gives none, unless the resource says otherwise.
pub const ASSUMED_LIFETIME: Span = Span::from_seconds(3300);

const DAY: Span = Span::from_seconds(86_400);
/// Longer lives are nonsense (1e308 has been met), and would leave the range of RFC 3339.
const LONGEST_LIFE: Span = Span::from_seconds(100 * 365 * 86_400);
/// The shortest pause before a server that caches is asked for the same token again.
const CACHE_PAUSE: Span = Span::from_seconds(10);
/// Ends that lie no further apart are the same one.
const SAME_END: Span = Span::from_seconds(1);
/// Lives shorter than this are not followed: 6 requests a minute at most.
const TINY: Span = Span::from_seconds(10);
/// The longest pause between two requests while a server gives the same token with a tiny life each time.
const LONGEST_TINY_PAUSE: Span = Span::from_seconds(300);
const SHORTEST_WINDOW: Span = Span::from_seconds(20);
/// How long before its end a token is replaced that dies with its replacement.
const INVALIDATING_LEAD: Span = Span::from_seconds(60);

/// What a resource says about its refreshes.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// How long before expiry a refresh is wanted.
    pub lead: Lead,
    /// The lifetime taken where the server gives none; 3300 s by default.
    pub assumed_lifetime: Span,
    /// What a new token does to the one before.
    pub token_reuse: TokenReuse,
    /// How long before a token's end the server starts to hand out a different one, where known.
    pub cache_window: Option<Span>,
}

/// How long before expiry a refresh is wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lead {
    /// The rule of this project.
    Default,
    /// The resource's own, as a span.
    Before(Span),
    /// The resource's own, in percent of the lifetime (1..=99).
    Percent(u8),
}

/// What a new token does to the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TokenReuse {
    /// Both are valid until their own end.
    #[default]
    Independent,
    /// The old one dies at once: refreshed as late as is safe.
    InvalidatesPrevious,
}

/// What is published now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    /// When the request that gave it was sent.
    pub issued: Time,
    /// When it ends.
    pub expires: Time,
    /// The cache window learnt from the server so far.
    pub learnt_window: Option<Span>,
    /// The server has handed out this very token more than once: it caches.
    pub served_again: bool,
    /// Its end is assumed, since no response gave one.
    pub assumed: bool,
}

/// A successful answer, as far as time goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    /// When the request was sent.
    pub sent: Time,
    /// When the answer was complete.
    pub received: Time,
    /// The lifetime granted.
    pub lifetime: Option<Lifetime>,
    /// When the server asks to be asked again, counted from `sent`.
    pub refresh_in: Option<Span>,
    /// Whether the token is the one already published.
    pub same_token: bool,
}

/// What follows from a successful answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// When the token was issued, as it is to be kept with it: for one that was served before that is when it came first,
    /// unless the clock was set back below that since.
    pub issued: Time,
    /// When the token ends.
    pub expires: Time,
    /// When the next request is due.
    pub refresh: Time,
    /// The cache window known from now on (learnt; not the resource's own).
    pub learnt_window: Option<Span>,
    /// The server has handed out this very token more than once. Kept with the token: only such a token's end tells the
    /// cache window.
    pub served_again: bool,
    /// No lifetime was given: the assumed one counts.
    pub assumed: bool,
    /// The life is shorter than what mounted volumes need (L < 2M).
    pub too_short: bool,
    /// The life that was granted is shorter than the pause between two requests (10 s): the token expires in between.
    pub tiny: bool,
    /// The resource's own lead did not fit and was clamped to this.
    pub clamped_lead: Option<Span>,
}

/// Why an answer's lifetime cannot be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableLifetime {
    /// The server granted less than nothing.
    #[error("the provider granted a negative lifetime")]
    Negative,
    /// The token was over before it could be published.
    #[error("the token had already expired {by} ago when its answer was complete")]
    AlreadyPast {
        /// How long it has been over.
        by: Span,
    },
}

/// What a successful answer means: when the token ends, and when the next request is due.
///
/// `published` is what stands in the token Secret now, `None` for a first issue; `u` is a draw from [0,1). Errs when the
/// token is of no use: then nothing is published, and a token that is still valid stays.
pub fn accept(
    policy: &Policy,
    published: Option<&Published>,
    answer: &Answer,
    now: Time,
    u: f64,
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
        u: u.clamp(0.0, 1.0),
    };
    let wanted = if served_before.is_some() {
        plan.again()
    } else if published.is_none() && plan.is_spread() {
        now + plan.fresh().since(now).scale(0.15 + 0.75 * plan.u)
    } else {
        plan.fresh()
    };
    // A token that is served until its end is followed to that end; one whose end moves on is granted anew each time.
    let extended = served_before.is_some_and(|token| grant.expires > token.expires + SAME_END);
    let tiny = grant.left < TINY && (served_before.is_none() || extended);
    let mut floor = shortest_interval(grant.left);
    if tiny {
        floor = floor.max(TINY);
    }
    if tiny && extended {
        // The longer nothing changes, the less often it is asked: each pause is as long as the token is old.
        let age = answer.sent.since(grant.issued);
        floor = floor.max(age.min(LONGEST_TINY_PAUSE));
    }
    Ok(Schedule {
        issued: grant.issued,
        expires: grant.expires,
        refresh: wanted.max(now + floor),
        learnt_window,
        served_again: answer.same_token,
        assumed: grant.assumed,
        too_short: is_too_short(grant.whole),
        tiny,
        clamped_lead: clamped_lead(policy, grant.whole),
    })
}

/// Whether a lifetime is too short for mounted volumes to follow in time (`L < 2M`): the resource is warned.
pub fn is_too_short(lifetime: Span) -> bool {
    lifetime < MARGIN + MARGIN
}

/// What the resource's own lead is clamped to for a lifetime, where it does not fit.
pub fn clamped_lead(policy: &Policy, lifetime: Span) -> Option<Span> {
    let counts = lead(policy, lifetime);
    own_lead(policy, lifetime)
        .filter(|own| *own != counts)
        .map(|_| counts)
}

/// How long before its end a token of this lifetime is wanted anew: `min(max(L/4, M), L/2, 24 h)`.
pub fn usual_lead(lifetime: Span) -> Span {
    part(lifetime, 1, 4)
        .max(MARGIN)
        .min(part(lifetime, 1, 2))
        .min(DAY)
}

/// The shortest time from a success to the next request: `g = max(2, min(10, L/4))`.
pub fn shortest_interval(lifetime: Span) -> Span {
    part(lifetime, 1, 4)
        .min(Span::from_seconds(10))
        .max(Span::from_seconds(2))
}

/// Whether the clock went back below a token: more of its life would remain than it ever had (and a minute). Then nothing
/// is known of its end, and it is fetched anew.
pub fn clock_went_back(issued: Time, expires: Time, now: Time) -> bool {
    expires.since(now) > expires.since(issued) + Span::from_seconds(60)
}

/// A life as this answer grants it.
#[derive(Clone, Copy)]
struct Grant {
    issued: Time,
    expires: Time,
    /// From the sending of the request to the end.
    left: Span,
    /// From the token's own beginning to its end: longer than `left` when the token was served before.
    whole: Span,
    assumed: bool,
}

impl Grant {
    /// `served_before`: what is published, when the answer brought that very token.
    fn of(
        policy: &Policy,
        served_before: Option<&Published>,
        answer: &Answer,
        now: Time,
    ) -> Result<Grant, UnusableLifetime> {
        let granted = match answer.lifetime {
            Some(Lifetime::For(span)) if span < Span::ZERO => {
                return Err(UnusableLifetime::Negative);
            }
            Some(Lifetime::For(Span::ZERO)) | None => None,
            Some(Lifetime::For(span)) => Some(answer.sent + span.min(LONGEST_LIFE)),
            Some(Lifetime::Until(end)) => Some(end.min(answer.sent + LONGEST_LIFE)),
        };
        let expires = granted.unwrap_or_else(|| assumed_end(policy, served_before, answer, now));
        if expires <= now {
            let by = now.since(expires);
            return Err(UnusableLifetime::AlreadyPast { by });
        }
        let left = expires.since(answer.sent);
        let issued = served_before.map_or(answer.sent, |token| token.issued.min(answer.sent));
        let whole = expires.since(issued);
        Ok(Grant {
            issued,
            expires,
            left,
            whole,
            assumed: granted.is_none() && served_before.is_none_or(|token| token.assumed),
        })
    }
}

/// An assumed life begins with the first answer that brought the token: were it to begin anew with each, a cached token
/// would be published beyond its end. Only a token that is served at that very end is believed for another life, and only if
/// its end was assumed: a known end of the same token stays.
fn assumed_end(
    policy: &Policy,
    served_before: Option<&Published>,
    answer: &Answer,
    now: Time,
) -> Time {
    served_before
        .filter(|token| !token.assumed || token.expires > now + CACHE_PAUSE)
        .map(|token| token.expires)
        .unwrap_or_else(|| answer.sent + policy.assumed_lifetime.max(Span::from_seconds(1)))
}

/// Only the first different token after the same one was served again tells when the server begins to hand out new ones; a
/// server that gives a new one each time has no window, and a token that is over tells nothing.
fn learnt_window(published: Option<&Published>, answer: &Answer, whole: Span) -> Option<Span> {
    let published = published?;
    let left = published.expires.since(answer.sent);
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

/// The lead that counts: the resource's own between 1 s and two thirds of the life, so that even with the draw a fifth of
/// each life is used.
fn lead(policy: &Policy, lifetime: Span) -> Span {
    if policy.token_reuse == TokenReuse::InvalidatesPrevious {
        return INVALIDATING_LEAD.min(part(lifetime, 1, 2));
    }
    own_lead(policy, lifetime).map_or_else(
        || usual_lead(lifetime),
        |own| own.max(Span::from_seconds(1)).min(part(lifetime, 2, 3)),
    )
}

/// `numerator / denominator` of a span; saturates.
fn part(span: Span, numerator: i64, denominator: i64) -> Span {
    Span::from_millis(span.millis().saturating_mul(numerator) / denominator)
}

/// Everything that says when the next request is due.
struct Plan<'a> {
    policy: &'a Policy,
    answer: &'a Answer,
    grant: Grant,
    lead: Span,
    window: Option<Span>,
    now: Time,
    u: f64,
}

impl Plan<'_> {
    /// Whether a first interval is drawn short, so that a fleet created together spreads at once.
    fn is_spread(&self) -> bool {
        self.policy.token_reuse == TokenReuse::Independent
            && self.policy.lead == Lead::Default
            && self.window.is_none()
    }

    /// For a token that was not served before.
    fn fresh(&self) -> Time {
        let expires = self.grant.expires;
        if self.policy.token_reuse == TokenReuse::InvalidatesPrevious {
            return expires - self.lead;
        }
        match self.answer.refresh_in.filter(|span| *span > Span::ZERO) {
            Some(hint) => {
                let hinted = self.answer.sent + hint + Span::from_seconds(60).scale(self.u);
                hinted.min(expires - self.lead)
            }
            None => self.first_try(),
        }
    }

    /// The lead before the end, but not before a server that caches would give another token.
    fn first_try(&self) -> Time {
        let expires = self.grant.expires;
        let led = expires - self.lead.scale(1.0 + 0.2 * self.u);
        match self.window {
            Some(window) => {
                let pause = part(window, 1, 2).min(Span::from_seconds(15));
                led.max(expires - window + pause)
            }
            None => led,
        }
    }

    /// For the same token once more: half of what is left, never after its end, never a hot loop. Where it is known when a
    /// different one is to be had, that time is awaited.
    fn again(&self) -> Time {
        let expires = self.grant.expires;
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

/// When the next request is due, where the refresh token that it needs was obtained at `obtained` and ends at `ends`:
/// `refresh`, what the access token alone asks for, or the usual lead before the refresh token's end, whichever is first;
/// never sooner than the shortest interval from `now`. `u` is a draw from [0,1) that makes it earlier.
pub fn before_refresh_token_ends(
    refresh: Time,
    obtained: Time,
    ends: Time,
    now: Time,
    u: f64,
) -> Time {
    let life = ends.since(obtained).max(Span::ZERO);
    let due = ends - usual_lead(life).scale(1.0 + 0.2 * u.clamp(0.0, 1.0));
    refresh.min(due.max(now + shortest_interval(life)))
}
