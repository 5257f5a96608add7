//! When a workload is restarted.

use crate::api::validate::{Restart, WorkloadKind};
use crate::policy::restart::{Obstacle, RestartDecision, RestartToken, Rollout, Workload, decide};
use crate::time::{Span, Time};

const NOW: Time = Time::from_seconds(100_000);

fn wanted() -> Restart {
    Restart {
        kind: WorkloadKind::Deployment,
        name: "shop".into(),
        min_interval: Span::from_seconds(3600),
    }
}

fn token(is_new: bool) -> RestartToken {
    RestartToken {
        version: "main/2".into(),
        lifetime: Span::from_seconds(7200),
        is_new,
    }
}

fn workload() -> Workload {
    Workload {
        restart_by: Some("main".into()),
        restarted_for: Some("main/1".into()),
        restarted_at: Some(NOW - Span::from_seconds(3600)),
        rollout: Rollout::Complete,
    }
}

fn verdict(token: &RestartToken, workload: &Workload) -> RestartDecision {
    decide(&wanted(), "main", token, Some(workload), NOW)
}

#[test]
fn a_workload_is_restarted_once_for_each_token() {
    assert_eq!(verdict(&token(true), &workload()), RestartDecision::Restart);
    let done = Workload {
        restarted_for: Some("main/2".into()),
        ..workload()
    };
    for is_new in [true, false] {
        assert_eq!(verdict(&token(is_new), &done), RestartDecision::Nothing);
    }
}

#[test]
fn a_restart_of_the_operator_restarts_nothing_but_what_still_waits() {
    // It waited when the operator ended.
    assert_eq!(
        verdict(&token(false), &workload()),
        RestartDecision::Restart
    );
    for restarted_for in [None, Some("other/1"), Some("mainly/1"), Some("main")] {
        let unknown = Workload {
            restarted_for: restarted_for.map(str::to_owned),
            ..workload()
        };
        assert_eq!(verdict(&token(false), &unknown), RestartDecision::Nothing);
        assert_eq!(verdict(&token(true), &unknown), RestartDecision::Restart);
    }
    let absent = decide(&wanted(), "main", &token(false), None, NOW);
    assert_eq!(absent, RestartDecision::Nothing);
}

#[test]
fn nothing_is_restarted_without_the_owner_of_the_workload() {
    for restart_by in [
        None,
        Some(""),
        Some("other"),
        Some("main,other"),
        Some("mainly"),
    ] {
        let workload = Workload {
            restart_by: restart_by.map(str::to_owned),
            ..workload()
        };
        assert!(matches!(
            verdict(&token(true), &workload),
            RestartDecision::Later(_, Some(Obstacle::NotOptedIn))
        ));
    }
    let absent = decide(&wanted(), "main", &token(true), None, NOW);
    assert!(matches!(
        absent,
        RestartDecision::Later(_, Some(Obstacle::NotFound))
    ));
}

#[test]
fn a_rollout_that_is_not_complete_is_waited_for() {
    for (rollout, obstacle) in [
        (Rollout::InProgress, None),
        (Rollout::Failing, Some(Obstacle::RolloutFailing)),
        (Rollout::Paused, Some(Obstacle::Paused)),
    ] {
        let workload = Workload {
            rollout,
            ..workload()
        };
        match verdict(&token(true), &workload) {
            RestartDecision::Later(span, reported) => {
                assert_eq!(reported, obstacle);
                assert!(span > Span::ZERO && span <= Span::from_seconds(60));
            }
            other => panic!("{other:?}"),
        }
    }
    let by_hand = Workload {
        rollout: Rollout::OnDelete,
        ..workload()
    };
    assert_eq!(
        verdict(&token(true), &by_hand),
        RestartDecision::Refused(Obstacle::OnDelete)
    );
}

#[test]
fn two_restarts_are_at_least_the_interval_apart() {
    let restarted = |ago: i64| Workload {
        restarted_at: Some(NOW - Span::from_seconds(ago)),
        ..workload()
    };
    let later = |seconds| RestartDecision::Later(Span::from_seconds(seconds), None);
    assert_eq!(verdict(&token(true), &restarted(3599)), later(1));
    assert_eq!(verdict(&token(true), &restarted(0)), later(3600));
    assert_eq!(
        verdict(&token(true), &restarted(3600)),
        RestartDecision::Restart
    );
    // Of another clock.
    assert_eq!(verdict(&token(true), &restarted(-9_999)), later(3600));
    let never = Workload {
        restarted_at: None,
        ..workload()
    };
    assert_eq!(verdict(&token(true), &never), RestartDecision::Restart);
}

#[test]
fn a_token_that_lives_too_short_restarts_nothing() {
    let short = RestartToken {
        lifetime: Span::from_seconds(7199),
        ..token(true)
    };
    assert_eq!(
        verdict(&short, &workload()),
        RestartDecision::Refused(Obstacle::LifetimeTooShort)
    );
    // Of a workload that has it, nothing is said again.
    let done = Workload {
        restarted_for: Some("main/2".into()),
        ..workload()
    };
    assert_eq!(verdict(&short, &done), RestartDecision::Nothing);
}
