//! What may go where, computed from texts alone: nothing of the code under test is used here.

use std::sync::LazyLock;

use super::Dice;

/// Addresses, with what they mean: host, port, and the path that a server sees; none where servers differ on it.
const ADDRESSES: [(&str, &str, u16, Option<&str>); 10] = [
    (
        "https://a.example/oauth/token",
        "a.example",
        443,
        Some("/oauth/token"),
    ),
    (
        "https://a.example/other/token",
        "a.example",
        443,
        Some("/other/token"),
    ),
    (
        "https://a.example:8443/oauth/token",
        "a.example",
        8443,
        Some("/oauth/token"),
    ),
    (
        "https://a.example./oauth/token",
        "a.example",
        443,
        Some("/oauth/token"),
    ),
    (
        "https://a.example//oauth/token",
        "a.example",
        443,
        Some("//oauth/token"),
    ),
    (
        "https://a.example/oauth/..%2fother/token",
        "a.example",
        443,
        None,
    ),
    (
        "https://x.b.example/token",
        "x.b.example",
        443,
        Some("/token"),
    ),
    ("https://b.example/token", "b.example", 443, Some("/token")),
    (
        "https://issuer.example/token",
        "issuer.example",
        443,
        Some("/token"),
    ),
    (
        "https://evil.example/token",
        "evil.example",
        443,
        Some("/token"),
    ),
];
pub(super) const URLS: [&str; 10] = {
    let mut urls = [""; 10];
    let mut at = 0;
    while at < urls.len() {
        urls[at] = ADDRESSES[at].0;
        at += 1;
    }
    urls
};

/// The same as the HTTP library writes them.
pub(super) static NORMAL_URLS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let normal = |url: &&str| url::Url::parse(url).unwrap().to_string();
    URLS.iter().map(normal).collect()
});

type Means = fn(&str, u16, Option<&str>) -> bool;
/// Entries of a list, with what they allow.
const ENTRIES: [(&str, Means); 8] = [
    ("a.example", |host, _, _| host == "a.example"),
    ("a.example:8443", |host, port, _| {
        host == "a.example" && port == 8443
    }),
    ("a.example/oauth/", |host, _, path| {
        host == "a.example" && path.is_some_and(|path| path.starts_with("/oauth/"))
    }),
    ("*.b.example", |host, _, _| host.ends_with(".b.example")),
    ("b.example", |host, _, _| host == "b.example"),
    ("issuer.example", |host, _, _| host == "issuer.example"),
    ("evil.example/../token", |_, _, _| false),
    ("https://evil.example", |_, _, _| false),
];

/// The keys of each credentials Secret.
pub(super) const KEYS: [&str; 7] = [
    "client_id",
    "client_secret",
    "next_client_secret",
    "username",
    "password",
    "api_key",
    "refresh_token",
];
/// Those that no server may give back as a token.
const PROOFS: [&str; 3] = ["client_secret", "next_client_secret", "password"];
/// Those that are no secrets.
pub(super) const PUBLIC: [&str; 2] = ["client_id", "username"];
pub(super) const SECRETS: [&str; 3] = ["one", "two", "first-login"];
pub(super) const AUDIENCES: [&str; 2] = ["api://one", "api://two"];

/// A list of hosts, as an owner may write it.
pub(super) fn list(dice: &mut Dice) -> String {
    let entries: Vec<&str> = (0..dice.below(4))
        .map(|_| ENTRIES[dice.below(ENTRIES.len())].0)
        .collect();
    entries.join(", ")
}

/// Whether a list allows an address; no list at all allows every one.
fn allows(list: Option<&str>, url: &str) -> bool {
    let Some(list) = list else {
        return true;
    };
    let number = NORMAL_URLS.iter().position(|known| known == url);
    let number = number.unwrap_or_else(|| panic!("{url} is not known"));
    let (_, host, port, path) = &ADDRESSES[number];
    list.split(", ").any(|entry| {
        let known = ENTRIES.iter().find(|(known, _)| *known == entry);
        known.is_some_and(|(_, means)| means(host, *port, *path))
    })
}

