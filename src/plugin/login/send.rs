//! Sends the requests of a login, once each, with the client authentication of token requests. If the provider refuses
//! the first of two client secrets, it uses the second.

use std::sync::MutexGuard;

use url::Url;

use crate::http::{ClientIdentity, Peer, Route, SendError};
use crate::lock::lock;
use crate::messages::{Audience, Finding, RequestFinding};
use crate::oauth::dpop::{self, ProofKey};
use crate::oauth::error::TokenError;
use crate::oauth::login::device::{Poll, polled};
use crate::oauth::login::token_request;
use crate::oauth::request::build_call;
use crate::oauth::{
    Client, CredentialsProblem, FailureClass, HttpAnswer, HttpRequest, RequestContext,
};
use crate::plugin::problem::Problem;
use crate::secret::Secret;
use crate::trust::{Lenders, authorize};

use super::provider::Provider;

/// Why there is no response.
pub(super) enum SendFailure {
    /// The request could not be sent.
    Unasked(Problem),
    /// The request was sent, and no response arrived.
    Unsent(SendError),
}

impl SendFailure {
    /// Whether the failure may be temporary.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, SendFailure::Unsent(error) if error.class() == FailureClass::Transient)
    }
}

/// The message of a login: its flags are those of this program, not the operator's.
impl From<SendFailure> for Problem {
    fn from(unanswered: SendFailure) -> Problem {
        match unanswered {
            SendFailure::Unasked(problem) => problem,
            SendFailure::Unsent(error) => {
                let peer = Peer::TOKEN_ENDPOINT.with_own_flags();
                Problem::of(RequestFinding::NotAnswered { error, peer })
            }
        }
    }
}

impl Provider {
    /// Sends the grant of a login to the token endpoint.
    pub(super) async fn ask_token(
        &self,
        grant: &str,
        own: &[(&str, Secret)],
    ) -> Result<HttpAnswer, SendFailure> {
        self.ask(|client, context| {
            token_request(client, &self.target.credentials, grant, own, context)
        })
        .await
    }

    /// Sends a request to another endpoint.
    pub(super) async fn ask_at(
        &self,
        endpoint: &Url,
        parameters: &[(String, Secret)],
    ) -> Result<HttpAnswer, SendFailure> {
        self.ask(|client, context| {
            let parameters = parameters.to_vec();
            let credentials = &self.target.credentials;
            // The parameters of a login are not secret.
            let parameters = (parameters, &Lenders::none());
            build_call(client, endpoint, parameters, credentials, context)
        })
        .await
    }

    /// Sends a request. If the client is refused and there is a second client secret, sends it once more with that.
    /// This does not use up a code, because the client is checked before the code (RFC 6749 section 4.1.3).
    async fn ask(
        &self,
        build: impl Fn(&Client, &RequestContext<'_>) -> Result<HttpRequest, CredentialsProblem>,
    ) -> Result<HttpAnswer, SendFailure> {
        let once = async || {
            let nonce = self.clock.nonce();
            let mut context = RequestContext::new(self.clock.now(), &nonce);
            context.dpop = self.dpop.as_ref().map(|key| ProofKey {
                key: key.clone(),
                nonce: self.nonce().clone(),
            });
            let request = build(&self.secret_choice.client(&self.client), &context)
                .map_err(|problem| SendFailure::Unasked(self.credentials_problem(&problem)))?;
            let answer = self.send(&request).await.map_err(SendFailure::Unsent)?;
            if let Some(nonce) = dpop::nonce(&answer) {
                *self.nonce() = Some(nonce);
            }
            Ok::<_, SendFailure>(answer)
        };
        let send = async || {
            let answer = once().await?;
            // A server hands out its nonce by refusing once: nothing of the request was used up (RFC 9449 section 8).
            match dpop::asked_for(&answer) {
                Some(_) if self.dpop.is_some() => once().await,
                _ => Ok::<_, SendFailure>(answer),
            }
        };
        let first = send().await?;
        if !self.is_refused(&first) || !self.secret_choice.switch() {
            return Ok(first);
        }
        let second = send().await?;
        if self.is_refused(&second) {
            // Both were refused: the next request starts like this one.
            self.secret_choice.switch();
        }
        Ok(second)
    }

    fn nonce(&self) -> MutexGuard<'_, Option<String>> {
        lock(&self.dpop_nonce)
    }

    /// Whether a response refuses the client, whatever it requested.
    fn is_refused(&self, answer: &HttpAnswer) -> bool {
        match polled(&self.client.response, answer, self.clock.now()) {
            Poll::Failed(error) => matches!(error.reason(), "InvalidClient" | "Unauthorized"),
            // Other errors of a poll with status 401 are not about the client.
            _ => false,
        }
    }

    async fn send(&self, request: &HttpRequest) -> Result<HttpAnswer, SendError> {
        let route = Route {
            ca: self.target.ca.clone(),
            identity: self.target.identity.clone(),
            timeout: self.target.spec.timeout.to_duration(),
        };
        let shown = route.identity.as_ref().map(ClientIdentity::lenders);
        // The lender that does not allow it was reported before: see `Target::may_send_to`.
        let request = authorize(request, &shown.cloned().unwrap_or_default())
            .map_err(|_| SendError::BadUrl)?;
        self.sender.send(&request, &route).await
    }

    fn credentials_problem(&self, problem: &CredentialsProblem) -> Problem {
        match &self.target.spec.credentials_secret {
            Some(secret) => Problem::new(format!("Secret {secret} cannot be used: {problem}")),
            None => Problem::new(problem.to_string()),
        }
    }
}

/// The message of a login for a refusal by the token endpoint.
pub(super) fn refused(error: &TokenError, client: &Client) -> Problem {
    let finding = Finding::from(RequestFinding::answered(error, client));
    let explanation = finding.explain(Audience::Cluster);
    let happened = explanation.happened().clone();
    Problem::new(match error.reason() {
        "InvalidGrant" => format!(
            "{happened} The code had ended or was used already, or the provider compares another redirect URI: log in again"
        ),
        "UnusableResponse" => format!("{happened} Nothing was stored: log in again"),
        _ => explanation.message().to_string(),
    })
}
