//! Points in time, relative to now.

use crate::time::Time;

/// The current time, for relative and absolute times.
#[derive(Clone, Copy)]
pub(crate) struct Moment(pub(crate) Time);

impl Moment {
    pub(crate) fn of(self, text: &str) -> String {
        match Time::parse_rfc3339(text) {
            Some(time) if time >= self.0 => format!("in {} ({text})", time.since(self.0)),
            Some(time) => format!("{} ago ({text})", self.0.since(time)),
            None => text.to_owned(),
        }
    }
}
