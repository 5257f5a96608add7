//! The provider as one login sees it: where it is, what is asked for, and how requests are sent to it.

use url::Url;

use super::endpoints::{self, Endpoints};
use crate::clock::Clock;
use crate::http::{ProxySettings, Route, Sender, SenderOptions};
use crate::oauth::error::TokenError;
use crate::oauth::login::token_request;
use crate::oauth::request::build_call;
use crate::oauth::{
    Client, ClientAuthentication, CredentialsProblem, HttpAnswer, HttpRequest, Ingredients,
    ParameterValue,
};
use crate::plugin::Problem;
use crate::plugin::args::LoginArgs;
use crate::plugin::target::Target;
use crate::secret::Secret;

/// A provider, ready to be asked.
pub(super) struct Provider {
    pub(super) target: Target,
    pub(super) client: Client,
    pub(super) client_id: String,
    pub(super) endpoints: Endpoints,
    /// Scopes that the flags ask for.
    scopes: Vec<String>,
    /// Parameters that the flags ask for.
    parameters: Vec<(String, String)>,
    sender: Sender,
    pub(super) clock: Clock,
}

/// What a parameter of the authorization request may not be called: the login sets it.
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
    /// Finds the endpoints and whether the credentials may be sent there.
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
            sender,
            clock,
            client,
            target,
        };
        provider.target.may_send_to(&provider.client.token_url)?;
        Ok(provider)
    }

    /// The endpoint that the browser is sent to.
    pub(super) fn authorization_endpoint(&self) -> Result<&Url, Problem> {
        self.endpoints.authorization.as_ref().ok_or_else(|| {
            Problem::new(
                "it is not known where to log in: set spec.provider.authorizationURL (or spec.provider.issuerURL in place of tokenURL, if the provider has a discovery document), or use --device",
            )
        })
    }

    /// The endpoint that hands out device codes.
    pub(super) fn device_endpoint(&self) -> Result<&Url, Problem> {
        let endpoint = self.endpoints.device.as_ref().ok_or_else(|| {
            Problem::new(
                "it is not known where to get a device code: set spec.provider.deviceAuthorizationURL (or spec.provider.issuerURL in place of tokenURL, if the provider has a discovery document), or log in without --device",
            )
        })?;
        self.target.may_send_to(endpoint)?;
        Ok(endpoint)
    }

    /// The scopes to ask for, joined as the provider wants them.
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

    /// Further parameters of the authorization request: `resource` and `audience` of the token request (RFC 8707 section
    /// 2.1), those of the resource's login, and those of the flags, which take the place of others of their name.
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

    /// A request to the token endpoint with the grant of a login.
    pub(super) fn token_request(
        &self,
        grant: &str,
        own: &[(&str, Secret)],
    ) -> Result<HttpRequest, Problem> {
        let chance = self.clock.chance();
        let ingredients = Ingredients::new(self.clock.now(), &chance);
        token_request(
            &self.client,
            &self.target.credentials,
            grant,
            own,
            &ingredients,
        )
        .map_err(|problem| self.credentials_problem(&problem))
    }

    /// A request to another endpoint, authenticated as the client's token requests are.
    pub(super) fn call(
        &self,
        endpoint: &Url,
        parameters: Vec<(String, Secret)>,
    ) -> Result<HttpRequest, Problem> {
        let chance = self.clock.chance();
        let ingredients = Ingredients::new(self.clock.now(), &chance);
        build_call(
            &self.client,
            endpoint,
            parameters,
            &self.target.credentials,
            &ingredients,
        )
        .map_err(|problem| self.credentials_problem(&problem))
    }

    /// Sends once.
    pub(super) async fn send(
        &self,
        request: &HttpRequest,
    ) -> Result<HttpAnswer, crate::http::SendError> {
        let route = Route {
            ca: self.target.ca.clone(),
            identity: self.target.identity.clone(),
            timeout: self.target.spec.timeout.to_duration(),
        };
        self.sender.send(request, &route).await
    }

    fn credentials_problem(&self, problem: &CredentialsProblem) -> Problem {
        match &self.target.spec.credentials_secret {
            Some(secret) => Problem::new(format!("Secret {secret} cannot be used: {problem}")),
            None => Problem::new(problem.to_string()),
        }
    }
}

/// Why no answer came, in the words of a login: its flags are this program's, not the operator's.
pub(super) fn unsent(error: &crate::http::SendError) -> Problem {
    Problem::new(error.explain().replace("start the operator with", "give"))
}

/// A refusal of the token endpoint, in the words of a login.
pub(super) fn refused(error: &TokenError) -> Problem {
    let message = error.explain();
    Problem::new(match error.reason() {
        "InvalidGrant" => format!(
            "{error}. The code had ended or was used already, or the provider compares another redirect URI: log in again"
        ),
        "UnusableResponse" => format!("{error}. Nothing was stored: log in again"),
        _ => message,
    })
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
