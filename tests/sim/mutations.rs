//! The oracle can fail: every rule that is switched off is noticed, and a planted leak is found.

use crate::mutation::{Law, without};

use super::random::{Sim, play, steps};

/// Seeds within which a broken rule must be noticed.
const SEEDS: u64 = 120;

const LAWS: [Law; 25] = [
    Law::Depth,
    Law::Fields,
    Law::Edit,
    Law::Internal,
    Law::Editors,
    Law::Cut,
    Law::CutOnRevoke,
    Law::Serving,
    Law::Revocations,
    Law::LaterNames,
    Law::Reach,
    Law::Selector,
    Law::Consent,
    Law::Evidence,
    Law::FollowCustomer,
    Law::Superseded,
    Law::Redaction,
    Law::LateErased,
    Law::Retired,
    Law::Turn,
    Law::Announce,
    Law::Gone,
    Law::Durable,
    Law::Cursor,
    Law::Absorb,
];

#[test]
fn every_rule_that_is_switched_off_is_noticed() {
    let mut missed = Vec::new();
    for rule in LAWS {
        let found = (0..SEEDS).find_map(|seed| {
            let played = without(rule, || play(seed, 4, &steps(seed, 40)));
            played.err().map(|failure| (seed, failure.what))
        });
        match found {
            Some((seed, what)) => {
                let what: String = what.chars().take(100).collect();
                println!("{rule:?}: {} seeds: {what}", seed + 1);
            }
            None => missed.push(rule),
        }
    }
    assert!(missed.is_empty(), "not noticed in {SEEDS} seeds: {missed:?}");
}

#[test]
fn a_planted_leak_is_found() {
    let mut sim = Sim::begin(7, 4).unwrap();
    let secret = super::model::Secret::Never { owner: 0, what: "planted" };
    let token = sim.model.token(secret);
    sim.world.frames.push((0, token.clone().into_bytes()));
    assert_eq!(sim.look(), Ok(()), "its owner may hold it");
    sim.world.frames.push((1, format!("frame with {token} in it").into_bytes()));
    assert!(sim.look().unwrap_err().starts_with("I8: org 1 received"));
    let mut batch = crate::store::Batch::default();
    batch.put(b"Z/planted".to_vec(), token.into_bytes());
    crate::store::Store::commit(&mut sim.world.orgs[1].disk, batch).unwrap();
    assert!(sim.look().unwrap_err().starts_with("I8: org 1 stored"));
}
