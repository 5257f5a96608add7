//! Templates for the data of the token Secret: parsed before a token is requested, rendered when there is one.
//!
//! The syntax is a subset of Jinja: the variables of [`Variables`], six filters, no includes, no functions. Each
//! rendering has a budget for time and memory, because everyone who may write an `OAuthClient` writes templates. The
//! output is secret, so no error contains a value.

mod check;
mod environment;
mod memo;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use minijinja::value::Value;
use minijinja::{Error, ErrorKind};
use zeroize::Zeroizing;

use crate::oauth::disclosure::{Forms, Needle, forms};
use crate::oauth::{Document, SecretKind, SentSecret, SentSecrets};
use crate::render::environment::environment;
use crate::secret::Secret;
use crate::time::Time;

/// The maximum size of all values together: 1 MiB, the limit of a Secret, less space for keys and metadata.
pub const MAX_BYTES: usize = 1024 * 1024 - 16 * 1024;

/// The variables of a template.
pub struct Variables<'a> {
    /// `access_token`.
    pub access_token: &'a Secret,
    /// `token_type`.
    pub token_type: &'a str,
    /// `expires_at`, as RFC 3339.
    pub expires_at: Time,
    /// `scope`; undefined if the response had none.
    pub scope: Option<&'a str>,
    /// `response`: the decoded response.
    pub response: &'a Document,
    /// `credentials`: the keys of the credentials Secret that its owner discloses; every other key is undefined.
    pub credentials: &'a BTreeMap<String, Secret>,
    /// `dpop_key` and `dpop_jwk`: the generated key that the token is bound to, where there is one.
    pub dpop: Option<(Secret, Secret)>,
    /// The refresh token that `response` may contain.
    pub refresh_token: Option<&'a Secret>,
    /// The secrets of the request, none of which may be rendered.
    pub sent: &'a SentSecrets,
    /// Whether values that repeated one of them were removed from `response`.
    pub echoes: bool,
}

/// An invalid template, found before any request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateProblem {
    /// The key of the data.
    pub key: String,
    /// The line of the template, from 1; 0 if unknown.
    pub line: usize,
    /// What is wrong and how to fix it.
    pub message: String,
}

impl fmt::Display for TemplateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the template of {}", self.key)?;
        if self.line > 1 {
            write!(f, ", line {},", self.line)?;
        }
        write!(f, " {}", self.message)
    }
}

/// A template that could not be rendered with this token. Contains no part of any value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderProblem {
    /// The key of the data; empty for all of them together.
    pub key: String,
    /// What is wrong and how to fix it.
    pub message: String,
    /// The result does not fit into a Secret.
    pub too_large: bool,
}

impl RenderProblem {
    fn repeats(key: &str, sent: &SentSecret) -> Self {
        let what = match &sent.kind {
            SecretKind::Key { name, .. } => {
                format!("the value of key {name} of the credentials Secret")
            }
            SecretKind::Token => "a token".to_owned(),
            SecretKind::Proof => "the proof of who the client is".to_owned(),
        };
        RenderProblem {
            key: key.to_owned(),
            message: format!(
                "would publish {what}, which was sent in the request and comes back in the response. Use other fields of \
                 the response in tokenSecret.data. If the value is no secret, the owner of the Secret names its key in the \
                 annotation oauthclient.dev/disclosed-keys."
            ),
            too_large: false,
        }
    }

    fn too_large(key: &str, bytes: usize) -> Self {
        RenderProblem {
            key: key.to_owned(),
            message: format!(
                "The rendered data has {bytes} bytes or more, and a Secret takes {MAX_BYTES}: use less of the answer in \
                 tokenSecret.data."
            ),
            too_large: true,
        }
    }
}

impl fmt::Display for RenderProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() && !self.too_large {
            write!(f, "The templates together {}", self.message)
        } else if !self.too_large {
            write!(f, "The template of {} {}", self.key, self.message)
        } else {
            f.write_str(&self.message)
        }
    }
}

/// The templates of one resource, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Templates {
    /// Key and source; empty for the default keys.
    sources: BTreeMap<String, String>,
    /// The variables that the templates use.
    used: BTreeSet<String>,
    /// The keys of `credentials` that they use.
    credentials: BTreeSet<String>,
    /// The values of templates without variables.
    constants: BTreeMap<String, Arc<str>>,
}

