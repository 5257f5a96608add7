//! The labels of the metrics: each has few values, whatever the number of resources.

use std::collections::HashSet;
use std::net::Ipv6Addr;
use std::sync::{Arc, Mutex};

use prometheus_client::encoding::EncodeLabelSet;

use crate::lock::lock;

/// How many hosts get their own label value; all later ones share `other`.
pub const HOSTS: usize = 50;

/// The state that a resource is counted in: the first of these that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResourceState {
    /// Suspended by `spec.suspend`.
    Suspended,
    /// A person must act.
    Stalled,
    /// The last token request failed; it will be retried.
    RefreshFailing,
    /// Without a valid token, and no request has failed.
    Pending,
    /// With a valid token, and the last request succeeded.
    Ready,
}

/// What is written to the Kubernetes API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WriteKind {
    /// A token Secret.
    Secret,
    /// A Secret with a refresh token.
    RefreshState,
    /// A workload that is restarted.
    Workload,
    /// A resource's status.
    Status,
    /// A resource's finalizer.
    Finalizer,
    /// An event.
    Event,
    /// The Lease of the leader election.
    Lease,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct StateLabels {
    pub(super) state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct HostLabel {
    pub(super) host: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RequestLabels {
    pub(super) host: Arc<str>,
    pub(super) outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct WriteLabels {
    pub(super) kind: &'static str,
    pub(super) outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ClassLabels {
    pub(super) class: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct KindLabels {
    pub(super) kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct PermissionLabels {
    pub(super) verb: &'static str,
    pub(super) resource: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct PortLabels {
    pub(super) port: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OutcomeLabels {
    pub(super) outcome: &'static str,
}

impl ResourceState {
    /// All states, in the order in which they are checked.
    pub const ALL: [ResourceState; 5] = [
        ResourceState::Suspended,
        ResourceState::Stalled,
        ResourceState::RefreshFailing,
        ResourceState::Pending,
        ResourceState::Ready,
    ];

    /// The label value.
    pub const fn label(self) -> &'static str {
        match self {
            ResourceState::Suspended => "suspended",
            ResourceState::Stalled => "stalled",
            ResourceState::RefreshFailing => "refresh_failing",
            ResourceState::Pending => "pending",
            ResourceState::Ready => "ready",
        }
    }
}

impl WriteKind {
    pub(super) const ALL: [WriteKind; 7] = [
        WriteKind::Workload,
        WriteKind::Secret,
        WriteKind::RefreshState,
        WriteKind::Status,
        WriteKind::Finalizer,
        WriteKind::Event,
        WriteKind::Lease,
    ];

    pub(super) const fn label(self) -> &'static str {
        match self {
            WriteKind::Secret => "secret",
            WriteKind::RefreshState => "refresh_state",
            WriteKind::Workload => "workload",
            WriteKind::Status => "status",
            WriteKind::Finalizer => "finalizer",
            WriteKind::Event => "event",
            WriteKind::Lease => "lease",
        }
    }
}

/// The label value for invalid host names, which authors of resources and discovery documents can choose.
const NO_NAME: &str = "invalid";

/// Whether a host is a name of letters, digits and hyphens (RFC 5890 section 2.3.1) or an IP address, with or without a
/// port.
fn is_host_name(host: &str) -> bool {
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() && !host.ends_with(':') => host,
        _ => host,
    };
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    let in_brackets = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    (name.len() <= 253 && name.split('.').all(is_label))
        || in_brackets.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
}

/// The hosts with their own label value. They are never removed, because a label that comes and goes would break every
/// rate.
#[derive(Default)]
pub(super) struct HostLabels(Mutex<HashSet<Arc<str>>>);

impl HostLabels {
    pub(super) fn label(&self, host: &str) -> Arc<str> {
        let host = if is_host_name(host) { host } else { NO_NAME };
        let mut hosts = lock(&self.0);
        if let Some(known) = hosts.get(host) {
            return Arc::clone(known);
        }
        if hosts.len() >= HOSTS {
            return Arc::from("other");
        }
        let label: Arc<str> = Arc::from(host);
        hosts.insert(Arc::clone(&label));
        label
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_a_host_name_or_says_that_there_is_none() {
        let labels = HostLabels::default();
        for host in [
            "auth.example.com",
            "localhost",
            "127.0.0.1",
            "[::1]",
            "auth.example.com:8443",
            "[::1]:8443",
            "xn--bcher-kva.example",
            "a.example.",
        ] {
            assert_eq!(&*labels.label(host), host);
        }
        let long = "x".repeat(64);
        for host in [
            "",
            "x'$(touch${ifs}pwned)",
            "a b",
            "-a.example",
            "a..b",
            "a_b.example",
            "é.example",
            "a\u{202e}",
            "<b>",
            &long,
            "[x]",
            "a:b",
            "a.example:99999",
        ] {
            assert_eq!(&*labels.label(host), NO_NAME, "{host:?}");
        }
    }
}
