//! Whatever is seen, a decision comes of it, and it keeps the rules.

use proptest::prelude::*;

use super::*;

fn spec() -> impl Strategy<Value = Spec> {
    prop::sample::select(vec![
        Spec::default(),
        Spec::extra("  scopes: [a]\n"),
        Spec::extra("  suspend: true\n"),
        Spec::extra("#ca\n"),
        Spec::named("renamed"),
        Spec {
            url: Some("http://auth.example.com/token"),
            ..Spec::default()
        },
        Spec::secret(", data: {h: \"{{ response.none }}\"}"),
    ])
}

fn owners() -> impl Strategy<Value = Vec<Owner>> {
    prop::sample::select(vec![
        vec![owner("books", UID)],
        vec![],
        vec![owner("books", "before")],
        vec![owner("magazines", "m")],
        vec![Owner {
            kind: "Job".into(),
            ..owner("j", "j")
        }],
    ])
}

/// What makes up a token Secret, for printing.
#[derive(Clone, Debug)]
struct Parts {
    issued: i64,
    life: i64,
    version: u64,
    owners: Vec<Owner>,
    altered: bool,
    immutable: bool,
    deleting: bool,
    stateless: bool,
    adopt: bool,
    spec: Spec,
}

prop_compose! {
    fn parts()(
        issued in -10_000_i64..10_000,
        life in 1_i64..8000,
        version in 1_u64..20,
        owners in owners(),
        altered in any::<bool>(),
        immutable in prop::bool::weighted(0.1),
        deleting in prop::bool::weighted(0.1),
        stateless in prop::bool::weighted(0.1),
        adopt in prop::bool::weighted(0.2),
        spec in spec(),
    ) -> Parts {
        Parts { issued, life, version, owners, altered, immutable, deleting, stateless, adopt, spec }
    }
}

impl Parts {
    fn secret(&self) -> SecretSeen {
        let mut target = grant(&fresh(&self.spec), token("first", self.life), self.issued)
            .write
            .map_or_else(
                || secret("token", self.version),
                |write| applied(&write, None, self.version),
            );
        target.name = "token".into();
        target.owners = self.owners.clone();
        target.immutable = self.immutable;
        target.deleting = self.deleting;
        if self.altered {
            target.data.insert("access_token".into(), Secret::from("x"));
        }
        if self.stateless {
            target.annotations.clear();
        }
        if self.adopt {
            target
                .annotations
                .insert(ADOPT_ANNOTATION.into(), "books".into());
        }
        target
    }
}

prop_compose! {
    fn an_attempt()(
        time in -10_000_i64..10_000,
        next in prop::option::of(-10_000_i64..20_000),
        not_before in prop::option::of(-10_000_i64..20_000),
        version in 1_u64..3,
    ) -> FailedAttempt {
        let seen = after_failure(fresh(&Spec::default()), &failure(FailureClass::Permanent, "InvalidClient"), time);
        FailedAttempt {
            next: next.map(at),
            not_before: not_before.map(at),
            credentials: credentials(version, "pw").version(),
            ..*seen.memory.attempt.unwrap()
        }
    }
}

/// What makes up a view, for printing.
#[derive(Clone, Debug)]
struct View {
    spec: Spec,
    target: Option<Parts>,
    leftover: Option<Parts>,
    version: Option<u64>,
    labelled: bool,
    attempt: Option<FailedAttempt>,
    last_sent: Option<i64>,
    written: Option<u64>,
    stale_reads: u32,
    repairs: u32,
    asked: Option<String>,
    flags: [bool; 6],
    ca: CaSeen,
}

prop_compose! {
    fn anything()(
        spec in spec(),
        secrets in (prop::option::of(parts()), prop::option::of(parts())),
        credentials in (prop::option::of(1_u64..3), prop::bool::weighted(0.9)),
        attempt in prop::option::of(an_attempt()),
        last_sent in prop::option::of(-10_000_i64..10_000),
        written in prop::option::of(1_u64..20),
        counts in (0_u32..5, 0_u32..40),
        asked in prop::option::of("[a-c]{1,300}"),
        flags in prop::array::uniform6(any::<bool>()),
        ca in prop::sample::select(vec![CaSeen::NotNamed, CaSeen::Missing, CaSeen::Broken("x".into()), CaSeen::Pem("x".into())]),
    ) -> View {
        let ((target, leftover), (version, labelled), (stale_reads, repairs)) = (secrets, credentials, counts);
        View { spec, target, leftover, version, labelled, attempt, last_sent, written, stale_reads, repairs, asked, flags, ca }
    }
}

