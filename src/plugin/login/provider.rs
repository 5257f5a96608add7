//! The provider of a login: its endpoints and the parameters to send.

use std::sync::Mutex;

use ring::rand::SystemRandom;
use url::Url;

use crate::clock::Clock;
use crate::http::{ProxySettings, Sender, SenderOptions};
use crate::messages::RequestFinding;
use crate::oauth::jwt::SigningKey;
use crate::oauth::login::{AuthorizationRequest, Proof, request_uri};
use crate::oauth::response::decode;
use crate::oauth::{Client, ClientAuthentication, ParameterValue, dpop};
use crate::plugin::args::LoginArgs;
use crate::plugin::login::secret_choice::SecretChoice;
use crate::plugin::problem::Problem;
use crate::plugin::target::Target;
use crate::secret::Secret;

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
    pub(super) secret_choice: SecretChoice,
    /// The key that the tokens are bound to (RFC 9449), where they are.
    pub(super) dpop: Option<Secret>,
    /// The nonce for proofs that the provider handed out last.
    pub(super) dpop_nonce: Mutex<Option<String>>,
    pub(super) sender: Sender,
    pub(super) clock: Clock,
}

/// Parameters of the authorization request that the login sets itself.
const RESERVED: [&str; 14] = [
    "request",
    "request_uri",
    "dpop_jkt",
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
            secret_choice: SecretChoice::first(&target, &client),
            dpop: target.dpop_key()?,
            dpop_nonce: Mutex::default(),
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
        let urls = self.refresh_token_urls();
        let mut hosts: Vec<String> = urls.map(|url| self.target.narrowest(url)).collect();
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
        let named = [
            ("prompt", login.prompt.clone()),
            ("login_hint", login.login_hint.clone()),
            ("max_age", login.max_age_seconds.map(|age| age.to_string())),
            (
                "acr_values",
                Some(login.acr_values.join(" ")).filter(|values| !values.is_empty()),
            ),
        ];
        for (name, value) in named {
            all.extend(value.map(|value| (name.to_owned(), value)));
        }
        all.retain(|(name, _)| !self.parameters.iter().any(|(other, _)| other == name));
        all.extend(self.parameters.iter().cloned());
        // The code is bound to the key as the token will be (RFC 9449 section 10).
        all.retain(|(name, _)| name != "dpop_jkt");
        all.extend(self.thumbprint().map(|jkt| ("dpop_jkt".to_owned(), jkt)));
        all
    }

    fn thumbprint(&self) -> Option<String> {
        let random = SystemRandom::new();
        let key = SigningKey::parse(self.dpop.as_ref()?.expose_bytes(), &random).ok()?;
        dpop::thumbprint(&key)
    }

    /// Pushes the authorization request to the provider, where it takes it so, and returns the URL to open (RFC 9126).
    pub(super) async fn opened(
        &self,
        request: &AuthorizationRequest<'_>,
        proof: &Proof,
    ) -> Result<Url, Problem> {
        let Some(endpoint) = &self.endpoints.pushed else {
            return Ok(request.url(proof));
        };
        self.target.may_send_to(endpoint)?;
        // What proves the client names it too, but for Basic.
        let basic = matches!(
            self.client.authentication,
            ClientAuthentication::ClientSecretBasic { .. }
        );
        let parameters: Vec<(String, Secret)> = request
            .pairs(proof)
            .into_iter()
            .filter(|(name, _)| basic || name != "client_id")
            .map(|(name, value)| (name, Secret::from(value)))
            .collect();
        let answer = self.ask_at(endpoint, &parameters).await?;
        if !matches!(answer.status, 200 | 201) {
            let error = decode(&self.client.response, &answer, self.clock.now()).err();
            let reason = error.map_or_else(
                || format!("HTTP {}", answer.status),
                |error| Problem::of(RequestFinding::answered(&error, &self.client)).message,
            );
            return Err(Problem::new(format!(
                "the provider did not take the authorization request ahead of the browser (RFC 9126): {reason}"
            )));
        }
        let uri = request_uri(&answer).map_err(|what| {
            Problem::new(format!(
                "the provider took the authorization request (RFC 9126), but its answer cannot be used: {what}"
            ))
        })?;
        Ok(request.pushed_url(&uri))
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
