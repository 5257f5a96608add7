use super::*;

mod simulation;

const TIMINGS: Timings = Timings {
    duration: Duration::from_secs(15),
    renew_deadline: Duration::from_secs(10),
    retry: Duration::from_secs(2),
};

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn lease(version: &str, holder: &str, transitions: u32) -> CallResult {
    CallResult::Lease(LeaseView {
        version: version.to_owned(),
        holder: holder.to_owned(),
        duration: Some(at(15)),
        transitions,
    })
}

fn candidate() -> Election {
    Election::new("me".to_owned(), TIMINGS)
}

/// The leader since a claim that was sent at 0, with version 1 and fence 4.
fn leader() -> Election {
    let mut election = candidate();
    election.handle_result(at(0), at(0), lease("0", "", 3));
    assert_eq!(*election.call(), replace("0".to_owned(), 4, true));
    election.handle_result(at(0), at(1), lease("1", "me", 4));
    assert_eq!(
        *election.state(),
        ElectionState::Leading {
            fence: 4,
            until: at(10)
        }
    );
    election
}

#[test]
fn without_a_lease_it_is_created_and_its_creator_leads() {
    let mut election = candidate();
    assert_eq!(*election.call(), Call::Read);
    assert!(election.handle_result(at(0), at(0), CallResult::Absent));
    assert_eq!(*election.call(), Call::Create);
    election.handle_result(at(1), at(2), lease("1", "me", 0));
    assert_eq!(
        *election.state(),
        ElectionState::Leading {
            fence: 0,
            until: at(11)
        }
    );
}

#[test]
fn an_api_error_is_not_taken_for_an_absent_lease() {
    let mut election = candidate();
    election.handle_result(at(0), at(0), CallResult::Unknown);
    assert_eq!(*election.call(), Call::Read);
}

#[test]
fn another_holder_is_left_alone_until_it_was_silent_for_the_whole_duration_under_our_eyes() {
    let mut election = candidate();
    for second in (0..15).step_by(2) {
        election.handle_result(at(second), at(second), lease("7", "other", 2));
        assert_eq!(*election.call(), Call::Read, "after {second} s");
    }
    assert!(election.handle_result(at(15), at(15), lease("7", "other", 2)));
    assert_eq!(*election.call(), replace("7".to_owned(), 3, true));
}

#[test]
fn every_renewal_of_the_other_starts_the_wait_anew() {
    let mut election = candidate();
    election.handle_result(at(0), at(0), lease("7", "other", 2));
    election.handle_result(at(14), at(14), lease("8", "other", 2));
    election.handle_result(at(28), at(28), lease("8", "other", 2));
    assert_eq!(*election.call(), Call::Read);
    election.handle_result(at(29), at(29), lease("8", "other", 2));
    assert_eq!(*election.call(), replace("8".to_owned(), 3, true));
}

#[test]
fn the_holders_own_longer_duration_is_respected_but_not_a_nonsense_one() {
    let held_for = |duration: Option<Duration>, second: u64| {
        let mut election = candidate();
        let view = LeaseView {
            version: "7".into(),
            holder: "other".into(),
            duration,
            transitions: 0,
        };
        election.handle_result(at(0), at(0), CallResult::Lease(view.clone()));
        election.handle_result(at(second), at(second), CallResult::Lease(view));
        *election.call() == Call::Read
    };
    assert!(held_for(Some(at(60)), 59) && !held_for(Some(at(60)), 60));
    assert!(held_for(Some(at(1)), 14) && !held_for(Some(at(1)), 15));
    assert!(held_for(None, 14) && !held_for(None, 15));
    assert!(held_for(Some(at(1_000_000)), 3599) && !held_for(Some(at(1_000_000)), 3600));
}

#[test]
fn a_released_lease_is_taken_at_once_and_the_transition_is_counted() {
    let mut election = candidate();
    assert!(election.handle_result(at(0), at(0), lease("7", "", 2)));
    assert_eq!(*election.call(), replace("7".to_owned(), 3, true));
}

#[test]
fn of_two_who_claim_the_slower_one_stands_by() {
    let mut election = candidate();
    election.handle_result(at(0), at(0), lease("7", "", 2));
    election.handle_result(at(0), at(1), CallResult::Conflict);
    assert_eq!(*election.state(), ElectionState::Standby);
    assert_eq!(*election.call(), Call::Read);
}

#[test]
fn a_claim_whose_answer_was_lost_leads_only_after_a_fresh_write() {
    let mut election = candidate();
    election.handle_result(at(0), at(0), lease("7", "", 2));
    election.handle_result(at(0), at(5), CallResult::Unknown);
    assert_eq!(*election.call(), Call::Read);
    assert!(election.handle_result(at(7), at(7), lease("8", "me", 3)));
    assert_eq!(*election.state(), ElectionState::Standby);
    assert_eq!(*election.call(), replace("8".to_owned(), 3, false));
    election.handle_result(at(8), at(8), lease("9", "me", 3));
    assert_eq!(
        *election.state(),
        ElectionState::Leading {
            fence: 3,
            until: at(18)
        }
    );
}

#[test]
fn a_claim_that_was_answered_after_its_own_deadline_does_not_lead() {
    let mut election = candidate();
    election.handle_result(at(0), at(0), lease("7", "", 2));
    election.handle_result(at(0), at(10), lease("8", "me", 3));
    assert_eq!(*election.state(), ElectionState::Standby);
    assert_eq!(*election.call(), replace("8".to_owned(), 3, false));
}

#[test]
fn a_renewal_counts_from_when_it_was_sent() {
    let mut election = leader();
    election.handle_result(at(3), at(6), lease("2", "me", 4));
    assert_eq!(
        *election.state(),
        ElectionState::Leading {
            fence: 4,
            until: at(13)
        }
    );
    assert_eq!(*election.call(), replace("2".to_owned(), 4, false));
}

#[test]
fn a_leader_without_a_renewal_stops_at_its_deadline_and_for_good() {
    let mut election = leader();
    election.handle_result(at(3), at(8), CallResult::Unknown);
    election.tick(Duration::from_millis(9_999));
    assert!(matches!(election.state(), ElectionState::Leading { .. }));
    election.tick(at(10));
    assert_eq!(*election.state(), ElectionState::Lost);
    election.handle_result(at(9), at(11), lease("2", "me", 4));
    assert_eq!(*election.state(), ElectionState::Lost);
}

#[test]
fn a_renewal_that_went_through_unseen_is_found_and_carried_on_from() {
    let mut election = leader();
    election.handle_result(at(3), at(5), CallResult::Unknown);
    election.handle_result(at(6), at(6), CallResult::Conflict);
    assert_eq!(*election.call(), Call::Read);
    assert!(election.handle_result(at(7), at(7), lease("2", "me", 4)));
    assert_eq!(*election.call(), replace("2".to_owned(), 4, false));
    assert_eq!(
        *election.state(),
        ElectionState::Leading {
            fence: 4,
            until: at(10)
        }
    );
}

#[test]
fn a_lease_that_was_taken_cleared_or_deleted_is_lost() {
    for found in [
        lease("9", "other", 5),
        lease("9", "", 4),
        CallResult::Absent,
    ] {
        let mut election = leader();
        election.handle_result(at(3), at(3), CallResult::Conflict);
        election.handle_result(at(4), at(4), found);
        assert_eq!(*election.state(), ElectionState::Lost);
    }
    let mut election = leader();
    election.handle_result(at(3), at(3), CallResult::Absent);
    assert_eq!(*election.state(), ElectionState::Lost);
}
