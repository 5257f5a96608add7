//! The table of cases, and small builders for what is seen.

mod accounts;
mod answers;
mod canary;
mod certificates;
mod commands;
mod dpop;
mod expiries;
mod gates;
mod group;
mod opted_in;
mod provenance;
mod references;
mod reports;
mod restarts;
mod restored;
mod room;
mod rotation;
mod targets;
mod total;
mod wishes;

use std::collections::BTreeMap;

use super::*;
use crate::api::OAuthClientStatus;
use crate::api::conditions::Reason;
use crate::api::manifest::parse_manifest;
use crate::api::validate::validate;
use crate::engine::Requeue;
use crate::inputs;
use crate::messages::{AnswerError, ErrorResponse, Finding, RequestFinding, Step};
use crate::names::*;
use crate::oauth::error::FailureClass;
use crate::oauth::send_error::Peer;
use crate::oauth::{Document, Lifetime, Nonce, Token};
use crate::secret::Secret;
use crate::time::{Span, Time};

pub(crate) const T0: i64 = 1_700_000_000;
pub(crate) const UID: &str = "0b1f3f0e-8f3b-4c1c-9a53-52e0d8f7a001";

pub(crate) fn at(seconds: i64) -> Time {
    Time::from_seconds(T0 + seconds)
}

pub(crate) fn span(seconds: i64) -> Span {
    Span::from_seconds(seconds)
}

/// Fields of `spec` beside the smallest useful ones, and fields of `tokenSecret`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spec {
    pub(crate) url: Option<&'static str>,
    pub(crate) name: Option<&'static str>,
    pub(crate) extra: &'static str,
    pub(crate) secret: &'static str,
}

impl Spec {
    pub(crate) fn extra(extra: &'static str) -> Spec {
        Spec {
            extra,
            ..Spec::default()
        }
    }

    pub(crate) fn secret(secret: &'static str) -> Spec {
        Spec {
            secret,
            ..Spec::default()
        }
    }

    pub(crate) fn named(name: &'static str) -> Spec {
        Spec {
            name: Some(name),
            ..Spec::default()
        }
    }

    pub(crate) fn yaml(&self) -> String {
        format!(
            "apiVersion: oauthclient.dev/v1alpha1\nkind: OAuthClient\nmetadata: {{name: books, namespace: shop}}\nspec:\n  \
             provider: {{{}: \"{}\"{}}}\n  credentials: {{secretName: client}}\n  tokenSecret: {{name: {}{}}}\n{}",
            if self.extra.contains("#issuer") {
                "issuerURL"
            } else {
                "tokenURL"
            },
            self.url.unwrap_or("https://auth.example.com/token"),
            if self.extra.contains("#ca") {
                ", caBundle: {configMapName: corp-ca}"
            } else if self.extra.contains("#revoke") {
                ", revocationURL: \"https://auth.example.com/revoke\""
            } else {
                ""
            },
            self.name.unwrap_or("token"),
            self.secret,
            self.extra,
        )
    }
}

/// The resource `shop/books` as its spec says.
pub(crate) fn resource(spec: &Spec) -> Resource {
    let object = parse_manifest(&spec.yaml()).unwrap_or_else(|problems| {
        panic!("{problems:?} in {}", spec.yaml());
    });
    let spec = validate(&object);
    Resource {
        namespace: "shop".into(),
        name: "books".into(),
        uid: UID.into(),
        generation: 1,
        deleting: false,
        meta: ResourceMeta::default(),
        inputs: spec.as_ref().map_or_else(
            |_| String::new(),
            |spec| inputs::of(spec).whole().to_owned(),
        ),
        spec,
        refresh_request: None,
        status: OAuthClientStatus::default(),
    }
}

pub(crate) fn data(pairs: &[(&str, &str)]) -> BTreeMap<String, Secret> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), Secret::from(*value)))
        .collect()
}

pub(crate) fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

