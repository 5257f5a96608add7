//! Who owns a Secret.

use crate::engine::ANY_INPUTS;
use crate::inputs;
use crate::messages::Foreign;
use crate::model::{
    Observed, Resource, STATE_LABEL, STATE_TYPE, SecretSeen, StateOwner, TokenState, Validated,
    is_whole_for,
};
use crate::names::{ADOPT_ANNOTATION, TOKEN_LABEL};

/// Who owns a Secret, from the point of view of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// This resource, by UID.
    Ours,
    /// A resource of our kind and name with another UID: garbage collection will delete it.
    Predecessor,
    /// Another resource of our kind.
    Sibling(String),
    /// It was this resource's and has lost its owner: a backup tool strips owner references, and `--cascade=orphan` does.
    Restored,
    /// Nobody, and its owner lets us take it over.
    Adoptable,
    /// Someone else; why it cannot be taken over.
    Foreign(Foreign),
}

/// Who owns `secret`.
pub fn ownership(secret: &SecretSeen, resource: &Resource, wanted_type: &str) -> Ownership {
    if secret.is_owned_by(resource) {
        return Ownership::Ours;
    }
    match secret.owners.iter().find(|owner| owner.controller) {
        Some(owner) if owner.is_of_our_kind() && owner.name == resource.name => {
            return Ownership::Predecessor;
        }
        Some(owner) if owner.is_of_our_kind() => return Ownership::Sibling(owner.name.clone()),
        Some(owner) => {
            return Ownership::Foreign(Foreign::Controlled {
                kind: owner.kind.clone(),
                name: owner.name.clone(),
            });
        }
        None => {}
    }
    if is_restored(secret, resource, wanted_type) {
        return Ownership::Restored;
    }
    match secret.annotations.get(ADOPT_ANNOTATION) {
        Some(name) if *name != resource.name => Ownership::Foreign(Foreign::AdoptedByAnother),
        None => Ownership::Foreign(Foreign::NotCreated),
        Some(_) if secret.type_ != wanted_type => Ownership::Foreign(Foreign::OtherType {
            is: secret.type_.clone(),
            wanted: wanted_type.to_owned(),
        }),
        Some(_) if secret.immutable => Ownership::Foreign(Foreign::Immutable),
        Some(_) => Ownership::Adoptable,
    }
}

/// Whether a Secret without a controller is as the operator wrote it for the resource of this namespace and name. Whoever may write
/// Secrets can make one look so, and gains nothing: what it holds is theirs, and goes no further than the hosts that it names and
/// that the Secrets of the resource allow.
fn is_restored(secret: &SecretSeen, resource: &Resource, wanted_type: &str) -> bool {
    if secret.immutable || secret.type_ != wanted_type {
        return false;
    }
    let names = |owner: &StateOwner| {
        // Whichever group of operators has served it.
        owner.namespace == resource.namespace && owner.name == resource.name
    };
    let whole =
        |state: &TokenState| state.owner.as_ref().is_some_and(names) && state.intact(&secret.data);
    match wanted_type {
        STATE_TYPE => {
            secret.has_label(STATE_LABEL, "true")
                && is_whole_for(&secret.data, &resource.state_owner())
        }
        _ => secret.has_label(TOKEN_LABEL, "true") && secret.state().as_ref().is_some_and(whole),
    }
}

/// The token Secret, if it is ours. One that is not adopted yet contains no token of ours.
pub(super) fn our_target<'a>(seen: &'a Observed, spec: &Validated) -> Option<&'a SecretSeen> {
    seen.target.as_ref().filter(|target| {
        ownership(target, &seen.resource, &spec.token_secret.type_) == Ownership::Ours
    })
}

/// Inputs in an unknown format are adopted: an upgrade must not request tokens for a whole fleet.
pub(super) fn same_inputs(made_from: &str, wanted: &str) -> bool {
    made_from == wanted || inputs::short(made_from) == ANY_INPUTS
}
