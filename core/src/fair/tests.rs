//! A test for every rule, and thousands of random histories.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;

fn name(number: usize) -> Arc<str> {
    format!("n-{number}").into()
}

#[test]
fn a_tenant_that_is_alone_leaves_a_reserve_and_each_may_have_one() {
    for (total, alone, quarter) in [
        (0, 0, 1),
        (1, 1, 1),
        (2, 1, 1),
        (4, 3, 1),
        (32, 24, 8),
        (512, 384, 128),
    ] {
        let shares = Shares::new(total);
        assert_eq!(
            (shares.alone(), shares.quarter()),
            (alone, quarter),
            "{total}"
        );
    }
    let mut shares = Shares::new(4);
    assert_eq!(shares.share(0, 1), Share::Own);
    shares.take(3);
    assert_eq!(shares.share(3, 1), Share::Full, "the reserve");
    assert_eq!(shares.share(0, 1), Share::Own, "is for who comes");
    shares.take(1);
    assert_eq!(shares.share(0, 1), Share::Full);
}

#[test]
fn dozens_of_tenants_that_take_all_they_can_leave_room_for_another_one() {
    let mut shares = Shares::new(512);
    for tenant in 0..40 {
        let mut own = 0;
        while shares.share(own, 1) == Share::Own {
            shares.take(1);
            own += 1;
        }
        assert!(own >= 1, "{tenant}");
        if tenant == 0 {
            assert_eq!(own, 128);
        }
        // It continues alone, as far as it may.
        while tenant == 0 && shares.share(own, 1) != Share::Full {
            shares.take(1);
            own += 1;
        }
        if shares.held() == 512 {
            assert!(tenant >= 7, "used up by {tenant} tenants");
            return;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn nobody_waits_longer_than_one_turn_of_each_other_tenant(
        pushes in proptest::collection::vec((0usize..5, 0usize..200), 1..12),
        steps in proptest::collection::vec((any::<bool>(), 0usize..5), 0..300),
    ) {
        let mut line = Line::default();
        let mut waiting: BTreeMap<usize, usize> = BTreeMap::new();
        for (tenant, count) in pushes {
            for _ in 0..count {
                line.push(&name(tenant), tenant);
            }
            *waiting.entry(tenant).or_default() += count;
        }
        // How many were served since each tenant arrived, or was last served.
        let mut since: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (push, tenant) in steps {
            if push {
                line.push(&name(tenant), tenant);
                let count = waiting.entry(tenant).or_default();
                if *count == 0 { since.remove(&tenant); }
                *count += 1;
                continue;
            }
            let Some((who, tenant)) = line.pop() else { continue };
            prop_assert_eq!(&*who, &*name(tenant));
            since.remove(&tenant);
            *waiting.entry(tenant).or_default() -= 1;
            for (other, count) in &waiting {
                if *other != tenant && *count > 0 {
                    let before = since.entry(*other).or_default();
                    prop_assert!(!before.contains(&tenant), "{tenant} went twice before {other}");
                    before.push(tenant);
                }
            }
        }
        prop_assert_eq!(line.len(), waiting.values().sum::<usize>());
    }

    #[test]
    fn shares_are_never_exceeded(
        total in 1usize..600,
        takes in proptest::collection::vec((0usize..6, 1usize..20, any::<bool>()), 0..400),
    ) {
        let mut shares = Shares::new(total);
        let mut held = [0usize; 6];
        for (tenant, amount, gives_back) in takes {
            if gives_back {
                let less = amount.min(held[tenant]);
                held[tenant] -= less;
                shares.give_back(less);
            } else {
                let share = shares.share(held[tenant], amount);
                let first = held[tenant] == 0;
                if share != Share::Full {
                    held[tenant] += amount;
                    shares.take(amount);
                    prop_assert!(first || held[tenant] <= shares.alone().max(shares.quarter()));
                }
                if share == Share::Own && !first {
                    prop_assert!(held[tenant] <= shares.quarter());
                }
            }
            prop_assert_eq!(shares.held(), held.iter().sum::<usize>());
            prop_assert!(shares.held() <= total);
        }
    }
}
