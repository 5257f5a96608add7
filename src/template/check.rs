//! What cannot work in a template, found before any token is asked for.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, Value};
use minijinja::{Environment, Error, ErrorKind};

const VARIABLES: [&str; 6] = [
    "access_token",
    "token_type",
    "expires_at",
    "scope",
    "response",
    "credentials",
];
/// What is said of a template that uses up its budget with values of one letter.
pub(super) const TOO_MUCH: &str =
    "does more than a template may, whatever the answer holds: leave out what repeats or lengthens";
const FILTERS: &str = "b64encode, tojson, lower, upper, trim, default";

/// Finds what cannot work in a template, or the variables that it uses.
pub(super) fn check(
    environment: &Environment<'static>,
    source: &str,
) -> Result<Vec<String>, (usize, String)> {
    let template = environment
        .template_from_str(source)
        .map_err(|error| (error.line().unwrap_or(0), syntax_message(&error)))?;
    let top = template.undeclared_variables(false);
    let nested = template.undeclared_variables(true);
    if let Some(message) = unknown_variable(&top, &nested) {
        return Err((0, message));
    }
    // A trial with made-up values shows unknown filters and functions, on the way that it takes through the template.
    if let Err(error) = template.render(trial_context())
        && let Some(message) = static_message(&error)
    {
        return Err((error.line().unwrap_or(0), message));
    }
    Ok(top.into_iter().collect())
}

fn unknown_variable(top: &HashSet<String>, nested: &HashSet<String>) -> Option<String> {
    let mut unknown: Vec<&String> = top
        .iter()
        .filter(|name| !VARIABLES.contains(&name.as_str()))
        .collect();
    unknown.sort();
    if let Some(name) = unknown.first() {
        return Some(format!(
            "uses {name}, which is not there: use access_token, token_type, expires_at, scope, response, credentials.client_id \
             or credentials.username"
        ));
    }
    let mut foreign: Vec<&String> = nested
        .iter()
        .filter(|name| {
            name.strip_prefix("credentials.").is_some_and(|rest| {
                let first = rest.split('.').next().unwrap_or_default();
                !matches!(first, "client_id" | "username")
            })
        })
        .collect();
    foreign.sort();
    foreign.first().map(|name| {
        format!("uses {name}, which is not given out: only credentials.client_id and credentials.username are")
    })
}

fn syntax_message(error: &Error) -> String {
    // The details of a syntax error tell of the template's own text, which stands in the manifest for all to read.
    let detail = error.detail().unwrap_or("it cannot be read");
    format!("is not a valid template: {detail}")
}

/// The message of an error that no values can mend.
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

/// Stands for a document of which nothing is known: every path leads to it again, and as text it is `x`.
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

fn trial_context() -> Value {
    let text = || Value::from("x");
    Value::from(BTreeMap::from([
        ("access_token", text()),
        ("token_type", text()),
        ("expires_at", text()),
        ("scope", text()),
        ("response", Value::from_object(Anything)),
        (
            "credentials",
            Value::from(BTreeMap::from([
                ("client_id", text()),
                ("username", text()),
            ])),
        ),
    ]))
}