impl Templates {
    /// Parses the templates. An empty map means the keys `access_token`, `token_type`, `expires_at` and, if the
    /// response has one, `scope`.
    ///
    /// # Errors
    /// Every invalid template: wrong syntax, unknown variables, unknown filters.
    pub fn parse(sources: &BTreeMap<String, String>) -> Result<Templates, Vec<TemplateProblem>> {
        let mut problems = Vec::new();
        let mut used = BTreeSet::new();
        let mut credentials = BTreeSet::new();
        let mut constants = BTreeMap::new();
        for (key, source) in sources {
            match &*memo::checked(source) {
                Ok(names) => {
                    if let Some(text) = &names.constant {
                        constants.insert(key.clone(), Arc::clone(text));
                    }
                    used.extend(names.variables.iter().cloned());
                    credentials.extend(names.credentials.iter().cloned());
                }
                Err((line, message)) => {
                    let too_much = message == check::TOO_MUCH;
                    problems.push(TemplateProblem {
                        key: key.clone(),
                        line: *line,
                        message: message.clone(),
                    });
                    // Finding such a template is expensive, so the others are checked after it is fixed.
                    if too_much {
                        break;
                    }
                }
            }
        }
        if sources.is_empty() {
            used.extend(["access_token", "token_type", "expires_at", "scope"].map(str::to_owned));
        }
        if problems.is_empty() {
            Ok(Templates {
                sources: sources.clone(),
                used,
                credentials,
                constants,
            })
        } else {
            Err(problems)
        }
    }

    /// Whether the output depends on this variable: `access_token`, `token_type`, `expires_at`, `scope`, `response` or
    /// `credentials`.
    pub fn uses(&self, variable: &str) -> bool {
        self.used.contains(variable)
    }

    /// The keys of the credentials Secret that the templates use, in order.
    pub fn credentials(&self) -> impl Iterator<Item = &str> {
        self.credentials.iter().map(String::as_str)
    }

    /// Key and value of each template without variables. They are known before any request.
    pub fn constants(&self) -> impl Iterator<Item = (&str, &str)> {
        self.constants
            .iter()
            .map(|(key, text)| (key.as_str(), &**text))
    }

    /// Key and source of each template, in order; none for the default keys.
    pub fn sources(&self) -> impl Iterator<Item = (&str, &str)> {
        self.sources
            .iter()
            .map(|(key, source)| (key.as_str(), source.as_str()))
    }

    /// The keys that are always written, in order. The default `scope` is written only if the response has one.
    pub fn keys(&self) -> Vec<&str> {
        if self.sources.is_empty() {
            vec!["access_token", "expires_at", "token_type"]
        } else {
            self.sources.keys().map(String::as_str).collect()
        }
    }

    /// Renders all templates.
    ///
    /// # Errors
    /// The first template that fails, or that all together are too large for a Secret. Another token of the same
    /// provider does not help, so the caller must not request one.
    pub fn render(
        &self,
        variables: &Variables<'_>,
    ) -> Result<BTreeMap<String, Secret>, RenderProblem> {
        let rendered = if self.sources.is_empty() {
            defaults(variables)
        } else {
            self.render_sources(variables)?
        };
        let bytes = rendered.values().map(Secret::len).sum::<usize>();
        if bytes > MAX_BYTES {
            return Err(RenderProblem::too_large("", bytes));
        }
        Ok(rendered)
    }

    fn render_sources(
        &self,
        variables: &Variables<'_>,
    ) -> Result<BTreeMap<String, Secret>, RenderProblem> {
        let environment = environment();
        let context = self.context(variables);
        let mut rendered = BTreeMap::new();
        let mut bytes = 0;
        for (key, source) in &self.sources {
            let text = environment
                .template_from_str(source)
                .and_then(|template| template.render(context.clone()))
                .map_err(|error| render_problem(key, &error, variables.echoes))?;
            bytes += text.len();
            // Not only at the end, because each may be as large as its budget allows.
            if bytes > MAX_BYTES {
                return Err(RenderProblem::too_large("", bytes));
            }
            rendered.insert(key.clone(), Secret::from(text));
        }
        self.check_rendered(variables, &rendered)?;
        Ok(rendered)
    }

