//! Finds what Kubernetes would refuse in the token Secret, before a token is requested.

use crate::api::check;
use crate::api::problem::SpecProblem;
use crate::api::spec::TokenSecret;
use crate::model::secret_limits::{
    DOCKER_CONFIG, DOCKER_CONFIG_KEY, MAX_ANNOTATION_BYTES, is_docker_config, is_key_prefix,
};
use crate::render::{MAX_BYTES, Templates};
use oauthclient_core::conditions::Reason;

/// Space for annotations of the operator and of others.
const OTHER_ANNOTATIONS: usize = 16 << 10;

/// Everything that the API server would refuse, whatever the response is.
pub(super) fn problems(spec: &TokenSecret, templates: &Templates) -> Vec<SpecProblem> {
    let mut problems = Vec::new();
    for (field, map) in [
        ("spec.tokenSecret.labels", &spec.labels),
        ("spec.tokenSecret.annotations", &spec.annotations),
    ] {
        let prefixed = map
            .keys()
            .filter_map(|key| Some((key, key.split_once('/')?.0)));
        for (key, _) in prefixed.filter(|(_, prefix)| !is_key_prefix(prefix)) {
            problems.push(SpecProblem::new(
                check::map_key(field, key),
                "has a key whose part before / is not a domain: use labels of letters, digits and -, joined by dots",
            ));
        }
    }
    let annotations = spec.annotations.iter();
    let bytes: usize = annotations
        .map(|(key, value)| key.len() + value.len())
        .sum();
    if bytes > MAX_ANNOTATION_BYTES - OTHER_ANNOTATIONS {
        problems.push(SpecProblem::new(
            "spec.tokenSecret.annotations",
            format!(
                "have {bytes} bytes together, and there is room for {}",
                MAX_ANNOTATION_BYTES - OTHER_ANNOTATIONS
            ),
        ));
    }
    problems.extend(constants(spec, templates));
    problems
}

/// Problems with the values of templates without variables.
fn constants(spec: &TokenSecret, templates: &Templates) -> Option<SpecProblem> {
    let bytes: usize = templates.constants().map(|(_, text)| text.len()).sum();
    let is_refused = |(key, text): &(&str, &str)| {
        *key == DOCKER_CONFIG_KEY && !is_docker_config(text.as_bytes())
    };
    let (key, message) = if bytes > MAX_BYTES {
        let longest = templates.constants().max_by_key(|(_, text)| text.len())?.0;
        let message =
            format!("gives more than a Secret takes: all keys together may have {MAX_BYTES} bytes");
        (longest, message)
    } else if spec.type_ == DOCKER_CONFIG {
        let message = format!("does not give a JSON object, which type {DOCKER_CONFIG} demands");
        (templates.constants().find(is_refused)?.0, message)
    } else {
        return None;
    };
    Some(SpecProblem {
        reason: Reason::InvalidTemplate,
        ..SpecProblem::new(check::map_key("spec.tokenSecret.data", key), message)
    })
}
