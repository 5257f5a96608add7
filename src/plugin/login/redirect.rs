//! The redirect URI on the loopback interface of this machine (RFC 8252 section 7.3).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::plugin::args::LoginArgs;
use crate::plugin::problem::Problem;

/// A redirect URI, with or without its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RedirectUri {
    /// Unchanged: `127.0.0.1`, `[::1]` or `localhost`.
    host: String,
    port: Option<u16>,
    /// Unchanged: the empty path and `/` are the same to a browser, but not to a provider that compares text.
    path: String,
}

const USUAL_PATH: &str = "/callback";

impl RedirectUri {
    /// From the flags and the resource.
    pub(super) fn choose(args: &LoginArgs, of_resource: Option<&str>) -> Result<Self, Problem> {
        let mut chosen = match of_resource {
            Some(uri) => RedirectUri::parse(uri).ok_or_else(|| {
                Problem::new("spec.login.redirectURI is not a loopback redirect such as http://127.0.0.1:8400/callback")
            })?,
            None => RedirectUri {
                host: "127.0.0.1".to_owned(),
                port: None,
                path: USUAL_PATH.to_owned(),
            },
        };
        if let Some(listen) = &args.listen {
            let (host, port) = authority(listen).filter(|(_, port)| port.is_some()).ok_or_else(|| {
                Problem::new(format!(
                    "--listen {listen} is not an address on this machine: write 127.0.0.1:8400, [::1]:8400 or localhost:8400, with the port that is registered at the provider"
                ))
            })?;
            chosen.host = host.to_owned();
            chosen.port = port.filter(|port| *port != 0);
        }
        if let Some(path) = &args.redirect_path {
            let fits = path.starts_with('/')
                && path
                    .bytes()
                    .all(|b| b.is_ascii_graphic() && !b"?#\\".contains(&b));
            if !fits {
                return Err(Problem::new(format!(
                    "--redirect-path {path} is not a path: begin it with / and leave out query and fragment"
                )));
            }
            chosen.path.clone_from(path);
        }
        Ok(chosen)
    }

    fn parse(uri: &str) -> Option<Self> {
        let rest = uri.strip_prefix("http://")?;
        let (before, path) = rest.split_at_checked(rest.find('/').unwrap_or(rest.len()))?;
        let (host, port) = authority(before)?;
        Some(RedirectUri {
            host: host.to_owned(),
            port,
            path: path.to_owned(),
        })
    }

    /// The address to listen on; port 0 selects a free one.
    pub(super) fn address(&self) -> SocketAddr {
        let host = match self.host.as_str() {
            "[::1]" => IpAddr::V6(Ipv6Addr::LOCALHOST),
            _ => IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        SocketAddr::new(host, self.port.unwrap_or(0))
    }

    /// The URI to send, when the port is known.
    pub(super) fn uri(&self, port: u16) -> String {
        format!("http://{}:{port}{}", self.host, self.path)
    }

    /// The path that a browser requests.
    pub(super) fn path(&self) -> &str {
        match self.path.as_str() {
            "" => "/",
            path => path,
        }
    }

    /// Whether a `Host` header is ours. Another page whose name points here (DNS rebinding) sends its own.
    pub(super) fn is_host(&self, header: &str, port: u16) -> bool {
        header.eq_ignore_ascii_case(&format!("{}:{port}", self.host))
            || (port == 80 && header.eq_ignore_ascii_case(&self.host))
    }
}

/// Host and port, if the host is this machine's loopback interface.
fn authority(text: &str) -> Option<(&str, Option<u16>)> {
    let host = ["127.0.0.1", "localhost", "[::1]"]
        .into_iter()
        .find(|host| text.starts_with(host))?;
    match text.get(host.len()..)? {
        "" => Some((host, None)),
        rest => {
            let port = rest.strip_prefix(':')?.parse().ok()?;
            Some((host, Some(port)))
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::plugin::args::{Command, Plugin};

    fn choose(flags: &[&str], of_resource: Option<&str>) -> Result<RedirectUri, Problem> {
        let all = ["kubectl-oauthclient", "login", "x"]
            .into_iter()
            .chain(flags.iter().copied());
        let Command::Login(args) = Plugin::try_parse_from(all).unwrap().command else {
            panic!("not login");
        };
        RedirectUri::choose(&args, of_resource)
    }

    #[test]
    fn the_uri_is_sent_exactly_as_it_is_registered() {
        for (flags, resource, uri) in [
            (&[][..], None, "http://127.0.0.1:999/callback"),
            (
                &["--listen", "127.0.0.1:8400"],
                None,
                "http://127.0.0.1:8400/callback",
            ),
            (
                &["--listen", "[::1]:8400", "--redirect-path", "/"],
                None,
                "http://[::1]:8400/",
            ),
            (&[], Some("http://localhost:8400"), "http://localhost:8400"),
            (
                &[],
                Some("http://127.0.0.1/a/b"),
                "http://127.0.0.1:999/a/b",
            ),
            (
                &["--listen", "localhost:1"],
                Some("http://127.0.0.1:8400/a"),
                "http://localhost:1/a",
            ),
        ] {
            let chosen = choose(flags, resource).unwrap();
            let port = match chosen.address().port() {
                0 => 999,
                port => port,
            };
            assert_eq!(chosen.uri(port), uri, "{flags:?} {resource:?}");
        }
    }

    #[test]
    fn other_addresses_than_loopback_are_refused() {
        for listen in [
            "0.0.0.0:80",
            "192.0.2.1:80",
            "127.0.0.1",
            "127.0.0.1.example:1",
            "localhost:x",
        ] {
            assert!(choose(&["--listen", listen], None).is_err(), "{listen}");
        }
        assert!(choose(&["--redirect-path", "callback"], None).is_err());
        assert!(choose(&["--redirect-path", "/a?b"], None).is_err());
    }

    #[test]
    fn a_name_that_was_pointed_here_is_not_our_host() {
        let chosen = choose(&["--listen", "127.0.0.1:8400"], None).unwrap();
        assert!(chosen.is_host("127.0.0.1:8400", 8400));
        for host in ["evil.example:8400", "127.0.0.1", "127.0.0.1:8401", ""] {
            assert!(!chosen.is_host(host, 8400), "{host}");
        }
    }
}
