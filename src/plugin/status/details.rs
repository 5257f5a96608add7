//! The other inputs of the next token: the refresh token and its login, the client certificate, the client secret. Only
//! the metadata of Secrets is read.

#[cfg(test)]
mod tests;

use k8s_openapi::api::core::v1::Secret as ApiSecret;
use kube::ResourceExt as _;
use kube::api::PartialObjectMeta;
use serde::Serialize;

use crate::api::spec::OAuthClient;
use crate::api::{ExpiryStatus, OAuthClientStatus};
use crate::command::Command;
use crate::names::{ALLOWED_HOSTS_ANNOTATION, CREDENTIALS_LABEL};
use crate::plugin::cluster::{ApiOperation, CallFailure, Cluster, SECRETS};
use crate::plugin::login::LOGGED_IN;
use crate::plugin::status::moment::Moment;
use crate::policy::login_name;

/// All of them. The JSON form is stable.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Details {
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<RefreshToken>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_certificate: Option<ExpiryStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<ExpiryStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_key: Option<String>,
    #[serde(skip)]
    names: Names,
}

/// The refresh token of a resource.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct RefreshToken {
    state: RefreshTokenState,
    /// Its source; absent if that was not checked, or may not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Source>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    login: Option<Login>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum RefreshTokenState {
    InUse,
    Awaited,
    ReauthorizationRequired,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum Source {
    LoginSecret,
    CredentialsSecret,
    Password,
}

/// The login Secret, according to its metadata.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Login {
    secret: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    logged_in_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_hosts: Option<String>,
    /// Whether it has the label without which it is not used.
    #[serde(rename = "optedIn")]
    new_secret: bool,
}

/// Names for commands and sentences.
#[derive(Clone, Debug, Default, PartialEq)]
struct Names {
    namespace: String,
    name: String,
    credentials: Option<String>,
    refresh_token_key: String,
    next_secret_key: String,
    certificate: Option<String>,
}

impl Details {
    /// As the resource reports them.
    pub(super) fn of(resource: &OAuthClient, status: &OAuthClientStatus) -> Details {
        let spec = &resource.spec;
        let is_password = match (spec.grant.type_.as_str(), &spec.grant.password) {
            ("refresh_token", _) => Some(false),
            ("password", Some(password)) if password.use_refresh_token => Some(true),
            _ => None,
        };
        let says = |kind: &str, reason: &str| {
            let mut found = status.conditions.iter();
            found.any(|one| one.type_ == kind && one.status == "True" && one.reason == reason)
        };
        let state = if says("Stalled", "ReauthorizationRequired") {
            Some(RefreshTokenState::ReauthorizationRequired)
        } else if says("Reconciling", "AwaitingLogin") {
            Some(RefreshTokenState::Awaited)
        } else {
            let known = !status.conditions.is_empty();
            known.then_some(RefreshTokenState::InUse)
        };
        let ends = status.refresh_token.as_ref();
        let keys = spec.credentials.as_ref().map(|own| own.keys.clone());
        let keys = keys.unwrap_or_default();
        Details {
            refresh_token: is_password
                .zip(state)
                .map(|(is_password, state)| RefreshToken {
                    state,
                    source: is_password.then_some(Source::Password),
                    expiration_time: ends.map(|ends| ends.expiration_time.clone()),
                    login: None,
                }),
            client_certificate: status.client_certificate.clone(),
            client_secret: status.client_secret.clone(),
            client_secret_key: status.client_secret_key.clone(),
            names: Names {
                namespace: resource.namespace().unwrap_or_default(),
                name: resource.name_any(),
                credentials: spec.credentials.as_ref().map(|own| own.secret_name.clone()),
                refresh_token_key: keys.refresh_token,
                next_secret_key: keys.next_client_secret,
                certificate: spec.client_certificate_secret().map(str::to_owned),
            },
        }
    }

    /// Checks whether there is a login Secret. If that may not be read, nothing is reported.
    pub(super) async fn read_login(&mut self, cluster: &Cluster) {
        let Some(refresh_token) = &mut self.refresh_token else {
            return;
        };
        if refresh_token.source == Some(Source::Password) {
            return;
        }
        let name = login_name(&self.names.name);
        let operation = ApiOperation {
            verb: "get",
            resource: SECRETS,
            name: &name,
        };
        let api = cluster.api::<ApiSecret>();
        let found: Result<PartialObjectMeta<ApiSecret>, _> =
            cluster.call(operation, api.get_metadata(&name)).await;
        refresh_token.set_login(match found {
            Ok(found) => Some(Login::of(&found)),
            Err(CallFailure::NotThere) => None,
            Err(_) => return,
        });
    }

