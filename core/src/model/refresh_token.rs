//! The family of refresh tokens of one resource, as the state Secret stores it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{StateOwner, data_hash};
use crate::oauth::error::ProviderCode;
use crate::secret::Secret;
use crate::time::{HostTime, Span, Time};
use crate::trust::Lenders;

const FAMILY: &str = "chain";

const RESERVATION: &str = "claim";

const REFRESH_TOKEN: &str = "refresh_token";

const ANSWER: &str = "answer";

const BODY: &str = "response";

const DPOP_KEY: &str = crate::oauth::dpop::KEY;

/// The format of the content.
const FORMAT: u32 = 1;

/// The largest response that is stored: it must fit into a Secret together with the refresh token. A larger one is not
/// stored, and requested again after a crash.
const LARGEST_BODY: usize = 640 * 1024;

/// The prefix of the tag of a password.
pub const PASSWORD: &str = "password:";

/// The maximum number of earlier seeds that are kept.
const MOST_PAST: usize = 32;

/// A hash that represents a refresh token or the seed of a family.
pub type Tag = String;

/// The content of a state Secret.
#[derive(Clone, Default, PartialEq)]
pub struct FamilyRecord {
    /// The resource that it belongs to; `None` in a record that an earlier version wrote.
    pub owner: Option<FamilyOwner>,
    /// What the family started with.
    pub seed: Option<Tag>,
    /// What earlier families started with: those are used up, and never count as new.
    pub past: Vec<Tag>,
    /// The next refresh token to send.
    pub refresh_token: Option<Secret>,
    /// When its request was sent.
    pub obtained: Option<Time>,
    /// When it expires, if the provider said so.
    pub ends: Option<Time>,
    /// The last refresh did not extend that time: using the token earlier does not help.
    pub fixed: bool,
    /// Refresh tokens that must not be sent again, the latest last.
    pub refused: Vec<Refused>,
    /// The lenders of the refresh token; `None` in a record of an earlier version.
    pub lenders: Option<Lenders>,
    /// The reservation of the attempt in progress, or of the last one.
    pub reservation: Option<Reservation>,
    /// The last answer.
    pub answer: Option<StoredResponse>,
    /// The generated key that tokens are bound to (RFC 9449).
    pub dpop: Option<GeneratedKey>,
}

/// A generated key that tokens are bound to.
#[derive(Clone, PartialEq)]
pub struct GeneratedKey {
    /// The private key, PKCS#8 in PEM.
    pub key: Secret,
    /// The request for a new key that it was generated for: the value of the annotation then.
    pub rotation: Option<String>,
}

/// The resource that a family of refresh tokens belongs to: by this a restored Secret is known again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FamilyOwner {
    /// Its namespace and name.
    #[serde(flatten)]
    pub resource: StateOwner,
    /// The UID that it had when the family began: tags are bound to it, so that they survive a restore.
    pub uid: String,
}

/// A refresh token that must not be sent again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// Which.
    pub token: Tag,
    /// If the provider refused it: with which inputs and credentials, so that others may be tried. `None` if it was
    /// sent once more after an unknown outcome: then never again.
    pub made_from: Option<RequestInputs>,
    /// The code that the provider refused it with, and where that stands in the response.
    #[serde(rename = "said", default, skip_serializing_if = "Option::is_none")]
    pub provider_code: Option<(String, String)>,
}

impl Refused {
    /// The provider's code as it may be shown. What is read from a Secret is checked again: others may write it.
    pub fn provider_code(&self) -> Option<ProviderCode> {
        let (code, place) = self.provider_code.as_ref()?;
        ProviderCode::parse(code, place)
    }
}

/// The inputs of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestInputs {
    /// The inputs of the spec.
    pub inputs: String,
    /// The version of the credentials Secret.
    pub credentials: String,
    /// A hash of the credentials that the client sent, and of the provided refresh token that was refused with them. An
    /// edit that does not change it allows no other attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Tag>,
}

