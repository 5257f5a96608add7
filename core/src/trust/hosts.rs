//! The hosts that the owner of a secret allows: the lists in `oauthclient.dev/allowed-hosts` and `allowed-token-hosts`.
//!
//! A list is a number of entries, separated by commas or white space. An entry is `host`, `host:port` or `*.domain`
//! (optionally with a port), each with an optional path prefix: `api.example.com/oauth/`. A host without a port stands for
//! every port of it, an entry without a path for every path. An entry that cannot be parsed allows nothing.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::path;

/// The longest list that is read. A longer one allows nothing: lists are stored with what is obtained under them.
const LONGEST_LIST: usize = 2048;

/// Where a secret may be sent. Several lists restrict each other: each must allow a URL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
pub struct AllowedHosts(Vec<HostList>);

/// One list, as its owner wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct HostList {
    text: String,
    entries: Vec<Entry>,
    unreadable: Vec<String>,
}

/// A parsed entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    host: Pattern,
    port: Option<u16>,
    /// The segments of the path prefix, decoded; empty stands for every path.
    prefix: Vec<Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    /// This host, as a URL writes it.
    Exact(String),
    /// Every host below this domain.
    Below(String),
}

/// The list that does not allow a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotListed {
    /// The list as its owner wrote it.
    pub list: String,
    /// Its entries that cannot be parsed.
    pub unreadable: Vec<String>,
    /// What the list would have to hold: host, port where it is not the scheme's own, and path where the list names paths.
    pub destination: String,
}

impl AllowedHosts {
    /// No restriction.
    pub const fn any() -> AllowedHosts {
        AllowedHosts(Vec::new())
    }

    /// Nothing at all: the owner names no hosts, though the operator requires it.
    pub fn nothing() -> AllowedHosts {
        AllowedHosts::parse("")
    }

    /// Reads a list. What cannot be parsed allows nothing.
    pub fn parse(text: &str) -> AllowedHosts {
        AllowedHosts(vec![HostList::parse(text)])
    }

    /// What both allow.
    #[must_use]
    pub fn restricted_to(&self, other: &AllowedHosts) -> AllowedHosts {
        let mut lists = self.0.clone();
        for list in &other.0 {
            if !lists.contains(list) {
                lists.push(list.clone());
            }
        }
        AllowedHosts(lists)
    }

    /// Whether there is no restriction.
    pub fn is_any(&self) -> bool {
        self.0.is_empty()
    }

    /// An entry for `url` and what is beside it: with the longest path prefix by which one of these lists allows it. What is
    /// obtained under these lists is kept to it.
    pub fn narrowest(&self, url: &Url) -> String {
        let paths = self.0.iter().filter_map(|list| list.path_to(url));
        let longest = paths.max_by_key(String::len).unwrap_or_default();
        destination(url) + &longest
    }

    /// Whether every list allows `url`.
    ///
    /// # Errors
    /// The first list that does not.
    pub fn permit(&self, url: &Url) -> Result<(), NotListed> {
        match self.0.iter().find(|list| !list.allows(url)) {
            None => Ok(()),
            Some(list) => Err(NotListed {
                list: list.text.clone(),
                unreadable: list.unreadable.clone(),
                destination: list.destination(url),
            }),
        }
    }
}

impl From<Vec<String>> for AllowedHosts {
    fn from(texts: Vec<String>) -> Self {
        AllowedHosts(texts.iter().map(|text| HostList::parse(text)).collect())
    }
}

impl From<AllowedHosts> for Vec<String> {
    fn from(hosts: AllowedHosts) -> Self {
        hosts.0.into_iter().map(|list| list.text).collect()
    }
}

impl fmt::Display for AllowedHosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<&str> = self.0.iter().map(|list| list.text.as_str()).collect();
        f.write_str(&texts.join(" and "))
    }
}

