//! The addresses that a token endpoint may have: pure rules, applied to the address that is dialled.
//!
//! Whoever may create a resource chooses its token URL, but must not gain the operator's network position by that.
//! Therefore loopback, link-local and metadata service addresses are refused. Private ranges are allowed, because some
//! providers use them. For an address that wraps an IPv4 address (mapped, compatible, NAT64, 6to4, Teredo, ISATAP), the
//! rules also apply to the wrapped one. The administrator can allow addresses that are refused here.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

pub use oauthclient_core::oauth::send_error::AddressKind;

/// A range of addresses, such as `10.0.0.0/8` or `fd00::1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// Whether the range contains `address`. An IPv4-mapped IPv6 address (`::ffff:10.0.0.1`) counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let keep = |bits: u128, width: u32| {
            bits.checked_shr(width.saturating_sub(u32::from(self.prefix)))
                .unwrap_or(0)
        };
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let bits = |v4: std::net::Ipv4Addr| keep(u128::from(u32::from(v4)), 32);
                bits(ours) == bits(theirs)
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                keep(u128::from(ours), 128) == keep(u128::from(theirs), 128)
            }
            _ => false,
        }
    }
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let wrong =
            || format!("{text:?} is not an address range: give one such as 10.0.0.0/8 or fd00::/8");
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().map_err(|_| wrong())?,
            None => width,
        };
        if prefix > width {
            return Err(format!(
                "{text:?}: the prefix is at most /{width} for this kind of address"
            ));
        }
        Ok(Cidr { address, prefix })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Metadata services outside of the link-local range: Alibaba Cloud, Azure, Oracle Cloud.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];

/// Metadata services by prefix (first three groups): AWS (all of fd00:ec2::/48), Google, Scaleway.
const METADATA_V6: [[u16; 3]; 3] = [[0xfd00, 0xec2, 0], [0xfd20, 0xce, 0], [0xfd00, 0x42, 0]];

/// The addresses that may be dialled.
#[derive(Clone, Debug, Default)]
pub struct AddressRules {
    /// Allow [`AddressKind::Loopback`] and the name `localhost`.
    pub allow_loopback: bool,
    /// Allow these addresses, whatever their kind.
    pub allowed: Vec<Cidr>,
}

impl AddressRules {
    /// Checks an address that is about to be dialled.
    ///
    /// # Errors
    /// The kind of a refused address.
    pub fn check(&self, address: IpAddr) -> Result<(), AddressKind> {
        if self.allows(address) {
            return Ok(());
        }
        let refused = |kind: &AddressKind| !(self.allow_loopback && *kind == AddressKind::Loopback);
        match kinds_of(address).into_iter().flatten().find(refused) {
            Some(kind) => Err(kind),
            None => Ok(()),
        }
    }

    /// Checks the host of a URL before it is resolved: IP literals, and names for this machine (RFC 6761 section 6.3).
    /// Other names pass; their addresses are checked after the look-up.
    ///
    /// # Errors
    /// The address, if the host is one, and the kind of a refused address.
    pub fn check_host(&self, host: &url::Host<&str>) -> Result<(), (Option<IpAddr>, AddressKind)> {
        let address = match host {
            url::Host::Ipv4(address) => IpAddr::V4(*address),
            url::Host::Ipv6(address) => IpAddr::V6(*address),
            url::Host::Domain(name) => {
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                let is_local = name == "localhost" || name.ends_with(".localhost");
                let loopbacks = [
                    IpAddr::V4(Ipv4Addr::LOCALHOST),
                    IpAddr::V6(Ipv6Addr::LOCALHOST),
                ];
                let allowed =
                    self.allow_loopback || loopbacks.iter().any(|address| self.allows(*address));
                return if is_local && !allowed {
                    Err((None, AddressKind::Loopback))
                } else {
                    Ok(())
                };
            }
        };
        self.check(address).map_err(|kind| (Some(address), kind))
    }

    fn allows(&self, address: IpAddr) -> bool {
        self.allowed.iter().any(|range| range.contains(address))
    }
}

