//! The only place that decides whether a request may be sent.

use url::Url;

use super::lender::{LenderRefusal, Lenders};
use crate::oauth::HttpRequest;

/// A request that all its lenders allow to be sent to its URL. Only [`authorize`] creates one, and the HTTP client
/// accepts nothing else.
///
/// ```compile_fail
/// use oauthclient_core::oauth::HttpRequest;
/// use oauthclient_core::trust::{AuthorizedRequest, Lenders};
///
/// fn forged(request: &HttpRequest) -> AuthorizedRequest<'_> {
///     let url = "https://evil.example/".parse().unwrap();
///     AuthorizedRequest { request, url, lenders: Lenders::none() }
/// }
/// ```
pub struct AuthorizedRequest<'r> {
    request: &'r HttpRequest,
    url: Url,
    lenders: Lenders,
}

/// Why a request may not be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unauthorized {
    /// Its URL cannot be parsed.
    BadUrl,
    /// A lender does not allow it.
    Refused(Box<LenderRefusal>),
}

/// Authorizes a request, and the client certificate that is used with it (`shown`: its lenders).
///
/// # Errors
/// [`Unauthorized`], with nothing of the request except host, port and path.
pub fn authorize<'r>(
    request: &'r HttpRequest,
    shown: &Lenders,
) -> Result<AuthorizedRequest<'r>, Unauthorized> {
    let url = request.url.expose().and_then(|text| Url::parse(text).ok());
    let url = url.ok_or(Unauthorized::BadUrl)?;
    let lenders = request.lenders.clone().union(shown);
    match lenders.permit(&url) {
        Ok(()) => Ok(AuthorizedRequest {
            request,
            url,
            lenders,
        }),
        Err(refusal) => Err(Unauthorized::Refused(refusal)),
    }
}