    /// For people: name and text of each line.
    pub(super) fn lines(&self, moment: Moment) -> Vec<(&'static str, String)> {
        let mut lines = Vec::new();
        if let Some(refresh_token) = &self.refresh_token {
            lines.push(("Refresh token", refresh_token.line(&self.names, moment)));
            let login = refresh_token.login.as_ref();
            lines.extend(login.map(|login| ("Login", login.line(&self.names, moment))));
        }
        if let Some(ends) = &self.client_certificate {
            let secret = self
                .names
                .certificate
                .as_deref()
                .unwrap_or("with the certificate");
            let renew = format!("put a new one into Secret {secret}");
            lines.push(("Certificate", line_of(ends, &renew, moment)));
        }
        let credentials = self.names.credentials.as_deref().unwrap_or_default();
        if let Some(ends) = &self.client_secret {
            let key = &self.names.next_secret_key;
            let renew = format!("put the next one into Secret {credentials} under {key}");
            lines.push(("Client secret", line_of(ends, &renew, moment)));
        }
        if let Some(key) = &self.client_secret_key {
            lines.push((
                "Client secret",
                format!("the provider accepts the one under {key} in Secret {credentials}"),
            ));
        }
        lines
    }
}

impl RefreshToken {
    /// The login Secret takes precedence over the credentials.
    fn set_login(&mut self, login: Option<Login>) {
        self.source = Some(match &login {
            Some(login) if login.new_secret => Source::LoginSecret,
            _ => Source::CredentialsSecret,
        });
        self.login = login;
    }

    fn line(&self, names: &Names, moment: Moment) -> String {
        let login = Command::kubectl(&["oauthclient", "login"])
            .value(&names.name)
            .namespace(&names.namespace);
        let from = match (self.source, &names.credentials) {
            (Some(Source::LoginSecret), _) => "from the login".to_owned(),
            (Some(Source::CredentialsSecret), Some(secret)) => {
                format!("from Secret {secret}, key {}", names.refresh_token_key)
            }
            (Some(Source::Password), _) => "from user name and password".to_owned(),
            _ => "in use".to_owned(),
        };
        match (self.state, &self.expiration_time) {
            (RefreshTokenState::Awaited, _) => format!("none yet. To get one: {login}"),
            (RefreshTokenState::ReauthorizationRequired, _) => {
                format!("no longer works ({from}). To get a new one: {login}")
            }
            (RefreshTokenState::InUse, None) => from,
            (RefreshTokenState::InUse, Some(time)) => {
                format!(
                    "{from}; expires {}, unless it is used before",
                    moment.of(time)
                )
            }
        }
    }
}

impl Login {
    fn of(found: &PartialObjectMeta<ApiSecret>) -> Login {
        let annotation = |name: &str| found.annotations().get(name).cloned();
        let label = found.labels().get(CREDENTIALS_LABEL);
        Login {
            secret: found.name_any(),
            logged_in_time: annotation(LOGGED_IN),
            allowed_hosts: annotation(ALLOWED_HOSTS_ANNOTATION),
            new_secret: label.map(String::as_str) == Some("true"),
        }
    }

    fn line(&self, names: &Names, moment: Moment) -> String {
        let mut line = format!("Secret {}", self.secret);
        if let Some(time) = &self.logged_in_time {
            line += &format!(", created {}", moment.of(time));
        }
        if let Some(hosts) = &self.allowed_hosts {
            line += &format!(", for {hosts}");
        }
        if !self.new_secret {
            line += &format!(
                "; not used, because it lacks the label. To let the operator use it: {}",
                Command::kubectl(&["label", "secret"])
                    .value(&self.secret)
                    .namespace(&names.namespace)
                    .pair(CREDENTIALS_LABEL, "true")
            );
        }
        line
    }
}

fn line_of(ends: &ExpiryStatus, renew: &str, moment: Moment) -> String {
    match (&ends.expiration_time, ends.state.as_str()) {
        (Some(time), "Valid") => format!("expires {}", moment.of(time)),
        (Some(time), "Expired") => format!("expired {}: {renew}", moment.of(time)),
        (Some(time), _) => format!("expires soon, {}: {renew}", moment.of(time)),
        (None, _) => "its expiry cannot be read".to_owned(),
    }
}