/// The kinds for which an address is refused by default; none for an ordinary one. Two if it wraps two addresses.
fn kinds_of(address: IpAddr) -> [Option<AddressKind>; 2] {
    match address {
        IpAddr::V4(address) => [kind_of_v4(address), None],
        IpAddr::V6(address) => match kind_of_v6(address) {
            Some(kind) => [Some(kind), None],
            None => wrapped(address).map(|inner| inner.and_then(kind_of_v4)),
        },
    }
}

fn kind_of_v4(address: Ipv4Addr) -> Option<AddressKind> {
    match address.octets() {
        _ if METADATA_V4.contains(&address) => Some(AddressKind::Metadata),
        // The metadata service of most clouds. It is also link-local, but this kind is more precise.
        [169, 254, 169, 254] => Some(AddressKind::Metadata),
        [127, ..] => Some(AddressKind::Loopback),
        [0, ..] => Some(AddressKind::Unspecified),
        [169, 254, ..] => Some(AddressKind::LinkLocal),
        [224..=239, ..] | [255, 255, 255, 255] => Some(AddressKind::Multicast),
        _ => None,
    }
}

fn kind_of_v6(address: Ipv6Addr) -> Option<AddressKind> {
    match address.segments() {
        _ if address.is_loopback() => Some(AddressKind::Loopback),
        _ if address.is_unspecified() => Some(AddressKind::Unspecified),
        [a, b, c, ..] if METADATA_V6.contains(&[a, b, c]) => Some(AddressKind::Metadata),
        [0xfe80..=0xfebf, ..] => Some(AddressKind::LinkLocal),
        [0xff00..=0xffff, ..] => Some(AddressKind::Multicast),
        [0x64, 0xff9b, 1, ..] => Some(AddressKind::LocalNat64),
        _ => None,
    }
}

