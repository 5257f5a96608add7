//! Lenders: the owners of the secrets that a value contains or was obtained with, and where those may be sent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use url::Url;

use super::hosts::{AllowedHosts, NotListed};

/// The kind of object that a secret comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LenderKind {
    /// A Secret that a person wrote: credentials, a client certificate, a login.
    Secret,
    /// A Secret that an `OAuthClient` writes.
    TokenSecret,
    /// A `ServiceAccount`, for one audience.
    ServiceAccount,
}

/// An object whose owner allows its secret to be sent, with the allowed hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lender {
    /// Its kind.
    pub kind: LenderKind,
    /// Its name, in the namespace of the resource.
    pub name: String,
    /// The audience of a `ServiceAccount` token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Its UID.
    pub uid: String,
    /// The hosts that its content may be sent to.
    #[serde(default, skip_serializing_if = "AllowedHosts::is_any")]
    pub hosts: AllowedHosts,
    /// The hosts that tokens obtained with it may be sent to.
    #[serde(default, skip_serializing_if = "AllowedHosts::is_any")]
    pub token_hosts: AllowedHosts,
    /// The value holds something that was obtained with it, not its own content: what counts of its lists is the one for
    /// tokens, and `hosts` is that one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub obtained: bool,
    /// The value repeats its content: a server gave back, as a token, what was sent to it. Then both lists count.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repeated: bool,
}

/// Identifies a lender.
type Id = (LenderKind, String, Option<String>, bool);

/// The lenders of a value. Each of them must allow what is done with the value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Lender>", into = "Vec<Lender>")]
pub struct Lenders(BTreeMap<Id, Lender>);

/// The lender that does not allow its secret to be sent to a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LenderRefusal {
    /// The lender.
    pub lender: Lender,
    /// The list that does not name the URL.
    pub not_listed: NotListed,
}

impl Lender {
    fn id(&self) -> Id {
        let audience = self.audience.clone();
        (self.kind, self.name.clone(), audience, self.obtained)
    }

    /// The lender of what was obtained with it.
    #[must_use]
    pub fn of_obtained(self) -> Lender {
        let hosts = self.hosts_of_obtained();
        Lender {
            hosts,
            obtained: true,
            ..self
        }
    }

    /// Where what was obtained with it may be sent.
    pub fn hosts_of_obtained(&self) -> AllowedHosts {
        match self.repeated {
            true => self.token_hosts.restricted_to(&self.hosts),
            false => self.token_hosts.clone(),
        }
    }
}

impl Lenders {
    /// No lenders: for values without secrets, such as the URL of a discovery document.
    pub const fn none() -> Lenders {
        Lenders(BTreeMap::new())
    }

    /// Adds a lender. One that is already in the set is restricted by both.
    pub fn add(&mut self, lender: Lender) {
        let id = lender.id();
        let lender = match self.0.remove(&id) {
            None => lender,
            Some(known) => Lender {
                hosts: known.hosts.restricted_to(&lender.hosts),
                token_hosts: known.token_hosts.restricted_to(&lender.token_hosts),
                repeated: known.repeated || lender.repeated,
                ..lender
            },
        };
        self.0.insert(id, lender);
    }

    /// The lenders of both.
    #[must_use]
    pub fn union(mut self, other: &Lenders) -> Lenders {
        for lender in other.iter() {
            self.add(lender.clone());
        }
        self
    }

    /// Adds those of `other` that are not in the set. Existing ones keep their hosts.
    #[must_use]
    pub fn joined_by(mut self, other: &Lenders) -> Lenders {
        for (id, lender) in &other.0 {
            self.0.entry(id.clone()).or_insert_with(|| lender.clone());
        }
        self
    }

    /// Each lender.
    pub fn iter(&self) -> impl Iterator<Item = &Lender> {
        self.0.values()
    }

    /// The number of lenders.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all lenders are in `others`, with at least the same restrictions.
    pub fn are_among(&self, others: &Lenders) -> bool {
        self.clone().union(others) == *others
    }

    /// The lenders of what was obtained with them.
    #[must_use]
    pub fn of_obtained(&self) -> Lenders {
        self.iter().cloned().map(Lender::of_obtained).collect()
    }

    /// The narrowest entry for `url` by which a lender allows it ([`AllowedHosts::narrowest`]).
    pub fn narrowest(&self, url: &Url) -> String {
        let all = self.iter().map(|lender| lender.hosts.narrowest(url));
        let longest = all.max_by_key(String::len);
        longest.unwrap_or_else(|| super::hosts::destination(url))
    }

