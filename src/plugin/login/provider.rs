//! The provider of a login: its endpoints and the parameters to send.

use url::Url;

use crate::clock::Clock;
use crate::http::{ProxySettings, Sender, SenderOptions};
use crate::oauth::{Client, ClientAuthentication, ParameterValue};
use crate::plugin::args::LoginArgs;
use crate::plugin::login::turn::Turn;
use crate::plugin::problem::Problem;
use crate::plugin::target::{Target, host_of};

use super::endpoints::{self, Endpoints};

/// A provider with its endpoints.
pub(super) struct Provider {
    pub(super) target: Target,
    pub(super) client: Client,
    pub(super) client_id: String,
    pub(super) endpoints: Endpoints,
    /// Scopes from the flags.
    scopes: Vec<String>,
    /// Parameters from the flags.
    parameters: Vec<(String, String)>,
    /// Which of two client secrets is sent.
    pub(super) turn: Turn,
    pub(super) sender: Sender,
    pub(super) clock: Clock,
}

/// Parameters of the authorization request that the login sets itself.
const RESERVED: [&str; 11] = [
    "response_type",
    "response_mode",
    "client_id",
    "client_secret",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "password",
];

impl Provider {
    /// Finds the endpoints, and checks whether the credentials may be sent there.
    pub(super) async fn find(
        target: Target,
        args: &LoginArgs,
        clock: Clock,
    ) -> Result<Provider, Problem> {
        let guard = &args.guard;
        let sender = Sender::new(SenderOptions {
            allow_http: guard.allow_http,
            addresses: guard.addresses(),
            proxies: ProxySettings::from_environment(),
            ..SenderOptions::default()
        })
        .map_err(|error| Problem::new(error.to_string()))?;
        if matches!(
            target.spec.client.authentication,
            ClientAuthentication::ServiceAccountToken(_)
        ) {
            return Err(Problem::new(
                "a login cannot authenticate with a ServiceAccount's token: only the operator mints those. Log in with a resource whose clientAuthentication.method is another",
            ));
        }
        let client_id = target.client_id()?;
        let mut client = target.spec.client.clone();
        let endpoints = endpoints::find(&target, &mut client, &sender, clock.clone()).await?;
        let provider = Provider {
            client_id,
            endpoints,
            scopes: args.scope.clone(),
            parameters: flags(&args.parameter)?,
            turn: Turn::first(&target, &client),
            sender,
            clock,
            client,
            target,
        };
        for url in provider.refresh_token_urls() {
            provider.target.may_send_to(url)?;
        }
        Ok(provider)
    }

    /// The endpoints that get the refresh token, from this login or from the operator.
    fn refresh_token_urls(&self) -> impl Iterator<Item = &Url> {
        let refreshing = self.target.spec.refreshing.as_ref();
        let elsewhere = refreshing.and_then(|refreshing| refreshing.url.as_ref());
        [&self.client.token_url].into_iter().chain(elsewhere)
    }

    /// The hosts that the refresh token may be sent to, in the form of the annotation for allowed hosts.
    pub(super) fn allowed_hosts(&self) -> String {
        let mut hosts: Vec<String> = self.refresh_token_urls().map(host_of).collect();
        hosts.dedup();
        hosts.join(",")
    }

    /// The authorization endpoint.
    pub(super) fn authorization_endpoint(&self) -> Result<&Url, Problem> {
        self.endpoints.authorization.as_ref().ok_or_else(|| {
            Problem::new(
                "the authorization endpoint is unknown: set spec.provider.authorizationURL (or spec.provider.issuerURL instead of tokenURL, if the provider has a discovery document), or use --device",
            )
        })
    }

    /// The device authorization endpoint.
    pub(super) fn device_endpoint(&self) -> Result<&Url, Problem> {
        let endpoint = self.endpoints.device.as_ref().ok_or_else(|| {
            Problem::new(
                "the device authorization endpoint is unknown: set spec.provider.deviceAuthorizationURL (or spec.provider.issuerURL instead of tokenURL, if the provider has a discovery document), or log in without --device",
            )
        })?;
        self.target.may_send_to(endpoint)?;
        Ok(endpoint)
    }

    /// The scopes to request, with the provider's separator.
    pub(super) fn scope(&self) -> String {
        let login = self.target.login();
        let mut scopes: Vec<&str> = Vec::new();
        let all = self
            .client
            .scopes
            .iter()
            .chain(&login.scopes)
            .chain(&self.scopes);
        for scope in all {
            if !scopes.contains(&scope.as_str()) {
                scopes.push(scope);
            }
        }
        scopes.join(&self.client.scope_separator)
    }

    /// Additional parameters of the authorization request: `resource` and `audience` of the token request (RFC 8707
    /// section 2.1), those of the resource's login, and those from flags, which override others of the same name.
    pub(super) fn parameters(&self) -> Vec<(String, String)> {
        let login = self.target.login();
        let of_login = login
            .parameters
            .iter()
            .map(|parameter| (parameter.name.clone(), parameter.value.clone()));
        let mut all: Vec<(String, String)> = Vec::new();
        for parameter in &self.client.parameters {
            let name = parameter.name.as_str();
            if let ("resource" | "audience", ParameterValue::Fixed(value)) =
                (name, &parameter.value)
                && !login.parameters.iter().any(|other| other.name == name)
            {
                all.push((name.to_owned(), value.clone()));
            }
        }
        all.extend(of_login);
        all.retain(|(name, _)| !self.parameters.iter().any(|(other, _)| other == name));
        all.extend(self.parameters.iter().cloned());
        all
    }
}

fn flags(texts: &[String]) -> Result<Vec<(String, String)>, Problem> {
    texts
        .iter()
        .map(|text| {
            let (name, value) = text.split_once('=').ok_or_else(|| {
                Problem::new(format!("--parameter {text} is not NAME=VALUE"))
            })?;
            if RESERVED.contains(&name) || name.is_empty() {
                return Err(Problem::new(format!(
                    "--parameter {name} is set by the login itself: remove it (scopes go into --scope)"
                )));
            }
            Ok((name.to_owned(), value.to_owned()))
        })
        .collect()
}
