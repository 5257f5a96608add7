//! What one resource costs in the long run, whatever its spec and whatever its provider returns: the real engine, the
//! real
//! decisions, virtual time. And what a user can cause by altering its token Secret all the time.

use proptest::prelude::*;

use super::*;
use crate::engine::{Engine, Event, Limits, Next, Outcome, ResourceFacts};
use crate::inputs;
use crate::model::FailedAttempt;
use crate::policy::{credentials_facts, token_facts, uid_fact};

/// The one rule: so much an hour at most, once the first hour is over. Looks are those without a request; of requests there
/// are so many only where a provider grants less than ten seconds.
const LOOKS: u32 = 60;
const REQUESTS: u32 = 360;
/// A reconcile writes the status at most once, and the expiry of a token is reported.
const STATUS_WRITES: u32 = 2 * (LOOKS + REQUESTS);

#[derive(Clone, Copy, Debug, Default)]
struct Costs {
    looks: u32,
    requests: u32,
    status_writes: u32,
    secret_writes: u32,
}

impl Costs {
    fn of(scene: &Scene, looks: u32) -> Costs {
        let inner = scene.inner();
        Costs {
            looks,
            requests: inner.requests,
            status_writes: inner.status_writes,
            secret_writes: inner.secret_writes,
        }
    }

    fn since(self, before: Costs) -> Costs {
        Costs {
            looks: self.looks - before.looks,
            requests: self.requests - before.requests,
            status_writes: self.status_writes - before.status_writes,
            secret_writes: self.secret_writes - before.secret_writes,
        }
    }

    fn keeps_the_rule(self) -> bool {
        // Which second of an hour it is does not matter.
        self.looks <= LOOKS + 2
            && self.requests <= REQUESTS + 2
            && self.status_writes <= STATUS_WRITES
            && self.secret_writes <= REQUESTS + LOOKS
    }
}

/// The engine over one scene, with watches that report at once.
struct Driven<'a> {
    scene: &'a Scene,
    engine: Engine,
    looks: u32,
}

impl<'a> Driven<'a> {
    fn new(scene: &'a Scene) -> Self {
        let mut driven = Driven {
            scene,
            engine: Engine::new(Limits::default()),
            looks: 0,
        };
        driven.tell();
        driven.engine.ready(scene.inner().now);
        driven
    }

    /// Tells the engine what the watches would.
    fn tell(&mut self) {
        let (now, resource, token, credentials) = {
            let inner = self.scene.inner();
            let Some(resource) = inner.resource.as_ref() else {
                return;
            };
            let status = &resource.status;
            let reported_refresh = status.token.as_ref();
            let facts = ResourceFacts {
                uid: uid_fact(&resource.uid),
                generation: resource.generation,
                inputs: match &resource.spec {
                    Ok(_) => inputs::short(&resource.inputs),
                    Err(_) => 0,
                },
                host: "auth.example.com".into(),
                refresh_request: 0,
                suspended: resource.spec.as_ref().is_ok_and(|spec| spec.suspended),
                deleting: resource.deleting,
                reported: status.observed_generation == resource.generation,
                reported_refresh: reported_refresh
                    .and_then(|token| Time::parse_rfc3339(&token.refresh_time)),
                attempt: FailedAttempt::from_status(status).map(|attempt| attempt.fact()),
            };
            let credentials = inner.credentials.as_ref();
            let labelled = credentials
                .filter(|secret| secret.has_label(crate::names::CREDENTIALS_LABEL, "true"));
            (
                inner.now,
                facts,
                inner.secrets.get("token").and_then(token_facts),
                labelled.map(|secret| credentials_facts(&secret.uid, &secret.resource_version)),
            )
        };
        let key = key();
        self.engine.changed(&key, Event::Resource(resource), now);
        self.engine
            .changed(&key, Event::Credentials(credentials), now);
        if token.is_none() {
            self.scene.inner().memory.deletion_reported = true;
        }
        self.engine.changed(&key, Event::Token(token), now);
    }