impl HostList {
    fn parse(text: &str) -> HostList {
        let mut list = HostList {
            text: text.trim().to_owned(),
            entries: Vec::new(),
            unreadable: Vec::new(),
        };
        if list.text.len() > LONGEST_LIST {
            list.text = String::new();
            list.unreadable
                .push(format!("(longer than {LONGEST_LIST} bytes)"));
            return list;
        }
        for word in text.split(|c: char| c == ',' || c.is_whitespace()) {
            match (word, Entry::parse(word)) {
                ("", _) => {}
                (_, Some(entry)) => list.entries.push(entry),
                (word, None) => list.unreadable.push(word.to_owned()),
            }
        }
        list
    }

    fn allows(&self, url: &Url) -> bool {
        self.entries.iter().any(|entry| entry.allows(url))
    }

    /// The part of the URL's path that is the prefix of the entry by which it is allowed; `None` where an entry allows every
    /// path.
    fn path_to(&self, url: &Url) -> Option<String> {
        let allowing = self.entries.iter().filter(|entry| entry.allows(url));
        let segments = allowing.map(|entry| entry.prefix.len()).min()?;
        let path = url.path().strip_prefix('/')?;
        let prefix: Vec<&str> = path.split('/').take(segments).collect();
        (segments > 0).then(|| format!("/{}", prefix.join("/").replace(',', "%2C")))
    }

    fn destination(&self, url: &Url) -> String {
        let mut text = destination(url);
        if self.entries.iter().any(|entry| !entry.prefix.is_empty()) {
            // What the path of a URL may hold, and what would begin another entry.
            text.push_str(&url.path().replace(',', "%2C"));
        }
        text
    }
}

/// The host of a URL as a list names it: with the port, where it is not the scheme's own. It is one entry, whatever the URL
/// holds: people add it to a list by a command that a message suggests. A host that no list can name becomes an entry that
/// allows nothing.
pub fn destination(url: &Url) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    let host: String = url
        .host_str()
        .unwrap_or_default()
        .bytes()
        .map(|byte| match is_plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host,
    }
}

impl Entry {
    fn parse(word: &str) -> Option<Entry> {
        let (authority, prefix) = match word.split_once('/') {
            Some((authority, path)) => (authority, path::prefix(path)?),
            None => (word, Vec::new()),
        };
        let (host, port) = split_port(authority)?;
        let host = match host.strip_prefix("*.") {
            Some(domain) => match parse_host(domain)? {
                Host::Domain(domain) => Pattern::Below(domain),
                _ => return None,
            },
            None => Pattern::Exact(parse_host(host)?.to_string()),
        };
        Some(Entry { host, port, prefix })
    }

    fn allows(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else {
            return false;
        };
        let host = host.trim_end_matches('.');
        let host_fits = match &self.host {
            Pattern::Exact(allowed) => host == allowed,
            // An address is below no domain.
            Pattern::Below(domain) => {
                matches!(url.host(), Some(Host::Domain(_)))
                    && host
                        .strip_suffix(domain.as_str())
                        .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
        };
        let port_fits = self.port.is_none() || self.port == url.port_or_known_default();
        host_fits
            && port_fits
            && (self.prefix.is_empty() || path::is_below(url.path(), &self.prefix))
    }
}

/// Host and port of an entry; the brackets of an IPv6 address stay.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let after_address = authority.rfind(']').map_or(0, |at| at + 1);
    match authority.get(after_address..)?.find(':') {
        None => Some((authority, None)),
        Some(at) => {
            let (host, port) = authority.split_at_checked(after_address + at)?;
            let port = port.strip_prefix(':')?;
            let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
            let port = port.parse().ok().filter(|_| digits)?;
            Some((host, Some(port)))
        }
    }
}