    /// The lenders of a token that repeats something of the request which was sent with these.
    #[must_use]
    pub fn repeated(&self) -> Lenders {
        let all = self.iter().cloned();
        all.map(|lender| Lender {
            // Of what was obtained with a lender, nothing of its content was sent.
            repeated: lender.repeated || !lender.obtained,
            ..lender
        })
        .collect()
    }

    /// Whether every lender allows its secret to be sent to `url`.
    ///
    /// # Errors
    /// The first one that does not.
    pub fn permit(&self, url: &Url) -> Result<(), Box<LenderRefusal>> {
        self.iter().try_for_each(|lender| {
            lender.hosts.permit(url).map_err(|not_listed| {
                Box::new(LenderRefusal {
                    lender: lender.clone(),
                    not_listed,
                })
            })
        })
    }
}

impl FromIterator<Lender> for Lenders {
    fn from_iter<I: IntoIterator<Item = Lender>>(lenders: I) -> Self {
        let mut all = Lenders::none();
        lenders.into_iter().for_each(|lender| all.add(lender));
        all
    }
}

impl From<Vec<Lender>> for Lenders {
    fn from(lenders: Vec<Lender>) -> Self {
        lenders.into_iter().collect()
    }
}

impl From<Lenders> for Vec<Lender> {
    fn from(lenders: Lenders) -> Self {
        lenders.0.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lender(name: &str, hosts: &str, token_hosts: &str) -> Lender {
        Lender {
            kind: LenderKind::Secret,
            name: name.into(),
            audience: None,
            uid: "u".into(),
            hosts: AllowedHosts::parse(hosts),
            token_hosts: AllowedHosts::parse(token_hosts),
            obtained: false,
            repeated: false,
        }
    }

    #[test]
    fn every_lender_must_allow_a_url_and_the_one_that_does_not_is_named() {
        let lenders: Lenders = [
            lender("a", "x.example y.example", "z"),
            lender("b", "y.example", "z"),
        ]
        .into_iter()
        .collect();
        let url = |host: &str| Url::parse(&format!("https://{host}/")).unwrap();
        assert!(lenders.permit(&url("y.example")).is_ok());
        let refusal = lenders.permit(&url("x.example")).unwrap_err();
        assert_eq!(refusal.lender.name, "b");
        assert!(Lenders::none().permit(&url("x.example")).is_ok());
    }

    #[test]
    fn what_is_obtained_goes_where_its_lenders_let_tokens_go() {
        let lenders: Lenders = [lender("a", "x.example", "y.example")]
            .into_iter()
            .collect();
        let obtained = lenders.of_obtained();
        let url = |host: &str| Url::parse(&format!("https://{host}/")).unwrap();
        assert!(obtained.permit(&url("y.example")).is_ok());
        assert!(obtained.permit(&url("x.example")).is_err());
        // A request that also contains the credentials may be sent where both allow it.
        assert!(lenders.union(&obtained).permit(&url("y.example")).is_err());
    }

    #[test]
    fn what_repeats_the_content_of_a_lender_goes_where_both_of_its_lists_allow() {
        let lenders: Lenders = [lender("a", "x.example y.example", "y.example z.example")]
            .into_iter()
            .collect();
        let repeated = lenders.repeated().of_obtained();
        let url = |host: &str| Url::parse(&format!("https://{host}/")).unwrap();
        assert!(repeated.permit(&url("y.example")).is_ok());
        assert!(repeated.permit(&url("x.example")).is_err());
        assert!(repeated.permit(&url("z.example")).is_err());
        assert!(lenders.of_obtained().permit(&url("z.example")).is_ok());
        let stored = serde_json::to_string(&lenders.repeated()).unwrap();
        let read: Lenders = serde_json::from_str(&stored).unwrap();
        assert_eq!(read, lenders.repeated());
    }

    #[test]
    fn lenders_survive_being_stored() {
        let lenders: Lenders = [lender("a", "x", "y"), lender("b", "z", "z")]
            .into_iter()
            .collect();
        let stored = serde_json::to_string(&lenders).unwrap();
        assert_eq!(serde_json::from_str::<Lenders>(&stored).unwrap(), lenders);
        assert!(lenders.are_among(&lenders) && Lenders::none().are_among(&lenders));
        assert!(!lenders.are_among(&Lenders::none()));
    }
}
