//! The endpoints of a login: those of the resource, or those in its issuer's document.

use url::Url;

use crate::clock::Clock;
use crate::discovery::Discovery;
use crate::http::Sender;
use crate::oauth::Client;
use crate::plugin::problem::Problem;
use crate::plugin::target::Target;

/// The endpoints of a provider.
pub(super) struct Endpoints {
    pub(super) authorization: Option<Url>,
    pub(super) device: Option<Url>,
    /// Where the authorization request is pushed to, where the provider takes it so (RFC 9126).
    pub(super) pushed: Option<Url>,
    /// The issuer, if the resource names it.
    pub(super) issuer: Option<String>,
    /// It declares that its responses always contain the issuer.
    pub(super) issuer_promised: bool,
}

/// Finds them. Sets the token endpoint of `client` if it must be discovered. What the resource names takes precedence
/// over what is discovered.
pub(super) async fn find(
    target: &Target,
    client: &mut Client,
    sender: &Sender,
    clock: Clock,
) -> Result<Endpoints, Problem> {
    let provider = &target.resource.spec.provider;
    let mut endpoints = Endpoints {
        authorization: parsed(provider.authorization_url.as_ref(), "authorizationURL")?,
        device: parsed(
            provider.device_authorization_url.as_ref(),
            "deviceAuthorizationURL",
        )?,
        pushed: parsed(
            provider.pushed_authorization_url.as_ref(),
            "pushedAuthorizationURL",
        )?,
        issuer: None,
        issuer_promised: false,
    };
    let Some(located) = client.issuer.clone() else {
        return Ok(endpoints);
    };
    target.may_send_to(located.issuer.url())?;
    let metadata = Discovery::new(sender.clone(), clock, None)
        .get(
            &located.issuer,
            target.ca.clone(),
            target.spec.timeout.to_duration(),
        )
        .await
        .map_err(|failure| Problem::of(*failure.finding))?;
    client.locate(&metadata);
    let found = metadata.endpoints_for(client.shows_certificate);
    endpoints.authorization = endpoints.authorization.or(found.authorization);
    endpoints.device = endpoints.device.or(found.device_authorization);
    endpoints.pushed = endpoints
        .pushed
        .or_else(|| metadata.pushed_for(client.shows_certificate));
    if metadata.requires_pushed && endpoints.pushed.is_none() {
        return Err(Problem::new(
            "the provider takes pushed authorization requests alone (RFC 9126), and its document does not say where: set spec.provider.pushedAuthorizationURL",
        ));
    }
    endpoints.issuer = Some(located.issuer.text().to_owned());
    endpoints.issuer_promised = metadata.issuer_in_answers;
    Ok(endpoints)
}

fn parsed(text: Option<&String>, field: &str) -> Result<Option<Url>, Problem> {
    let Some(text) = text else {
        return Ok(None);
    };
    match Url::parse(text) {
        Ok(url) if url.has_host() => Ok(Some(url)),
        _ => Err(Problem::new(format!(
            "spec.provider.{field} is not a URL: look at its host and port"
        ))),
    }
}
