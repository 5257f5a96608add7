//! The providers that the first users have, as behaviours.

mod clients;
mod others;

use std::collections::BTreeMap;
use std::str::FromStr;

use serde_json::json;

use super::Script;
use super::accepts::{Accepts, Authentication, BodyFormat, ParameterRule, Refusal, Refusals};
use super::behaviour::{Behaviour, Lifetime, Shape, TimeField, TimeOf, TimeUnit, Tokens, Written};

pub use others::{entra_federated, keycloak_exchange, saml_bearer};

/// One of the first four providers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// BarentsWatch: password and client credentials, secret in the body.
    BarentsWatch,
    /// Bokbasen: one cached token until 10 minutes are left, audience needed, form or JSON.
    Bokbasen,
    /// Kongsberg Vessel Insight on Entra v1: every time is a string, resource needed.
    Kongsberg,
    /// Feide / Dataporten: Basic, no `token_type`, opaque token, scope.
    Feide,
}

/// The lifetimes of the tokens of the presets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lifetimes {
    /// As the providers give them: hours and days.
    Real,
    /// 20 to 36 seconds each, Bokbasen's caching kept: a whole life can be watched within a minute.
    Short,
    /// The real ones times this factor.
    Scaled(f64),
}

impl FromStr for Lifetimes {
    type Err = String;

    fn from_str(text: &str) -> Result<Lifetimes, String> {
        match text {
            "real" => Ok(Lifetimes::Real),
            "short" => Ok(Lifetimes::Short),
            other => match other.parse() {
                Ok(factor) if factor > 0.0 => Ok(Lifetimes::Scaled(factor)),
                _ => Err("must be real, short, or a factor above 0 such as 0.001".to_owned()),
            },
        }
    }
}

impl Lifetimes {
    fn of(self, real: f64, short: f64) -> f64 {
        match self {
            Lifetimes::Real => real,
            Lifetimes::Short => short,
            Lifetimes::Scaled(factor) => real * factor,
        }
    }
}

impl Preset {
    /// All four.
    pub const ALL: [Preset; 4] = [
        Preset::BarentsWatch,
        Preset::Bokbasen,
        Preset::Kongsberg,
        Preset::Feide,
    ];

    /// Its short name, which is the first part of [`Preset::prefixed_path`].
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Preset::BarentsWatch => "barentswatch",
            Preset::Bokbasen => "bokbasen",
            Preset::Kongsberg => "kongsberg",
            Preset::Feide => "feide",
        }
    }

    /// The token endpoint's path at the real provider (Kongsberg: of the tenant `TENANT`).
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Preset::BarentsWatch => "/api/token",
            Preset::Bokbasen | Preset::Feide => "/oauth/token",
            Preset::Kongsberg => "/TENANT/oauth2/token",
        }
    }

    /// The path under the provider's name, so that all four fit on one server.
    #[must_use]
    pub fn prefixed_path(self) -> String {
        format!("/{}{}", self.name(), self.path())
    }

    /// What it does.
    #[must_use]
    pub fn behaviour(self, lifetimes: Lifetimes) -> Behaviour {
        let behaviour = match self {
            Preset::BarentsWatch => barentswatch(lifetimes),
            Preset::Bokbasen => bokbasen(lifetimes),
            Preset::Kongsberg => kongsberg(lifetimes),
            Preset::Feide => feide(lifetimes),
        };
        let tokens = Tokens {
            prefix: format!("{}-token", self.name()),
            ..Tokens::default()
        };
        let accepts = Accepts {
            clients: self.accounts(),
            ..behaviour.accepts
        };
        Behaviour {
            tokens,
            accepts,
            ..behaviour
        }
    }

    /// All four on one server, each under [`Preset::prefixed_path`].
    #[must_use]
    pub fn all_on_one(lifetimes: Lifetimes) -> Script {
        Preset::ALL
            .into_iter()
            .fold(Script::default(), |script, preset| {
                script.with(&preset.prefixed_path(), preset.behaviour(lifetimes))
            })
    }
}

