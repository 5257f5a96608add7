//! Checks credentials and the resources that use them: opt-in, hosts, keys, content. Pure; no value is shown.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret as ApiSecret;
use kube::ResourceExt as _;
use url::Url;

use super::finding::Finding;
use crate::api::spec::OAuthClient;
use crate::api::{Validated, validate};
use crate::command::Command;
use crate::names::{ALLOWED_HOSTS_ANNOTATION, CLIENT_SECRET_EXPIRES, CREDENTIALS_LABEL};
use crate::oauth::request::build;
use crate::oauth::{Credentials, CredentialsProblem, Nonce, RequestContext};
use crate::secret::Secret;
use crate::time::{Span, Time};
use crate::trust::{AllowedHosts, Lenders};

/// How far ahead the expiry of a client secret is reported, as in the operator.
const SOON: Span = Span::from_seconds(30 * 24 * 3600);
/// The placeholders in the examples.
const PLACEHOLDERS: [&str; 5] = [
    "your-",
    "the private key",
    "its private key",
    "the certificate that",
    "the-secret-of-",
];

/// A Secret, with or without its data. It has no `Debug`.
pub(super) struct SecretFacts {
    pub(super) namespace: String,
    pub(super) name: String,
    labelled: bool,
    pub(super) hosts: Option<String>,
    pub(super) ends: Option<String>,
    /// `None` if only its metadata was read.
    data: Option<BTreeMap<String, Secret>>,
}

impl SecretFacts {
    /// With its data.
    pub(super) fn whole(secret: ApiSecret) -> SecretFacts {
        let data = secret.data.clone().unwrap_or_default();
        SecretFacts {
            data: Some(
                data.into_iter()
                    .map(|(key, value)| (key, Secret::new(value.0)))
                    .collect(),
            ),
            ..SecretFacts::metadata(&secret)
        }
    }

    /// With its metadata only.
    pub(super) fn metadata(secret: &impl kube::ResourceExt) -> SecretFacts {
        let annotation = |name: &str| secret.annotations().get(name).cloned();
        SecretFacts {
            namespace: secret.namespace().unwrap_or_default(),
            name: secret.name_any(),
            labelled: secret
                .labels()
                .get(CREDENTIALS_LABEL)
                .is_some_and(|value| value == "true"),
            hosts: annotation(ALLOWED_HOSTS_ANNOTATION),
            ends: annotation(CLIENT_SECRET_EXPIRES),
            data: None,
        }
    }
}

/// The Secrets that a resource sends to its provider.
pub(super) fn named(client: &OAuthClient) -> Vec<String> {
    let mut names: Vec<String> = client
        .spec
        .credentials
        .iter()
        .map(|own| own.secret_name.clone())
        .collect();
    if let Some(name) = client.spec.client_certificate_secret()
        && !names.iter().any(|other| other == name)
    {
        names.push(name.to_owned());
    }
    names
}

/// The findings about one Secret and the resources that use it.
pub(super) fn inspect(
    (namespace, name): (&str, &str),
    secret: Option<&SecretFacts>,
    users: &[&OAuthClient],
    now: Time,
    nonce: &Nonce,
) -> Vec<Finding> {
    let by: Vec<String> = users.iter().map(|user| user.name_any()).collect();
    let by = by.join(", ");
    let Some(secret) = secret else {
        let create = Command::kubectl(&["oauthclient", "credentials", "create"])
            .value(name)
            .namespace(namespace)
            .fixed(&["--client-id", "ID", "--for"])
            .value(
                users
                    .first()
                    .map(|user| user.name_any())
                    .as_deref()
                    .unwrap_or("OAUTHCLIENT"),
            );
        let text = format!("Secret {namespace}/{name}, which {by} names, does not exist");
        return vec![Finding::fail("Credentials", text).command(&create)];
    };
    let mut found: Vec<Finding> = Vec::new();
    found.extend(opt_in(secret));
    for user in users {
        found.extend(hosts(secret, user));
        if client_secret_of(user, name) {
            found.extend(keys(secret, user, now, nonce));
        }
    }
    found.extend(placeholders(secret));
    found.extend(ends(secret, now));
    if found.is_empty() {
        let hosts = secret.hosts.as_deref().unwrap_or("any host");
        let used = if by.is_empty() {
            "not used by any OAuthClient".to_owned()
        } else {
            format!("used by {by}")
        };
        found.push(Finding::ok(
            "Credentials",
            format!("Secret {namespace}/{name} may be sent to {hosts}; {used}"),
        ));
    }
    found
}

fn client_secret_of(user: &OAuthClient, name: &str) -> bool {
    user.spec
        .credentials
        .as_ref()
        .is_some_and(|own| own.secret_name == name)
}