    /// Runs until then; `meddle` is called each second.
    fn run(&mut self, until: Time, mut meddle: impl FnMut(&Scene)) {
        let mut works = 0;
        while self.scene.inner().now < until {
            let now = self.scene.inner().now;
            match self.engine.next(now) {
                Next::Sleep(time) => {
                    let second = now + span(1);
                    let next = time.min(second).max(now + Span::from_millis(1));
                    self.scene.inner().now = next.min(until);
                    if next == second {
                        meddle(self.scene);
                        self.tell();
                    }
                }
                Next::Work(work) => {
                    works += 1;
                    assert!(works < 100_000, "a hot loop");
                    self.work(&work);
                }
            }
        }
    }

    fn work(&mut self, work: &Work) {
        if !work.may_request {
            self.looks += 1;
        }
        let reconciled = self
            .scene
            .reconcile(work.may_request)
            .expect("nothing crashes");
        let (key, now) = (key(), self.scene.inner().now);
        match reconciled {
            Reconciled::Done(outcome) => self.engine.done(&key, outcome, now),
            Reconciled::Abandoned { again, .. } => {
                self.engine.abandoned(&key, HostReport::Unused, again, now);
            }
            Reconciled::Gone => {
                let outcome = Outcome {
                    token: None,
                    attempt: None,
                    host_report: HostReport::Unused,
                    requeue: crate::engine::Requeue::OnChange,
                };
                self.engine.done(&key, outcome, now);
            }
        }
        self.tell();
    }

    /// What the second and the third hour cost.
    fn hours(mut self, mut meddle: impl FnMut(&Scene)) -> [Costs; 2] {
        let begin = self.scene.inner().now;
        let mut before = Costs::default();
        let mut costs = [Costs::default(); 3];
        for (hour, cost) in costs.iter_mut().enumerate() {
            let hour = i64::try_from(hour).unwrap();
            self.run(begin + span(3600 * (hour + 1)), &mut meddle);
            let all = Costs::of(self.scene, self.looks);
            *cost = all.since(before);
            before = all;
        }
        let [_, second, third] = costs;
        [second, third]
    }
}

fn nothing(_: &Scene) {}

fn scene(spec: &Spec, change: impl FnOnce(&mut Inner)) -> Scene {
    let scene = Scene::new(spec);
    change(&mut scene.inner());
    scene
}

fn always(answer: &Answer) -> VecDeque<Answer> {
    std::iter::repeat_n(answer.clone(), 20_000).collect()
}

/// Every unusual spec and surrounding that a resource can wait for.
fn oddities() -> Vec<(&'static str, Scene)> {
    let usual = Spec::default();
    let target = |change: fn(&mut SecretSeen)| {
        move |inner: &mut Inner| {
            let mut secret = crate::policy::tests::secret("token", 5);
            change(&mut secret);
            inner.put(secret);
        }
    };
    vec![
        ("well", scene(&usual, |_| {})),
        (
            "no credentials",
            scene(&usual, |inner| inner.credentials = None),
        ),
        (
            "no label",
            scene(&usual, |inner| {
                inner.credentials.as_mut().unwrap().labels.clear();
            }),
        ),
        (
            "an empty key",
            scene(&usual, |inner| {
                let data = &mut inner.credentials.as_mut().unwrap().data;
                data.insert("client_secret".into(), Secret::from(""));
            }),
        ),
        (
            "no CA",
            scene(&Spec::extra("#ca\n"), |inner| {
                inner.ca = ConfigMapRead::Missing
            }),
        ),
        (
            "a broken CA",
            scene(&Spec::extra("#ca\n"), |inner| {
                inner.ca = ConfigMapRead::Value(b"x".to_vec());
            }),
        ),
        (
            "suspended",
            scene(&Spec::extra("  suspend: true\n"), |_| {}),
        ),
        (
            "http",
            scene(
                &Spec {
                    url: Some("http://auth.example.com/token"),
                    ..Spec::default()
                },
                |_| {},
            ),
        ),
        (
            "a template that fails",
            scene(
                &Spec::secret(", data: {h: \"{{ response.none }}\"}"),
                |_| {},
            ),
        ),
        (
            "no refresh token",
            scene(&Spec::extra("  grant: {type: refresh_token}\n"), |_| {}),
        ),
        ("a foreign Secret", scene(&usual, target(|_| {}))),
        (
            "a Secret that is going",
            scene(
                &usual,
                target(|secret| {
                    secret.owners = vec![crate::policy::tests::owner(
                        "books",
                        crate::policy::tests::UID,
                    )];
                    secret.deleting = true;
                }),
            ),
        ),
        (
            "a Secret of a predecessor",
            scene(
                &usual,
                target(|secret| {
                    secret.owners = vec![crate::policy::tests::owner("books", "before")];
                }),
            ),
        ),
        (
            "an immutable Secret",
            scene(
                &usual,
                target(|secret| {
                    secret.owners = vec![crate::policy::tests::owner(
                        "books",
                        crate::policy::tests::UID,
                    )];
                    secret.immutable = true;
                }),
            ),
        ),
        (
            "a status that cannot be written",
            scene(&usual, |inner| {
                inner.reports = std::iter::repeat_n(false, 100_000).collect();
            }),
        ),
    ]
}

