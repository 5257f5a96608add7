//! The data of one entry.

use super::hosts::NO_FLOW;
use super::order::{Class, Order, Request};
use super::spaces::NO_SPACE;
use crate::time::{Span, Time};

/// Whether an entry's work is in progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Flight {
    #[default]
    None,
    Look,
    /// With a slot of the flow `Entry::held`.
    Request,
    /// A request with a response.
    Answer,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// When the request is due; [`Time::NEVER`] for none.
    pub(super) due: Time,
    /// Of a refresh, [`Order::Refresh`]; [`Time::NEVER`] for none.
    pub(super) expires: Time,
    pub(super) urgent: Time,
    /// [`Order::Retry`].
    pub(super) retry: bool,
    pub(super) look: Time,
    pub(super) space: u32,
    /// Its namespace at its host.
    pub(super) flow: u32,
    /// The flow whose slot it holds, and the namespace that its work counts for.
    pub(super) held: u32,
    pub(super) held_space: u32,
    /// The class it waits in.
    pub(super) waiting: Option<Class>,
    pub(super) look_waiting: bool,
    pub(super) flight: Flight,
}

impl Default for Entry {
    fn default() -> Self {
        Entry {
            due: Time::NEVER,
            expires: Time::NEVER,
            urgent: Time::NEVER,
            retry: false,
            look: Time::NEVER,
            space: NO_SPACE,
            flow: NO_FLOW,
            held: NO_FLOW,
            held_space: NO_SPACE,
            waiting: None,
            look_waiting: false,
            flight: Flight::None,
        }
    }
}

/// A request is stored without enum tags to save memory, because there are many entries.
impl Entry {
    pub(super) fn request(&self) -> Option<Request> {
        let order = match (self.expires, self.retry) {
            (Time::NEVER, false) => Order::First,
            (Time::NEVER, true) => Order::Retry,
            (expires, _) => Order::Refresh {
                expires,
                urgent: self.urgent,
            },
        };
        let due = self.due;
        (due < Time::NEVER).then_some(Request { due, order })
    }

    pub(super) fn set_request(&mut self, request: Option<Request>) {
        self.due = request.map_or(Time::NEVER, |request| request.due);
        (self.expires, self.urgent) = (Time::NEVER, Time::NEVER);
        self.retry = false;
        match request.map(|request| request.order) {
            // A token that never expires is treated like the one that expires last.
            Some(Order::Refresh { expires, urgent }) => {
                self.expires = expires.min(Time::NEVER - Span::from_millis(1));
                self.urgent = urgent;
            }
            Some(Order::Retry) => self.retry = true,
            Some(Order::First) | None => {}
        }
    }
}
