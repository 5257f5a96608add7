//! Where the family is stored: the state Secret, its owner, and how it is written.

use std::collections::BTreeMap;

use crate::engine::Requeue;
use crate::model::{
    FamilyRecord, Observed, Problem, STATE_LABEL, STATE_TYPE, SecretBody, SecretSeen, Validated,
    WriteMode, short,
};
use crate::names::ADOPT_ANNOTATION;
use crate::policy::findings;
use crate::policy::ownership::{Ownership, ownership};
use crate::policy::secret_write::owners;
use crate::policy::waits::{LOOK_AT_DELETING, LOOK_AT_FOREIGN};
use crate::secret::Secret;
use crate::time::Time;

/// The suffix of the name of a login Secret.
const LOGIN_SUFFIX: &str = "-login";

const STATE_SUFFIX: &str = "-refresh-state";
/// The maximum length of a Secret's name.
const LONGEST_NAME: usize = 253;

/// The name of the state Secret of a resource. A name that is too long for the suffix is truncated, with its hash
/// instead of the rest.
pub fn state_name(resource: &str) -> String {
    if resource.len() + STATE_SUFFIX.len() <= LONGEST_NAME {
        return format!("{resource}{STATE_SUFFIX}");
    }
    let room = LONGEST_NAME - STATE_SUFFIX.len() - 17;
    let cut = resource.get(..room).unwrap_or_default();
    let cut = cut.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    format!("{cut}-{:016x}{STATE_SUFFIX}", short(resource))
}

/// The name of the Secret that a login writes: its refresh token takes precedence over that in the credentials.
pub fn login_name(resource: &str) -> String {
    format!("{resource}{LOGIN_SUFFIX}")
}

/// Whether the state Secret may be written, and if not, why. Decided before anything is redeemed.
pub(crate) fn not_writable(
    seen: &Observed,
    spec: &Validated,
    now: Time,
) -> Option<(Problem, Requeue)> {
    if !spec.keeps_state() {
        return None;
    }
    let name = state_name(&seen.resource.name);
    let later = Requeue::At(now + LOOK_AT_FOREIGN);
    if spec.token_secret.name == name || spec.credentials_secret.as_ref() == Some(&name) {
        return Some((findings::state_name_taken(&name), Requeue::OnChange));
    }
    let state = seen.family.state.as_ref()?;
    let soon = Requeue::At(now + LOOK_AT_DELETING);
    match ownership(state, &seen.resource, STATE_TYPE) {
        Ownership::Predecessor => Some((findings::predecessor(state), soon)),
        Ownership::Ours if state.type_ != STATE_TYPE => {
            Some((findings::foreign_state(seen, state), later))
        }
        _ if state.deleting => Some((findings::being_deleted(state), soon)),
        Ownership::Ours if state.immutable => Some((findings::immutable_state(seen, state), later)),
        Ownership::Ours | Ownership::Restored | Ownership::Adoptable => {
            match FamilyRecord::read(&state.data) {
                Ok(_) => None,
                Err(_) => Some((findings::unreadable_state(seen, state), later)),
            }
        }
        Ownership::Sibling(_) | Ownership::Foreign(_) => {
            Some((findings::foreign_state(seen, state), later))
        }
    }
}

/// The write that makes a state Secret this resource's that lost its owner, or that somebody hands over.
pub(crate) fn restore_owner(seen: &Observed) -> Option<SecretBody> {
    let state = seen.family.state.as_ref()?;
    let whose = ownership(state, &seen.resource, STATE_TYPE);
    if state.deleting || !matches!(whose, Ownership::Restored | Ownership::Adoptable) {
        return None;
    }
    let mut record = FamilyRecord::read(&state.data).ok()?;
    record.owned_by(seen.resource.state_owner(), &seen.resource.uid);
    let mut body = state_write(seen, &record);
    if state.annotations.contains_key(ADOPT_ANNOTATION) {
        body.annotations.insert(ADOPT_ANNOTATION.to_owned(), None);
    }
    Some(body)
}

/// The write that records when another process's reservation was first observed, so that a restart begins no new wait.
pub(crate) fn first_observation(seen: &Observed) -> Option<SecretBody> {
    let state = seen.family.state.as_ref()?;
    if !state.is_owned_by(&seen.resource) {
        return None;
    }
    let mut record = FamilyRecord::read(&state.data).ok()?;
    record
        .record_first_observation(&seen.family)
        .then(|| state_write(seen, &record))
}

/// The write that stores `record` in the state Secret: only the differences from the observation.
pub(super) fn state_write(seen: &Observed, record: &FamilyRecord) -> SecretBody {
    let state = seen.family.state.as_ref();
    let there = |key: &str| state.and_then(|state| state.data.get(key));
    let data: BTreeMap<String, Option<Secret>> = record
        .write()
        .into_iter()
        .filter(|(key, value)| there(key) != value.as_ref())
        .collect();
    let labelled = state.is_some_and(|state| state.has_label(STATE_LABEL, "true"));
    let labels = (!labelled).then(|| (STATE_LABEL.to_owned(), Some("true".to_owned())));
    SecretBody {
        name: state_name(&seen.resource.name),
        mode: state.map_or(WriteMode::Create, |state| WriteMode::Patch {
            uid: state.uid.clone(),
            resource_version: state.resource_version.clone(),
        }),
        type_: STATE_TYPE.to_owned(),
        data,
        labels: labels.into_iter().collect(),
        annotations: BTreeMap::new(),
        owners: owners(seen, state),
    }
}

/// The state Secret after a write of `record`; what a driver returns may lack the data.
pub(super) fn with_record(secret: SecretSeen, record: &FamilyRecord) -> SecretSeen {
    let data = record
        .write()
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect();
    SecretSeen { data, ..secret }
}
