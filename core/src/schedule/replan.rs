//! The time of the next request after the refresh settings of a resource have changed.
//!
//! A token is stored with what its refresh time was computed from. The time is therefore a function of the token, the settings
//! and stored values, and other settings move it without a request and without new jitter.

use serde::{Deserialize, Serialize};

use super::{
    Answer, End, Grant, Lead, Plan, Policy, Published, SHORTEST_WINDOW, TINY, TokenReuse, lead,
    shortest_interval,
};
use crate::time::{Span, Time};

/// What the refresh time of a published token was computed from, besides its times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// The settings: [`Policy::name`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    policy: String,
    /// The jitter, in thousandths.
    jitter: u16,
    /// When the server wanted the next request, in seconds after its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_in: Option<i64>,
}

impl Planned {
    /// What is stored with a token. `u` is the jitter in [0,1).
    pub fn with(policy: &Policy, refresh_in: Option<Span>, u: f64) -> Planned {
        let thousandths = Span::from_millis(1000).scale(u.clamp(0.0, 0.999));
        Planned {
            policy: policy.name(),
            jitter: u16::try_from(thousandths.millis()).unwrap_or(0),
            refresh_in: refresh_in.map(Span::seconds),
        }
    }

    /// The same for these settings.
    #[must_use]
    pub fn under(&self, policy: &Policy) -> Planned {
        Planned {
            policy: policy.name(),
            ..self.clone()
        }
    }

    /// The jitter in [0,1).
    pub fn jitter(&self) -> f64 {
        f64::from(self.jitter.min(999)) / 1000.0
    }
}

impl Policy {
    /// A short text that is the same for the same settings; empty for the defaults.
    fn name(&self) -> String {
        let usual = Policy::default();
        let mut parts = Vec::new();
        match self.lead {
            Lead::Default => {}
            Lead::Before(span) => parts.push(format!("before {}", span.seconds())),
            Lead::Percent(percent) => parts.push(format!("percent {percent}")),
        }
        if self.assumed_lifetime != usual.assumed_lifetime {
            parts.push(format!("assumed {}", self.assumed_lifetime.seconds()));
        }
        if self.token_reuse == TokenReuse::InvalidatesPrevious {
            parts.push("invalidates".to_owned());
        }
        if let Some(window) = self.cache_window {
            parts.push(format!("window {}", window.seconds()));
        }
        parts.join(", ")
    }
}

/// When a published token is refreshed under settings that differ from those that it was planned with; `None` if they are the
/// same, or if only the next response shows when.
///
/// A shorter assumed lifetime counts at once, a longer one for the next token: what was published with an expiry is not used
/// beyond it.
pub fn replan(policy: &Policy, token: &Published, planned: &Planned) -> Option<Time> {
    if planned.policy == policy.name() {
        return None;
    }
    let assumed = token.issued + policy.assumed_lifetime.max(Span::from_seconds(1));
    let end = match token.end.is_assumed() && !token.served_again && assumed < token.end.at() {
        true => End::stored(assumed, true),
        false => token.end,
    };
    let whole = end.at().since(token.issued).max(Span::ZERO);
    let window = policy.cache_window.or(token.learnt_window);
    let answer = Answer {
        sent: token.issued,
        received: token.issued,
        lifetime: None,
        own_end: None,
        // The hint counts from the last response, whose time is not stored.
        refresh_in: planned
            .refresh_in
            .filter(|_| !token.served_again)
            .map(Span::from_seconds),
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
        u: planned.jitter(),
    };
    if token.served_again && plan.is_spread() {
        return None;
    }
    let floor = match whole < TINY {
        true => TINY,
        false => shortest_interval(whole),
    };
    Some(plan.fresh().max(token.issued + floor))
}