#[test]
fn no_oddity_of_a_spec_or_its_surroundings_becomes_a_hot_loop() {
    for (name, scene) in oddities() {
        for hour in Driven::new(&scene).hours(nothing) {
            assert!(hour.keeps_the_rule(), "{name}: {hour:?}");
            assert!(hour.requests <= 60, "{name}: {hour:?}");
            // What is waited for is looked at less and less often.
            assert!(hour.looks <= 60, "{name}: {hour:?}");
            assert!(hour.status_writes <= 20, "{name}: {hour:?}");
        }
    }
}

#[test]
fn nothing_that_a_provider_answers_becomes_a_hot_loop() {
    let mut answers = vec![Answer::Unavailable, Answer::Status(404)];
    for life in [-5, 0, 1, 2, 5, 9, 10, 11, 20, 30, 60, 599, 3600] {
        answers.extend([Answer::New(life), Answer::One(life)]);
    }
    for code in [
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "invalid_scope",
        "access_denied",
        "server_error",
        "temporarily_unavailable",
        "slow_down",
        "some_other",
    ] {
        answers.push(Answer::Refused(code));
    }
    for answer in answers {
        let scene = scene(&Spec::default(), |inner| inner.answers = always(&answer));
        for hour in Driven::new(&scene).hours(nothing) {
            // A life of 10 s and more is followed, whatever that takes.
            let followed = matches!(answer, Answer::New(10..=29) | Answer::One(10..=29));
            let requests = if followed { 3600 / 4 } else { REQUESTS };
            assert!(
                hour.looks <= LOOKS + 2 && hour.requests <= requests + 2,
                "{answer:?}: {hour:?}"
            );
        }
    }
}

#[test]
fn a_tiny_life_is_asked_for_six_times_a_minute_and_less_often_while_nothing_changes() {
    let news = scene(&Spec::default(), |inner| {
        inner.answers = always(&Answer::New(1))
    });
    let mut driven = Driven::new(&news);
    driven.run(at(600), nothing);
    let requests = news.inner().requests;
    assert!((40..=61).contains(&requests), "{requests} in ten minutes");
    let ready = {
        let inner = news.inner();
        inner.resource.as_ref().unwrap().status.conditions[0].clone()
    };
    assert!(ready.message.contains("less than 10 s") || ready.status == "False");

    let same = scene(&Spec::default(), |inner| {
        inner.answers = always(&Answer::One(1))
    });
    let mut driven = Driven::new(&same);
    driven.run(at(3600), nothing);
    let first = same.inner().requests;
    assert!(first <= 24, "{first} in an hour");
    driven.run(at(7200), nothing);
    let second = same.inner().requests - first;
    assert!(second <= 13, "{second} in the second hour");
}

