//! When a token is replaced so that its refresh token does not end unused.

use crate::time::{Span, Time};

use super::{shortest_interval, usual_lead};

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
