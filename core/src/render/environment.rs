//! The template engine, and the filters of templates.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};

/// The budget of one rendering: an instruction costs one, 64 bytes of data about one.
pub(crate) const FUEL: u64 = 200_000;

/// The language: six filters and nothing else.
pub(crate) fn environment() -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    environment.add_filter("b64encode", b64encode);
    environment.add_filter("tojson", tojson);
    environment.add_filter("lower", minijinja::filters::lower);
    environment.add_filter("upper", minijinja::filters::upper);
    environment.add_filter("trim", minijinja::filters::trim);
    environment.add_filter("default", minijinja::filters::default);
    environment
}

pub(crate) fn b64encode(value: Cow<'_, str>) -> String {
    STANDARD.encode(value.as_bytes())
}

/// Plain JSON. Not the engine's filter, which also escapes for HTML.
pub(crate) fn tojson(value: &Value) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|_| Error::from(ErrorKind::BadSerialization))
}