/// Alters the token Secret, if it is there.
fn alter(scene: &Scene, change: impl FnOnce(&mut SecretSeen)) {
    let there = scene.inner().secrets.get("token").cloned();
    if let Some(mut secret) = there {
        change(&mut secret);
        scene.put(secret);
    }
}

fn published() -> Scene {
    let scene = Scene::new(&Spec::default());
    scene.run(at(20));
    assert_eq!(scene.inner().requests, 1);
    scene
}

/// An alteration of the state, which leaves the token and its data as they are.
type Alteration = fn(&mut SecretSeen);

const OF_STATE: [(&str, Alteration); 6] = [
    ("gone", |secret| {
        secret.annotations.remove("oauthclient.dev/state");
    }),
    ("garbled", |secret| {
        let garbled = ("oauthclient.dev/state".to_owned(), "{".to_owned());
        secret.annotations.extend([garbled]);
    }),
    ("inputs", |secret| {
        forge(secret, |state| {
            state.inputs = "v1:00000000000000000000000000000001".into();
        });
    }),
    ("credentials", |secret| {
        forge(secret, |state| state.credentials = "x/1".into());
    }),
    ("refresh", |secret| {
        forge(secret, |state| state.refresh = state.issued);
    }),
    ("expires", |secret| {
        let early = (
            "oauthclient.dev/expires-at".to_owned(),
            at(1).rfc3339_millis(),
        );
        secret.annotations.extend([early]);
    }),
];

/// Writes another state, as whole as ours.
fn forge(secret: &mut SecretSeen, change: impl FnOnce(&mut crate::policy::TokenState)) {
    let Some(mut state) = secret.state() else {
        return;
    };
    change(&mut state);
    let state = state.seal(&secret.data);
    let written = state.write().into_iter();
    let written = written.filter_map(|(key, value)| Some((key, value?)));
    secret.annotations.extend(written);
}

#[test]
fn an_altered_state_is_mended_without_a_token_request() {
    for (name, alteration) in OF_STATE {
        let scene = published();
        let before = scene.inner().secrets["token"].state().unwrap();
        let mut driven = Driven::new(&scene);
        driven.run(at(25), nothing);
        alter(&scene, alteration);
        driven.tell();
        driven.run(at(60), nothing);
        assert_eq!(scene.inner().requests, 1, "{name}");
        let secret = scene.inner().secrets["token"].clone();
        let state = secret.state().expect(name);
        assert!(state.intact(&secret.data), "{name}");
        assert_eq!(
            (
                state.issued,
                state.expires(),
                state.refresh,
                state.inputs,
                state.credentials
            ),
            (
                before.issued,
                before.expires(),
                before.refresh,
                before.inputs,
                before.credentials
            ),
            "{name}"
        );
        let status = scene.inner().resource.as_ref().unwrap().status.clone();
        assert_eq!(
            status.repairs.map(|repairs| repairs.count),
            Some(1),
            "{name}"
        );
    }
}

#[test]
fn whoever_alters_a_state_for_ever_makes_no_loop_of_requests_or_writes() {
    for (name, alteration) in OF_STATE {
        let scene = published();
        let mut driven = Driven::new(&scene);
        driven.run(at(600), |scene| alter(scene, alteration));
        let inner = scene.inner();
        assert_eq!(inner.requests, 1, "{name}");
        assert!(
            inner.secret_writes <= 9,
            "{name}: {} writes",
            inner.secret_writes
        );
        assert!(
            inner.status_writes <= 25,
            "{name}: {} status writes",
            inner.status_writes
        );
    }
}

#[test]
fn a_label_that_is_removed_for_ever_is_put_back_at_the_pace_of_repairs() {
    let scene = published();
    let mut driven = Driven::new(&scene);
    driven.run(at(600), |scene| {
        alter(scene, |secret| {
            secret.labels.remove(crate::names::TOKEN_LABEL);
        });
    });
    let inner = scene.inner();
    assert_eq!(inner.requests, 1);
    assert!(inner.secret_writes <= 9, "{} writes", inner.secret_writes);
}