fn barentswatch(lifetimes: Lifetimes) -> Behaviour {
    let password = Lifetime::Fixed {
        seconds: lifetimes.of(43199.0, 20.0),
    };
    Behaviour {
        accepts: Accepts {
            formats: vec![BodyFormat::Form],
            authentication: vec![Authentication::Post],
            grants: vec!["password".to_owned(), "client_credentials".to_owned()],
            refusals: Refusals {
                client: Refusal::new(400, "invalid_client"),
                ..Refusals::default()
            },
            ..Accepts::default()
        },
        lifetime: Lifetime::Fixed {
            seconds: lifetimes.of(604_800.0, 24.0),
        },
        lifetime_of_grant: BTreeMap::from([("password".to_owned(), password)]),
        shape: Shape {
            token_type: Some("bearer".to_owned()),
            ..Shape::default()
        },
        ..Behaviour::default()
    }
}

fn bokbasen(lifetimes: Lifetimes) -> Behaviour {
    let audience = ParameterRule {
        required: true,
        values: Vec::new(),
        missing: Some(Refusal::new(401, "invalid_request")),
        wrong: Some(Refusal::new(403, "access_denied")),
    };
    let malformed = Refusal::new(401, "invalid_request");
    Behaviour {
        accepts: Accepts {
            formats: vec![BodyFormat::Form, BodyFormat::Json],
            authentication: vec![Authentication::Post],
            grants: vec!["client_credentials".to_owned()],
            parameters: BTreeMap::from([("audience".to_owned(), audience)]),
            refusals: Refusals {
                malformed,
                ..Refusals::default()
            },
            ..Accepts::default()
        },
        lifetime: Lifetime::Cached {
            seconds: lifetimes.of(86400.0, 36.0),
            until_left: lifetimes.of(600.0, 18.0),
        },
        ..Behaviour::default()
    }
}

fn kongsberg(lifetimes: Lifetimes) -> Behaviour {
    let resource = ParameterRule {
        required: true,
        values: Vec::new(),
        missing: Some(Refusal::new(401, "invalid_resource")),
        wrong: Some(Refusal::new(401, "invalid_resource")),
    };
    let field = |pointer: &str, of, unit| TimeField {
        pointer: pointer.to_owned(),
        of,
        unit,
        written: Written::Text,
    };
    Behaviour {
        accepts: Accepts {
            formats: vec![BodyFormat::Form],
            authentication: vec![Authentication::Post],
            grants: vec!["client_credentials".to_owned()],
            parameters: BTreeMap::from([("resource".to_owned(), resource)]),
            refusals: Refusals {
                malformed: Refusal::new(401, "invalid_request"),
                grant: Refusal::new(401, "unsupported_grant_type"),
                ..Refusals::default()
            },
            ..Accepts::default()
        },
        lifetime: Lifetime::Fixed {
            seconds: lifetimes.of(3599.0, 20.0),
        },
        shape: Shape {
            times: vec![
                field("/expires_in", TimeOf::End, TimeUnit::Seconds),
                field("/ext_expires_in", TimeOf::End, TimeUnit::Seconds),
                field("/expires_on", TimeOf::End, TimeUnit::EpochSeconds),
                field("/not_before", TimeOf::Issue, TimeUnit::EpochSeconds),
            ],
            echo: vec!["resource".to_owned()],
            ..Shape::default()
        },
        ..Behaviour::default()
    }
}

fn feide(lifetimes: Lifetimes) -> Behaviour {
    let scopes = [
        "profile",
        "email",
        "openid",
        "groups",
        "userid",
        "gk_your-api",
    ]
    .map(str::to_owned)
    .to_vec();
    Behaviour {
        accepts: Accepts {
            formats: vec![BodyFormat::Form],
            authentication: vec![Authentication::Basic],
            grants: vec!["client_credentials".to_owned()],
            scopes,
            ..Accepts::default()
        },
        lifetime: Lifetime::Fixed {
            seconds: lifetimes.of(28799.0, 22.0),
        },
        shape: Shape {
            token_type: None,
            extra: [("scope".to_owned(), json!("profile"))]
                .into_iter()
                .collect(),
            echo: vec!["scope".to_owned()],
            ..Shape::default()
        },
        ..Behaviour::default()
    }
}
