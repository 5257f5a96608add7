//! A row for every class of failure, and the pauses that nothing may cut short.

use super::*;
use crate::oauth::error::FailureClass;

#[test]
fn transient_failures_are_tried_again_with_growing_pauses() {
    let pause = |failures, remaining, u| {
        retry(FailureClass::Transient, failures, remaining, None, at(0), u).since(at(0))
    };
    let long = Some(secs(100_000));
    for (failures, most) in [
        (1, 5),
        (2, 10),
        (3, 20),
        (6, 160),
        (7, 300),
        (u32::MAX, 300),
    ] {
        assert_eq!(pause(failures, long, 1.0), secs(most), "failure {failures}");
        assert_eq!(pause(failures, long, 0.0), secs(most).scale(0.5));
    }
    assert_eq!(
        pause(9, Some(secs(800)), 1.0),
        secs(100),
        "an eighth of what is left"
    );
    assert_eq!(pause(9, Some(secs(8)), 1.0), secs(10));
    assert_eq!(pause(9, Some(secs(-1)), 1.0), secs(300), "once expired");
    assert_eq!(pause(9, None, 1.0), secs(300));
}

#[test]
fn retry_after_is_a_floor_of_at_most_an_hour() {
    for (class, retry_after, least) in [
        (FailureClass::Transient, 120, 120),
        (FailureClass::Transient, 0, 5),
        (FailureClass::Transient, -99, 5),
        (FailureClass::Transient, 1_000_000, 3600),
        (FailureClass::Permanent, 900, 900),
    ] {
        let next = retry(class, 1, None, Some(secs(retry_after)), at(0), 1.0);
        assert_eq!(next, at(least), "{class:?} {retry_after}");
    }
}

#[test]
fn permanent_failures_are_probed_from_a_minute_to_an_hour() {
    let probe = |failures, u| retry(FailureClass::Permanent, failures, None, None, at(0), u);
    for (failures, seconds) in [
        (1, 60),
        (2, 120),
        (3, 240),
        (6, 1920),
        (7, 3600),
        (99, 3600),
    ] {
        assert_eq!(probe(failures, 0.0), at(seconds));
        assert_eq!(probe(failures, 1.0), at(0) + secs(seconds).scale(0.9));
    }
}

#[test]
fn what_needs_a_person_is_never_tried_again_by_itself() {
    let next = retry(
        FailureClass::NeedsPerson,
        1,
        None,
        Some(secs(5)),
        at(0),
        0.5,
    );
    assert_eq!(next, Time::NEVER);
}

#[test]
fn what_asks_at_once_keeps_its_distance_except_from_another_endpoint_or_client() {
    assert_eq!(earliest(at(0), at(0), false), at(2));
    assert_eq!(earliest(at(0), at(60), false), at(60));
    assert_eq!(earliest(at(0), at(60), true), at(0));
}

#[test]
fn repairs_back_off_from_ten_seconds_to_an_hour_and_are_forgotten_after_a_quiet_time() {
    for (repairs, seconds) in [
        (0, 0),
        (1, 10),
        (2, 20),
        (9, 2560),
        (10, 3600),
        (u32::MAX, 3600),
    ] {
        assert_eq!(repair_delay(repairs), secs(seconds));
    }
    assert!(!repairs_forgotten(1, secs(600)));
    assert!(repairs_forgotten(1, secs(601)));
    assert!(!repairs_forgotten(10, secs(7200)));
    assert!(repairs_forgotten(10, secs(7201)));
}

#[test]
fn a_refused_refresh_is_tried_again_shortly_before_the_token_ends() {
    let after = |left: i64, failures: u32| {
        let left = Some(secs(left));
        let next = retry(FailureClass::Permanent, failures, left, None, at(0), 0.0);
        next.since(at(0)).millis() / 1000
    };
    // A token of 10 min whose refresh is refused until 30 s before its end.
    assert_eq!(after(200, 1), 60);
    assert_eq!(after(140, 2), 120);
    assert_eq!(after(100, 2), 80);
    assert_eq!(after(20, 3), 240);
    // One that ends later is probed as always.
    assert_eq!(after(7200, 3), 240);
}