impl AuthorizedRequest<'_> {
    /// The request.
    pub fn request(&self) -> &HttpRequest {
        self.request
    }

    /// The authorized URL: nothing else may be dialled.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Whether a client certificate with these lenders may be used with it.
    pub fn may_show(&self, shown: &Lenders) -> bool {
        shown.are_among(&self.lenders)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::oauth::Method;
    use crate::secret::Secret;
    use crate::trust::{AllowedHosts, Lender, LenderKind};

    /// An entry with its meaning, independent of the parser under test.
    #[derive(Clone, Debug)]
    struct Listed {
        host: usize,
        below: bool,
        port: Option<u16>,
        segment: Option<&'static str>,
    }

    const DOMAINS: [&str; 4] = ["a.example", "b.a.example", "c.example", "ca.example"];
    const SEGMENTS: [&str; 3] = ["oauth", "oauthx", "token"];
    /// Attempts to escape a prefix in a URL.
    const TRICKS: [&str; 9] = [
        "",
        "..",
        "%2e%2e",
        "..%2f",
        "..\\",
        "..;",
        ".%2E",
        "%252e%252e%252f",
        "%5c",
    ];

    fn listed() -> impl Strategy<Value = Listed> {
        (
            0..DOMAINS.len(),
            any::<bool>(),
            prop::option::of(prop::sample::select(vec![443_u16, 8443])),
            prop::option::of(prop::sample::select(SEGMENTS.to_vec())),
        )
            .prop_map(|(host, below, port, segment)| Listed {
                host,
                below,
                port,
                segment,
            })
    }

    fn text(list: &[Listed]) -> String {
        let words = list.iter().map(|entry| {
            let star = if entry.below { "*." } else { "" };
            let port = entry.port.map_or(String::new(), |port| format!(":{port}"));
            let path = entry
                .segment
                .map_or(String::new(), |one| format!("/{one}/"));
            format!("{star}{}{port}{path}", DOMAINS[entry.host])
        });
        words.collect::<Vec<_>>().join(", ")
    }

    /// The meaning of a list for a destination.
    fn means(list: &[Listed], host: &str, port: u16, path: &str) -> bool {
        list.iter().any(|entry| {
            let name = DOMAINS[entry.host];
            let host_fits = match entry.below {
                true => host.ends_with(&format!(".{name}")),
                false => host == name,
            };
            let path_fits = entry.segment.is_none_or(|segment| {
                let mut all = path.trim_start_matches('/').split('/');
                path.starts_with('/') && !path.starts_with("//") && all.next() == Some(segment)
            });
            host_fits && entry.port.is_none_or(|one| one == port) && path_fits
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        /// For all lists and URLs: every authorized URL is in every lender's list.
        #[test]
        fn nothing_is_authorized_outside_of_any_lenders_list(
            lists in prop::collection::vec(prop::collection::vec(listed(), 0..4), 0..4),
            shown in prop::collection::vec(listed(), 1..3),
            certificate in any::<bool>(),
            host in 0..DOMAINS.len(),
            upper in any::<bool>(),
            dot in any::<bool>(),
            port in prop::option::of(prop::sample::select(vec![443_u16, 8443])),
            path in prop::collection::vec(
                prop_oneof![
                    prop::sample::select(SEGMENTS.to_vec()),
                    prop::sample::select(TRICKS.to_vec()),
                ],
                0..5,
            ),
        ) {
            let lender = |name: String, list: &[Listed]| Lender {
                kind: LenderKind::Secret,
                name,
                audience: None,
                uid: String::new(),
                hosts: AllowedHosts::parse(&text(list)),
                token_hosts: AllowedHosts::any(),
                obtained: false,
                repeated: false,
            };
            let held: Lenders = lists
                .iter()
                .enumerate()
                .map(|(number, list)| lender(number.to_string(), list))
                .collect();
            let shown_by: Lenders = certificate
                .then(|| lender("certificate".into(), &shown))
                .into_iter()
                .collect();
            let name = DOMAINS[host];
            let written = if upper { name.to_uppercase() } else { name.to_owned() };
            let url = format!(
                "https://{written}{}{}/{}",
                if dot { "." } else { "" },
                port.map_or(String::new(), |port| format!(":{port}")),
                path.join("/"),
            );
            let request = HttpRequest {
                method: Method::Post,
                url: Secret::from(url.as_str()),
                headers: Vec::new(),
                body: Secret::new(Vec::new()),
                secrets: crate::oauth::SentSecrets::default(),
                lenders: held,
            };
            if let Ok(authorized) = authorize(&request, &shown_by) {
                let sent = authorized.url();
                prop_assert_eq!(sent.host_str().map(|host| host.trim_end_matches('.')), Some(name));
                let port = sent.port_or_known_default().unwrap();
                let mut all: Vec<&[Listed]> = lists.iter().map(Vec::as_slice).collect();
                if certificate {
                    all.push(&shown);
                }
                for list in all {
                    prop_assert!(means(list, name, port, sent.path()), "{} {}", url, text(list));
                    // Nor does a server that decodes the path, or resolves it again, reach another place.
                    if list.iter().all(|entry| entry.segment.is_some()) {
                        let path = sent.path().to_ascii_lowercase();
                        for trick in ["..", "%2e", "%2f", "%5c", "\\"] {
                            prop_assert!(!path.contains(trick), "{}", url);
                        }
                    }
                }
                prop_assert!(authorized.may_show(&shown_by));
            }
        }
    }

    #[test]
    fn what_is_shown_must_have_been_authorized() {
        let request = HttpRequest {
            method: Method::Post,
            url: "https://a.example/".into(),
            headers: Vec::new(),
            body: Secret::new(Vec::new()),
            secrets: crate::oauth::SentSecrets::default(),
            lenders: Lenders::none(),
        };
        let shown: Lenders = [Lender {
            kind: LenderKind::Secret,
            name: "certificate".into(),
            audience: None,
            uid: String::new(),
            hosts: AllowedHosts::any(),
            token_hosts: AllowedHosts::any(),
            obtained: false,
            repeated: false,
        }]
        .into_iter()
        .collect();
        let authorized = authorize(&request, &Lenders::none()).ok().unwrap();
        assert!(authorized.may_show(&Lenders::none()));
        assert!(!authorized.may_show(&shown));
    }
}