/// The IPv4 addresses that an IPv6 address wraps.
fn wrapped(address: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let v4 = |high: u16, low: u16| Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match address.segments() {
        // IPv4-mapped, IPv4-compatible, IPv4-translated (RFC 4291 section 2.5.5, RFC 2765 section 2.1)
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => {
            [v4(high, low), None]
        }
        // NAT64, well-known prefix (RFC 6052 section 2.1)
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => [v4(high, low), None],
        // 6to4 (RFC 3056 section 2)
        [0x2002, high, low, ..] => [v4(high, low), None],
        // Teredo: the server, and the client with inverted bits (RFC 4380 section 4)
        [0x2001, 0, server_high, server_low, _, _, high, low] => {
            [v4(server_high, server_low), v4(!high, !low)]
        }
        // ISATAP (RFC 5214 section 6.1)
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => [v4(high, low), None],
        _ => [None, None],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> Option<AddressKind> {
        kinds_of(text.parse().unwrap()).into_iter().flatten().next()
    }

    #[test]
    fn addresses_of_providers_are_ordinary() {
        for text in [
            "1.1.1.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "100.100.100.201",
            "168.63.129.17",
            "169.253.255.255",
            "169.255.0.1",
            "126.255.255.255",
            "128.0.0.1",
            "223.255.255.255",
            "240.0.0.1",
            "2606:4700::1111",
            "fd00::1",
            "fd00:ec3::254",
            "fc00::1",
            "2001:db8::1",
            "::ffff:10.0.0.1",
            "64:ff9b::8.8.8.8",
            "2002:0808:0808::1",
            "fec0::1",
            "2001:1::1",
        ] {
            assert_eq!(kind(text), None, "{text}");
        }
    }

    #[test]
    fn addresses_that_lend_our_place_in_the_network_are_not() {
        use AddressKind::{LinkLocal, LocalNat64, Loopback, Metadata, Multicast, Unspecified};
        for (text, expected) in [
            ("127.0.0.1", Loopback),
            ("127.255.255.254", Loopback),
            ("::1", Loopback),
            ("0.0.0.0", Unspecified),
            ("0.1.2.3", Unspecified),
            ("::", Unspecified),
            ("169.254.0.1", LinkLocal),
            ("169.254.170.2", LinkLocal),
            ("fe80::1", LinkLocal),
            ("febf:ffff::1", LinkLocal),
            ("224.0.0.1", Multicast),
            ("239.255.255.255", Multicast),
            ("255.255.255.255", Multicast),
            ("ff02::1", Multicast),
            ("169.254.169.254", Metadata),
            ("100.100.100.200", Metadata),
            ("168.63.129.16", Metadata),
            ("192.0.0.192", Metadata),
            ("fd00:ec2::254", Metadata),
            ("fd00:ec2::23", Metadata),
            ("fd20:ce::254", Metadata),
            ("fd00:42::42", Metadata),
            ("64:ff9b:1::1", LocalNat64),
            ("64:ff9b:1:a9fe:a9:fe00::", LocalNat64),
        ] {
            assert_eq!(kind(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn an_ipv4_address_in_any_wrapping_is_judged_as_such() {
        use AddressKind::{Loopback, Metadata};
        for (text, expected) in [
            ("::ffff:127.0.0.1", Loopback),
            ("::ffff:169.254.169.254", Metadata),
            ("::127.0.0.1", Loopback),
            ("::169.254.169.254", Metadata),
            ("::ffff:0:127.0.0.1", Loopback),
            ("64:ff9b::127.0.0.1", Loopback),
            ("64:ff9b::a9fe:a9fe", Metadata),
            ("2002:7f00:1::1", Loopback),
            ("2002:a9fe:a9fe::", Metadata),
            ("2001:0:7f00:1::1", Loopback),
            ("2001:0:808:808:0:0:80ff:fffe", Loopback),
            ("2001:db8::5efe:127.0.0.1", Loopback),
            ("2001:db8::200:5efe:169.254.169.254", Metadata),
        ] {
            assert_eq!(kind(text), Some(expected), "{text}");
        }
    }

    fn check(rules: &AddressRules, url: &str) -> Result<(), AddressKind> {
        let url: url::Url = url.parse().unwrap();
        rules
            .check_host(&url.host().unwrap())
            .map_err(|(_, kind)| kind)
    }

    #[test]
    fn odd_spellings_of_an_address_are_seen_through() {
        let rules = AddressRules::default();
        for url in [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0177.0.0.1/",
            "https://0x7f.1/",
            "https://127.0.0.1./",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[0:0:0:0:0:ffff:7f00:1]/",
            "https://%31%32%37.0.0.1/",
            "https://１２７.0.0.1/",
            "https://localhost/",
            "https://LOCALHOST./",
            "https://a.localhost/",
            "https://localhost../",
        ] {
            assert_eq!(check(&rules, url), Err(AddressKind::Loopback), "{url}");
        }
        for url in [
            "https://169.254.169.254/",
            "https://0xa9fea9fe/",
            "https://2852039166/",
            "https://[::ffff:a9fe:a9fe]/",
        ] {
            assert_eq!(check(&rules, url), Err(AddressKind::Metadata), "{url}");
        }
        assert_eq!(check(&rules, "https://0/"), Err(AddressKind::Unspecified));
        for url in [
            "https://auth.example/",
            "https://localhost.example/",
            "https://notlocalhost/",
            "https://10.1/",
        ] {
            assert_eq!(check(&rules, url), Ok(()), "{url}");
        }
    }

    #[test]
    fn the_administrator_can_allow_what_is_refused() {
        let loopback = AddressRules {
            allow_loopback: true,
            ..AddressRules::default()
        };
        for url in [
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://localhost/",
            "https://[::ffff:127.0.0.1]/",
        ] {
            assert_eq!(check(&loopback, url), Ok(()), "{url}");
        }
        // Teredo with a server on loopback and a metadata service as client.
        let both = "https://[2001:0:7f00:1:0:0:5601:5601]/";
        assert_eq!(check(&loopback, both), Err(AddressKind::Metadata));
        assert_eq!(
            check(&loopback, "https://169.254.0.1/"),
            Err(AddressKind::LinkLocal)
        );
        assert_eq!(
            check(&loopback, "https://0.0.0.0/"),
            Err(AddressKind::Unspecified)
        );

        let ranges = AddressRules {
            allowed: vec!["169.254.10.0/24".parse().unwrap()],
            ..AddressRules::default()
        };
        assert_eq!(check(&ranges, "https://169.254.10.9/"), Ok(()));
        assert_eq!(check(&ranges, "https://[::ffff:169.254.10.9]/"), Ok(()));
        assert_eq!(
            check(&ranges, "https://169.254.11.9/"),
            Err(AddressKind::LinkLocal)
        );
        assert_eq!(
            check(&ranges, "https://localhost/"),
            Err(AddressKind::Loopback)
        );
    }
}
