//! Finds invalid templates before a token is requested.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex};

use minijinja::value::{Enumerator, Object, Value};
use minijinja::{Environment, Error, ErrorKind};

use crate::lock::lock;

const VARIABLES: [&str; 8] = [
    "access_token",
    "token_type",
    "expires_at",
    "scope",
    "response",
    "credentials",
    "dpop_key",
    "dpop_jwk",
];
/// The message for a template that uses up its budget with values of one letter.
pub(super) const TOO_MUCH: &str =
    "does more than a template may, whatever the answer holds: leave out what repeats or lengthens";
const FILTERS: &str = "b64encode, tojson, lower, upper, trim, default";

/// What a template uses, or the line and the message of an error.
pub(super) type Checked = Result<Used, (usize, String)>;

/// What a template uses.
pub(super) struct Used {
    pub(super) variables: Vec<String>,
    /// The keys of `credentials`.
    pub(super) credentials: BTreeSet<String>,
    /// The result of a template without variables.
    pub(super) constant: Option<Arc<str>>,
}

impl Used {
    /// What it takes in memory, roughly, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let names = self.variables.iter().chain(&self.credentials);
        let names: usize = names.map(|name| name.len() + 64).sum();
        names + self.constant.as_deref().map_or(0, str::len)
    }
}

/// Checks a template, and finds what it uses.
pub(super) fn check(environment: &Environment<'static>, source: &str) -> Checked {
    let template = environment
        .template_from_str(source)
        .map_err(|error| (error.line().unwrap_or(0), syntax_message(&error)))?;
    let top = template.undeclared_variables(false);
    let nested = template.undeclared_variables(true);
    if let Some(message) = unknown_variable(&top) {
        return Err((0, message));
    }
    let asked = Arc::new(UsedCredentials::default());
    // A trial with made-up values finds unknown filters and functions on its path through the template.
    if let Err(error) = template.render(trial_context(&asked))
        && let Some(message) = static_message(&error)
    {
        return Err((error.line().unwrap_or(0), message));
    }
    let by_name = nested.iter().filter_map(|name| {
        let rest = name.strip_prefix("credentials.")?;
        rest.split('.').next().map(str::to_owned)
    });
    let mut credentials: BTreeSet<String> = by_name.collect();
    let mut asked = lock(&asked.0);
    credentials.append(&mut asked.keys);
    if asked.listed || credentials.iter().any(|key| !is_key(key)) {
        return Err((0, WHOLE.to_owned()));
    }
    let constant = match top.is_empty() {
        true => template.render(()).ok().map(Arc::from),
        false => None,
    };
    Ok(Used {
        constant,
        variables: top.into_iter().collect(),
        credentials,
    })
}

/// The message for a template that uses `credentials` other than as a map of keys.
const WHOLE: &str = "uses credentials without a key: write credentials.KEY or credentials['KEY']";

/// Whether a text could be a key of a Secret.
fn is_key(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    text.len() <= 253 && !text.is_empty() && text.bytes().all(fits)
}

fn unknown_variable(top: &HashSet<String>) -> Option<String> {
    let mut unknown: Vec<&String> = top
        .iter()
        .filter(|name| !VARIABLES.contains(&name.as_str()))
        .collect();
    unknown.sort();
    unknown.first().map(|name| {
        format!(
            "uses {name}, which is not there: use access_token, token_type, expires_at, scope, response or credentials.KEY"
        )
    })
}

fn syntax_message(error: &Error) -> String {
    // The details of a syntax error describe the template's own text, which the manifest shows to everyone.
    let detail = error.detail().unwrap_or("it cannot be read");
    format!("is not a valid template: {detail}")
}

/// The message of an error that does not depend on values.
pub(super) fn static_message(error: &Error) -> Option<String> {
    match error.kind() {
        ErrorKind::UnknownFilter => Some(format!("uses an unknown filter: there are {FILTERS}")),
        ErrorKind::UnknownTest => {
            Some("uses an unknown test after 'is': there is none, use the filter default".into())
        }
        ErrorKind::UnknownFunction => Some(format!(
            "calls a function: there is none, use the filters {FILTERS}"
        )),
        ErrorKind::UnknownMethod => Some(format!(
            "calls a method: there is none, use the filters {FILTERS}"
        )),
        ErrorKind::TooManyArguments => Some("gives a filter too many arguments".into()),
        ErrorKind::MissingArgument => Some("gives a filter too few arguments".into()),
        ErrorKind::TemplateNotFound | ErrorKind::BadInclude => {
            Some("includes another template: there is none".into())
        }
        ErrorKind::OutOfFuel => Some(TOO_MUCH.into()),
        _ => None,
    }
}

/// A document with unknown content: every path leads to it again, and as text it is `x`.
#[derive(Debug)]
struct Anything;

impl Object for Anything {
    fn get_value(self: &Arc<Self>, _: &Value) -> Option<Value> {
        Some(Value::from_object(Anything))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Empty
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("x")
    }
}

/// A stand-in for `credentials` that has every key and records which are used.
#[derive(Debug, Default)]
struct UsedCredentials(Mutex<RequestedKeys>);

#[derive(Debug, Default)]
struct RequestedKeys {
    keys: BTreeSet<String>,
    /// It was iterated or printed as a whole.
    listed: bool,
}

impl Object for UsedCredentials {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str() {
            Some(key) => lock(&self.0).keys.insert(key.to_owned()),
            None => std::mem::replace(&mut lock(&self.0).listed, true),
        };
        Some(Value::from("x"))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        lock(&self.0).listed = true;
        Enumerator::Empty
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        lock(&self.0).listed = true;
        f.write_str("x")
    }
}

fn trial_context(asked: &Arc<UsedCredentials>) -> Value {
    let text = || Value::from("x");
    Value::from(BTreeMap::from([
        ("access_token", text()),
        ("token_type", text()),
        ("expires_at", text()),
        ("scope", text()),
        ("dpop_key", text()),
        ("dpop_jwk", text()),
        ("response", Value::from_object(Anything)),
        ("credentials", Value::from_dyn_object(Arc::clone(asked))),
    ]))
}
