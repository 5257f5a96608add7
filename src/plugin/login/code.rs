//! Authorization code with PKCE over a loopback redirect (RFC 6749 section 4.1, RFC 7636, RFC 8252, RFC 9207).

use std::io::ErrorKind;
use std::sync::Arc;

use ring::rand::{SecureRandom, SystemRandom};
use tokio::time::timeout;
use url::Url;
use zeroize::Zeroizing;

use crate::command::Command;
use crate::oauth::login::redirect::{Expected, Redirect, read};
use crate::oauth::login::{AUTHORIZATION_CODE, AuthorizationRequest, Proof, check_id_token};
use crate::oauth::response;
use crate::plugin::args::LoginArgs;
use crate::plugin::login::consent::Consent;
use crate::plugin::output::{self, Storing};
use crate::plugin::problem::Problem;
use crate::plugin::target::Target;
use crate::secret::Secret;
use crate::time::Span;

use super::loopback::{Loopback, ReceivedRequest, RedirectParser};
use super::page::{Kind, Page};
use super::provider::Provider;
use super::redirect::RedirectUri;
use super::send::refused;
use super::store::StoredLogin;
use super::{browser, consent};

/// A login that waits for its redirect.
pub(super) struct Started {
    /// The URL to open.
    pub(super) url: Url,
    listener: Loopback,
    proof: Arc<Proof>,
    /// Whether the response must contain an ID token.
    wants_id_token: bool,
}

/// Starts to listen, and builds the URL to open.
pub(super) async fn start(provider: &Provider, args: &LoginArgs) -> Result<Started, Problem> {
    let endpoint = provider.authorization_endpoint()?.clone();
    let login = provider.target.login();
    let redirect = RedirectUri::choose(args, login.redirect_uri.as_deref())?;
    let address = redirect.address();
    let proof = Arc::new(proof()?);
    let parse_redirect = parse_redirect(provider, Arc::clone(&proof), endpoint.clone());
    let listener = Loopback::listen(redirect, parse_redirect)
        .await
        .map_err(|error| cannot_listen(address, &error))?;
    let parameters = provider.parameters();
    let scope = provider.scope();
    let request = AuthorizationRequest {
        endpoint: &endpoint,
        client_id: &provider.client_id,
        redirect_uri: &listener.uri,
        scope: &scope,
        parameters: &parameters,
    };
    Ok(Started {
        url: provider.opened(&request, &proof).await?,
        wants_id_token: request.wants_id_token(),
        listener,
        proof,
    })
}

/// Waits for the redirect. Returns the listener, to show the result.
pub(super) async fn finish(
    provider: &Provider,
    started: Started,
    patience: Span,
    storing: &Storing,
) -> (Loopback, Result<Consent, Problem>) {
    let mut listener = started.listener;
    let exchanged = match wait(&mut listener, patience).await {
        Ok(code) => {
            storing.begin();
            let nonce = started
                .wants_id_token
                .then_some(started.proof.nonce.as_str());
            exchange(provider, code, &listener.uri, &started.proof, nonce).await
        }
        Err(problem) => Err(problem),
    };
    (listener, exchanged)
}

fn proof() -> Result<Proof, Problem> {
    let mut random = Zeroizing::new([0; 96]);
    SystemRandom::new()
        .fill(random.as_mut_slice())
        .map_err(|_| Problem::new("the system gives no random numbers"))?;
    Ok(Proof::new(&random))
}

fn parse_redirect(provider: &Provider, proof: Arc<Proof>, endpoint: url::Url) -> RedirectParser {
    let issuer = provider.endpoints.issuer.clone();
    let issuer_promised = provider.endpoints.issuer_promised;
    Box::new(move |query| {
        let expected = Expected {
            state: &proof.state,
            issuer: issuer.as_deref(),
            issuer_promised,
            endpoint: &endpoint,
        };
        read(query, &expected)
    })
}

fn cannot_listen(address: std::net::SocketAddr, error: &std::io::Error) -> Problem {
    let why = match error.kind() {
        ErrorKind::AddrInUse => format!(
            "{address} is in use by another program (perhaps by a login that still waits): end that, or listen elsewhere with --listen 127.0.0.1:PORT, if the provider accepts another port"
        ),
        ErrorKind::PermissionDenied => format!(
            "you may not listen on {address}: ports below 1024 are often reserved; choose another with --listen 127.0.0.1:PORT and register it at the provider"
        ),
        _ => format!("cannot listen on {address}: {error}"),
    };
    Problem::new(why)
}