pub(crate) fn secret(name: &str, version: u64) -> SecretSeen {
    SecretSeen {
        name: name.into(),
        uid: format!("uid-of-{name}"),
        resource_version: version.to_string(),
        type_: "Opaque".into(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        data: BTreeMap::new(),
        immutable: false,
        deleting: false,
        owners: Vec::new(),
    }
}

/// The credentials Secret at a version; its password identifies its content.
pub(crate) fn credentials(version: u64, password: &str) -> SecretSeen {
    SecretSeen {
        labels: texts(&[(CREDENTIALS_LABEL, "true")]),
        data: data(&[("client_id", "shop"), ("client_secret", password)]),
        ..secret("client", version)
    }
}

/// The keyed hash of a content.
pub(crate) fn content(password: &str) -> u64 {
    short(password)
}

pub(crate) fn owner(name: &str, uid: &str) -> Owner {
    Owner {
        api_version: "oauthclient.dev/v1alpha1".into(),
        kind: "OAuthClient".into(),
        name: name.into(),
        uid: uid.into(),
        controller: true,
    }
}

/// A token as a response contains it, valid for an hour.
pub(crate) fn token(text: &str, seconds: i64) -> Token {
    Token {
        access_token: Secret::from(text),
        token_type: crate::oauth::TokenType::bearer(),
        lifetime: Some(Lifetime::For(span(seconds))),
        own_end: None,
        refresh_in: None,
        scope: None,
        document: Document(serde_json::json!({"access_token": text})),
        sent: Default::default(),
        echoes: false,
        repeats: false,
        remarks: Vec::new(),
    }
}

/// The same for every test: nothing here depends on it.
pub(crate) fn nonce() -> Nonce {
    Nonce {
        id: [7; 16],
        random: ring::rand::SystemRandom::new(),
    }
}

/// A resource that was just created, with credentials and no token: what is seen at 0, with a permit.
pub(crate) fn fresh(spec: &Spec) -> Observed {
    Observed {
        now: at(0),
        resource: resource(spec),
        target: None,
        stale_secrets: Vec::new(),
        credentials: Some(credentials(1, "pw")),
        credentials_publisher: None,
        certificate: CertificateSeen::NotNamed,
        references: Vec::new(),
        cycle: None,
        lender_secrets: Vec::new(),
        accounts: BTreeMap::new(),
        created_tokens: crate::oauth::TokensInHand::default(),
        ca: CaSeen::NotNamed,
        family: FamilySeen::default(),
        content: Some(content("pw")),
        next_content: None,
        memory: Memory::default(),
        may_request: true,
        rules: Rules::default(),
        nonce: nonce(),
    }
}

/// The Secret after a write, as the API would hold it.
pub(crate) fn applied(write: &SecretBody, before: Option<&SecretSeen>, version: u64) -> SecretSeen {
    fn apply<T: Clone>(there: &mut BTreeMap<String, T>, changes: &BTreeMap<String, Option<T>>) {
        for (key, value) in changes {
            match value {
                Some(value) => there.insert(key.clone(), value.clone()),
                None => there.remove(key),
            };
        }
    }
    let mut after = before.cloned().unwrap_or_else(|| SecretSeen {
        type_: write.type_.clone(),
        ..secret(&write.name, version)
    });
    after.resource_version = version.to_string();
    apply(&mut after.data, &write.data);
    apply(&mut after.labels, &write.labels);
    apply(&mut after.annotations, &write.annotations);
    if let Some(owners) = &write.owners {
        after.owners = owners.clone();
    }
    after
}

pub(crate) fn times(sent: i64) -> RequestTimes {
    RequestTimes {
        sent: at(sent),
        received: at(sent) + Span::from_millis(200),
        jitter: 0.5,
    }
}

/// What follows from a token for what is seen, sent at this time.
pub(crate) fn grant(seen: &Observed, token: Token, sent: i64) -> RequestOutcome {
    let spec = seen.resource.spec.clone().unwrap();
    granted(seen, &spec, RefreshReason::FirstIssue, token, times(sent))
}

/// A resource whose token of an hour was issued at 0 with credentials of version 1; its refresh is due at 2610 by the draw
/// of 0.5 (or at the time of a first issue, which is earlier: see [`refresh_of`]).
pub(crate) fn current(spec: &Spec) -> Observed {
    let mut seen = fresh(spec);
    let outcome = grant(&seen, token("first", 3600), 0);
    seen.target = Some(applied(&outcome.write.unwrap(), None, 10));
    let report = report(
        &outcome.assessment,
        &seen.resource.status,
        1,
        StatusDetail::Always,
        at(1),
    );
    seen.resource.status = report.status;
    seen.now = at(10);
    seen.memory.last_sent = Some(at(0));
    seen.memory.fingerprint = Some(Fingerprint {
        version: short(&credentials(1, "pw").version()),
        content: content("pw"),
    });
    seen
}

pub(crate) fn refresh_of(seen: &Observed) -> Time {
    seen.target.as_ref().unwrap().state().unwrap().refresh
}

/// A failed request with this reason.
pub(crate) fn failing(reason: &str) -> Box<Finding> {
    let finding = RequestFinding::Answered {
        peer: Peer::TOKEN_ENDPOINT,
        response: ErrorResponse {
            answer: AnswerError::Uncoded { status: 599 },
            reason: Reason::parse(reason).unwrap(),
            step: Step::Retry,
        },
    };
    Box::new(finding.into())
}

pub(crate) fn failure(class: FailureClass, reason: &'static str) -> Failure {
    Failure {
        class,
        finding: failing(reason),
        follow_up: None,
        retry_after: None,
        timed_out: false,
        unread: false,
        reached: crate::oauth::error::Reached::Answered,
        http_status: None,
        provider_code: None,
    }
}

/// What is seen after a request, sent at this time, has failed.
pub(crate) fn after_failure(mut seen: Observed, failure: &Failure, sent: i64) -> Observed {
    let spec = seen.resource.spec.clone().unwrap();
    let outcome = failed(&seen, &spec, failure, times(sent));
    let report = report(
        &outcome.assessment,
        &seen.resource.status,
        seen.resource.generation,
        StatusDetail::Always,
        at(sent + 1),
    );
    seen.memory.attempt = outcome.attempt.map(Box::new);
    seen.memory.last_sent = Some(at(sent));
    seen.resource.status = report.status;
    seen.now = at(sent + 1);
    seen
}

/// The same after a restart of the process: only the status is known.
pub(crate) fn restarted(mut seen: Observed) -> Observed {
    seen.memory = Memory {
        attempt: FailedAttempt::from_status(&seen.resource.status).map(Box::new),
        ..Memory::default()
    };
    seen
}

/// Decides at a time, like a reconcile.
pub(crate) fn plan(seen: &mut Observed, now: i64) -> Plan {
    plan_at(seen, at(now))
}

pub(crate) fn plan_at(seen: &mut Observed, now: Time) -> Plan {
    seen.now = now;
    seen.bring_up_to_date();
    decide(seen, now)
}

/// A plan in one word, for comparing.
#[derive(Debug, PartialEq)]
pub(crate) enum Decision {
    Finalizes,
    Needs(Prerequisite),
    Requests(RefreshReason),
    Writes,
    Waits(Requeue),
    Stuck(Reason, Requeue),
}

pub(crate) fn decision(plan: &Plan) -> Decision {
    match (&plan.action, &plan.assessment.problem) {
        (Action::Finalize, _) => Decision::Finalizes,
        (Action::RestoreOwner(_), _) => Decision::Writes,
        (Action::Fetch(need), _) => Decision::Needs(need.clone()),
        (Action::Request(planned), _) => Decision::Requests(planned.reason),
        (Action::Write(_) | Action::Publish(_) | Action::WriteState(_), _) => Decision::Writes,
        (Action::Nothing, Some(problem)) => Decision::Stuck(problem.reason(), plan.requeue),
        (Action::Nothing, None) => Decision::Waits(plan.requeue),
    }
}

/// Decides at a time and returns the consequences.
pub(crate) fn decided(seen: &mut Observed, now: i64) -> Decision {
    decision(&plan(seen, now))
}