    /// Whether the output repeats a secret of the request, in each value and in all of them in sequence: a template may
    /// join what is separate in the response. What a reader of the output knows anyway does not count: the text of the
    /// templates, the tokens, disclosed values.
    fn check_rendered(
        &self,
        variables: &Variables<'_>,
        rendered: &BTreeMap<String, Secret>,
    ) -> Result<(), RenderProblem> {
        if variables.sent.is_empty() {
            return Ok(());
        }
        let finder = variables.sent.finder();
        let tokens = [Some(variables.access_token), variables.refresh_token];
        let known: Vec<Forms> = self
            .sources
            .values()
            .map(String::as_str)
            .chain(tokens.into_iter().flatten().filter_map(Secret::expose))
            .chain(variables.credentials.values().filter_map(Secret::expose))
            .map(forms)
            .collect();
        let is_known = |needle: &Needle| known.iter().any(|text| needle.is_in(text));
        let row: Zeroizing<String> =
            Zeroizing::new(rendered.values().filter_map(Secret::expose).collect());
        let values = rendered
            .iter()
            .filter_map(|(key, value)| Some((key.as_str(), value.expose()?)));
        for (key, text) in values.chain([("", row.as_str())]) {
            if let Some(found) = finder.find_beside(text, is_known) {
                return Err(RenderProblem::repeats(key, found));
            }
        }
        Ok(())
    }

    fn context(&self, variables: &Variables<'_>) -> Value {
        let mut map: BTreeMap<&str, Value> = BTreeMap::new();
        if let Some(token) = variables.access_token.expose() {
            map.insert("access_token", Value::from(token));
        }
        map.insert("token_type", Value::from(variables.token_type));
        map.insert("expires_at", Value::from(variables.expires_at.rfc3339()));
        if let Some(scope) = variables.scope {
            map.insert("scope", Value::from(scope));
        }
        if let Some((pem, jwk)) = &variables.dpop {
            for (name, value) in [("dpop_key", pem), ("dpop_jwk", jwk)] {
                map.insert(name, Value::from(value.expose().unwrap_or_default()));
            }
        }
        // The document may be large, so it is converted only if a template uses it.
        if self.uses("response") {
            map.insert("response", document(&variables.response.0));
        }
        let credentials: BTreeMap<&str, Value> = variables
            .credentials
            .iter()
            .filter_map(|(name, secret)| Some((name.as_str(), Value::from(secret.expose()?))))
            .collect();
        map.insert("credentials", Value::from(credentials));
        Value::from(map)
    }
}

/// A JSON document for the templates. Not through serde, where the engine reserves strings for its own use.
fn document(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(value) => Value::from(*value),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Value::from(value),
            (None, Some(value)) => Value::from(value),
            (None, None) => number.as_f64().map_or(Value::UNDEFINED, Value::from),
        },
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Array(items) => items.iter().map(document).collect(),
        serde_json::Value::Object(map) => Value::from_pairs(
            map.iter()
                .map(|(key, value)| (key.as_str(), document(value))),
        ),
    }
}

fn defaults(variables: &Variables<'_>) -> BTreeMap<String, Secret> {
    let mut data = BTreeMap::from([
        ("access_token".to_owned(), variables.access_token.clone()),
        ("token_type".to_owned(), Secret::from(variables.token_type)),
        (
            "expires_at".to_owned(),
            Secret::from(variables.expires_at.rfc3339()),
        ),
    ]);
    if let Some(scope) = variables.scope {
        data.insert("scope".to_owned(), Secret::from(scope));
    }
    if let Some((pem, jwk)) = &variables.dpop {
        data.insert("dpop_key".to_owned(), pem.clone());
        data.insert("dpop_jwk".to_owned(), jwk.clone());
    }
    data
}

/// An error of rendering without any value: the engine's details may quote them.
fn render_problem(key: &str, error: &Error, echoes: bool) -> RenderProblem {
    let message = match error.kind() {
        ErrorKind::OutOfFuel => return RenderProblem::too_large(key, MAX_BYTES),
        ErrorKind::UndefinedError if echoes => "uses a value that is not there. The response repeats secrets of the request, \
             and such values are taken out of it: use another field of the response, or the filter default. If the value is no \
             secret, the owner of the credentials Secret names its key in the annotation oauthclient.dev/disclosed-keys."
            .to_owned(),
        ErrorKind::UndefinedError => "uses a value that this token does not have: give it one with the filter default, as in \
                                      {{ scope | default('') }}, or leave it out."
            .to_owned(),
        _ => {
            let line = error.line().filter(|line| *line > 1);
            let place = line.map(|line| format!(" in line {line}")).unwrap_or_default();
            let why = check::static_message(error).unwrap_or_else(|| format!("failed{place}: {}", error.kind()));
            format!("{why}. Correct tokenSecret.data.")
        }
    };
    RenderProblem {
        key: key.to_owned(),
        message,
        too_large: false,
    }
}