#[test]
fn a_secret_that_is_deleted_each_second_is_made_anew_at_the_pace_of_repairs_across_restarts() {
    let scene = published();
    let delete = |scene: &Scene| {
        scene.inner().secrets.remove("token");
    };
    let mut driven = Driven::new(&scene);
    driven.run(at(80), delete);
    let requests = scene.inner().requests;
    assert!(requests <= 5, "{requests} requests in a minute");
    for restart in 1..6 {
        scene.restart();
        let mut driven = Driven::new(&scene);
        driven.run(at(80 + restart * 10), delete);
    }
    let requests = scene.inner().requests;
    assert!(requests <= 6, "{requests} requests with five restarts");
    let mut driven = Driven::new(&scene);
    driven.run(at(3600), delete);
    let requests = scene.inner().requests;
    assert!(requests <= 11, "{requests} requests in an hour");
    // Once it is left alone, all is well again.
    driven.run(at(3 * 3600), nothing);
    assert_eq!(scene.condition("Ready"), Some((true, "TokenValid".into())));
    let status = scene.inner().resource.as_ref().unwrap().status.clone();
    assert!(status.repairs.is_none_or(|repairs| repairs.count > 4));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whatever_mixes_up_the_rule_holds(
        answers in prop::collection::vec(prop_oneof![
            (1_i64..40).prop_map(Answer::One),
            (30_i64..4000).prop_map(Answer::New),
            Just(Answer::Unavailable),
            Just(Answer::Refused("invalid_client")),
        ], 1..8),
        which in 0_usize..6,
        every in 1_u64..200,
    ) {
        let turns = answers.iter().cycle().take(20_000).cloned().collect();
        let scene = scene(&Spec::default(), |inner| inner.answers = turns);
        let mut second = 0_u64;
        let hours = Driven::new(&scene).hours(|scene| {
            second += 1;
            if second.is_multiple_of(every) {
                alter(scene, OF_STATE[which].1);
            }
        });
        for hour in hours {
            // What was not used of the first ones may come later.
            prop_assert!(hour.looks <= LOOKS + 20, "{hour:?}");
            prop_assert!(hour.requests <= 3600 / 4, "{hour:?}");
        }
    }
}

#[test]
fn a_response_of_any_grant_finds_its_room_before_it_is_requested_where_the_last_one_was_large() {
    let scene = Scene::new(&Spec::default());
    scene.run(at(5));
    assert!(
        scene.inner().rooms.is_empty(),
        "nothing is known of the first one"
    );
    scene.inner().memory.large_response = 500_000;
    scene.inner().is_full = true;
    scene.run(at(3000));
    {
        let inner = scene.inner();
        assert_eq!(
            inner.requests, 1,
            "no request whose response would have to be dropped"
        );
        assert_eq!(inner.rooms.first(), Some(&Some(500_000)));
    }
    scene.inner().is_full = false;
    let now = scene.inner().now;
    scene.run(now + span(10));
    assert_eq!(scene.inner().requests, 2);
    assert_eq!(scene.inner().memory.large_response, 0, "this one was small");
}

#[test]
fn a_response_that_was_not_read_for_want_of_room_is_requested_again_only_once_there_is_room() {
    let scene = Scene::new(&Spec::default());
    scene.inner().answers.push_back(Answer::Unread);
    // Nothing is known of the first response, so that no room is set aside for it.
    scene.inner().is_full = true;
    scene.run(at(600));
    assert_eq!(scene.inner().requests, 1);
    assert!(
        scene.inner().rooms.len() > 10,
        "it is tried again all the time"
    );
    scene.inner().is_full = false;
    scene.run(at(620));
    assert_eq!(scene.inner().requests, 2);
    assert!(scene.condition("Ready").unwrap().0);
}
