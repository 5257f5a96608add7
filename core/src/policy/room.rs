//! Which responses room is set aside for before their requests are sent, so that none is dropped, and requested again, for want
//! of room, and so that requests with much in hand are not in flight by the hundred.

use crate::model::{ExpectedResponse, Observed, Redemption, Validated};

use super::ownership::our_target;

/// From this size on, in bytes, a response counts as large: two thirds of what is read without waiting for room.
pub const LARGE: usize = 10 << 10;

/// What was observed is held as long as the request is in flight, so large Secrets need room too. Room is twice the size of the
/// last response, four times (received, decoded, rendered, encoded); what was observed is there once.
const ROOM_PER_BYTE: usize = 8;

/// The size of a response as it is remembered: 0 if it is not large.
pub fn large(bytes: usize) -> u32 {
    match bytes {
        0..LARGE => 0,
        _ => u32::try_from(bytes).unwrap_or(u32::MAX),
    }
}

/// What is known of the response to a request that is about to be sent, where room must be set aside for it: it redeems
/// something, or the last response was large. After a restart, the published token shows how large that was.
pub fn expected_response(
    seen: &Observed,
    spec: &Validated,
    redemption: Option<&Redemption>,
) -> Option<ExpectedResponse> {
    if let Some(redeems) = redemption.and_then(Redemption::redeems) {
        return Some(redeems);
    }
    let remembered = usize::try_from(seen.memory.large_response).unwrap_or(usize::MAX);
    let last = remembered
        .max(longest_published(seen, spec))
        .max(seen.weight() / ROOM_PER_BYTE);
    (last >= LARGE).then_some(ExpectedResponse {
        last: Some(last),
        is_only_copy: false,
    })
}

/// The longest value that was made of the last response.
fn longest_published(seen: &Observed, spec: &Validated) -> usize {
    let Some(target) = our_target(seen, spec) else {
        return 0;
    };
    let managed = target.state().map(|state| state.managed.data);
    let managed = managed.unwrap_or_default();
    let values = managed.iter().filter_map(|key| target.data.get(key));
    values.map(crate::secret::Secret::len).max().unwrap_or(0)
}
