//! Device authorization (RFC 8628): a code to enter on another device, and polling until that happens.

use tokio::time::sleep;

use crate::http::Peer;
use crate::messages::RequestFinding;
use crate::oauth::Token;
use crate::oauth::login::DEVICE_CODE;
use crate::oauth::login::device::{DeviceCode, Poll, PollInterval, decode, polled};
use crate::plugin::login::consent::Consent;
use crate::plugin::output::{self, Storing};
use crate::plugin::problem::Problem;
use crate::secret::Secret;
use crate::time::Span;

use super::provider::Provider;
use super::send::refused;
use super::{consent, qr};

/// Requests a code, shows it, polls.
pub(super) async fn run(
    provider: &Provider,
    patience: Span,
    storing: &Storing,
) -> Result<Consent, Problem> {
    let code = ask(provider).await?;
    let patience = patience.min(code.life);
    show(&code, patience);
    let token = poll(provider, &code, patience).await?;
    storing.begin();
    consent(provider, &token.document)
}

async fn ask(provider: &Provider) -> Result<DeviceCode, Problem> {
    let endpoint = provider.device_endpoint()?;
    let mut parameters: Vec<(String, Secret)> = Vec::new();
    let scope = provider.scope();
    if !scope.is_empty() {
        parameters.push(("scope".to_owned(), scope.as_str().into()));
    }
    for (name, value) in provider.parameters() {
        parameters.push((name, value.as_str().into()));
    }
    let asked = provider.ask_at(endpoint, &parameters);
    let answer = output::progress(output::PROVIDER, asked).await?;
    decode(&answer, provider.clock.now()).map_err(|error| {
        let peer = Peer::TOKEN_ENDPOINT.named("device authorization endpoint");
        let finding = RequestFinding::answered_by(peer, &error, &provider.client);
        Problem::new(format!("No device code. {}", Problem::of(finding).message))
    })
}

fn show(code: &DeviceCode, patience: Span) {
    output::line("On any device, open this address:");
    output::line(&format!("\n  {}\n", code.verification_uri));
    output::line(&format!("and type this code:\n\n  {}\n", code.user_code));
    if let Some(complete) = &code.verification_uri_complete {
        output::line(&format!("Or open both in one: {complete}\n"));
    }
    // Only on a terminal, because nobody could scan it from a pipe or a file.
    let address = code.verification_uri_complete.as_ref();
    let address = address.unwrap_or(&code.verification_uri);
    if let Some(drawn) = output::width().and_then(|width| qr::of(address.as_str(), width)) {
        output::line(&format!("Or point a phone at this:\n\n{drawn}\n"));
    }
    output::line(&format!(
        "Waiting for up to {patience}. To stop, press Ctrl-C."
    ));
}

async fn poll(provider: &Provider, code: &DeviceCode, patience: Span) -> Result<Token, Problem> {
    let own = [("device_code", code.code.clone())];
    let mut pace = PollInterval::new(code.interval);
    let begun = provider.clock.elapsed();
    loop {
        // Only between polls: one in flight may return the token.
        let pause = pace.pause().to_duration();
        let waited = provider.clock.elapsed().saturating_sub(begun);
        if waited + pause > patience.to_duration() {
            return Err(Problem::new(format!(
                "the code was not entered within {patience}: run the command again for a new one"
            )));
        }
        sleep(pause).await;
        let poll = match provider.ask_token(DEVICE_CODE, &own).await {
            Ok(answer) => polled(&provider.client.response, &answer, provider.clock.now()),
            Err(why) if why.may_pass() => Poll::Unavailable,
            Err(why) => return Err(why.into()),
        };
        match poll {
            Poll::Granted(token) => return Ok(*token),
            Poll::Pending => {}
            Poll::SlowDown => pace = pace.slower(),
            Poll::Unavailable => pace = pace.backed_off(),
            Poll::Denied => {
                return Err(Problem::new(
                    "The provider answered access_denied: consent was declined, or this account may not use the client. Nothing was stored",
                ));
            }
            Poll::Expired => {
                return Err(Problem::new(
                    "The provider answered expired_token: the code was not typed in time. Run the command again for a new one",
                ));
            }
            Poll::Failed(error) => return Err(refused(&error, &provider.client)),
        }
    }
}