impl View {
    fn observed(self) -> Observed {
        let mut seen = fresh(&self.spec);
        seen.target = self.target.map(|parts| parts.secret());
        seen.stale_secrets = self.leftover.iter().map(Parts::secret).collect();
        let flags = self.flags;
        let known = seen.target.as_ref().or(seen.stale_secrets.first());
        seen.memory.written = known.zip(self.written).and_then(|(secret, version)| {
            let resource_version = version.to_string();
            SecretSeen {
                resource_version,
                ..secret.clone()
            }
            .written()
        });
        seen.credentials = self.version.map(|version| credentials(version, "pw"));
        if let Some(credentials) = seen.credentials.as_mut().filter(|_| !self.labelled) {
            credentials.labels.clear();
        }
        seen.content = self.version.map(|_| content("pw")).filter(|_| flags[0]);
        seen.memory.attempt = self.attempt.map(Box::new);
        seen.memory.last_sent = self.last_sent.map(at);
        seen.memory.stale_reads = self.stale_reads;
        seen.memory.deletion_reported = flags[1];
        seen.memory.repairs = Repairs {
            count: self.repairs,
            last: at(i64::from(self.repairs) * 100),
        };
        seen.memory.target_claimed_by =
            (flags[2] && flags[3] && flags[4]).then(|| "magazines".to_owned());
        seen.resource.refresh_request = self.asked;
        seen.resource.deleting = flags[2] && flags[3] && !flags[4];
        seen.may_request = flags[4];
        seen.rules.require_allowed_hosts = flags[5] && flags[3];
        seen.ca = self.ca;
        seen
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_view_leads_to_a_plan_that_keeps_the_rules(view in anything(), now in -20_000_i64..20_000) {
        let mut seen = view.observed();
        let plan = plan(&mut seen, now);
        let Ok(spec) = seen.resource.spec.clone() else { return Ok(()) };
        let whose = seen.target.as_ref().map(|target| ownership(target, &seen.resource, &spec.token_secret.type_));
        let writable = matches!(whose, None | Some(Ownership::Ours | Ownership::Restored | Ownership::Adoptable))
            && seen.target.as_ref().is_none_or(|target| !target.immutable && !target.deleting)
            && (whose == Some(Ownership::Ours) || seen.memory.target_claimed_by.is_none());
        match &plan.action {
            Action::Request(_) => {
                prop_assert!(seen.may_request, "a request without a permit");
                prop_assert!(writable, "a request though the Secret may not be written");
                prop_assert!(!spec.suspended && !seen.resource.deleting);
                let credentials = seen.credentials.as_ref();
                prop_assert!(credentials.is_some_and(|secret| secret.has_label(CREDENTIALS_LABEL, "true")));
                prop_assert!(spec.client.token_url.scheme() == "https");
                if let Some(sent) = seen.memory.last_sent {
                    prop_assert!(at(now) < sent || at(now).since(sent) >= span(2), "within 2 s of the last");
                }
            }
            Action::Write(write) => {
                prop_assert!(writable && write.data.values().all(Option::is_some), "a write that removes data");
                prop_assert!(!write.annotations.is_empty() || !write.labels.is_empty() || write.owners.is_some() || !write.data.is_empty());
            }
            Action::RestoreOwner(_) => prop_assert!(spec.keeps_state()),
            Action::Finalize => prop_assert!(seen.resource.has_finalizer()),
            Action::WriteState(_) => prop_assert!(spec.dpop.is_some() && writable),
            Action::Publish(_) => prop_assert!(spec.refreshing.is_some() && writable),
            Action::Fetch(_) => prop_assert!(!spec.client.is_located()),
            Action::Nothing => {
                // Everything that no watch reports has a wake-up in the future.
                if let Requeue::RequestAt(time) | Requeue::At(time) = plan.requeue {
                    prop_assert!(time > at(now), "a wake-up at {} that is over at {}", time, at(now));
                }
            }
        }
        for stale in &plan.delete {
            prop_assert!(seen.stale_secrets.iter().any(|secret| secret.uid == stale.uid && secret.is_owned_by(&seen.resource)));
        }
        let said = report(&plan.assessment, &seen.resource.status, 1, StatusDetail::Always, at(now));
        let again = report(&plan.assessment, &said.status, 1, StatusDetail::Always, at(now + 1));
        prop_assert!(!again.changed, "the same said twice");
        let holds = |kind: &str| said.status.conditions.iter().any(|c| c.type_ == kind && c.status == "True");
        prop_assert!(!(holds("Reconciling") && holds("Stalled")), "under way and stalled at once");
    }

    #[test]
    fn a_failure_never_shortens_what_is_published(view in anything(), sent in -10_000_i64..10_000, wait in prop::option::of(-10_i64..100_000)) {
        let mut seen = view.observed();
        seen.now = at(sent);
        seen.bring_up_to_date();
        let Ok(spec) = seen.resource.spec.clone() else { return Ok(()) };
        for class in [FailureClass::Transient, FailureClass::Permanent, FailureClass::NeedsPerson] {
            let failure = Failure { retry_after: wait.map(span), ..failure(class, "ServerError") };
            let outcome = failed(&seen, &spec, &failure, times(sent));
            prop_assert!(outcome.write.is_none() && outcome.delete.is_empty());
            match outcome.attempt.and_then(|attempt| attempt.next) {
                Some(next) => prop_assert!(next.since(at(sent)) >= span(2) + Span::from_millis(500)),
                None => prop_assert!(class == FailureClass::NeedsPerson),
            }
        }
    }

    #[test]
    fn a_token_that_was_written_is_left_alone_at_the_next_look(view in anything(), sent in -10_000_i64..10_000, life in 30_i64..100_000) {
        let mut seen = view.observed();
        seen.now = at(sent);
        seen.bring_up_to_date();
        let Ok(spec) = seen.resource.spec.clone() else { return Ok(()) };
        let target_fits = seen.target.as_ref().is_none_or(|target| {
            ownership(target, &seen.resource, &spec.token_secret.type_) == Ownership::Ours && !target.immutable && !target.deleting
        });
        prop_assume!(target_fits && seen.credentials.is_some() && seen.memory.target_claimed_by.is_none());
        let outcome = granted(&seen, &spec, RefreshReason::Due, token("second", life), times(sent));
        let Some(write) = outcome.write else { return Ok(()) };
        seen.target = Some(applied(&write, seen.target.as_ref(), 50));
        seen.memory.attempt = None;
        let plan = plan(&mut seen, sent + 1);
        prop_assert!(matches!(plan.action, Action::Nothing), "{:?}", decision(&plan));
    }
}