fn opt_in(secret: &SecretFacts) -> Option<Finding> {
    let SecretFacts {
        namespace, name, ..
    } = secret;
    if !secret.labelled {
        let label = Command::kubectl(&["label", "secret"])
            .value(name)
            .namespace(namespace)
            .pair(CREDENTIALS_LABEL, "true");
        let text = format!(
            "Secret {namespace}/{name} lacks the label {CREDENTIALS_LABEL}=true, so it is not used. If you own it and want it sent to the provider, add the label"
        );
        return Some(Finding::fail("Opt-in", text).command(&label));
    }
    if secret.hosts.is_none() {
        let annotate = Command::kubectl(&["annotate", "secret"])
            .value(name)
            .namespace(namespace)
            .pair(ALLOWED_HOSTS_ANNOTATION, "HOST");
        let text = format!(
            "Secret {namespace}/{name} names no hosts, so anyone who may create an OAuthClient here can have it sent anywhere"
        );
        return Some(Finding::warn("Hosts", text).command(&annotate));
    }
    None
}

fn hosts(secret: &SecretFacts, user: &OAuthClient) -> Vec<Finding> {
    let Some(list) = &secret.hosts else {
        return Vec::new();
    };
    let allowed = AllowedHosts::parse(list);
    let provider = &user.spec.provider;
    let urls = [&provider.token_url, &provider.refresh_url];
    let urls = urls
        .into_iter()
        .flatten()
        .filter_map(|text| Url::parse(text).ok());
    let refused = urls
        .filter(Url::has_host)
        .filter_map(|url| allowed.permit(&url).err());
    refused
        .map(|refused| {
            let host = &refused.destination;
            let annotate = Command::kubectl(&["annotate", "secret"])
                .value(&secret.name)
                .namespace(&secret.namespace)
                .fixed(&["--overwrite"])
                .pair(ALLOWED_HOSTS_ANNOTATION, &format!("{list},{host}"));
            let unreadable = match refused.unreadable.as_slice() {
                [] => String::new(),
                some => format!(" Its entries {} cannot be read.", some.join(", ")),
            };
            let text = format!(
                "Secret {}/{} may not be sent to {host}, where OAuthClient {} would send it.{unreadable} If you own the Secret and want that, add the host",
                secret.namespace, secret.name, user.name_any()
            );
            Finding::fail("Hosts", text).command(&annotate)
        })
        .collect()
}

/// Whether a request can be built with it. The request is dropped.
fn keys(secret: &SecretFacts, user: &OAuthClient, now: Time, nonce: &Nonce) -> Option<Finding> {
    let data = secret.data.as_ref()?;
    let spec: Validated = validate(user).ok()?;
    let context = RequestContext::new(now, nonce);
    let refresh_key = &spec.client.keys.refresh_token;
    let problem = match build(
        &spec.client,
        &Credentials::new(data.clone(), Lenders::default()),
        &context,
    ) {
        Ok(_) | Err(CredentialsProblem::NotLocated) => return None,
        // A login may provide it.
        Err(CredentialsProblem::Missing { key }) if key == *refresh_key => return None,
        Err(problem) => problem,
    };
    // Problems that are not about a Secret are checked elsewhere.
    problem.key()?;
    let text = format!(
        "Secret {}/{} cannot be used by OAuthClient {}: {problem}",
        secret.namespace,
        secret.name,
        user.name_any()
    );
    let edit = Command::kubectl(&["oauthclient", "credentials", "create"])
        .value(&secret.name)
        .namespace(&secret.namespace)
        .fixed(&["--replace", "--for"])
        .value(&user.name_any());
    Some(Finding::fail("Keys", text).command(&edit))
}

fn placeholders(secret: &SecretFacts) -> Vec<Finding> {
    let data = secret.data.iter().flatten();
    data.filter_map(|(key, value)| {
        let text = value.expose()?;
        let (namespace, name) = (&secret.namespace, &secret.name);
        if PLACEHOLDERS.iter().any(|word| text.contains(word)) {
            let text = format!(
                "Secret {namespace}/{name} still holds the placeholder of an example under {key}"
            );
            return Some(Finding::fail("Keys", text).remedy("put the provider's value there"));
        }
        let line = text.trim_end_matches(['\n', '\r']);
        (line != line.trim() && !line.contains('\n')).then(|| {
            let text =
                format!("Secret {namespace}/{name} has blanks at an end of the value under {key}");
            Finding::warn("Keys", text).remedy("remove them, unless the provider gave them so")
        })
    })
    .collect()
}