/// A host as a URL holds it: lower case, in its ASCII form, without a trailing dot.
fn parse_host(text: &str) -> Option<Host<String>> {
    // What has a meaning in a URL is no part of a host, whatever a parser makes of it.
    let odd = |c: char| c.is_ascii_control() || "@?#\\%*".contains(c);
    let text = text.strip_suffix('.').unwrap_or(text);
    if text.is_empty() || text.contains(odd) {
        return None;
    }
    Host::parse(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(list: &str, url: &str) -> bool {
        let url = Url::parse(url).unwrap();
        AllowedHosts::parse(list).permit(&url).is_ok()
    }

    #[test]
    fn a_host_is_allowed_by_name_by_port_and_below_a_domain() {
        for (list, url) in [
            ("auth.example.com", "https://auth.example.com/token"),
            (
                "a.example, AUTH.example.com.",
                "https://auth.example.com:8443/token",
            ),
            (
                "auth.example.com:8443",
                "https://auth.example.com:8443/token",
            ),
            ("auth.example.com:443", "https://auth.example.com/token"),
            ("auth.example.com", "https://auth.example.com./token"),
            ("*.example.com", "https://a.b.example.com/"),
            ("*.example.com:8443", "https://a.example.com:8443/"),
            ("[::1]:8443", "https://[::1]:8443/"),
            ("[::1]", "https://[::1]:9/"),
            ("127.0.0.1:1", "https://127.0.0.1:1/"),
            ("b\u{fc}cher.example", "https://xn--bcher-kva.example/"),
            ("a.example\n\tb.example", "https://b.example/"),
        ] {
            assert!(allowed(list, url), "{list} {url}");
        }
        for (list, url) in [
            (
                "auth.example.com:443",
                "https://auth.example.com:8443/token",
            ),
            ("*.example.com", "https://example.com/"),
            ("*.example.com", "https://evilexample.com/"),
            ("*.example.com", "https://.example.com/"),
            ("example.com", "https://auth.example.com/"),
            ("127.0.0.1:1", "https://127.0.0.1:2/"),
            ("*.0.0.1", "https://127.0.0.1/"),
            ("*.", "https://example.com/"),
            ("*", "https://example.com/"),
            ("", "https://example.com/"),
        ] {
            assert!(!allowed(list, url), "{list} {url}");
        }
    }

    #[test]
    fn what_cannot_be_parsed_allows_nothing_and_is_named() {
        for entry in [
            "https://example.com",
            "example.com:port",
            "example.com:",
            "example.com:99999",
            "user@example.com",
            "example.com/a%2fb",
            "example.com/../a",
            "*.*.com",
            "*example.com",
            "*.127.0.0.1",
        ] {
            let list = AllowedHosts::parse(&format!("a.example {entry}"));
            let refused = list
                .permit(&Url::parse("https://example.com/a").unwrap())
                .unwrap_err();
            assert_eq!(refused.unreadable, [entry]);
            assert!(
                list.permit(&Url::parse("https://a.example/").unwrap())
                    .is_ok()
            );
        }
        let long = "a.example ".repeat(1000);
        assert!(!allowed(&long, "https://a.example/"));
    }

    #[test]
    fn a_path_prefix_is_compared_by_segment() {
        for (list, url) in [
            ("a.example/oauth", "https://a.example/oauth"),
            ("a.example/oauth/", "https://a.example/oauth/token"),
            ("a.example/oauth/", "https://a.example/oauth"),
            ("a.example/", "https://a.example/anything"),
            ("a.example:8443/x/y", "https://a.example:8443/x/y/z?q=..%2f"),
            ("a.example/caf%C3%A9", "https://a.example/caf\u{e9}/token"),
            ("a.example/oauth", "https://a.example/admin/../oauth/token"),
        ] {
            assert!(allowed(list, url), "{list} {url}");
        }
        for url in [
            "https://a.example/oauthx",
            "https://a.example/",
            "https://a.example/OAuth/token",
            "https://a.example/x/oauth",
            "https://a.example//oauth/token",
            "https://a.example/oauth/../admin",
            "https://a.example/oauth/%2e%2e/admin",
            "https://a.example/oauth/.%2E/admin",
            "https://a.example/oauth/%2e%2e%2fadmin",
            "https://a.example/oauth/%252e%252e%252fadmin",
            "https://a.example/oauth/..%5cadmin",
            "https://a.example/oauth\\..\\admin",
            "https://a.example/oauth/..;/admin",
            "https://a.example/oauth/..;x=1/admin",
            "https://a.example/oauth/%2e%2e;/admin",
            "https://a.example/oauth/a%2fb",
            "https://a.example/oauth/a%00b",
            "https://a.example/oauth/%c0%ae%c0%ae/admin",
            "https://a.example/oauth/%u002e%u002e/admin",
            "https://a.example/oauth/%25252525252e%25252525252e/admin",
            "https://a.example/oauth/\u{ff0e}\u{ff0e}/admin",
            "https://a.example/oauth/..\u{2215}admin",
            "https://b.example/oauth/token",
        ] {
            assert!(!allowed("a.example/oauth", url), "{url}");
        }
    }

    #[test]
    fn several_lists_restrict_each_other_and_survive_being_stored() {
        let both = AllowedHosts::parse("a.example b.example")
            .restricted_to(&AllowedHosts::parse("b.example c.example"));
        let url = |host: &str| Url::parse(&format!("https://{host}/")).unwrap();
        assert!(both.permit(&url("b.example")).is_ok());
        assert!(both.permit(&url("a.example")).is_err());
        assert!(both.permit(&url("c.example")).is_err());
        assert!(AllowedHosts::any().permit(&url("a.example")).is_ok());
        assert!(AllowedHosts::nothing().permit(&url("a.example")).is_err());
        let stored = serde_json::to_string(&both).unwrap();
        assert_eq!(serde_json::from_str::<AllowedHosts>(&stored).unwrap(), both);
    }

    #[test]
    fn what_a_refusal_names_adds_one_entry_to_a_list_and_no_other_host() {
        for url in [
            "https://a.example/x,evil.example/",
            "https://a.example/x,*.evil.example/y",
            "https://a.example:8443/,evil.example",
            "https://a,evil.example/t",
            "https://a.example,evil.example:8443/x/t",
            "https://x;id;x.example/x/t",
        ] {
            let url = Url::parse(url).unwrap();
            for list in ["b.example", "b.example/oauth/"] {
                let refused = AllowedHosts::parse(list).permit(&url).unwrap_err();
                let longer = AllowedHosts::parse(&format!("{list},{}", refused.destination));
                for host in [
                    "evil.example",
                    "a.evil.example",
                    "a",
                    "a.example,evil.example",
                ] {
                    let Ok(evil) = Url::parse(&format!("https://{host}/evil.example")) else {
                        continue;
                    };
                    assert!(longer.permit(&evil).is_err(), "{url} {list} {host}");
                }
                let is_listable = url.host_str() == Some("a.example");
                assert_eq!(longer.permit(&url).is_ok(), is_listable, "{url} {list}");
            }
        }
    }

    #[test]
    fn what_is_obtained_under_a_list_is_kept_to_its_path() {
        let url = Url::parse("https://a.example:8443/oauth/x/token?q").unwrap();
        for (lists, entry) in [
            (&["a.example"][..], "a.example:8443"),
            (&["a.example/oauth/"], "a.example:8443/oauth"),
            (&["a.example/oauth/, a.example"], "a.example:8443"),
            (&["*.b a.example:8443/oauth/x"], "a.example:8443/oauth/x"),
            (&["a.example/oauth/", "a.example"], "a.example:8443/oauth"),
            (&[], "a.example:8443"),
        ] {
            let parsed = lists.iter().map(|list| AllowedHosts::parse(list));
            let all = parsed.fold(AllowedHosts::any(), |all, one| all.restricted_to(&one));
            assert_eq!(all.narrowest(&url), entry, "{lists:?}");
            assert!(AllowedHosts::parse(entry).permit(&url).is_ok());
        }
    }

    #[test]
    fn a_refusal_names_the_port_and_where_the_list_has_paths_the_path() {
        let refused = |list: &str, url: &str| {
            let url = Url::parse(url).unwrap();
            AllowedHosts::parse(list)
                .permit(&url)
                .unwrap_err()
                .destination
        };
        assert_eq!(refused("b", "https://a.example/t"), "a.example");
        assert_eq!(refused("b", "https://a.example:1/t"), "a.example:1");
        assert_eq!(refused("b/x", "https://a.example:1/t"), "a.example:1/t");
    }
}