/// A response as received, and what else is needed to publish its token again.
#[derive(Clone, PartialEq)]
pub struct StoredResponse {
    /// The facts in addition to the body.
    pub facts: ResponseFacts,
    /// The body; holds tokens.
    pub body: Secret,
}

/// The facts of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResponseFacts {
    /// When the request was sent, in milliseconds since the Unix epoch.
    pub sent: i64,
    /// When the answer was complete, likewise.
    pub received: i64,
    /// The draw of the schedule.
    pub draw: f64,
    /// The HTTP status.
    pub status: u16,
    /// The content type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The inputs of the request.
    pub made_from: RequestInputs,
    /// The key of the client secret that was sent, where that is the second of two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_key: Option<String>,
    /// The refresh request that was handled with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handled_request: Option<String>,
}

/// The family in its written form, without its tokens.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredFamily {
    format: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<FamilyOwner>,
    /// A hash of all other keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seal: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seed: Option<Tag>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    past: Vec<Tag>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    obtained: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ends: Option<i64>,
    #[serde(default)]
    fixed: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    refused: Vec<Refused>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lenders: Option<Lenders>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dpop_rotation: Option<String>,
}

/// A state Secret that cannot be parsed: nothing is redeemed by guessing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

impl FamilyRecord {
    /// Parses the data of a state Secret.
    ///
    /// # Errors
    /// It was not written here, or has an unknown format.
    pub fn read(data: &BTreeMap<String, Secret>) -> Result<FamilyRecord, Unreadable> {
        let stored: StoredFamily = json(data.get(FAMILY))?.ok_or(Unreadable)?;
        if stored.format != FORMAT {
            return Err(Unreadable);
        }
        let facts: Option<ResponseFacts> = json(data.get(ANSWER))?;
        Ok(FamilyRecord {
            owner: stored.owner,
            seed: stored.seed,
            past: stored.past,
            refresh_token: data
                .get(REFRESH_TOKEN)
                .filter(|token| !token.is_empty())
                .cloned(),
            obtained: stored.obtained.map(Time::from_millis),
            ends: stored.ends.map(Time::from_millis),
            fixed: stored.fixed,
            refused: stored.refused,
            lenders: stored.lenders,
            reservation: json(data.get(RESERVATION))?,
            dpop: data
                .get(DPOP_KEY)
                .filter(|key| !key.is_empty())
                .map(|key| GeneratedKey {
                    key: key.clone(),
                    rotation: stored.dpop_rotation,
                }),
            answer: facts
                .zip(data.get(BODY).cloned())
                .map(|(facts, body)| StoredResponse { facts, body }),
        })
    }

    /// The data that represents it; `None` is a key to remove.
    pub fn write(&self) -> BTreeMap<String, Option<Secret>> {
        let answer = self
            .answer
            .as_ref()
            .filter(|answer| answer.body.len() <= LARGEST_BODY);
        let rest = [
            (RESERVATION, self.reservation.as_ref().and_then(text)),
            (REFRESH_TOKEN, self.refresh_token.clone()),
            (ANSWER, answer.and_then(|answer| text(&answer.facts))),
            (BODY, answer.map(|answer| answer.body.clone())),
            (DPOP_KEY, self.dpop.as_ref().map(|key| key.key.clone())),
        ];
        let mut data: BTreeMap<String, Option<Secret>> = rest
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        let stored = StoredFamily {
            format: FORMAT,
            owner: self.owner.clone(),
            seal: Some(seal(|key| data.get(key)?.as_ref())),
            seed: self.seed.clone(),
            past: self.past.clone(),
            obtained: self.obtained.map(Time::millis),
            ends: self.ends.map(Time::millis),
            fixed: self.fixed,
            refused: self.refused.clone(),
            lenders: self.lenders.clone(),
            dpop_rotation: self.dpop.as_ref().and_then(|key| key.rotation.clone()),
        };
        data.insert(FAMILY.to_owned(), text(&stored));
        data
    }