/// What an object allows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lists {
    /// Where its own content may go.
    pub(super) hosts: Option<String>,
    /// Where what is obtained with it may go.
    pub(super) token_hosts: Option<String>,
}

impl Lists {
    pub(super) fn of(hosts: Option<String>, token_hosts: Option<String>) -> Lists {
        let token_hosts = token_hosts.or_else(|| hosts.clone());
        Lists { hosts, token_hosts }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Which {
    Hosts,
    TokenHosts,
}

/// Whose secret a value comes from.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Root {
    /// The audience, where it is a ServiceAccount.
    pub(super) audience: Option<String>,
    pub(super) name: String,
    pub(super) uid: String,
    /// Which of its lists counts for the value as it is.
    pub(super) which: Which,
    /// Its lists when the value was obtained.
    pub(super) then: Lists,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// It stands under this key of a Secret.
    Content { key: String, is_laundered: bool },
    /// A token of a ServiceAccount.
    Account,
    /// A provider issued it.
    Issued,
}

/// A secret value.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) text: String,
    pub(super) kind: Kind,
    pub(super) roots: Vec<Root>,
}

impl Known {
    pub(super) fn is_proof(&self) -> bool {
        matches!(&self.kind, Kind::Content { key, .. } if PROOFS.contains(&key.as_str()))
    }
}

/// How a value is used in a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Use {
    /// As a credential.
    Sent,
    /// As the refresh token of a refresh.
    Refresh,
    /// In a revocation.
    Returned,
}

/// An object as it is now: its UID and what it allows; `None` where it is gone or has not opted in.
pub(super) type Now = Option<(String, Lists)>;

/// Whether a value may go to an address; why not.
pub(super) fn may_go(
    known: &Known,
    how: Use,
    url: &str,
    now: impl Fn(&Root) -> Now,
) -> Result<(), String> {
    for root in &known.roots {
        let Some((uid, lists)) = now(root) else {
            return Err(format!("{} is gone or has opted out", root.name));
        };
        let same = uid == root.uid;
        let hosts = |lists: &Lists| allows(lists.hosts.as_deref(), url);
        let token_hosts = |lists: &Lists| allows(lists.token_hosts.as_deref(), url);
        let own = |lists: &Lists| match root.which {
            Which::Hosts => hosts(lists),
            Which::TokenHosts => token_hosts(lists),
        };
        let may = match &known.kind {
            Kind::Content {
                is_laundered: true, ..
            } if !known.is_proof() => hosts(&lists),
            Kind::Content { .. } | Kind::Account => same && hosts(&lists),
            Kind::Issued => {
                let as_token = token_hosts(&lists) && (same || token_hosts(&root.then));
                let as_family = own(&lists) && own(&root.then);
                let as_returned = own(&lists) && (same || own(&root.then));
                match how {
                    Use::Sent => as_token,
                    Use::Refresh => as_token || as_family,
                    Use::Returned => as_token || as_returned,
                }
            }
        };
        if !may {
            return Err(format!(
                "{} allows {lists:?} now, and allowed {:?}",
                root.name, root.then
            ));
        }
    }
    Ok(())
}

/// Whose secrets are in what is obtained with these values.
pub(super) fn obtained_with<'k>(
    values: impl Iterator<Item = (&'k Known, Use)>,
    now: impl Fn(&Root) -> Now,
) -> Vec<Root> {
    let mut families = Vec::new();
    let mut others = Vec::new();
    for (known, how) in values {
        for root in &known.roots {
            let current = now(root).filter(|(uid, _)| *uid == root.uid);
            let lists = current.map_or_else(|| root.then.clone(), |(_, lists)| lists);
            match (&known.kind, how) {
                (Kind::Issued, Use::Refresh) => families.push(root.clone()),
                (Kind::Issued, _) => others.push(Root {
                    which: Which::TokenHosts,
                    then: lists,
                    ..root.clone()
                }),
                _ => others.push(Root {
                    then: lists,
                    ..root.clone()
                }),
            }
        }
    }
    // Who has a part in the family keeps the hosts that it began with.
    for root in others {
        let is_known = families
            .iter()
            .any(|one| one.name == root.name && one.audience == root.audience);
        if !is_known {
            families.push(root);
        }
    }
    families
}
