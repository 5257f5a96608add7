//! The record of all requests: every request byte for byte, and counts.

use std::collections::HashMap;

use jiff::Timestamp;

use super::wire::{Incoming, form_pairs};
use crate::tls::ClientCertificate;

/// One request, as it came, and what became of it.
#[derive(Clone, Debug)]
pub struct RecordedRequest {
    /// Its place in the order of arrival over all endpoints, from 0.
    pub number: usize,
    /// The connection it came on, from 1; requests of one connection share it.
    pub connection: u64,
    /// When its last byte had been read.
    pub at: Timestamp,
    /// The path without the query: which endpoint.
    pub path: String,
    /// The method.
    pub method: String,
    /// The request target as it came, query included.
    pub target: String,
    /// Headers in order, names in lower case, values trimmed.
    pub headers: Vec<(String, String)>,
    /// Request line and headers byte for byte, with the empty line that ends them.
    pub head: Vec<u8>,
    /// The body byte for byte, chunk sizes included.
    pub raw_body: Vec<u8>,
    /// The body without chunk sizes.
    pub body: Vec<u8>,
    /// The certificate that the client showed on its connection.
    pub certificate: Option<ClientCertificate>,
    /// The status that was answered; `None` while there is none, or never will be (hung, closed).
    pub status: Option<u16>,
    /// The access token that was issued for it, even if the response was altered or lost.
    pub token: Option<String>,
    /// What was wrong with the request, in our own words; `None` for one that was in order.
    pub refused: Option<String>,
}

impl RecordedRequest {
    pub(crate) fn new(
        number: usize,
        connection: u64,
        at: Timestamp,
        incoming: &Incoming,
    ) -> RecordedRequest {
        RecordedRequest {
            number,
            connection,
            at,
            path: incoming.path().to_owned(),
            method: incoming.method.clone(),
            target: incoming.target.clone(),
            headers: incoming.headers.clone(),
            head: incoming.head.clone(),
            raw_body: incoming.raw_body.clone(),
            body: incoming.body.clone(),
            certificate: incoming.certificate.as_deref().cloned(),
            status: None,
            token: None,
            refused: None,
        }
    }

    /// The first header of this name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(have, _)| have.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The body as text, with replacement characters where it is not UTF-8.
    #[must_use]
    pub fn body_text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The parameters of a form body, decoded, in order; empty when the body is not a form.
    #[must_use]
    pub fn form(&self) -> Vec<(String, String)> {
        std::str::from_utf8(&self.body)
            .ok()
            .and_then(form_pairs)
            .unwrap_or_default()
    }

    /// The first parameter of this name in a form body.
    #[must_use]
    pub fn form_value(&self, name: &str) -> Option<String> {
        self.form()
            .into_iter()
            .find(|(have, _)| have == name)
            .map(|(_, value)| value)
    }

    /// Head and body, byte for byte.
    #[must_use]
    pub fn raw(&self) -> Vec<u8> {
        [self.head.as_slice(), self.raw_body.as_slice()].concat()
    }
}

/// All requests and counts of one provider.
#[derive(Default)]
pub(crate) struct Record {
    requests: Vec<RecordedRequest>,
    /// Numbers go on counting when requests are forgotten.
    forgotten: usize,
    by_path: HashMap<String, PathCount>,
    pub(crate) connections_opened: u64,
    pub(crate) connections_open: usize,
    pub(crate) handshakes_failed: u64,
    pub(crate) requests_broken: u64,
}

#[derive(Clone, Copy, Default)]
struct PathCount {
    requests: usize,
    in_flight: usize,
    most_in_flight: usize,
}

impl Record {
    /// Notes a request that has arrived and counts it as in flight; its number.
    pub(crate) fn arrived(&mut self, connection: u64, at: Timestamp, incoming: &Incoming) -> usize {
        let number = self.forgotten + self.requests.len();
        self.requests
            .push(RecordedRequest::new(number, connection, at, incoming));
        let count = self.by_path.entry(incoming.path().to_owned()).or_default();
        count.requests += 1;
        count.in_flight += 1;
        count.most_in_flight = count.most_in_flight.max(count.in_flight);
        number
    }

    /// A request of this path is answered or given up.
    pub(crate) fn left(&mut self, path: &str) {
        if let Some(count) = self.by_path.get_mut(path) {
            count.in_flight = count.in_flight.saturating_sub(1);
        }
    }

    /// Changes the entry of a request, if it is not forgotten.
    pub(crate) fn note(&mut self, number: usize, change: impl FnOnce(&mut RecordedRequest)) {
        if let Some(entry) = number
            .checked_sub(self.forgotten)
            .and_then(|at| self.requests.get_mut(at))
        {
            change(entry);
        }
    }

    pub(crate) fn requests(&self, path: Option<&str>) -> Vec<RecordedRequest> {
        self.requests
            .iter()
            .filter(|request| path.is_none_or(|path| request.path == path))
            .cloned()
            .collect()
    }

    pub(crate) fn count(&self, path: &str) -> usize {
        self.by_path.get(path).map_or(0, |count| count.requests)
    }

    pub(crate) fn counts(&self) -> Vec<(String, usize)> {
        let mut counts: Vec<_> = self
            .by_path
            .iter()
            .map(|(path, count)| (path.clone(), count.requests))
            .collect();
        counts.sort();
        counts
    }

    pub(crate) fn total(&self) -> usize {
        self.forgotten + self.requests.len()
    }

    pub(crate) fn in_flight(&self, path: &str) -> usize {
        self.by_path.get(path).map_or(0, |count| count.in_flight)
    }

    pub(crate) fn most_in_flight(&self, path: &str) -> usize {
        self.by_path
            .get(path)
            .map_or(0, |count| count.most_in_flight)
    }

    /// Takes the requests that arrived before `before` out of the record; counts stay.
    pub(crate) fn take(&mut self, before: Timestamp) -> Vec<RecordedRequest> {
        let count = self
            .requests
            .iter()
            .take_while(|request| request.at < before)
            .count();
        self.forgotten += count;
        self.requests.drain(..count).collect()
    }

    /// Drops the requests and sets counts back, except for the total and what is in flight.
    pub(crate) fn forget(&mut self) {
        self.forgotten += self.requests.len();
        self.requests.clear();
        for count in self.by_path.values_mut() {
            *count = PathCount {
                requests: 0,
                in_flight: count.in_flight,
                most_in_flight: count.in_flight,
            };
        }
    }
}