/// Prints what to do, and opens the browser if requested.
pub(super) async fn show_instructions(started: &Started, args: &LoginArgs, patience: Span) {
    let (url, uri) = (started.url.as_str(), &started.listener.uri);
    output::line("Open this address in a browser and log in:");
    output::line(&format!("\n  {url}\n"));
    if args.no_browser {
        output::line(&format!(
            "The browser must be able to reach {uri}, where the answer comes; from another machine: ssh -L PORT:127.0.0.1:PORT."
        ));
    } else if browser::open(url).await {
        output::line("It is being opened in your browser.");
    } else {
        output::line("No browser could be opened: open the address yourself.");
    }
    output::line(&format!(
        "Waiting for the answer at {uri} for up to {patience}. To stop, press Ctrl-C."
    ));
}

/// Waits for the redirect of this login; others are reported and ignored.
async fn wait(listener: &mut Loopback, patience: Span) -> Result<Secret, Problem> {
    let answer = async {
        let mut reported = false;
        loop {
            match listener.next_request().await? {
                ReceivedRequest::Answer(redirect) => return Some(redirect),
                ReceivedRequest::Foreign if reported => {}
                ReceivedRequest::Foreign => {
                    reported = true;
                    output::line(
                        "An answer came that is not for this login (from an earlier try?); it was ignored. Still waiting.",
                    );
                }
            }
        }
    };
    let redirect = timeout(patience.to_duration(), answer)
        .await
        .map_err(|_| {
            Problem::new(format!(
                "no answer came within {patience}. Log in again; --timeout-seconds waits longer. If the browser showed an error of the provider, the redirect URI {} is probably not registered for the client",
                listener.uri
            ))
        })?
        .ok_or_else(|| Problem::new("the listener for the answer ended"))?;
    match redirect {
        Redirect::Code(code) => Ok(code),
        Redirect::Refused(refusal) => Err(Problem::new(refusal.explain())),
        Redirect::OtherIssuer => Err(Problem::new(
            "the response names another issuer (RFC 9207), so its code was not used: this may be a mix-up attack. If the provider's issuer has another host, set spec.provider.issuerURL instead of tokenURL",
        )),
        Redirect::Foreign | Redirect::Malformed => Err(Problem::new(
            "the provider's answer cannot be understood: it has neither one code nor one error. Log in again",
        )),
    }
}

/// Exchanges the code (RFC 6749 section 4.1.3, RFC 7636 section 4.5), once, because it is valid once.
async fn exchange(
    provider: &Provider,
    code: Secret,
    redirect_uri: &str,
    proof: &Proof,
    nonce: Option<&str>,
) -> Result<Consent, Problem> {
    let own = [
        ("code", code),
        ("redirect_uri", redirect_uri.into()),
        ("code_verifier", proof.verifier.clone()),
    ];
    let asked = provider.ask_token(AUTHORIZATION_CODE, &own);
    let answer = output::progress(output::PROVIDER, asked)
        .await
        .map_err(|why| {
            Problem::new(format!("{}. Then log in again", Problem::from(why).message))
        })?;
    let now = provider.clock.now();
    let token = response::decode(&provider.client.response, &answer, now)
        .map_err(|error| refused(&error, &provider.client))?;
    if let Some(nonce) = nonce {
        let issuer = provider.endpoints.issuer.as_deref();
        check_id_token(&token.document.0, nonce, &provider.client_id, issuer).map_err(|what| {
            Problem::new(format!(
                "the token endpoint answered with success, but {what}, so nothing was stored: log in again"
            ))
        })?;
    }
    consent(provider, &token.document)
}

/// The page after a successful login.
pub(super) fn done(target: &Target, stored: &StoredLogin) -> Page {
    let name = &target.name;
    let result = format!(
        "The refresh token for `{name}` was stored in `{}`.",
        stored.place
    );
    let next = if stored.in_folder {
        "You can close this window. `oauthclient-operator local` picks it up within about a second."
            .to_owned()
    } else {
        format!(
            "You can close this window. In the terminal, `{}` shows when the first token is there.",
            Command::kubectl(&["oauthclient", "status"])
                .value(name)
                .namespace(&target.namespace)
        )
    };
    Page::new(Kind::Done, "You are logged in", &[&result, &next])
}

/// The page after a failed login.
pub(super) fn failed(problem: &Problem) -> Page {
    let mut what = problem.message.clone();
    if let Some(first) = what.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    if !what.ends_with('.') {
        what.push('.');
    }
    Page::new(
        Kind::Failed,
        "You are not logged in",
        &[
            &what.replace('`', "'"),
            "Nothing was stored. You can close this window; the terminal says the same.",
        ],
    )
}
