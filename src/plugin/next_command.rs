//! The next command for a reason. It is built from the reason and from names, never from a message.

use url::Url;

use super::target::host_of;
use crate::api::conditions::Reason;
use crate::api::spec::OAuthClient;
use crate::command::Command;
use crate::names::{ALLOWED_HOSTS_ANNOTATION, CREDENTIALS_LABEL};

/// The command to run for a resource with this reason; `None` if there is nothing to do.
pub(super) fn command(client: &OAuthClient, reason: &str) -> Option<Command> {
    let found = Reason::parse(reason)?;
    let names = Names::of(client);
    let command = match found {
        Reason::TokenValid | Reason::Recovered | Reason::Requesting => {
            return None;
        }
        Reason::Suspended => names.plugin(&["resume"]),
        Reason::AwaitingLogin
        | Reason::ReauthorizationRequired
        | Reason::NewRefreshTokenRefused => names.plugin(&["login"]),
        Reason::CredentialsNotFound => names
            .about_credentials(&["create"])?
            .fixed(&["--client-id", "ID", "--for"])
            .value(names.name),
        Reason::CredentialsNotLabelled => Command::kubectl(&["label", "secret"])
            .value(names.credentials?)
            .namespace(names.namespace)
            .pair(CREDENTIALS_LABEL, "true"),
        Reason::HostNotAllowed => names.allow_host(client)?,
        Reason::CredentialsKeyMissing | Reason::CredentialsKeyInvalid => {
            names.about_credentials(&["check"])?
        }
        Reason::InvalidClient | Reason::Unauthorized => {
            names.about_credentials(&["rotate"])?.fixed(&["--now"])
        }
        Reason::CANotFound | Reason::CAInvalid => {
            let bundle = client.spec.provider.ca_bundle.as_ref()?;
            Command::kubectl(&["get", "configmap"])
                .value(&bundle.config_map_name)
                .namespace(names.namespace)
                .fixed(&["-o", "yaml"])
        }
        Reason::ReferenceNotFound
        | Reason::ReferenceNotReady
        | Reason::ReferenceNotOptedIn
        | Reason::ReferenceKeyMissing
        | Reason::ReferenceCycle => {
            Command::kubectl(&["oauthclient", "status"]).namespace(names.namespace)
        }
        Reason::PermissionMissing => Command::kubectl(&["oauthclient", "doctor"]),
        Reason::SecretNotOwned
        | Reason::SecretContested
        | Reason::SecretTypeMismatch
        | Reason::SecretImmutable
        | Reason::Contested => Command::kubectl(&["describe", "secret"])
            .value(&client.spec.token_secret.name)
            .namespace(names.namespace),
        Reason::InvalidSpec | Reason::InvalidTemplate | Reason::RenderFailed => {
            Command::kubectl(&["edit", "oauthclients.oauthclient.dev"])
                .value(names.name)
                .namespace(names.namespace)
        }
        other => Command::kubectl(&["oauthclient", "explain"]).value(other.as_str()),
    };
    Some(command)
}

struct Names<'a> {
    namespace: &'a str,
    name: &'a str,
    credentials: Option<&'a str>,
}

impl<'a> Names<'a> {
    fn of(client: &'a OAuthClient) -> Names<'a> {
        let text = |text: &'a Option<String>| text.as_deref().unwrap_or_default();
        Names {
            namespace: text(&client.metadata.namespace),
            name: text(&client.metadata.name),
            credentials: client
                .spec
                .credentials
                .as_ref()
                .map(|own| own.secret_name.as_str()),
        }
    }

    fn plugin(&self, words: &[&'static str]) -> Command {
        Command::kubectl(&["oauthclient"])
            .fixed(words)
            .value(self.name)
            .namespace(self.namespace)
    }

    fn about_credentials(&self, words: &[&'static str]) -> Option<Command> {
        let command = Command::kubectl(&["oauthclient", "credentials"])
            .fixed(words)
            .value(self.credentials?)
            .namespace(self.namespace);
        Some(command)
    }

    fn allow_host(&self, client: &OAuthClient) -> Option<Command> {
        let provider = &client.spec.provider;
        let url = provider
            .token_url
            .as_ref()
            .or(provider.issuer_url.as_ref())?;
        let url = Url::parse(url).ok().filter(Url::has_host)?;
        let command = Command::kubectl(&["annotate", "secret"])
            .value(self.credentials?)
            .namespace(self.namespace)
            .fixed(&["--overwrite"])
            .pair(ALLOWED_HOSTS_ANNOTATION, &host_of(&url));
        Some(command)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn client(name: &str, secret: &str) -> OAuthClient {
        serde_json::from_value(json!({
            "apiVersion": "oauthclient.dev/v1alpha1", "kind": "OAuthClient",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"provider": {"tokenURL": "https://auth.example.com:8443/token"},
                     "credentials": {"secretName": secret}, "tokenSecret": {"name": "t"}},
        }))
        .unwrap()
    }

    #[test]
    fn each_reason_leads_to_a_command_about_this_resource() {
        let client = client("api", "api-client");
        let of = |reason: &str| command(&client, reason).unwrap().to_string();
        assert_eq!(
            of("ReauthorizationRequired"),
            "kubectl oauthclient login api -n shop"
        );
        assert_eq!(
            of("HostNotAllowed"),
            "kubectl annotate secret api-client -n shop --overwrite oauthclient.dev/allowed-hosts=auth.example.com:8443"
        );
        assert_eq!(of("RateLimited"), "kubectl oauthclient explain RateLimited");
        assert_eq!(command(&client, "TokenValid"), None);
        assert_eq!(command(&client, "nonsense; rm -rf /"), None);
    }

    #[test]
    fn a_hostile_name_stays_one_word() {
        let client = client("a; rm -rf ~", "$(id)");
        let login = command(&client, "AwaitingLogin").unwrap();
        let words = shlex::split(&login.to_string()).unwrap();
        assert_eq!(
            words,
            [
                "kubectl",
                "oauthclient",
                "login",
                "a; rm -rf ~",
                "-n",
                "shop"
            ]
        );
        let label = command(&client, "CredentialsNotLabelled").unwrap();
        assert!(
            shlex::split(&label.to_string())
                .unwrap()
                .contains(&"$(id)".to_owned())
        );
    }
}
