//! The family of refresh tokens of one resource, as it is stored in the state Secret and remembered.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{CREDENTIALS_LABEL, SecretSeen};
use crate::secret::Secret;
use crate::time::{Span, Time};
use crate::trust::Lenders;

pub(crate) const CHAIN: &str = "chain";

pub(crate) const CLAIM: &str = "claim";

pub(crate) const REFRESH_TOKEN: &str = "refresh_token";

pub(crate) const ANSWER: &str = "answer";

pub(crate) const BODY: &str = "response";

/// The format of what is written.
pub(crate) const FORMAT: u32 = 1;

/// The largest answer that is kept: with the refresh token it must fit into a Secret. A larger one is not kept, and asked
/// for anew after a crash.
pub(crate) const LARGEST_BODY: usize = 640 * 1024;

/// What the tag of a password begins with.
pub(crate) const PASSWORD: &str = "password:";

/// So many tokens that a chain once began with are remembered.
pub(crate) const MOST_PAST: usize = 32;

/// A hash that stands for a refresh token or for what a chain began with.
pub(crate) type Tag = String;

/// The content of a state Secret.
#[derive(Clone, Default, PartialEq)]
pub struct Record {
    /// What the chain began with.
    pub seed: Option<Tag>,
    /// What chains before it began with: those are spent, and never taken for new.
    pub past: Vec<Tag>,
    /// The refresh token to be sent next.
    pub refresh_token: Option<Secret>,
    /// When the request was sent that gave it.
    pub obtained: Option<Time>,
    /// When it ends, where the provider told.
    pub ends: Option<Time>,
    /// The last refresh did not put that end off: using the token earlier keeps nothing alive.
    pub fixed: bool,
    /// Refresh tokens that are not to be sent again, the latest last.
    pub refused: Vec<Refused>,
    /// Whose secrets the refresh token was obtained with; `None` in a record that an earlier version wrote.
    pub lenders: Option<Lenders>,
    /// The claim of the attempt under way, or of the last one.
    pub claim: Option<Claim>,
    /// The last answer.
    pub answer: Option<Answer>,
}

/// A refresh token that is not to be sent again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// Which.
    pub token: Tag,
    /// Where the provider refused it: with which inputs and credentials, so that others may be tried. `None` where it was
    /// sent once more after an attempt of which nobody knows how it ended: then never again.
    pub made_from: Option<MadeFrom>,
}

/// What a request was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MadeFrom {
    /// The inputs of the spec.
    pub inputs: String,
    /// The version of the credentials Secret.
    pub credentials: String,
    /// A hash of what the client sent of it, and of the refresh token that somebody gave and that was refused with it: an edit
    /// that leaves it as it is gives no refused token another try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Tag>,
}

/// An answer as it came, and what else is needed to publish its token once more.
#[derive(Clone, PartialEq)]
pub struct Answer {
    /// The facts beside the body.
    pub facts: AnswerFacts,
    /// The body; holds tokens.
    pub body: Secret,
}

/// The facts of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnswerFacts {
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
    /// What the request was made from.
    pub made_from: MadeFrom,
    /// The key of the client secret that was sent, where that is the second of two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_key: Option<String>,
    /// The refresh request that was handled with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handled_request: Option<String>,
}

/// The chain as it is written, without its tokens.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Chain {
    format: u32,
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
}

/// A state Secret that cannot be read: nothing is spent by guessing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

impl Record {
    /// Reads the data of a state Secret.
    ///
    /// # Errors
    /// When it is not what was written here, or of a format that is not known.
    pub fn read(data: &BTreeMap<String, Secret>) -> Result<Record, Unreadable> {
        let chain: Chain = json(data.get(CHAIN))?.ok_or(Unreadable)?;
        if chain.format != FORMAT {
            return Err(Unreadable);
        }
        let facts: Option<AnswerFacts> = json(data.get(ANSWER))?;
        Ok(Record {
            seed: chain.seed,
            past: chain.past,
            refresh_token: data
                .get(REFRESH_TOKEN)
                .filter(|token| !token.is_empty())
                .cloned(),
            obtained: chain.obtained.map(Time::from_millis),
            ends: chain.ends.map(Time::from_millis),
            fixed: chain.fixed,
            refused: chain.refused,
            lenders: chain.lenders,
            claim: json(data.get(CLAIM))?,
            answer: facts
                .zip(data.get(BODY).cloned())
                .map(|(facts, body)| Answer { facts, body }),
        })
    }

    /// The data that holds it; `None` is a key to remove.
    pub fn write(&self) -> BTreeMap<String, Option<Secret>> {
        let chain = Chain {
            format: FORMAT,
            seed: self.seed.clone(),
            past: self.past.clone(),
            obtained: self.obtained.map(Time::millis),
            ends: self.ends.map(Time::millis),
            fixed: self.fixed,
            refused: self.refused.clone(),
            lenders: self.lenders.clone(),
        };
        let answer = self
            .answer
            .as_ref()
            .filter(|answer| answer.body.len() <= LARGEST_BODY);
        BTreeMap::from(
            [
                (CHAIN, text(&chain)),
                (CLAIM, self.claim.as_ref().and_then(text)),
                (REFRESH_TOKEN, self.refresh_token.clone()),
                (ANSWER, answer.and_then(|answer| text(&answer.facts))),
                (BODY, answer.map(|answer| answer.body.clone())),
            ]
            .map(|(key, value)| (key.to_owned(), value)),
        )
    }