    /// Records whose it is. The UID stays that of the resource that the family began with.
    pub fn owned_by(&mut self, resource: StateOwner, uid: &str) {
        let uid = self
            .owner
            .take()
            .map_or_else(|| uid.to_owned(), |owner| owner.uid);
        self.owner = Some(FamilyOwner { resource, uid });
    }

    /// Starts a new family with `seed`. A password may start one again, a refresh token may not.
    pub fn begin(&mut self, seed: Tag) {
        let is_used_up = |before: &Tag| *before != seed && !before.starts_with(PASSWORD);
        if let Some(before) = self.seed.take().filter(is_used_up) {
            self.past.retain(|past| *past != before);
            self.past.push(before);
            keep_last(&mut self.past);
        }
        self.seed = Some(seed);
    }

    /// Whether the last response was requested with these inputs of the spec.
    pub fn was_requested_with(&self, inputs: &str) -> bool {
        let answer = self.answer.as_ref();
        answer.is_some_and(|answer| answer.facts.made_from.inputs == inputs)
    }

    /// Records that a refresh token must not be sent again.
    pub fn refuse(&mut self, refused: Refused) {
        self.refused.retain(|known| known.token != refused.token);
        self.refused.push(refused);
        keep_last(&mut self.refused);
    }

    /// Whether this or an earlier family started with `seed`.
    pub fn knows(&self, seed: &Tag) -> bool {
        self.seed.as_ref() == Some(seed) || self.past.contains(seed)
    }
}

/// Whether the data of a state Secret are as they were written, for this resource.
pub fn is_whole_for(data: &BTreeMap<String, Secret>, resource: &StateOwner) -> bool {
    let stored: Option<StoredFamily> = json(data.get(FAMILY)).ok().flatten();
    stored.is_some_and(|stored| {
        stored
            .owner
            .is_some_and(|owner| owner.resource == *resource)
            && stored.seal == Some(seal(|key| data.get(key)))
            && FamilyRecord::read(data).is_ok()
    })
}

/// A hash of what a state Secret holds beside the family.
fn seal<'s>(value: impl Fn(&str) -> Option<&'s Secret>) -> String {
    let keys = [RESERVATION, REFRESH_TOKEN, ANSWER, BODY, DPOP_KEY];
    let there: BTreeMap<String, Secret> = keys
        .into_iter()
        .filter_map(|key| Some((key.to_owned(), value(key)?.clone())))
        .collect();
    format!(
        "{:016x}",
        data_hash(&keys.map(str::to_owned).into(), &there)
    )
}

fn keep_last<T>(list: &mut Vec<T>) {
    let spare = list.len().saturating_sub(MOST_PAST);
    list.drain(..spare);
}

fn json<T: serde::de::DeserializeOwned>(value: Option<&Secret>) -> Result<Option<T>, Unreadable> {
    value
        .map(|value| serde_json::from_slice(value.expose_bytes()).map_err(|_| Unreadable))
        .transpose()
}

fn text(value: &impl Serialize) -> Option<Secret> {
    serde_json::to_vec(value).ok().map(Secret::new)
}

/// The maximum duration of a reservation: the longest time-out and the longest drain.
pub const LONGEST: Span = Span::from_seconds(60 + 3600 + 60);

/// The reservation of a refresh token for one attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    /// The process that made it: a random name, new at every start.
    pub process: String,
    /// The attempt: a random name.
    pub attempt: String,
    /// What is redeemed.
    #[serde(rename = "spent")]
    pub redeemed: Tag,
    /// How often it was sent with an unknown outcome, including this time.
    pub tries: u32,
    /// Whether the outcome is not known yet.
    pub open: bool,
    /// How long another process respects it after it has observed it: time-out, and the time to store the response.
    pub allowed_millis: i64,
    /// When it was made.
    pub time: String,
    /// When it was made by the clock of its machine; `None` where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<HostTime>,
    /// When a process on another machine first observed it, by the clock of that machine: a restart begins no new wait.
    #[serde(rename = "noticed", default, skip_serializing_if = "Option::is_none")]
    pub first_observed: Option<HostTime>,
}
