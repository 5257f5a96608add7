//! Random histories: whatever happens on the way, it ends as if nothing had, with no request too many.

use proptest::prelude::*;

use super::*;

// No crashes here: a process that has just begun has nothing to doubt a stale view by.
fn faults() -> impl Strategy<Value = Vec<Fault>> {
    let fault = prop::sample::select(vec![
        Fault::Fine,
        Fault::Conflict,
        Fault::Lost,
        Fault::Committed,
        Fault::Forbidden,
        Fault::Refused,
    ]);
    prop::collection::vec(fault, 0..12)
}

/// A view that stays stale is believed in the end (as after a restore from a backup), so at most as many are stale in a
/// row as
/// are doubted; a failure in between does not count as another view.
fn looks() -> impl Strategy<Value = Vec<Look>> {
    let look = prop::sample::select(vec![Look::Fresh, Look::Fresh, Look::Stale, Look::Fails]);
    prop::collection::vec(look, 0..12).prop_map(|mut looks| {
        let mut in_a_row = 0;
        for look in &mut looks {
            match look {
                Look::Stale if in_a_row == crate::policy::MAX_STALE_READS => *look = Look::Fresh,
                Look::Stale => in_a_row += 1,
                Look::Fails => {}
                _ => in_a_row = 0,
            }
            if matches!(look, Look::Fresh) {
                in_a_row = 0;
            }
        }
        looks
    })
}

/// What counts in the end: the token's state and what people read, without its own times.
fn end(scene: &Scene) -> (bool, Vec<(String, String)>) {
    let inner = scene.inner();
    let sound = inner.secrets.get("token").is_some_and(|secret| {
        let state = secret.state();
        state.is_some_and(|state| state.intact(&secret.data) && state.expires() > inner.now)
    });
    let conditions = &inner.resource.as_ref().unwrap().status.conditions;
    let told = conditions
        .iter()
        .map(|condition| (condition.type_.clone(), condition.status.clone()));
    (sound, told.collect())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn faults_of_the_api_cost_no_request_and_leave_no_trace(
        writes in faults(),
        looks in looks(),
        reports in prop::collection::vec(any::<bool>(), 0..6),
    ) {
        let plain = Scene::new(&Spec::default());
        plain.run(at(2000));
        let scene = Scene::new(&Spec::default());
        {
            let mut inner = scene.inner();
            inner.writes = writes.into();
            inner.looks = looks.into();
            inner.reports = reports.into();
        }
        scene.run(at(600));
        let requests = scene.inner().requests;
        prop_assert_eq!(requests, 1, "one need, one request");
        scene.run(at(610));
        prop_assert_eq!(end(&scene), end(&plain));
    }

    #[test]
    fn crashes_cost_at_most_one_request_each_and_it_ends_well(
        points in prop::collection::vec((0_usize..6, 0_u8..3), 0..4),
    ) {
        let scene = Scene::new(&Spec::default());
        {
            let mut inner = scene.inner();
            inner.writes = vec![Fault::Fine; 8].into();
            inner.answers = (0..8).map(|_| Answer::New(600)).collect();
            for (point, sending) in &points {
                match sending {
                    0 => inner.answers[*point] = Answer::Crash,
                    1 => inner.writes[*point] = Fault::CrashBefore,
                    _ => inner.writes[*point] = Fault::CrashAfter,
                }
            }
        }
        scene.run(at(5000));
        let plain = Scene::new(&Spec::default());
        plain.inner().answers = (0..8).map(|_| Answer::New(600)).collect();
        plain.run(at(5000));
        let (with, without) = (scene.inner().requests, plain.inner().requests);
        prop_assert!(with as usize <= without as usize + points.len() + 1, "{with} requests, {without} undisturbed");
        prop_assert_eq!(end(&scene), end(&plain));
    }

    #[test]
    fn whatever_the_provider_does_a_live_token_stays_and_nothing_runs_hot(
        answers in prop::collection::vec(prop_oneof![
            (20_i64..4000).prop_map(Answer::New),
            (20_i64..4000).prop_map(Answer::Same),
            Just(Answer::Unavailable),
            Just(Answer::Refused("invalid_client")),
            Just(Answer::Refused("server_error")),
        ], 0..30),
    ) {
        let scene = Scene::new(&Spec::default());
        scene.inner().answers = answers.into();
        let mut before: Option<(String, Time)> = None;
        for step in 1..60 {
            scene.run(at(step * 30));
            let now = scene.inner().now;
            let token = scene.token();
            if let Some((old, end)) = &before && *end > now && token.as_ref() != Some(old) {
                prop_assert!(token.is_some(), "a live token was removed");
            }
            let end = scene.inner().secrets.get("token").and_then(SecretSeen::state).map(|state| state.expires());
            before = token.zip(end);
        }
        let requests = scene.inner().requests;
        prop_assert!(requests < 1800 / 3, "{requests} requests in half an hour");
    }
}