fn ends(secret: &SecretFacts, now: Time) -> Option<Finding> {
    let text = secret.ends.as_ref()?;
    let (namespace, name) = (&secret.namespace, &secret.name);
    let rotate = Command::kubectl(&["oauthclient", "credentials", "rotate"])
        .value(name)
        .namespace(namespace);
    let time = Time::parse_rfc3339(text)
        .or_else(|| Time::parse_rfc3339(&format!("{}T00:00:00Z", text.trim())));
    match time {
        None => Some(Finding::warn("Ends", format!("The annotation {CLIENT_SECRET_EXPIRES} of Secret {namespace}/{name} holds no date")).remedy("write a date such as 2027-01-31")),
        Some(time) if time <= now => Some(Finding::fail("Ends", format!("The client secret in {namespace}/{name} ended at {time}")).command(&rotate)),
        Some(time) if time.since(now) < SOON => Some(Finding::warn("Ends", format!("The client secret in {namespace}/{name} ends in {}", time.since(now))).command(&rotate)),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::finding::Level;
    use super::*;
    use crate::clock::Clock;

    const NOW: Time = Time::from_seconds(1_700_000_000);

    fn client(secret: &str) -> OAuthClient {
        serde_json::from_value(json!({
            "apiVersion": "oauthclient.dev/v1alpha1", "kind": "OAuthClient",
            "metadata": {"name": "api", "namespace": "shop"},
            "spec": {"provider": {"tokenURL": "https://auth.example.com/token"},
                     "credentials": {"secretName": secret}, "tokenSecret": {"name": "t"}},
        }))
        .unwrap()
    }

    fn secret(
        labels: serde_json::Value,
        annotations: serde_json::Value,
        data: &[(&str, &str)],
    ) -> SecretFacts {
        let mut secret: ApiSecret = serde_json::from_value(json!({
            "metadata": {"name": "client", "namespace": "shop", "labels": labels, "annotations": annotations},
        }))
        .unwrap();
        let data = data.iter().map(|(key, value)| {
            (
                (*key).to_owned(),
                k8s_openapi::ByteString(value.as_bytes().to_vec()),
            )
        });
        secret.data = Some(data.collect());
        SecretFacts::whole(secret)
    }

    fn found(secret: Option<&SecretFacts>) -> Vec<Finding> {
        let client = client("client");
        inspect(
            ("shop", "client"),
            secret,
            &[&client],
            NOW,
            &Clock::system().nonce(),
        )
    }

    const DATA: [(&str, &str); 2] = [("client_id", "id"), ("client_secret", "canary-secret")];

    #[test]
    fn a_secret_that_can_be_used_is_one_line() {
        let good = secret(
            json!({CREDENTIALS_LABEL: "true"}),
            json!({ALLOWED_HOSTS_ANNOTATION: "auth.example.com"}),
            &DATA,
        );
        let all = found(Some(&good));
        assert_eq!(all.len(), 1);
        assert_eq!(
            all[0].text,
            "Secret shop/client may be sent to auth.example.com; used by api"
        );
    }

    #[test]
    fn everything_that_is_wrong_is_told_and_no_value_is() {
        let label = json!({CREDENTIALS_LABEL: "true"});
        let here = json!({ALLOWED_HOSTS_ANNOTATION: "auth.example.com"});
        let cases = [
            (None, "does not exist"),
            (
                Some(secret(json!({}), here.clone(), &DATA)),
                "lacks the label",
            ),
            (
                Some(secret(label.clone(), json!({}), &DATA)),
                "names no hosts",
            ),
            (
                Some(secret(
                    label.clone(),
                    json!({ALLOWED_HOSTS_ANNOTATION: "other.example"}),
                    &DATA,
                )),
                "may not be sent to auth.example.com",
            ),
            (
                Some(secret(label.clone(), here.clone(), &DATA[..1])),
                "key \"client_secret\" is missing",
            ),
            (
                Some(secret(
                    label.clone(),
                    here.clone(),
                    &[DATA[0], ("client_secret", "your-client-secret")],
                )),
                "placeholder",
            ),
            (
                Some(secret(
                    label.clone(),
                    here.clone(),
                    &[DATA[0], ("client_secret", " canary-secret")],
                )),
                "blanks at an end",
            ),
            (
                Some(secret(
                    label,
                    json!({ALLOWED_HOSTS_ANNOTATION: "auth.example.com", CLIENT_SECRET_EXPIRES: "2023-11-20"}),
                    &DATA,
                )),
                "ends in 5 d",
            ),
        ];
        for (secret, words) in cases {
            let all = found(secret.as_ref());
            let text = serde_json::to_string(&all).unwrap();
            assert!(
                all.iter().any(|one| one.text.contains(words)
                    && one.remedy.is_some()
                    && one.level != Level::Ok),
                "{words}: {text}"
            );
            assert!(!text.contains("canary"), "{text}");
        }
    }
}
