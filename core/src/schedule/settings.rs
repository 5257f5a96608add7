//! The refresh settings of a resource, and what the refresh time of a published token was computed from.
//!
//! A token is stored with both. Its refresh time is therefore a function of the token, the settings and stored values, and other
//! settings move it without a request and without new jitter.

use serde::{Deserialize, Serialize};

use crate::time::Span;

/// The refresh settings of a resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// The lead time.
    pub lead: Lead,
    /// The lifetime that is assumed if the response has none; 3300 s by default.
    pub assumed_lifetime: Span,
    /// How a new token affects the previous one.
    pub token_reuse: TokenReuse,
    /// How long before the expiry of a token the server starts to return a different one, if known.
    pub cache_window: Option<Span>,
}

/// How long before expiry a token is refreshed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lead {
    /// The default rule.
    Default,
    /// A duration set by the resource.
    Before(Span),
    /// A percentage of the lifetime set by the resource (1..=99).
    Percent(u8),
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            lead: Lead::Default,
            assumed_lifetime: Span::from_seconds(3300),
            token_reuse: TokenReuse::default(),
            cache_window: None,
        }
    }
}

/// How a new token affects the previous one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TokenReuse {
    /// Both are valid until they expire.
    #[default]
    Independent,
    /// The previous one becomes invalid at once, so it is refreshed as late as is safe.
    InvalidatesPrevious,
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
    /// What is stored with a token. `jitter` is in [0,1).
    pub fn with(policy: &Policy, refresh_in: Option<Span>, jitter: f64) -> Planned {
        let thousandths = Span::from_millis(1000).scale(jitter.clamp(0.0, 0.999));
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

    /// Whether it was computed with these settings.
    pub(super) fn is_with(&self, policy: &Policy) -> bool {
        self.policy == policy.name()
    }

    /// When the server wanted the next request, after its own.
    pub(super) fn refresh_in(&self) -> Option<Span> {
        self.refresh_in.map(Span::from_seconds)
    }

    /// The jitter in [0,1).
    pub fn jitter(&self) -> f64 {
        f64::from(self.jitter.min(999)) / 1000.0
    }
}