    /// Begins a new chain with what `seed` stands for. A password may begin one again, a refresh token may not.
    pub fn begin(&mut self, seed: Tag) {
        let spent = |before: &Tag| *before != seed && !before.starts_with(PASSWORD);
        if let Some(before) = self.seed.take().filter(spent) {
            self.past.retain(|past| *past != before);
            self.past.push(before);
            keep_last(&mut self.past);
        }
        self.seed = Some(seed);
    }

    /// Whether the last response was asked for with these inputs of the spec.
    pub(crate) fn came_of(&self, inputs: &str) -> bool {
        let answer = self.answer.as_ref();
        answer.is_some_and(|answer| answer.facts.made_from.inputs == inputs)
    }

    /// Notes that a refresh token is not to be sent again.
    pub fn refuse(&mut self, refused: Refused) {
        self.refused.retain(|known| known.token != refused.token);
        self.refused.push(refused);
        keep_last(&mut self.refused);
    }

    /// Whether a chain began with what `seed` stands for, this one or one before.
    pub fn knows(&self, seed: &Tag) -> bool {
        self.seed.as_ref() == Some(seed) || self.past.contains(seed)
    }
}

pub(crate) fn keep_last<T>(list: &mut Vec<T>) {
    let spare = list.len().saturating_sub(MOST_PAST);
    list.drain(..spare);
}

pub(crate) fn json<T: serde::de::DeserializeOwned>(
    value: Option<&Secret>,
) -> Result<Option<T>, Unreadable> {
    value
        .map(|value| serde_json::from_slice(value.expose_bytes()).map_err(|_| Unreadable))
        .transpose()
}

pub(crate) fn text(value: &impl Serialize) -> Option<Secret> {
    serde_json::to_vec(value).ok().map(Secret::new)
}

/// A claim that says to take longer than this is not believed: the longest time-out and the longest drain.
pub(crate) const LONGEST: Span = Span::from_seconds(60 + 3600 + 60);

/// The claim of one attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// The process that made it: a random name, new at every start.
    pub process: String,
    /// The attempt: a random name.
    pub attempt: String,
    /// What is spent.
    pub spent: Tag,
    /// How often that was sent without anybody knowing how it ended, this time included.
    pub tries: u32,
    /// Whether how it ended is not known yet.
    pub open: bool,
    /// How long the attempt may take: time-out and drain.
    pub allowed_millis: i64,
    /// When it was made, for people.
    pub time: String,
}

/// What a driver sees of a resource that works with refresh tokens, besides what it sees of every resource.
#[derive(Clone, Default)]
pub struct FamilySeen {
    /// The state Secret at [`state_name`], if there is one.
    pub state: Option<SecretSeen>,
    /// The login Secret at [`login_name`], if there is one.
    pub login: Option<SecretSeen>,
    /// The name of this process: random, new at every start.
    pub process: String,
    /// A random name for the attempt that may come of this look.
    pub attempt: String,
    /// This process's monotonic clock.
    pub elapsed: Span,
    /// How long this process goes on writing what it has in hand once it is told to end.
    pub drain: Span,
    /// No other process can be at work on the same state: a claim of another is that of one that has ended.
    pub alone: bool,
}

/// What a process remembers of a resource's chain between two walks.
#[derive(Clone, Default)]
pub struct FamilyMemory {
    /// The attempt of another process that holds a claim, and when it was first seen by this process's monotonic clock.
    pub foreign: Option<(String, Span)>,
    /// How the last attempts ended, where that could not be written.
    pub known: Vec<Known>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Which.
    pub attempt: String,
    /// As which try it was claimed: what is written down once is not applied again.
    pub tries: u32,
    /// What it means for the token that was spent; `None` where that is as it was before.
    pub refused: Option<Refused>,
}

/// So many attempts are remembered: claims of which it is not known whether they stand.
pub(crate) const MOST_KNOWN: usize = 64;

impl FamilyMemory {
    /// Remembers how an attempt ended.
    pub fn note(&mut self, known: Option<Known>) {
        self.known.extend(known);
        let spare = self.known.len().saturating_sub(MOST_KNOWN);
        self.known.drain(..spare);
    }
}

/// The type of a state Secret: no workload can mistake it for a token.
pub const STATE_TYPE: &str = "oauthclient.dev/refresh-state";

/// The label of a state Secret.
pub const STATE_LABEL: &str = "oauthclient.dev/refresh-state";

/// The key of a login Secret that holds the refresh token.
pub(crate) const LOGIN_KEY: &str = "refresh_token";

/// The key of a login Secret that may hold the client id it was made as.
pub(crate) const LOGIN_CLIENT_ID: &str = "client_id";

/// Whether the owner of a login Secret lends it.
pub(crate) fn is_lent(login: &SecretSeen) -> bool {
    login.has_label(CREDENTIALS_LABEL, "true") && !login.deleting
}

/// What is sent, and the claim that goes before it.
#[derive(Clone)]
pub struct Spend {
    /// What a token is asked with.
    pub with: With,
    /// What the chain began with, where this begins one.
    pub(crate) begins: Option<Tag>,
    /// What stands for what is spent.
    pub(crate) tag: Tag,
    /// Everybody whose secrets are in the request, and in what comes of it.
    pub(crate) lenders: Lenders,
    /// The same with the hosts that each of them allows now.
    pub(crate) held: Lenders,
    /// The record with the claim on it: written before anything is sent.
    pub record: Record,
}

/// What a token is asked with.
#[derive(Clone, PartialEq)]
pub enum With {
    /// A refresh token.
    RefreshToken(Secret),
    /// User name and password, for lack of a refresh token that works.
    Password,
}
