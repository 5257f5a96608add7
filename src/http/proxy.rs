//! Proxies from the environment. The administrator chooses them, so they are exempt from the address rules.

use hyper_util::client::proxy::matcher::Matcher;
use thiserror::Error;

/// Which requests use a proxy.
#[derive(Clone, Default)]
pub struct ProxySettings {
    /// Proxy for `http` endpoints: an `http://` or `https://` URL, which may contain user name and password.
    pub http: Option<String>,
    /// Proxy for `https` endpoints, used with CONNECT.
    pub https: Option<String>,
    /// Hosts, domains and address ranges that need no proxy, separated by commas; `*` means all.
    pub no_proxy: String,
}

/// The URL of a proxy is invalid. It is not shown, because it may contain a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "the proxy in {variable} cannot be used: give a URL such as http://proxy.example:3128 (SOCKS is not supported)"
)]
pub struct BadProxy {
    /// The environment variable with the URL.
    pub variable: &'static str,
}

impl ProxySettings {
    /// The usual variables, upper case before lower case: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` for both, and
    /// `NO_PROXY`. An empty value counts as not set.
    pub fn from_environment() -> Self {
        ProxySettings::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(read: impl Fn(&str) -> Option<String>) -> Self {
        let first = |name: &str| {
            let value = read(name).filter(|value| !value.is_empty());
            value
                .or_else(|| read(&name.to_ascii_lowercase()))
                .filter(|value| !value.is_empty())
        };
        let all = first("ALL_PROXY");
        ProxySettings {
            http: first("HTTP_PROXY").or_else(|| all.clone()),
            https: first("HTTPS_PROXY").or(all),
            no_proxy: first("NO_PROXY").unwrap_or_default(),
        }
    }

    /// Checks the proxies.
    ///
    /// # Errors
    /// [`BadProxy`], also for SOCKS: a client that silently ignored a proxy would dial directly, without the address
    /// check.
    pub(super) fn check(&self) -> Result<(), BadProxy> {
        for (variable, url) in [("HTTP_PROXY", &self.http), ("HTTPS_PROXY", &self.https)] {
            if url.as_deref().is_some_and(|url| !is_usable(url)) {
                return Err(BadProxy { variable });
            }
        }
        Ok(())
    }

    /// Decides which requests use a proxy.
    pub(super) fn matcher(&self) -> Matcher {
        Matcher::builder()
            .http(self.http.clone().unwrap_or_default())
            .https(self.https.clone().unwrap_or_default())
            .no(self.no_proxy.clone())
            .build()
    }
}

/// The proxy's URL; the default scheme is `http`.
fn is_usable(text: &str) -> bool {
    let text = match text.contains("://") {
        true => text.to_owned(),
        false => format!("http://{text}"),
    };
    let url = text.parse::<url::Url>();
    url.is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> ProxySettings {
        ProxySettings::from_variables(|name| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    fn goes_through(settings: &ProxySettings, url: &str) -> bool {
        settings
            .matcher()
            .intercept(&url.parse().unwrap())
            .is_some()
    }

    #[test]
    fn the_usual_variables_decide() {
        let none = settings(&[("HTTPS_PROXY", "")]);
        assert!(!goes_through(&none, "https://a.example/"));
        let https = settings(&[
            ("https_proxy", "proxy:3128"),
            ("NO_PROXY", "corp.example,10.0.0.0/8"),
        ]);
        assert!(goes_through(&https, "https://a.example/"));
        assert!(!goes_through(&https, "http://a.example/"));
        assert!(!goes_through(&https, "https://x.corp.example/"));
        assert!(!goes_through(&https, "https://10.1.2.3/"));
        let all = settings(&[("ALL_PROXY", "http://proxy:3128"), ("NO_PROXY", "*")]);
        assert!(!goes_through(&all, "https://a.example/"));
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_said_so_and_its_password_is_not() {
        for url in [
            "socks5://kari:hunter2@proxy:1080",
            "http://",
            "ftp://proxy",
            "http://pro xy",
        ] {
            let problem = settings(&[("HTTPS_PROXY", url)]).check().unwrap_err();
            assert_eq!(
                problem,
                BadProxy {
                    variable: "HTTPS_PROXY"
                },
                "{url}"
            );
            assert!(!problem.to_string().contains("hunter2"));
        }
        assert!(
            settings(&[
                ("HTTPS_PROXY", "proxy:3128"),
                ("HTTP_PROXY", "http://u:p@proxy")
            ])
            .check()
            .is_ok()
        );
    }
}
