//! Random resources of several authors, around Secrets and `ServiceAccounts` with random lists of hosts: nothing that is secret
//! reaches a host that its lender does not allow, or shows where people look, whatever is created, edited and deleted in
//! whichever order.
//!
//! The real reconcile runs over a namespace in memory, against a server that records what it gets and repeats it in its
//! responses. What may go where is computed anew, by a model that knows the secrets by their text alone. Each request that is
//! sent is held against every other address as well: the same function that let it go there must not let it go anywhere else
//! that the model forbids.
//!
//! `PROPERTY_CASES` sets how many cases are run (1,500), `PROPERTY_FIRST` the number of the first one (0). The same number is the
//! same case.

mod manifests;
mod model;
mod namespace;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use manifests::{OWNERS, resource_text};
use namespace::Namespace;

const CASES: u64 = 1_500;
/// So many threads share the cases.
const THREADS: u64 = 4;

/// Numbers that look random, and are the same for the same seed (splitmix64).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    pub(super) fn one<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    /// True in so many of a hundred.
    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

fn set(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// What the cases of a run came to: a run in which hardly anything is sent proves nothing.
#[derive(Default)]
struct Tally {
    requests: AtomicU64,
    refreshes: AtomicU64,
    exchanged: AtomicU64,
    revoked: AtomicU64,
    minted: AtomicU64,
    published: AtomicU64,
    refused: AtomicU64,
}

#[test]
fn no_secret_leaves_its_hosts_or_shows_whatever_resources_secrets_and_lists_are_made_and_edited() {
    let (cases, first) = (set("PROPERTY_CASES", CASES), set("PROPERTY_FIRST", 0));
    let reached = Tally::default();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let reached = &reached;
            scope.spawn(move || {
                for case in (first..first + cases).filter(|case| case % THREADS == thread) {
                    run(case, reached);
                }
            });
        }
    });
    let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let share = |count: &AtomicU64| of(count) * 1000 / cases.max(1);
    eprintln!(
        "per 1,000 cases: {} requests, {} with a refresh token, {} with a token of another resource, {} revocations, {} tokens of \
         ServiceAccounts, {} published, {} kept from a host",
        share(&reached.requests),
        share(&reached.refreshes),
        share(&reached.exchanged),
        share(&reached.revoked),
        share(&reached.minted),
        share(&reached.published),
        share(&reached.refused),
    );
    if cases >= 1000 {
        for (what, count, least) in [
            ("requests", &reached.requests, 1000),
            ("refreshes", &reached.refreshes, 50),
            ("exchanges", &reached.exchanged, 3),
            ("revocations", &reached.revoked, 10),
            ("ServiceAccount tokens", &reached.minted, 10),
            ("publications", &reached.published, 500),
            ("refusals", &reached.refused, 1000),
        ] {
            let share = share(count);
            assert!(share >= least, "{share} {what} in 1,000 cases");
        }
    }
}

fn run(case: u64, reached: &Tally) {
    let namespace = Namespace::new(case);
    for _ in 0..namespace.dice(|dice| 6 + dice.below(10)) {
        step(&namespace);
    }
    let inner = namespace.inner();
    let add = |count: &AtomicU64, more: usize| {
        count.fetch_add(more as u64, Ordering::Relaxed);
    };
    add(&reached.requests, inner.requests);
    add(&reached.refreshes, inner.refreshes);
    add(&reached.exchanged, inner.exchanged);
    add(&reached.revoked, inner.revoked);
    add(&reached.minted, inner.minted);
    add(&reached.published, inner.published);
    add(&reached.refused, inner.refused);
}

/// Somebody does something, or the operator does.
fn step(namespace: &Namespace) {
    let owner = namespace.dice(|dice| dice.one(&OWNERS));
    match namespace.dice(|dice| dice.below(20)) {
        0..=9 => {}
        10..=12 => namespace.edit_resource(owner),
        13..=15 => namespace.edit_lender(),
        16 => namespace.replace_lender(),
        17 => namespace.delete_resource(owner),
        18 => namespace.request_refresh(owner),
        _ => namespace.restart(),
    }
    let seconds = namespace.dice(|dice| dice.one(&[1, 5, 60, 600, 3000, 4000]));
    namespace.pass(seconds);
    for _ in 0..3 {
        namespace.reconcile(owner);
    }
    namespace.revoke_what_waits();
    namespace.check();
}

#[test]
fn the_generator_covers_every_field_that_takes_a_key_a_pointer_a_url_a_name_or_a_template() {
    let mut met = BTreeSet::new();
    let mut dice = Dice::new(1);
    for _ in 0..3000 {
        let owner = dice.one(&OWNERS);
        let manifest: serde_json::Value =
            serde_json::from_str(&resource_text(owner, &mut dice)).unwrap();
        collect("", &manifest["spec"], &mut met);
    }
    let crd: serde_json::Value =
        serde_saphyr::from_str(include_str!("../../../crds/oauthclients.yaml")).unwrap();
    let spec = crd
        .pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec")
        .unwrap();
    let mut fields = BTreeSet::new();
    schema_fields("", spec, &mut fields);
    let missing: Vec<&String> = fields
        .iter()
        .filter(|field| {
            !met.contains(*field) && !ELSEWHERE.iter().any(|part| field.starts_with(part))
        })
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

/// Fields that lead nowhere, with the test that has them.
const ELSEWHERE: [&str; 10] = [
    // Workloads are named to the Kubernetes API alone, and get nothing secret: tests/cluster/restarts.rs.
    "/restart",
    // Certificates are read from ConfigMaps and hold nothing secret: tests/cluster/certificates.rs.
    "/provider/caBundle",
    // Keys need real keys: tests/client_certificates.rs, tests/assertions.rs and tests/cluster/canary/held.rs; the lender of a
    // certificate is drawn in src/trust/authorize.rs.
    "/provider/clientCertificate",
    "/clientAuthentication/tlsClientAuth",
    "/clientAuthentication/selfSignedTLSClientAuth",
    "/clientAuthentication/privateKeyJWT",
    "/clientAuthentication/clientSecretJWT",
    "/grant/jwtBearer",
    // A login is made by the plugin: tests/plugin/code.rs and tests/plugin/canary.rs.
    "/login",
    "/credentials/keys/privateKey",
];

/// The paths of all string fields that are there.
fn collect(at: &str, value: &serde_json::Value, met: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                let path = format!("{at}/{name}");
                // Maps have keys of their own.
                let of_map = ["labels", "annotations", "data"]
                    .iter()
                    .any(|map| at.ends_with(map));
                collect(if of_map { at } else { &path }, value, met);
            }
        }
        serde_json::Value::Array(items) => {
            for item in items {
                collect(at, item, met);
            }
        }
        serde_json::Value::String(_) => {
            met.insert(at.to_owned());
        }
        _ => {}
    }
}

/// The paths of all string fields of the schema but those with few choices.
fn schema_fields(at: &str, schema: &serde_json::Value, fields: &mut BTreeSet<String>) {
    if let Some(properties) = schema["properties"].as_object() {
        for (name, inner) in properties {
            schema_fields(&format!("{at}/{name}"), inner, fields);
        }
    }
    for inner in ["items", "additionalProperties"] {
        if schema[inner].is_object() {
            schema_fields(at, &schema[inner], fields);
        }
    }
    if schema["type"] == "string" && schema["enum"].is_null() && !at.is_empty() {
        fields.insert(at.to_owned());
    }
}
