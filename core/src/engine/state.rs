//! The states of a resource that metrics count.

/// The state of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It waits for its first token, and no request failed.
    Pending,
    /// Its token is valid.
    Valid,
    /// Its token is valid, and the last request failed.
    Failing,
    /// Its token has expired.
    Expired,
    /// It never had a token, and the last request failed.
    Failed,
    /// It is suspended.
    Suspended,
    /// It is being deleted.
    Deleting,
}

impl State {
    /// All states.
    pub const ALL: [State; 7] = [
        State::Pending,
        State::Valid,
        State::Failing,
        State::Expired,
        State::Failed,
        State::Suspended,
        State::Deleting,
    ];

    /// The value of the metric label.
    pub const fn name(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Valid => "valid",
            State::Failing => "failing",
            State::Expired => "expired",
            State::Failed => "failed",
            State::Suspended => "suspended",
            State::Deleting => "deleting",
        }
    }
}

pub(crate) fn count(counts: &mut [usize; State::ALL.len()], state: State, by: isize) {
    if let Some(count) = counts.get_mut(state as usize) {
        *count = count.saturating_add_signed(by);
    }
}
